import { type Selectable, type SelectQueryBuilder, sql } from 'kysely'
import type { Call, CallState } from '../core/call.ts'
import { instant } from '../core/clock.ts'
import { editAfter } from '../core/edit.ts'
import { type CallId, type HoldId, newCallId, type OperationId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { CallFilter, Page, PageRequest } from '../ports/call-store.ts'
import type { HoldChange, NewCall } from '../ports/recorder.ts'
import { type CallFacts, type CallTable, type Db, type Tables, type Tx, withoutNul } from './tables.ts'

/** What an agent wrote, as a column that is asked for shows it. */
export const textOf = (text: string | null): string | null => (text === null ? null : withoutNul(text))

/** The part of a new call that no column has. */
export function factsOf(call: Call): CallFacts {
  const { owner, issuer, actors, operationVersion, input, rationale, run, subject, traceId } = call
  return { owner, issuer, actors, operationVersion, input, rationale, run, subject, traceId }
}

const COLUMNS = [
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
  'created_at_ms',
  'updated_at_ms',
] as const satisfies readonly (keyof CallTable)[]

type CallRow = Pick<Selectable<CallTable>, (typeof COLUMNS)[number]>

function fromRow(row: CallRow): Call {
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
    createdAt: instant(row.created_at_ms),
    updatedAt: instant(row.updated_at_ms),
  }
}

/** One call, or undefined. */
export async function callById(db: Db, id: CallId): Promise<Call | undefined> {
  const row = await db.selectFrom('call').select(COLUMNS).where('id', '=', id).executeTakeFirst()
  return row && fromRow(row)
}

/** Those of these calls that exist. */
export async function callsById(db: Db, ids: readonly CallId[]): Promise<readonly Call[]> {
  if (ids.length === 0) return []
  const rows = await db.selectFrom('call').select(COLUMNS).where('id', 'in', ids).execute()
  return rows.map(fromRow)
}

type CallQuery = SelectQueryBuilder<Tables, 'call', object>

function filtered(query: CallQuery, filter: CallFilter): CallQuery {
  const { agent, subject, connector, operation, door, since, until, run } = filter
  let q = query
  if (agent !== undefined) q = q.where('agent', '=', agent)
  if (subject !== undefined) q = q.where('subject', '=', withoutNul(subject))
  if (connector !== undefined) q = q.where('connector', '=', connector)
  if (operation !== undefined) q = q.where('operation', '=', operation)
  if (run !== undefined) q = q.where('run', '=', withoutNul(run))
  if (door !== undefined) q = q.where('door', '=', door)
  // Ids sort by the time they were made at, so they bound the walk; the slack is for a call created just after its id.
  if (since !== undefined) q = q.where('created_at_ms', '>=', since).where('id', '>=', earliestId(since - LIMITS.clockSkewMsMax))
  if (until !== undefined) q = q.where('created_at_ms', '<', until).where('id', '<', earliestId(until + LIMITS.clockSkewMsMax))
  return q
}

/** No call of that time or later has a smaller id. */
export const earliestId = (ms: number): CallId => newCallId(Math.max(0, Math.trunc(ms)), new Uint8Array(16))

/** Calls in one state: each way walks an index in the order of ids, which several states at once would not. */
function inState(query: CallQuery, state: CallState): CallQuery {
  if (state === 'completed') return query.where('state', '=', 'completed')
  if (state !== 'executing') return query.where('rare_state', '=', state)
  return query.where('state', '=', 'executing').where('id', 'in', (eb) => eb.selectFrom('execution').select('call_id'))
}

/** Calls that match, newest first. `first` is bounded by the caller. */
export async function callsPage(db: Db, filter: CallFilter, page: PageRequest<CallId>): Promise<Page<Call>> {
  const all = filtered(db.selectFrom('call'), filter)
  const found: Call[] = []
  for (const query of filter.state === undefined ? [all] : [...new Set(filter.state)].map((state) => inState(all, state))) {
    let newest = query
      .select(COLUMNS)
      .orderBy('id', 'desc')
      .limit(page.first + 1)
    if (page.after !== undefined) newest = newest.where('id', '<', page.after)
    found.push(...(await newest.execute()).map(fromRow))
  }
  found.sort((a, b) => (a.id < b.id ? 1 : -1))
  return { rows: found.slice(0, page.first), more: found.length > page.first }
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
