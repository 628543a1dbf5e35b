import type { JsonObject } from '../../gateway/core/json.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { Question } from '../../gateway/ports/decider.ts'
import type { CedarEngine } from './cedar.ts'
import type { Atom } from './atoms.ts'
import { CannotEncode } from './encode.ts'
import { ask, type Plan, type PlannedRequest } from './plan.ts'
import type { AskedAs, Assignment, RequestSpace } from './request-space.ts'
import type { Answer } from './verdict.ts'

/** Which of the three results an atom can have: a sum of these. */
export const TRUE = 1
export const FALSE = 2
export const FAILS = 4

/** One of the two policy sets, for one operation: how to ask it, and what its conditions are made of. */
export interface AskedSide {
  readonly engine: CedarEngine
  readonly plan: Plan
  readonly atoms: readonly Atom[]
}

/** Dimensions that some condition looks at together, with one combination of values for each way in which the conditions can come out. */
export interface DimensionGroup {
  readonly dimensions: readonly number[]
  /** Value indexes in the order of `dimensions`, plainest first. */
  readonly classes: readonly Assignment[]
  /** Whether each class has a subject; undefined where the group does not say. */
  readonly withSubject: readonly boolean[] | undefined
  /** More combinations exist than were tried. */
  readonly sampled: boolean
}

export interface TruthTables {
  readonly groups: readonly DimensionGroup[]
  /** Which group decides an atom, and its result in each class of that group. Zero where nobody is there to be asked. */
  lookUp(side: number, as: AskedAs, atom: Atom): { group: number; results: readonly number[] }
}

/** An atom as somebody: without `principal` in it, it is the same for everybody. */
interface Asked {
  readonly side: number
  readonly as: AskedAs
  readonly atom: Atom
}

const looksAtPrincipal = ({ paths }: Atom): boolean => paths.some(({ variable }) => variable === 'principal')
const idOf = ({ side, as, atom }: Asked): string => `${side} ${looksAtPrincipal(atom) ? as : 'agent'} ${atom.key}`

/** Asks the engine itself what every condition of both sides comes to at every value, and merges values that no condition tells apart. */
export function tabulate(space: RequestSpace, sides: readonly AskedSide[], label: string): TruthTables {
  const asked = sides.flatMap(({ atoms }, side) =>
    atoms.flatMap((atom): Asked[] =>
      (['agent', ...(looksAtPrincipal(atom) ? ['person' as const] : [])] as AskedAs[]).map((as) => ({ side, as, atom })),
    ),
  )
  const tabulation: Tabulation = { space, sides, label, base: baseOf(space, sides) }
  const groups: DimensionGroup[] = []
  const found = new Map<string, { group: number; results: number[] }>()
  for (const members of connected(space, asked)) {
    const own = asked.filter(({ atom, as }) => {
      const [first] = space.reached(atom, as)
      return first === undefined ? members.length === 0 : members.includes(first)
    })
    const { group, results } = classify({ ...tabulation, label: `${label}:${groups.length}` }, members, own)
    for (const [i, one] of own.entries()) found.set(idOf(one), { group: groups.length, results: results[i] ?? [] })
    groups.push(group)
  }
  return {
    groups,
    lookUp(side, as, atom) {
      const known = found.get(idOf({ side, as, atom }))
      if (!known) throw new Error('unreachable: every atom was asked')
      return known
    },
  }
}

interface Tabulation {
  readonly space: RequestSpace
  readonly sides: readonly AskedSide[]
  readonly label: string
  /** A request that can be put to both sides, for whatever a group does not look at. */
  readonly base: Assignment
}

/** The plainest request; with a subject where some fact has no value without one. */
function baseOf(space: RequestSpace, sides: readonly AskedSide[]): Assignment {
  const subject = space.dimensions.findIndex(({ kind }) => kind === 'subject')
  const candidates = [space.plainest, space.plainest.with(subject, 1)]
  const canBePut = (question: Question | undefined): boolean => sides.every(({ plan }) => question && requestOf(plan, question))
  return candidates.find((assignment) => canBePut(space.question(assignment))) ?? space.plainest
}

/** Dimensions that atoms connect, and a group of none for atoms that look at nothing. */
function connected(space: RequestSpace, asked: readonly Asked[]): readonly (readonly number[])[] {
  const groupOf = new Map<number, Set<number>>()
  for (const { atom, as } of asked) {
    const reached = space.reached(atom, as)
    const merged = new Set(reached.flatMap((dimension) => [dimension, ...(groupOf.get(dimension) ?? [])]))
    for (const dimension of merged) groupOf.set(dimension, merged)
  }
  return [[], ...[...new Set(groupOf.values())].map((group) => [...group].sort((a, b) => a - b))]
}

