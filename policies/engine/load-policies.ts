import { createHash } from 'node:crypto'
import type { Fault } from '../../gateway/core/errors.ts'
import { isJsonObject, type JsonObject } from '../../gateway/core/json.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { PolicyText } from '../../gateway/ports/decider.ts'
import type { PolicyFile, PolicySource } from '../../gateway/ports/policy-source.ts'
import type { Cedar, CedarEngine } from './cedar.ts'
import { classScope } from './class-scope.ts'
import { depthOf, type Reads, readsOf } from './expression.ts'
import { lintPolicy } from './lint.ts'
import { charOffset, lineAndColumn, nearest, placeOf, splitPolicies, type Statement } from './policy-text.ts'

/** A policy that parsed and passed the lint. */
export interface LoadedPolicy extends PolicyText {
  /** Null for `org.cedar`. */
  readonly connector: string | null
  /** In Cedar's JSON policy format. */
  readonly json: JsonObject
  readonly reads: Reads
  readonly shadow: boolean
  readonly hold: string | undefined
  /** About `Gatehouse::Action::"readClass"` alone: no operation is decided by it. */
  readonly classes: boolean
  /** `path:line:column` of a byte offset into the policy's text. */
  place(byteOffset: number): string
}

/** What of a loaded policy is for people. */
export function policyText({ id, file, line, effect, text, hash, annotations }: LoadedPolicy): PolicyText {
  return { id, file, line, effect, text, hash, annotations }
}

export interface Loaded {
  policies: readonly LoadedPolicy[]
  faults: readonly Fault[]
}

/**
 * Splits, parses and lints all files, in any order with the same result. Limits on size, nesting and terms are checked before anything is
 * parsed, since a policy that is too deep kills the engine. Collects every fault; a faulty policy is left out of the result.
 */
export function loadPolicies(source: PolicySource, engine: CedarEngine): Loaded {
  const faults: Fault[] = []
  const policies: LoadedPolicy[] = []
  const connectors = source.catalogue.connectors.map((c) => c.name)
  const tooMuch = beyondBytes(source.files)
  if (tooMuch) return { policies, faults: [tooMuch] }
  for (const file of [...source.files].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    if (file.connector !== null && !connectors.includes(file.connector)) {
      const meant = nearest(file.connector, connectors)
      const remedy = meant ? `did you mean \`${meant}.cedar\`?` : 'configure the connector or remove the file'
      faults.push({ pointer: `${file.path}:1:1`, message: `there is no connector \`${file.connector}\`: ${remedy}` })
      continue
    }
    loadFile(file, source, engine, policies, faults)
  }
  faults.push(...duplicates(policies))
  if (policies.length > LIMITS.policiesMax) faults.push({ pointer: 'policies', message: tooMany(policies.length) })
  return { policies: policies.sort((a, b) => (a.id < b.id ? -1 : 1)), faults }
}

function loadFile(file: PolicyFile, source: PolicySource, engine: CedarEngine, policies: LoadedPolicy[], faults: Fault[]): void {
  const bytes = Buffer.byteLength(file.text)
  if (bytes > LIMITS.policyFileBytesMax) {
    faults.push({
      pointer: `${file.path}:1:1`,
      message: `${bytes} bytes are too many: at most ${LIMITS.policyFileBytesMax}, remove policies`,
    })
    return
  }
  if (!file.text.isWellFormed()) {
    faults.push({ pointer: `${file.path}:1:1`, message: 'the text is not well-formed Unicode: a surrogate stands alone, remove it' })
    return
  }
  const statements = splitPolicies(file.text)
  if (statements.length > LIMITS.policiesMax) {
    faults.push({ pointer: `${file.path}:1:1`, message: tooMany(statements.length) })
    return
  }
  for (const statement of statements) {
    const at = placeOf(file.path, file.text, statement.offset)
    const tooDeep = beyondLimits(statement)
    if (tooDeep) {
      faults.push({ pointer: at, message: tooDeep })
      continue
    }
    const parsed = parsePolicy(file, statement, engine)
    if (!parsed.json) {
      faults.push(...parsed.faults)
      continue
    }
    const { policy, messages } = lint(file, statement, parsed.json, source)
    faults.push(...messages.map((message) => ({ pointer: at, message })))
    if (policy) policies.push(policy)
  }
}

const tooMany = (policies: number): string => `${policies} policies are too many: at most ${LIMITS.policiesMax}, join some of them`

