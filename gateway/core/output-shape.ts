import { atPointer, isJsonObject, type JsonObject, type JsonValue, pointerToken } from './json.ts'
import type { JsonSchema } from './operation.ts'

/** In an output schema: the data classes of the values at this place, a list of names. Says nothing about validity. */
export const CLASSES_KEYWORD = 'x-gatehouse-classes'

/** A data class, wherever it is named. */
export const CLASS_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/

/** What may stand at a place beside null, which may stand anywhere and tells nothing. */
export type Form = 'object' | 'array' | 'scalar'

const OBJECT = 1
const ARRAY = 2
const SCALAR = 4
const ANY = OBJECT | ARRAY | SCALAR
const BITS: Readonly<Record<Form, number>> = { object: OBJECT, array: ARRAY, scalar: SCALAR }
/** Keywords that constrain one form only: a schema without `type` that uses them means that form. */
const IMPLIED: readonly (readonly [number, readonly string[]])[] = [
  [OBJECT, ['properties', 'patternProperties', 'required', 'additionalProperties', 'minProperties', 'maxProperties', 'dependentRequired']],
  [ARRAY, ['items', 'prefixItems', 'contains', 'minItems', 'maxItems', 'uniqueItems']],
  [SCALAR, ['minLength', 'maxLength', 'pattern', 'format', 'minimum', 'maximum', 'multipleOf', 'contentEncoding']],
]
const BRANCHES = ['anyOf', 'oneOf'] as const
const CONDITIONS = ['if', 'then', 'else'] as const
const REST = ['additionalProperties', 'unevaluatedProperties'] as const
const ITEMS = ['items', 'contains', 'unevaluatedItems'] as const

/**
 * What an output schema says of one place in an answer. Alternatives and conjuncts count together: a member is declared where any of them declares it, and has
 * the classes that any of them gives it. Places are made when they are asked for, once each, so recursive schemas are no special case.
 */
export interface OutputShape {
  /** Data classes that the schema gives this very place, sorted. */
  readonly classes: readonly string[]
  /** Members declared by name. */
  readonly names: readonly string[]
  /** What is declared for members without a name of their own, and what is declared for items; undefined where nothing is. */
  readonly rest: OutputShape | undefined
  readonly items: OutputShape | undefined
  /** The schema says in words that there may be more members, or says nothing at all of what is inside. */
  readonly open: boolean
  takes(form: Form): boolean
  /** The place of a member; undefined where no part of the schema declares it. */
  member(name: string): OutputShape | undefined
}

/** The place of a whole answer. */
export const outputShape = (schema: JsonSchema): OutputShape => new Shapes(schema).of([schema]) ?? ANYTHING

class Shapes {
  readonly #root: JsonSchema
  readonly #ids = new Map<JsonValue, number>()
  readonly #known = new Map<string, OutputShape>()

  constructor(root: JsonSchema) {
    this.#root = root
  }

