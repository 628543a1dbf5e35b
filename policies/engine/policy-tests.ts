import type { PolicyCoverage, PolicyTestOutcome, PolicyTestResult } from '../../gateway/ports/policy-drafts.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import type { OperationId } from '../../gateway/core/ids.ts'
import { namespaceOf, type Operation } from '../../gateway/core/operation.ts'
import type { PolicySource, PolicyTests } from '../../gateway/ports/policy-source.ts'
import { CedarEngine, type CedarSchema } from './cedar.ts'
import { cedarSchema, contextShape } from './cedar-schema.ts'
import { classPoliciesFor, classSchema } from './class-policies.ts'
import { READ_CLASS } from './class-scope.ts'
import { type Compiled, compilePolicies } from './compile.ts'
import type { RecordShape } from './input-shape.ts'
import type { LoadedPolicy } from './load-policies.ts'
import { ask, type EntityUid, type PlannedRequest } from './plan.ts'
import { nearest } from './policy-text.ts'
import { type Answer, verdictOf } from './verdict.ts'

/**
 * Runs tests in the format of `cedar run-tests`: `{name, request: {principal, action, resource, context}, entities, decision, reason, num_errors}`.
 * Each test asks the policies that are in force for its operation, as the decider does (for `Gatehouse::Action::"readClass"` on
 * `Gatehouse::DataClass::"..."` those about data classes, with the `connector` of its context); `context` and entity attributes need only what these
 * policies look at, but what is there must fit the schema. A test expects a permit (`allow`), a hold (`deny` whose `reason` lists only `@hold`
 * policies) or a denial (`deny` otherwise); its `reason` must be among the determining policies. Throws CONFIG_INVALID where the policies
 * themselves are faulty; a malformed test fails.
 */
export function runPolicyTests(source: PolicySource, files: readonly PolicyTests[]): PolicyTestResult {
  const engine = new CedarEngine()
  const compiled = compilePolicies(source, engine)
  const coverage = new Map(
    compiled.policies.filter(({ shadow }) => !shadow).map(({ id, file, line }) => [id, { policy: id, file, line, decided: 0, near: 0 }]),
  )
  const outcomes: PolicyTestOutcome[] = []
  const asked = new Set<OperationId>()
  for (const { path: file, text } of files) {
    const tests = parse(text)
    if (!Array.isArray(tests)) {
      outcomes.push({ file, name: '(file)', ...UNASKED, failure: 'the file is not a JSON array of tests' })
      continue
    }
    tests.forEach((test, index) => {
      const name = isJsonObject(test) && typeof test.name === 'string' ? test.name : `test ${index + 1}`
      outcomes.push({ file, name, ...outcomeOf(test, { compiled, engine, coverage, asked }) })
    })
  }
  const failed = outcomes.flatMap(({ file, name, failure }) => (failure === null ? [] : [{ file, name, message: failure }]))
  return {
    passed: outcomes.length - failed.length,
    failed,
    outcomes,
    coverage: [...coverage.values()],
    untouched: compiled.operations
      .map(({ id }) => id)
      .filter((id) => !asked.has(id))
      .sort(),
  }
}

/** What a test is run on, and what it leaves behind. */
interface Bench {
  compiled: Compiled
  engine: CedarEngine
  coverage: ReadonlyMap<string, PolicyCoverage>
  asked: Set<OperationId>
}

type Ended = Pick<PolicyTestOutcome, 'expected' | 'got' | 'by' | 'failure'>

const UNASKED = { expected: null, got: null, by: [] } as const

/** Thrown inside a test: its sentence is the failure. */
class TestFailure extends Error {}

function parse(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    return undefined
  }
}

function outcomeOf(raw: JsonValue, bench: Bench): Ended {
  const ended: Ended = { ...UNASKED, failure: null }
  try {
    const test = readTest(raw, bench.compiled)
    ended.expected = expectedOf(test, bench.compiled.byId)
    runTest(test, bench, ended)
  } catch (error) {
    ended.failure = error instanceof TestFailure ? error.message : 'the policy engine broke down under this test'
  }
  return ended
}

interface PolicyTest {
  request: PlannedRequest
  /** Undefined for a question about a data class. */
  operation: Operation | undefined
  decision: 'allow' | 'deny'
  reason: readonly string[]
  errors: number
}

const KEYS = ['name', 'request', 'entities', 'decision', 'reason', 'num_errors']

function readTest(test: JsonValue, { operations, byId }: Compiled): PolicyTest {
  if (!isJsonObject(test)) throw new TestFailure('a test is an object')
  for (const key of Object.keys(test)) if (!KEYS.includes(key)) throw new TestFailure(`unknown key \`${key}\`: use ${KEYS.join(', ')}`)
  const { request, entities, decision, reason = [], num_errors: errors = 0 } = test
  if (!isJsonObject(request)) throw new TestFailure('`request` is missing: give principal, action, resource and context')
  if (decision !== 'allow' && decision !== 'deny') throw new TestFailure('`decision` is neither `allow` nor `deny`')
  if (!Array.isArray(reason) || !reason.every((id) => typeof id === 'string')) throw new TestFailure('`reason` is not a list of policy ids')
  if (!Array.isArray(entities)) throw new TestFailure('`entities` is not a list of entities')
  if (typeof errors !== 'number') throw new TestFailure('`num_errors` is not a number')
  for (const id of reason)
    if (!byId.has(id)) throw new TestFailure(`\`reason\` names the unknown policy \`${id}\`${meant(id, byId.keys())}`)
  const action = uid(request.action, 'action')
  const operation = operations.find((o) => action.type === `${namespaceOf(o.connector)}::Action` && action.id === o.name)
  if (!operation && !(action.type === 'Gatehouse::Action' && action.id === READ_CLASS)) {
    const names = operations.map((o) => `${namespaceOf(o.connector)}::Action::"${o.name}"`)
    throw new TestFailure(`there is no operation \`${String(request.action)}\`${meant(String(request.action), names)}`)
  }
  const context = isJsonObject(request.context) ? request.context : {}
  const principals = [uid(request.principal, 'principal')]
  const planned = {
    principals,
    action,
    resource: uid(request.resource, 'resource'),
    context,
    entities: entities as PlannedRequest['entities'],
  }
  return { request: planned, operation, decision, reason, errors }
}

