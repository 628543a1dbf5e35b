import type { IncomingMessage, ServerResponse } from 'node:http'
import { GatewayError } from '../core/errors.ts'
import type { Principal } from '../core/principal.ts'
import { LIMITS } from '../limits.ts'
import type { Answer, CallResult, Calls } from '../ports/calls.ts'
import type { Log } from '../ports/telemetry.ts'
import { editedHeader, maskedHeader, refusalOf, tellsEnd } from './answer.ts'
import { bearerChallenge, publicError, sendProblem, toProblem } from './error-response.ts'
import { readBody } from './request-body.ts'
import { leaving, requestContext } from './request-context.ts'

export interface HttpDoor {
  /** Answers `/proxy/{connector}/...`. Never rejects. */
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>
}

const PREFIX = '/proxy/'

/**
 * The door for plain HTTP clients. Method and path choose an operation; what goes upstream is built from the canonical arguments, as at every other door, so
 * what policy saw is what the system gets. Answers carry the upstream's status, allow-listed headers and its body as it streams in.
 */
export function createHttpDoor({ calls, baseUrl, log }: { calls: Calls; baseUrl: string; log: Log }): HttpDoor {
  const called = async (req: IncomingMessage, res: ServerResponse): Promise<Answer> => {
    const principal = await calls.authenticate(req.headers.authorization, 'http')
    try {
      const { connector, rawPath, rawQuery } = split(req.url ?? '')
      if (req.headers.upgrade !== undefined) throw new GatewayError('BAD_INPUT', 'upgrades are not accepted here')
      const context = requestContext(req)
      const body = await readBody(req, LIMITS.requestBodyBytesMax)
      const { operation, input } = calls.match(principal, connector, {
        method: req.method ?? '',
        rawPath,
        rawQuery,
        headers: req.headers,
        body,
      })
      return await calls.call(principal, { door: 'http', operation, input, ...context, signal: leaving(res), delivery: 'stream' })
    } catch (error) {
      await refuse(calls, principal, req, error)
      throw error
    }
  }
  return {
    async handle(req, res) {
      try {
        await writeAnswer(calls, res, await called(req, res), baseUrl, log)
      } catch (error) {
        if (!(error instanceof GatewayError)) log.error({ error }, 'the HTTP door failed')
        if (res.headersSent) res.destroy()
        else sendProblem(res, toProblem(error, { challenge: bearerChallenge(baseUrl, '', req.headers.authorization !== undefined) }))
      }
    },
  }
}

/** `/proxy/crm/customers?limit=5` as connector, raw path and raw query. Nothing is decoded: the connector has the one canonicaliser. */
function split(url: string): { connector: string; rawPath: string; rawQuery: string } {
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  const rest = path.slice(PREFIX.length)
  const slash = rest.indexOf('/')
  if (!path.startsWith(PREFIX) || slash <= 0) throw new GatewayError('NOT_FOUND', 'no such operation')
  return { connector: rest.slice(0, slash), rawPath: rest.slice(slash), rawQuery: mark < 0 ? '' : url.slice(mark + 1) }
}

async function refuse(calls: Calls, principal: Principal, req: IncomingMessage, error: unknown): Promise<void> {
  const asked = `${req.method ?? ''} ${(req.url ?? '').split('?')[0] ?? ''}`
  const { code, message, faults } = publicError(error)
  await calls.refuse('http', principal, asked, { code, message, faults })
}

/**
 * Writes an answer in HTTP's words: a result or the system's own refusal as it came, everything else as a problem. Marks the call handed over once its end
 * is out.
 */
export async function writeAnswer(
  calls: Pick<Calls, 'delivered'>,
  res: ServerResponse,
  answer: Answer,
  baseUrl: string,
  log: Log,
): Promise<void> {
  const call = answer.callId === undefined ? {} : { 'gatehouse-call': answer.callId }
  const headers = { ...call, traceparent: answer.traceparent, ...editedHeader(answer) }
  if (tellsEnd(answer)) res.once('finish', () => calls.delivered(answer.callId))
  const result = answer.kind === 'result' || (answer.kind === 'failed' && !answer.inDoubt) ? answer.result : undefined
  if (result) return await writeResult(res, result, answer.callId, headers, log)
  const refusal = refusalOf(answer)
  if (!refusal) throw new GatewayError('INTERNAL', 'internal error')
  const waiting = answer.kind === 'held' || answer.kind === 'running' ? { location: `/v1/calls/${answer.callId}`, 'retry-after': '2' } : {}
  const challenge = bearerChallenge(baseUrl, '', true)
  sendProblem(res, toProblem(new GatewayError(refusal.code, refusal.message), { ...refusal, challenge }), { ...headers, ...waiting })
}

/** A body that breaks off ends the connection, so that it never looks whole; what became of the call is in its outcome. */
async function writeResult(
  res: ServerResponse,
  { status, headers, body, masked = [] }: CallResult,
  callId: Answer['callId'],
  extra: Readonly<Record<string, string>>,
  log: Log,
): Promise<void> {
  const head = { 'cache-control': 'no-store', ...headers, ...maskedHeader(masked), ...extra }
  if (body.kind === 'bytes') {
    const bare = status === 204 || status === 304 || res.req.method === 'HEAD'
    res.writeHead(status, { ...head, ...(bare ? {} : { 'content-length': String(body.bytes.length) }) })
    res.end(body.bytes)
    return
  }
  res.writeHead(status, head)
  try {
    for await (const chunk of body.chunks) {
      if (!res.write(chunk)) await drained(res)
      if (res.destroyed) return
    }
    res.end()
  } catch (error) {
    log.warn({ callId, error }, 'an answer broke off on its way')
    res.destroy()
  }
}

function drained(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      res.off('drain', done).off('close', done)
      resolve()
    }
    if (res.destroyed) return resolve()
    res.on('drain', done).on('close', done)
  })
}
