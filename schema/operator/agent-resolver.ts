import { GraphQLJSON } from 'graphql-scalars'
import { Arg, Ctx, Int, Mutation, Query, Resolver } from 'type-graphql'
import type { LifeStep } from '../../gateway/core/agent-life.ts'
import type { JsonValue } from '../../gateway/core/json.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { AgentChangeType, AgentType } from './agent-types.ts'

const optional = { nullable: true } as const
const READ_ERRORS = 'Errors: FORBIDDEN (without a reading role).'
const STEP_ERRORS = 'Errors: FORBIDDEN, NOT_FOUND, BAD_INPUT (where it has no such status), UNAVAILABLE.'

async function step(
  { by, cases }: OperatorContext,
  name: string,
  to: LifeStep,
  reason: string | null | undefined,
): Promise<AgentChangeType> {
  return new AgentChangeType(await cases.setAgentStatus(by, name, to, reason ?? undefined))
}

@Resolver()
export class AgentResolver {
  @Query(() => [AgentType], { description: `All agents. ${READ_ERRORS}` })
  agents(@Ctx() { by, cases }: OperatorContext): AgentType[] {
    return cases.agents(by).map((agent) => new AgentType(agent))
  }

  @Query(() => AgentType, { nullable: true, description: `One agent. ${READ_ERRORS}` })
  agent(@Ctx() { by, cases }: OperatorContext, @Arg('name', () => String) name: string): AgentType | null {
    const agent = cases.agent(by, name)
    return agent ? new AgentType(agent) : null
  }

  @Mutation(() => AgentType, {
    description:
      'Registers an agent as proposed: it passes no door until somebody else activates it. Errors: FORBIDDEN, BAD_INPUT with every fault, NAME_TAKEN, LIMITED, UNAVAILABLE.',
  })
  async registerAgent(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('name', () => String) name: string,
    @Arg('owner', () => String, { description: 'The person who answers for it.' }) owner: string,
    @Arg('team', () => String) team: string,
    @Arg('region', () => String) region: string,
    @Arg('purpose', () => String) purpose: string,
    @Arg('roles', () => [String], optional) roles: string[] | null,
    @Arg('clearance', () => [String], optional) clearance: string[] | null,
    @Arg('autonomy', () => Int, { nullable: true, description: 'From 0, which is the default, to 5.' }) autonomy: number | null,
    @Arg('keys', () => [GraphQLJSON], { nullable: true, description: 'Public keys as JWKs, for private_key_jwt at the token endpoint.' })
    keys: JsonValue[] | null,
  ): Promise<AgentType> {
    const proposal = { name, owner, team, region, purpose, roles: roles ?? [], clearance: clearance ?? [], autonomy: autonomy ?? 0 }
    return new AgentType(await cases.registerAgent(by, { ...proposal, keys: keys ?? [] }))
  }

  @Mutation(() => AgentChangeType, {
    description:
      'Lets a proposed agent work. For people with the role `security` who neither registered it nor answer for it. Errors: FORBIDDEN, NOT_ELIGIBLE, NOT_FOUND, BAD_INPUT, UNAVAILABLE.',
  })
  activateAgent(
    @Ctx() context: OperatorContext,
    @Arg('name', () => String) name: string,
    @Arg('reason', () => String, optional) reason: string | null,
  ): Promise<AgentChangeType> {
    return step(context, name, 'activate', reason)
  }

  @Mutation(() => AgentChangeType, { description: `Stops an agent at every door at once. ${STEP_ERRORS}` })
  suspendAgent(
    @Ctx() context: OperatorContext,
    @Arg('name', () => String) name: string,
    @Arg('reason', () => String, optional) reason: string | null,
  ): Promise<AgentChangeType> {
    return step(context, name, 'suspend', reason)
  }

  @Mutation(() => AgentChangeType, { description: `Lets a suspended agent work again. ${STEP_ERRORS}` })
  reinstateAgent(
    @Ctx() context: OperatorContext,
    @Arg('name', () => String) name: string,
    @Arg('reason', () => String, optional) reason: string | null,
  ): Promise<AgentChangeType> {
    return step(context, name, 'reinstate', reason)
  }

  @Mutation(() => AgentChangeType, {
    description: `Ends an agent for good: its tokens die, what it has waiting is cancelled, and its name stays taken. ${STEP_ERRORS}`,
  })
  retireAgent(
    @Ctx() context: OperatorContext,
    @Arg('name', () => String) name: string,
    @Arg('reason', () => String) reason: string,
  ): Promise<AgentChangeType> {
    return step(context, name, 'retire', reason)
  }
}
