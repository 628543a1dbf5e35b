import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  sql`alter table hold add column escalated int4 not null default 0 check (escalated >= 0), add column escalates_at_ms float8`,
  sql`create index hold_by_escalation on hold (escalates_at_ms, id) where state = 'open' and escalates_at_ms is not null`,
]

/** How far each hold has escalated, and when its next step is due. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
