import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { chain, member, operands, operation } from './expression.ts'
import type { LoadedPolicy } from './load-policies.ts'

/** Where a condition looks: `context.input.amount` is the variable `context` and two names. */
export interface Path {
  readonly variable: string
  readonly path: readonly string[]
}

/** The literals of one condition, by the type they are compared as. */
export interface Literals {
  readonly texts: Set<string>
  readonly numbers: Set<number>
  readonly decimals: Set<string>
  readonly datetimes: Set<string>
  readonly durations: Set<string>
  /** Patterns of `like`: literal parts, with null for a wildcard. */
  readonly patterns: Map<string, readonly (string | null)[]>
  /** Every set that is written out, of texts or numbers. */
  readonly sets: Map<string, readonly JsonValue[]>
  /** Every record that is written out, as an input has it. */
  readonly records: Map<string, JsonObject>
  /** Names of Cedar functions, such as `toHours`. */
  readonly functions: Set<string>
}

/** A part of a condition without `&&`, `||`, `!` and `if`: it is true, false or fails. */
export interface Atom {
  /** Canonical text: equal atoms of several policies are one. */
  readonly key: string
  readonly expression: JsonValue
  readonly paths: readonly Path[]
  readonly literals: Literals
}

/** How a policy's result follows from its atoms. Left comes before right, as in Cedar: what fails on the right does not matter where left decides. */
export type Skeleton =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'atom'; readonly atom: Atom }
  | { readonly kind: 'and' | 'or'; readonly left: Skeleton; readonly right: Skeleton }
  | { readonly kind: 'not'; readonly of: Skeleton }
  | { readonly kind: 'if'; readonly test: Skeleton; readonly then: Skeleton; readonly otherwise: Skeleton }

/** A policy taken apart, for operations whose action its scope reaches. */
export interface Rule {
  readonly policy: LoadedPolicy
  readonly skeleton: Skeleton
}

const TRUE: Skeleton = { kind: 'constant', value: true }

export const newLiterals = (): Literals => ({
  texts: new Set(),
  numbers: new Set(),
  decimals: new Set(),
  datetimes: new Set(),
  durations: new Set(),
  patterns: new Map(),
  sets: new Map(),
  records: new Map(),
  functions: new Set(),
})

/** Adds all literals of `from` to `into`. */
export function mergeLiterals(into: Literals, from: Literals): void {
  for (const name of ['texts', 'decimals', 'datetimes', 'durations', 'functions'] as const)
    for (const value of from[name]) into[name].add(value)
  for (const value of from.numbers) into.numbers.add(value)
  for (const [key, value] of from.patterns) into.patterns.set(key, value)
  for (const [key, value] of from.sets) into.sets.set(key, value)
  for (const [key, value] of from.records) into.records.set(key, value)
}

/** Takes a policy apart: scope first, then its clauses in order. The action's scope is left out: whoever asks knows that it matches. */
export function ruleOf(policy: LoadedPolicy): Rule {
  const { principal, resource, conditions } = policy.json
  const clauses = (Array.isArray(conditions) ? conditions : []).map((clause) => {
    const body = skeletonOf(member(clause, 'body'))
    return member(clause, 'kind') === 'unless' ? negated(body) : body
  })
  return { policy, skeleton: [scopeOf('principal', principal), scopeOf('resource', resource), ...clauses].reduce(both) }
}

/** All atoms of some rules, each once. */
export function atomsOf(rules: readonly Rule[]): readonly Atom[] {
  const atoms = new Map<string, Atom>()
  const visit = (skeleton: Skeleton): void => {
    if (skeleton.kind === 'atom') atoms.set(skeleton.atom.key, skeleton.atom)
    else if (skeleton.kind === 'not') visit(skeleton.of)
    else if (skeleton.kind === 'and' || skeleton.kind === 'or') [skeleton.left, skeleton.right].forEach(visit)
    else if (skeleton.kind === 'if') [skeleton.test, skeleton.then, skeleton.otherwise].forEach(visit)
  }
  for (const { skeleton } of rules) visit(skeleton)
  return [...atoms.values()]
}

const negated = (of: Skeleton): Skeleton => ({ kind: 'not', of })

function both(left: Skeleton, right: Skeleton): Skeleton {
  if (left.kind === 'constant' && left.value) return right
  return right.kind === 'constant' && right.value ? left : { kind: 'and', left, right }
}

/** A scope as the condition that it stands for. */
function scopeOf(variable: 'principal' | 'resource', scope: JsonValue | undefined): Skeleton {
  if (!isJsonObject(scope) || scope.op === 'All') return TRUE
  const left = { Var: variable }
  if (scope.op === 'is') {
    const inside = isJsonObject(scope.in) ? { in: entity(scope.in.entity) } : {}
    return atom({ is: { left, entity_type: scope.entity_type ?? '', ...inside } })
  }
  return atom({ [scope.op === '==' ? '==' : 'in']: { left, right: entity(scope.entity) } })
}

const entity = (uid: JsonValue | undefined): JsonObject => ({ Value: { __entity: uid ?? {} } })

