import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // Proposals from before came with tests that nobody kept.
  sql`alter table policy_proposal add column tests json`,
]

/** The policy tests that a proposal came with: whoever builds on its set goes on from them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
