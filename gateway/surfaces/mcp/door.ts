import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../../core/clock.ts'
import { GatewayError } from '../../core/errors.ts'
import { decodeUtf8, parseJson } from '../../core/json-text.ts'
import type { JsonValue } from '../../core/json.ts'
import type { Playbooks } from '../../core/playbook.ts'
import type { Principal } from '../../core/principal.ts'
import { LIMITS } from '../../limits.ts'
import type { Calls } from '../../ports/calls.ts'
import type { Log } from '../../ports/telemetry.ts'
import { bearerChallenge, publicError, statusOf } from '../error-response.ts'
import { readBody, UnreadBodyError } from '../request-body.ts'
import { Exchange, isJson, takes } from './exchange.ts'
import { idOf, methodNotFound, readLogLevel, readMessage } from './message.ts'
import type { Era, Notification, Request } from './message.ts'
import { PlaybookResources, RESOURCE_METHODS } from './resources.ts'
import { errorText, META, plain, quoted, resultText, RPC, RpcError, SESSION_VERSIONS, STATELESS_VERSION } from './rpc.ts'
import type { RequestId } from './rpc.ts'
import { Sessions } from './sessions.ts'
import type { Session } from './sessions.ts'
import { answerTaskRequest, TASK_METHODS, TASKS } from './tasks.ts'
import type { TaskAnswer } from './tasks.ts'
import { callTool } from './tool-call.ts'
import type { ToolAnswer } from './tool-call.ts'
import { ToolLists } from './tools.ts'

export interface McpDoorOptions {
  calls: Calls
  playbooks: Playbooks
  /** As agents see it, without a trailing slash: the 401 challenge points below it. */
  baseUrl: string
  /** `host` or `host:port`, lower case; a host without a port stands for all its ports. */
  allowedHosts: readonly string[]
  /** Whole origins (`https://app.example`). Requests without `Origin` come from no browser and pass. */
  allowedOrigins: readonly string[]
  log: Log
  clock: Clock
  /** Told to clients as the server's version. */
  version: string
  /** How long a held call waits for people before the answer says so; at most and by default `LIMITS.mcpHoldWaitSecondsMax`. */
  holdWaitMs?: number
  /** When an answer is due at the latest; at most and by default `LIMITS.mcpAnswerMsMax`. */
  answerMsMax?: number
}

export interface McpDoor {
  /** Answers one request to `/mcp`. Never throws. */
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>
  /** Ends waiting (held calls are answered as held) and streams, and takes nothing new; what executes goes on to its answer. Holds stay. */
  close(): Promise<void>
}

/**
 * What systems say while they work on a call is handed on: servers that do so declare it. The tasks of revision 2025-11-25 are others, and not served:
 * docs/decisions/0067-no-tasks-in-sessions.md.
 */
const capabilitiesIn = (era: Era, { any }: PlaybookResources) => ({
  tools: {},
  logging: {},
  ...(any && { resources: {} }),
  ...(era === 'stateless' && { extensions: { [TASKS]: {} } }),
})

const INSTRUCTIONS =
  'Every tool call is decided by policy and recorded. A result that starts with NOT EXECUTED had no effect: it says why and what to do. ' +
  'A held call waits for people; call gatehouse_call_wait with its id to get the result, and never take a held call for done. ' +
  'A result that says IN DOUBT must not be retried.'

/**
 * The MCP door: Streamable HTTP at one endpoint, revision 2026-07-28 (stateless) beside 2025-11-25, 2025-06-18 and 2025-03-26 (sessions), which
 * a dual-era server may serve concurrently (2026-07-28 basic/versioning, "Backward Compatibility"). Why it is not built on the SDK's server:
 * docs/decisions/0010-mcp-door.md.
 */
export function createMcpDoor(options: McpDoorOptions): McpDoor {
  const door = new Door(options)
  // Routes take `handle` by itself.
  return { handle: (req, res) => door.handle(req, res), close: () => door.close() }
}

class Door {
  private readonly options: McpDoorOptions
  private readonly hosts: ReadonlySet<string>
  private readonly origins: ReadonlySet<string>
  private readonly sessions: Sessions
  private readonly lists: ToolLists
  private readonly resources: PlaybookResources
  private readonly inProgress = new Set<Exchange>()
  private readonly holdWaitMs: number
  private readonly answerMsMax: number
  private readonly serverInfo: string
  private closed = false

  constructor(options: McpDoorOptions) {
    this.options = options
    this.hosts = new Set(options.allowedHosts.map((host) => host.toLowerCase()))
    this.origins = new Set(options.allowedOrigins.map((origin) => origin.toLowerCase()))
    this.sessions = new Sessions(options.clock)
    this.lists = new ToolLists(options.log)
    this.resources = new PlaybookResources(options.playbooks)
    const waitMsMax = LIMITS.mcpHoldWaitSecondsMax * 1_000
    this.holdWaitMs = Math.min(options.holdWaitMs ?? waitMsMax, waitMsMax)
    this.answerMsMax = Math.min(options.answerMsMax ?? LIMITS.mcpAnswerMsMax, LIMITS.mcpAnswerMsMax)
    this.serverInfo = JSON.stringify({ name: 'gatehouse', title: 'Gatehouse', version: options.version })
  }

