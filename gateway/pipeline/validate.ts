import type { ErrorObject, ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { type Fault, GatewayError } from '../core/errors.ts'
import type { OperationId } from '../core/ids.ts'
import { atPointer, isJsonObject, type JsonObject, type JsonValue, pointerToken } from '../core/json.ts'
import type { Catalogue, JsonSchema } from '../core/operation.ts'
import { reservedKeys } from '../core/reserved-keys.ts'

const FAULTS_MAX = 20

/** One compiled validator an operation. */
export interface Validators {
  /** Throws BAD_INPUT with a pointer for each fault. The input is left as it is: nothing coerced, no defaults filled in. */
  check(operation: OperationId, input: JsonObject): void
}

/**
 * Compiles the input schemas (JSON Schema 2020-12) of a catalogue, closed: undeclared properties are faults also where a schema is silent.
 * Throws CONFIG_INVALID naming each operation whose schema does not compile, so a control that cannot bind refuses to start.
 */
export function compileValidators(catalogue: Catalogue): Validators {
  const ajv = new Ajv2020({
    strict: false,
    allErrors: false,
    validateFormats: true,
    logger: false,
    unicodeRegExp: true,
    addUsedSchema: false,
  })
  addFormats.default(ajv)
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
      if (!validate(input)) throw badInput((validate.errors ?? []).slice(0, FAULTS_MAX).map(toFault))
    },
  }
}

const badInput = (faults: readonly Fault[]): GatewayError =>
  new GatewayError(
    'BAD_INPUT',
    `the arguments do not fit the operation: ${faults.map((f) => `${f.pointer || '/'} ${f.message}`).join('; ')}`,
    { faults },
  )

function toFault({ instancePath, keyword, params, message }: ErrorObject): Fault {
  if (keyword === 'additionalProperties' || keyword === 'unevaluatedProperties') {
    const name = String(params.additionalProperty ?? params.unevaluatedProperty)
    return { pointer: `${instancePath}/${pointerToken(name)}`, message: 'is not a property of this operation' }
  }
  if (keyword === 'required') return { pointer: `${instancePath}/${pointerToken(String(params.missingProperty))}`, message: 'is required' }
  if (keyword === 'enum') return { pointer: instancePath, message: `must be one of ${JSON.stringify(params.allowedValues).slice(0, 200)}` }
  return { pointer: instancePath, message: message ?? 'does not fit' }
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
const SINGLES = ['items', 'additionalProperties', 'contains', 'not', 'if', 'then', 'else', 'propertyNames']
const IN_PLACE = new Set(['allOf', 'anyOf', 'oneOf', 'if', 'then', 'else', 'not', 'dependentSchemas', '$defs', 'definitions'])

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
  if (composed || 'additionalProperties' in schema || 'unevaluatedProperties' in schema || !declaresProperties(schema, root, 0)) return out
  if (['$ref', 'allOf', 'anyOf', 'oneOf', 'if', 'dependentSchemas'].some((key) => key in schema)) out.unevaluatedProperties = false
  else out.additionalProperties = false
  return out
}

/** Whether a schema, or what it refers to or is composed of, names properties: an object that names none is a free-form one. */
function declaresProperties(schema: JsonValue, root: JsonSchema, depth: number): boolean {
  if (!isJsonObject(schema) || depth > 8) return false
  if ('additionalProperties' in schema || 'unevaluatedProperties' in schema) return depth === 0
  if (isJsonObject(schema.properties)) return true
  const ref = schema.$ref
  if (typeof ref === 'string' && ref.startsWith('#')) {
    const target = atPointer(root, ref.slice(1))
    if (target !== undefined && declaresProperties(target, root, depth + 1)) return true
  }
  return ['allOf', 'anyOf', 'oneOf'].some((key) => {
    const list = schema[key]
    return Array.isArray(list) && list.some((item) => declaresProperties(item, root, depth + 1))
  })
}
