import { isJsonObject, type JsonObject, type JsonValue, pointerToken } from '../../gateway/core/json.ts'
import { decodeUtf8, parseJson } from '../../gateway/core/json-text.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { percentEncode, readPairs } from './query.ts'
import { badInput, readScalar, type Shape, unsendable, writeScalar } from './scalar.ts'

export type BodyFormat = 'json' | 'form' | 'text' | 'binary' | 'multipart'

/** How a body travels. Exactly one media type of the document is used; the body is always written anew from its value. */
export interface BodyCodec {
  readonly format: BodyFormat
  /** Sent with the body; for multipart the boundary is added. */
  readonly mediaType: string
  /** Other media types that are read the same way. */
  readonly accepts: ReadonlySet<string>
  write(value: JsonValue): { contentType: string; bytes: string | Uint8Array }
  /** Throws BAD_INPUT. `parameters` are those of the content type. */
  read(bytes: Uint8Array, parameters: ReadonlyMap<string, string>): JsonValue
}

/** The format of a media type (lower case, without parameters). */
export function formatOf(mediaType: string): BodyFormat {
  if (mediaType === 'application/json' || mediaType.endsWith('+json')) return 'json'
  if (mediaType === 'application/x-www-form-urlencoded') return 'form'
  if (mediaType.startsWith('multipart/')) return 'multipart'
  return mediaType.startsWith('text/') || mediaType.endsWith('+xml') || mediaType === 'application/xml' ? 'text' : 'binary'
}

/** `shapes` are those of a form's properties. */
export function compileBody(mediaType: string, accepts: ReadonlySet<string>, shapes: ReadonlyMap<string, Shape>): BodyCodec {
  const format = formatOf(mediaType)
  const sent = mediaType.includes('*') ? (format === 'text' ? 'text/plain' : 'application/octet-stream') : mediaType
  const head = { format, mediaType: sent, accepts: new Set([...accepts, sent]) }
  if (format === 'json')
    return {
      ...head,
      write: (value) => ({ contentType: sent, bytes: JSON.stringify(value) }),
      read: (bytes) => parseJson(decodeUtf8(bytes), LIMITS.inputDepthMax),
    }
  if (format === 'form')
    return {
      ...head,
      write: (value) => ({ contentType: sent, bytes: writeForm(value) }),
      read: (bytes) => readForm(decodeUtf8(bytes), shapes),
    }
  if (format === 'text')
    return { ...head, write: (value) => ({ contentType: `${sent};charset=utf-8`, bytes: textOf(value) }), read: decodeUtf8 }
  if (format === 'binary')
    return {
      ...head,
      write: (value) => ({ contentType: sent, bytes: bytesOf(value) }),
      read: (bytes) => Buffer.from(bytes).toString('base64'),
    }
  return {
    ...head,
    write(value) {
      const bytes = bytesOf(value)
      const boundary = boundaryOf(bytes)
      if (boundary === undefined) throw unsendable('the body is not multipart')
      return { contentType: `${sent};boundary="${boundary}"`, bytes }
    },
    read(bytes, parameters) {
      if (boundaryOf(bytes) !== parameters.get('boundary')) throw badInput('/body', 'must start with the boundary of its content type')
      return Buffer.from(bytes).toString('base64')
    },
  }
}

function textOf(value: JsonValue): string {
  if (typeof value === 'string') return value
  throw unsendable('the body is not text')
}

function bytesOf(value: JsonValue): Uint8Array {
  const bytes = Buffer.from(textOf(value), 'base64')
  if (bytes.toString('base64').replaceAll('=', '') !== textOf(value).replaceAll('=', '')) throw unsendable('the body is not base64')
  return bytes
}

/** RFC 2046 5.1.1: the body starts with the dash-boundary line, so nobody needs to carry the boundary beside it. */
function boundaryOf(bytes: Uint8Array): string | undefined {
  return /^--([0-9A-Za-z'()+_,\-./:=?]{1,70})\r\n/.exec(Buffer.from(bytes.subarray(0, 80)).toString('latin1'))?.[1]
}

/** Scalars as text, lists as repeated names, anything else as JSON text (OpenAPI 3.1, Encoding Object defaults). */
function writeForm(value: JsonValue): string {
  if (!isJsonObject(value)) throw unsendable('a form body is a record')
  const pairs: string[] = []
  for (const [name, one] of Object.entries(value)) {
    if (one === null) continue
    const list = Array.isArray(one) ? one : [one]
    for (const item of list)
      pairs.push(`${percentEncode(name)}=${percentEncode(typeof item === 'object' ? JSON.stringify(item) : writeScalar(item))}`)
  }
  return pairs.join('&')
}

function readForm(text: string, shapes: ReadonlyMap<string, Shape>): JsonObject {
  if (/[^\x21-\x7e]/.test(text)) throw badInput('/body', 'has characters that a form encodes')
  const value: JsonObject = {}
  for (const [name, values] of readPairs(text)) {
    const pointer = `/${pointerToken(name)}`
    const shape = shapes.get(name)
    if (shape === undefined) throw badInput(pointer, 'is not declared')
    if (shape.kind === 'array') value[name] = values.map((item, i) => readScalar(shape.items, item, `${pointer}/${i}`))
    else if (values.length > 1) throw badInput(pointer, 'is given twice')
    else value[name] = shape.kind === 'scalar' ? readScalar(shape.scalar, values[0] ?? '', pointer) : readJson(values[0] ?? '', pointer)
  }
  return value
}

function readJson(text: string, pointer: string): JsonValue {
  try {
    return parseJson(text, LIMITS.inputDepthMax)
  } catch (cause) {
    throw badInput(pointer, cause instanceof Error ? `is ${cause.message}` : 'is malformed JSON')
  }
}

/**
 * Reads a Content-Type header (RFC 9110 8.3.1): media type and parameters in lower case but for their values. Undefined where it is
 * malformed or names a charset other than UTF-8.
 */
export function readContentType(raw: string): { mediaType: string; parameters: ReadonlyMap<string, string> } | undefined {
  const [type = '', ...rest] = raw.split(';')
  const mediaType = type.trim().toLowerCase()
  if (!/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(mediaType)) return undefined
  const parameters = new Map<string, string>()
  for (const parameter of rest) {
    const found = /^\s*([\w!#$&^.+-]+)=(?:"([^"\\]*)"|([^\s"]*))\s*$/.exec(parameter)
    if (!found) return undefined
    const name = (found[1] ?? '').toLowerCase()
    if (parameters.has(name)) return undefined
    parameters.set(name, found[2] ?? found[3] ?? '')
  }
  const charset = parameters.get('charset')?.toLowerCase()
  return charset === undefined || charset === 'utf-8' || charset === 'utf8' ? { mediaType, parameters } : undefined
}
