import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type OtlpMetric, plain, receiver } from './test-otlp-receiver.ts'
import { start } from './test-telemetry.ts'

const CANARY = 'canary-77aa10'
const DELTA = 'OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE'
const CUMULATIVE = 2

/** Lines of the text format, by name and labels in the order of their names. */
function textValues(body: string): Map<string, number> {
  const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
      return [keyOf(name, Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', of]) => [key, of]))), Number(value)]
    }),
  )
}
const keyOf = (name: string, labels: Record<string, unknown>): string => `${name} ${JSON.stringify(Object.entries(labels).sort())}`

/** What was exported, as lines of the text format. */
function exportedValues(metrics: Iterable<OtlpMetric>): Map<string, number> {
  const out = new Map<string, number>()
  for (const { name, sum, gauge, histogram } of metrics) {
    for (const { attributes, asDouble } of [...(sum?.dataPoints ?? []), ...(gauge?.dataPoints ?? [])])
      out.set(keyOf(name, plain(attributes)), asDouble ?? Number.NaN)
    for (const point of histogram?.dataPoints ?? []) {
      const labels = plain(point.attributes)
      let upTo = 0
      point.bucketCounts?.forEach((count, i) => {
        upTo += count
        out.set(keyOf(`${name}_bucket`, { ...labels, le: String(point.explicitBounds?.[i] ?? '+Inf') }), upTo)
      })
      out.set(keyOf(`${name}_count`, labels), point.count ?? Number.NaN)
      out.set(keyOf(`${name}_sum`, labels), point.sum ?? Number.NaN)
    }
  }
  return out
}

test('what is exported is what `/metrics` says, in the shapes of OTLP', async () => {
  const { url, received, exports } = await receiver()
  const before = Date.now()
  const { telemetry } = start({
    OTEL_EXPORTER_OTLP_ENDPOINT: `${url}/base/`,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-team=platform,x-key=a',
    OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'x-key=b%20c',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
  })
  const call = { door: 'graphql', connector: 'erp', operation: 'erp.getInvoice', outcome: 'completed' }
  telemetry.count('calls', call)
  telemetry.count('calls', call)
  telemetry.count('calls', { ...call, outcome: 'failed' })
  for (const seconds of [0.02, 0.02, 4, 1_000]) telemetry.observe('call_seconds', seconds, { door: 'http', connector: 'erp' })
  telemetry.gauge('record_queue_units', () => 3)
  telemetry.gauge('follower_lag_seconds', () => new Map(Object.entries({ log: 0, figures: 2.5 })))
  telemetry.gauge('waiters', () => Promise.reject(new Error('away')))
  const text = textValues((await telemetry.metricsText()).body)
  await telemetry.close()

  expect(received.map(({ path }) => path)).toEqual(['/base/v1/metrics'])
  expect(received[0]?.headers).toMatchObject({ 'x-team': 'platform', 'x-key': 'b c', 'content-type': 'application/json' })
  const [exported = new Map<string, OtlpMetric>()] = exports()
  const ours = (values: Map<string, number>) => Object.fromEntries([...values].filter(([key]) => key.startsWith('gatehouse_')).sort())
  expect(ours(exportedValues(exported.values()))).toEqual(ours(text))
  // The runtime's own move on between the two.
  const names = (values: Map<string, number>) =>
    new Set([...values].filter(([, value]) => Number.isFinite(value)).map(([key]) => key.split(' ')[0]))
  expect(names(exportedValues(exported.values()))).toEqual(names(text))

  const calls = exported.get('gatehouse_calls_total')
  expect(calls).toMatchObject({ unit: '', description: expect.stringContaining('Calls answered') })
  expect(calls?.sum).toMatchObject({ aggregationTemporality: CUMULATIVE, isMonotonic: true })
  expect(calls?.sum?.dataPoints.map(({ asDouble }) => asDouble)).toEqual([2, 1])
  const point = calls?.sum?.dataPoints[0]
  expect(Number(point?.startTimeUnixNano) / 1e6).toBeGreaterThanOrEqual(before)
  expect(Number(point?.timeUnixNano)).toBeGreaterThanOrEqual(Number(point?.startTimeUnixNano))
  const seconds = exported.get('gatehouse_call_seconds')
  expect(seconds).toMatchObject({ unit: 's', histogram: { aggregationTemporality: CUMULATIVE } })
  const [distribution] = seconds?.histogram?.dataPoints ?? []
  expect(distribution).toMatchObject({ count: 4, sum: 1_004.04 })
  expect(distribution?.bucketCounts).toHaveLength((distribution?.explicitBounds?.length ?? 0) + 1)
  expect(distribution?.bucketCounts?.at(-1)).toBe(1)
  expect(exported.get('process_resident_memory_bytes')).toMatchObject({ unit: 'By', gauge: {} })
  expect(exported.get('process_cpu_seconds_total')).toMatchObject({ unit: 's', sum: { isMonotonic: true } })
  expect([...exported.keys()]).not.toContain('gatehouse_waiters')

  const [of] = received[0]?.body.resourceMetrics ?? []
  expect(plain(of?.resource.attributes ?? [])).toMatchObject({
    'service.name': 'gatehouse',
    'service.version': '1.2.3',
    'service.instance.id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    'deployment.environment.name': 'test',
  })
  expect(of?.scopeMetrics.map(({ scope }) => scope)).toEqual([expect.objectContaining({ name: 'gatehouse', version: '1.2.3' })])
})

