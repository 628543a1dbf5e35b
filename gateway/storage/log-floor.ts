import { sql } from 'kysely'
import { type Instant, instant } from '../core/clock.ts'
import type { EntryBody } from '../core/entry.ts'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import { OPEN, stillStanding } from './erasure.ts'
import type { Db } from './tables.ts'

/** Of C2SP tlog-tiles: a floor is a multiple of it. */
const TILE_WIDTH = 256

export type Pruned = Extract<EntryBody, { kind: 'log.pruned' }>

/** How far the beginning of the log may go. */
export interface Prunable {
  floor: number
  /** The last entry below it, of each process that has any between the floor of before and this one. */
  processes: ReadonlyMap<string, number>
  /** The highest id of a call that has entries in between; null where none has. */
  lastCall: CallId | null
  /** When the newest of them was written. */
  newest: Instant | null
  /** Why it goes no further; null where all that is old enough may go. */
  heldBy: string | null
}

interface Row {
  index: number
  process: string
  seq: number
  at_ms: number | null
  call_id: CallId | null
}

interface Hindrance {
  index: number
  why: string | null
}

/**
 * Looks from a floor upwards at what is older than `beforeMs`, taken by every follower, and of calls that are over: at most so many entries. `running` are
 * the followers of this process, whose word counts also where they do not run now.
 */
export async function prunableFrom(db: Db, floor: number, beforeMs: number, running: readonly string[], nowMs: number): Promise<Prunable> {
  const processes = new Map<string, number>()
  let [lastCall, newest, next]: [CallId | null, number | null, number] = [null, null, floor]
  const found = (heldBy: string | null): Prunable => ({
    ...{ floor: next, processes, lastCall, heldBy },
    newest: newest === null ? null : instant(newest),
  })
  while (next - floor < LIMITS.prunedEntriesPerSweepMax) {
    const rows = await rowsFrom(db, next, LIMITS.prunedEntriesLookedAtMax)
    const hindrance = await hindranceIn(db, rows, beforeMs, running, nowMs)
    const end = wholeTiles(hindrance?.index ?? next + rows.length)
    for (const { index, process, seq, at_ms, call_id } of rows) {
      if (index >= end) break
      processes.set(process, seq)
      if (call_id !== null && call_id > (lastCall ?? '')) lastCall = call_id
      newest = Math.max(newest ?? 0, at_ms ?? 0)
    }
    next = Math.max(next, end)
    if (hindrance || rows.length < LIMITS.prunedEntriesLookedAtMax) return found(hindrance?.why ?? null)
  }
  return found(null)
}

const wholeTiles = (index: number): number => index - (index % TILE_WIDTH)

async function rowsFrom(db: Db, from: number, count: number): Promise<readonly Row[]> {
  const { rows } = await sql<Row>`select l.index, l.process, l.seq, e.at_ms, e.call_id
    from log_leaf l left join entry e on e.process = l.process and e.seq = l.seq
    where l.index >= ${from} and l.index < ${from + count} order by l.index`.execute(db)
  return rows
}

/** The first of these entries that has to stay; undefined where all may go. */
async function hindranceIn(
  db: Db,
  rows: readonly Row[],
  beforeMs: number,
  running: readonly string[],
  nowMs: number,
): Promise<Hindrance | undefined> {
  const young = rows.find(({ at_ms }) => at_ms === null || at_ms >= beforeMs)
  const old = young === undefined ? rows : rows.filter(({ index }) => index < young.index)
  const hindrances = [await untaken(db, old, running), await neededCall(db, old, nowMs)]
  if (young) hindrances.push({ index: young.index, why: young.at_ms === null ? `entry ${young.index} of the log is missing` : null })
  return hindrances.filter((one) => one !== undefined).toSorted((a, b) => a.index - b.index)[0]
}

/** A follower counts that runs here or that anybody had a lease for of late: one that left the configuration holds nothing for ever. */
async function untaken(db: Db, rows: readonly Row[], running: readonly string[]): Promise<Hindrance | undefined> {
  const names = [...new Set(rows.map(({ process }) => process))]
  const { rows: positions } = await sql<{ follower: string; process: string; seq: number }>`
    select f.name as follower, p.process, coalesce(case when at.ended then null else at.seq end, case when at.ended then 9007199254740991 else 0 end) as seq
    from follower f cross join unnest(${names}::text[]) as p (process)
    left join follower_position at on at.follower = f.name and at.process = p.process
    where f.name = any(${[...running]}::text[]) or f.until_ms > extract(epoch from clock_timestamp()) * 1000 - ${LIMITS.followerGoneMs}`.execute(
    db,
  )
  let first: Hindrance | undefined
  for (const [process, own] of Map.groupBy(positions, (each) => each.process)) {
    const slowest = own.reduce((least, each) => (each.seq < least.seq ? each : least))
    const waiting = rows.find((row) => row.process === process && row.seq > slowest.seq)
    if (waiting && waiting.index < (first?.index ?? Number.POSITIVE_INFINITY))
      first = { index: waiting.index, why: `the follower \`${slowest.follower}\` has not taken entry ${waiting.index}` }
  }
  return first
}

async function neededCall(db: Db, rows: readonly Row[], nowMs: number): Promise<Hindrance | undefined> {
  const firsts = new Map<CallId, number>()
  for (const { index, call_id } of rows) if (call_id !== null && !firsts.has(call_id)) firsts.set(call_id, index)
  const ids = [...firsts.keys()]
  const { rows: open } = await sql<{ call: CallId; why: string }>`select id as call, 'it is ' || replace(state, '_', ' ') as why
    from call where id = any(${ids}::text[]) and state = any(${[...OPEN]}::text[])`.execute(db)
  let first: Hindrance | undefined
  for (const { call, why } of [...open, ...(await stillStanding(db, ids, nowMs))]) {
    const index = firsts.get(call) ?? 0
    if (index < (first?.index ?? Number.POSITIVE_INFINITY)) first = { index, why: `call \`${call}\`: ${why}` }
  }
  return first
}

/** Those of these processes that may write on, or have entries behind what goes: the log names where each of them begins. */
export async function processesBehind(db: Db, last: ReadonlyMap<string, number>): Promise<Pruned['processes']> {
  const { rows } = await sql<{ process: string; seq: number }>`
    select p.process, p.seq from unnest(${[...last.keys()]}::text[], ${[...last.values()]}::int8[]) as p (process, seq)
    left join process on process.id = p.process
    where process.lapsed_at_ms is null or exists (select from entry e where e.process = p.process and e.seq > p.seq)
    order by p.process`.execute(db)
  return rows
}
