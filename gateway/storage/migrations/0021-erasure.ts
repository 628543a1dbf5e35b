import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // When, by whom and why the payload of the call was erased.
  sql`alter table call add column erased json`,
  // What a call is found by goes with its payload, and with the last call that has it the value itself.
  sql`create index search_hit_by_call on search_hit (call_id)`,
  sql`create index search_word_by_value on search_word (value)`,
]

/** Calls whose payload was erased, and the ways to what is erased with it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
