import { sql } from 'kysely'
import type { Db } from './tables.ts'

/** What waits for people. */
export interface Unsettled {
  callsInDoubt: number
  holdsOpen: number
  /** Of the open ones, those that expire before the time that was asked about. */
  holdsExpiring: number
}

/** Counts what waits for people, each up to `max`, by walking an index of just that. Throws what the database threw. */
export async function countUnsettled(db: Db, beforeMs: number, max: number): Promise<Unsettled> {
  const { rows } = await sql<Unsettled>`select
    (select count(*) from (select 1 from call where rare_state = 'in_doubt' limit ${max}) c) as "callsInDoubt",
    (select count(*) from (select 1 from hold where state = 'open' limit ${max}) o) as "holdsOpen",
    (select count(*) from (select 1 from hold where state = 'open' and state in ('open', 'approved') and expires_at_ms <= ${beforeMs} limit ${max}) e)
      as "holdsExpiring"`.execute(db)
  return rows[0] ?? { callsInDoubt: 0, holdsOpen: 0, holdsExpiring: 0 }
}
