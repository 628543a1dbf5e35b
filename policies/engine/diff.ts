import { instant, type Instant } from '../../gateway/core/clock.ts'
import type { Verdict } from '../../gateway/core/decision.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import type { JsonObject, JsonValue } from '../../gateway/core/json.ts'
import type { Operation } from '../../gateway/core/operation.ts'
import type { Agent } from '../../gateway/core/principal.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { Decider, Question } from '../../gateway/ports/decider.ts'
import type { PolicySource } from '../../gateway/ports/policy-source.ts'
import { CedarEngine } from './cedar.ts'
import { contextShape, cutShape } from './cedar-schema.ts'
import { type Compiled, compilePolicies } from './compile.ts'
import { atomsOf, type Rule, ruleOf } from './atoms.ts'
import { DecisionSearch, type SearchedSide } from './decision-search.ts'
import { deciderOf } from './decider.ts'
import { mergeReads } from './expression.ts'
import type { LoadedPolicy } from './load-policies.ts'
import { Plan, type Surroundings } from './plan.ts'
import { agentCandidates, subjectCandidates } from './principal-candidates.ts'
import { type Assignment, RequestSpace } from './request-space.ts'
import { tabulate } from './truth-tables.ts'

export const CHANGES = ['newly-allowed', 'newly-held', 'held-otherwise', 'newly-denied'] as const
export type Change = (typeof CHANGES)[number]

/** What one policy set says to a request. */
export interface Said {
  readonly effect: Verdict['effect']
  /** Of a denial. */
  readonly reason?: string
  /** Of a hold, sorted. */
  readonly approvals: readonly string[]
  /** Ids of the determining policies, sorted. */
  readonly policies: readonly string[]
}

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

export interface PolicyDiff {
  /** Digests of the two sets. */
  readonly before: string
  readonly after: string
  /** Ids of policies by what became of their text. */
  readonly policies: { readonly added: readonly string[]; readonly removed: readonly string[]; readonly changed: readonly string[] }
  readonly changes: readonly DecisionChange[]
  /** Requests that both sets were asked. */
  readonly asked: number
  /** Combinations of values that the conditions of the two sets tell apart. */
  readonly combinations: number
  /** Whether all combinations were looked through; false where a bound was reached. */
  readonly complete: boolean
  /** Operations with the same policies in both sets: no question is needed. */
  readonly unchanged: number
  /** Operations that nothing can be said about, and why. */
  readonly unasked: readonly { readonly operation: string; readonly why: string }[]
}

export interface DiffOptions {
  readonly before: PolicySource
  readonly after: PolicySource
  readonly agents: readonly Agent[]
  /** The moment that points in time lie around. */
  readonly base?: Instant
}

interface Side {
  readonly source: PolicySource
  readonly engine: CedarEngine
  readonly compiled: Compiled
  readonly decider: Decider
  readonly around: Surroundings
}

/** A Monday at noon. */
const BASE = instant(Date.UTC(2026, 0, 5, 12))

/**
 * Finds requests that two policy sets decide differently, by asking both about the values at which their conditions change. Throws
 * CONFIG_INVALID with the faults of the first set that is faulty. Deterministic, bounded by LIMITS; what was not looked at is told.
 */
export function diffPolicies({ before, after, agents, base = BASE }: DiffOptions): PolicyDiff {
  const sides = [open(before, 'old'), open(after, 'new')] as const
  const units = unitsOf(sides)
  const work = new Work(sides, agents, base)
  const changes: DecisionChange[] = []
  let unchanged = 0
  for (const { operations, changed } of units) {
    if (!changed) unchanged += operations.length
    else changes.push(...work.compare(operations))
  }
  return {
    before: sides[0].compiled.policySet,
    after: sides[1].compiled.policySet,
    policies: textChanges(sides[0].compiled, sides[1].compiled),
    changes: joined(changes).sort(byWeight),
    asked: work.asked,
    combinations: work.combinations,
    complete: work.complete,
    unchanged,
    unasked: work.unasked,
  }
}

function open(source: PolicySource, which: string): Side {
  const engine = new CedarEngine()
  try {
    const compiled = compilePolicies(source, engine)
    const around: Surroundings = {
      connectors: new Map(source.catalogue.connectors.map((connector) => [connector.name, connector])),
      people: new Map(source.people.map((person) => [person.name, person])),
    }
    return { source, engine, compiled, decider: deciderOf(source, engine, compiled), around }
  } catch (cause) {
    if (!(cause instanceof GatewayError)) throw cause
    throw new GatewayError(cause.code, `the ${which} policies: ${cause.message}`, { cause, faults: cause.faults })
  }
}

interface Unit {
  readonly operations: [Operation, ...Operation[]]
  /** Whether some policy of these operations differs. */
  readonly changed: boolean
}

