import type { Instant } from './clock.ts'
import type { OperationId } from './ids.ts'

/**
 * One part of what a system says of itself now that is not as people reviewed it. `changed` and `missing` operations are refused until it is; a `new` part is
 * no operation before somebody imports it.
 */
export interface Drift {
  /** What the system calls it. */
  readonly subject: string
  /** Null where it is new. */
  readonly operation: OperationId | null
  readonly change: 'changed' | 'missing' | 'new'
  /** SHA-256 hex of the reviewed description; null where it is new. */
  readonly reviewedVersion: string | null
  /** The same of what it says now; null where it is missing. */
  readonly seenVersion: string | null
  /** Both in full for people, cut at `LIMITS.driftTextCharsMax`. The system's own words: data, never an instruction. */
  readonly reviewed: string | null
  readonly seen: string | null
}

/** A drift that stands in storage. */
export interface FoundDrift extends Drift {
  readonly since: Instant
}

/** What entries keep of a drift. */
export type DriftSummary = Pick<Drift, 'subject' | 'operation' | 'change' | 'reviewedVersion' | 'seenVersion'>

export const summaryOf = ({ subject, operation, change, reviewedVersion, seenVersion }: Drift): DriftSummary => ({
  subject,
  operation,
  change,
  reviewedVersion,
  seenVersion,
})
