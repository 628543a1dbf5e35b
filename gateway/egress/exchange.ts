import { type Dispatcher, errors } from 'undici'
import type { OutboundRequest, OutboundResponse } from '../ports/dialer.ts'
import { UpstreamError } from '../ports/connector.ts'

/** Bytes that may wait for a slow reader before the socket is paused. */
const WAITING_BYTES_MAX = 65_536

/** The guard said no: told apart from a network error, so that the reader learns which. */
export class EgressRefused extends Error {}

const KIND_OF_ERROR: readonly [new (...args: never[]) => Error, UpstreamError['kind'], string][] = [
  [errors.HeadersTimeoutError, 'timeout', 'the upstream sent no answer in time'],
  [errors.BodyTimeoutError, 'timeout', 'the upstream stopped in the middle of its answer'],
  [errors.HeadersOverflowError, 'too_large', "the upstream's headers are larger than the limit"],
  [errors.HTTPParserError, 'malformed', 'the upstream does not speak HTTP/1.1 correctly'],
  [errors.ResponseContentLengthMismatchError, 'malformed', "the upstream's answer is not as long as it says"],
]

/** `sent` as the wire saw it; the cause stays private. */
export function upstreamError(error: unknown, sent: boolean, signal: AbortSignal | undefined): UpstreamError {
  if (error instanceof EgressRefused || error instanceof errors.InvalidArgumentError)
    return new UpstreamError(
      'refused',
      error instanceof EgressRefused ? error.message : 'the request cannot be put on the wire',
      sent,
      error,
    )
  if (signal?.aborted) {
    const { reason } = signal
    // Whoever aborts cannot know what left: a reason that is an UpstreamError tells the kind, the wire tells the rest.
    const late = reason instanceof UpstreamError ? reason.kind === 'timeout' : reason instanceof Error && reason.name === 'TimeoutError'
    return late
      ? new UpstreamError('timeout', 'the upstream did not answer in time', sent, error)
      : new UpstreamError('broken', 'the call was given up before its answer was complete', sent, error)
  }
  for (const [type, kind, message] of KIND_OF_ERROR) if (error instanceof type) return new UpstreamError(kind, message, sent, error)
  return sent
    ? new UpstreamError('broken', 'the connection to the upstream broke', true, error)
    : new UpstreamError('unreachable', 'the upstream cannot be reached', false, error)
}

interface Waiting {
  resolve(result: IteratorResult<Uint8Array, undefined>): void
  reject(error: UpstreamError): void
}

/**
 * One request and its answer. Written against the dispatcher itself: an abort counts at once, also while the request still waits for a
 * connection, and `sent` is known exactly, since undici starts a request only on a connected socket.
 */
export class Exchange implements Dispatcher.DispatchHandler, AsyncIterableIterator<Uint8Array, undefined> {
  readonly #head = Promise.withResolvers<OutboundResponse>()
  readonly #signal: AbortSignal | undefined
  #controller: Dispatcher.DispatchController | null = null
  #sent = false
  #answered = false
  #ended = false
  #error: UpstreamError | null = null
  #chunks: Uint8Array[] = []
  #waitingBytes = 0
  #reader: Waiting | null = null

  constructor(request: OutboundRequest) {
    this.#signal = request.signal
    this.#signal?.addEventListener('abort', this.#onAbort)
  }

  /** Resolves with the final answer's head. */
  get answer(): Promise<OutboundResponse> {
    return this.#head.promise
  }

  /** Ends the exchange with an error that undici did not report. */
  fail(error: unknown): void {
    this.#finish(upstreamError(error, this.#sent, this.#signal))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#ended) controller.abort(new errors.RequestAbortedError())
    else this.#sent = true
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Record<string, string | string[] | undefined>): void {
    if (status < 200 || this.#ended) return
    this.#answered = true
    this.#head.resolve({ status, headers: headers as OutboundResponse['headers'], body: this })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#ended) return
    if (this.#reader) {
      const { resolve } = this.#reader
      this.#reader = null
      resolve({ done: false, value: chunk })
      return
    }
    this.#chunks.push(chunk)
    this.#waitingBytes += chunk.byteLength
    if (this.#waitingBytes >= WAITING_BYTES_MAX) controller.pause()
  }

  onResponseEnd(): void {
    this.#finish(null)
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.fail(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const chunk = this.#chunks.shift()
    if (chunk) {
      this.#waitingBytes -= chunk.byteLength
      if (this.#waitingBytes < WAITING_BYTES_MAX && this.#controller?.paused) this.#controller.resume()
      return Promise.resolve({ done: false, value: chunk })
    }
    if (this.#error) return Promise.reject(this.#error)
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
    })
  }

  /** The reader leaves: what is still under way is dropped and its connection closed. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#chunks = []
    if (!this.#ended) {
      this.#finish(null)
      this.#controller?.abort(new errors.RequestAbortedError())
    }
    return Promise.resolve({ done: true, value: undefined })
  }

  #onAbort = (): void => {
    this.fail(this.#signal?.reason)
    this.#controller?.abort(new errors.RequestAbortedError())
  }

  #finish(error: UpstreamError | null): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    this.#signal?.removeEventListener('abort', this.#onAbort)
    if (error && !this.#answered) this.#head.reject(error)
    const reader = this.#reader
    this.#reader = null
    if (error) reader?.reject(error)
    else reader?.resolve({ done: true, value: undefined })
  }
}
