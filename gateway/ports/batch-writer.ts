import type { EntryBody } from '../core/entry.ts'
import type { CallId } from '../core/ids.ts'
import type {
  Deciding,
  DecidingResult,
  Finished,
  HoldChange,
  NewCall,
  NewCallResult,
  Release,
  ReleaseResult,
  RunStart,
  Sticking,
  Telling,
  TellingResult,
} from './recorder.ts'

/** One thing to write: a recorder's call as data. */
export type Unit =
  | { kind: 'admit'; unit: NewCall }
  | { kind: 'release'; unit: Release }
  | { kind: 'decide'; unit: Deciding }
  | { kind: 'finish'; unit: Finished }
  | { kind: 'stick'; unit: Sticking }
  | { kind: 'startRun'; unit: RunStart }
  | { kind: 'tell'; unit: Telling }
  | { kind: 'changeHold'; unit: HoldChange }
  | { kind: 'cancelUnstarted'; callId: CallId; why: string }
  | { kind: 'resolve'; callId: CallId; by: string; effect: 'HAPPENED' | 'DID_NOT_HAPPEN'; evidence: string }
  | { kind: 'note'; callId: CallId | null; body: EntryBody }

/** `admitted` answers admit, `released` release, `told` tell, `written` finish, stick, startRun and note, `applied` the compare-and-sets. */
export type UnitResult =
  | { kind: 'admitted'; result: NewCallResult }
  | { kind: 'released'; result: ReleaseResult }
  | { kind: 'decided'; result: DecidingResult }
  | { kind: 'told'; result: TellingResult }
  | { kind: 'written' }
  | { kind: 'applied'; applied: boolean }
  /** Nothing of this unit was written. */
  | { kind: 'failed'; error: unknown }

export interface Batch {
  units: readonly Unit[]
  /** Calls whose results were handed over since the last batch; none of them is finished in this one. */
  delivered: readonly CallId[]
}

/**
 * Writes units as if each were a transaction of its own, in as few transactions as it can. Resolves only after COMMIT, with one result
 * for each unit, in their order; a unit that the database refuses is `failed` and takes no other down. Throws UNAVAILABLE only for a batch
 * without units whose hand-overs could not be written.
 * Where the fate of a COMMIT is unknown it is looked up before anything is answered, however long the database is away.
 * One batch at a time: the caller waits for the last one.
 */
export interface BatchWriter {
  write(batch: Batch): Promise<readonly UnitResult[]>
  /** True while the database is known to be away and the fate of a COMMIT is being looked up. */
  isAway(): boolean
}
