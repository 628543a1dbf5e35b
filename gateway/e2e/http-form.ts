import { randomUUID } from 'node:crypto'
import { mcpKind } from '../../connectors/mcp/kind.ts'
import { openapiKind } from '../../connectors/openapi/kind.ts'
import type { Environment } from '../config/environment.ts'
import { loadConfiguration } from '../config/load.ts'
import type { JsonObject } from '../core/json.ts'
import type { Operation } from '../core/operation.ts'
import type { Connector } from '../ports/connector.ts'
import type { Outbound, OutboundRequest } from '../ports/dialer.ts'
import type { Outgoing } from './send.ts'

/** The operations of a configuration, and how a plain HTTP client would call them below `/proxy`. */
export interface HttpForms {
  operation(id: string): Operation | undefined
  /** Throws where the arguments have no HTTP form. */
  request(id: string, input: JsonObject): Promise<Outgoing>
}

/**
 * Compiles the connectors a second time, with a way out that only remembers: what a connector would send for these arguments is what a client
 * writes, below another prefix.
 */
export function httpForms(configFile: string, environment: Environment): HttpForms {
  const connectors = new Map<string, { connector: Connector; prefix: string; taken: OutboundRequest[] }>()
  for (const manifest of loadConfiguration(configFile, environment).manifests) {
    const taken: OutboundRequest[] = []
    const outbound: Outbound = {
      async request(request) {
        taken.push(request)
        return { status: 204, headers: {}, body: (async function* () {})() }
      },
      fetch: () => Promise.reject(new Error('nothing is sent here')),
      close: () => Promise.resolve(),
    }
    const kind = manifest.kind === 'mcp' ? mcpKind : openapiKind
    connectors.set(manifest.connector, {
      connector: kind.load(manifest, outbound),
      prefix: (manifest.baseUrl ?? '').replace(/\/+$/, ''),
      taken,
    })
  }
  const operations = new Map(
    [...connectors.values()].flatMap(({ connector }) => connector.operations.map((o) => [String(o.id), o] as const)),
  )
  return {
    operation: (id) => operations.get(id),
    async request(id, input) {
      const operation = operations.get(id)
      const found = operation && connectors.get(operation.connector)
      if (!operation || !found) throw new Error(`no operation ${id}: the case needs an HTTP form of its own`)
      if (found.connector.kind === 'mcp')
        return {
          method: operation.route.method,
          path: `/proxy/${operation.connector}${operation.route.path}`,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(input),
        }
      // Tells apart what is built at the same time.
      const traceparent = randomUUID()
      await found.connector.execute(operation, input, null, { signal: new AbortController().signal, traceparent, idempotencyKey: '' })
      const request = found.taken.find(({ headers }) => headers.traceparent === traceparent)
      if (!request) throw new Error(`nothing was built for ${id}`)
      const { accept: _accept, 'accept-encoding': _coding, traceparent: _trace, 'idempotency-key': _key, ...headers } = request.headers
      return {
        method: request.method,
        path: `/proxy/${operation.connector}${request.url.slice(found.prefix.length)}`,
        headers,
        ...(request.body === undefined ? {} : { body: request.body }),
      }
    },
  }
}
