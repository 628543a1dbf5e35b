import { type RawBuilder, sql } from 'kysely'
import { drawnPlaces } from '../gateway/record/drawn-places.ts'
import { instant } from '../gateway/core/clock.ts'
import { entryKinds } from '../gateway/core/entry-kinds.ts'
import type { CallId } from '../gateway/core/ids.ts'
import { LIMITS } from '../gateway/limits.ts'
import type { CallFilter } from '../gateway/ports/call-store.ts'
import type { EntryFilter, EntryPlace, RecordSearch } from '../gateway/ports/record-search.ts'
import { openDatabase } from '../gateway/storage/database.ts'
import { recordSearchOn } from '../gateway/storage/record-search.ts'
import type { Db } from '../gateway/storage/tables.ts'
import { freshPglite, freshPostgres, type TestDatabase } from '../gateway/storage/test-databases.ts'
import { fillWithCalls } from '../gateway/storage/test-many-calls.ts'
import { percentile } from './statistics.ts'

const PAGE = 50
const PAGES = 12
const CHUNK = 20_000

/** What a call leaves in the record, and what people do beside one in fifty. */
const ENTRIES: readonly (readonly [kind: string, body: RawBuilder<unknown>, where: RawBuilder<boolean>])[] = [
  ['decision', sql`'{"kind":"decision","x":"' || repeat('x', 800) || '"}'`, sql`true`],
  ['intent', sql`'{"kind":"intent"}'`, sql`true`],
  ['outcome', sql`'{"kind":"outcome"}'`, sql`true`],
  ['view', sql`'{"kind":"view","by":"person-' || n % 20 || '","what":"payload"}'`, sql`n % 50 = 0`],
  ['vote', sql`'{"kind":"vote","voter":"person-' || n % 7 || '"}'`, sql`n % 100 = 1`],
  ['refused', sql`'{"kind":"refused"}'`, sql`n % 200 = 2`],
  ['agent.changed', sql`'{"kind":"agent.changed","agent":"agent-' || n % 40 || '","by":"person-' || n % 5 || '"}'`, sql`n % 5000 = 3`],
  ['policy.activated', sql`'{"kind":"policy.activated","by":"person-1"}'`, sql`n % 20000 = 4`],
]

/** Entries of all calls by one process, and the log of them. */
async function fillRecord(db: Db, calls: number): Promise<number> {
  const places = ENTRIES.length
  let size = 0
  for (let from = 0; from < calls; from += CHUNK) {
    const kinds = ENTRIES.map(
      ([kind, body, where], k) => sql`
        select n * ${sql.lit(places)} + ${sql.lit(k)} + 1, created_at_ms, ${sql.lit(kind)}, id, (${body})::json from made where ${where}`,
    )
    await sql`with made as materialized (
        select id, created_at_ms, (row_number() over (order by id))::int8 + ${sql.lit(from)} - 1 as n
        from (select id, created_at_ms from call order by id offset ${sql.lit(from)} limit ${sql.lit(CHUNK)}) c)
      insert into entry (process, seq, at_ms, kind, call_id, body)
      select 'p-filled', e.* from (${sql.join(kinds, sql` union all `)}) as e`.execute(db)
    const { numAffectedRows = 0n } = await sql`
      insert into log_leaf (index, process, seq) select row_number() over (order by seq) - 1 + ${sql.lit(size)}, process, seq from entry
      where process = 'p-filled' and seq > ${sql.lit(from * places)} and seq <= ${sql.lit((from + CHUNK) * places)}`.execute(db)
    size += Number(numAffectedRows)
  }
  await sql`update log_state set size = ${size}`.execute(db)
  return size
}

