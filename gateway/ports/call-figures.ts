import type { Instant } from '../core/clock.ts'
import type { DurationsInShort } from '../core/duration-buckets.ts'

/** What is counted of calls. `permitted`, `held` and `denied` by the first decision; the rest by how the call stands. */
export const FIGURES = [
  'calls',
  'permitted',
  'held',
  'denied',
  'completed',
  'failed',
  'inDoubt',
  'rejected',
  'expired',
  'cancelled',
  'edited',
  'granted',
] as const
export type Figure = (typeof FIGURES)[number]

export type FigureGroup = 'TOTAL' | 'HOUR' | 'DAY' | 'AGENT' | 'CONNECTOR' | 'OPERATION'

export interface FigureFilter {
  agent?: string
  connector?: string
  operation?: string
}

/** Whole hours, UTC, without the hour that begins at `until`. */
export interface FigureRange {
  since: Instant
  until: Instant
}

export interface FigureRow extends Readonly<Record<Figure, number>> {
  /** A name, the beginning of an hour or a day in ISO 8601, or `total`. */
  key: string
  /** How long systems took. Absent where nothing was sent. */
  upstream?: DurationsInShort
  /** How long holds were open until people decided or time was up. */
  hold?: DurationsInShort
}

/** Where calls ended badly. */
export const EXCEPTION_STAGES = ['REFUSED', 'DENIED', 'REJECTED', 'EXPIRED', 'FAILED', 'IN_DOUBT'] as const
export type ExceptionStage = (typeof EXCEPTION_STAGES)[number]

export interface ExceptionRow {
  stage: ExceptionStage
  /** An error code, a policy's id, a class of upstream answers; empty where the stage says all. */
  reason: string
  /** Null where the request never became a call. */
  connector: string | null
  count: number
}

/**
 * Figures of the calls that were made in a range, whenever they ended, by a follower of the record: a second behind it as a rule. All rows of a group come, in
 * the order of their keys. Throws UNAVAILABLE, BAD_INPUT for a range that has more than `LIMITS.figureRowsReadMax` rows.
 */
export interface CallFigures {
  rows(range: FigureRange, groupBy: FigureGroup, filter: FigureFilter): Promise<readonly FigureRow[]>
  /** The most frequent first, at most `first`. */
  exceptions(range: FigureRange, first: number): Promise<readonly ExceptionRow[]>
  /** What was recorded before is counted. */
  completeUpTo(): Promise<Instant>
}
