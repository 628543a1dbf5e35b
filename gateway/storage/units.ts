import { unreachable } from '../core/decision.ts'
import type { CallState } from '../core/call.ts'
import { GatewayError } from '../core/errors.ts'
import type { GrantQuestion, StandingGrant, UsableGrant } from '../core/grant.ts'
import { type HoldState, statesBefore } from '../core/hold.ts'
import type { GrantId } from '../core/ids.ts'
import type { Unit, UnitResult } from '../ports/batch-writer.ts'
import type {
  DecidedUnit,
  Deciding,
  DecidingResult,
  Finished,
  Guards,
  HoldChange,
  NewCall,
  NewCallResult,
  Release,
  ReleaseResult,
  Reservation,
} from '../ports/recorder.ts'
import { stateAfter } from '../core/call.ts'
import { freesReservations } from './batch-statement.ts'
import { editArguments, insertCall, lockCall, openEqualCall, updateCall } from './calls.ts'
import { addEvents, type CounterEvent, CountersRead, giveBack, keysOfCalls, lockCounters, readCounters, setStreaks } from './counters.ts'
import { recordDecision, recordLook, resultOf } from './hold-figures.ts'
import { insertBreakGlass, overdueReview } from './break-glass.ts'
import { giveBackUses, insertGrant, lockGrants, reserveUse, withPublishers } from './grants.ts'
import { countOpenHolds, countVotes, insertHold, insertVote, lockHold, setHoldState, shortenHold } from './holds.ts'
import { insertKey, lookUpKey } from './idempotency-keys.ts'
import { startRun } from './labels.ts'
import type { Tx } from './tables.ts'
import { counts, entriesOf, type Foretold, holdChangeBodies } from './unit-entries.ts'
import type { TransactionScope } from './transaction-scope.ts'

/** What intents are compared with, locked until COMMIT. */
export interface LockedGuards {
  agents: ReadonlyMap<string, { epoch: number; status: string }>
  policySet: string | null
}

/** What a round of units holds until COMMIT. */
export interface Locked extends LockedGuards {
  keys: ReadonlySet<string>
  /** Counters that may have nothing in them when the round ends. */
  hollow: Set<number>
  /** What the round's decisions read, with what they added themselves. */
  counters: CountersRead
  /** Counted and not written yet: all in one statement. */
  events: CounterEvent[]
  /** As they stand, with what the round used of them. */
  grants: Map<GrantId, StandingGrant>
  /** Those that decisions may use, with who published their policies. */
  publishers: ReadonlyMap<GrantId, readonly string[]>
}

/** Locks what the units need before any call or hold: agents, policy set, grants, counters. */
export async function lockRound(tx: Tx, units: readonly Unit[]): Promise<Locked> {
  const guards = await lockGuards(tx, units)
  const questions = units.flatMap((unit) => (unit.kind === 'decide' ? (unit.unit.grants ?? []) : []))
  const named = units.flatMap((unit) => (unit.kind === 'release' ? (unit.unit.grant ?? []) : []))
  const grants = await lockGrants(tx, questions, units.flatMap(givesBack), named)
  const published = questions.length === 0 ? [] : await withPublishers(tx, grants.values())
  const keys = new Set([...units.flatMap(keysOf), ...(await keysOfCalls(tx, units.flatMap(givesBack)))])
  const hollow = new Set(await lockCounters(tx, keys))
  const publishers = new Map(published.map(({ id, publishers }) => [id, publishers]))
  return { ...guards, keys, hollow, counters: new CountersRead(new Map()), events: [], grants, publishers }
}

/** The locked grants that fit a question, the first to end first. */
function usableGrants({ grants, publishers }: Locked, question: GrantQuestion | undefined): readonly UsableGrant[] {
  if (!question) return []
  const { agent, subject, operation } = question
  return [...grants.values()]
    .filter((grant) => grant.agent === agent && grant.subject === subject && grant.operation === operation)
    .flatMap((grant) => {
      const known = publishers.get(grant.id)
      return known ? [{ ...grant, publishers: known }] : []
    })
    .sort((a, b) => a.until - b.until || (a.id < b.id ? -1 : 1))
}