test('they go out at the interval, and a last time at the end', async () => {
  const { url, exports } = await receiver()
  const { telemetry } = start({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${url}/own`, OTEL_METRIC_EXPORT_INTERVAL: '1000' })
  telemetry.count('refused', { door: 'mcp', code: 'UNAUTHENTICATED' })
  await vi.waitFor(() => expect(exports().length).toBeGreaterThanOrEqual(2), { timeout: 15_000, interval: 50 })
  telemetry.count('refused', { door: 'mcp', code: 'UNAUTHENTICATED' })
  await telemetry.close()
  const values = exports().map((metrics) => metrics.get('gatehouse_refused_total')?.sum?.dataPoints[0])
  expect(values.map((point) => point?.asDouble)).toEqual([...values.slice(1).map(() => 1), 2])
  expect(new Set(values.map((point) => point?.startTimeUnixNano)).size).toBe(1)
})

test.each([
  ['no endpoint', () => ({})],
  ['an empty endpoint', () => ({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: ' ' })],
  ['no exporter', (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_METRICS_EXPORTER: 'none' })],
  ['`/metrics` alone', (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_METRICS_EXPORTER: 'prometheus' })],
  ['switched off', (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_SDK_DISABLED: 'true' })],
  ['an endpoint for traces alone', (url: string) => ({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url })],
])('nothing goes out with %s', async (_title, env) => {
  const { url, received } = await receiver()
  const { telemetry } = start(env(url))
  await telemetry.close()
  expect(received).toEqual([])
})

test.each([
  ['OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', `nonsense ${CANARY}`],
  ['OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', `ftp://${CANARY}@127.0.0.1`],
  ['OTEL_EXPORTER_OTLP_METRICS_TIMEOUT', '0'],
  ['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL', 'grpc'],
  ['OTEL_METRIC_EXPORT_INTERVAL', 'hourly'],
  ['OTEL_METRIC_EXPORT_TIMEOUT', '-1'],
  ['OTEL_METRICS_EXPORTER', 'console'],
  [DELTA, 'delta'],
])('%s=%s is refused by name and not echoed', (name, value) => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', [name]: value }
  expect(() => start(env)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(name) }))
  expect(() => start(env)).not.toThrow(CANARY)
})

describe('a receiver that does not take them', () => {
  test('is told of once, without what it answered and where it is, and once more when it works again', async () => {
    let refuse = true
    const { url, exports } = await receiver((response) => {
      response.writeHead(refuse ? 400 : 200, { 'content-type': 'application/json' }).end(refuse ? CANARY : '{}')
    })
    const { telemetry, lines } = start({
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${url.replace('//', `//${CANARY}@`)}/v1/metrics`,
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer ${CANARY}`,
      OTEL_METRIC_EXPORT_INTERVAL: '1000',
    })
    await vi.waitFor(() => expect(exports().length).toBeGreaterThanOrEqual(2), { timeout: 15_000, interval: 50 })
    refuse = false
    await vi.waitFor(() => expect(lines.join('')).toContain('metrics are exported again'), { timeout: 15_000, interval: 50 })
    await telemetry.close()
    expect(lines.filter((line) => line.includes('metrics cannot be exported'))).toHaveLength(1)
    expect(lines.join('')).not.toContain(CANARY)
  })

  test('that hangs costs a scrape nothing, and the end of the process little', async () => {
    const { url, received } = await receiver(() => undefined)
    const { telemetry } = start({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_METRIC_EXPORT_INTERVAL: '1000' })
    await vi.waitFor(() => expect(received).toHaveLength(1), { timeout: 15_000, interval: 50 })
    expect((await telemetry.metricsText()).body).toContain('gatehouse_calls_total')
    await telemetry.close()
    expect(received.length).toBeLessThanOrEqual(2)
  })

  test('that is away is not asked again at the end', async () => {
    const server: Server = createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    let connections = 0
    server.on('connection', (socket) => {
      connections++
      socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
    })
    onTestFinished(() => void server.close())
    const { telemetry, lines } = start({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_METRIC_EXPORT_INTERVAL: '1000' })
    await vi.waitFor(() => expect(lines.join('')).toContain('metrics cannot be exported'), { timeout: 15_000, interval: 50 })
    const before = connections
    await telemetry.close()
    expect(connections).toBe(before)
  })
})

describe('gauges', () => {
  test('scrapes that come together, or soon after, read once', async () => {
    const { telemetry } = start()
    let reads = 0
    telemetry.gauge('waiters', async () => ++reads, 60_000)
    const bodies = await Promise.all([telemetry.metricsText(), telemetry.metricsText(), telemetry.metricsText()])
    bodies.push(await telemetry.metricsText())
    expect(bodies.map(({ body }) => /^gatehouse_waiters (\d+)$/m.exec(body)?.[1])).toEqual(['1', '1', '1', '1'])
  })

  test('one that cannot be read is left out, with labels or without, or says what it is then', async () => {
    const { telemetry } = start()
    const away = () => Promise.reject(new Error('away'))
    telemetry.gauge('waiters', away)
    telemetry.gauge('follower_lag_seconds', away)
    telemetry.gauge('database_connected', away, 0, 0)
    const { body } = await telemetry.metricsText()
    expect(body).not.toMatch(/^gatehouse_(waiters|follower_lag_seconds)/m)
    expect(body).toContain('gatehouse_database_connected 0')
  })

  test('one that hangs is left out, and not read again meanwhile', async () => {
    const { telemetry } = start()
    let reads = 0
    const { promise, resolve } = Promise.withResolvers<number>()
    telemetry.gauge('waiters', () => {
      reads++
      return promise
    })
    telemetry.gauge('record_queue_units', () => 4)
    for (let i = 0; i < 2; i++) {
      const { body } = await telemetry.metricsText()
      expect(body).not.toMatch(/^gatehouse_waiters /m)
      expect(body).toContain('gatehouse_record_queue_units 4')
    }
    expect(reads).toBe(1)
    resolve(7)
    expect((await telemetry.metricsText()).body).toContain('gatehouse_waiters 7')
  })
})
