import { type Kysely, sql } from 'kysely'

/** Of an hour or a day (`width_ms`) that began at `at_ms`, UTC. */
const BUCKET = sql`width_ms int4 not null check (width_ms in (3600000, 86400000)),
    at_ms float8 not null`

/** 0: all calls, 1: of an agent, 2: of an operation, 3: of an agent and an operation. What a row leaves open is empty in it. */
const LEVEL = sql`level int2 not null check (level between 0 and 3)`

const STATEMENTS = [
  // fillfactor: the rows of the present hour and day change all the time and touch no index.
  sql`create table call_figure (
    ${LEVEL},
    ${BUCKET},
    agent text collate "C" not null,
    connector text collate "C" not null,
    operation text collate "C" not null,
    calls int4 not null,
    permitted int4 not null,
    held int4 not null,
    denied int4 not null,
    completed int4 not null,
    failed int4 not null,
    in_doubt int4 not null,
    rejected int4 not null,
    expired int4 not null,
    cancelled int4 not null,
    edited int4 not null,
    granted int4 not null,
    primary key (level, width_ms, at_ms, agent, operation)) with (fillfactor = 50)`,
  sql`create index call_figure_by_agent on call_figure (agent, level, width_ms, at_ms)`,
  sql`create table call_duration (
    ${LEVEL},
    ${BUCKET},
    agent text collate "C" not null,
    connector text collate "C" not null,
    operation text collate "C" not null,
    measure text collate "C" not null check (measure in ('upstream', 'hold')),
    bucket int2 not null,
    count int4 not null,
    primary key (level, width_ms, at_ms, agent, operation, measure, bucket)) with (fillfactor = 50)`,
  sql`create index call_duration_by_agent on call_duration (agent, level, width_ms, at_ms)`,
  sql`create table call_exception (
    ${BUCKET},
    connector text collate "C" not null,
    stage text collate "C" not null,
    reason text collate "C" not null,
    count int4 not null,
    primary key (width_ms, at_ms, connector, stage, reason)) with (fillfactor = 50)`,
  // Entries after which an outcome no longer has the last word, or that may say the same twice: rare, so that no call pays for the index.
  sql`create index entry_of_unusual_end on entry (call_id) where kind in ('lapsed', 'resolved', 'hold.edited', 'grant.used')`,
]

/** Figures of calls by the hour and the day in which they were made, counted from the record by a follower. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
