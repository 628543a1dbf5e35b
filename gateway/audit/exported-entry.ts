import type { Entry, EntryBody } from '../core/entry.ts'
import { type EntryPayload, withPayload } from '../core/entry-payload.ts'
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import { FORM } from '../record/leaf.ts'
import { jsonOf } from './exported-line.ts'

/** What the log holds of an entry. */
export type Leaf = Pick<Entry, 'process' | 'seq' | 'at' | 'body' | 'commitment'> & { call: string | null }

/** Undefined where the text is that of no entry. */
export function readLeaf(text: string): Leaf | undefined {
  const leaf = jsonOf(text)
  if (!isJsonObject(leaf) || leaf.form !== FORM) return undefined
  const { process, seq, at, call, body, commitment } = leaf
  const isPlaced = typeof process === 'string' && Number.isSafeInteger(seq) && typeof at === 'number'
  const isText = (value: unknown): boolean => value === null || typeof value === 'string'
  if (!isPlaced || !isText(call) || !isText(commitment) || !isJsonObject(body) || typeof body.kind !== 'string') return undefined
  return leaf as unknown as Leaf
}

/** Whether the text is the canonical one (RFC 8785) of what it says, which no other text is. */
export function isCanonical(text: string): boolean {
  try {
    return canonicalJson(JSON.parse(text) as JsonValue) === text
  } catch {
    return false
  }
}

/** The entry with its payload; without that what the log has. What is very long is payload as a whole. */
export function entire(
  { body, commitment }: Pick<Leaf, 'body' | 'commitment'>,
  payload: string | undefined,
): { body: EntryBody; isComplete: boolean } {
  if (payload === undefined) return { body, isComplete: commitment === null }
  const read = JSON.parse(payload) as JsonObject
  const whole = 'whole' in read ? (read.whole as unknown as EntryBody) : withPayload(body, read as unknown as EntryPayload)
  return { body: whole, isComplete: true }
}

/** `entire` of a leaf's text; undefined where it is none. */
export function entryOf(leaf: string, payload: string | undefined): { body: EntryBody; isComplete: boolean } | undefined {
  const read = readLeaf(leaf)
  return read && entire(read, payload)
}
