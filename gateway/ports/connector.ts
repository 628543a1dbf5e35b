import type { Drift } from '../core/drift.ts'
import type { JsonObject } from '../core/json.ts'
import type { LogReader } from '../core/log-message.ts'
import type { BusinessKey, Idempotency, Mode, Operation, Reversibility } from '../core/operation.ts'
import type { Outbound } from './dialer.ts'
import type { Lease } from './vault.ts'

/** A plain-HTTP request below `/proxy/{connector}`, as it arrived: nothing decoded, nothing normalised. */
export interface ProxiedRequest {
  method: string
  /** Raw path after `/proxy/{connector}`, starting with a slash, still percent-encoded. */
  rawPath: string
  /** Raw query without `?`; empty where there was none. */
  rawQuery: string
  /** Lower-case names; values joined as node does. */
  headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** Decoded of no content encoding (compressed bodies are refused before); empty where there was none. */
  body: Uint8Array
}

/** What a connector hands back: upstream's status, headers and body, before the filter. */
export interface UpstreamAnswer {
  status: number
  /** Lower-case names. */
  headers: Readonly<Record<string, string | readonly string[]>>
  /** Read once, to the end or cancelled by `return()`. */
  body: AsyncIterable<Uint8Array>
}

export interface ExecuteContext {
  /** Aborts the upstream call: time-out, or a reading caller that left. */
  signal: AbortSignal
  /** W3C Trace Context to send on. */
  traceparent: string
  /** For upstreams that take a key: constant for all tries of one call. */
  idempotencyKey: string
  /** Told how far the system says it is, where it can say so; numbers only, as its words pass no filter here. */
  onProgress?: (progress: number, total: number | undefined) => void
  /** Told what the system says while it works on this very call, as it says it: where it cannot be told whose a message is, it is dropped. */
  logs?: LogReader
}

/**
 * Where an execution broke. `sent: false` promises that no byte of the request left; anything else might have had its effect.
 */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError'
  constructor(
    readonly kind: 'refused' | 'unreachable' | 'broken' | 'timeout' | 'too_large' | 'malformed',
    message: string,
    readonly sent: boolean,
    cause?: unknown,
  ) {
    super(message, { cause })
  }
}

/** What a system that describes itself says now, against the reviewed description. Changed and missing operations are refused by `execute`. */
export interface LiveDescription {
  /** All that was reviewed, operations or not: what the system calls it, to its version. */
  readonly reviewed: ReadonlyMap<string, string>
  /** Compares now, with the connection that calls use, or a new one. Calls nothing that has an effect. Throws UpstreamError. */
  look(lease: Lease | null): Promise<void>
  /** Told after each comparison, with all that differs. One listener; must not throw. */
  onCompared(listener: (drift: readonly Drift[]) => void): void
}

/**
 * One configured system. `operations` never changes while the connector lives. `execute` builds the upstream request from the
 * canonical arguments alone, at every door, and sends it at most once; it throws UpstreamError and nothing else.
 * HTTP statuses are answers, not errors. Kinds that have no HTTP map success to 200 and a tool's own error to 422.
 */
export interface Connector {
  readonly name: string
  readonly kind: string
  readonly region: string
  readonly operations: readonly Operation[]
  /** Kinds whose systems describe themselves while they run. */
  readonly live?: LiveDescription
  /**
   * Reads a proxied request as an operation and its arguments. Null where no operation has this method and path
   * (`allow` lists the methods that the path has). Throws BAD_INPUT with pointers for parameters, cookies or bodies that no operation declares,
   * and for ambiguous paths (dot segments, encoded slashes, backslashes, NUL, empty segments). What `sees` refuses is as if it were not there: nothing of
   * the request but method and path is looked at before it is asked.
   */
  match(
    request: ProxiedRequest,
    sees?: (operation: Operation) => boolean,
  ): { operation: Operation; input: JsonObject } | { operation: null; allow: readonly string[] }
  execute(operation: Operation, input: JsonObject, lease: Lease | null, context: ExecuteContext): Promise<UpstreamAnswer>
  close(): Promise<void>
}

/** A reviewer's word on one operation; what it leaves out keeps the kind's default. */
export interface OperationOverride {
  mode?: Mode
  reversibility?: Reversibility
  businessKey?: BusinessKey
  dataClasses?: Readonly<Record<string, readonly string[]>>
  labels?: readonly string[]
  idempotency?: Idempotency
  timeoutMs?: number
}

/** `connectors/<name>.yaml`, validated, paths absolute, durations in milliseconds, `${NAME:-default}` filled in. */
export interface Manifest {
  connector: string
  kind: string
  /** Of the manifest, for messages. */
  file: string
  /** The reviewed description: absolute path and text. */
  source: { path: string; text: string }
  /** Base address (openapi) or endpoint (mcp over Streamable HTTP). */
  baseUrl?: string
  /** mcp only: `node` means the gateway's own Node; any other command is an absolute path. */
  stdio?: { command: string; args: readonly string[] }
  region: string
  /** Name of the credential in the vault. */
  credential?: string
  /** Host names and address literals; a private address is reachable only through a name or literal listed here. */
  egress: readonly string[]
  operations: { include?: readonly string[]; exclude?: readonly string[]; overrides: Readonly<Record<string, OperationOverride>> }
}

/**
 * Makes connectors of one kind from files alone: connects to nothing, starts nothing. Throws CONFIG_INVALID with every fault of the
 * manifest and its source (pointer `file:line` or `file#/pointer`), such as colliding names or overrides of unknown operations.
 */
export interface ConnectorKind {
  readonly kind: string
  load(manifest: Manifest, outbound: Outbound): Connector
}
