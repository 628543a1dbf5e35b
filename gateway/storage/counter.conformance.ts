import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import { decimalText } from '../core/decimal.ts'
import { LIMITS } from '../limits.ts'
import type { CounterQuestion, DecidingResult, Release } from '../ports/recorder.ts'
import { asking, CLEAN, cleanOf, DAY_MS, HOUR_MS, paidBy, payment, type Payment, recipient, SERIES, YEAR_MS } from './test-counters.ts'
import { activateEmptySet } from './test-policy-sets.ts'
import { approve, epochOf, kinds, state, type TestStore, vote } from './test-store.ts'
import { approved, finished, held, POLICY_SET, releaseOf } from './test-units.ts'

const effect = (result: DecidingResult): string =>
  result.kind === 'admitted' ? `${result.result.kind} ${result.unit.decision.verdict.effect}` : result.kind

const END_OF_DECIMAL = '922337203685477.5807'

/** History facts: counted, reserved with the decision, given back. */
export function counterConformance(at: () => TestStore): void {
  const ask = async (kind: CounterQuestion['kind'], keys: readonly string[], windowMs?: number): Promise<unknown> => {
    const answers = await at().storage.calls.counters([asking(kind, keys, windowMs)], at().clock.now())
    const answer = answers.get(kind)
    return answer?.kind === 'value' ? answer.value : answer
  }
  const paid = (windowMs?: number): Promise<unknown> => ask('sum', [paidBy('helper')], windowMs)
  const pay = async (sample?: Parameters<typeof payment>[1]): Promise<Payment> => {
    const unit = payment(at().clock, { cap: Number.POSITIVE_INFINITY, ...sample })
    expect(effect(await at().recorder.decide(unit))).toBe('recorded permit')
    return unit
  }
  const end = ({ callId, intent }: Payment, kind: Parameters<typeof finished>[2]): Promise<void> =>
    at().recorder.finish({ ...finished(callId, intent, kind), reserved: true })

  describe('counters', () => {
    beforeEach(() => activateEmptySet(at().storage.policySets, POLICY_SET, SERIES))

    test('50 payments of 2,000 at once against a cap of 5,000: two', async () => {
      const results = await Promise.all(Array.from({ length: 50 }, () => at().recorder.decide(payment(at().clock))))
      expect(results.map(effect).sort()).toEqual([...Array(48).fill('recorded deny'), ...Array(2).fill('recorded permit')])
      expect(await paid()).toBe('4000.0')
    })

    test('calls with many values, more than one transaction takes: each counts once', async () => {
      const to = Array.from({ length: 900 }, (_, i) => `r${i}`)
      const units = Array.from({ length: 8 }, () => payment(at().clock, { cap: Number.POSITIVE_INFINITY, to }))
      expect((await Promise.all(units.map((unit) => at().recorder.decide(unit)))).map(effect)).toEqual(Array(8).fill('recorded permit'))
      expect([await paid(), await ask('unseen', [...to, 'another'].map(recipient))]).toEqual(['16000.0', 1])
      for (const unit of units) await end(unit, 'failed')
      expect(await ask('unseen', to.map(recipient))).toBe(900)
    })

    test('what is reserved stands in the intent', async () => {
      const unit = await pay({ to: ['a', 'b'] })
      const entries = await at().storage.calls.entries(unit.callId)
      const reserves = [
        { key: paidBy('helper'), amount: '2000.0' },
        { key: recipient('a'), amount: null },
        { key: recipient('b'), amount: null },
      ]
      expect(entries.map(({ body }) => body)).toMatchObject([{ kind: 'decision' }, { kind: 'intent', reserves }])
    })

    test('an approved hold reserves when it is released, and is decided on what was counted meanwhile', async () => {
      const { recorder, clock } = at()
      const unit = held(clock)
      await recorder.admit(unit)
      await approve(at(), unit)
      await pay()
      const key = paidBy('helper')
      const release: Release = { ...releaseOf(unit, unit.hold), reserves: [{ key, amount: '10.0' }] }
      const seen: unknown[] = []
      const result = await recorder.decide({
        ...{ callId: unit.call.id, agent: 'helper', counters: [asking('sum', [key])], reserves: [key], repeats: null },
        decide(answers) {
          seen.push(answers.get('sum'))
          return { kind: 'release', unit: release }
        },
      })
      expect(result).toMatchObject({ kind: 'released', result: { kind: 'recorded' } })
      expect(seen).toEqual([{ kind: 'value', value: '2000.0' }])
      expect(await paid()).toBe('2010.0')
      await recorder.finish({ ...finished(unit.call.id, release.intent, 'failed'), reserved: true })
      expect(await paid()).toBe('2000.0')
    })

    test('nothing is reserved by what is held, stale, refused, or repeats another call', async () => {
      const { recorder, clock } = at()
      expect(effect(await recorder.decide(payment(clock, { make: held })))).toBe('recorded hold')
      expect(effect(await recorder.decide(payment(clock, { sample: { epoch: 7 } })))).toBe('stale permit')
      expect(effect(await recorder.decide(payment(clock, { cap: 0 })))).toBe('recorded deny')
      expect(await paid()).toBe('0.0')
      const joinKey = 'j'.repeat(64)
      await pay({ sample: { joinKey } })
      expect(effect(await recorder.decide(payment(clock, { sample: { joinKey } })))).toBe('repeated')
      const key = { scope: 's', digest: 'd' }
      await pay({ sample: { key } })
      expect(effect(await recorder.decide(payment(clock, { sample: { key } })))).toBe('repeated')
      expect(await paid()).toBe('4000.0')
    })

    test('a suspension binds at once', async () => {
      const { recorder, registry, clock } = at()
      const sample = { agent: 'other', epoch: epochOf(at(), 'other') }
      await registry.setStatus('other', 'suspended', 'olga')
      expect(await recorder.decide(payment(clock, { sample }))).toMatchObject({ result: { kind: 'stale', what: 'agent' } })
      await registry.setStatus('other', 'active', 'olga')
      expect(await ask('sum', [paidBy('other')])).toBe('0.0')
    })

    test('a decision that throws, or that is about something else, fails alone', async () => {
      const { recorder, clock } = at()
      const broken = (change: Partial<Payment>): Payment => ({ ...payment(clock), ...change })
      const other = payment(clock)
      const units = [
        payment(clock),
        broken({
          decide() {
            throw new Error('no such policy')
          },
        }),
        broken({ decide: (...given) => other.decide(...given) }),
        { ...payment(clock, { to: ['a'] }), reserves: [paidBy('helper')] },
        payment(clock),
      ]
      const results = await Promise.allSettled(units.map((unit) => recorder.decide(unit)))
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled'])
      expect(await paid()).toBe('4000.0')
    })

    test.each(['-1.0', '0.00001', '922337203685477.5808'])(
      'an amount of %s is refused, and nothing of its call is written',
      async (amount) => {
        const { recorder, clock } = at()
        const [good, bad] = [payment(clock), payment(clock, { amount, cap: Number.POSITIVE_INFINITY })]
        const results = await Promise.allSettled([bad, good].map((unit) => recorder.decide(unit)))
        expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
        expect(await state(at(), bad.callId)).toBeUndefined()
        expect(await paid()).toBe('2000.0')
      },
    )

    test('sums are exact to four places, up to what a decimal holds', async () => {
      for (const amount of ['0.1', '0.2', '0.0001', '12.3']) await pay({ amount })
      expect(await paid()).toBe('12.6001')
      await pay({ amount: '922337203685464.9806' })
      expect(await paid()).toBe(END_OF_DECIMAL)
      await pay({ amount: '0.0001' })
      expect(await paid()).toEqual({ kind: 'unknown', why: expect.stringContaining('decimal') })
    })

    test('how many of several values are new, how many calls there were, and when the last one was', async () => {
      const { clock } = at()
      const keys = ['a', 'b', 'c'].map(recipient)
      expect(await ask('unseen', keys)).toBe(3)
      expect(await ask('last', [paidBy('helper')])).toBeNull()
      await pay({ to: ['a', 'c'] })
      clock.nowMs += 1_234
      await pay({ to: ['a'] })
      expect(await ask('unseen', keys)).toBe(1)
      expect(await ask('unseen', [])).toBe(0)
      expect(await ask('count', [paidBy('helper')])).toBe(2)
      expect(await ask('last', [paidBy('helper')])).toBe(clock.nowMs)
    })

    test('calls that another clock puts into the future count', async () => {
      await pay()
      const before = instant(at().clock.nowMs - 2 * DAY_MS)
      const answers = await at().storage.calls.counters([asking('sum', [paidBy('helper')])], before)
      expect(answers.get('sum')).toEqual({ kind: 'value', value: '2000.0' })
    })

    test.each([1_000, 60_000, HOUR_MS, DAY_MS, YEAR_MS])('a window of %i ms ends with its millisecond', async (windowMs) => {
      const { clock } = at()
      clock.nowMs += 12_345
      await pay()
      clock.nowMs += windowMs
      expect(await paid(windowMs)).toBe('2000.0')
      clock.nowMs += 1
      expect(await paid(windowMs)).toBe('0.0')
    })

    test('whatever the window and the gaps between calls: sum, count and last are those of a list', async () => {
      const key = paidBy('helper')
      const step = [1, 999, 1_000, 59_999, 60_000, HOUR_MS - 1, HOUR_MS, 7 * HOUR_MS, DAY_MS - 1, DAY_MS, 40 * DAY_MS]
      const windows = [1_000, 61_000, HOUR_MS, 25 * HOUR_MS, 30 * DAY_MS, YEAR_MS]
      const made = fc.record({ gap: fc.constantFrom(...step), units: fc.bigInt({ min: 0n, max: 99_999_999n }), given: fc.boolean() })
      await fc.assert(
        fc.asyncProperty(fc.array(made, { minLength: 5, maxLength: 25 }), async (calls) => {
          const { clock, storage } = at()
          clock.nowMs += 2 * YEAR_MS
          const list: { atMs: number; units: bigint }[] = []
          for (const { gap, units, given } of calls) {
            clock.nowMs += gap
            const unit = await pay({ amount: decimalText(units) })
            if (given) await end(unit, 'failed')
            else list.push({ atMs: clock.nowMs, units })
          }
          clock.nowMs += calls[0]?.gap ?? 0
          for (const windowMs of windows) {
            const within = list.filter(({ atMs }) => atMs >= clock.nowMs - windowMs)
            const questions = (['sum', 'count', 'last'] as const).map((kind) => asking(kind, [key], windowMs))
            const answers = await storage.calls.counters(questions, clock.now())
            expect([...answers.values()].map((answer) => answer.kind === 'value' && answer.value)).toEqual([
              decimalText(within.reduce((sum, { units }) => sum + units, 0n)),
              within.length,
              within.at(-1)?.atMs ?? null,
            ])
          }
        }),
        { numRuns: 6, seed: 20261123 },
      )
    })

    test('more calls in the minute that a window begins in than may be read: not known', async () => {
      const { clock, storage } = at()
      clock.nowMs += 90_000 - (clock.nowMs % 60_000)
      await pay()
      const { db } = storage.database
      const counter = await db.selectFrom('counter').select('id').executeTakeFirstOrThrow()
      const rows = Array.from({ length: LIMITS.factRowsPerKeyMax }, (_, i) => ({
        counter: counter.id,
        call_id: `c${i}`,
        at_ms: clock.nowMs,
        amount: '0',
      }))
      while (rows.length > 0) await db.insertInto('counter_event').values(rows.splice(0, 5_000)).execute()
      clock.nowMs += DAY_MS
      expect(await paid(DAY_MS + 1)).toEqual({ kind: 'unknown', why: expect.stringContaining('10000') })
      expect(await paid(YEAR_MS)).toBe('2000.0')
    })

    test('a counter that nobody declared, and one for a longer window than was counted, are not known', async () => {
      const question = { ...asking('sum', [paidBy('helper')]), series: 'f'.repeat(64) }
      const answers = await at().storage.calls.counters([question], at().clock.now())
      expect(answers.get('sum')).toEqual({ kind: 'unknown', why: expect.stringContaining('not counted yet') })
      expect(await paid(YEAR_MS + 1)).toMatchObject({ kind: 'unknown' })
    })

    test('what is counted under nothing leaves no row', async () => {
      const unit = await pay({ to: ['a'] })
      await end(unit, 'failed')
      await at().recorder.decide(payment(at().clock, { cap: 0, to: ['b', 'c'] }))
      for (const table of ['counter', 'counter_event', 'counter_bucket'] as const)
        expect(await at().storage.database.db.selectFrom(table).selectAll().execute()).toEqual([])
    })
  })

  describe('giving back', () => {
    beforeEach(() => activateEmptySet(at().storage.policySets, POLICY_SET, SERIES))

    test.each([
      ['failed', '0.0'],
      ['not_sent', '0.0'],
      ['in_doubt', '2000.0'],
      ['completed', '2000.0'],
    ] as const)('an outcome `%s` leaves a sum of %s, and not less when it is told again', async (kind, left) => {
      const unit = await pay()
      await end(unit, kind)
      await end(unit, kind)
      expect(await paid()).toBe(left)
      await pay()
      expect(await paid()).toBe(left === '0.0' ? '2000.0' : '4000.0')
    })

    test('a call in doubt keeps what it reserved until a person says that nothing happened', async () => {
      const { recorder } = at()
      const [a, b] = [await pay(), await pay()]
      for (const unit of [a, b]) await end(unit, 'in_doubt')
      expect(await recorder.resolve(a.callId, 'bob', 'HAPPENED', 'seen')).toBe(true)
      expect(await paid()).toBe('4000.0')
      expect(await recorder.resolve(b.callId, 'bob', 'DID_NOT_HAPPEN', 'the ledger has nothing')).toBe(true)
      expect(await paid()).toBe('2000.0')
      // A late word of the process changes nothing any more.
      await end(a, 'failed')
      expect(await paid()).toBe('2000.0')
    })

    test('a permitted call that waits for its turn has reserved, and gives back when the turn never comes', async () => {
      const unit = await pay({ make: approved })
      const [decision] = await at().storage.calls.entries(unit.callId)
      expect([decision?.body, await paid()]).toMatchObject([{ reserves: [{ amount: '2000.0' }] }, '2000.0'])
      for (let i = 0; i < 2; i++) await at().recorder.cancelUnstarted(unit.callId, 'another field failed')
      expect([await paid(), await kinds(at(), unit.callId)]).toEqual(['0.0', ['decision', 'cancelled']])
    })

    test('a process that is gone: what was sent keeps its reservation, what waited for a turn gives it back', async () => {
      const { storage } = at()
      const [running, waiting] = [await pay({ amount: '1.0' }), await pay({ amount: '10.0', make: approved })]
      const { db } = storage.database
      await db.updateTable('process').set({ lapsed_at_ms: 1 }).where('id', '=', storage.writer.process()).execute()
      expect([...(await storage.takeOverLapsed())].sort()).toEqual([running.callId, waiting.callId].sort())
      expect([await paid(), await state(at(), running.callId), await state(at(), waiting.callId)]).toEqual(['1.0', 'in_doubt', 'cancelled'])
    })
  })

  describe('streaks', () => {
    beforeEach(() => activateEmptySet(at().storage.policySets, POLICY_SET, SERIES))
    const streak = (): Promise<unknown> => ask('streak', [cleanOf('helper')])
    const judge = async (to: 'approved' | 'rejected'): Promise<boolean> => {
      const { recorder, clock } = at()
      const unit = held(clock)
      await recorder.admit(unit)
      const { id, digest } = unit.hold
      const verdict = to === 'approved' ? 'approve' : 'reject'
      const streaks = { counters: [{ series: CLEAN, key: cleanOf('helper') }], to: to === 'approved' ? 'one_more' : 'none' } as const
      const change = {
        hold: id,
        callId: unit.call.id,
        to,
        callState: to,
        by: 'bob',
        digest,
        vote: vote(clock, id, 'bob', verdict),
        streaks,
      }
      const done = await recorder.changeHold(change)
      expect(await recorder.changeHold(change)).toBe(false)
      return done
    }

    test('one more for every approval, none after a refusal, and a change that lost counts nothing', async () => {
      expect(await streak()).toBe(0)
      for (let i = 1; i <= 3; i++) expect([await judge('approved'), await streak()]).toEqual([true, i])
      expect([await judge('rejected'), await streak()]).toEqual([true, 0])
      expect([await judge('approved'), await streak()]).toEqual([true, 1])
    })

    test('a streak begins anew where policies did not count it for a while', async () => {
      await judge('approved')
      await activateEmptySet(at().storage.policySets, POLICY_SET, [])
      expect(await streak()).toMatchObject({ kind: 'unknown' })
      await activateEmptySet(at().storage.policySets, POLICY_SET, SERIES)
      expect(await streak()).toBe(0)
    })
  })
}
