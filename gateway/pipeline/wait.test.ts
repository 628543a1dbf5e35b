import { describe, expect, test } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import type { Call, CallState } from '../core/call.ts'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { CallStore } from '../ports/call-store.ts'
import { createWaiter, isFinal } from './wait.ts'

const ID = 'call_1' as CallId

/** A store with one call, counting how often it is read. */
function bed() {
  const bus = createInProcessBus()
  const now: { state: CallState | undefined; reads: number; fails?: Error } = { state: 'held', reads: 0 }
  const store = {
    async call() {
      now.reads++
      if (now.fails) throw now.fails
      return now.state === undefined ? undefined : ({ id: ID, state: now.state } as Call)
    },
  } as unknown as CallStore
  const waiter = createWaiter(store, bus)
  const become = (state: CallState): void => {
    now.state = state
    bus.publish({ kind: 'call', id: ID })
  }
  const until = (waitMs: number, signal = new AbortController().signal) => waiter.until(ID, waitMs, signal, isFinal)
  const begun = () => expect.poll(() => now.reads).toBeGreaterThan(0)
  return { now, bus, waiter, become, until, begun }
}

test('what is so already is told after one read', async () => {
  const { now, until } = bed()
  now.state = 'completed'
  expect((await until(60_000))?.state).toBe('completed')
  expect(now.reads).toBe(1)
})

test('without a wait the call is told as it is', async () => {
  expect((await bed().until(0))?.state).toBe('held')
})

test('a call that is not there is waited for by nobody', async () => {
  const { now, until, waiter } = bed()
  now.state = undefined
  expect(await until(60_000)).toBeUndefined()
  expect(waiter.count()).toBe(0)
})

test('a signal wakes at once; other states and other calls wake nobody for good', async () => {
  const { until, become, bus, begun } = bed()
  const waiting = until(60_000)
  await begun()
  bus.publish({ kind: 'call', id: 'call_2' as CallId })
  bus.publish({ kind: 'agents' })
  become('executing')
  become('completed')
  expect((await waiting)?.state).toBe('completed')
})

test('a signal that was lost costs a moment: the store is read again', async () => {
  const { until, now, begun } = bed()
  const waiting = until(60_000)
  await begun()
  now.state = 'rejected'
  expect((await waiting)?.state).toBe('rejected')
})

describe('the wait ends', () => {
  test('when its caller leaves', async () => {
    const { until, begun } = bed()
    const leaving = new AbortController()
    const waiting = until(60_000, leaving.signal)
    await begun()
    leaving.abort()
    expect((await waiting)?.state).toBe('held')
  })
  test('at once where the caller has left', async () => {
    expect((await bed().until(60_000, AbortSignal.abort()))?.state).toBe('held')
  })
  test('when the waiter is closed', async () => {
    const { until, waiter, begun } = bed()
    const waiting = [until(60_000), until(60_000)]
    await begun()
    waiter.close()
    expect((await Promise.all(waiting)).map((call) => call?.state)).toEqual(['held', 'held'])
    expect((await until(60_000))?.state).toBe('held')
  })
  test('when the store fails', async () => {
    const { until, now, begun, become, waiter } = bed()
    const waiting = until(60_000)
    await begun()
    now.fails = new Error('away')
    become('held')
    await expect(waiting).rejects.toThrow('away')
    expect(waiter.count()).toBe(0)
  })
})

test('beyond the bound nobody waits, and nobody is refused', async () => {
  const { until, waiter } = bed()
  const leaving = new AbortController()
  const waiting = Array.from({ length: LIMITS.waitersMax }, () => until(60_000, leaving.signal))
  expect(waiter.count()).toBe(LIMITS.waitersMax)
  expect((await until(60_000))?.state).toBe('held')
  leaving.abort()
  await Promise.all(waiting)
  expect(waiter.count()).toBe(0)
})

test('whoever waits is told so about every second, and a listener that throws ends its own wait only', async () => {
  const { waiter, become, begun } = bed()
  const signal = new AbortController().signal
  let told = 0
  const hears = waiter.until(ID, 60_000, signal, isFinal, () => told++)
  const throws = waiter.until(ID, 60_000, signal, isFinal, () => {
    throw new Error('the listener')
  })
  const failed = expect(throws).rejects.toThrow('the listener')
  await begun()
  become('executing')
  await failed
  become('completed')
  expect((await hears)?.state).toBe('completed')
  expect([told > 0, waiter.count()]).toEqual([true, 0])
})
