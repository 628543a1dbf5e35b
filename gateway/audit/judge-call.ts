import { afterSteps } from '../core/escalation.ts'
import { NOBODY_EXCLUDED } from '../core/exclusion.ts'
import { exclusionOf, groupsOf, type Requirement, satisfied } from '../core/hold.ts'
import { type CallFact, type Fact, factsThat as of, type Found } from './call-facts.ts'
import { judgeHolds } from './judge-holds.ts'
import { judgeIdentity } from './judge-identity.ts'

/** What is known of how a call was let through, and by whom. */
export interface Judged {
  found: readonly Found[]
  /** An intent without an outcome that nobody resolved. */
  inDoubt: boolean
  /** Votes whose voters' groups the record has, and those of before it had them. */
  votes: { checked: number; unchecked: number }
}

/** Kinds that nothing but a call that goes on has. */
const GOING_ON: ReadonlySet<CallFact['is']> = new Set([
  'decision',
  'intent',
  'outcome',
  'grant.used',
  'hold.opened',
  'hold.changed',
  'hold.edited',
  'vote',
  'grant.break_glass',
])

/** A call that ended as most do, of which nothing more has to be known. */
export const isPlain = (facts: readonly CallFact[]): boolean =>
  facts.some(({ is }) => is === 'decision') &&
  facts.every(({ is }) => is === 'decision' || is === 'intent' || is === 'outcome' || is === 'grant.used' || is === 'bare') &&
  of(facts, 'intent').length === 1 &&
  of(facts, 'outcome').length === 1

/**
 * The life of a call, by all that its entries say. Between processes the log has no order; of one process, what comes first is first.
 */
export function judgeCall(facts: readonly CallFact[]): Judged {
  const votes = { checked: 0, unchecked: 0 }
  if (facts.some(({ is }) => is === 'unreadable')) return { found: [], inDoubt: false, votes }
  if (facts.some(({ is }) => is === 'ended')) return { found: goneOn(facts), inDoubt: false, votes }
  const found = [
    ...judgeIdentity(facts),
    ...faultsOfIntents(facts),
    ...faultsOfOutcomes(facts),
    ...faultsOfVotes(facts),
    ...faultsOfHolds(facts),
    ...judgeHolds(facts),
  ]
  for (const { groups } of of(facts, 'vote')) votes[groups === null ? 'unchecked' : 'checked'] += 1
  const inDoubt = of(facts, 'resolved').length === 0 && of(facts, 'intent').length > of(facts, 'outcome').length
  return { found, inDoubt, votes }
}

function goneOn(facts: readonly CallFact[]): Found[] {
  const [, ...again] = of(facts, 'ended')
  return [
    ...again.map(({ index }): Found => [index, 'it was decided, executed and ended a second time']),
    ...facts
      .filter(({ is }) => GOING_ON.has(is))
      .map(({ index, is }): Found => [index, `it had its outcome before, and goes on with \`${is}\``]),
  ]
}

const follows = (later: CallFact, earlier: CallFact): boolean => later.process !== earlier.process || later.seq > earlier.seq

const isReached = (facts: readonly CallFact[], hold: string, state: string): boolean =>
  of(facts, 'hold.changed').some((change) => change.hold === hold && change.to === state)

const opened = (facts: readonly CallFact[], hold: string): Fact<'hold.opened'> | undefined =>
  of(facts, 'hold.opened').find((one) => one.hold === hold)

function faultsOfIntents(facts: readonly CallFact[]): Found[] {
  const found: Found[] = []
  const [decided] = of(facts, 'decision')
  const isLet = facts.some((fact) => fact.is === 'grant.used' || (fact.is === 'decision' && fact.effect === 'permit'))
  for (const [at, intent] of of(facts, 'intent').entries()) {
    const { index, consumes } = intent
    if (at > 0) found.push([index, 'it has a second intent, and would have been executed twice'])
    if (!decided) found.push([index, 'it was executed without a decision'])
    else if (!follows(intent, decided)) found.push([index, 'its intent stands before its decision'])
    if (consumes === null && decided && !isLet)
      found.push([index, 'it was executed though policy did not permit it and nobody approved it'])
    if (consumes === null) continue
    if (!opened(facts, consumes)) found.push([index, `its intent consumes hold \`${consumes}\`, which was never opened for it`])
    for (const state of ['approved', 'consumed'])
      if (!isReached(facts, consumes, state)) found.push([index, `its intent consumes hold \`${consumes}\`, which never became ${state}`])
  }
  return found
}

function faultsOfOutcomes(facts: readonly CallFact[]): Found[] {
  const seen = new Set<string>()
  return of(facts, 'outcome').flatMap((outcome): Found[] => {
    const { index, intent } = outcome
    const own = of(facts, 'intent').find((one) => one.intent === intent)
    if (!own) return [[index, 'it has an outcome without the intent of that']]
    if (!follows(outcome, own)) return [[index, 'its outcome stands before its intent']]
    if (seen.has(intent)) return [[index, 'it has a second outcome']]
    seen.add(intent)
    return []
  })
}

/** What a hold asked for in the end, its escalations included. */
function asked(facts: readonly CallFact[], { hold, requires }: Fact<'hold.opened'>): readonly Requirement[] {
  const steps = of(facts, 'hold.escalated').filter((step) => step.hold === hold)
  return afterSteps(
    requires,
    steps.map(({ to, seats }) => ({ afterMs: 0, to, seats, notify: [] })),
  )
}

