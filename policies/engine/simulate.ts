import { saidBy } from '../../gateway/core/decision-change.ts'
import { type Facts, type HistoryFact, type LookupFact, NO_FACTS } from '../../gateway/core/facts.ts'
import type { OperationId } from '../../gateway/core/ids.ts'
import { atPointer, canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { type Operation, resourceOf } from '../../gateway/core/operation.ts'
import { instant } from '../../gateway/core/clock.ts'
import type { Decider, Question } from '../../gateway/ports/decider.ts'
import type { PolicySource } from '../../gateway/ports/policy-source.ts'
import type { PolicySetTexts } from '../../gateway/ports/policy-sets.ts'
import type { RecordedCall, Redecided } from '../../gateway/ports/simulator.ts'
import { CedarEngine } from './cedar.ts'
import { createDecider } from './decider.ts'
import { type DeclaredFacts, factsFilesOf, loadFacts, type OperationFacts } from './facts-file.ts'
import { loadPolicies } from './load-policies.ts'
import { canApply } from './slice.ts'

/** Operations whose policies look at findings. Throws CONFIG_INVALID. */
export function readingFindings(source: PolicySource): ReadonlySet<OperationId> {
  const decider = createDecider(source)
  return new Set([...source.catalogue.operations.values()].filter((one) => decider.needs(one.id).findings).map(({ id }) => id))
}

/** What is recorded of a fact, or why nothing is. */
type Known<T> = { value: T } | { why: string }

export interface SimulateOptions {
  readonly source: PolicySource
  readonly against: PolicySource | null
  readonly calls: readonly RecordedCall[]
  readonly sets: ReadonlyMap<string, PolicySetTexts>
}

/**
 * Decides recorded calls again. A fact is taken from the record only where it was declared then as it is now; one that was not gathered then is never
 * guessed: the call is undecided. Throws CONFIG_INVALID where the policies are faulty.
 */
export function redecide({ source, against, calls, sets }: SimulateOptions): Redecided[] {
  const draft = createDecider(source)
  const other = against && createDecider(against)
  const past = new PastSets(sets, source)
  return calls.map((call): Redecided => {
    const operation = source.catalogue.operations.get(call.operation)
    if (!operation) return { kind: 'undecided', why: `the operation \`${call.operation}\` is no longer there` }
    if (operation.version !== call.operationVersion)
      return { kind: 'undecided', why: `the operation \`${call.operation}\` has changed since` }
    const after = decideAgain(draft, call, operation, past)
    if ('why' in after) return { kind: 'undecided', why: after.why }
    const before = other ? decideAgain(other, call, operation, past) : { value: call.said }
    return 'why' in before ? { kind: 'undecided', why: before.why } : { kind: 'decided', before: before.value, after: after.value }
  })
}

function decideAgain(decider: Decider, call: RecordedCall, operation: Operation, past: PastSets): Known<RecordedCall['said']> {
  const { agent } = call
  if (!agent) return { why: 'the agent is not registered any more' }
  const missing: string[] = []
  const facts = factsOf(decider, call, operation, past, missing)
  const resourceKey = resourceOf(operation, call.input, atPointer)
  const { now } = call.context
  const question: Question = {
    operation,
    principal: {
      agent,
      ...(call.subject === null ? {} : { subject: call.subject }),
      actors: [agent.name],
      issuer: 'simulation',
      tokenExpiresAtMs: 0,
    },
    ...(call.person ? { person: call.person } : {}),
    ...(resourceKey === undefined ? {} : { resourceKey }),
    input: call.input,
    now: typeof now === 'string' ? instant(Date.parse(now)) : call.at,
    door: call.door,
    ...call.asserted,
    facts,
  }
  const { verdict, evidence } = decider.decide(question)
  const [first] = missing
  // Only a question that could not be put misses something: shadows look at facts, too.
  if (first === undefined || evidence.request.notAsked === undefined) return { value: saidBy(verdict) }
  if (decider.couldAllow(question)) return { why: first }
  return { value: { effect: 'deny', reason: 'no_permit', approvals: [], policies: [] } }
}

/** The recorded facts that a decider needs; `missing` gets a sentence for each that nobody knows. */
function factsOf(decider: Decider, call: RecordedCall, operation: Operation, past: PastSets, missing: string[]): Facts {
  const needs = decider.needs(operation.id)
  const history: [string, JsonValue][] = []
  const lookup: [string, JsonValue][] = []
  for (const fact of needs.history) {
    // What counts a subject's calls has no value where nobody is acted for: that is a denial, then and now.
    if (call.subject === null && fact.by.includes('subject')) continue
    const known = past.history(call, operation, fact)
    if ('why' in known) missing.push(known.why)
    else history.push([fact.name, known.value])
  }
  for (const fact of needs.lookups) {
    const known = past.lookup(call, operation, fact)
    if ('why' in known) missing.push(known.why)
    else if (known.value) lookup.push([fact.name, known.value])
  }
  const labels = textsOf(call.context.labels)
  const findings = textsOf(call.context.findings) ?? call.findings
  if (needs.labels && !labels) missing.push('`labels` were not gathered then')
  if (needs.findings && !findings) missing.push('`findings` were not gathered then')
  return {
    ...NO_FACTS,
    history: Object.fromEntries(history),
    lookup: Object.fromEntries(lookup),
    ...(labels ? { labels } : {}),
    ...(findings ? { findings } : {}),
  }
}

const textsOf = (value: JsonValue | undefined): string[] | undefined =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string').sort() : undefined

const recordOf = (value: JsonValue | undefined): JsonObject => (isJsonObject(value) ? value : {})

/** What the policy sets of the past declared and looked at. */
class PastSets {
  readonly #sets: ReadonlyMap<string, PolicySetTexts>
  readonly #source: PolicySource
  readonly #engine = new CedarEngine()
  readonly #declared = new Map<string, DeclaredFacts>()
  readonly #read = new Map<string, boolean>()

  constructor(sets: ReadonlyMap<string, PolicySetTexts>, source: PolicySource) {
    this.#sets = sets
    this.#source = source
  }

  history(call: RecordedCall, operation: Operation, fact: HistoryFact): Known<JsonValue> {
    const declared = this.#factsOf(call, operation)
    const recorded = recordOf(call.context.history)
    const gone = { why: `\`history.${fact.name}\` was not gathered then` }
    const same = [...(declared?.history.values() ?? [])].map((typed) => typed.fact).filter((one) => isSameHistory(one, fact))
    for (const { name, kind } of same) {
      const value = recorded[name]
      if (value !== undefined) return { value }
      // That there was none is recorded by its absence, where somebody looked.
      if (kind === 'last' && Object.keys(call.context).length > 0 && this.#looked(call, operation, name)) return { value: null }
    }
    return gone
  }

  /** Null where the lookup failed then: what fails is denied. */
  lookup({ lookups, ...call }: RecordedCall, operation: Operation, fact: LookupFact): Known<JsonObject | null> {
    const declared = this.#factsOf({ lookups, ...call }, operation)
    const same = [...(declared?.lookup.values() ?? [])].map((typed) => typed.fact).find((one) => isSameLookup(one, fact))
    const made = same && lookups.find((one) => one.fact === same.name)
    if (!made) return { why: `\`lookup.${fact.name}\` was not gathered then` }
    return { value: made.fields }
  }

  #factsOf({ policySet }: RecordedCall, operation: Operation): OperationFacts | undefined {
    const texts = this.#sets.get(policySet)
    if (!texts) return undefined
    const known = this.#declared.get(policySet)
    if (known) return known.of(operation)
    const { facts } = loadFacts(
      factsFilesOf({ files: texts.files, ...(texts.facts ? { facts: texts.facts } : {}) }),
      this.#source.catalogue,
    )
    this.#declared.set(policySet, facts)
    return facts.of(operation)
  }

  /** Whether some policy of then, of those that applied to the operation, looked at this history fact. */
  #looked({ policySet }: RecordedCall, operation: Operation, name: string): boolean {
    const key = JSON.stringify([policySet, operation.id, name])
    const known = this.#read.get(key)
    if (known !== undefined) return known
    const files = (this.#sets.get(policySet)?.files ?? []).filter(
      ({ connector, text }) => (connector === null || connector === operation.connector) && text.includes(name),
    )
    const { policies } = loadPolicies({ ...this.#source, files }, this.#engine)
    const looked = policies.some((policy) => {
      const tree = policy.reads.context.children.get('history')
      return !policy.shadow && canApply(policy, operation) && (policy.reads.context.whole || tree?.whole || tree?.children.has(name))
    })
    this.#read.set(key, looked)
    return looked
  }
}

/** Counted alike, whatever it is called. */
const isSameHistory = (one: HistoryFact, other: HistoryFact): boolean =>
  one.series === other.series &&
  one.windowMs === other.windowMs &&
  one.inclusive === other.inclusive &&
  canonicalJson([...one.same]) === canonicalJson([...other.same])

/** Asked alike, with at least the fields that are wanted. */
const isSameLookup = (then: LookupFact, now: LookupFact): boolean =>
  then.operation === now.operation &&
  canonicalJson({ ...then.with }) === canonicalJson({ ...now.with }) &&
  now.fields.every((field) => then.fields.includes(field))
