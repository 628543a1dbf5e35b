import type { Drift, FoundDrift } from '../core/drift.ts'

/** What systems say of themselves that nobody has reviewed. Durable, so that every process and the time after a restart knows it. */
export interface DriftStore {
  /** By subject, at most `LIMITS.driftsPerConnectorMax`. Throws UNAVAILABLE. */
  of(connector: string): Promise<readonly FoundDrift[]>
  /** How many there are. Throws UNAVAILABLE. */
  count(connector: string): Promise<number>
  /**
   * All that a comparison found takes the place of what stood there. Entries: one for all that is fresh (another subject, or another description of it), one
   * for what the system took back. Returns the fresh ones. Throws UNAVAILABLE.
   */
  found(connector: string, drift: readonly Drift[]): Promise<readonly Drift[]>
  /** Ends what the reviewed description (subject to version) has another word on by now, with an entry. Returns those subjects. Throws UNAVAILABLE. */
  reviewed(connector: string, versions: ReadonlyMap<string, string>): Promise<readonly string[]>
}
