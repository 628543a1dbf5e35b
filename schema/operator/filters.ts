import { Field, GraphQLISODateTime, ID, InputType } from 'type-graphql'
import type { CallState, Door } from '../../gateway/core/call.ts'
import { instant } from '../../gateway/core/clock.ts'
import type { DenyReason, Verdict } from '../../gateway/core/decision.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import type { HoldState } from '../../gateway/core/hold.ts'
import { type HoldId, parseHoldId } from '../../gateway/core/ids.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { CallFilter, HoldFilter } from '../../gateway/ports/call-store.ts'
import { CallStateEnum, DenyReasonEnum, DoorEnum, EffectEnum, HoldStateEnum } from './enums.ts'

const optional = { nullable: true } as const

const FOLLOWS = 'Known about a second after it was recorded.'

@InputType('CallFilter', { description: 'All that is given must fit.' })
export class CallFilterInput {
  @Field(() => String, optional)
  agent?: string | null
  @Field(() => String, optional)
  subject?: string | null
  @Field(() => String, { nullable: true, description: 'Who answered for the agent when it called.' })
  owner?: string | null
  @Field(() => String, optional)
  connector?: string | null
  @Field(() => String, { nullable: true, description: '`connector.operation`.' })
  operation?: string | null
  @Field(() => [CallStateEnum], optional)
  state?: CallState[] | null
  @Field(() => EffectEnum, {
    nullable: true,
    description: 'What policy said at first: a call that was held and denied later counts as held.',
  })
  decision?: Verdict['effect'] | null
  @Field(() => DenyReasonEnum, optional)
  denyReason?: DenyReason | null
  @Field(() => DoorEnum, optional)
  door?: Door | null
  @Field(() => GraphQLISODateTime, { nullable: true, description: 'Created at this time or later.' })
  since?: Date | null
  @Field(() => GraphQLISODateTime, { nullable: true, description: 'Created before this time.' })
  until?: Date | null
  @Field(() => String, optional)
  run?: string | null
  @Field(() => ID, { nullable: true, description: `The \`@id\` of a policy that determined one of its decisions. ${FOLLOWS}` })
  policy?: string | null
  @Field(() => String, {
    nullable: true,
    description: `Who voted on one of its holds, approved it alone in an emergency, or gave the grant that it went on under. ${FOLLOWS}`,
  })
  approver?: string | null
  @Field(() => String, { nullable: true, description: `A label that its result brought, or made last longer. ${FOLLOWS}` })
  label?: string | null
  @Field(() => String, { nullable: true, description: `Its business object: \`Type:key\`, or the key alone. ${FOLLOWS}` })
  object?: string | null
  @Field(() => String, {
    nullable: true,
    description: `Words, each the beginning of one in operation, agent, subject, business key, policy ids and their reasons, or what the agent said; never in arguments or results. ${FOLLOWS}`,
  })
  text?: string | null
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
export const given = <K extends string, V>(key: K, value: V | null | undefined): { [P in K]?: V } =>
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
    ...given('owner', raw.owner),
    ...given('decision', raw.decision),
    ...given('denyReason', raw.denyReason),
    ...given('policy', raw.policy),
    ...given('approver', raw.approver),
    ...given('label', raw.label),
    ...given('object', raw.object),
    ...given('text', searched(raw.text)),
  }
}

function searched(text: string | null | undefined): string | null | undefined {
  if (text && text.length > LIMITS.searchCharsMax) {
    throw new GatewayError('BAD_INPUT', `\`text\` is longer than ${LIMITS.searchCharsMax} characters`)
  }
  return text
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
