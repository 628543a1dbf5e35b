import { Field, GraphQLISODateTime, ID, InputType, Int, ObjectType } from 'type-graphql'
import type { Erasing } from '../../gateway/core/call.ts'
import { instant } from '../../gateway/core/clock.ts'
import type { ErasedCalls, ErasureAsked } from '../../gateway/ports/operator.ts'
import { cursorOf } from './page.ts'

@ObjectType('Erasure', { description: 'Who had the payload of a call destroyed.' })
export class ErasureType {
  @Field(() => GraphQLISODateTime)
  readonly at: Date
  @Field(() => String, { description: 'A person, or `gatehouse` where the configured time was over.' })
  readonly by: string
  @Field(() => String)
  readonly why: string

  constructor({ at, by, why }: Erasing) {
    this.at = new Date(at)
    this.by = by
    this.why = why
  }
}

@InputType('ErasureFilter', { description: 'All that is given must fit, and something must be given.' })
export class ErasureFilterInput {
  @Field(() => String, { nullable: true, description: 'Whom the agent acted for.' })
  subject?: string | null
  @Field(() => String, { nullable: true, description: 'The business object: `Type:key`, or its key alone.' })
  object?: string | null
  @Field(() => GraphQLISODateTime, { nullable: true, description: 'Made before this time.' })
  before?: Date | null
}

export function erasureFilter(given: ErasureFilterInput | null): ErasureAsked['filter'] {
  if (!given) return undefined
  const { subject, object, before } = given
  return {
    ...(subject === null || subject === undefined ? {} : { subject }),
    ...(object === null || object === undefined ? {} : { object }),
    ...(before ? { until: instant(before.getTime()) } : {}),
  }
}

@ObjectType('KeptCall', { description: 'A call that was not erased.' })
export class KeptCallType {
  @Field(() => ID)
  readonly call: string
  @Field(() => String)
  readonly why: string

  constructor(call: string, why: string) {
    this.call = call
    this.why = why
  }
}

@ObjectType('ErasedCalls', { description: 'What became of the calls. Those that were erased before are in neither list.' })
export class ErasedCallsType {
  @Field(() => [ID], { description: 'Erased now.' })
  readonly calls: readonly string[]
  @Field(() => Int, { description: 'Entries of the record whose payload was destroyed.' })
  readonly entries: number
  @Field(() => [KeptCallType], { description: 'Nothing of these was touched.' })
  readonly kept: readonly KeptCallType[]
  @Field(() => String, { nullable: true, description: 'Give it as `after` to go on; null where no more calls fit.' })
  readonly next: string | null

  constructor({ calls, entries, kept, next }: ErasedCalls) {
    this.calls = calls
    this.entries = entries
    this.kept = kept.map(({ call, why }) => new KeptCallType(call, why))
    this.next = next === null ? null : cursorOf(next)
  }
}
