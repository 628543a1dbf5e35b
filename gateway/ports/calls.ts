import type { Asserted, CallError, CallState, AgentDoor, Door } from '../core/call.ts'
import type { Instant } from '../core/clock.ts'
import type { DenyReason } from '../core/decision.ts'
import type { Edited } from '../core/edit.ts'
import type { ErrorCode, Fault } from '../core/errors.ts'
import type { CallId, OperationId } from '../core/ids.ts'
import type { JsonObject, JsonValue } from '../core/json.ts'
import type { LogReader } from '../core/log-message.ts'
import type { Catalogue, Operation } from '../core/operation.ts'
import type { Principal } from '../core/principal.ts'
import type { ProxiedRequest } from './connector.ts'

/** A door's request for one operation. `input` is strictly parsed JSON, not yet validated. */
export interface Asked {
  door: Door
  operation: Operation
  input: JsonObject
  asserted: Asserted
  idempotencyKey?: string
  /** Distinguishes root fields of one document under one key. */
  responseKey?: string
  traceparent?: string
  /** How long a held call may wait for people before the answer says HELD, in milliseconds. */
  waitMs: number
  /** Called at most once, as soon as the call has its id and before anything runs: a door that must answer early can name the call. */
  onAdmitted?: (callId: CallId, traceparent: string) => void
  /** Called about every second while a held call waits. */
  onWaiting?: (callId: CallId) => void
  /** Called with what the system says of its progress while the call runs: any numbers, at any rate. */
  onProgress?: (progress: number, total: number | undefined) => void
  /** Told what the system says while the call runs: of the level that is read, bounded in number and size, with every form of the leased secret masked. */
  logs?: LogReader
  /** The caller left: ends waiting and reads, never a write that was sent, never a hold. */
  signal: AbortSignal
  /** `stream` asks for the answer as it comes (the HTTP door); otherwise it is buffered. */
  delivery: 'buffered' | 'stream'
}

/** The answer of an executed call, filtered. Exactly one of the body forms is read. */
export interface CallResult {
  status: number
  /** Allow-listed, lower-case. */
  headers: Readonly<Record<string, string>>
  body: { kind: 'bytes'; bytes: Uint8Array } | { kind: 'stream'; chunks: AsyncIterable<Uint8Array> }
  /** The body as JSON where it is JSON and buffered; a text body is a string; null where empty. */
  value: JsonValue
  /** Places that the caller may not read and that are null: pointers, `*` for items, empty for the whole body. Absent where there are none. */
  masked?: readonly string[]
}

/** What a door tells the agent: the rows of the table "Answers to an agent". */
export type Answer = AnswerOfCall & {
  /** What people changed in the arguments; absent where they changed nothing. */
  edited?: Edited
}

type AnswerOfCall =
  | {
      kind: 'result'
      callId: CallId
      traceparent: string
      /** The call's, for a door that asked by the call's id. */
      operation?: OperationId
      result: CallResult
      replayed: boolean
    }
  | { kind: 'denied'; callId: CallId; traceparent: string; reason: DenyReason | 'rejected'; advice?: string; comment?: string }
  | { kind: 'held'; callId: CallId; traceparent: string; expiresAt: Instant }
  | { kind: 'running'; callId: CallId; traceparent: string }
  | {
      kind: 'failed'
      callId: CallId
      traceparent: string
      code: ErrorCode
      message: string
      inDoubt: boolean
      /** The call ended and nothing of its answer was handed over: it may be asked for again. */
      heldBack?: true
      upstreamStatus?: number
      result?: CallResult
    }
  | { kind: 'ended'; callId: CallId; traceparent: string; code: 'EXPIRED' | 'CANCELLED'; message: string }
  | {
      kind: 'refused'
      /** Absent where nothing became a call. */
      callId?: CallId
      traceparent: string
      code: ErrorCode
      message: string
      faults: readonly Fault[]
      retryAfterSeconds?: number
    }

/** A decided call that has not run yet. `run` is called once. */
export interface Admitted {
  readonly callId?: CallId
  run(): Promise<Answer>
  /** Gives up a permitted call whose turn never came. */
  abandon(): Promise<void>
}

export interface CallStatus {
  id: CallId
  state: CallState
  operation: string
  createdAt: Instant
  expiresAt?: Instant
  result?: JsonValue
  /** As in `CallResult`. */
  masked?: readonly string[]
  error?: CallError
  /** What people changed in the arguments. */
  edited?: Edited
  upstream?: { status: number }
}

/** What is known of a call beside its answer. */
export interface CallOutline {
  operation: OperationId
  createdAt: Instant
  updatedAt: Instant
  /** Until when people may decide, or its agent may claim it; absent where neither is waited for. */
  expiresAt?: Instant
}

/** What the surfaces for agents speak to: the pipeline behind every door. */
export interface Calls {
  /**
   * Authenticates a bearer token. Throws UNAUTHENTICATED (and records `refused`), also for suspended and unknown agents.
   * `authorization` is the header's whole value, undefined where none came.
   */
  authenticate(authorization: string | undefined, door: AgentDoor): Promise<Principal>
  catalogue(): Catalogue
  /** The operations this principal may ever use, and a key that is equal for equal views. */
  view(principal: Principal): { key: string; operations: readonly Operation[] }
  /** The operation under its joint name if this principal may see it; undefined for invisible and unknown ones alike. */
  find(principal: Principal, jointName: string): Operation | undefined
  /** Reads a proxied request. Throws NOT_FOUND (unknown or invisible connector, path or method: all alike) and BAD_INPUT. */
  match(principal: Principal, connector: string, request: ProxiedRequest): { operation: Operation; input: JsonObject }
  /** Validates, decides and records; runs nothing. Never throws: a refusal is an `Admitted` whose `run` answers it. */
  admit(principal: Principal, asked: Asked): Promise<Admitted>
  /** `admit` and `run` in one: the intent commits in the transaction of the decision. */
  call(principal: Principal, asked: Asked): Promise<Answer>
  /** Records what never became a call (bad JSON, unknown operation, shed load). */
  refuse(
    door: AgentDoor,
    principal: Principal | null,
    asked: string | null,
    error: { code: ErrorCode; message: string; faults?: readonly Fault[] },
  ): Promise<void>
  /** Throws NOT_FOUND for calls of other agents or subjects. Waits at most `waitMs` for a state that is final. */
  status(principal: Principal, id: CallId, waitMs: number, signal: AbortSignal): Promise<CallStatus>
  /** Throws NOT_FOUND for calls of other agents or subjects. */
  outline(principal: Principal, id: CallId): Promise<CallOutline>
  /** The answer of a call once more: as `call` would have told it. Never executes. */
  answer(principal: Principal, id: CallId, waitMs: number, signal: AbortSignal, onWaiting?: () => void): Promise<Answer>
  /** Executes an approved call of an `on_approval: claim` hold. Throws CALL_NOT_CLAIMABLE. */
  claim(principal: Principal, id: CallId, signal: AbortSignal): Promise<Answer>
  /** Cancels a held or approved call. Throws NOT_FOUND, HOLD_NOT_OPEN. */
  cancel(principal: Principal, id: CallId): Promise<void>
  /** The door has handed the result over. */
  delivered(id: CallId): void
}
