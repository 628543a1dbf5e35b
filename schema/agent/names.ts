import { createHash } from 'node:crypto'

const LEGAL = /^(?!__)[_A-Za-z][_0-9A-Za-z]*$/

const digest = (text: string, digits: number): string => createHash('sha256').update(text).digest('hex').slice(0, digits)

/** A legal GraphQL name (October 2021, 2.1.9): kept where it is one, else runs of other characters become `_`; never starts with `__` or a digit. */
export function graphqlName(raw: string): string {
  if (LEGAL.test(raw)) return raw
  const mapped = raw.replace(/[^A-Za-z0-9_]+/g, '_').replace(/^_+|_+$/g, '')
  if (mapped === '') return '_'
  return /^[0-9]/.test(mapped) ? `_${mapped}` : mapped
}

/**
 * Names for sibling keys, in the same order. A key that is a legal name keeps it; mapped names that meet another get `_` and 6 hex digits of
 * their key's SHA-256, so that the result does not depend on the order of the keys.
 */
export function siblingNames(keys: readonly string[]): string[] {
  const short = distinctNames(keys, 6)
  return new Set(short).size === keys.length ? short : distinctNames(keys, 64)
}

function distinctNames(keys: readonly string[], digits: number): string[] {
  const count = new Map<string, number>()
  for (const key of keys) count.set(graphqlName(key), (count.get(graphqlName(key)) ?? 0) + 1)
  return keys.map((key) => {
    const name = graphqlName(key)
    return name === key || count.get(name) === 1 ? name : `${name === '_' ? '' : name}_${digest(key, digits)}`
  })
}

/** `list_vendors` to `ListVendors`: a part of a type name, letters and digits only. */
export function pascal(raw: string): string {
  const words = raw.split(/[^A-Za-z0-9]+/).filter((word) => word !== '')
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('') || 'Type'
}

/** Identity of a structure: 32 hex digits. */
export const fingerprint = (listing: unknown): string => digest(JSON.stringify(listing), 32)
