import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { GatewayError } from '../core/errors.ts'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Batch, BatchWriter, Unit, UnitResult } from '../ports/batch-writer.ts'
import type { Signal } from '../ports/bus.ts'
import { payment } from '../storage/test-counters.ts'
import { approved, denied, finished, permitted, releaseOf, testClock } from '../storage/test-units.ts'
import { createRecorder, type RunningRecorder } from './recorder.ts'

/** A writer that answers when it is told to: how long a database takes is what these tests are about. The real ones are in `gateway/storage`. */
class GatedWriter implements BatchWriter {
  readonly batches: Batch[] = []
  away = false
  readonly #open: PromiseWithResolvers<readonly UnitResult[]>[] = []
  #arrived = Promise.withResolvers<void>()

  write(batch: Batch): Promise<readonly UnitResult[]> {
    this.batches.push(batch)
    const gate = Promise.withResolvers<readonly UnitResult[]>()
    this.#open.push(gate)
    this.#arrived.resolve()
    return gate.promise
  }

  isAway(): boolean {
    return this.away
  }

  /** Resolves with the batch that is being written, as soon as there is one. */
  async next(): Promise<Batch> {
    while (this.#open.length === 0) await this.#arrived.promise
    const batch = this.batches.at(-1)
    if (!batch) throw new Error('no batch')
    return batch
  }

  /** Answers the batch that is being written. */
  async answer(of: (unit: Unit) => UnitResult = won): Promise<Batch> {
    const batch = await this.next()
    this.#arrived = Promise.withResolvers()
    this.#open.shift()?.resolve(batch.units.map(of))
    return batch
  }
}

const won = (unit: Unit): UnitResult => {
  if (unit.kind === 'admit') return { kind: 'admitted', result: { kind: 'recorded' } }
  if (unit.kind === 'release') return { kind: 'released', result: { kind: 'recorded' } }
  return unit.kind === 'finish' || unit.kind === 'note' ? { kind: 'written' } : { kind: 'applied', applied: true }
}
const away = (): UnitResult => ({ kind: 'failed', error: new GatewayError('UNAVAILABLE', 'away') })

const clock = testClock()
let writer: GatedWriter
let signals: Signal[]
let recorder: RunningRecorder
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] })
  writer = new GatedWriter()
  signals = []
  recorder = createRecorder({ writer, clock, bus: { publish: (signal) => void signals.push(signal), subscribe: () => () => undefined } })
})
afterEach(() => {
  vi.useRealTimers()
})

const code = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'done',
    (error: GatewayError) => error.code,
  )

describe('batches', () => {
  test('a batch is what arrived while the last was written, in order and bounded', async () => {
    const first = recorder.admit(denied(clock))
    expect((await writer.next()).units.length).toBe(1)
    const rest = Array.from({ length: LIMITS.batchUnitsMax + 5 }, () => denied(clock))
    const others = rest.map((unit) => recorder.admit(unit))
    await writer.answer()
    expect(await first).toEqual({ kind: 'recorded' })
    const second = await writer.answer()
    const third = await writer.answer()
    expect([second.units.length, third.units.length]).toEqual([LIMITS.batchUnitsMax, 5])
    expect([...second.units, ...third.units].map((unit) => unit.kind === 'admit' && unit.unit.call.id)).toEqual(
      rest.map(({ call }) => call.id),
    )
    await Promise.all(others)
    expect(recorder.depth()).toBe(0)
  })

  test('a full queue refuses all but outcomes', async () => {
    const running = permitted(clock)
    const first = recorder.admit(running)
    await writer.next()
    const waiting = Array.from({ length: LIMITS.recordQueueUnitsMax }, () => recorder.note(null, { kind: 'view', by: 'a', what: 'b' }))
    expect(await code(recorder.admit(denied(clock)))).toBe('UNAVAILABLE')
    const outcome = recorder.finish(finished(running.call.id, running.intent))
    expect(recorder.depth()).toBe(LIMITS.recordQueueUnitsMax + 2)
    for (let left = 1 + Math.ceil((LIMITS.recordQueueUnitsMax + 1) / LIMITS.batchUnitsMax); left > 0; left--) await writer.answer()
    await Promise.all([first, outcome, ...waiting])
  })

  test('hand-overs ride with the next batch, but not with the outcome of their own call', async () => {
    const id = 'call_1' as CallId
    recorder.delivered(id)
    recorder.delivered('call_2' as CallId)
    const done = recorder.finish(finished(id, permitted(clock).intent))
    expect((await writer.answer()).delivered).toEqual(['call_2'])
    await done
    expect((await writer.answer()).delivered).toEqual([id])
  })

  test('hand-overs alone go after a short idle time, and again where they were lost', async () => {
    recorder.delivered('call_1' as CallId)
    await vi.advanceTimersByTimeAsync(LIMITS.deliveredIdleMs)
    expect((await writer.answer()).delivered).toEqual(['call_1'])
    recorder.delivered('call_2' as CallId)
    const noted = recorder.note(null, { kind: 'view', by: 'a', what: 'b' })
    await writer.answer(away)
    expect(await code(noted)).toBe('UNAVAILABLE')
    await vi.advanceTimersByTimeAsync(LIMITS.recordRetryMsMax)
    expect((await writer.answer()).delivered).toEqual(['call_2'])
  })

  test('waiters are told of every call whose state changed, and of no other', async () => {
    const unit = permitted(clock)
    const all = [
      recorder.admit(unit),
      recorder.finish(finished(unit.call.id, unit.intent)),
      recorder.resolve('call_2' as CallId, 'bob', 'HAPPENED', 'seen'),
      recorder.note('call_3' as CallId, { kind: 'view', by: 'a', what: 'b' }),
    ]
    await writer.answer((u) => (u.kind === 'resolve' ? { kind: 'applied', applied: false } : won(u)))
    await Promise.all(all)
    expect(signals).toEqual([{ kind: 'call', id: unit.call.id }])
  })
})

