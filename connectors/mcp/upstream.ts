import {
  Client,
  LOG_LEVEL_META_KEY,
  type Progress,
  ProtocolError,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  type Transport,
} from '@modelcontextprotocol/client'
import type { Drift } from '../../gateway/core/drift.ts'
import type { OperationId } from '../../gateway/core/ids.ts'
import type { JsonObject, JsonValue } from '../../gateway/core/json.ts'
import type { Operation } from '../../gateway/core/operation.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { type ExecuteContext, type UpstreamAnswer, UpstreamError } from '../../gateway/ports/connector.ts'
import type { Lease } from '../../gateway/ports/vault.ts'
import { answerOf, jsonAnswer } from './answer.ts'
import { type CallTrace, callTrace } from './http.ts'
import { driftBetween } from './drift.ts'
import { readTool, type ReviewedTool, toolDigest } from './lock.ts'
import { StdioServer } from './stdio.ts'

const CLIENT = { name: 'gatehouse', version: '1' }
const RESTART_MS_MIN = 500
const RESTART_MS_MAX = 30_000

/** How to reach the server. `restarts` are delayed after each crash. */
export interface Endpoint {
  open(lease: Lease | null): Transport
  stdio: boolean
}

interface Live {
  client: Client
  transport: Transport
  /** Which credential it was opened with. */
  key: string
  usedAtMs: number
  checkedAtMs: number
  /** How often the server said that its tools changed. */
  changes: number
  /** Tools that are not as they were reviewed. */
  drifted: ReadonlyMap<string, 'changed' | 'missing'>
  /** Rejects when the connection ends by itself. */
  ended: Promise<never>
  over: boolean
  /** No new calls: it ends with its last one. */
  retired: boolean
  calls: number
  checking: Promise<boolean> | null
}

interface Opening {
  key: string
  live: Promise<Live>
}

const CONNECT_TRIES_MAX = 2

function isFresh({ checkedAtMs, usedAtMs }: Live): boolean {
  const now = performance.now()
  return now - checkedAtMs < LIMITS.mcpReviewFreshMsMax && now - usedAtMs < LIMITS.mcpIdleTrustedMsMax
}

function retire(live: Live): void {
  live.retired = true
  if (live.calls === 0) void end(live)
}

/**
 * The one connection of a connector to its MCP server: opened on first use, shared by all calls that have the same credential (the connector's own), and
 * opened anew after it ended. Requests of the server (sampling, elicitation, roots) are answered with errors by the client, which declares no capability.
 */
export class Upstream {
  readonly #endpoint: Endpoint
  readonly #operations: ReadonlyMap<string, OperationId>
  readonly #lock: ReadonlyMap<string, ReviewedTool>
  /** Of all reviewed tools, whether they are operations or not. */
  readonly reviewed: ReadonlyMap<string, string>
  #onCompared: (drift: readonly Drift[]) => void = () => undefined
  #opening: Opening | null = null
  #crashes = 0
  #notBeforeMs = 0
  #closed = false

  /** `lock`: the tools of the lock file; `operations`: those of them that are operations, by name. */
  constructor(endpoint: Endpoint, lock: readonly ReviewedTool[], operations: ReadonlyMap<string, OperationId>) {
    this.#endpoint = endpoint
    this.#operations = operations
    this.#lock = new Map(lock.map((tool) => [tool.name, tool]))
    this.reviewed = new Map(lock.map((tool) => [tool.name, toolDigest(tool)]))
  }

  onCompared(listener: (drift: readonly Drift[]) => void): void {
    this.#onCompared = listener
  }

  /** Compares on the open connection, or on a new one. Throws UpstreamError. */
  async look(lease: Lease | null): Promise<void> {
    const live = await this.#live(lease)
    await this.#check(live)
  }

