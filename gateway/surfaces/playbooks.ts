import type { ServerResponse } from 'node:http'
import { GatewayError } from '../core/errors.ts'
import type { Playbook, Playbooks } from '../core/playbook.ts'
import type { Calls } from '../ports/calls.ts'
import type { Log } from '../ports/telemetry.ts'
import { bearerChallenge, publicError, sendProblem, toProblem } from './error-response.ts'
import type { Handler } from './server.ts'

const PATH = '/v1/playbooks'

/** A playbook as agents fetch it. `digest`: SHA-256 hex over the canonical JSON of the other members but `schema`, which is the one of `record`. */
export const playbookBody = ({ name, version, title, procedure, outcomes, record, digest, schema }: Playbook) => ({
  name,
  version,
  title,
  procedure,
  outcomes,
  record,
  digest,
  schema,
})

/**
 * `GET /v1/playbooks`, `/v1/playbooks/{name}` (its newest version) and `/v1/playbooks/{name}/{version}`, for every agent: a playbook says how to decide,
 * and nothing of any call. What is asked for and not there is recorded as refused.
 */
export function createPlaybookDoor({
  calls,
  playbooks,
  baseUrl,
  log,
}: {
  calls: Calls
  playbooks: Playbooks
  baseUrl: string
  log: Log
}): Handler {
  return async (req, res) => {
    try {
      const principal = await calls.authenticate(req.headers.authorization, 'status')
      const path = (req.url ?? '').split('?')[0] ?? ''
      try {
        if (req.method !== 'GET') throw new GatewayError('METHOD_NOT_ALLOWED', 'use GET here')
        json(res, answerTo(playbooks, path))
      } catch (error) {
        const { code, message, faults } = publicError(error)
        await calls.refuse('status', principal, `${req.method ?? ''} ${path}`, { code, message, faults })
        throw error
      }
    } catch (error) {
      if (!(error instanceof GatewayError)) log.error({ error }, 'the door of the playbooks failed')
      const problem = toProblem(error, { challenge: bearerChallenge(baseUrl, '', req.headers.authorization !== undefined) })
      sendProblem(res, problem, publicError(error).code === 'METHOD_NOT_ALLOWED' ? { allow: 'GET' } : {})
    }
  }
}

/** Throws NOT_FOUND. */
function answerTo(playbooks: Playbooks, path: string): object {
  const [name = '', version, ...rest] = path.slice(PATH.length + 1).split('/')
  if (name === '' && version === undefined)
    return { playbooks: playbooks.all.map(({ name, version, title, digest }) => ({ name, version, title, digest })) }
  const playbook = rest.length === 0 ? playbooks.find(name, version) : undefined
  if (playbook) return playbookBody(playbook)
  const known = rest.length === 0 ? playbooks.versions(name) : undefined
  const versions = known?.map((one) => `\`${one.version}\``).join(', ')
  throw new GatewayError(
    'NOT_FOUND',
    versions === undefined ? 'no such playbook' : `no such version of this playbook: there is ${versions}`,
  )
}

function json(res: ServerResponse, body: object): void {
  const text = JSON.stringify(body)
  res.writeHead(200, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
    'content-length': Buffer.byteLength(text),
  })
  res.end(text)
}
