import type { LookedUp } from './decision.ts'
import type { JsonObject } from './json.ts'
import { valuesAt } from './pointers.ts'

/** Whom the facts of a hold keep from voting on it. */
export interface Excluded {
  /** As the facts name them, sorted. */
  readonly people: readonly string[]
  /** Pointers where nothing names anybody: then nobody may vote. */
  readonly unknown: readonly string[]
}

export const NOBODY_EXCLUDED: Excluded = Object.freeze({ people: Object.freeze([]), unknown: Object.freeze([]) })

/**
 * Reads whom `pointers` name, `/input/...` in the arguments and `/lookup/...` in what was looked up for the call; `*` stands for every item. A value that is
 * absent, null, empty or no text names nobody who could be kept out, so that its pointer is unknown.
 */
export function excludedBy(pointers: readonly string[], input: JsonObject, lookups: readonly LookedUp[]): Excluded {
  const lookup = Object.fromEntries(lookups.flatMap(({ fact, fields }) => (fields ? [[fact, fields]] : [])))
  const people = new Set<string>()
  const unknown: string[] = []
  for (const pointer of pointers) {
    const values = valuesAt({ input, lookup }, pointer).flat()
    const names = values.flatMap((value) => (typeof value === 'string' && sameName(value) !== '' ? [value] : []))
    if (names.length === 0 || names.length < values.length) unknown.push(pointer)
    for (const name of names) people.add(name)
  }
  return { people: [...people].sort(), unknown }
}

/** Systems write names in their own way: case, width and surrounding space tell nobody apart. */
const sameName = (name: string): string => name.normalize('NFKC').trim().toLowerCase()

export const isExcluded = ({ people }: Excluded, name: string): boolean => people.some((one) => sameName(one) === sameName(name))
