import { Field, GraphQLISODateTime, ID, InputType, Int, ObjectType } from 'type-graphql'
import type { Said } from '../../gateway/core/decision-change.ts'
import type { SimulatedChange, SimulatedOperation, Simulation } from '../../gateway/ports/simulator.ts'
import { ChangeEnum, EffectEnum } from './enums.ts'
import { PolicyFileInput } from './policy-change-types.ts'

@InputType('PolicyTextsInput', { description: 'All policies of a draft.' })
export class PolicyTextsInput {
  @Field(() => [PolicyFileInput])
  files!: PolicyFileInput[]
  @Field(() => String, { nullable: true, description: 'Text of `facts.yaml`.' })
  facts!: string | null
}

@ObjectType('SimulatedOutcome', { description: 'What a policy set says to a call.' })
export class SimulatedOutcomeType {
  readonly #said: Said

  constructor(said: Said) {
    this.#said = said
  }

  @Field(() => EffectEnum)
  get outcome(): string {
    return this.#said.effect
  }

  @Field(() => String, { nullable: true, description: 'Of a denial: `no_permit`, `forbidden` or `policy_error`.' })
  get denyReason(): string | null {
    return this.#said.reason ?? null
  }

  @Field(() => [String], { description: 'Of a hold: what has to be approved.' })
  get approvals(): readonly string[] {
    return this.#said.approvals
  }

  @Field(() => [String], { description: 'Ids of the determining policies.' })
  get policies(): readonly string[] {
    return this.#said.policies
  }
}

@ObjectType('SimulatedChange', { description: 'Calls that are decided otherwise in one and the same way.' })
export class SimulatedChangeType {
  readonly #change: SimulatedChange

  constructor(change: SimulatedChange) {
    this.#change = change
  }

  @Field(() => ChangeEnum)
  get change(): string {
    return this.#change.change
  }

  @Field(() => SimulatedOutcomeType)
  get before(): SimulatedOutcomeType {
    return new SimulatedOutcomeType(this.#change.before)
  }

  @Field(() => SimulatedOutcomeType)
  get after(): SimulatedOutcomeType {
    return new SimulatedOutcomeType(this.#change.after)
  }

  @Field(() => Int)
  get calls(): number {
    return this.#change.calls
  }

  @Field(() => [ID], { description: 'Some of the calls, newest first.' })
  get examples(): readonly string[] {
    return this.#change.examples
  }
}

@ObjectType('SimulatedOperation', { description: 'Calls of one operation.' })
export class SimulatedOperationType {
  readonly #operation: SimulatedOperation

  constructor(operation: SimulatedOperation) {
    this.#operation = operation
  }

  @Field(() => String, { description: '`connector.operation`.' })
  get operation(): string {
    return this.#operation.operation
  }

  @Field(() => Int)
  get calls(): number {
    return this.#operation.calls
  }

  @Field(() => Int, { description: 'Decided alike.' })
  get same(): number {
    return this.#operation.same
  }

  @Field(() => Int, { description: 'The draft looks at something that nobody knows of these calls.' })
  get undecided(): number {
    return this.#operation.undecided
  }

  @Field(() => [SimulatedChangeType], { description: 'Most frequent first.' })
  get changes(): SimulatedChangeType[] {
    return this.#operation.changes.map((change) => new SimulatedChangeType(change))
  }
}

@ObjectType('SimulationGap', { description: 'Why calls could not be decided again.' })
export class SimulationGapType {
  @Field(() => String)
  readonly why: string
  @Field(() => Int)
  readonly calls: number
  @Field(() => [ID], { description: 'Some of the calls, newest first.' })
  readonly examples: readonly string[]

  constructor({ why, calls, examples }: Simulation['undecided'][number]) {
    this.why = why
    this.calls = calls
    this.examples = examples
  }
}

@ObjectType('Simulation', { description: 'What a draft says to recorded calls. Neither arguments nor facts are in it.' })
export class SimulationType {
  readonly #simulation: Simulation

  constructor(simulation: Simulation) {
    this.#simulation = simulation
  }

  @Field(() => GraphQLISODateTime)
  get since(): Date {
    return new Date(this.#simulation.since)
  }

  @Field(() => GraphQLISODateTime, { nullable: true, description: 'The oldest call that was decided again; null without one.' })
  get oldest(): Date | null {
    return this.#simulation.oldest === null ? null : new Date(this.#simulation.oldest)
  }

  @Field(() => Int, { description: 'Calls that were looked at, newest first.' })
  get calls(): number {
    return this.#simulation.calls
  }

  @Field(() => String, { nullable: true, description: 'Why older calls were not looked at: `calls` or `time`. Null where all were.' })
  get stopped(): string | null {
    return this.#simulation.stopped
  }

  @Field(() => Int, { description: 'Calls for which attributes of agent or person were taken as they are today.' })
  get asToday(): number {
    return this.#simulation.asToday
  }

  @Field(() => [SimulatedOperationType])
  get operations(): SimulatedOperationType[] {
    return this.#simulation.operations.map((operation) => new SimulatedOperationType(operation))
  }

  @Field(() => [SimulationGapType], { description: 'Most frequent first.' })
  get undecided(): SimulationGapType[] {
    return this.#simulation.undecided.map((gap) => new SimulationGapType(gap))
  }
}
