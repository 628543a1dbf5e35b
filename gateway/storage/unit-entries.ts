import { unreachable } from '../core/decision.ts'
import type { EntryBody } from '../core/entry.ts'
import type { HoldChange, NewCall, Release, Reservation } from '../ports/recorder.ts'
import { type PendingEntry, pendingEntry } from './entries.ts'
import type { Unit } from '../ports/batch-writer.ts'

/** Name under which the gateway itself changes a hold. */
export const GATEWAY = 'gatehouse'

/** Whether a call that begins like this goes on without anybody's word: it counts from here on. */
export const counts = ({ state }: NewCall['call']): boolean => state === 'executing' || state === 'approved'

const reserving = (reserves: readonly Reservation[] | undefined): { reserves?: readonly Reservation[] } =>
  reserves === undefined || reserves.length === 0 ? {} : { reserves }

function admitBodies({ call, request, decision, hold, intent, guards, reserves, uses }: NewCall): EntryBody[] {
  const waits = counts(call) && !intent
  const bodies: EntryBody[] = [{ kind: 'decision', request, decision, release: null, ...(waits ? reserving(reserves) : {}) }]
  if (hold) bodies.push({ kind: 'hold.opened', hold })
  if (uses) bodies.push({ kind: 'grant.used', grant: uses.grant, use: uses.use, amounts: uses.amounts })
  if (intent) {
    const policySet = guards?.policySet ?? decision.evidence.policySet
    bodies.push({
      kind: 'intent',
      intent,
      agentEpoch: guards?.agentEpoch ?? request.agentEpoch,
      policySet,
      consumes: null,
      ...reserving(reserves),
    })
  }
  return bodies
}

function releaseBodies({ intent, guards, consumes, redecision, reserves }: Release): EntryBody[] {
  const bodies: EntryBody[] = []
  if (redecision) bodies.push({ kind: 'decision', ...redecision, release: consumes?.hold ?? null })
  if (consumes) bodies.push({ kind: 'hold.changed', hold: consumes.hold, from: 'approved', to: 'consumed', by: GATEWAY })
  const { agentEpoch, policySet } = guards
  bodies.push({ kind: 'intent', intent, agentEpoch, policySet, consumes: consumes?.hold ?? null, ...reserving(reserves) })
  return bodies
}

/** The entries of a hold's change; `from` is the state that the row had. */
export function holdChangeBodies(change: HoldChange, from: Extract<EntryBody, { kind: 'hold.changed' }>['from']): EntryBody[] {
  const { hold, vote, edit, redecision, replacement, to, by, why, counted, proposes, opens, breaks } = change
  const bodies: EntryBody[] = []
  if (vote) {
    const { voter, verdict, comment, among, groups } = vote
    const known = { ...(among === undefined ? {} : { among }), ...(groups === undefined ? {} : { groups }) }
    bodies.push({ kind: 'vote', hold, voter, verdict, comment, digest: change.digest ?? '', ...known })
  }
  if (change.voteOnly) return bodies
  if (edit) bodies.push({ kind: 'hold.edited', hold, by, comment: edit.comment, changes: edit.changes })
  if (redecision) bodies.push({ kind: 'decision', ...redecision, release: hold })
  if (breaks) {
    const { id, reason, until, reviewDue } = breaks
    bodies.push({ kind: 'grant.break_glass', id, hold, by, reason, until, reviewDue })
  }
  bodies.push({
    kind: 'hold.changed',
    hold,
    from,
    to,
    by,
    ...(why === undefined ? {} : { why }),
    ...(counted === undefined ? {} : { counted }),
  })
  if (replacement) bodies.push({ kind: 'hold.opened', hold: replacement })
  if (proposes && replacement) bodies.push({ kind: 'grant.proposed', hold: replacement.id, replaces: hold, by, ...proposes })
  if (opens) bodies.push({ kind: 'grant.opened', grant: opens })
  return bodies
}

/** Units whose entries are known before they are written. */
export type Foretold = Exclude<Unit, { kind: 'changeHold' | 'decide' | 'stick' | 'startRun' | 'tell' }>

function callOf(unit: Foretold): string | null {
  return unit.kind === 'admit' ? unit.unit.call.id : unit.kind === 'release' || unit.kind === 'finish' ? unit.unit.callId : unit.callId
}

/** The entries that a unit writes when it wins, but for those whose entries depend on what they find. */
export function entriesOf(unit: Foretold): PendingEntry[] {
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
    case 'note':
      return of([unit.body])
    default:
      return unreachable(unit)
  }
}
