import type { IncomingHttpHeaders } from 'node:http'
import { isJsonObject } from '../../core/json.ts'
import type { JsonObject, JsonValue } from '../../core/json.ts'
import { isLogLevel, LOG_LEVELS } from '../../core/log-message.ts'
import type { LogLevel } from '../../core/log-message.ts'
import { META, quoted, RPC, RpcError, SESSION_VERSIONS, STATELESS_VERSION, SUPPORTED_VERSIONS } from './rpc.ts'
import type { RequestId } from './rpc.ts'

/** `stateless` is served by revision 2026-07-28, `session` by the 2025 revisions. */
export type Era = 'stateless' | 'session'

export interface Request {
  kind: 'request'
  era: Era
  id: RequestId
  method: string
  params: JsonObject
  meta: JsonObject
}

export interface Notification {
  kind: 'notification'
  era: Era
  method: string
  params: JsonObject
}

export type Message = Request | Notification

/** The id of a body that is refused, where it can be read: an error response has to carry it. */
export const idOf = (body: JsonValue | undefined): RequestId | undefined =>
  isJsonObject(body) && (typeof body.id === 'string' || typeof body.id === 'number') ? body.id : undefined

/**
 * Reads one POSTed JSON-RPC message and picks its era (2026-07-28 basic/versioning, "Backward Compatibility": per-request `_meta` is served
 * statelessly, `initialize` and what follows it by session). The body decides; headers that disagree with it are refused
 * (transports/streamable-http, "Server Validation"). Throws RpcError: -32600 for what is no single request or notification (batches too),
 * -32602 for an incomplete or malformed `_meta`, -32020 for headers that are missing or disagree, -32022 for versions that are not served, all with 400.
 */
export function readMessage(body: JsonValue, headers: IncomingHttpHeaders): Message {
  if (Array.isArray(body)) throw invalid('batches are not accepted: send each message as its own POST')
  if (!isJsonObject(body) || body.jsonrpc !== '2.0') throw invalid('the body is not a JSON-RPC 2.0 message')
  const { method } = body
  if (typeof method !== 'string') throw invalid('only requests and notifications are accepted: `method` is missing')
  const params = body.params ?? {}
  if (!isJsonObject(params) || body.params === null) throw invalid('`params` is not an object')
  const meta = params._meta ?? {}
  if (!isJsonObject(meta) || params._meta === null) throw invalid('`params._meta` is not an object')
  const isRequest = Object.hasOwn(body, 'id')
  const id = idOf(body)
  if (isRequest && id === undefined) throw invalid('`id` is neither a string nor a number')
  const era = eraOf(method, meta, headers, isRequest)
  if (id === undefined) {
    if (era === 'stateless') agree(headers, 'mcp-method', method, false)
    return { kind: 'notification', era, method, params }
  }
  if (era === 'stateless') checkStateless(method, params, meta, headers)
  return { kind: 'request', era, id, method, params, meta }
}

const invalid = (message: string) => new RpcError(400, RPC.invalidRequest, message, { refusal: 'BAD_INPUT' })
const mismatch = (message: string) => new RpcError(400, RPC.headerMismatch, `header mismatch: ${message}`, { refusal: 'BAD_INPUT' })

function eraOf(method: string, meta: JsonObject, headers: IncomingHttpHeaders, isRequest: boolean): Era {
  const header = headerOf(headers, 'mcp-protocol-version')
  const claimed = meta[META.version]
  if (claimed === undefined) {
    if (header === undefined || SESSION_VERSIONS.includes(header)) return 'session'
    if (header !== STATELESS_VERSION) throw unsupported(header)
    // Only requests have to carry their version in the body.
    if (!isRequest) return 'stateless'
    // That revision has no handshake; the message tells an old client what it may speak instead.
    if (method === 'initialize') throw methodNotFound(method, 404)
  }
  if (typeof claimed !== 'string') throw incomplete(META.version)
  if (header !== undefined && header !== claimed)
    throw mismatch(`MCP-Protocol-Version says ${quoted(header)}, \`_meta\` says ${quoted(claimed)}`)
  if (claimed !== STATELESS_VERSION) throw unsupported(claimed)
  return 'stateless'
}

