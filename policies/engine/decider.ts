import { LRUCache } from 'lru-cache'
import type { Decision, Verdict } from '../../gateway/core/decision.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import { type FactNeeds, NO_NEEDS } from '../../gateway/core/facts.ts'
import type { OperationId } from '../../gateway/core/ids.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { Person, Principal } from '../../gateway/core/principal.ts'
import { reservedKeys } from '../../gateway/core/reserved-keys.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { Decider, Explanation, NearMiss, PolicyText, Question } from '../../gateway/ports/decider.ts'
import type { PolicySource } from '../../gateway/ports/policy-source.ts'
import { CedarEngine, type EngineFault, engineVersion } from './cedar.ts'
import { type Compiled, compilePolicies, wholeText } from './compile.ts'
import { CannotEncode } from './encode.ts'
import { readsOf } from './expression.ts'
import { type LoadedPolicy, policyText } from './load-policies.ts'
import { NearMisses } from './near-misses.ts'
import { checkCounted, Needs } from './needs.ts'
import { ask, type EntityUid, Plan, type PlannedRequest, reaches, type Surroundings } from './plan.ts'
import { Reductions } from './reduction.ts'
import { ReadableClasses } from './readable-classes.ts'
import type { Slice } from './slice.ts'
import { policyError, stricter, verdictOf } from './verdict.ts'
import { Visibility } from './visibility.ts'

export interface DeciderOptions {
  /** Called when the policy engine broke down under a question and was replaced; the question itself was denied. For log and alarm. */
  onFault?: EngineFault
  /** A policy set that the workshop found to hold: where the texts come to exactly that, they are not validated once more. */
  checked?: string
}

/**
 * Compiles policies into a decider. Throws CONFIG_INVALID with every fault, each with `path:line:column`, its cause and a remedy.
 * The decider owns its engine: building another leaves it working, and dropping it gives all of its memory back.
 */
export function createDecider(source: PolicySource, options: DeciderOptions = {}): Decider {
  const engine = new CedarEngine(options.onFault)
  try {
    return new CedarDecider(source, engine, compilePolicies(source, engine, options.checked))
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause
    const message = 'the policy engine broke down while it read the policies: make the largest one simpler'
    throw new GatewayError('CONFIG_INVALID', message, { cause, faults: [{ pointer: 'policies', message }] })
  }
}

/** A decider over policies that were compiled already, in the engine that they were compiled in. */
export const deciderOf = (source: PolicySource, engine: CedarEngine, compiled: Compiled): Decider =>
  new CedarDecider(source, engine, compiled)

/** One operation's questions: to the policies in force and, where there are any, to the shadows. */
interface Route {
  slice: Slice
  main: Plan
  shadow: Plan | undefined
  /** Whether the permits could allow, whatever history and lookups say; made when it is first asked for. */
  possible?: { plan: Plan; policies: Record<string, string | JsonObject> }
}

/** The answer to a request, with the request as it was put. */
interface Remembered {
  verdict: Verdict
  asked: JsonObject
}

const allOf = (slice: Slice): string => `${slice.id}:all`
const permitsOf = (slice: Slice): string => `${slice.id}:permits`
const partsOf = (slice: Slice): string => `${slice.id}:parts`
const shadowsOf = (slice: Slice): string => `${slice.id}:shadows`
const possibleOf = (slice: Slice): string => `${slice.id}:possible`

const texts = (policies: readonly LoadedPolicy[]): Record<string, string> => Object.fromEntries(policies.map(({ id, text }) => [id, text]))

class CedarDecider implements Decider {
  readonly policySet: string
  readonly readsLabels: boolean
  readonly #engine: CedarEngine
  readonly #engineVersion: string
  readonly #compiled: Compiled
  readonly #routes = new Map<string, Route>()
  readonly #operations: PolicySource['catalogue']['operations']
  readonly #around: Surroundings
  readonly #visibility: Visibility
  readonly #needs: Needs
  readonly #classes: ReadableClasses
  readonly #reductions: Reductions
  readonly #answers = new LRUCache<string, Verdict>({ max: LIMITS.decisionMemoEntriesMax, maxSize: LIMITS.decisionMemoCharsMax })
  readonly #memo = new LRUCache<string, Remembered>({ max: LIMITS.decisionMemoEntriesMax, maxSize: LIMITS.decisionMemoCharsMax })

