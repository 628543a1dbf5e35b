import { createHash } from 'node:crypto'
import { type Fault, GatewayError } from '../../gateway/core/errors.ts'
import { canonicalJson, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { namespaceOf, type Operation } from '../../gateway/core/operation.ts'
import type { PolicySource } from '../../gateway/ports/policy-source.ts'
import type { Cedar, CedarEngine, CedarSchema } from './cedar.ts'
import { cedarSchema, contextShape, sortedOperations } from './cedar-schema.ts'
import { conditionsOf, headOf, parseCondition } from './conditions.ts'
import { chainsIn } from './expression.ts'
import { type DeclaredFacts, factsFilesOf, loadFacts } from './facts-file.ts'
import { classSchema, unknownClasses } from './class-policies.ts'
import { type LoadedPolicy, loadPolicies } from './load-policies.ts'
import { actionOf, canApply, type Slice, sliceOperations } from './slice.ts'
import { absentAttribute, validationMessage } from './validation-message.ts'

/** A policy set that holds: parsed, linted, validated against the operations, and cut into slices. */
export interface Compiled {
  readonly policySet: string
  readonly policies: readonly LoadedPolicy[]
  /** Those that decide calls: all but those about data classes. */
  readonly ruling: readonly LoadedPolicy[]
  readonly classPolicies: readonly LoadedPolicy[]
  readonly byId: ReadonlyMap<string, LoadedPolicy>
  readonly operations: readonly Operation[]
  readonly slices: readonly Slice[]
  readonly sliceOf: ReadonlyMap<string, Slice>
  readonly facts: DeclaredFacts
}

/** The Cedar schema of every operation: what policies are validated against. */
export const fullSchema = (operations: readonly Operation[], facts: DeclaredFacts): CedarSchema =>
  cedarSchema({ operations, context: (operation) => contextShape(operation, facts.of(operation)) })

/**
 * Throws CONFIG_INVALID with every fault, each at `path:line:column`. A set whose digest is `checked` was validated before, in another engine: that is not
 * done once more, since it is most of the work in a large organisation.
 */
export function compilePolicies(source: PolicySource, engine: CedarEngine, checked?: string): Compiled {
  const operations = sortedOperations(source.catalogue)
  const faults: Fault[] = businessTypeFaults(operations)
  const { policies, faults: loadFaults } = loadPolicies(source, engine)
  const { facts, faults: factFaults } = loadFacts(factsFilesOf(source), source.catalogue)
  faults.push(...loadFaults, ...factFaults)
  const ruling = policies.filter(({ classes }) => !classes)
  const classPolicies = policies.filter(({ classes }) => classes)
  const schema = fullSchema(operations, facts)
  const policySet = digestOf(policies, schema, facts)
  // A policy that reads a faulty fact would be called faulty itself.
  if (policySet !== checked && factFaults.length === 0 && !faults.some(({ pointer }) => pointer.startsWith('operations/')))
    faults.push(...validateAll(ruling, operations, schema, engine))
  faults.push(...validateClasses(classPolicies, operations, engine))
  if (faults.length > 0) {
    const [{ pointer, message } = { pointer: '', message: '' }] = faults
    const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : ''
    throw new GatewayError('CONFIG_INVALID', `faulty policies: ${pointer}: ${message}${more}`, { faults })
  }
  const { slices, of } = sliceOperations(ruling, operations)
  return {
    policySet,
    policies,
    ruling,
    classPolicies,
    byId: new Map(policies.map((p) => [p.id, p])),
    operations,
    slices,
    sliceOf: of,
    facts,
  }
}

/** Of all that a validation looks at: equal digests, equal outcomes. */
const digestOf = (policies: readonly LoadedPolicy[], schema: CedarSchema, facts: DeclaredFacts): string =>
  createHash('sha256')
    .update(digestedText(policies, schema, facts))
    .digest('hex')

function digestedText(policies: readonly LoadedPolicy[], schema: CedarSchema, facts: DeclaredFacts): string {
  const texts = policies.map(({ id, connector, text }): JsonValue => [id, connector, text])
  return canonicalJson([texts, schema as unknown as JsonValue, factsJson(facts)])
}

/** The text that a policy set is named after. It may be long, and is made anew each time. */
export const wholeText = ({ policies, operations, facts }: Pick<Compiled, 'policies' | 'operations' | 'facts'>): string =>
  digestedText(policies, fullSchema(operations, facts), facts)

/** What is declared, as it goes into the policy set's digest: a window that changes is another policy. */
export function factsJson({ all: { history, derived, lookup } }: DeclaredFacts): {
  history: JsonObject
  derived: JsonObject
  lookup: JsonObject
} {
  return {
    history: byName(history, ({ fact: { of, ...rest } }) => ({ ...rest, of: Object.fromEntries(of) })),
    derived: byName(derived, (fact) => fact),
    lookup: byName(lookup, ({ fact }) => fact),
  }
}

const byName = <T>(facts: ReadonlyMap<string, T>, plain: (fact: T) => object): JsonObject =>
  Object.fromEntries([...facts].map(([name, fact]) => [name, plain(fact)])) as unknown as JsonObject

const TAKEN = new Set(['Action', 'String', 'Long', 'Bool', 'Boolean', 'Set', 'Record', 'Entity', 'EntityOrCommon', 'Extension'])

function businessTypeFaults(operations: readonly Operation[]): Fault[] {
  return operations.flatMap(({ id, businessKey }) => {
    if (!businessKey || (/^[A-Z][A-Za-z0-9]{0,63}$/.test(businessKey.type) && !TAKEN.has(businessKey.type))) return []
    const message = `the business key's type \`${businessKey.type}\` cannot be used: take letters and digits, a capital letter first, no word of Cedar's own`
    return [{ pointer: `operations/${id}/businessKey/type`, message }]
  })
}

/** Organisation policies against all operations, a connector's against its own alone. */
function validateAll(policies: readonly LoadedPolicy[], operations: readonly Operation[], full: CedarSchema, engine: CedarEngine): Fault[] {
  const faults: Fault[] = []
  for (const connector of new Set(policies.map((policy) => policy.connector))) {
    const own = policies.filter((policy) => policy.connector === connector)
    const reached = connector === null ? operations : operations.filter((operation) => operation.connector === connector)
    const schema: CedarSchema = connector === null ? full : pick(full, ['Gatehouse', namespaceOf(connector)])
    faults.push(...validate(own, reached, schema, engine))
  }
  return faults
}

/** Policies about data classes know principal, class and context of that one action. */
function validateClasses(policies: readonly LoadedPolicy[], operations: readonly Operation[], engine: CedarEngine): Fault[] {
  if (policies.length === 0) return []
  return [...validate(policies, operations, classSchema(), engine), ...unknownClasses(policies, operations)]
}

const pick = (schema: CedarSchema, names: readonly string[]): CedarSchema =>
  Object.fromEntries(Object.entries(schema).filter(([name]) => names.includes(name)))

function validate(policies: readonly LoadedPolicy[], operations: readonly Operation[], schema: CedarSchema, engine: CedarEngine): Fault[] {
  const texts = Object.fromEntries(policies.map((policy) => [policy.id, policy.text]))
  const answer = engine.with((api) => api.validate({ schema, policies: { staticPolicies: texts } }))
  if (answer.type === 'failure') return answer.errors.map((error) => ({ pointer: 'policies', message: validationMessage(error, schema) }))
  const byId = new Map(policies.map((policy) => [policy.id, policy]))
  const place = ({ policyId, error }: Cedar.ValidationError): Fault => {
    const policy = byId.get(policyId)
    if (policy && error.message.includes('policy is impossible')) return impossible(policy, operations, schema, engine)
    const pointer = policy?.place(error.sourceLocations?.[0]?.start ?? 0) ?? 'policies'
    return { pointer, message: `policy \`${policyId}\`: ${validationMessage(error, schema)}` }
  }
  const wrong = new Set(answer.validationErrors.map(({ policyId }) => policyId))
  const idle = answer.validationWarnings.filter(({ policyId, error }) => {
    const policy = byId.get(policyId)
    return policy && !wrong.has(policyId) && isFault(error.message, policy, operations)
  })
  return distinct([...answer.validationErrors.map(place), ...idle.map(place)])
}

/**
 * A control that cannot bind refuses to start: a policy that is false for every request of the operations it names. An organisation's rule about
 * operations that it does not have (yet) is no fault. Look-alike and direction-changing characters always are.
 */
function isFault(warning: string, policy: LoadedPolicy, operations: readonly Operation[]): boolean {
  if (/BIDI|mixed scripts|confusable/.test(warning)) return true
  if (warning.includes('unable to find an applicable action')) return policy.connector !== null
  if (policy.classes) return warning.includes('policy is impossible')
  return warning.includes('policy is impossible') && operations.some((operation) => canApply(policy, operation))
}

/**
 * Which part of a policy makes it false for every request: validated with its scope alone, then with one condition at a time. The whole, where only
 * some together do.
 */
function impossible(policy: LoadedPolicy, operations: readonly Operation[], schema: CedarSchema, engine: CedarEngine): Fault {
  const head = headOf(policy.text)
  const isImpossible = (condition: string): boolean => {
    const answer = engine.with((api) => api.validate({ schema, policies: { staticPolicies: { p: `${head} ${condition};` } } }))
    return answer.type === 'success' && answer.validationWarnings.some(({ error }) => error.message.includes('policy is impossible'))
  }
  const at = (offset: number, message: string): Fault => {
    const pointer = policy.place(Buffer.byteLength(policy.text.slice(0, offset)))
    return { pointer, message: `policy \`${policy.id}\`: policy is impossible: ${message}` }
  }
  if (isImpossible('')) {
    const memberships = 'agents are in roles, people in groups, and a resource is of the connector or one of its business objects'
    return at(0, `no call has this principal, action and resource together: ${memberships}`)
  }
  const part = conditionsOf(policy.text).find(({ kind, text }) => isImpossible(`${kind} { ${text} }`))
  if (!part) return at(0, 'no call can ever match all its conditions together, correct them or remove the policy')
  const never = part.kind === 'when' ? 'is never true' : 'is always true'
  const actions = operations.filter((operation) => canApply(policy, operation)).map(actionOf)
  const { json } = parseCondition(part, engine)
  const absent = chainsIn(json).flatMap(({ variable, path }) =>
    variable === 'context' ? (absentAttribute(path, actions, schema) ?? []) : [],
  )
  return at(part.offset, `\`${part.text}\` ${never}: ${absent[0] ?? 'correct it or remove the policy'}`)
}

/** By place, as the validator has no order of its own. */
const inOrder = (a: Fault, b: Fault): number =>
  a.pointer.localeCompare(b.pointer, 'en', { numeric: true }) || (a.message < b.message ? -1 : 1)

/** One fault a place and cause: the validator repeats itself for every kind of principal and every operation. */
function distinct(faults: readonly Fault[]): Fault[] {
  const first = new Map<string, { fault: Fault; operations: Set<string> }>()
  for (const fault of faults.toSorted(inOrder)) {
    const [operation = ''] = ACTION.exec(fault.message) ?? []
    const key = `${fault.pointer} ${fault.message.replace(ACTION, '').split(/: (?:did you mean|there is)/)[0]}`
    const known = first.get(key) ?? { fault, operations: new Set() }
    known.operations.add(operation)
    first.set(key, known)
  }
  return [...first.values()].map(({ fault: { pointer, message }, operations: { size } }) => ({
    pointer,
    message: size > 1 ? `${message} (and ${size - 1} more operations)` : message,
  }))
}

const ACTION = /[A-Z]\w*::Action::"[^"]*"/
