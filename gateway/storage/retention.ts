import { sql } from 'kysely'
import type { CallId } from '../core/ids.ts'
import { instant } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import { forgetAccounts } from './accounts.ts'
import { eraseTogether } from './erasure.ts'
import { earliestId } from './call-pages.ts'
import type { Tx } from './tables.ts'
import type { Transactions, TransactionScope } from './transaction-scope.ts'
import { GATEWAY } from './unit-entries.ts'

/** For how long what is kept, in milliseconds; undefined for ever. */
export interface Retention {
  entries?: number | undefined
  payloads?: number | undefined
  results?: number | undefined
}

const WHY = 'retention'

type Swept = 'payloads' | 'results'

/** Takes a page of calls made before, in the order of their ids. Returns how many it looked at. */
async function sweepCalls(scope: TransactionScope, what: Swept, beforeMs: number): Promise<number> {
  const { tx, atMs } = scope
  const { call_id: from } = await lockSweep(tx, what)
  const { rows } = await sql<{ id: CallId }>`select id from call where id > ${from} and id < ${earliestId(instant(beforeMs))}
    order by id limit ${LIMITS.erasedCallsPerBatchMax}`.execute(tx)
  const last = rows.at(-1)?.id
  if (last === undefined) return 0
  const left = await handle(
    scope,
    what,
    rows.map(({ id }) => id),
  )
  for (const call_id of left) await tx.insertInto('retention_left').values({ what, call_id, tried_ms: atMs }).execute()
  await tx.updateTable('retention_sweep').set({ call_id: last }).where('what', '=', what).execute()
  return rows.length
}

/** Looks again at calls that were still needed, those first that were not looked at for longest. */
async function sweepLeft(scope: TransactionScope, what: Swept): Promise<void> {
  const { tx, atMs } = scope
  await lockSweep(tx, what)
  const { rows } = await sql<{ id: CallId }>`select call_id as id from retention_left where what = ${what}
    order by tried_ms, call_id limit ${LIMITS.erasedCallsPerBatchMax}`.execute(tx)
  if (rows.length === 0) return
  const left = new Set(
    await handle(
      scope,
      what,
      rows.map(({ id }) => id),
    ),
  )
  const done = rows.flatMap(({ id }) => (left.has(id) ? [] : [id]))
  await sql`delete from retention_left where what = ${what} and call_id = any(${done}::text[])`.execute(tx)
  await sql`update retention_left set tried_ms = ${atMs} where what = ${what} and call_id = any(${[...left]}::text[])`.execute(tx)
}

/** Returns the calls that are still needed as they are. */
async function handle(scope: TransactionScope, what: Swept, ids: readonly CallId[]): Promise<readonly CallId[]> {
  if (what === 'payloads') return (await eraseTogether(scope, ids, GATEWAY, WHY)).kept.map(({ call }) => call)
  await sql`update call set result = null, result_kept = 'none' where id in (
    select id from call where id = any(${[...ids]}::text[]) and result is not null and state in ('completed', 'failed') order by id for update)`.execute(
    scope.tx,
  )
  const { rows } = await sql<{ id: CallId }>`select id from call where id = any(${[...ids]}::text[])
    and state in ('held', 'approved', 'executing', 'in_doubt')`.execute(scope.tx)
  return rows.map(({ id }) => id)
}

/** Payloads of entries that belong to no call, such as explanations. Returns how many entries it passed. */
async function sweepEntries({ tx, append }: TransactionScope, beforeMs: number): Promise<number> {
  const from = await lockSweep(tx, 'entries')
  const { rows } = await sql<{ at_ms: number; process: string; seq: number; bare: boolean }>`
    select at_ms, process, seq, call_id is not null or sealed is null as bare from entry
    where (at_ms, process, seq) > (${from.at_ms}, ${from.process}, ${from.seq}) and at_ms < ${beforeMs}
    order by at_ms, process, seq limit ${LIMITS.maintenanceRowsMax}`.execute(tx)
  const last = rows.at(-1)
  if (!last) return 0
  const going = rows.filter(({ bare }) => !bare)
  await sql`update entry e set sealed = null from unnest(${going.map(({ process }) => process)}::text[], ${going.map(({ seq }) => seq)}::int8[])
    as u (process, seq) where e.process = u.process and e.seq = u.seq`.execute(tx)
  if (going.length > 0) append(null, { kind: 'erased', calls: [], by: GATEWAY, why: WHY, entries: going.length })
  await forgetAccounts(tx, beforeMs)
  const { at_ms, process, seq } = last
  await tx.updateTable('retention_sweep').set({ at_ms, process, seq }).where('what', '=', 'entries').execute()
  return rows.length
}

const lockSweep = (tx: Tx, what: Swept | 'entries') =>
  tx.selectFrom('retention_sweep').selectAll().where('what', '=', what).forUpdate().executeTakeFirstOrThrow()

/**
 * Erases what was kept for long enough, in batches of their own transactions, at most `LIMITS.retentionPagesPerSweepMax` of each kind: what is left waits for
 * the next time. Replicas take turns. Ends early where the signal says so. Throws UNAVAILABLE.
 */
export async function retain(
  writer: Pick<Transactions, 'transact'>,
  { payloads, results }: Retention,
  nowMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const pages = async (page: (scope: TransactionScope) => Promise<number>): Promise<void> => {
    for (let done = 0; done < LIMITS.retentionPagesPerSweepMax && !signal?.aborted; done += 1)
      if ((await writer.transact(page)) === 0) return
  }
  if (results !== undefined) {
    await writer.transact((scope) => sweepLeft(scope, 'results'))
    await pages((scope) => sweepCalls(scope, 'results', nowMs - results))
  }
  if (payloads !== undefined) {
    await writer.transact((scope) => sweepLeft(scope, 'payloads'))
    await pages((scope) => sweepCalls(scope, 'payloads', nowMs - payloads))
    await pages((scope) => sweepEntries(scope, nowMs - payloads))
  }
}
