import type { MatchedHold, Verdict } from '../../gateway/core/decision.ts'
import type { LoadedPolicy } from './load-policies.ts'

/** The engine's answer to one question over one set. */
export interface Answer {
  allow: boolean
  /** The request itself did not fit its schema. */
  refused: boolean
  /** Determining policies, sorted. */
  reason: readonly string[]
  /** Policies that could not be evaluated. */
  failed: readonly string[]
  errors: readonly string[]
}

/** What of a policy goes into a verdict. */
export type Ruling = Pick<LoadedPolicy, 'id' | 'hash' | 'hold' | 'annotations'>

type DenyVerdict = Extract<Verdict, { effect: 'deny' }>

/**
 * The two passes of semantics section 2. `all` is the answer over every policy of the slice, `permitsAlone` asks the slice's permits; it is
 * called only where every determining forbid is a hold. Whatever is unclear ends in deny.
 */
export function verdictOf(all: Answer, permitsAlone: () => Answer, byId: ReadonlyMap<string, Ruling>): Verdict {
  const policies = all.reason
  if (all.errors.length > 0) return { effect: 'deny', policies, reason: 'policy_error', errors: all.errors }
  if (all.allow) return { effect: 'permit', policies }
  if (policies.length === 0) return { effect: 'deny', policies, reason: 'no_permit' }
  const matched = policies.map((id) => byId.get(id))
  const hard = matched.filter((policy) => policy?.hold === undefined)
  if (hard.length > 0) {
    const advice = hard.flatMap((policy) => policy?.annotations.advice ?? []).join(' ')
    return { effect: 'deny', policies, reason: 'forbidden', ...(advice && { advice }) }
  }
  const permits = permitsAlone()
  if (permits.errors.length > 0) return { effect: 'deny', policies, reason: 'policy_error', errors: permits.errors }
  if (!permits.allow) return { effect: 'deny', policies, reason: 'no_permit' }
  return { effect: 'hold', policies, holds: matched.flatMap((policy) => (policy ? [matchedHold(policy)] : [])) }
}

function matchedHold({ id, hash, hold, annotations: { reason, advice } }: Ruling): MatchedHold {
  return { policyId: id, policyHash: hash, approval: hold ?? '', ...(reason && { reason }), ...(advice && { advice }) }
}

const STRICTNESS = { permit: 0, hold: 1, deny: 2 }
const DENY_STRICTNESS = { no_permit: 0, forbidden: 1, policy_error: 2 }

/** The stricter of the agent's and the subject's verdict; two holds add up, two denials give the graver reason and both sets of ids. */
export function stricter(a: Verdict, b: Verdict): Verdict {
  if (a.effect !== b.effect) return STRICTNESS[a.effect] > STRICTNESS[b.effect] ? a : b
  const policies = [...new Set([...a.policies, ...b.policies])].sort()
  if (a.effect === 'hold' && b.effect === 'hold') {
    const holds = new Map([...a.holds, ...b.holds].map((hold) => [hold.policyId, hold]))
    return { effect: 'hold', policies, holds: policies.flatMap((id) => holds.get(id) ?? []) }
  }
  if (a.effect === 'deny' && b.effect === 'deny') return graver(a, b, policies)
  return { effect: 'permit', policies }
}

function graver(a: DenyVerdict, b: DenyVerdict, policies: readonly string[]): DenyVerdict {
  const [first, second] = DENY_STRICTNESS[a.reason] >= DENY_STRICTNESS[b.reason] ? [a, b] : [b, a]
  const advice = [...new Set([first.advice, second.advice])].filter((text) => text !== undefined).join(' ')
  const errors = [...(first.errors ?? []), ...(second.errors ?? [])]
  return { effect: 'deny', policies, reason: first.reason, ...(advice && { advice }), ...(errors.length > 0 && { errors }) }
}

/** A denial for what could not be asked at all. */
export function policyError(error: string, advice?: string): DenyVerdict {
  return { effect: 'deny', policies: [], reason: 'policy_error', ...(advice !== undefined && { advice }), errors: [error] }
}
