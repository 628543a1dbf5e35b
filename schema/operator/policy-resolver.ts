import { GraphQLJSON } from 'graphql-scalars'
import { Arg, Ctx, Query, Resolver } from 'type-graphql'
import { GatewayError } from '../../gateway/core/errors.ts'
import { isJsonObject } from '../../gateway/core/json.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { DecisionType } from './decision-type.ts'
import { PolicyType } from './registry-types.ts'

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
    const { decision } = await cases.explain(by, agent, operation, input, subject ?? undefined, given)
    return new DecisionType(decision, { at: null, release: null, facts: async () => decision.evidence.request })
  }
}
