import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // What every call has is left out: finding what people did costs calls nothing.
  sql`create index entry_by_kind on entry (kind, at_ms, process, seq) where kind not in ('decision', 'intent', 'outcome', 'labelled')`,
  sql`create index entry_by_person on entry ((coalesce(body->>'by', body->>'voter', body->>'person')), at_ms, process, seq)
    where kind not in ('decision', 'intent', 'outcome', 'labelled', 'notice.sent', 'notice.given_up')`,
]

/** Entries by kind and by person, for auditors. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
