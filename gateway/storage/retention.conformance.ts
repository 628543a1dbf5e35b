import { sql } from 'kysely'
import { beforeEach, describe, expect, test } from 'vitest'
import type { CallId } from '../core/ids.ts'
import { retain } from './retention.ts'
import { kinds, type TestStore } from './test-store.ts'
import { finished, held, permitted } from './test-units.ts'

const DAY = 86_400_000

/** What is kept for how long, whichever database it is in. */
export function retentionConformance(at: () => TestStore): void {
  const sweep = (retention: Parameters<typeof retain>[1]) => retain(at().storage.writer, retention, at().clock.nowMs)
  const executed = async (): Promise<CallId> => {
    const { recorder, clock } = at()
    const unit = permitted(clock, { input: { name: 'ada' } })
    await recorder.admit(unit)
    await recorder.finish(finished(unit.call.id, unit.intent, 'completed', 'its answer'))
    return unit.call.id
  }
  const erasedEntries = async () =>
    (
      await sql<{ body: { calls: string[]; entries: number; by: string; why: string } }>`
        select body from entry where kind = 'erased' and call_id is null order by at_ms, process, seq`.execute(at().storage.database.db)
    ).rows.map(({ body }) => body)

  describe('retention', () => {
    beforeEach(async () => {
      const { storage, clock } = at()
      // Past whatever other tests made: their calls are gone, and their entries are not of this one.
      clock.nowMs += 1_000 * DAY
      await storage.database.pool.query("update retention_sweep set call_id = '', at_ms = $1, process = '', seq = 0", [clock.nowMs])
      await storage.database.pool.query('delete from retention_left')
    })

    test('answers go first, then payloads, in one entry for all; what is younger stays', async () => {
      const { clock, storage } = at()
      const old = [await executed(), await executed()]
      clock.nowMs += 40 * DAY
      const young = await executed()
      await sweep({ payloads: 50 * DAY, results: 30 * DAY })
      for (const id of old) expect(await storage.calls.call(id)).toMatchObject({ input: { name: 'ada' }, result: null, resultKept: 'none' })
      expect(await storage.calls.call(young)).toMatchObject({ resultKept: 'kept' })
      clock.nowMs += 11 * DAY
      const before = (await erasedEntries()).length
      await sweep({ payloads: 50 * DAY, results: 30 * DAY })
      for (const id of old) expect((await storage.calls.call(id))?.erased).toMatchObject({ by: 'gatehouse', why: 'retention' })
      expect((await storage.calls.call(young))?.erased).toBeUndefined()
      const told = (await erasedEntries()).slice(before)
      expect(told).toEqual([{ kind: 'erased', calls: [...old].sort(), by: 'gatehouse', why: 'retention', entries: 2 }])
    })

    test('without a time everything stays', async () => {
      const { clock, storage } = at()
      const id = await executed()
      clock.nowMs += 10_000 * DAY
      await sweep({})
      expect(await storage.calls.call(id)).toMatchObject({ input: { name: 'ada' }, resultKept: 'kept' })
    })

    test('a call that was open when its time was over goes once it has ended', async () => {
      const { clock, storage, recorder } = at()
      const unit = held(clock, { input: { name: 'ada' }, lifeMs: 100 * DAY })
      await recorder.admit(unit)
      const doubtful = permitted(clock, { input: { name: 'ada' } })
      await recorder.admit(doubtful)
      await recorder.finish(finished(doubtful.call.id, doubtful.intent, 'in_doubt', 'its answer'))
      clock.nowMs += 60 * DAY
      const both = { payloads: 50 * DAY, results: 30 * DAY }
      await sweep(both)
      await sweep(both)
      expect(await storage.calls.call(unit.call.id)).toMatchObject({ state: 'held', input: { name: 'ada' } })
      expect(await storage.calls.call(doubtful.call.id)).toMatchObject({ resultKept: 'kept', input: { name: 'ada' } })
      const end = { hold: unit.hold.id, callId: unit.call.id, to: 'cancelled', callState: 'cancelled', by: 'bob' } as const
      await recorder.changeHold(end)
      await recorder.resolve(doubtful.call.id, 'bob', 'HAPPENED', 'seen')
      await sweep(both)
      for (const id of [unit.call.id, doubtful.call.id])
        expect(await storage.calls.call(id)).toMatchObject({ input: {}, resultKept: 'none', erased: { by: 'gatehouse' } })
      expect(await kinds(at(), unit.call.id)).not.toContain('erased')
    })

    test('payloads of entries that belong to no call', async () => {
      const { clock, storage, recorder } = at()
      const unit = permitted(clock, { input: { name: 'ada' } })
      await recorder.note(null, { kind: 'explained', by: 'aisha', request: unit.request, decision: unit.decision })
      const sealed = async () =>
        (
          await storage.database.pool.query<{ count: number }>(
            "select count(*) from entry where kind = 'explained' and sealed is not null and at_ms = $1",
            [clock.nowMs - 60 * DAY],
          )
        ).rows[0]?.count
      clock.nowMs += 60 * DAY
      expect(await sealed()).toBe(1)
      await sweep({ payloads: 50 * DAY })
      expect(await sealed()).toBe(0)
      expect((await erasedEntries()).at(-1)).toEqual({ kind: 'erased', calls: [], by: 'gatehouse', why: 'retention', entries: 1 })
    })

    test('page after page', async () => {
      const { clock, storage } = at()
      const ids: CallId[] = []
      for (let i = 0; i < 5; i++) ids.push(...(await Promise.all(Array.from({ length: 50 }, () => executed()))))
      clock.nowMs += 60 * DAY
      await sweep({ payloads: 50 * DAY })
      const calls = await storage.calls.callsOf(ids)
      expect(calls.filter(({ erased }) => erased === undefined)).toEqual([])
      expect((await erasedEntries()).slice(-3).map(({ calls: named }) => named.length)).toEqual([100, 100, 50])
    })
  })
}