/** Operations that have the same policies in both sets, the same arguments as far as these look, and that no condition tells apart. */
function unitsOf(sides: readonly [Side, Side]): readonly Unit[] {
  const units = new Map<string, Unit>()
  for (const operation of sides[0].compiled.operations) {
    const slices = sides.map(({ compiled }) => compiled.sliceOf.get(operation.id))
    const [old, now] = slices.map((slice) => (slice?.policies ?? []).map(fingerprint).join('\n'))
    const named = slices.some((slice) => slice?.policies.some(({ reads }) => reads.action))
    const { connector, businessKey, inputSchema } = operation
    const key = JSON.stringify([slices.map((slice) => slice?.id), connector, businessKey ?? null, named ? operation.id : '', inputSchema])
    const unit = units.get(key)
    if (unit) unit.operations.push(operation)
    else units.set(key, { operations: [operation], changed: old !== now })
  }
  return [...units.values()]
}

const fingerprint = ({ id, hash, connector }: LoadedPolicy): string => `${id} ${hash} ${connector}`

function textChanges(before: Compiled, after: Compiled): PolicyDiff['policies'] {
  const ids = (policies: readonly LoadedPolicy[]): string[] => policies.map(({ id }) => id)
  return {
    added: ids(after.policies.filter(({ id }) => !before.byId.has(id))),
    removed: ids(before.policies.filter(({ id }) => !after.byId.has(id))),
    changed: ids(after.policies.filter((policy) => before.byId.has(policy.id) && before.byId.get(policy.id)?.hash !== policy.hash)),
  }
}

const RANK: Readonly<Record<Change, number>> = { 'newly-allowed': 0, 'newly-held': 1, 'held-otherwise': 2, 'newly-denied': 3 }

const byWeight = (a: DecisionChange, b: DecisionChange): number =>
  RANK[a.change] - RANK[b.change] || Number(b.example.registered) - Number(a.example.registered)

