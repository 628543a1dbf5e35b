import fc from 'fast-check'
import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import { instant } from '../core/clock.ts'
import type { EntryKind } from '../core/entry.ts'
import { LIMITS } from '../limits.ts'
import type { FigureGroup, FigureRange, FigureRow } from '../ports/call-figures.ts'
import { createRecorder, type RunningRecorder } from '../record/recorder.ts'
import { callFigures, DAY_MS, HOUR_MS } from './call-figures.ts'
import { discoverProcesses, enterFollower, takePage, waitingProcesses } from './follower-positions.ts'
import { takeOverLapsed } from './maintenance.ts'
import { endProcess } from './processes.ts'
import { givenGrant, using } from './test-grants.ts'
import { emptyCalls, type TestStore } from './test-store.ts'
import { approved, denied, finished, held, newHold, outcomeOf, permitted, releaseOf, type Sample } from './test-units.ts'
import { openWriter, type Writer } from './writer.ts'

const STEPS = [
  'permit',
  'hold',
  'deny',
  'turn',
  'approve',
  'reject',
  'expire',
  'cancel',
  'edit',
  'release',
  'finish',
  'doubt',
  'unsent',
] as const
const RARE = ['lapse', 'resolve', 'refuse', 'follow', 'follow'] as const
type Step = (typeof STEPS)[number] | (typeof RARE)[number]

type Unit = ReturnType<typeof held> | ReturnType<typeof permitted>

/** Two processes over one database, and what they did. */
interface History {
  processes: { writer: Writer; recorder: RunningRecorder }[]
  units: Unit[]
  holds: Map<string, ReturnType<typeof newHold>>
  /** Intents without an outcome. */
  intents: Map<string, ReturnType<typeof permitted>['intent']>
  refused: number
}

/** A call as the projection has it: what figures have to add up to. */
interface Told {
  agent: string
  connector: string
  operation: string
  state: string
  atMs: number
  effect: string
  edited: boolean
  upstreamMs: number | null
  openMs: number[]
}