function entryQuestions(nowMs: number, call: CallId): readonly (readonly [string, EntryFilter])[] {
  const longAgo = { until: instant(nowMs - 86_400_000) }
  return [
    ['entries', {}],
    ['entries: looks', { kinds: ['view'] }],
    ['entries: policies and agents', { kinds: entryKinds(['policy.*', 'agent.*']) }],
    ['entries: refusals, long ago', { kinds: ['refused'], ...longAgo }],
    ['entries: intents', { kinds: ['intent'] }],
    ['entries: intents and votes', { kinds: ['intent', 'vote'] }],
    ['entries: a person', { by: 'person-3' }],
    ['entries: a person, policies', { by: 'person-1', kinds: ['policy.activated'] }],
    ['entries: a process that is another', { process: 'another' }],
    ['views of a call', { call, kinds: ['view'] }],
    ['views by a person', { by: 'person-10', kinds: ['view'] }],
  ]
}

const SAMPLES: readonly (readonly [string, CallFilter])[] = [
  ['sample of all', {}],
  ['sample of an operation', { operation: 'hr.getThing11' }],
  ['sample of the denied', { state: ['denied'] }],
  ['sample of what never fits', { operation: 'erp.releaseThing0', connector: 'crm' }],
]

function tell(name: string, times: readonly number[], rows: number): void {
  const [median, most] = [percentile(times, 50), Math.max(...times)].map((ms) => ms.toFixed(1))
  console.log(`| ${name} | ${median} | ${most} | ${rows} |`)
}

async function pages(search: RecordSearch, filter: EntryFilter): Promise<{ times: number[]; rows: number }> {
  const times: number[] = []
  let rows = 0
  let after: EntryPlace | undefined
  for (let page = 0; page <= PAGES; page++) {
    const startedMs = performance.now()
    const found = await search.entries(filter, { first: PAGE, ...(after && { after }) })
    if (page > 0) times.push(performance.now() - startedMs)
    rows = Math.max(rows, found.rows.length)
    const last = found.rows.at(-1)
    after = found.more ? (found.lookedTo ?? (last && { at: last.at, process: last.process, seq: last.seq })) : undefined
  }
  return { times, rows }
}

async function draws(search: RecordSearch, size: number, filter: CallFilter): Promise<{ times: number[]; rows: number }> {
  const times: number[] = []
  let rows = 0
  for (let turn = 0; turn <= PAGES; turn++) {
    const places = drawnPlaces(`seed ${turn}`, size)
    const startedMs = performance.now()
    // One statement's worth, as a sample of 50 asks first.
    const batch = Array.from({ length: PAGE * 4 }, () => Number(places.next().value))
    const found = await search.callsAt(batch, filter)
    if (turn > 0) times.push(performance.now() - startedMs)
    rows = Math.max(rows, found.filter(({ call }) => call).length)
  }
  return { times, rows }
}

async function run(test: TestDatabase, calls: number): Promise<void> {
  const database = await openDatabase(test.options)
  const nowMs = Date.now()
  try {
    await fillWithCalls(database.db, calls, nowMs)
    const size = await fillRecord(database.db, calls)
    const search = recordSearchOn(database.db)
    const { call_id } = await database.db
      .selectFrom('entry')
      .select('call_id')
      .where('kind', '=', 'view')
      .limit(1)
      .executeTakeFirstOrThrow()
    console.log(`\n${test.kind}, ${calls.toLocaleString('en')} calls, ${size.toLocaleString('en')} entries, pages of ${PAGE} (ms)\n`)
    console.log('| question | median | slowest | rows |\n|---|--:|--:|--:|')
    for (const [name, filter] of entryQuestions(nowMs, call_id as CallId)) {
      const { times, rows } = await pages(search, filter)
      tell(name, times, rows)
    }
    for (const [name, filter] of SAMPLES) {
      const { times, rows } = await draws(search, size, filter)
      tell(`${name}: ${PAGE * 4} of ${LIMITS.samplePlacesMax} places`, times, rows)
    }
  } finally {
    await database.close()
    await test.drop()
  }
}

const [kind = 'pglite', calls = '200000'] = process.argv.slice(2)
const database = kind === 'postgres' ? await freshPostgres('record queries') : freshPglite()
if (database) await run(database, Number(calls))
