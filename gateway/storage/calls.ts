import { type Selectable, sql } from 'kysely'
import type { Call } from '../core/call.ts'
import { instant } from '../core/clock.ts'
import type { CallEnd } from '../core/connector-health.ts'
import { editAfter } from '../core/edit.ts'
import type { CallId, HoldId, OperationId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { HoldChange, NewCall } from '../ports/recorder.ts'
import { type CallFacts, type CallTable, type Db, type Tx, withoutNul } from './tables.ts'

/** What an agent wrote, as a column that is asked for shows it. */
export const textOf = (text: string | null): string | null => (text === null ? null : withoutNul(text))

/** The part of a new call that no column has. */
export function factsOf(call: Call): CallFacts {
  const { owner, issuer, actors, operationVersion, input, rationale, run, subject, traceId } = call
  return { owner, issuer, actors, operationVersion, input, rationale, run, subject, traceId }
}

export const CALL_COLUMNS = [
  'id',
  'door',
  'agent',
  'connector',
  'operation',
  'state',
  'deny_reason',
  'policies',
  'hold_id',
  'facts',
  'upstream_status',
  'upstream_ms',
  'error',
  'result',
  'result_kept',
  'delivered',
  'erased',
  'created_at_ms',
  'updated_at_ms',
] as const satisfies readonly (keyof CallTable)[]

export type CallRow = Pick<Selectable<CallTable>, (typeof CALL_COLUMNS)[number]>

export function callFromRow(row: CallRow): Call {
  return {
    ...row.facts,
    edit: row.facts.edit ?? null,
    id: row.id as CallId,
    door: row.door,
    agent: row.agent,
    connector: row.connector,
    operation: row.operation as OperationId,
    state: row.state,
    denyReason: row.deny_reason,
    policies: row.policies,
    holdId: row.hold_id as HoldId | null,
    upstreamStatus: row.upstream_status,
    upstreamMs: row.upstream_ms,
    error: row.error,
    result: row.result,
    resultKept: row.result_kept,
    delivered: row.delivered,
    ...(row.erased && { erased: row.erased }),
    createdAt: instant(row.created_at_ms),
    updatedAt: instant(row.updated_at_ms),
  }
}

/** One call, or undefined. */
export async function callById(db: Db, id: CallId): Promise<Call | undefined> {
  const row = await db.selectFrom('call').select(CALL_COLUMNS).where('id', '=', id).executeTakeFirst()
  return row && callFromRow(row)
}

/** Those of these calls that exist. */
export async function callsById(db: Db, ids: readonly CallId[]): Promise<readonly Call[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('call').select(CALL_COLUMNS).where('id', 'in', ids).execute()
  return rows.map(callFromRow)
}

/** How the newest calls of a connector ended, newest first. A row of the index each, however long the log is. */
export async function endsOf(db: Db, connector: string): Promise<readonly CallEnd[]> {
  const rows = await db
    .selectFrom('call')
    .select(['state', 'upstream_status', 'error', 'updated_at_ms'])
    .where('connector', '=', connector)
    .orderBy('id', 'desc')
    .limit(LIMITS.healthCallsMax)
    .execute()
  return rows.flatMap(({ state, upstream_status: upstreamStatus, error, updated_at_ms }) =>
    state === 'completed' || state === 'failed' || state === 'in_doubt'
      ? [{ state, upstreamStatus, code: error?.code ?? null, sent: error?.sent !== false, at: instant(updated_at_ms) }]
      : [],
  )
}

/** The newest call executed with the arguments of this join key that is older than `before`. */
export async function lastEqualCall(db: Db, joinKey: string, before: CallId): Promise<Pick<Call, 'id' | 'updatedAt'> | undefined> {
  const row = await db
    .selectFrom('call')
    .select(['id', 'updated_at_ms'])
    .where((eb) => eb.or([eb('edited_key', '=', joinKey), eb.and([eb('join_key', '=', joinKey), eb('edited_key', 'is', null)])]))
    .where('id', '<', before)
    .where('state', 'in', ['executing', 'completed', 'failed', 'in_doubt'])
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row && { id: row.id as CallId, updatedAt: instant(row.updated_at_ms) }
}

/** The call that an equal one joins now. */
export async function openEqualCall(tx: Tx, joinKey: string): Promise<CallId | undefined> {
  const row = await tx.selectFrom('call').select('id').where('open_key', '=', joinKey).executeTakeFirst()
  return row?.id as CallId | undefined
}

/** Inserts a call as its admission says. A race for its join key breaks a unique constraint. */
export async function insertCall(tx: Tx, { call, intent, hold, joinKey }: NewCall, process: string, atMs: number): Promise<void> {
  const calls = intent
    ? tx.with('started', (db) => db.insertInto('execution').values({ call_id: call.id, process })).insertInto('call')
    : tx.insertInto('call')
  await calls
    .values({
      id: call.id,
      door: call.door,
      agent: call.agent,
      subject: textOf(call.subject),
      connector: call.connector,
      operation: call.operation,
      run: textOf(call.run),
      state: call.state,
      deny_reason: call.denyReason,
      policies: JSON.stringify(call.policies),
      hold_id: hold?.id ?? call.holdId,
      intent: intent ?? null,
      process,
      facts: JSON.stringify(factsOf(call)),
      result_kept: 'none',
      delivered: false,
      created_at_ms: call.createdAt,
      updated_at_ms: atMs,
      join_key: joinKey,
    })
    .execute()
}

/** Locks a call's row and tells what a compare-and-set compares. */
export function lockCall(tx: Tx, id: CallId): Promise<Pick<CallRow, 'state' | 'hold_id'> | undefined> {
  return tx.selectFrom('call').select(['state', 'hold_id']).where('id', '=', id).forUpdate().executeTakeFirst()
}

/** Puts edited arguments in the place of a call's. The row is locked by the caller. */
export async function editArguments(tx: Tx, id: CallId, by: string, { input, key }: NonNullable<HoldChange['edit']>): Promise<void> {
  const { facts } = await tx.selectFrom('call').select('facts').where('id', '=', id).executeTakeFirstOrThrow()
  const edit = editAfter({ input: facts.input, edit: facts.edit ?? null }, by)
  await tx
    .updateTable('call')
    .set({ facts: JSON.stringify({ ...facts, input, edit }), edited_key: key })
    .where('id', '=', id)
    .execute()
}

/** Sets what a transition changes. The row is locked by the caller. */
export async function updateCall(
  tx: Tx,
  id: CallId,
  atMs: number,
  set: Partial<Pick<Call, 'state' | 'denyReason' | 'policies' | 'holdId'>> & { intent?: string },
): Promise<void> {
  await tx
    .updateTable('call')
    .set({
      updated_at_ms: atMs,
      ...(set.state === undefined ? {} : { state: set.state }),
      ...(set.denyReason === undefined ? {} : { deny_reason: set.denyReason }),
      ...(set.policies === undefined ? {} : { policies: JSON.stringify(set.policies) }),
      ...(set.holdId === undefined ? {} : { hold_id: set.holdId }),
      ...(set.intent === undefined ? {} : { intent: set.intent }),
    })
    .where('id', '=', id)
    .execute()
}

/** Time as the database tells it, ms since the epoch: one clock for all replicas. */
export const databaseNowMs = sql<number>`(extract(epoch from clock_timestamp()) * 1000)::float8`
