import type { Instant } from '../core/clock.ts'
import type { Entry } from '../core/entry.ts'
import type { CallId } from '../core/ids.ts'

/** The right edge of the log's tree: for each level of tiles, from the leaves up, the hashes of the tile that is not full yet. */
export interface LogEdge {
  /** Entries in the log. */
  size: number
  levels: readonly (readonly Uint8Array[])[]
  /** The signed checkpoint that is stored of that size; null before the first. */
  checkpoint: string | null
}

/** What entries add to the log. */
export interface LogGrowth {
  /** Leaf hashes, in the order of the entries. */
  leaves: readonly Uint8Array[]
  /** Hashes of tiles that became full, `level` from 1. */
  full: readonly { level: number; index: number; hash: Uint8Array }[]
  size: number
  /** The signed checkpoint of the new size (C2SP tlog-checkpoint). */
  checkpoint: string
}

/** Adds entries, which have no payloads, to a log whose edge this is. Throws RECORD_ALTERED where that is not what was signed. */
export type GrowLog = (edge: LogEdge, entries: readonly Entry[]) => Promise<LogGrowth>

export interface LoggedCheckpoint {
  size: number
  /** The signed note. */
  note: string
  at: Instant
}

/** Where the log begins that is still there. */
export interface LogFloor {
  /** Of the first entry that was not removed under retention: 0, or a multiple of 256. */
  index: number
  /** The entry that says so; null where nothing was removed. */
  removal: LogRemoval | null
  /** Why what is older than retention asks for is still there; null where nothing is, or it goes soon. */
  heldBy: string | null
}

export interface LogRemoval {
  at: Instant
  /** Its index in the log. */
  entry: number
  /** When the newest of the removed entries was written. */
  newest: Instant | null
  /** Calls of later ids have lost nothing. */
  lastCall: CallId | null
}

/** What a witness said last of the log (C2SP tlog-cosignature). */
export interface Cosignature {
  /** Its key, as C2SP signed-note writes it. */
  witness: string
  size: number
  /** Its signature of the checkpoint of that size, as a line of the note. */
  line: string
  /** By its own clock. */
  at: Instant
}

/** The signed note ends in the lines of its cosignatures. */
export interface CosignedCheckpoint extends LoggedCheckpoint {
  cosignatures: readonly Pick<Cosignature, 'witness' | 'at'>[]
}

/** What stands in the log for an entry, and the proof of it. */
export interface LoggedEntry {
  process: string
  seq: number
  /** Of the entry in the log, from 0. */
  index: number
  /** The bytes that were hashed: canonical JSON without payload. */
  leaf: Uint8Array
  /** C2SP tlog-proof against the checkpoint that is published; null while that is older than the entry. */
  proof: string | null
}

/** Which entries of the log are asked for; all of the conditions hold. */
export interface LogRange {
  /** Of the first, from 0. */
  from: number
  /** Index after the last; none of the log's end where absent. */
  before?: number
  /** Written at or after, and before. */
  since?: Instant
  until?: Instant
  /** Of these calls only. */
  calls?: readonly string[]
  /** At these indexes only. */
  places?: readonly number[]
}

/** An index of the log with what the database has of it. */
export interface LogPlace {
  index: number
  /** Of the leaf, as it stands in the tree. */
  hash: Uint8Array | null
  /** Without payload. */
  entry: Entry | null
}

/** Payload and salt of an entry, which its commitment is over. */
export interface OpenPayload {
  text: string
  salt: Uint8Array
}

/** An entry of the log as an export has it. */
export interface ExportedEntry {
  /** In the log, from 0. */
  index: number
  leaf: Uint8Array
  /** Null where it has none, it was erased, or it was not asked for. */
  payload: OpenPayload | null
  erased: boolean
  /** What the database has of it that was not recorded: its text, whose hash is another than the log's, or its payload, which does not open. */
  fault: 'leaf' | 'payload' | null
}

/** The log for those who verify it. Throws UNAVAILABLE when the database is away. */
export interface TransparencyLog {
  readonly origin: string
  /** The key that checkpoints verify with, as C2SP signed-note writes it. */
  readonly vkey: string
  /** The newest that is published: where there are witnesses, once they were asked. */
  checkpoint(): Promise<CosignedCheckpoint | undefined>
  /** That the tree of `newer` entries begins with that of `older` ones (RFC 6962 section 2.1.2). */
  consistency(older: number, newer: number): Promise<readonly Uint8Array[]>
  floor(): Promise<LogFloor>
  /** Bytes of a tile of hashes (C2SP tlog-tiles); undefined where there is none of that width. */
  tile(level: number, index: number, width: number): Promise<Uint8Array | undefined>
  /**
   * Bytes of a bundle of entries; undefined where there is none of that width. Throws REMOVED for one below the log's floor, RECORD_ALTERED where an entry
   * is not what the log has of it.
   */
  bundle(index: number, width: number): Promise<Uint8Array | undefined>
  /**
   * Entries of a range in the log's order: at most `first` and `LIMITS.pageRowsMax`, and fewer where their payloads are long; empty only at the end of the
   * range. What was altered is marked, and what is gone is left out: one entry keeps nobody from the others.
   */
  page(range: LogRange, first: number, payloads: boolean): Promise<readonly ExportedEntry[]>
  /** The entries of a call that are in the log, in its order. Throws RECORD_ALTERED where one is not what the log has of it. */
  proofs(callId: string): Promise<readonly LoggedEntry[]>
}

/** The log as it stands. Throws UNAVAILABLE when the database is away. */
export interface LogStore {
  /** Undefined before the first entry was taken in. */
  checkpoint(): Promise<LoggedCheckpoint | undefined>
  floor(): Promise<LogFloor>
  /** At most a tile of hashes of a level of tiles from an index on, as far as there are any. */
  hashes(level: number, from: number, count: number): Promise<readonly Uint8Array[]>
  /** Hashes of leaves at these indexes, at most `LIMITS.pageRowsMax`; none where there is none. */
  leafHashes(indexes: readonly number[]): Promise<ReadonlyMap<number, Uint8Array>>
  /** Each index from one on, at most a tile of them, with what is there. */
  places(from: number, count: number): Promise<readonly LogPlace[]>
  /** Those that were not removed: entries without payloads from an index of the log on, at most `LIMITS.pageRowsMax`. */
  entries(from: number, count: number): Promise<readonly Entry[]>
  /** Entries of a range that were not removed, with payloads still sealed, by the log's order, at most `LIMITS.pageRowsMax`. */
  range(range: LogRange, first: number): Promise<readonly { index: number; entry: Entry; sealed: string | null }[]>
}

/** What of the log is published, where witnesses are asked before. One process asks at a time. Reads throw UNAVAILABLE when the database is away. */
export interface PublishedLog {
  /** Undefined before the first was published. */
  checkpoint(): Promise<CosignedCheckpoint | undefined>
  /** The newest of each witness, by its key. */
  cosignatures(): Promise<ReadonlyMap<string, Cosignature>>
  /** Takes or renews the turn to publish, for `LIMITS.witnessLeaseMs`. False where another process has it. */
  lease(owner: string): Promise<boolean>
  release(owner: string): Promise<void>
  /** Publishes a checkpoint with cosignatures of it. False where the turn is over, or a larger one is published. */
  publish(owner: string, checkpoint: LoggedCheckpoint, cosignatures: readonly Omit<Cosignature, 'size'>[]): Promise<boolean>
  /** Of each key when the first entry of the log was written that it has not cosigned; null where it cosigned all. */
  uncosignedSince(witnesses: readonly string[]): Promise<ReadonlyMap<string, number | null>>
}
