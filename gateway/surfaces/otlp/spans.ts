import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../../core/json.ts'
import { decodeUtf8 } from '../../core/json-text.ts'
import { LIMITS } from '../../limits.ts'
import { decodeSpan, spansInProtobuf } from './protobuf.ts'

export type Encoding = 'json' | 'protobuf'

/** Names to values: texts, numbers, lists and objects. */
export type Attributes = ReadonlyMap<string, JsonValue>

/** A span as it was sent. */
export interface SentSpan {
  /** Lower-case hexadecimal, as the ids below. */
  traceId: string
  spanId: string
  parentSpanId: string | null
  name: string
  kind: number
  /** Milliseconds since the Unix epoch. */
  startedAt: number
  endedAt: number
  status: { code: number; message: string }
  attributes: Attributes
  events: readonly { name: string; attributes: Attributes }[]
  /** Attributes and events that the sender left out. */
  leftOut: number
}

export interface SentSpans {
  spans: readonly SentSpan[]
  /** How many were not read, by the reason. */
  rejected: ReadonlyMap<string, number>
}

const TOO_MANY = `a request may have ${LIMITS.accountSpansPerRequestMax} spans`
const TOO_MUCH = `a span may have ${LIMITS.accountFieldsPerSpanMax} fields, ${LIMITS.accountDepthMax} levels deep`
const BAD_ID = 'trace and span ids have 32 and 16 hexadecimal digits, not all zero'

/**
 * The spans of an ExportTraceServiceRequest (OTLP 1, `application/x-protobuf` or `application/json`), at most `LIMITS.accountSpansPerRequestMax`. A span
 * that no account could hold is rejected alone. Throws BAD_INPUT where the body is no such request.
 */
export function readSpans(encoding: Encoding, body: Uint8Array): SentSpans {
  const rejected = new Map<string, number>()
  const reject = (why: string, count = 1): void => void rejected.set(why, (rejected.get(why) ?? 0) + count)
  const raw = encoding === 'json' ? spansInJson(body) : spansInProtobuf(body)
  const spans: SentSpan[] = []
  for (const sent of raw.slice(0, LIMITS.accountSpansPerRequestMax)) {
    const object = sent instanceof Uint8Array ? decodeSpan(sent) : sent
    const span = object && spanOf(object)
    if (typeof span === 'object') spans.push(span)
    else reject(span ?? TOO_MUCH)
  }
  if (raw.length > LIMITS.accountSpansPerRequestMax) reject(TOO_MANY, raw.length - LIMITS.accountSpansPerRequestMax)
  return { spans, rejected }
}

const malformed = (pointer: string, message: string): GatewayError =>
  new GatewayError('BAD_INPUT', `malformed OTLP: \`${pointer}\` ${message}`, { faults: [{ pointer, message }] })

/** A list of objects; absent and null are none, as in the JSON mapping of protobuf. */
function objectsIn(object: JsonObject, name: string, at: string): readonly JsonObject[] {
  const value = object[name] ?? []
  if (!Array.isArray(value)) throw malformed(`${at}/${name}`, 'must be a list')
  return value.map((item, index) => {
    if (!isJsonObject(item)) throw malformed(`${at}/${name}/${index}`, 'must be an object')
    return item
  })
}

/** `JSON.parse`, since 64-bit integers may stand as numbers, whose last digits do not matter here. Nothing is judged by this text but what it is read as. */
function spansInJson(body: Uint8Array): readonly JsonObject[] {
  let request: unknown
  try {
    request = JSON.parse(decodeUtf8(body))
  } catch (error) {
    throw new GatewayError('BAD_INPUT', 'malformed JSON: the body is no JSON text in UTF-8', { cause: error })
  }
  if (!isJsonObject(request as JsonValue)) throw malformed('', 'must be an object')
  return objectsIn(request as JsonObject, 'resourceSpans', '').flatMap((resource, r) =>
    objectsIn(resource, 'scopeSpans', `/resourceSpans/${r}`).flatMap((scope, s) =>
      objectsIn(scope, 'spans', `/resourceSpans/${r}/scopeSpans/${s}`),
    ),
  )
}

