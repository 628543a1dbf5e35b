import type { ErrorCode } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'

/** The revision without handshake and sessions: every request carries its version and capabilities. */
export const STATELESS_VERSION = '2026-07-28'
/** Revisions that open with `initialize`, newest first. */
export const SESSION_VERSIONS: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26']
export const SUPPORTED_VERSIONS: readonly string[] = [STATELESS_VERSION, ...SESSION_VERSIONS]

/** Keys of `_meta` that revision 2026-07-28 reserves (basic/index, "Per-request protocol fields"). */
export const META = {
  version: 'io.modelcontextprotocol/protocolVersion',
  capabilities: 'io.modelcontextprotocol/clientCapabilities',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
  logLevel: 'io.modelcontextprotocol/logLevel',
} as const

/** JSON-RPC 2.0 section 5.1, and MCP 2026-07-28 basic/index, "Error Codes". */
export const RPC = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  headerMismatch: -32020,
  missingCapability: -32021,
  unsupportedVersion: -32022,
} as const

export type RequestId = string | number

/**
 * A refusal of the protocol itself: an HTTP status with a JSON-RPC error response. `refusal` is the word of our own catalogue under which the
 * record keeps it; absent where nothing needs keeping (a method that we do not have).
 */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly status: number
  readonly code: number
  readonly data: JsonObject | undefined
  readonly refusal: ErrorCode | undefined
  /** Extra headers, lower-case names. */
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    code: number,
    message: string,
    details: { data?: JsonObject; refusal?: ErrorCode; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message)
    this.status = status
    this.code = code
    this.data = details.data
    this.refusal = details.refusal
    this.headers = details.headers ?? {}
  }
}

/** Text of a JSON-RPC error response. `id` is left out where it could not be read (2026-07-28 basic/index, "Error Responses"). */
export function errorText(error: Pick<RpcError, 'code' | 'message' | 'data'>, id: RequestId | undefined): string {
  return JSON.stringify({
    jsonrpc: '2.0',
    ...(id !== undefined && { id }),
    error: { code: error.code, message: error.message, ...(error.data && { data: error.data }) },
  })
}

/** Text of a JSON-RPC result response around a result that is JSON text already. */
export const resultText = (id: RequestId, result: string): string => `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`

/** A caller's word for messages and the record: at most 128 characters, control characters (NUL among them) replaced. */
export const plain = (raw: string): string =>
  (raw.length > 128 ? `${raw.slice(0, 128)}...` : raw).replace(/\p{Cc}/gu, '\ufffd').toWellFormed()

/** A caller's word in a message. */
export const quoted = (raw: string): string => `\`${plain(raw)}\``
