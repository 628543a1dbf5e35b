import { sql } from 'kysely'
import type { Database } from './database.ts'

/** Edits rows behind the gateway, as whoever owns the database can: without triggers and foreign keys. */
export async function editBehind({ db }: Pick<Database, 'db'>, ...statements: string[]): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`set local session_replication_role = replica`.execute(tx)
    for (const statement of statements) await sql.raw(statement).execute(tx)
  })
}
