import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // One row for each recipient and channel. The key is what makes a second look at an entry harmless.
  sql`create table notice (
    process text collate "C" not null,
    seq int8 not null,
    recipient text not null,
    channel text collate "C" not null,
    id text collate "C" primary key,
    kind text not null,
    asked boolean not null,
    call_id text collate "C",
    hold_id text collate "C",
    state text not null default 'due' check (state in ('due', 'sent', 'given_up', 'obsolete')),
    attempts int4 not null default 0 check (attempts >= 0),
    due_at_ms float8 not null,
    created_at_ms float8 not null,
    ended_at_ms float8,
    why text,
    unique (process, seq, recipient, channel),
    check ((state = 'due') = (ended_at_ms is null)))`,
  sql`create index notice_due on notice (channel, due_at_ms, id) where state = 'due'`,
  sql`create index notice_ended on notice (ended_at_ms, id) where state <> 'due'`,
  sql`create index notice_given_up on notice (ended_at_ms, id) where state = 'given_up'`,
  // An edit opens another hold in the same breath: its voters are told of the edit, and not of the opening as well.
  sql`create unique index notice_opening on notice (hold_id, recipient, channel) where kind in ('hold.opened', 'hold.edited')`,
  // What opens a hold once: a digest of the secret in the link, for one person.
  sql`create table notice_link (
    digest text collate "C" primary key,
    person text not null,
    hold_id text collate "C" not null,
    expires_at_ms float8 not null,
    used_at_ms float8)`,
  sql`create index notice_link_by_expiry on notice_link (expires_at_ms, digest)`,
  sql`alter table hold add column warns_at_ms float8`,
  sql`update hold set warns_at_ms = expires_at_ms - least((expires_at_ms - created_at_ms) / 4, 3600000) where state = 'open'`,
  sql`create index hold_by_warning on hold (warns_at_ms, id) where state = 'open' and warns_at_ms is not null`,
]

/** Notices that wait to be sent, their links, and when a hold warns that it is about to expire. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
