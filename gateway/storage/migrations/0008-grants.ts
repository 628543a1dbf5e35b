import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  sql`create table standing_grant (
    id text collate "C" primary key,
    hold_id text collate "C" not null unique references hold (id),
    agent text collate "C" not null,
    subject text collate "C" not null,
    operation text collate "C" not null,
    facts json not null,
    until_ms float8 not null,
    max_uses int4 not null check (max_uses > 0),
    used int4 not null default 0,
    spent json not null,
    used_up boolean not null default false,
    ended text check (ended in ('revoked', 'dead')),
    ended_at_ms float8,
    ended_by text,
    why json not null,
    constraint grant_within_its_uses check (used between 0 and max_uses),
    constraint grant_ended_at_some_time check ((ended is null) = (ended_at_ms is null)))`,
  sql`create index standing_grant_by_call on standing_grant (agent, operation, subject, id) where ended is null`,
  sql`create table grant_use (
    call_id text collate "C" primary key references call (id),
    grant_id text collate "C" not null references standing_grant (id),
    amounts json not null)`,
  sql`create index grant_use_by_grant on grant_use (grant_id, call_id)`,
  sql`create table break_glass (
    id text collate "C" primary key,
    hold_id text collate "C" not null unique references hold (id),
    by text not null,
    facts json not null,
    state text not null check (state in ('due', 'lapsed', 'reviewed')),
    due_ms float8 not null,
    created_at_ms float8 not null,
    reviewer text,
    constraint break_glass_reviewed_by_another check ((state = 'reviewed') = (reviewer is not null) and (reviewer is null or reviewer <> by)))`,
  sql`create index break_glass_due on break_glass (due_ms, id) where state <> 'reviewed'`,
]

/** Standing grants and their uses; holds that one person approved in an emergency. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
