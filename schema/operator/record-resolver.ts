import { Arg, Ctx, ID, Int, Query, Resolver } from 'type-graphql'
import { parseCallId } from '../../gateway/core/ids.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import type { EntriesPage } from '../../gateway/ports/record-search.ts'
import { EntryType } from './call-type.ts'
import { CallFilterInput, callFilter, given } from './filters.ts'
import { callOf, spend } from './looks.ts'
import { afterArgument, type Connection, connectionType, firstArgument, pageRequest, toConnection } from './page.ts'
import {
  CallSampleType,
  callIdOf,
  EntryFilterInput,
  entryFilter,
  parsePlace,
  placeId,
  RunType,
  TrailType,
  ViewType,
} from './record-types.ts'

const EntryConnection = connectionType('Entry', () => EntryType)
const ViewConnection = connectionType('View', () => ViewType)

/** Ids of calls and names of runs are this long. */
const RUN_CHARS_MAX = 256
/** Filters that fit seldom are asked of so many statements. */
const SAMPLE_COST = LIMITS.samplePlacesMax / LIMITS.pageRowsMax
const optional = { nullable: true } as const

const parsedPlace = (raw: string): string => placeId(parsePlace(raw))
const timeOfPlace = (id: string): number => parsePlace(id).at

/** Reads `first` and `after` of a list of entries. */
function placeRequest(first: number | null, after: string | null) {
  const page = pageRequest<string>(first, after, parsedPlace)
  return { page, places: { first: page.first, ...(page.after !== undefined && { after: parsePlace(page.after) }) } }
}

const withIds = ({ rows, more, lookedTo }: EntriesPage) => ({
  rows: rows.map((entry) => ({ id: placeId(entry), entry })),
  more,
  ...given('lookedTo', lookedTo && placeId(lookedTo)),
})

@Resolver()
export class RecordResolver {
  @Query(() => EntryConnection, {
    description:
      'Entries of all kinds, without payloads, newest first: what people and gateways did, of calls and beside them. For who may see the call that the filter names; without one for security and auditors. Errors: FORBIDDEN, BAD_INPUT, ID_MALFORMED, UNAVAILABLE.',
  })
  async entries(
    @Ctx() context: OperatorContext,
    @Arg('filter', () => EntryFilterInput, optional) filter: EntryFilterInput | null,
    @Arg('first', () => Int, firstArgument) first: number | null,
    @Arg('after', () => String, afterArgument) after: string | null,
  ): Promise<Connection<EntryType>> {
    const { page, places } = placeRequest(first, after)
    spend(context, page.first)
    const found = await context.cases.entries(context.by, entryFilter(filter), places)
    return toConnection(withIds(found), page, ({ entry }) => new EntryType(entry), timeOfPlace)
  }

  @Query(() => ViewConnection, {
    description:
      'Who looked at payloads, newest first: of a call, by a person, or all. Of a call for who may see it; else for security and auditors. Errors: FORBIDDEN, BAD_INPUT, ID_MALFORMED, UNAVAILABLE.',
  })
  async views(
    @Ctx() context: OperatorContext,
    @Arg('call', () => ID, optional) call: string | null,
    @Arg('person', () => String, optional) person: string | null,
    @Arg('first', () => Int, firstArgument) first: number | null,
    @Arg('after', () => String, afterArgument) after: string | null,
  ): Promise<Connection<ViewType>> {
    const { page, places } = placeRequest(first, after)
    spend(context, page.first)
    const of = { ...given('call', callIdOf(call)), ...given('by', person) }
    const { rows, ...rest } = withIds(await context.cases.views(context.by, of, places))
    const views = rows.flatMap(({ id, entry }) => (entry.body.kind === 'view' ? [{ id, view: new ViewType(entry, entry.body) }] : []))
    return toConnection({ rows: views, ...rest }, page, ({ view }) => view, timeOfPlace)
  }

  @Query(() => TrailType, {
    nullable: true,
    description: 'All that is known of a call; null where there is none, and where you may not see it. Errors: ID_MALFORMED, UNAVAILABLE.',
  })
  async trail(@Ctx() context: OperatorContext, @Arg('call', () => ID) call: string): Promise<TrailType | null> {
    const found = await callOf(context, parseCallId(call))
    return found ? new TrailType(found) : null
  }

  @Query(() => RunType, {
    nullable: true,
    description: 'A run that a person started, or that calls name. Errors: FORBIDDEN (without a reading role), BAD_INPUT, UNAVAILABLE.',
  })
  async run(@Ctx() context: OperatorContext, @Arg('id', () => ID) id: string): Promise<RunType | null> {
    if (id.length > RUN_CHARS_MAX) throw new GatewayError('BAD_INPUT', `a run has at most ${RUN_CHARS_MAX} characters`)
    spend(context, 1)
    const run = await context.cases.run(context.by, id)
    return run ? new RunType(run) : null
  }

  @Query(() => CallSampleType, {
    description: `Calls drawn by lot from the log, each with the same chance: the same seed and size draw the same again. At most ${LIMITS.samplePlacesMax} entries are looked at, so that few may come where few fit. Errors: FORBIDDEN (without a reading role), BAD_INPUT, UNAVAILABLE.`,
  })
  async sample(
    @Ctx() context: OperatorContext,
    @Arg('first', () => Int, { description: `From 1 to ${LIMITS.pageRowsMax}.` }) first: number,
    @Arg('seed', () => String, { description: 'Any text. Choose it before you look.' }) seed: string,
    @Arg('filter', () => CallFilterInput, { nullable: true, description: 'As calls are now: a state may change later.' })
    filter: CallFilterInput | null,
    @Arg('size', () => Int, { nullable: true, description: 'Of the log that is drawn from; all of it where it is not given.' })
    size: number | null,
  ): Promise<CallSampleType> {
    const page = pageRequest(first, null, parseCallId)
    spend(context, page.first + SAMPLE_COST)
    const asked = { first: page.first, seed, filter: callFilter(filter), ...given('size', size) }
    return new CallSampleType(await context.cases.sample(context.by, asked))
  }
}
