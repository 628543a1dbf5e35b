import type { JsonObject, JsonValue } from '../../gateway/core/json.ts'
import { atPointer, isJsonObject } from '../../gateway/core/json.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { fingerprint, pascal, siblingNames } from './names.ts'
import type { ScalarName } from './scalars.ts'

/** What a JSON Schema becomes in GraphQL, before types have names of their own. */
export type Shape = { readonly kind: 'leaf'; readonly scalar: ScalarName } | { readonly kind: 'list'; readonly of: Slot } | ObjectShape

export interface ObjectShape {
  readonly kind: 'object'
  readonly direction: Direction
  /** The type name that it asks for; what else asks for the same name is settled by `print`. */
  readonly wanted: string
  readonly description: string | undefined
  readonly fields: readonly FieldShape[]
  /** Equal for equal structures. */
  readonly print: string
}

export interface FieldShape {
  /** In GraphQL. */
  readonly name: string
  /** In JSON. */
  readonly key: string
  readonly slot: Slot
  readonly required: boolean
  readonly description: string | undefined
}

/** A shape and whether null may stand in its place. */
export interface Slot {
  readonly shape: Shape
  readonly nullable: boolean
}

export type Direction = 'input' | 'output'

const leaf = (scalar: ScalarName): Shape => ({ kind: 'leaf', scalar })
const JSON_LEAF = leaf('JSON')

/**
 * Reads one schema document (an operation's input or output). Unions, open, empty, too deep and recursive objects become `JSON`.
 * A `$ref` names its type after the last token of its pointer, so that operations share it; other objects are named by their path.
 */
export class ShapeReader {
  private readonly targets = new Map<string, Slot>()
  private readonly reached = new Map<string, ReadonlySet<string>>()
  private readonly nullables = new Map<string, boolean>()
  private readonly merged = new Map<string, JsonObject | null>()

  constructor(
    private readonly root: JsonObject,
    private readonly namespace: string,
    private readonly direction: Direction,
  ) {}

  /** The shape of the whole document; `name` is the operation's. */
  read(name: string): Slot {
    return this.slot(this.root, { from: '', path: pascal(name), depth: 0 })
  }

  /** Every property that an input document names, also in parts and branches, as a field: each becomes an argument. */
  arguments(name: string): readonly FieldShape[] {
    const properties: JsonObject = {}
    const required = new Set<JsonValue>()
    this.gather(this.root, { properties, required, optional: false, depth: 0, seen: new Set() })
    return this.fields({ properties, required: [...required] }, { from: '', path: pascal(name), depth: 0 })
  }

  /** A property that two parts describe differently takes any JSON; what a branch requires is not required of all. */
  private gather(schema: JsonValue | undefined, into: Gathering): void {
    if (!isJsonObject(schema) || into.depth > LIMITS.schemaDepthMax) return
    const deeper = { ...into, depth: into.depth + 1 }
    if (typeof schema.$ref === 'string' && !into.seen.has(`${into.optional} ${schema.$ref}`)) {
      into.seen.add(`${into.optional} ${schema.$ref}`)
      this.gather(this.resolve(schema.$ref), deeper)
    }
    for (const [key, member] of Object.entries(isJsonObject(schema.properties) ? schema.properties : {})) {
      if (key === '__proto__') continue
      const same = !Object.hasOwn(into.properties, key) || JSON.stringify(into.properties[key]) === JSON.stringify(member)
      into.properties[key] = same ? member : {}
    }
    if (!into.optional && Array.isArray(schema.required)) for (const key of schema.required) into.required.add(key)
    for (const part of listed(schema.allOf)) this.gather(part, deeper)
    for (const branch of [...listed(schema.anyOf), ...listed(schema.oneOf)]) this.gather(branch, { ...deeper, optional: true })
  }

  private slot(schema: JsonValue | undefined, place: Place): Slot {
    if (!isJsonObject(schema)) return { shape: JSON_LEAF, nullable: true }
    const nullable = this.acceptsNull(schema, 0)
    if (place.depth > LIMITS.schemaDepthMax) return { shape: JSON_LEAF, nullable }
    if (typeof schema.$ref === 'string') return this.reference(schema.$ref, place)
    return { shape: this.shape(schema, place), nullable }
  }

  private reference(ref: string, place: Place): Slot {
    const target = this.resolve(ref)
    if (!target) return { shape: JSON_LEAF, nullable: true }
    const pointer = ref.slice(1)
    const known = this.targets.get(pointer)
    const recursive = this.reachable(pointer).has(place.from) || pointer === place.from
    if (recursive) return { shape: JSON_LEAF, nullable: this.acceptsNull(target, 0) }
    if (known) return known
    const name = pointer.slice(pointer.lastIndexOf('/') + 1)
    const slot = this.slot(target, { from: pointer, path: pascal(name), depth: 0 })
    this.targets.set(pointer, slot)
    return slot
  }

