import { describe, expect, test } from 'vitest'
import { type CallId, newCallId } from '../core/ids.ts'
import type { TestStore } from './test-store.ts'
import { denied, finished, held, permitted } from './test-units.ts'

/** The sequence of entries, and pages of what is projected from them. */
export function readConformance(at: () => TestStore): void {
  describe('the sequence', () => {
    test('is dense and in order under 500 units at once', async () => {
      const { recorder, clock, storage } = at()
      const units = Array.from({ length: 500 }, (_, i) => {
        if (i % 7 === 0) return permitted(clock, { key: { scope: 'one', digest: 'd' } })
        if (i % 7 === 1) return denied(clock)
        if (i % 7 === 2) return permitted(clock, { epoch: 0 })
        if (i % 7 === 3) return held(clock)
        return permitted(clock)
      })
      await Promise.all(
        units.map(async (unit) => {
          const result = await recorder.admit(unit)
          if (result.kind === 'recorded' && unit.intent) await recorder.finish(finished(unit.call.id, unit.intent))
        }),
      )
      const rows = await storage.database.db
        .selectFrom('entry')
        .select(['process', 'seq', 'at_ms'])
        .orderBy('process')
        .orderBy('seq')
        .execute()
      const seen = new Map<string, { seq: number; at: number }>()
      for (const { process, seq, at_ms } of rows) {
        const last = seen.get(process)
        expect(seq).toBe((last?.seq ?? 0) + 1)
        expect(at_ms).toBeGreaterThanOrEqual(last?.at ?? 0)
        seen.set(process, { seq, at: at_ms })
      }
    })

    test('entries are never changed or removed', async () => {
      const { db } = at().storage.database
      await expect(db.updateTable('entry').set({ kind: 'view' }).execute()).rejects.toThrow('never changed')
      await expect(db.deleteFrom('entry').execute()).rejects.toThrow('removed only where the log says so')
    })

    test('its decisions are read backwards in pages, as far as a time', async () => {
      const { storage, recorder, clock } = at()
      for (let i = 0; i < 5; i++) await recorder.admit(denied(clock))
      const since = clock.now()
      const wanted: string[] = []
      for (let i = 0; i < 7; i++) {
        const unit = i % 2 === 0 ? denied(clock) : permitted(clock)
        await recorder.admit(unit)
        wanted.unshift(unit.call.id)
      }
      const found: string[] = []
      for (let position: Parameters<typeof storage.calls.decisionsBefore>[1] = null; ; ) {
        const page = await storage.calls.decisionsBefore(since, position, 3)
        expect(page.every(({ body }) => body.kind === 'decision')).toBe(true)
        found.push(...page.map(({ callId }) => callId ?? ''))
        const last = page.at(-1)
        if (!last) break
        position = { at: last.at, process: last.process, seq: last.seq }
      }
      expect(found.slice(0, 7)).toEqual(wanted)
    })

    test('is read in pages from any position', async () => {
      const { storage } = at()
      const all = []
      for (let position: Parameters<typeof storage.calls.entriesAfter>[0] = null; ; ) {
        const page = await storage.calls.entriesAfter(position, 50)
        all.push(...page)
        const last = page.at(-1)
        if (!last) break
        position = { at: last.at, process: last.process, seq: last.seq }
      }
      const { count } = await storage.database.db
        .selectFrom('entry')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow()
      expect(new Set(all.map(({ process, seq }) => `${process} ${seq}`)).size).toBe(count)
      expect(all.length).toBe(count)
    })
  })

  describe('pages of calls and holds', () => {
    test('every filter, newest first, without gaps or repeats', async () => {
      const { recorder, clock, storage } = at()
      const units = []
      for (let i = 0; i < 12; i++) {
        clock.nowMs += 1
        const sample = { run: i % 2 === 0 ? 'even' : null, operation: i < 6 ? 'orders' : 'customers', subject: i % 3 === 0 ? 'pia' : null }
        const unit = i % 4 === 0 ? denied(clock, sample) : i % 4 === 1 ? held(clock, sample) : permitted(clock, sample)
        units.push(unit)
        await recorder.admit(unit)
      }
      const newest = units.map(({ call }) => call).reverse()
      const idsOf = async (filter: Parameters<typeof storage.calls.calls>[0]): Promise<CallId[]> => {
        const found: CallId[] = []
        for (let after: CallId | undefined; ; ) {
          const page = await storage.calls.calls(filter, { first: 2, ...(after === undefined ? {} : { after }) })
          found.push(...page.rows.map(({ id }) => id))
          after = page.rows.at(-1)?.id
          if (!page.more) return found
        }
      }
      const since = units[4]?.call.createdAt ?? clock.now()
      const tables: [Parameters<typeof storage.calls.calls>[0], (call: (typeof newest)[number]) => boolean][] = [
        [{}, () => true],
        [{ agent: 'helper' }, () => true],
        [{ agent: 'other' }, () => false],
        [{ subject: 'pia' }, ({ subject }) => subject === 'pia'],
        [{ run: 'even' }, ({ run }) => run === 'even'],
        [{ operation: 'crm.orders' }, ({ operation }) => operation === 'crm.orders'],
        [{ connector: 'crm', door: 'http' }, () => true],
        [{ door: 'mcp' }, () => false],
        [{ state: [] }, () => false],
        [{ state: ['held'] }, (call) => call.state === 'held'],
        [{ state: ['executing'] }, (call) => call.state === 'executing'],
        [{ state: ['executing', 'denied'] }, (call) => call.state === 'executing' || call.state === 'denied'],
        [{ since }, (call) => call.createdAt >= since],
        [{ until: since }, (call) => call.createdAt < since],
      ]
      for (const [filter, matches] of tables) {
        expect(await idsOf(filter), JSON.stringify(filter)).toEqual(newest.filter(matches).map(({ id }) => id))
      }
    })

    test('holds by group, by state, next to expire first', async () => {
      const { recorder, clock, storage } = at()
      const units = [300, 100, 200].map((lifeMs) => held(clock, { lifeMs: lifeMs * 1000 }))
      for (const unit of units) await recorder.admit(unit)
      const [long, short, middle] = units.map(({ hold }) => hold.id)
      const first = await storage.calls.holds({ orderBy: 'EXPIRES', state: ['open'], groups: ['finance', 'legal'] }, { first: 2 })
      expect(first.rows.map(({ id }) => id)).toEqual([short, middle])
      expect(first.more).toBe(true)
      const next = await storage.calls.holds({ orderBy: 'EXPIRES', state: ['open'] }, { first: 2, ...(middle ? { after: middle } : {}) })
      expect(next).toMatchObject({ rows: [{ id: long }], more: false })
      expect((await storage.calls.holds({ orderBy: 'NEWEST', groups: ['legal'] }, { first: 2 })).rows).toEqual([])
      expect((await storage.calls.holds({ orderBy: 'NEWEST', agent: 'helper' }, { first: 9 })).rows.length).toBe(3)
    })

    test('what is not there is undefined', async () => {
      const id = newCallId(1, new Uint8Array(16))
      expect(await at().storage.calls.call(id)).toBeUndefined()
      expect(await at().storage.calls.entries(id)).toEqual([])
      expect(await at().storage.calls.lastEqual('x', id)).toBeUndefined()
    })
  })
}