function meant(word: string, candidates: Iterable<string>): string {
  const near = nearest(word, candidates)
  return near ? `: did you mean \`${near}\`?` : ''
}

/** Reads `Type::"id"`. */
function uid(value: JsonValue | undefined, what: string): EntityUid {
  const match = typeof value === 'string' ? /^([A-Za-z_]\w*(?:::[A-Za-z_]\w*)*)::("(?:[^"\\]|\\.)*")$/.exec(value.trim()) : null
  const id = match?.[2] === undefined ? undefined : parse(match[2])
  if (match?.[1] === undefined || typeof id !== 'string') throw new TestFailure(`\`${what}\` is not of the form \`Type::"id"\``)
  return { type: match[1], id }
}

function runTest(test: PolicyTest, { compiled, engine, coverage, asked }: Bench, ended: Ended): void {
  const { request, reason, operation } = test
  if (operation) asked.add(operation.id)
  const { name, schema, policies } = bedOf(test, compiled)
  engine.ensureSchema(`test:${name}`, schema)
  const askSet = (which: string, policies: () => Record<string, string | JsonObject>): Answer => {
    const set = `${name}:${which}`
    engine.ensurePolicySet(set, policies)
    const [principal = { type: '', id: '' }] = request.principals
    const answer = ask(engine, set, `test:${name}`, request, principal)
    if (answer.refused) throw new TestFailure(answer.errors.join('; '))
    return answer
  }
  const all = askSet('all', () => texts(policies))
  const permits = (): Answer => askSet('permits', () => texts(policies.filter((p) => p.effect === 'permit')))
  const verdict = verdictOf(all, permits, compiled.byId)
  ended.got = verdict.effect
  ended.by = all.reason
  const matching = askSet('scopes', () => Object.fromEntries(policies.map(({ id, json }) => [id, scopeAlone(json)])))
  const decided = new Set([...all.reason, ...(verdict.effect === 'hold' ? permits().reason : [])])
  for (const id of new Set([...decided, ...matching.reason])) {
    const covered = coverage.get(id)
    if (covered) covered[decided.has(id) ? 'decided' : 'near'] += 1
  }
  compare(test, all, verdict.effect, ended.expected)
  const missing = reason.filter((id) => !all.reason.includes(id))
  if (missing.length > 0) throw new TestFailure(`\`${missing.join('`, `')}\` did not decide; these did: ${list(all.reason)}`)
}

/** What a test is put to: the policies and the schema, with everything optional. */
interface Bed {
  name: string
  schema: () => CedarSchema
  policies: readonly LoadedPolicy[]
}

/** The operation's slice; for a question about a data class the organisation's policies and those of the connector that its context names. */
function bedOf({ operation, request: { context } }: PolicyTest, { sliceOf, facts, classPolicies }: Compiled): Bed {
  if (!operation) {
    const connector = typeof context.connector === 'string' ? context.connector : ''
    return { name: `${READ_CLASS}:${connector}`, schema: () => classSchema(true), policies: classPoliciesFor(classPolicies, connector) }
  }
  const shape = (): RecordShape => contextShape(operation, facts.of(operation))
  return {
    name: operation.id,
    schema: () => cedarSchema({ operations: [operation], context: shape, relaxed: true }),
    policies: sliceOf.get(operation.id)?.policies ?? [],
  }
}

const texts = (policies: readonly LoadedPolicy[]): Record<string, string> => Object.fromEntries(policies.map(({ id, text }) => [id, text]))

/** A permit with the policy's scope and no conditions: asked together, all whose scope matches are among the reasons. */
const scopeAlone = (json: JsonObject): JsonObject => ({ ...json, effect: 'permit', conditions: [] })

const list = (ids: readonly string[]): string => (ids.length === 0 ? 'none' : `\`${ids.join('`, `')}\``)

function expectedOf({ decision, reason }: PolicyTest, byId: Compiled['byId']): 'permit' | 'hold' | 'deny' {
  if (decision === 'allow') return 'permit'
  return reason.length > 0 && reason.every((id) => byId.get(id)?.hold !== undefined) ? 'hold' : 'deny'
}

function compare({ errors }: PolicyTest, all: Answer, effect: string, expected: string | null): void {
  if (all.failed.length !== errors) {
    throw new TestFailure(
      `expected ${errors} evaluation errors, got ${all.failed.length}${all.errors.length > 0 ? `: ${all.errors.join('; ')}` : ''}`,
    )
  }
  if (effect === expected) return
  const hint = effect === 'hold' ? ', list the `@hold` policies in `reason` to expect a hold' : ''
  throw new TestFailure(`expected ${expected}, got ${effect} by ${list(all.reason)}${hint}`)
}
