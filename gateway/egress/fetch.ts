import { LIMITS } from '../limits.ts'
import type { OutboundRequest, OutboundResponse } from '../ports/dialer.ts'

/** Set by the connection, never by a protocol library. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'keep-alive',
  'upgrade',
  'expect',
])
/** Fetch 2.2.3: these carry no body. */
const NULL_BODY: ReadonlySet<number> = new Set([204, 205, 304])

/**
 * `fetch` over a guarded `request`: redirects come back as answers, request bodies are sent whole, nothing is decompressed (identity is
 * asked for). Rejects with the signal's reason on abort as the Fetch standard says, else with UpstreamError.
 */
export function guardedFetch(send: (request: OutboundRequest) => Promise<OutboundResponse>): typeof globalThis.fetch {
  return async (input, init) => {
    const request = new Request(input, init)
    const headers: Record<string, string> = { 'accept-encoding': 'identity' }
    for (const [name, value] of request.headers) if (!OWN_HEADERS.has(name) && name !== 'accept-encoding') headers[name] = value
    const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer())
    const { signal } = request
    const answer = await send({
      method: request.method,
      url: request.url,
      headers,
      ...(body === undefined ? {} : { body }),
      signal,
      headersTimeoutMs: LIMITS.upstreamTimeoutMsMax,
      bodyTimeoutMs: LIMITS.upstreamTimeoutMsMax,
    }).catch((error: unknown) => {
      throw signal.aborted ? signal.reason : error
    })
    const empty = NULL_BODY.has(answer.status) || request.method === 'HEAD'
    if (empty) await drop(answer.body)
    return new Response(empty ? null : streamOf(answer.body), { status: answer.status, headers: headersOf(answer.headers) })
  }
}

async function drop(body: AsyncIterable<Uint8Array>): Promise<void> {
  await body[Symbol.asyncIterator]().return?.()
}

function streamOf(body: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    async cancel() {
      await iterator.return?.()
    },
  })
}

function headersOf(from: OutboundResponse['headers']): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(from)) for (const one of typeof value === 'string' ? [value] : value) headers.append(name, one)
  return headers
}
