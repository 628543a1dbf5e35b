import { atPointer, isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { patternSample } from './pattern-sample.ts'
import { mergeSchemas } from './input-shape.ts'

/** Reads an operation's input schema for what values it takes: enough to make up inputs, not to validate them. */
export class SchemaSamples {
  readonly #root: JsonObject

  constructor(root: JsonObject) {
    this.#root = root
  }

  /** The schema of the property at this path; undefined where the schema names none. `allOf` is folded in, references are followed. */
  at(path: readonly string[]): JsonObject | undefined {
    let at: JsonObject | undefined = this.#flat(this.#root)
    for (const name of path) {
      if (!at) return undefined
      const found: JsonValue | undefined = this.#alternatives(at)
        .map((one) => propertiesOf(one)[name])
        .find(isJsonObject)
      at = isJsonObject(found) ? this.#flat(found) : undefined
    }
    return at
  }

  /** A plain value that the schema takes, as far as can be told: required properties only. */
  sample(schema: JsonObject = this.#root, depth = 0): JsonValue {
    const flat = this.#flat(schema)
    const [first = flat] = this.#alternatives(flat)
    if ('const' in first) return first.const ?? null
    if (Array.isArray(first.enum)) return first.enum[0] ?? null
    if (first.default !== undefined) return first.default
    const [example] = Array.isArray(first.examples) ? first.examples : [first.example]
    if (example !== undefined && this.takes(first, example)) return example
    return this.#sampleOf(typeOf(first), first, depth)
  }

  #sampleOf(type: string, schema: JsonObject, depth: number): JsonValue {
    if (type === 'object') return depth > LIMITS.schemaDepthMax ? {} : this.#object(schema, depth)
    if (type === 'array') {
      const least = number(schema.minItems) ?? 0
      const items = isJsonObject(schema.items) && depth <= LIMITS.schemaDepthMax ? this.sample(schema.items, depth + 1) : 'x'
      return Array.from({ length: Math.min(least, LIMITS.boundaryValuesMax) }, () => items)
    }
    if (type === 'boolean') return false
    if (type === 'integer' || type === 'number') return this.values(schema).find((value) => typeof value === 'number') ?? 1
    if (type === 'null') return null
    const formed = typeof schema.pattern === 'string' ? patternSample(schema.pattern) : undefined
    if (formed !== undefined && takesText(schema, formed)) return formed
    return SAMPLES[String(schema.format)] ?? 'x'.repeat(Math.min(Math.max(number(schema.minLength) ?? 1, 1), 1_000))
  }

  #object(schema: JsonObject, depth: number): JsonObject {
    const properties = propertiesOf(schema)
    const required = (Array.isArray(schema.required) ? schema.required : []).filter((name) => typeof name === 'string')
    const value = (name: string): JsonValue => {
      const own = properties[name]
      return isJsonObject(own) ? this.sample(own, depth + 1) : 'x'
    }
    return Object.fromEntries(required.map((name) => [name, value(name)]))
  }

  /** The values that the schema itself names: members of an enumeration, bounds. */
  values(schema: JsonObject): readonly JsonValue[] {
    return this.#alternatives(this.#flat(schema)).flatMap((one) => {
      const named = 'const' in one ? [one.const ?? null] : Array.isArray(one.enum) ? one.enum : []
      const step = number(one.multipleOf) ?? (typeOf(one) === 'integer' ? 1 : 0.01)
      const [least, most] = [number(one.minimum), number(one.maximum)]
      const [above, below] = [number(one.exclusiveMinimum), number(one.exclusiveMaximum)]
      const bounds = [least, above === undefined ? undefined : above + step, most, below === undefined ? undefined : below - step]
      return [...named, ...bounds.filter((bound) => bound !== undefined)]
    })
  }

  /** Whether the schema takes the value, where that is easily told; true where it is not. */
  takes(schema: JsonObject, value: JsonValue): boolean {
    return this.#alternatives(this.#flat(schema)).some((one) => this.#takesFlat(one, value))
  }

  #takesFlat(schema: JsonObject, value: JsonValue): boolean {
    if ('const' in schema) return JSON.stringify(schema.const) === JSON.stringify(value)
    if (Array.isArray(schema.enum)) return schema.enum.some((one) => JSON.stringify(one) === JSON.stringify(value))
    if (!hasType(schema, value)) return false
    if (typeof value === 'number') return takesNumber(schema, value)
    if (typeof value === 'string') return takesText(schema, value)
    if (isJsonObject(value)) return this.#takesObject(schema, value)
    if (!Array.isArray(value)) return true
    const { items } = schema
    if (value.length < (number(schema.minItems) ?? 0) || value.length > (number(schema.maxItems) ?? Number.POSITIVE_INFINITY)) return false
    return !isJsonObject(items) || value.every((item) => this.takes(items, item))
  }

  #takesObject(schema: JsonObject, value: JsonObject): boolean {
    const required = Array.isArray(schema.required) ? schema.required : []
    if (required.some((name) => typeof name === 'string' && value[name] === undefined)) return false
    const properties = propertiesOf(schema)
    return Object.entries(value).every(([name, own]) => {
      const of = properties[name]
      return !isJsonObject(of) || this.takes(of, own)
    })
  }

  /** Whether texts of the schema have some form. */
  isFormed(schema: JsonObject): boolean {
    return this.#alternatives(this.#flat(schema)).some((one) => one.pattern !== undefined || one.minLength !== undefined)
  }

  /** Plain values for the items of an array. */
  items(schema: JsonObject): readonly JsonValue[] {
    const { items } = this.#flat(schema)
    return isJsonObject(items) ? [this.sample(items), ...this.values(items)] : []
  }

  #flat(schema: JsonObject, followed = 0): JsonObject {
    const { $ref: ref, allOf, ...own } = schema
    if ((ref === undefined && allOf === undefined) || followed > LIMITS.schemaDepthMax) return own
    const target = typeof ref === 'string' && ref.startsWith('#') ? atPointer(this.#root, decodeURIComponent(ref.slice(1))) : undefined
    const parts = [target, ...(Array.isArray(allOf) ? allOf : [])].filter(isJsonObject)
    return parts.reduce((merged, part) => mergeSchemas(merged, this.#flat(part, followed + 1)), own)
  }

  #alternatives(schema: JsonObject): readonly JsonObject[] {
    const { oneOf, anyOf, ...base } = schema
    const list = [oneOf, anyOf].find((one) => Array.isArray(one) && one.length > 0)
    if (!Array.isArray(list)) return [schema]
    return list.filter(isJsonObject).map((one) => mergeSchemas(base, this.#flat(one)))
  }
}

const SAMPLES: Readonly<Record<string, string>> = {
  date: '2026-01-05',
  'date-time': '2026-01-05T12:00:00Z',
  time: '12:00:00Z',
  duration: 'P1D',
  email: 'a@example.com',
  uri: 'https://example.com/',
  hostname: 'example.com',
  uuid: '00000000-0000-4000-8000-000000000000',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
}

const number = (value: JsonValue | undefined): number | undefined => (typeof value === 'number' ? value : undefined)

const propertiesOf = (schema: JsonObject): JsonObject => (isJsonObject(schema.properties) ? schema.properties : {})

const typesOf = ({ type }: JsonObject): readonly JsonValue[] => (Array.isArray(type) ? type : type === undefined ? [] : [type])

function typeOf(schema: JsonObject): string {
  const [named] = typesOf(schema).filter((type) => type !== 'null')
  if (typeof named === 'string') return named
  if (schema.properties !== undefined) return 'object'
  return schema.items === undefined ? 'string' : 'array'
}

function hasType(schema: JsonObject, value: JsonValue): boolean {
  const types = typesOf(schema)
  if (types.length === 0) return true
  if (value === null) return types.includes('null') || schema.nullable === true
  if (Array.isArray(value)) return types.includes('array')
  if (typeof value === 'number') return types.includes('number') || (types.includes('integer') && Number.isInteger(value))
  return types.includes(typeof value)
}

function takesNumber(schema: JsonObject, value: number): boolean {
  const step = number(schema.multipleOf)
  if (value < (number(schema.minimum) ?? Number.NEGATIVE_INFINITY) || value > (number(schema.maximum) ?? Number.POSITIVE_INFINITY))
    return false
  if (value <= (number(schema.exclusiveMinimum) ?? Number.NEGATIVE_INFINITY)) return false
  if (value >= (number(schema.exclusiveMaximum) ?? Number.POSITIVE_INFINITY)) return false
  return step === undefined || Math.abs(value / step - Math.round(value / step)) < 1e-6
}

const FORMATS: Readonly<Record<string, RegExp>> = {
  date: /^\d{4}-\d{2}-\d{2}$/,
  'date-time': /^\d{4}-\d{2}-\d{2}T/,
  email: /^[^@\s]+@[^@\s]+$/,
  uri: /^[a-z][a-z0-9+.-]*:/i,
  uuid: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
}

function takesText(schema: JsonObject, value: string): boolean {
  const length = [...value].length
  if (length < (number(schema.minLength) ?? 0) || length > (number(schema.maxLength) ?? Number.POSITIVE_INFINITY)) return false
  if (FORMATS[String(schema.format)]?.test(value) === false) return false
  if (typeof schema.pattern !== 'string') return true
  try {
    return new RegExp(schema.pattern, 'u').test(value)
  } catch {
    return true
  }
}
