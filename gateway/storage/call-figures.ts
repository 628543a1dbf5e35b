import { sql } from 'kysely'
import { type CallEnd, type CallStanding, standingOf } from '../core/call-end.ts'
import { bucketOf } from '../core/duration-buckets.ts'
import type { Entry, EntryBody } from '../core/entry.ts'
import type { ExceptionStage } from '../ports/call-figures.ts'
import type { Follower } from './follower-positions.ts'
import type { CallDurationTable, CallExceptionTable, CallFigureTable, Tx } from './tables.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS
const WIDTHS = [HOUR_MS, DAY_MS]

export const CALL_FIGURES = 'call-figures'

/** Figures of calls, counted from the beginning of the record. A call counts in the hour and the day in which it was made, whenever what happens to it happens. */
export const callFigures: Follower = {
  name: CALL_FIGURES,
  kinds: ['decision', 'outcome', 'lapsed', 'resolved', 'cancelled', 'hold.changed', 'hold.edited', 'grant.used', 'refused'],
  from: 'beginning',
  bare: true,
  take: count,
}

const COUNTED = [
  'calls',
  'permitted',
  'held',
  'denied',
  'completed',
  'failed',
  'in_doubt',
  'rejected',
  'expired',
  'cancelled',
  'edited',
  'granted',
] as const satisfies readonly (keyof CallFigureTable)[]
type Counted = (typeof COUNTED)[number]

const NONE = Object.fromEntries(COUNTED.map((figure) => [figure, 0])) as Record<Counted, number>

/** What a figure is about: where it is counted. */
interface Place {
  agent: string
  connector: string
  operation: string
  madeMs: number
}

/** Rows that a call counts in: what each leaves open is empty, so that a question reads no more rows than it asks about. */
const rowsOf = ({ agent, connector, operation, madeMs }: Place) =>
  bucketsAt(madeMs).flatMap((at) => [
    { level: 0 as const, ...at, agent: '', connector: '', operation: '' },
    { level: 1 as const, ...at, agent, connector: '', operation: '' },
    { level: 2 as const, ...at, agent: '', connector, operation },
    { level: 3 as const, ...at, agent, connector, operation },
  ])

const bucketsAt = (ms: number) => WIDTHS.map((width_ms) => ({ width_ms, at_ms: ms - (ms % width_ms) }))

const keyOf = ({ level, width_ms, at_ms, agent, operation }: ReturnType<typeof rowsOf>[number]): string =>
  `${level} ${width_ms} ${at_ms} ${agent} ${operation}`

interface Added {
  place: Place
  figures: Record<Counted, number>
  /** By measure and bucket. */
  durations: Map<string, Pick<CallDurationTable, 'measure' | 'bucket' | 'count'>>
}

/** What to add, equal rows as one. */
class Additions {
  /** By place and hour: calls of a page are much alike. */
  readonly #added = new Map<string, Added>()
  readonly #exceptions = new Map<string, CallExceptionTable>()

  figure(place: Place, figure: Counted, by = 1): void {
    this.#at(place).figures[figure] += by
  }

  duration(place: Place, measure: CallDurationTable['measure'], ms: number): void {
    const { durations } = this.#at(place)
    const bucket = bucketOf(ms)
    const key = `${measure} ${bucket}`
    const row = durations.get(key) ?? { measure, bucket, count: 0 }
    row.count++
    durations.set(key, row)
  }

