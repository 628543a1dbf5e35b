import { sql } from 'kysely'
import { decimalText, fitsDecimal, parseDecimal } from '../core/decimal.ts'
import { GatewayError } from '../core/errors.ts'
import type { Reservation } from '../core/facts.ts'
import type { Instant } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import type { CounterAnswer, CounterQuestion, StreakCounter } from '../ports/recorder.ts'
import type { Db, Tx } from './tables.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

/** Events are kept for the longest window and the day that it begins in. */
export const COUNTED_MS = LIMITS.factWindowMsMax + DAY_MS

/** What one call counts for under one key. */
export interface CounterEvent extends Reservation {
  callId: string
  atMs: number
}

/**
 * Locks counters until COMMIT, new ones included, in the order of their keys: the one order in which every transaction of every replica takes them, so
 * none waits for another in a circle. Take agents and the policy set before, calls and holds after. Returns the ids of those that are new.
 */
export async function lockCounters(tx: Tx, keys: Iterable<string>): Promise<readonly number[]> {
  const sorted = [...new Set(keys)].sort()
  if (sorted.length === 0) return []
  // A conflict locks the row, and the condition keeps it from being written again: a counter that is locked all day leaves no dead rows.
  const { rows } = await sql<{ id: number }>`
    insert into counter (key) select key from unnest(${sorted}::text[]) with ordinality as k (key, ord) order by ord
    on conflict (key) do update set streak = counter.streak where false returning id`.execute(tx)
  return rows.map(({ id }) => id)
}

/** Removes those of these locked counters under which nothing is counted. */
export async function dropEmptyCounters(tx: Tx, ids: Iterable<number>): Promise<void> {
  const all = [...new Set(ids)]
  if (all.length === 0) return
  await sql`delete from counter c where c.id = any(${all}::int8[]) and c.streak = 0
    and not exists (select 1 from counter_event e where e.counter = c.id)
    and not exists (select 1 from counter_bucket b where b.counter = c.id)`.execute(tx)
}

/** Where a window begins, and the first whole minute, hour and day in it: rows before the minute, then buckets, days to the end of time. */
function bounds(fromMs: number): { fromMs: number; minuteMs: number; hourMs: number; dayMs: number } {
  const up = (ms: number, width: number): number => Math.ceil(ms / width) * width
  const minuteMs = up(fromMs, MINUTE_MS)
  const hourMs = up(minuteMs, HOUR_MS)
  return { fromMs, minuteMs, hourMs, dayMs: up(hourMs, DAY_MS) }
}

/** Throws where four places do not hold it. */
function unitsOf(text: string): bigint {
  const units = parseDecimal(text)
  if (units === undefined) throw new GatewayError('INTERNAL', `\`${text}\` is no amount with at most four decimal places`)
  return units
}

/** One key as one question asks for it. Equal ones are read once. */
type Asked = Pick<CounterQuestion, 'kind' | 'series' | 'windowMs'> & { key: string } & ReturnType<typeof bounds>

interface CountedRow {
  n: number
  complete: boolean
  edge: number
  calls: number
  total: string
  last: number | null
  streak: number | null
}

/** What was read of one key, with what the transaction added since. */
interface Count extends Omit<CountedRow, 'n' | 'total'> {
  units: bigint
}

const nameOf = ({ kind, series, windowMs }: Pick<Asked, 'kind' | 'series' | 'windowMs'>, key: string): string =>
  `${kind} ${windowMs} ${series} ${key}`

/** Counters as they stood when they were read, and what was added after: many decisions of one transaction cost one read. */
export class CountersRead {
  readonly #counts: ReadonlyMap<string, Count>
  readonly #added = new Map<string, { calls: number; units: bigint; atMs: number }>()

  constructor(counts: ReadonlyMap<string, Count>) {
    this.#counts = counts
  }

  add(events: readonly CounterEvent[]): void {
    for (const { key, amount, atMs } of events) {
      const before = this.#added.get(key)
      const units = (before?.units ?? 0n) + (amount === null ? 0n : unitsOf(amount))
      this.#added.set(key, { calls: (before?.calls ?? 0) + 1, units, atMs })
    }
  }

  /** Answers by the name of the fact. */
  answers(questions: readonly CounterQuestion[]): ReadonlyMap<string, CounterAnswer> {
    return new Map(
      questions.map((question) => [
        question.fact,
        answerOf(
          question,
          question.keys.flatMap((key) => this.#count(question, key) ?? []),
        ),
      ]),
    )
  }

  #count(question: CounterQuestion, key: string): Count | undefined {
    const count = this.#counts.get(nameOf(question, key))
    const added = this.#added.get(key)
    if (!count || !added) return count
    return { ...count, calls: count.calls + added.calls, units: count.units + added.units, last: Math.max(count.last ?? 0, added.atMs) }
  }
}

