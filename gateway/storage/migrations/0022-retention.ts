import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // How far each sweep has come: a call's id, or for entries of no call `process` and `seq` at a time.
  sql`create table retention_sweep (
    what text collate "C" primary key check (what in ('payloads', 'results', 'entries')),
    at_ms float8 not null default 0,
    process text collate "C" not null default '',
    seq int8 not null default 0,
    call_id text collate "C" not null default '')`,
  sql`insert into retention_sweep (what) values ('payloads'), ('results'), ('entries')`,
  // Calls that a sweep passed while they were still needed.
  sql`create table retention_left (
    what text collate "C" not null check (what in ('payloads', 'results')),
    call_id text collate "C" not null,
    tried_ms float8 not null,
    primary key (what, call_id))`,
  sql`create index retention_left_by_try on retention_left (what, tried_ms, call_id)`,
]

/** Where retention stands. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