/** Figures of calls, whichever database they are in. */
export function callFigureConformance(at: () => TestStore): void {
  const db = () => at().storage.database.db
  const BEGIN = { permit: permitted, hold: held, deny: denied, turn: approved }

  async function begin({ processes, units, holds, intents }: History, step: keyof typeof BEGIN, n: number): Promise<void> {
    const sample: Sample = { agent: n % 3 === 0 ? 'other' : 'helper', operation: n % 2 === 0 ? 'orders' : 'customers' }
    const unit = BEGIN[step](at().clock, sample) as Unit
    await processes[n % 2]?.recorder.admit(unit)
    units.push(unit)
    if (unit.hold) holds.set(unit.call.id, unit.hold)
    if (unit.intent) intents.set(unit.call.id, unit.intent)
  }

  async function change(history: History, step: 'approve' | 'reject' | 'expire' | 'cancel' | 'edit', n: number): Promise<void> {
    const { clock } = at()
    const unit = history.units[n % Math.max(1, history.units.length)]
    const recorder = history.processes[n % 2]?.recorder
    if (!unit || !recorder) return
    const { id } = unit.call
    const hold = history.holds.get(id)
    if (!hold) {
      if (step === 'cancel') await recorder.cancelUnstarted(id, 'given up')
      return
    }
    if (step === 'expire') clock.nowMs = Math.max(clock.nowMs, hold.expiresAt)
    const [to, callState] = (
      {
        approve: ['approved', 'approved'],
        reject: ['rejected', 'rejected'],
        expire: ['expired', 'expired'],
        cancel: ['cancelled', 'cancelled'],
        edit: ['superseded', 'held'],
      } as const
    )[step]
    const replacement = newHold(clock, id)
    const input = { ...unit.call.input, edited: n }
    const edit = {
      replacement,
      edit: { input, comment: null, changes: [{ pointer: '/edited', to: n }], key: `e${n}` },
      redecision: { request: { ...unit.request, input }, decision: unit.decision },
    }
    const done = await recorder.changeHold({ hold: hold.id, callId: id, to, callState, by: 'bob', ...(step === 'edit' ? edit : {}) })
    if (done && step === 'edit') history.holds.set(id, replacement)
  }

  async function goOn(history: History, step: Step, n: number): Promise<void> {
    const { storage, clock } = at()
    const unit = history.units[n % Math.max(1, history.units.length)]
    const recorder = history.processes[n % 2]?.recorder
    if (!unit || !recorder) return
    const { id } = unit.call
    const intent = history.intents.get(id)
    if (step === 'release') {
      const release = releaseOf(unit, history.holds.get(id) ?? null)
      if (!intent && (await recorder.release(release)).kind === 'recorded') history.intents.set(id, release.intent)
    } else if (step === 'resolve') await recorder.resolve(id, 'bob', n % 4 === 0 ? 'HAPPENED' : 'DID_NOT_HAPPEN', 'looked it up')
    else if (step === 'lapse') {
      const gone = history.processes[n % 2]
      if (gone) await endProcess(db(), gone.writer.process())
      await takeOverLapsed({ database: storage.database, writer: storage.writer, bus: createInProcessBus(), clock })
    } else if (step === 'refuse') {
      const refused = {
        kind: 'refused',
        door: 'mcp',
        agent: null,
        asked: 'crm.nothing',
        code: 'BAD_INPUT',
        message: '',
        faults: [],
      } as const
      await recorder.note(null, refused)
      history.refused++
    } else if (intent) {
      const kind = step === 'doubt' ? 'in_doubt' : step === 'unsent' ? 'not_sent' : n % 3 === 0 ? 'failed' : 'completed'
      history.intents.delete(id)
      await recorder.finish({
        ...finished(id, intent, kind),
        outcome: { ...outcomeOf(kind, [200, 404, 503, null][n % 4]), upstreamMs: 3 ** (n % 12) },
      })
    }
  }

  async function follow(once = false): Promise<void> {
    await enterFollower(db(), callFigures)
    await discoverProcesses(db(), callFigures.name, null)
    for (let waiting = await waitingProcesses(db(), callFigures.name); waiting.length > 0; ) {
      for (const each of once ? waiting.slice(-1) : waiting) await takePage({ db: db(), sealer: at().storage.sealer }, callFigures, each)
      if (once) return
      waiting = await waitingProcesses(db(), callFigures.name)
    }
  }

  async function told({ units }: History): Promise<Told[]> {
    const { calls } = at().storage
    return await Promise.all(
      units.map(async ({ call: { id }, decision }) => {
        const call = await calls.call(id)
        const holds = await db().selectFrom('hold').selectAll().where('call_id', '=', id).execute()
        const first = (await calls.entries(id)).map(({ body }) => body).find((body) => body.kind === 'decision')
        if (!call || first?.kind !== 'decision') throw new Error('a call without a decision')
        const { agent, connector, operation, state, createdAt, edit, upstreamMs } = call
        const decided = holds.filter((hold) => hold.state === 'consumed' || MEASURED.has(hold.state))
        const openMs = decided.map((hold) => (hold.decided_at_ms ?? 0) - hold.created_at_ms)
        const sent = upstreamMs !== null && call.error?.message !== 'not sent' ? upstreamMs : null
        return {
          agent,
          connector,
          operation,
          state,
          atMs: createdAt,
          effect: decision.verdict.effect,
          edited: edit !== null,
          upstreamMs: sent,
          openMs,
        }
      }),
    )
  }
  const MEASURED: ReadonlySet<string> = new Set(['approved', 'rejected', 'expired'])

  const KEY: Readonly<Record<FigureGroup, (call: Told) => string>> = {
    TOTAL: () => 'total',
    HOUR: ({ atMs }) => new Date(atMs - (atMs % HOUR_MS)).toISOString(),
    DAY: ({ atMs }) => new Date(atMs - (atMs % DAY_MS)).toISOString(),
    AGENT: ({ agent }) => agent,
    CONNECTOR: ({ connector }) => connector,
    OPERATION: ({ operation }) => operation,
  }

  /** The same by adding up calls one by one. */
  function folded(calls: readonly Told[], groupBy: FigureGroup): object[] {
    const groups = Map.groupBy(calls, KEY[groupBy])
    const having = (of: readonly Told[], fits: (call: Told) => boolean): number => of.filter(fits).length
    return [...groups]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, of]) => ({
        key,
        calls: of.length,
        permitted: having(of, ({ effect }) => effect === 'permit'),
        held: having(of, ({ effect }) => effect === 'hold'),
        denied: having(of, ({ effect }) => effect === 'deny'),
        completed: having(of, ({ state }) => state === 'completed'),
        failed: having(of, ({ state }) => state === 'failed'),
        inDoubt: having(of, ({ state }) => state === 'in_doubt'),
        rejected: having(of, ({ state }) => state === 'rejected'),
        expired: having(of, ({ state }) => state === 'expired'),
        cancelled: having(of, ({ state }) => state === 'cancelled'),
        edited: having(of, ({ edited }) => edited),
        granted: 0,
        hold: of.flatMap(({ openMs }) => openMs).sort((a, b) => a - b),
      }))
  }

  /** Figures with their durations as a count, each quantile held against the durations themselves. */
  function compared(rows: readonly FigureRow[], expected: readonly object[]): void {
    const plain = rows.map(({ upstream: _, hold, ...row }) => ({ ...row, hold: hold?.count ?? 0 }))
    const wanted = expected.map((row) => ({ ...row, hold: (row as { hold: number[] }).hold.length }))
    expect(plain).toEqual(wanted)
    for (const [i, { hold }] of rows.entries()) {
      const exact = (expected[i] as { hold: number[] }).hold
      if (!hold) continue
      for (const [share, ms] of [
        [0.5, hold.p50Ms],
        [0.95, hold.p95Ms],
      ] as const) {
        const value = Math.max(1, exact[Math.ceil(share * exact.length) - 1] ?? 0)
        expect(Math.abs(ms / value - 1)).toBeLessThan(0.1)
      }
    }
  }

  async function live(steps: readonly { step: Step; n: number; afterMs: number }[]): Promise<History> {
    const { storage, recorder, clock } = at()
    const writer = await openWriter(storage.database, storage.sealer, clock)
    const processes = [
      { writer: storage.writer, recorder },
      { writer, recorder: createRecorder({ writer, clock }) },
    ]
    const history: History = { processes, units: [], holds: new Map(), intents: new Map(), refused: 0 }
    for (const { step, n, afterMs } of steps) {
      clock.nowMs += afterMs
      if (step === 'follow') await follow(true)
      else if (step === 'permit' || step === 'hold' || step === 'deny' || step === 'turn') await begin(history, step, n)
      else if (step === 'approve' || step === 'reject' || step === 'expire' || step === 'cancel' || step === 'edit')
        await change(history, step, n)
      else await goOn(history, step, n)
    }
    await processes[1]?.recorder.close()
    await writer.close()
    return history
  }

  const empty = async (): Promise<void> => {
    await emptyCalls(at())
    for (const table of ['call_figure', 'call_duration', 'call_exception'] as const) await db().deleteFrom(table).execute()
  }
  const whole = (hours: readonly number[]): FigureRange => ({
    since: instant(Math.min(...hours) - (Math.min(...hours) % HOUR_MS)),
    until: instant(Math.max(...hours) - (Math.max(...hours) % HOUR_MS) + HOUR_MS),
  })

  describe('figures of calls', () => {
    test('equal calls added up one by one, after any history of two processes, in whatever order it is read', async () => {
      const step = fc.record({
        step: fc.constantFrom(...STEPS, ...STEPS, ...RARE),
        n: fc.nat(59),
        afterMs: fc.constantFrom(1, 1, 1_000, 60_000, HOUR_MS, 7 * HOUR_MS),
      })
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 60, maxLength: 90 }), async (steps) => {
          await follow()
          await empty()
          const history = await live(steps)
          await follow()
          const calls = await told(history)
          if (calls.length === 0) return
          const { figures } = at().storage
          const range = whole(calls.map(({ atMs }) => atMs))
          for (const groupBy of ['TOTAL', 'HOUR', 'DAY', 'AGENT', 'CONNECTOR', 'OPERATION'] as const)
            compared(await figures.rows(range, groupBy, {}), folded(calls, groupBy))
          const mine = calls.filter(({ agent, operation }) => agent === 'helper' && operation === 'crm.orders')
          compared(await figures.rows(range, 'DAY', { agent: 'helper', operation: 'crm.orders' }), folded(mine, 'DAY'))
          const some = calls.filter(({ operation }) => operation === 'crm.customers')
          compared(await figures.rows(range, 'AGENT', { operation: 'crm.customers' }), folded(some, 'AGENT'))
          compared(await figures.rows(range, 'TOTAL', { connector: 'crm' }), folded(calls, 'TOTAL'))
          const inside = {
            since: instant(range.since + 3 * HOUR_MS),
            until: instant(Math.max(range.since + 3 * HOUR_MS, range.until - 2 * HOUR_MS)),
          }
          const within = calls.filter(({ atMs }) => atMs >= inside.since && atMs < inside.until)
          compared(await figures.rows(inside, 'AGENT', {}), folded(within, 'AGENT'))
          const sum = (await figures.exceptions({ since: instant(0), until: instant(8.64e15) }, 500)).reduce(
            (all, { count }) => all + count,
            0,
          )
          const bad = calls.filter(({ state, effect }) => effect === 'deny' || /^(rejected|expired|failed|in_doubt)$/.test(state))
          expect(sum).toBe(bad.length + history.refused)
        }),
        { numRuns: 6, seed: 20260728 },
      )
    })

    test('calls under a standing grant are counted once each, when they are used', async () => {
      await follow()
      await empty()
      const { recorder, storage, clock } = at()
      await givenGrant(at(), { maxUses: 2, totals: [] })
      const asked = [using(clock, { amount: 1 }), using(clock, { amount: 2 }, true), using(clock, { amount: 3 })]
      for (const unit of asked) await recorder.decide(unit)
      await follow()
      const [first] = asked
      if (!first?.would.intent) throw new Error('the call has an intent')
      await recorder.finish({ ...finished(first.callId, first.would.intent), reserved: true })
      await follow()
      const rows = await storage.figures.rows(whole([clock.nowMs]), 'TOTAL', {})
      expect(rows).toMatchObject([{ calls: 4, granted: 2, held: 2, completed: 1 }])
    })

    test('exceptions say where, and why where it is known', async () => {
      await follow()
      await empty()
      const { recorder, storage, clock } = at()
      for (let i = 0; i < 3; i++) await recorder.admit(denied(clock))
      for (const status of [404, 404, 503, null]) {
        const unit = permitted(clock)
        await recorder.admit(unit)
        await recorder.finish({ ...finished(unit.call.id, unit.intent, 'failed'), outcome: outcomeOf('failed', status) })
      }
      const unit = permitted(clock)
      await recorder.admit(unit)
      await recorder.finish(finished(unit.call.id, unit.intent, 'in_doubt'))
      await recorder.note(null, {
        kind: 'refused',
        door: 'http',
        agent: null,
        asked: null,
        code: 'UNAUTHENTICATED',
        message: '',
        faults: [],
      })
      await follow()
      const range = whole([clock.nowMs])
      expect(await storage.figures.exceptions(range, 10)).toEqual([
        { stage: 'DENIED', reason: 'f1', connector: 'crm', count: 3 },
        { stage: 'FAILED', reason: 'refused', connector: 'crm', count: 2 },
        { stage: 'FAILED', reason: 'status', connector: 'crm', count: 1 },
        { stage: 'FAILED', reason: 'unreached', connector: 'crm', count: 1 },
        { stage: 'IN_DOUBT', reason: '', connector: 'crm', count: 1 },
        { stage: 'REFUSED', reason: 'UNAUTHENTICATED', connector: null, count: 1 },
      ])
      expect(await storage.figures.exceptions(range, 1)).toHaveLength(1)
      await recorder.resolve(unit.call.id, 'bob', 'HAPPENED', 'looked it up')
      await follow()
      expect((await storage.figures.exceptions(range, 10)).map(({ stage }) => stage)).not.toContain('IN_DOUBT')
      expect(await storage.figures.rows(range, 'TOTAL', {})).toMatchObject([{ calls: 8, completed: 1, inDoubt: 0, failed: 4, denied: 3 }])
    })

    test('are complete up to the first entry that was not taken', async () => {
      const { recorder, storage, clock } = at()
      await follow()
      expect(await storage.figures.completeUpTo()).toBe(clock.now())
      clock.nowMs += 5_000
      const beganMs = clock.nowMs
      await recorder.admit(denied(clock))
      clock.nowMs += 60_000
      expect(await storage.figures.completeUpTo()).toBe(beganMs)
      await sql`insert into process (id, started_ms, heartbeat_ms) values ('p-unknown', 1, 1)`.execute(db())
      const kind: EntryKind = 'view'
      await db()
        .insertInto('entry')
        .values({ process: 'p-unknown', seq: 1, at_ms: 7, kind, call_id: null, body: '{"kind":"view"}' })
        .execute()
      expect(await storage.figures.completeUpTo()).toBe(7)
      await follow()
      expect(await storage.figures.completeUpTo()).toBe(clock.now())
    })

    test('are added up in pages, and more than may be read at once is refused', async () => {
      await empty()
      const { figures } = at().storage
      const first = Math.ceil(at().clock.nowMs / DAY_MS) * DAY_MS
      const fill = (agents: number, hours: number) =>
        sql`insert into call_figure select 1, 3600000, ${first}::float8 + h * 3600000.0, 'a' || a, '', '', 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0
          from generate_series(1, ${agents}) a, generate_series(0, ${hours - 1}) h on conflict do nothing`.execute(db())
      await fill(1_200, 20)
      const range = { since: instant(first), until: instant(first + 20 * HOUR_MS) }
      expect(1_200 * 20).toBeGreaterThan(4 * LIMITS.figureRowsPerStatementMax)
      expect((await figures.rows(range, 'AGENT', {})).map(({ calls }) => calls)).toEqual(Array(1_200).fill(20))
      expect(await figures.rows(range, 'TOTAL', { agent: 'a7' })).toMatchObject([{ calls: 20 }])
      await fill(10_100, 20)
      await expect(figures.rows(range, 'AGENT', {})).rejects.toMatchObject({ code: 'BAD_INPUT' })
      expect(await figures.rows(range, 'TOTAL', { agent: 'a7' })).toMatchObject([{ calls: 20 }])
      await empty()
    })
  })
}
