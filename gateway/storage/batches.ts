import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Batch, Unit, UnitResult } from '../ports/batch-writer.ts'
import type { NewCallResult, Sticking, TellingResult } from '../ports/recorder.ts'
import { type HotUnit, isHot, type Loser } from './batch-statement.ts'
import { isOutage, isOverload, isUniqueViolation, unavailable } from './outage.ts'
import type { PendingEntry } from './entries.ts'
import { tellAll } from './accounts.ts'
import { dropEmptyCounters } from './counters.ts'
import { stickAll } from './labels.ts'
import { applyUnit, keysOf, lockRound, readForDecisions, writeEvents } from './units.ts'
import { entriesOf } from './unit-entries.ts'
import type { Transactions, TransactionScope } from './transaction-scope.ts'

interface Indexed<U extends Unit = Unit> {
  index: number
  unit: U
}

interface Hot extends Indexed<HotUnit> {
  entries: readonly PendingEntry[]
}

const failed = (error: unknown): UnitResult => ({ kind: 'failed', error })

/** The things of which one hot statement writes at most one. */
function claims(unit: Unit): string[] {
  if (unit.kind === 'finish') return [`call ${unit.unit.callId}`]
  if (unit.kind !== 'admit') return []
  const { idempotency, joinKey, call } = unit.unit
  return [`call ${call.id}`, ...(idempotency ? [`key ${idempotency.scope}`] : []), ...(joinKey === null ? [] : [`join ${joinKey}`])]
}

/** Whether an equal call could be joined whose result was handed over by now: one statement would still see the call as it was before. */
const mayJoin = (unit: Unit): boolean => unit.kind === 'admit' && unit.unit.joinKey !== null

/**
 * Three rounds: hot units that do not meet each other; those that met one, or might join a call that is marked as handed over in the first (by now
 * it is written, so they find it like any later transaction would); and the rest, one after the other in a transaction.
 */
function roundsOf({ units, delivered }: Batch): { first: Hot[]; second: Hot[]; slow: Indexed[] } {
  const claimed = new Set<string>()
  const first: Hot[] = []
  const second: Hot[] = []
  const slow: Indexed[] = []
  for (const [index, unit] of units.entries()) {
    if (!isHot(unit)) {
      slow.push({ index, unit })
      continue
    }
    const wants = claims(unit)
    const free = wants.every((claim) => !claimed.has(claim)) && !(delivered.length > 0 && mayJoin(unit))
    for (const claim of wants) claimed.add(claim)
    const hot = { index, unit, entries: entriesOf(unit) }
    if (free) first.push(hot)
    else second.push(hot)
  }
  return { first, second, slow }
}

/** Writes a batch by the contract of `BatchWriter`. */
export async function writeUnits(writer: Transactions, batch: Batch): Promise<readonly UnitResult[]> {
  const results: UnitResult[] = []
  const { first, second, slow } = roundsOf(batch)
  const late: Indexed[] = []
  if (first.length > 0 || batch.delivered.length > 0) await hotRound(writer, first, batch.delivered, results, late)
  if (second.length > 0) await hotRound(writer, second, [], results, late)
  const rest = [...late, ...slow].sort((a, b) => a.index - b.index)
  for (const part of byCounters(rest)) await slowRound(writer, part, results)
  return batch.units.map((_unit, index) => results[index] ?? failed(unavailable(new Error('not among what was read back'))))
}

/** Parts that name at most `LIMITS.countersPerTransactionMax` counters each, or are one unit: none holds its locks for long. */
function byCounters(units: readonly Indexed[]): Indexed[][] {
  const parts: Indexed[][] = []
  let room = 0
  for (const indexed of units) {
    const needs = keysOf(indexed.unit).length
    const last = parts.at(-1)
    if (last && needs <= room) last.push(indexed)
    else {
      parts.push([indexed])
      room = LIMITS.countersPerTransactionMax
    }
    room -= needs
  }
  return parts
}

