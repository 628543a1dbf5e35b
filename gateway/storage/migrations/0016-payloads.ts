import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // Apart from the body, which is in the log for good. `sealed` is null again once the payload was erased; the commitment stays.
  sql`alter table entry add column commitment text collate "C", add column sealed text collate "C",
    add constraint entry_seals_what_it_commits_to check (sealed is null or commitment is not null)`,
  sql`create or replace function entry_is_append_only() returns trigger language plpgsql as $$
    begin
      if tg_op = 'UPDATE' and new.sealed is null and old.sealed is not null
        and (new.process, new.seq, new.at_ms, new.kind, new.call_id, new.body::text, new.commitment)
          is not distinct from (old.process, old.seq, old.at_ms, old.kind, old.call_id, old.body::text, old.commitment) then
        return new;
      end if;
      raise exception 'entries are never changed and never removed' using errcode = 'restrict_violation';
    end $$`,
]

/** Payloads of entries, sealed beside what stays. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
