import type { Entry, EntryKind } from '../core/entry.ts'

/** How a sink writes entries: as the record has them, or as events of the Open Cybersecurity Schema Framework. */
export const SINK_FORMATS = ['entry', 'ocsf'] as const
export type SinkFormat = (typeof SINK_FORMATS)[number]

/** What `sinks:` in `gatehouse.yaml` says of each. */
export interface SinkSettings {
  /** Under which its position is kept: another name begins anew. */
  name: string
  format: SinkFormat
  kinds: readonly EntryKind[] | 'all'
  /** Payloads go along, where they are not erased. */
  payloads: boolean
  /** Where it goes. */
  to: SinkTarget
}

/** `path` is absolute. `secret`: `whsec_` and base64 (Standard Webhooks). `egress`: hosts that may lead to private addresses. */
export type SinkTarget = { kind: 'file'; path: string } | { kind: 'webhook'; url: string; secret: string; egress: readonly string[] }

/** Text of an entry in a sink's format: one line of JSON. */
export type SinkLine = (entry: Entry) => string

/** Learns what lines of these entries need. */
export type SinkLines = (entries: readonly Entry[]) => Promise<SinkLine>

/** Takes lines out of the process. */
export interface Sink {
  /**
   * Hands on the first so many of the entries, at least one, and returns how many once they are durable at the other end. Throws `SinkRefused` where they will
   * never be taken as they are.
   */
  carry(entries: readonly Entry[], signal: AbortSignal): Promise<number>
  close(): Promise<void>
}

/** The receiver will never take what it was given: trying again is of no use. */
export class SinkRefused extends Error {
  override readonly name = 'SinkRefused'
}
