import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // Below it, what was removed has left its room to others. PostgreSQL does that by itself.
  sql`alter table log_floor add column vacuumed int8 not null default 0, add constraint log_floor_vacuumed check (vacuumed <= removed)`,
]

/** How far the embedded database uses the room of removed entries again. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