/** Reads for all decisions of the round at once. */
export async function readForDecisions({ tx, atMs }: TransactionScope, locked: Locked, units: readonly Unit[]): Promise<void> {
  await writeEvents(tx, locked)
  const questions = units.flatMap((unit) => (unit.kind === 'decide' ? unit.unit.counters : []))
  locked.counters = await readCounters(tx, questions, atMs)
}

export const writeEvents = (tx: Tx, { events }: Locked): Promise<void> => addEvents(tx, events.splice(0))

/** Counters that a unit names. */
export function keysOf(unit: Unit): readonly string[] {
  switch (unit.kind) {
    case 'decide':
      return [...unit.unit.counters.flatMap(({ keys }) => keys), ...unit.unit.reserves]
    case 'admit':
    case 'release':
      return (unit.unit.reserves ?? []).map(({ key }) => key)
    case 'changeHold':
      return (unit.unit.streaks?.counters ?? []).map(({ key }) => key)
    default:
      return []
  }
}

/** Calls that may take back what they are counted for. */
function givesBack(unit: Unit): readonly string[] {
  switch (unit.kind) {
    case 'finish':
      return freesReservations(unit.unit) ? [unit.unit.callId] : []
    case 'cancelUnstarted':
      return [unit.callId]
    case 'resolve':
      return unit.effect === 'DID_NOT_HAPPEN' ? [unit.callId] : []
    default:
      return []
  }
}

/**
 * Locks the agents that the units name, in the order of their names so that two replicas never wait for each other in a circle, and the policy
 * set. Agents are locked exclusively: it is this lock that keeps the count of open holds.
 */
async function lockGuards(tx: Tx, units: readonly Unit[]): Promise<LockedGuards> {
  const names = new Set<string>()
  for (const unit of units) {
    if (unit.kind === 'admit') names.add(unit.unit.call.agent)
    else if (unit.kind === 'release') names.add(unit.unit.guards.agent)
    else if (unit.kind === 'decide') names.add(unit.unit.agent)
  }
  if (names.size === 0) return { agents: new Map(), policySet: null }
  const rows = await tx
    .selectFrom('agent')
    .select(['name', 'epoch', 'status'])
    .where('name', 'in', [...names].sort())
    .orderBy('name')
    .forNoKeyUpdate()
    .execute()
  const state = await tx.selectFrom('gateway_state').select('policy_set').forShare().executeTakeFirstOrThrow()
  return { agents: new Map(rows.map((row) => [row.name, row])), policySet: state.policy_set }
}

function staleness(locked: LockedGuards, guards: Guards | undefined): { kind: 'stale'; what: 'agent' | 'policies' } | undefined {
  if (!guards) return undefined
  const agent = locked.agents.get(guards.agent)
  if (agent?.status !== 'active' || agent.epoch !== guards.agentEpoch) return { kind: 'stale', what: 'agent' }
  return locked.policySet === guards.policySet ? undefined : { kind: 'stale', what: 'policies' }
}

function appendAll(scope: TransactionScope, unit: Foretold): void {
  for (const entry of entriesOf(unit)) scope.entries.push(entry)
}

/** The call that a new one repeats. */
async function repeated(
  { tx, atMs }: TransactionScope,
  { idempotency, joinKey }: Pick<NewCall, 'idempotency' | 'joinKey'>,
): Promise<Extract<NewCallResult, { kind: 'joined' | 'key_reused' }> | undefined> {
  const known = idempotency ? await lookUpKey(tx, idempotency, atMs) : undefined
  if (known) return known
  const equal = joinKey === null ? undefined : await openEqualCall(tx, joinKey)
  return equal && { kind: 'joined', callId: equal }
}

