import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'

/** Which parts of a record a set of policies looks at: `whole` means everything below, nothing below that only its presence. */
export interface ReadTree {
  whole: boolean
  readonly children: Map<string, ReadTree>
}

export interface EntityName {
  type: string
  id: string
}

/** Everything a policy's conditions and scope look at. Over-approximates: what it does not list cannot change the policy's result. */
export interface Reads {
  readonly context: ReadTree
  /** Names of entity attributes, whatever the entity. */
  readonly attributes: Set<string>
  /** Entities named outright, in scope and conditions. */
  readonly entities: EntityName[]
  readonly functions: Set<string>
  /** The conditions mention `action`. */
  action: boolean
  /** `in`, `has` or an attribute of something that is not reached from principal, action, resource or context. */
  rootless: boolean
}

export const newReadTree = (): ReadTree => ({ whole: false, children: new Map() })

const newReads = (): Reads => ({
  context: newReadTree(),
  attributes: new Set(),
  entities: [],
  functions: new Set(),
  action: false,
  rootless: false,
})

/** `presence` asks only whether it is there: nothing below it is looked at. */
function addPath(tree: ReadTree, path: readonly string[], presence: boolean): void {
  let at = tree
  for (const name of path) {
    if (at.whole) return
    at = childOf(at, name)
  }
  at.whole ||= !presence
}

/** Adds all that `from` reads to `into`. */
export function mergeReadTree(into: ReadTree, from: ReadTree): void {
  into.whole ||= from.whole
  for (const [name, child] of from.children) mergeReadTree(childOf(into, name), child)
}

function childOf(tree: ReadTree, name: string): ReadTree {
  const child = tree.children.get(name) ?? newReadTree()
  tree.children.set(name, child)
  return child
}

/** The union of what several policies read. */
export function mergeReads(all: Iterable<Reads>): Reads {
  const merged = newReads()
  for (const reads of all) {
    mergeReadTree(merged.context, reads.context)
    for (const name of reads.attributes) merged.attributes.add(name)
    merged.entities.push(...reads.entities)
    for (const name of reads.functions) merged.functions.add(name)
    merged.action ||= reads.action
    merged.rootless ||= reads.rootless
  }
  return merged
}

/** Ids of the entities that are named outright, by type. */
export function namedByType(reads: Reads): ReadonlyMap<string, ReadonlySet<string>> {
  const named = new Map<string, Set<string>>()
  for (const { type, id } of reads.entities) {
    const ids = named.get(type) ?? new Set<string>()
    named.set(type, ids.add(id))
  }
  return named
}

/** `principal`, `action`, `resource` and `context` as far as a policy's conditions mention them. Over-approximates. */
export function variablesIn(policy: JsonObject): ReadonlySet<string> {
  const found = new Set<string>()
  const rest: JsonValue[] = [policy.conditions ?? []]
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    if (typeof next !== 'object' || next === null) continue
    if (isJsonObject(next) && typeof next.Var === 'string') found.add(next.Var)
    rest.push(...Object.values(next))
  }
  return found
}

/** The operator and operand of an expression in Cedar's JSON policy format: an object with exactly one member. */
export function operation(expr: JsonValue): [op: string, body: JsonValue] {
  if (!isJsonObject(expr)) return ['', null]
  const [entry] = Object.entries(expr)
  return entry ?? ['', null]
}

export const member = (body: JsonValue, name: string): JsonValue => (isJsonObject(body) ? (body[name] ?? null) : null)
const OPERANDS = ['arg', 'left', 'right', 'if', 'then', 'else', 'in'] as const

/** The expressions directly below one. */
export function operands(op: string, body: JsonValue): JsonValue[] {
  if (op === 'Value' || op === 'Var' || op === 'Slot') return []
  if (Array.isArray(body)) return body
  if (!isJsonObject(body)) return []
  if (op === 'Record') return Object.values(body)
  return OPERANDS.flatMap((name) => (body[name] === undefined ? [] : [body[name]]))
}

/** Something that an expression reaches from a variable: `context.input.amount`. */
export interface Chain {
  variable: string
  path: readonly string[]
}

/** `context.input.amount` as its variable and path; undefined for anything that does not start at a variable. */
export function chain(expr: JsonValue): Chain | undefined {
  const [op, body] = operation(expr)
  if (op === 'Var' && typeof body === 'string') return { variable: body, path: [] }
  if (op !== '.') return undefined
  const left = chain(member(body, 'left'))
  const attribute = member(body, 'attr')
  return left && typeof attribute === 'string' ? { variable: left.variable, path: [...left.path, attribute] } : undefined
}

function addChain(reads: Reads, { variable, path }: Chain, presence = false): void {
  if (variable === 'action') reads.action = true
  if (variable === 'context') addPath(reads.context, path, presence)
  // The subject is an entity, so below it stand entity attributes.
  if (variable !== 'context' || path[0] === 'subject') for (const name of path) reads.attributes.add(name)
}

