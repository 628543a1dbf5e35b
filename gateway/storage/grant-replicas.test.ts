import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import type { Grant } from '../core/grant.ts'
import type { CallId, GrantId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import { createRecorder } from '../record/recorder.ts'
import { openStorage, type Storage } from './open-storage.ts'
import { replay } from './projections.ts'
import { startChild, type TestChild } from './test-child.ts'
import { freshPglite, freshPostgres, onTestServer, type TestDatabase } from './test-databases.ts'
import { givenGrant } from './test-grants.ts'
import { activateEmptySet } from './test-policy-sets.ts'
import { POLICY_SET, realClock, seed } from './test-units.ts'

const start = (mode: string, database: TestDatabase): TestChild => startChild('./test-grant-child.ts', mode, 'helper', database)
const AMPLE: Partial<Grant> = { maxUses: LIMITS.grantUsesMax, totals: [{ of: '/amount', most: '900000.0' }] }

const opened = async ({ options }: TestDatabase): Promise<Storage> => {
  const storage = await openStorage({ ...options, clock: realClock, bus: createInProcessBus() })
  await storage.registry([seed('helper')], [{ name: 'bob', groups: ['finance'], roles: [] }])
  await activateEmptySet(storage.policySets, POLICY_SET)
  return storage
}

async function given({ writer }: Storage, more: Partial<Grant>): Promise<Grant> {
  const recorder = createRecorder({ writer, clock: realClock })
  const grant = await givenGrant({ clock: realClock, recorder }, more)
  await recorder.close()
  return grant
}

/** What other processes left is over: their intents are in doubt, the turns that never came are cancelled. */
async function takenOver(storage: Storage): Promise<void> {
  await sql`update process set heartbeat_ms = 0 where id <> ${storage.writer.process()}`.execute(storage.database.db)
  await storage.takeOverLapsed()
}

const usesOf = async ({ grants }: Storage, id: GrantId): Promise<unknown[]> => {
  const grant = await grants.grant(id)
  return [grant?.used, grant?.spent['/amount'] ?? '0.0']
}

/** Exactly the calls of which something happened, or may have, hold uses; the grant has their number and sum, and their entries tell the same. */
async function consistent(storage: Storage, { id, callId }: Grant): Promise<number> {
  const { db } = storage.database
  const uses = await db.selectFrom('grant_use').select(['call_id', 'amounts']).where('grant_id', '=', id).execute()
  const spent = uses.reduce((sum, { amounts }) => sum + Number(amounts[0]?.amount ?? Number.NaN), 0)
  const found = await storage.grants.grant(id)
  expect([found?.used, Number(found?.spent['/amount'] ?? 0)]).toEqual([uses.length, spent])
  const calls = await db.selectFrom('call').select(['id', 'state']).where('id', '<>', callId).execute()
  const happened = calls.filter(({ state }) => ['executing', 'completed', 'in_doubt', 'approved'].includes(state))
  expect(uses.map((use) => use.call_id).sort()).toEqual(happened.map((call) => call.id).sort())
  const entries = await Promise.all([callId, ...calls.map((call) => call.id as CallId)].map((call) => storage.calls.entries(call)))
  expect(replay(entries.flat()).grants.get(id)).toEqual(found)
  return uses.length
}

async function emptied({ database: { db } }: Storage): Promise<void> {
  for (const table of ['grant_use', 'standing_grant', 'rule_decision', 'vote', 'hold', 'execution', 'call'] as const)
    await db.deleteFrom(table).execute()
}

/** A process dies with three intents and two turns in its hands. */
async function killedInBetween(storage: Storage, grant: Grant, child: TestChild): Promise<void> {
  const idsOf = (what: string) => child.lines.filter((line) => line.startsWith(what)).map((line) => line.split(' ')[1] as CallId)
  const stateOf = async (id: CallId) => (await storage.calls.call(id))?.state
  const [intents, turns] = [idsOf('intent'), idsOf('turn')]
  await takenOver(storage)
  // Nobody knows whether the bytes went out: uses are kept until a person says so. A turn that never came sent nothing.
  expect(await Promise.all(intents.map(stateOf))).toEqual(['in_doubt', 'in_doubt', 'in_doubt'])
  expect(await Promise.all(turns.map(stateOf))).toEqual(['cancelled', 'cancelled'])
  expect(await usesOf(storage, grant.id)).toEqual([3, '90.0'])
  await storage.takeOverLapsed()
  expect(await usesOf(storage, grant.id)).toEqual([3, '90.0'])
  const recorder = createRecorder({ writer: storage.writer, clock: realClock })
  const [first, second] = intents
  if (!first || !second) throw new Error('unreachable')
  await recorder.resolve(first, 'bob', 'DID_NOT_HAPPEN', 'not in the journal')
  await recorder.resolve(second, 'bob', 'HAPPENED', 'in the journal')
  await recorder.close()
  expect(await usesOf(storage, grant.id)).toEqual([2, '60.0'])
  expect(await consistent(storage, grant)).toBe(2)
}

const postgres = await freshPostgres('grants of two gateways')

describe.skipIf(postgres === undefined)('two gateways on one PostgreSQL', () => {
  let storage: Storage
  const database = postgres ?? freshPglite()
  beforeAll(async () => {
    storage = await opened(database)
  })
  afterAll(async () => {
    await storage?.close()
    await database.drop()
  })
  beforeEach(() => emptied(storage))

  test.each<[string, Partial<Grant>, number]>([
    ['seven uses', { maxUses: 7, totals: [] }, 7],
    ['a total of 100, each 30', { maxUses: 1_000 }, 3],
    ['both, the total first', { maxUses: 4, totals: [{ of: '/amount', most: '60.0' }] }, 2],
  ])(
    '50 calls at once under one grant pass exactly as often as it says: %s',
    async (_what, more, most) => {
      const grant = await given(storage, more)
      const both = [start('burst', database), start('burst', database)]
      await Promise.all(both.map(({ said }) => said('ready')))
      for (const { go } of both) go()
      await Promise.all(both.map(({ said }) => said('done')))
      const told = both.flatMap(({ lines }) => lines).filter((line) => line === 'passed' || line === 'held')
      expect(told.sort()).toEqual([...Array(50 - most).fill('held'), ...Array(most).fill('passed')])
      expect((await usesOf(storage, grant.id))[0]).toBe(most)
      const { rows } = await sql<{ n: number }>`select count(*)::int as n from call where state = 'executing'`.execute(storage.database.db)
      expect(rows).toEqual([{ n: most }])
    },
    60_000,
  )

  test('kill -9 between reservation and execution: what may have happened is kept, what did not is given back', async () => {
    const grant = await given(storage, { maxUses: 10, totals: [{ of: '/amount', most: '900.0' }] })
    const child = start('stop', database)
    await child.said('ready')
    child.go()
    await child.said('stopped')
    await child.kill()
    await killedInBetween(storage, grant, child)
  }, 60_000)

  test('kill -9 of both while they work: no deadlock, no use lost, none counted twice', async () => {
    const grant = await given(storage, AMPLE)
    const [one, two] = [start('endless', database), start('endless', database)]
    await Promise.all([one, two].map(({ said }) => said('ready')))
    for (const { go } of [one, two]) go()
    await Promise.all([one, two].map(({ said }) => said('ended', 60)))
    await one.kill()
    await two.said('ended', two.lines.length + 40)
    await two.kill()
    await takenOver(storage)
    const known = new Set((await storage.database.db.selectFrom('call').select('id').execute()).map(({ id }) => id))
    for (const line of [...one.lines, ...two.lines]) if (line.startsWith('intent')) expect(known).toContain(line.slice(7))
    expect(await consistent(storage, grant)).toBeGreaterThan(20)
    const name = new URL(database.options.databaseUrl ?? '').pathname.slice(1)
    await sql`select pg_stat_force_next_flush()`.execute(storage.database.db)
    const { rows } = await onTestServer('select deadlocks from pg_stat_database where datname = $1', [name])
    expect(rows).toEqual([{ deadlocks: '0' }])
  }, 60_000)
})

test('kill -9 between reservation and execution on PGlite', async () => {
  const database = freshPglite()
  const before = await opened(database)
  const grant = await given(before, { maxUses: 10, totals: [{ of: '/amount', most: '900.0' }] })
  await before.close()
  const child = start('stop', database)
  await child.said('ready')
  child.go()
  await child.said('stopped')
  await child.kill()
  const storage = await opened(database)
  await killedInBetween(storage, grant, child)
  await storage.close()
  await database.drop()
}, 60_000)
