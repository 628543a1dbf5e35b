import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { type ErrorCode, GatewayError } from '../../core/errors.ts'
import type { Principal } from '../../core/principal.ts'
import { LIMITS } from '../../limits.ts'
import type { Accounts } from '../../ports/accounts.ts'
import type { Log } from '../../ports/telemetry.ts'
import { bearerChallenge, publicError, sendProblem, statusOf, toProblem } from '../error-response.ts'
import { codingOf, readBody, UnreadBodyError } from '../request-body.ts'
import { readSpan } from './gen-ai.ts'
import { encodeResponse, encodeStatus } from './protobuf.ts'
import { type Encoding, readSpans } from './spans.ts'

export interface OtlpDoor {
  /** Answers `/v1/traces`. Never rejects. */
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>
}

const PATH = '/v1/traces'
const CONTENT_TYPES = { json: 'application/json', protobuf: 'application/x-protobuf' } as const
const RETRY_SECONDS = 2
/** google.rpc.Code; all others are `INVALID_ARGUMENT`. */
const RPC_CODES: Partial<Record<ErrorCode, number>> = { LIMITED: 8, INTERNAL: 13, UNAVAILABLE: 14 }
const INVALID_ARGUMENT = 3

const inflated = promisify(gunzip)

/**
 * A receiver of traces by OTLP/HTTP (OpenTelemetry protocol specification 1, "OTLP/HTTP"), for agents. Of what is sent only spans about models and tools are
 * kept, as the agent's own account of what led to its calls.
 */
export function createOtlpDoor({ accounts, baseUrl, log }: { accounts: Accounts; baseUrl: string; log: Log }): OtlpDoor {
  const served = async (principal: Principal, req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const encoding = encodingOf(req)
    const leave = accounts.enter(principal)
    try {
      const { spans, rejected } = readSpans(encoding, await bodyOf(req))
      const told = spans.flatMap((sent) => readSpan(sent) ?? [])
      const notKept = await accounts.tell(principal, told)
      send(res, 200, encoding, responseBody(encoding, [...rejected, ...notKept]))
    } finally {
      leave()
    }
  }
  return {
    async handle(req, res) {
      let principal: Principal | undefined
      try {
        if (req.method !== 'POST') throw new GatewayError('METHOD_NOT_ALLOWED', 'use POST here')
        principal = await accounts.authenticate(req.headers.authorization)
        await served(principal, req, res)
      } catch (error) {
        if (!(error instanceof GatewayError)) log.error({ error }, 'spans could not be taken')
        if (principal) await accounts.refuse(principal, `${req.method ?? ''} ${PATH}`, publicError(error))
        refuse(req, res, error, baseUrl)
      }
    },
  }
}

const mediaTypeOf = (req: IncomingMessage): string => (req.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''

const knownEncoding = (req: IncomingMessage): Encoding | undefined =>
  (['json', 'protobuf'] as const).find((encoding) => CONTENT_TYPES[encoding] === mediaTypeOf(req))

function encodingOf(req: IncomingMessage): Encoding {
  const encoding = knownEncoding(req)
  if (!encoding) throw new GatewayError('UNSUPPORTED_MEDIA_TYPE', 'the content type is not `application/x-protobuf` or `application/json`')
  return encoding
}

/** The body as it is meant; neither form of it is larger than `LIMITS.accountBodyBytesMax`. */
async function bodyOf(req: IncomingMessage): Promise<Uint8Array> {
  const bytes = await readBody(req, LIMITS.accountBodyBytesMax, 'gzip')
  if (codingOf(req) !== 'gzip') return bytes
  try {
    return await inflated(bytes, { maxOutputLength: LIMITS.accountBodyBytesMax })
  } catch (error) {
    const isTooLarge = error instanceof RangeError
    if (isTooLarge)
      throw new GatewayError('BODY_TOO_LARGE', `the body is larger than ${LIMITS.accountBodyBytesMax} bytes`, { cause: error })
    throw new GatewayError('BAD_INPUT', 'the body is not gzip, as its content encoding says', { cause: error })
  }
}

function responseBody(encoding: Encoding, rejected: readonly (readonly [string, number])[]): Uint8Array {
  const rejectedSpans = rejected.reduce((sum, [, count]) => sum + count, 0)
  const errorMessage = rejected.map(([why, count]) => `${count} spans were not kept: ${why}`).join('; ')
  const partial = rejectedSpans > 0 ? { rejectedSpans, errorMessage } : undefined
  if (encoding === 'protobuf') return encodeResponse(partial)
  return Buffer.from(JSON.stringify(partial ? { partialSuccess: { rejectedSpans: String(rejectedSpans), errorMessage } } : {}))
}

function send(
  res: ServerResponse,
  status: number,
  encoding: Encoding,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (res.headersSent || res.destroyed) return
  const own = { 'content-type': CONTENT_TYPES[encoding], 'cache-control': 'no-store', 'content-length': String(body.length) }
  res.writeHead(status, { ...own, ...headers })
  res.end(body)
}

/** A google.rpc.Status in the encoding of the request ("Failures"); who is not known, and who sends something else, is told as at other doors. */
function refuse(req: IncomingMessage, res: ServerResponse, error: unknown, baseUrl: string): void {
  const { code, message, retryAfterSeconds } = publicError(error)
  const encoding = knownEncoding(req)
  if (!encoding || code === 'UNAUTHENTICATED' || code === 'METHOD_NOT_ALLOWED') {
    req.resume()
    const problem = toProblem(error, { challenge: bearerChallenge(baseUrl, '', req.headers.authorization !== undefined) })
    sendProblem(res, problem, code === 'METHOD_NOT_ALLOWED' ? { allow: 'POST' } : {})
    return
  }
  const rpcCode = RPC_CODES[code] ?? INVALID_ARGUMENT
  const body = encoding === 'protobuf' ? encodeStatus(rpcCode, message) : Buffer.from(JSON.stringify({ code: rpcCode, message }))
  const seconds = retryAfterSeconds ?? (code === 'UNAVAILABLE' ? RETRY_SECONDS : undefined)
  send(res, statusOf(code), encoding, body, {
    ...(seconds !== undefined && { 'retry-after': String(Math.max(1, Math.ceil(seconds))) }),
    ...(error instanceof UnreadBodyError && { connection: 'close' }),
  })
}