function visit(reads: Reads, expr: JsonValue): void {
  const [op, body] = operation(expr)
  const whole = chain(expr)
  if (whole) addChain(reads, whole)
  else if (op === 'Value') addEntities(reads, body)
  else if (op === '.' || op === 'has' || op === 'in' || op === 'is') visitAsked(reads, op, body)
  else {
    if (Array.isArray(body) && op !== 'Set') reads.functions.add(op)
    for (const operand of operands(op, body)) visit(reads, operand)
  }
}

/** Operators that ask something of their left side: what that is must be clear from the policy's text. */
function visitAsked(reads: Reads, op: string, body: JsonValue): void {
  const left = member(body, 'left')
  const start = chain(left)
  if (!start) reads.rootless = true
  const attribute = member(body, 'attr')
  const names = (Array.isArray(attribute) ? attribute : [attribute]).filter((name) => typeof name === 'string')
  if (start && op === 'has') addChain(reads, { variable: start.variable, path: [...start.path, ...names] }, true)
  else visit(reads, left)
  for (const name of ['right', 'in']) if (isJsonObject(body) && body[name] !== undefined) visit(reads, body[name])
}

function addEntities(reads: Reads, value: JsonValue): void {
  if (Array.isArray(value)) for (const item of value) addEntities(reads, item)
  if (!isJsonObject(value)) return
  const { type, id } = isJsonObject(value.__entity) ? value.__entity : value
  if (typeof type === 'string' && typeof id === 'string') reads.entities.push({ type, id })
}

/** What one policy, in Cedar's JSON policy format, looks at. */
export function readsOf(policy: JsonObject): Reads {
  const reads = newReads()
  for (const part of ['principal', 'action', 'resource']) {
    const scope = member(policy, part)
    for (const holder of [scope, member(scope, 'in')]) {
      addEntities(reads, member(holder, 'entity'))
      addEntities(reads, member(holder, 'entities'))
    }
  }
  const conditions = member(policy, 'conditions')
  for (const condition of Array.isArray(conditions) ? conditions : []) visit(reads, member(condition, 'body'))
  return reads
}

/** All that a policy's conditions reach, the longest chains only, each once; what `has` asks for is reached, too. */
export function chainsIn(policy: JsonObject): readonly Chain[] {
  const found = new Map<string, Chain>()
  const look = (expr: JsonValue): void => {
    const [op, body] = operation(expr)
    const attribute = member(body, 'attr')
    const asked = op === 'has' ? chain(member(body, 'left')) : undefined
    const reached = asked
      ? { ...asked, path: [...asked.path, ...[attribute].flat().filter((name) => typeof name === 'string')] }
      : chain(expr)
    if (reached) found.set([reached.variable, ...reached.path].join('.'), reached)
    else for (const operand of operands(op, body)) look(operand)
  }
  const conditions = policy.conditions
  for (const condition of Array.isArray(conditions) ? conditions : []) look(member(condition, 'body'))
  return [...found.values()]
}

/** How deep a policy's deepest condition is, clauses included: each stands above the ones before it. The engine evaluates recursively, and dies where a condition is too deep for it. */
export function depthOf(policy: JsonObject): number {
  let deepest = 0
  const conditions = policy.conditions
  const clauses = Array.isArray(conditions) ? conditions : []
  const rest = clauses.map((clause) => ({ expr: member(clause, 'body'), depth: clauses.length }))
  for (let next = rest.pop(); next; next = rest.pop()) {
    const { expr, depth } = next
    deepest = Math.max(deepest, depth)
    for (const operand of operands(...operation(expr))) rest.push({ expr: operand, depth: depth + 1 })
  }
  return deepest
}

/** The policy with every mention of `context` replaced by an unknown, for partial evaluation. */
export function withUnknownContext(policy: JsonObject): JsonObject {
  const conditions = policy.conditions
  const replaced = (Array.isArray(conditions) ? conditions : []).map((c) => (isJsonObject(c) ? { ...c, body: replace(c.body ?? null) } : c))
  return { ...policy, conditions: replaced }
}

function replace(expr: JsonValue): JsonValue {
  const [op, body] = operation(expr)
  if (op === 'Var') return body === 'context' ? { unknown: [{ Value: 'context' }] } : expr
  if (op === 'Value' || op === 'Slot') return expr
  if (Array.isArray(body)) return { [op]: body.map(replace) }
  if (!isJsonObject(body)) return expr
  const entries = Object.entries(body)
  if (op === 'Record') return { Record: Object.fromEntries(entries.map(([name, value]) => [name, replace(value)])) }
  const isOperand = (name: string): boolean => (OPERANDS as readonly string[]).includes(name)
  return { [op]: Object.fromEntries(entries.map(([name, value]) => [name, isOperand(name) ? replace(value) : value])) }
}
