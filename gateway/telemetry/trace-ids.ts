import { randomFillSync } from 'node:crypto'
import { parseTraceParent } from '@opentelemetry/core'

/** Where a trace comes from, as the caller's `traceparent` says. */
export interface RemoteParent {
  traceId: string
  spanId: string
  /** Bit 0: sampled. Other bits are not passed on. */
  flags: number
}

const POOL_BYTES = 4096
const pool = Buffer.alloc(POOL_BYTES)
let used = POOL_BYTES

function randomHex(bytes: number): string {
  if (used + bytes > POOL_BYTES) {
    randomFillSync(pool)
    used = 0
  }
  const hex = pool.toString('hex', used, used + bytes)
  used += bytes
  return hex
}

function notZero(bytes: number): string {
  let hex = randomHex(bytes)
  while (/^0+$/.test(hex)) hex = randomHex(bytes)
  return hex
}

/** 32 lower-case hex digits, not all zero (W3C Trace Context 3.2.2.3). */
export const newTraceId = (): string => notZero(16)
/** 16 lower-case hex digits, not all zero (W3C Trace Context 3.2.2.4). */
export const newSpanId = (): string => notZero(8)

/** Reads a `traceparent`; null where it is absent or malformed, so that the caller starts a new trace (W3C Trace Context 4.3). */
export function readTraceparent(raw: string | undefined): RemoteParent | null {
  if (raw === undefined || raw.length > 512) return null
  const parsed = parseTraceParent(raw)
  return parsed && { traceId: parsed.traceId, spanId: parsed.spanId, flags: parsed.traceFlags & 1 }
}

/** A `traceparent` of version 00. */
export const writeTraceparent = (traceId: string, spanId: string, flags: number): string => `00-${traceId}-${spanId}-0${flags & 1}`

/** The `traceparent` of an answer to a request that may never become a call: in the caller's trace where it has one. */
export function answerTraceparent(raw: string | undefined): string {
  const parent = readTraceparent(raw)
  return writeTraceparent(parent?.traceId ?? newTraceId(), newSpanId(), parent?.flags ?? 0)
}
