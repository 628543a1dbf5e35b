import type { Edited } from '../core/edit.ts'
import type { ServerResponse } from 'node:http'
import type { ErrorCode } from '../core/errors.ts'
import { ERRORS, GatewayError } from '../core/errors.ts'
import type { CallId } from '../core/ids.ts'
import { UnreadBodyError } from './request-body.ts'

/** An RFC 9457 problem ready to be written. */
export interface Problem {
  status: number
  /** Lower-case names. */
  headers: Readonly<Record<string, string>>
  body: string
}

/** What a problem says beyond its code and message. */
export interface ProblemDetails {
  callId?: CallId
  reason?: string
  advice?: string
  retryAfterSeconds?: number
  faults?: readonly { pointer: string; message: string }[]
  edited?: Edited
  inDoubt?: boolean
  upstreamStatus?: number
  expiresAt?: string
  statusUrl?: string
  /** Value for `WWW-Authenticate`, from `bearerChallenge`; used with UNAUTHENTICATED only. */
  challenge?: string
}

/** The HTTP status of a code: the one place where a code becomes a status. */
export const statusOf = (code: ErrorCode): number => ERRORS[code].http

/**
 * `WWW-Authenticate` of a 401 (RFC 6750 3, RFC 9728 5.1). `error` is given only where a token was sent.
 * `resource` is `/mcp` at the MCP door, empty elsewhere.
 */
export function bearerChallenge(baseUrl: string, resource: '' | '/mcp', tokenSent: boolean): string {
  const metadata = `Bearer resource_metadata="${baseUrl}/.well-known/oauth-protected-resource${resource}"`
  return tokenSent ? `${metadata}, error="invalid_token"` : metadata
}

/** Reads what an error may say in public. Anything but a GatewayError is INTERNAL, with nothing of its inside. */
export function publicError(error: unknown): Pick<GatewayError, 'code' | 'message' | 'faults' | 'retryAfterSeconds'> {
  if (error instanceof GatewayError) return error
  return { code: 'INTERNAL', message: 'internal error', faults: [], retryAfterSeconds: undefined }
}

/**
 * Any error as an `application/problem+json` (RFC 9457): `type`, `title`, `status`, `detail`, `code`, and where known `callId`,
 * `errors: [{pointer, detail}]`, `retryAfterSeconds`, `reason`, `advice`, `inDoubt`, `upstreamStatus`, `expiresAt`, `statusUrl`.
 * `details` win over what the error itself carries. Never throws.
 */
export function toProblem(error: unknown, details: ProblemDetails = {}): Problem {
  const { code, message, ...own } = publicError(error)
  const faults = details.faults ?? own.faults
  const retryAfterSeconds = details.retryAfterSeconds ?? own.retryAfterSeconds
  const { callId, reason, advice, inDoubt, upstreamStatus, expiresAt, statusUrl, edited } = details
  const headers: Record<string, string> = { 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store' }
  if (code === 'UNAUTHENTICATED' && details.challenge !== undefined) headers['www-authenticate'] = details.challenge
  if (retryAfterSeconds !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(retryAfterSeconds)))
  if (callId !== undefined) headers['gatehouse-call'] = callId
  if (error instanceof UnreadBodyError) headers.connection = 'close'
  const body = JSON.stringify({
    type: `urn:gatehouse:problem:${code}`,
    title: ERRORS[code].says,
    status: statusOf(code),
    detail: message,
    code,
    callId,
    reason,
    advice,
    errors: faults.length > 0 ? faults.map((fault) => ({ pointer: fault.pointer, detail: fault.message })) : undefined,
    retryAfterSeconds,
    inDoubt: inDoubt === true ? true : undefined,
    upstreamStatus,
    expiresAt,
    statusUrl,
    edited,
  })
  return { status: statusOf(code), headers, body }
}

/** Writes a problem and ends the response; `extra` adds headers such as `traceparent` or `allow`. Does nothing once headers are out. */
export function sendProblem(res: ServerResponse, problem: Problem, extra: Readonly<Record<string, string>> = {}): void {
  if (res.headersSent || res.destroyed) return
  res.writeHead(problem.status, { ...problem.headers, ...extra, 'content-length': String(Buffer.byteLength(problem.body)) })
  res.end(problem.body)
}