function skeletonOf(expression: JsonValue): Skeleton {
  const [op, body] = operation(expression)
  if (op === 'Value' && typeof body === 'boolean') return { kind: 'constant', value: body }
  if (op === '!') return negated(skeletonOf(member(body, 'arg')))
  if (op === '&&' || op === '||')
    return { kind: op === '&&' ? 'and' : 'or', left: skeletonOf(member(body, 'left')), right: skeletonOf(member(body, 'right')) }
  if (op === 'if-then-else') {
    const [test, then, otherwise] = [member(body, 'if'), member(body, 'then'), member(body, 'else')].map(skeletonOf)
    if (test && then && otherwise) return { kind: 'if', test, then, otherwise }
  }
  return atom(expression)
}

function atom(expression: JsonValue): Skeleton {
  const paths: Path[] = []
  const literals = newLiterals()
  collect(expression, paths, literals)
  return { kind: 'atom', atom: { key: canonicalJson(expression), expression, paths, literals } }
}

function collect(expression: JsonValue, paths: Path[], literals: Literals): void {
  const whole = chain(expression)
  if (whole) {
    paths.push(whole)
    return
  }
  const [op, body] = operation(expression)
  if (op === 'Value') collectValue(body, literals)
  else if (op === 'has') collectHas(body, paths, literals)
  else if (op === 'like') {
    const pattern = patternOf(member(body, 'pattern'))
    literals.patterns.set(JSON.stringify(pattern), pattern)
    collect(member(body, 'left'), paths, literals)
  } else if (Array.isArray(body) && op !== 'Set') collectFunction(op, body, paths, literals)
  else {
    if (op === 'Set' && Array.isArray(body)) collectSet(body, literals)
    if (op === 'Record') {
      const record = writtenOut(expression)
      if (isJsonObject(record)) literals.records.set(canonicalJson(record), record)
    }
    if (op === 'neg') literals.numbers.add(-Number(member(member(body, 'arg'), 'Value') ?? 0))
    for (const operand of operands(op, body)) collect(operand, paths, literals)
  }
}

function collectHas(body: JsonValue, paths: Path[], literals: Literals): void {
  const left = member(body, 'left')
  const start = chain(left)
  const attribute = member(body, 'attr')
  const names = (Array.isArray(attribute) ? attribute : [attribute]).filter((name) => typeof name === 'string')
  if (start) paths.push({ variable: start.variable, path: [...start.path, ...names] })
  else collect(left, paths, literals)
}

const EXTENSIONS = { decimal: 'decimals', datetime: 'datetimes', duration: 'durations' } as const

function collectFunction(name: string, args: readonly JsonValue[], paths: Path[], literals: Literals): void {
  literals.functions.add(name)
  const [first] = args
  const text = member(first ?? null, 'Value')
  if (Object.hasOwn(EXTENSIONS, name) && typeof text === 'string') literals[EXTENSIONS[name as keyof typeof EXTENSIONS]].add(text)
  else for (const arg of args) collect(arg, paths, literals)
}

function collectValue(value: JsonValue, literals: Literals): void {
  if (typeof value === 'string') literals.texts.add(value)
  if (typeof value === 'number') literals.numbers.add(value)
  if (Array.isArray(value)) for (const item of value) collectValue(item, literals)
  // A business object's id is its key: a text of the input.
  const id = member(member(value, '__entity'), 'id')
  if (typeof id === 'string') literals.texts.add(id)
}

function collectSet(items: readonly JsonValue[], literals: Literals): void {
  const values = items.map((item) => member(item, 'Value')).filter((value) => typeof value === 'string' || typeof value === 'number')
  if (values.length === items.length) literals.sets.set(JSON.stringify(values), values)
}

/** A value that stands in the policy's text, as an input has it; undefined where something has to be computed. */
function writtenOut(expression: JsonValue): JsonValue | undefined {
  const [op, body] = operation(expression)
  if (op === 'Value') return isJsonObject(body) ? undefined : body
  if (op === 'decimal' && Array.isArray(body)) return Number(member(body[0] ?? null, 'Value'))
  if (op === 'Set' && Array.isArray(body)) {
    const items = body.map(writtenOut)
    return items.every((item) => item !== undefined) ? items : undefined
  }
  if (op !== 'Record' || !isJsonObject(body)) return undefined
  const entries = Object.entries(body).flatMap(([name, value]): [string, JsonValue][] => {
    const own = writtenOut(value)
    return own === undefined ? [] : [[name, own]]
  })
  return entries.length === Object.keys(body).length ? Object.fromEntries(entries) : undefined
}

/** Neighbouring literal parts as one, with null for each wildcard. */
function patternOf(pattern: JsonValue): (string | null)[] {
  const parts: (string | null)[] = []
  for (const part of Array.isArray(pattern) ? pattern : []) {
    const literal = member(part, 'Literal')
    const last = parts.at(-1)
    if (typeof literal !== 'string') parts.push(null)
    else if (typeof last === 'string') parts[parts.length - 1] = last + literal
    else parts.push(literal)
  }
  return parts
}
