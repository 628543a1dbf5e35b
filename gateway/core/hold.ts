import type { Instant } from './clock.ts'
import type { MatchedHold } from './decision.ts'
import { combineEscalations, type Escalation, type EscalationStep, type Requirement } from './escalation.ts'
import { type Excluded, isExcluded } from './exclusion.ts'
import { combineStanding, type StandingBounds, type StandingTerms } from './grant.ts'
import type { CallId, HoldId } from './ids.ts'
import { canonicalJson } from './json.ts'

export type { Escalation, Requirement } from './escalation.ts'

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

/** The states from which `to` may follow: the compare side of every compare-and-set. */
export const statesBefore = (to: HoldState): readonly HoldState[] => HOLD_STATES.filter((from) => NEXT[from].includes(to))

/** What people are asked, and how. */
export interface Terms {
  /** All of them, by distinct people. */
  requires: readonly Requirement[]
  /** So many refusals end the call. */
  denyThreshold: number
  onApproval: 'execute' | 'claim'
  /** By time. */
  escalate: readonly Escalation[]
  edits: 'allowed' | 'forbidden'
  /** Pointers into the hold's facts, `/input/...` or `/lookup/...`: whom they name may not vote. Sorted. */
  excludes: readonly string[]
  /** What may be given with an approval for further calls; null where nothing may. */
  standing: StandingBounds | null
}

/** What an approval says of itself where it says nothing but who has to agree: one refusal is enough, and nothing beyond the one call is given. */
export const PLAIN_TERMS: Omit<Terms, 'requires' | 'escalate'> & { escalate: readonly never[] } = Object.freeze({
  denyThreshold: 1,
  onApproval: 'execute',
  escalate: Object.freeze([]),
  edits: 'forbidden',
  excludes: Object.freeze([]),
  standing: null,
})

/** One entry of `approvals.yaml`, durations in milliseconds. */
export interface ApprovalDefinition extends Terms {
  name: string
  expiresMs: number
  /** SHA-256 hex over JCS of the definition: part of the binding digest. */
  version: string
}

export interface Hold extends Terms {
  id: HoldId
  callId: CallId
  state: HoldState
  matched: readonly MatchedHold[]
  escalate: readonly EscalationStep[]
  /** How many of these steps have happened; `requires` says what that opened. */
  escalated: number
  /** Whom `excludes` named when the hold was opened. */
  excluded: Excluded
  /** What an approval gives with it for further calls. */
  gives?: StandingTerms
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
  /** Votes that were given together with it, itself included; absent for one alone. */
  among?: number
  /** Of the groups that the hold asks, those that the voter was in: for the record alone. */
  groups?: readonly string[]
}

/** A person whose vote counts, with those groups that the hold asks. */
export interface CountedVoter {
  person: string
  groups: readonly string[]
}

type CombinedTerms = Terms & Pick<Hold, 'escalate'> & { expiresMs: number }

/**
 * The AND of several definitions, the strictest of each: all groups, the highest count of each, the fewest refusals, the shortest expiry, every exclusion;
 * escalations as `combineEscalations` says; `claim` wins over `execute`, since it asks for the agent's presence; edits only where all allow them.
 */
export function combineApprovals(definitions: readonly ApprovalDefinition[]): CombinedTerms {
  const counts = new Map<string, number>()
  for (const { requires } of definitions)
    for (const { group, count } of requires) counts.set(group, Math.max(count, counts.get(group) ?? 0))
  const expiresMs = Math.min(...definitions.map((d) => d.expiresMs))
  return {
    requires: [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([group, count]) => ({ group, count })),
    denyThreshold: Math.min(...definitions.map((d) => d.denyThreshold)),
    onApproval: definitions.some((d) => d.onApproval === 'claim') ? 'claim' : 'execute',
    expiresMs,
    escalate: combineEscalations(definitions, expiresMs),
    edits: definitions.every((d) => d.edits === 'allowed') ? 'allowed' : 'forbidden',
    excludes: [...new Set(definitions.flatMap((d) => d.excludes))].sort(),
    standing: combineStanding(definitions.map((d) => d.standing)),
  }
}

/**
 * What holds have in common that may be decided on side by side: who asks for whom, for what, and the rules with their words. Arguments may differ. Equal
 * texts for holds that are alike.
 */
export function alikeKey(
  { matched }: Pick<Hold, 'matched'>,
  call: { agent: string; subject: string | null; operation: string; operationVersion: string },
): string {
  const policies = matched.map(({ policyId, policyHash }) => [policyId, policyHash]).sort(([a = ''], [b = '']) => (a < b ? -1 : 1))
  return canonicalJson([call.agent, call.subject, call.operation, call.operationVersion, policies])
}

