import type { Instant } from './clock.ts'
import type { DenyReason } from './decision.ts'
import type { ArgumentEdit } from './edit.ts'
import type { ErrorCode } from './errors.ts'
import type { CallId, HoldId, OperationId } from './ids.ts'
import type { JsonObject } from './json.ts'

export type Door = 'graphql' | 'mcp' | 'http'
/** Where agents come with their tokens: calls are made at some, others ask after calls or tell what led to them. */
export type AgentDoor = Door | 'status' | 'otlp'

/** `approved` is also the state of a permitted call that waits for its turn behind another root field of the same document. */
export const CALL_STATES = [
  'held',
  'approved',
  'executing',
  'completed',
  'failed',
  'in_doubt',
  'denied',
  'rejected',
  'expired',
  'cancelled',
] as const
export type CallState = (typeof CALL_STATES)[number]

/** States that a call never leaves, but for `in_doubt`, which a person ends. */
export const FINAL_STATES: ReadonlySet<CallState> = new Set([
  'completed',
  'failed',
  'in_doubt',
  'denied',
  'rejected',
  'expired',
  'cancelled',
])

/** What the agent says its own playbook decided, and as far as it was looked at here. */
export interface DecisionRecord {
  playbook: string
  version: string
  outcome: string
  /** What the agent attached. */
  record?: JsonObject
  /** Outcome and record are as this version of the playbook asks. False where no such playbook is configured; absent in calls from before playbooks were. */
  checked?: boolean
  /** SHA-256 hex over the canonical JSON of the schema that `record` was checked against. */
  schema?: string
}

/** The agent's own account of the call: recorded, never trusted to widen anything. */
export interface Asserted {
  rationale?: string
  run?: string
  decisionRecord?: DecisionRecord
}

/** A stored answer. `body` is the upstream body after filtering; `value` is read from it where it is JSON. */
export interface StoredResult {
  status: number
  headers: Record<string, string>
  body: string
  /** `utf8` or `base64` for bytes that are not text. */
  encoding: 'utf8' | 'base64'
  /** What was masked before it was stored: pointers, `*` for items, empty for the whole body. Absent where nothing was. */
  masked?: readonly string[]
}

export interface CallError {
  code: ErrorCode
  message: string
  advice?: string
  /** Only where the gateway itself sent nothing: that says nothing of the system. */
  sent?: false
}

/** Who had the payload of a call destroyed. */
export interface Erasing {
  at: Instant
  /** A person, or `gatehouse` by the configured retention. */
  by: string
  why: string
}

/** A call as the projection keeps it. */
export interface Call {
  id: CallId
  door: Door
  agent: string
  owner: string
  subject: string | null
  issuer: string
  actors: readonly string[]
  connector: string
  operation: OperationId
  operationVersion: string
  /** Canonical arguments: what would be executed. */
  input: JsonObject
  /** Null where nobody edited them. */
  edit: ArgumentEdit | null
  state: CallState
  denyReason: DenyReason | null
  policies: readonly string[]
  rationale: string | null
  run: string | null
  traceId: string | null
  holdId: HoldId | null
  upstreamStatus: number | null
  error: CallError | null
  result: StoredResult | null
  resultKept: 'none' | 'kept' | 'too_large'
  delivered: boolean
  createdAt: Instant
  updatedAt: Instant
  /** Upstream time in milliseconds, where the call was executed. */
  upstreamMs: number | null
  /** Arguments, what the agent said and the answer were erased: blanks stand in their place. */
  erased?: Erasing
}

/** How an execution ended. `sent` says whether any byte went upstream. */
export type OutcomeKind = 'completed' | 'failed' | 'in_doubt' | 'not_sent'

export interface Outcome {
  kind: OutcomeKind
  upstreamStatus: number | null
  error: CallError | null
  /** SHA-256 hex of the filtered answer's bytes, null where nothing came. */
  resultDigest: string | null
  resultBytes: number
  upstreamMs: number
  /** Data classes that the caller may not read, and where they were masked. Absent where the operation has none that are refused. */
  masked?: { classes: readonly string[]; pointers: readonly string[] }
}

/** The state that an outcome puts its call into. */
export function stateAfter(kind: OutcomeKind): CallState {
  return kind === 'not_sent' ? 'failed' : kind
}
