import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { GatewayError } from '../../core/errors.ts'
import type { JsonObject, JsonValue } from '../../core/json.ts'
import { LIMITS } from '../../limits.ts'

type Scalar = 'string' | 'hex' | 'base64' | 'uint32' | 'fixed64' | 'int64' | 'double' | 'bool'

interface Field {
  /** As the JSON encoding calls it. */
  name: string
  type: Scalar | (() => Message)
  many?: true
}

/** The fields of a message that are read, by number; all others are passed over. */
type Message = ReadonlyMap<number, Field>

const one = (name: string, type: Field['type']): Field => ({ name, type })
const many = (name: string, type: Field['type']): Field => ({ name, type, many: true })

// Fields as opentelemetry-proto 1 has them.
const ARRAY: Message = new Map([[1, many('values', () => ANY_VALUE)]])
const KEY_VALUE_LIST: Message = new Map([[1, many('values', () => KEY_VALUE)]])
const ANY_VALUE: Message = new Map([
  [1, one('stringValue', 'string')],
  [2, one('boolValue', 'bool')],
  [3, one('intValue', 'int64')],
  [4, one('doubleValue', 'double')],
  [5, one('arrayValue', () => ARRAY)],
  [6, one('kvlistValue', () => KEY_VALUE_LIST)],
  [7, one('bytesValue', 'base64')],
])
const KEY_VALUE: Message = new Map([
  [1, one('key', 'string')],
  [2, one('value', () => ANY_VALUE)],
])
const EVENT: Message = new Map([
  [2, one('name', 'string')],
  [3, many('attributes', () => KEY_VALUE)],
])
const STATUS: Message = new Map([
  [2, one('message', 'string')],
  [3, one('code', 'uint32')],
])
const SPAN: Message = new Map([
  [1, one('traceId', 'hex')],
  [2, one('spanId', 'hex')],
  [4, one('parentSpanId', 'hex')],
  [5, one('name', 'string')],
  [6, one('kind', 'uint32')],
  [7, one('startTimeUnixNano', 'fixed64')],
  [8, one('endTimeUnixNano', 'fixed64')],
  [9, many('attributes', () => KEY_VALUE)],
  [10, one('droppedAttributesCount', 'uint32')],
  [11, many('events', () => EVENT)],
  [12, one('droppedEventsCount', 'uint32')],
  [15, one('status', () => STATUS)],
])

const RESOURCE_SPANS = 1
const SCOPE_SPANS = 2
const SPANS = 2

const malformed = (why: string, cause?: unknown): GatewayError => new GatewayError('BAD_INPUT', `malformed protobuf: ${why}`, { cause })

/** What the library throws on bytes that are no message. */
function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof GatewayError) throw error
    throw malformed('it ends too early, or a length or a text in it is wrong', error)
  }
}

/** The parts of a message with this number, as they stand in it; all else is passed over. */
function* partsOf(bytes: Uint8Array, number: number): Generator<Uint8Array> {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [fieldNumber, wireType] = reader.tag()
    if (fieldNumber !== number) reader.skip(wireType, fieldNumber)
    else if (wireType === WireType.LengthDelimited) yield reader.bytes()
    else throw malformed(`field ${fieldNumber} is no message`)
  }
}

/** The spans of an ExportTraceServiceRequest, each undecoded. Throws BAD_INPUT. */
export function spansInProtobuf(bytes: Uint8Array): readonly Uint8Array[] {
  return reading(() => {
    const spans: Uint8Array[] = []
    for (const resource of partsOf(bytes, RESOURCE_SPANS))
      for (const scope of partsOf(resource, SCOPE_SPANS)) for (const span of partsOf(scope, SPANS)) spans.push(span)
    return spans
  })
}

/** A span as the JSON encoding of OTLP has it; undefined where it has more fields, or is nested deeper, than a span may. Throws BAD_INPUT. */
export function decodeSpan(bytes: Uint8Array): JsonObject | undefined {
  return reading(() => {
    try {
      return decoded(SPAN, new BinaryReader(bytes), bytes.length, { fields: LIMITS.accountFieldsPerSpanMax, depth: LIMITS.accountDepthMax })
    } catch (error) {
      if (error instanceof TooMuch) return undefined
      throw error
    }
  })
}

class TooMuch extends Error {}

interface Room {
  fields: number
  depth: number
}

function decoded(message: Message, reader: BinaryReader, end: number, room: Room): JsonObject {
  if (room.depth === 0) throw new TooMuch()
  const object: JsonObject = {}
  while (reader.pos < end) {
    if (room.fields-- === 0) throw new TooMuch()
    const [number, wireType] = reader.tag()
    const field = message.get(number)
    if (!field) {
      reader.skip(wireType, number)
    } else {
      const value = fieldValue(field.type, reader, wireType, room)
      const known = object[field.name]
      if (!field.many) object[field.name] = value
      else if (Array.isArray(known)) known.push(value)
      else object[field.name] = [value]
    }
    if (reader.pos > end) throw malformed('a field ends beyond its message')
  }
  return object
}

const WIRE_TYPES: Readonly<Record<Scalar, WireType>> = {
  string: WireType.LengthDelimited,
  hex: WireType.LengthDelimited,
  base64: WireType.LengthDelimited,
  uint32: WireType.Varint,
  int64: WireType.Varint,
  bool: WireType.Varint,
  fixed64: WireType.Bit64,
  double: WireType.Bit64,
}

function fieldValue(type: Field['type'], reader: BinaryReader, wireType: WireType, room: Room): JsonValue {
  if ((typeof type === 'function' ? WireType.LengthDelimited : WIRE_TYPES[type]) !== wireType) throw malformed('a field has another type')
  if (typeof type !== 'function') return scalarOf(type, reader)
  const length = reader.uint32()
  const end = reader.pos + length
  if (end > reader.len) throw malformed('it ends too early')
  room.depth--
  const object = decoded(type(), reader, end, room)
  room.depth++
  return object
}

function scalarOf(type: Scalar, reader: BinaryReader): JsonValue {
  switch (type) {
    case 'string':
      return reader.string(true)
    case 'hex':
      return Buffer.from(reader.bytes()).toString('hex')
    case 'base64':
      return Buffer.from(reader.bytes()).toString('base64')
    case 'uint32':
      return reader.uint32()
    case 'fixed64':
      return reader.fixed64().toString()
    case 'int64':
      return reader.int64().toString()
    case 'double':
      return reader.double()
    case 'bool':
      return reader.bool()
  }
}

/** An ExportTraceServiceResponse; empty where nothing was rejected. */
export function encodeResponse(partial: { rejectedSpans: number; errorMessage: string } | undefined): Uint8Array {
  const writer = new BinaryWriter()
  if (!partial) return writer.finish()
  const { rejectedSpans, errorMessage } = partial
  writer.tag(1, WireType.LengthDelimited).fork()
  writer.tag(1, WireType.Varint).int64(rejectedSpans)
  writer.tag(2, WireType.LengthDelimited).string(errorMessage)
  return writer.join().finish()
}

/** A google.rpc.Status. */
export const encodeStatus = (code: number, message: string): Uint8Array =>
  new BinaryWriter().tag(1, WireType.Varint).int32(code).tag(2, WireType.LengthDelimited).string(message).finish()
