import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  sql`create table process (
    id text collate "C" primary key,
    session int not null default 1,
    started_ms float8 not null,
    heartbeat_ms float8 not null,
    lapsed_at_ms float8)`,

  sql`create table entry (
    process text collate "C" not null,
    seq int8 not null check (seq >= 1),
    at_ms float8 not null,
    kind text collate "C" not null,
    call_id text collate "C",
    body json not null,
    primary key (process, seq))`,
  sql`create index entry_by_call on entry (call_id) where call_id is not null`,
  sql`create index entry_by_time on entry (at_ms, process, seq)`,
  sql`create function entry_is_append_only() returns trigger language plpgsql as $$
    begin raise exception 'entries are never changed and never removed' using errcode = 'restrict_violation'; end $$`,
  sql`create trigger entry_is_append_only before update or delete on entry for each row execute function entry_is_append_only()`,

  // fillfactor: the outcome finds room on the row's own page and touches no index (nine times in ten, measured; at 70 four times).
  sql`create table call (
    id text collate "C" primary key,
    door text not null check (door in ('graphql', 'mcp', 'http')),
    agent text collate "C" not null,
    subject text collate "C",
    connector text collate "C" not null,
    operation text collate "C" not null,
    run text collate "C",
    state text collate "C" not null check (state in ('held', 'approved', 'executing', 'completed', 'failed', 'in_doubt', 'denied', 'rejected',
      'expired', 'cancelled')),
    deny_reason text check (deny_reason in ('no_permit', 'forbidden', 'policy_error')),
    policies json not null,
    hold_id text collate "C",
    intent text,
    process text collate "C" not null,
    facts json not null,
    upstream_status int,
    upstream_ms float8,
    error json,
    result json,
    result_kept text not null default 'none' check (result_kept in ('none', 'kept', 'too_large')),
    delivered boolean not null default false,
    created_at_ms float8 not null,
    updated_at_ms float8 not null,
    join_key text collate "C",
    open_key text collate "C" generated always as (
      case when state in ('held', 'approved', 'executing', 'in_doubt') or (state in ('completed', 'failed') and not delivered)
        then join_key end) stored,
    rare_state text collate "C" generated always as (case when state not in ('executing', 'completed') then state end) stored,
    constraint call_executes_under_an_intent check ((intent is not null) = (state in ('executing', 'completed', 'failed', 'in_doubt'))),
    constraint call_held_by_a_hold check (state <> 'held' or hold_id is not null),
    constraint call_keeps_what_it_says check ((result is not null) = (result_kept = 'kept')),
    constraint call_result_after_execution check (result is null or state in ('completed', 'failed', 'in_doubt'))
  ) with (fillfactor = 50)`,
  sql`create unique index call_open_key on call (open_key) where open_key is not null`,
  sql`create index call_by_join_key on call (join_key, id) where join_key is not null`,
  sql`create index call_by_agent on call (agent, id)`,
  sql`create index call_by_operation on call (operation, id)`,
  sql`create index call_by_connector on call (connector, id)`,
  sql`create index call_by_subject on call (subject, id) where subject is not null`,
  sql`create index call_by_run on call (run, id) where run is not null`,
  sql`create index call_by_rare_state on call (rare_state, id) where rare_state is not null`,

  sql`create table execution (
    call_id text collate "C" primary key,
    process text collate "C" not null)`,
  sql`create index execution_by_process on execution (process)`,

  sql`create table hold (
    id text collate "C" primary key,
    call_id text collate "C" not null references call (id),
    agent text collate "C" not null,
    state text collate "C" not null check (state in ('open', 'approved', 'consumed', 'rejected', 'expired', 'cancelled', 'denied', 'superseded')),
    groups text[] not null check (cardinality(groups) > 0),
    on_approval text not null check (on_approval in ('execute', 'claim')),
    digest text not null,
    facts json not null,
    expires_at_ms float8 not null,
    created_at_ms float8 not null,
    decided_at_ms float8,
    constraint hold_decided_at_some_time check ((state = 'open') = (decided_at_ms is null)))`,
  sql`create unique index hold_one_at_a_time on hold (call_id) where state in ('open', 'approved')`,
  sql`create index hold_by_state on hold (state, id)`,
  sql`create index hold_by_expiry on hold (expires_at_ms, id) where state in ('open', 'approved')`,
  sql`create index hold_open_by_agent on hold (agent) where state = 'open'`,
  sql`create index hold_by_agent on hold (agent, id)`,

  sql`create table vote (
    hold_id text collate "C" not null references hold (id),
    voter text collate "C" not null,
    verdict text not null check (verdict in ('approve', 'reject')),
    comment json not null,
    at_ms float8 not null,
    primary key (hold_id, voter))`,

  sql`create table idempotency_key (
    scope text collate "C" primary key,
    call_id text collate "C" not null,
    arguments_digest text not null,
    expires_at_ms float8 not null)`,
  sql`create index idempotency_key_by_expiry on idempotency_key (expires_at_ms)`,

  sql`create table gateway_state (
    one boolean primary key default true check (one),
    policy_set text)`,
  sql`insert into gateway_state default values`,
]

/** The entries, what is projected from them, and the processes that write. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