function beyondBytes(files: readonly PolicyFile[]): Fault | undefined {
  const bytes = files.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0)
  if (bytes <= LIMITS.policiesBytesMax) return undefined
  return { pointer: 'policies', message: `${bytes} bytes of policies are too many: at most ${LIMITS.policiesBytesMax}, remove policies` }
}

function beyondLimits({ nesting, terms, closed }: Statement): string | undefined {
  if (nesting > LIMITS.policyNestingMax)
    return `brackets and conditions are nested ${nesting} deep: at most ${LIMITS.policyNestingMax}, split the policy`
  if (terms > LIMITS.policyTermsMax)
    return `${terms} operators are too many for one policy: at most ${LIMITS.policyTermsMax}, use a set with \`contains\` or split the policy`
  return closed ? undefined : 'the policy has no end: close it with `;`'
}

function parsePolicy(file: PolicyFile, statement: Statement, engine: CedarEngine): { json?: JsonObject; faults: Fault[] } {
  const answer = engine.with((api) => api.policyToJson(statement.text))
  if (answer.type === 'success') return { json: answer.json as unknown as JsonObject, faults: [] }
  return { faults: answer.errors.map((error) => parseFault(file, statement, error)) }
}

function parseFault(file: PolicyFile, statement: Statement, error: Cedar.DetailedError): Fault {
  const [where] = error.sourceLocations ?? []
  const offset = statement.offset + (where ? charOffset(statement.text, where.start) : 0)
  const message = error.message.replace('failed to parse policy from string: ', '')
  const [, word = ''] = /^unexpected token `(.+)`$/s.exec(message) ?? []
  const meant = WORDS[word]
  if (meant) return { pointer: placeOf(file.path, file.text, offset), message: `${message}: ${meant}` }
  // A list of all that could follow helps nobody.
  const expected = where?.label?.startsWith('expected') && where.label.split(',').length > EXPECTED_MAX ? undefined : where?.label
  const remedy = [expected, error.help].filter((text) => typeof text === 'string')
  return { pointer: placeOf(file.path, file.text, offset), message: [message, ...remedy].join(': ') }
}

const EXPECTED_MAX = 4

/** What people write who know other languages. */
const WORDS: Readonly<Record<string, string>> = {
  and: 'write `&&`',
  or: 'write `||`',
  not: 'write `!`',
  '&': 'write `&&`',
  '|': 'write `||`',
  '@': 'end the policy before it with `;`',
}

function lint(
  file: PolicyFile,
  statement: Statement,
  json: JsonObject,
  source: PolicySource,
): { policy?: LoadedPolicy; messages: readonly string[] } {
  const annotations: Record<string, string> = {}
  for (const [name, value] of Object.entries(isJsonObject(json.annotations) ? json.annotations : {}))
    annotations[name] = typeof value === 'string' ? value : ''
  const effect = json.effect === 'permit' ? 'permit' : 'forbid'
  const depth = depthOf(json)
  if (depth > LIMITS.policyDepthMax)
    return {
      messages: [
        `a condition is ${depth} operators deep: at most ${LIMITS.policyDepthMax}, use a set with \`contains\` or split the policy`,
      ],
    }
  const reads = readsOf(json)
  const scope = classScope(json)
  const messages = lintPolicy({
    effect,
    annotations,
    reads,
    scope,
    connector: file.connector,
    connectors: source.catalogue.connectors.map(({ name }) => name),
    approvals: source.approvals,
  })
  const id = annotations.id
  if (messages.length > 0 || id === undefined) return { messages }
  return {
    messages,
    policy: {
      id,
      file: file.path,
      line: lineAndColumn(file.text, statement.offset).line,
      effect,
      text: statement.text,
      hash: createHash('sha256').update(statement.text).digest('hex'),
      annotations,
      connector: file.connector,
      json,
      reads,
      shadow: annotations.shadow !== undefined,
      hold: annotations.hold,
      classes: scope === 'alone',
      place: (byteOffset) => placeOf(file.path, file.text, statement.offset + charOffset(statement.text, byteOffset)),
    },
  }
}

function duplicates(policies: readonly LoadedPolicy[]): Fault[] {
  const first = new Map<string, LoadedPolicy>()
  const faults: Fault[] = []
  for (const policy of policies) {
    const known = first.get(policy.id)
    if (known) {
      const message = `the id \`${policy.id}\` is taken by ${known.place(0)}: ids are unique in the whole organisation, rename one`
      faults.push({ pointer: policy.place(0), message })
    } else first.set(policy.id, policy)
  }
  return faults
}
