import type { Entry } from '../core/entry.ts'
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'

/** The form of leaves, which their text names: a log may hold several. */
export const FORM = 'gatehouse/entry@v1'

/** The form of whole entries. */
const WHOLE = 'gatehouse/entry-with-payload@v1'

/**
 * The bytes that the log holds of an entry, in the place of the entry itself: canonical JSON (RFC 8785) of all but its payload, and the commitment to
 * that. `at` is in milliseconds since the Unix epoch. The same whether the payload is still there or was erased.
 */
export const leafOf = (entry: Entry): Uint8Array => Buffer.from(textOf(envelopeOf(FORM, entry)))

/** An entry with its payload, as text: no leaf. `erased` where the payload is gone. */
export const wholeEntryText = (entry: Entry): string => textOf({ ...envelopeOf(WHOLE, entry), erased: entry.erased ?? false })

const envelopeOf = (form: string, { process, seq, at, callId, body, commitment }: Entry): JsonObject => ({
  ...{ form, process, seq, at, call: callId, body: body as unknown as JsonObject, commitment },
})

function textOf(envelope: JsonObject): string {
  try {
    return canonicalJson(envelope)
  } catch {
    // Half of a surrogate pair, in what somebody asked for: it has no canonical form, and must not stop the log.
    return canonicalJson(wellFormed(envelope))
  }
}

function wellFormed(value: JsonValue): JsonValue {
  if (typeof value === 'string') return value.toWellFormed()
  if (Array.isArray(value)) return value.map(wellFormed)
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key.toWellFormed(), wellFormed(member)]))
}
