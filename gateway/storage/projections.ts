import { type Call, type CallState, stateAfter } from '../core/call.ts'
import { instant } from '../core/clock.ts'
import type { Entry } from '../core/entry.ts'
import type { Hold } from '../core/hold.ts'
import type { CallId, HoldId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'

/** A call and its holds as their entries tell them. Results, their hand-over and upstream's own fields live in the projection only. */
export interface Rebuilt {
  calls: ReadonlyMap<CallId, RebuiltCall>
  holds: ReadonlyMap<HoldId, Hold>
}

export type RebuiltCall = Pick<
  Call,
  | 'id'
  | 'door'
  | 'agent'
  | 'owner'
  | 'subject'
  | 'issuer'
  | 'actors'
  | 'operation'
  | 'operationVersion'
  | 'state'
  | 'denyReason'
  | 'policies'
  | 'rationale'
  | 'run'
  | 'traceId'
  | 'holdId'
  | 'upstreamStatus'
  | 'upstreamMs'
  | 'error'
> & { input: JsonObject }

const STATE_OF_HOLD: Partial<Record<Hold['state'], CallState>> = {
  approved: 'approved',
  rejected: 'rejected',
  expired: 'expired',
  cancelled: 'cancelled',
  denied: 'denied',
}

function begun(callId: CallId, body: Extract<Entry['body'], { kind: 'decision' }>): RebuiltCall {
  const { request, decision } = body
  const { door, agent, owner, subject, issuer, actors, operation, operationVersion, input, asserted, traceId } = request
  const { verdict } = decision
  return {
    id: callId,
    ...{ door, agent, owner, subject, issuer, actors, operation, operationVersion, input, traceId },
    rationale: asserted.rationale ?? null,
    run: asserted.run ?? null,
    state: verdict.effect === 'deny' ? 'denied' : 'approved',
    denyReason: verdict.effect === 'deny' ? verdict.reason : null,
    policies: verdict.policies,
    holdId: null,
    upstreamStatus: null,
    upstreamMs: null,
    error: null,
  }
}

function changeHold(
  holds: Map<HoldId, Hold>,
  call: RebuiltCall,
  entry: Entry,
  body: Extract<Entry['body'], { kind: 'hold.changed' }>,
): void {
  const hold = holds.get(body.hold)
  if (hold) holds.set(body.hold, { ...hold, state: body.to, decidedAt: hold.decidedAt ?? instant(entry.at) })
  call.state = STATE_OF_HOLD[body.to] ?? call.state
}

function fold(call: RebuiltCall, holds: Map<HoldId, Hold>, entry: Entry): void {
  const { body } = entry
  switch (body.kind) {
    case 'decision':
      call.policies = body.decision.verdict.policies
      if (body.decision.verdict.effect === 'deny') call.denyReason = body.decision.verdict.reason
      return
    case 'hold.opened':
      holds.set(body.hold.id, body.hold)
      call.holdId = body.hold.id
      call.state = 'held'
      return
    case 'hold.changed':
      changeHold(holds, call, entry, body)
      return
    case 'intent':
      call.state = 'executing'
      return
    case 'outcome':
      // One that comes late ends a call in doubt; after a person did, it is kept as an entry only.
      if (call.state !== 'executing' && call.state !== 'in_doubt') return
      call.state = stateAfter(body.outcome.kind)
      call.upstreamStatus = body.outcome.upstreamStatus
      call.upstreamMs = body.outcome.upstreamMs
      call.error = body.outcome.error
      return
    case 'lapsed':
      if (call.state === 'executing') call.state = 'in_doubt'
      return
    case 'resolved':
      call.state = body.effect === 'HAPPENED' ? 'completed' : 'failed'
      return
    case 'cancelled':
      call.state = 'cancelled'
      return
    default:
      // Entries that have no projection.
      return
  }
}

/**
 * Replays entries, given in their order, into calls and holds. Pure. What it gives equals the projections, but for results, their hand-over and the
 * time of the last change, which no entry holds.
 */
export function replay(entries: Iterable<Entry>): Rebuilt {
  const calls = new Map<CallId, RebuiltCall>()
  const holds = new Map<HoldId, Hold>()
  for (const entry of entries) {
    if (entry.callId === null) continue
    const call = calls.get(entry.callId)
    if (call) fold(call, holds, entry)
    else if (entry.body.kind === 'decision') calls.set(entry.callId, begun(entry.callId, entry.body))
  }
  return { calls, holds }
}
