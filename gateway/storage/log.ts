import { sql } from 'kysely'
import { instant } from '../core/clock.ts'
import type { Entry } from '../core/entry.ts'
import { LIMITS } from '../limits.ts'
import type { GrowLog, LogEdge, LogFloor, LoggedCheckpoint, LogGrowth, LogPlace, LogRange, LogStore } from '../ports/log.ts'
import { bareEntry, type EntryRow } from './entries.ts'
import type { Follower } from './follower-positions.ts'
import { reading } from './outage.ts'
import type { Db, Tx } from './tables.ts'

/** Of C2SP tlog-tiles. */
const TILE_WIDTH = 256
const HASH_BYTES = 32

const encoded = (hash: Uint8Array): string => Buffer.from(hash).toString('base64')
const decoded = (hash: string): Uint8Array => Buffer.from(hash, 'base64')

/**
 * Takes every entry into the log, once, in its process's order. Of all replicas one does it at a time; should two, the second finds the size locked, and
 * goes on from where the first ended. A checkpoint is signed in the transaction that adds its entries, so that none is known of a tree that is not there.
 */
export const logFollower = (grow: GrowLog): Follower => ({
  name: 'log',
  kinds: 'all',
  from: 'beginning',
  bare: true,
  async take(tx, entries) {
    const state = await tx.selectFrom('log_state').select(['size', 'checkpoint']).forUpdate().executeTakeFirstOrThrow()
    const { size } = state
    const growth = await grow({ ...state, levels: await levelsOf(tx, size) }, entries)
    await append(tx, size, entries, growth)
  },
})

async function append(tx: Tx, from: number, entries: readonly Entry[], { leaves, full, size, checkpoint }: LogGrowth): Promise<void> {
  await sql`insert into log_leaf (index, process, seq)
    select ${from} + l.ord - 1, l.process, l.seq
    from unnest(${entries.map(({ process }) => process)}::text[], ${entries.map(({ seq }) => seq)}::int8[]) with ordinality as l (process, seq, ord)`.execute(
    tx,
  )
  const hashes = [...leaves.map((hash, at) => ({ level: 0, index: from + at, hash })), ...full]
  await sql`insert into log_hash (level, index, hash)
    select * from unnest(${hashes.map(({ level }) => level)}::int4[], ${hashes.map(({ index }) => index)}::int8[],
      ${hashes.map(({ hash }) => encoded(hash))}::text[])`.execute(tx)
  const { numUpdatedRows } = await tx
    .updateTable('log_state')
    .set({ size, checkpoint, at_ms: Math.max(...entries.map(({ at }) => at)) })
    .where('size', '=', from)
    .executeTakeFirstOrThrow()
  if (numUpdatedRows !== 1n) throw new Error('the log grew meanwhile')
}

async function levelsOf(tx: Tx, size: number): Promise<LogEdge['levels']> {
  const levels: Promise<Uint8Array[]>[] = []
  for (let level = 0, count = size; count > 0; level += 1, count = Math.floor(count / TILE_WIDTH))
    levels.push(hashesFrom(tx, level, count - (count % TILE_WIDTH), TILE_WIDTH))
  return await Promise.all(levels)
}

/** Of entries that were removed, a tile has its leaf hashes together. */
async function prunedTile(db: Db | Tx, index: number): Promise<Uint8Array[]> {
  const row = await db.selectFrom('log_tile').select('hashes').where('index', '=', index).executeTakeFirst()
  return row ? Array.from({ length: TILE_WIDTH }, (_, at) => row.hashes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)) : []
}

/** Within one tile. */
async function hashesFrom(db: Db | Tx, level: number, from: number, count: number): Promise<Uint8Array[]> {
  const rows = await db
    .selectFrom('log_hash')
    .select('hash')
    .where('level', '=', level)
    .where('index', '>=', from)
    .where('index', '<', from + count)
    .orderBy('index')
    .execute()
  if (rows.length > 0 || level > 0) return rows.map(({ hash }) => decoded(hash))
  return (await prunedTile(db, Math.floor(from / TILE_WIDTH))).slice(from % TILE_WIDTH, (from % TILE_WIDTH) + count)
}

async function checkpointOf(db: Db): Promise<LoggedCheckpoint | undefined> {
  const { size, checkpoint, at_ms } = await db.selectFrom('log_state').selectAll().executeTakeFirstOrThrow()
  return checkpoint === null || at_ms === null ? undefined : { size, note: checkpoint, at: instant(at_ms) }
}

/** What is below is being removed. */
const shownFrom = sql<number>`(select floor from log_floor)`

