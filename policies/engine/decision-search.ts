import { LIMITS } from '../../gateway/limits.ts'
import type { Rule, Skeleton } from './atoms.ts'
import type { AskedAs, Assignment, RequestSpace } from './request-space.ts'
import { FAILS, FALSE, TRUE, type TruthTables } from './truth-tables.ts'

/** One policy set's rules for an operation. */
export interface SearchedSide {
  readonly rules: readonly Rule[]
  /** Whether a rule is not word for word in the other set. */
  differs(rule: Rule): boolean
}

export interface Found {
  /** How many distinguishable combinations there are. */
  readonly combinations: number
  /** Combinations that both sets might decide differently, before any of them was asked. */
  readonly differing: number
  /** False where the search gave up: some combinations were not looked at. */
  readonly complete: boolean
  /** Some of the differing ones, for every pair of outcomes. */
  readonly suspects: readonly Assignment[]
}

/** What a partly known request comes to, given what is known of each group: a class index, or -1. */
type Masked = (known: Int32Array) => number
type Outcome = string | undefined

interface CompiledRule {
  readonly rule: Rule
  readonly differs: boolean
  readonly as: Readonly<Record<AskedAs, Masked>>
}

/**
 * Looks for requests that two policy sets decide differently, among all combinations of values that their conditions tell apart. It knows only how
 * a decision follows from conditions, and cuts off whole branches that both sets decide alike whatever the rest is. What it finds are suspects:
 * whoever calls it asks both sets.
 */
export class DecisionSearch {
  readonly #space: RequestSpace
  readonly #tables: TruthTables
  readonly #sides: readonly (readonly CompiledRule[])[]
  readonly #order: readonly number[]
  readonly #subjectGroup: number
  #steps = 0
  #differing = 0
  #complete = true
  readonly #suspects = new Map<string, Assignment[]>()

  constructor(space: RequestSpace, tables: TruthTables, sides: readonly SearchedSide[]) {
    this.#space = space
    this.#tables = tables
    this.#sides = sides.map((side, i) => side.rules.map((rule) => this.#compile(rule, i, side.differs(rule))))
    this.#subjectGroup = tables.groups.findIndex(({ withSubject }) => withSubject !== undefined)
    this.#order = this.#ordered()
  }

