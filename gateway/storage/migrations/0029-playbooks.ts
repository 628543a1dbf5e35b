import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // What agents may have read: never updated, never removed.
  sql`create table playbook (
    name text collate "C" not null,
    version text collate "C" not null,
    digest text not null,
    body json not null,
    since_ms float8 not null,
    primary key (name, version))`,
]

/** Every version of a playbook that was ever served. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
