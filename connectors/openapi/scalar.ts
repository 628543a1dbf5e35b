import { GatewayError } from '../../gateway/core/errors.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import type { JsonSchema } from '../../gateway/core/operation.ts'
import { UpstreamError } from '../../gateway/ports/connector.ts'
import { deref } from '../describe.ts'

export type Scalar = 'string' | 'integer' | 'number' | 'boolean'

/** What a parameter or form property looks like as text. `other` has no textual form but JSON. */
export type Shape =
  | { kind: 'scalar'; scalar: Scalar }
  | { kind: 'array'; items: Scalar }
  | { kind: 'object'; properties: ReadonlyMap<string, Scalar> }
  | { kind: 'other' }

/** Reads the shape of a converted schema; `root` holds the `$defs`. Of several types a text can stand for, string wins. */
export function shapeOf(root: JsonSchema, node: JsonValue | undefined): Shape {
  const schema = deref(root, node)
  if (!isJsonObject(schema)) return { kind: 'scalar', scalar: 'string' }
  const types = typesOf(root, schema)
  if (types.has('array')) {
    if (types.size > 1) return { kind: 'other' }
    const items = shapeOf(root, schema.items)
    return items.kind === 'scalar' ? { kind: 'array', items: items.scalar } : { kind: 'other' }
  }
  if (types.has('object')) {
    if (types.size > 1 || !isJsonObject(schema.properties)) return { kind: 'other' }
    const properties = new Map<string, Scalar>()
    for (const [name, property] of Object.entries(schema.properties)) {
      const shape = shapeOf(root, property)
      if (shape.kind !== 'scalar') return { kind: 'other' }
      properties.set(name, shape.scalar)
    }
    return { kind: 'object', properties }
  }
  for (const scalar of ['string', 'number', 'integer', 'boolean'] as const) if (types.has(scalar)) return { kind: 'scalar', scalar }
  return { kind: 'scalar', scalar: 'string' }
}

function typesOf(root: JsonSchema, schema: JsonObject): Set<string> {
  if (schema.type !== undefined)
    return new Set((Array.isArray(schema.type) ? schema.type : [schema.type]).map(String).filter((type) => type !== 'null'))
  const values = Array.isArray(schema.enum) ? schema.enum : schema.const === undefined ? [] : [schema.const]
  if (values.length > 0) return new Set(values.filter((value) => value !== null).map(typeOf))
  const types = new Set<string>()
  for (const keyword of ['oneOf', 'anyOf', 'allOf']) {
    const branches = schema[keyword]
    if (!Array.isArray(branches)) continue
    for (const branch of branches) {
      const inner = deref(root, branch)
      if (isJsonObject(inner)) for (const type of typesOf(root, inner)) types.add(type)
    }
  }
  return types
}

function typeOf(value: JsonValue): string {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

const INTEGER = /^(0|-?[1-9][0-9]*)$/
const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/

/** Text to value, exact forms only (JSON numbers, `true` and `false`). Throws BAD_INPUT with the pointer. */
export function readScalar(scalar: Scalar, text: string, pointer: string): string | number | boolean {
  if (scalar === 'string') return text
  if (scalar === 'boolean') {
    if (text === 'true' || text === 'false') return text === 'true'
    throw badInput(pointer, 'must be `true` or `false`')
  }
  const value = (scalar === 'integer' ? INTEGER : NUMBER).test(text) ? Number(text) : Number.NaN
  const exact = scalar === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value) && !Object.is(value, -0)
  if (!exact) throw badInput(pointer, scalar === 'integer' ? 'must be an integer below 2^53' : 'must be a number')
  return value
}

/** Value to text. What has no textual form never leaves. */
export function writeScalar(value: JsonValue): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw unsendable('an argument has no textual form')
}

/** BAD_INPUT with one fault. */
export const badInput = (pointer: string, message: string): GatewayError =>
  new GatewayError('BAD_INPUT', `${pointer === '' ? 'the request' : `\`${pointer}\``} ${message}`, { faults: [{ pointer, message }] })

/** An argument that no upstream request can carry unambiguously. Nothing was sent. */
export const unsendable = (message: string): UpstreamError => new UpstreamError('refused', message, false)
