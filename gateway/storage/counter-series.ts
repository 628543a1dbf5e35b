import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { OperationId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { CountedCall, CountedSeries } from '../ports/recorder.ts'
import { earliestId } from './calls.ts'
import { addEvents, type CounterEvent, lockCounters } from './counters.ts'
import type { CallFacts, Db, Tx } from './tables.ts'

/** How much later than its own time an intent may become visible, by a replica whose clock is behind. */
const LATE_MS = LIMITS.clockSkewMsMax + LIMITS.recordWaitMsMax
/** How long a permitted call may wait for its turn, generously: its id is older than its intent by that. */
const TURN_MS = 24 * 3_600_000

interface PastCall {
  id: string
  agent: string
  operation: OperationId
  facts: CallFacts
  ended_well: boolean
  intent_ms: number | null
}

const SELECT_CALL = sql`select c.id, c.agent, c.operation, c.facts, c.state = 'completed' as ended_well,
  (select max(i.at_ms) from entry i where i.call_id = c.id and i.kind = 'intent') as intent_ms`
const EXECUTED = sql`c.state in ('executing', 'completed', 'in_doubt')`

type Page = (db: Tx, after: string) => Promise<readonly PastCall[]>

/** Calls by their ids. */
const byId =
  (operation: OperationId, sinceMs: number): Page =>
  async (db, after) => {
    const from = after === '' ? earliestId(sinceMs - TURN_MS) : after
    const { rows } = await sql<PastCall>`${SELECT_CALL} from call c
    where c.operation = ${operation} and c.id > ${from} and ${EXECUTED} order by c.id limit ${LIMITS.maintenanceRowsMax}`.execute(db)
    return rows
  }

/** Calls that were held and are older: only an approval that had not expired at the time was consumed since. */
const byHold =
  (operation: OperationId, sinceMs: number): Page =>
  async (db, after) => {
    const { rows } = await sql<PastCall>`
    with released as materialized (
      select call_id from hold where state = 'consumed' and expires_at_ms > ${sinceMs}
        and call_id < ${earliestId(sinceMs - TURN_MS)} and call_id > ${after})
    ${SELECT_CALL} from released r join call c on c.id = r.call_id
    where c.operation = ${operation} and ${EXECUTED} order by c.id limit ${LIMITS.maintenanceRowsMax}`.execute(db)
    return rows
  }

function eventsOf(series: readonly CountedSeries[], calls: readonly PastCall[], sinceMs: number): CounterEvent[] {
  return calls.flatMap(({ id, agent, operation, facts, intent_ms: atMs }) => {
    if (atMs === null || atMs < sinceMs) return []
    const { owner, subject, operationVersion, input } = facts
    const call: CountedCall = { agent, owner, subject, operation, operationVersion, input }
    return series
      .filter(({ kind, operations }) => kind !== 'streak' && operations.includes(operation))
      .flatMap((one) => one.eventsOf(call).map((reservation) => ({ ...reservation, callId: id, atMs })))
  })
}

async function count(tx: Tx, events: readonly CounterEvent[], calls: readonly PastCall[]): Promise<void> {
  await lockCounters(
    tx,
    events.map(({ key }) => key),
  )
  await addEvents(tx, events, new Set(calls.filter(({ ended_well }) => !ended_well).map(({ id }) => id)))
}

async function fillIn(db: Db, one: CountedSeries, sinceMs: number): Promise<void> {
  for (const page of one.operations.flatMap((operation) => [byId(operation, sinceMs), byHold(operation, sinceMs)])) {
    for (let after: string | undefined = ''; after !== undefined; await turn()) {
      const position: string = after
      const calls = await db.transaction().execute(async (tx) => {
        const found = await page(tx, position)
        await count(tx, eventsOf([one], found, sinceMs), found)
        return found
      })
      after = calls.length < LIMITS.maintenanceRowsMax ? undefined : calls.at(-1)?.id
    }
  }
}

const needsFrom = ({ windowMs }: CountedSeries, nowMs: number): number => nowMs - windowMs - LIMITS.clockSkewMsMax

/**
 * Fills in what these series would have counted, from executed, executing and in-doubt calls of the record, so that they can go live with the policy set
 * that counts them. In pages of at most `LIMITS.maintenanceRowsMax` calls, each a transaction of its own that locks the counters it adds to, so live
 * calls wait for one page at most. What is there already is left alone: it may run again, and on several replicas at once.
 */
export async function prepareCounters(db: Db, clock: Clock, series: readonly CountedSeries[]): Promise<void> {
  for (const one of series) {
    const nowMs = Math.floor(clock.now())
    const row = await db.selectFrom('counter_series').selectAll().where('series', '=', one.series).executeTakeFirst()
    const covered = row !== undefined && (one.kind === 'streak' || row.from_ms <= needsFrom(one, nowMs))
    if (covered && row.until_ms === null) continue
    const sinceMs = covered && row.until_ms !== null ? row.until_ms - LATE_MS : needsFrom(one, nowMs) - LIMITS.clockSkewMsMax
    if (one.kind !== 'streak') await fillIn(db, one, sinceMs)
    const values = { series: one.series, from_ms: covered ? row.from_ms : Math.min(sinceMs, nowMs), until_ms: nowMs }
    await sql`insert into counter_series as s (series, from_ms, until_ms) values (${values.series}, ${values.from_ms}, ${values.until_ms})
      on conflict (series) do update set from_ms = excluded.from_ms,
        until_ms = case when s.until_ms is not null then excluded.until_ms end`.execute(db)
  }
}

/**
 * Makes exactly these series live, in the transaction that activates the policy set which counts them: call it with `gateway_state` locked for update, so
 * that no intent of the old set is under way. What was written since they were prepared is filled in here. Other series stop: they are incomplete from
 * now on, and their streaks begin anew. Throws UNAVAILABLE where a series was not prepared.
 */
export async function goLive(tx: Tx, series: readonly CountedSeries[], atMs: number): Promise<void> {
  const names = series.map((one) => one.series)
  const nowMs = Math.floor(atMs)
  const rows = await tx
    .selectFrom('counter_series')
    .selectAll()
    .where((eb) => eb('series', '=', eb.fn.any(eb.val(names))))
    .orderBy('series')
    .forUpdate()
    .execute()
  const known = new Map(rows.map((row) => [row.series, row]))
  for (const one of series) {
    const row = known.get(one.series)
    if (row !== undefined && (one.kind === 'streak' || row.from_ms <= needsFrom(one, nowMs))) continue
    throw new GatewayError('UNAVAILABLE', 'the policies count calls whose past is not counted yet: try again')
  }
  const behind = series.filter((one) => known.get(one.series)?.until_ms !== null)
  await catchUp(tx, behind, Math.min(...behind.map((one) => known.get(one.series)?.until_ms ?? nowMs)) - LATE_MS)
  await sql`update counter_series set until_ms = null where series = any(${names}::text[]) and until_ms is not null`.execute(tx)
  await stopOthers(tx, names, nowMs)
}

async function catchUp(tx: Tx, series: readonly CountedSeries[], sinceMs: number): Promise<void> {
  const operations = [...new Set(series.flatMap((one) => one.operations))]
  if (operations.length === 0) return
  const { rows } = await sql<PastCall>`${SELECT_CALL} from entry e join call c on c.id = e.call_id
    where e.at_ms >= ${sinceMs} and e.kind = 'intent' and c.operation = any(${operations}::text[]) and ${EXECUTED}`.execute(tx)
  await count(tx, eventsOf(series, rows, sinceMs), rows)
}

async function stopOthers(tx: Tx, live: readonly string[], nowMs: number): Promise<void> {
  const { rows } = await sql<{ series: string }>`update counter_series set until_ms = greatest(${nowMs}, from_ms)
    where until_ms is null and series <> all(${live}::text[]) returning series`.execute(tx)
  const stopped = rows.map(({ series }) => series)
  if (stopped.length === 0) return
  await sql`update counter set streak = 0, streak_series = null where streak_series = any(${stopped}::text[])`.execute(tx)
}
