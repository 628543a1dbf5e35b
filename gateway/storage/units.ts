import { unreachable } from '../core/decision.ts'
import type { CallState } from '../core/call.ts'
import { GatewayError } from '../core/errors.ts'
import { type HoldState, statesBefore } from '../core/hold.ts'
import type { Unit, UnitResult } from '../ports/batch-writer.ts'
import type { Finished, Guards, HoldChange, NewCall, NewCallResult, Release, ReleaseResult } from '../ports/recorder.ts'
import { stateAfter } from '../core/call.ts'
import { insertCall, lockCall, openEqualCall, updateCall } from './calls.ts'
import { countOpenHolds, insertHold, insertVote, lockHold, setHoldState } from './holds.ts'
import { insertKey, lookUpKey } from './idempotency-keys.ts'
import type { Tx } from './tables.ts'
import { callOf, entriesOf, holdChangeBodies } from './unit-entries.ts'
import type { TransactionScope } from './transaction-scope.ts'

/** What intents are compared with, locked until COMMIT. */
export interface LockedGuards {
  agents: ReadonlyMap<string, { epoch: number; status: string }>
  policySet: string | null
}

/**
 * Locks the agents that the units name, in the order of their names so that two replicas never wait for each other in a circle, and the policy
 * set. Agents are locked exclusively: it is this lock that keeps the count of open holds.
 */
export async function lockGuards(tx: Tx, units: readonly Unit[]): Promise<LockedGuards> {
  const names = new Set<string>()
  for (const unit of units) {
    if (unit.kind === 'admit') names.add(unit.unit.call.agent)
    else if (unit.kind === 'release') names.add(unit.unit.guards.agent)
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

function appendAll(scope: TransactionScope, unit: Exclude<Unit, { kind: 'changeHold' | 'decide' }>): void {
  for (const entry of entriesOf(unit)) scope.entries.push(entry)
}

async function admit(scope: TransactionScope, locked: LockedGuards, unit: NewCall): Promise<NewCallResult> {
  const { tx, atMs } = scope
  const { call, hold, idempotency, joinKey } = unit
  const stale = staleness(locked, unit.guards)
  if (stale) return stale
  const known = idempotency ? await lookUpKey(tx, idempotency, atMs) : undefined
  if (known) return known
  const equal = joinKey !== null && call.state !== 'denied' ? await openEqualCall(tx, joinKey) : undefined
  if (equal) return { kind: 'joined', callId: equal }
  if (hold && (await countOpenHolds(tx, call.agent)) >= unit.openHoldsMax) return { kind: 'too_many_holds' }
  await insertCall(tx, unit, scope.process, atMs)
  if (hold) await insertHold(tx, hold, call.agent)
  if (idempotency && call.state !== 'denied') await insertKey(tx, call.id, idempotency)
  appendAll(scope, { kind: 'admit', unit })
  return { kind: 'recorded' }
}

async function release(scope: TransactionScope, locked: LockedGuards, unit: Release): Promise<ReleaseResult> {
  const { tx, atMs } = scope
  const { callId, consumes, redecision, intent } = unit
  const stale = staleness(locked, unit.guards)
  if (stale) return stale
  const call = await lockCall(tx, callId)
  if (call?.state !== 'approved' || call.hold_id !== (consumes?.hold ?? null)) return { kind: 'lost' }
  if (consumes) {
    const hold = await lockHold(tx, consumes.hold, callId)
    if (hold?.state !== 'approved' || hold.digest !== consumes.digest || hold.expires_at_ms <= atMs) return { kind: 'lost' }
    await setHoldState(tx, consumes.hold, 'consumed', atMs)
  }
  const policies = redecision ? { policies: redecision.decision.verdict.policies } : {}
  await updateCall(tx, callId, atMs, { state: 'executing', intent, ...policies })
  await tx.insertInto('execution').values({ call_id: callId, process: scope.process }).execute()
  appendAll(scope, { kind: 'release', unit })
  return { kind: 'recorded' }
}

/** An outcome, for the case that its statement met another of the same call: as `batch-statement.ts` does it. */
async function finish(scope: TransactionScope, unit: Finished): Promise<void> {
  const { tx, atMs } = scope
  const { callId, intent, outcome, result, resultKept } = unit
  const kept = resultKept === 'kept' && result !== null
  await tx.deleteFrom('execution').where('call_id', '=', callId).execute()
  await tx
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
    .execute()
  appendAll(scope, { kind: 'finish', unit })
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

async function changeHold(scope: TransactionScope, change: HoldChange): Promise<boolean> {
  const { tx, atMs } = scope
  const { hold, callId, to, voteOnly, vote, digest, redecision, replacement } = change
  if (!voteOnly && (CALL_STATE[to] !== change.callState || to === 'consumed' || (to === 'superseded') !== (replacement !== undefined))) {
    throw new GatewayError('INTERNAL', `hold \`${hold}\`: no such change of a hold and its call`)
  }
  const call = await lockCall(tx, callId)
  const row = await lockHold(tx, hold, callId)
  if (!row || call?.hold_id !== hold) return false
  if (!(voteOnly ? row.state === 'open' : statesBefore(to).includes(row.state))) return false
  if ((!voteOnly && to === 'expired') !== atMs >= row.expires_at_ms) return false
  if (digest !== undefined && digest !== row.digest) return false
  if (vote && !(await insertVote(tx, vote))) return false
  for (const body of holdChangeBodies(change, row.state)) scope.append(callId, body)
  if (voteOnly) return true
  await setHoldState(tx, hold, to, atMs)
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

async function cancelUnstarted(scope: TransactionScope, unit: Extract<Unit, { kind: 'cancelUnstarted' }>): Promise<boolean> {
  const call = await lockCall(scope.tx, unit.callId)
  if (call?.state !== 'approved' || call.hold_id !== null) return false
  await updateCall(scope.tx, unit.callId, scope.atMs, { state: 'cancelled' })
  appendAll(scope, unit)
  return true
}

async function resolve(scope: TransactionScope, unit: Extract<Unit, { kind: 'resolve' }>): Promise<boolean> {
  const call = await lockCall(scope.tx, unit.callId)
  if (call?.state !== 'in_doubt') return false
  await updateCall(scope.tx, unit.callId, scope.atMs, { state: unit.effect === 'HAPPENED' ? 'completed' : 'failed' })
  appendAll(scope, unit)
  return true
}

/** Writes one unit inside a transaction, with its entries, or nothing of it. */
export async function applyUnit(scope: TransactionScope, locked: LockedGuards, unit: Unit): Promise<UnitResult> {
  switch (unit.kind) {
    case 'admit':
      return { kind: 'admitted', result: await admit(scope, locked, unit.unit) }
    case 'release':
      return { kind: 'released', result: await release(scope, locked, unit.unit) }
    case 'finish':
      await finish(scope, unit.unit)
      return { kind: 'written' }
    case 'changeHold':
      return { kind: 'applied', applied: await changeHold(scope, unit.unit) }
    case 'cancelUnstarted':
      return { kind: 'applied', applied: await cancelUnstarted(scope, unit) }
    case 'resolve':
      return { kind: 'applied', applied: await resolve(scope, unit) }
    case 'decide':
    case 'stick':
      throw new GatewayError('INTERNAL', 'counters and labels are not kept yet')
    case 'note':
      scope.append(callOf(unit) as Extract<Unit, { kind: 'note' }>['callId'], unit.body)
      return { kind: 'written' }
    default:
      return unreachable(unit)
  }
}