  private shape(schema: JsonObject, place: Place): Shape {
    if (schema.allOf !== undefined) {
      const merged = this.merge(schema, 0)
      return merged && isClosed(merged) ? this.object(merged, place) : JSON_LEAF
    }
    const branches = schema.anyOf ?? schema.oneOf
    if (branches !== undefined) return this.union(schema, branches, place)
    const type = typeOf(schema)
    switch (type) {
      case 'string':
        return leaf('String')
      case 'boolean':
        return leaf('Boolean')
      case 'number':
        return leaf('Float')
      case 'integer':
        return leaf(fitsInt32(schema) ? 'Int' : 'SafeInt')
      case 'array':
        if (Array.isArray(schema.items) || schema.prefixItems !== undefined) return JSON_LEAF
        return { kind: 'list', of: this.slot(schema.items, { ...place, depth: place.depth + 1 }) }
      case 'object':
        return isClosed(schema) ? this.object(schema, place) : JSON_LEAF
      default:
        return JSON_LEAF
    }
  }

  /** One branch beside null stands for itself; anything else is JSON. */
  private union(schema: JsonObject, branches: JsonValue, place: Place): Shape {
    if (!Array.isArray(branches) || schema.properties !== undefined) return JSON_LEAF
    const others = branches.filter((branch) => !(isJsonObject(branch) && branch.type === 'null'))
    if (others.length !== 1) return JSON_LEAF
    return this.slot(others[0], { ...place, depth: place.depth + 1 }).shape
  }

  private object(schema: JsonObject, place: Place): Shape {
    const fields = this.fields(schema, place)
    if (fields.length === 0) return JSON_LEAF
    const { direction, namespace } = this
    const wanted = `${namespace}${place.path}${direction === 'input' ? 'Input' : ''}`
    const description = text(schema.description)
    const listing = fields.map(({ name, key, slot, required, description: says }) => [name, key, printOf(slot), required, says])
    return { kind: 'object', direction, wanted, description, fields, print: fingerprint([direction, wanted, description, listing]) }
  }

  private fields(schema: JsonObject, place: Place): FieldShape[] {
    if (!isJsonObject(schema.properties)) return []
    const required = new Set(Array.isArray(schema.required) ? schema.required : [])
    const members = Object.entries(schema.properties).filter(([key]) => key !== '__proto__')
    const names = siblingNames(members.map(([key]) => key))
    return members.map(([key, member], index) => ({
      name: names[index] ?? key,
      key,
      slot: this.slot(member, { from: place.from, path: `${place.path}${pascal(key)}`, depth: place.depth + 1 }),
      required: required.has(key),
      description: isJsonObject(member) ? text(member.description) : undefined,
    }))
  }

  /** `allOf` of objects as one object. Null where parts are no objects or disagree about a property. */
  private merge(schema: JsonObject, depth: number): JsonObject | null {
    if (depth > LIMITS.schemaDepthMax) return null
    if (typeof schema.$ref === 'string') {
      const known = this.merged.get(schema.$ref)
      if (known !== undefined) return known
      const target = this.resolve(schema.$ref)
      const whole = target ? this.merge(target, depth + 1) : null
      this.merged.set(schema.$ref, whole)
      return whole
    }
    if (schema.anyOf !== undefined || schema.oneOf !== undefined) {
      if (schema.properties === undefined) return null
    }
    const { allOf, ...own } = schema
    if (allOf === undefined) return own
    if (!Array.isArray(allOf)) return null
    const properties: JsonObject = isJsonObject(own.properties) ? { ...own.properties } : {}
    const required = new Set<JsonValue>(Array.isArray(own.required) ? own.required : [])
    let open = isOpen(own)
    for (const part of allOf) {
      const merged = isJsonObject(part) ? this.merge(part, depth + 1) : null
      if (!merged || (merged.type !== undefined && merged.type !== 'object')) return null
      open ||= isOpen(merged)
      for (const [key, member] of Object.entries(isJsonObject(merged.properties) ? merged.properties : {})) {
        if (Object.hasOwn(properties, key) && JSON.stringify(properties[key]) !== JSON.stringify(member)) return null
        if (key !== '__proto__') properties[key] = member
      }
      for (const key of Array.isArray(merged.required) ? merged.required : []) required.add(key)
    }
    return { ...own, type: 'object', properties, required: [...required], ...(open && { additionalProperties: true }) }
  }

