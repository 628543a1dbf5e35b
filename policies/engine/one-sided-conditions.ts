import type { OneSidedCondition } from '../../gateway/ports/policy-drafts.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { type Atom, atomsOf, type Rule } from './atoms.ts'
import type { CedarEngine } from './cedar.ts'
import type { RequestSpace } from './request-space.ts'
import { alone, FALSE, TRUE, type TruthTables } from './truth-tables.ts'

/** Gathers, over all operations, how the conditions of changed policies came out. */
export class OneSidedConditions {
  readonly #seen = new Map<string, { policy: string; atom: Atom; results: number }>()

  add(space: RequestSpace, tables: TruthTables, side: number, rules: readonly Rule[]): void {
    for (const rule of rules) {
      for (const atom of atomsOf([rule])) {
        // What looks at nothing that can differ is the same in every request.
        if (space.reached(atom, 'agent').length === 0) continue
        const key = `${rule.policy.id}\n${atom.key}`
        const known = this.#seen.get(key) ?? { policy: rule.policy.id, atom, results: 0 }
        for (const as of ['agent', 'person'] as const) for (const result of tables.lookUp(side, as, atom).results) known.results |= result
        this.#seen.set(key, known)
      }
    }
  }

  /** At most `LIMITS.diffRemarksMax`. */
  result(engine: CedarEngine): OneSidedCondition[] {
    return [...this.#seen.values()]
      .filter(({ results }) => (results & TRUE) === 0 || (results & FALSE) === 0)
      .slice(0, LIMITS.diffRemarksMax)
      .map(({ policy, atom, results }) => ({ policy, condition: textOf(engine, atom), never: results & TRUE ? 'false' : 'true' }))
  }
}

function textOf(engine: CedarEngine, atom: Atom): string {
  const answer = engine.with((api) => api.policyToText(alone(atom) as never))
  const text = answer.type === 'success' ? answer.text : atom.key
  return /when \{ ?([\s\S]*?) ?\};?\s*$/.exec(text)?.[1]?.trim() ?? text
}
