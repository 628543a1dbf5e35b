import { describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import type { CountedSeries } from '../ports/recorder.ts'
import { keepHouse } from './housekeeping.ts'
import { asking, DAY_MS, HOUR_MS, paidBy, paidSeries, payment, recipient, SERIES, YEAR_MS } from './test-counters.ts'
import { activateEmptySet } from './test-policy-sets.ts'
import { approve, type TestStore } from './test-store.ts'
import { approved, denied, finished, held, permitted, POLICY_SET, releaseOf, type Sample } from './test-units.ts'

/** Counters of facts that are declared after the calls that they count, and what nobody asks for any more. */
export function counterSeriesConformance(at: () => TestStore): void {
  const activate = (series: readonly CountedSeries[]): Promise<void> => activateEmptySet(at().storage.policySets, POLICY_SET, series)
  const paid = async (windowMs = YEAR_MS): Promise<unknown> => {
    const answers = await at().storage.calls.counters([asking('sum', [paidBy('helper')], windowMs)], at().clock.now())
    const answer = answers.get('sum')
    return answer?.kind === 'value' ? answer.value : answer?.kind
  }
  /** No series yet: what is done from here on is not counted. */
  const uncounted = async (): Promise<void> => {
    await activate([])
    await at().storage.database.db.deleteFrom('counter_series').execute()
  }
  const execute = async (sample: Sample, end: Parameters<typeof finished>[2] | 'executing' = 'completed') => {
    const unit = permitted(at().clock, sample)
    await at().recorder.admit(unit)
    if (end !== 'executing') await at().recorder.finish(finished(unit.call.id, unit.intent, end))
    return unit
  }
  const events = async (): Promise<number> =>
    (await at().storage.database.db.selectFrom('counter_event').select('counter').execute()).length

  describe('a series that is counted from now on', () => {
    test('its past comes from the record: executed, executing and in doubt, of its operations and its window, at the time of the intent', async () => {
      const { recorder, clock } = at()
      await uncounted()
      await execute({ input: { amount: '100000.0' } })
      clock.nowMs += YEAR_MS + HOUR_MS
      await execute({ input: { amount: '1.0' } })
      await execute({ input: { amount: '10.0' } }, 'in_doubt')
      await execute({ input: { amount: '100.0' } }, 'executing')
      await execute({ input: { amount: '1000.0' } }, 'failed')
      await execute({ input: { amount: '1000.0' }, operation: 'others' })
      await execute({ input: { note: 'no amount' } })
      await recorder.admit(denied(clock, { input: { amount: '1000.0' } }))
      await recorder.admit(approved(clock, { input: { amount: '1000.0' } }))
      expect(await paid()).toBe('unknown')
      await activate(SERIES)
      expect(await paid()).toBe('111.0')
      clock.nowMs += HOUR_MS + 1
      expect(await paid(HOUR_MS)).toBe('0.0')
      await recorder.decide(payment(clock))
      expect(await paid()).toBe('2111.0')
    })

    test('a call that was held for long counts from its release', async () => {
      const { recorder, clock } = at()
      await uncounted()
      const unit = held(clock, { input: { amount: '7.0' }, lifeMs: 400 * DAY_MS })
      await recorder.admit(unit)
      await approve(at(), unit)
      clock.nowMs += 300 * DAY_MS
      await recorder.release(releaseOf(unit, unit.hold))
      clock.nowMs += 2 * HOUR_MS
      await activate([paidSeries(3 * HOUR_MS)])
      expect(await paid(3 * HOUR_MS)).toBe('7.0')
      expect(await paid(HOUR_MS)).toBe('0.0')
    })

    test('more calls than a page holds, prepared twice at once and beside live calls: each once', async () => {
      const { recorder, clock, storage } = at()
      await uncounted()
      const units = Array.from({ length: 1_100 }, () => permitted(clock, { input: { amount: '1.0', to: 'ann' } }))
      await Promise.all(units.map((unit) => recorder.admit(unit)))
      const live = Array.from({ length: 20 }, () => execute({ input: { amount: '1.0' } }))
      await Promise.all([storage.prepareCounters(SERIES), storage.prepareCounters(SERIES), ...live])
      expect(await paid()).toBe('unknown')
      await activate(SERIES)
      expect(await paid()).toBe('1120.0')
      const seen = await storage.calls.counters([asking('unseen', ['ann', 'bob'].map(recipient))], clock.now())
      expect(seen.get('unseen')).toEqual({ kind: 'value', value: 1 })
      expect(await events()).toBe(2_220)
      await activate(SERIES)
      expect(await events()).toBe(2_220)
    })

    test('what was written between preparation and activation is filled in with the activation', async () => {
      const { storage, clock } = at()
      await uncounted()
      await execute({ input: { amount: '1.0' } })
      await storage.prepareCounters(SERIES)
      clock.nowMs += 10 * DAY_MS
      await execute({ input: { amount: '10.0' } })
      await activate(SERIES)
      expect(await paid()).toBe('11.0')
    })

    test('policies that do not count it stop it; back again, the gap is filled', async () => {
      const { clock } = at()
      await activate(SERIES)
      await at().recorder.decide(payment(clock))
      await activate([])
      expect(await paid()).toBe('unknown')
      clock.nowMs += DAY_MS
      await execute({ input: { amount: '1.0' } })
      clock.nowMs += DAY_MS
      await activate(SERIES)
      expect(await paid()).toBe('2001.0')
    })

    test('a longer window than before is filled in further back', async () => {
      const { clock } = at()
      await uncounted()
      await execute({ input: { amount: '1.0' } })
      clock.nowMs += 10 * DAY_MS
      await activate([paidSeries(HOUR_MS)])
      expect([await paid(HOUR_MS), await paid(30 * DAY_MS)]).toEqual(['0.0', 'unknown'])
      await activate([paidSeries(30 * DAY_MS)])
      expect([await paid(HOUR_MS), await paid(30 * DAY_MS)]).toEqual(['0.0', '1.0'])
    })

    test('a call that was filled in while it ran gives back when it fails, though nobody knew of a reservation', async () => {
      const { storage, recorder, clock } = at()
      await uncounted()
      const [good, bad, open] = [
        await execute({ input: { amount: '1.0' } }, 'executing'),
        await execute({ input: { amount: '10.0' } }, 'executing'),
        await execute({ input: { amount: '100.0' } }, 'in_doubt'),
      ]
      await activate(SERIES)
      await recorder.finish(finished(good.call.id, good.intent, 'completed'))
      await recorder.finish(finished(bad.call.id, bad.intent, 'failed'))
      for (let i = 0; i < 2; i++) await keepHouse(storage.database, clock.now())
      expect(await paid()).toBe('101.0')
      await recorder.resolve(open.call.id, 'bob', 'DID_NOT_HAPPEN', 'the ledger has nothing')
      expect(await paid()).toBe('1.0')
      await keepHouse(storage.database, clock.now())
      expect(await storage.database.db.selectFrom('counter_event').select('filled_in').execute()).toEqual([{ filled_in: false }])
    })

    test('counting is taken up under the set that is active already, and not under another', async () => {
      const { policySets } = at().storage
      await uncounted()
      await execute({ input: { amount: '1.0' } })
      await policySets.count('e'.repeat(64), SERIES)
      expect(await paid()).toBe('unknown')
      await policySets.count(POLICY_SET, SERIES)
      expect(await paid()).toBe('1.0')
    })

    test('an activation is refused where its series were not prepared, and the old policies stay', async () => {
      const { storage } = at()
      await uncounted()
      const broken: CountedSeries = {
        ...paidSeries(),
        eventsOf() {
          throw new Error('no such pointer')
        },
      }
      await execute({ input: { amount: '1.0' } })
      await expect(activate([broken])).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      expect(await storage.database.db.selectFrom('counter_series').selectAll().execute()).toEqual([])
    })
  })

  describe('housekeeping', () => {
    test('what no window reaches any more goes, in pages, and nothing else', async () => {
      const { recorder, storage, clock } = at()
      await activate(SERIES)
      const { db } = storage.database
      const one = payment(clock, { cap: Number.POSITIVE_INFINITY, to: ['ann'] })
      await recorder.decide(one)
      const counter = await db.selectFrom('counter').select('id').where('key', '=', paidBy('helper')).executeTakeFirstOrThrow()
      const rows = Array.from({ length: 1_200 }, (_, i) => ({ counter: counter.id, call_id: `c${i}`, at_ms: clock.nowMs, amount: '0' }))
      await db.insertInto('counter_event').values(rows).execute()
      await recorder.stick({ callId: one.callId, agent: 'helper', subject: null, run: null, labels: ['pii'] })
      await recorder.startRun({
        run: `run_${clock.nowMs}` as Parameters<typeof recorder.startRun>[0]['run'],
        agent: 'helper',
        subject: null,
        by: 'olga',
      })
      clock.nowMs += 200 * DAY_MS
      await recorder.decide(payment(clock, { cap: Number.POSITIVE_INFINITY, amount: '1.0' }))
      const left = async () =>
        await Promise.all(
          (['counter', 'counter_event', 'counter_bucket', 'label', 'minted_run'] as const).map(
            async (table) => (await db.selectFrom(table).selectAll().execute()).length,
          ),
        )
      const before = await left()
      expect(before).toEqual([2, 1_203, 9, 2, expect.any(Number)])
      clock.nowMs += YEAR_MS - 200 * DAY_MS
      await keepHouse(storage.database, clock.now())
      expect(await left()).toEqual(before)
      expect(await paid()).toBe('2001.0')
      clock.nowMs += 2 * DAY_MS
      await keepHouse(storage.database, clock.now())
      expect(await left()).toEqual([1, 1, 3, 0, 0])
      expect(await paid()).toBe('1.0')
      await keepHouse(storage.database, instant(clock.nowMs + 2 * YEAR_MS))
      expect(await left()).toEqual([0, 0, 0, 0, 0])
      expect((await db.selectFrom('counter_series').select('series').orderBy('series').execute()).map(({ series }) => series)).toEqual(
        SERIES.map(({ series }) => series).sort(),
      )
    })
  })
}
