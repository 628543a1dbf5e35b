import type { JsonValue } from '../graphql.ts'
import { humanised, isRecord } from '../words.ts'

/** One place in the arguments: an RFC 6901 pointer, and its name for people. */
export interface Column {
  pointer: string
  name: string
}

/** Arguments side by side: the places that differ, and those that are equal in all. */
export interface SideBySide {
  differing: readonly Column[]
  equal: readonly (Column & { value: JsonValue })[]
  /** The value at a place of one of them; undefined where there is none. */
  at: (row: number, pointer: string) => JsonValue | undefined
}

/** Every leaf of an object. A list is one: its items are read together. */
function leaves(
  value: JsonValue,
  schema: JsonValue | undefined,
  pointer = '',
  names: readonly string[] = [],
): (Column & { value: JsonValue })[] {
  if (!isRecord(value) || (Object.keys(value).length === 0 && pointer !== '')) return [{ pointer, name: names.join(' › '), value }]
  const properties = isRecord(schema) && isRecord(schema.properties) ? schema.properties : {}
  const known = Object.keys(properties).filter((key) => Object.hasOwn(value, key))
  const keys = [...known, ...Object.keys(value).filter((key) => !known.includes(key))]
  return keys.flatMap((key) => {
    const below = properties[key]
    const title = isRecord(below) && typeof below.title === 'string' ? below.title : known.includes(key) ? humanised(key) : key
    return leaves(value[key] ?? null, below, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, [...names, title])
  })
}

/** Sorts arguments of one operation into places that differ and places that do not. Nothing is left out: each leaf is in one of the two. */
export function sideBySide(inputs: readonly JsonValue[], schema: JsonValue | undefined): SideBySide {
  const rows = inputs.map((input) => new Map(leaves(input, schema).map((leaf) => [leaf.pointer, leaf])))
  const all = new Map(rows.flatMap((row) => [...row]))
  const text = (row: ReadonlyMap<string, { value: JsonValue }>, pointer: string): string | undefined => {
    const leaf = row.get(pointer)
    return leaf && JSON.stringify(leaf.value)
  }
  const isEqual = (pointer: string): boolean => new Set(rows.map((row) => text(row, pointer))).size === 1
  const columns = [...all.values()]
  return {
    differing: columns.filter(({ pointer }) => !isEqual(pointer)),
    equal: columns.filter(({ pointer }) => isEqual(pointer)),
    at: (row, pointer) => rows[row]?.get(pointer)?.value,
  }
}

/** What matters of some arguments in a line: numbers first, then what names the business object, then other words; at most three. */
export function gist(inputs: readonly JsonValue[], schema: JsonValue | undefined, key: string | undefined): readonly string[] {
  const rows = inputs.map((input) => leaves(input, schema))
  const rank = ({ pointer, value }: { pointer: string; value: JsonValue }): number =>
    typeof value === 'number' ? 0 : pointer === key ? 1 : typeof value === 'string' ? 2 : 3
  return (rows[0] ?? [])
    .filter((leaf) => rank(leaf) < 3)
    .sort((a, b) => rank(a) - rank(b))
    .flatMap(({ pointer, name }) => {
      const values = rows.map((row) => row.find((leaf) => leaf.pointer === pointer)?.value)
      const text = rangeOf(values)
      return text === undefined ? [] : [`${name} ${text}`]
    })
    .slice(0, 3)
}

/** One value, or the range of numbers; undefined where words differ. */
function rangeOf(values: readonly (JsonValue | undefined)[]): string | undefined {
  const numbers = values.filter((value) => typeof value === 'number')
  if (numbers.length === values.length) {
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)]
    return low === high ? String(low) : `${low} – ${high}`
  }
  return new Set(values).size === 1 ? String(values[0]) : undefined
}
