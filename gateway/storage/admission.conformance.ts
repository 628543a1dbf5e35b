import { describe, expect, test } from 'vitest'
import { approve, epochOf, kinds, lastProcess, state, type TestStore } from './test-store.ts'
import { approved, denied, finished, held, outcomeOf, permitted, POLICY_SET, releaseOf } from './test-units.ts'

/** New calls and their outcomes: guards, keys, joining. */
export function admissionConformance(at: () => TestStore): void {
  describe('admit and finish', () => {
    test('a permitted call: decision and intent at once, the outcome after, the result kept', async () => {
      const { recorder, clock, storage, signals } = at()
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
      const unit = permitted(at().clock)
      await at().recorder.admit(unit)
      await at().recorder.finish(finished(unit.call.id, unit.intent, kind))
      expect(await state(at(), unit.call.id)).toBe(expected)
    })

    test('an outcome of another intent changes no call', async () => {
      const unit = permitted(at().clock)
      await at().recorder.admit(unit)
      await at().recorder.finish(finished(unit.call.id, permitted(at().clock).intent))
      expect(await state(at(), unit.call.id)).toBe('executing')
    })

    test('a denial needs no guards and leaves a decision', async () => {
      const unit = denied(at().clock, { epoch: 99 })
      expect(await at().recorder.admit(unit)).toEqual({ kind: 'recorded' })
      expect(await kinds(at(), unit.call.id)).toEqual(['decision'])
      expect(await at().storage.calls.call(unit.call.id)).toEqual(unit.call)
    })

    test('one unit that the database refuses takes no other down', async () => {
      const { recorder, clock } = at()
      const good = Array.from({ length: 20 }, () => permitted(clock))
      const bad = permitted(clock)
      const units = [...good.slice(0, 10), { ...bad, call: { ...bad.call, door: 'window' as 'http' } }, ...good.slice(10)]
      const results = await Promise.allSettled(units.map((unit) => recorder.admit(unit)))
      expect(results.map(({ status }) => status)).toEqual(units.map(({ call }) => (call.id === bad.call.id ? 'rejected' : 'fulfilled')))
      for (const { call } of good) expect(await state(at(), call.id)).toBe('executing')
      expect(await state(at(), bad.call.id)).toBeUndefined()
    })

    test('what names an agent as its text cannot be stored never passes for another', async () => {
      const unit = denied(at().clock, { subject: 'paul\0', run: 'r\0' })
      await at().recorder.admit(unit)
      expect((await at().storage.calls.call(unit.call.id))?.subject).toBe('paul\0')
      expect((await at().storage.calls.calls({ subject: 'paul' }, { first: 5 })).rows).toEqual([])
    })
  })

  describe('guards', () => {
    test.each([
      ['an older epoch', { epoch: 0 }, 'agent'],
      ['an agent that nobody registered', { agent: 'nobody' }, 'agent'],
      ['another policy set', { policySet: 'e'.repeat(64) }, 'policies'],
    ] as const)('%s is stale, and nothing is written', async (_title, sample, what) => {
      for (const unit of [permitted(at().clock, sample), approved(at().clock, sample), held(at().clock, sample)]) {
        expect(await at().recorder.admit(unit)).toEqual({ kind: 'stale', what })
        expect(await state(at(), unit.call.id)).toBeUndefined()
        expect(await kinds(at(), unit.call.id)).toEqual([])
      }
    })

    test('a suspension binds at once, for new calls, turns and approved holds', async () => {
      const { recorder, registry, clock } = at()
      const sample = { agent: 'other', epoch: epochOf(at(), 'other') }
      const waiting = approved(clock, sample)
      const hold = held(clock, sample)
      await recorder.admit(waiting)
      await recorder.admit(hold)
      expect(await approve(at(), hold)).toBe(true)
      await registry.setStatus('other', 'suspended', 'olga')
      expect(await recorder.admit(permitted(clock, sample))).toEqual({ kind: 'stale', what: 'agent' })
      expect(await recorder.release(releaseOf(waiting, null))).toEqual({ kind: 'stale', what: 'agent' })
      expect(await recorder.release(releaseOf(hold, hold.hold))).toEqual({ kind: 'stale', what: 'agent' })
      // Nor under the new epoch, as long as it is not active.
      expect(await recorder.admit(permitted(clock, { agent: 'other', epoch: epochOf(at(), 'other') }))).toEqual({
        kind: 'stale',
        what: 'agent',
      })
      await registry.setStatus('other', 'active', 'olga')
      expect(await recorder.admit(permitted(clock, { agent: 'other', epoch: epochOf(at(), 'other') }))).toEqual({ kind: 'recorded' })
    })

    test('a suspension beside a stream of calls: no intent of the old epoch after it', async () => {
      const { recorder, registry, clock, storage } = at()
      const epoch = epochOf(at(), 'other')
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
        .where('process', '=', lastProcess(at()))
        .execute()
      const suspendedAt = Math.max(...all.filter(({ kind }) => kind === 'agent.changed').map(({ seq }) => seq))
      for (const { unit, result } of done) {
        const written = all.filter(({ call_id }) => call_id === unit.call.id).map(({ seq }) => seq)
        expect(written.length).toBe(result.kind === 'recorded' ? 2 : 0)
        for (const seq of written) expect(seq).toBeLessThan(suspendedAt)
      }
      await registry.setStatus('other', 'active', 'olga')
    })
  })

  describe('idempotency keys', () => {
    test('one key and equal arguments: one call, the others join it, in one batch or later', async () => {
      const { recorder, clock } = at()
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
      expect(await kinds(at(), again.call.id)).toEqual([])
    })

    test('one key and other arguments', async () => {
      const { recorder, clock } = at()
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
      const { recorder, clock } = at()
      const key = { scope: 's', digest: 'd1' }
      expect(await recorder.admit(denied(clock, { key }))).toEqual({ kind: 'recorded' })
      expect(await recorder.admit(permitted(clock, { key: { scope: 's', digest: 'd2' } }))).toEqual({ kind: 'recorded' })
    })

    test('an expired key is free again', async () => {
      const { recorder, clock } = at()
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
      const { recorder, clock, storage } = at()
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
      const { recorder, clock } = at()
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
      const { recorder, clock } = at()
      const joinKey = 'l'.repeat(64)
      expect(await recorder.admit(permitted(clock, { joinKey }))).toEqual({ kind: 'recorded' })
      expect(await recorder.admit(denied(clock, { joinKey }))).toEqual({ kind: 'recorded' })
    })

    test('hand-over is written without another unit to ride with', async () => {
      const { recorder, clock, storage } = at()
      const unit = permitted(clock, { joinKey: 'm'.repeat(64) })
      await recorder.admit(unit)
      await recorder.finish(finished(unit.call.id, unit.intent))
      recorder.delivered(unit.call.id)
      await expect.poll(async () => (await storage.calls.call(unit.call.id))?.delivered).toBe(true)
    })
  })
}
