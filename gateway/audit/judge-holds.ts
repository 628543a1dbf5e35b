import { statesBefore } from '../core/hold.ts'
import { type CallFact, type Fact, factsThat, type Found, surelyBefore } from './call-facts.ts'

/** Whether each hold of a call went from state to state as holds do, in its time, and nobody voted on one that was over. */
export function judgeHolds(facts: readonly CallFact[]): Found[] {
  return [
    ...factsThat(facts, 'hold.opened').flatMap((hold) => faultsOfHold(hold, facts)),
    ...factsThat(facts, 'hold.changed').flatMap((change) => faultsOfChange(change, facts)),
    ...faultsOfReviews(facts),
    ...faultsOfCancelled(facts),
  ]
}

function faultsOfHold({ hold, expiresAt }: Fact<'hold.opened'>, facts: readonly CallFact[]): Found[] {
  const found: Found[] = []
  const end = factsThat(facts, 'hold.changed').find((change) => change.hold === hold && change.from === 'open')
  for (const { index, voter, at, ...place } of factsThat(facts, 'vote').filter((vote) => vote.hold === hold)) {
    if (end && surelyBefore(end, { index, at, ...place })) found.push([index, `\`${voter}\` voted on hold \`${hold}\` when it was over`])
    if (at >= expiresAt) found.push([index, `\`${voter}\` voted on hold \`${hold}\` when its time was over`])
  }
  return found
}

function faultsOfChange(change: Fact<'hold.changed'>, facts: readonly CallFact[]): Found[] {
  const { index, hold, from, to, at } = change
  const found: Found[] = []
  const opened = factsThat(facts, 'hold.opened').find((one) => one.hold === hold)
  if (!opened) return [[index, `hold \`${hold}\` became ${to}, and was never opened for it`]]
  if (!surelyPossible(opened, change)) found.push([index, `hold \`${hold}\` became ${to} before it was opened`])
  if (!statesBefore(to).includes(from)) found.push([index, `hold \`${hold}\` went from ${from} to ${to}, which no hold does`])
  const changes = factsThat(facts, 'hold.changed').filter((one) => one.hold === hold)
  if (changes.find((one) => one.from === from) !== change) found.push([index, `hold \`${hold}\` was ${from} a second time`])
  const before = from === 'open' ? opened : changes.find((one) => one.to === from)
  if (!before) found.push([index, `hold \`${hold}\` was ${from}, and never became so`])
  else if (surelyBefore(change, before)) found.push([index, `hold \`${hold}\` became ${to} before it was ${from}`])
  const broken = factsThat(facts, 'grant.break_glass').find((one) => one.hold === hold)
  const ends = to === 'approved' ? opened.expiresAt : Math.min(opened.expiresAt, broken?.until ?? opened.expiresAt)
  if (to === 'expired' ? at < ends : at >= ends)
    found.push([index, `hold \`${hold}\` became ${to} ${to === 'expired' ? 'before' : 'after'} its time was over`])
  return found
}

const surelyPossible = (earlier: CallFact, later: CallFact): boolean => !surelyBefore(later, earlier)

/** An emergency approval is reviewed once, by somebody else. */
function faultsOfReviews(facts: readonly CallFact[]): Found[] {
  const seen = new Set<string>()
  return factsThat(facts, 'grant.reviewed').flatMap(({ index, id, by }): Found[] => {
    const own = factsThat(facts, 'grant.break_glass').find((use) => use.id === id)
    if (!own) return [[index, `\`${by}\` reviewed emergency approval \`${id}\`, which it never had`]]
    if (own.by === by) return [[index, `\`${by}\` reviewed an emergency approval of their own`]]
    if (seen.has(id)) return [[index, `emergency approval \`${id}\` was reviewed a second time`]]
    seen.add(id)
    return []
  })
}

function faultsOfCancelled(facts: readonly CallFact[]): Found[] {
  const [intent] = factsThat(facts, 'intent')
  return intent ? factsThat(facts, 'cancelled').map(({ index }) => [index, 'it was cancelled before it began, and executed']) : []
}
