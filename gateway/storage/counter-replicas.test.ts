import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import { instant } from '../core/clock.ts'
import { openStorage, type Storage } from './open-storage.ts'
import type { CountedCall } from '../ports/recorder.ts'
import { createRecorder } from '../record/recorder.ts'
import { keepHouse } from './housekeeping.ts'
import { startChild, type TestChild } from './test-child.ts'
import { asking, paidBy, paidSeries, payment, SERIES } from './test-counters.ts'
import { freshPglite, freshPostgres, onTestServer, type TestDatabase } from './test-databases.ts'
import { activateEmptySet } from './test-policy-sets.ts'
import { finished, permitted, POLICY_SET, seed } from './test-units.ts'

const clock = { now: () => instant(Date.now()) }

const start = (mode: string, agent: string, database: TestDatabase): TestChild => startChild('./test-payer-child.ts', mode, agent, database)

/** Buckets say what the events say, and exactly the calls have events that count. */
async function consistent({ database: { db } }: Storage): Promise<void> {
  const { rows: wrong } = await sql`
    with told as (
      select counter, width as width_ms, at_ms - at_ms % width as start_ms, count(*) as calls, coalesce(sum(amount), 0) as total
      from counter_event cross join (values (60000::int8), (3600000), (86400000)) as w (width) group by 1, 2, 3)
    select * from told t full join counter_bucket b using (counter, width_ms, start_ms)
    where t.calls is distinct from b.calls or t.total is distinct from b.total`.execute(db)
  expect(wrong).toEqual([])
  const { rows: calls } = await sql`
    select c.id, c.state, count(e.counter)::int as events from call c left join counter_event e on e.call_id = c.id group by 1, 2
    having (count(e.counter) > 0) <> (c.state in ('executing', 'completed', 'in_doubt', 'approved'))`.execute(db)
  expect(calls).toEqual([])
  const { rows: hollow } = await sql`
    select c.id from counter c where c.streak = 0 and not exists (select 1 from counter_event e where e.counter = c.id)`.execute(db)
  expect(hollow).toEqual([])
}

const opened = async ({ options }: TestDatabase): Promise<Storage> => {
  const storage = await openStorage({ ...options, clock, bus: createInProcessBus() })
  await storage.registry([seed('helper'), seed('other')], [])
  await activateEmptySet(storage.policySets, POLICY_SET, SERIES)
  return storage
}

const postgres = await freshPostgres('counters of two gateways')

