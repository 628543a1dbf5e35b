import { isJsonObject, type JsonObject, type JsonValue, pointerToken } from '../../gateway/core/json.ts'
import { badInput, readScalar, type Scalar, type Shape, unsendable, writeScalar } from './scalar.ts'

/** A list or record as delimited text: `blue,black`, `R=100,G=200` (pairs) or `R,100,G,200`. */
export interface Delimiter {
  /** Between elements, as it reads once decoded. */
  separator: string
  /** As it is written on the wire. */
  written: string
  /** Records as `key=value` elements rather than alternating keys and values. */
  pairs: boolean
}

type Encode = (text: string) => string

/**
 * Writes delimited text, every element encoded by itself. An element that contains the separator is refused: upstreams decode before they
 * split, so it would arrive as two.
 */
export function writeDelimited(shape: Shape, value: JsonValue, delimiter: Delimiter, encode: Encode): string {
  const element = (one: JsonValue): string => {
    const text = writeScalar(one)
    if (text.includes(delimiter.separator)) throw unsendable('an argument contains the separator of its own list')
    return encode(text)
  }
  if (shape.kind === 'scalar') return encode(writeScalar(value))
  if (shape.kind === 'array' && Array.isArray(value)) return value.map(element).join(delimiter.written)
  if (shape.kind !== 'object' || !isJsonObject(value)) throw unsendable('an argument has no textual form')
  const entries = Object.entries(value)
  if (delimiter.pairs && entries.some(([key]) => key.includes('='))) throw unsendable('a member name contains `=`')
  if (delimiter.pairs) return entries.map(([key, one]) => `${element(key)}=${element(one)}`).join(delimiter.written)
  return entries.map(([key, one]) => `${element(key)}${delimiter.written}${element(one)}`).join(delimiter.written)
}

/** Reads decoded delimited text. Throws BAD_INPUT for what is no such text, undeclared and repeated keys. */
export function readDelimited(shape: Shape, text: string, { separator, pairs }: Delimiter, pointer: string): JsonValue {
  if (shape.kind === 'scalar') return readScalar(shape.scalar, text, pointer)
  const elements = text.split(separator)
  if (shape.kind === 'array') return elements.map((element, i) => readScalar(shape.items, element, `${pointer}/${i}`))
  if (shape.kind !== 'object') throw badInput(pointer, 'has no textual form')
  const record = new RecordReader(shape.properties, pointer)
  if (pairs)
    for (const element of elements) {
      const at = element.indexOf('=')
      if (at === -1) throw badInput(pointer, 'must be `key=value` elements')
      record.add(element.slice(0, at), element.slice(at + 1))
    }
  else {
    if (elements.length % 2 !== 0) throw badInput(pointer, 'must alternate keys and values')
    for (let i = 0; i < elements.length; i += 2) record.add(elements[i] ?? '', elements[i + 1] ?? '')
  }
  return record.value
}

/** Collects the declared members of a record from text, each at most once. */
export class RecordReader {
  readonly value: JsonObject = {}
  readonly #properties: ReadonlyMap<string, Scalar>
  readonly #pointer: string

  constructor(properties: ReadonlyMap<string, Scalar>, pointer: string) {
    this.#properties = properties
    this.#pointer = pointer
  }

  add(key: string, text: string): void {
    const pointer = `${this.#pointer}/${pointerToken(key)}`
    const scalar = this.#properties.get(key)
    if (scalar === undefined) throw badInput(pointer, 'is not declared')
    if (Object.hasOwn(this.value, key)) throw badInput(pointer, 'is given twice')
    this.value[key] = readScalar(scalar, text, pointer)
  }
}
