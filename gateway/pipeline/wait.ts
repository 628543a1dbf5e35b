import { type Call, FINAL_STATES } from '../core/call.ts'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Bus } from '../ports/bus.ts'
import type { CallStore } from '../ports/call-store.ts'

/** Waits for calls of this process and of others: the bus wakes at once, the store is read again every `LIMITS.pollMs` in case it did not. */
export interface Waiter {
  /**
   * The call as it stands once `done` holds, or when `waitMs` are over, the caller left or the waiter was closed. Beyond `LIMITS.waitersMax` nobody waits:
   * the call is told as it is. Undefined where there is no such call.
   */
  until(id: CallId, waitMs: number, signal: AbortSignal, done: (call: Call) => boolean, onWaiting?: () => void): Promise<Call | undefined>
  /** Requests that wait now. */
  count(): number
  /** Ends all waiting, now and from now on. */
  close(): void
}

export const isFinal = (call: Call): boolean => FINAL_STATES.has(call.state)

export function createWaiter(store: CallStore, bus: Bus): Waiter {
  const waiting = new Map<CallId, Set<() => void>>()
  let count = 0
  let closed = false
  const end = bus.subscribe((signal) => {
    if (signal.kind === 'call') for (const wake of waiting.get(signal.id) ?? []) wake()
  })
  const nap = (id: CallId, napMs: number, signal: AbortSignal): { woken: Promise<void>; cancel: () => void } => {
    let cancel = (): void => {}
    const woken = new Promise<void>((wake) => {
      const set = waiting.get(id) ?? new Set()
      waiting.set(id, set)
      const timer = setTimeout(() => cancel(), napMs)
      cancel = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', cancel)
        set.delete(cancel)
        if (set.size === 0 && waiting.get(id) === set) waiting.delete(id)
        wake()
      }
      set.add(cancel)
      signal.addEventListener('abort', cancel)
    })
    return { woken, cancel }
  }
  return {
    async until(id, waitMs, signal, done, onWaiting) {
      const endsAt = performance.now() + (count >= LIMITS.waitersMax ? 0 : waitMs)
      count++
      try {
        for (;;) {
          const leftMs = endsAt - performance.now()
          // Listening starts before the read, so a change between the two is not missed.
          const { woken, cancel } = nap(id, Math.max(0, Math.min(leftMs, LIMITS.pollMs)), signal)
          const call = await store.call(id).catch((error: unknown) => {
            cancel()
            throw error
          })
          if (!call || done(call) || leftMs <= 0 || signal.aborted || closed) {
            cancel()
            return call
          }
          await woken
          onWaiting?.()
        }
      } finally {
        count--
      }
    },
    count: () => count,
    close() {
      closed = true
      end()
      for (const wakes of waiting.values()) for (const wake of wakes) wake()
    },
  }
}
