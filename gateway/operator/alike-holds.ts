import { GatewayError } from '../core/errors.ts'
import { alikeKey, type Hold, ineligibility, type Vote } from '../core/hold.ts'
import type { HoldId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { HoldVote, HoldVoteResult, Operator } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { approveHold, assertOpen, findHold, noHold, rejectHold } from './holds.ts'
import { comment, hasRole, requirePerson } from './roles.ts'

/** Other open holds like this one that this person may vote on and has not, what expires soonest first; at most `LIMITS.votesAtOnceMax`. */
export async function similarHolds(deps: OperatorDeps, by: Operator, hold: Hold): Promise<readonly Hold[]> {
  const call = (await findHold(deps, by, hold.id)) && (await deps.store.call(hold.callId))
  if (!call) throw noHold(hold.id)
  if (hasRole(by, 'local', 'auditor')) return []
  const filter = { state: ['open'], agent: call.agent, unvotedBy: by.name, orderBy: 'EXPIRES' } as const
  const { rows } = await deps.store.holds(filter, { first: LIMITS.pageRowsMax })
  const calls = new Map((await deps.store.callsOf(rows.map(({ callId }) => callId))).map((each) => [each.id, each]))
  const publishers = await deps.store.publishers(hold.matched)
  const [key, now] = [alikeKey(hold, call), deps.clock.now()]
  const isSimilar = (other: Hold): boolean => {
    const its = calls.get(other.callId)
    if (!its || other.id === hold.id || now >= other.expiresAt || alikeKey(other, its) !== key) return false
    return ineligibility(other, its, by, publishers) === null
  }
  return rows.filter(isSimilar).slice(0, LIMITS.votesAtOnceMax)
}

/** As many votes for calls as there are, each bound to the digest that was shown, each a transaction and an entry of its own. Throws BAD_INPUT, FORBIDDEN. */
export const approveHolds = (deps: OperatorDeps, by: Operator, votes: readonly HoldVote[], words: string | undefined) =>
  voteOnEach(deps, by, votes, 'approve', words)

/** The same against the calls. */
export const rejectHolds = (deps: OperatorDeps, by: Operator, votes: readonly HoldVote[], words: string | undefined) =>
  voteOnEach(deps, by, votes, 'reject', words)

async function voteOnEach(
  deps: OperatorDeps,
  by: Operator,
  votes: readonly HoldVote[],
  verdict: Vote['verdict'],
  words: string | undefined,
): Promise<readonly HoldVoteResult[]> {
  requirePerson(by, 'voting')
  comment(words, 'comment')
  if (votes.length === 0 || votes.length > LIMITS.votesAtOnceMax)
    throw new GatewayError('BAD_INPUT', `give from 1 to ${LIMITS.votesAtOnceMax} votes at once`)
  if (new Set(votes.map(({ id }) => id)).size < votes.length) throw new GatewayError('BAD_INPUT', 'a hold is named twice: one vote a hold')
  const results: HoldVoteResult[] = []
  let away: GatewayError | undefined
  for (const vote of votes) {
    // One that could not be written is enough: each of the others would wait as long.
    if (away) {
      results.push({ id: vote.id, error: new GatewayError('UNAVAILABLE', 'not voted on: the record was away for one before it') })
      continue
    }
    const result = await voteOn(deps, by, vote, verdict, words, votes.length)
    if (result.error?.code === 'UNAVAILABLE') away = result.error
    results.push(result)
  }
  return results
}

async function voteOn(
  deps: OperatorDeps,
  by: Operator,
  { id, digest }: HoldVote,
  verdict: Vote['verdict'],
  words: string | undefined,
  among: number,
): Promise<HoldVoteResult> {
  try {
    if (verdict === 'reject') return { id, hold: await rejectHold(deps, by, id, words, { digest, among }) }
    await requireLook(deps, by, id)
    return { id, hold: await approveHold(deps, by, id, words, { digest, among }) }
  } catch (error) {
    if (error instanceof GatewayError) return { id, error }
    deps.log.error({ error, hold: id }, 'a vote among several failed')
    return { id, error: new GatewayError('INTERNAL', 'an unexpected fault: look at the hold again') }
  }
}

/** Many are approved at once only where the arguments of each were shown to this person. */
async function requireLook(deps: OperatorDeps, by: Operator, id: HoldId): Promise<void> {
  const hold = await findHold(deps, by, id)
  if (!hold) throw noHold(id)
  assertOpen(hold, deps.clock.now())
  if ((await deps.store.lookedAt(hold.callId, by.name, hold.createdAt)) !== undefined) return
  throw new GatewayError('NOT_ELIGIBLE', `look at the arguments of \`${id}\` first: several are approved at once only where each was shown`)
}
