import { type Selectable, sql } from 'kysely'
import { instant } from '../core/clock.ts'
import { afterSteps, type EscalationStep } from '../core/escalation.ts'
import { NOBODY_EXCLUDED } from '../core/exclusion.ts'
import { groupsOf, type Hold, type HoldState, PLAIN_TERMS, type Vote } from '../core/hold.ts'
import type { CallId, HoldId } from '../core/ids.ts'
import { warnsAtMs } from '../core/notice.ts'
import type { HoldFilter, Page, PageRequest } from '../ports/call-store.ts'
import type { Db, HoldFacts, HoldTable, Tx } from './tables.ts'

type HoldRow = Selectable<HoldTable>

function fromRow(row: HoldRow): Hold {
  return {
    ...PLAIN_TERMS,
    excluded: NOBODY_EXCLUDED,
    ...row.facts,
    requires: afterSteps(row.facts.requires, (row.facts.escalate ?? []).slice(0, row.escalated)),
    escalated: row.escalated,
    id: row.id as HoldId,
    callId: row.call_id as CallId,
    state: row.state,
    onApproval: row.on_approval,
    digest: row.digest,
    expiresAt: instant(row.expires_at_ms),
    createdAt: instant(row.created_at_ms),
    decidedAt: row.decided_at_ms === null ? null : instant(row.decided_at_ms),
  }
}

function factsOf(hold: Hold): HoldFacts {
  const { matched, requires, approvalVersions, nonce, denyThreshold, escalate, edits, excludes, excluded, standing, gives } = hold
  const grants = { ...(standing === null ? {} : { standing }), ...(gives === undefined ? {} : { gives }) }
  return { matched, requires, approvalVersions, nonce, denyThreshold, escalate, edits, excludes, excluded, ...grants }
}

/** When the next step of a hold's escalation is due, ms since the epoch; null after the last. */
const nextStepMs = ({ createdAt, escalate, escalated }: Hold): number | null => {
  const next = escalate[escalated]
  return next === undefined ? null : createdAt + next.afterMs
}

/**
 * Takes the next step of open holds where it is due, at most `first`. Rows are locked; those that somebody else changes just now are left for the next time.
 * Returns each as it is now, with the step that it took.
 */
export async function takeDueSteps(tx: Tx, atMs: number, first: number): Promise<readonly { hold: Hold; step: EscalationStep }[]> {
  const rows = await tx
    .selectFrom('hold')
    .selectAll()
    .where('state', '=', 'open')
    .where('escalates_at_ms', '<=', atMs)
    .where('expires_at_ms', '>', atMs)
    .orderBy('escalates_at_ms')
    .orderBy('id')
    .limit(first)
    .forUpdate()
    .skipLocked()
    .execute()
  const taken: { hold: Hold; step: EscalationStep }[] = []
  for (const row of rows) {
    const step = row.facts.escalate?.[row.escalated]
    if (step === undefined) continue
    const hold = fromRow({ ...row, escalated: row.escalated + 1 })
    await tx
      .updateTable('hold')
      .set({
        escalated: hold.escalated,
        escalates_at_ms: nextStepMs(hold),
        groups: [...new Set(hold.requires.flatMap(groupsOf))],
      })
      .where('id', '=', row.id)
      .execute()
    taken.push({ hold, step })
  }
  return taken
}

/** Open holds that are about to expire and have not said so, at most `first`; from here on they have. Locked as by `takeDueSteps`. */
export async function takeDueWarnings(tx: Tx, atMs: number, first: number): Promise<readonly Hold[]> {
  const rows = await tx
    .updateTable('hold')
    .set({ warns_at_ms: null })
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('hold')
        .select('id')
        .where('state', '=', 'open')
        .where('warns_at_ms', '<=', atMs)
        .where('expires_at_ms', '>', atMs)
        .orderBy('warns_at_ms')
        .orderBy('id')
        .limit(first)
        .forUpdate()
        .skipLocked(),
    )
    .returningAll()
    .execute()
  return rows.map(fromRow)
}

/** Inserts an open hold. A second one of the same call breaks a unique constraint. */
export async function insertHold(tx: Tx, hold: Hold, agent: string): Promise<void> {
  await tx
    .insertInto('hold')
    .values({
      id: hold.id,
      call_id: hold.callId,
      agent,
      state: hold.state,
      groups: [...new Set(hold.requires.flatMap(groupsOf))],
      escalated: hold.escalated,
      escalates_at_ms: nextStepMs(hold),
      warns_at_ms: warnsAtMs(hold),
      on_approval: hold.onApproval,
      digest: hold.digest,
      facts: JSON.stringify(factsOf(hold)),
      expires_at_ms: hold.expiresAt,
      created_at_ms: hold.createdAt,
      decided_at_ms: hold.decidedAt,
    })
    .execute()
}

