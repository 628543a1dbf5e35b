import type { Instant } from './clock.ts'
import type { MatchedHold } from './decision.ts'
import { GatewayError } from './errors.ts'
import type { CallId, HoldId } from './ids.ts'

export const HOLD_STATES = ['open', 'approved', 'consumed', 'rejected', 'expired', 'cancelled', 'denied', 'superseded'] as const
export type HoldState = (typeof HOLD_STATES)[number]

/** From each state, the states that may follow. `consumed`: an intent was written under this approval, which is used once. */
const NEXT: Readonly<Record<HoldState, readonly HoldState[]>> = {
  open: ['approved', 'rejected', 'expired', 'cancelled', 'denied', 'superseded'],
  approved: ['consumed', 'expired', 'cancelled', 'denied', 'superseded'],
  consumed: [],
  rejected: [],
  expired: [],
  cancelled: [],
  denied: [],
  superseded: [],
}

/** Throws HOLD_NOT_OPEN where the state machine has no such step. */
export function assertStep(id: HoldId, from: HoldState, to: HoldState): void {
  if (!NEXT[from].includes(to)) throw new GatewayError('HOLD_NOT_OPEN', `hold \`${id}\` is ${from} and cannot become ${to}`)
}

/** The states from which `to` may follow: the compare side of every compare-and-set. */
export const statesBefore = (to: HoldState): readonly HoldState[] => HOLD_STATES.filter((from) => NEXT[from].includes(to))

export interface Requirement {
  group: string
  count: number
}

/** One entry of `approvals.yaml`, durations in milliseconds. */
export interface ApprovalDefinition {
  name: string
  requires: readonly Requirement[]
  expiresMs: number
  onApproval: 'execute' | 'claim'
  /** SHA-256 hex over JCS of the definition: part of the binding digest. */
  version: string
}

export interface Hold {
  id: HoldId
  callId: CallId
  state: HoldState
  matched: readonly MatchedHold[]
  requires: readonly Requirement[]
  onApproval: 'execute' | 'claim'
  approvalVersions: Readonly<Record<string, string>>
  /** Binding digest, SHA-256 hex (semantics: agent, subject, operation version, arguments, policies, definitions, nonce). */
  digest: string
  nonce: string
  expiresAt: Instant
  createdAt: Instant
  decidedAt: Instant | null
}

export interface Vote {
  holdId: HoldId
  voter: string
  verdict: 'approve' | 'reject'
  comment: string | null
  at: Instant
}

/**
 * The AND of several definitions: all groups, the highest count of each, the shortest expiry; `claim` wins over `execute`,
 * since it asks for the agent's presence.
 */
export function combineApprovals(
  definitions: readonly ApprovalDefinition[],
): Pick<Hold, 'requires' | 'onApproval'> & { expiresMs: number } {
  const counts = new Map<string, number>()
  for (const { requires } of definitions)
    for (const { group, count } of requires) counts.set(group, Math.max(count, counts.get(group) ?? 0))
  return {
    requires: [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([group, count]) => ({ group, count })),
    onApproval: definitions.some((d) => d.onApproval === 'claim') ? 'claim' : 'execute',
    expiresMs: Math.min(...definitions.map((d) => d.expiresMs)),
  }
}

/**
 * Why a person may not vote, or null: never the subject, anyone of the act chain, the agent's owner or who published one of the matched policies
 * (`publishers`); one vote a person; in a required group.
 */
export function ineligibility(
  hold: Pick<Hold, 'requires'>,
  call: { subject: string | null; owner: string; actors: readonly string[] },
  voter: { name: string; groups: readonly string[] },
  publishers: readonly string[],
): string | null {
  if (voter.name === call.subject) return 'the subject of a call may not vote on it'
  if (voter.name === call.owner) return "the agent's owner may not vote on its calls"
  if (call.actors.includes(voter.name)) return 'an actor of the call may not vote on it'
  if (publishers.includes(voter.name)) return 'who published the policy that holds a call may not vote on it'
  if (!hold.requires.some(({ group }) => voter.groups.includes(group))) {
    return `needs a member of ${hold.requires.map(({ group }) => `\`${group}\``).join(' or ')}`
  }
  return null
}

/**
 * True when the approving voters fill every group's count with distinct people: one person fills one seat only.
 * Seats are matched by augmenting paths, so an order of votes never matters.
 */
export function satisfied(requires: readonly Requirement[], voters: readonly { name: string; groups: readonly string[] }[]): boolean {
  const seats = requires.flatMap(({ group, count }) => Array.from({ length: count }, () => group))
  const taken = new Map<number, number>()
  const sit = (voter: number, tried: Set<number>): boolean =>
    seats.some((group, seat) => {
      if (tried.has(seat) || !voters[voter]?.groups.includes(group)) return false
      tried.add(seat)
      const sitting = taken.get(seat)
      if (sitting !== undefined && !sit(sitting, tried)) return false
      taken.set(seat, voter)
      return true
    })
  const unique = new Map(voters.map((v, index) => [v.name, index]))
  for (const index of unique.values()) sit(index, new Set())
  return taken.size === seats.length
}
