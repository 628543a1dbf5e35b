import { Arg, Ctx, GraphQLISODateTime, ID, Int, Query, Resolver } from 'type-graphql'
import { instant } from '../../gateway/core/clock.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { CheckpointType, LogEntryType, LogFloorType } from './log-type.ts'
import { spend } from './looks.ts'

const optional = { nullable: true } as const

@Resolver()
export class LogResolver {
  @Query(() => CheckpointType, {
    nullable: true,
    description: 'The newest checkpoint of the log; null before its first entry. Errors: FORBIDDEN (without a reading role), UNAVAILABLE.',
  })
  async checkpoint(@Ctx() { by, cases }: OperatorContext): Promise<CheckpointType | null> {
    const checkpoint = await cases.checkpoint(by)
    return checkpoint ? new CheckpointType(checkpoint) : null
  }

  @Query(() => LogFloorType, {
    description:
      'Where the log begins: entries before were removed under the retention that is configured. Errors: FORBIDDEN (without a reading role), UNAVAILABLE.',
  })
  async logFloor(@Ctx() { by, cases }: OperatorContext): Promise<LogFloorType> {
    return new LogFloorType(await cases.logFloor(by))
  }

  @Query(() => [LogEntryType], {
    description:
      'Entries of the log in its order, for security and auditors: at most 500, fewer where payloads are long, none only at the end of the range. A look at payloads is recorded. Errors: FORBIDDEN, BAD_INPUT, UNAVAILABLE.',
  })
  async logEntries(
    @Ctx() context: OperatorContext,
    @Arg('from', () => Int, { description: 'Index of the first, from 0.' }) from: number,
    @Arg('first', () => Int) first: number,
    @Arg('payloads', () => Boolean, { defaultValue: false }) payloads: boolean,
    @Arg('before', () => Int, { ...optional, description: 'Index after the last.' }) before: number | null,
    @Arg('since', () => GraphQLISODateTime, { ...optional, description: 'Written then or later.' }) since: Date | null,
    @Arg('until', () => GraphQLISODateTime, { ...optional, description: 'Written before.' }) until: Date | null,
    @Arg('calls', () => [ID], { ...optional, description: 'Of these calls only, at most 100.' }) calls: string[] | null,
    @Arg('places', () => [Int], { ...optional, description: 'At these indexes only, at most 500.' }) places: number[] | null,
  ): Promise<LogEntryType[]> {
    spend(context, Math.max(1, first))
    const range = {
      from,
      ...(before === null || before === undefined ? {} : { before }),
      ...(since ? { since: instant(since.getTime()) } : {}),
      ...(until ? { until: instant(until.getTime()) } : {}),
      ...(calls ? { calls } : {}),
      ...(places ? { places } : {}),
    }
    const page = await context.cases.logPage(context.by, range, first, payloads)
    return page.map((entry) => new LogEntryType(entry))
  }

  @Query(() => String, {
    nullable: true,
    description:
      'The text that a policy set is named after: canonical JSON of its policies, Cedar schema and declared facts, whose SHA-256 is `hash`. Null where it is not kept. Errors: FORBIDDEN (without a reading role), UNAVAILABLE.',
  })
  wholePolicySet(@Ctx() { by, cases }: OperatorContext, @Arg('hash', () => ID) hash: string): Promise<string | null> {
    return cases.wholePolicySet(by, hash)
  }
}
