import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe } from 'vitest'
import { createDialer } from '../../gateway/egress/dialer.ts'
import { type Arrived, type ConformanceUpstream, connectorConformance } from '../connector.conformance.ts'
import { manifestOf, openapi } from './fixture-openapi.ts'
import { openapiKind } from './kind.ts'

const DOCUMENT = openapi({
  '/echo': {
    post: {
      operationId: 'echo',
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: { type: 'object', properties: { text: { type: 'string' }, count: { type: 'integer' } }, required: ['text'] },
          },
        },
      },
    },
  },
})

interface Running extends ConformanceUpstream {
  url: string
}

async function start(): Promise<Running> {
  const arrived: Arrived[] = []
  let how = 'answer'
  let touched = 0
  let arrival = Promise.withResolvers<void>()
  const answer = (request: IncomingMessage, response: ServerResponse, body: string): void => {
    const header = (name: string): string | undefined => request.headers[name]?.toString()
    arrived.push({
      arguments: JSON.parse(body),
      traceparent: header('traceparent'),
      idempotencyKey: header('x-idempotency'),
      raw: `${request.url} ${JSON.stringify(request.rawHeaders)} ${body}`,
    })
    arrival.resolve()
    arrival = Promise.withResolvers()
    if (how === 'silence') return
    if (how === 'reset') request.socket.resetAndDestroy()
    else if (how === 'huge') response.writeHead(200, { 'x-huge': 'x'.repeat(70_000) }).end()
    else
      response
        .writeHead(how === 'fail' ? 503 : 200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ echoed: JSON.parse(body) }))
  }
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => answer(request, response, body))
  }).on('connection', () => touched++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    arrived,
    behave: (next) => {
      how = next
    },
    touched: () => touched,
    arrival: () => arrival.promise,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const dialer = createDialer({ development: false })

describe('openapi', () => {
  connectorConformance({
    credentials: true,
    start,
    manifest: (upstream) =>
      manifestOf(DOCUMENT, {
        baseUrl: (upstream as Running).url,
        operations: { overrides: { echo: { idempotency: { kind: 'key-header', header: 'X-Idempotency' } } } },
      }),
    load: (manifest) => openapiKind.load(manifest, dialer.open({ hosts: ['127.0.0.1'], privateHosts: ['127.0.0.1'] })),
    hugeKind: 'too_large',
    failStatus: 503,
  })
})
