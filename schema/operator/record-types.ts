import { Arg, Ctx, Field, GraphQLISODateTime, ID, InputType, Int, ObjectType } from 'type-graphql'
import type { Call } from '../../gateway/core/call.ts'
import { instant } from '../../gateway/core/clock.ts'
import type { Entry, EntryBody } from '../../gateway/core/entry.ts'
import { entryKinds } from '../../gateway/core/entry-kinds.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import { type CallId, parseCallId } from '../../gateway/core/ids.ts'
import type { CallSample, OperatorContext, RecordedRun } from '../../gateway/ports/operator.ts'
import type { EntryFilter, EntryPlace } from '../../gateway/ports/record-search.ts'
import { AccountType, accountOfCall } from './account-type.ts'
import { CallConnection } from './call-resolver.ts'
import { allOf, CallType, decisionOf, EntryType, loggedOf } from './call-type.ts'
import { DecisionType } from './decision-type.ts'
import { given } from './filters.ts'
import { HoldType } from './hold-type.ts'
import { LoggedEntryType } from './log-type.ts'
import { spend, trailOf } from './looks.ts'
import { afterArgument, type Connection, firstArgument, pageRequest, toConnection } from './page.ts'

const optional = { nullable: true } as const

@InputType('EntryFilter', { description: 'All that is given must fit.' })
export class EntryFilterInput {
  @Field(() => [String], {
    nullable: true,
    description: 'As `Entry.kind` tells them: one of these. `policy.*` stands for all that begin with `policy.`.',
  })
  kinds?: string[] | null
  @Field(() => String, { nullable: true, description: 'The person, `local` or `configuration` who did it, voted, looked, signed in.' })
  by?: string | null
  @Field(() => ID, { nullable: true, description: 'The call that it is about.' })
  call?: string | null
  @Field(() => String, { nullable: true, description: 'The gateway process that wrote it.' })
  process?: string | null
  @Field(() => GraphQLISODateTime, { nullable: true, description: 'Written at this time or later.' })
  since?: Date | null
  @Field(() => GraphQLISODateTime, { nullable: true, description: 'Written before this time.' })
  until?: Date | null
}

/** Throws ID_MALFORMED. */
export const callIdOf = (raw: string | null | undefined): CallId | null => (raw === null || raw === undefined ? null : parseCallId(raw))

/** Throws BAD_INPUT, ID_MALFORMED. */
export function entryFilter(raw: EntryFilterInput | null): EntryFilter {
  return {
    ...given('kinds', raw?.kinds && entryKinds(raw.kinds)),
    ...given('by', raw?.by),
    ...given('call', callIdOf(raw?.call)),
    ...given('process', raw?.process),
    ...given('since', raw?.since && instant(raw.since.getTime())),
    ...given('until', raw?.until && instant(raw.until.getTime())),
  }
}

/** An entry's place as a cursor holds it. */
export const placeId = ({ at, process, seq }: EntryPlace): string => `${at} ${process} ${seq}`

/** Throws BAD_INPUT. */
export function parsePlace(raw: string): EntryPlace {
  const [, at, process, seq] = /^(\d{1,15}(?:\.\d{1,6})?) ([\w-]{1,48}) (\d{1,15})$/.exec(raw) ?? []
  if (at === undefined || process === undefined || seq === undefined) throw new GatewayError('BAD_INPUT', 'no place of an entry')
  return { at: instant(Number(at)), process, seq: Number(seq) }
}

@ObjectType('View', { description: 'That somebody looked at payloads.' })
export class ViewType {
  @Field(() => String)
  readonly by: string
  @Field(() => GraphQLISODateTime)
  readonly at: Date
  @Field(() => String, {
    description: 'What was looked at: `payload` are arguments, facts and answers of the call, `account` what its agent told of it.',
  })
  readonly what: string
  @Field(() => ID, { nullable: true })
  readonly callId: string | null

  constructor({ at, callId }: Entry, { by, what }: Extract<EntryBody, { kind: 'view' }>) {
    this.by = by
    this.at = new Date(at)
    this.what = what
    this.callId = callId
  }
}

@ObjectType('RunLabel', { description: 'What a run carries.' })
export class RunLabelType {
  @Field(() => String)
  readonly label: string
  @Field(() => GraphQLISODateTime, { description: 'When one of its calls read it last, to a minute.' })
  readonly lastAt: Date

  constructor(label: string, lastAtMs: number) {
    this.label = label
    this.lastAt = new Date(lastAtMs)
  }
}

@ObjectType('Run', { description: 'Calls that name one run.' })
export class RunType {
  readonly #run: RecordedRun

  constructor(run: RecordedRun) {
    this.#run = run
  }

  @Field(() => ID)
  get id(): string {
    return this.#run.id
  }

