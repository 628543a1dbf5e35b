import type { Change, Said } from '../../gateway/core/decision-change.ts'
import type { JsonObject, JsonValue } from '../../gateway/core/json.ts'
import type { Agent } from '../../gateway/core/principal.ts'

/** A request that both policy sets were asked. */
export interface ExampleRequest {
  readonly agent: Pick<Agent, 'name' | 'owner' | 'team' | 'region' | 'roles' | 'clearance' | 'autonomy'>
  readonly subject: { readonly name: string; readonly groups: readonly string[]; readonly region: string | null } | null
  /** False where agent or subject were made up, since no registered one has what a policy names. */
  readonly registered: boolean
  readonly operation: string
  readonly input: JsonObject
  /** Everything else that is not as plain as can be, or that a changed policy looks at: `now`, `door`, `history.paid1h`, ... */
  readonly context: Readonly<Record<string, JsonValue>>
}

/** Requests that the two sets decide differently in one and the same way, with the plainest of them. */
export interface DecisionChange {
  readonly change: Change
  /** The operations that it was found for: asked was the first, the others have the same policies and arguments. */
  readonly operations: readonly string[]
  readonly before: Said
  readonly after: Said
  readonly example: ExampleRequest
  /** What in the example matters, beside who asks: its values that are not the plainest, and those that changed policies look at. */
  readonly because: Readonly<Record<string, JsonValue>>
  /** How many of the asked requests came out like this. */
  readonly requests: number
}

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
