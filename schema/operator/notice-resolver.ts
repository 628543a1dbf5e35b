import { Arg, Ctx, Field, GraphQLISODateTime, ID, Int, Mutation, ObjectType, Query, Resolver } from 'type-graphql'
import { parseHoldId } from '../../gateway/core/ids.ts'
import type { Notice } from '../../gateway/ports/notice-queue.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { spend } from './looks.ts'
import { firstArgument, pageRequest } from './page.ts'

@ObjectType('NoticeGivenUp', { description: 'Somebody was to be told of something and was not.' })
export class NoticeGivenUpType {
  @Field(() => String)
  readonly about: string
  @Field(() => String)
  readonly person: string
  @Field(() => String, { description: '`mail`, or `webhook:` and its name.' })
  readonly channel: string
  @Field(() => ID, { nullable: true })
  readonly holdId: string | null
  @Field(() => Int)
  readonly attempts: number
  @Field(() => String)
  readonly why: string
  @Field(() => GraphQLISODateTime)
  readonly at: Date

  constructor({ kind, recipient, channel, holdId, attempt, why, endedAt, createdAt }: Notice) {
    this.about = kind
    this.person = recipient
    this.channel = channel
    this.holdId = holdId
    this.attempts = attempt
    this.why = why ?? ''
    this.at = new Date(endedAt ?? createdAt)
  }
}

@Resolver()
export class NoticeResolver {
  @Query(() => [NoticeGivenUpType], {
    description: 'Notices that reached nobody, newest first, for reading roles. Errors: FORBIDDEN, BAD_INPUT, UNAVAILABLE.',
  })
  async noticesGivenUp(
    @Ctx() context: OperatorContext,
    @Arg('first', () => Int, firstArgument) first: number | null,
  ): Promise<NoticeGivenUpType[]> {
    const page = pageRequest(first, null, parseHoldId)
    spend(context, page.first)
    return (await context.cases.noticesGivenUp(context.by, page.first)).map((notice) => new NoticeGivenUpType(notice))
  }

  @Mutation(() => ID, {
    description:
      'Uses the link of a notice up and answers with the hold that it opens. It decides nothing. Errors: NOT_FOUND, FORBIDDEN, UNAVAILABLE.',
  })
  openNotice(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('secret', () => String, { description: 'What stands behind `#`.' }) secret: string,
  ): Promise<string> {
    return cases.openNotice(by, secret)
  }
}
