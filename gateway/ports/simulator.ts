import type { Asserted, Door } from '../core/call.ts'
import type { Instant } from '../core/clock.ts'
import type { LookedUp } from '../core/decision.ts'
import type { Change, Said } from '../core/decision-change.ts'
import type { CallId, OperationId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import type { Agent, Person } from '../core/principal.ts'
import type { PolicySetTexts } from './policy-sets.ts'

/** A decision of the record, with all that is needed to decide it again. Plain data. */
export interface RecordedCall {
  callId: CallId
  at: Instant
  door: Door
  operation: OperationId
  operationVersion: string
  input: JsonObject
  asserted: Asserted
  /** Undefined where nobody of that name is registered any more. */
  agent: Agent | undefined
  /** The agent has changed since, and what is not recorded of it is as it is today. */
  agentAsToday: boolean
  subject: string | null
  /** As configuration knows the subject today. */
  person: Person | undefined
  /** What was decided then. */
  said: Said
  /** Hash of the set that decided. */
  policySet: string
  /** `context` as it was put to the engine, with the facts that policy looked at then; empty where nothing was put. */
  context: JsonObject
  lookups: readonly LookedUp[]
  /** What detectors find in the arguments today; undefined where nobody looked. */
  findings: readonly string[] | undefined
}

/** What a draft says to a recorded call: `undecided` where it looks at something that nobody knows of that call, with what. */
export type Redecided = { kind: 'decided'; before: Said; after: Said } | { kind: 'undecided'; why: string }

export interface SimulationInput {
  draft: PolicySetTexts
  /** Compared with the draft in place of what was decided then. */
  against: PolicySetTexts | null
  calls: readonly RecordedCall[]
  /** The sets that decided the calls, by hash, as far as they are known. */
  sets: ReadonlyMap<string, PolicySetTexts>
}

/** Decides recorded calls again on policies that are not in force. Nothing of it touches what decides. */
export interface Simulator {
  /**
   * The operations whose policies in these texts look at findings: for the others nobody needs to search arguments. Throws CONFIG_INVALID with every fault
   * of the texts, LIMITED, UNAVAILABLE.
   */
  readingFindings(texts: PolicySetTexts): Promise<ReadonlySet<OperationId>>
  /** One answer for each call, in their order. Throws like `readingFindings`. */
  redecide(input: SimulationInput): Promise<readonly Redecided[]>
}

/** Calls of one operation that a draft decides otherwise in one and the same way. */
export interface SimulatedChange {
  change: Change
  before: Said
  after: Said
  calls: number
  /** Some of them, newest first. */
  examples: readonly CallId[]
}

export interface SimulatedOperation {
  operation: OperationId
  calls: number
  same: number
  undecided: number
  changes: readonly SimulatedChange[]
}

/** What a draft would have said to recorded calls. No arguments and no facts are in it. */
export interface Simulation {
  since: Instant
  /** The oldest call that was decided again; null without one. */
  oldest: Instant | null
  calls: number
  /** Why older calls of the range were not looked at; null where all were. */
  stopped: 'calls' | 'time' | null
  /** Calls for which attributes of agent or person as they are today were taken: others are not recorded. */
  asToday: number
  operations: readonly SimulatedOperation[]
  /** What was not known, most frequent first. */
  undecided: readonly { why: string; calls: number; examples: readonly CallId[] }[]
}