async function hotRound(
  writer: Transactions,
  units: readonly Hot[],
  delivered: readonly CallId[],
  results: UnitResult[],
  late: Indexed[],
): Promise<void> {
  try {
    const { losers, written } = await writer.hot(
      units.map(({ unit }) => unit),
      units.map(({ entries }) => entries),
      delivered,
    )
    const lost = new Map(losers.map((loser) => [loser.ord, loser]))
    let admit = 0
    for (const [position, { index, unit }] of units.entries()) {
      const loser = unit.kind === 'admit' ? lost.get(++admit) : undefined
      if (loser?.verdict === 'retry') late.push({ index, unit })
      else if (loser) results[index] = { kind: 'admitted', result: resultOf(loser) }
      else if (written(position))
        results[index] = unit.kind === 'admit' ? { kind: 'admitted', result: { kind: 'recorded' } } : { kind: 'written' }
    }
  } catch (error) {
    if (units.length === 0) throw unavailable(error)
    if (isOutage(error) || isOverload(error)) {
      for (const { index } of units) results[index] = failed(unavailable(error))
    } else if (units.length > 1) {
      // Something in it was refused, and all of it rolled back: halves find the culprit and spare the others.
      const half = Math.ceil(units.length / 2)
      await hotRound(writer, units.slice(0, half), delivered, results, late)
      await hotRound(writer, units.slice(half), [], results, late)
    } else {
      for (const { index, unit } of units) {
        if (isUniqueViolation(error)) late.push({ index, unit })
        else results[index] = failed(error)
      }
    }
  }
}

function resultOf({ verdict, other }: Loser): NewCallResult {
  if (verdict === 'agent' || verdict === 'policies') return { kind: 'stale', what: verdict }
  if (other === null || verdict === 'retry') throw new TypeError('a joined call has an id')
  return { kind: verdict, callId: other }
}

/**
 * Units in one transaction, under locks that are all taken before the first is written. Decisions come last, so that one read serves them all; what one
 * reserves the next one sees. One that throws fails alone.
 */
async function applyAll(scope: TransactionScope, units: readonly Unit[]): Promise<readonly UnitResult[]> {
  const locked = await lockRound(scope.tx, units)
  const answers = new Map<Unit, UnitResult>()
  const decisions: Extract<Unit, { kind: 'decide' }>[] = []
  const sticks: Sticking[] = []
  const tellings: Extract<Unit, { kind: 'tell' }>[] = []
  for (const unit of units) {
    if (unit.kind === 'decide') decisions.push(unit)
    else if (unit.kind === 'stick') sticks.push(unit.unit)
    else if (unit.kind === 'tell') tellings.push(unit)
    else answers.set(unit, await applyUnit(scope, locked, unit))
  }
  if (decisions.length > 0) await readForDecisions(scope, locked, decisions)
  for (const unit of decisions) answers.set(unit, await applyUnit(scope, locked, unit))
  await stickAll(scope, sticks)
  const told = await tellAll(
    scope,
    tellings.map(({ unit }) => unit),
  )
  for (const unit of tellings) answers.set(unit, toldResult(told.get(unit.unit)))
  await writeEvents(scope.tx, locked)
  await dropEmptyCounters(scope.tx, locked.hollow)
  return units.map((unit) => answers.get(unit) ?? { kind: 'written' })
}

const toldResult = (result: TellingResult | undefined): UnitResult =>
  result ? { kind: 'told', result } : failed(unavailable(new Error('not among what was told')))

async function slowRound(writer: Transactions, units: readonly Indexed[], results: UnitResult[], again = true): Promise<void> {
  try {
    const done = await writer.transact((scope) =>
      applyAll(
        scope,
        units.map(({ unit }) => unit),
      ),
    )
    for (const [position, { index }] of units.entries()) results[index] = done[position] ?? failed(unavailable(undefined))
  } catch (error) {
    if (isOutage(error) || isOverload(error)) {
      for (const { index } of units) results[index] = failed(unavailable(error))
    } else if (units.length > 1) {
      const half = Math.ceil(units.length / 2)
      await slowRound(writer, units.slice(0, half), results)
      await slowRound(writer, units.slice(half), results)
    } else if (again) {
      // A race with another replica for a key, or a deadlock with it: the winner is visible now.
      await slowRound(writer, units, results, false)
    } else {
      for (const { index } of units) results[index] = failed(error)
    }
  }
}
