import type { Instant } from '../core/clock.ts'
import type { Playbook } from '../core/playbook.ts'

/** A version and since when it is served. */
export type ServedPlaybook = Playbook & { since: Instant }

/** Versions of playbooks that were ever served. Durable: what a decision record was checked against can be read for as long as the record is. */
export interface PlaybookStore {
  /**
   * Keeps what is served from now on; an entry for each version that is new. Returns the versions that were served with another text before: where there
   * are any, nothing is kept. Two processes that start with one configuration write each version once. Throws UNAVAILABLE.
   */
  serve(playbooks: readonly Playbook[]): Promise<readonly ServedPlaybook[]>
  /** Undefined where that version was never served. Throws UNAVAILABLE. */
  served(name: string, version: string): Promise<ServedPlaybook | undefined>
}
