import { randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import { newCallId, newRunId, type RunId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Sticking } from '../ports/recorder.ts'
import { createRecorder } from '../record/recorder.ts'
import { OUTSIDE } from './labels.ts'
import { kinds, type TestStore } from './test-store.ts'

const DAY_MS = 24 * 3_600_000

/** What an agent carries, and runs that begin with nothing. */
export function labelConformance(at: () => TestStore): void {
  const sticking = (labels: readonly string[], change: Partial<Sticking> = {}): Sticking => ({
    callId: newCallId(at().clock.nowMs, randomBytes(16)),
    ...{ agent: 'helper', subject: 'paul', run: null, labels },
    ...change,
  })
  const carried = async (run: string | null = null, { agent = 'helper', subject = 'paul' as string | null, since = 0 } = {}) =>
    at().storage.calls.labels(agent, subject, run, instant(since))
  const startRun = async (subject: string | null = 'paul'): Promise<RunId> => {
    const run = newRunId(at().clock.nowMs, randomBytes(16))
    await at().recorder.startRun({ run, agent: 'helper', subject, by: 'olga' })
    return run
  }
  /** Another process: it remembers nothing of what the store's own wrote. */
  const stickElsewhere = async (unit: Sticking): Promise<void> => {
    const { storage, clock } = at()
    const other = createRecorder({ writer: storage.writer, clock })
    await other.stick(unit)
    await other.close()
  }

  describe('labels', () => {
    // What the recorder remembers of the test before is old by then.
    beforeEach(() => {
      at().clock.nowMs += DAY_MS
    })

    test('stick to agent and subject, whatever run is named, and to nobody else', async () => {
      const { recorder } = at()
      const unit = sticking(['pii', 'untrusted', 'pii'], { run: 'a run of its own' })
      await recorder.stick(unit)
      expect(await carried()).toEqual({ labels: ['pii', 'untrusted'], minted: false })
      expect(await carried('another run')).toEqual({ labels: ['pii', 'untrusted'], minted: false })
      expect(await carried(null, { agent: 'other' })).toEqual({ labels: [], minted: false })
      expect(await carried(null, { subject: null })).toEqual({ labels: [], minted: false })
      expect((await at().storage.calls.entries(unit.callId)).map(({ body }) => body)).toEqual([
        { kind: 'labelled', agent: 'helper', subject: 'paul', run: null, labels: ['pii', 'untrusted'] },
      ])
    })

    test('no subject, a subject named `null` and one with a NUL are three', async () => {
      const { recorder } = at()
      await recorder.stick(sticking(['none'], { subject: null }))
      await recorder.stick(sticking(['text'], { subject: 'null' }))
      await recorder.stick(sticking(['nul'], { subject: 'paul\0', run: 'r\0' }))
      const of = async (subject: string | null) => (await carried('r\0', { subject })).labels
      expect([await of(null), await of('null'), await of('paul\0'), await of('paul')]).toEqual([['none'], ['text'], ['nul'], []])
    })

    test('a run that somebody minted begins clean and carries its own; another’s, and a made-up one, is no run', async () => {
      const { recorder } = at()
      await recorder.stick(sticking(['pii']))
      const run = await startRun()
      expect(await carried(run)).toEqual({ labels: [], minted: true })
      await recorder.stick(sticking(['secret'], { run }))
      expect(await carried(run)).toEqual({ labels: ['secret'], minted: true })
      expect(await carried()).toEqual({ labels: ['pii', 'secret'], minted: false })
      const second = await startRun()
      expect(await carried(second)).toEqual({ labels: [], minted: true })
      expect(await carried(run, { agent: 'other' })).toEqual({ labels: [], minted: false })
      expect(await carried(run, { subject: 'mary' })).toEqual({ labels: [], minted: false })
      await recorder.stick(sticking(['mine'], { run, subject: 'mary' }))
      expect(await carried(run)).toEqual({ labels: ['secret'], minted: true })
      expect(await carried(run, { subject: 'mary' })).toEqual({ labels: ['mine'], minted: false })
      const nobody = await startRun(null)
      expect(await carried(nobody, { subject: null })).toEqual({ labels: [], minted: true })
      expect(await carried(nobody)).toMatchObject({ minted: false })
    })

    test('what is read outside of a minted run after it started sticks to it as well; what is read in another one does not', async () => {
      const { recorder, clock } = at()
      await recorder.stick(sticking(['before']))
      const run = await startRun()
      const other = await startRun()
      clock.nowMs += 1_000
      await recorder.stick(sticking(['elsewhere'], { run: other }))
      expect([await carried(run), await carried(other)]).toMatchObject([{ labels: [] }, { labels: ['elsewhere'] }])
      for (const [label, named] of [['unnamed', null] as const, ['made up', 'made-up'] as const, ['before', OUTSIDE] as const])
        await recorder.stick(sticking([label], { run: named }))
      expect((await carried(run)).labels).toEqual(['before', 'made up', 'unnamed'])
      expect((await carried(other)).labels).toEqual(['before', 'elsewhere', 'made up', 'unnamed'])
      expect((await carried(await startRun())).labels).toEqual([])
    })

    test('the window ends no earlier than the last read of it, however often it was read', async () => {
      const { recorder, clock } = at()
      const lastRead = async (): Promise<number> => {
        for (let i = 0; i < 20; i++) {
          clock.nowMs += LIMITS.labelRefreshMs / 8
          await recorder.stick(sticking(['pii']))
        }
        return clock.nowMs
      }
      const since = await lastRead()
      expect((await carried(null, { since })).labels).toEqual(['pii'])
      expect((await carried(null, { since: since + LIMITS.labelRefreshMs + 1 })).labels).toEqual([])
    })

    test('what is carried already is written once in a while only, on every process', async () => {
      const { recorder, clock } = at()
      const units = Array.from({ length: 5 }, () => sticking(['pii']))
      for (const unit of units) await recorder.stick(unit)
      expect(await Promise.all(units.map(({ callId }) => kinds(at(), callId)))).toEqual([['labelled'], [], [], [], []])
      const more = sticking(['pii', 'untrusted'])
      await recorder.stick(more)
      expect((await at().storage.calls.entries(more.callId)).map(({ body }) => body)).toMatchObject([{ labels: ['untrusted'] }])
      await stickElsewhere(sticking(['pii']))
      clock.nowMs += LIMITS.labelRefreshMs
      const later = sticking(['pii'])
      await recorder.stick(later)
      expect(await kinds(at(), later.callId)).toEqual(['labelled'])
    })

    test('a time never goes back', async () => {
      const { clock, recorder } = at()
      clock.nowMs += DAY_MS
      await recorder.stick(sticking(['pii']))
      clock.nowMs -= DAY_MS
      await stickElsewhere(sticking(['pii']))
      clock.nowMs += DAY_MS
      expect((await carried(null, { since: clock.nowMs })).labels).toEqual(['pii'])
    })

    test('many at once, crossing each other', async () => {
      const { recorder } = at()
      const names = Array.from({ length: 20 }, (_, i) => `l${i}`)
      const units = Array.from({ length: 40 }, (_, i) => sticking(i % 2 === 0 ? names : names.toReversed(), { subject: `s${i % 3}` }))
      await Promise.all(units.map((unit) => recorder.stick(unit)))
      for (const subject of ['s0', 's1', 's2']) expect((await carried(null, { subject })).labels).toEqual([...names].sort())
    })
  })
}