  @Field(() => String, {
    nullable: true,
    description: 'Who started it; null where nobody did and agents only name it: labels then stick to agent and subject.',
  })
  get startedBy(): string | null {
    return this.#run.minted?.startedBy ?? null
  }

  @Field(() => GraphQLISODateTime, optional)
  get startedAt(): Date | null {
    return this.#run.minted ? new Date(this.#run.minted.startedAt) : null
  }

  @Field(() => String, { nullable: true, description: 'For which agent it was started.' })
  get agent(): string | null {
    return this.#run.minted?.agent ?? null
  }

  @Field(() => String, { nullable: true, description: 'For which subject it was started; null also where that is none.' })
  get subject(): string | null {
    return this.#run.minted?.subject ?? null
  }

  @Field(() => [RunLabelType], { description: 'What it carries; none where nobody started it.' })
  get labels(): RunLabelType[] {
    return (this.#run.minted?.labels ?? []).map(({ label, lastAt }) => new RunLabelType(label, lastAt))
  }

  @Field(() => CallConnection, { description: 'The calls that name it, newest first.' })
  async calls(
    @Ctx() context: OperatorContext,
    @Arg('first', () => Int, firstArgument) first: number | null,
    @Arg('after', () => String, afterArgument) after: string | null,
  ): Promise<Connection<CallType>> {
    const page = pageRequest(first, after, parseCallId)
    spend(context, page.first)
    return toConnection(await context.cases.calls(context.by, { run: this.#run.id }, page), page, (call) => new CallType(call))
  }
}

@ObjectType('CallSample', { description: 'Calls drawn by lot.' })
export class CallSampleType {
  @Field(() => [CallType], { description: 'In the order they were drawn in.' })
  readonly calls: CallType[]
  @Field(() => Int, { description: 'How many entries of the log were drawn from: with it, and the same seed, they are drawn again.' })
  readonly size: number
  @Field(() => Int, { description: 'Where the log that was drawn from begins: entries before were removed under retention.' })
  readonly floor: number
  @Field(() => Int, { description: 'Calls that were drawn, whether they fit the filter or not.' })
  readonly drawn: number
  @Field(() => Boolean, { description: 'Every call was drawn: there are no others that fit.' })
  readonly complete: boolean

  constructor({ calls, size, floor, drawn, complete }: CallSample) {
    this.calls = calls.map((call) => new CallType(call))
    this.size = size
    this.floor = floor
    this.drawn = drawn
    this.complete = complete
  }
}

const LOOKS_MAX = 100

@ObjectType('Trail', { description: 'All that is known of a call.' })
export class TrailType {
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  @Field(() => CallType, { description: 'The request, its state, and how it was executed.' })
  get call(): CallType {
    return new CallType(this.#call)
  }

  @Field(() => [DecisionType], {
    description: 'Every decision, oldest first, with the texts of policies as they stood then. A look at facts is recorded.',
  })
  async decisions(@Ctx() context: OperatorContext): Promise<DecisionType[]> {
    const found = allOf(await trailOf(context, this.#call.id, false), 'decision')
    return found.map((one, at) => decisionOf(this.#call.id, one, at === found.length - 1))
  }

  @Field(() => [HoldType], { description: 'Every hold, oldest first, with its votes.' })
  async holds(@Ctx() context: OperatorContext): Promise<HoldType[]> {
    const opened = allOf(await trailOf(context, this.#call.id, false), 'hold.opened')
    spend(context, opened.length)
    const holds = await Promise.all(opened.map(({ body }) => context.cases.hold(context.by, body.hold.id)))
    return holds.flatMap((hold) => (hold ? [new HoldType(hold)] : []))
  }

  @Field(() => [EntryType], { description: 'The record of this call, oldest first. A look at payloads is recorded.' })
  async entries(
    @Ctx() context: OperatorContext,
    @Arg('payloads', () => Boolean, { defaultValue: false }) payloads: boolean,
  ): Promise<EntryType[]> {
    return (await trailOf(context, this.#call.id, payloads)).map((entry) => new EntryType(entry))
  }

  @Field(() => [ViewType], { description: `The newest ${LOOKS_MAX} looks at its payloads before this one, oldest first.` })
  async views(@Ctx() context: OperatorContext): Promise<ViewType[]> {
    const found = allOf(await trailOf(context, this.#call.id, false), 'view')
    return found.slice(-LOOKS_MAX).map(({ entry, body }) => new ViewType(entry, body))
  }

  @Field(() => AccountType, accountOfCall.field)
  account(@Ctx() context: OperatorContext): Promise<AccountType | null> {
    return accountOfCall.read(context, this.#call)
  }

  @Field(() => [LoggedEntryType], {
    description: 'Its entries as they stand in the log, with proofs. A new one is there after about a second.',
  })
  logged(@Ctx() context: OperatorContext): Promise<LoggedEntryType[]> {
    return loggedOf(context, this.#call.id)
  }
}
