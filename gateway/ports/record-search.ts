import type { Call } from '../core/call.ts'
import type { Instant } from '../core/clock.ts'
import type { Entry, EntryKind } from '../core/entry.ts'
import type { CallId } from '../core/ids.ts'
import type { CallFilter, Page } from './call-store.ts'

/** All that is given must fit. */
export interface EntryFilter {
  kinds?: readonly EntryKind[]
  /** Who did it, where a person did. */
  by?: string
  call?: CallId
  process?: string
  since?: Instant
  until?: Instant
}

/** An entry's place in the order of time. It never changes. */
export interface EntryPlace {
  at: Instant
  process: string
  seq: number
}

export interface EntriesPage extends Page<Entry> {
  /** How far was looked, where the page is short since too few of the entries fit: the next page begins after it. */
  lookedTo?: EntryPlace
}

/** A run that a person started for an agent and subject. */
export interface MintedRun {
  agent: string
  subject: string | null
  startedBy: string
  startedAt: Instant
  /** What it carries, and when its calls read that last; those that ran out are left out after a while. */
  labels: readonly { label: string; lastAt: Instant }[]
}

/** A call at a place of the log. */
export interface DrawnCall {
  place: number
  id: CallId
  /** Null where it does not fit what was asked for. */
  call: Call | null
}

/** What auditors ask the record. Throws UNAVAILABLE when the database is away. */
export interface RecordSearch {
  /** Entries without payloads, newest first. Looks at `LIMITS.entryScanRowsMax` of them at most. */
  entries(filter: EntryFilter, page: { first: number; after?: EntryPlace }): Promise<EntriesPage>
  /** Undefined where nobody started it. */
  run(id: string): Promise<MintedRun | undefined>
  /** How many entries are in the log. */
  logSize(): Promise<number>
  /**
   * The calls whose first decision in the log's order stands at one of these places, at most `LIMITS.pageRowsMax`, in no order: so every call that was ever decided
   * is at one place, and only at one. Throws BAD_INPUT as `CallStore.calls` does.
   */
  callsAt(places: readonly number[], filter: CallFilter): Promise<readonly DrawnCall[]>
}
