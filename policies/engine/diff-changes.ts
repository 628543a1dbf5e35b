import type { DecisionChange } from '../../gateway/ports/policy-drafts.ts'
import type { Change, Said } from '../../gateway/core/decision-change.ts'

const RANK: Readonly<Record<Change, number>> = { 'newly-allowed': 0, 'newly-held': 1, 'held-otherwise': 2, 'newly-denied': 3 }

/** What a security team looks at first stands first. */
export const byWeight = (a: DecisionChange, b: DecisionChange): number =>
  RANK[a.change] - RANK[b.change] || Number(b.example.registered) - Number(a.example.registered)

/** A change that an agent alone meets already is told once, not again for every kind of person that it can act for. */
export function withoutVariants(changes: readonly DecisionChange[]): DecisionChange[] {
  const alone = changes.filter(({ example }) => example.subject === null)
  const more = new Map<DecisionChange, number>()
  const rest = changes.filter((change) => {
    const plain = change.example.subject === null ? undefined : alone.find((one) => isVariant(change, one))
    if (plain) more.set(plain, (more.get(plain) ?? 0) + change.requests)
    return !plain
  })
  return rest.map((change) => ({ ...change, requests: change.requests + (more.get(change) ?? 0) }))
}

function isVariant(change: DecisionChange, plain: DecisionChange): boolean {
  const covers = (all: Said, some: Said): boolean =>
    all.effect === some.effect &&
    all.reason === some.reason &&
    all.approvals.join() === some.approvals.join() &&
    some.policies.every((id) => all.policies.includes(id))
  return covers(change.before, plain.before) && covers(change.after, plain.after)
}

/** One and the same change of several kinds of operations is one. */
export function joined(changes: readonly DecisionChange[]): DecisionChange[] {
  const byKey = new Map<string, DecisionChange>()
  for (const change of changes) {
    const key = JSON.stringify([change.before, change.after, change.example.registered])
    const known = byKey.get(key)
    const both = known && { operations: [...known.operations, ...change.operations], requests: known.requests + change.requests }
    byKey.set(key, known ? { ...known, ...both } : change)
  }
  return [...byKey.values()]
}
