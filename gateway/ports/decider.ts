import type { Door } from '../core/call.ts'
import type { Instant } from '../core/clock.ts'
import type { Decision, DenyReason } from '../core/decision.ts'
import type { OperationId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import type { Operation } from '../core/operation.ts'
import type { Person, Principal } from '../core/principal.ts'

/** One question to policy. `input` is canonical and already valid under the operation's schema. */
export interface Question {
  operation: Operation
  principal: Principal
  /** The subject as configuration knows it; absent without a subject. A subject that configuration does not know has no groups. */
  person?: Person
  /** Key of the business object where the operation declares one. */
  resourceKey?: string
  input: JsonObject
  now: Instant
  door: Door
  rationale?: string
  run?: string
}

/** A policy as people read it. */
export interface PolicyText {
  id: string
  file: string
  line: number
  effect: 'permit' | 'forbid'
  text: string
  /** SHA-256 hex of the text. */
  hash: string
  annotations: Readonly<Record<string, string>>
}

/** Why a question got its answer, for people: never sent to an agent. */
export interface Explanation {
  decision: Decision
  determining: readonly PolicyText[]
  reason?: DenyReason
}

/**
 * The policy decision point. Pure: the same question gets the same decision, whatever the order, door or process.
 * Never throws for a question: what cannot be computed is a deny with `policy_error`. Synchronous and bounded.
 */
export interface Decider {
  /** SHA-256 hex over the policies' texts, their ids and the schema. */
  readonly policySet: string
  decide(question: Question): Decision
  /** Which of all operations this principal may ever use. Visibility only: it grants nothing. Cached by principal attributes. */
  visible(principal: Principal, person?: Person): ReadonlySet<OperationId>
  policies(): readonly PolicyText[]
  explain(question: Question): Explanation
}
