import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import { type CallId, newCallId } from '../core/ids.ts'
import type { Signal } from '../ports/bus.ts'
import type { RunningRecorder } from '../record/recorder.ts'
import { createRecorder } from '../record/recorder.ts'
import { openStorage, type Storage } from './open-storage.ts'
import type { RunningRegistry } from './registry.ts'
import {
  approved,
  denied,
  finished,
  held,
  newHold,
  outcomeOf,
  permitted,
  POLICY_SET,
  releaseOf,
  seed,
  type TestClock,
  testClock,
} from './test-units.ts'
import type { TestDatabase } from './test-databases.ts'

/** An opened store with all that stands on it. */
export interface TestStore {
  storage: Storage
  recorder: RunningRecorder
  clock: TestClock
  signals: Signal[]
  registry: RunningRegistry
}

/** Opens storage, recorder and registry on a test database, with agents `helper` and `other` and an active policy set. */
export async function openTestStore(database: TestDatabase): Promise<TestStore> {
  const clock = testClock()
  const bus = createInProcessBus()
  const signals: Signal[] = []
  bus.subscribe((signal) => signals.push(signal))
  const storage = await openStorage({ ...database.options, clock, bus })
  const registry = await storage.registry([seed('helper'), seed('other')], [{ name: 'bob', groups: ['finance'], roles: [] }])
  await storage.activatePolicySet(POLICY_SET, { 'org.cedar': 'd'.repeat(64) })
  return { storage, clock, signals, registry, recorder: createRecorder({ writer: storage.writer, clock, bus }) }
}

export async function closeTestStore({ recorder, storage }: TestStore): Promise<void> {
  await recorder.close()
  await storage.close()
}

/** Removes calls, holds and keys; entries, agents and processes stay, as they only grow. */
export async function emptyCalls({ storage }: TestStore): Promise<void> {
  for (const table of ['vote', 'hold', 'idempotency_key', 'execution', 'call'] as const)
    await storage.database.db.deleteFrom(table).execute()
}

const vote = (clock: TestClock, holdId: ReturnType<typeof newHold>['id'], voter = 'bob', verdict: 'approve' | 'reject' = 'approve') => ({
  holdId,
  voter,
  verdict,
  comment: null,
  at: clock.now(),
})

