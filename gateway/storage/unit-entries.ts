import { unreachable } from '../core/decision.ts'
import type { EntryBody } from '../core/entry.ts'
import type { HoldChange, NewCall, Release } from '../ports/recorder.ts'
import { type PendingEntry, pendingEntry } from './entries.ts'
import type { Unit } from '../ports/batch-writer.ts'

/** Name under which the gateway itself changes a hold. */
export const GATEWAY = 'gatehouse'

function admitBodies({ request, decision, hold, intent, guards }: NewCall): EntryBody[] {
  const bodies: EntryBody[] = [{ kind: 'decision', request, decision, release: null }]
  if (hold) bodies.push({ kind: 'hold.opened', hold })
  if (intent) {
    const policySet = guards?.policySet ?? decision.evidence.policySet
    bodies.push({ kind: 'intent', intent, agentEpoch: guards?.agentEpoch ?? request.agentEpoch, policySet, consumes: null })
  }
  return bodies
}

function releaseBodies({ intent, guards, consumes, redecision }: Release): EntryBody[] {
  const bodies: EntryBody[] = []
  if (redecision) bodies.push({ kind: 'decision', ...redecision, release: consumes?.hold ?? null })
  if (consumes) bodies.push({ kind: 'hold.changed', hold: consumes.hold, from: 'approved', to: 'consumed', by: GATEWAY })
  bodies.push({ kind: 'intent', intent, agentEpoch: guards.agentEpoch, policySet: guards.policySet, consumes: consumes?.hold ?? null })
  return bodies
}

/** The entries of a hold's change; `from` is the state that the row had. */
export function holdChangeBodies(change: HoldChange, from: Extract<EntryBody, { kind: 'hold.changed' }>['from']): EntryBody[] {
  const { hold, vote, redecision, replacement, to, by, why } = change
  const bodies: EntryBody[] = []
  if (vote) {
    const { voter, verdict, comment } = vote
    bodies.push({ kind: 'vote', hold, voter, verdict, comment, digest: change.digest ?? '' })
  }
  if (change.voteOnly) return bodies
  if (redecision) bodies.push({ kind: 'decision', ...redecision, release: hold })
  bodies.push({ kind: 'hold.changed', hold, from, to, by, ...(why === undefined ? {} : { why }) })
  if (replacement) bodies.push({ kind: 'hold.opened', hold: replacement })
  return bodies
}

/** The call that an entry of a unit belongs to. */
export function callOf(unit: Unit): string | null {
  switch (unit.kind) {
    case 'admit':
      return unit.unit.call.id
    case 'release':
    case 'finish':
    case 'changeHold':
    case 'decide':
    case 'stick':
      return unit.unit.callId
    case 'cancelUnstarted':
    case 'resolve':
    case 'note':
      return unit.callId
    default:
      return unreachable(unit)
  }
}

/** The entries that a unit writes when it wins, but for `changeHold`, whose entries depend on the row. */
export function entriesOf(unit: Exclude<Unit, { kind: 'changeHold' | 'decide' }>): PendingEntry[] {
  const callId = callOf(unit)
  const of = (bodies: readonly EntryBody[]): PendingEntry[] => bodies.map((body) => pendingEntry(callId, body))
  switch (unit.kind) {
    case 'admit':
      return of(admitBodies(unit.unit))
    case 'release':
      return of(releaseBodies(unit.unit))
    case 'finish':
      return of([{ kind: 'outcome', intent: unit.unit.intent, outcome: unit.unit.outcome }])
    case 'cancelUnstarted':
      return of([{ kind: 'cancelled', by: GATEWAY, why: unit.why }])
    case 'resolve':
      return of([{ kind: 'resolved', by: unit.by, effect: unit.effect, evidence: unit.evidence }])
    case 'stick': {
      const { agent, subject, run, labels } = unit.unit
      return of([{ kind: 'labelled', agent, subject, run, labels }])
    }
    case 'note':
      return of([unit.body])
    default:
      return unreachable(unit)
  }
}
