import { GraphQLJSON } from 'graphql-scalars'
import { Arg, Ctx, GraphQLISODateTime, Int, Query, Resolver } from 'type-graphql'
import { instant } from '../../gateway/core/clock.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import { isJsonObject } from '../../gateway/core/json.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { DecisionType } from './decision-type.ts'
import { draftOf } from './policy-draft-resolver.ts'
import { spend } from './looks.ts'
import { PolicyType } from './registry-types.ts'
import { PolicyTextsInput, SimulationType } from './simulation-type.ts'

@Resolver()
export class PolicyResolver {
  @Query(() => [PolicyType], { description: 'The active policies. Errors: FORBIDDEN (without a reading role).' })
  policies(@Ctx() { by, cases }: OperatorContext): PolicyType[] {
    return cases.policies(by).map((policy) => new PolicyType(policy))
  }

  @Query(() => DecisionType, {
    description:
      'What policy would say to this call now: nothing is executed or held, the question and its answer are recorded. Errors: FORBIDDEN, NOT_FOUND, BAD_INPUT.',
  })
  async explain(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('agent', () => String) agent: string,
    @Arg('operation', () => String, { description: '`connector.operation`.' }) operation: string,
    @Arg('input', () => GraphQLJSON, { description: 'The arguments, as an object.' }) input: unknown,
    @Arg('subject', () => String, { nullable: true }) subject: string | null,
    @Arg('facts', () => GraphQLJSON, {
      nullable: true,
      description:
        'Facts to take instead of those that would be gathered: `history` and `lookup` as objects by name, `labels` and `findings` as lists. No system is looked into for an explanation, so lookups are known only from here.',
    })
    facts: unknown,
  ): Promise<DecisionType> {
    if (!isJsonObject(input)) throw new GatewayError('BAD_INPUT', '`input` must be an object')
    const given = facts ?? {}
    if (!isJsonObject(given)) throw new GatewayError('BAD_INPUT', '`facts` must be an object')
    const { decision, nearMisses } = await cases.explain(by, agent, operation, input, subject ?? undefined, given)
    const isWanting = decision.verdict.effect === 'deny' && decision.verdict.reason === 'no_permit'
    return new DecisionType(decision, {
      at: null,
      release: null,
      facts: async () => decision.evidence.request,
      nearMisses: async () => (isWanting ? nearMisses : null),
    })
  }

  @Query(() => SimulationType, {
    description:
      'What a draft would have said to recorded calls, newest first. It is decided apart from what is in force; nothing is kept. Errors: FORBIDDEN (without a reading role), BAD_INPUT with every fault of the texts, LIMITED, UNAVAILABLE.',
  })
  async simulatePolicies(
    @Ctx() context: OperatorContext,
    @Arg('draft', () => PolicyTextsInput) draft: PolicyTextsInput,
    @Arg('against', () => PolicyTextsInput, { nullable: true, description: 'Compared with the draft in place of what was decided then.' })
    against: PolicyTextsInput | null,
    @Arg('since', () => GraphQLISODateTime) since: Date,
    @Arg('first', () => Int, {
      nullable: true,
      description: `Calls to decide again: at most ${LIMITS.simulatedCallsMax}, which is the default.`,
    })
    first: number | null,
  ): Promise<SimulationType> {
    const { by, cases } = context
    // One at a time: a simulation takes as long as thousands of decisions.
    spend(context, LIMITS.operatorLoadsPerRequestMax)
    const asked = {
      draft: draftOf(draft),
      against: against ? draftOf(against) : undefined,
      since: instant(since.getTime()),
      first: first ?? undefined,
    }
    return new SimulationType(await cases.simulatePolicies(by, asked))
  }
}
