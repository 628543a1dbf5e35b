import type { Selectable } from 'kysely'
import type { BreakGlass, BreakGlassState, BreakGlassVerdict } from '../core/break-glass.ts'
import { instant } from '../core/clock.ts'
import type { BreakGlassId, HoldId } from '../core/ids.ts'
import type { Page, PageRequest } from '../ports/call-store.ts'
import type { BreakGlassTable, Db, Tx } from './tables.ts'

const fromRow = (row: Selectable<BreakGlassTable>): BreakGlass => ({
  ...row.facts,
  id: row.id as BreakGlassId,
  holdId: row.hold_id as HoldId,
  by: row.by,
  state: row.state,
  reviewDue: instant(row.due_ms),
  createdAt: instant(row.created_at_ms),
})

/** Inserts a use whose review is due. */
export async function insertBreakGlass(tx: Tx, { id, holdId, by, reviewDue, createdAt, callId, reason, until }: BreakGlass): Promise<void> {
  await tx
    .insertInto('break_glass')
    .values({
      ...{ id, by, hold_id: holdId, state: 'due', due_ms: reviewDue, created_at_ms: createdAt, reviewer: null },
      facts: JSON.stringify({ callId, reason, until, review: null }),
    })
    .execute()
}

/** The use whose review has been overdue for longest. */
export async function overdueReview(db: Db, nowMs: number): Promise<BreakGlass | undefined> {
  const row = await db
    .selectFrom('break_glass')
    .selectAll()
    .where('state', '<>', 'reviewed')
    .where('due_ms', '<=', nowMs)
    .orderBy('due_ms')
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  return row && fromRow(row)
}

/** Marks uses whose review is overdue by now, each once; rows that somebody changes just now are left for the next time. */
export async function lapseReviews(tx: Tx, atMs: number, first: number): Promise<readonly BreakGlass[]> {
  const rows = await tx
    .selectFrom('break_glass')
    .selectAll()
    .where('state', '=', 'due')
    .where('due_ms', '<=', atMs)
    .orderBy('due_ms')
    .orderBy('id')
    .limit(first)
    .forUpdate()
    .skipLocked()
    .execute()
  if (rows.length === 0) return []
  const ids = rows.map(({ id }) => id)
  await tx.updateTable('break_glass').set({ state: 'lapsed' }).where('id', 'in', ids).execute()
  return rows.map(fromRow)
}

/** Keeps a review. Answers with the use; undefined where it was reviewed already. */
export async function reviewBreakGlass(
  tx: Tx,
  id: BreakGlassId,
  review: { verdict: BreakGlassVerdict; by: string; comment: string },
  atMs: number,
): Promise<BreakGlass | undefined> {
  const row = await tx.selectFrom('break_glass').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
  if (!row || row.state === 'reviewed') return undefined
  const facts = { ...row.facts, review: { ...review, at: instant(atMs) } }
  await tx
    .updateTable('break_glass')
    .set({ state: 'reviewed', reviewer: review.by, facts: JSON.stringify(facts) })
    .where('id', '=', id)
    .execute()
  return fromRow({ ...row, state: 'reviewed', facts })
}

export async function breakGlassWhere(db: Db, column: 'id' | 'hold_id', value: string): Promise<BreakGlass | undefined> {
  const row = await db.selectFrom('break_glass').selectAll().where(column, '=', value).executeTakeFirst()
  return row && fromRow(row)
}

/** Uses, newest first. */
export async function breakGlassPage(
  db: Db,
  state: BreakGlassState | undefined,
  page: PageRequest<BreakGlassId>,
): Promise<Page<BreakGlass>> {
  let query = db
    .selectFrom('break_glass')
    .selectAll()
    .orderBy('id', 'desc')
    .limit(page.first + 1)
  if (state !== undefined) query = query.where('state', '=', state)
  if (page.after !== undefined) query = query.where('id', '<', page.after)
  const rows = (await query.execute()).map(fromRow)
  return { rows: rows.slice(0, page.first), more: rows.length > page.first }
}
