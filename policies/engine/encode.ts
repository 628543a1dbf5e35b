import { canonicalJson, isJsonObject, type JsonValue, pointerToken } from '../../gateway/core/json.ts'
import type { CedarValue } from './cedar.ts'
import type { Shape, VariantName } from './input-shape.ts'

/** A value that Cedar cannot hold, or a fact that nobody knows, where a policy reads it. Becomes a deny. */
export class CannotEncode extends Error {
  override readonly name = 'CannotEncode'
  /** A sentence for the agent, where its own arguments are the cause. */
  readonly advice: string | undefined

  /** `pointer` into the question: `/input/...` are the arguments. */
  constructor(pointer: string, why: string) {
    super(`\`${pointer}\` ${why}`)
    this.advice = pointer.startsWith('/input/') ? `\`${pointer.slice('/input'.length)}\` ${why}.` : undefined
  }
}

/** The largest whole part of a Cedar decimal, rounded down to what a double tells apart. */
const DECIMAL_ABS_MAX = 922_337_203_685_477

/**
 * The one encoder of input for policy. `shape` says what the engine expects; what is not in it is left out. Decimals and points in time
 * are plain texts, which the schema turns into their types. Throws CannotEncode, never rounds.
 */
export function encode(shape: Shape, value: JsonValue, pointer = ''): CedarValue {
  switch (shape.kind) {
    case 'string':
    case 'datetime':
      return typeof value === 'string' ? wellFormed(value, pointer) : refuse(pointer, 'is not text')
    case 'bool':
      return typeof value === 'boolean' ? value : refuse(pointer, 'is not true or false')
    case 'long':
      return Number.isSafeInteger(value) ? Number(value) + 0 : refuse(pointer, 'is not a whole number below 2^53: give a smaller one')
    case 'decimal':
      return typeof value === 'number' ? decimal(value, pointer) : refuse(pointer, 'is not a number')
    case 'amount':
      return typeof value === 'string' && AMOUNT.test(value) ? value : refuse(pointer, 'is not an amount')
    case 'json':
      return jsonText(value, pointer)
    case 'person':
      return value as CedarValue
    case 'set':
      return Array.isArray(value) ? value.map((v, i) => encode(shape.element, v, `${pointer}/${i}`)) : refuse(pointer, 'is not an array')
    case 'record':
      return record(shape, value, pointer)
    default:
      return union(shape, value, pointer)
  }
}

const AMOUNT = /^-?\d{1,15}\.\d{1,4}$/

const SAMPLES = { long: 0, decimal: '0.0', amount: '0.0', string: '', json: '', bool: false, datetime: '1970-01-01T00:00:00Z' } as const

/** The smallest value of a shape, as the engine takes it. */
export function sampleOf(shape: Shape): CedarValue {
  if (shape.kind === 'set') return []
  if (shape.kind === 'union') return {}
  if (shape.kind === 'person') return { __entity: { type: 'Gatehouse::Person', id: '' } }
  if (shape.kind !== 'record') return SAMPLES[shape.kind]
  const required = [...shape.fields].filter(([, field]) => field.required)
  return Object.fromEntries(required.map(([name, field]) => [name, sampleOf(field.shape)]))
}

function record(shape: Extract<Shape, { kind: 'record' }>, value: JsonValue, pointer: string): CedarValue {
  if (!isJsonObject(value)) return refuse(pointer, 'is not an object')
  const encoded: [string, CedarValue][] = []
  for (const [name, field] of shape.fields) {
    const own = Object.hasOwn(value, name) ? value[name] : undefined
    if (own !== undefined && own !== null) encoded.push([name, encode(field.shape, own, `${pointer}/${pointerToken(name)}`)])
  }
  return Object.fromEntries(encoded)
}

function union(shape: Extract<Shape, { kind: 'union' }>, value: JsonValue, pointer: string): CedarValue {
  const names = variantsFor(value)
  // Only the variants that policies read are in the shape: another one that came is an empty record.
  const name = names.find((candidate) => shape.variants.has(candidate))
  const variant = name && shape.variants.get(name)
  return variant ? { [name]: encode(variant, value, pointer) } : {}
}

function variantsFor(value: JsonValue): readonly VariantName[] {
  if (typeof value === 'string') return ['asString']
  if (typeof value === 'boolean') return ['asBool']
  if (typeof value === 'number') return Number.isInteger(value) ? ['asLong', 'asDecimal'] : ['asDecimal']
  return Array.isArray(value) ? ['asSet'] : ['asRecord']
}

function decimal(value: number, pointer: string): string {
  if (Math.abs(value) > DECIMAL_ABS_MAX) refuse(pointer, 'is beyond what policy can compare: give a smaller number')
  const text = String(value)
  if (!/^-?\d+(\.\d{1,4})?$/.test(text)) refuse(pointer, 'has more than four decimal places: give at most four')
  return text.includes('.') ? text : `${text}.0`
}

function jsonText(value: JsonValue, pointer: string): string {
  try {
    return canonicalJson(value)
  } catch {
    return refuse(pointer, 'has no canonical JSON form')
  }
}

/** Text as it is: what is not well-formed would reach policy as another text than the one that is sent on. */
export function wellFormed(text: string, pointer: string): string {
  return text.isWellFormed() ? text : refuse(pointer, 'is not well-formed text: send whole characters')
}

function refuse(pointer: string, why: string): never {
  throw new CannotEncode(pointer, why)
}