  /** Calls a tool at most once. Throws UpstreamError. */
  async call(tool: string, operation: Operation, input: JsonObject, lease: Lease | null, context: ExecuteContext): Promise<UpstreamAnswer> {
    const live = await givenUp(this.#live(lease), context.signal)
    const drift = live.drifted.get(tool)
    if (drift)
      throw new UpstreamError(
        'refused',
        `tool \`${tool}\` is ${drift} since it was reviewed: import it anew and review the difference`,
        false,
      )
    const streamEnd = Promise.withResolvers<never>()
    streamEnd.promise.catch(() => undefined)
    // An answer is read before its stream ends; then nobody waits for this any more.
    const streamEnded = (): void =>
      void setImmediate(() => streamEnd.reject(new UpstreamError('broken', 'the answer of the MCP server broke off', true)))
    // A log message names no call. Over Streamable HTTP it comes in the stream of its call's answer; over stdio nobody can tell whose it is.
    const logs = this.#endpoint.stdio ? null : (context.logs ?? null)
    const over = new AbortController()
    const trace: CallTrace = { signal: context.signal, over: over.signal, fault: null, logs, streamEnded }
    live.calls++
    try {
      const sent = callTrace.run(trace, () => send(live, tool, operation, input, context))
      const result = await Promise.race([sent, live.ended, streamEnd.promise])
      this.#crashes = 0
      return answerOf(result)
    } catch (error) {
      return this.#failed(live, error, trace, context)
    } finally {
      over.abort()
      live.usedAtMs = performance.now()
      live.calls--
      if (live.retired) retire(live)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const live = await this.#opening?.live.catch(() => null)
    if (live) await end(live)
  }

  /** A connection that is open and whose tools were compared lately. Nothing that has an effect is sent. */
  async #live(lease: Lease | null): Promise<Live> {
    const key = lease ? `${lease.credential} ${lease.version}` : ''
    for (let tries = 0; tries < CONNECT_TRIES_MAX; tries++) {
      if (this.#closed) throw new UpstreamError('refused', 'the connector is closed', false)
      const opening = this.#opening?.key === key ? this.#opening : this.#reopen(key, lease)
      const live = await opening.live
      if (!live.over && !live.retired && (isFresh(live) || (await this.#check(live)))) return live
      if (this.#opening === opening) this.#opening = null
    }
    throw new UpstreamError('unreachable', 'the MCP server ends every connection', false)
  }

  /** The connection before, which had another credential, goes on until its calls are answered. */
  #reopen(key: string, lease: Lease | null): Opening {
    this.#opening?.live.then(retire, () => undefined)
    const opening = { key, live: this.#open(key, lease) }
    this.#opening = opening
    opening.live.catch(() => {
      if (this.#opening === opening) this.#opening = null
    })
    return opening
  }

  async #open(key: string, lease: Lease | null): Promise<Live> {
    const now = performance.now()
    if (now < this.#notBeforeMs)
      throw new UpstreamError(
        'unreachable',
        `the process of the connector ended; it starts again in ${Math.ceil((this.#notBeforeMs - now) / 1_000)} s`,
        false,
      )
    try {
      const live = await this.#connect(key, lease)
      await this.#compare(live)
      return live
    } catch (error) {
      this.#crashed()
      const known = upstreamErrorIn(error)
      throw new UpstreamError(
        known && !known.sent ? known.kind : 'unreachable',
        known && !known.sent ? known.message : 'the MCP server cannot be reached or does not speak MCP',
        false,
        error,
      )
    }
  }

  /** The 2025 revisions open a process, since what such a server does with an unknown first request is anyone's guess. */
  async #connect(key: string, lease: Lease | null): Promise<Live> {
    if (!this.#endpoint.stdio) return await this.#handshake(key, this.#endpoint.open(lease), 'auto')
    try {
      return await this.#handshake(key, this.#endpoint.open(lease), 'legacy')
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      return await this.#handshake(key, this.#endpoint.open(lease), 'auto')
    }
  }

  async #handshake(key: string, transport: Transport, mode: 'legacy' | 'auto'): Promise<Live> {
    const client = new Client(CLIENT, {
      capabilities: {},
      versionNegotiation: { mode, probe: { timeoutMs: LIMITS.mcpConnectTimeoutMsMax } },
      inputRequired: { autoFulfill: false },
    })
    const ended = Promise.withResolvers<never>()
    ended.promise.catch(() => undefined)
    try {
      await client.connect(transport, { timeout: LIMITS.mcpConnectTimeoutMsMax })
    } catch (error) {
      await client.close().catch(() => undefined)
      await transport.close().catch(() => undefined)
      throw error
    }
    const now = performance.now()
    const live: Live = {
      ...{ client, transport, key, usedAtMs: now, checkedAtMs: Number.NEGATIVE_INFINITY, changes: 0, drifted: new Map() },
      ...{ ended: ended.promise, over: false, retired: false, calls: 0, checking: null },
    }
    client.onclose = () => {
      if (live.over) return
      live.over = true
      const fault = transport instanceof StdioServer ? transport.fault : null
      // A process that was ended from here, for what it answered, has not crashed.
      if (!fault) this.#crashed()
      ended.reject(fault ?? new UpstreamError('broken', 'the connection to the MCP server ended', true))
    }
    // Its `_meta` stays here. Messages outside the stream of a call's answer have no reader.
    client.setNotificationHandler('notifications/message', ({ params: { level, logger, data } }) => {
      const trace = callTrace.getStore()
      if (!trace?.logs || trace.over.aborted) return
      trace.logs.tell({ level, ...(logger === undefined ? {} : { logger }), data: (data ?? null) as JsonValue })
    })
    client.setNotificationHandler('notifications/tools/list_changed', () => {
      live.changes++
      live.checkedAtMs = Number.NEGATIVE_INFINITY
    })
    return live
  }

  /** Only processes are held back, each time longer until one has answered a call. */
  #crashed(): void {
    if (!this.#endpoint.stdio || this.#closed) return
    const now = performance.now()
    // The first restart is at once.
    this.#notBeforeMs = this.#crashes === 0 ? 0 : now + Math.min(RESTART_MS_MIN * 2 ** (this.#crashes - 1), RESTART_MS_MAX)
    this.#crashes++
  }

  /** True where the connection answered; else nobody begins another call on it. One check at a time. */
  #check(live: Live): Promise<boolean> {
    live.checking ??= this.#compare(live)
      .then(
        () => true,
        () => {
          retire(live)
          return false
        },
      )
      .finally(() => {
        live.checking = null
      })
    return live.checking
  }

  /** Compares what the server has now with what was reviewed. */
  async #compare(live: Live): Promise<void> {
    const startedMs = performance.now()
    const { changes } = live
    const found = new Map<string, ReviewedTool>()
    const { tools } = await live.client.listTools(undefined, { timeout: LIMITS.mcpConnectTimeoutMsMax, cacheMode: 'bypass' })
    for (const raw of tools) {
      const tool = readTool(raw as unknown as JsonObject)
      if (tool) found.set(tool.name, tool)
    }
    const drift = driftBetween(this.#lock, this.#operations, found)
    const drifted = new Map<string, 'changed' | 'missing'>()
    for (const { subject, change } of drift) if (change !== 'new') drifted.set(subject, change)
    live.drifted = drifted
    if (live.changes === changes) live.checkedAtMs = startedMs
    this.#onCompared(drift)
  }

  /** What a failed call comes to: an answer where the server gave one, else UpstreamError with `sent` as far as it is known. */
  #failed(live: Live, error: unknown, { fault }: CallTrace, { signal }: ExecuteContext): UpstreamAnswer {
    if (error instanceof SdkHttpError) {
      // The session is gone (MCP 2025-11-25, Streamable HTTP, Session Management).
      if (error.status === 404) retire(live)
      return jsonAnswer(error.status, { text: `the MCP server answered with HTTP status ${error.status}` })
    }
    if (error instanceof ProtocolError && signal.aborted === false)
      return jsonAnswer(REFUSED_BEFORE.has(error.code) ? 422 : 500, { text: error.message })
    const known = fault ?? upstreamErrorIn(error)
    if (known) throw known
    throw withoutWire(error, signal)
  }
}

/** JSON-RPC 2.0 5.1: the request was not valid, so no tool ran. */
const REFUSED_BEFORE: ReadonlySet<number> = new Set([-32600, -32601, -32602])

function send({ client }: Live, tool: string, { idempotency, timeoutMs }: Operation, input: JsonObject, context: ExecuteContext) {
  const { traceparent, idempotencyKey, signal, onProgress, logs } = context
  const keyed = idempotency.kind === 'key-header'
  // Servers of 2026-07-28 say nothing unless asked to (server/utilities/logging); at those of 2025 the level would be one for all who share the connection.
  const asksForLogs = logs !== undefined && client.getProtocolEra() === 'modern'
  const _meta = {
    traceparent,
    ...(keyed ? { 'gatehouse/idempotencyKey': idempotencyKey } : {}),
    ...(asksForLogs ? { [LOG_LEVEL_META_KEY]: logs.level } : {}),
  }
  const headers = { traceparent, ...(keyed ? { [idempotency.header]: idempotencyKey } : {}) }
  const progress = onProgress ? { onprogress: (said: Progress) => onProgress(said.progress, said.total) } : {}
  const params = { name: tool, arguments: input, _meta }
  return client.request({ method: 'tools/call', params }, { signal, timeout: timeoutMs, headers, ...progress })
}

/** The work goes on for others, this caller does not wait for it. */
async function givenUp<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const leave = (): void => aborted.reject(abortError(signal, false))
  if (signal.aborted) throw abortError(signal, false)
  signal.addEventListener('abort', leave, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

function abortError({ reason }: AbortSignal, sent: boolean): UpstreamError {
  const late = reason instanceof UpstreamError ? reason.kind === 'timeout' : reason instanceof Error && reason.name === 'TimeoutError'
  return late
    ? new UpstreamError('timeout', 'the MCP server did not answer in time', sent, reason)
    : new UpstreamError('broken', 'the call was given up', sent, reason)
}

function withoutWire(error: unknown, signal: AbortSignal): UpstreamError {
  if (signal.aborted) return abortError(signal, true)
  if (!(error instanceof SdkError)) return new UpstreamError('broken', 'the call of the tool broke', true, error)
  if (error.code === SdkErrorCode.NotConnected) return new UpstreamError('unreachable', 'the MCP server cannot be reached', false, error)
  if (error.code === SdkErrorCode.RequestTimeout) return new UpstreamError('timeout', 'the MCP server did not answer in time', true, error)
  const malformed =
    error.code === SdkErrorCode.InvalidResult ||
    error.code === SdkErrorCode.UnsupportedResultType ||
    error.code === SdkErrorCode.ClientHttpUnexpectedContent
  return malformed
    ? new UpstreamError(
        'malformed',
        'the MCP server answered with what is no result of a tool, or asked for input that it is never given',
        true,
        error,
      )
    : new UpstreamError('broken', 'the connection to the MCP server broke', true, error)
}

function upstreamErrorIn(error: unknown): UpstreamError | undefined {
  let at: unknown = error
  for (let depth = 0; depth < LIMITS.schemaDepthMax && at instanceof Error; depth++) {
    if (at instanceof UpstreamError) return at
    at = at.cause
  }
  return undefined
}

async function end(live: Live): Promise<void> {
  live.over = true
  await live.client.close().catch(() => undefined)
  await live.transport.close().catch(() => undefined)
}
