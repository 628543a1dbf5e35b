import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  sql`create table follower (
    name text collate "C" primary key,
    owner text collate "C",
    until_ms float8 not null default 0)`,
  // fillfactor: a position moves all the time, and its new version finds room on the row's own page.
  sql`create table follower_position (
    follower text collate "C" not null references follower (name),
    process text collate "C" not null,
    seq int8 not null check (seq >= 0),
    ended boolean not null default false,
    primary key (follower, process)) with (fillfactor = 50)`,
  sql`create index follower_position_open on follower_position (follower, process) where not ended`,
  sql`create index process_by_start on process (started_ms)`,
]

/** Who follows the record, and how far. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
