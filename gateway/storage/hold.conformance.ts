import { describe, expect, test } from 'vitest'
import { approve, kinds, lastProcess, state, vote, type TestStore } from './test-store.ts'
import { countUnsettled } from './unsettled.ts'
import { approved, denied, finished, held, newHold, permitted, releaseOf } from './test-units.ts'

/** Holds, calls that wait for a turn, calls in doubt. */
export function holdConformance(at: () => TestStore): void {
  describe('holds', () => {
    test('open, approve, release: once, with all entries', async () => {
      const { recorder, clock, storage } = at()
      const unit = held(clock)
      expect(await recorder.admit(unit)).toEqual({ kind: 'recorded' })
      expect(await storage.calls.hold(unit.hold.id)).toEqual(unit.hold)
      expect(await storage.calls.releasable(10)).toEqual([])
      clock.nowMs += 5
      expect(await approve(at(), unit)).toBe(true)
      const now = { ...unit.hold, state: 'approved', decidedAt: clock.now() }
      expect(await storage.calls.releasable(10)).toEqual([now])
      expect(await storage.calls.votes(unit.hold.id)).toEqual([vote(clock, unit.hold.id)])
      const release = releaseOf(unit, unit.hold)
      const results = await Promise.all([recorder.release(release), recorder.release(releaseOf(unit, unit.hold))])
      expect(results).toEqual([{ kind: 'recorded' }, { kind: 'lost' }])
      expect(await recorder.release(releaseOf(unit, unit.hold))).toEqual({ kind: 'lost' })
      await recorder.finish(finished(unit.call.id, release.intent))
      expect(await state(at(), unit.call.id)).toBe('completed')
      expect(await kinds(at(), unit.call.id)).toEqual([
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
      ['another digest', (unit: ReturnType<typeof held>) => approve(at(), unit).then(() => 'f'.repeat(64))],
    ] as const)('%s is not released', async (_title, prepare) => {
      const unit = held(at().clock)
      await at().recorder.admit(unit)
      const digest = await prepare(unit)
      expect(await at().recorder.release(releaseOf(unit, { ...unit.hold, digest }))).toEqual({ kind: 'lost' })
    })

    test('after its expiry a hold is neither voted on, approved nor released; before it does not expire', async () => {
      const { recorder, clock, storage } = at()
      const open = held(clock, { lifeMs: 100 })
      const ready = held(clock, { lifeMs: 100 })
      await recorder.admit(open)
      await recorder.admit(ready)
      await approve(at(), ready)
      const expire = (unit: typeof open): Promise<boolean> =>
        recorder.changeHold({ hold: unit.hold.id, callId: unit.call.id, to: 'expired', callState: 'expired', by: 'gatehouse' })
      expect(await expire(open)).toBe(false)
      clock.nowMs += 100
      expect(await approve(at(), open)).toBe(false)
      expect(await recorder.changeHold({ ...cancelOf(open), voteOnly: true, vote: vote(clock, open.hold.id, 'carl') })).toBe(false)
      expect(await recorder.changeHold(cancelOf(open))).toBe(false)
      expect(await recorder.release(releaseOf(ready, ready.hold))).toEqual({ kind: 'lost' })
      expect((await storage.calls.expiredHolds(clock.now(), 10)).map(({ id }) => id)).toEqual([open.hold.id, ready.hold.id].sort())
      expect(await expire(open)).toBe(true)
      expect(await expire(ready)).toBe(true)
      expect(await expire(ready)).toBe(false)
      expect(await state(at(), ready.call.id)).toBe('expired')
      expect(await storage.calls.votes(open.hold.id)).toEqual([])
    })

    const cancelOf = (unit: ReturnType<typeof held>) =>
      ({ hold: unit.hold.id, callId: unit.call.id, to: 'cancelled', callState: 'cancelled', by: 'helper' }) as const

    test('of two who decide at once one wins', async () => {
      const { recorder, clock } = at()
      const unit = held(clock)
      await recorder.admit(unit)
      const reject = recorder.changeHold({
        ...cancelOf(unit),
        to: 'rejected',
        callState: 'rejected',
        vote: vote(clock, unit.hold.id, 'carl', 'reject'),
      })
      expect(await Promise.all([reject, approve(at(), unit)])).toEqual([true, false])
      expect(await state(at(), unit.call.id)).toBe('rejected')
    })

    test('a vote that decides nothing, and no second vote of one person', async () => {
      const { recorder, clock, storage } = at()
      const unit = held(clock)
      await recorder.admit(unit)
      const half = { ...cancelOf(unit), voteOnly: true, digest: unit.hold.digest, vote: vote(clock, unit.hold.id, 'carl') }
      expect(await recorder.changeHold({ ...half, digest: 'f'.repeat(64) })).toBe(false)
      expect(await recorder.changeHold(half)).toBe(true)
      expect(await recorder.changeHold(half)).toBe(false)
      expect(await recorder.changeHold({ ...half, voteOnly: false, to: 'approved', callState: 'approved' })).toBe(false)
      expect((await storage.calls.hold(unit.hold.id))?.state).toBe('open')
      expect(await kinds(at(), unit.call.id)).toEqual(['decision', 'hold.opened', 'vote'])
    })

    test('a vote that was worked out with fewer votes than there are is not written', async () => {
      const { recorder, clock, storage } = at()
      const unit = held(clock)
      await recorder.admit(unit)
      const by = (name: string) => ({ ...cancelOf(unit), voteOnly: true, vote: vote(clock, unit.hold.id, name) })
      const first = ['carl', 'dora'].map((name) => recorder.changeHold({ ...by(name), votesBefore: 0 }))
      expect(await Promise.all(first)).toEqual([true, false])
      expect(await recorder.changeHold({ ...by('dora'), votesBefore: 1 })).toBe(true)
      expect((await storage.calls.votes(unit.hold.id)).map(({ voter }) => voter).sort()).toEqual(['carl', 'dora'])
    })

    test('a new decision replaces a hold, and today’s policies a denied one', async () => {
      const { recorder, clock, storage } = at()
      const unit = held(clock)
      await recorder.admit(unit)
      await approve(at(), unit)
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
      expect(await approve(at(), second)).toBe(true)
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
      const { recorder, clock } = at()
      const results = await Promise.all(Array.from({ length: 5 }, () => recorder.admit(held(clock, { openHoldsMax: 3 }))))
      expect(results.map(({ kind }) => kind)).toEqual(['recorded', 'recorded', 'recorded', 'too_many_holds', 'too_many_holds'])
    })
  })

  describe('calls that wait for a turn, calls in doubt', () => {
    test('a turn comes once, or is given up', async () => {
      const { recorder, clock } = at()
      const [a, b] = [approved(clock), approved(clock)]
      await recorder.admit(a)
      await recorder.admit(b)
      expect(await Promise.all([recorder.release(releaseOf(a, null)), recorder.release(releaseOf(a, null))])).toEqual([
        { kind: 'recorded' },
        { kind: 'lost' },
      ])
      await recorder.cancelUnstarted(a.call.id, 'too late')
      await recorder.cancelUnstarted(b.call.id, 'another field failed')
      expect([await state(at(), a.call.id), await state(at(), b.call.id)]).toEqual(['executing', 'cancelled'])
      expect(await recorder.release(releaseOf(b, null))).toEqual({ kind: 'lost' })
      expect(await kinds(at(), b.call.id)).toEqual(['decision', 'cancelled'])
    })

    test('a person ends a call in doubt once; an outcome that comes later stays an entry', async () => {
      const { recorder, clock } = at()
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
      expect(await state(at(), unit.call.id)).toBe('failed')
      expect(await kinds(at(), unit.call.id)).toEqual(['decision', 'intent', 'outcome', 'resolved', 'outcome'])
    })

    test('what waits for people is counted by state and expiry, up to a bound', async () => {
      const { recorder, clock, storage } = at()
      const { db } = storage.database
      const [soon, later, ready, gone] = [held(clock, { lifeMs: 100 }), held(clock), held(clock, { lifeMs: 100 }), held(clock)]
      for (const unit of [soon, later, ready, gone]) await recorder.admit(unit)
      await approve(at(), ready)
      await recorder.changeHold({ hold: gone.hold.id, callId: gone.call.id, to: 'cancelled', callState: 'cancelled', by: 'helper' })
      for (let i = 0; i < 3; i++) {
        const unit = permitted(clock)
        await recorder.admit(unit)
        if (i > 0) await recorder.finish(finished(unit.call.id, unit.intent, 'in_doubt'))
      }
      expect(await countUnsettled(db, clock.now() + 100, 10)).toEqual({ callsInDoubt: 2, holdsOpen: 2, holdsExpiring: 1 })
      expect(await countUnsettled(db, clock.now() + 99, 10)).toEqual({ callsInDoubt: 2, holdsOpen: 2, holdsExpiring: 0 })
      expect(await countUnsettled(db, clock.now() + 100, 1)).toEqual({ callsInDoubt: 1, holdsOpen: 1, holdsExpiring: 1 })
      expect(await storage.unsettled()).toEqual({ callsInDoubt: 2, holdsOpen: 2, holdsExpiring: 1 })
    })

    test('what a process that is gone left behind: in doubt or cancelled, with entries, until a late outcome', async () => {
      const { recorder, clock, storage, signals } = at()
      const [running, waiting, hold, mine] = [permitted(clock), approved(clock), held(clock), permitted(clock)]
      for (const unit of [running, waiting, hold, mine]) await recorder.admit(unit)
      const { db } = storage.database
      await db.insertInto('process').values({ id: 'gone', started_ms: 0, heartbeat_ms: 0, session: 1 }).execute()
      const ids = [running.call.id, waiting.call.id, hold.call.id]
      await db.updateTable('call').set({ process: 'gone' }).where('id', 'in', ids).execute()
      await db.updateTable('execution').set({ process: 'gone' }).where('call_id', '=', running.call.id).execute()
      signals.length = 0
      expect([...(await storage.takeOverLapsed())].sort()).toEqual([running.call.id, waiting.call.id].sort())
      expect(await Promise.all([running, waiting, hold, mine].map(({ call }) => state(at(), call.id)))).toEqual([
        'in_doubt',
        'cancelled',
        'held',
        'executing',
      ])
      expect(signals.length).toBe(2)
      expect(await storage.takeOverLapsed()).toEqual([])
      expect(await kinds(at(), running.call.id)).toEqual(['decision', 'intent', 'lapsed'])
      await recorder.finish(finished(running.call.id, running.intent, 'completed', 'late'))
      expect(await storage.calls.call(running.call.id)).toMatchObject({ state: 'completed', resultKept: 'kept' })
    })

    test('a process that was declared gone by mistake goes on under a new id', async () => {
      const { recorder, clock, storage } = at()
      const before = lastProcess(at())
      const running = permitted(clock)
      await recorder.admit(running)
      await storage.database.db.updateTable('process').set({ lapsed_at_ms: 1 }).where('id', '=', before).execute()
      const next = permitted(clock)
      expect(await recorder.admit(next)).toEqual({ kind: 'recorded' })
      expect(lastProcess(at())).not.toBe(before)
      expect((await storage.calls.entries(next.call.id)).map(({ process, seq }) => [process, seq])).toEqual([
        [lastProcess(at()), 1],
        [lastProcess(at()), 2],
      ])
      expect(await storage.takeOverLapsed()).toEqual([running.call.id])
    })
  })
}