/** Locks a hold of this call and tells what a compare-and-set compares. */
export function lockHold(
  tx: Tx,
  id: HoldId,
  callId: CallId,
): Promise<Pick<HoldRow, 'state' | 'digest' | 'expires_at_ms' | 'agent'> | undefined> {
  return tx
    .selectFrom('hold')
    .select(['state', 'digest', 'expires_at_ms', 'agent'])
    .where('id', '=', id)
    .where('call_id', '=', callId)
    .forUpdate()
    .executeTakeFirst()
}

/** Sets a locked hold's state; the time it left `open` is kept. */
export async function setHoldState(tx: Tx, id: HoldId, state: HoldState, atMs: number): Promise<void> {
  await tx
    .updateTable('hold')
    .set((eb) => ({ state, decided_at_ms: eb.fn.coalesce('decided_at_ms', eb.val(atMs)) }))
    .where('id', '=', id)
    .execute()
}

/** Has an open hold end sooner. */
export async function shortenHold(tx: Tx, id: HoldId, untilMs: number): Promise<void> {
  await tx
    .updateTable('hold')
    .set((eb) => ({ expires_at_ms: eb.fn<number>('least', ['expires_at_ms', eb.val(untilMs)]) }))
    .where('id', '=', id)
    .execute()
}

/** How many holds of an agent are open. The agent's row is locked by the caller, so that two calls do not both take the last place. */
export async function countOpenHolds(tx: Tx, agent: string): Promise<number> {
  const { count } = await tx
    .selectFrom('hold')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('agent', '=', agent)
    .where('state', '=', 'open')
    .executeTakeFirstOrThrow()
  return count
}

/** How many voted. The hold is locked by the caller, so that none is added meanwhile. */
export async function countVotes(tx: Tx, id: HoldId): Promise<number> {
  const { count } = await tx
    .selectFrom('vote')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('hold_id', '=', id)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Records a vote. False where this person voted before. */
export async function insertVote(tx: Tx, vote: Vote): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('vote')
    .values({ hold_id: vote.holdId, voter: vote.voter, verdict: vote.verdict, comment: JSON.stringify(vote.comment), at_ms: vote.at })
    .onConflict((oc) => oc.doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

/** One hold, or undefined. */
export async function holdById(db: Db, id: HoldId): Promise<Hold | undefined> {
  const row = await db.selectFrom('hold').selectAll().where('id', '=', id).executeTakeFirst()
  return row && fromRow(row)
}

/** Holds that match, newest first or next to expire first. */
export async function holdsPage(db: Db, filter: HoldFilter, page: PageRequest<HoldId>): Promise<Page<Hold>> {
  const { state, agent, groups, ids, unvotedBy, orderBy } = filter
  if (state?.length === 0 || groups?.length === 0 || ids?.length === 0) return { rows: [], more: false }
  let query = db
    .selectFrom('hold')
    .selectAll()
    .limit(page.first + 1)
  if (state !== undefined) query = query.where('state', 'in', [...state])
  if (agent !== undefined) query = query.where('agent', '=', agent)
  if (groups !== undefined) query = query.where(sql<boolean>`groups && ${[...groups]}::text[]`)
  if (ids !== undefined) query = query.where('id', 'in', [...ids])
  if (unvotedBy !== undefined)
    query = query.where(sql<boolean>`not exists (select from vote where vote.hold_id = hold.id and vote.voter = ${unvotedBy})`)
  if (orderBy === 'NEWEST') {
    query = query.orderBy('id', 'desc')
    if (page.after !== undefined) query = query.where('id', '<', page.after)
  } else {
    query = query.orderBy('expires_at_ms').orderBy('id')
    const { after } = page
    if (after !== undefined) {
      query = query.where(sql<boolean>`(expires_at_ms, id) > (select expires_at_ms, id from hold where id = ${after})`)
    }
  }
  const rows = (await query.execute()).map(fromRow)
  return { rows: rows.slice(0, page.first), more: rows.length > page.first }
}

/** Votes on these holds in order of time. */
export async function votesOn(db: Db, ids: readonly HoldId[]): Promise<readonly Vote[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('vote').selectAll().where('hold_id', 'in', ids).orderBy('at_ms').orderBy('voter').execute()
  return rows.map((row) => ({
    holdId: row.hold_id as HoldId,
    voter: row.voter,
    verdict: row.verdict,
    comment: row.comment,
    at: instant(row.at_ms),
  }))
}

/** Open and approved holds whose time is over, first expired first. */
export async function expiredHolds(db: Db, nowMs: number, first: number): Promise<readonly Hold[]> {
  const rows = await db
    .selectFrom('hold')
    .selectAll()
    .where('state', 'in', ['open', 'approved'])
    .where('expires_at_ms', '<=', nowMs)
    .orderBy('expires_at_ms')
    .orderBy('id')
    .limit(first)
    .execute()
  return rows.map(fromRow)
}

/** Approved holds that execute by themselves, oldest first. */
export async function releasableHolds(db: Db, first: number): Promise<readonly Hold[]> {
  const rows = await db
    .selectFrom('hold')
    .selectAll()
    .where('state', '=', 'approved')
    .where('on_approval', '=', 'execute')
    .orderBy('id')
    .limit(first)
    .execute()
  return rows.map(fromRow)
}
