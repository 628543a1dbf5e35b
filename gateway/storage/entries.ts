import { instant } from '../core/clock.ts'
import type { Decision } from '../core/decision.ts'
import type { Entry, EntryBody } from '../core/entry.ts'
import type { CallId } from '../core/ids.ts'
import type { Db, Tx } from './tables.ts'

/** An entry before it has its place. `text` is the body's JSON, kept to the letter by the database. */
export interface PendingEntry {
  callId: string | null
  kind: string
  text: string
}

export const pendingEntry = (callId: string | null, body: EntryBody): PendingEntry => ({
  callId,
  kind: body.kind,
  text: body.kind === 'decision' ? textOfDecision(body) : JSON.stringify(body),
})

/** Equal questions share one decision, which is most of its entry and never changes: its text is made once. */
const decisionTexts = new WeakMap<Decision, string>()

function textOfDecision({ kind, request, decision, release, reserves }: Extract<EntryBody, { kind: 'decision' }>): string {
  const text = decisionTexts.get(decision) ?? JSON.stringify(decision)
  if (Object.isFrozen(decision)) decisionTexts.set(decision, text)
  const rest = reserves ? `,"reserves":${JSON.stringify(reserves)}` : ''
  return `{"kind":"${kind}","request":${JSON.stringify(request)},"decision":${text},"release":${JSON.stringify(release)}${rest}}`
}

/** Appends entries of one process, dense from `seq`, in one statement. */
export async function insertEntries(
  tx: Tx,
  place: { process: string; seq: number; atMs: number },
  entries: readonly PendingEntry[],
): Promise<void> {
  if (entries.length === 0) return
  const rows = entries.map(({ callId, kind, text }, index) => ({
    process: place.process,
    seq: place.seq + index,
    at_ms: place.atMs,
    kind,
    call_id: callId,
    body: text,
  }))
  await tx.insertInto('entry').values(rows).execute()
}

interface EntryRow {
  process: string
  seq: number
  at_ms: number
  call_id: string | null
  body: EntryBody
}

const fromRow = (row: EntryRow): Entry => ({
  process: row.process,
  seq: row.seq,
  at: instant(row.at_ms),
  callId: row.call_id as CallId | null,
  body: row.body,
})

const COLUMNS = ['process', 'seq', 'at_ms', 'call_id', 'body'] as const

/** The entries of a call in order of time, at most `first`. */
export async function entriesOfCall(db: Db, callId: CallId, first: number): Promise<readonly Entry[]> {
  const rows = await db
    .selectFrom('entry')
    .select(COLUMNS)
    .where('call_id', '=', callId)
    .orderBy('at_ms')
    .orderBy('process')
    .orderBy('seq')
    .limit(first)
    .execute()
  return rows.map(fromRow)
}

/** Entries of all processes after a position, in order of time, then process, then seq. */
export async function entriesAfter(
  db: Db,
  position: { at: number; process: string; seq: number } | null,
  first: number,
): Promise<readonly Entry[]> {
  let query = db.selectFrom('entry').select(COLUMNS).orderBy('at_ms').orderBy('process').orderBy('seq').limit(first)
  if (position) {
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('at_ms', 'process', 'seq'), '>', tuple(position.at, position.process, position.seq)),
    )
  }
  return (await query.execute()).map(fromRow)
}

/** Decisions at or after `since` and before a position, newest first. */
export async function decisionsBefore(
  db: Db,
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
  return (await query.execute()).map(fromRow)
}
