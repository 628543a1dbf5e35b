import { sql } from 'kysely'
import type { Instant } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import { dropEmptyCounters, giveBack, keptSince, lockCounters, keysOfCalls } from './counters.ts'
import type { Database } from './database.ts'
import { deleteExpiredKeys } from './idempotency-keys.ts'
import { dropOldLinks, dropOldNotices } from './notices.ts'
import type { Db } from './tables.ts'

const PAGE = LIMITS.maintenanceRowsMax

/** Removes a page of events and buckets that no window reaches any more, and the counters that they leave empty. Returns how many rows went. */
async function dropOldCounts(db: Db, beforeMs: number): Promise<number> {
  return await db.transaction().execute(async (tx) => {
    const { rows: found } = await sql<{ id: number; key: string }>`
      select c.id, c.key from counter c where c.id in (
        (select counter from counter_event where at_ms < ${beforeMs} order by at_ms limit ${PAGE}) union
        (select counter from counter_bucket where start_ms < ${beforeMs} order by start_ms limit ${PAGE}))`.execute(tx)
    if (found.length === 0) return 0
    await lockCounters(
      tx,
      found.map(({ key }) => key),
    )
    const ids = found.map(({ id }) => id)
    const events = await sql`delete from counter_event where (call_id, counter) in (
      select call_id, counter from counter_event where counter = any(${ids}::int8[]) and at_ms < ${beforeMs} limit ${PAGE})`.execute(tx)
    const buckets = await sql`delete from counter_bucket where (counter, width_ms, start_ms) in (
      select counter, width_ms, start_ms from counter_bucket where counter = any(${ids}::int8[]) and start_ms < ${beforeMs} limit ${PAGE})`.execute(
      tx,
    )
    await dropEmptyCounters(tx, ids)
    return Number((events.numAffectedRows ?? 0n) + (buckets.numAffectedRows ?? 0n))
  })
}

/**
 * Looks again at a page of calls that were filled in from the record before they had ended well, by processes that knew of no reservation: where nothing
 * happened, it is given back. Returns how many calls were settled.
 */
async function settleFilledIn(db: Db): Promise<number> {
  return await db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ id: string; happened: boolean }>`
      select distinct c.id, c.state = 'completed' as happened from counter_event e join call c on c.id = e.call_id
      where e.filled_in and c.state not in ('executing', 'in_doubt') limit ${PAGE}`.execute(tx)
    const failed = rows.filter(({ happened }) => !happened).map(({ id }) => id)
    await lockCounters(tx, await keysOfCalls(tx, failed))
    await dropEmptyCounters(tx, await giveBack(tx, failed))
    const settled = rows.filter(({ happened }) => happened).map(({ id }) => id)
    await sql`update counter_event set filled_in = false where call_id = any(${settled}::text[]) and filled_in`.execute(tx)
    return rows.length
  })
}

const dropOldLabels = async (db: Db, beforeMs: number): Promise<number> =>
  Number(
    (
      await sql`delete from label where (agent, subject, run, label) in (
        select agent, subject, run, label from label where last_at_ms < ${beforeMs} order by last_at_ms limit ${PAGE})`.execute(db)
    ).numAffectedRows,
  )

const dropOldRuns = async (db: Db, beforeMs: number): Promise<number> =>
  Number(
    (
      await sql`delete from minted_run where id in (
        select id from minted_run where started_ms < ${beforeMs} order by started_ms limit ${PAGE})`.execute(db)
    ).numAffectedRows,
  )

/** Removes what nobody asks for any more, in pages of their own transactions: expired keys, counts, labels and runs beyond their longest window, notices that ended. */
export async function keepHouse({ db, kind }: Database, now: Instant): Promise<void> {
  const beforeMs = now - LIMITS.labelWindowMsMax
  const sweeps = [
    () => deleteExpiredKeys(db, now, PAGE),
    () => settleFilledIn(db),
    () => dropOldCounts(db, keptSince(now)),
    () => dropOldLabels(db, beforeMs),
    () => dropOldRuns(db, beforeMs),
    () => dropOldNotices(db, now - LIMITS.noticesKeptMs, PAGE),
    () => dropOldLinks(db, now - LIMITS.noticesKeptMs, PAGE),
  ]
  for (const sweep of sweeps) while ((await sweep()) >= PAGE);
  // PGlite has no autovacuum. These tables are small but turn over all the time; the others are updated in place.
  if (kind === 'pglite') for (const table of ['execution', 'counter', 'label', 'notice']) await sql`vacuum ${sql.table(table)}`.execute(db)
}
