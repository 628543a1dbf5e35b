import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Asserted } from '../core/call.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import { DECISION_RECORD_FORM, decisionRecordHeader, decisionRecordOf } from './decision-record.ts'
import { headerText, singleHeader } from './header-text.ts'

/** What every HTTP request to an agent's door may say beside its body. */
export interface RequestContext {
  asserted: Asserted
  idempotencyKey?: string
  traceparent?: string
  /** `Prefer: wait=N` (RFC 7240 4.3) in milliseconds, at most `LIMITS.preferWaitSecondsMax`. */
  waitMs: number
}

/** Reads the gateway's own request headers. Throws BAD_INPUT. */
export function requestContext({ headers }: IncomingMessage): RequestContext {
  const rationale = headerText(headers, 'gatehouse-rationale')
  const run = headerText(headers, 'gatehouse-run')
  const idempotencyKey = headerText(headers, 'idempotency-key')
  const claimed = decisionRecordHeader(headers)
  const decisionRecord = claimed === undefined ? undefined : decisionRecordOf(claimed)
  if (claimed !== undefined && !decisionRecord)
    throw new GatewayError('BAD_INPUT', `the header \`gatehouse-decision-record\` must be ${DECISION_RECORD_FORM}`)
  const traceparent = singleHeader(headers, 'traceparent')
  return {
    asserted: {
      ...(rationale === undefined ? {} : { rationale }),
      ...(run === undefined ? {} : { run }),
      ...(decisionRecord === undefined ? {} : { decisionRecord }),
    },
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(traceparent === undefined ? {} : { traceparent }),
    waitMs: preferredWaitMs(singleHeader(headers, 'prefer')),
  }
}

/** `wait` of RFC 7240 4.3, in milliseconds, at most `LIMITS.preferWaitSecondsMax`; 0 where it is absent or unreadable. */
export function preferredWaitMs(prefer: string | undefined): number {
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,4})"?/i.exec(prefer ?? '')?.[1]
  return seconds === undefined ? 0 : Math.min(Number(seconds), LIMITS.preferWaitSecondsMax) * 1_000
}

/** Aborts when the client leaves before the answer is out; aborted already where it has left. */
export function leaving(res: ServerResponse): AbortSignal {
  const abort = new AbortController()
  if (res.destroyed) abort.abort()
  res.once('close', () => {
    if (!res.writableFinished) abort.abort()
  })
  return abort.signal
}
