import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Asserted } from '../core/call.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'

/** What every HTTP request to an agent's door may say beside its body. */
export interface RequestContext {
  asserted: Asserted
  idempotencyKey?: string
  traceparent?: string
  /** `Prefer: wait=N` (RFC 7240 4.3) in milliseconds, at most `LIMITS.preferWaitSecondsMax`. */
  waitMs: number
}

const single = (headers: IncomingHttpHeaders, name: string): string | undefined => {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** What an agent says in a header: values travel as Latin-1 bytes, and text beyond ASCII in them is UTF-8. Throws BAD_INPUT where it is not. */
export function headerText(headers: IncomingHttpHeaders, name: string): string | undefined {
  const raw = single(headers, name)
  if (raw === undefined || /^[\x20-\x7e]*$/.test(raw)) return raw
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(raw, 'latin1'))
  } catch {
    throw new GatewayError('BAD_INPUT', `the header \`${name}\` is not UTF-8`)
  }
}

/** Reads the gateway's own request headers. Throws BAD_INPUT. */
export function requestContext({ headers }: IncomingMessage): RequestContext {
  const rationale = headerText(headers, 'gatehouse-rationale')
  const run = headerText(headers, 'gatehouse-run')
  const idempotencyKey = headerText(headers, 'idempotency-key')
  const traceparent = single(headers, 'traceparent')
  return {
    asserted: { ...(rationale === undefined ? {} : { rationale }), ...(run === undefined ? {} : { run }) },
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(traceparent === undefined ? {} : { traceparent }),
    waitMs: preferredWaitMs(single(headers, 'prefer')),
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
