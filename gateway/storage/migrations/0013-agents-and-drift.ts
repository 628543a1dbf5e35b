import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // A constant default fills in the rows of before: who may approve a proposal depends on who made it.
  sql`alter table agent add column registered_by text not null default 'configuration', add column keys json`,

  // Every change of an agent, beside its entry: entries have no index by agent.
  sql`create table agent_history (
    agent text collate "C" not null,
    epoch int not null,
    at_ms float8 not null,
    by text not null,
    status text check (status in ('proposed', 'active', 'suspended', 'retired')),
    change json not null,
    why json not null,
    primary key (agent, epoch))`,
  // Until here an entry said the status in its words only. One whose words hold NUL cannot be taken apart and stays in the record alone.
  sql`insert into agent_history
    select body ->> 'agent', (body ->> 'epoch')::int, at_ms, body ->> 'by',
      substring(body ->> 'change' from 'status (proposed|active|suspended|retired)'), body -> 'change', 'null'::json
    from entry where kind = 'agent.changed' and position('\\u0000' in body::text) = 0
    on conflict do nothing`,

  // What a system said of itself last where that is not what people reviewed.
  sql`create table connector_drift (
    connector text collate "C" not null,
    subject text collate "C" not null,
    operation text collate "C",
    change text not null check (change in ('changed', 'missing', 'new')),
    reviewed_version text,
    seen_version text,
    reviewed json not null,
    seen json not null,
    since_ms float8 not null,
    primary key (connector, subject),
    constraint connector_drift_has_two_sides check ((reviewed_version is null) = (change = 'new') and (seen_version is null) = (change = 'missing')))`,
]

/** Who registered an agent and with which keys, its history, and what systems say of themselves that nobody has reviewed. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
