import type { Call } from '../core/call.ts'
import { GatewayError } from '../core/errors.ts'
import { askedGroups, type Hold, ineligibility, satisfied, seating, type Vote } from '../core/hold.ts'
import type { HoldId } from '../core/ids.ts'
import type { Person } from '../core/principal.ts'
import { LIMITS } from '../limits.ts'
import type { HoldFilter, Page, PageRequest } from '../ports/call-store.ts'
import type { HoldProgress, Operator } from '../ports/operator.ts'
import type { HoldChange } from '../ports/recorder.ts'
import { findCall } from './calls.ts'
import type { OperatorDeps } from './deps.ts'
import { openingOf } from './opening-grant.ts'
import { comment, hasRole, isAsked, isReader, mayBreakGlass, requirePerson } from './roles.ts'

/** Holds that this person may see: all for reading roles, those that ask for one of their groups for everyone else. */
export async function listHolds(deps: OperatorDeps, by: Operator, filter: HoldFilter, page: PageRequest<HoldId>): Promise<Page<Hold>> {
  if (isReader(by)) return deps.store.holds(filter, page)
  const groups = filter.groups ? filter.groups.filter((group) => by.groups.includes(group)) : by.groups
  if (groups.length === 0) return { rows: [], more: false }
  return deps.store.holds({ ...filter, groups }, page)
}

/** One hold; undefined where there is none, and where this person may not see it. */
export async function findHold(deps: OperatorDeps, by: Operator, id: HoldId): Promise<Hold | undefined> {
  const hold = await deps.store.hold(id)
  return hold && maySee(deps, by, hold) ? hold : undefined
}

const maySee = (deps: OperatorDeps, by: Operator, hold: Hold): boolean => isReader(by) || isAsked(by, hold) || mayBreakGlass(deps, by)

function requireSeen(deps: OperatorDeps, by: Operator, holds: readonly Hold[]): void {
  const unseen = holds.find((hold) => !maySee(deps, by, hold))
  if (unseen) throw noHold(unseen.id)
}

/** Votes on these holds, each hold's in the order they came. Throws NOT_FOUND where the person may not see one of them. */
export async function listVotes(deps: OperatorDeps, by: Operator, holds: readonly Hold[]): Promise<ReadonlyMap<HoldId, readonly Vote[]>> {
  requireSeen(deps, by, holds)
  return Map.groupBy(await deps.store.votesOn(holds.map(({ id }) => id)), ({ holdId }) => holdId)
}

/** The calls of these holds. Throws NOT_FOUND where the person may not see one of the holds, or has no right to what became of its call since. */
export async function callsOfHolds(deps: OperatorDeps, by: Operator, holds: readonly Hold[]): Promise<ReadonlyMap<HoldId, Call>> {
  requireSeen(deps, by, holds)
  const calls = new Map((await deps.store.callsOf(holds.map(({ callId }) => callId))).map((call) => [call.id, call]))
  const found = new Map<HoldId, Call>()
  for (const hold of holds) {
    const call = calls.get(hold.callId)
    // An edit gives a call another hold, which may ask others.
    const seen = call && (call.holdId === hold.id ? call : await findCall(deps, by, call.id))
    if (!seen) throw noHold(hold.id)
    found.set(hold.id, seen)
  }
  return found
}

/** What the voter was shown: a vote on a hold with another digest is refused. `among`: so many votes are given together. */
export interface Shown {
  digest: string
  among?: number
}

/** A vote for the call. The one that fills the last seat approves the hold and its call. Throws HOLD_NOT_OPEN, NOT_ELIGIBLE, NOT_FOUND. */
export async function approveHold(deps: OperatorDeps, by: Operator, id: HoldId, words: string | undefined, shown?: Shown): Promise<Hold> {
  const ballot = await admit(deps, by, id, 'approve', words, shown)
  return decide(deps, ballot)
}

/** A vote against the call. The one that reaches the threshold of refusals ends it. Throws HOLD_NOT_OPEN, NOT_ELIGIBLE, NOT_FOUND. */
export async function rejectHold(deps: OperatorDeps, by: Operator, id: HoldId, words: string | undefined, shown?: Shown): Promise<Hold> {
  const ballot = await admit(deps, by, id, 'reject', words, shown)
  return decide(deps, ballot)
}

/**
 * Writes the vote together with what it comes to. A vote that others overtook is worked out again with theirs, so that the one that fills the last seat
 * ends the hold in its own transaction: a process that dies then leaves nothing that somebody would have to finish.
 */
async function decide(deps: OperatorDeps, ballot: Ballot): Promise<Hold> {
  for (let tries = 1; tries <= LIMITS.voteTriesMax; tries++) {
    const before = await deps.store.votes(ballot.hold.id)
    if (await cast(deps, ballot, before)) return settle(deps, ballot)
  }
  throw changedMeanwhile(ballot.hold.id)
}

