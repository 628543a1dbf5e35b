import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import pg from 'pg'
import { createInProcessBus } from '../gateway/bus/in-process.ts'
import { growLog } from '../gateway/record/grow-log.ts'
import { noteSigner } from '../gateway/record/signed-note.ts'
import { startFollowers } from '../gateway/storage/followers.ts'
import { logFollower } from '../gateway/storage/log.ts'
import { prune } from '../gateway/storage/pruning.ts'
import type { Db } from '../gateway/storage/tables.ts'
import { freshPglite, freshPostgres, type TestDatabase } from '../gateway/storage/test-databases.ts'
import { fillWithCalls } from '../gateway/storage/test-many-calls.ts'
import { closeTestStore, openTestStore, type TestStore } from '../gateway/storage/test-store.ts'
import { finished, permitted } from '../gateway/storage/test-units.ts'
import { percentile } from './statistics.ts'

const DAY = 86_400_000
const CHUNK = 20_000
const AGAIN = 200_000
const TABLES = ['entry', 'log_leaf', 'log_hash', 'log_tile', 'call', 'search_hit']
const MEASURE_MS = 10_000
const PAUSE_MS = 10

/** Three entries for each call, by a process that is gone, and the log of them with hashes of nothing in particular. */
async function fillLog(db: Db, calls: number): Promise<void> {
  await sql`update call set state = 'completed' where state = 'in_doubt'`.execute(db)
  await sql`insert into process (id, started_ms, heartbeat_ms, lapsed_at_ms) values ('p-filled', 0, 0, 0)`.execute(db)
  const sealed = randomBytes(675).toString('base64')
  for (let from = 0; from < calls; from += CHUNK)
    await sql`insert into entry (process, seq, at_ms, kind, call_id, body, commitment, sealed)
      select 'p-filled', n * 3 + k + 1, created_at_ms, (array['decision', 'intent', 'outcome'])[k + 1], id,
        case k when 0 then '{"kind":"decision","x":"' || repeat('x', 800) || '"}' else '{"kind":"intent","intent":"of some length, as they are"}' end::json,
        case k when 0 then repeat('c', 64) end, case k when 0 then ${sealed} end
      from (select id, created_at_ms, (row_number() over (order by id))::int8 + ${sql.lit(from)} - 1 as n
        from (select id, created_at_ms from call order by id offset ${sql.lit(from)} limit ${sql.lit(CHUNK)}) c) made
      cross join generate_series(0, 2) k order by n, k`.execute(db)
  const size = calls * 3
  await sql`insert into log_leaf (index, process, seq) select i, 'p-filled', i + 1 from generate_series(0, ${sql.lit(size - 1)}) i`.execute(
    db,
  )
  for (let level = 0, count = size; count > 0; level += 1, count = Math.floor(count / 256))
    await sql`insert into log_hash (level, index, hash) select ${sql.lit(level)}, i, encode(sha256(int8send(i)), 'base64')
      from generate_series(0, ${sql.lit(count - 1)}) i`.execute(db)
  await sql`update log_state set size = ${size}`.execute(db)
  await sql`insert into follower (name) values ('log')`.execute(db)
  await sql`insert into follower_position (follower, process, seq, ended) values ('log', 'p-filled', ${size}, true)`.execute(db)
}

/** Whether the room of removed entries is used again. */
async function fillAgain(db: Db): Promise<void> {
  for (let from = 0; from < AGAIN; from += CHUNK)
    await sql`insert into entry (process, seq, at_ms, kind, body) select 'p-again', n, n, 'view', ('"' || repeat('x', 900) || '"')::json
      from generate_series(${sql.lit(from + 1)}, ${sql.lit(from + CHUNK)}) n`.execute(db)
}

async function sizes(db: Db): Promise<string> {
  const found = await Promise.all(
    TABLES.map(async (table) => {
      const { rows } = await sql<{ bytes: number }>`select pg_total_relation_size(${table}) as bytes`.execute(db)
      return `${table} ${((rows[0]?.bytes ?? 0) / 2 ** 20).toFixed(0)}`
    }),
  )
  return `MiB: ${found.join(', ')}`
}

/** Admits and ends calls one after another while the work is done. */
async function latencies({ recorder, clock }: TestStore, work: Promise<unknown>): Promise<string> {
  const times: number[] = []
  let working = true
  const done = work.finally(() => {
    working = false
  })
  while (working) {
    const unit = permitted(clock)
    const from = performance.now()
    await recorder.admit(unit)
    await recorder.finish(finished(unit.call.id, unit.intent))
    times.push(performance.now() - from)
    await sleep(PAUSE_MS)
  }
  await done
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): string => percentile(sorted, share).toFixed(1)
  return `${times.length} calls, ms p50 ${at(50)} p99 ${at(99)} max ${at(100)}`
}

