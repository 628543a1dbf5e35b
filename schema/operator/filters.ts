import { Field, GraphQLISODateTime, ID, InputType } from 'type-graphql'
import type { CallState, Door } from '../../gateway/core/call.ts'
import { instant } from '../../gateway/core/clock.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import type { HoldState } from '../../gateway/core/hold.ts'
import { type HoldId, parseHoldId } from '../../gateway/core/ids.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { CallFilter, HoldFilter } from '../../gateway/ports/call-store.ts'
import { CallStateEnum, DoorEnum, HoldStateEnum } from './enums.ts'

const optional = { nullable: true } as const

@InputType('CallFilter', { description: 'All that is given must fit.' })
export class CallFilterInput {
  @Field(() => String, optional)
  agent?: string | null
  @Field(() => String, optional)
  subject?: string | null
  @Field(() => String, optional)
  connector?: string | null
  @Field(() => String, { nullable: true, description: '`connector.operation`.' })
  operation?: string | null
  @Field(() => [CallStateEnum], optional)
  state?: CallState[] | null
  @Field(() => DoorEnum, optional)
  door?: Door | null
  @Field(() => GraphQLISODateTime, { nullable: true, description: 'Created at this time or later.' })
  since?: Date | null
  @Field(() => GraphQLISODateTime, { nullable: true, description: 'Created before this time.' })
  until?: Date | null
  @Field(() => String, optional)
  run?: string | null
}

@InputType('HoldFilter', { description: 'All that is given must fit.' })
export class HoldFilterInput {
  @Field(() => [HoldStateEnum], optional)
  state?: HoldState[] | null
  @Field(() => String, optional)
  agent?: string | null
  @Field(() => [String], { nullable: true, description: 'Holds that ask for one of these groups.' })
  groups?: string[] | null
  @Field(() => [ID], { nullable: true, description: 'These alone.' })
  ids?: string[] | null
}

/** Leaves out what is null: in GraphQL it says the same as nothing. */
const given = <K extends string, V>(key: K, value: V | null | undefined): { [P in K]?: V } =>
  value === null || value === undefined ? {} : ({ [key]: value } as { [P in K]: V })

export function callFilter(raw: CallFilterInput | null | undefined): CallFilter {
  if (!raw) return {}
  return {
    ...given('agent', raw.agent),
    ...given('subject', raw.subject),
    ...given('connector', raw.connector),
    ...given('operation', raw.operation),
    ...given('state', raw.state),
    ...given('door', raw.door),
    ...given('since', raw.since && instant(raw.since.getTime())),
    ...given('until', raw.until && instant(raw.until.getTime())),
    ...given('run', raw.run),
  }
}

function idsOf(raw: readonly string[]): HoldId[] {
  if (raw.length > LIMITS.pageRowsMax) throw new GatewayError('BAD_INPUT', `at most ${LIMITS.pageRowsMax} ids at once`)
  return raw.map(parseHoldId)
}

export function holdFilter(raw: HoldFilterInput | null | undefined, orderBy: HoldFilter['orderBy']): HoldFilter {
  return {
    ...given('state', raw?.state),
    ...given('agent', raw?.agent),
    ...given('groups', raw?.groups),
    ...given('ids', raw?.ids && idsOf(raw.ids)),
    orderBy,
  }
}
