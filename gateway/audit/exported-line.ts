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
  /** C2SP tlog-proof, where the export is a part of the log. */
  proof?: string
}

/** What an export says it is. It proves nothing: all that counts is found out again. */
export interface About {
  form: typeof FORM
  /** Of the log, when it was exported. */
  size: number
  /** `calls`: all entries of some calls. `range`: entries of some time. */
  part: 'whole' | 'calls' | 'range'
  /** In words, for people. */
  asked: string
}

export const FORM = 'gatehouse/export@v1'

export function readAbout(text: string): About | undefined {
  const read = jsonOf(text)
  if (!isJsonObject(read) || read.form !== FORM || typeof read.size !== 'number' || typeof read.asked !== 'string') return undefined
  const { part } = read
  return part === 'whole' || part === 'calls' || part === 'range' ? { form: FORM, size: read.size, part, asked: read.asked } : undefined
}

export function jsonOf(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    return undefined
  }
}

/** Undefined where the text is no line of an export. */
export function readLine(text: string): ExportedLine | undefined {
  const line = jsonOf(text)
  if (!isJsonObject(line)) return undefined
  const { index, leaf, payload, salt, erased, proof } = line
  const isText = (value: JsonValue | undefined): boolean => value === undefined || typeof value === 'string'
  if (!Number.isSafeInteger(index) || typeof leaf !== 'string' || !isText(payload) || !isText(salt) || !isText(proof)) return undefined
  return erased === undefined || erased === true ? (line as unknown as ExportedLine) : undefined
}

/** Lines of a file, one at a time. Throws RangeError where one is longer than `LIMITS.auditLineCharsMax`. */
export async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of createReadStream(file, 'utf8')) {
    const parts = `${rest}${String(chunk)}`.split('\n')
    rest = parts.pop() ?? ''
    if (rest.length > LIMITS.auditLineCharsMax)
      throw new RangeError(`a line of ${file} is longer than ${LIMITS.auditLineCharsMax} characters`)
    yield* parts
  }
  if (rest !== '') yield rest
}
