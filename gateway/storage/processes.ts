import { databaseNowMs } from './calls.ts'
import type { Db, Tx } from './tables.ts'

/** Enters a process with session 1. */
export async function insertProcess(db: Db, id: string): Promise<void> {
  await db.insertInto('process').values({ id, session: 1, started_ms: databaseNowMs, heartbeat_ms: databaseNowMs }).execute()
}

/** Locks the process row in its session until the transaction ends. False where the session is over. */
export async function holdSession(tx: Tx, id: string, session: number): Promise<boolean> {
  const row = await tx
    .selectFrom('process')
    .select('id')
    .where('id', '=', id)
    .where('session', '=', session)
    .where('lapsed_at_ms', 'is', null)
    .forShare()
    .executeTakeFirst()
  return row !== undefined
}

/**
 * Ends the session, waiting for a transaction that still runs in it, so that nothing sent earlier is written later. Returns the new session, or
 * undefined where the process was declared lapsed.
 */
export async function renewSession(db: Db, id: string): Promise<number | undefined> {
  const row = await db
    .updateTable('process')
    .set((eb) => ({ session: eb('session', '+', 1), heartbeat_ms: databaseNowMs }))
    .where('id', '=', id)
    .where('lapsed_at_ms', 'is', null)
    .returning('session')
    .executeTakeFirst()
  return row?.session
}

/** Says that the process lives. */
export async function beat(db: Db, id: string): Promise<void> {
  await db.updateTable('process').set({ heartbeat_ms: databaseNowMs }).where('id', '=', id).execute()
}

/** Declares a process gone, once: from then on it writes nothing under this id. */
export async function endProcess(db: Db, id: string): Promise<void> {
  await db.updateTable('process').set({ lapsed_at_ms: databaseNowMs }).where('id', '=', id).where('lapsed_at_ms', 'is', null).execute()
}

/** Declares every other process gone, or with `silentMs` those whose last heartbeat is older than that by the database's clock. */
export async function endOtherProcesses(db: Db, mine: string, silentMs: number | null): Promise<void> {
  let query = db.updateTable('process').set({ lapsed_at_ms: databaseNowMs }).where('id', '<>', mine).where('lapsed_at_ms', 'is', null)
  if (silentMs !== null) query = query.where((eb) => eb('heartbeat_ms', '<=', eb(databaseNowMs, '-', silentMs)))
  await query.execute()
}
