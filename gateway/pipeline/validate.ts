import type { ErrorObject, Options, ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { type Fault, GatewayError } from '../core/errors.ts'
import type { OperationId } from '../core/ids.ts'
import { atPointer, isJsonObject, type JsonObject, type JsonValue, pointerToken } from '../core/json.ts'
import type { Catalogue, JsonSchema } from '../core/operation.ts'
import { reservedKeys } from '../core/reserved-keys.ts'

const FAULTS_MAX = 20
const POINTER_CHARS_MAX = 512

/** One compiled validator an operation. */
export interface Validators {
  /** Throws BAD_INPUT with a pointer for each fault. The input is left as it is: nothing coerced, no defaults filled in. */
  check(operation: OperationId, input: JsonObject): void
}

/** A compiler of JSON Schema 2020-12 that knows the formats of the standard. It fetches nothing. */
export function newAjv(options: Pick<Options, 'strict' | 'allErrors' | 'strictRequired' | 'strictTypes' | 'strictTuples'>): Ajv2020 {
  const ajv = new Ajv2020({ ...options, validateFormats: true, logger: false, unicodeRegExp: true, addUsedSchema: false })
  addFormats.default(ajv)
  return ajv
}

/**
 * Compiles the input schemas (JSON Schema 2020-12) of a catalogue, closed: undeclared properties are faults also where a schema is silent.
 * Throws CONFIG_INVALID naming each operation whose schema does not compile, so a control that cannot bind refuses to start.
 */
export function compileValidators(catalogue: Catalogue): Validators {
  const ajv = newAjv({ strict: false, allErrors: false })
  for (const name of ['int32', 'int64', 'float', 'double', 'password', 'binary', 'byte', 'decimal']) ajv.addFormat(name, true)
  const compiled = new Map<OperationId, ValidateFunction>()
  const faults: Fault[] = []
  for (const operation of catalogue.operations.values()) {
    try {
      compiled.set(operation.id, ajv.compile(closed(operation.inputSchema)))
    } catch (cause) {
      faults.push({
        pointer: operation.id,
        message: `the input schema does not compile: ${cause instanceof Error ? cause.message : 'unknown cause'}`,
      })
    }
  }
  if (faults.length > 0) throw new GatewayError('CONFIG_INVALID', 'some input schemas do not compile', { faults })
  return {
    check(id, input) {
      const reserved = reservedKeys(input)
      if (reserved.length > 0) {
        throw badInput(reserved.map((pointer) => ({ pointer, message: 'this property name is reserved' })))
      }
      const validate = compiled.get(id)
      if (!validate) throw new GatewayError('NOT_FOUND', 'no such operation')
      if (!validate(input)) throw badInput(schemaFaults(validate.errors, 'is not a property of this operation'))
    },
  }
}

const badInput = (faults: readonly Fault[]): GatewayError =>
  new GatewayError(
    'BAD_INPUT',
    `the arguments do not fit the operation: ${faults.map((f) => `${f.pointer || '/'} ${f.message}`).join('; ')}`,
    { faults },
  )

/** What a value has wrong, with pointers below `base`. `stranger`: what to say of a property that nobody declares. */
export const schemaFaults = (errors: readonly ErrorObject[] | null | undefined, stranger: string, base = ''): Fault[] =>
  (errors ?? []).slice(0, FAULTS_MAX).map((error) => toFault(error, stranger, base))

/** The pointer holds names that the caller chose: it is told as far as it stays short. */
function toFault({ instancePath, keyword, params, message }: ErrorObject, stranger: string, base: string): Fault {
  const at = (name = ''): string => {
    const pointer = name === '' ? `${base}${instancePath}` : `${base}${instancePath}/${pointerToken(name)}`
    return pointer.length > POINTER_CHARS_MAX ? `${pointer.slice(0, POINTER_CHARS_MAX).toWellFormed()}...` : pointer
  }
  if (keyword === 'additionalProperties' || keyword === 'unevaluatedProperties') {
    const name = String(params.additionalProperty ?? params.unevaluatedProperty)
    return { pointer: at(name), message: stranger }
  }
  if (keyword === 'required') return { pointer: at(String(params.missingProperty)), message: 'is required' }
  if (keyword === 'enum') return { pointer: at(), message: `must be one of ${JSON.stringify(params.allowedValues).slice(0, 200)}` }
  return { pointer: at(), message: (message ?? 'does not fit').slice(0, POINTER_CHARS_MAX) }
}

/**
 * The schema with every object that declares properties closed. In compositions (`allOf`, `anyOf`, `oneOf`, `if`) the outermost object is closed with
 * `unevaluatedProperties`, since closing the branches one by one would refuse what the others declare.
 */
export function closed(schema: JsonSchema): JsonSchema {
  const { $schema: _dialect, $id: _id, ...rest } = schema
  return close(rest, rest, false) as JsonSchema
}

const MAPS = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']
const LISTS = ['allOf', 'anyOf', 'oneOf', 'prefixItems']
// Not `not`, `if`, `contains` and `propertyNames`: they ask a question, and a closed question has another answer.
const SINGLES = ['items', 'additionalProperties', 'unevaluatedProperties', 'then', 'else']
const IN_PLACE = new Set(['allOf', 'anyOf', 'oneOf', 'then', 'else', 'dependentSchemas', '$defs', 'definitions'])
const COMPOSED = ['$ref', 'allOf', 'anyOf', 'oneOf', 'if', 'dependentSchemas']

function close(schema: JsonValue, root: JsonSchema, composed: boolean): JsonValue {
  if (!isJsonObject(schema)) return schema
  const out: JsonObject = { ...schema }
  for (const key of MAPS) {
    const map = schema[key]
    if (isJsonObject(map))
      out[key] = Object.fromEntries(Object.entries(map).map(([name, item]) => [name, close(item, root, IN_PLACE.has(key))]))
  }
  for (const key of LISTS) {
    const list = schema[key]
    if (Array.isArray(list)) out[key] = list.map((item) => close(item, root, IN_PLACE.has(key)))
  }
  for (const key of SINGLES) {
    const item = schema[key]
    if (item !== undefined) out[key] = close(item, root, IN_PLACE.has(key))
  }
  if (composed || saysItself(schema) || !declaresProperties(schema, root, new Set())) return out
  if (COMPOSED.some((key) => key in schema)) out.unevaluatedProperties = false
  else out.additionalProperties = false
  return out
}

const saysItself = (schema: JsonObject): boolean => 'additionalProperties' in schema || 'unevaluatedProperties' in schema

/** Whether a schema, or what it refers to or is composed of, names properties: an object that names none is a free-form one. */
function declaresProperties(schema: JsonObject, root: JsonSchema, seen: Set<JsonObject>): boolean {
  if (seen.has(schema)) return false
  seen.add(schema)
  if (isJsonObject(schema.properties) || isJsonObject(schema.patternProperties)) return true
  const target = typeof schema.$ref === 'string' ? targetOf(schema.$ref, root) : undefined
  // What cannot be looked into here is closed: an undeclared property that is refused does no harm.
  if (target === null) return true
  const parts = [target, schema.then, schema.else, ...LISTS.slice(0, 3).flatMap((key) => schema[key]), ...valuesOf(schema.dependentSchemas)]
  return parts.some((part) => isJsonObject(part) && !saysItself(part) && declaresProperties(part, root, seen))
}

const valuesOf = (map: JsonValue | undefined): JsonValue[] => (isJsonObject(map) ? Object.values(map) : [])

/** What a reference inside the schema points at; null where that is not found by a JSON pointer. */
function targetOf(ref: string, root: JsonSchema): JsonValue | null {
  if (!ref.startsWith('#')) return null
  try {
    return atPointer(root, decodeURIComponent(ref.slice(1))) ?? null
  } catch {
    return null
  }
}
