import type { CallError } from '../core/call.ts'
import { ERRORS } from '../core/errors.ts'
import type { Operation } from '../core/operation.ts'
import type { CallResult } from '../ports/calls.ts'
import { isJson, jsonOf, type Shown, strictText } from './filter.ts'
import { maskFor } from './mask.ts'

/**
 * Text that the system chooses freely, or that follows from the whole body: a file's name, a digest of what is masked. The others say nothing of the
 * content but its type, language and times.
 */
const TELLING_HEADERS: ReadonlySet<string> = new Set(['content-disposition', 'etag'])

/**
 * An answer for a caller who may not read these classes of its operation: the same where none is refused. What the system says beside a success is replaced
 * by a problem (RFC 9457) with its status, since errors repeat what they are about and have no declared form. WITHHELD where a refused value could be anywhere.
 */
export function show(operation: Operation, refused: ReadonlySet<string>, answer: Shown): Shown | CallError {
  const mask = maskFor(operation, refused)
  if (!mask) return answer
  const { status, bytes } = answer
  const headers = plainHeaders(answer.headers)
  if (bytes.length === 0) return { ...answer, headers }
  if (status < 200 || status > 299) return problem(status, headers)
  const text = isJson(headers['content-type']) ? strictText(bytes) : undefined
  if (text === undefined) return withheld('it is not JSON')
  const masked = mask(text)
  if (masked.kind === 'unlocatable') return withheld(masked.why)
  return { status, headers, bytes: Buffer.from(masked.text), masked: merged(answer.masked, masked.pointers) }
}

export const isShown = (shown: Shown | CallError): shown is Shown => 'bytes' in shown

/** What a door hands over; `value` only where it is read. */
export const resultOfShown = ({ status, headers, bytes, masked }: Shown, isRead = true): CallResult => ({
  status,
  headers,
  body: { kind: 'bytes', bytes },
  value: isRead ? jsonOf(headers, bytes) : null,
  ...(masked.length > 0 ? { masked } : {}),
})

/** Of the type only its name: parameters are the system's own words, and the text is UTF-8. */
function plainHeaders(headers: Shown['headers']): Record<string, string> {
  const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => !TELLING_HEADERS.has(name)))
  const type = kept['content-type']
  return type === undefined ? kept : { ...kept, 'content-type': type.split(';')[0]?.trim() ?? '' }
}

function problem(status: number, headers: Readonly<Record<string, string>>): Shown {
  const body = {
    type: 'urn:gatehouse:problem:UPSTREAM',
    title: ERRORS.UPSTREAM.says,
    status,
    detail: `the system answered with status ${status}; what it said is masked, as this caller may not read all that this operation answers with`,
    code: 'UPSTREAM',
    upstreamStatus: status,
  }
  const bytes = Buffer.from(JSON.stringify(body))
  return { status, headers: { ...headers, 'content-type': 'application/problem+json; charset=utf-8' }, bytes, masked: [''] }
}

const withheld = (why: string): CallError => ({
  code: 'WITHHELD',
  message: `the answer has parts that this caller may not read, and they cannot be masked: ${why}`,
})

const merged = (before: readonly string[], now: readonly string[]): readonly string[] => [...new Set([...before, ...now])].sort()
