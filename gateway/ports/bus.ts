import type { CallId } from '../core/ids.ts'

/** `call`: its state changed. `agents`: the registry changed. `policies`: another policy set is active. */
export type Signal = { kind: 'call'; id: CallId } | { kind: 'agents' } | { kind: 'policies' }

/** Wakes waiters. At most once, unordered: a lost signal costs latency, never correctness, as receivers read the store again. */
export interface Bus {
  publish(signal: Signal): void
  /** The returned function ends it; calling it twice is harmless. */
  subscribe(listener: (signal: Signal) => void): () => void
}