/** What every database promises under Recorder, CallStore, Registry and CredentialStore. */
export function storeConformance(open: () => Promise<TestDatabase>): void {
  let database: TestDatabase
  let store: TestStore
  beforeAll(async () => {
    database = await open()
    store = await openTestStore(database)
  })
  afterAll(async () => {
    await closeTestStore(store)
    await database.drop()
  })
  beforeEach(async () => {
    await emptyCalls(store)
    store.signals.length = 0
  })

  const epochOf = (name: string): number => store.registry.agent(name)?.epoch ?? 0
  const kinds = async (id: CallId): Promise<string[]> => (await store.storage.calls.entries(id)).map(({ body }) => body.kind)
  const state = async (id: CallId): Promise<string | undefined> => (await store.storage.calls.call(id))?.state
  const approve = (unit: ReturnType<typeof held>): Promise<boolean> =>
    store.recorder.changeHold({
      hold: unit.hold.id,
      callId: unit.call.id,
      to: 'approved',
      callState: 'approved',
      by: 'bob',
      digest: unit.hold.digest,
      vote: vote(store.clock, unit.hold.id),
    })

  describe('admit and finish', () => {
    test('a permitted call: decision and intent at once, the outcome after, the result kept', async () => {
      const { recorder, clock, storage, signals } = store
      const unit = permitted(clock, { input: { text: 'a \0 b, 日本, "\\', 'in\u0000': [1, null] }, run: 'r1' })
      expect(await recorder.admit(unit)).toEqual({ kind: 'recorded' })
      expect(await storage.calls.call(unit.call.id)).toEqual(unit.call)
      clock.nowMs += 5
      await recorder.finish(finished(unit.call.id, unit.intent, 'completed', 'body \0 "quoted"'))
      expect(await storage.calls.call(unit.call.id)).toEqual({
        ...unit.call,
        state: 'completed',
        upstreamStatus: 200,
        upstreamMs: 4,
        result: { status: 200, headers: {}, body: 'body \0 "quoted"', encoding: 'utf8' },
        resultKept: 'kept',
        updatedAt: clock.now(),
      })
      expect((await storage.calls.entries(unit.call.id)).map(({ body }) => body)).toEqual([
        { kind: 'decision', request: unit.request, decision: unit.decision, release: null },
        { kind: 'intent', intent: unit.intent, agentEpoch: 1, policySet: POLICY_SET, consumes: null },
        { kind: 'outcome', intent: unit.intent, outcome: outcomeOf('completed') },
      ])
      expect(signals).toContainEqual({ kind: 'call', id: unit.call.id })
    })

    test.each([
      ['not_sent', 'failed'],
      ['failed', 'failed'],
      ['in_doubt', 'in_doubt'],
    ] as const)('an outcome `%s` leaves the call %s', async (kind, expected) => {
      const unit = permitted(store.clock)
      await store.recorder.admit(unit)
      await store.recorder.finish(finished(unit.call.id, unit.intent, kind))
      expect(await state(unit.call.id)).toBe(expected)
    })

    test('an outcome of another intent changes no call', async () => {
      const unit = permitted(store.clock)
      await store.recorder.admit(unit)
      await store.recorder.finish(finished(unit.call.id, permitted(store.clock).intent))
      expect(await state(unit.call.id)).toBe('executing')
    })

    test('a denial needs no guards and leaves a decision', async () => {
      const unit = denied(store.clock, { epoch: 99 })
      expect(await store.recorder.admit(unit)).toEqual({ kind: 'recorded' })
      expect(await kinds(unit.call.id)).toEqual(['decision'])
      expect(await store.storage.calls.call(unit.call.id)).toEqual(unit.call)
    })

    test('one unit that the database refuses takes no other down', async () => {
      const { recorder, clock } = store
      const good = Array.from({ length: 20 }, () => permitted(clock))
      const bad = permitted(clock)
      const units = [...good.slice(0, 10), { ...bad, call: { ...bad.call, door: 'window' as 'http' } }, ...good.slice(10)]
      const results = await Promise.allSettled(units.map((unit) => recorder.admit(unit)))
      expect(results.map(({ status }) => status)).toEqual(units.map(({ call }) => (call.id === bad.call.id ? 'rejected' : 'fulfilled')))
      for (const { call } of good) expect(await state(call.id)).toBe('executing')
      expect(await state(bad.call.id)).toBeUndefined()
    })

    test('what names an agent as its text cannot be stored never passes for another', async () => {
      const unit = denied(store.clock, { subject: 'paul\0', run: 'r\0' })
      await store.recorder.admit(unit)
      expect((await store.storage.calls.call(unit.call.id))?.subject).toBe('paul\0')
      expect((await store.storage.calls.calls({ subject: 'paul' }, { first: 5 })).rows).toEqual([])
    })
  })

  describe('guards', () => {
    test.each([
      ['an older epoch', { epoch: 0 }, 'agent'],
      ['an agent that nobody registered', { agent: 'nobody' }, 'agent'],
      ['another policy set', { policySet: 'e'.repeat(64) }, 'policies'],
    ] as const)('%s is stale, and nothing is written', async (_title, sample, what) => {
      for (const unit of [permitted(store.clock, sample), approved(store.clock, sample), held(store.clock, sample)]) {
        expect(await store.recorder.admit(unit)).toEqual({ kind: 'stale', what })
        expect(await state(unit.call.id)).toBeUndefined()
        expect(await kinds(unit.call.id)).toEqual([])
      }
    })

    test('a suspension binds at once, for new calls, turns and approved holds', async () => {
      const { recorder, registry, clock } = store
      const sample = { agent: 'other', epoch: epochOf('other') }
      const waiting = approved(clock, sample)
      const hold = held(clock, sample)
      await recorder.admit(waiting)
      await recorder.admit(hold)
      expect(await approve(hold)).toBe(true)
      await registry.setStatus('other', 'suspended', 'olga')
      expect(await recorder.admit(permitted(clock, sample))).toEqual({ kind: 'stale', what: 'agent' })
      expect(await recorder.release(releaseOf(waiting, null))).toEqual({ kind: 'stale', what: 'agent' })
      expect(await recorder.release(releaseOf(hold, hold.hold))).toEqual({ kind: 'stale', what: 'agent' })
      // Nor under the new epoch, as long as it is not active.
      expect(await recorder.admit(permitted(clock, { agent: 'other', epoch: epochOf('other') }))).toEqual({ kind: 'stale', what: 'agent' })
      await registry.setStatus('other', 'active', 'olga')
      expect(await recorder.admit(permitted(clock, { agent: 'other', epoch: epochOf('other') }))).toEqual({ kind: 'recorded' })
    })

    test('a suspension beside a stream of calls: no intent of the old epoch after it', async () => {
      const { recorder, registry, clock, storage } = store
      const epoch = epochOf('other')
      const calls = Array.from({ length: 60 }, async (_, i) => {
        for (let turn = 0; turn < i % 5; turn++) await new Promise(setImmediate)
        const unit = permitted(clock, { agent: 'other', epoch })
        return { unit, result: await recorder.admit(unit) }
      })
      const suspended = registry.setStatus('other', 'suspended', 'olga')
      const done = await Promise.all(calls)
      await suspended
      const all = await storage.database.db
        .selectFrom('entry')
        .select(['seq', 'kind', 'call_id'])
        .where('process', '=', lastProcess())
        .execute()
      const at = Math.max(...all.filter(({ kind }) => kind === 'agent.changed').map(({ seq }) => seq))
      for (const { unit, result } of done) {
        const written = all.filter(({ call_id }) => call_id === unit.call.id).map(({ seq }) => seq)
        expect(written.length).toBe(result.kind === 'recorded' ? 2 : 0)
        for (const seq of written) expect(seq).toBeLessThan(at)
      }
      await registry.setStatus('other', 'active', 'olga')
    })
  })

  const lastProcess = (): string => store.storage.writer.process()

  describe('idempotency keys', () => {
    test('one key and equal arguments: one call, the others join it, in one batch or later', async () => {
      const { recorder, clock } = store
      const units = Array.from({ length: 5 }, () => permitted(clock, { key: { scope: 'helper paul k\0 1', digest: 'd1' } }))
      const results = await Promise.all(units.map((unit) => recorder.admit(unit)))
      const first = units[0]?.call.id
      expect(results).toEqual([{ kind: 'recorded' }, ...Array.from({ length: 4 }, () => ({ kind: 'joined', callId: first }))])
      const again = permitted(clock, { key: { scope: 'helper paul k\0 1', digest: 'd1' } })
      expect(await recorder.admit(again)).toEqual({ kind: 'joined', callId: first })
      expect(await recorder.admit(held(clock, { key: { scope: 'helper paul k\0 1', digest: 'd1' } }))).toEqual({
        kind: 'joined',
        callId: first,
      })
      expect(await kinds(again.call.id)).toEqual([])
    })

    test('one key and other arguments', async () => {
      const { recorder, clock } = store
      const a = permitted(clock, { key: { scope: 's', digest: 'd1' } })
      const b = permitted(clock, { key: { scope: 's', digest: 'd2' } })
      const c = held(clock, { key: { scope: 's', digest: 'd3' } })
      expect(await Promise.all([a, b, c].map((unit) => recorder.admit(unit)))).toEqual([
        { kind: 'recorded' },
        { kind: 'key_reused', callId: a.call.id },
        { kind: 'key_reused', callId: a.call.id },
      ])
    })

    test('a denied call uses no key up', async () => {
      const { recorder, clock } = store
      const key = { scope: 's', digest: 'd1' }
      expect(await recorder.admit(denied(clock, { key }))).toEqual({ kind: 'recorded' })
      expect(await recorder.admit(permitted(clock, { key: { scope: 's', digest: 'd2' } }))).toEqual({ kind: 'recorded' })
    })

    test('an expired key is free again', async () => {
      const { recorder, clock } = store
      await recorder.admit(permitted(clock, { key: { scope: 's', digest: 'd1', lifeMs: 10 } }))
      clock.nowMs += 10
      const next = permitted(clock, { key: { scope: 's', digest: 'd2' } })
      expect(await recorder.admit(next)).toEqual({ kind: 'recorded' })
      expect(await recorder.admit(permitted(clock, { key: { scope: 's', digest: 'd2' } }))).toEqual({
        kind: 'joined',
        callId: next.call.id,
      })
    })
  })

  describe('equal calls', () => {
    test('join while the first is open or undelivered, and not after', async () => {
      const { recorder, clock, storage } = store
      const joinKey = 'j'.repeat(64)
      const [a, b] = [permitted(clock, { joinKey }), permitted(clock, { joinKey })]
      expect(await Promise.all([recorder.admit(a), recorder.admit(b)])).toEqual([
        { kind: 'recorded' },
        { kind: 'joined', callId: a.call.id },
      ])
      await recorder.finish(finished(a.call.id, a.intent, 'completed', 'done'))
      expect(await recorder.admit(held(clock, { joinKey }))).toEqual({ kind: 'joined', callId: a.call.id })
      recorder.delivered(a.call.id)
      clock.nowMs += 1
      await recorder.note(null, { kind: 'view', by: 'olga', what: 'nothing' })
      expect((await storage.calls.call(a.call.id))?.delivered).toBe(true)
      const c = permitted(clock, { joinKey })
      expect(await recorder.admit(c)).toEqual({ kind: 'recorded' })
      expect(await storage.calls.lastEqual(joinKey, c.call.id)).toEqual({ id: a.call.id, updatedAt: clock.nowMs - 1 })
    })

    test('a call in doubt is joined, a failed one that was handed over is not', async () => {
      const { recorder, clock } = store
      const joinKey = 'k'.repeat(64)
      const a = permitted(clock, { joinKey })
      await recorder.admit(a)
      await recorder.finish(finished(a.call.id, a.intent, 'in_doubt'))
      recorder.delivered(a.call.id)
      await recorder.note(null, { kind: 'view', by: 'olga', what: 'nothing' })
      expect(await recorder.admit(permitted(clock, { joinKey }))).toEqual({ kind: 'joined', callId: a.call.id })
      expect(await recorder.resolve(a.call.id, 'bob', 'DID_NOT_HAPPEN', 'the ledger has nothing')).toBe(true)
      expect(await recorder.admit(permitted(clock, { joinKey }))).toEqual({ kind: 'recorded' })
    })

    test('a denied call joins nothing and is joined by nothing', async () => {
      const { recorder, clock } = store
      const joinKey = 'l'.repeat(64)
      expect(await recorder.admit(permitted(clock, { joinKey }))).toEqual({ kind: 'recorded' })
      expect(await recorder.admit(denied(clock, { joinKey }))).toEqual({ kind: 'recorded' })
    })

    test('hand-over is written without another unit to ride with', async () => {
      const { recorder, clock, storage } = store
      const unit = permitted(clock, { joinKey: 'm'.repeat(64) })
      await recorder.admit(unit)
      await recorder.finish(finished(unit.call.id, unit.intent))
      recorder.delivered(unit.call.id)
      await expect.poll(async () => (await storage.calls.call(unit.call.id))?.delivered).toBe(true)
    })
  })

  describe('holds', () => {
    test('open, approve, release: once, with all entries', async () => {
      const { recorder, clock, storage } = store
      const unit = held(clock)
      expect(await recorder.admit(unit)).toEqual({ kind: 'recorded' })
      expect(await storage.calls.hold(unit.hold.id)).toEqual(unit.hold)
      expect(await storage.calls.releasable(10)).toEqual([])
      clock.nowMs += 5
      expect(await approve(unit)).toBe(true)
      const now = { ...unit.hold, state: 'approved', decidedAt: clock.now() }
      expect(await storage.calls.releasable(10)).toEqual([now])
      expect(await storage.calls.votes(unit.hold.id)).toEqual([vote(clock, unit.hold.id)])
      const release = releaseOf(unit, unit.hold)
      const results = await Promise.all([recorder.release(release), recorder.release(releaseOf(unit, unit.hold))])
      expect(results).toEqual([{ kind: 'recorded' }, { kind: 'lost' }])
      expect(await recorder.release(releaseOf(unit, unit.hold))).toEqual({ kind: 'lost' })
      await recorder.finish(finished(unit.call.id, release.intent))
      expect(await state(unit.call.id)).toBe('completed')
      expect(await kinds(unit.call.id)).toEqual([
        'decision',
        'hold.opened',
        'vote',
        'hold.changed',
        'decision',
        'hold.changed',
        'intent',
        'outcome',
      ])
    })

    test.each([
      ['an open hold', (unit: ReturnType<typeof held>) => Promise.resolve(unit.hold.digest)],
      ['another digest', (unit: ReturnType<typeof held>) => approve(unit).then(() => 'f'.repeat(64))],
    ] as const)('%s is not released', async (_title, prepare) => {
      const unit = held(store.clock)
      await store.recorder.admit(unit)
      const digest = await prepare(unit)
      expect(await store.recorder.release(releaseOf(unit, { ...unit.hold, digest }))).toEqual({ kind: 'lost' })
    })

    test('after its expiry a hold is neither voted on, approved nor released; before it does not expire', async () => {
      const { recorder, clock, storage } = store
      const open = held(clock, { lifeMs: 100 })
      const ready = held(clock, { lifeMs: 100 })
      await recorder.admit(open)
      await recorder.admit(ready)
      await approve(ready)
      const expire = (unit: typeof open): Promise<boolean> =>
        recorder.changeHold({ hold: unit.hold.id, callId: unit.call.id, to: 'expired', callState: 'expired', by: 'gatehouse' })
      expect(await expire(open)).toBe(false)
      clock.nowMs += 100
      expect(await approve(open)).toBe(false)
      expect(await recorder.changeHold({ ...cancelOf(open), voteOnly: true, vote: vote(clock, open.hold.id, 'carl') })).toBe(false)
      expect(await recorder.changeHold(cancelOf(open))).toBe(false)
      expect(await recorder.release(releaseOf(ready, ready.hold))).toEqual({ kind: 'lost' })
      expect((await storage.calls.expiredHolds(clock.now(), 10)).map(({ id }) => id)).toEqual([open.hold.id, ready.hold.id].sort())
      expect(await expire(open)).toBe(true)
      expect(await expire(ready)).toBe(true)
      expect(await expire(ready)).toBe(false)
      expect(await state(ready.call.id)).toBe('expired')
      expect(await storage.calls.votes(open.hold.id)).toEqual([])
    })

    const cancelOf = (unit: ReturnType<typeof held>) =>
      ({ hold: unit.hold.id, callId: unit.call.id, to: 'cancelled', callState: 'cancelled', by: 'helper' }) as const

    test('of two who decide at once one wins', async () => {
      const { recorder, clock } = store
      const unit = held(clock)
      await recorder.admit(unit)
      const reject = recorder.changeHold({
        ...cancelOf(unit),
        to: 'rejected',
        callState: 'rejected',
        vote: vote(clock, unit.hold.id, 'carl', 'reject'),
      })
      expect(await Promise.all([reject, approve(unit)])).toEqual([true, false])
      expect(await state(unit.call.id)).toBe('rejected')
    })

    test('a vote that decides nothing, and no second vote of one person', async () => {
      const { recorder, clock, storage } = store
      const unit = held(clock)
      await recorder.admit(unit)
      const half = { ...cancelOf(unit), voteOnly: true, digest: unit.hold.digest, vote: vote(clock, unit.hold.id, 'carl') }
      expect(await recorder.changeHold({ ...half, digest: 'f'.repeat(64) })).toBe(false)
      expect(await recorder.changeHold(half)).toBe(true)
      expect(await recorder.changeHold(half)).toBe(false)
      expect(await recorder.changeHold({ ...half, voteOnly: false, to: 'approved', callState: 'approved' })).toBe(false)
      expect((await storage.calls.hold(unit.hold.id))?.state).toBe('open')
      expect(await kinds(unit.call.id)).toEqual(['decision', 'hold.opened', 'vote'])
    })

    test('a new decision replaces a hold, and today’s policies a denied one', async () => {
      const { recorder, clock, storage } = store
      const unit = held(clock)
      await recorder.admit(unit)
      await approve(unit)
      const replacement = newHold(clock, unit.call.id)
      const redecision = { request: unit.request, decision: unit.decision }
      expect(
        await recorder.changeHold({ ...cancelOf(unit), to: 'superseded', callState: 'held', by: 'gatehouse', redecision, replacement }),
      ).toBe(true)
      expect(await storage.calls.call(unit.call.id)).toMatchObject({ state: 'held', holdId: replacement.id })
      expect((await storage.calls.hold(unit.hold.id))?.state).toBe('superseded')
      // The old approval is worth nothing now.
      expect(await recorder.release(releaseOf(unit, unit.hold))).toEqual({ kind: 'lost' })
      const second = { ...unit, hold: replacement }
      expect(await approve(second)).toBe(true)
      const no = denied(clock).decision
      expect(
        await recorder.changeHold({
          ...cancelOf(second),
          to: 'denied',
          callState: 'denied',
          redecision: { request: unit.request, decision: no },
        }),
      ).toBe(true)
      expect(await storage.calls.call(unit.call.id)).toMatchObject({ state: 'denied', denyReason: 'forbidden', policies: ['f1'] })
    })

    test('the bound on open holds counts in the same transaction', async () => {
      const { recorder, clock } = store
      const results = await Promise.all(Array.from({ length: 5 }, () => recorder.admit(held(clock, { openHoldsMax: 3 }))))
      expect(results.map(({ kind }) => kind)).toEqual(['recorded', 'recorded', 'recorded', 'too_many_holds', 'too_many_holds'])
    })
  })

  describe('calls that wait for a turn, calls in doubt', () => {
    test('a turn comes once, or is given up', async () => {
      const { recorder, clock } = store
      const [a, b] = [approved(clock), approved(clock)]
      await recorder.admit(a)
      await recorder.admit(b)
      expect(await Promise.all([recorder.release(releaseOf(a, null)), recorder.release(releaseOf(a, null))])).toEqual([
        { kind: 'recorded' },
        { kind: 'lost' },
      ])
      await recorder.cancelUnstarted(a.call.id, 'too late')
      await recorder.cancelUnstarted(b.call.id, 'another field failed')
      expect([await state(a.call.id), await state(b.call.id)]).toEqual(['executing', 'cancelled'])
      expect(await recorder.release(releaseOf(b, null))).toEqual({ kind: 'lost' })
      expect(await kinds(b.call.id)).toEqual(['decision', 'cancelled'])
    })

    test('a person ends a call in doubt once; an outcome that comes later stays an entry', async () => {
      const { recorder, clock } = store
      const unit = permitted(clock)
      await recorder.admit(unit)
      expect(await recorder.resolve(unit.call.id, 'bob', 'HAPPENED', 'seen')).toBe(false)
      await recorder.finish(finished(unit.call.id, unit.intent, 'in_doubt'))
      expect(
        await Promise.all([
          recorder.resolve(unit.call.id, 'bob', 'DID_NOT_HAPPEN', 'the ledger has nothing'),
          recorder.resolve(unit.call.id, 'carl', 'HAPPENED', 'I saw it'),
        ]),
      ).toEqual([true, false])
      await recorder.finish(finished(unit.call.id, unit.intent, 'completed'))
      expect(await state(unit.call.id)).toBe('failed')
      expect(await kinds(unit.call.id)).toEqual(['decision', 'intent', 'outcome', 'resolved', 'outcome'])
    })

    test('what a process that is gone left behind: in doubt or cancelled, with entries, until a late outcome', async () => {
      const { recorder, clock, storage, signals } = store
      const [running, waiting, hold, mine] = [permitted(clock), approved(clock), held(clock), permitted(clock)]
      for (const unit of [running, waiting, hold, mine]) await recorder.admit(unit)
      const { db } = storage.database
      await db.insertInto('process').values({ id: 'gone', started_ms: 0, heartbeat_ms: 0, session: 1 }).execute()
      const ids = [running.call.id, waiting.call.id, hold.call.id]
      await db.updateTable('call').set({ process: 'gone' }).where('id', 'in', ids).execute()
      await db.updateTable('execution').set({ process: 'gone' }).where('call_id', '=', running.call.id).execute()
      signals.length = 0
      expect([...(await storage.takeOverLapsed())].sort()).toEqual([running.call.id, waiting.call.id].sort())
      expect(await Promise.all([running, waiting, hold, mine].map(({ call }) => state(call.id)))).toEqual([
        'in_doubt',
        'cancelled',
        'held',
        'executing',
      ])
      expect(signals.length).toBe(2)
      expect(await storage.takeOverLapsed()).toEqual([])
      expect(await kinds(running.call.id)).toEqual(['decision', 'intent', 'lapsed'])
      await recorder.finish(finished(running.call.id, running.intent, 'completed', 'late'))
      expect(await storage.calls.call(running.call.id)).toMatchObject({ state: 'completed', resultKept: 'kept' })
    })

    test('a process that was declared gone by mistake goes on under a new id', async () => {
      const { recorder, clock, storage } = store
      const before = lastProcess()
      const running = permitted(clock)
      await recorder.admit(running)
      await storage.database.db.updateTable('process').set({ lapsed_at_ms: 1 }).where('id', '=', before).execute()
      const next = permitted(clock)
      expect(await recorder.admit(next)).toEqual({ kind: 'recorded' })
      expect(lastProcess()).not.toBe(before)
      expect((await storage.calls.entries(next.call.id)).map(({ process, seq }) => [process, seq])).toEqual([
        [lastProcess(), 1],
        [lastProcess(), 2],
      ])
      expect(await storage.takeOverLapsed()).toEqual([running.call.id])
    })
  })

  describe('the sequence', () => {
    test('is dense and in order under 500 units at once', async () => {
      const { recorder, clock, storage } = store
      const units = Array.from({ length: 500 }, (_, i) => {
        if (i % 7 === 0) return permitted(clock, { key: { scope: 'one', digest: 'd' } })
        if (i % 7 === 1) return denied(clock)
        if (i % 7 === 2) return permitted(clock, { epoch: 0 })
        if (i % 7 === 3) return held(clock)
        return permitted(clock)
      })
      await Promise.all(
        units.map(async (unit) => {
          const result = await recorder.admit(unit)
          if (result.kind === 'recorded' && unit.intent) await recorder.finish(finished(unit.call.id, unit.intent))
        }),
      )
      const rows = await storage.database.db
        .selectFrom('entry')
        .select(['process', 'seq', 'at_ms'])
        .orderBy('process')
        .orderBy('seq')
        .execute()
      const seen = new Map<string, { seq: number; at: number }>()
      for (const { process, seq, at_ms } of rows) {
        const last = seen.get(process)
        expect(seq).toBe((last?.seq ?? 0) + 1)
        expect(at_ms).toBeGreaterThanOrEqual(last?.at ?? 0)
        seen.set(process, { seq, at: at_ms })
      }
    })

    test('entries are never changed or removed', async () => {
      const { db } = store.storage.database
      await expect(db.updateTable('entry').set({ kind: 'view' }).execute()).rejects.toThrow('never changed')
      await expect(db.deleteFrom('entry').execute()).rejects.toThrow('never removed')
    })

    test('is read in pages from any position', async () => {
      const { storage } = store
      const all = []
      for (let position: Parameters<typeof storage.calls.entriesAfter>[0] = null; ; ) {
        const page = await storage.calls.entriesAfter(position, 50)
        all.push(...page)
        const last = page.at(-1)
        if (!last) break
        position = { at: last.at, process: last.process, seq: last.seq }
      }
      const { count } = await storage.database.db
        .selectFrom('entry')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow()
      expect(new Set(all.map(({ process, seq }) => `${process} ${seq}`)).size).toBe(count)
      expect(all.length).toBe(count)
    })
  })

  describe('pages of calls and holds', () => {
    test('every filter, newest first, without gaps or repeats', async () => {
      const { recorder, clock, storage } = store
      const units = []
      for (let i = 0; i < 12; i++) {
        clock.nowMs += 1
        const sample = { run: i % 2 === 0 ? 'even' : null, operation: i < 6 ? 'orders' : 'customers', subject: i % 3 === 0 ? 'pia' : null }
        const unit = i % 4 === 0 ? denied(clock, sample) : i % 4 === 1 ? held(clock, sample) : permitted(clock, sample)
        units.push(unit)
        await recorder.admit(unit)
      }
      const newest = units.map(({ call }) => call).reverse()
      const idsOf = async (filter: Parameters<typeof storage.calls.calls>[0]): Promise<CallId[]> => {
        const found: CallId[] = []
        for (let after: CallId | undefined; ; ) {
          const page = await storage.calls.calls(filter, { first: 2, ...(after === undefined ? {} : { after }) })
          found.push(...page.rows.map(({ id }) => id))
          after = page.rows.at(-1)?.id
          if (!page.more) return found
        }
      }
      const since = units[4]?.call.createdAt ?? clock.now()
      const tables: [Parameters<typeof storage.calls.calls>[0], (call: (typeof newest)[number]) => boolean][] = [
        [{}, () => true],
        [{ agent: 'helper' }, () => true],
        [{ agent: 'other' }, () => false],
        [{ subject: 'pia' }, ({ subject }) => subject === 'pia'],
        [{ run: 'even' }, ({ run }) => run === 'even'],
        [{ operation: 'crm.orders' }, ({ operation }) => operation === 'crm.orders'],
        [{ connector: 'crm', door: 'http' }, () => true],
        [{ door: 'mcp' }, () => false],
        [{ state: [] }, () => false],
        [{ state: ['held'] }, (call) => call.state === 'held'],
        [{ state: ['executing'] }, (call) => call.state === 'executing'],
        [{ state: ['executing', 'denied'] }, (call) => call.state === 'executing' || call.state === 'denied'],
        [{ since }, (call) => call.createdAt >= since],
        [{ until: since }, (call) => call.createdAt < since],
      ]
      for (const [filter, matches] of tables) {
        expect(await idsOf(filter), JSON.stringify(filter)).toEqual(newest.filter(matches).map(({ id }) => id))
      }
    })

    test('holds by group, by state, next to expire first', async () => {
      const { recorder, clock, storage } = store
      const units = [300, 100, 200].map((lifeMs) => held(clock, { lifeMs: lifeMs * 1000 }))
      for (const unit of units) await recorder.admit(unit)
      const [long, short, middle] = units.map(({ hold }) => hold.id)
      const first = await storage.calls.holds({ orderBy: 'EXPIRES', state: ['open'], groups: ['finance', 'legal'] }, { first: 2 })
      expect(first.rows.map(({ id }) => id)).toEqual([short, middle])
      expect(first.more).toBe(true)
      const next = await storage.calls.holds({ orderBy: 'EXPIRES', state: ['open'] }, { first: 2, ...(middle ? { after: middle } : {}) })
      expect(next).toMatchObject({ rows: [{ id: long }], more: false })
      expect((await storage.calls.holds({ orderBy: 'NEWEST', groups: ['legal'] }, { first: 2 })).rows).toEqual([])
      expect((await storage.calls.holds({ orderBy: 'NEWEST', agent: 'helper' }, { first: 9 })).rows.length).toBe(3)
    })

    test('what is not there is undefined', async () => {
      const id = newCallId(1, new Uint8Array(16))
      expect(await store.storage.calls.call(id)).toBeUndefined()
      expect(await store.storage.calls.entries(id)).toEqual([])
      expect(await store.storage.calls.lastEqual('x', id)).toBeUndefined()
    })
  })

  describe('registry', () => {
    const change = async (seeds: Parameters<Storage['registry']>[0]): Promise<RunningRegistry> => store.storage.registry(seeds, [])

    test('configuration registers, changes raise the epoch, an operator’s word stays, a retired name stays taken', async () => {
      const first = await change([seed('helper'), seed('other'), seed('rita')])
      expect(first.agent('rita')).toMatchObject({ status: 'active', epoch: 1, owner: 'ann' })
      const same = await change([seed('helper'), seed('other'), seed('rita')])
      expect(same.agent('rita')?.epoch).toBe(1)
      const moved = await change([seed('helper'), seed('other'), seed('rita', { roles: ['writer'] })])
      expect(moved.agent('rita')).toMatchObject({ epoch: 2, roles: ['writer'] })
      expect(await moved.setStatus('rita', 'suspended', 'olga', 'odd calls')).toMatchObject({ status: 'suspended', epoch: 3 })
      const kept = await change([seed('helper'), seed('other'), seed('rita', { roles: ['writer'], status: 'active' })])
      expect(kept.agent('rita')).toMatchObject({ status: 'suspended', epoch: 3 })
      await kept.setStatus('rita', 'retired', 'olga')
      const after = await change([seed('helper'), seed('other'), seed('rita', { owner: 'zoe' })])
      expect(after.agent('rita')).toMatchObject({ status: 'retired', owner: 'ann' })
      await expect(after.setStatus('rita', 'active', 'olga')).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(after.setStatus('nobody', 'active', 'olga')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    })

    test('an agent taken out of configuration is suspended, put back it is active', async () => {
      await change([seed('helper'), seed('other'), seed('temp')])
      const without = await change([seed('helper'), seed('other')])
      expect(without.agent('temp')).toMatchObject({ status: 'suspended', epoch: 2 })
      const back = await change([seed('helper'), seed('other'), seed('temp')])
      expect(back.agent('temp')).toMatchObject({ status: 'active', epoch: 3 })
    })

    test('another registry hears of a change', async () => {
      const other = await change([seed('helper'), seed('other')])
      await store.registry.setStatus('helper', 'suspended', 'olga')
      await expect.poll(() => other.agent('helper')?.status).toBe('suspended')
      await store.registry.setStatus('helper', 'active', 'olga')
      await other.refresh()
      expect(other.agent('helper')?.status).toBe('active')
      await reset()
    })

    /** The other tests count on epoch 1. */
    const reset = async (): Promise<void> => {
      const { db } = store.storage.database
      await sql`truncate agent`.execute(db)
      await sql`update agent_change set counter = 0`.execute(db)
      await closeTestStore(store)
      store = await openTestStore(database)
    }

    test('people and their groups', () => {
      expect(store.registry.members('finance')).toEqual(['bob'])
      expect(store.registry.members('nobody')).toEqual([])
      expect(store.registry.person('bob')?.groups).toEqual(['finance'])
      expect(store.registry.person('eve')).toBeUndefined()
    })
  })

  describe('credentials', () => {
    const row = (version: number) => ({
      connector: 'crm',
      credential: 'key',
      version,
      kind: 'header',
      sealed: `sealed ${version}`,
      setAtMs: 7,
    })

    test('each version once, in order, with its entry', async () => {
      const { credentials } = store.storage
      expect(await credentials.write(row(2), 'olga')).toBe(false)
      expect(await Promise.all([credentials.write(row(1), 'olga'), credentials.write(row(1), 'otto')])).toEqual([true, false])
      expect(await credentials.write(row(3), 'olga')).toBe(false)
      expect(await credentials.write(row(2), 'olga')).toBe(true)
      expect(await credentials.write(row(2), 'olga')).toBe(false)
      expect(await credentials.read('crm', 'key')).toEqual(row(2))
      expect(await credentials.read('crm', 'other')).toBeUndefined()
      expect(await credentials.list()).toEqual([row(2)])
      const entries = await store.storage.database.db.selectFrom('entry').select('body').where('kind', '=', 'credential.set').execute()
      expect(entries.map(({ body }) => body)).toEqual([
        { kind: 'credential.set', connector: 'crm', credential: 'key', version: 1, by: 'olga' },
        { kind: 'credential.set', connector: 'crm', credential: 'key', version: 2, by: 'olga' },
      ])
    })
  })

  test('a policy set that becomes active is an entry, one that stays is not', async () => {
    const { storage, recorder, clock } = store
    const count = async (): Promise<number> =>
      (await storage.database.db.selectFrom('entry').select('seq').where('kind', '=', 'policy.activated').execute()).length
    const before = await count()
    await storage.activatePolicySet(POLICY_SET, {})
    expect(await count()).toBe(before)
    await storage.activatePolicySet('e'.repeat(64), {})
    expect(await recorder.admit(permitted(clock))).toEqual({ kind: 'stale', what: 'policies' })
    await storage.activatePolicySet(POLICY_SET, {})
    expect(await count()).toBe(before + 2)
    expect(await recorder.admit(permitted(clock))).toEqual({ kind: 'recorded' })
  })
}
