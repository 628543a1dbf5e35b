import type { EntryBody } from '../core/entry.ts'
import type { CallId } from '../core/ids.ts'
import type { HotUnit, Loser } from './batch-statement.ts'
import type { PendingEntry } from './entries.ts'
import type { Tx } from './tables.ts'

/** Adds an entry to the transaction; it is written, with its place, just before COMMIT. */
export type Append = (callId: string | null, body: EntryBody) => void

export interface TransactionScope {
  tx: Tx
  append: Append
  /** What was appended, ready-made entries included. */
  entries: PendingEntry[]
  /** When the transaction was begun, ms since the epoch; the time of its entries. Never earlier than that of the one before. */
  atMs: number
  process: string
  /** Of the first entry of the transaction; the others follow in their order. */
  seq: number
}

/** What a hot statement did: for each admit that lost why, and for each unit whether it was written. */
export interface HotResult {
  losers: readonly Loser[]
  written: (unit: number) => boolean
}

/** The two ways to write entries, one transaction at a time, fenced by the process's session. */
export interface Transactions {
  /**
   * Runs `work` in a transaction with the entries it appends. Resolves after COMMIT. Throws UNAVAILABLE where nothing was written or, as its
   * message then says, nobody can tell yet; and what `work` or the database threw after a rollback.
   */
  transact<T>(work: (scope: TransactionScope) => Promise<T>): Promise<T>
  /** Writes hot units, `entries[i]` those of `units[i]`, in one statement. No two of them may ask for the same key, join key or call. */
  hot(units: readonly HotUnit[], entries: readonly (readonly PendingEntry[])[], delivered: readonly CallId[]): Promise<HotResult>
}
