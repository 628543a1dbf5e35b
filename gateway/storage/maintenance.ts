import type { Clock } from '../core/clock.ts'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Bus } from '../ports/bus.ts'
import type { Log } from '../ports/telemetry.ts'
import { dropEmptyCounters, giveBack, keysOfCalls, lockCounters } from './counters.ts'
import type { Database } from './database.ts'
import { lapseReviews } from './break-glass.ts'
import { giveBackUses, lockGrants } from './grants.ts'
import { takeDueSteps, takeDueWarnings } from './holds.ts'
import { keepHouse } from './housekeeping.ts'
import { prune } from './pruning.ts'
import { type Retention, retain } from './retention.ts'
import { endOtherProcesses } from './processes.ts'
import type { Tx } from './tables.ts'
import { GATEWAY } from './unit-entries.ts'
import type { Append } from './transaction-scope.ts'
import type { Writer } from './writer.ts'

/** Executing calls of processes that are gone, and of no process we know: at most `first`. Rows are locked. */
async function doubtLapsed(tx: Tx, append: Append, atMs: number, first: number): Promise<CallId[]> {
  const rows = await tx
    .deleteFrom('execution')
    .where('call_id', 'in', (eb) =>
      eb
        .selectFrom('execution as x')
        .innerJoin('process as p', 'p.id', 'x.process')
        .select('x.call_id')
        .where('p.lapsed_at_ms', 'is not', null)
        .orderBy('x.call_id')
        .limit(first)
        .forUpdate('x'),
    )
    .returning(['call_id', 'process'])
    .execute()
  if (rows.length === 0) return []
  const ids = rows.map((row) => row.call_id)
  await tx
    .updateTable('call')
    .set({ state: 'in_doubt', updated_at_ms: atMs })
    .where('id', 'in', ids)
    .where('state', '=', 'executing')
    .execute()
  for (const row of rows) append(row.call_id, { kind: 'lapsed', process: row.process })
  return ids as CallId[]
}

/** Permitted calls whose turn never came, of processes that are gone: at most `first`. What they reserved is given back. */
async function cancelLapsed(tx: Tx, append: Append, atMs: number, first: number): Promise<CallId[]> {
  const found = await tx
    .selectFrom('call as c')
    .innerJoin('process as p', 'p.id', 'c.process')
    .select('c.id')
    .where('c.rare_state', '=', 'approved')
    .where('c.hold_id', 'is', null)
    .where('p.lapsed_at_ms', 'is not', null)
    .orderBy('c.id')
    .limit(first)
    .execute()
  if (found.length === 0) return []
  const ids = found.map(({ id }) => id)
  // Grants and counters before calls, as everywhere.
  await lockGrants(tx, [], ids, [])
  await lockCounters(tx, await keysOfCalls(tx, ids))
  const rows = await tx
    .updateTable('call')
    .set({ state: 'cancelled', updated_at_ms: atMs })
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('call')
        .select('id')
        .where('id', 'in', ids)
        .where('state', '=', 'approved')
        .where('hold_id', 'is', null)
        .orderBy('id')
        .forUpdate(),
    )
    .returning('id')
    .execute()
  const ended = rows.map(({ id }) => id as CallId)
  await giveBackUses(tx, ended)
  await dropEmptyCounters(tx, await giveBack(tx, ended))
  for (const id of ended) append(id, { kind: 'cancelled', by: GATEWAY, why: 'its process ended before its turn came' })
  return ended
}

export interface MaintenanceOptions {
  database: Database
  writer: Writer
  bus: Bus
  clock: Clock
  retention?: Retention
  /** Names of the followers that run in this process. */
  followers: () => readonly string[]
  log?: Log
}

/**
 * Ends what processes that are gone left behind: their executing calls become `in_doubt` (an intent without an outcome), their permitted calls that
 * waited for a turn become `cancelled`, each with its entry. On PGlite every other process is gone, as the lock file proves; on PostgreSQL one
 * whose last heartbeat is older than `LIMITS.processLapsedMs` by the database's clock. Returns the calls it ended. Throws UNAVAILABLE.
 */
export async function takeOverLapsed({ database, writer, bus }: Omit<MaintenanceOptions, 'followers'>): Promise<readonly CallId[]> {
  await endOtherProcesses(database.db, writer.process(), database.kind === 'pglite' ? null : LIMITS.processLapsedMs)
  const ended: CallId[] = []
  for (let more = true; more; ) {
    const page = await writer.transact(async ({ tx, append, atMs }) => [
      ...(await doubtLapsed(tx, append, atMs, LIMITS.maintenanceRowsMax)),
      ...(await cancelLapsed(tx, append, atMs, LIMITS.maintenanceRowsMax)),
    ])
    for (const id of page) bus.publish({ kind: 'call', id })
    ended.push(...page)
    more = page.length > 0
  }
  return ended
}

