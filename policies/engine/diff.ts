import type { DecisionChange, ExampleRequest, PolicyDiff } from '../../gateway/ports/policy-drafts.ts'
import { instant, type Instant } from '../../gateway/core/clock.ts'
import { type Change, changeOf, type Said, saidBy } from '../../gateway/core/decision-change.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import type { Operation } from '../../gateway/core/operation.ts'
import type { Agent } from '../../gateway/core/principal.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { Decider, Question } from '../../gateway/ports/decider.ts'
import type { PolicySource } from '../../gateway/ports/policy-source.ts'
import { CedarEngine } from './cedar.ts'
import { contextShape, cutRecord } from './cedar-schema.ts'
import { type Compiled, compilePolicies, factsJson } from './compile.ts'
import { atomsOf, type Rule, ruleOf } from './atoms.ts'
import { DecisionSearch, type SearchedSide } from './decision-search.ts'
import { byWeight, joined, withoutVariants } from './diff-changes.ts'
import { diffClasses } from './diff-classes.ts'
import { deciderOf } from './decider.ts'
import { mergeReads } from './expression.ts'
import type { RecordShape } from './input-shape.ts'
import type { LoadedPolicy } from './load-policies.ts'
import { OneSidedConditions } from './one-sided-conditions.ts'
import { Plan, type Surroundings } from './plan.ts'
import { agentCandidates, subjectCandidates } from './principal-candidates.ts'
import { type Assignment, RequestSpace } from './request-space.ts'
import { tabulate } from './truth-tables.ts'

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
  const facts = factChanges(sides[0].compiled, sides[1].compiled)
  const derived = new Set(facts.filter((fact) => fact.startsWith('derived.')).map((fact) => fact.slice('derived.'.length)))
  const units = unitsOf(sides, derived)
  const work = new Work(sides, agents, base, derived)
  const changes: DecisionChange[] = []
  let unchanged = 0
  for (const { operations, changed } of units) {
    if (!changed) unchanged += operations.length
    else changes.push(...work.compare(operations))
  }
  const classes = diffClasses(sides, agents, after.people)
  return {
    before: sides[0].compiled.policySet,
    after: sides[1].compiled.policySet,
    policies: textChanges(sides[0].compiled, sides[1].compiled),
    facts,
    changes: joined(changes).sort(byWeight),
    classes: classes.changes,
    asked: work.asked + classes.asked,
    combinations: work.combinations + classes.asked,
    complete: work.complete && classes.complete,
    oneSided: work.oneSided.result(sides[1].engine),
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
      facts: compiled.facts,
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
function unitsOf(sides: readonly [Side, Side], derived: ReadonlySet<string>): readonly Unit[] {
  const units = new Map<string, Unit>()
  for (const operation of sides[0].compiled.operations) {
    const slices = sides.map(({ compiled }) => compiled.sliceOf.get(operation.id))
    const [old, now] = slices.map((slice) => (slice?.policies ?? []).map(fingerprint).join('\n'))
    const named = slices.some((slice) => slice?.policies.some(({ reads }) => reads.action))
    const { connector, businessKey, inputSchema } = operation
    const counted = sides.map(({ compiled }) =>
      [...compiled.facts.of(operation).history.values()].flatMap(({ fact }) => (fact.of.has(operation.id) ? [fact.name] : [])),
    )
    const own = named ? operation.id : ''
    const key = JSON.stringify([slices.map((slice) => slice?.id), connector, businessKey ?? null, own, counted, inputSchema])
    const unit = units.get(key)
    if (unit) unit.operations.push(operation)
    else {
      const recomputed = slices.some((slice) => slice?.policies.some((policy) => looksAtDerived(policy, derived)))
      units.set(key, { operations: [operation], changed: old !== now || recomputed })
    }
  }
  return [...units.values()]
}

/** Whether a policy looks at one of these derived facts. */
function looksAtDerived({ reads: { context } }: LoadedPolicy, names: ReadonlySet<string>): boolean {
  const tree = context.children.get('derived')
  return names.size > 0 && (context.whole || tree?.whole === true || [...names].some((name) => tree?.children.has(name)))
}

function factChanges(before: Compiled, after: Compiled): string[] {
  const [old, now] = [before, after].map(({ facts }) => factsJson(facts))
  return (['history', 'derived', 'lookup'] as const).flatMap((section) => {
    const [one, other] = [old?.[section] ?? {}, now?.[section] ?? {}]
    const names = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort()
    return names.filter((name) => JSON.stringify(one[name]) !== JSON.stringify(other[name])).map((name) => `${section}.${name}`)
  })
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
  readonly oneSided = new OneSidedConditions()
  readonly #sides: readonly [Side, Side]
  readonly #agents: readonly Agent[]
  readonly #base: Instant
  readonly #derived: ReadonlySet<string>
  readonly #began = performance.now()
  #units = 0

  constructor(sides: readonly [Side, Side], agents: readonly Agent[], base: Instant, derived: ReadonlySet<string>) {
    this.#derived = derived
    this.#sides = sides
    this.#agents = agents
    this.#base = base
  }

  compare(operations: readonly [Operation, ...Operation[]]): DecisionChange[] {
    const [operation] = operations
    this.#units += 1
    if (performance.now() - this.#began > LIMITS.diffMsMax) return this.#leave(operations, 'the time for a comparison was up')
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
    const compared = searched(rules, this.#derived)
    const search = new DecisionSearch(space, tables, compared)
    const found = search.find()
    this.combinations += found.combinations
    this.complete &&= found.complete && !space.cut
    const few = found.combinations <= LIMITS.diffSampledQuestionsMax
    const more = found.complete ? LIMITS.diffSampledQuestionsMax : LIMITS.diffQuestionsPerOperationMax
    const seen = this.#askAll(space, [
      [found.suspects, LIMITS.diffQuestionsPerOperationMax],
      [few ? search.all() : search.around(), more],
    ])
    const changedRules = compared.map((side) => side.rules.filter((rule) => side.differs(rule)))
    for (const [side, own] of changedRules.entries()) this.oneSided.add(space, tables, side, own)
    const differing = changedRules.flat()
    const looked = new Set(atomsOf(differing).flatMap((atom) => space.reached(atom, 'agent')))
    return withoutVariants(
      [...seen.values()].map(({ one, assignment, requests }) => this.#described(operations, space, looked, one, assignment, requests)),
    )
  }

  #leave(operations: readonly Operation[], why: string): [] {
    this.complete = false
    this.unasked.push(...operations.map(({ id }) => ({ operation: id, why })))
    return []
  }

  #space(operation: Operation, rules: readonly (readonly Rule[])[]): RequestSpace {
    const policies = rules.flat().map(({ policy }) => policy)
    const reads = mergeReads(policies.map((policy) => policy.reads))
    const atoms = atomsOf(rules.flat())
    const known = { reads, atoms, people: this.#sides[1].source.people }
    const agents = agentCandidates(this.#agents, known)
    const facts = this.#sides.map(({ compiled }) => compiled.facts.of(operation))
    const full = jointShape(facts.map((own) => contextShape(operation, own)))
    const subjects = subjectCandidates(agents, known)
    return new RequestSpace({ operation, atoms, shape: cutRecord(full, reads.context), full, facts, agents, subjects, base: this.#base })
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
  #ask(question: Question | undefined): Seen | undefined {
    if (!question) return undefined
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
    if (!question) throw new Error('unreachable: what was asked is a question')
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
      for (let value = 0; value < Math.min(best[dimension] ?? 0, LIMITS.diffShrinkTriesMax); value++) {
        const plainer = best.with(dimension, value)
        if (this.#ask(space.question(plainer))?.key !== key) continue
        best = plainer
        break
      }
    }
    return best
  }
}

/** A context with the facts of both sets; of two facts with one name, the newer. */
function jointShape([before, after]: readonly RecordShape[]): RecordShape {
  const fields = new Map([...(before?.fields ?? []), ...(after?.fields ?? [])])
  for (const name of ['history', 'lookup', 'derived']) {
    const both = [before, after].flatMap((one) => {
      const shape = one?.fields.get(name)?.shape
      return shape?.kind === 'record' ? [...shape.fields] : []
    })
    if (both.length > 0) fields.set(name, { shape: { kind: 'record', fields: new Map(both) }, required: true })
  }
  return { kind: 'record', fields }
}

function rulesOf({ compiled }: Side, operation: Operation): readonly Rule[] {
  return (compiled.sliceOf.get(operation.id)?.policies ?? []).map(ruleOf)
}

function searched(
  [before = [], after = []]: readonly (readonly Rule[])[],
  derived: ReadonlySet<string>,
): readonly [SearchedSide, SearchedSide] {
  const side = (own: readonly Rule[], other: readonly Rule[]): SearchedSide => {
    const same = new Set(other.map(({ policy }) => fingerprint(policy)))
    return { rules: own, differs: ({ policy }) => !same.has(fingerprint(policy)) || looksAtDerived(policy, derived) }
  }
  return [side(before, after), side(after, before)]
}
