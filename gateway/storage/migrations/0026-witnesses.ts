import { type Kysely, sql } from 'kysely'

const STATEMENTS = [
  // What is published of the log, and which process asks its witnesses.
  sql`create table log_published (
    one boolean primary key default true check (one),
    size int8 not null default 0 check (size >= 0),
    checkpoint text,
    at_ms float8,
    owner text collate "C",
    until_ms float8 not null default 0)`,
  sql`insert into log_published default values`,
  // The newest of each witness, by its key.
  sql`create table log_cosignature (
    witness text collate "C" primary key,
    size int8 not null check (size >= 0),
    line text not null,
    at_ms float8 not null)`,
]

/** What witnesses cosigned of the log. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await statement.execute(db)
}
