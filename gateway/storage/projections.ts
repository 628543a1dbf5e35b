import { type Call, type CallState, stateAfter } from '../core/call.ts'
import { instant } from '../core/clock.ts'
import { editAfter } from '../core/edit.ts'
import type { Entry } from '../core/entry.ts'
import { afterSteps } from '../core/escalation.ts'
import type { Hold } from '../core/hold.ts'
import type { CallId, HoldId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import { RebuiltGrants } from './grant-projection.ts'
import type { CounterEvent } from './counters.ts'
import { OUTSIDE } from './labels.ts'

/**
 * A call and its holds as their entries tell them, and what calls count for. Results, their hand-over and upstream's own fields live in the projection
 * only. So do streaks, and what was filled in for calls from before their fact was declared: the next activation fills it in again.
 */
export interface Rebuilt {
  calls: ReadonlyMap<CallId, RebuiltCall>
  holds: ReadonlyMap<HoldId, Hold>
  /** In the order of their intents. */
  counted: readonly CounterEvent[]
  labels: readonly RebuiltLabel[]
  grants: RebuiltGrants['grants']
  broken: RebuiltGrants['broken']
}

export interface RebuiltLabel {
  agent: string
  subject: string | null
  /** Null for agent and subject, whatever run is named; `OUTSIDE` for what they read in no minted run. */
  run: string | null
  label: string
  lastAtMs: number
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
  | 'edit'
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
    edit: null,
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
    case 'hold.edited':
      call.edit = editAfter(call, body.by)
      return
    case 'decision':
      // The same arguments, but after an edit.
      call.input = body.request.input
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
    case 'hold.escalated': {
      const hold = holds.get(body.hold)
      if (hold) {
        const steps = hold.escalate.slice(0, body.step)
        holds.set(hold.id, { ...hold, escalated: body.step, requires: afterSteps(hold.requires, steps) })
      }
      return
    }
    case 'grant.break_glass': {
      const hold = holds.get(body.hold)
      if (hold) holds.set(hold.id, { ...hold, expiresAt: instant(Math.min(hold.expiresAt, body.until)) })
      return
    }
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

/** What calls count for, while it stands. */
class Counts {
  readonly #of = new Map<CallId, CounterEvent[]>()

  fold(callId: CallId, { at, body }: Entry, state: CallState | undefined): void {
    if (body.kind === 'decision' || body.kind === 'intent') {
      for (const { key, amount } of body.reserves ?? []) {
        this.#of.set(callId, [...(this.#of.get(callId) ?? []), { key, amount, callId, atMs: Math.floor(at) }])
      }
    } else if (gaveBack(body, state)) this.#of.delete(callId)
  }

  all(): CounterEvent[] {
    return [...this.#of.values()].flat().sort((a, b) => a.atMs - b.atMs)
  }
}

/** Whether an entry says that nothing happened. `state` is the call's before it. */
function gaveBack(body: Entry['body'], state: CallState | undefined): boolean {
  if (body.kind === 'outcome') return stateAfter(body.outcome.kind) === 'failed' && (state === 'executing' || state === 'in_doubt')
  return body.kind === 'cancelled' || (body.kind === 'resolved' && body.effect === 'DID_NOT_HAPPEN')
}

function carry(labels: Map<string, RebuiltLabel>, { at, body }: Entry): void {
  if (body.kind !== 'labelled') return
  const { agent, subject } = body
  for (const run of [null, body.run ?? OUTSIDE]) {
    for (const label of body.labels) {
      const id = JSON.stringify([agent, subject, run, label])
      const lastAtMs = Math.max(labels.get(id)?.lastAtMs ?? 0, Math.ceil(at) + LIMITS.labelRefreshMs)
      labels.set(id, { agent, subject, run, label, lastAtMs })
    }
  }
}

/**
 * Replays entries, given in their order, into calls and holds. Pure. What it gives equals the projections, but for results, their hand-over and the
 * time of the last change, which no entry holds.
 */
export function replay(entries: Iterable<Entry>): Rebuilt {
  const calls = new Map<CallId, RebuiltCall>()
  const holds = new Map<HoldId, Hold>()
  const counts = new Counts()
  const labels = new Map<string, RebuiltLabel>()
  const granted = new RebuiltGrants()
  for (const entry of entries) {
    const { callId } = entry
    if (callId === null) continue
    const call = calls.get(callId)
    counts.fold(callId, entry, call?.state)
    granted.fold(callId, entry, gaveBack(entry.body, call?.state))
    carry(labels, entry)
    if (call) fold(call, holds, entry)
    else if (entry.body.kind === 'decision') calls.set(callId, begun(callId, entry.body))
  }
  return { calls, holds, counted: counts.all(), labels: [...labels.values()], grants: granted.grants, broken: granted.broken }
}