function classify(tabulation: Tabulation, dimensions: readonly number[], asked: readonly Asked[]) {
  const { space } = tabulation
  const sizes = dimensions.map((dimension) => space.dimensions[dimension]?.values.length ?? 1)
  const { combinations, sampled } = combine(sizes)
  const seen = new Map<string, { combination: Assignment; results: readonly number[]; subject: boolean }>()
  for (const combination of combinations) {
    const results = askAtoms(tabulation, dimensions, combination, asked)
    if (!results) continue
    const subject = hasSubject(space, dimensions, combination)
    const key = `${subject} ${results.join('')}`
    if (!seen.has(key)) seen.set(key, { combination, results, subject })
  }
  const classes = [...seen.values()]
  const group: DimensionGroup = {
    dimensions,
    classes: classes.map(({ combination }) => combination),
    withSubject: dimensions.some((d) => space.dimensions[d]?.kind === 'subject') ? classes.map(({ subject }) => subject) : undefined,
    sampled,
  }
  return { group, results: asked.map((_, i) => classes.map(({ results }) => results[i] ?? 0)) }
}

function hasSubject(space: RequestSpace, dimensions: readonly number[], combination: Assignment): boolean {
  return dimensions.some((d, i) => space.dimensions[d]?.kind === 'subject' && (combination[i] ?? 0) > 0)
}

/** All combinations, those that differ least from the plainest first; the first of them where they are too many. */
export function combine(sizes: readonly number[]): { combinations: readonly Assignment[]; sampled: boolean } {
  const all = sizes.reduce((product, size) => product * size, 1)
  const combinations: Assignment[] = []
  const bound = LIMITS.diffCombinationsPerGroupMax
  for (let changed = 0; changed <= sizes.length && combinations.length < Math.min(all, bound); changed++)
    extend(sizes, changed, 0, [], combinations, bound)
  return { combinations, sampled: combinations.length < all }
}

/** Adds the combinations in which exactly `changed` of the values from `at` on are not the plainest. */
function extend(sizes: readonly number[], changed: number, at: number, chosen: Assignment, into: Assignment[], bound: number): void {
  if (into.length >= bound) return
  if (at === sizes.length) {
    if (changed === 0) into.push(chosen)
    return
  }
  if (sizes.length - at > changed) extend(sizes, changed, at + 1, [...chosen, 0], into, bound)
  if (changed > 0)
    for (let value = 1; value < (sizes[at] ?? 1); value++) extend(sizes, changed - 1, at + 1, [...chosen, value], into, bound)
}

/** The result of every asked atom: all fail where the request cannot be put to a side. Undefined for a request that contradicts itself. */
function askAtoms(
  { space, sides, label, base }: Tabulation,
  dimensions: readonly number[],
  combination: Assignment,
  asked: readonly Asked[],
): readonly number[] | undefined {
  const assignment = [...base]
  dimensions.forEach((dimension, i) => {
    assignment[dimension] = combination[i] ?? 0
  })
  const question = space.question(assignment)
  if (!question) return undefined
  const results = new Map<string, number>()
  for (const [side, { engine, plan }] of sides.entries()) {
    const own = asked.filter((one) => one.side === side)
    if (own.length === 0) continue
    const schema = plan.prepare(engine)
    const atoms = [...new Map(own.map(({ atom }) => [atom.key, atom])).values()]
    engine.ensurePolicySet(label, () => Object.fromEntries(atoms.map((atom, i) => [`a${i}`, alone(atom)])))
    const request = requestOf(plan, question)
    for (const as of question.principal.subject === undefined ? (['agent'] as const) : (['agent', 'person'] as const)) {
      const principal = request?.principals[as === 'agent' ? 0 : 1]
      const answer = request && principal && ask(engine, label, schema, request, principal)
      const result = resultsOf(answer)
      for (const [i, atom] of atoms.entries())
        if (as === 'agent' || looksAtPrincipal(atom)) results.set(idOf({ side, as, atom }), result(`a${i}`))
    }
  }
  return asked.map((one) => results.get(idOf(one)) ?? 0)
}

/** Undefined where a value or a fact that is not known keeps the question from being put: the decider denies it. */
function requestOf(plan: Plan, question: Question): PlannedRequest | undefined {
  try {
    return plan.request(question)
  } catch (error) {
    if (error instanceof CannotEncode) return undefined
    throw error
  }
}

function resultsOf(answer: Answer | undefined): (id: string) => number {
  if (!answer || answer.refused) return () => FAILS
  const [yes, failed] = [new Set(answer.reason), new Set(answer.failed)]
  return (id) => (failed.has(id) ? FAILS : yes.has(id) ? TRUE : FALSE)
}

/** An atom as a policy of its own. */
export function alone({ expression }: Atom): JsonObject {
  const all = { op: 'All' }
  return {
    effect: 'permit',
    principal: all,
    action: all,
    resource: all,
    conditions: [{ kind: 'when', body: expression }],
  }
}
