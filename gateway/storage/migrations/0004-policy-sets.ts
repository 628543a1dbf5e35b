import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  sql`create table policy_set (
    hash text collate "C" primary key check (hash ~ '^[0-9a-f]{64}$'),
    texts json not null,
    policies json not null,
    stored_ms float8 not null)`,
  sql`create table policy_proposal (
    id text collate "C" primary key,
    change text not null check (change in ('publish', 'roll-back')),
    state text not null check (state in ('open', 'active', 'rejected')),
    policy_set text collate "C" not null references policy_set (hash),
    base text collate "C" not null references policy_set (hash),
    by text not null,
    facts json not null,
    reviewer text,
    comment json not null,
    proposed_ms float8 not null,
    decided_ms float8,
    constraint proposal_decided_by_another check ((state = 'open') = (reviewer is null) and (reviewer is null or reviewer <> by)),
    constraint proposal_decided_at_some_time check ((state = 'open') = (decided_ms is null)))`,
  sql`create index policy_proposal_by_state on policy_proposal (state, id)`,
  sql`create table policy_activation (
    seq int8 generated always as identity primary key,
    policy_set text collate "C" not null references policy_set (hash),
    base text collate "C",
    source text not null check (source in ('files', 'connectors', 'review', 'emergency')),
    roll_back boolean not null,
    by text not null,
    reviewer text,
    why json not null,
    proposal text collate "C" unique references policy_proposal (id),
    at_ms float8 not null,
    constraint activation_reviewed check ((source = 'review') = (reviewer is not null) and (source = 'review') = (proposal is not null)))`,
  sql`create index policy_activation_by_set on policy_activation (policy_set, seq)`,
  sql`create table policy_publisher (
    policy_id text collate "C" not null,
    policy_hash text collate "C" not null,
    person text collate "C" not null,
    primary key (policy_id, policy_hash, person))`,
  // What decisions were made on stays readable.
  sql`create function policy_set_is_kept() returns trigger language plpgsql as $$
    begin raise exception 'policy sets and their history are never changed and never removed' using errcode = 'restrict_violation'; end $$`,
  sql`create trigger policy_set_is_kept before update or delete on policy_set for each row execute function policy_set_is_kept()`,
  sql`create trigger policy_activation_is_kept before update or delete on policy_activation for each row execute function policy_set_is_kept()`,
  sql`create trigger policy_publisher_is_kept before update or delete on policy_publisher for each row execute function policy_set_is_kept()`,
  sql`alter table gateway_state add column files_digest text, add column holds_reviewed text`,
]

/** Policy sets by their hash, proposals, activations, who published which text, and which set binds. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