  #at(place: Place): Added {
    const key = `${place.madeMs - (place.madeMs % HOUR_MS)} ${place.agent} ${place.operation}`
    const added = this.#added.get(key) ?? { place, figures: { ...NONE }, durations: new Map() }
    this.#added.set(key, added)
    return added
  }

  exception({ connector, madeMs }: Pick<Place, 'connector' | 'madeMs'>, stage: ExceptionStage, reason: string, by = 1): void {
    for (const at of bucketsAt(madeMs)) {
      const key = JSON.stringify([at, connector, stage, reason])
      const row = this.#exceptions.get(key) ?? { ...at, connector, stage, reason, count: 0 }
      row.count += by
      this.#exceptions.set(key, row)
    }
  }

  async write(tx: Tx): Promise<void> {
    const who = ['level', 'agent', 'operation'] as const
    await add(tx, 'call_figure', ['connector', ...who], who, COUNTED, this.#figures())
    const of = [...who, 'measure', 'bucket'] as const
    await add(tx, 'call_duration', ['connector', ...of], of, ['count'], this.#durations())
    const where = ['connector', 'stage', 'reason'] as const
    await add(tx, 'call_exception', where, where, ['count'], [...this.#exceptions.values()])
  }

  #figures(): CallFigureTable[] {
    const rows = new Map<string, CallFigureTable>()
    for (const { place, figures } of this.#added.values()) {
      for (const of of rowsOf(place)) {
        const key = keyOf(of)
        const row = rows.get(key) ?? { ...of, ...NONE }
        for (const figure of COUNTED) row[figure] += figures[figure]
        rows.set(key, row)
      }
    }
    return [...rows.values()]
  }

  #durations(): CallDurationTable[] {
    const rows = new Map<string, CallDurationTable>()
    for (const { place, durations } of this.#added.values()) {
      for (const of of rowsOf(place)) {
        for (const { measure, bucket, count } of durations.values()) {
          const key = `${keyOf(of)} ${measure} ${bucket}`
          const row = rows.get(key) ?? { ...of, measure, bucket, count: 0 }
          row.count += count
          rows.set(key, row)
        }
      }
    }
    return [...rows.values()]
  }
}

/** Adds rows to those that there are, in one statement. */
async function add(
  tx: Tx,
  table: string,
  names: readonly string[],
  key: readonly string[],
  counts: readonly string[],
  rows: readonly object[],
): Promise<void> {
  if (rows.length === 0) return
  const columns = ['width_ms', 'at_ms', ...names, ...counts]
  const type = (column: string): string =>
    column === 'at_ms' ? 'float8' : names.includes(column) && !['level', 'bucket'].includes(column) ? 'text collate "C"' : 'int4'
  const refs = (list: readonly string[]) => sql.join(list.map((column) => sql.ref(column)))
  await sql`insert into ${sql.table(table)} (${refs(columns)})
    select ${refs(columns)} from json_to_recordset(${JSON.stringify(rows)}::json)
      as added (${sql.join(columns.map((column) => sql`${sql.ref(column)} ${sql.raw(type(column))}`))})
    on conflict (${refs(['width_ms', 'at_ms', ...key])}) do update
    set ${sql.join(counts.map((column) => sql`${sql.ref(column)} = ${sql.ref(`${table}.${column}`)} + ${sql.ref(`excluded.${column}`)}`))}`.execute(
    tx,
  )
}

async function count(tx: Tx, entries: readonly Entry[]): Promise<void> {
  const places = await placesOf(tx, [...new Set(entries.flatMap(({ callId }) => callId ?? []))])
  const opened = await holdsOpened(tx, entries)
  const additions = new Additions()
  for (const { callId, at, body } of entries) {
    if (body.kind === 'refused') additions.exception({ connector: '', madeMs: at }, 'REFUSED', body.code)
    const place = callId === null ? undefined : places.get(callId)
    if (!place) continue
    if (body.kind === 'decision' && body.release === null) countDecision(additions, place, body)
    else if (body.kind === 'hold.changed') countHold(additions, place, body, at - (opened.get(body.hold) ?? at))
    else if (body.kind === 'cancelled') additions.figure(place, 'cancelled')
    else if (body.kind === 'outcome' && body.outcome.kind !== 'not_sent') additions.duration(place, 'upstream', body.outcome.upstreamMs)
  }
  for (const { callId, before, after } of await standings(tx, entries)) {
    const place = places.get(callId)
    if (place) countStanding(additions, place, before, after)
  }
  await additions.write(tx)
}

function countDecision(additions: Additions, place: Place, { decision }: Extract<EntryBody, { kind: 'decision' }>): void {
  const { verdict } = decision
  additions.figure(place, 'calls')
  additions.figure(place, verdict.effect === 'permit' ? 'permitted' : verdict.effect === 'hold' ? 'held' : 'denied')
  if (verdict.effect === 'deny') additions.exception(place, 'DENIED', verdict.policies[0] ?? verdict.reason)
}

const MEASURED: ReadonlySet<string> = new Set(['approved', 'rejected', 'expired'])

function countHold(additions: Additions, place: Place, { from, to }: Extract<EntryBody, { kind: 'hold.changed' }>, openMs: number): void {
  if (from === 'open' && MEASURED.has(to)) additions.duration(place, 'hold', openMs)
  if (to !== 'rejected' && to !== 'expired' && to !== 'cancelled') return
  additions.figure(place, to)
  if (to !== 'cancelled') additions.exception(place, to === 'rejected' ? 'REJECTED' : 'EXPIRED', '')
}

/** Counts what changed: what was counted before is taken back. */
function countStanding(additions: Additions, place: Place, before: CallStanding, after: CallStanding): void {
  if (after.edited && !before.edited) additions.figure(place, 'edited')
  if (after.granted && !before.granted) additions.figure(place, 'granted')
  if (before.end === after.end) return
  countEnd(additions, place, before.end, -1)
  countEnd(additions, place, after.end, 1)
}

function countEnd(additions: Additions, place: Place, end: CallEnd | null, by: 1 | -1): void {
  if (end === null) return
  if (end === 'completed') additions.figure(place, 'completed', by)
  else if (end === 'in_doubt') {
    additions.figure(place, 'in_doubt', by)
    additions.exception(place, 'IN_DOUBT', '', by)
  } else {
    additions.figure(place, 'failed', by)
    additions.exception(place, 'FAILED', end.slice('failed:'.length), by)
  }
}

/** A call's row is written with its first entry, so it is there. */
async function placesOf(tx: Tx, ids: readonly string[]): Promise<ReadonlyMap<string, Place>> {
  if (ids.length === 0) return new Map()
  const { rows } = await sql<Place & { id: string }>`select id, agent, connector, operation, created_at_ms as "madeMs" from call
    where id = any(${ids}::text[])`.execute(tx)
  return new Map(rows.map((row) => [row.id, row]))
}

async function holdsOpened(tx: Tx, entries: readonly Entry[]): Promise<ReadonlyMap<string, number>> {
  const ids = entries.flatMap(({ body }) => (body.kind === 'hold.changed' && body.from === 'open' ? [body.hold] : []))
  if (ids.length === 0) return new Map()
  const { rows } = await sql<{ id: string; at: number }>`select id, created_at_ms as at from hold where id = any(${ids}::text[])`.execute(
    tx,
  )
  return new Map(rows.map(({ id, at }) => [id, at]))
}

const UNUSUAL: ReadonlySet<string> = new Set(['lapsed', 'resolved', 'hold.edited', 'grant.used'])

interface Step {
  callId: string
  before: CallStanding
  after: CallStanding
}

/**
 * What these entries change of where calls stand. An outcome alone says all of it; where other words may stand against it, what was taken before is read again, so
 * that the sum is right in whatever order entries of several processes come.
 */
async function standings(tx: Tx, entries: readonly Entry[]): Promise<readonly Step[]> {
  const taken = new Map<string, EntryBody[]>()
  for (const { callId, body } of entries) {
    if (callId !== null && (body.kind === 'outcome' || UNUSUAL.has(body.kind))) taken.set(callId, [...(taken.get(callId) ?? []), body])
  }
  const earlier = await takenBefore(tx, await unusual(tx, [...taken.keys()]))
  return [...taken].map(([callId, bodies]) => {
    const before = earlier.get(callId) ?? []
    return { callId, before: standingOf(before), after: standingOf([...before, ...bodies]) }
  })
}

async function unusual(tx: Tx, ids: readonly string[]): Promise<readonly string[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<{ id: string }>`select distinct call_id as id from entry
    where kind in ('lapsed', 'resolved', 'hold.edited', 'grant.used') and call_id = any(${ids}::text[])`.execute(tx)
  return rows.map(({ id }) => id)
}

/** What this follower has taken of these calls: its positions stand where they stood before this page. */
async function takenBefore(tx: Tx, ids: readonly string[]): Promise<ReadonlyMap<string, EntryBody[]>> {
  const found = new Map<string, EntryBody[]>()
  if (ids.length === 0) return found
  const { rows } = await sql<{ id: string; body: EntryBody }>`select e.call_id as id, e.body from entry e
    join follower_position f on f.follower = ${CALL_FIGURES} and f.process = e.process and e.seq <= f.seq
    where e.call_id = any(${ids}::text[]) and e.kind in ('outcome', 'lapsed', 'resolved', 'hold.edited', 'grant.used')`.execute(tx)
  for (const { id, body } of rows) found.set(id, [...(found.get(id) ?? []), body])
  return found
}
