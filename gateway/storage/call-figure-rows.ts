import { setImmediate as nextTurn } from 'node:timers/promises'
import { type RawBuilder, sql } from 'kysely'
import { type Clock, instant } from '../core/clock.ts'
import { durationsOf } from '../core/duration-buckets.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { CallFigures, ExceptionStage, Figure, FigureFilter, FigureGroup, FigureRange, FigureRow } from '../ports/call-figures.ts'
import { CALL_FIGURES, DAY_MS, HOUR_MS } from './call-figures.ts'
import { untakenSince } from './follower-positions.ts'
import { reading } from './outage.ts'
import type { Db, FigureLevel } from './tables.ts'

/** Reads of call figures, by the contract of `CallFigures`. */
export function callFiguresOn(db: Db, clock: Clock): CallFigures {
  return {
    rows: (range, groupBy, filter) => reading(() => figureRows(db, range, groupBy, filter)),
    exceptions: (range, first) => reading(() => exceptionRows(db, range, first)),
    completeUpTo: () => reading(async () => instant((await untakenSince(db, CALL_FIGURES)) ?? clock.now())),
  }
}

/** Rows of one width from `from`, without `to`. */
interface Segment {
  widthMs: number
  from: number
  to: number
}

/** As few rows as tell the range: days where they lie in it whole, hours beside them. */
function segmentsOf({ since, until }: FigureRange, hoursOnly: boolean): Segment[] {
  const firstDay = Math.ceil(since / DAY_MS) * DAY_MS
  const lastDay = Math.floor(until / DAY_MS) * DAY_MS
  if (hoursOnly || firstDay >= lastDay) return [{ widthMs: HOUR_MS, from: since, to: until }]
  return [
    { widthMs: HOUR_MS, from: since, to: firstDay },
    { widthMs: DAY_MS, from: firstDay, to: lastDay },
    { widthMs: HOUR_MS, from: lastDay, to: until },
  ].filter(({ from, to }) => from < to)
}

const KEY: Readonly<Record<FigureGroup, RawBuilder<string | number>>> = {
  TOTAL: sql`'total'`,
  HOUR: sql`at_ms`,
  DAY: sql`floor(at_ms / ${sql.lit(DAY_MS)}) * ${sql.lit(DAY_MS)}`,
  AGENT: sql`agent`,
  CONNECTOR: sql`connector`,
  OPERATION: sql`operation`,
}

/** Where a page ended: values of the columns that it is ordered by. */
type Position = readonly (string | number)[]

interface PageEnd {
  read: number
  last: Position
}

/** Reads pages of at most `LIMITS.figureRowsPerStatementMax` rows, each as sums, with room for calls between them. */
async function inPages<T extends PageEnd>(
  start: Position,
  budget: { rows: number },
  page: (after: Position) => Promise<readonly T[]>,
): Promise<T[]> {
  const sums: T[] = []
  for (let after = start; ; ) {
    const rows = await page(after)
    sums.push(...rows)
    const end = rows[0]
    if (!end || end.read < LIMITS.figureRowsPerStatementMax) return sums
    budget.rows -= end.read
    if (budget.rows <= 0) {
      throw new GatewayError('BAD_INPUT', 'the range has too many figures to add up at once: ask for a shorter one, or for one agent')
    }
    after = end.last
    await nextTurn()
  }
}

interface Page {
  table: 'call_figure' | 'call_duration' | 'call_exception'
  segment: Segment
  where: RawBuilder<unknown>
  /** What the primary key goes on with after the bucket. */
  order: readonly string[]
  after: Position
  /** Columns that sums are told apart by, under their names. */
  keys: Readonly<Record<string, RawBuilder<unknown>>>
  sums: Readonly<Record<string, string>>
}

async function sumPage<T>(db: Db, { table, segment, where, order, after, keys, sums }: Page): Promise<readonly (T & PageEnd)[]> {
  const columns = sql.join(['at_ms', ...order].map((column) => sql.ref(column)))
  const newest = sql.join(['at_ms', ...order].map((column) => sql`${sql.ref(column)} desc`))
  const keyed = sql.join(Object.keys(keys).map((name) => sql.ref(`of_${name}`)))
  const { rows } = await sql<T & PageEnd>`with page as materialized (
      select *, ${sql.join(Object.entries(keys).map(([name, key]) => sql`${key} as ${sql.ref(`of_${name}`)}`))} from ${sql.table(table)}
      where width_ms = ${segment.widthMs} and (${columns}) > (${sql.join(after)}) and at_ms < ${segment.to} ${where}
      order by ${columns} limit ${LIMITS.figureRowsPerStatementMax}),
    grouped as (
      select ${sql.join(Object.keys(keys).map((name) => sql`${sql.ref(`of_${name}`)} as ${sql.ref(name)}`))},
        ${sql.join(Object.entries(sums).map(([name, column]) => sql`sum(${sql.ref(column)}) as ${sql.ref(name)}`))}
      from page group by ${keyed})
    select grouped.*, (select count(*) from page) as read, (select json_build_array(${columns}) from page order by ${newest} limit 1) as last
    from grouped`.execute(db)
  return rows
}

