import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

type Attributes = { key: string; value: { stringValue?: string; intValue?: number; boolValue?: boolean; doubleValue?: number } }[]
interface Resource {
  resource: { attributes: Attributes }
}

export interface OtlpSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  attributes: Attributes
  status: { code?: number; message?: string }
}
interface OtlpPoint {
  attributes: Attributes
  startTimeUnixNano: string
  timeUnixNano: string
  asDouble?: number
  count?: number
  sum?: number
  bucketCounts?: number[]
  explicitBounds?: number[]
}
interface Points {
  aggregationTemporality?: number
  isMonotonic?: boolean
  dataPoints: OtlpPoint[]
}
export interface OtlpMetric {
  name: string
  description: string
  unit: string
  sum?: Points
  gauge?: Points
  histogram?: Points
}

/** One request, as OTLP/HTTP has it in JSON. */
interface Received {
  path: string
  headers: IncomingHttpHeaders
  body: {
    resourceSpans?: (Resource & { scopeSpans: { scope: { name: string; version?: string }; spans: OtlpSpan[] }[] })[]
    resourceMetrics?: (Resource & { scopeMetrics: { scope: { name: string; version?: string }; metrics: OtlpMetric[] }[] })[]
  }
}

/** Attributes as a plain object. */
export const plain = (attributes: Attributes): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

/** A receiver of OTLP/HTTP JSON on loopback, until the test is over. */
export async function receiver(answer: number | ((response: ServerResponse) => void) = 200) {
  const received: Received[] = []
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    received.push({ path: req.url ?? '', headers: req.headers, body: JSON.parse(Buffer.concat(chunks).toString()) })
    if (typeof answer === 'function') answer(res)
    else res.writeHead(answer, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise((resolve) => void server.close(() => resolve()).closeAllConnections()))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    spans: () => received.flatMap(({ body }) => (body.resourceSpans ?? []).flatMap((r) => r.scopeSpans.flatMap(({ spans }) => spans))),
    /** Each export of metrics, by name. */
    exports: () =>
      received.flatMap(({ body }) =>
        (body.resourceMetrics ?? []).map(
          (r) => new Map(r.scopeMetrics.flatMap(({ metrics }) => metrics.map((metric) => [metric.name, metric] as const))),
        ),
      ),
  }
}
