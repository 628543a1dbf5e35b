import { describe, expect, test } from 'vitest'
import { type AccountSpan, NOTHING_DROPPED } from '../core/account.ts'
import { instant } from '../core/clock.ts'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Telling } from '../ports/recorder.ts'
import { retain } from './retention.ts'
import type { TestStore } from './test-store.ts'
import { finished, held, permitted } from './test-units.ts'

const DAY = 86_400_000
const CANARY = 'zzaccount'
let traces = 0
let ids = 0

const newTrace = (): string => (++traces).toString(16).padStart(32, '0')

const span = (text = CANARY, change: Partial<AccountSpan> = {}): AccountSpan => ({
  id: (++ids).toString(16).padStart(16, '0'),
  parent: null,
  ...{ name: 'chat', kind: 'client', startedAt: instant(ids), endedAt: instant(ids + 1), status: 'ok', error: null },
  ...{ operation: 'chat', provider: 'openai', model: 'gpt-5', agent: null },
  messages: [{ side: 'input', role: 'user', text, tool: null }],
  ...{ tool: null, inputTokens: 1, outputTokens: 2, finishReasons: [] },
  ...change,
})

/** What agents tell of traces, whichever database it is in. */
export function accountConformance(at: () => TestStore): void {
  const telling = (change: Partial<Telling> = {}): Telling => ({
    ...{ traceId: newTrace(), agent: 'helper', subject: 'paul', told: [span()], dropped: NOTHING_DROPPED, masked: [] },
    ...change,
  })
  const tell = (unit: Telling) => at().recorder.tell(unit)
  const accountOf = (of: Pick<Telling, 'traceId' | 'agent' | 'subject'>) => at().storage.calls.account(of)
  const executed = async (traceId: string | null, change: { agent?: string; subject?: string | null } = {}): Promise<CallId> => {
    const { recorder, clock } = at()
    const unit = permitted(clock, change)
    await recorder.admit({ ...unit, call: { ...unit.call, traceId }, request: { ...unit.request, traceId } })
    await recorder.finish(finished(unit.call.id, unit.intent, 'completed'))
    return unit.call.id
  }
  const erase = (...calls: readonly CallId[]) => at().storage.erasure.erase(calls, 'aisha', 'asked for')

  describe('accounts', () => {
    test('what is told in several requests is one account, in the order in which it began, each span once', async () => {
      const first = telling({ dropped: { spans: 1, attributes: 2, texts: 3 }, masked: ['credential'] })
      const later = span('later')
      const earlier = span('earlier', { startedAt: instant(0), endedAt: instant(2) })
      const again = {
        ...first,
        told: [later, earlier, ...first.told],
        dropped: { spans: 0, attributes: 1, texts: 0 },
        masked: ['personal-data'],
      }
      expect([await tell(first), await tell(again)]).toEqual([{ kept: 1 }, { kept: 3 }])
      expect(await accountOf(first)).toEqual({
        spans: [earlier, ...first.told, later],
        dropped: { spans: 1, attributes: 3, texts: 3 },
        masked: ['credential', 'personal-data'],
        erased: false,
      })
    })

    test('it is an entry with a sealed payload', async () => {
      const unit = telling()
      await tell(unit)
      const entries = await at().storage.calls.entriesAfter({ at: instant(at().clock.nowMs - 1), process: '', seq: 0 }, 500)
      const { traceId, agent, subject, dropped, masked } = unit
      expect(entries.map(({ body }) => body)).toContainEqual({
        ...{ kind: 'account', traceId, agent, subject, count: 1, dropped, masked, told: unit.told },
      })
      const { rows } = await at().storage.database.pool.query<{ row: string }>("select e::text as row from entry e where kind = 'account'")
      expect(rows.some(({ row }) => row.includes(traceId))).toBe(true)
      expect(rows.filter(({ row }) => row.includes(CANARY))).toEqual([])
    })

    test('agents and subjects have accounts of their own, whatever trace id they name', async () => {
      const mine = telling()
      await tell(mine)
      const others = [
        { ...mine, agent: 'other' },
        { ...mine, subject: 'mary' },
        { ...mine, subject: null },
        { ...mine, subject: 'null' },
        { ...mine, traceId: newTrace() },
      ]
      for (const other of others) expect(await accountOf(other)).toBeUndefined()
      for (const other of others) await tell({ ...other, told: [span('theirs')] })
      expect((await accountOf(mine))?.spans).toEqual(mine.told)
    })

    test('several of one account in one batch, and of many, each keep what they were told', async () => {
      const one = telling()
      const units = Array.from({ length: 12 }, (_, index) => (index % 3 === 0 ? telling() : { ...one, told: [span(`text ${index}`)] }))
      expect(await Promise.all(units.map(tell))).toEqual(units.map(() => ({ kept: 1 })))
      expect((await accountOf(one))?.spans.map(({ messages }) => messages[0]?.text)).toEqual(
        units.flatMap(({ traceId, told }) => (traceId === one.traceId ? (told[0]?.messages[0]?.text ?? '') : [])),
      )
    })

    test('beyond its bounds nothing more is kept, and it is said how much', async () => {
      const many = telling({ told: Array.from({ length: LIMITS.accountSpansPerTraceMax + 5 }, () => span('x')) })
      expect(await tell(many)).toEqual({ kept: LIMITS.accountSpansPerTraceMax, why: expect.stringContaining('at most') })
      expect((await accountOf(many))?.dropped.spans).toBe(5)
      expect(await tell({ ...many, told: [span('y')] })).toMatchObject({ kept: 0, why: expect.stringContaining('at most') })
      const long = telling({ told: Array.from({ length: 3 }, () => span('z'.repeat(LIMITS.accountCharsPerTraceMax / 2 - 100))) })
      expect(await tell(long)).toMatchObject({ kept: 2 })
    })

    test('erased with the first of its calls, for good; the proofs of its entries stay', async () => {
      const unit = telling()
      await tell(unit)
      const calls = [await executed(unit.traceId), await executed(unit.traceId)]
      const foreign = [await executed(unit.traceId, { subject: 'mary' }), await executed(null)]
      await erase(...foreign)
      expect((await accountOf(unit))?.erased).toBe(false)
      expect(await erase(calls[0] as CallId)).toMatchObject({ calls: [calls[0]], entries: 2 })
      expect(await accountOf(unit)).toMatchObject({ spans: [], erased: true })
      const { rows } = await at().storage.database.pool.query(
        `select commitment, sealed from entry where kind = 'account' and body::text like '%${unit.traceId}%'`,
      )
      expect(rows).toEqual([{ commitment: expect.stringMatching(/^[0-9a-f]{64}$/), sealed: null }])
      expect(await tell({ ...unit, told: [span()] })).toEqual({ kept: 0, why: 'the account of this trace was erased' })
      expect(await erase(calls[1] as CallId)).toMatchObject({ entries: 1 })
    })

    test('a call that is erased before anything is told of it: nothing is told of it afterwards', async () => {
      const unit = telling()
      await erase(await executed(unit.traceId))
      expect(await tell(unit)).toMatchObject({ kept: 0 })
      expect(await accountOf(unit)).toMatchObject({ spans: [], erased: true })
    })

    test('a call that is kept keeps its account', async () => {
      const { recorder, clock } = at()
      const unit = telling()
      await tell(unit)
      const open = held(clock)
      await recorder.admit({ ...open, call: { ...open.call, traceId: unit.traceId } })
      expect((await erase(open.call.id)).kept).toHaveLength(1)
      expect((await accountOf(unit))?.spans).toEqual(unit.told)
    })

    test('retention: gone with its call, or by its own age where it joins none', async () => {
      const { clock, storage } = at()
      // Past whatever other tests made.
      clock.nowMs += 1_000 * DAY
      await storage.database.pool.query("update retention_sweep set call_id = '', at_ms = $1, process = '', seq = 0", [clock.nowMs])
      const [joined, alone] = [telling(), telling()]
      await executed(joined.traceId)
      for (const unit of [joined, alone]) await tell(unit)
      const young = telling()
      const sweep = () => retain(storage.writer, { payloads: 50 * DAY }, clock.nowMs)
      clock.nowMs += 40 * DAY
      await tell(young)
      await sweep()
      for (const unit of [joined, alone, young]) expect((await accountOf(unit))?.erased).toBe(false)
      clock.nowMs += 11 * DAY
      await sweep()
      for (const unit of [joined, alone]) expect((await accountOf(unit))?.spans ?? []).toEqual([])
      expect((await accountOf(young))?.spans).toEqual(young.told)
      const { rows } = await storage.database.pool.query(
        `select sealed from entry where kind = 'account' and body::text like any (array['%${joined.traceId}%', '%${alone.traceId}%'])`,
      )
      expect(rows).toEqual([{ sealed: null }, { sealed: null }])
    })
  })
}