  /** Undefined for no schemas at all. */
  of(schemas: readonly JsonValue[]): OutputShape | undefined {
    if (schemas.length === 0) return undefined
    const key = [...new Set(schemas.map((schema) => this.#id(this.#behind(schema))))].sort((a, b) => a - b).join(' ')
    const known = this.#known.get(key)
    if (known) return known
    const shape = new SchemaShape(this, schemas)
    this.#known.set(key, shape)
    return shape
  }

  /** What a bare reference leads to, so that all references to one definition are one place. */
  #behind(schema: JsonValue): JsonValue {
    const seen = new Set<JsonValue>()
    let here = schema
    while (isJsonObject(here) && typeof here.$ref === 'string' && Object.keys(here).length === 1 && !seen.has(here)) {
      seen.add(here)
      here = this.target(here.$ref) ?? {}
    }
    return here
  }

  #id(schema: JsonValue): number {
    const id = this.#ids.get(schema) ?? this.#ids.size
    this.#ids.set(schema, id)
    return id
  }

  target(reference: JsonValue | undefined): JsonValue | undefined {
    return typeof reference === 'string' && reference.startsWith('#') ? atPointer(this.#root, reference.slice(1)) : undefined
  }

  /** The schema and all that it is composed of. */
  parts(schema: JsonValue, into: Set<JsonObject>): void {
    if (!isJsonObject(schema) || into.has(schema)) return
    into.add(schema)
    const target = this.target(schema.$ref)
    if (target !== undefined) this.parts(target, into)
    for (const list of [schema.allOf, schema.anyOf, schema.oneOf]) if (Array.isArray(list)) for (const part of list) this.parts(part, into)
    for (const keyword of CONDITIONS) this.parts(schema[keyword] ?? null, into)
    if (isJsonObject(schema.dependentSchemas)) for (const part of Object.values(schema.dependentSchemas)) this.parts(part, into)
  }

  /** Which forms a value may have; a reference that leads back to itself adds nothing. */
  forms(schema: JsonValue, seen: ReadonlySet<JsonValue> = new Set()): number {
    if (!isJsonObject(schema) || seen.has(schema)) return schema === false ? 0 : ANY
    const inner = new Set(seen).add(schema)
    let forms = ownForms(schema)
    const target = this.target(schema.$ref)
    if (target !== undefined) forms &= this.forms(target, inner)
    if (Array.isArray(schema.allOf)) for (const part of schema.allOf) forms &= this.forms(part, inner)
    for (const keyword of BRANCHES) {
      const list = schema[keyword]
      if (Array.isArray(list)) forms &= list.reduce((all: number, part) => all | this.forms(part, inner), 0)
    }
    return forms
  }
}

function ownForms(schema: JsonObject): number {
  const types = Array.isArray(schema.type) ? schema.type : schema.type === undefined ? undefined : [schema.type]
  if (types) return types.reduce((all: number, type) => all | (type === 'object' ? OBJECT : type === 'array' ? ARRAY : SCALAR), 0)
  const values = Array.isArray(schema.enum) ? schema.enum : Object.hasOwn(schema, 'const') ? [schema.const ?? null] : undefined
  if (values) return values.reduce((all: number, value) => all | BITS[formOf(value)], 0)
  const implied = IMPLIED.filter(([, keywords]) => keywords.some((keyword) => Object.hasOwn(schema, keyword)))
  return implied.length === 0 ? ANY : implied.reduce((all, [form]) => all | form, 0)
}

const formOf = (value: JsonValue): Form => (Array.isArray(value) ? 'array' : isJsonObject(value) ? 'object' : 'scalar')

class SchemaShape implements OutputShape {
  readonly classes: readonly string[]
  readonly names: readonly string[]
  readonly open: boolean
  readonly #shapes: Shapes
  readonly #parts: readonly JsonObject[]
  readonly #forms: number

  constructor(shapes: Shapes, schemas: readonly JsonValue[]) {
    const parts = new Set<JsonObject>()
    for (const schema of schemas) shapes.parts(schema, parts)
    this.#shapes = shapes
    this.#parts = [...parts]
    this.#forms = schemas.reduce((all: number, schema) => all | shapes.forms(schema), 0)
    this.classes = [...new Set(this.#parts.flatMap((part) => classesIn(part)))].sort()
    this.names = [...new Set(this.#parts.flatMap(({ properties }) => (isJsonObject(properties) ? Object.keys(properties) : [])))]
    this.open =
      this.#parts.some((part) => part.additionalProperties === true) ||
      (this.names.length === 0 && this.rest === undefined && this.#itemSchemas().length === 0 && (this.#forms & (OBJECT | ARRAY)) !== 0)
  }

  get rest(): OutputShape | undefined {
    return this.#shapes.of(this.#parts.flatMap((part) => [...patterns(part).map(([, schema]) => schema), ...restOf(part)]))
  }

  get items(): OutputShape | undefined {
    return this.#shapes.of(this.#itemSchemas())
  }

  takes(form: Form): boolean {
    return (this.#forms & BITS[form]) !== 0
  }

  member(name: string): OutputShape | undefined {
    return this.#shapes.of(
      this.#parts.flatMap((part) => {
        const named = isJsonObject(part.properties) && Object.hasOwn(part.properties, name) ? [part.properties[name] ?? null] : []
        const matching = patterns(part).flatMap(([pattern, schema]) => (matches(pattern, name) ? [schema] : []))
        return named.length + matching.length > 0 ? [...named, ...matching] : restOf(part)
      }),
    )
  }

  #itemSchemas(): JsonValue[] {
    return this.#parts.flatMap((part) => [
      ...ITEMS.flatMap((keyword) => (isJsonObject(part[keyword]) ? [part[keyword]] : [])),
      ...(Array.isArray(part.prefixItems) ? part.prefixItems : []),
    ])
  }
}

/** A place of which nothing is said. */
export const ANYTHING: OutputShape = Object.freeze({
  classes: [],
  names: [],
  rest: undefined,
  items: undefined,
  open: true,
  takes: () => true,
  member: () => undefined,
})

export const classesIn = (schema: JsonObject): string[] => {
  const list = schema[CLASSES_KEYWORD]
  return Array.isArray(list) ? list.filter((name): name is string => typeof name === 'string') : []
}

const patterns = ({ patternProperties }: JsonObject): [string, JsonValue][] =>
  isJsonObject(patternProperties) ? Object.entries(patternProperties) : []

/** A schema for further members that says something: `true` and `{}` declare none of them. */
const restOf = (part: JsonObject): JsonValue[] =>
  REST.flatMap((keyword) => {
    const schema = part[keyword]
    return isJsonObject(schema) && Object.keys(schema).length > 0 ? [schema] : []
  })

function matches(pattern: string, name: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(name)
  } catch {
    return false
  }
}

/**
 * Every place that a class is given, as a pointer with `*` for items and for members without a name of their own. A schema that contains itself is listed to
 * its first repetition. Undefined where there are more than `placesMax`.
 */
export function classedPlaces(shape: OutputShape, placesMax: number): ReadonlyMap<string, readonly string[]> | undefined {
  const leading = leadingToClasses(shape)
  const places = new Map<string, readonly string[]>()
  const above = new Set<OutputShape>()
  const visit = (here: OutputShape, pointer: string): boolean => {
    if (!leading.has(here) || above.has(here)) return true
    if (here.classes.length > 0) places.set(pointer, [...new Set([...(places.get(pointer) ?? []), ...here.classes])].sort())
    if (places.size > placesMax) return false
    above.add(here)
    const done = inside(here).every(([token, next]) => visit(next, `${pointer}/${token}`))
    above.delete(here)
    return done
  }
  return visit(shape, '') ? places : undefined
}

/** What lies directly below, by pointer token. */
const inside = (shape: OutputShape): [string, OutputShape][] => [
  ...shape.names.flatMap((name): [string, OutputShape][] => {
    const member = shape.member(name)
    return member ? [[pointerToken(name), member]] : []
  }),
  ...[shape.items, shape.rest].flatMap((next): [string, OutputShape][] => (next ? [['*', next]] : [])),
]

/** The shapes from which a class can be reached. */
function leadingToClasses(shape: OutputShape): ReadonlySet<OutputShape> {
  const above = new Map<OutputShape, OutputShape[]>([[shape, []]])
  const waiting = [shape]
  for (let here = waiting.pop(); here; here = waiting.pop())
    for (const [, next] of inside(here)) {
      const known = above.get(next)
      if (known) known.push(here)
      else {
        above.set(next, [here])
        waiting.push(next)
      }
    }
  const leading = new Set([...above.keys()].filter(({ classes }) => classes.length > 0))
  for (const here of leading) for (const parent of above.get(here) ?? []) leading.add(parent)
  return leading
}
