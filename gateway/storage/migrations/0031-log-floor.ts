import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // Where the log begins that is still there: below `removed` nothing is left, below `floor` nothing is shown, and below `announced` all may go once that
  // is in the log. `entry_index` is where the log says so of `floor`, `held_by` why the last sweep went no further.
  sql`create table log_floor (
    one boolean primary key default true check (one),
    removed int8 not null default 0,
    floor int8 not null default 0,
    announced int8 not null default 0,
    entry_index int8,
    last_call text collate "C",
    newest_ms float8,
    held_by text,
    constraint log_floor_of_whole_tiles check (removed % 256 = 0 and floor % 256 = 0 and announced % 256 = 0),
    constraint log_floor_in_its_order check (0 <= removed and removed <= floor and floor <= announced))`,
  sql`insert into log_floor default values`,
  // The last entry below what was announced, of each process that has any.
  sql`create table log_floor_process (
    process text collate "C" primary key,
    seq int8 not null check (seq >= 1))`,
  // Leaf hashes of a tile whose entries are gone: 256 times 32 bytes.
  sql`create table log_tile (
    index int8 primary key check (index >= 0),
    hashes bytea not null check (length(hashes) = 8192))`,

  sql`create function log_floor_is_announced() returns trigger language plpgsql as $$
    begin
      if tg_op <> 'UPDATE' or new.floor < old.floor or new.removed < old.removed or new.announced < old.announced then
        raise exception 'the floor of the log only rises' using errcode = 'restrict_violation';
      end if;
      if new.floor > old.floor and not exists (
        select from log_leaf l join entry e on e.process = l.process and e.seq = l.seq
        where l.index = new.entry_index and e.kind = 'log.pruned' and (e.body->>'floor')::int8 = new.floor) then
        raise exception 'the log does not say that it begins there' using errcode = 'restrict_violation';
      end if;
      return new;
    end $$`,
  sql`create trigger log_floor_is_announced before insert or update or delete on log_floor
    for each row execute function log_floor_is_announced()`,
  sql`create or replace function log_is_append_only() returns trigger language plpgsql as $$
    begin
      if tg_op = 'DELETE' and old.index < (select floor from log_floor) and (tg_table_name = 'log_leaf' or (to_jsonb(old)->>'level')::int = 0) then
        return old;
      end if;
      raise exception 'the log only grows' using errcode = 'restrict_violation';
    end $$`,
  sql`create trigger log_tile_is_append_only before update or delete on log_tile for each row execute function log_is_append_only()`,
  sql`create or replace function entry_is_append_only() returns trigger language plpgsql as $$
    begin
      if tg_op = 'UPDATE' and new.sealed is null and old.sealed is not null
        and (new.process, new.seq, new.at_ms, new.kind, new.call_id, new.body::text, new.commitment)
          is not distinct from (old.process, old.seq, old.at_ms, old.kind, old.call_id, old.body::text, old.commitment) then
        return new;
      end if;
      if tg_op = 'DELETE' and exists (
        select from log_leaf l, log_floor f where l.process = old.process and l.seq = old.seq and l.index < f.floor) then
        return old;
      end if;
      raise exception 'entries are never changed, and removed only where the log says so' using errcode = 'restrict_violation';
    end $$`,

  sql`create index hold_by_call on hold (call_id)`,
]

/** How far the beginning of the log was removed. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