  find(): Found {
    const { groups } = this.#tables
    const combinations = groups.reduce((product, { classes }) => product * classes.length, 1)
    this.#visit(new Int32Array(groups.length).fill(-1), 0, combinations)
    return {
      combinations,
      differing: this.#differing,
      complete: this.#complete && groups.every(({ sampled }) => !sampled),
      suspects: [...this.#suspects.values()].flat(),
    }
  }

  /** For every rule a request that it matches, where there is one, and the same with one thing changed at a time. Plainest first, bounded. */
  *around(): Generator<Assignment> {
    const { groups } = this.#tables
    const plain = new Int32Array(groups.length)
    yield this.#assignment(plain)
    for (const { as } of this.#sides.flat()) {
      const known = new Int32Array(groups.length).fill(-1)
      if (!this.#satisfy(as.agent, known, 0) && !this.#satisfy(as.person, known, 0)) continue
      const base = known.map((at) => Math.max(at, 0))
      yield this.#assignment(base)
      for (const [group, { classes }] of groups.entries())
        for (let at = 0; at < classes.length; at++) if (at !== base[group]) yield this.#assignment(base.with(group, at))
    }
  }

  /** All combinations, where they are few. */
  *all(): Generator<Assignment> {
    const { groups } = this.#tables
    const at = new Int32Array(groups.length)
    for (;;) {
      yield this.#assignment(at)
      let group = groups.length - 1
      while (group >= 0 && (at[group] ?? 0) + 1 >= (groups[group]?.classes.length ?? 1)) at[group--] = 0
      if (group < 0) return
      at[group] = (at[group] ?? 0) + 1
    }
  }

  /** Fixes groups until the condition holds whatever the others are; false where it never does or the search gave up. */
  #satisfy(masked: Masked, known: Int32Array, depth: number): boolean {
    const mask = masked(known)
    if (mask === TRUE) return true
    const group = this.#order[depth]
    this.#steps += 1
    if ((mask & TRUE) === 0 || group === undefined || this.#steps > 2 * LIMITS.diffStepsPerOperationMax) return false
    for (let at = 0; at < (this.#tables.groups[group]?.classes.length ?? 0); at++) {
      known[group] = at
      if (this.#satisfy(masked, known, depth + 1)) return true
    }
    known[group] = -1
    return false
  }

  #visit(known: Int32Array, depth: number, weight: number): void {
    this.#steps += 1
    if (this.#steps > LIMITS.diffStepsPerOperationMax) {
      this.#complete = false
      return
    }
    if (this.#sides.every((rules) => rules.every((rule) => !rule.differs || !this.#canMatter(rule, known)))) return
    const [before, after] = this.#sides.map((rules) => this.#outcome(rules, known))
    if (before !== undefined && after !== undefined) {
      if (before !== after) this.#suspect(`${before} ${after} ${this.#matching(known)}`, known, weight)
      return
    }
    const group = this.#order[depth]
    if (group === undefined) return
    const { length } = this.#tables.groups[group]?.classes ?? []
    for (let at = 0; at < length; at++) {
      known[group] = at
      this.#visit(known, depth + 1, weight / length)
    }
    known[group] = -1
  }

  #suspect(key: string, known: Int32Array, weight: number): void {
    this.#differing += weight
    const alike = this.#suspects.get(key) ?? []
    if (alike.length < LIMITS.diffSuspectsPerKindMax) alike.push(this.#assignment(known.map((at) => Math.max(at, 0))))
    this.#suspects.set(key, alike)
  }

  /** Which of the changed rules match, as a part of what makes two suspects different in kind. */
  #matching(known: Int32Array): string {
    const subject = this.#subject(known) === true
    const result = ({ as }: CompiledRule): string => `${as.agent(known)}${subject ? as.person(known) : ''}`
    return this.#sides
      .map((rules) =>
        rules
          .filter(({ differs }) => differs)
          .map(result)
          .join(),
      )
      .join(' ')
  }

  /** True, false, or undefined where it is not known whether there is a subject. */
  #subject(known: Int32Array): boolean | undefined {
    if (this.#subjectGroup < 0) return false
    const at = known[this.#subjectGroup] ?? -1
    return at < 0 ? undefined : this.#tables.groups[this.#subjectGroup]?.withSubject?.[at] === true
  }

  #canMatter({ as }: CompiledRule, known: Int32Array): boolean {
    return as.agent(known) !== FALSE || (this.#subject(known) !== false && as.person(known) !== FALSE)
  }

  /** `permit`, `deny`, or `hold` with its approvals; undefined where that depends on what is not known. */
  #outcome(rules: readonly CompiledRule[], known: Int32Array): Outcome {
    const agent = outcomeAs('agent', rules, known)
    const subject = this.#subject(known)
    if (agent === 'deny' || subject === false) return agent
    const person = outcomeAs('person', rules, known)
    if (person === 'deny' && subject === true) return 'deny'
    if (agent === undefined || person === undefined || subject === undefined) return undefined
    const approvals = new Set([agent, person].flatMap((one) => (one === 'permit' ? [] : one.split(' ').slice(1))))
    return approvals.size === 0 ? 'permit' : ['hold', ...[...approvals].sort()].join(' ')
  }

  /** The groups that the changed rules look at come first: where these do not match, the rest does not matter. */
  #ordered(): readonly number[] {
    const weights = this.#tables.groups.map(() => 0)
    this.#sides.forEach((rules, side) => {
      for (const { rule, differs } of rules)
        for (const as of ['agent', 'person'] as const)
          for (const group of this.#groupsOf(rule.skeleton, side, as)) weights[group] = (weights[group] ?? 0) + (differs ? 1_000 : 1)
    })
    return weights.map((_, group) => group).sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0))
  }

  #groupsOf(skeleton: Skeleton, side: number, as: AskedAs): number[] {
    if (skeleton.kind === 'atom') return [this.#tables.lookUp(side, as, skeleton.atom).group]
    return partsOf(skeleton).flatMap((part) => this.#groupsOf(part, side, as))
  }

  #compile(rule: Rule, side: number, differs: boolean): CompiledRule {
    const as = (who: AskedAs): Masked => this.#masked(rule.skeleton, side, who)
    return { rule, differs, as: { agent: as('agent'), person: as('person') } }
  }

  /** All results that a condition can still have. */
  #masked(skeleton: Skeleton, side: number, as: AskedAs): Masked {
    if (skeleton.kind === 'constant') return () => (skeleton.value ? TRUE : FALSE)
    if (skeleton.kind === 'atom') {
      const { group, results } = this.#tables.lookUp(side, as, skeleton.atom)
      const any = results.reduce((all, one) => all | one, 0)
      return (known) => {
        const at = known[group] ?? -1
        return at < 0 ? any : (results[at] ?? 0)
      }
    }
    const [first = never, second = never, third = never] = partsOf(skeleton).map((part) => this.#masked(part, side, as))
    if (skeleton.kind === 'not') return (known) => negated(first(known))
    if (skeleton.kind === 'and')
      return (known) =>
        chosen(
          first(known),
          () => second(known),
          () => FALSE,
        )
    if (skeleton.kind === 'or')
      return (known) =>
        chosen(
          first(known),
          () => TRUE,
          () => second(known),
        )
    return (known) =>
      chosen(
        first(known),
        () => second(known),
        () => third(known),
      )
  }

  #assignment(known: Int32Array): Assignment {
    const assignment = [...this.#space.plainest]
    this.#tables.groups.forEach(({ dimensions, classes }, group) => {
      const values = classes[known[group] ?? 0] ?? []
      dimensions.forEach((dimension, i) => {
        assignment[dimension] = values[i] ?? 0
      })
    })
    return assignment
  }
}

