import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { JsonObject, JsonValue } from '../../gateway/core/json.ts'
import type { Operation } from '../../gateway/core/operation.ts'
import { createDialer } from '../../gateway/egress/dialer.ts'
import type { Connector, ExecuteContext, Manifest, ProxiedRequest } from '../../gateway/ports/connector.ts'
import { openapiKind } from './kind.ts'

/** What reached the upstream of a test. */
export interface Seen {
  method: string
  url: string
  headers: IncomingMessage['headers']
  rawHeaders: string[]
  body: Buffer
}

/** A real HTTP server on loopback that keeps what it saw. */
export async function journal(
  answer: (response: ServerResponse, seen: Seen) => void = (response) =>
    void response.setHeader('content-type', 'application/json').end('{}'),
): Promise<{ url: string; seen: Seen[]; close: () => Promise<void> }> {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '', headers, rawHeaders } = request
      const one = { method, url, headers, rawHeaders, body: Buffer.concat(chunks) }
      seen.push(one)
      answer(response, one)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, close }
}

/** A manifest of the connector `shop` over a document given as a value or as text. */
export function manifestOf(document: JsonValue, more: Partial<Manifest> = {}): Manifest {
  return {
    connector: 'shop',
    kind: 'openapi',
    file: 'connectors/shop.yaml',
    source: { path: 'connectors/shop.json', text: typeof document === 'string' ? document : JSON.stringify(document) },
    baseUrl: 'http://127.0.0.1:1',
    region: 'eu',
    egress: ['127.0.0.1'],
    operations: { overrides: {} },
    ...more,
  }
}

export function load(document: JsonValue, more: Partial<Manifest> = {}): Connector {
  return openapiKind.load(
    manifestOf(document, more),
    createDialer({ development: false }).open({ hosts: ['127.0.0.1'], privateHosts: ['127.0.0.1'] }),
  )
}

export const openapi = (paths: JsonObject, more: JsonObject = {}): JsonObject => ({
  openapi: '3.1.0',
  info: { title: 't', version: '1' },
  paths,
  ...more,
})

export function operationOf(connector: Connector, name: string): Operation {
  const found = connector.operations.find((operation) => operation.name === name)
  if (!found) throw new Error(`no operation ${name} among ${connector.operations.map((o) => o.name).join(', ')}`)
  return found
}

export const context = (signal: AbortSignal = AbortSignal.timeout(20_000)): ExecuteContext => ({
  signal,
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  idempotencyKey: 'key-1',
})

/** A request as an agent sends it to the proxy. */
export function proxied(
  method: string,
  path: string,
  body: string | Uint8Array = '',
  headers: ProxiedRequest['headers'] = {},
): ProxiedRequest {
  const [rawPath = '', rawQuery = ''] = path.split('?', 2)
  return { method, rawPath, rawQuery, headers, body: typeof body === 'string' ? Buffer.from(body) : body }
}

/** The same request that reached the upstream, as if an agent had sent it to the proxy. */
export const replayed = ({ method, url, headers, body }: Seen): ProxiedRequest => proxied(method, url, body, headers)