describe('a database that is slow or away', () => {
  test.each([
    ['an intent', () => permitted(clock), 'finish'],
    ['a permitted call that waits for its turn', () => approved(clock), 'cancelUnstarted'],
  ] as const)('%s that commits after its caller was told no is ended', async (_title, make, kind) => {
    const unit = make()
    const told = code(recorder.admit(unit))
    await writer.next()
    await vi.advanceTimersByTimeAsync(LIMITS.recordWaitMsMax + 1_000)
    expect(await told).toBe('UNAVAILABLE')
    await writer.answer()
    const [end] = (await writer.answer()).units
    expect(end).toMatchObject(
      kind === 'finish'
        ? { kind, unit: { callId: unit.call.id, intent: unit.intent, outcome: { kind: 'not_sent' } } }
        : { kind, callId: unit.call.id },
    )
  })

  test('so is the intent of a release, while a denial may stand', async () => {
    const release = releaseOf(approved(clock), null)
    const told = [code(recorder.release(release)), code(recorder.admit(denied(clock)))]
    await writer.next()
    await vi.advanceTimersByTimeAsync(LIMITS.recordWaitMsMax + 1_000)
    expect(await Promise.all(told)).toEqual(['UNAVAILABLE', 'UNAVAILABLE'])
    await writer.answer()
    const { units } = await writer.answer()
    expect(units).toMatchObject([{ kind: 'finish', unit: { intent: release.intent, outcome: { kind: 'not_sent' } } }])
  })

  test('a turn that comes too late gives back what was reserved when it was decided, though its release reserves nothing', async () => {
    const release = releaseOf(approved(clock), null)
    expect(release).not.toHaveProperty('reserves')
    const told = code(recorder.release(release))
    await writer.next()
    await vi.advanceTimersByTimeAsync(LIMITS.recordWaitMsMax + 1_000)
    expect(await told).toBe('UNAVAILABLE')
    await writer.answer()
    expect((await writer.answer()).units).toMatchObject([{ kind: 'finish', unit: { callId: release.callId, reserved: true } }])
  })

  test.each([
    ['an intent that was decided inside', permitted, 'finish'],
    ['a turn that was decided inside', approved, 'cancelUnstarted'],
  ] as const)('%s gives back what it reserved', async (_title, make, kind) => {
    const unit = payment(clock, { make })
    const told = code(recorder.decide(unit))
    await writer.next()
    await vi.advanceTimersByTimeAsync(LIMITS.recordWaitMsMax + 1_000)
    expect(await told).toBe('UNAVAILABLE')
    await writer.answer(() => {
      const decided = unit.decide(new Map([['sum', { kind: 'value', value: '0.0' }]]), clock.nowMs, [])
      if (decided.kind !== 'admit') throw new Error('a payment is a new call')
      return { kind: 'decided', result: { kind: 'admitted', unit: decided.unit, result: { kind: 'recorded' } } }
    })
    const [end] = (await writer.answer()).units
    const notSent = { callId: unit.callId, intent: unit.intent, outcome: { kind: 'not_sent' }, reserved: true }
    expect(end).toMatchObject(kind === 'finish' ? { kind, unit: notSent } : { kind, callId: unit.callId })
  })

  test('labels that could not be written are told as such, and written when they are asked for again', async () => {
    const unit = { callId: 'call_1' as CallId, agent: 'helper', subject: null, run: null, labels: ['pii'] }
    const told = code(recorder.stick(unit))
    await writer.answer(away)
    expect(await told).toBe('UNAVAILABLE')
    const again = code(recorder.stick(unit))
    expect((await writer.answer(() => ({ kind: 'written' }))).units).toMatchObject([{ kind: 'stick' }])
    expect([await again, await code(recorder.stick(unit))]).toEqual(['done', 'done'])
    expect(writer.batches.length).toBe(2)
    for (let i = 0; i < LIMITS.labelsRememberedMax; i += 50_000) {
      const many = recorder.stick({ ...unit, labels: Array.from({ length: 50_000 }, (_, n) => `l${i + n}`) })
      await writer.answer(() => ({ kind: 'written' }))
      await many
    }
    const forgotten = recorder.stick(unit)
    await writer.answer(() => ({ kind: 'written' }))
    await forgotten
  })

  test('what was not begun in time is never written', async () => {
    const first = code(recorder.admit(denied(clock)))
    await writer.next()
    const second = code(recorder.admit(permitted(clock)))
    await vi.advanceTimersByTimeAsync(LIMITS.recordWaitMsMax + 1_000)
    expect(await Promise.all([first, second])).toEqual(['UNAVAILABLE', 'UNAVAILABLE'])
    await writer.answer()
    expect(recorder.depth()).toBe(0)
    expect(writer.batches.length).toBe(1)
  })

  test('where the database is known to be away nobody waits long, but for who has executed', async () => {
    const unit = permitted(clock)
    const inside = code(recorder.admit(unit))
    await writer.next()
    const outcome = code(recorder.finish(finished(unit.call.id, unit.intent)))
    const behind = code(recorder.admit(denied(clock)))
    writer.away = true
    await vi.advanceTimersByTimeAsync(LIMITS.recordAwayWaitMsMax + 1_000)
    expect(await Promise.all([inside, behind])).toEqual(['UNAVAILABLE', 'UNAVAILABLE'])
    writer.away = false
    await writer.answer()
    // What was told to be refused has not happened, and the outcome has.
    expect((await writer.answer()).units).toMatchObject([{ kind: 'finish' }, { kind: 'finish', unit: { outcome: { kind: 'not_sent' } } }])
    expect(await outcome).toBe('done')
  })

  test('a call is refused at once, an outcome is written when the database is back', async () => {
    const unit = permitted(clock)
    const [call, outcome] = [code(recorder.admit(denied(clock))), code(recorder.finish(finished(unit.call.id, unit.intent)))]
    await writer.answer(away)
    expect(await call).toBe('UNAVAILABLE')
    for (let tries = 0; tries < 3; tries++) {
      await vi.advanceTimersByTimeAsync(LIMITS.recordRetryMsMax)
      expect((await writer.answer(tries < 2 ? away : won)).units).toMatchObject([{ kind: 'finish', unit: { intent: unit.intent } }])
    }
    expect(await outcome).toBe('done')
  })

  test('so is the end of a call that never runs: equal calls would join it for ever', async () => {
    const cancelled = code(recorder.cancelUnstarted('call_1' as CallId, 'its turn never came'))
    await writer.answer(away)
    await vi.advanceTimersByTimeAsync(LIMITS.recordRetryMsMax)
    expect((await writer.answer()).units).toMatchObject([{ kind: 'cancelUnstarted', callId: 'call_1' }])
    expect(await cancelled).toBe('done')
  })

  test('an outcome’s caller is answered in time, and the outcome is still written', async () => {
    const unit = permitted(clock)
    const outcome = code(recorder.finish(finished(unit.call.id, unit.intent)))
    await writer.next()
    await vi.advanceTimersByTimeAsync(LIMITS.recordWaitMsMax + 1_000)
    expect(await outcome).toBe('UNAVAILABLE')
    await writer.answer(away)
    await vi.advanceTimersByTimeAsync(LIMITS.recordRetryMsMax)
    expect((await writer.answer()).units).toMatchObject([{ kind: 'finish', unit: { intent: unit.intent } }])
  })

  test('a unit that the database refuses is UNAVAILABLE, and the reason stays inside', async () => {
    const refused = recorder.admit(denied(clock))
    await writer.answer(() => ({ kind: 'failed', error: new Error('check constraint call_door') }))
    await expect(refused).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.not.stringContaining('constraint') })
  })
})

describe('closing', () => {
  test('writes what waits, takes nothing new, and is harmless twice', async () => {
    const first = recorder.admit(denied(clock))
    await writer.next()
    const second = recorder.admit(denied(clock))
    const closed = recorder.close()
    expect(await code(recorder.admit(denied(clock)))).toBe('UNAVAILABLE')
    await writer.answer()
    await writer.answer()
    expect(await Promise.all([first, second])).toEqual([{ kind: 'recorded' }, { kind: 'recorded' }])
    await Promise.all([closed, recorder.close()])
  })

  test('gives up in time where the database does not answer', async () => {
    const stuck = code(recorder.admit(denied(clock)))
    await writer.next()
    const closed = recorder.close()
    await vi.advanceTimersByTimeAsync(LIMITS.drainMsMax)
    await closed
    expect(await stuck).toBe('UNAVAILABLE')
  })
})