/**
 * Reads what is committed and the transaction's own: at most a minute's rows, 59 minutes, 23 hours and 366 days for each key, whatever the window. What
 * must not change until COMMIT has to be locked before.
 */
export async function readCounters(db: Db, questions: readonly CounterQuestion[], nowMs: number): Promise<CountersRead> {
  const asked = new Map<string, Asked>()
  for (const { kind, series, windowMs, keys } of questions) {
    const window = bounds(Math.max(0, Math.floor(nowMs) - windowMs))
    for (const key of keys) asked.set(nameOf({ kind, series, windowMs }, key), { kind, series, windowMs, key, ...window })
  }
  const names = [...asked.keys()]
  const rows = names.length === 0 ? [] : await countedRows(db, [...asked.values()])
  return new CountersRead(new Map(rows.map(({ n, total, ...count }) => [names[n] ?? '', { ...count, units: unitsOf(total) }])))
}

async function countedRows(db: Db, asked: readonly Asked[]): Promise<readonly CountedRow[]> {
  const column = (name: keyof Asked): readonly (string | number)[] => asked.map((row) => row[name])
  const buckets = (width: number, from: string, to: string) => sql`
    select calls, total from counter_bucket
    where a.windowed and counter = c.id and width_ms = ${sql.lit(width)} and start_ms >= ${sql.ref(from)} and start_ms < ${sql.ref(to)}`
  const { rows } = await sql<CountedRow>`
    with asked as (
      select *, kind in ('sum', 'count') as windowed, kind in ('last', 'unseen') as latest, 9007199254740991 as end_ms
      from unnest(${asked.map((_, n) => n)}::int[], ${column('kind')}::text[], ${column('series')}::text[], ${column('key')}::text[],
        ${column('fromMs')}::int8[], ${column('minuteMs')}::int8[], ${column('hourMs')}::int8[], ${column('dayMs')}::int8[])
        as u (n, kind, series, key, from_ms, minute_ms, hour_ms, day_ms))
    select a.n, c.streak, e.calls as edge, (e.calls + b.calls)::int8 as calls, trim_scale(e.total + b.total)::text as total, l.last,
      exists (select 1 from counter_series s where s.series = a.series and s.until_ms is null
        and (a.kind = 'streak' or s.from_ms <= a.from_ms)) as complete
    from asked a left join counter c on c.key = a.key
    cross join lateral (
      select count(*) as calls, coalesce(sum(amount), 0) as total from (
        select amount from counter_event
        where a.windowed and counter = c.id and at_ms >= a.from_ms and at_ms < a.minute_ms limit ${LIMITS.factRowsPerKeyMax + 1}) r) e
    cross join lateral (
      select coalesce(sum(calls), 0) as calls, coalesce(sum(total), 0) as total from (
        ${buckets(MINUTE_MS, 'a.minute_ms', 'a.hour_ms')} union all
        ${buckets(HOUR_MS, 'a.hour_ms', 'a.day_ms')} union all
        ${buckets(DAY_MS, 'a.day_ms', 'a.end_ms')}) r) b
    cross join lateral (
      select max(at_ms) as last from counter_event where a.latest and counter = c.id and at_ms >= a.from_ms) l`.execute(db)
  return rows
}

const unknown = (why: string): CounterAnswer => ({ kind: 'unknown', why })

function answerOf({ kind, windowMs }: CounterQuestion, counts: readonly Count[]): CounterAnswer {
  if (windowMs > LIMITS.factWindowMsMax) return unknown('its window is longer than what is kept')
  if (counts.some(({ complete }) => !complete)) return unknown('its past is not counted yet')
  if (counts.some(({ edge }) => edge > LIMITS.factRowsPerKeyMax)) {
    return unknown(`more than ${LIMITS.factRowsPerKeyMax} calls stand in the minute that its window begins in`)
  }
  if (kind === 'unseen') return { kind: 'value', value: counts.filter(({ last }) => last === null).length }
  const [count] = counts
  if (count === undefined || counts.length > 1) return unknown('it is not counted under one key')
  if (kind !== 'sum') return { kind: 'value', value: { count: count.calls, last: count.last, streak: count.streak ?? 0 }[kind] }
  return fitsDecimal(count.units) ? { kind: 'value', value: decimalText(count.units) } : unknown('its sum is beyond what a decimal holds')
}

