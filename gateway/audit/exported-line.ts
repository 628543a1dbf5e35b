import { createReadStream } from 'node:fs'
import { isJsonObject, type JsonValue } from '../core/json.ts'
import { LIMITS } from '../limits.ts'

/** Names within an export. */
export const CHECKPOINT = 'checkpoint'
export const VKEY = 'log.vkey'
export const ENTRIES = 'entries.ndjson'
export const ABOUT = 'export.json'
export const SETS = 'policy-sets'

/** Where a tile of hashes lies in an export, by its path in the log (`tile/<L>/<N>`). */
export const tileFile = (path: string): string => path.replace(/^tile\//, 'tiles/')

/** A line of `entries.ndjson`. */
export interface ExportedLine {
  index: number
  /** The text that was hashed. */
  leaf: string
  /** JSON text, with the salt of the commitment in base64. */
  payload?: string
  salt?: string
  erased?: true
  /** The gateway could not open the payload: it was changed in the database, or is that of another entry. */
  unreadable?: true
  /** The seed of a sample drew it, and no call of the sample begins with it: it is there to show that. */
  shown?: true
  /** C2SP tlog-proof, where the export is a part of the log. */
  proof?: string
}

/** What an export says it is. It proves nothing: all that counts is found out again. */
export interface About {
  form: typeof FORM
  /** Of the log, when it was exported. */
  size: number
  /** Where that began; absent for 0. An entry of the export has to say so. */
  from?: number
  /** `calls`: all entries of some calls. `range`: entries of some time. */
  part: 'whole' | 'calls' | 'range'
  /** In words, for people. */
  asked: string
  /** Of a part by time: written at or after, and before; ISO 8601. */
  since?: string
  until?: string
  /** So many calls, drawn by this seed. */
  sample?: SampleDrawn
}

export interface SampleDrawn {
  count: number
  seed: string
}

export const FORM = 'gatehouse/export@v1'

export function readAbout(text: string): About | undefined {
  const read = jsonOf(text)
  if (!isJsonObject(read) || read.form !== FORM || typeof read.size !== 'number' || typeof read.asked !== 'string') return undefined
  const { size, part, asked, sample, since, until, from = 0 } = read
  if (!Number.isSafeInteger(from) || Number(from) < 0) return undefined
  if (part !== 'whole' && part !== 'calls' && part !== 'range') return undefined
  if (!isTime(since) || !isTime(until) || (part !== 'range' && (since ?? until) !== undefined)) return undefined
  const times = { ...(since === undefined ? {} : { since }), ...(until === undefined ? {} : { until }) }
  const about = { form: FORM, size, part, asked, ...times, ...(from === 0 ? {} : { from: Number(from) }) } as const
  if (sample === undefined) return about
  if (part !== 'calls' || !isJsonObject(sample) || typeof sample.seed !== 'string' || !Number.isSafeInteger(sample.count)) return undefined
  return { ...about, sample: { count: Number(sample.count), seed: sample.seed } }
}

const isTime = (value: JsonValue | undefined): value is string | undefined =>
  value === undefined || (typeof value === 'string' && !Number.isNaN(Date.parse(value)))

export function jsonOf(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    return undefined
  }
}

/** The text of a line, which is the same for the same line. */
export function lineText({ index, leaf, payload, salt, erased, unreadable, shown, proof }: ExportedLine): string {
  return JSON.stringify({ index, leaf, payload, salt, erased, unreadable, shown, proof })
}

/**
 * Undefined where the text is no line of an export, or another way to write one: a member twice or one more would be read otherwise by other tools.
 */
export function readLine(text: string): ExportedLine | undefined {
  const line = jsonOf(text)
  if (!isJsonObject(line)) return undefined
  const { index, leaf, payload, salt, erased, unreadable, shown, proof } = line
  const isText = (value: JsonValue | undefined): boolean => value === undefined || (typeof value === 'string' && value.isWellFormed())
  const isMark = (value: JsonValue | undefined): boolean => value === undefined || value === true
  if (!Number.isSafeInteger(index) || Number(index) < 0 || typeof leaf !== 'string' || ![erased, unreadable, shown].every(isMark))
    return undefined
  if (![leaf, payload, salt, proof].every(isText)) return undefined
  const read = line as unknown as ExportedLine
  return lineText(read) === text ? read : undefined
}

const NEWLINE = 10

/** Lines of a file, one at a time; null for one that is no UTF-8. Throws RangeError where one is longer than `LIMITS.auditLineBytesMax`. */
export async function* linesOf(file: string): AsyncGenerator<string | null> {
  let begun: Buffer[] = []
  let length = 0
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      yield textOf([...begun, chunk.subarray(from, at)])
      begun = []
      length = 0
      from = at + 1
    }
    if (from < chunk.length) begun.push(chunk.subarray(from))
    length += chunk.length - from
    if (length > LIMITS.auditLineBytesMax) throw new RangeError(`it is longer than ${LIMITS.auditLineBytesMax} bytes`)
  }
  if (begun.length > 0) yield textOf(begun)
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(parts: readonly Buffer[]): string | null {
  const [only] = parts
  try {
    return utf8.decode(only && parts.length === 1 ? only : Buffer.concat(parts))
  } catch {
    return null
  }
}
