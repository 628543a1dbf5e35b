import { Arg, Ctx, Field, GraphQLISODateTime, ID, Int, ObjectType } from 'type-graphql'
import { GatewayError } from '../../gateway/core/errors.ts'
import type { Agent } from '../../gateway/core/principal.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { AgentChange, OperatorContext } from '../../gateway/ports/operator.ts'
import type { AgentEvent } from '../../gateway/ports/registry.ts'
import { AgentStatusEnum } from './enums.ts'
import { lastCallOf, spend } from './looks.ts'
import { OperationType } from './registry-types.ts'

@ObjectType('AgentEvent', { description: 'A change of an agent, as its entry in the record tells it.' })
export class AgentEventType {
  @Field(() => Int, { description: 'The epoch that began with it.' })
  readonly epoch: number
  @Field(() => GraphQLISODateTime)
  readonly at: Date
  @Field(() => String, { description: 'A person, `local`, or `configuration`.' })
  readonly by: string
  @Field(() => AgentStatusEnum, { nullable: true, description: 'Afterwards.' })
  readonly status: string | null
  @Field(() => String)
  readonly change: string
  @Field(() => String, { nullable: true, description: 'What the person said.' })
  readonly why: string | null

  constructor(event: AgentEvent) {
    this.epoch = event.epoch
    this.at = new Date(event.at)
    this.by = event.by
    this.status = event.status
    this.change = event.change
    this.why = event.why
  }
}

/** Throws BAD_INPUT for a count out of bounds. */
function count(first: number | null): number {
  const asked = first ?? LIMITS.pageRowsDefault
  if (asked >= 1 && asked <= LIMITS.pageRowsMax) return asked
  throw new GatewayError('BAD_INPUT', `\`first\` must be from 1 to ${LIMITS.pageRowsMax}`)
}

const firstArgument = { nullable: true, description: `At most ${LIMITS.pageRowsMax}; ${LIMITS.pageRowsDefault} where it is left out.` }

@ObjectType('Agent', { description: 'A registered agent.' })
export class AgentType {
  @Field(() => ID)
  readonly name: string
  @Field(() => String, { description: 'The person who answers for it.' })
  readonly owner: string
  @Field(() => String)
  readonly team: string
  @Field(() => String)
  readonly region: string
  @Field(() => String)
  readonly purpose: string
  @Field(() => [String])
  readonly roles: readonly string[]
  @Field(() => [String])
  readonly clearance: readonly string[]
  @Field(() => Int)
  readonly autonomy: number
  @Field(() => AgentStatusEnum)
  readonly status: string
  @Field(() => Int, { description: 'Grows with every change; what was decided on an older epoch does not run.' })
  readonly epoch: number

  constructor(agent: Agent) {
    this.name = agent.name
    this.owner = agent.owner
    this.team = agent.team
    this.region = agent.region
    this.purpose = agent.purpose
    this.roles = agent.roles
    this.clearance = agent.clearance
    this.autonomy = agent.autonomy
    this.status = agent.status
    this.epoch = agent.epoch
  }

  @Field(() => String, { nullable: true, description: 'Who registered it: a person, `local`, or `configuration`.' })
  registeredBy(@Ctx() { by, cases }: OperatorContext): string | null {
    return cases.registrant(by, this.name)
  }

  @Field(() => GraphQLISODateTime, { nullable: true, description: 'When it made its newest call; null where it never did.' })
  async lastCallAt(@Ctx() context: OperatorContext): Promise<Date | null> {
    const at = await lastCallOf(context, this.name)
    return at === undefined ? null : new Date(at)
  }

  @Field(() => [AgentEventType], { description: 'Its changes, newest first.' })
  async history(@Ctx() context: OperatorContext, @Arg('first', () => Int, firstArgument) first: number | null): Promise<AgentEventType[]> {
    spend(context, 1)
    return (await context.cases.agentHistory(context.by, this.name, count(first))).map((event) => new AgentEventType(event))
  }

  @Field(() => Int, { description: "How many operations today's policies may ever allow it when it acts for itself." })
  permissionCount(@Ctx() { by, cases }: OperatorContext): number {
    return cases.agentPermissions(by, this.name).length
  }

  @Field(() => [OperationType], {
    description:
      "Operations that today's policies may ever allow it when it acts for itself, by id: what it sees. Each call is still decided on its arguments.",
  })
  permissions(@Ctx() context: OperatorContext, @Arg('first', () => Int, firstArgument) first: number | null): OperationType[] {
    const operations = context.cases.agentPermissions(context.by, this.name).slice(0, count(first))
    spend(context, operations.length)
    return operations.map((operation) => new OperationType(operation))
  }
}

@ObjectType('AgentChange')
export class AgentChangeType {
  @Field(() => AgentType)
  readonly agent: AgentType
  @Field(() => Int, { description: 'Milliseconds until every call decided on the older status was refused, on every replica.' })
  readonly effectiveAfterMs: number
  @Field(() => Int, { description: 'Calls that waited for people, or for the agent after their approval, and were cancelled with it.' })
  readonly cancelledHolds: number

  constructor({ agent, effectiveAfterMs, cancelledHolds }: AgentChange) {
    this.agent = new AgentType(agent)
    this.effectiveAfterMs = Math.ceil(effectiveAfterMs)
    this.cancelledHolds = cancelledHolds
  }
}
