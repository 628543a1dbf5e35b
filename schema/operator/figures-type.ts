import { Field, Float, ID, Int, ObjectType } from 'type-graphql'
import type { VoterFigures } from '../../gateway/core/rule-figures.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { FiguresOfRule } from '../../gateway/ports/operator.ts'

/** What reading figures once counts for in a request: a page of rows. */
export const FIGURES_COST = 20

const QUICK = `Votes within ${LIMITS.quickVoteMs / 1_000} s of the voter's last look at the arguments; votes given together share the time.`
const UNSEEN = 'Votes of people who had not looked at the arguments.'

@ObjectType('RuleFigures', {
  description: `How people decided on a policy's holds: the newest, at most ${LIMITS.figuresDecisionsMax}. A call whose arguments were edited counts once, as edited.`,
})
export class RuleFiguresType {
  @Field(() => ID)
  readonly policyId: string
  @Field(() => String, { nullable: true, description: 'Null for all agents.' })
  readonly agent: string | null
  @Field(() => Int)
  readonly days: number
  @Field(() => Boolean, { description: 'There are older ones within these days that are not counted.' })
  readonly cut: boolean
  @Field(() => Int, { description: 'Approved, refused or edited: what people decided.' })
  readonly decided: number
  @Field(() => Int)
  readonly approved: number
  @Field(() => Int)
  readonly refused: number
  @Field(() => Int)
  readonly edited: number
  @Field(() => Int, { description: 'Nobody decided in time.' })
  readonly expired: number
  @Field(() => Float, { nullable: true, description: 'Milliseconds from opened to decided.' })
  readonly medianMs: number | null
  @Field(() => Float, { nullable: true })
  readonly p95Ms: number | null
  @Field(() => Int)
  readonly votes: number
  @Field(() => Int, { description: QUICK })
  readonly quickVotes: number
  @Field(() => Int, { description: UNSEEN })
  readonly unseenVotes: number
  @Field(() => Float, {
    description:
      'The exact one-sided 95 % upper bound (Clopper and Pearson) of the share that is refused or edited, from 0 to 1, if coming calls are like these and decided alike. It does not say that those who approved were right.',
  })
  readonly refusalsAtMost: number

  constructor(figures: FiguresOfRule) {
    this.policyId = figures.policyId
    this.agent = figures.agent
    this.days = figures.days
    this.cut = figures.cut
    this.decided = figures.decided
    this.approved = figures.approved
    this.refused = figures.refused
    this.edited = figures.edited
    this.expired = figures.expired
    this.medianMs = figures.medianMs
    this.p95Ms = figures.p95Ms
    this.votes = figures.votes
    this.quickVotes = figures.quickVotes
    this.unseenVotes = figures.unseenVotes
    this.refusalsAtMost = figures.refusalsAtMost
  }
}

@ObjectType('VoterFigures', { description: 'Who decides how much and how fast.' })
export class VoterFiguresType {
  @Field(() => String)
  readonly voter: string
  @Field(() => Int)
  readonly approvals: number
  @Field(() => Int)
  readonly refusals: number
  @Field(() => Float, {
    nullable: true,
    description: 'Milliseconds from the last look at the arguments to the vote; null where they never looked.',
  })
  readonly medianMs: number | null
  @Field(() => Int, { description: QUICK })
  readonly quickVotes: number
  @Field(() => Int, { description: UNSEEN })
  readonly unseenVotes: number

  constructor(figures: VoterFigures) {
    this.voter = figures.voter
    this.approvals = figures.approvals
    this.refusals = figures.refusals
    this.medianMs = figures.medianMs
    this.quickVotes = figures.quickVotes
    this.unseenVotes = figures.unseenVotes
  }
}
