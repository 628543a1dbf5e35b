import type { IncomingMessage, ServerResponse } from 'node:http'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { Log } from '../ports/telemetry.ts'
import type { Witness } from '../ports/witness.ts'
import { sendProblem, toProblem } from './error-response.ts'
import { readBody } from './request-body.ts'
import type { Handler, Routes } from './server.ts'

/** A witness by C2SP tlog-witness: its submission prefix and its monitoring prefix are the same, and everybody may ask. */
export function witnessRoutes(witness: Witness, log: Log): Routes {
  const add = guarded(log, 'POST', async (req, res) => {
    const answer = await witness.addCheckpoint(Buffer.from(await readBody(req, LIMITS.witnessBodyBytesMax)).toString('utf8'))
    if (answer.status === 200) return send(res, 200, `${answer.cosignature}\n`)
    if (answer.status === 409) return send(res, 409, `${answer.size}\n`, 'text/x.tlog.size')
    send(res, answer.status, `${answer.why}\n`)
  })
  const kept = (origin: string): Handler =>
    guarded(log, 'GET', async (_req, res) => {
      const note = witness.checkpoint(origin)
      if (note === undefined) throw new GatewayError('NOT_FOUND', 'nothing of this log was cosigned yet')
      send(res, 200, note)
    })
  return {
    '/add-checkpoint': add,
    ...Object.fromEntries(witness.origins.map((origin) => [`/${origin}/checkpoint`, kept(origin)])),
  }
}

function send(res: ServerResponse, status: number, text: string, contentType = 'text/plain; charset=utf-8'): void {
  const body = Buffer.from(text)
  res.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store', 'content-length': body.length })
  res.end(res.req.method === 'HEAD' ? undefined : body)
}

const guarded =
  (log: Log, method: 'GET' | 'POST', produce: (req: IncomingMessage, res: ServerResponse) => Promise<void>): Handler =>
  async (req, res) => {
    try {
      if (req.method !== method && !(method === 'GET' && req.method === 'HEAD'))
        throw new GatewayError('METHOD_NOT_ALLOWED', `use ${method} here`)
      await produce(req, res)
    } catch (error) {
      if (!(error instanceof GatewayError)) log.error({ error }, 'a request to the witness failed')
      req.resume()
      sendProblem(res, toProblem(error), error instanceof GatewayError && error.code === 'METHOD_NOT_ALLOWED' ? { allow: method } : {})
    }
  }
