import { isJsonObject, type JsonObject, type JsonValue, pointerToken } from '../../gateway/core/json.ts'
import { parseJson } from '../../gateway/core/json-text.ts'
import type { JsonSchema } from '../../gateway/core/operation.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { percentEncode } from './query.ts'
import { badInput, type Shape, unsendable, writeScalar } from './scalar.ts'
import { type Delimiter, RecordReader, readDelimited, writeDelimited } from './styles.ts'

export type Location = 'path' | 'query' | 'header' | 'cookie'

/** A request on its way out, in parts. */
export interface Outgoing {
  /** Encoded texts of path parameters, by name. */
  path: Record<string, string>
  /** Encoded `name=value` pairs. */
  query: string[]
  headers: Record<string, string>
  /** Encoded `name=value` pairs. */
  cookies: string[]
}

/** A request that came in, decoded exactly once. */
export interface Incoming {
  path: Readonly<Record<string, string>>
  query: ReadonlyMap<string, readonly string[]>
  headers: Readonly<Record<string, string | readonly string[] | undefined>>
  cookies: ReadonlyMap<string, readonly string[]>
}

/** A declared parameter, compiled: the same object reads it at the proxy and writes it upstream. */
export interface Parameter {
  readonly in: Location
  /** On the wire; header names in lower case. */
  readonly name: string
  /** Name of the input property. */
  readonly property: string
  readonly required: boolean
  readonly schema: JsonSchema
  readonly style: string
  readonly explode: boolean
  /** Query or cookie names that belong to it. */
  readonly names: readonly string[]
  /** Throws UpstreamError where the value cannot be carried unambiguously. */
  write(value: JsonValue, out: Outgoing): void
  /** Undefined where it is absent. Throws BAD_INPUT. */
  read(from: Incoming): JsonValue | undefined
}

export type ParameterHead = Omit<Parameter, 'names' | 'write' | 'read'>

const STYLES: Readonly<Record<Location, readonly string[]>> = {
  path: ['simple', 'label', 'matrix'],
  query: ['form', 'spaceDelimited', 'pipeDelimited', 'deepObject'],
  header: ['simple'],
  cookie: ['form'],
}

/** `simple` in path and header, `form` in query and cookie (OpenAPI 3.1, Parameter Object). */
export const defaultStyle = (location: Location): string => STYLES[location][0] ?? 'simple'

/** Compiles a parameter, or says why its style cannot carry its schema. `json` is a parameter described by `content`. */
export function compileParameter(head: ParameterHead, shape: Shape, json: boolean): Parameter | string {
  const pointer = `/${pointerToken(head.property)}`
  if (!json) {
    if (!STYLES[head.in].includes(head.style)) return `style \`${head.style}\` does not exist for ${head.in} parameters`
    if (shape.kind === 'other')
      return `style \`${head.style}\` carries scalars, lists and records of scalars only; describe it by \`content\` or exclude the operation`
    if (head.style === 'deepObject' && shape.kind !== 'object') return 'style `deepObject` carries records only'
  }
  const text = json ? jsonText(pointer) : undefined
  if (head.in === 'path') return { ...head, names: [], ...pathCodec(head, shape, pointer, text) }
  if (head.in === 'header') return { ...head, names: [], ...headerCodec(head, shape, pointer, text) }
  if (head.in === 'cookie') return { ...head, names: [head.name], ...cookieCodec(head, shape, pointer, text) }
  return { ...head, ...queryCodec(head, shape, pointer, text) }
}

interface TextCodec {
  write(value: JsonValue): string
  read(text: string): JsonValue
}

const jsonText = (pointer: string): TextCodec => ({
  write: (value) => JSON.stringify(value),
  read: (text) => {
    try {
      return parseJson(text, LIMITS.inputDepthMax)
    } catch (cause) {
      throw badInput(pointer, cause instanceof Error ? `is ${cause.message}` : 'is malformed JSON')
    }
  },
})

type Codec = Pick<Parameter, 'write' | 'read'>
const COMMA = { separator: ',', written: ',' }

function pathCodec({ name, style, explode }: ParameterHead, shape: Shape, pointer: string, json: TextCodec | undefined): Codec {
  if (json)
    return {
      write(value, out) {
        out.path[name] = percentEncode(json.write(value))
      },
      read: ({ path }) => json.read(path[name] ?? ''),
    }
  const delimiter = pathDelimiter(style, explode)
  const matrixList = style === 'matrix' && explode && shape.kind === 'array'
  const matrixRecord = style === 'matrix' && explode && shape.kind === 'object'
  const start = style === 'label' ? '.' : style !== 'matrix' ? '' : matrixRecord ? ';' : `;${name}=`
  return {
    write(value, out) {
      const written = matrixList
        ? listOf(value)
            .map((one) => `;${name}=${writeDelimited({ kind: 'scalar', scalar: shape.items }, noSemicolon(one), delimiter, percentEncode)}`)
            .join('')
        : start + writeDelimited(shape, noSemicolon(value), delimiter, percentEncode)
      out.path[name] = written
    },
    read({ path }) {
      const text = path[name] ?? ''
      if (!text.startsWith(start)) throw badInput(pointer, `must start with \`${start}\``)
      if (style === 'matrix' && !explode && text.indexOf(';', 1) !== -1) throw badInput(pointer, 'has more than one `;`')
      if (!matrixList) return readDelimited(shape, text.slice(start.length), delimiter, pointer)
      const elements = text
        .slice(1)
        .split(';')
        .map((element) => {
          if (!element.startsWith(`${name}=`)) throw badInput(pointer, `must be \`;${name}=value\` elements`)
          return element.slice(name.length + 1)
        })
      return elements.map((element, i) => readDelimited({ kind: 'scalar', scalar: shape.items }, element, delimiter, `${pointer}/${i}`))
    },
  }
  /** `;` ends a matrix element even where it was encoded. */
  function noSemicolon(value: JsonValue): JsonValue {
    if (style === 'matrix' && JSON.stringify(value).includes(';')) throw unsendable('a matrix argument contains `;`')
    return value
  }
}

