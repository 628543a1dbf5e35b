import { createInProcessBus } from '../bus/in-process.ts'
import type { CallId, HoldId } from '../core/ids.ts'
import type { Signal } from '../ports/bus.ts'
import { createRecorder, type RunningRecorder } from '../record/recorder.ts'
import { openStorage, type Storage } from './open-storage.ts'
import type { RunningRegistry } from './registry.ts'
import type { TestDatabase } from './test-databases.ts'
import { activateEmptySet } from './test-policy-sets.ts'
import { type held, POLICY_SET, seed, type TestClock, testClock } from './test-units.ts'

/** An opened store with all that stands on it. */
export interface TestStore {
  storage: Storage
  recorder: RunningRecorder
  clock: TestClock
  signals: Signal[]
  registry: RunningRegistry
}

/** Opens storage, recorder and registry on a test database, with agents `helper` and `other` and an active policy set. */
export async function openTestStore(database: TestDatabase): Promise<TestStore> {
  const clock = testClock()
  const bus = createInProcessBus()
  const signals: Signal[] = []
  bus.subscribe((signal) => signals.push(signal))
  const storage = await openStorage({ ...database.options, clock, bus })
  const registry = await storage.registry([seed('helper'), seed('other')], [{ name: 'bob', groups: ['finance'], roles: [] }])
  await activateEmptySet(storage.policySets, POLICY_SET)
  return { storage, clock, signals, registry, recorder: createRecorder({ writer: storage.writer, clock, bus }) }
}

export async function closeTestStore({ recorder, storage }: TestStore): Promise<void> {
  await recorder.close()
  await storage.close()
}

/** Removes calls, holds, keys, counters and labels; entries, agents and processes stay, as they only grow. */
export async function emptyCalls({ storage }: TestStore): Promise<void> {
  for (const table of [
    'grant_use',
    'standing_grant',
    'break_glass',
    'rule_decision',
    'vote',
    'hold',
    'idempotency_key',
    'execution',
    'counter_event',
    'counter_bucket',
    'counter',
    'label',
    'minted_run',
    'search_hit',
    'search_word',
    'search_value',
    'call',
  ] as const)
    await storage.database.db.deleteFrom(table).execute()
}

/** A vote of now. */
export const vote = (clock: TestClock, holdId: HoldId, voter = 'bob', verdict: 'approve' | 'reject' = 'approve') => ({
  holdId,
  voter,
  verdict,
  comment: null,
  at: clock.now(),
})

/** An agent's present epoch. */
export const epochOf = ({ registry }: TestStore, name: string): number => registry.agent(name)?.epoch ?? 0

/** The kinds of a call's entries, in order. */
export const kinds = async ({ storage }: TestStore, id: CallId): Promise<string[]> =>
  (await storage.calls.entries(id)).map(({ body }) => body.kind)

export const state = async ({ storage }: TestStore, id: CallId): Promise<string | undefined> => (await storage.calls.call(id))?.state

/** Bob approves a held call. */
export const approve = ({ recorder, clock }: TestStore, unit: ReturnType<typeof held>): Promise<boolean> =>
  recorder.changeHold({
    hold: unit.hold.id,
    callId: unit.call.id,
    to: 'approved',
    callState: 'approved',
    by: 'bob',
    digest: unit.hold.digest,
    vote: vote(clock, unit.hold.id),
  })

/** The id under which the store writes now. */
export const lastProcess = ({ storage }: TestStore): string => storage.writer.process()
