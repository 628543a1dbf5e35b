import { sql } from 'kysely'
import type { Entry, EntryKind } from '../core/entry.ts'
import { LIMITS } from '../limits.ts'
import { databaseNowMs } from './calls.ts'
import { bareEntry, entryFromRow, type EntryRow, type EntrySource } from './entries.ts'
import type { Db, Tx } from './tables.ts'

/** What a follower is given of the record. */
interface Reading {
  /** Under which it is remembered: another name begins anew. */
  readonly name: string
  /** What it is given; it passes over all other entries. */
  readonly kinds: readonly EntryKind[] | 'all'
  /** Where a new one starts; `end` by default. */
  readonly from?: 'beginning' | 'end'
  /** It is given entries without their payloads: it reads less, and what was erased is no different from what was not. */
  readonly bare?: boolean
}

/** Reads the record, every entry once. */
export interface Follower extends Reading {
  /**
   * Does what follows from the entries, in the transaction that moves the position: both happen, or neither, so what is written through `tx` is written
   * once for each entry. Entries are of one process and in its order; those of several processes come in any order, also those of one call, and
   * one page after another. Whatever it throws stops this follower, which tries again from the same entry.
   */
  take(tx: Tx, entries: readonly Entry[]): Promise<void>
}

/** Carries the record out of the database, every entry at least once: what it wrote is not undone where its position could not be moved. */
export interface Carrier extends Reading {
  /**
   * Hands on the first so many of the entries, at least one, and returns how many: only then its position moves behind them. Nothing in the database waits
   * meanwhile. Entries are of one process and in its order. A `SinkRefused` stops it until the process starts anew; all else it throws has it try again
   * from the same entry.
   */
  carry(entries: readonly Entry[], signal: AbortSignal): Promise<number>
  /** Once it is asked for nothing more. */
  close(): Promise<void>
}

/** A process with something to read, or one that is gone and read to its end. */
export interface Waiting {
  process: string
  /** It was gone before its entries were looked for: none will follow. */
  lapsed: boolean
}

/**
 * Makes a follower known. One that starts at the end passes over what every process has written by now, one that starts at the beginning over what is
 * removed under retention. Returns for a new one of the latter where the log begins, 0 for all others.
 */
export async function enterFollower(db: Db, { name, from = 'end' }: Pick<Reading, 'name' | 'from'>): Promise<number> {
  return await db.transaction().execute(async (tx) => {
    const { numInsertedOrUpdatedRows: added } = await tx
      .insertInto('follower')
      .values({ name })
      .onConflict((c) => c.doNothing())
      .executeTakeFirstOrThrow()
    if (added !== 1n) return 0
    if (from === 'beginning') return (await tx.selectFrom('log_floor').select('announced').executeTakeFirstOrThrow()).announced
    await sql`insert into follower_position (follower, process, seq, ended)
      select ${name}, p.id, coalesce((select max(seq) from entry e where e.process = p.id), 0), p.lapsed_at_ms is not null
      from process p`.execute(tx)
    return 0
  })
}

/** Takes or renews the lease for `leaseMs`. False where another process that is not known to be gone has it. */
export async function leaseFollower(db: Db, name: string, owner: string, leaseMs: number = LIMITS.followerLeaseMs): Promise<boolean> {
  const { rows } = await sql`update follower f set owner = ${owner}, until_ms = ${databaseNowMs} + ${leaseMs}
    where f.name = ${name} and (f.owner is null or f.owner = ${owner} or f.until_ms <= ${databaseNowMs}
      or exists (select 1 from process p where p.id = f.owner and p.lapsed_at_ms is not null))
    returning 1`.execute(db)
  return rows.length > 0
}

/** How long before its commit a process's row may have been dated. */
const ENTERED_LATE_MS = 60_000

/** Takes processes in that it does not know, of all times or since shortly before `sinceMs` of the database's clock. Returns that clock's time. */
export async function discoverProcesses(db: Db, name: string, sinceMs: number | null): Promise<number> {
  const from = sinceMs === null ? 0 : sinceMs - ENTERED_LATE_MS
  const { rows } = await sql<{ now: number }>`with added as (
      insert into follower_position (follower, process, seq)
      select ${name}, p.id, coalesce((select seq from log_floor_process gone where gone.process = p.id), 0) from process p where p.started_ms >= ${from}
        and not exists (select 1 from follower_position f where f.follower = ${name} and f.process = p.id)
      on conflict do nothing)
    select ${databaseNowMs} as now`.execute(db)
  return rows[0]?.now ?? from
}

/** Processes that have something for the follower, longest waiting first. */
export async function waitingProcesses(db: Db, name: string): Promise<readonly Waiting[]> {
  const { rows } = await sql<Waiting>`select f.process, p.lapsed_at_ms is not null as lapsed
    from follower_position f join process p on p.id = f.process
    left join lateral (select e.at_ms from entry e where e.process = f.process and e.seq > f.seq order by e.seq limit 1) next on true
    where f.follower = ${name} and not f.ended and (next.at_ms is not null or p.lapsed_at_ms is not null)
    order by next.at_ms nulls last, f.process limit ${LIMITS.maintenanceRowsMax}`.execute(db)
  return rows
}

