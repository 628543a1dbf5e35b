import { sql } from 'kysely'
import { instant } from '../core/clock.ts'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { CallFilter } from '../ports/call-store.ts'
import type { DrawnCall, MintedRun, RecordSearch } from '../ports/record-search.ts'
import { callsFitting } from './call-pages.ts'
import { entriesPage } from './entry-pages.ts'
import { reading } from './outage.ts'
import { type Db, withoutNul } from './tables.ts'

async function mintedRun(db: Db, id: string): Promise<MintedRun | undefined> {
  const run = await db.selectFrom('minted_run').selectAll().where('id', '=', withoutNul(id)).executeTakeFirst()
  if (!run) return undefined
  const labels = await db
    .selectFrom('label')
    .select(['label', 'last_at_ms'])
    .where('agent', '=', run.agent)
    .where('subject', '=', run.subject)
    .where('run', '=', run.id)
    .orderBy('label')
    .limit(LIMITS.pageRowsMax)
    .execute()
  return {
    agent: run.agent,
    subject: JSON.parse(run.subject) as string | null,
    startedBy: run.started_by,
    startedAt: instant(run.started_ms),
    // A label is written later than it was read, by what it may go without being written again.
    labels: labels.map(({ label, last_at_ms }) => ({ label, lastAt: instant(last_at_ms - LIMITS.labelRefreshMs) })),
  }
}

async function callsAt(db: Db, places: readonly number[], filter: CallFilter): Promise<readonly DrawnCall[]> {
  const { rows } = await sql<{ place: number; id: string }>`
    select l.index as place, e.call_id as id
    from unnest(${[...places]}::int8[]) as drawn (place)
    join log_leaf l on l.index = drawn.place
    join entry e on e.process = l.process and e.seq = l.seq
    where e.kind = 'decision' and not exists (
      select 1 from entry other join log_leaf o on o.process = other.process and o.seq = other.seq
      where other.call_id = e.call_id and other.kind = 'decision' and o.index < l.index)`.execute(db)
  const fitting = await callsFitting(
    db,
    filter,
    rows.map(({ id }) => id),
  )
  const calls = new Map<string, DrawnCall['call']>(fitting.map((call) => [call.id, call]))
  return rows.map(({ place, id }) => ({ place, id: id as CallId, call: calls.get(id) ?? null }))
}

/** What auditors ask, by the contract of `RecordSearch`. */
export const recordSearchOn = (db: Db): RecordSearch => ({
  entries: (filter, page) => reading(() => entriesPage(db, filter, { ...page, first: Math.min(page.first, LIMITS.pageRowsMax) })),
  run: (id) => reading(() => mintedRun(db, id)),
  logSize: () => reading(async () => (await db.selectFrom('log_state').select('size').executeTakeFirstOrThrow()).size),
  callsAt: (places, filter) => reading(() => callsAt(db, places.slice(0, LIMITS.pageRowsMax), filter)),
})
