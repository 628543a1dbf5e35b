import type { IncomingMessage, ServerResponse } from 'node:http'
import { FINAL_STATES } from '../core/call.ts'
import { GatewayError } from '../core/errors.ts'
import { parseCallId } from '../core/ids.ts'
import type { Principal } from '../core/principal.ts'
import { LIMITS } from '../limits.ts'
import type { Answer, Calls, CallStatus } from '../ports/calls.ts'
import type { Log } from '../ports/telemetry.ts'
import { maskedHeader } from './answer.ts'
import { bearerChallenge, publicError, sendProblem, toProblem } from './error-response.ts'
import { writeAnswer } from './http-proxy.ts'
import { leaving } from './request-context.ts'

export interface StatusDoor {
  /** Answers `/v1/calls/{id}`, `/response`, `/claim` and `/cancel`. Never rejects. */
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>
}

/** Where an agent asks after its calls. `GET` never executes; only the agent that made a call, for the same subject, finds it. */
export function createStatusDoor({ calls, baseUrl, log }: { calls: Calls; baseUrl: string; log: Log }): StatusDoor {
  return {
    async handle(req, res) {
      try {
        const principal = await calls.authenticate(req.headers.authorization, 'status')
        const tell = (answer: Answer): Promise<void> => writeAnswer(calls, res, answer, baseUrl, log)
        await serve(calls, principal, req, res, tell).catch(async (error: unknown) => {
          const { code, message, faults } = publicError(error)
          await calls.refuse('status', principal, `${req.method ?? ''} ${(req.url ?? '').split('?')[0] ?? ''}`, { code, message, faults })
          throw error
        })
      } catch (error) {
        if (!(error instanceof GatewayError)) log.error({ error }, 'the status door failed')
        const problem = toProblem(error, { challenge: bearerChallenge(baseUrl, '', req.headers.authorization !== undefined) })
        sendProblem(res, problem, error instanceof WrongMethod ? { allow: error.allow } : {})
      }
    },
  }
}

class WrongMethod extends GatewayError {
  constructor(readonly allow: 'GET' | 'POST') {
    super('METHOD_NOT_ALLOWED', `use ${allow} here`)
  }
}

async function serve(
  calls: Calls,
  principal: Principal,
  req: IncomingMessage,
  res: ServerResponse,
  tell: (answer: Answer) => Promise<void>,
): Promise<void> {
  const url = new URL(req.url ?? '', 'http://gateway.invalid')
  const [id, verb = '', ...rest] = url.pathname.slice('/v1/calls/'.length).split('/')
  if (rest.length > 0) throw new GatewayError('NOT_FOUND', 'no such resource')
  const callId = parseCallId(id ?? '')
  const expected = verb === 'claim' || verb === 'cancel' ? 'POST' : verb === '' || verb === 'response' ? 'GET' : undefined
  if (!expected) throw new GatewayError('NOT_FOUND', 'no such resource')
  if (req.method !== expected) throw new WrongMethod(expected)
  const signal = leaving(res)
  const extra = { 'gatehouse-call': callId }
  if (verb === 'claim') return await tell(await calls.claim(principal, callId, signal))
  if (verb === 'response') return await tell(await calls.answer(principal, callId, 0, signal))
  if (verb === 'cancel') {
    await calls.cancel(principal, callId)
    return json(res, 200, statusBody(await calls.status(principal, callId, 0, signal)), extra)
  }
  const status = await calls.status(principal, callId, waitMs(url.searchParams.get('wait')), signal)
  const pending = !FINAL_STATES.has(status.state)
  if (!pending) res.once('finish', () => calls.delivered(callId))
  json(res, pending ? 202 : 200, statusBody(status), {
    ...extra,
    ...maskedHeader(status.masked ?? []),
    ...(pending ? { 'retry-after': '2' } : {}),
  })
}

function waitMs(raw: string | null): number {
  if (raw === null) return 0
  if (!/^\d{1,4}$/.test(raw))
    throw new GatewayError('BAD_INPUT', 'the parameter `wait` is a number of seconds', {
      faults: [{ pointer: '/wait', message: 'must be whole seconds' }],
    })
  return Math.min(Number(raw), LIMITS.statusWaitSecondsMax) * 1_000
}

const statusBody = ({ createdAt, expiresAt, ...status }: CallStatus) => ({
  ...status,
  createdAt: new Date(createdAt).toISOString(),
  ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
})

function json(res: ServerResponse, status: number, body: object, headers: Record<string, string>): void {
  const text = JSON.stringify(body)
  res.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    ...headers,
    'content-length': Buffer.byteLength(text),
  })
  res.end(text)
}
