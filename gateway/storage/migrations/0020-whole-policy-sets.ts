import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  sql`create table policy_set_whole (
    hash text collate "C" primary key references policy_set (hash),
    whole text collate "C" not null check (encode(sha256(convert_to(whole, 'UTF8')), 'hex') = hash))`,
  sql`create trigger policy_set_whole_is_kept before update or delete on policy_set_whole for each row execute function policy_set_is_kept()`,
]

/** The text that a policy set is named after: with it its decisions can be decided again, whatever became of the operations. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
