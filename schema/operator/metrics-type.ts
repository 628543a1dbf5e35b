import { Field, Float, GraphQLISODateTime, InputType, Int, ObjectType } from 'type-graphql'
import type { DurationsInShort } from '../../gateway/core/duration-buckets.ts'
import type { ExceptionRow, ExceptionStage, FigureRow } from '../../gateway/ports/call-figures.ts'
import type { CallMetrics } from '../../gateway/ports/operator.ts'
import { ExceptionStageEnum } from './enums.ts'

const optional = { nullable: true } as const

@InputType('MetricsRange', { description: 'A time in UTC, widened to whole hours: the answer says to which.' })
export class MetricsRangeInput {
  @Field(() => GraphQLISODateTime)
  since!: Date
  @Field(() => GraphQLISODateTime, { nullable: true, description: 'Now by default.' })
  until?: Date | null
}

@InputType('MetricsFilter', { description: 'All that is given must fit.' })
export class MetricsFilterInput {
  @Field(() => String, optional)
  agent?: string | null
  @Field(() => String, optional)
  connector?: string | null
  @Field(() => String, { nullable: true, description: '`connector.operation`.' })
  operation?: string | null
}

@ObjectType('Durations', { description: 'Counted in buckets: each quantile is at most 9.1 % off, from a millisecond on.' })
export class DurationsType {
  @Field(() => Int)
  readonly count: number
  @Field(() => Float)
  readonly p50Ms: number
  @Field(() => Float)
  readonly p95Ms: number

  constructor({ count, p50Ms, p95Ms }: DurationsInShort) {
    this.count = count
    this.p50Ms = p50Ms
    this.p95Ms = p95Ms
  }
}

@ObjectType('MetricsRow', {
  description: 'How many of the calls that were made in the range; the first decision, and where the call stands now.',
})
export class MetricsRowType {
  @Field(() => String, { description: 'A name, when an hour or a day (UTC) began, or `total`.' })
  readonly key: string
  @Field(() => Int)
  readonly calls: number
  @Field(() => Int)
  readonly permitted: number
  @Field(() => Int)
  readonly held: number
  @Field(() => Int)
  readonly denied: number
  @Field(() => Int)
  readonly completed: number
  @Field(() => Int)
  readonly failed: number
  @Field(() => Int)
  readonly inDoubt: number
  @Field(() => Int)
  readonly rejected: number
  @Field(() => Int)
  readonly expired: number
  @Field(() => Int)
  readonly cancelled: number
  @Field(() => Int, { description: 'Calls whose arguments a person changed.' })
  readonly edited: number
  @Field(() => Int, { description: 'Calls that went on under a standing grant.' })
  readonly granted: number
  @Field(() => DurationsType, { nullable: true, description: 'How long systems took; null where none was asked.' })
  readonly upstream: DurationsType | null
  @Field(() => DurationsType, { nullable: true, description: 'How long holds were open until people decided or time was up.' })
  readonly hold: DurationsType | null

  constructor(row: FigureRow) {
    this.key = row.key
    this.calls = row.calls
    this.permitted = row.permitted
    this.held = row.held
    this.denied = row.denied
    this.completed = row.completed
    this.failed = row.failed
    this.inDoubt = row.inDoubt
    this.rejected = row.rejected
    this.expired = row.expired
    this.cancelled = row.cancelled
    this.edited = row.edited
    this.granted = row.granted
    this.upstream = row.upstream ? new DurationsType(row.upstream) : null
    this.hold = row.hold ? new DurationsType(row.hold) : null
  }
}

@ObjectType('Metrics', { description: 'Figures of a range.' })
export class MetricsType {
  @Field(() => GraphQLISODateTime)
  readonly since: Date
  @Field(() => GraphQLISODateTime)
  readonly until: Date
  @Field(() => GraphQLISODateTime, { description: 'What was recorded before this time is counted.' })
  readonly completeUpTo: Date
  @Field(() => [MetricsRowType], { description: 'Hours and days in their order, without empty ones; others with the most calls first.' })
  readonly rows: MetricsRowType[]
  @Field(() => Boolean, { description: 'There are more rows than `first`.' })
  readonly more: boolean

  constructor({ since, until, completeUpTo, rows, more }: CallMetrics) {
    this.since = new Date(since)
    this.until = new Date(until)
    this.completeUpTo = new Date(completeUpTo)
    this.rows = rows.map((row) => new MetricsRowType(row))
    this.more = more
  }
}

@ObjectType('ExceptionRow', { description: 'Where calls ended badly.' })
export class ExceptionRowType {
  @Field(() => ExceptionStageEnum)
  readonly stage: ExceptionStage
  @Field(() => String, {
    description:
      'Of REFUSED an error code; of DENIED the first of the policies that denied, or why there is none; of FAILED `refused` (4xx), `status` (another answer), `unreached`, `not_sent` or `resolved` (a person found that nothing happened); else empty.',
  })
  readonly reason: string
  @Field(() => String, { nullable: true, description: 'Null where a request never became a call.' })
  readonly connector: string | null
  @Field(() => Int)
  readonly calls: number

  constructor({ stage, reason, connector, count }: ExceptionRow) {
    this.stage = stage
    this.reason = reason
    this.connector = connector
    this.calls = count
  }
}
