import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import { TokenRefusal } from './token-form.ts'

const WINDOW_MS = 60_000

/** At most `LIMITS.tokenRequestsPerMinuteMax` attempts a client in one minute from its first; the least recent of too many names is forgotten. */
export class AttemptLimit {
  readonly #clock: Clock
  readonly #attempts = new LRUCache<string, { count: number; startedMs: number }>({ max: LIMITS.tokenClientsTrackedMax })

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts one attempt. Throws `temporarily_unavailable` with status 429. */
  take(client: string): void {
    const now = this.#clock.now()
    const known = this.#attempts.get(client)
    const window = known && now - known.startedMs < WINDOW_MS ? known : { count: 0, startedMs: now }
    window.count++
    this.#attempts.set(client, window)
    if (window.count <= LIMITS.tokenRequestsPerMinuteMax) return
    const seconds = Math.ceil((window.startedMs + WINDOW_MS - now) / 1_000)
    throw new TokenRefusal('temporarily_unavailable', 'too many token requests by this client', 429, seconds)
  }
}
