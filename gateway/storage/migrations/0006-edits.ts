import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // The join key of the arguments that people put in the place of the agent's: by its own key a call is joined, by this one it is found as executed.
  sql`alter table call add column edited_key text collate "C"`,
  sql`create index call_by_edited_key on call (edited_key, id) where edited_key is not null`,
]

/** Calls whose arguments people edited. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