/** Counts a call. The keys are among the locked ones, each once: anything else would be lost, or counted under no lock. */
function reserve({ atMs }: TransactionScope, locked: Locked, callId: string, reserves: readonly Reservation[] = []): void {
  const keys = new Set(reserves.map(({ key }) => key))
  if (keys.size < reserves.length || ![...keys].every((key) => locked.keys.has(key))) {
    throw new GatewayError('INTERNAL', `call \`${callId}\`: it reserves twice under one key, or under one that was not announced`)
  }
  const events = reserves.map((reservation) => ({ ...reservation, callId, atMs }))
  locked.events.push(...events)
  locked.counters.add(events)
}

/** `looked`: what was looked up already in this transaction and is free. */
async function admit(scope: TransactionScope, locked: Locked, unit: NewCall, looked: Deciding['repeats'] = null): Promise<NewCallResult> {
  const { tx, atMs } = scope
  const { call, hold, idempotency, joinKey } = unit
  const stale = staleness(locked, unit.guards)
  if (stale) return stale
  const repeats = await repeated(scope, {
    idempotency: looked?.idempotency?.scope === idempotency?.scope ? null : idempotency,
    joinKey: looked?.joinKey === joinKey || call.state === 'denied' ? null : joinKey,
  })
  if (repeats) return repeats
  if (hold && (await countOpenHolds(tx, call.agent)) >= unit.openHoldsMax) return { kind: 'too_many_holds' }
  await insertCall(tx, unit, scope.process, atMs)
  if (hold) await insertHold(tx, hold, call.agent)
  if (idempotency && call.state !== 'denied') await insertKey(tx, call.id, idempotency)
  if (counts(call)) reserve(scope, locked, call.id, unit.reserves)
  const { uses } = unit
  if (uses) locked.grants.set(uses.grant, await reserveUse(tx, locked.grants.get(uses.grant), call.id, uses.amounts))
  appendAll(scope, { kind: 'admit', unit })
  return { kind: 'recorded' }
}

async function release(scope: TransactionScope, locked: Locked, unit: Release): Promise<ReleaseResult> {
  const { tx, atMs } = scope
  const { callId, consumes, redecision, intent } = unit
  const stale = staleness(locked, unit.guards)
  if (stale) return stale
  const call = await lockCall(tx, callId)
  if (call?.state !== 'approved' || call.hold_id !== (consumes?.hold ?? null)) return { kind: 'lost' }
  if (unit.grant !== undefined && locked.grants.get(unit.grant)?.ended !== null) return { kind: 'lost' }
  if (consumes) {
    const hold = await lockHold(tx, consumes.hold, callId)
    if (hold?.state !== 'approved' || hold.digest !== consumes.digest || hold.expires_at_ms <= atMs) return { kind: 'lost' }
    await setHoldState(tx, consumes.hold, 'consumed', atMs)
  }
  const policies = redecision ? { policies: redecision.decision.verdict.policies } : {}
  await updateCall(tx, callId, atMs, { state: 'executing', intent, ...policies })
  await tx.insertInto('execution').values({ call_id: callId, process: scope.process }).execute()
  reserve(scope, locked, callId, unit.reserves)
  appendAll(scope, { kind: 'release', unit })
  return { kind: 'recorded' }
}

/** An outcome that gives back what was reserved, or whose statement met another of the same call: else as `batch-statement.ts` does it. */
async function finish(scope: TransactionScope, locked: Locked, unit: Finished): Promise<void> {
  const { tx, atMs } = scope
  const { callId, intent, outcome, result, resultKept } = unit
  const kept = resultKept === 'kept' && result !== null
  await tx.deleteFrom('execution').where('call_id', '=', callId).execute()
  const { numUpdatedRows } = await tx
    .updateTable('call')
    .set({
      state: stateAfter(outcome.kind),
      upstream_status: outcome.upstreamStatus,
      upstream_ms: outcome.upstreamMs,
      error: outcome.error === null ? null : JSON.stringify(outcome.error),
      result: kept ? JSON.stringify(result) : null,
      result_kept: resultKept === 'kept' && !kept ? 'none' : resultKept,
      updated_at_ms: atMs,
    })
    .where('id', '=', callId)
    .where('intent', '=', intent)
    .where('state', 'in', ['executing', 'in_doubt'])
    .executeTakeFirstOrThrow()
  if (numUpdatedRows > 0n && freesReservations(unit)) await takeBack(scope, locked, callId)
  appendAll(scope, { kind: 'finish', unit })
}

