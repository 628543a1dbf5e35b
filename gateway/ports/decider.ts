import type { DecisionRecord, Door } from '../core/call.ts'
import type { Instant } from '../core/clock.ts'
import type { Decision, DenyReason } from '../core/decision.ts'
import type { FactNeeds, Facts } from '../core/facts.ts'
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
  decisionRecord?: DecisionRecord
  /** What was gathered for `needs` of the operation. A needed fact that is absent is a deny. */
  facts: Facts
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

/** A part of a permit, of its scope or a condition of its own, that did not hold. */
export interface FailedPart {
  /** For people, in the policy's own words and without any value of the call. */
  sentence: string
  /** What the part looked at, by path: of the agent, the subject, the door and the time. Null where there was nothing. */
  looked: JsonObject
  /** The same of arguments, facts and what the agent said: for people who may see payloads. */
  payload: JsonObject
}

/** A permit that did not apply, and why. */
export interface NearMiss {
  /** Who was asked about: `Gatehouse::Agent::"..."`, or the subject. */
  principal: string
  policy: PolicyText
  failed: readonly FailedPart[]
}

/** Why a question got its answer, for people: never sent to an agent. */
export interface Explanation {
  decision: Decision
  determining: readonly PolicyText[]
  reason?: DenyReason
  /** Permits that failed in the fewest parts first; empty where the decision is no deny for want of a permit. */
  nearMisses: readonly NearMiss[]
}

/**
 * The policy decision point. Pure: the same question gets the same decision, whatever the order, door or process.
 * Never throws for a question: what cannot be computed is a deny with `policy_error`. Synchronous and bounded.
 */
export interface Decider {
  /** SHA-256 hex over the policies' texts, their ids, the schema and the declared facts. */
  readonly policySet: string
  /** Whether any policy in force reads labels: then answers are looked through for what brings them. */
  readonly readsLabels: boolean
  decide(question: Question): Decision
  /** Which of all operations this principal may ever use. Visibility only: it grants nothing. Cached by principal attributes. */
  visible(principal: Principal, person?: Person): ReadonlySet<OperationId>
  /** What must be gathered before a call of this operation is decided, and which counters its intent reserves in. Constant for the policy set. */
  needs(operation: OperationId): FactNeeds
  /**
   * Whether the permits alone could still allow once lookups and history are known: without that no lookup is made. True where unclear. History and
   * lookups in the question's facts are not looked at.
   */
  couldAllow(question: Question): boolean
  /**
   * The data classes of the operation's output that this principal, and the subject where there is one, may read: one `Gatehouse::Action::"readClass"`
   * question for each class. Cached by principal attributes; what cannot be decided may not be read.
   */
  readableClasses(principal: Principal, person: Person | undefined, operation: OperationId): ReadonlySet<string>
  /**
   * The text that `policySet` is SHA-256 over: canonical JSON of the policies (id, connector, text), the Cedar schema, and the declared facts. With it and the
   * request in its evidence a decision can be decided again by anybody.
   */
  wholeText(): string
  policies(): readonly PolicyText[]
  explain(question: Question): Explanation
  /**
   * The near misses of a decision that this policy set made, from the request that its evidence has. Permits that failed in the fewest parts first,
   * at most `LIMITS.nearMissesMax`; empty where the permits allow it, or the request is none of this set.
   */
  nearMisses(operation: OperationId, request: JsonObject): readonly NearMiss[]
}
