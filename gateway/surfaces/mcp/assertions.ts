import type { IncomingHttpHeaders } from 'node:http'
import type { Fault } from '../../core/errors.ts'
import { pointerToken } from '../../core/json.ts'
import type { JsonObject } from '../../core/json.ts'
import { LIMITS } from '../../limits.ts'
import type { Asked } from '../../ports/calls.ts'
import { DECISION_RECORD_FORM, decisionRecordHeader, decisionRecordOf } from '../decision-record.ts'
import { headerText } from '../header-text.ts'

const KEYS = [
  { to: 'rationale', meta: 'gatehouse/rationale', header: 'gatehouse-rationale', charsMax: LIMITS.rationaleCharsMax },
  { to: 'run', meta: 'gatehouse/run', header: 'gatehouse-run', charsMax: LIMITS.runCharsMax },
  { to: 'idempotencyKey', meta: 'gatehouse/idempotencyKey', header: 'idempotency-key', charsMax: LIMITS.idempotencyKeyCharsMax },
] as const

const RECORD = 'gatehouse/decisionRecord'

/** W3C Trace Context 3.2: a malformed one is ignored, and a new trace starts. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

/**
 * What the agent says beside its arguments: `_meta` keys `gatehouse/rationale`, `gatehouse/run`, `gatehouse/decisionRecord`, `gatehouse/idempotencyKey`
 * and `traceparent`,
 * each with the HTTP header of that job where `_meta` lacks it. Faults point below the request's `params`.
 */
export function readAssertions(
  meta: JsonObject,
  headers: IncomingHttpHeaders,
): Pick<Asked, 'asserted' | 'idempotencyKey' | 'traceparent'> | { faults: Fault[] } {
  const said: { rationale?: string; run?: string; idempotencyKey?: string } = {}
  const faults: Fault[] = []
  for (const { to, meta: key, header, charsMax } of KEYS) {
    const value = meta[key] ?? textOf(headers, header)
    if (value === undefined) continue
    const fault =
      typeof value !== 'string' ? 'is not a string' : value === '' || value.length > charsMax ? `is empty or longer than ${charsMax}` : null
    if (fault !== null) faults.push({ pointer: `/_meta/${pointerToken(key)}`, message: fault })
    else if (typeof value === 'string') said[to] = value
  }
  const claimed = meta[RECORD] ?? decisionRecordHeader(headers)
  const decisionRecord = claimed === undefined ? undefined : decisionRecordOf(claimed)
  if (claimed !== undefined && !decisionRecord)
    faults.push({ pointer: `/_meta/${pointerToken(RECORD)}`, message: `is not ${DECISION_RECORD_FORM}` })
  if (faults.length > 0) return { faults }
  const { idempotencyKey, ...asserted } = said
  const traceparent = meta.traceparent ?? headers.traceparent
  return {
    asserted: { ...asserted, ...(decisionRecord && { decisionRecord }) },
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(typeof traceparent === 'string' && TRACEPARENT.test(traceparent) && { traceparent }),
  }
}

/** Null, which is no string, where the bytes are no text. */
function textOf(headers: IncomingHttpHeaders, name: string): string | null | undefined {
  try {
    return headerText(headers, name)
  } catch {
    return null
  }
}
