import type { Bus, Signal } from '../ports/bus.ts'
import type { Log } from '../ports/telemetry.ts'

/** Wakes listeners of this process, at once and in turn. A listener that throws is logged and stops nobody else. */
export function createInProcessBus(log?: Log): Bus {
  const listeners = new Set<{ call: (signal: Signal) => void }>()
  return {
    publish(signal) {
      for (const listener of [...listeners]) {
        try {
          listener.call(signal)
        } catch (error) {
          log?.error({ error, signal: signal.kind }, 'a listener failed')
        }
      }
    },
    subscribe(listener) {
      // A box of its own: the same function may subscribe twice, and each subscription ends by itself.
      const box = { call: listener }
      listeners.add(box)
      return () => {
        listeners.delete(box)
      }
    },
  }
}