async function takeBack({ tx }: TransactionScope, { hollow, grants }: Locked, callId: string): Promise<void> {
  for (const grant of await giveBackUses(tx, [callId])) grants.set(grant.id, grant)
  for (const id of await giveBack(tx, [callId])) hollow.add(id)
}

/** The call's state that goes with its hold's: what a rebuild from entries relies on. */
const CALL_STATE: Readonly<Record<HoldState, CallState>> = {
  open: 'held',
  approved: 'approved',
  consumed: 'executing',
  rejected: 'rejected',
  expired: 'expired',
  cancelled: 'cancelled',
  denied: 'denied',
  superseded: 'held',
}

async function count(
  { tx }: TransactionScope,
  { keys, hollow }: Locked,
  { counters, to }: NonNullable<HoldChange['streaks']>,
): Promise<void> {
  if (counters.some(({ key }) => !keys.has(key)))
    throw new GatewayError('INTERNAL', 'a streak is counted under a key that was not announced')
  for (const id of await setStreaks(tx, counters, to)) hollow.add(id)
}

async function breakGlass(tx: Tx, use: NonNullable<HoldChange['breaks']>): Promise<void> {
  await insertBreakGlass(tx, use)
  await shortenHold(tx, use.holdId, use.until)
}

async function changeHold(scope: TransactionScope, locked: Locked, change: HoldChange): Promise<boolean> {
  const { tx, atMs } = scope
  const { hold, callId, to, voteOnly, vote, votesBefore, digest, redecision, replacement, streaks, edit, from } = change
  if (!voteOnly && (CALL_STATE[to] !== change.callState || to === 'consumed' || (to === 'superseded') !== (replacement !== undefined))) {
    throw new GatewayError('INTERNAL', `hold \`${hold}\`: no such change of a hold and its call`)
  }
  const call = await lockCall(tx, callId)
  const row = await lockHold(tx, hold, callId)
  if (!row || call?.hold_id !== hold) return false
  if (from !== undefined && row.state !== from) return false
  if (!(voteOnly ? row.state === 'open' : statesBefore(to).includes(row.state))) return false
  if ((!voteOnly && to === 'expired') !== atMs >= row.expires_at_ms) return false
  if (digest !== undefined && digest !== row.digest) return false
  if (change.breaks && (await overdueReview(tx, atMs))) return false
  if (vote) {
    if (votesBefore !== undefined && (await countVotes(tx, hold)) !== votesBefore) return false
    if (!(await insertVote(tx, vote))) return false
    await recordLook(tx, callId, vote)
  }
  for (const body of holdChangeBodies(change, row.state)) scope.append(callId, body)
  if (voteOnly) return true
  await setHoldState(tx, hold, to, atMs)
  if (change.opens) await insertGrant(tx, change.opens)
  if (change.breaks) await breakGlass(tx, change.breaks)
  const result = row.state === 'open' && !change.breaks ? resultOf(to, edit !== undefined) : undefined
  if (result) await recordDecision(tx, hold, callId, result, atMs)
  if (streaks) await count(scope, locked, streaks)
  if (edit) await editArguments(tx, callId, change.by, edit)
  if (replacement) await insertHold(tx, replacement, row.agent)
  const verdict = redecision?.decision.verdict
  await updateCall(tx, callId, atMs, {
    state: change.callState,
    ...(replacement ? { holdId: replacement.id } : {}),
    ...(verdict ? { policies: verdict.policies } : {}),
    ...(verdict?.effect === 'deny' ? { denyReason: verdict.reason } : {}),
  })
  return true
}

