import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { createInProcessBus } from '../gateway/bus/in-process.ts'
import { instant } from '../gateway/core/clock.ts'
import type { FigureGroup } from '../gateway/ports/call-figures.ts'
import { createRecorder } from '../gateway/record/recorder.ts'
import { callFigures } from '../gateway/storage/call-figures.ts'
import { discoverProcesses, enterFollower, takePage, waitingProcesses } from '../gateway/storage/follower-positions.ts'
import { openStorage, type Storage } from '../gateway/storage/open-storage.ts'
import { freshPglite } from '../gateway/storage/test-databases.ts'
import { activateEmptySet } from '../gateway/storage/test-policy-sets.ts'
import { finished, permitted, POLICY_SET, seed } from '../gateway/storage/test-units.ts'
import { percentile } from './statistics.ts'

const DAY_MS = 86_400_000
const CALLS = Number(process.argv[2] ?? 200_000)
const AGENTS = 40
const OPERATIONS = 48
const CHUNK = 5_000
const clock = { now: () => instant(Date.now()) }

/** Calls of 30 days by one process that is gone, with a decision of 2 kB, an intent and an outcome each. */
async function fill({ database: { db } }: Storage): Promise<void> {
  const from = Date.now() - 30 * DAY_MS
  await sql`insert into process (id, started_ms, heartbeat_ms, lapsed_at_ms) values ('p-filled', ${from}, ${from}, ${Date.now()})`.execute(
    db,
  )
  for (let at = 0; at < CALLS; at += CHUNK) {
    const calls = sql`select i, 'call_filled' || lpad(i::text, 9, '0') as id, 'agent-' || floor(power(random(), 2) * ${sql.lit(AGENTS)}) as agent,
        floor(power(random(), 2) * ${sql.lit(OPERATIONS)})::int as op, ${sql.lit(from)} + i::float8 * ${sql.lit((30 * DAY_MS) / CALLS)} as at
      from generate_series(${sql.lit(at)}, ${sql.lit(at + CHUNK - 1)}) as i`
    await sql`with made as materialized (${calls}), called as (
        insert into call (id, door, agent, connector, operation, state, policies, intent, process, facts, created_at_ms, updated_at_ms)
        select id, 'http', agent, 'c' || op % 6, 'c' || op % 6 || '.op' || op, 'completed', '[]', 'intent', 'p-filled', '{}', at, at from made)
      insert into entry (process, seq, at_ms, kind, call_id, body)
      select 'p-filled', 3 * i + k, at, (array['decision', 'intent', 'outcome'])[k], id, (case k
        when 1 then '{"kind":"decision","release":null,"request":{},"decision":{"verdict":{"effect":"permit","policies":["p1"]},"evidence":"' || repeat('x', 1900) || '"}}'
        when 2 then '{"kind":"intent"}'
        else '{"kind":"outcome","outcome":{"kind":"completed","upstreamStatus":200,"upstreamMs":' || round(power(10, random() * 4)) || '}}' end)::json
      from made cross join generate_series(1, 3) as k`.execute(db)
  }
}

async function catchUp({ database: { db }, sealer }: Storage): Promise<{ pages: number; slowestMs: number; ms: number }> {
  const beganMs = performance.now()
  let [pages, slowestMs] = [0, 0]
  await enterFollower(db, callFigures)
  await discoverProcesses(db, callFigures.name, null)
  for (let waiting = await waitingProcesses(db, callFigures.name); waiting.length > 0; ) {
    for (const each of waiting) {
      const pageMs = performance.now()
      await takePage({ db, sealer }, callFigures, each)
      slowestMs = Math.max(slowestMs, performance.now() - pageMs)
      pages++
    }
    waiting = await waitingProcesses(db, callFigures.name)
  }
  return { pages, slowestMs, ms: performance.now() - beganMs }
}

async function questions({ figures }: Storage): Promise<void> {
  const now = Math.ceil(Date.now() / 3_600_000) * 3_600_000
  const asked: readonly (readonly [string, number, FigureGroup, { agent?: string }])[] = [
    ['24 hours, total', 1, 'TOTAL', {}],
    ['24 hours by hour', 1, 'HOUR', {}],
    ['7 days by hour', 7, 'HOUR', {}],
    ['30 days, total', 30, 'TOTAL', {}],
    ['30 days by hour', 30, 'HOUR', {}],
    ['30 days by day', 30, 'DAY', {}],
    ['30 days by agent', 30, 'AGENT', {}],
    ['30 days by operation', 30, 'OPERATION', {}],
    ['30 days of one agent by day', 30, 'DAY', { agent: 'agent-3' }],
  ]
  console.log('\n| question | median ms | slowest ms |\n|---|--:|--:|')
  for (const [name, days, groupBy, filter] of asked) {
    const taken: number[] = []
    for (let run = 0; run < 7; run++) {
      const beganMs = performance.now()
      await figures.rows({ since: instant(now - days * DAY_MS), until: instant(now) }, groupBy, filter)
      taken.push(performance.now() - beganMs)
    }
    console.log(`| ${name} | ${percentile(taken, 50).toFixed(0)} | ${Math.max(...taken).toFixed(0)} |`)
  }
}

/** Share of one core that this process uses at so many calls a second. */
async function shareAt(storage: Storage, perSecond: number, seconds: number): Promise<number> {
  const recorder = createRecorder({ writer: storage.writer, clock })
  const [began, used] = [performance.now(), process.cpuUsage()]
  for (let tick = 0; tick < seconds * 50; tick++) {
    for (let i = 0; i < perSecond / 50; i++) {
      const unit = permitted(clock, { operation: `op${i % 12}` })
      void recorder.admit(unit).then(() => recorder.finish(finished(unit.call.id, unit.intent)))
    }
    await sleep(Math.max(0, began + (tick + 1) * 20 - performance.now()))
  }
  const { user, system } = process.cpuUsage(used)
  const share = (user + system) / 1_000 / (performance.now() - began)
  await recorder.close()
  return share
}

const test = freshPglite()
const storage = await openStorage({ ...test.options, clock, bus: createInProcessBus() })
try {
  await storage.registry([seed('helper')], [])
  await activateEmptySet(storage.policySets, POLICY_SET)
  await shareAt(storage, 300, 5)
  const without = await shareAt(storage, 300, 20)
  await fill(storage)
  const { pages, slowestMs, ms } = await catchUp(storage)
  console.log(
    `\nPGlite, ${CALLS.toLocaleString('en')} calls: counted in ${(ms / 1_000).toFixed(1)} s, ${pages} pages, slowest ${slowestMs.toFixed(0)} ms`,
  )
  for (const table of ['call_figure', 'call_duration', 'call_exception'] as const) {
    const { rows } = await sql<{ count: number }>`select count(*) as count from ${sql.table(table)}`.execute(storage.database.db)
    console.log(`${table}: ${rows[0]?.count} rows`)
  }
  await questions(storage)
  storage.follow([callFigures])
  const followed = await shareAt(storage, 300, 20)
  console.log(
    `\n300 calls a second into the record: ${(100 * without).toFixed(1)} % of a core without the follower, ${(100 * followed).toFixed(1)} % with it`,
  )
} finally {
  await storage.close()
  await test.drop()
}
