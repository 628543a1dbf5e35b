import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { Log } from '../ports/telemetry.ts'
import { sendProblem, toProblem } from './error-response.ts'

export type Handler = (req: IncomingMessage, res: ServerResponse) => Promise<void>

/** A path, or with a final `/` everything below it. */
export type Routes = Readonly<Record<string, Handler>>

export interface HttpServer {
  /** Resolves with the port once it listens. Until `serve`, every path answers UNAVAILABLE. */
  listen(port: number, host: string): Promise<number>
  /** From here on requests go to these routes. */
  serve(routes: Routes): void
  /** Takes no new connections; requests that still come on open ones are answered UNAVAILABLE. What runs goes on. Calling it twice is harmless. */
  stop(): void
  /** Stops and waits for running requests, at most `LIMITS.drainMsMax`. */
  close(): Promise<void>
}

/**
 * One server, one port. Routes by the raw path: an absolute-form target, `Host` or `X-Forwarded-*` never change where a request goes.
 * Handlers never reject; should one do so, the answer is INTERNAL.
 */
export function createHttpServer(log: Log): HttpServer {
  let find: ((path: string) => Handler | undefined) | undefined
  const options = {
    maxHeaderSize: LIMITS.requestHeaderBytesMax,
    requestTimeout: LIMITS.requestTimeoutMsMax,
    keepAliveTimeout: LIMITS.keepAliveMs,
  }
  let stopping = false
  const busy = new WeakMap<object, number>()
  const server = createServer(options, (req, res) => {
    const { socket } = req
    busy.set(socket, (busy.get(socket) ?? 0) + 1)
    res.once('close', () => {
      busy.set(socket, (busy.get(socket) ?? 1) - 1)
      // A connection that a client keeps would hold up the end for as long as the client likes.
      if (stopping) setImmediate(() => server.closeIdleConnections())
    })
    const url = req.url ?? ''
    const mark = url.indexOf('?')
    const path = mark < 0 ? url : url.slice(0, mark)
    res.setHeader('x-content-type-options', 'nosniff')
    if (stopping) {
      const problem = toProblem(new GatewayError('UNAVAILABLE', 'the gateway is stopping', { retryAfterSeconds: 1 }))
      return sendProblem(res, problem, { connection: 'close' })
    }
    if (!find) return sendProblem(res, toProblem(new GatewayError('UNAVAILABLE', 'the gateway is starting', { retryAfterSeconds: 1 })))
    const handler = path.startsWith('/') ? find(path) : undefined
    if (!handler) return sendProblem(res, toProblem(new GatewayError('NOT_FOUND', 'no such path')))
    handler(req, res).catch((error: unknown) => {
      log.error({ error }, 'a request failed in an unexpected way')
      if (res.headersSent) res.destroy()
      else sendProblem(res, toProblem(error))
    })
  })
  // A connection that cannot be accepted (out of descriptors) is no reason to end.
  server.on('error', (error) => server.listening && log.error({ error }, 'a connection could not be accepted'))
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // A refusal written now would be read as the answer to the request before, which may have had its effect.
    if (error.code === 'ECONNRESET' || !socket.writable || (busy.get(socket) ?? 0) > 0) return socket.destroy()
    socket.end(`HTTP/1.1 ${STATUS_OF_FAULT[error.code ?? ''] ?? '400 Bad Request'}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
  })
  return {
    listen: (port, host) => listen(server, port, host),
    serve(routes) {
      find = finder(routes)
    },
    stop() {
      stopping = true
      if (server.listening) server.close()
    },
    async close() {
      const drained = close(server)
      stopping = true
      await drained
    },
  }
}

const STATUS_OF_FAULT: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

function finder(routes: Routes): (path: string) => Handler | undefined {
  const exact = new Map(Object.entries(routes))
  const below = Object.entries(routes).filter(([path]) => path.endsWith('/') && path !== '/')
  return (path) => exact.get(path) ?? below.find(([prefix]) => path.startsWith(prefix))?.[1]
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      const message =
        error.code === 'EADDRINUSE'
          ? `port ${port} is taken: choose another with --port`
          : `cannot listen on \`${host}\` port ${port}: ${error.code}`
      reject(new GatewayError('CONFIG_INVALID', message, { cause: error }))
    }
    server.once('error', failed)
    server.listen(port, host, () => {
      server.off('error', failed)
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
  })
}

/** Resolves once every connection is closed, also where the server stopped listening before. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), LIMITS.drainMsMax)
    const done = (): void => {
      clearTimeout(force)
      resolve()
    }
    server.once('close', done)
    if (server.listening) server.close()
    else server.getConnections((_error, count) => count === 0 && done())
    server.closeIdleConnections()
  })
}
