import { type Kysely, sql } from 'kysely'

/** Emergency approvals and grants are looked up by who gave them: the index reads the record again, and adds what it lacks. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`delete from follower_position where follower = 'search'`.execute(db)
}
