import type { IncomingMessage, ServerResponse } from 'node:http'
import { GatewayError } from '../core/errors.ts'
import { sendProblem, toProblem } from './error-response.ts'
import type { Routes } from './server.ts'

export interface PlatformDeps {
  /** Resolves where calls can be recorded and decided on the policies that bind. Throws UNAVAILABLE. */
  ready(): Promise<void>
  metrics(): Promise<{ contentType: string; body: string }>
  /** Shown at `/` until there is a page for people. */
  welcome: string
}

/** `/healthz` (the process lives), `/readyz` (it can record and decide, so it can serve), `/metrics` (Prometheus text) and `/`. */
export function platformRoutes({ ready, metrics, welcome }: PlatformDeps): Routes {
  return {
    '/': read(async () => ({ contentType: 'text/plain; charset=utf-8', body: welcome })),
    '/healthz': read(async () => ({ contentType: 'text/plain; charset=utf-8', body: 'ok\n' })),
    '/readyz': read(async () => {
      await ready()
      return { contentType: 'text/plain; charset=utf-8', body: 'ready\n' }
    }),
    '/metrics': read(metrics),
  }
}

function read(produce: () => Promise<{ contentType: string; body: string }>) {
  return async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    if (req.method !== 'GET' && req.method !== 'HEAD')
      return sendProblem(res, toProblem(new GatewayError('METHOD_NOT_ALLOWED', 'use GET here')), { allow: 'GET, HEAD' })
    const { contentType, body } = await produce()
    res.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-store', 'content-length': Buffer.byteLength(body) })
    res.end(req.method === 'HEAD' ? undefined : body)
  }
}
