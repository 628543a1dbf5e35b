import { isJsonObject, type JsonObject, type JsonValue } from '../gateway/core/json.ts'
import type { JsonSchema } from '../gateway/core/operation.ts'
import { LIMITS } from '../gateway/limits.ts'
import { markedClasses, unmarked, withClasses } from './class-marks.ts'
import { sha256 } from './describe.ts'
import type { SourceFaults } from './faults.ts'
import { recursion, referenceTarget, type SchemaDocument } from './schema-document.ts'
import { mergeAll } from './schema-merge.ts'

/** Keywords taken over as they are. Others (xml, discriminator, example, x-...) say nothing about validity. */
const PLAIN = [
  ...['title', 'description', 'default', 'deprecated', 'readOnly', 'writeOnly', 'type', 'enum', 'const', 'format', 'required'],
  ...[
    'multipleOf',
    'maximum',
    'minimum',
    'exclusiveMaximum',
    'exclusiveMinimum',
    'maxLength',
    'minLength',
    'pattern',
    'maxItems',
    'minItems',
  ],
  ...[
    'uniqueItems',
    'maxContains',
    'minContains',
    'maxProperties',
    'minProperties',
    'dependentRequired',
    'contentEncoding',
    'contentMediaType',
  ],
] as const
const ONE_SCHEMA = [
  'items',
  'additionalProperties',
  'not',
  'contains',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
] as const
const SCHEMA_LISTS = ['oneOf', 'anyOf', 'prefixItems'] as const
const SCHEMA_MAPS = ['patternProperties', 'dependentSchemas'] as const
const CONDITIONS = ['if', 'then', 'else'] as const
const COMPOSED = ['allOf', 'oneOf', 'anyOf', 'if', 'dependentSchemas'] as const
/** Definitions are shared, so they need not repeat much of each other. */
const DEFINITION_NODES_MAX = 500
const UNREADABLE = ['$id', '$anchor', '$dynamicRef', '$dynamicAnchor', '$recursiveRef'] as const

/**
 * Reads the schemas of a document's input side or its output side as JSON Schema 2020-12. References to recursive schemas become
 * `#/$defs/...`; all others are written out, up to a bound beyond which they become definitions too. A definition is read once and shared by all
 * operations. In input, objects that declare properties and are silent about others are closed, and `readOnly` properties are dropped (in output:
 * `writeOnly`). In output, what gives values data classes becomes `CLASSES_KEYWORD`.
 */
export class SchemaLibrary {
  readonly document: SchemaDocument
  readonly use: 'input' | 'output'
  readonly faults: SourceFaults
  readonly recursive: (reference: string) => boolean
  /** All definitions read so far. */
  readonly defs: Record<string, JsonSchema> = {}
  readonly #refers = new Map<string, ReadonlySet<string>>()
  readonly #waiting: { name: string; target: JsonValue; place: string; open: boolean }[] = []
  #reading = false

  constructor(document: SchemaDocument, use: 'input' | 'output', faults: SourceFaults) {
    this.document = document
    this.use = use
    this.faults = faults
    this.recursive = recursion(document)
  }