  constructor(source: PolicySource, engine: CedarEngine, compiled: Compiled) {
    this.#engine = engine
    this.#engineVersion = engineVersion(engine)
    this.#compiled = compiled
    this.#operations = source.catalogue.operations
    this.policySet = compiled.policySet
    this.readsLabels = compiled.ruling.some(({ reads }) => reaches(reads.context, 'labels'))
    this.#around = {
      connectors: new Map(source.catalogue.connectors.map((connector) => [connector.name, connector])),
      people: new Map(source.people.map((person) => [person.name, person])),
      facts: compiled.facts,
    }
    this.#reductions = new Reductions(engine)
    this.#needs = new Needs(compiled)
    this.#classes = new ReadableClasses(compiled.classPolicies, engine, this.#around)
    this.#visibility = new Visibility(compiled, engine, this.#around)
    this.#warmUp()
  }

  /**
   * Preparses for the first operations, and asks one of them a few nonsense questions, since the engine's own code is compiled when it first
   * runs. The rest is made when it is first asked for: about a millisecond an operation.
   */
  #warmUp(): void {
    const first = this.#compiled.operations.slice(0, LIMITS.policyRoutesWarmMax)
    const routes = first.flatMap(({ id }) => this.#route(id) ?? [])
    for (const route of routes) this.#verdict(route, route.main.sample())
    const [route] = routes
    if (!route) return
    const request = route.main.sample()
    for (let i = 0; i < LIMITS.policyWarmQuestionsMax; i++)
      for (const principal of request.principals) this.#whole(route, request, principal)
  }

  decide(question: Question): Decision {
    const route = this.#route(question.operation.id)
    if (!route || route.main.operation.version !== question.operation.version)
      return this.#unasked(question, 'the operation is not the one that the policies were checked against')
    const reserved = reservedKeys(question.input)
    if (reserved.length > 0)
      return this.#unasked(
        question,
        `reserved key at ${reserved
          .slice(0, 10)
          .map((pointer) => `\`${pointer}\``)
          .join(', ')}`,
      )
    try {
      checkCounted(this.needs(question.operation.id).counted, question.operation.id, question.input)
      return this.#decided(route, question)
    } catch (error) {
      if (error instanceof CannotEncode) return this.#unasked(question, error.message, error.advice)
      return this.#unasked(question, 'the policy engine broke down under this question')
    }
  }

  visible(principal: Principal, person?: Person): ReadonlySet<OperationId> {
    return this.#visibility.visible(principal, person)
  }

  needs(id: OperationId): FactNeeds {
    const operation = this.#operations.get(id)
    return operation ? this.#needs.of(operation) : NO_NEEDS
  }

  couldAllow(question: Question): boolean {
    const route = this.#route(question.operation.id)
    if (!route || reservedKeys(question.input).length > 0) return false
    try {
      const { plan, policies } = this.#possible(route)
      const set = possibleOf(route.slice)
      const request = plan.request(question)
      const schema = plan.prepare(this.#engine)
      this.#engine.ensurePolicySet(set, () => policies)
      return request.principals.every((principal) => {
        const { allow, refused } = ask(this.#engine, set, schema, request, principal)
        return allow || refused
      })
    } catch {
      return true
    }
  }

  readableClasses(principal: Principal, person: Person | undefined, id: OperationId): ReadonlySet<string> {
    const operation = this.#operations.get(id)
    return operation ? this.#classes.of(principal, person, operation) : new Set()
  }

  wholeText(): string {
    return wholeText(this.#compiled)
  }

  policies(): readonly PolicyText[] {
    return this.#compiled.policies.map(policyText)
  }

  explain(question: Question): Explanation {
    const decision = this.decide(question)
    const { verdict } = decision
    const determining = verdict.policies.flatMap((id) => this.#compiled.byId.get(id) ?? []).map(policyText)
    const unpermitted = verdict.effect === 'deny' && verdict.reason === 'no_permit'
    const nearMisses = unpermitted ? this.nearMisses(question.operation.id, decision.evidence.request) : []
    return { decision, determining, nearMisses, ...(verdict.effect === 'deny' && { reason: verdict.reason }) }
  }

  nearMisses(operation: OperationId, request: JsonObject): readonly NearMiss[] {
    const route = this.#route(operation)
    if (!route || !Array.isArray(request.principals)) return []
    const { slice } = route
    const permits = slice.policies.filter(({ effect }) => effect === 'permit')
    const asked = request as unknown as PlannedRequest
    try {
      const schema = this.#prepare(route)
      const wanting = asked.principals.filter((principal) => !ask(this.#engine, permitsOf(slice), schema, asked, principal).allow)
      return new NearMisses(this.#engine, partsOf(slice), permits).of(schema, { ...asked, principals: wanting })
    } catch {
      return []
    }
  }

  /** An answer depends on the request alone, so equal requests share one; shadows have a request and a memory of their own. */
  #decided(route: Route, question: Question): Decision {
    const request = route.main.request(question)
    const { verdict, asked } = this.#remembered(request, () => {
      const verdict = this.#verdict(route, request)
      return { verdict, asked: request as unknown as JsonObject }
    })
    return { verdict, evidence: this.#evidence(asked, this.#shadows(route, question)) }
  }

  #remembered(request: PlannedRequest, decide: () => Remembered, kind = ''): Remembered {
    const key = kind + JSON.stringify(request)
    const known = this.#memo.get(key)
    if (known) return known
    const made = frozen(decide())
    this.#memo.set(key, made, { size: 2 * key.length + 1 })
    return made
  }

  #verdict(route: Route, request: PlannedRequest): Verdict {
    return request.principals.map((principal) => this.#verdictFor(route, request, principal)).reduce(stricter)
  }

  /** Questions that differ in nothing that the policies in scope look at share one answer, whoever asks. */
  #verdictFor(route: Route, request: PlannedRequest, principal: EntityUid): Verdict {
    const reduced = this.#reductions.reduced(route.main, route.slice.policies, request, principal)
    if (!reduced) return this.#whole(route, request, principal)
    const { key } = reduced
    const known = this.#answers.get(key)
    if (known) return known
    const verdict = frozen(verdictOf(reduced.all(), reduced.permitsAlone, this.#compiled.byId))
    this.#answers.set(key, verdict, { size: 2 * key.length + 1 })
    return verdict
  }

  #whole(route: Route, request: PlannedRequest, principal: EntityUid): Verdict {
    const schema = this.#prepare(route)
    return verdictOf(
      ask(this.#engine, allOf(route.slice), schema, request, principal),
      () => ask(this.#engine, permitsOf(route.slice), schema, request, principal),
      this.#compiled.byId,
    )
  }

  /** The shadows that would have refused: they matched, failed, or look at a value that policy cannot hold. */
  #shadows({ shadow, slice }: Route, question: Question): readonly string[] {
    if (!shadow) return []
    try {
      const request = shadow.request(question)
      return this.#remembered(request, () => ({ verdict: this.#shadowVerdict(slice, shadow, request), asked: {} }), 'shadow').verdict
        .policies
    } catch {
      return slice.shadows.map(({ id }) => id)
    }
  }

  #shadowVerdict(slice: Slice, shadow: Plan, request: PlannedRequest): Verdict {
    const answers = request.principals.map((principal) => {
      const reduced = this.#reductions.reduced(shadow, slice.shadows, request, principal)
      if (reduced) return reduced.all()
      this.#engine.ensurePolicySet(shadowsOf(slice), () => texts(slice.shadows))
      return ask(this.#engine, shadowsOf(slice), shadow.prepare(this.#engine), request, principal)
    })
    const refused = answers.some((answer) => answer.refused) ? slice.shadows.map(({ id }) => id) : []
    const policies = [...new Set([...refused, ...answers.flatMap(({ reason, failed }) => [...reason, ...failed])])].sort()
    return { effect: 'deny', policies, reason: 'forbidden' }
  }

  #evidence(request: JsonObject, shadow: readonly string[]): Decision['evidence'] {
    return { policySet: this.policySet, engine: this.#engineVersion, request, shadow }
  }

  /** A denial without a question to the engine; nothing that could not be encoded stands in the evidence. */
  #unasked({ operation, principal }: Question, error: string, advice?: string): Decision {
    // Names of properties are the agent's: what has no canonical form could not be recorded.
    const notAsked = error.toWellFormed()
    const asked: JsonObject = { agent: principal.agent.name, operation: operation.id, notAsked }
    return frozen({ verdict: policyError(notAsked, advice?.toWellFormed()), evidence: this.#evidence(asked, []) })
  }

  #route(id: OperationId): Route | undefined {
    const known = this.#routes.get(id)
    if (known) return known
    const slice = this.#compiled.sliceOf.get(id)
    const operation = this.#operations.get(id)
    if (!slice || !operation) return undefined
    const shadow = slice.shadows.length === 0 ? undefined : new Plan(operation, slice.shadows, 'shadow', this.#around)
    const route: Route = { slice, main: new Plan(operation, slice.policies, 'main', this.#around), shadow }
    this.#routes.set(id, route)
    return route
  }

  #possible(route: Route): { plan: Plan; policies: Record<string, string | JsonObject> } {
    if (route.possible) return route.possible
    const whole = route.slice.policies.filter(({ effect }) => effect === 'permit')
    const permits = whole.map(withoutUngathered)
    // A text may be deeper than the engine takes Cedar's JSON format.
    const policies = Object.fromEntries(permits.map((permit, i) => [permit.id, permit === whole[i] ? permit.text : permit.json]))
    route.possible = { plan: new Plan(route.main.operation, permits, 'possible', this.#around), policies }
    return route.possible
  }

  /** Preparses what a route's questions need, where that has not happened yet. Returns the name of their schema. */
  #prepare({ slice, main }: Route): string {
    this.#engine.ensurePolicySet(allOf(slice), () => texts(slice.policies))
    this.#engine.ensurePolicySet(permitsOf(slice), () => texts(slice.policies.filter(({ effect }) => effect === 'permit')))
    return main.prepare(this.#engine)
  }
}

/** A permit that looks at what is not gathered yet keeps its scope alone: it allows at least all that it allowed. */
function withoutUngathered(permit: LoadedPolicy): LoadedPolicy {
  const { whole, children } = permit.reads.context
  if (!whole && !children.has('history') && !children.has('lookup')) return permit
  const json = { ...permit.json, conditions: [] }
  return { ...permit, json, reads: readsOf(json) }
}

/** Frozen through and through, since a decision is shared by all equal questions. */
function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    Object.values(value).forEach(frozen)
  }
  return value
}
