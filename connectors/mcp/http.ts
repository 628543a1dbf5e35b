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
  /** Aborts when the call is over, however it ended: then its stream is not resumed any more. */
  over: AbortSignal
  /** Who reads what the server says in the stream of this call's answer; null over stdio. */
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
 * carry only what is refused here (requests of the server) or read anew anyway (its list of tools). The stream of a call's answer that the server
 * closes early is resumed (2025-11-25 basic/transports, "Resumability and Redelivery"), which sends no call anew.
 */
export function httpTransport(endpoint: string, outbound: Outbound, lease: Lease | null): StreamableHTTPClientTransport {
  const url = new URL(endpoint)
  for (const [name, value] of Object.entries(lease?.query() ?? {})) url.searchParams.set(name, value)
  const credential = Object.entries(lease?.headers() ?? {})
  const guarded = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const trace = callTrace.getStore()
    const headers = new Headers(init?.headers)
    const resumes = init?.method === 'GET'
    if (resumes && (!trace || trace.over.aborted || !headers.has('last-event-id'))) return new Response(null, { status: 405 })
    for (const [name, value] of credential) headers.set(name, value)
    try {
      const ends = init?.signal ? [init.signal] : []
      // Servers of 2025 are told of a cancellation by a message of its own; the request that waits for the answer is ended here.
      if (trace && (resumes || callsTool(init))) ends.push(trace.signal)
      if (trace && resumes) ends.push(trace.over)
      const signal = AbortSignal.any(ends)
      const response = await outbound.fetch(input, { ...init, headers, signal, redirect: 'manual' })
      return bounded(response, trace)
    } catch (error) {
      // Why a stream could not be resumed says nothing of whether the call was sent.
      if (trace && !resumes && error instanceof UpstreamError) trace.fault ??= error
      throw error
    }
  }
  return new TracedTransport(url, {
    fetch: guarded,
    requestInit: { redirect: 'manual' },
    onInsufficientScope: 'throw',
    reconnectionOptions: {
      maxRetries: LIMITS.mcpResumesInVainMax,
      initialReconnectionDelay: LIMITS.mcpResumeDelayMsMin,
      maxReconnectionDelay: LIMITS.mcpResumeDelayMsMax,
      reconnectionDelayGrowFactor: 2,
    },
    // The server may name its own delay.
    reconnectionScheduler: (resume, delayMs) => {
      const timer = setTimeout(resume, Math.min(Math.max(delayMs, LIMITS.mcpResumeDelayMsMin), LIMITS.mcpResumeDelayMsMax)).unref()
      return () => clearTimeout(timer)
    },
  })
}

const callsTool = (init: RequestInit | undefined): boolean => typeof init?.body === 'string' && init.body.includes('"method":"tools/call"')

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