const FIGURE_COLUMNS: Readonly<Record<Figure, string>> = {
  calls: 'calls',
  permitted: 'permitted',
  held: 'held',
  denied: 'denied',
  completed: 'completed',
  failed: 'failed',
  inDoubt: 'in_doubt',
  rejected: 'rejected',
  expired: 'expired',
  cancelled: 'cancelled',
  edited: 'edited',
  granted: 'granted',
}

const NOTHING = Object.fromEntries(Object.keys(FIGURE_COLUMNS).map((figure) => [figure, 0])) as Record<Figure, number>

/** The rows that tell no more apart than is asked. */
function levelOf(groupBy: FigureGroup, { agent, connector, operation }: FigureFilter): FigureLevel {
  const byAgent = agent !== undefined || groupBy === 'AGENT'
  const byOperation = operation !== undefined || connector !== undefined || groupBy === 'OPERATION' || groupBy === 'CONNECTOR'
  return byAgent ? (byOperation ? 3 : 1) : byOperation ? 2 : 0
}

interface Durations {
  upstream: Map<number, number>
  hold: Map<number, number>
}

async function figureRows(db: Db, range: FigureRange, groupBy: FigureGroup, filter: FigureFilter): Promise<readonly FigureRow[]> {
  const figures = new Map<string | number, Record<Figure, number>>()
  const durations = new Map<string | number, Durations>()
  const where = sql.join(
    [
      sql`and level = ${sql.lit(levelOf(groupBy, filter))}`,
      ...Object.entries(filter).map(([column, value]) => (value === undefined ? sql`` : sql`and ${sql.ref(column)} = ${value}`)),
    ],
    sql` `,
  )
  const budget = { rows: LIMITS.figureRowsReadMax }
  const keys = { key: KEY[groupBy] }
  for (const segment of segmentsOf(range, groupBy === 'HOUR')) {
    const common = { segment, where, keys }
    const order = ['agent', 'operation']
    for (const row of await inPages([segment.from - 1, '', ''], budget, (after) =>
      sumPage<Record<Figure, number> & { key: string | number }>(db, {
        ...common,
        table: 'call_figure',
        order,
        after,
        sums: FIGURE_COLUMNS,
      }),
    )) {
      const sum = figures.get(row.key) ?? { ...NOTHING }
      for (const figure of Object.keys(FIGURE_COLUMNS) as Figure[]) sum[figure] += row[figure]
      figures.set(row.key, sum)
    }
    const measured = { ...keys, measure: sql`measure`, bucket: sql`bucket` }
    for (const row of await inPages([segment.from - 1, '', '', '', -1], budget, (after) =>
      sumPage<{ key: string | number; measure: keyof Durations; bucket: number; count: number }>(db, {
        ...{ ...common, table: 'call_duration', order: [...order, 'measure', 'bucket'], after, keys: measured, sums: { count: 'count' } },
      }),
    )) {
      const of = durations.get(row.key) ?? { upstream: new Map(), hold: new Map() }
      of[row.measure].set(row.bucket, (of[row.measure].get(row.bucket) ?? 0) + row.count)
      durations.set(row.key, of)
    }
  }
  return [...figures]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, figure]) => {
      const { upstream, hold } = durations.get(key) ?? {}
      const [took, open] = [upstream && durationsOf(upstream), hold && durationsOf(hold)]
      const name = typeof key === 'number' ? new Date(key).toISOString() : key
      return { key: name, ...figure, ...(took ? { upstream: took } : {}), ...(open ? { hold: open } : {}) }
    })
}

async function exceptionRows(db: Db, range: FigureRange, first: number): ReturnType<CallFigures['exceptions']> {
  const sums = new Map<string, { stage: ExceptionStage; reason: string; connector: string; count: number }>()
  const budget = { rows: LIMITS.figureRowsReadMax }
  const order = ['connector', 'stage', 'reason']
  const keys = { connector: sql`connector`, stage: sql`stage`, reason: sql`reason` }
  for (const segment of segmentsOf(range, false)) {
    for (const { connector, stage, reason, count } of await inPages([segment.from, '', '', ''], budget, (after) =>
      sumPage<{ stage: ExceptionStage; reason: string; connector: string; count: number }>(db, {
        ...{ table: 'call_exception', segment, where: sql``, order, after, keys, sums: { count: 'count' } },
      }),
    )) {
      const key = JSON.stringify([stage, reason, connector])
      sums.set(key, { connector, stage, reason, count: (sums.get(key)?.count ?? 0) + count })
    }
  }
  return [...sums]
    .filter(([, { count }]) => count > 0)
    .sort(([a, one], [b, other]) => other.count - one.count || (a < b ? -1 : 1))
    .slice(0, first)
    .map(([, row]) => ({ ...row, connector: row.connector === '' ? null : row.connector }))
}
