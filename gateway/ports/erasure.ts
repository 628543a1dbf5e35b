import type { CallId } from '../core/ids.ts'

/** What became of a batch. Calls that were erased before are in neither list. */
export interface Erased {
  calls: readonly CallId[]
  /** Entries whose payload was destroyed. */
  entries: number
  /** Nothing of these was touched. */
  kept: readonly { call: CallId; why: string }[]
}

/** Destroys payloads, each batch in one transaction with its entries. Throws UNAVAILABLE. */
export interface Erasure {
  /** At most `LIMITS.erasedCallsPerBatchMax` calls. Each that is erased has an entry which says so. */
  erase(calls: readonly CallId[], by: string, why: string): Promise<Erased>
}
