import { instant } from '../core/clock.ts'
import type { Decision } from '../core/decision.ts'
import type { Entry, EntryBody } from '../core/entry.ts'
import {
  bareDecision,
  bareRequest,
  type EntryPayload,
  evidencePayload,
  payloadOf,
  requestPayload,
  shortened,
  withoutPayload,
  withPayload,
} from '../core/entry-payload.ts'
import { GatewayError } from '../core/errors.ts'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { EntrySealer } from '../ports/entry-sealer.ts'
import type { Db, Tx } from './tables.ts'

/** An entry before it has its place. */
export interface PendingEntry {
  callId: string | null
  kind: string
  /** JSON of the body without its payload, kept to the letter by the database. */
  text: string
  /** JSON of the payload; null where there is none. */
  payload: string | null
}

/** The same as it is stored. */
export interface SealedEntry extends Omit<PendingEntry, 'payload'> {
  commitment: string | null
  sealed: string | null
}

export const sealEntry = (sealer: EntrySealer, { callId, kind, text, payload }: PendingEntry): SealedEntry => ({
  callId,
  kind,
  text,
  ...(payload === null ? { commitment: null, sealed: null } : sealer.seal(payload)),
})

export function pendingEntry(callId: string | null, body: EntryBody): PendingEntry {
  const { kind } = body
  const { text, payload } = body.kind === 'decision' ? decisionTexts(body) : textsOf(body)
  // A leaf of the log has room for so much; what is longer is committed to as a whole.
  if (text.length <= LIMITS.entryTextCharsMax) return { callId, kind, text, payload }
  return { callId, kind, text: JSON.stringify(shortened(withoutPayload(body))), payload: `{"whole":${JSON.stringify(body)}}` }
}

function textsOf(body: EntryBody): { text: string; payload: string | null } {
  const payload = payloadOf(body)
  return { text: JSON.stringify(withoutPayload(body)), payload: payload && JSON.stringify(payload) }
}

/** Equal questions share one decision, which is most of its entry and never changes: its texts are made once. */
const sharedTexts = new WeakMap<Decision, { bare: string; evidence: string }>()

function decisionTexts({ kind, request, decision, release, reserves }: Extract<EntryBody, { kind: 'decision' }>) {
  const { bare, evidence } = sharedTexts.get(decision) ?? {
    bare: JSON.stringify(bareDecision(decision)),
    evidence: JSON.stringify(evidencePayload(decision)),
  }
  if (Object.isFrozen(decision)) sharedTexts.set(decision, { bare, evidence })
  const rest = reserves ? `,"reserves":${JSON.stringify(reserves)}` : ''
  const text = `{"kind":"${kind}","request":${JSON.stringify(bareRequest(request))},"decision":${bare},"release":${JSON.stringify(release)}${rest}}`
  return { text, payload: `${JSON.stringify(requestPayload(request)).slice(0, -1)},"evidence":${evidence}}` }
}

/** Appends entries of one process, dense from `seq`, in one statement. */
export async function insertEntries(
  tx: Tx,
  place: { process: string; seq: number; atMs: number },
  entries: readonly SealedEntry[],
): Promise<void> {
  if (entries.length === 0) return
  const rows = entries.map(({ callId, kind, text, commitment, sealed }, index) => ({
    process: place.process,
    seq: place.seq + index,
    at_ms: place.atMs,
    kind,
    call_id: callId,
    body: text,
    commitment,
    sealed,
  }))
  await tx.insertInto('entry').values(rows).execute()
}

export interface EntryRow {
  process: string
  seq: number
  at_ms: number
  call_id: string | null
  body: EntryBody
  commitment: string | null
  sealed: string | null
}

/** An entry with its payload where that is there. Throws UNAVAILABLE where it does not open. */
export function entryFromRow(sealer: EntrySealer, row: EntryRow): Entry {
  const { commitment, sealed } = row
  const entry = bareEntry(row)
  if (commitment === null || sealed === null) return entry
  const payload = JSON.parse(sealer.open({ commitment, sealed }).text) as EntryPayload | { whole: EntryBody }
  return { ...entry, body: 'whole' in payload ? payload.whole : withPayload(row.body, payload) }
}

/** The same without its payload. */
export const bareEntry = (row: EntryRow): Entry => ({
  process: row.process,
  seq: row.seq,
  at: instant(row.at_ms),
  callId: row.call_id as CallId | null,
  body: row.body,
  commitment: row.commitment,
  ...(row.commitment !== null && row.sealed === null && { erased: true }),
})

const COLUMNS = ['process', 'seq', 'at_ms', 'call_id', 'body', 'commitment', 'sealed'] as const

/** Where entries are read, and what opens their payloads. */
export interface EntrySource {
  db: Db
  sealer: EntrySealer
}

/** The same, marked where its payload does not open: one that was altered keeps nobody from the others. */
function entryOrMarked(sealer: EntrySealer, row: EntryRow): Entry {
  try {
    return entryFromRow(sealer, row)
  } catch (error) {
    if (error instanceof GatewayError || error instanceof SyntaxError) return { ...bareEntry(row), unreadable: true }
    throw error
  }
}

/** The entries of a call in order of time, at most `first`. With `marked`, those whose payload does not open are given without it; else it throws. */
export async function entriesOfCall(
  { db, sealer }: EntrySource,
  callId: CallId,
  first: number,
  unreadable?: 'marked',
): Promise<readonly Entry[]> {
  const rows = await db
    .selectFrom('entry')
    .select(COLUMNS)
    .where('call_id', '=', callId)
    .orderBy('at_ms')
    .orderBy('process')
    .orderBy('seq')
    .limit(first)
    .execute()
  return rows.map((row) => (unreadable === 'marked' ? entryOrMarked : entryFromRow)(sealer, row))
}

/** Entries of all processes after a position, in order of time, then process, then seq. */
export async function entriesAfter(
  { db, sealer }: EntrySource,
  position: { at: number; process: string; seq: number } | null,
  first: number,
): Promise<readonly Entry[]> {
  let query = db.selectFrom('entry').select(COLUMNS).orderBy('at_ms').orderBy('process').orderBy('seq').limit(first)
  if (position) {
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('at_ms', 'process', 'seq'), '>', tuple(position.at, position.process, position.seq)),
    )
  }
  return (await query.execute()).map((row) => entryFromRow(sealer, row))
}

/** Decisions at or after `since` and before a position, newest first. */
export async function decisionsBefore(
  { db, sealer }: EntrySource,
  since: number,
  position: { at: number; process: string; seq: number } | null,
  first: number,
): Promise<readonly Entry[]> {
  let query = db
    .selectFrom('entry')
    .select(COLUMNS)
    .where('kind', '=', 'decision')
    .where('at_ms', '>=', since)
    .orderBy('at_ms', 'desc')
    .orderBy('process', 'desc')
    .orderBy('seq', 'desc')
    .limit(first)
  if (position) {
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('at_ms', 'process', 'seq'), '<', tuple(position.at, position.process, position.seq)),
    )
  }
  return (await query.execute()).map((row) => entryFromRow(sealer, row))
}
