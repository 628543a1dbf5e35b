import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // What agents told of a trace, for one subject: where it stands in the record, and how much it is. Closed once it was erased: nothing is added then.
  sql`create table account (
    trace_id text collate "C" not null,
    agent text collate "C" not null,
    subject text collate "C" not null,
    spans int4 not null default 0,
    chars int4 not null default 0,
    entries json not null default '[]',
    closed boolean not null default false,
    told_ms float8 not null,
    primary key (trace_id, agent, subject))`,
  sql`create index account_by_age on account (told_ms)`,
]

/** Where accounts of agents are found by trace. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
