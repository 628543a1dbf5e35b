import { GraphQLJSON } from 'graphql-scalars'
import { Field, ID, Int, ObjectType } from 'type-graphql'
import type { JsonValue } from '../../gateway/core/json.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { PolicyCheck, PolicyDifference } from '../../gateway/ports/operator.ts'
import type {
  DecisionChange,
  Finding,
  OneSidedCondition,
  PolicyCoverage,
  PolicyDiff,
  PolicyTestOutcome,
  ReadingChange,
} from '../../gateway/ports/policy-drafts.ts'
import { ChangeEnum, ClassChangeEnum, EffectEnum, FindingSeverityEnum } from './enums.ts'
import { PolicyFaultType } from './policy-change-types.ts'
import { SimulatedOutcomeType } from './simulation-type.ts'

@ObjectType('PolicyFinding', { description: 'What is wrong with a policy that is valid: it does less than it says.' })
export class PolicyFindingType {
  @Field(() => String, { description: '`file:line:column`.' })
  readonly place: string
  @Field(() => FindingSeverityEnum)
  readonly severity: string
  @Field(() => String, { description: 'What was found, as a word: `covered`, `never-matches`, ...' })
  readonly rule: string
  @Field(() => ID, { nullable: true, description: 'Null for approvals and operations.' })
  readonly policy: string | null
  @Field(() => String, { description: 'Cause and remedy.' })
  readonly message: string

  constructor({ place, severity, rule, policy, message }: Finding) {
    this.place = place
    this.severity = severity
    this.rule = rule
    this.policy = policy
    this.message = message
  }
}

@ObjectType('PolicyTestOutcome', { description: 'How a policy test ended.' })
export class PolicyTestOutcomeType {
  @Field(() => String)
  readonly file: string
  @Field(() => String)
  readonly name: string
  @Field(() => EffectEnum, { nullable: true, description: 'Null where the test is malformed.' })
  readonly expected: string | null
  @Field(() => EffectEnum, { nullable: true, description: 'Null where the policies were not asked.' })
  readonly got: string | null
  @Field(() => [String], { description: 'The policies that determined it.' })
  readonly by: readonly string[]
  @Field(() => String, { nullable: true, description: 'Null where it passed.' })
  readonly failure: string | null

  constructor({ file, name, expected, got, by, failure }: PolicyTestOutcome) {
    this.file = file
    this.name = name
    this.expected = expected
    this.got = got
    this.by = by
    this.failure = failure
  }
}

@ObjectType('PolicyCoverage', { description: 'What the tests say of one policy. Shadows are left out: they decide nothing.' })
export class PolicyCoverageType {
  @Field(() => ID)
  readonly policy: string
  @Field(() => String)
  readonly file: string
  @Field(() => Int)
  readonly line: number
  @Field(() => Int, { description: 'Tests whose result it determined.' })
  readonly decided: number
  @Field(() => Int, { description: 'Tests that its scope matched, without it deciding.' })
  readonly near: number

  constructor({ policy, file, line, decided, near }: PolicyCoverage) {
    this.policy = policy
    this.file = file
    this.line = line
    this.decided = decided
    this.near = near
  }
}

@ObjectType('PolicyCheck', { description: 'All that a check says of a draft. With faults there is nothing else.' })
export class PolicyCheckType {
  readonly #check: PolicyCheck

  constructor(check: PolicyCheck) {
    this.#check = check
  }

  @Field(() => [PolicyFaultType], { description: `Why the draft can not be proposed: at most ${LIMITS.policyRemarksMax}.` })
  get faults(): PolicyFaultType[] {
    return this.#check.faults.map(({ pointer, message }) => new PolicyFaultType(pointer, message))
  }

  @Field(() => ID, { nullable: true, description: 'The set that the draft comes to.' })
  get policySet(): string | null {
    return this.#check.inspected?.policySet ?? null
  }

  @Field(() => Int)
  get policies(): number {
    return this.#check.inspected?.policies.length ?? 0
  }