const arraysOf = (events: readonly CounterEvent[]) => ({
  keys: events.map(({ key }) => key),
  calls: events.map(({ callId }) => callId),
  times: events.map(({ atMs }) => Math.floor(atMs)),
  amounts: events.map(({ amount }) => amount),
})

const WIDTHS = sql`(values (${sql.lit(MINUTE_MS)}::int8), (${sql.lit(HOUR_MS)}), (${sql.lit(DAY_MS)})) as w (width)`

/**
 * Adds events under locked counters. One that is there already (same key and call) is left as it is. `filledIn` marks those of calls that have not ended
 * well yet and that were read from the record. An amount below zero, with more than four places or beyond a decimal breaks a constraint.
 */
export async function addEvents(tx: Tx, events: readonly CounterEvent[], filledIn: ReadonlySet<string> = new Set()): Promise<void> {
  if (events.length === 0) return
  const { keys, calls, times, amounts } = arraysOf(events)
  await sql`
    with given as (
      select c.id, g.* from unnest(${keys}::text[], ${calls}::text[], ${times}::int8[], ${amounts}::numeric[]) as g (key, call_id, at_ms, amount)
      join counter c on c.key = g.key),
    added as (
      insert into counter_event (counter, call_id, at_ms, amount, filled_in)
      select id, call_id, at_ms, amount, call_id = any(${[...filledIn]}::text[]) from given
      on conflict do nothing returning counter, at_ms, amount)
    insert into counter_bucket as b (counter, width_ms, start_ms, calls, total)
    select counter, width, at_ms - at_ms % width, count(*), coalesce(sum(amount), 0) from added cross join ${WIDTHS}
    group by 1, 2, 3 order by 1, 2, 3
    on conflict (counter, width_ms, start_ms) do update set calls = b.calls + excluded.calls, total = b.total + excluded.total`.execute(tx)
}

/** The keys under which calls are counted. */
export async function keysOfCalls(db: Db, callIds: readonly string[]): Promise<readonly string[]> {
  if (callIds.length === 0) return []
  const rows = await db
    .selectFrom('counter_event as e')
    .innerJoin('counter as c', 'c.id', 'e.counter')
    .select('c.key')
    .where('e.call_id', 'in', [...callIds])
    .execute()
  return rows.map(({ key }) => key)
}

/** Takes everything back that these calls are counted for; what is gone already is not taken twice. Returns the counters that lost something. */
export async function giveBack(tx: Tx, callIds: readonly string[]): Promise<readonly number[]> {
  if (callIds.length === 0) return []
  const { rows } = await sql<{ counter: number; emptied: boolean }>`
    with gone as (delete from counter_event where call_id = any(${[...callIds]}::text[]) returning counter, at_ms, amount),
    less as (
      select counter, width, at_ms - at_ms % width as start_ms, count(*) as calls, coalesce(sum(amount), 0) as total
      from gone cross join ${WIDTHS} group by 1, 2, 3 order by 1, 2, 3)
    update counter_bucket b set calls = b.calls - l.calls, total = b.total - l.total from less l
    where b.counter = l.counter and b.width_ms = l.width and b.start_ms = l.start_ms
    returning b.counter, b.calls = 0 as emptied`.execute(tx)
  const counters = [...new Set(rows.map(({ counter }) => counter))]
  if (rows.some(({ emptied }) => emptied))
    await sql`delete from counter_bucket where counter = any(${counters}::int8[]) and calls = 0`.execute(tx)
  return counters
}

/** Sets streaks under locked counters, and returns those that are none now. */
export async function setStreaks(tx: Tx, counters: readonly StreakCounter[], to: 'one_more' | 'none'): Promise<readonly number[]> {
  const ended: number[] = []
  for (const { series, key } of counters) {
    const rows = await tx
      .updateTable('counter')
      .set((eb) => (to === 'none' ? { streak: 0, streak_series: null } : { streak: eb('streak', '+', 1), streak_series: series }))
      .where('key', '=', key)
      .returning('id')
      .execute()
    if (to === 'none') ended.push(...rows.map(({ id }) => id))
  }
  return ended
}

/** The instant before which nothing is counted any more: a whole day, so that no bucket is cut in two. */
export const keptSince = (now: Instant): number => Math.floor((now - COUNTED_MS) / DAY_MS) * DAY_MS
