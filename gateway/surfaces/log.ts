import type { IncomingMessage, ServerResponse } from 'node:http'
import { GatewayError } from '../core/errors.ts'
import type { Operator } from '../ports/operator.ts'
import type { TransparencyLog } from '../ports/log.ts'
import type { Log } from '../ports/telemetry.ts'
import { sendProblem, toProblem } from './error-response.ts'
import type { Handler, Routes } from './server.ts'

export interface LogDoorDeps {
  transparency: TransparencyLog
  /** The address of a tile below the log's prefix; undefined where no tile has that path. */
  parseTile(path: string): { level: number | 'entries'; index: number; width: number } | undefined
  /** Who asks, by a bearer token for people. Throws UNAUTHENTICATED. */
  authenticate(authorization: string | undefined): Promise<Operator>
  log: Log
}

const PREFIX = '/v1/'
const FOREVER = 'public, max-age=31536000, immutable'

/**
 * The log as C2SP tlog-tiles has it, below `/v1`: `checkpoint`, `tile/<L>/<N>` (also as `tiles/<L>/<N>`) for everybody, since hashes tell nothing; `tile/entries/<N>` for security and
 * auditors, since entries tell who did what. `log.vkey` is the key to verify with.
 */
export function logRoutes(deps: LogDoorDeps): Routes {
  const { transparency } = deps
  return {
    '/v1/checkpoint': guarded(deps, async (_req, res) => {
      const checkpoint = await transparency.checkpoint()
      if (!checkpoint) throw new GatewayError('NOT_FOUND', 'nothing is in the log yet')
      send(res, 'text/plain; charset=utf-8', 'no-cache', Buffer.from(checkpoint.note))
    }),
    '/v1/log.vkey': guarded(deps, async (_req, res) => {
      send(res, 'text/plain; charset=utf-8', 'no-cache', Buffer.from(`${transparency.vkey}\n`))
    }),
    // C2SP clients look below `tile/`; exports and their readers call the folder `tiles/`.
    '/v1/tile/': guarded(deps, (req, res) => sendTile(deps, req, res)),
    '/v1/tiles/': guarded(deps, (req, res) => sendTile(deps, req, res)),
  }
}

async function sendTile({ transparency, parseTile, authenticate }: LogDoorDeps, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const address = parseTile(
    (req.url ?? '')
      .split('?', 1)[0]
      ?.slice(PREFIX.length)
      .replace(/^tiles\//, 'tile/') ?? '',
  )
  if (!address) throw new GatewayError('NOT_FOUND', 'no tile has this path')
  const { level, index, width } = address
  if (level === 'entries') {
    const { roles } = await authenticate(req.headers.authorization)
    if (!roles.includes('security') && !roles.includes('auditor'))
      throw new GatewayError('FORBIDDEN', 'entries of the log are for security and auditors')
  }
  const bytes = level === 'entries' ? await transparency.bundle(index, width) : await transparency.tile(level, index, width)
  if (!bytes) throw new GatewayError('NOT_FOUND', 'the log has no such tile')
  send(res, 'application/octet-stream', level === 'entries' ? 'private, max-age=31536000, immutable' : FOREVER, bytes)
}

function send(res: ServerResponse, contentType: string, cacheControl: string, body: Uint8Array): void {
  res.writeHead(200, { 'content-type': contentType, 'cache-control': cacheControl, 'content-length': body.length })
  res.end(res.req.method === 'HEAD' ? undefined : body)
}

const guarded =
  ({ log }: LogDoorDeps, produce: Handler): Handler =>
  async (req, res) => {
    try {
      if (req.method !== 'GET' && req.method !== 'HEAD') throw new GatewayError('METHOD_NOT_ALLOWED', 'use GET here')
      await produce(req, res)
    } catch (error) {
      if (!(error instanceof GatewayError)) log.error({ error }, 'a part of the log could not be served')
      req.resume()
      sendProblem(res, toProblem(error), { 'cache-control': 'no-store' })
    }
  }
