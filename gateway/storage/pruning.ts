import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Log } from '../ports/telemetry.ts'
import type { Database } from './database.ts'
import { forgetWords, lockedCalls, lockGivenGrants } from './erasure.ts'
import { type Prunable, type Pruned, processesBehind, prunableFrom } from './log-floor.ts'
import type { Db, Tx } from './tables.ts'
import type { Transactions } from './transaction-scope.ts'
import { GATEWAY } from './unit-entries.ts'

export interface PruningOptions {
  database: Database
  writer: Pick<Transactions, 'transact'>
  /** Names of the followers that run in this process. */
  followers: () => readonly string[]
  log?: Log
}

const TILE_WIDTH = 256

/**
 * Removes the beginning of the log that is older than `beforeMs`, where every follower has taken it and its calls are over. The log says first where it
 * will begin; only what stands there in a signed checkpoint is removed, some entries at a time, by whichever replica gets to it. So what one call of this
 * announces the next one removes. Ends early where the signal says so. Throws UNAVAILABLE, and what the database threw.
 */
export async function prune(options: PruningOptions, beforeMs: number, nowMs: number, signal?: AbortSignal): Promise<void> {
  const { database, log } = options
  const { db } = database
  await raiseFloor(db)
  const perBatch = database.kind === 'pglite' ? TILE_WIDTH : LIMITS.prunedEntriesPerBatch
  let removed = 0
  for (let batch = 1; batch > 0 && !signal?.aborted; ) {
    const began = performance.now()
    batch = await removeBatch(db, perBatch)
    removed += batch
    // Calls get as much of the database as this does.
    await sleep(performance.now() - began)
  }
  if (removed > 0) log?.info({ entries: removed }, 'entries were removed under retention')
  if (!signal?.aborted) await announce(options, beforeMs, nowMs)
}

const EMPTIED = ['entry', 'log_leaf', 'log_hash', 'call', 'search_hit'] as const

/**
 * Has the embedded database use the room again of what was removed before: at a start, since every call would wait for it. PostgreSQL does so by itself.
 */
export async function reuseRoom({ db, kind }: Database, log?: Log): Promise<void> {
  if (kind !== 'pglite') return
  const { removed, vacuumed } = await db.selectFrom('log_floor').select(['removed', 'vacuumed']).executeTakeFirstOrThrow()
  if (removed === vacuumed) return
  log?.info({ entries: removed - vacuumed }, 'the room of removed entries is made ready to be used again')
  for (const table of EMPTIED) await sql`vacuum ${sql.table(table)}`.execute(db)
  await db.updateTable('log_floor').set({ vacuumed: removed }).execute()
}

/** The log begins where it says so. Nothing where nothing new was announced, or that is not in the log yet. */
async function raiseFloor(db: Db): Promise<void> {
  await sql`update log_floor set floor = announced, entry_index = found.index
    from (select l.index, (e.body->>'floor')::int8 as floor from entry e join log_leaf l on l.process = e.process and l.seq = e.seq
      where e.kind = 'log.pruned' and e.kind not in ('decision', 'intent', 'outcome', 'labelled') order by e.at_ms desc limit 8) found
    where found.floor = log_floor.announced and log_floor.announced > log_floor.floor`.execute(db)
}

/** Removes some entries below the floor and what is known of them alone. Returns how many, 0 where none is left. */
function removeBatch(db: Db, most: number): Promise<number> {
  return db.transaction().execute(async (tx) => {
    const { floor, removed } = await tx.selectFrom('log_floor').select(['floor', 'removed']).forUpdate().executeTakeFirstOrThrow()
    if (removed >= floor) return 0
    const to = Math.min(floor, removed + most)
    const calls = await lockCallsOf(tx, removed, to)
    await sql`delete from entry e using log_leaf l
      where l.index >= ${removed} and l.index < ${to} and e.process = l.process and e.seq = l.seq`.execute(tx)
    await sql`insert into log_tile (index, hashes) select index / ${TILE_WIDTH}, string_agg(decode(hash, 'base64'), ''::bytea order by index)
      from log_hash where level = 0 and index >= ${removed} and index < ${to} group by 1`.execute(tx)
    await sql`delete from log_hash where level = 0 and index >= ${removed} and index < ${to}`.execute(tx)
    await sql`delete from log_leaf where index >= ${removed} and index < ${to}`.execute(tx)
    await forgetCalls(tx, calls)
    await tx.updateTable('log_floor').set({ removed: to }).execute()
    return to - removed
  })
}

/** Calls that have entries there, and those that gave the grants which these used: in the order in which all are locked. */
async function lockCallsOf(tx: Tx, from: number, to: number): Promise<readonly CallId[]> {
  const { rows } = await sql<{ id: CallId }>`with own as materialized (
      select distinct e.call_id as id from log_leaf l join entry e on e.process = l.process and e.seq = l.seq
      where l.index >= ${from} and l.index < ${to} and e.call_id is not null)
    select id from own union select h.call_id from own join grant_use u on u.call_id = own.id
      join standing_grant g on g.id = u.grant_id join hold h on h.id = g.hold_id`.execute(tx)
  const ids = rows.map(({ id }) => id)
  await lockGivenGrants(tx, ids)
  return (await lockedCalls(tx, ids)).map(({ id }) => id)
}

