import { Arg, Ctx, ID, Int, Mutation, Query, Resolver } from 'type-graphql'
import { parseCallId } from '../../gateway/core/ids.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { CallType } from './call-type.ts'
import { EffectWordEnum } from './enums.ts'
import { CallFilterInput, callFilter } from './filters.ts'
import { spend } from './looks.ts'
import { afterArgument, type Connection, connectionType, firstArgument, pageRequest, toConnection } from './page.ts'

export const CallConnection = connectionType('Call', () => CallType)

@Resolver()
export class CallResolver {
  @Query(() => CallConnection, { description: 'Calls, newest first. Errors: FORBIDDEN (without a reading role), BAD_INPUT, UNAVAILABLE.' })
  async calls(
    @Ctx() context: OperatorContext,
    @Arg('filter', () => CallFilterInput, { nullable: true }) filter: CallFilterInput | null,
    @Arg('first', () => Int, firstArgument) first: number | null,
    @Arg('after', () => String, afterArgument) after: string | null,
  ): Promise<Connection<CallType>> {
    const { by, cases } = context
    const page = pageRequest(first, after, parseCallId)
    spend(context, page.first)
    return toConnection(await cases.calls(by, callFilter(filter), page), page, (call) => new CallType(call))
  }

  @Query(() => CallType, {
    nullable: true,
    description: 'One call; null where there is none, and where you may not see it. Errors: ID_MALFORMED, UNAVAILABLE.',
  })
  async call(@Ctx() { by, cases }: OperatorContext, @Arg('id', () => ID) id: string): Promise<CallType | null> {
    const call = await cases.call(by, parseCallId(id))
    return call ? new CallType(call) : null
  }

  @Mutation(() => CallType, {
    description:
      'Ends a call in doubt by what a person found out. Errors: CALL_NOT_IN_DOUBT, NOT_ELIGIBLE, FORBIDDEN, NOT_FOUND, BAD_INPUT, ID_MALFORMED.',
  })
  async resolveCall(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('id', () => ID) id: string,
    @Arg('effect', () => EffectWordEnum) effect: 'HAPPENED' | 'DID_NOT_HAPPEN',
    @Arg('evidence', () => String, { description: 'How you know.' }) evidence: string,
  ): Promise<CallType> {
    return new CallType(await cases.resolveCall(by, parseCallId(id), effect, evidence))
  }
}
