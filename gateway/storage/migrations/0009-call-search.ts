import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // What people look for that no column of a call has, one row for each value; filled by following the log, never on the way of a call.
  sql`create table search_value (
    id int4 generated always as identity primary key,
    facet text collate "C" not null check (facet in ('agent', 'subject', 'operation', 'owner', 'policy', 'object', 'voter', 'label',
      'word', 'set')),
    value text collate "C" not null,
    unique (facet, value))`,
  sql`create table search_word (
    word text collate "C" not null,
    value int4 not null references search_value (id),
    primary key (word, value))`,
  sql`create table search_hit (
    value int4 not null references search_value (id),
    call_id text collate "C" not null,
    primary key (value, call_id))`,
  sql`create index call_held on call (id) where hold_id is not null`,
]

/** Values that calls are found by, and which calls have them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
