import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  sql`create table agent (
    name text collate "C" primary key,
    attributes json not null,
    status text not null check (status in ('proposed', 'active', 'suspended', 'retired')),
    status_by text not null,
    seeded boolean not null,
    epoch int not null check (epoch >= 1),
    change int8 not null)`,
  sql`create unique index agent_by_change on agent (change)`,
  // A name is never bound again: rows stay, retired ones for ever, and an epoch only grows.
  sql`create function agent_is_never_rebound() returns trigger language plpgsql as $$
    begin
      if tg_op = 'DELETE' then raise exception 'a registered name stays taken' using errcode = 'restrict_violation'; end if;
      if old.status = 'retired' or new.epoch <= old.epoch or new.name <> old.name then
        raise exception 'a retired agent never changes and an epoch only grows' using errcode = 'restrict_violation';
      end if;
      return new;
    end $$`,
  sql`create trigger agent_is_never_rebound before update or delete on agent for each row execute function agent_is_never_rebound()`,
  sql`create table agent_change (
    one boolean primary key default true check (one),
    counter int8 not null)`,
  sql`insert into agent_change (counter) values (0)`,
  sql`create table credential (
    connector text collate "C" not null,
    name text collate "C" not null,
    version int not null check (version >= 1),
    kind text not null,
    sealed text not null,
    set_at_ms float8 not null,
    primary key (connector, name))`,
]

/** Agents and their change counter, sealed credentials. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
