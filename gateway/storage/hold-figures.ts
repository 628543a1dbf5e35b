import { ACCOUNT_LOOK } from '../core/account.ts'
import { sql } from 'kysely'
import { instant } from '../core/clock.ts'
import type { DecisionResult, RuleDecision, TimedVote } from '../core/rule-figures.ts'
import type { HoldState, Vote } from '../core/hold.ts'
import type { CallId, HoldId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Db, Tx } from './tables.ts'

/** When a person last looked at the arguments of a call, at or after `sinceMs`; undefined where they did not. Reads the call's newest looks only. */
export async function lastLook(db: Db, callId: CallId, person: string, sinceMs: number): Promise<number | undefined> {
  const rows = await db
    .selectFrom('entry')
    .select(['at_ms', 'body'])
    .where('call_id', '=', callId)
    .where('kind', '=', 'view')
    .where('at_ms', '>=', sinceMs)
    .orderBy('at_ms', 'desc')
    .limit(LIMITS.pageRowsMax)
    .execute()
  return rows.find(({ body }) => body.kind === 'view' && body.by === person && body.what !== ACCOUNT_LOOK)?.at_ms
}

/** Notes with a vote how long its voter had looked. The vote stands already. */
export async function recordLook(tx: Tx, callId: CallId, { holdId, voter, among }: Vote): Promise<void> {
  const { created_at_ms } = await tx.selectFrom('hold').select('created_at_ms').where('id', '=', holdId).executeTakeFirstOrThrow()
  const looked = await lastLook(tx, callId, voter, created_at_ms)
  await tx
    .updateTable('vote')
    .set({ looked_at_ms: looked ?? null, among: among ?? 1 })
    .where('hold_id', '=', holdId)
    .where('voter', '=', voter)
    .execute()
}

/** What a change of an open hold says of the rules that it is by; undefined where it says nothing of them. */
export function resultOf(to: HoldState, edited: boolean): DecisionResult | undefined {
  if (edited) return 'edited'
  return to === 'approved' || to === 'expired' ? to : to === 'rejected' ? 'refused' : undefined
}

/** Each vote's time since the look, shared with those given together; null where there was none. */
const lookedMs = ({ at_ms, looked_at_ms, among }: { at_ms: number; looked_at_ms: number | null; among: number }): number | null =>
  looked_at_ms === null ? null : Math.max(0, at_ms - looked_at_ms) / among

/** Writes what became of a hold, once for each of its policies. A call whose arguments were edited before counts no more. */
export async function recordDecision(tx: Tx, id: HoldId, callId: CallId, result: DecisionResult, atMs: number): Promise<void> {
  const call = await tx.selectFrom('call').select('edited_key').where('id', '=', callId).executeTakeFirstOrThrow()
  if (call.edited_key !== null) return
  const { agent, facts, created_at_ms } = await tx
    .selectFrom('hold')
    .select(['agent', 'facts', 'created_at_ms'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  const votes = await tx.selectFrom('vote').select(['at_ms', 'looked_at_ms', 'among']).where('hold_id', '=', id).execute()
  const times = votes.map(lookedMs)
  const row = {
    hold_id: id,
    agent,
    result,
    opened_at_ms: created_at_ms,
    decided_at_ms: atMs,
    votes: votes.length,
    quick: times.filter((ms) => ms !== null && ms < LIMITS.quickVoteMs).length,
    unseen: times.filter((ms) => ms === null).length,
  }
  const policies = [...new Set(facts.matched.map(({ policyId }) => policyId))]
  await tx
    .insertInto('rule_decision')
    .values(policies.map((policy_id) => ({ policy_id, ...row })))
    .execute()
}

/** What became of the newest holds by a policy, at most `first`, at or after `sinceMs`. */
export async function ruleDecisions(
  db: Db,
  policyId: string,
  agent: string | undefined,
  sinceMs: number,
  first: number,
): Promise<readonly RuleDecision[]> {
  let query = db
    .selectFrom('rule_decision')
    .selectAll()
    .where('policy_id', '=', policyId)
    .where('decided_at_ms', '>=', sinceMs)
    .orderBy('decided_at_ms', 'desc')
    .orderBy('hold_id')
    .limit(first)
  if (agent !== undefined) query = query.where('agent', '=', agent)
  return (await query.execute()).map((row) => ({
    holdId: row.hold_id as HoldId,
    agent: row.agent,
    result: row.result,
    openedAt: instant(row.opened_at_ms),
    decidedAt: instant(row.decided_at_ms),
    votes: row.votes,
    quick: row.quick,
    unseen: row.unseen,
  }))
}

/** The newest votes, at most `first`, at or after `sinceMs`. */
export async function timedVotes(db: Db, sinceMs: number, first: number): Promise<readonly TimedVote[]> {
  const rows = await db
    .selectFrom('vote')
    .select(['voter', 'verdict', 'at_ms', 'looked_at_ms', 'among'])
    .where('at_ms', '>=', sinceMs)
    .orderBy(sql`at_ms desc`)
    .limit(first)
    .execute()
  return rows.map((row) => ({ voter: row.voter, verdict: row.verdict, lookedMs: lookedMs(row) }))
}