describe.skipIf(postgres === undefined)('two gateways on one PostgreSQL', () => {
  let storage: Storage
  const database = postgres ?? freshPglite()
  beforeAll(async () => {
    storage = await opened(database)
  })
  afterAll(async () => {
    await storage.close()
    await database.drop()
  })
  const both = (mode: string): [TestChild, TestChild] => [start(mode, 'helper', database), start(mode, 'other', database)]

  test('50 payments of 2,000 at once against one cap of 5,000: two', async () => {
    const payers = both('cap')
    await Promise.all(payers.map(({ said }) => said('ready')))
    for (const { go } of payers) go()
    await Promise.all(payers.map(({ said }) => said('done')))
    const told = payers.flatMap(({ lines }) => lines).filter((line) => line.startsWith('recorded'))
    expect(told.sort()).toEqual([...Array(48).fill('recorded deny'), ...Array(2).fill('recorded permit')])
    const answers = await storage.calls.counters([asking('sum', [paidBy('everybody')])], clock.now())
    expect(answers.get('sum')).toEqual({ kind: 'value', value: '4000.0' })
    await consistent(storage)
  }, 60_000)

  test('counters and labels that cross in every order: no deadlock, and every count is right', async () => {
    const payers = both('cross')
    await Promise.all(payers.map(({ said }) => said('ready')))
    for (const { go } of payers) go()
    await Promise.all(payers.map(({ said }) => said('done')))
    expect(payers.map(({ lines }) => lines.filter((line) => line.startsWith('outcome')).length)).toEqual([150, 150])
    await consistent(storage)
    const name = new URL(database.options.databaseUrl ?? '').pathname.slice(1)
    await sql`select pg_stat_force_next_flush()`.execute(storage.database.db)
    const { rows } = await onTestServer('select deadlocks from pg_stat_database where datname = $1', [name])
    expect(rows).toEqual([{ deadlocks: '0' }])
  }, 60_000)

  test('a fact declared beside the live calls of another gateway: every intent counts, none twice', async () => {
    const other = await openStorage({ ...database.options, clock, bus: createInProcessBus() })
    const recorder = createRecorder({ writer: other.writer, clock })
    const before = 'e'.repeat(64)
    await activateEmptySet(storage.policySets, before, [])
    await sql`delete from counter_series`.execute(storage.database.db)
    let [recorded, failed] = [0, 0]
    const enough = Promise.withResolvers<void>()
    const worker = async (): Promise<void> => {
      for (;;) {
        const unit = permitted(clock, { policySet: before, agent: 'other', input: { amount: '1.0', payer: 'late' } })
        const result = await recorder.admit(unit)
        if (result.kind !== 'recorded') return expect(result).toEqual({ kind: 'stale', what: 'policies' })
        const kind = ++recorded % 5 === 0 ? 'failed' : 'completed'
        if (recorded === 300) enough.resolve()
        if (kind === 'failed') failed++
        await recorder.finish(finished(unit.call.id, unit.intent, kind))
      }
    }
    const workers = Array.from({ length: 8 }, worker)
    await enough.promise
    const late = {
      ...paidSeries(),
      eventsOf: ({ input }: CountedCall) => (input.payer === 'late' ? [{ key: paidBy('late'), amount: '1.0' }] : []),
    }
    await activateEmptySet(storage.policySets, POLICY_SET, [late])
    await Promise.all(workers)
    await keepHouse(storage.database, clock.now())
    const answers = await storage.calls.counters([asking('sum', [paidBy('late')])], clock.now())
    expect(recorded).toBeGreaterThanOrEqual(300)
    expect(answers.get('sum')).toEqual({ kind: 'value', value: `${recorded - failed}.0` })
    await recorder.close()
    await other.close()
    await activateEmptySet(storage.policySets, POLICY_SET, SERIES)
  }, 60_000)

  test('connections cut again and again: what was acknowledged counts once, what was refused does not', async () => {
    const name = new URL(database.options.databaseUrl ?? '').pathname.slice(1)
    const recorder = createRecorder({ writer: storage.writer, clock })
    const told = { recorded: 0, all: 0 }
    let cutting = true
    const worker = async (): Promise<void> => {
      while (cutting) {
        const unit = payment(clock, { payer: 'cut', amount: '1.0', cap: Number.POSITIVE_INFINITY })
        told.all++
        try {
          await recorder.decide(unit)
          told.recorded++
          await recorder.finish({ ...finished(unit.callId, unit.intent), reserved: true })
        } catch (error) {
          expect(error).toMatchObject({ code: 'UNAVAILABLE' })
        }
      }
    }
    const workers = Array.from({ length: 20 }, worker)
    for (let i = 0; i < 10; i++) {
      const { all } = told
      await onTestServer("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name = 'gatehouse'", [
        name,
      ])
      await expect.poll(() => told.all, { interval: 1, timeout: 10_000 }).toBeGreaterThan(all + 20)
    }
    cutting = false
    await Promise.all(workers)
    const answers = await storage.calls.counters([asking('sum', [paidBy('cut')])], clock.now())
    expect(answers.get('sum')).toEqual({ kind: 'value', value: `${told.recorded}.0` })
    await recorder.close()
  }, 60_000)

  test('kill -9 of one while both work: what was acknowledged counts, nothing counts twice', async () => {
    const [one, two] = both('endless')
    await Promise.all([one, two].map(({ said }) => said('ready')))
    for (const { go } of [one, two]) go()
    await Promise.all([one, two].map(({ said }) => said('outcome', 40)))
    await one.kill()
    await two.said('outcome', two.lines.length + 40)
    await two.kill()
    await sql`update process set heartbeat_ms = 0 where id <> ${storage.writer.process()}`.execute(storage.database.db)
    await storage.takeOverLapsed()
    const calls = new Set((await storage.database.db.selectFrom('call').select('id').execute()).map(({ id }) => id as string))
    for (const line of [...one.lines, ...two.lines]) if (line.startsWith('intent')) expect(calls.has(line.slice(7))).toBe(true)
    await consistent(storage)
  }, 60_000)
})

test('kill -9 on PGlite: what was acknowledged counts, nothing counts twice', async () => {
  const database = freshPglite()
  await (await opened(database)).close()
  const payer = start('endless', 'helper', database)
  await payer.said('ready')
  payer.go()
  await payer.said('outcome', 40)
  await payer.kill()
  const storage = await openStorage({ ...database.options, clock, bus: createInProcessBus() })
  await storage.takeOverLapsed()
  const calls = new Set((await storage.database.db.selectFrom('call').select('id').execute()).map(({ id }) => id as string))
  for (const line of payer.lines) if (line.startsWith('intent')) expect(calls.has(line.slice(7))).toBe(true)
  await consistent(storage)
  await storage.close()
  await database.drop()
}, 60_000)