/** When the oldest entry was written that a follower from the beginning has not taken; undefined where it has taken all. */
export async function untakenSince(db: Db, name: string): Promise<number | undefined> {
  const { rows } = await sql<{ at: number | null }>`select min(next.at_ms) as at
    from process p left join follower_position f on f.follower = ${name} and f.process = p.id
    join lateral (select e.at_ms from entry e where e.process = p.id and e.seq > coalesce(f.seq, 0) order by e.seq limit 1) next on true
    where coalesce(f.ended, false) = false`.execute(db)
  return rows[0]?.at ?? undefined
}

/** Since when the longest waiting entry waits, for each of the followers that are behind. */
export async function waitingSince(db: Db, names: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql<{ follower: string; at: number }>`select f.follower, min(next.at_ms) as at
    from follower_position f
    join lateral (select e.at_ms from entry e where e.process = f.process and e.seq > f.seq order by e.seq limit 1) next on true
    where f.follower = any(${names}::text[]) and not f.ended group by f.follower`.execute(db)
  return new Map(rows.map(({ follower, at }) => [follower, at]))
}

interface PageRow extends Omit<EntryRow, 'process'> {
  read: number
  last: number | null
  process: string | null
}

interface Page {
  entries: readonly Entry[]
  /** How many entries it passed, of all kinds. */
  passed: number
  /** The last of them. */
  last: number
}

/** The next page of a process behind `after`. Numbers may be missing where old entries were removed. */
async function readPage({ db, sealer }: EntrySource, { kinds, bare = false }: Reading, process: string, after: number): Promise<Page> {
  const { rows } = await sql<PageRow>`with page as materialized (
      select process, seq, at_ms, kind, call_id, body, commitment, case when ${bare} then null else sealed end as sealed from entry
      where process = ${process} and seq > ${after} order by seq limit ${LIMITS.followerPageEntriesMax})
    select a.read, a.last, p.process, p.seq, p.at_ms, p.call_id, p.body, p.commitment, p.sealed
    from (select count(*) as read, max(seq) as last from page) a left join page p on ${kinds === 'all' ? sql`true` : sql`p.kind = any(${kinds}::text[])`}
    order by p.seq`.execute(db)
  const read = (row: EntryRow): Entry => (bare ? bareEntry(row) : entryFromRow(sealer, row))
  const { read: passed = 0, last = null } = rows[0] ?? {}
  const entries = rows.flatMap((row) => (row.process === null ? [] : [read({ ...row, process: row.process })]))
  return { entries, passed, last: last ?? after }
}

async function positionOf(db: Db, name: string, process: string): Promise<number | undefined> {
  const position = await db
    .selectFrom('follower_position')
    .select('seq')
    .where('follower', '=', name)
    .where('process', '=', process)
    .where('ended', '=', false)
    .executeTakeFirst()
  return position?.seq
}

/** False where another has moved it from there meanwhile. */
async function movePosition(db: Db, name: string, process: string, from: number, to: { seq: number; ended: boolean }): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('follower_position')
    .set(to)
    .where('follower', '=', name)
    .where('process', '=', process)
    .where('seq', '=', from)
    .where('ended', '=', false)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/**
 * Has the follower take the next page of a process, after whoever takes one for it now. Returns how many entries it passed; 0 also where another took them in the
 * meantime.
 */
export function takePage({ db, sealer }: EntrySource, follower: Follower, { process, lapsed }: Waiting): Promise<number> {
  const { name, take } = follower
  return db.transaction().execute(async (tx) => {
    // Whatever the lease says, its pages are taken one after another.
    await tx.selectFrom('follower').select('name').where('name', '=', name).forUpdate().execute()
    const from = await positionOf(tx, name, process)
    if (from === undefined) return 0
    const { entries, passed, last } = await readPage({ db: tx, sealer }, follower, process, from)
    if (entries.length > 0) await take(tx, entries)
    const ended = lapsed && passed < LIMITS.followerPageEntriesMax
    if (passed > 0 || ended) await movePosition(tx, name, process, from, { seq: last, ended })
    return passed
  })
}

/**
 * Has the carrier hand on what it can at once of the next page of a process, without a transaction around it. True where there may be more; false also where
 * another moved the position in the meantime, and both have handed on the same.
 */
export async function carryPage(
  source: EntrySource,
  carrier: Carrier,
  { process, lapsed }: Waiting,
  signal: AbortSignal,
): Promise<boolean> {
  const { name } = carrier
  const from = await positionOf(source.db, name, process)
  if (from === undefined) return false
  const { entries, passed, last } = await readPage(source, carrier, process, from)
  const carried = entries.length === 0 ? 0 : await carrier.carry(entries, signal)
  const whole = carried >= entries.length
  const seq = whole ? last : (entries[carried - 1]?.seq ?? from)
  const ended = whole && lapsed && passed < LIMITS.followerPageEntriesMax
  if (seq === from && !ended) return false
  return (await movePosition(source.db, name, process, from, { seq, ended })) && (!whole || passed >= LIMITS.followerPageEntriesMax)
}