const never: Masked = () => 0
const negated = (mask: number): number => (mask & FAILS) | (mask & TRUE ? FALSE : 0) | (mask & FALSE ? TRUE : 0)

const chosen = (test: number, then: () => number, otherwise: () => number): number =>
  (test & FAILS) | (test & TRUE ? then() : 0) | (test & FALSE ? otherwise() : 0)

function partsOf(skeleton: Skeleton): readonly Skeleton[] {
  if (skeleton.kind === 'not') return [skeleton.of]
  if (skeleton.kind === 'and' || skeleton.kind === 'or') return [skeleton.left, skeleton.right]
  return skeleton.kind === 'if' ? [skeleton.test, skeleton.then, skeleton.otherwise] : []
}

/** One principal's outcome: what fails denies, a forbid denies, a hold needs a permit beside it. */
function outcomeAs(as: AskedAs, rules: readonly CompiledRule[], known: Int32Array): Outcome {
  let unclear = false
  let permitted = FALSE
  const approvals = new Set<string>()
  for (const { rule, as: masked } of rules) {
    const mask = masked[as](known)
    const { effect, hold } = rule.policy
    if (mask === FAILS) return 'deny'
    if (effect === 'permit') {
      if (mask === TRUE) permitted = TRUE
      else if (mask & TRUE && permitted !== TRUE) permitted = TRUE | FALSE
      if (mask & FAILS) unclear = true
    } else if (hold === undefined && (mask & FALSE) === 0) return 'deny'
    else if (mask !== FALSE && mask !== TRUE) unclear = true
    else if (mask === TRUE && hold !== undefined) approvals.add(hold)
  }
  if (permitted === FALSE) return 'deny'
  if (unclear || permitted !== TRUE) return undefined
  return approvals.size === 0 ? 'permit' : ['hold', ...[...approvals].sort()].join(' ')
}
