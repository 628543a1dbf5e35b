import type { Call, CallState, DecisionRecord } from '../core/call.ts'
import type { DenyReason } from '../core/decision.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { DoorName, Says } from './doors.ts'
import type { ProbeFault } from './probe/system.ts'
import type { Outgoing } from './send.ts'

/** A sentence, a request, and what must come of it at every door. */
export interface Case {
  title: string
  agent: string
  /** The person that the agent acts for. */
  subject?: string
  steps: readonly Step[]
  /** Doors that cannot say this, and why. */
  notAt?: Partial<Record<DoorName, string>>
}

export interface Step {
  /** `connector.operation`. */
  operation: string
  input: JsonObject
  says?: Says
  /** The plain HTTP request, where no connector would write these arguments. */
  http?: Outgoing
  /** What the system does instead of answering. */
  fault?: SystemFault
  want: Want
}

export type SystemFault =
  | { at: 'crm' | 'erp'; status: number }
  | { at: 'crm' | 'erp'; cut: 'before' | 'after' }
  | { at: 'probe'; meets: readonly ProbeFault[] }

export interface Want {
  code: 'OK' | ErrorCode
  reason?: DenyReason | 'rejected'
  /** Determining policies, sorted. Only where a call came of it. */
  policies?: readonly string[]
  /** Requests that reach systems, as `METHOD path`. None where absent. */
  sent?: readonly string[]
  /** Body of the last of them. */
  body?: string
  /** Headers of the last of them, among others. */
  headers?: Readonly<Record<string, string>>
  /** A place that the refusal names. */
  pointer?: string
  upstreamStatus?: number
  inDoubt?: true
  /** Places that the answer names as masked, `*` for all of it; none where absent. */
  masked?: readonly string[]
  /** Something that the answer contains. */
  says?: string
  /** Fields of the call in the record, among others. */
  record?: Partial<Pick<Call, 'rationale' | 'run'>> & { decisionRecord?: Partial<DecisionRecord> | null }
  /** Places that the refusal names, all of them. */
  pointers?: readonly string[]
  /** What people do with a held call, and what its agent is told then. */
  then?: { person: string; vote: 'approve' | 'reject'; want: Want }
  /** The call of an earlier step (counted from 0) that this one joins. */
  joins?: number
}

/** The state in the record that goes with an answer; undefined where nothing became a call. */
export function stateOf({ code, inDoubt }: Want): CallState | undefined {
  if (inDoubt) return 'in_doubt'
  if (code === 'OK' || code === 'WITHHELD') return 'completed'
  if (code === 'HELD') return 'held'
  if (code === 'DENIED') return 'denied'
  return code === 'UPSTREAM' || code === 'UPSTREAM_TIMEOUT' ? 'failed' : undefined
}

type Told = Omit<Step, 'operation' | 'input' | 'want'> & Pick<Case, 'subject' | 'notAt'>

/** A case of one step: who, what, with which arguments, and what comes of it. */
export function on(title: string, agent: string, operation: string, input: JsonObject, want: Want, told: Told = {}): Case {
  const { subject, notAt, ...step } = told
  return {
    title,
    agent,
    ...(subject === undefined ? {} : { subject }),
    ...(notAt === undefined ? {} : { notAt }),
    steps: [{ operation, input, ...step, want }],
  }
}

/** Executed, with what reached the system. */
export const permitted = (policies: readonly string[], sent: string, more: Partial<Want> = {}): Want => ({
  code: 'OK',
  policies,
  sent: [sent],
  ...more,
})

export const denied = (reason: DenyReason, policies: readonly string[] = []): Want => ({ code: 'DENIED', reason, policies })

export const held = (policies: readonly string[], then?: Want['then']): Want => ({ code: 'HELD', policies, ...(then ? { then } : {}) })

/** Refused before anything was decided. */
export const refused = (code: ErrorCode, pointer?: string): Want => ({ code, ...(pointer === undefined ? {} : { pointer }) })

/** A plain HTTP request with a JSON body. */
export const json = (method: string, path: string, body: unknown): Outgoing => ({
  method,
  path: `/proxy${path}`,
  headers: { 'content-type': 'application/json' },
  body: typeof body === 'string' ? body : JSON.stringify(body),
})

export const get = (path: string, headers: Record<string, string> = {}): Outgoing => ({ path: `/proxy${path}`, headers })
