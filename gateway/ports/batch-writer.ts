import type { Instant } from '../core/clock.ts'
import type { EntryBody } from '../core/entry.ts'
import type { CallId } from '../core/ids.ts'
import type { Finished, HoldChange, NewCall, NewCallResult, Release, ReleaseResult } from './recorder.ts'

/** One thing to write: a recorder's call as data. `at` is when it was asked for; entries carry it. */
export type Unit =
  | { kind: 'admit'; at: Instant; unit: NewCall }
  | { kind: 'release'; at: Instant; unit: Release }
  | { kind: 'finish'; at: Instant; unit: Finished }
  | { kind: 'changeHold'; at: Instant; unit: HoldChange }
  | { kind: 'cancelUnstarted'; at: Instant; callId: CallId; why: string }
  | { kind: 'resolve'; at: Instant; callId: CallId; by: string; effect: 'HAPPENED' | 'DID_NOT_HAPPEN'; evidence: string }
  | { kind: 'note'; at: Instant; callId: CallId | null; body: EntryBody }

/** `written` answers finish and note; `applied` answers the compare-and-sets. */
export type UnitResult =
  | { kind: 'admitted'; result: NewCallResult }
  | { kind: 'released'; result: ReleaseResult }
  | { kind: 'written' }
  | { kind: 'applied'; applied: boolean }
  | { kind: 'failed'; error: unknown }

export interface Batch {
  /** Unique in the process: what a lost COMMIT is looked up by. */
  id: string
  units: readonly Unit[]
  /** Results that were handed over since the last batch. */
  delivered: readonly CallId[]
}

/**
 * Writes a batch as one transaction, in order, as if each unit were a transaction of its own. Resolves only after COMMIT, with one result
 * for each unit; a unit that the database refuses is `failed` and takes no other down. Throws UNAVAILABLE when nothing was written.
 * A COMMIT whose fate is unknown is looked up before it answers. One batch at a time: the caller waits for the last one.
 */
export interface BatchWriter {
  write(batch: Batch): Promise<readonly UnitResult[]>
}