function pathDelimiter(style: string, explode: boolean): Delimiter {
  if (explode && style === 'label') return { separator: '.', written: '.', pairs: true }
  if (explode && style === 'matrix') return { separator: ';', written: ';', pairs: true }
  return { ...COMMA, pairs: explode }
}

function listOf(value: JsonValue): JsonValue[] {
  if (Array.isArray(value)) return value
  throw unsendable('an argument has no textual form')
}

function headerCodec({ name, explode }: ParameterHead, shape: Shape, pointer: string, json: TextCodec | undefined): Codec {
  const delimiter = { ...COMMA, pairs: explode }
  return {
    write(value, out) {
      const text = json ? json.write(value) : writeDelimited(shape, value, delimiter, (one) => one)
      if (!/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text))
        throw unsendable('a header argument has characters that a header cannot carry')
      out.headers[name] = text
    },
    read({ headers }) {
      const text = headers[name]
      if (text === undefined) return undefined
      if (typeof text !== 'string') throw badInput(pointer, 'is given twice')
      if (json) return json.read(text)
      return readDelimited(shape, shape.kind === 'scalar' ? text.trim() : text.trim().replace(/\s*,\s*/g, ','), delimiter, pointer)
    },
  }
}

function cookieCodec({ name }: ParameterHead, shape: Shape, pointer: string, json: TextCodec | undefined): Codec {
  const delimiter = { ...COMMA, pairs: false }
  return {
    write: (value, out) =>
      void out.cookies.push(
        `${percentEncode(name)}=${json ? percentEncode(json.write(value)) : writeDelimited(shape, value, delimiter, percentEncode)}`,
      ),
    read({ cookies }) {
      const text = single(cookies.get(name), pointer)
      return text === undefined ? undefined : json ? json.read(text) : readDelimited(shape, text, delimiter, pointer)
    },
  }
}

function single(values: readonly string[] | undefined, pointer: string): string | undefined {
  if (values && values.length > 1) throw badInput(pointer, 'is given twice')
  return values?.[0]
}

function queryCodec(head: ParameterHead, shape: Shape, pointer: string, json: TextCodec | undefined): Codec & Pick<Parameter, 'names'> {
  const { name, style, explode } = head
  if (!json && shape.kind === 'object' && (style === 'deepObject' || (style === 'form' && explode)))
    return recordQuery(shape.properties, (key) => (style === 'deepObject' ? `${name}[${key}]` : key), pointer)
  const encodedName = percentEncode(name)
  if (!json && shape.kind === 'array' && explode)
    return {
      names: [name],
      write(value, out) {
        for (const one of listOf(value)) out.query.push(`${encodedName}=${percentEncode(writeScalar(one))}`)
      },
      read: ({ query }) =>
        query
          .get(name)
          ?.map((text, i) => readDelimited({ kind: 'scalar', scalar: shape.items }, text, { ...COMMA, pairs: false }, `${pointer}/${i}`)),
    }
  const delimiter = { ...queryDelimiter(style), pairs: false }
  return {
    names: [name],
    write: (value, out) =>
      void out.query.push(
        `${encodedName}=${json ? percentEncode(json.write(value)) : writeDelimited(shape, value, delimiter, percentEncode)}`,
      ),
    read({ query }) {
      const text = single(query.get(name), pointer)
      return text === undefined ? undefined : json ? json.read(text) : readDelimited(shape, text, delimiter, pointer)
    },
  }
}

function queryDelimiter(style: string): Omit<Delimiter, 'pairs'> {
  if (style === 'spaceDelimited') return { separator: ' ', written: '%20' }
  return style === 'pipeDelimited' ? { separator: '|', written: '%7C' } : COMMA
}

/** A record whose members are query parameters of their own. */
function recordQuery(
  properties: ReadonlyMap<string, 'string' | 'integer' | 'number' | 'boolean'>,
  nameOf: (key: string) => string,
  pointer: string,
): Codec & Pick<Parameter, 'names'> {
  const names = new Map([...properties.keys()].map((key) => [nameOf(key), key]))
  return {
    names: [...names.keys()],
    write(value, out) {
      if (!isJsonObject(value)) throw unsendable('an argument has no textual form')
      for (const [key, one] of Object.entries(value)) out.query.push(`${percentEncode(nameOf(key))}=${percentEncode(writeScalar(one))}`)
    },
    read({ query }) {
      const record = new RecordReader(properties, pointer)
      for (const [name, key] of names) {
        const text = single(query.get(name), `${pointer}/${pointerToken(key)}`)
        if (text !== undefined) record.add(key, text)
      }
      const value: JsonObject = record.value
      return Object.keys(value).length > 0 ? value : undefined
    },
  }
}
