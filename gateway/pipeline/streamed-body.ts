import { createHash } from 'node:crypto'
import { createRedactor } from '../core/redactor.ts'
import { UpstreamError } from '../ports/connector.ts'

export interface StreamEnd {
  /** Set where the body broke off. */
  error: UpstreamError | null
  digest: string
  bytes: number
}

/**
 * An upstream body on its way to a reader, with every form of the leased secret masked. `onEnd` runs exactly once, whether the body ends, breaks, is given
 * up by its reader, or the caller leaves before reading; the reader sees the end only after `onEnd` has resolved.
 */
export class StreamedBody implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #redactor: ReturnType<typeof createRedactor>
  readonly #digest = createHash('sha256')
  readonly #signal: AbortSignal
  readonly #abort: AbortController
  readonly #onEnd: (end: StreamEnd) => Promise<void>
  readonly #left = (): void => {
    void this.#finish(new UpstreamError('broken', 'the caller left', true)).catch(() => {})
  }
  #bytes = 0
  #ended: Promise<void> | undefined

  constructor(
    source: AsyncIterable<Uint8Array>,
    needles: readonly Uint8Array[],
    signal: AbortSignal,
    abort: AbortController,
    onEnd: (end: StreamEnd) => Promise<void>,
  ) {
    this.#source = source[Symbol.asyncIterator]()
    this.#redactor = createRedactor(needles)
    this.#signal = signal
    this.#abort = abort
    this.#onEnd = onEnd
    if (signal.aborted) this.#left()
    else signal.addEventListener('abort', this.#left, { once: true })
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => this.#next(),
      return: async () => {
        await this.#finish(new UpstreamError('broken', 'the caller left', true))
        return { done: true, value: undefined }
      },
    }
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#ended) return { done: true, value: undefined }
    let step: IteratorResult<Uint8Array>
    try {
      step = await this.#source.next()
    } catch (cause) {
      const error = cause instanceof UpstreamError ? cause : new UpstreamError('broken', 'the answer broke off', true, cause)
      await this.#finish(error)
      throw error
    }
    if (this.#ended) return { done: true, value: undefined }
    const chunk = step.done ? this.#redactor.end() : this.#redactor.push(step.value)
    this.#digest.update(chunk)
    this.#bytes += chunk.length
    if (!step.done) return { done: false, value: chunk }
    await this.#finish(null)
    return chunk.length > 0 ? { done: false, value: chunk } : { done: true, value: undefined }
  }

  #finish(error: UpstreamError | null): Promise<void> {
    if (this.#ended) return this.#ended
    this.#signal.removeEventListener('abort', this.#left)
    if (error) this.#abort.abort(error)
    this.#ended = this.#onEnd({ error, digest: this.#digest.digest('hex'), bytes: this.#bytes })
    return this.#ended
  }
}