  async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const seen: Seen = { principal: null, body: undefined, asked: null }
    try {
      this.checkSource(req)
      seen.principal = await this.options.calls.authenticate(req.headers.authorization, 'mcp')
      if (this.closed) throw new GatewayError('UNAVAILABLE', 'the gateway is stopping: try again', { retryAfterSeconds: 5 })
      if (req.method === 'POST') await this.post(req, res, seen, seen.principal)
      else if (req.method === 'GET') this.stream(req, res, seen.principal)
      else if (req.method === 'DELETE') this.end(req, res, seen.principal)
      else throw methodNotAllowed(req.method ?? '')
    } catch (error) {
      await this.refuse(req, res, seen, error)
    }
  }

  async close(): Promise<void> {
    this.closed = true
    for (const exchange of this.inProgress) exchange.close()
    this.sessions.close()
  }

  /** Both against DNS rebinding (2026-07-28 transports/streamable-http, "Security & Endpoint"). */
  private checkSource(req: IncomingMessage): void {
    const host = (req.headers.host ?? '').toLowerCase()
    if (!this.hosts.has(host) && !this.hosts.has(host.replace(/:\d+$/, '')))
      throw new RpcError(403, RPC.invalidRequest, 'this host name is not served here', { refusal: 'FORBIDDEN' })
    const { origin } = req.headers
    if (origin !== undefined && !this.origins.has(origin.toLowerCase()))
      throw new RpcError(403, RPC.invalidRequest, 'requests of this origin are not accepted', { refusal: 'FORBIDDEN' })
  }

  private async post(req: IncomingMessage, res: ServerResponse, seen: Seen, principal: Principal): Promise<void> {
    const { accept } = req.headers
    if (!isJson(req))
      throw new RpcError(415, RPC.invalidRequest, 'the content type is not `application/json`', { refusal: 'UNSUPPORTED_MEDIA_TYPE' })
    if (accept !== undefined && !takes(accept, 'application/json') && !takes(accept, 'text/event-stream'))
      throw new RpcError(406, RPC.invalidRequest, '`accept` admits neither `application/json` nor `text/event-stream`', {
        refusal: 'BAD_INPUT',
      })
    seen.body = parseJson(decodeUtf8(await readBody(req, LIMITS.requestBodyBytesMax)), LIMITS.inputDepthMax)
    const message = readMessage(seen.body, req.headers)
    seen.asked = askedOf(message)
    if (message.kind === 'notification') {
      if (message.era === 'session') this.notified(message, this.sessionOf(req, principal))
      res.writeHead(202).end()
      return
    }
    const exchange = new Exchange(res, accept)
    if (message.era === 'stateless') return await this.served(message, undefined, req, exchange, principal)
    if (message.method === 'initialize') return await this.initialize(message, exchange, principal)
    return await this.served(message, this.sessionOf(req, principal), req, exchange, principal)
  }

  /** Answers a request; while it is in progress it can be cancelled within its session, and ended by `close`. */
  private async served(
    message: Request,
    session: Session | undefined,
    req: IncomingMessage,
    exchange: Exchange,
    principal: Principal,
  ): Promise<void> {
    const { id, method, era } = message
    if (method !== 'tools/call' && !(era === 'stateless' && TASK_METHODS.has(method)))
      return void (await exchange.answer(resultText(id, this.plain(message, session, principal))))
    const release = this.register(id, session, exchange)
    try {
      const { calls } = this.options
      const told = await this.toldOf(message, session, req, exchange, principal)
      if (told === null) return void (await exchange.answer(resultText(id, this.stamped(era, ''))))
      if (told.callId !== undefined) exchange.setHeader('gatehouse-call', told.callId)
      if (told.traceparent) exchange.setHeader('traceparent', told.traceparent)
      const written = await exchange.answer(resultText(id, this.toldText(message, told)))
      if (written && told.final && told.callId !== undefined) calls.delivered(told.callId)
    } finally {
      release()
    }
  }

  /** What a request about a call is answered with; null for an acknowledgement. */
  private async toldOf(
    request: Request,
    session: Session | undefined,
    { headers }: IncomingMessage,
    exchange: Exchange,
    principal: Principal,
  ): Promise<ToolAnswer | TaskAnswer | null> {
    const { calls, log } = this.options
    const { holdWaitMs, answerMsMax } = this
    if (request.method !== 'tools/call') return await answerTaskRequest(calls, { principal, request, exchange, answerMsMax })
    return await callTool({ calls, log, holdWaitMs, answerMsMax }, { principal, request, headers, exchange, session })
  }

  private register(id: RequestId, session: Session | undefined, exchange: Exchange): () => void {
    this.inProgress.add(exchange)
    const same = session?.inProgress.get(id) ?? new Set()
    session?.inProgress.set(id, same.add(exchange))
    return () => {
      this.inProgress.delete(exchange)
      same.delete(exchange)
      if (same.size === 0 && session?.inProgress.get(id) === same) session.inProgress.delete(id)
    }
  }

  /** The result text of every method but tools/call. Throws RpcError -32601, and -32602 for parameters. */
  private plain(message: Request, session: Session | undefined, principal: Principal): string {
    const { method, era, params } = message
    if (method === 'tools/list') {
      const { tools, nextCursor } = this.lists.page(this.options.calls.view(principal), params.cursor)
      const next = nextCursor === undefined ? '' : `,"nextCursor":${JSON.stringify(nextCursor)}`
      return this.stamped(era, `"tools":${tools}${next}`, LIMITS.mcpToolsFreshMs)
    }
    if (this.resources.any && RESOURCE_METHODS.has(method))
      return this.stamped(era, this.resources.answer(method, era, params), LIMITS.mcpToolsFreshMs)
    if (era === 'stateless') {
      if (method !== 'server/discover') throw methodNotFound(method, 404)
      const capabilities = capabilitiesIn(era, this.resources)
      const said = { supportedVersions: [STATELESS_VERSION], capabilities, instructions: INSTRUCTIONS }
      return this.stamped(era, JSON.stringify(said).slice(1, -1), LIMITS.mcpToolsFreshMs)
    }
    if (method === 'logging/setLevel' && session) session.logLevel = readLogLevel(params.level, 200)
    if (method === 'ping' || method === 'logging/setLevel') return '{}'
    throw methodNotFound(method, 200)
  }

  /** Members every result of revision 2026-07-28 carries; a freshness in milliseconds makes it a `CacheableResult`. */
  private stamped(era: Request['era'], members: string, freshMs?: number): string {
    if (era === 'session') return `{${members}}`
    const cache = freshMs === undefined ? '' : `,"ttlMs":${freshMs},"cacheScope":"private"`
    return `{"resultType":"complete"${members === '' ? '' : `,${members}`}${cache},"_meta":{"${META.serverInfo}":${this.serverInfo}}}`
  }

  private toldText({ era, method }: Request, told: ToolAnswer | TaskAnswer): string {
    const { _meta: said, ...members } = 'task' in told ? { ...told.task, _meta: undefined } : told.result
    const { callId, traceparent } = told
    const own = {
      ...said,
      ...(callId !== undefined && { 'gatehouse/callId': callId }),
      ...(traceparent && { traceparent }),
    }
    const meta = era === 'session' ? JSON.stringify(own) : `{"${META.serverInfo}":${this.serverInfo}${rest(JSON.stringify(own))}`
    const type = 'task' in told && method === 'tools/call' ? 'task' : 'complete'
    return `{${era === 'session' ? '' : `"resultType":"${type}",`}${JSON.stringify(members).slice(1, -1)},"_meta":${meta}}`
  }

  /** 2025-11-25 basic/lifecycle, "Version Negotiation": another version is answered with our latest. A session id that came along is never taken. */
  private async initialize(message: Request, exchange: Exchange, principal: Principal): Promise<void> {
    const { protocolVersion } = message.params
    if (typeof protocolVersion !== 'string')
      throw new RpcError(200, RPC.invalidParams, '`params.protocolVersion` is not a string', { refusal: 'BAD_INPUT' })
    const version = SESSION_VERSIONS.includes(protocolVersion) ? protocolVersion : SESSION_VERSIONS[0]
    const said = JSON.stringify({
      protocolVersion: version,
      capabilities: capabilitiesIn('session', this.resources),
      instructions: INSTRUCTIONS,
    })
    exchange.setHeader('mcp-session-id', this.sessions.open(ownerOf(principal)).id)
    await exchange.answer(resultText(message.id, `${said.slice(0, -1)},"serverInfo":${this.serverInfo}}`))
  }

  /** Ends the wait of a request of the same session, never a hold. Unknown requests are ignored, as the specification asks. */
  private notified({ method, params }: Notification, session: Session): void {
    const { requestId } = params
    if (method !== 'notifications/cancelled' || (typeof requestId !== 'string' && typeof requestId !== 'number')) return
    for (const exchange of session.inProgress.get(requestId) ?? []) exchange.leave('cancelled')
  }

  /** Throws RpcError 400 without an id and 404 for sessions that ended, never were, or are another's: clients then initialize anew. */
  private sessionOf(req: IncomingMessage, principal: Principal): Session {
    const id = req.headers['mcp-session-id']
    if (typeof id !== 'string')
      throw new RpcError(400, RPC.invalidRequest, `\`Mcp-Session-Id\` is missing: initialize first, or speak ${STATELESS_VERSION}`)
    const found = this.sessions.find(id, ownerOf(principal))
    if (found.session) return found.session
    throw new RpcError(
      404,
      RPC.invalidRequest,
      'no such session: it ended or never was; initialize again',
      found.foreign ? { refusal: 'NOT_FOUND' } : {},
    )
  }

  /** The standing stream of the 2025 revisions: kept open for clients that wait on it, and has nothing to say but that it lives. */
  private stream(req: IncomingMessage, res: ServerResponse, principal: Principal): void {
    if (req.headers['mcp-protocol-version'] === STATELESS_VERSION) throw methodNotAllowed('GET')
    if (!takes(req.headers.accept, 'text/event-stream'))
      throw new RpcError(406, RPC.invalidRequest, '`accept` does not admit `text/event-stream`')
    const session = this.sessionOf(req, principal)
    if (session.streams.size >= LIMITS.mcpStreamsPerSessionMax)
      throw new RpcError(409, RPC.invalidRequest, `this session has ${LIMITS.mcpStreamsPerSessionMax} streams open already`)
    session.streams.add(res)
    const alive = setInterval(() => res.write(': alive\n\n'), LIMITS.mcpKeepAliveMs).unref()
    res.once('close', () => {
      clearInterval(alive)
      session.streams.delete(res)
    })
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
    res.write(': open\n\n')
  }

  private end(req: IncomingMessage, res: ServerResponse, principal: Principal): void {
    if (req.headers['mcp-protocol-version'] === STATELESS_VERSION) throw methodNotAllowed('DELETE')
    this.sessions.end(this.sessionOf(req, principal))
    res.writeHead(204).end()
  }

  /** Writes any error as a JSON-RPC error response, and notes in the record what was a refusal. */
  private async refuse(req: IncomingMessage, res: ServerResponse, seen: Seen, error: unknown): Promise<void> {
    const { calls, log, baseUrl } = this.options
    const refusal = asRpcError(error)
    if (refusal.status >= 500) log.error({ err: error, asked: seen.asked }, 'the MCP door failed')
    if (refusal.refusal !== undefined) {
      const faults = error instanceof RpcError ? [] : publicError(error).faults
      await calls
        .refuse('mcp', seen.principal, seen.asked, { code: refusal.refusal, message: refusal.message, faults })
        .catch((unrecorded: unknown) => log.error({ err: unrecorded, code: refusal.refusal }, 'a refusal could not be recorded'))
    }
    if (res.headersSent || res.destroyed) return void res.end()
    const challenge = refusal.status === 401 && {
      'www-authenticate': bearerChallenge(baseUrl, '/mcp', req.headers.authorization !== undefined),
    }
    const text = errorText(refusal, idOf(seen.body))
    res.writeHead(refusal.status, {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(text)),
      'cache-control': 'no-store',
      ...refusal.headers,
      ...challenge,
    })
    res.end(text)
  }
}

