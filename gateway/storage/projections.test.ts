import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { BreakGlass } from '../core/break-glass.ts'
import { instant } from '../core/clock.ts'
import type { Grant } from '../core/grant.ts'
import type { Hold } from '../core/hold.ts'
import { newBreakGlassId, type RunId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { HoldChange } from '../ports/recorder.ts'
import { lapseDueReviews } from './maintenance.ts'
import { replay } from './projections.ts'
import { givenWithHold, using } from './test-grants.ts'
import { approved, denied, finished, held, newHold, permitted, POLICY_SET, releaseOf } from './test-units.ts'
import { payment, SERIES } from './test-counters.ts'
import { activateEmptySet } from './test-policy-sets.ts'
import { closeTestStore, emptyCalls, openTestStore, type TestStore } from './test-store.ts'
import { freshPglite } from './test-databases.ts'

const database = freshPglite()
let store: TestStore
beforeAll(async () => {
  store = await openTestStore(database)
})
afterAll(async () => {
  await closeTestStore(store)
  await database.drop()
})

const STEPS = [
  'permit',
  'pay',
  'pay later',
  'carry',
  'deny',
  'turn',
  'hold',
  'approve',
  'reject',
  'expire',
  'cancel',
  'supersede',
  'edit',
  'refuse',
  'release',
  'finish',
  'doubt',
  'resolve',
  'late',
  'lapse',
  'wait',
  'give',
  'use',
  'use later',
  'end grant',
  'break',
  'review',
] as const

/** What counts goes through doubt and back often enough to be seen. */
const OFTEN = [
  'pay',
  'pay',
  'pay later',
  'release',
  'doubt',
  'doubt',
  'resolve',
  'resolve',
  'finish',
  'give',
  'use',
  'use',
  'use',
  'use later',
] as const

const OF_GRANTS: ReadonlySet<string> = new Set(['give', 'use', 'use later', 'end grant', 'break', 'review'])

/** Calls that a history made so far; the steps try everything on them, possible or not. */
class History {
  readonly units: (ReturnType<typeof held> | ReturnType<typeof permitted>)[] = []
  readonly holds = new Map<string, ReturnType<typeof newHold>>()
  readonly intents = new Map<string, ReturnType<typeof permitted>['intent']>()
  readonly grants: Grant[] = []
  readonly broken: BreakGlass[] = []

  pick(n: number) {
    return this.units[n % Math.max(1, this.units.length)]
  }
}

/** A payment that counts, at once or when its turn comes. */
async function pay(history: History, make: typeof approved, joinKey: string, n: number): Promise<void> {
  const unit = payment(store.clock, { amount: `${n}.5`, to: [`p${n}`], cap: 30, make, sample: { joinKey } })
  const done = await store.recorder.decide(unit)
  if (done.kind !== 'admitted' || done.result.kind !== 'recorded') return
  history.units.push(done.unit as ReturnType<typeof permitted>)
  if (done.unit.intent) history.intents.set(unit.callId, done.unit.intent)
}

async function begin(history: History, step: 'permit' | 'deny' | 'turn' | 'hold', joinKey: string): Promise<void> {
  const { recorder, clock } = store
  const unit = { permit: permitted, deny: denied, turn: approved, hold: held }[step](clock, { joinKey })
  if ((await recorder.admit(unit)).kind !== 'recorded') return
  history.units.push(unit as ReturnType<typeof permitted>)
  if (unit.hold) history.holds.set(unit.call.id, unit.hold)
  if (unit.intent) history.intents.set(unit.call.id, unit.intent)
}

/** A grant with an approval; now and then one that nothing or little is left of. */
async function give(history: History, n: number): Promise<void> {
  const totals = n % 3 === 0 ? [] : [{ of: '/amount', most: `${n * 4 + 1}.5` }]
  const { hold, grant } = await givenWithHold(store, { maxUses: 1 + (n % 4), totals })
  history.units.push(hold)
  history.holds.set(hold.call.id, hold.hold)
  history.grants.push(grant)
}

/** A call that passes under a grant, at once or when its turn comes, or is held. */
async function use(history: History, later: boolean, n: number): Promise<void> {
  const done = await store.recorder.decide(using(store.clock, { amount: n + 0.25 }, later))
  if (done.kind !== 'admitted' || done.result.kind !== 'recorded') return
  history.units.push(done.unit as ReturnType<typeof permitted>)
  if (done.unit.intent) history.intents.set(done.unit.call.id, done.unit.intent)
  if (done.unit.hold) history.holds.set(done.unit.call.id, done.unit.hold)
}

/** One person approves an open hold alone. */
async function breakGlass(history: History, n: number): Promise<void> {
  const { recorder, clock } = store
  const unit = history.pick(n)
  const hold = unit && history.holds.get(unit.call.id)
  if (!hold) return
  const use: BreakGlass = {
    ...{
      id: newBreakGlassId(clock.now(), randomBytes(16)),
      holdId: hold.id,
      callId: unit.call.id,
      by: 'bob',
      reason: 'the plant stands still',
    },
    ...{ until: instant(clock.nowMs + 30), reviewDue: instant(clock.nowMs + 15), createdAt: clock.now(), state: 'due', review: null },
  }
  const change = { hold: hold.id, callId: unit.call.id, from: 'open', to: 'approved', callState: 'approved', by: 'bob' } as const
  if (await recorder.changeHold({ ...change, breaks: use })) history.broken.push(use)
}

async function review(history: History, n: number): Promise<void> {
  await lapseDueReviews({ writer: store.storage.writer })
  const use = history.broken[n % Math.max(1, history.broken.length)]
  if (use && n % 2 === 0) await store.storage.grants.review(use.id, 'justified', 'aisha', 'looked at it')
}

const CHANGES = {
  approve: ['approved', 'approved'],
  reject: ['rejected', 'rejected'],
  expire: ['expired', 'expired'],
  cancel: ['cancelled', 'cancelled'],
  supersede: ['superseded', 'held'],
  edit: ['superseded', 'held'],
  refuse: ['denied', 'denied'],
} as const

/** Other arguments, and the decision on them. */
function editOf(unit: ReturnType<typeof held> | ReturnType<typeof permitted>, n: number, replacement: Hold): Partial<HoldChange> {
  const input = { ...unit.call.input, edited: n }
  return {
    replacement,
    by: `editor ${n % 2}`,
    edit: { input, comment: null, changes: [{ pointer: '/edited', to: n }], key: `e${n}` },
    redecision: { request: { ...unit.request, input }, decision: unit.decision },
  }
}

async function change(history: History, step: keyof typeof CHANGES, n: number): Promise<void> {
  const { recorder, clock } = store
  const unit = history.pick(n)
  const hold = unit && history.holds.get(unit.call.id)
  if (!unit) return
  if (!hold) {
    if (step === 'cancel') await recorder.cancelUnstarted(unit.call.id, 'given up')
    return
  }
  const [to, callState] = CHANGES[step]
  const replacement = newHold(clock, unit.call.id, 50)
  const decided: Partial<HoldChange> =
    step === 'refuse'
      ? { redecision: { request: unit.request, decision: denied(clock).decision } }
      : step === 'edit'
        ? editOf(unit, n, replacement)
        : step === 'supersede'
          ? { replacement }
          : {}
  const done = await recorder.changeHold({ hold: hold.id, callId: unit.call.id, to, callState, by: 'bob', ...decided })
  // From here on the call is decided on what stands in it.
  if (done && decided.edit && decided.redecision) {
    const { input } = decided.edit
    history.units[history.units.indexOf(unit)] = { ...unit, request: decided.redecision.request, call: { ...unit.call, input } }
  }
  if (done && (step === 'supersede' || step === 'edit')) history.holds.set(unit.call.id, replacement)
}

async function ofGrants(history: History, step: (typeof STEPS)[number], n: number): Promise<void> {
  const grant = history.grants[n % Math.max(1, history.grants.length)]
  if (step === 'give') await give(history, n)
  else if (step === 'use' || step === 'use later') await use(history, step === 'use later', n)
  else if (step === 'break') await breakGlass(history, n)
  else if (step === 'review') await review(history, n)
  else if (grant && n % 4 === 0) await store.storage.grants.end(grant.id, n % 8 === 0 ? null : 'aisha', 'over')
}

async function goOn(history: History, step: (typeof STEPS)[number], n: number): Promise<void> {
  const { recorder, storage, clock } = store
  const unit = history.pick(n)
  if (!unit) return
  const { id } = unit.call
  const intent = history.intents.get(id)
  if (step === 'carry') {
    await recorder.stick({ callId: id, agent: 'helper', subject: n % 2 === 0 ? 'paul' : null, run, labels: [`l${n % 4}`, 'pii'] })
  } else if (step === 'release') {
    const release = releaseOf(unit, history.holds.get(id) ?? null)
    if ((await recorder.release(release)).kind === 'recorded') history.intents.set(id, release.intent)
  } else if (step === 'resolve') {
    await recorder.resolve(id, 'bob', n % 4 === 0 ? 'HAPPENED' : 'DID_NOT_HAPPEN', 'looked it up')
  } else if (step === 'lapse') {
    await storage.database.db.updateTable('process').set({ lapsed_at_ms: 1 }).where('id', '=', storage.writer.process()).execute()
    await storage.takeOverLapsed()
  } else if (step === 'wait') {
    clock.nowMs += 20
  } else if (intent) {
    const kind = step === 'doubt' ? 'in_doubt' : n % 3 === 0 ? 'failed' : 'completed'
    await recorder.finish({ ...finished(id, intent, kind, 'body'), reserved: true })
  }
}

const run = 'run_00000000000000000000000001'

const sorted = (rows: readonly object[]): string[] => rows.map((row) => JSON.stringify(row, Object.keys(row).sort())).sort()

const countedNow = (): Promise<object[]> =>
  store.storage.database.db
    .selectFrom('counter_event as e')
    .innerJoin('counter as c', 'c.id', 'e.counter')
    .select(['c.key', 'e.amount', 'e.call_id as callId', 'e.at_ms as atMs'])
    .execute()

async function carriedNow(): Promise<object[]> {
  const rows = await store.storage.database.db.selectFrom('label').selectAll().execute()
  return rows.map(({ agent, subject, run: of, label, last_at_ms: lastAtMs }) => {
    const who: unknown = JSON.parse(subject)
    return { agent, subject: who, run: of === '' ? null : of, label, lastAtMs }
  })
}

test('calls and holds rebuilt from entries equal the projections, after any history', async () => {
  let used = 0
  const step = fc.record({ step: fc.constantFrom(...STEPS, ...OFTEN), n: fc.nat(11) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 50, maxLength: 80 }), async (steps) => {
      await emptyCalls(store)
      await activateEmptySet(store.storage.policySets, POLICY_SET, SERIES)
      await store.recorder.startRun({ run: run as RunId, agent: 'helper', subject: 'paul', by: 'olga' })
      store.clock.nowMs += LIMITS.labelRefreshMs
      const history = new History()
      for (const { step: what, n } of steps) {
        store.clock.nowMs += 1
        if (what === 'permit' || what === 'deny' || what === 'turn' || what === 'hold') await begin(history, what, `j${n % 3}`)
        else if (what === 'pay') await pay(history, permitted, `p${n}`, n)
        else if (what === 'pay later') await pay(history, approved, `p${n}`, n)
        else if (OF_GRANTS.has(what)) await ofGrants(history, what, n)
        else if (what in CHANGES) await change(history, what as keyof typeof CHANGES, n)
        else await goOn(history, what, n)
      }
      const { calls: live } = store.storage
      const entries = await Promise.all(history.units.map(({ call }) => live.entries(call.id)))
      const rebuilt = replay(entries.flat())
      expect(rebuilt.calls.size).toBe(history.units.length)
      for (const [id, call] of rebuilt.calls) expect(await live.call(id)).toMatchObject(call)
      for (const [id, hold] of rebuilt.holds) expect(await live.hold(id)).toEqual(hold)
      expect([rebuilt.grants.size, rebuilt.broken.size]).toEqual([history.grants.length, history.broken.length])
      for (const [id, grant] of rebuilt.grants) expect(await store.storage.grants.grant(id)).toEqual(grant)
      for (const [id, use] of rebuilt.broken) expect(await store.storage.grants.brokenGlass(id)).toEqual(use)
      used += [...rebuilt.grants.values()].reduce((sum, grant) => sum + grant.used, 0)
      expect(sorted(rebuilt.counted)).toEqual(sorted(await countedNow()))
      expect(sorted(rebuilt.labels)).toEqual(sorted(await carriedNow()))
    }),
    { numRuns: 8, seed: 20260728 },
  )
  // The histories are about something.
  expect(used).toBeGreaterThan(5)
})
