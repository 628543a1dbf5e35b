import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Relay } from '../../bench/faults/relay.ts'
import { createInProcessBus } from '../bus/in-process.ts'
import { createRecorder } from '../record/recorder.ts'
import { openDatabase } from './database.ts'
import { openStorage } from './open-storage.ts'
import { activateEmptySet } from './test-policy-sets.ts'
import { approved, finished, held, permitted, POLICY_SET, releaseOf, seed } from './test-units.ts'
import { closeTestStore, openTestStore, type TestStore } from './test-store.ts'
import { freshPostgres, onTestServer, type TestDatabase } from './test-databases.ts'
import { testSealer } from './test-sealer.ts'

const database = await freshPostgres('lost connections and replicas')

describe.skipIf(database === undefined)('PostgreSQL that goes away, and replicas', () => {
  let store: TestStore
  const options: TestDatabase['options'] = database?.options ?? { dataDir: '', sealer: testSealer({ dataDir: '' }) }
  const name = new URL(options.databaseUrl ?? 'postgres://x/none').pathname.slice(1)
  beforeAll(async () => {
    if (database) store = await openTestStore(database)
  })
  afterAll(async () => {
    await closeTestStore(store)
    await database?.drop()
  })

  const cut = (): Promise<unknown> =>
    onTestServer("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name = 'gatehouse'", [name])

  const dense = async (): Promise<void> => {
    const rows = await store.storage.database.db.selectFrom('entry').select(['process', 'seq']).orderBy('process').orderBy('seq').execute()
    const last = new Map<string, number>()
    for (const { process, seq } of rows) {
      expect(seq).toBe((last.get(process) ?? 0) + 1)
      last.set(process, seq)
    }
  }

  test('connections cut again and again under load: what was acknowledged is there, what was refused is not, and it goes on', async () => {
    const { recorder, clock, storage } = store
    let cutting = true
    const told = new Map<string, 'recorded' | 'refused'>()
    const worker = async (): Promise<void> => {
      while (cutting) {
        const unit = permitted(clock)
        try {
          const result = await recorder.admit(unit)
          expect(result).toEqual({ kind: 'recorded' })
          told.set(unit.call.id, 'recorded')
          await recorder.finish(finished(unit.call.id, unit.intent))
        } catch (error) {
          expect(error).toMatchObject({ code: 'UNAVAILABLE' })
          told.set(unit.call.id, told.get(unit.call.id) ?? 'refused')
        }
      }
    }
    const workers = Array.from({ length: 30 }, worker)
    for (let i = 0; i < 20; i++) {
      await cut()
      const before = told.size
      await expect.poll(() => told.size, { interval: 1, timeout: 10_000 }).toBeGreaterThan(before + 20)
    }
    cutting = false
    await Promise.all(workers)
    const rows = await storage.database.db.selectFrom('call').select(['id', 'state']).execute()
    const stored = new Map(rows.map(({ id, state }) => [id, state]))
    for (const [id, what] of told) expect(stored.get(id), id).toBe(what === 'recorded' ? 'completed' : undefined)
    expect(stored.size).toBe([...told.values()].filter((what) => what === 'recorded').length)
    await dense()
    const after = permitted(clock)
    expect(await recorder.admit(after)).toEqual({ kind: 'recorded' })
  })

  test('a connection cut while the commit waits: the answer is what the database did', async () => {
    const { recorder, clock, storage } = store
    // Somebody else holds the process row, so the batch waits with its transaction open.
    for (const unit of [permitted(clock), held(clock)]) {
      const { db } = storage.database
      const admitted = await db.transaction().execute(async (tx) => {
        await tx.selectFrom('process').select('id').where('id', '=', storage.writer.process()).forUpdate().execute()
        const result = recorder.admit(unit).then(
          () => 'recorded',
          (error: { code?: string }) => error.code,
        )
        const waits = "select pid from pg_stat_activity where datname = $1 and wait_event_type = 'Lock'"
        await expect.poll(async () => (await onTestServer(waits, [name])).rowCount, { interval: 10 }).toBe(1)
        await onTestServer(`select pg_terminate_backend(pid) from (${waits}) as waiting`, [name])
        return { result }
      })
      expect(await admitted.result).toBe('UNAVAILABLE')
      expect(await storage.calls.call(unit.call.id)).toBeUndefined()
    }
    await dense()
    expect(await recorder.admit(permitted(clock))).toEqual({ kind: 'recorded' })
  })

  test('two replicas: one takes the key, one the join key, one the release, and a suspension holds at both', async () => {
    const { recorder, clock } = store
    const bus = createInProcessBus()
    const storage = await openStorage({ ...options, clock, bus })
    const other = createRecorder({ writer: storage.writer, clock, bus })
    const both = [recorder, other]
    for (let round = 0; round < 10; round++) {
      const key = { scope: `s${round}`, digest: 'd' }
      const keyed = await Promise.all(both.map((r) => r.admit(permitted(clock, { key }))))
      expect(keyed.map(({ kind }) => kind).sort()).toEqual(['joined', 'recorded'])
      const joined = await Promise.all(both.map((r) => r.admit(permitted(clock, { joinKey: `j${round}` }))))
      expect(joined.map(({ kind }) => kind).sort()).toEqual(['joined', 'recorded'])
      const unit = held(clock)
      await recorder.admit(unit)
      const approve = { hold: unit.hold.id, callId: unit.call.id, to: 'approved', callState: 'approved', by: 'bob' } as const
      expect((await Promise.all(both.map((r) => r.changeHold(approve)))).sort()).toEqual([false, true])
      const released = await Promise.all(both.map((r) => r.release(releaseOf(unit, unit.hold))))
      expect(released.map(({ kind }) => kind).sort()).toEqual(['lost', 'recorded'])
      const turn = approved(clock)
      await recorder.admit(turn)
      const turns = await Promise.all(both.map((r) => r.release(releaseOf(turn, null))))
      expect(turns.map(({ kind }) => kind).sort()).toEqual(['lost', 'recorded'])
      const places = await Promise.all(
        [0, 1, 2, 3].map((i) => (both[i % 2] ?? other).admit(held(clock, { agent: 'other', openHoldsMax: round + 1 }))),
      )
      expect(places.filter(({ kind }) => kind === 'recorded').length).toBe(1)
    }
    const registry = await storage.registry([seed('helper'), seed('other')], [])
    await registry.setStatus('helper', 'suspended', 'olga')
    expect(await Promise.all(both.map((r) => r.admit(permitted(clock))))).toEqual(both.map(() => ({ kind: 'stale', what: 'agent' })))
    await expect.poll(() => store.registry.agent('helper')?.status, { timeout: 5_000 }).toBe('suspended')
    await registry.setStatus('helper', 'active', 'olga')
    await activateEmptySet(storage.policySets, 'e'.repeat(64))
    const epoch = registry.agent('helper')?.epoch ?? 0
    expect(await recorder.admit(permitted(clock, { epoch }))).toEqual({ kind: 'stale', what: 'policies' })
    await activateEmptySet(store.storage.policySets, POLICY_SET)
    // A replica that signs off leaves its running calls in doubt for the others to find.
    const left = permitted(clock, { epoch })
    expect(await other.admit(left)).toEqual({ kind: 'recorded' })
    await other.close()
    await storage.close()
    expect(await store.storage.takeOverLapsed()).toContain(left.call.id)
    expect((await store.storage.calls.call(left.call.id))?.state).toBe('in_doubt')
    await dense()
  })

  test('replicas that start at once on an empty database migrate it once', async () => {
    const empty = await freshPostgres('replicas that start at once')
    if (!empty) throw new Error('the server went away')
    const opened = await Promise.all(Array.from({ length: 4 }, () => openDatabase(empty.options)))
    const { rows } = await onTestServer('select count(*) as backends from pg_stat_activity where datname = $1', [
      new URL(empty.options.databaseUrl ?? '').pathname.slice(1),
    ])
    expect(Number(rows[0]?.backends)).toBeGreaterThanOrEqual(4)
    for (const { db } of opened) expect(await db.selectFrom('gateway_state').selectAll().execute()).toMatchObject([{ policy_set: null }])
    for (const database of opened) await database.close()
    await empty.drop()
  })

  test('a database that takes no writes for a while: calls are refused, and outcomes are written once it does again', async () => {
    const { recorder, clock, storage } = store
    const agent = { agent: 'other', epoch: store.registry.agent('other')?.epoch ?? 0 }
    const writes = async (mode: 'on' | 'off'): Promise<void> => {
      await onTestServer(`alter database ${name} set default_transaction_read_only = ${mode}`)
      await cut()
    }
    const unit = permitted(clock, agent)
    expect(await recorder.admit(unit)).toEqual({ kind: 'recorded' })
    expect(await storage.ready()).toBe(true)
    await writes('on')
    const outcome = recorder.finish(finished(unit.call.id, unit.intent))
    await expect(recorder.admit(permitted(clock, agent))).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterSeconds: 2 })
    expect(await storage.ready()).toBe(false)
    await writes('off')
    await outcome
    expect((await storage.calls.call(unit.call.id))?.state).toBe('completed')
    await expect.poll(() => storage.ready(), { timeout: 5_000 }).toBe(true)
    await dense()
  })

  test('a server that does not wait for the disk is told to', async () => {
    await onTestServer(`alter database ${name} set synchronous_commit = off`)
    await cut()
    const shown = (): Promise<unknown> => store.storage.database.pool.query('show synchronous_commit').then(({ rows }) => rows)
    await expect.poll(() => shown().catch(() => undefined), { timeout: 5_000 }).toEqual([{ synchronous_commit: 'on' }])
    await onTestServer(`alter database ${name} reset synchronous_commit`)
  })

  test('a connection that falls silent, with a server that is there for new ones: it is given up once, not query by query', async () => {
    const url = new URL(options.databaseUrl ?? '')
    const relay = await Relay.open(url.hostname, Number(url.port || 5432))
    url.port = String(relay.port)
    const storage = await openStorage({ ...options, databaseUrl: url.href, clock: store.clock, bus: createInProcessBus() })
    const { id } = permitted(store.clock).call
    expect(await storage.calls.call(id)).toBeUndefined()
    relay.swallow()
    await expect(storage.calls.call(id)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(await storage.calls.call(id)).toBeUndefined()
    await storage.close()
    await relay.close()
  }, 90_000)

  test('a database that cannot be reached is refused at the start, without its address', async () => {
    const attempt = openStorage({
      ...options,
      databaseUrl: 'postgres://u:canary@127.0.0.1:1/x',
      clock: store.clock,
      bus: createInProcessBus(),
    })
    await expect(attempt).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.not.stringContaining('canary') })
  })
})