/** Calls of which no entry is left. One that gave a grant stays until those that used it are gone as well. */
async function forgetCalls(tx: Tx, ids: readonly CallId[]): Promise<void> {
  const { rows } = await sql<{ id: CallId }>`select c.id from unnest(${[...ids]}::text[]) as c (id)
    where not exists (select from entry e where e.call_id = c.id)`.execute(tx)
  const over = rows.map(({ id }) => id)
  if (over.length === 0) return
  await forgetWords(tx, over)
  await sql`delete from search_hit where call_id = any(${over}::text[])`.execute(tx)
  await sql`delete from grant_use where call_id = any(${over}::text[])`.execute(tx)
  const { rows: needed } = await sql<{ id: CallId }>`select h.call_id as id from hold h join standing_grant g on g.hold_id = h.id
    where h.call_id = any(${over}::text[]) and exists (select from grant_use u where u.grant_id = g.id)`.execute(tx)
  const giving = new Set(needed.map(({ id }) => id))
  const going = over.filter((id) => !giving.has(id))
  const holds = sql`(select id from hold where call_id = any(${going}::text[]))`
  for (const table of ['rule_decision', 'vote', 'break_glass', 'standing_grant'])
    await sql`delete from ${sql.table(table)} where hold_id in ${holds}`.execute(tx)
  await sql`delete from hold where call_id = any(${going}::text[])`.execute(tx)
  await sql`delete from retention_left where call_id = any(${going}::text[])`.execute(tx)
  await sql`delete from call where id = any(${going}::text[])`.execute(tx)
}

/** Says in the record where the log is going to begin. */
async function announce({ database, writer, followers, log }: PruningOptions, beforeMs: number, nowMs: number): Promise<void> {
  const { db } = database
  const before = await db.selectFrom('log_floor').selectAll().executeTakeFirstOrThrow()
  if (before.announced > before.removed) return
  const prunable = await prunableFrom(db, before.announced, beforeMs, followers(), nowMs)
  const known = await db.selectFrom('log_floor_process').selectAll().execute()
  const last = new Map([...known.map(({ process, seq }) => [process, seq] as const), ...prunable.processes])
  const behind = await processesBehind(db, last)
  const heldBy =
    behind.length > LIMITS.prunedProcessesMax ? `more than ${LIMITS.prunedProcessesMax} processes write at once` : prunable.heldBy
  if (heldBy !== before.held_by) {
    await db.updateTable('log_floor').set({ held_by: heldBy }).execute()
    if (heldBy !== null) log?.warn({ heldBy }, 'entries that are old enough to be removed are held back')
  }
  if (prunable.floor === before.announced || behind.length > LIMITS.prunedProcessesMax) return
  await writer.transact(async ({ tx, append }) => {
    const floor = await tx.selectFrom('log_floor').selectAll().forUpdate().executeTakeFirstOrThrow()
    if (floor.announced !== before.announced) return
    const lastCall = later(floor.last_call as CallId | null, prunable.lastCall)
    const newest = Math.max(floor.newest_ms ?? 0, prunable.newest ?? 0)
    await tx.updateTable('log_floor').set({ announced: prunable.floor, last_call: lastCall, newest_ms: newest }).execute()
    const processes = [...prunable.processes].map(([process, seq]) => ({ process, seq }))
    await keepProcesses(tx, behind, processes)
    append(null, await prunedBody(tx, prunable, { entries: prunable.floor - before.announced, lastCall, processes: behind }))
  })
}

const later = (a: CallId | null, b: CallId | null): CallId | null => ((a ?? '') > (b ?? '') ? a : b)

async function keepProcesses(tx: Tx, behind: Pruned['processes'], going: Pruned['processes']): Promise<void> {
  await tx.deleteFrom('log_floor_process').execute()
  const all = new Map([...behind, ...going].map(({ process, seq }) => [process, seq]))
  const rows = [...all].map(([process, seq]) => ({ process, seq }))
  if (rows.length > 0) await tx.insertInto('log_floor_process').values(rows).execute()
}

async function prunedBody(tx: Tx, { floor, newest }: Prunable, rest: Pick<Pruned, 'entries' | 'lastCall' | 'processes'>): Promise<Pruned> {
  const { size, checkpoint } = await tx.selectFrom('log_state').select(['size', 'checkpoint']).executeTakeFirstOrThrow()
  // The third line of a checkpoint is its root (C2SP tlog-checkpoint).
  const [, , root = ''] = (checkpoint ?? '').split('\n')
  return { kind: 'log.pruned', floor, newest, ...rest, checkpoint: { size, root }, by: GATEWAY, why: 'retention' }
}
