import { beforeEach, describe, expect, test } from 'vitest'
import type { CounterAnswer, Deciding, DecidingResult } from '../ports/recorder.ts'
import { asking, paidBy, payment, SERIES } from './test-counters.ts'
import { activateEmptySet } from './test-policy-sets.ts'
import { kinds, type TestStore } from './test-store.ts'
import { approved, finished, held, POLICY_SET } from './test-units.ts'

const effect = (result: DecidingResult): string =>
  result.kind === 'admitted' ? `${result.result.kind} ${result.unit.decision.verdict.effect}` : result.kind

/** History facts: counted, reserved with the decision, given back. */
export function counterConformance(at: () => TestStore): void {
  const answer = async (kind: Parameters<typeof asking>[0], key: string, windowMs?: number): Promise<CounterAnswer | undefined> =>
    (await at().storage.calls.counters([asking(kind, key, windowMs)], at().clock.now())).get(kind)
  const paid = async (agent = 'helper'): Promise<unknown> => {
    const sum = await answer('sum', paidBy(agent))
    return sum?.kind === 'value' ? sum.value : sum
  }
  const executing = async (unit: Deciding): Promise<void> => expect(effect(await at().recorder.decide(unit))).toBe('recorded permit')

  describe('counters', () => {
    beforeEach(() => activateEmptySet(at().storage.policySets, POLICY_SET, SERIES))

    test('50 payments of 2,000 at once against a cap of 5,000: two', async () => {
      const { recorder, clock } = at()
      const results = await Promise.all(Array.from({ length: 50 }, () => recorder.decide(payment(clock))))
      expect(results.map(effect).filter((text) => text === 'recorded permit').length).toBe(2)
      expect(results.map(effect).filter((text) => text === 'recorded deny').length).toBe(48)
      expect(await paid()).toBe('4000.0')
    })

    test('what is reserved stands in the intent', async () => {
      const unit = payment(at().clock)
      await executing(unit)
      const entries = await at().storage.calls.entries(unit.callId)
      expect(entries.map(({ body }) => body)).toMatchObject([
        { kind: 'decision' },
        { kind: 'intent', reserves: [{ key: paidBy('helper'), amount: '2000.0' }] },
      ])
    })

    test.each([
      ['failed', '0.0'],
      ['not_sent', '0.0'],
      ['in_doubt', '2000.0'],
      ['completed', '2000.0'],
    ] as const)('an outcome `%s` leaves a sum of %s, whoever says it twice', async (kind, left) => {
      const { recorder, clock } = at()
      const unit = payment(clock)
      await executing(unit)
      const end = { ...finished(unit.callId, unit.intent, kind), reserved: true }
      await recorder.finish(end)
      await recorder.finish(end)
      expect(await paid()).toBe(left)
    })

    test('a call in doubt keeps its reservation until a person says that nothing happened', async () => {
      const { recorder, clock } = at()
      const [a, b] = [payment(clock), payment(clock)]
      for (const unit of [a, b]) {
        await executing(unit)
        await recorder.finish({ ...finished(unit.callId, unit.intent, 'in_doubt'), reserved: true })
      }
      expect(await recorder.resolve(a.callId, 'bob', 'HAPPENED', 'seen')).toBe(true)
      expect(await paid()).toBe('4000.0')
      expect(await recorder.resolve(b.callId, 'bob', 'DID_NOT_HAPPEN', 'the ledger has nothing')).toBe(true)
      expect(await paid()).toBe('2000.0')
      // A late word of the process changes nothing any more.
      await recorder.finish({ ...finished(a.callId, a.intent, 'failed'), reserved: true })
      expect(await paid()).toBe('2000.0')
    })

    test('a permitted call that waits for its turn has reserved, and gives back when the turn never comes', async () => {
      const { recorder, clock } = at()
      const unit = payment(clock, { make: approved })
      await executing(unit)
      expect(await paid()).toBe('2000.0')
      const [decision] = await at().storage.calls.entries(unit.callId)
      expect(decision?.body).toMatchObject({ reserves: [{ amount: '2000.0' }] })
      await recorder.cancelUnstarted(unit.callId, 'another field failed')
      await recorder.cancelUnstarted(unit.callId, 'another field failed')
      expect(await paid()).toBe('0.0')
      expect(await kinds(at(), unit.callId)).toEqual(['decision', 'cancelled'])
    })

    test('nothing is reserved by what is held, stale, or repeats another call', async () => {
      const { recorder, clock } = at()
      expect(effect(await recorder.decide(payment(clock, { make: held })))).toBe('recorded hold')
      expect(effect(await recorder.decide(payment(clock, { sample: { epoch: 7 } })))).toBe('stale permit')
      const joinKey = 'j'.repeat(64)
      await executing(payment(clock, { sample: { joinKey } }))
      expect(effect(await recorder.decide(payment(clock, { sample: { joinKey } })))).toBe('repeated')
      expect(await paid()).toBe('2000.0')
    })
  })
}
