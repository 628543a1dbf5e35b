import { LIMITS } from '../limits.ts'
import type { Dialer, Outbound, OutboundResponse } from '../ports/dialer.ts'
import { signedHeaders } from './webhook-signature.ts'

/** What a receiver of webhooks is sent. */
export interface SignedPost {
  url: string
  /** `whsec_` and base64 (Standard Webhooks). */
  secret: string
  /** The same at every attempt. */
  id: string
  /** Milliseconds since the Unix epoch. */
  now: number
  body: string
  timeoutMs: number
  signal?: AbortSignal
}

export interface Answered {
  status: number
  /** When it wants to be asked again, in milliseconds from now. */
  afterMs?: number
}

/** The way to one receiver. `egress`: hosts that may lead to private addresses. */
export function openReceiver(dialer: Dialer, url: string, egress: readonly string[]): Outbound {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  return dialer.open({ hosts: [host], privateHosts: egress })
}

/** Posts JSON, signed by Standard Webhooks. Throws what the way out throws. */
export async function signedPost(outbound: Outbound, { url, secret, id, now, body, timeoutMs, signal }: SignedPost): Promise<Answered> {
  const late = AbortSignal.timeout(timeoutMs)
  const response = await outbound.request({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/json', 'user-agent': 'Gatehouse', ...signedHeaders(secret, id, now, body) },
    body,
    signal: signal ? AbortSignal.any([signal, late]) : late,
    headersTimeoutMs: timeoutMs,
    bodyTimeoutMs: timeoutMs,
  })
  await drain(response).catch(() => undefined)
  const afterMs = retryAfterMs(response.headers['retry-after'], now)
  return { status: response.status, ...(afterMs === undefined ? {} : { afterMs }) }
}

/** Reads the answer to its end, so that the connection can be used again; what is longer than it may be is left. */
async function drain({ body }: OutboundResponse): Promise<void> {
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > LIMITS.noticeAnswerBytesMax) return
  }
}

/** `Retry-After` in milliseconds from now, seconds or a date (RFC 9110 10.2.3). */
export function retryAfterMs(header: string | readonly string[] | undefined, now: number): number | undefined {
  if (typeof header !== 'string') return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1_000
  const at = header.endsWith('GMT') ? Date.parse(header) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}
