import { GraphQLJSONObject } from 'graphql-scalars'
import { Arg, Ctx, ID, Int, Mutation, Query, Resolver } from 'type-graphql'
import { parseHoldId } from '../../gateway/core/ids.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { HoldFilter } from '../../gateway/ports/call-store.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { HoldOrderEnum } from './enums.ts'
import { HoldFilterInput, holdFilter } from './filters.ts'
import { HoldType } from './hold-type.ts'
import { spend } from './looks.ts'
import { afterArgument, type Connection, connectionType, firstArgument, pageRequest, toConnection } from './page.ts'

const HoldConnection = connectionType('Hold', () => HoldType)

const VOTE_ERRORS = 'Errors: HOLD_NOT_OPEN, NOT_ELIGIBLE, FORBIDDEN, NOT_FOUND, ID_MALFORMED, UNAVAILABLE.'

@Resolver()
export class HoldResolver {
  @Query(() => HoldConnection, {
    description: 'Holds: all for reading roles, otherwise those that ask for one of your groups. Errors: BAD_INPUT, UNAVAILABLE.',
  })
  async holds(
    @Ctx() context: OperatorContext,
    @Arg('filter', () => HoldFilterInput, { nullable: true }) filter: HoldFilterInput | null,
    @Arg('orderBy', () => HoldOrderEnum, { defaultValue: 'NEWEST' }) orderBy: HoldFilter['orderBy'],
    @Arg('first', () => Int, firstArgument) first: number | null,
    @Arg('after', () => String, afterArgument) after: string | null,
  ): Promise<Connection<HoldType>> {
    const { by, cases } = context
    const page = pageRequest(first, after, parseHoldId)
    spend(context, page.first)
    return toConnection(await cases.holds(by, holdFilter(filter, orderBy), page), page, (hold) => new HoldType(hold))
  }

  @Query(() => HoldType, {
    nullable: true,
    description: 'One hold; null where there is none, and where you may not see it. Errors: ID_MALFORMED.',
  })
  async hold(@Ctx() { by, cases }: OperatorContext, @Arg('id', () => ID) id: string): Promise<HoldType | null> {
    const hold = await cases.hold(by, parseHoldId(id))
    return hold ? new HoldType(hold) : null
  }

  @Mutation(() => HoldType, { description: `A vote for the call; the last one needed approves it. ${VOTE_ERRORS}` })
  async approveHold(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('id', () => ID) id: string,
    @Arg('comment', () => String, { nullable: true }) comment: string | null,
  ): Promise<HoldType> {
    return new HoldType(await cases.approveHold(by, parseHoldId(id), comment ?? undefined))
  }

  @Mutation(() => HoldType, {
    description: `Puts other arguments in the place of the agent's and answers with the hold that the call has then: a new one without votes, in which you have none, or this one where policy denies them. Errors: BAD_INPUT, LIMITED, HOLD_NOT_OPEN, NOT_ELIGIBLE, FORBIDDEN, NOT_FOUND, ID_MALFORMED, UNAVAILABLE.`,
  })
  async editHold(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('id', () => ID) id: string,
    @Arg('input', () => GraphQLJSONObject, { description: 'The complete arguments, not the differences.' }) input: JsonObject,
    @Arg('comment', () => String, { nullable: true }) comment: string | null,
  ): Promise<HoldType> {
    return new HoldType(await cases.editHold(by, parseHoldId(id), input, comment ?? undefined))
  }

  @Mutation(() => HoldType, { description: `A vote against the call; so many as denyThreshold end it. ${VOTE_ERRORS}` })
  async rejectHold(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('id', () => ID) id: string,
    @Arg('comment', () => String, { nullable: true }) comment: string | null,
  ): Promise<HoldType> {
    return new HoldType(await cases.rejectHold(by, parseHoldId(id), comment ?? undefined))
  }
}
