import type { OperationId } from '../core/ids.ts'
import type { JsonObject, JsonValue } from '../core/json.ts'
import type { Verdict } from '../core/decision.ts'
import type { Change, ClassChange, Said } from '../core/decision-change.ts'
import type { Agent } from '../core/principal.ts'
import type { PolicyText } from './decider.ts'
import type { PolicySetTexts } from './policy-sets.ts'
import type { PolicyTests } from './policy-source.ts'

/** A request that both policy sets were asked. */
export interface ExampleRequest {
  readonly agent: Pick<Agent, 'name' | 'owner' | 'team' | 'region' | 'roles' | 'clearance' | 'autonomy'>
  readonly subject: { readonly name: string; readonly groups: readonly string[]; readonly region: string | null } | null
  /** False where agent or subject were made up, since no registered one has what a policy names. */
  readonly registered: boolean
  readonly operation: string
  readonly input: JsonObject
  /** Everything else that is not as plain as can be, or that a changed policy looks at: `now`, `door`, `history.paid1h`, ... */
  readonly context: Readonly<Record<string, JsonValue>>
}

/** Requests that the two sets decide differently in one and the same way, with the plainest of them. */
export interface DecisionChange {
  readonly change: Change
  /** The operations that it was found for: asked was the first, the others have the same policies and arguments. */
  readonly operations: readonly string[]
  readonly before: Said
  readonly after: Said
  readonly example: ExampleRequest
  /** What in the example matters, beside who asks: its values that are not the plainest, and those that changed policies look at. */
  readonly because: Readonly<Record<string, JsonValue>>
  /** How many of the asked requests came out like this. */
  readonly requests: number
}

/** A data class that an agent, alone or for somebody, may read in one policy set and not in the other. */
export interface ReadingChange {
  readonly change: ClassChange
  readonly dataClass: string
  readonly agent: string
  readonly subject: string | null
  /** False where agent or subject were made up. */
  readonly registered: boolean
  readonly operations: readonly string[]
}

export interface PolicyDiff {
  /** Digests of the two sets. */
  readonly before: string
  readonly after: string
  /** Ids of policies by what became of their text. */
  readonly policies: { readonly added: readonly string[]; readonly removed: readonly string[]; readonly changed: readonly string[] }
  /** Declared facts that differ: `history.paid1h`. Requests are compared at equal values, so what is only counted otherwise shows here alone. */
  readonly facts: readonly string[]
  readonly changes: readonly DecisionChange[]
  /** Data classes that somebody may read in one set alone. */
  readonly classes: readonly ReadingChange[]
  /** Requests that both sets were asked. */
  readonly asked: number
  /** Combinations of the tried values that the conditions of the two sets tell apart. */
  readonly combinations: number
  /** Whether all combinations were looked through; false where a bound was reached or an operation was left out. */
  readonly complete: boolean
  /** Conditions of changed policies that came out one way alone. */
  readonly oneSided: readonly OneSidedCondition[]
  /** Operations with the same policies in both sets: no question is needed. */
  readonly unchanged: number
  /** Operations that nothing can be said about, and why. */
  readonly unasked: readonly { readonly operation: string; readonly why: string }[]
}

/**
 * What a check can find in policies that are no faults: they would be decided by, and do less than they say.
 * - `unknown-name`: a role, group, agent, person or connector that nobody has or is
 * - `no-operation`: no operation is in the scope
 * - `never-matches`: some conditions never hold together, or for nobody who is known
 * - `constant-condition`: a part of a condition that is always true or always false
 * - `covered`: another policy makes this one without effect
 * - `unsatisfiable-hold`: nobody could approve
 * - `edit-leaves-nobody`: a member who edits the arguments leaves too few to approve
 * - `unused-approval`: no policy asks for the approval
 * - `unreachable-operation`: no permit lets anybody call it
 * - `untested-permit`: no policy test ends in it
 */
export type FindingRule =
  | 'unknown-name'
  | 'no-operation'
  | 'never-matches'
  | 'constant-condition'
  | 'covered'
  | 'unsatisfiable-hold'
  | 'edit-leaves-nobody'
  | 'unused-approval'
  | 'unreachable-operation'
  | 'untested-permit'

export interface Finding {
  /** `path:line:column`, both from 1. */
  place: string
  /** An error is a control that cannot work, whoever is registered tomorrow. */
  severity: 'error' | 'warning'
  rule: FindingRule
  /** Id of the policy; null for approvals and operations. */
  policy: string | null
  /** Starts lower case; cause and remedy. */
  message: string
}

/** Everything that can be said of policies before they are in force. */
export interface Inspected {
  /** The decider's own name for the set. */
  policySet: string
  policies: readonly PolicyText[]
  tested: PolicyTestResult
  findings: readonly Finding[]
}

/** How one test ended. */
export interface PolicyTestOutcome {
  file: string
  name: string
  /** Null where the test is malformed. */
  expected: Verdict['effect'] | null
  /** What the policies say, and by which of them; null where they were not asked. */
  got: Verdict['effect'] | null
  by: readonly string[]
  /** Null where it passed. */
  failure: string | null
}

/** A condition of a changed policy that came out one way at every value that was tried: what depends on the other way was not looked at. */
export interface OneSidedCondition {
  readonly policy: string
  /** Cedar text. */
  readonly condition: string
  readonly never: 'true' | 'false'
}

export interface PolicyTestResult {
  passed: number
  failed: { file: string; name: string; message: string }[]
  /** Of every test, in their order. */
  outcomes: readonly PolicyTestOutcome[]
  /** By policy id. Shadows are left out: they decide nothing. */
  coverage: PolicyCoverage[]
  /** Operations that no test asks about, sorted. */
  untouched: readonly OperationId[]
}

/** What the tests say of one policy in force. A policy that neither decided anything nor came near it is not tested at all. */
export interface PolicyCoverage {
  policy: string
  file: string
  line: number
  /** Tests whose result it determined: as a permit, a forbid, a hold, or a permit behind a hold. */
  decided: number
  /** Tests whose request its scope matched, without it deciding: a condition failed, or a stricter policy overruled it. */
  near: number
}

/** Looks at texts that are not in force, apart from what decides; nothing is kept. Both throw CONFIG_INVALID with every fault, LIMITED, UNAVAILABLE. */
export interface PolicyDrafts {
  /** All that a check says: how tests end, what they cover, and what is wrong with policies that are valid. */
  inspect(texts: PolicySetTexts, tests: readonly PolicyTests[]): Promise<Inspected>
  /** Requests that the two decide differently. */
  diff(before: PolicySetTexts, after: PolicySetTexts, agents: readonly Agent[]): Promise<PolicyDiff>
}