  /** The definition's name, which follows from the reference alone. */
  define(reference: string, target: JsonValue, open: boolean): string {
    const base = reference.replace(/^#\/(components\/schemas|\$defs|definitions)\//, '')
    const plain = !open && /^\w+$/.test(base) && base !== reference
    const name = plain ? base : `${base.replace(/[^A-Za-z0-9_]+/g, '_')}_${sha256(open ? `${reference} open` : reference).slice(0, 6)}`
    if (!this.#refers.has(name)) {
      this.#refers.set(name, new Set())
      this.defs[name] = {}
      this.#waiting.push({ name, target, place: reference, open })
    }
    return name
  }

  /** Reads what was defined and not yet read; one after the other, so that a long chain of definitions is no deep recursion. */
  complete(): void {
    if (this.#reading) return
    this.#reading = true
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      const reader = new SchemaReader(this, DEFINITION_NODES_MAX)
      this.defs[next.name] = reader.readPart(next.target, [next.place], next.open)
      this.#refers.set(next.name, reader.names)
    }
    this.#reading = false
  }

  /** These definitions and all that they lead to. */
  closure(names: Iterable<string>): Record<string, JsonSchema> {
    const found: Record<string, JsonSchema> = {}
    const waiting = [...names]
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
      if (Object.hasOwn(found, name)) continue
      found[name] = this.defs[name] ?? {}
      waiting.push(...(this.#refers.get(name) ?? []))
    }
    return found
  }
}

/** Reads the schemas of one operation, whose definitions come from the library. */
export class SchemaReader {
  /** Definitions that what was read refers to by itself. */
  readonly names = new Set<string>()
  readonly #library: SchemaLibrary
  readonly #document: SchemaDocument
  readonly #use: 'input' | 'output'
  readonly #faults: SourceFaults
  readonly #recursive: (reference: string) => boolean
  readonly #nodesMax: number
  #written = 0

  /** Beyond `nodesMax` nodes, references are left standing. */
  constructor(library: SchemaLibrary, nodesMax: number = LIMITS.schemaNodesMax) {
    this.#nodesMax = nodesMax
    this.#library = library
    this.#document = library.document
    this.#use = library.use
    this.#faults = library.faults
    this.#recursive = library.recursive
  }

  /** For looking behind references; the definitions of an operation alone are `defs`. */
  get root(): JsonSchema {
    return { $defs: this.#library.defs }
  }

  /** The definitions of everything read so far. */
  get defs(): Record<string, JsonSchema> {
    return this.#library.closure(this.names)
  }

  /** A definition's own text; what it refers to is left waiting. */
  readPart(node: JsonValue, place: readonly string[], open: boolean): JsonSchema {
    return this.#read(node, place, open)
  }

  /** `place` are the keys of the node in the document. The result refers to `defs`, which the caller puts beside it. */
  read(node: JsonValue | undefined, place: readonly string[]): JsonSchema {
    const schema = this.#read(node, place, false)
    this.#library.complete()
    return schema
  }

  /** As `read`, but a reference at the top is always written out, so that its properties can be seen. */
  readTop(node: JsonValue | undefined, place: readonly string[]): JsonSchema {
    let here = node
    const classes: string[] = []
    for (let steps = 0; steps < LIMITS.schemaDepthMax && isJsonObject(here) && typeof here.$ref === 'string' && this.#only(here); steps++) {
      const target = referenceTarget(this.#document, here.$ref)
      if (target === undefined) break
      classes.push(...this.#classes(here, place))
      here = target
    }
    return withClasses(this.read(here, place), classes)
  }

  #only(node: JsonObject): boolean {
    return this.#document.dialect === '3.0' || Object.keys(unmarked(node)).length === 1
  }

  #classes(node: JsonObject, place: readonly string[]): string[] {
    return this.#use === 'output' ? markedClasses(node, place, this.#faults) : []
  }

  /** `open`: part of a composition that is closed as a whole, so not closed by itself. */
  #read(node: JsonValue | undefined, place: readonly string[], open: boolean): JsonSchema {
    this.#written++
    if (node === true || node === undefined) return {}
    if (node === false) return { not: {} }
    if (!isJsonObject(node)) {
      this.#faults.source(place, 'expected a schema')
      return { not: {} }
    }
    for (const keyword of UNREADABLE)
      if (Object.hasOwn(node, keyword))
        this.#faults.source([...place, keyword], `\`${keyword}\` is not supported; use \`$ref\` within the document`)
    return withClasses(this.#unmarked(unmarked(node), place, open), this.#classes(node, place))
  }

  #unmarked(node: JsonObject, place: readonly string[], open: boolean): JsonSchema {
    if (typeof node.$ref === 'string') return this.#reference(node, node.$ref, place, open)
    const composed = COMPOSED.some((keyword) => Object.hasOwn(node, keyword))
    const own = isJsonObject(node.properties) || node.type === 'object'
    const partsOpen = open || (composed && (own || Object.hasOwn(node, 'allOf') || Object.hasOwn(node, 'if')))
    const schema = this.#keywords(node, place, partsOpen)
    const merged = Array.isArray(node.allOf) ? this.#allOf(schema, node.allOf, place) : schema
    if (this.#document.dialect === '3.0' && node.nullable === true && typeof merged.type === 'string') merged.type = [merged.type, 'null']
    return open || this.#use === 'output' ? merged : close(merged, partsOpen)
  }

  #reference(node: JsonObject, reference: string, place: readonly string[], open: boolean): JsonSchema {
    const target = referenceTarget(this.#document, reference)
    if (target === undefined) {
      this.#faults.source(
        [...place, '$ref'],
        `reference \`${reference}\` does not lead to a place in this document; bundle the document first`,
      )
      return { not: {} }
    }
    if (!this.#leadsSomewhere(target)) {
      this.#faults.source([...place, '$ref'], `reference \`${reference}\` leads in a circle`)
      return { not: {} }
    }
    const { $ref: _, ...rest } = node
    if (this.#document.dialect === '2020-12' && Object.keys(rest).some((key) => key !== 'description' && key !== 'summary'))
      return this.#read({ ...rest, allOf: [{ $ref: reference }, ...(Array.isArray(rest.allOf) ? rest.allOf : [])] }, place, open)
    const inline = !this.#recursive(reference) && this.#written < this.#nodesMax
    const schema = inline ? this.#read(target, place, open) : { $ref: `#/$defs/${this.#define(reference, target, open)}` }
    return typeof rest.description === 'string' && !Object.hasOwn(schema, '$ref') ? { ...schema, description: rest.description } : schema
  }

  /** False where references follow each other without end, so that no schema is ever reached. */
  #leadsSomewhere(target: JsonValue): boolean {
    let here: JsonValue | undefined = target
    for (let steps = 0; steps < LIMITS.schemaDepthMax; steps++) {
      if (!isJsonObject(here) || typeof here.$ref !== 'string' || !this.#only(here)) return true
      here = referenceTarget(this.#document, here.$ref)
    }
    return false
  }

  #define(reference: string, target: JsonValue, open: boolean): string {
    const name = this.#library.define(reference, target, open)
    this.names.add(name)
    return name
  }

  #keywords(node: JsonObject, place: readonly string[], open: boolean): JsonSchema {
    const schema: JsonSchema = {}
    for (const keyword of PLAIN) if (Object.hasOwn(node, keyword)) schema[keyword] = node[keyword] ?? null
    this.#plain(node, schema, place)
    if (isJsonObject(node.properties)) this.#properties(node.properties, schema, place)
    for (const keyword of ONE_SCHEMA) {
      const value = node[keyword]
      if (keyword === 'items' && Array.isArray(value)) {
        // Tuples of JSON Schema up to 2019-09.
        schema.prefixItems = value.map((item, i) => this.#read(item, [...place, keyword, String(i)], false))
        continue
      }
      if (typeof value === 'boolean') schema[keyword] = value
      else if (value !== undefined)
        schema[keyword] = this.#read(value, [...place, keyword], keyword === 'not' || keyword === 'propertyNames')
    }
    for (const keyword of SCHEMA_LISTS) {
      const list = node[keyword]
      if (Array.isArray(list))
        schema[keyword] = list.map((item, i) => this.#read(item, [...place, keyword, String(i)], open && keyword !== 'prefixItems'))
    }
    for (const keyword of SCHEMA_MAPS) {
      const map = node[keyword]
      if (!isJsonObject(map)) continue
      const entries = Object.entries(map).map(([key, item]): [string, JsonSchema] => [
        key,
        this.#read(item, [...place, keyword, key], keyword === 'dependentSchemas'),
      ])
      schema[keyword] = Object.fromEntries(entries)
    }
    for (const keyword of CONDITIONS)
      if (node[keyword] !== undefined) schema[keyword] = this.#read(node[keyword], [...place, keyword], true)
    return schema
  }

  /** What 3.0 says differently, and what the document leaves to the reader's kindness. */
  #plain(node: JsonObject, schema: JsonSchema, place: readonly string[]): void {
    if (this.#document.dialect === '3.0') {
      exclusive(schema, 'minimum', 'exclusiveMinimum')
      exclusive(schema, 'maximum', 'exclusiveMaximum')
      if (node.format === 'byte') schema.contentEncoding = 'base64'
      if (node.nullable === true && Array.isArray(schema.enum) && !schema.enum.includes(null)) schema.enum = [...schema.enum, null]
    }
    if (schema.type === undefined && schema.enum === undefined && schema.const === undefined) {
      if (isJsonObject(node.properties)) schema.type = 'object'
      else if (node.items !== undefined) schema.type = 'array'
    }
    if (typeof schema.pattern === 'string') {
      const pattern = unicodePattern(schema.pattern)
      if (pattern === undefined) this.#faults.source([...place, 'pattern'], 'the pattern is not an ECMA-262 regular expression')
      else schema.pattern = pattern
    }
  }

  #properties(properties: JsonObject, schema: JsonSchema, place: readonly string[]): void {
    const hidden = this.#use === 'input' ? 'readOnly' : 'writeOnly'
    const kept: JsonSchema = {}
    const dropped = new Set<string>()
    for (const [name, property] of Object.entries(properties)) {
      const read = this.#read(property, [...place, 'properties', name], false)
      if (read[hidden] === true) dropped.add(name)
      else kept[name] = read
    }
    schema.properties = kept
    if (dropped.size > 0 && Array.isArray(schema.required)) schema.required = schema.required.filter((name) => !dropped.has(String(name)))
    if (Array.isArray(schema.required) && schema.required.length === 0) delete schema.required
  }

  /** One flat schema where the parts can be told as one, else the composition. */
  #allOf(schema: JsonSchema, parts: readonly JsonValue[], place: readonly string[]): JsonSchema {
    const read = parts.map((part, i) => {
      const inner =
        isJsonObject(part) && typeof part.$ref === 'string' && !this.#recursive(part.$ref)
          ? referenceTarget(this.#document, part.$ref)
          : part
      const at = [...place, 'allOf', String(i)]
      // A reference is read as what it leads to, so the classes beside it are not in there.
      const beside = isJsonObject(part) && inner !== part ? this.#classes(part, at) : []
      return withClasses(this.#read(inner, at, true), beside)
    })
    return mergeAll(schema, read) ?? { ...schema, allOf: read }
  }
}

/** Closes an object schema that declares properties and is silent about others. An object that declares nothing stays free-form. */
function close(schema: JsonSchema, composed: boolean): JsonSchema {
  const types = Array.isArray(schema.type) ? schema.type : [schema.type]
  const parts = composed && COMPOSED.some((keyword) => Object.hasOwn(schema, keyword))
  if (parts)
    return Object.hasOwn(schema, 'unevaluatedProperties') || Object.hasOwn(schema, 'additionalProperties')
      ? schema
      : { ...schema, unevaluatedProperties: false }
  if (!types.includes('object') || Object.hasOwn(schema, 'additionalProperties') || Object.hasOwn(schema, 'unevaluatedProperties'))
    return schema
  const declares = isJsonObject(schema.properties) || isJsonObject(schema.patternProperties)
  const branches = Object.hasOwn(schema, 'oneOf') || Object.hasOwn(schema, 'anyOf')
  return branches ? schema : { ...schema, additionalProperties: !declares }
}

/** OpenAPI 3.0 (JSON Schema draft 5): a boolean beside the bound. */
function exclusive(schema: JsonSchema, bound: 'minimum' | 'maximum', flag: 'exclusiveMinimum' | 'exclusiveMaximum'): void {
  const is = schema[flag]
  if (typeof is !== 'boolean') return
  delete schema[flag]
  const value = schema[bound]
  if (!is || value === undefined) return
  schema[flag] = value
  delete schema[bound]
}

/** The pattern as a regular expression with the `u` flag reads it; needless escapes become code units. Undefined where it is none. */
function unicodePattern(pattern: string): string | undefined {
  const candidates = [
    pattern,
    pattern.replace(/\\([^\w^$\\.*+?()[\]{}|/])/gs, (_, c: string) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`),
  ]
  return candidates.find((candidate) => {
    try {
      return new RegExp(candidate, 'u') instanceof RegExp
    } catch {
      return false
    }
  })
}
