import { canonicalJson, isJsonObject, type JsonObject, type JsonValue, pointerToken } from './json.ts'

/** What people made of a call's arguments. */
export interface ArgumentEdit {
  /** The arguments as the agent sent them, canonical. */
  original: JsonObject
  /** Each person once, in the order of their first edit. */
  editors: readonly string[]
  /** Who edited last. */
  by: string
  /** How often. */
  count: number
}

/** One difference, at an RFC 6901 pointer. Without `from` it was added, without `to` removed. */
export interface ArgumentChange {
  pointer: string
  from?: JsonValue
  to?: JsonValue
}

/** What an agent is told of an edited call. */
export interface Edited {
  by: string
  /** Against what the agent sent; empty where it was all put back. */
  changes: readonly ArgumentChange[]
}

/** Null where nobody edited the call. */
export const editedOf = ({ input, edit }: { input: JsonObject; edit: ArgumentEdit | null }): Edited | null =>
  edit && { by: edit.by, changes: changesBetween(edit.original, input) }

/** One more edit of a call. */
export function editAfter({ input, edit }: { input: JsonObject; edit: ArgumentEdit | null }, by: string): ArgumentEdit {
  const editors = [...new Set([...(edit?.editors ?? []), by])]
  return { original: edit?.original ?? input, editors, by, count: (edit?.count ?? 0) + 1 }
}

/**
 * The differences between two arguments, in the order of their pointers. Lists of one length are compared item by item; of different lengths the whole list
 * is the difference, since nobody can tell which items were meant.
 */
export function changesBetween(before: JsonObject, after: JsonObject): ArgumentChange[] {
  return differences('', before, after)
}

function differences(pointer: string, before: JsonValue | undefined, after: JsonValue | undefined): ArgumentChange[] {
  if (before === undefined || after === undefined)
    return [{ pointer, ...(before === undefined ? {} : { from: before }), ...(after === undefined ? {} : { to: after }) }]
  if (isJsonObject(before) && isJsonObject(after)) {
    const own = (of: JsonObject, key: string): JsonValue | undefined => (Object.hasOwn(of, key) ? of[key] : undefined)
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
    return keys.flatMap((key) => differences(`${pointer}/${pointerToken(key)}`, own(before, key), own(after, key)))
  }
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length)
    return before.flatMap((item, index) => differences(`${pointer}/${index}`, item, after[index]))
  return canonicalJson(before) === canonicalJson(after) ? [] : [{ pointer, from: before, to: after }]
}