/** Announces and removes until nothing that is old is left, with a sequencer beside it. */
async function pruneAll({ storage, clock }: TestStore): Promise<void> {
  const { database, writer, sealer } = storage
  const options = { database, writer, followers: () => ['log'] }
  const beforeMs = clock.nowMs - 100 * DAY
  const signers = [noteSigner('gatehouse/bench', randomBytes(32))]
  const bus = createInProcessBus()
  const followers = startFollowers([logFollower(growLog('gatehouse/bench', signers))], { database, sealer, writer, bus, clock })
  for (let last = -1; ; ) {
    const began = performance.now()
    await prune(options, beforeMs, clock.nowMs)
    const { removed, announced } = await database.db.selectFrom('log_floor').selectAll().executeTakeFirstOrThrow()
    const tookMs = performance.now() - began
    if (removed > Math.max(last, 0)) {
      const entries = removed - Math.max(last, 0)
      console.log(`  to ${removed}: ${entries} entries in ${(tookMs / 1_000).toFixed(1)} s, ${Math.round((entries / tookMs) * 1_000)}/s`)
      last = removed
    }
    if (removed === announced) break
    await sleep(500)
  }
  await followers.close()
}

/** The same entries by month of seven years: what dropping a month costs, and what finding an entry by its key then does. */
async function partitions(client: pg.Client, entries: number): Promise<void> {
  await client.query('create table entry_by_month (like entry, primary key (process, seq, at_ms)) partition by range (at_ms)')
  const { rows } = await client.query<{ from: number; to: number }>('select min(at_ms) as from, max(at_ms) + 1 as to from entry')
  const [{ from = 0, to = 0 } = {}] = rows
  const start = (month: number): number => (month === 84 ? to + 1 : from + (month * (to - from)) / 84)
  for (let month = 0; month < 84; month += 1)
    await client.query(
      `create table entry_month_${month} partition of entry_by_month for values from (${start(month)}) to (${start(month + 1)})`,
    )
  await client.query('insert into entry_by_month select * from entry')
  await client.query('analyze entry_by_month')
  const find = async (table: string): Promise<string> => {
    const times: number[] = []
    for (let turn = 0; turn < 1_000; turn += 1) {
      const began = performance.now()
      await client.query({
        name: table,
        text: `select body from ${table} where process = 'p-filled' and seq = $1`,
        values: [1 + ((turn * 7919) % entries)],
      })
      times.push(performance.now() - began)
    }
    const p50 = percentile(
      times.toSorted((x, y) => x - y),
      50,
    )
    return `p50 ${p50.toFixed(2)} ms`
  }
  console.log(`an entry by process and seq: ${await find('entry')}, of 84 partitions by time: ${await find('entry_by_month')}`)
  const began = performance.now()
  await client.query('drop table entry_month_0')
  console.log(`a partition of ${Math.round(entries / 84)} entries dropped in ${(performance.now() - began).toFixed(0)} ms`)
  await client.query('drop table entry_by_month')
}

/** On PostgreSQL without the time limit of the gateway's statements. */
async function asAdministrator(database: TestDatabase, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: database.options.databaseUrl })
  await client.connect()
  await work(client).finally(() => client.end())
}

async function vacuum(database: TestDatabase, db: Db): Promise<void> {
  if (database.kind === 'pglite') await sql`vacuum analyze`.execute(db)
  else
    await asAdministrator(database, async (client) => {
      await client.query('vacuum analyze')
    })
}

async function measure(database: TestDatabase, entries: number): Promise<void> {
  const store = await openTestStore(database)
  const { db } = store.storage.database
  try {
    store.clock.nowMs = Date.now()
    const calls = Math.floor(entries / 3)
    await fillWithCalls(db, calls, store.clock.nowMs - 500 * DAY)
    await fillLog(db, calls)
    await vacuum(database, db)
    console.log(`${database.kind}, ${calls * 3} entries of ${calls} calls`)
    if (database.kind === 'postgres') await asAdministrator(database, (client) => partitions(client, calls * 3))
    console.log(`before: ${await sizes(db)}`)
    console.log(`calls alone: ${await latencies(store, sleep(MEASURE_MS))}`)
    const began = performance.now()
    console.log(`calls meanwhile: ${await latencies(store, pruneAll(store))}`)
    console.log(`all in ${((performance.now() - began) / 1_000).toFixed(1)} s`)
    console.log(`after: ${await sizes(db)}`)
    await vacuum(database, db)
    console.log(`vacuumed: ${await sizes(db)}`)
    await fillAgain(db)
    console.log(`${AGAIN} entries more: ${await sizes(db)}`)
  } finally {
    await closeTestStore(store)
    await database.drop()
  }
}

const [kind = 'postgres', entries = '1000000'] = process.argv.slice(2)
const database = kind === 'pglite' ? freshPglite() : await freshPostgres('pruning')
if (database) await measure(database, Number(entries))