/** What is known of a request when it is refused. */
interface Seen {
  principal: Principal | null
  body: JsonValue | undefined
  asked: string | null
}

const ownerOf = ({ issuer, agent, subject }: Principal): string => JSON.stringify([issuer, agent.name, subject ?? null])

const askedOf = ({ method, params }: Request | Notification): string =>
  plain(method === 'tools/call' && typeof params.name === 'string' ? params.name : method)

const rest = (members: string): string => (members === '{}' ? '}' : `,${members.slice(1)}`)

const methodNotAllowed = (method: string) =>
  new RpcError(405, RPC.invalidRequest, `${quoted(method)} is not served here`, { headers: { allow: 'GET, POST, DELETE' } })

/** Errors of the gateway's own catalogue keep their status and code; 401s are in the record already. */
function asRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error
  const { code, message, faults, retryAfterSeconds } = publicError(error)
  const malformed = code === 'BAD_INPUT'
  const rpc = malformed ? RPC.parse : code === 'INTERNAL' || code === 'UNAVAILABLE' ? RPC.internal : RPC.invalidRequest
  return new RpcError(statusOf(code), rpc, message, {
    data: { code, ...(faults.length > 0 && { errors: faults.map(({ pointer, message }) => ({ pointer, message })) }) },
    headers: {
      ...(retryAfterSeconds !== undefined && { 'retry-after': String(Math.max(1, Math.ceil(retryAfterSeconds))) }),
      ...(error instanceof UnreadBodyError && { connection: 'close' }),
    },
    ...(code !== 'UNAUTHENTICATED' && code !== 'INTERNAL' && code !== 'UNAVAILABLE' && { refusal: code }),
  })
}
