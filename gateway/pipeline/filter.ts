import type { JsonValue } from '../core/json.ts'
import { createRedactor } from '../core/redactor.ts'
import type { StoredResult } from '../core/call.ts'
import type { UpstreamAnswer } from '../ports/connector.ts'

/** An answer as a caller may see it, or on its way to that. */
export interface Shown {
  status: number
  /** Allow-listed, lower-case. */
  headers: Readonly<Record<string, string>>
  bytes: Uint8Array
  /** Pointers of what is masked in it, sorted; empty text for the whole body. */
  masked: readonly string[]
}

/**
 * Headers of an upstream answer that may reach an agent. Everything else stays here: cookies, redirects, challenges, server names, hop-by-hop headers
 * and whatever a `Connection` header names.
 */
const PASSED_HEADERS: ReadonlySet<string> = new Set([
  'content-type',
  'content-language',
  'content-disposition',
  'etag',
  'last-modified',
  'cache-control',
  'expires',
  'retry-after',
])

/** The allow-listed headers, with every form of the leased secret masked. */
export function filterHeaders(headers: UpstreamAnswer['headers'], needles: readonly Uint8Array[]): Record<string, string> {
  const out: Record<string, string> = {}
  for (const name of PASSED_HEADERS) {
    const value = headers[name]
    if (value === undefined) continue
    out[name] = maskText(typeof value === 'string' ? value : value.join(', '), needles)
  }
  return out
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: false, ignoreBOM: false })
/** For reading: a byte order mark is no part of the text. */
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
/** For keeping: what is handed over later is what came, to the byte. */
const exactDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A text with every form of the secret masked. */
export function maskText(text: string, needles: readonly Uint8Array[]): string {
  if (needles.length === 0) return text
  const redactor = createRedactor(needles)
  return decoder.decode(Buffer.concat([redactor.push(encoder.encode(text)), redactor.end()]))
}

/** A whole body with every form of the secret masked; the length stays. */
export function maskBytes(bytes: Uint8Array, needles: readonly Uint8Array[]): Uint8Array {
  if (needles.length === 0) return bytes
  const redactor = createRedactor(needles)
  return Buffer.concat([redactor.push(bytes), redactor.end()])
}

export const isJson = (contentType: string | undefined): boolean => /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(contentType ?? '')

/** A body as text; undefined where it is none. */
export function strictText(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes)
  } catch {
    return undefined
  }
}

/**
 * A body as the doors with typed answers hand it over: JSON where it says so and is, else its text, base64 where it is not text; null where empty.
 * Integers beyond 2^53 and numbers beyond what a double holds come as strings, since a rounded number would be another one.
 */
export function jsonOf(headers: Readonly<Record<string, string>>, bytes: Uint8Array): JsonValue {
  if (bytes.length === 0) return null
  const text = strictText(bytes)
  if (text === undefined) return Buffer.from(bytes).toString('base64')
  if (!isJson(headers['content-type'])) return text
  try {
    return /\d{16}|[eE]\+?\d{3}/.test(text) ? (JSON.parse(text, keepLongNumbers) as JsonValue) : (JSON.parse(text) as JsonValue)
  } catch {
    return text
  }
}

function keepLongNumbers(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  return context?.source && (!Number.isFinite(value) || /^-?\d+$/.test(context.source)) ? context.source : value
}

/** A body that is kept. */
export function toStored({ status, headers, bytes, masked }: Shown): StoredResult {
  const more = masked.length > 0 ? { masked } : {}
  try {
    return { status, headers, body: exactDecoder.decode(bytes), encoding: 'utf8', ...more }
  } catch {
    return { status, headers, body: Buffer.from(bytes).toString('base64'), encoding: 'base64', ...more }
  }
}

/** A kept body as it was when it was kept. */
export function fromStored({ status, headers, body, encoding, masked = [] }: StoredResult): Shown {
  return { status, headers, bytes: Buffer.from(body, encoding), masked }
}
