import { createHash } from 'node:crypto'
import { type Selectable, sql } from 'kysely'
import { instant } from '../core/clock.ts'
import type { Entry, EntryBody } from '../core/entry.ts'
import type { Hold } from '../core/hold.ts'
import type { CallId, HoldId } from '../core/ids.ts'
import { holdOf, recipients, TELLING_KINDS, tellings, type Votable } from '../core/notice.ts'
import type { Person } from '../core/principal.ts'
import { LIMITS } from '../limits.ts'
import type { Notice, NoticeQueue, NoticeState } from '../ports/notice-queue.ts'
import { callById } from './calls.ts'
import type { Follower } from './followers.ts'
import { holdById, votesOn } from './holds.ts'
import { reading } from './outage.ts'
import { publishersOf } from './policy-sets.ts'
import type { Db, NoticeTable, Tx } from './tables.ts'
import type { Transactions } from './transaction-scope.ts'

/** Who there is to tell, and how. */
export interface Directory {
  people(): readonly Person[]
  /** The channels that reach a person. */
  channelsOf(person: string): readonly string[]
}

/** Turns the record into notices; what happened before there was anybody to tell is not told. */
export const noticesFollower = (directory: Directory): Follower => ({
  name: 'notices',
  kinds: TELLING_KINDS,
  take: (tx, entries) => queueNotices(tx, entries, directory),
})

/** Queues what these entries have people told: a row for each recipient and channel, and none a second time. */
async function queueNotices(tx: Tx, entries: readonly Entry[], directory: Directory): Promise<void> {
  for (const entry of entries) {
    const told = tellings(entry.body)
    if (told.length === 0) continue
    const about = await subjectOf(tx, entry)
    const seen = new Set<string>()
    const meant = told.flatMap((telling) =>
      recipients(telling, about, directory.people()).flatMap(({ person, asked }) => {
        if (seen.has(person)) return []
        seen.add(person)
        return [{ kind: telling.notice, person, asked }]
      }),
    )
    const rows = meant
      .slice(0, LIMITS.noticeRecipientsMax)
      .flatMap(({ kind, person, asked }) =>
        directory.channelsOf(person).map((channel) => rowOf(entry, about, { kind, asked, recipient: person, channel })),
      )
    if (rows.length === 0) continue
    await tx
      .insertInto('notice')
      .values(rows)
      .onConflict((oc) => oc.doNothing())
      .execute()
  }
}

type NewRow = Pick<NoticeTable, 'kind' | 'asked' | 'recipient' | 'channel'>

function rowOf({ process, seq, at, callId }: Entry, about: Subject | null, to: NewRow) {
  const id = `notice_${createHash('sha256')
    .update(JSON.stringify([process, seq, to.recipient, to.channel]))
    .digest('hex')
    .slice(0, 32)}`
  return { process, seq, ...to, id, call_id: callId, hold_id: about?.hold.id ?? null, due_at_ms: at, created_at_ms: at }
}

type Subject = Votable & { hold: Pick<Hold, 'id'> }

/** The hold that the entry speaks of; that of its call where it speaks of none, and where it was edited the one that has taken its place. */
async function subjectOf(tx: Tx, { body, callId }: Entry): Promise<Subject | null> {
  const call = callId === null ? undefined : await callById(tx, callId)
  const id = body.kind === 'hold.edited' ? call?.holdId : (holdOf(body) ?? call?.holdId)
  const hold = call && id ? await holdById(tx, id) : undefined
  if (!call || !hold) return null
  const [publishers, votes] = [await publishersOf(tx, hold.matched), await votesOn(tx, [hold.id])]
  return { hold, call, publishers, voted: votes.map(({ voter }) => voter) }
}

type NoticeRow = Selectable<NoticeTable>

const fromRow = (row: NoticeRow, body: EntryBody): Notice => ({
  id: row.id,
  kind: row.kind,
  channel: row.channel,
  recipient: row.recipient,
  asked: row.asked,
  callId: row.call_id as CallId | null,
  holdId: row.hold_id as HoldId | null,
  body,
  state: row.state,
  attempt: row.attempts,
  createdAt: instant(row.created_at_ms),
  endedAt: row.ended_at_ms === null ? null : instant(row.ended_at_ms),
  why: row.why,
})

/** Notices with the entries that they tell of. */
async function withEntries(db: Db, rows: readonly NoticeRow[]): Promise<Notice[]> {
  if (rows.length === 0) return []
  const entries = await db
    .selectFrom('entry')
    .select(['process', 'seq', 'body'])
    .where(({ eb, refTuple, tuple }) =>
      eb(
        refTuple('process', 'seq'),
        'in',
        rows.map(({ process, seq }) => tuple(process, seq)),
      ),
    )
    .execute()
  const bodies = new Map(entries.map(({ process, seq, body }) => [`${process} ${seq}`, body]))
  return rows.flatMap((row) => {
    const body = bodies.get(`${row.process} ${row.seq}`)
    return body ? [fromRow(row, body)] : []
  })
}

