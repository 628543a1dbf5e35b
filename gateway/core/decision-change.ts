import type { Verdict } from './decision.ts'

export const CHANGES = ['newly-allowed', 'newly-held', 'held-otherwise', 'newly-denied'] as const
export type Change = (typeof CHANGES)[number]

/** What may happen to a data class in the answers that somebody reads. */
export const CLASS_CHANGES = ['newly-readable', 'newly-masked'] as const
export type ClassChange = (typeof CLASS_CHANGES)[number]

/** What one policy set says to a request: names alone, nothing of the request. */
export interface Said {
  readonly effect: Verdict['effect']
  /** Of a denial. */
  readonly reason?: string
  /** Of a hold, sorted. */
  readonly approvals: readonly string[]
  /** Ids of the determining policies, sorted. */
  readonly policies: readonly string[]
}

export function saidBy(verdict: Verdict): Said {
  const approvals = verdict.effect === 'hold' ? [...new Set(verdict.holds.map(({ approval }) => approval))].sort() : []
  return { effect: verdict.effect, ...(verdict.effect === 'deny' ? { reason: verdict.reason } : {}), approvals, policies: verdict.policies }
}

/** Undefined where both say the same to agent and people: the same effect, and of a hold the same approvals. */
export function changeOf(before: Said, after: Said): Change | undefined {
  if (before.effect === after.effect) {
    return before.effect === 'hold' && before.approvals.join() !== after.approvals.join() ? 'held-otherwise' : undefined
  }
  return after.effect === 'permit' ? 'newly-allowed' : after.effect === 'hold' ? 'newly-held' : 'newly-denied'
}
