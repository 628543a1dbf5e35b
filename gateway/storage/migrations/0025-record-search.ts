import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // What every call has is left out: finding what people did costs calls nothing.
  sql`create index entry_by_kind on entry (kind, at_ms, process, seq) where kind not in ('decision', 'intent', 'outcome', 'labelled')`,
  // By the text, since `->>` refuses a body in which any string has a NUL or half a surrogate pair, and with it the insert. Names come before
  // anything nested, and quotes within strings are escaped.
  sql`create function entry_person(body json) returns text language sql immutable parallel safe as $$
    select coalesce(
      substring(body::text from '^[{][^{}]*"by":"([^"\\\\]*)"'),
      substring(body::text from '^[{][^{}]*"voter":"([^"\\\\]*)"'),
      substring(body::text from '^[{][^{}]*"person":"([^"\\\\]*)"')) $$`,
  sql`create index entry_by_person on entry (entry_person(body), at_ms, process, seq)
    where kind not in ('decision', 'intent', 'outcome', 'labelled', 'notice.sent', 'notice.given_up')`,
]

/** Entries by kind and by person, for auditors. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