/** How far a hold is: who fills which seats, of those who may vote now, and how many refused. Throws NOT_FOUND as `listVotes` does. */
export async function holdProgress(deps: OperatorDeps, by: Operator, hold: Hold): Promise<HoldProgress> {
  requireSeen(deps, by, [hold])
  const [votes, call, publishers] = await Promise.all([
    deps.store.votes(hold.id),
    deps.store.call(hold.callId),
    deps.store.publishers(hold.matched),
  ])
  if (!call) throw noHold(hold.id)
  const voters = (verdict: Vote['verdict']) => votersNow(deps, { hold, call, publishers }, votes, verdict)
  return { seats: seating(hold.requires, voters('approve')), refusals: voters('reject').length }
}

/** Calls of the same agent for the same subject just before a held one, newest first. Whoever may see a held call may know what came before it. */
export async function callsBefore(deps: OperatorDeps, by: Operator, hold: Hold): Promise<readonly Call[]> {
  const call = (await findHold(deps, by, hold.id)) && (await deps.store.call(hold.callId))
  if (!call) throw noHold(hold.id)
  const { agent, subject } = call
  const page = { first: subject === null ? LIMITS.pageRowsMax : LIMITS.callsBeforeMax, after: call.id }
  const { rows } = await deps.store.calls({ agent, ...(subject === null ? {} : { subject }) }, page)
  return rows.filter((row) => row.subject === subject).slice(0, LIMITS.callsBeforeMax)
}

export interface Ballot {
  hold: Hold
  call: Call
  vote: Vote
  publishers: readonly string[]
}

/** A hold with its call. */
export type Held = Pick<Ballot, 'hold' | 'call'>

/** Why this person may not vote on each of these holds; null where they may, as far as it is open. */
export async function whyIneligible(deps: OperatorDeps, by: Operator, held: readonly Held[]): Promise<ReadonlyMap<HoldId, string | null>> {
  const never = hasRole(by, 'local')
    ? 'the local operator credential is no person'
    : hasRole(by, 'auditor')
      ? 'auditors change nothing'
      : null
  if (never !== null) return new Map(held.map(({ hold }) => [hold.id, never]))
  const texts = new Map(held.flatMap(({ hold }) => hold.matched).map((matched) => [textKey(matched), matched]))
  const published = Map.groupBy(await deps.store.publications([...texts.values()]), textKey)
  const publishers = ({ matched }: Hold): readonly string[] =>
    matched.flatMap((one) => published.get(textKey(one))?.map(({ person }) => person) ?? [])
  return new Map(held.map(({ hold, call }) => [hold.id, ineligibility(hold, call, by, publishers(hold))]))
}

const textKey = ({ policyId, policyHash }: { policyId: string; policyHash: string }): string => `${policyHash} ${policyId}`

/** Checks that this person may vote on this hold now. What it finds is checked again by the compare-and-set that writes the vote. */
export async function admit(
  deps: OperatorDeps,
  by: Operator,
  id: HoldId,
  verdict: Vote['verdict'],
  words: string | undefined,
  shown: Shown | undefined,
  again = false,
): Promise<Ballot> {
  requirePerson(by, 'voting')
  const hold = await findHold(deps, by, id)
  const call = hold && (await deps.store.call(hold.callId))
  // Groups count as configuration has them now, not as they stood when the person signed in.
  const person = deps.registry.person(by.name)
  if (!hold || !call || !person) throw noHold(id)
  const publishers = await deps.store.publishers(hold.matched)
  const why = ineligibility(hold, call, person, publishers)
  if (why !== null) throw new GatewayError('NOT_ELIGIBLE', why)
  const said = comment(words, 'comment') ?? null
  const among = shown?.among === undefined || shown.among === 1 ? {} : { among: shown.among }
  const ballot = {
    hold,
    call,
    publishers,
    vote: { holdId: id, voter: by.name, verdict, comment: said, at: deps.clock.now(), groups: askedGroups(hold, person), ...among },
  }
  const votes = await deps.store.votes(id)
  if (!again && votes.some((vote) => vote.voter === by.name)) {
    // Who may vote can have changed since: whoever comes next finishes what the votes mean today.
    await settle(deps, ballot)
    throw alreadyVoted()
  }
  assertOpen(hold, deps.clock.now())
  if (shown && shown.digest !== hold.digest)
    throw new GatewayError(
      'HOLD_NOT_OPEN',
      `hold \`${id}\` is not what you were shown: its binding digest is another one, look at it again`,
    )
  if (verdict === 'approve' && hold.gives && (shown?.among ?? 1) > 1)
    throw new GatewayError('NOT_ELIGIBLE', 'its approval gives a standing grant: look at it alone')
  return ballot
}

