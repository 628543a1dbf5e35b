import { GatewayError } from './errors.ts'
import { type JsonObject, type JsonValue, pointerToken } from './json.ts'

/**
 * Parses one RFC 8259 text so that it has exactly one reading: what policy judges is what is sent. `depthMax` bounds nested arrays and objects.
 * Throws BAD_INPUT with one fault (the RFC 6901 pointer of the place and a sentence) on malformed text, trailing data, a byte order mark,
 * duplicate keys (compared after unescaping), a `__proto__` key, nesting beyond `depthMax`, integer literals beyond 2^53 - 1,
 * numbers that overflow, and lone surrogates. Everything it accepts, it reads as `JSON.parse` does.
 */
export function parseJson(text: string, depthMax: number): JsonValue {
  const reader = new Reader(text, depthMax)
  return reader.document()
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Decodes UTF-8, keeping a byte order mark (which `parseJson` refuses). Throws BAD_INPUT on bytes that are not well-formed UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw badJson('', 'the bytes are not UTF-8')
  }
}

const POINTER_CHARS_MAX = 512
const QUOTED_CHARS_MAX = 64

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const FRACTION_OR_EXPONENT = /[.eE]/

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

const badJson = (pointer: string, message: string): GatewayError =>
  new GatewayError('BAD_INPUT', `malformed JSON: ${message}`, { faults: [{ pointer, message }] })

const quoted = (raw: string): string =>
  `\`${(raw.length > QUOTED_CHARS_MAX ? `${raw.slice(0, QUOTED_CHARS_MAX)}...` : raw).toWellFormed()}\``

/** One pass over the text; the recursion is as deep as `depthMax`, never as deep as the text. */
class Reader {
  private at = 0
  private depth = 0
  private readonly path: (string | number)[] = []
  private readonly text: string
  private readonly depthMax: number

  constructor(text: string, depthMax: number) {
    this.text = text
    this.depthMax = depthMax
  }

  document(): JsonValue {
    if (!this.text.isWellFormed()) throw this.fault('the text has a lone surrogate')
    const value = this.value(this.next())
    if (!Number.isNaN(this.next())) throw this.unexpected('the end of the text')
    return value
  }

  /** Code of the next character that is not white space, NaN at the end. */
  private next(): number {
    let code = this.text.charCodeAt(this.at)
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = this.text.charCodeAt(++this.at)
    return code
  }

  private value(code: number): JsonValue {
    switch (code) {
      case QUOTE:
        return this.string()
      case OPEN_BRACE:
        return this.object()
      case OPEN_BRACKET:
        return this.array()
      case 0x74:
        return this.literal('true', true)
      case 0x66:
        return this.literal('false', false)
      case 0x6e:
        return this.literal('null', null)
      default:
        return this.number()
    }
  }

  private object(): JsonObject {
    this.enter()
    const object: JsonObject = {}
    if (this.next() === CLOSE_BRACE) return this.leave(object)
    for (;;) {
      if (this.next() !== QUOTE) throw this.unexpected('a key in quotes')
      const key = this.string()
      this.path.push(key)
      if (key === '__proto__') throw this.fault('the key `__proto__` is not accepted')
      if (Object.hasOwn(object, key)) throw this.fault(`duplicate key ${quoted(key)}`)
      if (this.next() !== COLON) throw this.unexpected('a colon')
      this.at++
      object[key] = this.value(this.next())
      this.path.pop()
      const code = this.next()
      if (code === CLOSE_BRACE) return this.leave(object)
      if (code !== COMMA) throw this.unexpected('a comma or the end of the object')
      this.at++
    }
  }

  private array(): JsonValue[] {
    this.enter()
    const array: JsonValue[] = []
    if (this.next() === CLOSE_BRACKET) return this.leave(array)
    for (;;) {
      this.path.push(array.length)
      array.push(this.value(this.next()))
      this.path.pop()
      const code = this.next()
      if (code === CLOSE_BRACKET) return this.leave(array)
      if (code !== COMMA) throw this.unexpected('a comma or the end of the array')
      this.at++
    }
  }

  private enter(): void {
    if (++this.depth > this.depthMax) throw this.fault(`nested deeper than ${this.depthMax} levels`)
    this.at++
  }

  private leave<T>(value: T): T {
    this.depth--
    this.at++
    return value
  }

  private string(): string {
    const { text } = this
    const start = ++this.at
    for (let i = start; ; i++) {
      const code = text.charCodeAt(i)
      if (code === QUOTE) {
        this.at = i + 1
        return text.slice(start, i)
      }
      if (code === BACKSLASH) return this.escapedString(start, i)
      if (!(code >= 0x20)) {
        this.at = i
        throw this.unexpected('the rest of a string')
      }
    }
  }

  /** `from` is the first backslash: finds the closing quote, then lets the platform unescape and judge the literal. */
  private escapedString(start: number, from: number): string {
    let end = from
    for (let code = BACKSLASH; code !== QUOTE; code = this.text.charCodeAt(end)) {
      if (Number.isNaN(code)) {
        this.at = end
        throw this.unexpected('the rest of a string')
      }
      end += code === BACKSLASH ? 2 : 1
    }
    let value: unknown
    try {
      value = JSON.parse(this.text.slice(start - 1, end + 1))
    } catch {
      value = undefined
    }
    if (typeof value !== 'string') throw this.fault(`a string has a malformed escape or a raw control character after character ${start}`)
    if (!value.isWellFormed()) throw this.fault('a string has a lone surrogate')
    this.at = end + 1
    return value
  }

  private number(): number {
    NUMBER.lastIndex = this.at
    if (!NUMBER.test(this.text)) throw this.unexpected('a value')
    const literal = this.text.slice(this.at, NUMBER.lastIndex)
    const value = Number(literal)
    if (!Number.isFinite(value)) throw this.fault(`the number ${quoted(literal)} is too large`)
    if (!Number.isSafeInteger(value) && !FRACTION_OR_EXPONENT.test(literal))
      throw this.fault(`the integer ${quoted(literal)} is beyond 2^53 - 1 and would lose digits: send it as a string`)
    this.at = NUMBER.lastIndex
    return value
  }

  private literal<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) throw this.unexpected('a value')
    this.at += word.length
    return value
  }

  private unexpected(wanted: string): GatewayError {
    const found = this.at < this.text.length ? quoted(String.fromCodePoint(this.text.codePointAt(this.at) ?? 0)) : 'the end of the text'
    return this.fault(`expected ${wanted} at character ${this.at + 1}, found ${found}`)
  }

  /** A pointer names the place as far as it stays short: the answer must not echo a long document. */
  private fault(message: string): GatewayError {
    let pointer = ''
    for (const token of this.path) {
      const longer = `${pointer}/${typeof token === 'number' ? token : pointerToken(token)}`
      if (longer.length > POINTER_CHARS_MAX) break
      pointer = longer
    }
    return badJson(pointer, message)
  }
}