function textIn(object: JsonObject, name: string): string {
  const value = object[name] ?? ''
  if (typeof value !== 'string') throw malformed(`/${name}`, 'of a span must be a text')
  return value
}

function countIn(object: JsonObject, name: string): number {
  const value = Number(object[name] ?? 0)
  if (!Number.isSafeInteger(value) || value < 0) throw malformed(`/${name}`, 'of a span must be a whole number')
  return value
}

const NANOS_PER_MS = 1_000_000
const TIME_MAX_MS = 8_640_000_000_000_000

function timeIn(object: JsonObject, name: string): number {
  const nanos = Number(object[name] ?? 0)
  if (!(nanos >= 0 && nanos / NANOS_PER_MS <= TIME_MAX_MS)) throw malformed(`/${name}`, 'of a span must be nanoseconds since 1970')
  return nanos / NANOS_PER_MS
}

const isId = (id: string, digits: number): boolean => id.length === digits && /^[0-9a-f]+$/.test(id) && !/^0+$/.test(id)

/** Why it is rejected, where it is. */
function spanOf(object: JsonObject): SentSpan | string {
  const [traceId, spanId, parentSpanId] = [textIn(object, 'traceId'), textIn(object, 'spanId'), textIn(object, 'parentSpanId')].map((id) =>
    id.toLowerCase(),
  ) as [string, string, string]
  if (!isId(traceId, 32) || !isId(spanId, 16)) return BAD_ID
  const status = object.status ?? {}
  if (!isJsonObject(status)) throw malformed('/status', 'of a span must be an object')
  const startedAt = timeIn(object, 'startTimeUnixNano')
  const sent = objectsIn(object, 'events', '')
  const events = sent.slice(0, LIMITS.accountMessagesPerSpanMax)
  const span = {
    ...{ traceId, spanId, parentSpanId: isId(parentSpanId, 16) ? parentSpanId : null },
    ...{ name: textIn(object, 'name'), kind: countIn(object, 'kind') },
    ...{ startedAt, endedAt: Math.max(startedAt, timeIn(object, 'endTimeUnixNano')) },
    status: { code: countIn(status, 'code'), message: textIn(status, 'message') },
  }
  try {
    return {
      ...span,
      attributes: attributesIn(object),
      events: events.map((event) => ({ name: textIn(event, 'name'), attributes: attributesIn(event) })),
      leftOut: countIn(object, 'droppedAttributesCount') + countIn(object, 'droppedEventsCount') + sent.length - events.length,
    }
  } catch (error) {
    if (error instanceof TooDeep) return TOO_MUCH
    throw error
  }
}

class TooDeep extends Error {}

function attributesIn(object: JsonObject): Attributes {
  const attributes = new Map<string, JsonValue>()
  for (const pair of objectsIn(object, 'attributes', '')) {
    if (attributes.size >= LIMITS.accountAttributesPerSpanMax) throw new TooDeep()
    attributes.set(textIn(pair, 'key'), anyValue(pair.value ?? {}, LIMITS.accountDepthMax))
  }
  return attributes
}

/** An AnyValue as plain JSON; null for bytes and for none. */
function anyValue(value: JsonValue, depth: number): JsonValue {
  if (depth === 0) throw new TooDeep()
  if (!isJsonObject(value)) throw malformed('/attributes', 'of a span must have values of OTLP, such as `{"stringValue": "..."}`')
  const { stringValue, boolValue, intValue, doubleValue, arrayValue, kvlistValue } = value
  if (typeof stringValue === 'string') return stringValue
  if (typeof boolValue === 'boolean') return boolValue
  for (const number of [intValue, doubleValue]) {
    if (number === undefined || number === null) continue
    if (typeof number !== 'number' && typeof number !== 'string') throw malformed('/attributes', 'of a span have a number that is none')
    return Number.isFinite(Number(number)) ? Number(number) : String(number)
  }
  if (isJsonObject(arrayValue)) return objectsIn(arrayValue, 'values', '').map((item) => anyValue(item, depth - 1))
  if (!isJsonObject(kvlistValue)) return null
  return Object.fromEntries(
    objectsIn(kvlistValue, 'values', '').map((pair) => [textIn(pair, 'key'), anyValue(pair.value ?? {}, depth - 1)]),
  )
}