/** Throws HOLD_NOT_OPEN, also where its time is over and nobody has marked it yet. */
export function assertOpen(hold: Hold, now: number): void {
  if (hold.state === 'open' && now < hold.expiresAt) return
  const state = hold.state === 'open' ? 'expired' : hold.state
  throw new GatewayError('HOLD_NOT_OPEN', `hold \`${hold.id}\` is not open: it is ${state}`)
}

/** Who voted so and may vote now. */
const votersNow = (
  deps: OperatorDeps,
  { hold, call, publishers }: Omit<Ballot, 'vote'>,
  votes: readonly Vote[],
  verdict: Vote['verdict'],
): readonly Person[] =>
  votes
    .filter((vote) => vote.verdict === verdict)
    .flatMap((vote) => deps.registry.person(vote.voter) ?? [])
    .filter((person) => ineligibility(hold, call, person, publishers) === null)

/** What these votes come to: so many refusals end it, whatever else was said. Voters who may no longer vote count for nothing. */
function outcomeOf(deps: OperatorDeps, { hold, call, publishers }: Ballot, votes: readonly Vote[]): 'open' | 'approved' | 'rejected' {
  const voters = (verdict: Vote['verdict']) => votersNow(deps, { hold, call, publishers }, votes, verdict)
  if (voters('reject').length >= hold.denyThreshold) return 'rejected'
  return satisfied(hold.requires, voters('approve')) ? 'approved' : 'open'
}

/** Writes the vote, with the change it makes, where hold and votes are still as they were read. False where only other votes came. */
async function cast(deps: OperatorDeps, ballot: Ballot, before: readonly Vote[]): Promise<boolean> {
  const { hold, call, vote } = ballot
  const all = [...before, vote]
  const to = outcomeOf(deps, ballot, all)
  const change = { hold: hold.id, callId: call.id, by: vote.voter, vote, votesBefore: before.length, digest: hold.digest }
  const written = await deps.recorder.changeHold(
    to === 'open' ? { ...change, to: 'approved', callState: 'held', voteOnly: true } : { ...change, ...endingOf(deps, ballot, to, all) },
  )
  if (written) return true
  const now = await deps.store.hold(hold.id)
  if (!now) throw noHold(hold.id)
  assertOpen(now, deps.clock.now())
  const votes = await deps.store.votes(hold.id)
  if (votes.some((other) => other.voter === vote.voter)) throw alreadyVoted()
  if (votes.length === before.length) throw changedMeanwhile(hold.id)
  return false
}

/** What the last vote makes of the hold, and of all that hangs on it. */
function endingOf(deps: OperatorDeps, ballot: Ballot, to: 'approved' | 'rejected', votes: readonly Vote[]) {
  const approvers = votersNow(deps, ballot, votes, 'approve')
  const deciding = to === 'approved' ? approvers : votersNow(deps, ballot, votes, 'reject')
  const counted = deciding.map((person) => ({ person: person.name, groups: askedGroups(ballot.hold, person) }))
  return { to, callState: to, counted, ...streaksFor(deps, ballot.call, to), ...openingOf(deps, ballot.hold, ballot.call, to, approvers) }
}

/** A clean approval makes a streak longer, a refusal ends it; what was edited ended it then, and is no clean approval. */
function streaksFor(deps: OperatorDeps, call: Call, to: 'approved' | 'rejected'): Pick<HoldChange, 'streaks'> {
  const counters = to === 'approved' && call.edit ? [] : deps.streaksOf(call)
  return counters.length === 0 ? {} : { streaks: { counters, to: to === 'approved' ? 'one_more' : 'none' } }
}

/** Ends an open hold whose votes are enough by now, since who may vote has changed since they were cast, tells who waits, and answers with the hold as it is now. */
async function settle(deps: OperatorDeps, ballot: Ballot): Promise<Hold> {
  const { hold, call, vote } = ballot
  let now = (await deps.store.hold(hold.id)) ?? hold
  const votes = now.state === 'open' ? await deps.store.votes(hold.id) : []
  const to = now.state === 'open' ? outcomeOf(deps, ballot, votes) : 'open'
  if (to !== 'open') {
    const change = { hold: hold.id, callId: call.id, by: vote.voter, digest: hold.digest }
    await deps.recorder.changeHold({ ...change, ...endingOf(deps, ballot, to, votes) })
    now = (await deps.store.hold(hold.id)) ?? now
  }
  deps.bus.publish({ kind: 'call', id: call.id })
  if (now.state === 'approved' && now.onApproval === 'execute') deps.afterApproval(call.id)
  return now
}

export const noHold = (id: HoldId): GatewayError => new GatewayError('NOT_FOUND', `no hold \`${id}\``)
const changedMeanwhile = (id: HoldId): GatewayError =>
  new GatewayError('HOLD_NOT_OPEN', `hold \`${id}\` changed while the vote was cast: look at it again`)
const alreadyVoted = (): GatewayError => new GatewayError('NOT_ELIGIBLE', 'you have voted on this hold already: one vote a person')
