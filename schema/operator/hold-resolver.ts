import { GraphQLJSONObject } from 'graphql-scalars'
import { Arg, Ctx, Field, ID, InputType, Int, Mutation, ObjectType, Query, Resolver } from 'type-graphql'
import { parseHoldId } from '../../gateway/core/ids.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { HoldFilter } from '../../gateway/ports/call-store.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { HoldVote, HoldVoteResult, OperatorContext } from '../../gateway/ports/operator.ts'
import { HoldOrderEnum } from './enums.ts'
import { FIGURES_COST, RuleFiguresType, VoterFiguresType } from './figures-type.ts'
import { HoldFilterInput, holdFilter } from './filters.ts'
import { HoldType } from './hold-type.ts'
import { spend } from './looks.ts'
import { afterArgument, type Connection, connectionType, firstArgument, pageRequest, toConnection } from './page.ts'

const HoldConnection = connectionType('Hold', () => HoldType)

const VOTE_ERRORS = 'Errors: HOLD_NOT_OPEN, NOT_ELIGIBLE, FORBIDDEN, NOT_FOUND, ID_MALFORMED, UNAVAILABLE.'

const DAYS = { defaultValue: LIMITS.figuresDaysMax, description: `From 1 to ${LIMITS.figuresDaysMax}.` }
const DIGEST = {
  nullable: true,
  description: 'The digest of the hold as it was shown: the vote counts for nothing else. A program that shows holds to people gives it.',
}
const shown = (digest: string | null | undefined): { digest: string } | undefined => (digest ? { digest } : undefined)

const SEVERAL = `Each vote is bound to its digest, a transaction and an entry of its own; the answer says what became of each. At most ${LIMITS.votesAtOnceMax}.`

@InputType('HoldVote', { description: 'A vote on one of several holds.' })
class HoldVoteInput {
  @Field(() => ID)
  id!: string
  @Field(() => String, { description: 'The digest of the hold as it was shown.' })
  digest!: string
}

const votesOf = (raw: readonly HoldVoteInput[]): HoldVote[] => raw.map(({ id, digest }) => ({ id: parseHoldId(id), digest }))

@ObjectType('HoldVoteResult', { description: 'What became of one vote among several: `hold` as it is now, or `code` and `message`.' })
class HoldVoteResultType {
  @Field(() => ID)
  readonly id: string
  @Field(() => HoldType, { nullable: true })
  readonly hold: HoldType | null
  @Field(() => String, { nullable: true, description: 'As `extensions.code` of an error would be.' })
  readonly code: string | null
  @Field(() => String, { nullable: true })
  readonly message: string | null

  constructor({ id, hold, error }: HoldVoteResult) {
    this.id = id
    this.hold = hold ? new HoldType(hold) : null
    this.code = error?.code ?? null
    this.message = error?.message ?? null
  }
}

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
    @Arg('digest', () => String, DIGEST) digest: string | null,
  ): Promise<HoldType> {
    return new HoldType(await cases.approveHold(by, parseHoldId(id), comment ?? undefined, shown(digest)))
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
    @Arg('digest', () => String, DIGEST) digest: string | null,
  ): Promise<HoldType> {
    return new HoldType(await cases.rejectHold(by, parseHoldId(id), comment ?? undefined, shown(digest)))
  }

  @Mutation(() => [HoldVoteResultType], {
    description: `Votes for several calls whose arguments you have looked at. ${SEVERAL} Errors: BAD_INPUT, FORBIDDEN, ID_MALFORMED.`,
  })
  async approveHolds(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('votes', () => [HoldVoteInput]) votes: HoldVoteInput[],
    @Arg('comment', () => String, { nullable: true }) comment: string | null,
  ): Promise<HoldVoteResultType[]> {
    const results = await cases.approveHolds(by, votesOf(votes), comment ?? undefined)
    return results.map((result) => new HoldVoteResultType(result))
  }

  @Mutation(() => [HoldVoteResultType], {
    description: `Votes against several calls. ${SEVERAL} Errors: BAD_INPUT, FORBIDDEN, ID_MALFORMED.`,
  })
  async rejectHolds(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('votes', () => [HoldVoteInput]) votes: HoldVoteInput[],
    @Arg('comment', () => String, { nullable: true }) comment: string | null,
  ): Promise<HoldVoteResultType[]> {
    const results = await cases.rejectHolds(by, votesOf(votes), comment ?? undefined)
    return results.map((result) => new HoldVoteResultType(result))
  }

  @Query(() => RuleFiguresType, {
    description: `How people decided by a policy, of all agents or one. Errors: FORBIDDEN (without a reading role), BAD_INPUT.`,
  })
  async holdFigures(
    @Ctx() context: OperatorContext,
    @Arg('policyId', () => ID) policyId: string,
    @Arg('agent', () => String, { nullable: true }) agent: string | null,
    @Arg('days', () => Int, DAYS) days: number,
  ): Promise<RuleFiguresType> {
    spend(context, FIGURES_COST)
    return new RuleFiguresType(await context.cases.holdFigures(context.by, policyId, agent ?? undefined, days))
  }

  @Query(() => [VoterFiguresType], {
    description: `Who decides how much and how fast, by the last ${LIMITS.figuresVotesMax} votes. Errors: FORBIDDEN (for security and auditors only), BAD_INPUT.`,
  })
  async voterFigures(@Ctx() context: OperatorContext, @Arg('days', () => Int, DAYS) days: number): Promise<VoterFiguresType[]> {
    spend(context, FIGURES_COST)
    return (await context.cases.figuresOfVoters(context.by, days)).map((figures) => new VoterFiguresType(figures))
  }
}