/** Why the record's own words keep a person from voting on this hold; null where they do not. Who published its policies is not known here. */
function whyNot(facts: readonly CallFact[], hold: Fact<'hold.opened'>, name: string): string | null {
  if (editorsBefore(facts, hold.hold).includes(name)) return 'who edited the arguments of a call may not vote on it'
  for (const call of of(facts, 'decision')) {
    const why = exclusionOf({ excluded: hold.excluded ?? NOBODY_EXCLUDED }, call, { name }, [])
    if (why !== null) return why
  }
  return null
}

/** Who edited a hold that this one took the place of: one opens right after the other ended, in one transaction. */
function editorsBefore(facts: readonly CallFact[], hold: string): string[] {
  const editors: string[] = []
  const passed = new Set<string>()
  for (let at: string | undefined = hold; at !== undefined && !passed.has(at); ) {
    passed.add(at)
    const own = opened(facts, at)
    const before = of(facts, 'hold.changed').find(
      ({ to, process, seq }) => own && to === 'superseded' && process === own.process && seq === own.seq - 1,
    )
    for (const edit of of(facts, 'hold.edited')) if (edit.hold === before?.hold) editors.push(edit.by)
    at = before?.hold
  }
  return editors
}

function faultsOfVotes(facts: readonly CallFact[]): Found[] {
  const found: Found[] = []
  for (const { index, hold, voter, digest, groups } of of(facts, 'vote')) {
    const own = opened(facts, hold)
    if (!own) {
      found.push([index, `\`${voter}\` voted on hold \`${hold}\`, which was never opened for it`])
      continue
    }
    if (own.digest !== digest) found.push([index, `\`${voter}\` voted on another digest than that of hold \`${hold}\``])
    const why = whyNot(facts, own, voter)
    if (why !== null) found.push([index, `\`${voter}\` voted on it: ${why}`])
    const wanted = asked(facts, own).flatMap(groupsOf)
    if (groups !== null && !groups.some((group) => wanted.includes(group)))
      found.push([index, `\`${voter}\` voted on it, and was in none of the groups that it asks: ${wanted.join(', ')}`])
  }
  for (const { index, hold, by } of of(facts, 'grant.break_glass')) {
    const own = opened(facts, hold)
    const why = own ? whyNot(facts, own, by) : `hold \`${hold}\` was never opened for it`
    if (why !== null) found.push([index, `\`${by}\` approved it alone: ${why}`])
  }
  return found
}

function faultsOfHolds(facts: readonly CallFact[]): Found[] {
  const found: Found[] = []
  for (const change of of(facts, 'hold.changed')) {
    const { index, hold, to } = change
    const own = opened(facts, hold)
    const isBroken = of(facts, 'grant.break_glass').some((use) => use.hold === hold)
    if (own && to === 'approved' && !isBroken) found.push(...faultsOfApproval(facts, own, change))
    if (own && to === 'rejected') found.push(...faultsOfRefusal(facts, own, change))
    if (to === 'consumed' && of(facts, 'intent').filter(({ consumes }) => consumes === hold).length !== 1)
      found.push([index, `hold \`${hold}\` was consumed, but not by one intent`])
  }
  return found
}

const votersOf = (facts: readonly CallFact[], hold: string, approves: boolean): ReadonlySet<string> =>
  new Set(
    of(facts, 'vote')
      .filter((vote) => vote.hold === hold && vote.approves === approves)
      .map(({ voter }) => voter),
  )

/** Those whom the end of a hold counts, and who did not vote so. */
const countedInVain = (counted: readonly { person: string }[], voters: ReadonlySet<string>): string[] =>
  counted.flatMap(({ person }) => (voters.has(person) ? [] : [person]))

function faultsOfApproval(facts: readonly CallFact[], own: Fact<'hold.opened'>, { index, hold, counted }: Fact<'hold.changed'>): Found[] {
  const voters = votersOf(facts, hold, true)
  const seats = own.requires.reduce((sum, { count }) => sum + count, 0)
  if (voters.size < seats) return [[index, `hold \`${hold}\` was approved by ${voters.size} of the ${seats} that it asks for`]]
  if (counted === null) return []
  const found = countedInVain(counted, voters).map(
    (person): Found => [index, `hold \`${hold}\` counts \`${person}\`, who did not approve it`],
  )
  const seated = satisfied(
    asked(facts, own),
    counted.map(({ person, groups }) => ({ name: person, groups })),
  )
  if (!seated) found.push([index, `hold \`${hold}\` was approved, though those whom it counts do not fill its seats`])
  return found
}

function faultsOfRefusal(facts: readonly CallFact[], own: Fact<'hold.opened'>, { index, hold, counted }: Fact<'hold.changed'>): Found[] {
  const voters = votersOf(facts, hold, false)
  if (voters.size < own.denyThreshold)
    return [[index, `hold \`${hold}\` was rejected by ${voters.size} of the ${own.denyThreshold} that it takes`]]
  return countedInVain(counted ?? [], voters).map(
    (person): Found => [index, `hold \`${hold}\` counts \`${person}\`, who did not reject it`],
  )
}