/** True where the notice is still in the hands of whoever claimed it. */
async function end(db: Db, { id, attempt }: Notice, state: NoticeState, atMs: number, why: string | null): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('notice')
    .set({ state, ended_at_ms: atMs, why })
    .where('id', '=', id)
    .where('state', '=', 'due')
    .where('attempts', '=', attempt)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

function ended(writer: Pick<Transactions, 'transact'>, notice: Notice, state: 'sent' | 'given_up' | 'obsolete', why: string | null) {
  const { kind, recipient, channel, holdId, callId, attempt } = notice
  const told = { notice: kind, person: recipient, channel, hold: holdId, attempt }
  return writer.transact(async ({ tx, append, atMs }) => {
    if (!(await end(tx, notice, state, atMs, why)) || state === 'obsolete') return
    append(callId, state === 'sent' ? { kind: 'notice.sent', ...told } : { kind: 'notice.given_up', ...told, why: why ?? '' })
  })
}

/** The queue over this database, by the contract of `NoticeQueue`. */
export function noticeQueueOn(db: Db, writer: Pick<Transactions, 'transact'>): NoticeQueue {
  return {
    async claim(channel, now, leaseMs, first) {
      const rows = await reading(() => claimRows(db, channel, now, now + leaseMs, first))
      const notices = await reading(() => withEntries(db, rows))
      return notices.sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
    },
    sent: (notice) => ended(writer, notice, 'sent', null),
    giveUp: (notice, why) => ended(writer, notice, 'given_up', why),
    drop: (notice, why) => ended(writer, notice, 'obsolete', why),
    again: (notice, at, why) =>
      reading(async () => {
        const claimed = db.updateTable('notice').set({ due_at_ms: at, why }).where('id', '=', notice.id)
        await claimed.where('state', '=', 'due').where('attempts', '=', notice.attempt).execute()
      }),
    keepLink: (secret, { person, holdId, expiresAt }) =>
      reading(async () => {
        await db
          .insertInto('notice_link')
          .values({ digest: linkDigest(secret), person, hold_id: holdId, expires_at_ms: expiresAt })
          .execute()
      }),
    useLink: (secret, person, now) =>
      reading(async () => {
        const live = db
          .updateTable('notice_link')
          .set({ used_at_ms: now })
          .where('digest', '=', linkDigest(secret))
          .where('person', '=', person)
        const row = await live.where('used_at_ms', 'is', null).where('expires_at_ms', '>', now).returning('hold_id').executeTakeFirst()
        return row?.hold_id as HoldId | undefined
      }),
    waiting: (max) =>
      reading(async () => {
        const due = db.selectFrom('notice').select('id').where('state', '=', 'due').limit(max).as('due')
        const { count } = await db
          .selectFrom(due)
          .select((eb) => eb.fn.countAll<number>().as('count'))
          .executeTakeFirstOrThrow()
        return count
      }),
    givenUp: (first) =>
      reading(async () => {
        const rows = db.selectFrom('notice').selectAll().where('state', '=', 'given_up').orderBy('ended_at_ms', 'desc').orderBy('id')
        return await withEntries(db, await rows.limit(Math.min(first, LIMITS.pageRowsMax)).execute())
      }),
  }
}

const linkDigest = (secret: string): string => createHash('sha256').update(secret).digest('base64url')

const claimRows = (db: Db, channel: string, nowMs: number, untilMs: number, first: number): Promise<NoticeRow[]> =>
  db
    .updateTable('notice')
    .set((eb) => ({ attempts: eb('attempts', '+', 1), due_at_ms: untilMs }))
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('notice')
        .select('id')
        .where('state', '=', 'due')
        .where('channel', '=', channel)
        .where('due_at_ms', '<=', nowMs)
        .orderBy('due_at_ms')
        .orderBy('id')
        .limit(first)
        .forUpdate()
        .skipLocked(),
    )
    .returningAll()
    .execute()

/** Removes a page of notices that ended before `beforeMs`. Returns how many went. */
export const dropOldNotices = async (db: Db, beforeMs: number, page: number): Promise<number> =>
  Number(
    (
      await sql`delete from notice where id in (
        select id from notice where state <> 'due' and ended_at_ms < ${beforeMs} order by ended_at_ms limit ${page})`.execute(db)
    ).numAffectedRows,
  )

/** Removes a page of links that open nothing any more. */
export const dropOldLinks = async (db: Db, beforeMs: number, page: number): Promise<number> =>
  Number(
    (
      await sql`delete from notice_link where digest in (
        select digest from notice_link where expires_at_ms < ${beforeMs} order by expires_at_ms limit ${page})`.execute(db)
    ).numAffectedRows,
  )
