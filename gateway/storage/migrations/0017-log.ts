import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // Level 0 are the leaves; a hash of a level above is that of a full tile of the one below.
  sql`create table log_hash (
    level int not null check (level >= 0),
    index int8 not null check (index >= 0),
    hash text collate "C" not null check (length(hash) = 44),
    primary key (level, index))`,
  sql`create table log_leaf (
    index int8 primary key,
    process text collate "C" not null,
    seq int8 not null,
    unique (process, seq))`,
  sql`create table log_state (
    one boolean primary key default true check (one),
    size int8 not null default 0 check (size >= 0),
    checkpoint text,
    at_ms float8)`,
  sql`insert into log_state default values`,
  sql`create function log_is_append_only() returns trigger language plpgsql as $$
    begin raise exception 'the log only grows' using errcode = 'restrict_violation'; end $$`,
  sql`create trigger log_is_append_only before update or delete on log_hash for each row execute function log_is_append_only()`,
  sql`create trigger log_is_append_only before update or delete on log_leaf for each row execute function log_is_append_only()`,
  // What was written before there was a log has its payload in its body: it stays outside.
  sql`insert into follower (name) select 'log' where exists (select 1 from entry)`,
  sql`insert into follower_position (follower, process, seq) select 'log', process, max(seq) from entry group by process`,
]

/** The log's tree, and who stands where in it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
