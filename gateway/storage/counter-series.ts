import { setImmediate as turn } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { OperationId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { CountedCall, CountedSeries } from '../ports/recorder.ts'
import { earliestId } from './call-pages.ts'
import { addEvents, type CounterEvent, lockCounters } from './counters.ts'
import type { CallFacts, CounterSeriesTable, Db, Tx } from './tables.ts'

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

type Page = (tx: Tx, after: PastCall | undefined) => Promise<readonly PastCall[]>

/** Calls by their ids. */
const byId =
  (operation: OperationId, sinceMs: number): Page =>
  async (tx, after) => {
    const from = after?.id ?? earliestId(sinceMs - TURN_MS)
    const { rows } = await sql<PastCall>`${SELECT_CALL} from call c
    where c.operation = ${operation} and c.id > ${from} and ${EXECUTED} order by c.id limit ${LIMITS.maintenanceRowsMax}`.execute(tx)
    return rows
  }

/** Calls that were held and are older: only an approval that had not expired at the time was consumed since. */
const byHold =
  (operation: OperationId, sinceMs: number): Page =>
  async (tx, after) => {
    const { rows } = await sql<PastCall>`
    with released as materialized (
      select call_id from hold where state = 'consumed' and expires_at_ms > ${sinceMs}
        and call_id < ${earliestId(sinceMs - TURN_MS)} and call_id > ${after?.id ?? ''})
    ${SELECT_CALL} from released r join call c on c.id = r.call_id
    where c.operation = ${operation} and ${EXECUTED} order by c.id limit ${LIMITS.maintenanceRowsMax}`.execute(tx)
    return rows
  }

/** Calls by the time of their intents, of all operations: right for what was written of late. */
const byIntent =
  (operations: readonly OperationId[], sinceMs: number): Page =>
  async (tx, after) => {
    const { rows } = await sql<PastCall>`${SELECT_CALL} from entry e join call c on c.id = e.call_id
    where e.at_ms >= ${after?.intent_ms ?? sinceMs} and (e.at_ms, c.id) > (${after?.intent_ms ?? sinceMs - 1}, ${after?.id ?? ''})
      and e.kind = 'intent' and c.operation = any(${[...operations]}::text[]) and ${EXECUTED}
    order by e.at_ms, c.id limit ${LIMITS.maintenanceRowsMax}`.execute(tx)
    return rows
  }

/** A series, and from when on its calls are missing. */
interface Missing {
  one: CountedSeries
  sinceMs: number
}

function eventsOf(missing: readonly Missing[], calls: readonly PastCall[]): CounterEvent[] {
  return calls.flatMap(({ id, agent, operation, facts, intent_ms: atMs }) => {
    if (atMs === null) return []
    const { owner, subject, operationVersion, input } = facts
    const call: CountedCall = { agent, owner, subject, operation, operationVersion, input }
    return missing
      .filter(({ one, sinceMs }) => atMs >= sinceMs && one.operations.includes(operation))
      .flatMap(({ one }) => one.eventsOf(call).map((reservation) => ({ ...reservation, callId: id, atMs })))
  })
}

async function count(tx: Tx, missing: readonly Missing[], calls: readonly PastCall[]): Promise<void> {
  const events = eventsOf(missing, calls)
  await lockCounters(
    tx,
    events.map(({ key }) => key),
  )
  await addEvents(tx, events, new Set(calls.filter(({ ended_well }) => !ended_well).map(({ id }) => id)))
}

/** Every page in a transaction of its own, with a turn of the loop between them. */
async function countPages(db: Db, missing: readonly Missing[], page: Page): Promise<void> {
  for (let last: PastCall | undefined, more = true; more; await turn()) {
    const calls = await db.transaction().execute(async (tx) => {
      const found = await page(tx, last)
      await count(tx, missing, found)
      return found
    })
    last = calls.at(-1)
    more = calls.length === LIMITS.maintenanceRowsMax
  }
}

const operationsOf = (missing: readonly Missing[]): OperationId[] => [...new Set(missing.flatMap(({ one }) => one.operations))]

/** Counts what is missing. Returns the time until which that is true, which is not long ago however long it took. */
async function fillIn(db: Db, clock: Clock, missing: readonly Missing[]): Promise<number> {
  let untilMs = Math.floor(clock.now())
  for (const operation of operationsOf(missing)) {
    const mine = missing.filter(({ one }) => one.operations.includes(operation))
    const sinceMs = Math.min(...mine.map((one) => one.sinceMs))
    await countPages(db, mine, byId(operation, sinceMs))
    await countPages(db, mine, byHold(operation, sinceMs))
  }
  for (let tookMs = Number.POSITIVE_INFINITY; missing.length > 0 && tookMs > LIMITS.recordWaitMsMax; ) {
    const beganMs = Math.floor(clock.now())
    await countPages(db, missing, byIntent(operationsOf(missing), untilMs - LATE_MS))
    untilMs = beganMs
    tookMs = clock.now() - beganMs
  }
  return untilMs
}

const needsFrom = ({ windowMs }: CountedSeries, nowMs: number): number => nowMs - windowMs - LIMITS.clockSkewMsMax

type Row = Pick<CounterSeriesTable, 'from_ms' | 'until_ms'> | undefined

const covers = (row: Row, one: CountedSeries, nowMs: number): row is NonNullable<Row> =>
  row !== undefined && (one.kind === 'streak' || row.from_ms <= needsFrom(one, nowMs))

/**
 * Fills in what these series would have counted, from executed, executing and in-doubt calls of the record, so that they can go live with the policy set
 * that counts them. In pages of at most `LIMITS.maintenanceRowsMax` calls, each a transaction of its own that locks the counters it adds to, so live
 * calls wait for one page at most. What is there already is left alone: it may run again, and on several replicas at once.
 */
export async function prepareCounters(db: Db, clock: Clock, series: readonly CountedSeries[]): Promise<void> {
  const nowMs = Math.floor(clock.now())
  const rows = await db.selectFrom('counter_series').selectAll().execute()
  const known = new Map<string, Row>(rows.map((row) => [row.series, row]))
  const missing: (Missing & { fromMs: number })[] = []
  for (const one of series) {
    const row = known.get(one.series)
    const freshMs = needsFrom(one, nowMs) - LIMITS.clockSkewMsMax
    if (!covers(row, one, nowMs)) missing.push({ one, sinceMs: freshMs, fromMs: freshMs })
    else if (row.until_ms !== null) missing.push({ one, sinceMs: row.until_ms - LATE_MS, fromMs: row.from_ms })
  }
  if (missing.length === 0) return
  const untilMs = await fillIn(
    db,
    clock,
    missing.filter(({ one }) => one.kind !== 'streak'),
  )
  for (const { one, fromMs } of missing) {
    await sql`insert into counter_series as s (series, from_ms, until_ms) values (${one.series}, ${fromMs}, ${untilMs})
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
  if (!series.every((one) => covers(known.get(one.series), one, nowMs))) {
    throw new GatewayError('UNAVAILABLE', 'the policies count calls whose past is not counted yet: try again')
  }
  const behind = series.flatMap((one) => {
    const untilMs = known.get(one.series)?.until_ms
    return one.kind === 'streak' || typeof untilMs !== 'number' ? [] : { one, sinceMs: untilMs - LATE_MS }
  })
  await catchUp(tx, behind)
  await sql`update counter_series set until_ms = null where series = any(${names}::text[]) and until_ms is not null`.execute(tx)
  await stopOthers(tx, names, nowMs)
}

/** All at once: counters are locked in one order only where they are locked together. */
async function catchUp(tx: Tx, behind: readonly Missing[]): Promise<void> {
  if (behind.length === 0) return
  const page = byIntent(operationsOf(behind), Math.min(...behind.map(({ sinceMs }) => sinceMs)))
  const calls: PastCall[] = []
  for (let more = true; more; ) {
    const found = await page(tx, calls.at(-1))
    calls.push(...found)
    more = found.length === LIMITS.maintenanceRowsMax
  }
  await count(tx, behind, calls)
}

async function stopOthers(tx: Tx, live: readonly string[], nowMs: number): Promise<void> {
  const { rows } = await sql<{ series: string }>`update counter_series set until_ms = greatest(${nowMs}, from_ms)
    where until_ms is null and series <> all(${live}::text[]) returning series`.execute(tx)
  const stopped = rows.map(({ series }) => series)
  if (stopped.length === 0) return
  await sql`update counter set streak = 0, streak_series = null where streak_series = any(${stopped}::text[])`.execute(tx)
}