  @Field(() => [PolicyFindingType], { description: `By place; at most ${LIMITS.policyCheckLinesMax}.` })
  get findings(): PolicyFindingType[] {
    const findings = this.#check.inspected?.findings ?? []
    return findings.slice(0, LIMITS.policyCheckLinesMax).map((finding) => new PolicyFindingType(finding))
  }

  @Field(() => Int)
  get passed(): number {
    return this.#check.inspected?.tested.passed ?? 0
  }

  @Field(() => Int)
  get failed(): number {
    return this.#check.inspected?.tested.failed.length ?? 0
  }

  @Field(() => [PolicyTestOutcomeType], { description: `Failed ones first; at most ${LIMITS.policyCheckLinesMax}.` })
  get tests(): PolicyTestOutcomeType[] {
    const outcomes = [...(this.#check.inspected?.tested.outcomes ?? [])].sort(
      (a, b) => Number(a.failure === null) - Number(b.failure === null),
    )
    return outcomes.slice(0, LIMITS.policyCheckLinesMax).map((outcome) => new PolicyTestOutcomeType(outcome))
  }

  @Field(() => [PolicyCoverageType])
  get coverage(): PolicyCoverageType[] {
    return (this.#check.inspected?.tested.coverage ?? []).map((coverage) => new PolicyCoverageType(coverage))
  }

  @Field(() => [String], { description: 'Operations that no test asks about.' })
  get untouched(): readonly string[] {
    return this.#check.inspected?.tested.untouched ?? []
  }
}

@ObjectType('PolicyWitness', { description: 'Who asks in a request that was made up to tell two policy sets apart.' })
export class PolicyWitnessType {
  readonly #change: DecisionChange

  constructor(change: DecisionChange) {
    this.#change = change
  }

  @Field(() => String)
  get agent(): string {
    return this.#change.example.agent.name
  }

  @Field(() => String, { nullable: true })
  get subject(): string | null {
    return this.#change.example.subject?.name ?? null
  }

  @Field(() => Boolean, { description: 'False where agent or subject were made up, since no registered one has what a policy names.' })
  get registered(): boolean {
    return this.#change.example.registered
  }

  @Field(() => [String])
  get roles(): readonly string[] {
    return this.#change.example.agent.roles
  }

  @Field(() => Int)
  get autonomy(): number {
    return this.#change.example.agent.autonomy
  }

  @Field(() => String, { nullable: true })
  get region(): string | null {
    return this.#change.example.agent.region
  }

  @Field(() => String, { nullable: true })
  get team(): string | null {
    return this.#change.example.agent.team
  }

  @Field(() => [String])
  get clearance(): readonly string[] {
    return this.#change.example.agent.clearance
  }

  @Field(() => [String], { description: 'Groups of the subject.' })
  get groups(): readonly string[] {
    return this.#change.example.subject?.groups ?? []
  }
}

@ObjectType('PolicyDecisionChange', {
  description: 'Requests that are decided otherwise in one and the same way, with the plainest of them.',
})
export class PolicyDecisionChangeType {
  readonly #change: DecisionChange

  constructor(change: DecisionChange, mayBeRefused: boolean) {
    this.#change = change
    this.mayBeRefused = mayBeRefused
  }

  @Field(() => Boolean, { description: 'No valid arguments like these could be made up: they may be refused before any decision.' })
  readonly mayBeRefused: boolean

  @Field(() => ChangeEnum)
  get change(): string {
    return this.#change.change
  }

  @Field(() => [String], { description: 'The operation that was asked about, then others with the same policies and arguments.' })
  get operations(): readonly string[] {
    return this.#change.operations
  }

  @Field(() => SimulatedOutcomeType)
  get before(): SimulatedOutcomeType {
    return new SimulatedOutcomeType(this.#change.before)
  }

  @Field(() => SimulatedOutcomeType)
  get after(): SimulatedOutcomeType {
    return new SimulatedOutcomeType(this.#change.after)
  }

  @Field(() => PolicyWitnessType)
  get who(): PolicyWitnessType {
    return new PolicyWitnessType(this.#change)
  }

  @Field(() => GraphQLJSON, {
    description: 'What in the example matters, by path: `input.amount`, `history.paid1h`. Null where it is absent.',
  })
  get because(): Readonly<Record<string, JsonValue>> {
    return this.#change.because
  }

  @Field(() => Int, { description: 'How many of the asked requests came out like this.' })
  get requests(): number {
    return this.#change.requests
  }
}

@ObjectType('PolicyReadingChange', { description: 'A data class that somebody may read under one of two policy sets alone.' })
export class PolicyReadingChangeType {
  @Field(() => ClassChangeEnum)
  readonly change: string
  @Field(() => String)
  readonly dataClass: string
  @Field(() => String)
  readonly agent: string
  @Field(() => String, { nullable: true })
  readonly subject: string | null
  @Field(() => Boolean, { description: 'False where agent or subject were made up.' })
  readonly registered: boolean
  @Field(() => [String])
  readonly operations: readonly string[]

  constructor({ change, dataClass, agent, subject, registered, operations }: ReadingChange) {
    this.change = change
    this.dataClass = dataClass
    this.agent = agent
    this.subject = subject
    this.registered = registered
    this.operations = operations
  }
}

@ObjectType('OneSidedCondition', {
  description: 'A condition of a changed policy that came out one way at every tried value: look at it yourself.',
})
export class OneSidedConditionType {
  @Field(() => ID)
  readonly policy: string
  @Field(() => String, { description: 'Cedar text.' })
  readonly condition: string
  @Field(() => String, { description: '`true` or `false`: what it never was.' })
  readonly never: string

  constructor({ policy, condition, never }: OneSidedCondition) {
    this.policy = policy
    this.condition = condition
    this.never = never
  }
}

@ObjectType('UnaskedOperation', { description: 'An operation that nothing can be said about, and why.' })
export class UnaskedOperationType {
  @Field(() => String)
  readonly operation: string
  @Field(() => String)
  readonly why: string

  constructor({ operation, why }: PolicyDiff['unasked'][number]) {
    this.operation = operation
    this.why = why
  }
}

@ObjectType('PolicyDiff', { description: 'Which requests two policy sets decide differently, as far as a bounded search finds them.' })
export class PolicyDiffType {
  readonly #difference: PolicyDifference

  constructor(difference: PolicyDifference) {
    this.#difference = difference
  }

  @Field(() => [String], { description: 'Ids of policies that are only in the draft.' })
  get added(): readonly string[] {
    return this.#difference.policies.added
  }

  @Field(() => [String], { description: 'Ids of policies that the draft no longer has.' })
  get removed(): readonly string[] {
    return this.#difference.policies.removed
  }

  @Field(() => [String], { description: 'Ids of policies with another text.' })
  get changed(): readonly string[] {
    return this.#difference.policies.changed
  }

  @Field(() => [String], {
    description: 'Declared facts that differ. Requests are compared at equal values, so what is only counted otherwise shows here alone.',
  })
  get facts(): readonly string[] {
    return this.#difference.facts
  }

  @Field(() => [PolicyDecisionChangeType], { description: 'What is newly allowed first.' })
  get changes(): PolicyDecisionChangeType[] {
    const { changes, doubtful } = this.#difference
    return changes.map((change) => new PolicyDecisionChangeType(change, doubtful.has(change)))
  }

  @Field(() => [PolicyReadingChangeType])
  get classes(): PolicyReadingChangeType[] {
    return this.#difference.classes.map((change) => new PolicyReadingChangeType(change))
  }

  @Field(() => Int, { description: 'Requests that both sets were asked.' })
  get asked(): number {
    return this.#difference.asked
  }

  @Field(() => Boolean, { description: 'Whether every combination of tried values was looked through; false where a bound was reached.' })
  get complete(): boolean {
    return this.#difference.complete
  }

  @Field(() => [OneSidedConditionType])
  get oneSided(): OneSidedConditionType[] {
    return this.#difference.oneSided.map((condition) => new OneSidedConditionType(condition))
  }

  @Field(() => Int, { description: 'Operations with the same policies in both sets.' })
  get unchanged(): number {
    return this.#difference.unchanged
  }

  @Field(() => [UnaskedOperationType])
  get unasked(): UnaskedOperationType[] {
    return this.#difference.unasked.map((one) => new UnaskedOperationType(one))
  }
}
