import { AsyncLocalStorage } from 'node:async_hooks'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { LogReader } from '../../gateway/core/log-message.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { UpstreamError } from '../../gateway/ports/connector.ts'
import type { Outbound } from '../../gateway/ports/dialer.ts'
import type { Lease } from '../../gateway/ports/vault.ts'

/** What the wire knows about the call in whose context a request is made. */
export interface CallTrace {
  signal: AbortSignal
  fault: UpstreamError | null
  /** Who reads what the server says in the stream of this call's answer; null over stdio, and once the call is over. */
  logs: LogReader | null
  /** The event stream of the call's answer has ended, with or without an answer. */
  streamEnded(): void
}

export const callTrace = new AsyncLocalStorage<CallTrace>()

/** Tells the call that sent a message when its stream has ended: the protocol layer above would wait for its time-out. */
class TracedTransport extends StreamableHTTPClientTransport {
  override send(...[message, options]: Parameters<StreamableHTTPClientTransport['send']>): Promise<void> {
    const trace = callTrace.getStore()
    return super.send(message, trace ? { ...options, onRequestStreamEnd: () => trace.streamEnded() } : options)
  }
}

/**
 * Streamable HTTP through the guard, with the connector's credential on every request. No stream is held open beside the requests: it could
 * carry only what is refused here (requests of the server) or read anew anyway (its list of tools).
 */
export function httpTransport(endpoint: string, outbound: Outbound, lease: Lease | null): StreamableHTTPClientTransport {
  const url = new URL(endpoint)
  for (const [name, value] of Object.entries(lease?.query() ?? {})) url.searchParams.set(name, value)
  const credential = Object.entries(lease?.headers() ?? {})
  const guarded = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    if (init?.method === 'GET') return new Response(null, { status: 405 })
    const headers = new Headers(init?.headers)
    for (const [name, value] of credential) headers.set(name, value)
    const trace = callTrace.getStore()
    try {
      // Servers of 2025 are told of a cancellation by a message of its own; the request that waits for the answer is ended here.
      const calls = trace !== undefined && typeof init?.body === 'string' && init.body.includes('"method":"tools/call"')
      const signal = calls ? AbortSignal.any([trace.signal, ...(init?.signal ? [init.signal] : [])]) : (init?.signal ?? null)
      const response = await outbound.fetch(input, { ...init, headers, signal, redirect: 'manual' })
      return bounded(response, trace)
    } catch (error) {
      if (trace && error instanceof UpstreamError) trace.fault ??= error
      throw error
    }
  }
  return new TracedTransport(url, {
    fetch: guarded,
    requestInit: { redirect: 'manual' },
    onInsufficientScope: 'throw',
    reconnectionOptions: { maxRetries: 0, initialReconnectionDelay: 1_000, maxReconnectionDelay: 1_000, reconnectionDelayGrowFactor: 1 },
  })
}

/** The same response, whose body fails beyond the limit. */
function bounded(response: Response, trace: CallTrace | undefined): Response {
  if (response.body === null) return response
  let bytes = 0
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength
      if (bytes <= LIMITS.filteredBodyBytesMax) {
        controller.enqueue(chunk)
        return
      }
      const fault = new UpstreamError('too_large', 'the answer of the tool is larger than the limit', true)
      if (trace) trace.fault ??= fault
      controller.error(fault)
    },
  })
  return new Response(response.body.pipeThrough(count), {
    status: response.status,
    statusText: response.statusText,
    headers: response.headers,
  })
}