/** What eligibility looks at in a call. */
export interface Concerned {
  subject: string | null
  owner: string
  actors: readonly string[]
  /** Who put other arguments in the place of the agent's. */
  edit?: { readonly editors: readonly string[] } | null
}

/**
 * Why a person may not vote, or null: never the subject, anyone of the act chain, the agent's owner, who published one of the matched policies (`publishers`),
 * who edited the arguments, or whom the hold's facts name; one vote a person; in a required group.
 */
export function ineligibility(
  hold: Pick<Hold, 'requires' | 'excluded'>,
  call: Concerned,
  voter: { name: string; groups: readonly string[] },
  publishers: readonly string[],
): string | null {
  if (call.edit?.editors.includes(voter.name)) return 'who edited the arguments of a call may not vote on it'
  return ineligibleToEdit(hold, call, voter, publishers)
}

/** Why a person may not edit the arguments, or null: as for a vote, but that who edited once may edit again. */
export function ineligibleToEdit(
  hold: Pick<Hold, 'requires' | 'excluded'>,
  call: Concerned,
  voter: { name: string; groups: readonly string[] },
  publishers: readonly string[],
): string | null {
  const why = exclusionOf(hold, call, voter, publishers)
  if (why !== null) return why
  if (!hold.requires.some((requirement) => fills(requirement, voter)))
    return `needs a member of ${listed([...new Set(hold.requires.flatMap(groupsOf))], ' or ')}`
  return null
}

/** Why the separation of duties keeps a person out, whatever groups that person is in; null where it does not. */
export function exclusionOf(
  { excluded }: Pick<Hold, 'excluded'>,
  call: Concerned,
  voter: { name: string },
  publishers: readonly string[],
): string | null {
  if (voter.name === call.subject) return 'the subject of a call may not vote on it'
  if (voter.name === call.owner) return "the agent's owner may not vote on its calls"
  if (call.actors.includes(voter.name)) return 'an actor of the call may not vote on it'
  if (publishers.includes(voter.name)) return 'who published the policy that holds a call may not vote on it'
  if (excluded.unknown.length > 0) return `nobody may vote on it: ${listed(excluded.unknown)}, which says who may not, is not known`
  return isExcluded(excluded, voter.name) ? 'whom the facts of a call name may not vote on it, as its approval says' : null
}

/** Groups whose members may fill these seats now. */
export const groupsOf = ({ group, standIns }: Requirement): readonly string[] => [group, ...(standIns ?? [])]

/** Of the groups that a hold asks, those that somebody is in. */
export const askedGroups = ({ requires }: Pick<Hold, 'requires'>, { groups }: { groups: readonly string[] }): string[] =>
  [...new Set(requires.flatMap(groupsOf))].filter((group) => groups.includes(group))

const fills = (requirement: Requirement, { groups }: { groups: readonly string[] }): boolean =>
  groupsOf(requirement).some((group) => groups.includes(group))

const listed = (names: readonly string[], between = ' and '): string => names.map((name) => `\`${name}\``).join(between)

/** True when the approving voters fill every group's count with distinct people. */
export const satisfied = (requires: readonly Requirement[], voters: readonly Seatable[]): boolean =>
  seating(requires, voters).every(({ filledBy, count }) => filledBy.length === count)

interface Seatable {
  name: string
  groups: readonly string[]
}

/**
 * Who fills which seats, in the order of the requirements: one person fills one seat only, as many seats as can be are filled. Seats are matched by
 * augmenting paths, so an order of votes never matters for how many.
 */
export function seating(
  requires: readonly Requirement[],
  voters: readonly Seatable[],
): { group: string; count: number; filledBy: string[] }[] {
  const seats = requires.flatMap((requirement) => Array.from({ length: requirement.count }, () => requirement))
  const taken = new Map<number, number>()
  const sit = (voter: number, tried: Set<number>): boolean =>
    seats.some((requirement, seat) => {
      const person = voters[voter]
      if (tried.has(seat) || !person || !fills(requirement, person)) return false
      tried.add(seat)
      const sitting = taken.get(seat)
      if (sitting !== undefined && !sit(sitting, tried)) return false
      taken.set(seat, voter)
      return true
    })
  const unique = new Map(voters.map((v, index) => [v.name, index]))
  for (const index of unique.values()) sit(index, new Set())
  return requires.map((requirement) => ({
    group: requirement.group,
    count: requirement.count,
    filledBy: seats.flatMap((seat, index) => (seat === requirement ? (voters[taken.get(index) ?? -1]?.name ?? []) : [])),
  }))
}
