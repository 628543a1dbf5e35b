import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { BreakGlass } from '../core/break-glass.ts'
import { instant } from '../core/clock.ts'
import { newBreakGlassId } from '../core/ids.ts'
import { lapseDueReviews } from './maintenance.ts'
import { replay } from './projections.ts'
import { givenGrant, useOnce, using } from './test-grants.ts'
import { kinds, state, type TestStore } from './test-store.ts'
import { finished, held, releaseOf } from './test-units.ts'

/** Standing grants and their uses; holds that one person approved. */
export function grantConformance(at: () => TestStore): void {
  const progress = async (id: Awaited<ReturnType<typeof givenGrant>>['id']) => {
    const found = await at().storage.grants.grant(id)
    return [found?.used, found?.spent['/amount'] ?? '0.0']
  }

  describe('standing grants', () => {
    test('given with an approval, used with the intent, and both are in the record', async () => {
      const { recorder, clock, storage } = at()
      const grant = await givenGrant(at())
      expect(await kinds(at(), grant.callId)).toEqual(['decision', 'hold.opened', 'vote', 'hold.changed', 'grant.opened'])
      const unit = using(clock, { amount: 40.5 })
      expect(await useOnce(recorder, unit)).toBe(true)
      expect(await kinds(at(), unit.callId)).toEqual(['decision', 'grant.used', 'intent'])
      expect(await storage.grants.usedBy(unit.callId)).toMatchObject({ id: grant.id, used: 1, spent: { '/amount': '40.5' } })
      expect(await storage.grants.givenWith(grant.holdId)).toMatchObject({ id: grant.id })
      const entries = await storage.calls.entries(unit.callId)
      expect(entries[1]?.body).toEqual({ kind: 'grant.used', grant: grant.id, use: 1, amounts: [{ of: '/amount', amount: '40.5' }] })
    })

    test.each([
      ['uses', { maxUses: 3, totals: [] }, 1, 3],
      ['totals', { maxUses: 100 }, 30, 3],
    ] as const)('many at once never use more than there is: %s', async (_what, more, amount, most) => {
      const { recorder, clock } = at()
      const grant = await givenGrant(at(), more)
      const done = await Promise.all(Array.from({ length: 50 }, (_, n) => useOnce(recorder, using(clock, { amount: amount + n / 10_000 }))))
      expect(done.filter(Boolean)).toHaveLength(most)
      expect((await progress(grant.id))[0]).toBe(most)
    })

    test.each([
      ['failed', ['failed'], 0],
      ['not_sent', ['not_sent'], 0],
      ['completed', ['completed'], 1],
      ['in_doubt', ['in_doubt'], 1],
    ] as const)('a call that ends %s', async (_what, [kind], used) => {
      const { recorder, clock } = at()
      const grant = await givenGrant(at(), { maxUses: 1 })
      const unit = using(clock, { amount: 40 })
      await recorder.decide(unit)
      await recorder.finish({ ...finished(unit.callId, unit.would.intent ?? neverIntent(), kind), reserved: true })
      expect(await progress(grant.id)).toEqual([used, used === 1 ? '40.0' : '0.0'])
      // Twice gives nothing back twice, and what was given back can be used again.
      await recorder.finish({ ...finished(unit.callId, unit.would.intent ?? neverIntent(), kind), reserved: true })
      expect(await useOnce(recorder, using(clock, { amount: 60 }))).toBe(used === 0)
    })

    test('a call in doubt keeps its use until a person says that nothing happened', async () => {
      const { recorder, clock } = at()
      const grant = await givenGrant(at())
      const units = [using(clock, { amount: 1 }), using(clock, { amount: 2 })]
      for (const unit of units) {
        await recorder.decide(unit)
        await recorder.finish({ ...finished(unit.callId, unit.would.intent ?? neverIntent(), 'in_doubt'), reserved: true })
      }
      const [happened, not] = units
      await recorder.resolve(happened?.callId ?? grant.callId, 'bob', 'HAPPENED', 'seen')
      await recorder.resolve(not?.callId ?? grant.callId, 'bob', 'DID_NOT_HAPPEN', 'seen')
      expect(await progress(grant.id)).toEqual([1, '1.0'])
    })

    test('what is given back in the transaction of another use is counted for it', async () => {
      const { recorder, clock } = at()
      const grant = await givenGrant(at(), { maxUses: 100, totals: [] })
      const units = Array.from({ length: 20 }, (_, n) => using(clock, { amount: n }))
      await Promise.all(units.map((unit) => recorder.decide(unit)))
      await Promise.all(
        units.flatMap((unit, n) => [
          recorder.finish({ ...finished(unit.callId, unit.would.intent ?? neverIntent(), 'failed'), reserved: true }),
          recorder.decide(using(clock, { amount: 100 + n })),
        ]),
      )
      expect((await progress(grant.id))[0]).toBe(20)
    })

    test('a turn that comes goes on, after a revocation it does not, and its use is given back', async () => {
      const { recorder, clock, storage } = at()
      const grant = await givenGrant(at())
      const units = [using(clock, { amount: 1 }, true), using(clock, { amount: 2 }, true)]
      for (const unit of units) expect(await useOnce(recorder, unit)).toBe(true)
      const [first, second] = units
      if (!first || !second) throw new Error('unreachable')
      expect(await recorder.release({ ...releaseOf(first.would, null), grant: grant.id })).toEqual({ kind: 'recorded' })
      expect(await storage.grants.end(grant.id, 'aisha', 'no more')).toBe(true)
      expect(await storage.grants.end(grant.id, 'aisha', 'twice')).toBe(false)
      expect(await recorder.release({ ...releaseOf(second.would, null), grant: grant.id })).toEqual({ kind: 'lost' })
      await recorder.cancelUnstarted(second.callId, 'its grant ended')
      expect(await progress(grant.id)).toEqual([1, '1.0'])
      expect(await useOnce(recorder, using(clock, { amount: 3 }))).toBe(false)
      expect(await storage.grants.grant(grant.id)).toMatchObject({ ended: 'revoked', endedBy: 'aisha', why: 'no more' })
      expect((await kinds(at(), grant.callId)).at(-1)).toBe('grant.revoked')
    })

    test.each([
      ['another subject', { subject: 'other' }],
      ['no subject', { subject: null }],
      ['another agent', { agent: 'other' }],
      ['another operation', { operation: 'orderss' }],
    ])('are not told to %s', async (_what, sample) => {
      const { recorder, clock } = at()
      await givenGrant(at())
      expect(await useOnce(recorder, using(clock, { amount: 1 }, false, sample))).toBe(false)
    })

    test('the database itself refuses more uses than there are', async () => {
      const grant = await givenGrant(at(), { maxUses: 1 })
      const { db } = at().storage.database
      const write = db.updateTable('standing_grant').set({ used: 2 }).where('id', '=', grant.id).execute()
      await expect(write).rejects.toThrow(/grant_within_its_uses/)
    })

    test('pages are newest first, by state and agent', async () => {
      const { clock, storage, recorder } = at()
      const [first, second, third] = [
        await givenGrant(at()),
        await givenGrant(at(), { maxUses: 1 }),
        await givenGrant(at(), { until: instant(clock.nowMs + 10) }),
      ]
      clock.nowMs += 20
      const unit = using(clock, { amount: 1 })
      await recorder.decide({ ...unit, ...only(unit, second.id) })
      const ids = async (filter: Parameters<typeof storage.grants.grants>[0]) =>
        (await storage.grants.grants(filter, { first: 10 })).rows.map(({ id }) => id)
      expect(await ids({ state: 'live' })).toEqual([first.id])
      expect(await ids({ state: 'used_up' })).toEqual([second.id])
      expect(await ids({ state: 'expired' })).toEqual([third.id])
      expect(await ids({ agent: 'other' })).toEqual([])
      expect(new Set(await ids({ agent: 'helper' }))).toEqual(new Set([first.id, second.id, third.id]))
    })

    test('what entries tell of grants is what the tables have', async () => {
      const { recorder, clock, storage } = at()
      const grant = await givenGrant(at(), { maxUses: 10, totals: [{ of: '/amount', most: '1000.0' }] })
      const ids = [grant.callId]
      for (const kind of ['completed', 'failed', 'in_doubt'] as const) {
        const unit = using(clock, { amount: 2.5 })
        await recorder.decide(unit)
        await recorder.finish({ ...finished(unit.callId, unit.would.intent ?? neverIntent(), kind), reserved: true })
        ids.push(unit.callId)
      }
      await storage.grants.end(grant.id, null, 'policy `h1` changed')
      const entries = (await Promise.all(ids.map((id) => storage.calls.entries(id)))).flat()
      expect(replay(entries).grants.get(grant.id)).toEqual(await storage.grants.grant(grant.id))
    })
  })

  describe('one person in the place of all', () => {
    const broken = async (reviewMs = 1_000) => {
      const { recorder, clock } = at()
      const unit = held(clock)
      await recorder.admit(unit)
      const { call, hold } = unit
      const use: BreakGlass = {
        ...{
          id: newBreakGlassId(clock.now(), randomBytes(16)),
          holdId: hold.id,
          callId: call.id,
          by: 'bob',
          reason: 'the plant stands still',
        },
        ...{
          until: instant(clock.nowMs + 100),
          reviewDue: instant(clock.nowMs + reviewMs),
          createdAt: clock.now(),
          state: 'due',
          review: null,
        },
      }
      const change = { hold: hold.id, callId: call.id, to: 'approved', callState: 'approved', by: 'bob', digest: hold.digest } as const
      return { use, call, hold, applied: await recorder.changeHold({ ...change, breaks: use }) }
    }

    test('approves one hold, for a short time, with its review due', async () => {
      const { use, call, hold, applied } = await broken()
      expect(applied).toBe(true)
      expect(await kinds(at(), call.id)).toEqual(['decision', 'hold.opened', 'grant.break_glass', 'hold.changed'])
      expect(await state(at(), call.id)).toBe('approved')
      expect((await at().storage.calls.hold(hold.id))?.expiresAt).toBe(use.until)
      expect(await at().storage.grants.brokenFor(hold.id)).toEqual(use)
      expect(replay(await at().storage.calls.entries(call.id)).holds.get(hold.id)).toEqual(await at().storage.calls.hold(hold.id))
    })

    test('a review that nobody makes lapses once, whoever looks, and keeps the glass whole until it is made', async () => {
      const { clock, storage } = at()
      const { use, call } = await broken()
      const lapse = () => lapseDueReviews({ writer: storage.writer })
      expect(await lapse()).toEqual([])
      expect((await broken()).applied).toBe(true)
      clock.nowMs += 1_000
      expect((await broken()).applied).toBe(false)
      const looks = await Promise.all([lapse(), lapse(), lapse()])
      expect(looks.flat()).toHaveLength(2)
      expect((await kinds(at(), call.id)).filter((kind) => kind === 'grant.review_lapsed')).toHaveLength(1)
      expect((await broken()).applied).toBe(false)
      for (const { id } of (await storage.grants.brokenGlasses('lapsed', { first: 10 })).rows)
        expect(await storage.grants.review(id, 'justified', 'aisha', 'looked at it')).toBe(true)
      expect(await storage.grants.review(use.id, 'justified', 'aisha', 'twice')).toBe(false)
      expect((await broken()).applied).toBe(true)
      const { broken: rebuilt } = replay(await storage.calls.entries(call.id))
      expect(rebuilt.get(use.id)).toEqual(await storage.grants.brokenGlass(use.id))
    })

    test('the database itself refuses a review by who did it', async () => {
      const { use } = await broken()
      await expect(at().storage.grants.review(use.id, 'justified', 'bob', 'all fine')).rejects.toThrow(/break_glass_reviewed_by_another/)
    })
  })
}

/** The same call with this grant alone. */
const only = ({ decide }: ReturnType<typeof using>, id: string): Pick<ReturnType<typeof using>, 'decide'> => ({
  decide: (answers, nowMs, grants) =>
    decide(
      answers,
      nowMs,
      grants.filter((grant) => grant.id === id),
    ),
})

function neverIntent(): never {
  throw new Error('the call has an intent')
}
