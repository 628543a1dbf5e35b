import type { AccountSpan } from '../core/account.ts'
import type { GatewayError } from '../core/errors.ts'
import type { Principal } from '../core/principal.ts'

/** A span of a trace, and how many of its attributes and events are not in it. */
export interface TracedSpan {
  /** 32 lower-case hexadecimal digits. */
  traceId: string
  span: AccountSpan
  leftOut: number
}

/** What agents tell of how they came to their calls. No policy ever reads it. */
export interface Accounts {
  /** Who tells, as at every door of agents; a refusal is recorded. Throws UNAUTHENTICATED. */
  authenticate(authorization: string | undefined): Promise<Principal>
  /** Counts a request in. Throws LIMITED with `retryAfterSeconds`. The returned function counts it out again; calling it twice is harmless. */
  enter(principal: Principal): () => void
  /**
   * Bounds, masks and records the spans, for the principal's agent and subject and nobody else. Durable when it resolves: with how many were not kept, by the
   * reason. What is told again after a failure is shown once. Throws UNAVAILABLE.
   */
  tell(principal: Principal, spans: readonly TracedSpan[]): Promise<ReadonlyMap<string, number>>
  /** Records a refusal. Never throws. */
  refuse(principal: Principal, asked: string, error: Pick<GatewayError, 'code' | 'message' | 'faults'>): Promise<void>
}