  private acceptsNull(schema: JsonValue | undefined, depth: number): boolean {
    if (!isJsonObject(schema) || depth > LIMITS.schemaDepthMax) return schema !== false
    if (schema.nullable === true) return true
    if (typeof schema.$ref === 'string') {
      const known = this.nullables.get(schema.$ref)
      if (known !== undefined) return known
      this.nullables.set(schema.$ref, false) // what a cycle says about itself adds nothing
      const accepts = this.acceptsNull(this.resolve(schema.$ref) ?? true, depth + 1)
      this.nullables.set(schema.$ref, accepts)
      return accepts
    }
    if (Array.isArray(schema.enum)) return schema.enum.includes(null)
    if (schema.const !== undefined) return schema.const === null
    if (schema.type !== undefined) return schema.type === 'null' || (Array.isArray(schema.type) && schema.type.includes('null'))
    if (Array.isArray(schema.allOf)) return schema.allOf.every((part) => this.acceptsNull(part, depth + 1))
    const branches = schema.anyOf ?? schema.oneOf
    return Array.isArray(branches) ? branches.some((branch) => this.acceptsNull(branch, depth + 1)) : schema.properties === undefined
  }

  /** References stay inside the document (`#...`); others have no target. */
  private resolve(ref: string): JsonObject | undefined {
    if (!ref.startsWith('#')) return undefined
    const target = atPointer(this.root, ref.slice(1))
    return isJsonObject(target) ? target : undefined
  }

  /** Pointers of all targets that can be reached from a target, itself only through a cycle. */
  private reachable(pointer: string): ReadonlySet<string> {
    const known = this.reached.get(pointer)
    if (known) return known
    const found = new Set<string>()
    const queue = [pointer]
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      for (const ref of references(atPointer(this.root, next) ?? null)) {
        if (found.has(ref)) continue
        found.add(ref)
        queue.push(ref)
      }
    }
    this.reached.set(pointer, found)
    return found
  }
}

interface Place {
  /** Pointer of the reference target that is being read; empty for the document itself. */
  from: string
  /** Path of names so far. */
  path: string
  /** Levels below the document or the reference target. */
  depth: number
}

interface Gathering {
  properties: JsonObject
  required: Set<JsonValue>
  /** Inside a branch. */
  optional: boolean
  depth: number
  /** References already followed. */
  seen: Set<string>
}

const listed = (value: JsonValue | undefined): readonly JsonValue[] => (Array.isArray(value) ? value : [])

/** Pointers of the references anywhere in a schema. */
function references(schema: JsonValue): string[] {
  const found: string[] = []
  const queue: JsonValue[] = [schema]
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (Array.isArray(next)) queue.push(...next)
    else if (isJsonObject(next)) {
      for (const [key, member] of Object.entries(next)) {
        if (key === '$ref' && typeof member === 'string' && member.startsWith('#')) found.push(member.slice(1))
        else queue.push(member)
      }
    }
  }
  return found
}

function printOf({ shape, nullable }: Slot): unknown {
  if (shape.kind === 'leaf') return [shape.scalar, nullable]
  return shape.kind === 'list' ? [[printOf(shape.of)], nullable] : [shape.print, nullable]
}

const text = (value: JsonValue | undefined): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/** True where a document invites members that it does not name. */
const isOpen = (schema: JsonObject): boolean =>
  (schema.additionalProperties !== undefined && schema.additionalProperties !== false) || schema.patternProperties !== undefined

const isClosed = (schema: JsonObject): boolean => isJsonObject(schema.properties) && !isOpen(schema)

/** The one type of a schema besides null; undefined for several, none or mixed. */
function typeOf(schema: JsonObject): string | undefined {
  const { type } = schema
  if (typeof type === 'string') return type
  if (Array.isArray(type)) {
    const others = type.filter((each) => each !== 'null')
    return others.length === 1 && typeof others[0] === 'string' ? others[0] : undefined
  }
  const values = Array.isArray(schema.enum) ? schema.enum : schema.const === undefined ? [] : [schema.const]
  const kinds = new Set(values.filter((value) => value !== null).map((value) => typeof value))
  if (kinds.size === 1)
    return kinds.has('string') ? 'string' : kinds.has('boolean') ? 'boolean' : kinds.has('number') ? 'number' : undefined
  if (kinds.size > 1) return undefined
  if (isJsonObject(schema.properties)) return 'object'
  return schema.items === undefined ? undefined : 'array'
}

const INT32_MAX = 2_147_483_647
const INT32_MIN = -2_147_483_648

/** The format `int32`, or bounds on both sides that fit. */
function fitsInt32(schema: JsonObject): boolean {
  if (schema.format === 'int32') return true
  const low = Math.max(bound(schema.minimum), bound(schema.exclusiveMinimum))
  const high = Math.min(-bound(negated(schema.maximum)), -bound(negated(schema.exclusiveMaximum)))
  return low >= INT32_MIN && high <= INT32_MAX
}

const bound = (value: JsonValue | undefined): number => (typeof value === 'number' ? value : Number.NEGATIVE_INFINITY)
const negated = (value: JsonValue | undefined): JsonValue | undefined => (typeof value === 'number' ? -value : value)