/**
 * Takes the steps of escalations that are due by the time of the record, also those of the past after a restart: each once, whoever else looks, since the
 * claim commits with its entry. Several that are due of one hold are taken one after another. Returns the calls whose holds escalated. Throws UNAVAILABLE.
 */
export async function escalateDue({ writer, bus }: Pick<MaintenanceOptions, 'writer' | 'bus'>): Promise<readonly CallId[]> {
  const escalated: CallId[] = []
  for (let more = true; more; ) {
    const page = await writer.transact(async ({ tx, append, atMs }) => {
      const taken = await takeDueSteps(tx, atMs, LIMITS.maintenanceRowsMax)
      for (const { hold, step } of taken) {
        const { to, seats, notify } = step
        append(hold.callId, { kind: 'hold.escalated', hold: hold.id, step: hold.escalated, to, seats, notify })
      }
      return taken.map(({ hold }) => hold.callId)
    })
    for (const id of page) bus.publish({ kind: 'call', id })
    escalated.push(...page)
    more = page.length > 0
  }
  return escalated
}

/** Says of open holds that they are about to expire, each once, as `escalateDue` takes their steps. Returns their calls. Throws UNAVAILABLE. */
export async function warnDue({ writer }: Pick<MaintenanceOptions, 'writer'>): Promise<readonly CallId[]> {
  const warned: CallId[] = []
  for (let more = true; more; ) {
    const page = await writer.transact(async ({ tx, append, atMs }) => {
      const holds = await takeDueWarnings(tx, atMs, LIMITS.maintenanceRowsMax)
      for (const { id, callId, expiresAt } of holds) append(callId, { kind: 'hold.expiring', hold: id, expiresAt })
      return holds.map(({ callId }) => callId)
    })
    warned.push(...page)
    more = page.length > 0
  }
  return warned
}

/**
 * Marks approvals of one person whose review nobody made in time: each once, whoever else looks, since the claim commits with its entry. Returns their calls.
 * Throws UNAVAILABLE.
 */
export async function lapseDueReviews({ writer }: Pick<MaintenanceOptions, 'writer'>): Promise<readonly CallId[]> {
  const lapsed: CallId[] = []
  for (let more = true; more; ) {
    const page = await writer.transact(async ({ tx, append, atMs }) => {
      const rows = await lapseReviews(tx, atMs, LIMITS.maintenanceRowsMax)
      for (const { id, by, callId } of rows) append(callId, { kind: 'grant.review_lapsed', id, by })
      return rows.map(({ callId }) => callId)
    })
    lapsed.push(...page)
    more = page.length > 0
  }
  return lapsed
}

/** How many rounds pass between two sweeps. */
const SWEEP_EVERY = 60

async function round(options: MaintenanceOptions, turn: number): Promise<void> {
  const { database, writer, clock } = options
  await writer.beat()
  await escalateDue(options)
  await warnDue(options)
  await lapseDueReviews(options)
  if (database.kind === 'postgres' && turn % 5 === 0) await takeOverLapsed(options)
  if (turn % SWEEP_EVERY === 0) await keepHouse(database, clock.now())
}

/** What is kept for so long, and no longer. */
async function keepFor(options: MaintenanceOptions, retention: Retention, nowMs: number, signal: AbortSignal): Promise<void> {
  await retain(options.writer, retention, nowMs, signal)
  if (retention.entries !== undefined) await prune(options, nowMs - retention.entries, nowMs, signal)
}

/**
 * Heartbeat, take-over of lapsed processes and housekeeping, every `LIMITS.heartbeatMs` and one round at a time. Failures are logged and
 * tried again. The returned function ends it and resolves when the running round has ended.
 */
export function startMaintenance(options: MaintenanceOptions): () => Promise<void> {
  let running: Promise<void> | undefined
  let retaining: Promise<void> | undefined
  let turn = 0
  const closing = new AbortController()
  // Beside the rounds: it takes longer than others wait for a heartbeat.
  const sweep = (): void => {
    const { retention, clock, log } = options
    if (!retention || turn % SWEEP_EVERY !== 0) return
    retaining ??= keepFor(options, retention, clock.now(), closing.signal)
      .catch((error: unknown) => log?.warn({ error }, 'retention of the record failed and will be tried again'))
      .finally(() => {
        retaining = undefined
      })
  }
  const timer = setInterval(() => {
    running ??= round(options, ++turn)
      .catch((error: unknown) => options.log?.warn({ error }, 'maintenance of the record failed and will be tried again'))
      .finally(() => {
        running = undefined
      })
    sweep()
  }, LIMITS.heartbeatMs).unref()
  return async () => {
    clearInterval(timer)
    closing.abort()
    await Promise.all([running, retaining])
  }
}
