import { isJsonObject } from '../../core/json.ts'
import type { JsonObject, JsonValue } from '../../core/json.ts'
import type { Operation } from '../../core/operation.ts'
import { LIMITS } from '../../limits.ts'

/**
 * The output schema that a tool publishes, or undefined where its output is no object (MCP 2025-11-25 server/tools, "Output Schema", takes object
 * schemas only). Clients validate results against it and report a difference as a failed call, and agents repeat failed calls, although this one
 * was executed. So only shape is promised: types (each may also be null, as fields may be masked), properties, items and descriptions, the same
 * as in the GraphQL view; nothing is required and nothing excluded.
 */
export function publishedOutput(operation: Operation): JsonObject | undefined {
  const known = published.get(operation)
  if (known !== undefined) return known
  const schema = operation.content ? undefined : operation.outputSchema
  const loose = schema !== undefined && schema.type === 'object' ? { ...loosened(schema, 0), type: 'object' } : undefined
  if (loose !== undefined) published.set(operation, loose)
  return loose
}

const published = new WeakMap<Operation, JsonObject>()
const TYPES = ['object', 'array', 'string', 'boolean', 'number', 'integer']

function loosened(schema: JsonValue | undefined, depth: number): JsonObject {
  if (!isJsonObject(schema) || depth > LIMITS.schemaDepthMax) return {}
  const loose: JsonObject = {}
  if (typeof schema.title === 'string') loose.title = schema.title
  if (typeof schema.description === 'string') loose.description = schema.description
  const { type } = schema
  if (typeof type === 'string' && TYPES.includes(type)) {
    // Long integers are handed over as strings.
    loose.type = type === 'integer' ? ['number', 'string', 'null'] : [type, 'null']
    if (type === 'array') loose.items = loosened(schema.items, depth + 1)
    if (isJsonObject(schema.properties)) {
      const properties = Object.entries(schema.properties).map(([name, property]) => [name, loosened(property, depth + 1)] as const)
      loose.properties = Object.fromEntries(properties)
    }
  }
  return loose
}

/** Whether a value fits what `publishedOutput` promised. A client would refuse it where it does not. */
export function fits(schema: JsonValue | undefined, value: JsonValue | undefined): boolean {
  if (!isJsonObject(schema) || value === undefined) return true
  const types = Array.isArray(schema.type) ? schema.type : [schema.type]
  if (schema.type !== undefined && !types.includes(typeOf(value))) return false
  if (Array.isArray(value)) return value.every((item) => fits(schema.items, item))
  if (!isJsonObject(value) || !isJsonObject(schema.properties)) return true
  return Object.entries(schema.properties).every(([name, property]) => !Object.hasOwn(value, name) || fits(property, value[name]))
}

function typeOf(value: JsonValue): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}