async function floorOf(db: Db): Promise<LogFloor> {
  const { floor, entry_index, held_by } = await db.selectFrom('log_floor').selectAll().executeTakeFirstOrThrow()
  const [said] = entry_index === null ? [] : await entriesIn(db, { from: entry_index, before: entry_index + 1 }, 1)
  const body = said?.entry.body
  const removal =
    said && body?.kind === 'log.pruned' ? { at: said.entry.at, entry: said.index, newest: body.newest, lastCall: body.lastCall } : null
  return { index: floor, removal, heldBy: held_by }
}

async function loggedEntries(db: Db, from: number, count: number): Promise<readonly Entry[]> {
  const rows = await db
    .selectFrom('log_leaf as l')
    .innerJoin('entry as e', (on) => on.onRef('e.process', '=', 'l.process').onRef('e.seq', '=', 'l.seq'))
    .select(['e.process', 'e.seq', 'e.at_ms', 'e.call_id', 'e.body', 'e.commitment', 'e.sealed'])
    .where('l.index', '>=', from)
    .where('l.index', '>=', shownFrom)
    .where('l.index', '<', from + Math.min(count, LIMITS.pageRowsMax))
    .orderBy('l.index')
    .execute()
  return rows.map(bareEntry)
}

async function entriesIn(db: Db, { from, before, since, until, calls, places }: LogRange, first: number) {
  let query = db
    .selectFrom('log_leaf as l')
    .innerJoin('entry as e', (on) => on.onRef('e.process', '=', 'l.process').onRef('e.seq', '=', 'l.seq'))
    .select(['l.index', 'e.process', 'e.seq', 'e.at_ms', 'e.call_id', 'e.body', 'e.commitment', 'e.sealed'])
    .where('l.index', '>=', from)
    .where('l.index', '>=', shownFrom)
    .orderBy('l.index')
    .limit(Math.min(first, LIMITS.pageRowsMax))
  if (before !== undefined) query = query.where('l.index', '<', before)
  if (since !== undefined) query = query.where('e.at_ms', '>=', since)
  if (until !== undefined) query = query.where('e.at_ms', '<', until)
  if (calls !== undefined) query = query.where('e.call_id', 'in', calls)
  if (places !== undefined) query = query.where(sql<boolean>`l.index = any(${[...places]}::int8[])`)
  return (await query.execute()).map((row) => ({ index: row.index, entry: bareEntry(row), sealed: row.sealed }))
}

async function leafHashesAt(db: Db, indexes: readonly number[]): Promise<ReadonlyMap<number, Uint8Array>> {
  if (indexes.length === 0) return new Map()
  const rows = await db
    .selectFrom('log_hash')
    .select(['index', 'hash'])
    .where('level', '=', 0)
    .where(sql<boolean>`index = any(${[...indexes]}::int8[])`)
    .execute()
  return new Map(rows.map(({ index, hash }) => [index, decoded(hash)]))
}

interface PlaceRow extends Omit<EntryRow, 'process'> {
  index: number
  hash: string | null
  process: string | null
}

async function placesFrom(db: Db, from: number, count: number): Promise<readonly LogPlace[]> {
  const { rows } = await sql<PlaceRow>`select s.index, h.hash, e.process, e.seq, e.at_ms, e.call_id, e.body, e.commitment, null as sealed
    from generate_series(${from}::int8, ${from + Math.min(count, TILE_WIDTH) - 1}::int8) as s (index)
    left join log_hash h on h.level = 0 and h.index = s.index
    left join log_leaf l on l.index = s.index
    left join entry e on e.process = l.process and e.seq = l.seq
    order by s.index`.execute(db)
  return rows.map(({ index, hash, process, ...row }) => ({
    index,
    hash: hash === null ? null : decoded(hash),
    entry: process === null ? null : bareEntry({ ...row, process }),
  }))
}

/** The log by the contract of `LogStore`. */
export const logStoreOn = (db: Db): LogStore => ({
  checkpoint: () => reading(() => checkpointOf(db)),
  floor: () => reading(() => floorOf(db)),
  hashes: (level, from, count) => reading(() => hashesFrom(db, level, from, Math.min(count, TILE_WIDTH))),
  leafHashes: (indexes) => reading(() => leafHashesAt(db, indexes)),
  places: (from, count) => reading(() => placesFrom(db, from, count)),
  entries: (from, count) => reading(() => loggedEntries(db, from, count)),
  range: (range, first) => reading(() => entriesIn(db, range, first)),
})