function checkStateless(method: string, params: JsonObject, meta: JsonObject, headers: IncomingHttpHeaders): void {
  if (!isJsonObject(meta[META.capabilities])) throw incomplete(META.capabilities)
  if (meta[META.clientInfo] !== undefined && !isJsonObject(meta[META.clientInfo])) throw incomplete(META.clientInfo)
  if (meta[META.logLevel] !== undefined) readLogLevel(meta[META.logLevel], 400)
  if (headerOf(headers, 'mcp-protocol-version') === undefined) throw mismatch('MCP-Protocol-Version is missing')
  agree(headers, 'mcp-method', method, true)
  const field = NAMED[method]
  const name = field === undefined ? undefined : params[field]
  if (typeof name === 'string') agree(headers, 'mcp-name', name, true)
}

/** A level of severity (2025-11-25 and 2026-07-28 server/utilities/logging, "Error Handling"). Throws RpcError -32602 where it is none. */
export function readLogLevel(value: JsonValue | undefined, status: number): LogLevel {
  if (isLogLevel(value)) return value
  throw new RpcError(status, RPC.invalidParams, `the log level is none of ${LOG_LEVELS.join(', ')}`, { refusal: 'BAD_INPUT' })
}

/** Methods whose `Mcp-Name` mirrors a field (transports/streamable-http, "Standard Request Headers"; ext-tasks, "Routing Headers"). */
const NAMED: Readonly<Record<string, string>> = Object.assign(Object.create(null), {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
})

function agree(headers: IncomingHttpHeaders, name: 'mcp-method' | 'mcp-name', value: string, required: boolean): void {
  const header = headerOf(headers, name)
  if (header === undefined) {
    if (required) throw mismatch(`${SPELLING[name]} is missing`)
    return
  }
  const said = name === 'mcp-name' ? decodeSentinel(header) : header
  if (said !== value) throw mismatch(`${SPELLING[name]} says ${quoted(header)}, the body says ${quoted(value)}`)
}

const SPELLING = { 'mcp-method': 'Mcp-Method', 'mcp-name': 'Mcp-Name' } as const

/** `=?base64?...?=` carries names that are no plain ASCII ("Value Encoding"); undefined where its inside is not canonical base64 of UTF-8. */
function decodeSentinel(header: string): string | undefined {
  if (!header.startsWith('=?base64?') || !header.endsWith('?=')) return header
  const encoded = header.slice('=?base64?'.length, -'?='.length)
  const bytes = Buffer.from(encoded, 'base64')
  if (bytes.toString('base64') !== encoded) return undefined
  const text = bytes.toString('utf8')
  return Buffer.from(text, 'utf8').equals(bytes) ? text : undefined
}

/** Node joins repeated headers with a comma, so a repeated one never agrees with the body. */
function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value?.trim()
}

const incomplete = (key: string) =>
  new RpcError(400, RPC.invalidParams, `\`params._meta\` needs ${quoted(key)} (revision ${STATELESS_VERSION})`, { refusal: 'BAD_INPUT' })

const unsupported = (requested: string) =>
  new RpcError(400, RPC.unsupportedVersion, `unsupported protocol version ${quoted(requested)}`, {
    data: { supported: [...SUPPORTED_VERSIONS], requested: requested.slice(0, 128) },
  })

/** `status` is 404 in revision 2026-07-28 ("Protocol Version Header"); the 2025 revisions answer within 200. */
export const methodNotFound = (method: string, status: number) =>
  new RpcError(
    status,
    RPC.methodNotFound,
    `method ${quoted(method)} is not served here; supported versions: ${SUPPORTED_VERSIONS.join(', ')}`,
  )
