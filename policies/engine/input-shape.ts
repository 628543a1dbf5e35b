import { LIMITS } from '../../gateway/limits.ts'
import { atPointer, canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { RESERVED_KEYS } from '../../gateway/core/reserved-keys.ts'

/** How a value of an operation's input looks to policy (semantics, "Input encoding"). */
export type Shape =
  | { kind: 'long' | 'decimal' | 'string' | 'bool' | 'datetime' | 'json' }
  /** A decimal that comes as text: amounts that the gateway added up itself. */
  | { kind: 'amount' }
  | { kind: 'person' }
  | { kind: 'record'; fields: ReadonlyMap<string, Field> }
  | { kind: 'set'; element: Shape }
  /** A property of several types: a record with the one attribute that came. */
  | { kind: 'union'; variants: ReadonlyMap<VariantName, Shape> }

export type RecordShape = Extract<Shape, { kind: 'record' }>

export interface Field {
  shape: Shape
  required: boolean
}

export type VariantName = 'asString' | 'asLong' | 'asDecimal' | 'asBool' | 'asSet' | 'asRecord'

const JSON_TEXT: Shape = { kind: 'json' }

/** The input's record: always its declared properties, so `context.input.x` is typed whatever the document says about further ones. */
export function inputShape(schema: JsonObject): RecordShape {
  const reader = new ShapeReader(schema)
  const { schema: root } = reader.flatten(schema, [])
  return { kind: 'record', fields: reader.fields(root, [], 0) }
}

/** Any value of a schema, such as an answer. */
export const valueShape = (schema: JsonObject): Shape => new ShapeReader(schema).typed(schema, [], 0).shape ?? JSON_TEXT

interface Typed {
  /** Absent where only null can come. */
  shape?: Shape
  /** Null may come, which policy sees as absent. */
  nullable: boolean
}

const FREE_FORM: Typed = { shape: JSON_TEXT, nullable: true }
const TYPE_ORDER = ['string', 'integer', 'number', 'boolean', 'array', 'object'] as const
type JsonType = (typeof TYPE_ORDER)[number]

class ShapeReader {
  readonly #root: JsonObject
  #nodes = 0
  constructor(root: JsonObject) {
    this.#root = root
  }

  fields(schema: JsonObject, open: readonly string[], depth: number): ReadonlyMap<string, Field> {
    const properties = isJsonObject(schema.properties) ? schema.properties : {}
    const required = new Set(Array.isArray(schema.required) ? schema.required : [])
    const fields = new Map<string, Field>()
    for (const name of Object.keys(properties).sort()) {
      if (RESERVED_KEYS.has(name)) continue
      const { shape, nullable } = this.typed(properties[name] ?? {}, open, depth + 1)
      fields.set(name, { shape: shape ?? JSON_TEXT, required: required.has(name) && !nullable && shape !== undefined })
    }
    return fields
  }

  /** `open` lists the references being followed: a recursive one becomes JSON text. */
  typed(raw: JsonValue, open: readonly string[], depth: number): Typed {
    this.#nodes += 1
    if (!isJsonObject(raw) || depth > LIMITS.schemaDepthMax || this.#nodes > LIMITS.schemaNodesMax) return FREE_FORM
    const { schema, open: followed, recursive } = this.flatten(raw, open)
    if (recursive) return FREE_FORM
    const alternatives = alternativesOf(schema)
    if (alternatives) {
      const { oneOf: _one, anyOf: _any, ...base } = schema
      return unify(alternatives.map((alternative) => this.typed(mergeSchemas(base, alternative), followed, depth + 1)))
    }
    const { types, nullable } = typesOf(schema)
    if (types.length === 0) return nullable ? { nullable } : FREE_FORM
    return unify(types.map((type) => ({ shape: this.#ofType(type, schema, followed, depth), nullable })))
  }

  /** Follows `$ref` and folds `allOf` in. */
  flatten(raw: JsonObject, open: readonly string[]): { schema: JsonObject; open: readonly string[]; recursive: boolean } {
    let { $ref: ref, allOf, ...schema } = raw
    let followed = open
    const parts: JsonValue[] = Array.isArray(allOf) ? allOf : []
    if (typeof ref === 'string') {
      if (open.includes(ref)) return { schema, open, recursive: true }
      followed = [...open, ref]
      parts.unshift(ref.startsWith('#') ? (atPointer(this.#root, decodeURIComponent(ref.slice(1))) ?? {}) : {})
    }
    for (const part of parts) {
      if (!isJsonObject(part)) continue
      const flat = this.flatten(part, followed)
      if (flat.recursive || followed.length > LIMITS.inputDepthMax) return { schema, open: followed, recursive: true }
      followed = flat.open
      schema = mergeSchemas(schema, flat.schema)
    }
    return { schema, open: followed, recursive: false }
  }

  #ofType(type: JsonType, schema: JsonObject, open: readonly string[], depth: number): Shape {
    if (type === 'string') return { kind: 'string' }
    if (type === 'integer') return { kind: 'long' }
    if (type === 'number') return { kind: 'decimal' }
    if (type === 'boolean') return { kind: 'bool' }
    if (type === 'array') {
      if (!isJsonObject(schema.items) || schema.prefixItems !== undefined) return JSON_TEXT
      const { shape = JSON_TEXT, nullable } = this.typed(schema.items, open, depth + 1)
      // An array of free-form values is a set of texts; one of several types, or with nulls among them, has no Cedar set.
      if (shape.kind === 'union' || (nullable && shape.kind !== 'json')) return JSON_TEXT
      return { kind: 'set', element: shape }
    }
    const further = schema.additionalProperties ?? schema.unevaluatedProperties ?? false
    const declared = isJsonObject(schema.properties) && Object.keys(schema.properties).length > 0
    const openMap = further !== false || schema.patternProperties !== undefined || (!declared && schema.additionalProperties !== false)
    return openMap ? JSON_TEXT : { kind: 'record', fields: this.fields(schema, open, depth) }
  }
}

function alternativesOf(schema: JsonObject): JsonObject[] | undefined {
  const both = [schema.oneOf, schema.anyOf].find((list) => Array.isArray(list) && list.length > 0)
  return Array.isArray(both) ? both.map((one) => (isJsonObject(one) ? one : {})) : undefined
}

/** `extra` on top of `base`, as `allOf` means it, as far as types go. */
export function mergeSchemas(base: JsonObject, extra: JsonObject): JsonObject {
  const merged: JsonObject = { ...base, ...extra }
  const [a, b] = [base.properties, extra.properties]
  if (isJsonObject(a) && isJsonObject(b)) {
    const properties: JsonObject = { ...a }
    for (const [name, value] of Object.entries(b)) {
      const own = a[name]
      properties[name] = isJsonObject(own) && isJsonObject(value) ? { ...own, ...value } : value
    }
    merged.properties = properties
  }
  const required = [base.required, extra.required].flatMap((list) => (Array.isArray(list) ? list : []))
  if (required.length > 0) merged.required = [...new Set(required)]
  return merged
}

function typesOf(schema: JsonObject): { types: JsonType[]; nullable: boolean } {
  const values = 'const' in schema ? [schema.const ?? null] : Array.isArray(schema.enum) ? schema.enum : undefined
  const declared = schema.type
  const named =
    typeof declared === 'string' ? [declared] : Array.isArray(declared) ? declared : values ? values.map(typeOfValue) : impliedBy(schema)
  const nullable = named.includes('null') || schema.nullable === true
  const types = TYPE_ORDER.filter((type) => named.includes(type))
  // An integer is a number: together they are one decimal.
  return { types: types.includes('number') ? types.filter((type) => type !== 'integer') : types, nullable }
}

function impliedBy(schema: JsonObject): string[] {
  if (isJsonObject(schema.properties)) return ['object']
  return schema.items !== undefined ? ['array'] : []
}

function typeOfValue(value: JsonValue): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value === 'number' && Number.isInteger(value) ? 'integer' : typeof value
}

const VARIANT = { string: 'asString', long: 'asLong', decimal: 'asDecimal', bool: 'asBool', set: 'asSet', record: 'asRecord' } as const

/** One shape for several alternatives. */
function unify(all: readonly Typed[]): Typed {
  const nullable = all.some((one) => one.nullable)
  const variants = new Map<VariantName, Shape>()
  for (const { shape } of all) {
    if (!shape) continue
    // Anything free-form among several makes the whole free-form, and so does a kind that has no attribute of its own.
    const flat = shape.kind === 'union' ? [...shape.variants.values()] : [shape]
    for (const variant of flat) {
      if (!(variant.kind in VARIANT)) return { shape: JSON_TEXT, nullable }
      const name = VARIANT[variant.kind as keyof typeof VARIANT]
      const known = variants.get(name)
      variants.set(name, known ? joined(known, variant) : variant)
    }
  }
  if (variants.has('asDecimal')) variants.delete('asLong')
  const [only, ...more] = variants.values()
  if (!only) return { nullable: true }
  return { shape: more.length === 0 ? only : { kind: 'union', variants }, nullable }
}

/** Two shapes of the same kind as one that holds both. */
function joined(a: Shape, b: Shape): Shape {
  if (sameShape(a, b)) return a
  if (a.kind !== 'record' || b.kind !== 'record') return JSON_TEXT
  const fields = new Map<string, Field>()
  for (const name of [...new Set([...a.fields.keys(), ...b.fields.keys()])].sort()) {
    const [one, other] = [a.fields.get(name), b.fields.get(name)]
    if (one && other) fields.set(name, { shape: joined(one.shape, other.shape), required: one.required && other.required })
    else fields.set(name, { shape: (one ?? other)?.shape ?? JSON_TEXT, required: false })
  }
  return { kind: 'record', fields }
}

const sameShape = (a: Shape, b: Shape): boolean => canonicalJson(plain(a)) === canonicalJson(plain(b))

function plain(shape: Shape): JsonValue {
  if (shape.kind === 'set') return { set: plain(shape.element) }
  if (shape.kind === 'union') return { union: Object.fromEntries([...shape.variants].map(([name, s]) => [name, plain(s)])) }
  if (shape.kind !== 'record') return shape.kind
  return { record: Object.fromEntries([...shape.fields].map(([name, f]) => [name, [plain(f.shape), f.required]])) }
}
