import { badInput } from './scalar.ts'

/**
 * Reads `application/x-www-form-urlencoded` text (a query or a form body) into decoded names and their values in order. Strict: every pair
 * has a name, percent sequences are complete UTF-8, no NUL. `+` is a space. Throws BAD_INPUT.
 */
export function readPairs(raw: string): Map<string, string[]> {
  const pairs = new Map<string, string[]>()
  if (raw === '') return pairs
  for (const pair of raw.split('&')) {
    const at = pair.indexOf('=')
    const name = decode(at === -1 ? pair : pair.slice(0, at))
    if (name === '') throw badInput('', 'has an empty parameter')
    const value = at === -1 ? '' : decode(pair.slice(at + 1))
    const values = pairs.get(name)
    if (values) values.push(value)
    else pairs.set(name, [value])
  }
  return pairs
}

function decode(raw: string): string {
  const text = raw.includes('%') || raw.includes('+') ? percentDecode(raw.replaceAll('+', '%20')) : raw
  if (text.includes('\0')) throw badInput('', 'has a NUL in a parameter')
  return text
}

/** Percent-decodes exactly once. Throws BAD_INPUT where it is not UTF-8. */
export function percentDecode(raw: string): string {
  try {
    return decodeURIComponent(raw)
  } catch {
    throw badInput('', 'has a malformed percent-encoding')
  }
}

/** Encodes all but RFC 3986 unreserved characters, so a value never gains structure. */
export const percentEncode = (text: string): string =>
  encodeURIComponent(text.toWellFormed()).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
