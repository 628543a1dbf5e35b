/** A JSON value after strict parsing: finite numbers, well-formed strings, no undefined. */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject
export type JsonObject = { [key: string]: JsonValue }

export const isJsonObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Canonical JSON text (RFC 8785 JCS): members sorted by UTF-16 code unit, ECMAScript numbers, no white space.
 * Throws TypeError on NaN, infinities, lone surrogates and undefined, so what cannot be digested is never digested.
 */
export function canonicalJson(value: JsonValue): string {
  switch (typeof value) {
    case 'string':
      return NOT_VERBATIM.test(value) ? escaped(value) : `"${value}"`
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError('a number that is not finite has no canonical form')
      return String(value)
    case 'boolean':
      return String(value)
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? `[${value.map(canonicalJson).join(',')}]` : canonicalMembers(value)
    default:
      throw new TypeError('not a JSON value')
  }
}

/** What a string may hold that is not written as it is, or that has to be looked at more closely. */
const NOT_VERBATIM = /["\\\p{Cc}\p{Cs}]/u

function escaped(value: string): string {
  if (!value.isWellFormed()) throw new TypeError('a lone surrogate has no canonical form')
  return JSON.stringify(value)
}

function canonicalMembers(value: JsonObject): string {
  let text = ''
  for (const key of Object.keys(value).sort())
    text += `${text === '' ? '' : ','}${canonicalJson(key)}:${canonicalJson(value[key] as JsonValue)}`
  return `{${text}}`
}

/** Reads the value at an RFC 6901 JSON pointer; undefined where there is none. */
export function atPointer(root: JsonValue, pointer: string): JsonValue | undefined {
  if (pointer === '') return root
  let at: JsonValue | undefined = root
  for (const raw of pointer.slice(1).split('/')) {
    const token = raw.replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(at)) at = /^(0|[1-9][0-9]*)$/.test(token) ? at[Number(token)] : undefined
    else if (isJsonObject(at)) at = Object.hasOwn(at, token) ? at[token] : undefined
    else return undefined
  }
  return at
}

/** One token of an RFC 6901 pointer, escaped. */
export const pointerToken = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1')
