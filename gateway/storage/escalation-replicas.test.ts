import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import { createRecorder, type RunningRecorder } from '../record/recorder.ts'
import { escalating } from './escalation.conformance.ts'
import { escalateDue } from './maintenance.ts'
import { openStorage, type Storage } from './open-storage.ts'
import { freshPostgres } from './test-databases.ts'
import { closeTestStore, openTestStore, type TestStore } from './test-store.ts'

const database = await freshPostgres('escalations of two replicas')

describe.skipIf(database === undefined)('two replicas on PostgreSQL', () => {
  let store: TestStore
  let second: { storage: Storage; recorder: RunningRecorder }
  const bus = createInProcessBus()
  beforeAll(async () => {
    if (!database) return
    store = await openTestStore(database)
    const storage = await openStorage({ ...database.options, clock: store.clock, bus })
    second = { storage, recorder: createRecorder({ writer: storage.writer, clock: store.clock, bus }) }
  })
  afterAll(async () => {
    await second?.recorder.close()
    await second?.storage.close()
    if (store) await closeTestStore(store)
    await database?.drop()
  })

  test('look at once, and every step and every expiry happens once', async () => {
    const { clock, recorder, storage } = store
    const units = Array.from({ length: 30 }, () => escalating(clock))
    await Promise.all(units.map((unit) => recorder.admit(unit)))
    const both = [storage.writer, second.storage.writer]
    for (const afterMs of [100, 100, 100]) {
      clock.nowMs += afterMs
      await Promise.all([0, 1, 0, 1, 0, 1].map((nth) => escalateDue({ writer: both[nth] ?? storage.writer, bus })))
    }
    clock.nowMs += 700
    const expire = (by: RunningRecorder) => (unit: (typeof units)[number]) =>
      by.changeHold({ hold: unit.hold.id, callId: unit.call.id, to: 'expired', callState: 'expired', by: 'gatehouse' })
    const ended = await Promise.all([recorder, second.recorder].flatMap((each) => units.map(expire(each))))
    expect(ended.filter(Boolean)).toHaveLength(units.length)
    for (const unit of units) {
      const bodies = (await storage.calls.entries(unit.call.id)).map(({ body }) => body)
      expect(bodies.map((body) => (body.kind === 'hold.escalated' ? body.step : body.kind))).toEqual([
        'decision',
        'hold.opened',
        1,
        2,
        3,
        'hold.changed',
      ])
    }
  })
})
