import { describe, expect, test } from 'vitest'
import type { EscalationStep } from '../core/escalation.ts'
import { escalateDue } from './maintenance.ts'
import { replay } from './projections.ts'
import { approve, kinds, type TestStore } from './test-store.ts'
import { held, type TestClock } from './test-units.ts'

const STEPS: readonly EscalationStep[] = [
  { afterMs: 100, to: 'leads', notify: [], seats: ['finance'] },
  { afterMs: 200, to: null, notify: ['board'], seats: [] },
  { afterMs: 300, to: 'chiefs', notify: ['board'], seats: ['finance'] },
]

/** A held call with these steps. */
export function escalating(clock: TestClock, lifeMs = 1_000): ReturnType<typeof held> {
  const unit = held(clock, { lifeMs })
  return { ...unit, hold: { ...unit.hold, escalate: STEPS } }
}

/** Steps of escalations: each once, in order, at its time. */
export function escalationConformance(at: () => TestStore, reopen: () => Promise<void>): void {
  const due = () =>
    escalateDue({ writer: at().storage.writer, bus: { publish: (signal) => at().signals.push(signal), subscribe: () => () => {} } })

  describe('escalations', () => {
    test('a step is taken when its time has come, once, with its entry, and wakes who waits', async () => {
      const { recorder, clock, storage, signals } = at()
      const unit = escalating(clock)
      await recorder.admit(unit)
      expect(await due()).toEqual([])
      clock.nowMs += 99
      expect(await due()).toEqual([])
      clock.nowMs += 1
      expect(await due()).toEqual([unit.call.id])
      expect(await due()).toEqual([])
      expect(signals).toContainEqual({ kind: 'call', id: unit.call.id })
      expect(await storage.calls.hold(unit.hold.id)).toEqual({
        ...unit.hold,
        escalated: 1,
        requires: [{ group: 'finance', count: 1, standIns: ['leads'] }],
      })
      const entries = await storage.calls.entries(unit.call.id)
      expect(entries.at(-1)).toMatchObject({
        at: clock.nowMs,
        body: { kind: 'hold.escalated', hold: unit.hold.id, step: 1, to: 'leads', seats: ['finance'], notify: [] },
      })
      const inbox = async (group: string) =>
        (await storage.calls.holds({ groups: [group], orderBy: 'EXPIRES' }, { first: 10 })).rows.map(({ id }) => id)
      expect([await inbox('leads'), await inbox('finance'), await inbox('chiefs')]).toEqual([[unit.hold.id], [unit.hold.id], []])
    })

    test('what fell due while nothing ran is taken after the restart, in order', async () => {
      const unit = escalating(at().clock)
      await at().recorder.admit(unit)
      const { nowMs } = at().clock
      await reopen()
      at().clock.nowMs = nowMs + 300
      expect(await due()).toEqual([unit.call.id, unit.call.id, unit.call.id])
      expect(await due()).toEqual([])
      const entries = await at().storage.calls.entries(unit.call.id)
      expect(entries.flatMap(({ body }) => (body.kind === 'hold.escalated' ? [[body.step, body.to, body.notify]] : []))).toEqual([
        [1, 'leads', []],
        [2, null, ['board']],
        [3, 'chiefs', ['board']],
      ])
      const now = await at().storage.calls.hold(unit.hold.id)
      expect(now).toMatchObject({ escalated: 3, requires: [{ group: 'finance', count: 1, standIns: ['chiefs', 'leads'] }] })
      expect(replay(entries).holds.get(unit.hold.id)).toEqual(now)
    })

    test('what is decided or over does not escalate', async () => {
      const { recorder, clock, storage } = at()
      const decided = escalating(clock)
      const over = escalating(clock, 150)
      const plain = held(clock)
      for (const unit of [decided, over, plain]) await recorder.admit(unit)
      await approve(at(), decided)
      clock.nowMs += 150
      expect(await due()).toEqual([])
      expect(await kinds(at(), over.call.id)).toEqual(['decision', 'hold.opened'])
      expect(await storage.calls.hold(decided.hold.id)).toMatchObject({ state: 'approved', escalated: 0 })
    })

    test('looks at one moment take each step once', async () => {
      const { recorder, clock } = at()
      const units = Array.from({ length: 20 }, () => escalating(clock))
      for (const unit of units) await recorder.admit(unit)
      clock.nowMs += 100
      const taken = (await Promise.all([due(), due(), due()])).flat()
      expect(taken.sort()).toEqual(units.map(({ call }) => call.id).sort())
    })
  })
}
