import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // When the voter last looked at the arguments before the vote, and how many votes were given with it in one request.
  sql`alter table vote add column looked_at_ms float8, add column among int4 not null default 1 check (among >= 1)`,
  sql`create index vote_by_time on vote (at_ms desc)`,

  sql`create table rule_decision (
    policy_id text collate "C" not null,
    hold_id text collate "C" not null references hold (id),
    agent text collate "C" not null,
    result text not null check (result in ('approved', 'refused', 'edited', 'expired')),
    opened_at_ms float8 not null,
    decided_at_ms float8 not null,
    votes int4 not null,
    quick int4 not null,
    unseen int4 not null,
    primary key (hold_id, policy_id))`,
  sql`create index rule_decision_by_policy on rule_decision (policy_id, decided_at_ms desc, hold_id)`,
  sql`create index rule_decision_by_policy_and_agent on rule_decision (policy_id, agent, decided_at_ms desc, hold_id)`,
]

/** What became of holds, for each policy that they are by, and how long voters looked. It counts from here on. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
