import { describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import type { HoldState } from '../core/hold.ts'
import { approve, epochOf, type TestStore, vote } from './test-store.ts'
import { held, newHold } from './test-units.ts'

/** How people decided, and how long they looked. */
export function holdFiguresConformance(at: () => TestStore): void {
  const since = instant(0)
  const decisions = (agent?: string) => at().storage.calls.ruleDecisions('h1', agent, since, 10)
  const open = async (sample: Parameters<typeof held>[1] = {}) => {
    const unit = held(at().clock, { ...sample, epoch: epochOf(at(), sample.agent ?? 'helper') })
    expect(await at().recorder.admit(unit)).toEqual({ kind: 'recorded' })
    return unit
  }
  type Unit = Awaited<ReturnType<typeof open>>
  const look = ({ call }: Unit, by: string) => at().recorder.note(call.id, { kind: 'view', by, what: 'payload' })
  const end = ({ hold, call }: Unit, to: HoldState, callState: 'rejected' | 'expired' | 'cancelled') =>
    at().recorder.changeHold({ hold: hold.id, callId: call.id, to, callState, by: 'bob' })

  describe('figures of holds', () => {
    test('the look before a vote counts: the voter’s own, the last one, since the hold was opened', async () => {
      const { clock, storage } = at()
      const unit = await open()
      expect(await storage.calls.lookedAt(unit.call.id, 'bob', since)).toBeUndefined()
      await look(unit, 'carl')
      clock.nowMs += 60_000
      await look(unit, 'bob')
      clock.nowMs += 40_000
      await look(unit, 'bob')
      const lookedAt = clock.nowMs
      expect(await storage.calls.lookedAt(unit.call.id, 'bob', since)).toBe(lookedAt)
      clock.nowMs += 2_999
      expect(await approve(at(), unit)).toBe(true)
      expect(await storage.calls.timedVotes(since, 10)).toEqual([{ voter: 'bob', verdict: 'approve', lookedMs: 2_999 }])
      expect(await decisions()).toEqual([
        {
          holdId: unit.hold.id,
          agent: 'helper',
          result: 'approved',
          openedAt: unit.hold.createdAt,
          decidedAt: clock.nowMs,
          votes: 1,
          quick: 1,
          unseen: 0,
        },
      ])
    })

    test('votes given together share the time, and a vote without a look is told apart', async () => {
      const { clock, recorder } = at()
      const [together, blind] = [await open(), await open()]
      await look(together, 'bob')
      clock.nowMs += 6_000
      const { hold, call } = together
      const shared = { ...vote(clock, hold.id), among: 3 }
      const change = { hold: hold.id, callId: call.id, to: 'approved', callState: 'approved', by: 'bob' } as const
      expect(await recorder.changeHold({ ...change, vote: shared })).toBe(true)
      expect(await approve(at(), blind)).toBe(true)
      const of = new Map((await decisions()).map((each) => [each.holdId, each]))
      expect(of.get(hold.id)).toMatchObject({ quick: 1, unseen: 0 })
      expect(of.get(blind.hold.id)).toMatchObject({ quick: 0, unseen: 1 })
      const entries = await at().storage.calls.entries(call.id)
      expect(entries.map(({ body }) => body)).toContainEqual(expect.objectContaining({ kind: 'vote', among: 3 }))
    })

    test('refusals, edits and expiries count as such, a call that was edited once, what its agent took back not at all', async () => {
      const { clock, recorder } = at()
      const [refused, edited, taken, late] = [await open(), await open(), await open(), await open({ lifeMs: 100 })]
      await end(refused, 'rejected', 'rejected')
      await end(taken, 'cancelled', 'cancelled')
      const replacement = newHold(clock, edited.call.id)
      const edit = { input: { id: '18' }, comment: null, changes: [], key: 'edited' }
      const change = { hold: edited.hold.id, callId: edited.call.id, to: 'superseded', callState: 'held', by: 'carl' } as const
      expect(await recorder.changeHold({ ...change, edit, replacement })).toBe(true)
      expect(await approve(at(), { ...edited, hold: replacement })).toBe(true)
      clock.nowMs += 100
      expect(await end(late, 'expired', 'expired')).toBe(true)
      expect((await decisions()).map(({ holdId, result }) => `${holdId} ${result}`).sort()).toEqual(
        [`${refused.hold.id} refused`, `${edited.hold.id} edited`, `${late.hold.id} expired`].sort(),
      )
    })

    test('of one agent, of a time, and no more than asked for', async () => {
      const { clock, storage } = at()
      await end(await open(), 'rejected', 'rejected')
      clock.nowMs += 1_000
      await end(await open({ agent: 'other' }), 'rejected', 'rejected')
      expect((await decisions('other')).map(({ agent }) => agent)).toEqual(['other'])
      expect(await storage.calls.ruleDecisions('h1', undefined, clock.now(), 10)).toHaveLength(1)
      expect((await storage.calls.ruleDecisions('h1', undefined, since, 1)).map(({ agent }) => agent)).toEqual(['other'])
      expect(await storage.calls.ruleDecisions('h2', undefined, since, 10)).toEqual([])
    })

    test('holds by their ids, and those without a person’s vote', async () => {
      const { clock, recorder, storage } = at()
      const [one, two] = [await open(), await open()]
      const half = { hold: one.hold.id, callId: one.call.id, to: 'approved', callState: 'held', by: 'bob', voteOnly: true } as const
      expect(await recorder.changeHold({ ...half, vote: vote(clock, one.hold.id) })).toBe(true)
      const ids = async (filter: object) =>
        (await storage.calls.holds({ orderBy: 'NEWEST', ...filter }, { first: 10 })).rows.map(({ id }) => id)
      expect(await ids({ unvotedBy: 'bob' })).toEqual([two.hold.id])
      expect((await ids({ unvotedBy: 'carl' })).sort()).toEqual([one.hold.id, two.hold.id].sort())
      expect(await ids({ ids: [one.hold.id] })).toEqual([one.hold.id])
      expect(await ids({ ids: [] })).toEqual([])
      const calls = await storage.calls.callsOf([one.call.id, two.call.id])
      expect(calls.map(({ id }) => id).sort()).toEqual([one.call.id, two.call.id].sort())
    })
  })
}