async function cancelUnstarted(
  scope: TransactionScope,
  locked: Locked,
  unit: Extract<Unit, { kind: 'cancelUnstarted' }>,
): Promise<boolean> {
  const call = await lockCall(scope.tx, unit.callId)
  if (call?.state !== 'approved' || call.hold_id !== null) return false
  await updateCall(scope.tx, unit.callId, scope.atMs, { state: 'cancelled' })
  await takeBack(scope, locked, unit.callId)
  appendAll(scope, unit)
  return true
}

async function resolve(scope: TransactionScope, locked: Locked, unit: Extract<Unit, { kind: 'resolve' }>): Promise<boolean> {
  const call = await lockCall(scope.tx, unit.callId)
  if (call?.state !== 'in_doubt') return false
  await updateCall(scope.tx, unit.callId, scope.atMs, { state: unit.effect === 'HAPPENED' ? 'completed' : 'failed' })
  if (unit.effect === 'DID_NOT_HAPPEN') await takeBack(scope, locked, unit.callId)
  appendAll(scope, unit)
  return true
}

/** Reads, decides and writes. What the decision throws fails this unit alone: nothing of it was written yet. */
async function decide(scope: TransactionScope, locked: Locked, unit: Deciding): Promise<UnitResult> {
  const known = unit.repeats ? await repeated(scope, unit.repeats) : undefined
  if (known) return { kind: 'decided', result: { kind: 'repeated', result: known } }
  let decided: DecidedUnit
  try {
    decided = unit.decide(locked.counters.answers(unit.counters), scope.atMs, usableGrants(locked, unit.grants))
    checkDecided(unit, decided)
  } catch (error) {
    return { kind: 'failed', error }
  }
  return { kind: 'decided', result: await applyDecided(scope, locked, unit, decided) }
}

async function applyDecided(scope: TransactionScope, locked: Locked, { repeats }: Deciding, decided: DecidedUnit): Promise<DecidingResult> {
  switch (decided.kind) {
    case 'admit':
      return { kind: 'admitted', unit: decided.unit, result: await admit(scope, locked, decided.unit, repeats) }
    case 'release':
      return { kind: 'released', unit: decided.unit, result: await release(scope, locked, decided.unit) }
    case 'changeHold':
      return { kind: 'applied', unit: decided.unit, applied: await changeHold(scope, locked, decided.unit) }
    default:
      return unreachable(decided)
  }
}

/** What was decided is about the call and agent that were announced: other rows are not locked. */
function checkDecided({ callId, agent }: Deciding, { kind, unit }: DecidedUnit): void {
  const of = kind === 'admit' ? unit.call.id : unit.callId
  const guarded = kind === 'admit' ? unit.call.agent : kind === 'release' ? unit.guards.agent : agent
  if (of !== callId || guarded !== agent)
    throw new GatewayError('INTERNAL', `call \`${callId}\`: what was decided is about another call or agent`)
}

/** Writes one unit inside a transaction, with its entries, or nothing of it. Labels are written for all at once, by `stickAll`, accounts by `tellAll`. */
export async function applyUnit(
  scope: TransactionScope,
  locked: Locked,
  unit: Exclude<Unit, { kind: 'stick' | 'tell' }>,
): Promise<UnitResult> {
  switch (unit.kind) {
    case 'admit':
      return { kind: 'admitted', result: await admit(scope, locked, unit.unit) }
    case 'release':
      return { kind: 'released', result: await release(scope, locked, unit.unit) }
    case 'decide':
      return await decide(scope, locked, unit.unit)
    case 'finish':
      await finish(scope, locked, unit.unit)
      return { kind: 'written' }
    case 'changeHold':
      return { kind: 'applied', applied: await changeHold(scope, locked, unit.unit) }
    case 'cancelUnstarted':
      return { kind: 'applied', applied: await cancelUnstarted(scope, locked, unit) }
    case 'resolve':
      return { kind: 'applied', applied: await resolve(scope, locked, unit) }
    case 'startRun':
      await startRun(scope, unit.unit)
      return { kind: 'written' }
    case 'note':
      scope.append(unit.callId, unit.body)
      return { kind: 'written' }
    default:
      return unreachable(unit)
  }
}
