import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // The row is what is locked: one for each key that counts something. A streak stands in it, since it has no events.
  sql`create table counter (
    id int8 generated always as identity primary key,
    key text collate "C" not null unique,
    streak int8 not null default 0 check (streak >= 0),
    streak_series text collate "C",
    constraint counter_streak_of_a_series check (streak = 0 or streak_series is not null))`,
  sql`create index counter_by_streak_series on counter (streak_series) where streak_series is not null`,

  // An amount is what Cedar's decimal holds (64 bits of ten-thousandths), never negative.
  sql`create table counter_event (
    counter int8 not null references counter (id),
    call_id text collate "C" not null,
    at_ms int8 not null,
    amount numeric check (amount >= 0 and amount <= 922337203685477.5807 and scale(amount) <= 4),
    filled_in boolean not null default false,
    primary key (call_id, counter))`,
  sql`create index counter_event_by_time on counter_event (counter, at_ms) include (amount)`,
  sql`create index counter_event_by_age on counter_event (at_ms)`,
  sql`create index counter_event_filled_in on counter_event (call_id) where filled_in`,

  // fillfactor: a bucket is added to over and over, and finds room on its own page.
  sql`create table counter_bucket (
    counter int8 not null references counter (id),
    width_ms int8 not null check (width_ms in (60000, 3600000, 86400000)),
    start_ms int8 not null check (start_ms % width_ms = 0),
    calls int8 not null check (calls >= 0),
    total numeric not null check (total >= 0),
    primary key (counter, width_ms, start_ms)) with (fillfactor = 70)`,
  sql`create index counter_bucket_by_age on counter_bucket (start_ms)`,

  // Complete from from_ms on: to this day while the series is live, else until until_ms.
  sql`create table counter_series (
    series text collate "C" primary key,
    from_ms int8 not null,
    until_ms int8,
    constraint counter_series_in_order check (until_ms is null or until_ms >= from_ms))`,

  sql`create table label (
    agent text collate "C" not null,
    subject text collate "C" not null,
    run text collate "C" not null,
    label text collate "C" not null,
    last_at_ms int8 not null,
    primary key (agent, subject, run, label))`,
  sql`create index label_by_age on label (last_at_ms)`,

  sql`create table minted_run (
    id text collate "C" primary key,
    agent text collate "C" not null,
    subject text collate "C" not null,
    started_by text not null,
    started_ms int8 not null)`,
  sql`create index minted_run_by_age on minted_run (started_ms)`,
]

/** Counters of history facts, labels, minted runs. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