/** A change that an agent alone meets already is told once, not again for every kind of person that it can act for. */
function withoutVariants(changes: readonly DecisionChange[]): DecisionChange[] {
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
function joined(changes: readonly DecisionChange[]): DecisionChange[] {
  const byKey = new Map<string, DecisionChange>()
  for (const change of changes) {
    const key = JSON.stringify([change.before, change.after, change.example.registered])
    const known = byKey.get(key)
    const both = known && { operations: [...known.operations, ...change.operations], requests: known.requests + change.requests }
    byKey.set(key, known ? { ...known, ...both } : change)
  }
  return [...byKey.values()]
}

/** Undefined where both say the same to agent and people. */
export function changeOf(before: Said, after: Said): Change | undefined {
  if (before.effect === after.effect) {
    return before.effect === 'hold' && before.approvals.join() !== after.approvals.join() ? 'held-otherwise' : undefined
  }
  return after.effect === 'permit' ? 'newly-allowed' : after.effect === 'hold' ? 'newly-held' : 'newly-denied'
}

export function saidBy(verdict: Verdict): Said {
  const approvals = verdict.effect === 'hold' ? [...new Set(verdict.holds.map(({ approval }) => approval))].sort() : []
  return { effect: verdict.effect, ...(verdict.effect === 'deny' ? { reason: verdict.reason } : {}), approvals, policies: verdict.policies }
}

interface Seen {
  readonly key: string
  readonly change: Change
  readonly before: Said
  readonly after: Said
}

class Work {
  asked = 0
  combinations = 0
  complete = true
  readonly unasked: { operation: string; why: string }[] = []
  readonly #sides: readonly [Side, Side]
  readonly #agents: readonly Agent[]
  readonly #base: Instant
  #units = 0

  constructor(sides: readonly [Side, Side], agents: readonly Agent[], base: Instant) {
    this.#sides = sides
    this.#agents = agents
    this.#base = base
  }

  compare(operations: readonly [Operation, ...Operation[]]): DecisionChange[] {
    const [operation] = operations
    this.#units += 1
    if (this.#units > LIMITS.diffUnitsMax) return this.#leave(operations, `more than ${LIMITS.diffUnitsMax} kinds of operations differ`)
    const rules = this.#sides.map((side) => rulesOf(side, operation))
    const space = this.#space(operation, rules)
    const asked = this.#sides.map((side, i) => ({
      engine: side.engine,
      plan: new Plan(operation, side.compiled.sliceOf.get(operation.id)?.policies ?? [], 'diff', side.around),
      atoms: atomsOf(rules[i] ?? []),
    }))
    const tables = tabulate(space, asked, `diff:${operation.id}`)
    if (tables.groups.some(({ classes }) => classes.length === 0))
      return this.#leave(operations, 'no request could be made up that fits its schema')
    const search = new DecisionSearch(space, tables, searched(rules))
    const found = search.find()
    this.combinations += found.combinations
    this.complete &&= found.complete
    const few = found.combinations <= LIMITS.diffSampledQuestionsMax
    const more = found.complete ? LIMITS.diffSampledQuestionsMax : LIMITS.diffQuestionsPerOperationMax
    const seen = this.#askAll(space, [
      [found.suspects, LIMITS.diffQuestionsPerOperationMax],
      [few ? search.all() : search.around(), more],
    ])
    const looked = new Set(
      rules
        .flatMap((own, i) => own.filter((rule) => searched(rules)[i]?.differs(rule)))
        .flatMap((rule) => atomsOf([rule]))
        .flatMap((atom) => space.reached(atom, 'agent')),
    )
    return withoutVariants(
      [...seen.values()].map(({ one, assignment, requests }) => this.#described(operations, space, looked, one, assignment, requests)),
    )
  }

  #leave(operations: readonly Operation[], why: string): [] {
    this.unasked.push(...operations.map(({ id }) => ({ operation: id, why })))
    return []
  }

  #space(operation: Operation, rules: readonly (readonly Rule[])[]): RequestSpace {
    const policies = rules.flat().map(({ policy }) => policy)
    const reads = mergeReads(policies.map((policy) => policy.reads))
    const atoms = atomsOf(rules.flat())
    const known = { reads, atoms, people: this.#sides[1].source.people }
    const agents = agentCandidates(this.#agents, known)
    const shape = cutShape(contextShape(operation), reads.context)
    if (shape.kind !== 'record') throw new Error('unreachable: a context is a record')
    return new RequestSpace({ operation, atoms, shape, agents, subjects: subjectCandidates(agents, known), base: this.#base })
  }

  #askAll(space: RequestSpace, batches: readonly (readonly [Iterable<Assignment>, number])[]) {
    const asked = new Set<string>()
    const seen = new Map<string, { one: Seen; assignment: Assignment; requests: number }>()
    for (const [assignments, most] of batches) {
      let left = most
      for (const assignment of assignments) {
        if (left-- <= 0) break
        const name = assignment.join()
        if (asked.has(name)) continue
        asked.add(name)
        const one = this.#ask(space.question(assignment))
        if (!one) continue
        const known = seen.get(one.key)
        if (known) known.requests += 1
        else seen.set(one.key, { one, assignment, requests: 1 })
      }
    }
    return seen
  }

  /** Asks both sets; undefined where they say the same. */
  #ask(question: Question): Seen | undefined {
    this.asked += 1
    const [before, after] = this.#sides.map(({ decider }) => saidBy(decider.decide(question).verdict))
    const change = before && after && changeOf(before, after)
    return change && { key: JSON.stringify([before, after]), change, before, after }
  }

  #described(
    operations: readonly Operation[],
    space: RequestSpace,
    looked: ReadonlySet<number>,
    { key, change, before, after }: Seen,
    first: Assignment,
    requests: number,
  ): DecisionChange {
    const assignment = this.#shrunk(space, key, first)
    const { agent, subject, values } = space.described(assignment)
    const question = space.question(assignment)
    const { name, owner, team, region, roles, clearance, autonomy } = agent.who
    const because = values.filter(({ dimension, plain }) => looked.has(dimension) || !plain)
    const example: ExampleRequest = {
      agent: { name, owner, team, region, roles, clearance, autonomy },
      subject: subject ? { name: subject.who.name, groups: subject.who.groups, region: subject.who.region ?? null } : null,
      registered: agent.registered && (subject?.registered ?? true),
      operation: operations[0]?.id ?? '',
      input: question.input,
      context: Object.fromEntries(because.filter((one) => !one.name.startsWith('input')).map(({ name, value }) => [name, value])),
    }
    return {
      change,
      operations: operations.map(({ id }) => id),
      before,
      after,
      example,
      because: Object.fromEntries(because.map(({ name, value }) => [name, value])),
      requests,
    }
  }

  /** As many plain values as possible, as long as both sets say the same. */
  #shrunk(space: RequestSpace, key: string, first: Assignment): Assignment {
    let best = first
    for (let dimension = 0; dimension < first.length; dimension++) {
      for (let value = 0; value < (best[dimension] ?? 0); value++) {
        const plainer = best.with(dimension, value)
        if (this.#ask(space.question(plainer))?.key !== key) continue
        best = plainer
        break
      }
    }
    return best
  }
}

function rulesOf({ compiled }: Side, operation: Operation): readonly Rule[] {
  return (compiled.sliceOf.get(operation.id)?.policies ?? []).map(ruleOf)
}

function searched([before = [], after = []]: readonly (readonly Rule[])[]): readonly [SearchedSide, SearchedSide] {
  const side = (own: readonly Rule[], other: readonly Rule[]): SearchedSide => {
    const same = new Set(other.map(({ policy }) => fingerprint(policy)))
    return { rules: own, differs: ({ policy }) => !same.has(fingerprint(policy)) }
  }
  return [side(before, after), side(after, before)]
}
