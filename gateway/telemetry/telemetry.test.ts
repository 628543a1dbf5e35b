import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { Catalogue, Operation } from '../core/operation.ts'
import { operationId } from '../core/ids.ts'
import type { Environment } from './exporter.ts'
import type { LogLevel } from './log.ts'
import { type GaugeName, METRICS } from './metrics.ts'
import { createTelemetry, type RunningTelemetry } from './telemetry.ts'

const CANARY = 'canary-5f1c9d'
const CANARY_JWT = `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ${CANARY}.c2lnbmF0dXJl`
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'

interface OtlpSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  attributes: { key: string; value: Record<string, unknown> }[]
  status: { code?: number; message?: string }
}
interface Received {
  path: string
  headers: IncomingHttpHeaders
  body: { resourceSpans: { resource: { attributes: OtlpSpan['attributes'] }; scopeSpans: { spans: OtlpSpan[] }[] }[] }
}

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** A receiver of OTLP/HTTP JSON on loopback. */
async function receiver(status = 200): Promise<{ url: string; received: Received[]; spans: () => OtlpSpan[] }> {
  const received: Received[] = []
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    received.push({ path: req.url ?? '', headers: req.headers, body: JSON.parse(Buffer.concat(chunks).toString()) })
    res.writeHead(status, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ends.push(() => new Promise((resolve) => server.close(resolve).closeAllConnections()))
  const spans = () => received.flatMap((r) => r.body.resourceSpans.flatMap((s) => s.scopeSpans.flatMap((scope) => scope.spans)))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received, spans }
}

const operation = (id: string): [Operation['id'], Operation] => {
  const [connector = '', name = ''] = id.split('.')
  const schema = { type: 'object' }
  return [
    operationId(connector, name),
    {
      id: operationId(connector, name),
      connector,
      name,
      jointName: `${connector}_${name}`,
      version: '0',
      description: '',
      mode: 'read',
      reversibility: 'read-only',
      inputSchema: schema,
      dataClasses: {},
      labels: [],
      idempotency: { kind: 'none' },
      timeoutMs: 1,
      region: 'eu',
      route: { method: 'GET', path: '/' },
    },
  ]
}
const catalogue: Catalogue = {
  version: 'v',
  connectors: [{ name: 'erp', kind: 'openapi', region: 'eu' }],
  operations: new Map([operation('erp.getInvoice'), operation('erp.releasePayment')]),
  byJointName: new Map(),
}

function start(env: Environment = {}, logLevel: LogLevel = 'info'): { telemetry: RunningTelemetry; lines: string[] } {
  const lines: string[] = []
  const logStream = { write: (line: string) => void lines.push(line) }
  const telemetry = createTelemetry({ env, serviceName: 'gatehouse', logLevel, logStream, catalogue: () => catalogue })
  ends.push(() => telemetry.close())
  return { telemetry, lines }
}

const parts = (traceparent: string) => traceparent.split('-')

describe('trace context', () => {
  test.each([
    ['absent', undefined],
    ['empty', ''],
    ['upper case', `00-${TRACE.toUpperCase()}-${PARENT}-01`],
    ['trace id of zeros', `00-${'0'.repeat(32)}-${PARENT}-01`],
    ['span id of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['version ff', `ff-${TRACE}-${PARENT}-01`],
    ['version 00 with more', `00-${TRACE}-${PARENT}-01-more`],
    ['short', `00-${TRACE.slice(1)}-${PARENT}-01`],
    ['two values', `00-${TRACE}-${PARENT}-01, 00-${TRACE}-${PARENT}-01`],
    ['very long', `01-${TRACE}-${PARENT}-01-${'x'.repeat(10_000)}`],
  ])('%s starts a new trace', (_title, traceparent) => {
    const { telemetry } = start()
    const span = telemetry.startCall({}, traceparent)
    expect(span.traceId).toMatch(/^(?!0{32})[0-9a-f]{32}$/)
    expect(span.traceId).not.toBe(TRACE)
    expect(span.traceparent).toMatch(new RegExp(`^00-${span.traceId}-[0-9a-f]{16}-00$`))
  })

  test.each([
    ['sampled', `00-${TRACE}-${PARENT}-01`, '01'],
    ['not sampled', `00-${TRACE}-${PARENT}-00`, '00'],
    ['a later version', `01-${TRACE}-${PARENT}-01-more`, '01'],
    ['unknown flags', `00-${TRACE}-${PARENT}-ff`, '01'],
  ])("%s: the caller's trace goes on, with spans of our own", (_title, traceparent, flags) => {
    const { telemetry } = start()
    const call = telemetry.startCall({}, traceparent)
    const upstream = call.child('upstream')
    expect(parts(call.traceparent)).toEqual(['00', TRACE, expect.stringMatching(/^[0-9a-f]{16}$/), flags])
    expect(parts(upstream.traceparent)[1]).toBe(TRACE)
    expect(new Set([PARENT, parts(call.traceparent)[2], parts(upstream.traceparent)[2]]).size).toBe(3)
    expect(upstream.traceparent).toBe(upstream.traceparent)
  })
})

describe('export', () => {
  test('three spans of one call, below the caller, with what was sent on as the upstream span', async () => {
    const { url, received, spans } = await receiver()
    const { telemetry } = start({
      OTEL_EXPORTER_OTLP_ENDPOINT: `${url}/`,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-team=platform,x-key=a%20b',
      OTEL_SERVICE_NAME: 'gate-1',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.name=loses',
    })
    const call = telemetry.startCall({ 'gatehouse.operation': 'erp.getInvoice' }, `00-${TRACE}-${PARENT}-01`)
    const decision = call.child('decision', { 'gatehouse.effect': 'permit' })
    decision.end()
    const upstream = call.child('upstream')
    const sentOn = parts(upstream.traceparent)
    upstream.end('UPSTREAM')
    call.set({ 'gatehouse.outcome': 'failed', 'http.response.status_code': 502 })
    call.end('UPSTREAM')
    await telemetry.close()

    expect(received[0]?.path).toBe('/v1/traces')
    expect(received[0]?.headers).toMatchObject({ 'x-team': 'platform', 'x-key': 'a b' })
    const resource = received[0]?.body.resourceSpans[0]?.resource.attributes
    expect(resource).toContainEqual({ key: 'service.name', value: { stringValue: 'gate-1' } })
    expect(resource).toContainEqual({ key: 'deployment.environment.name', value: { stringValue: 'test' } })
    const byName = Object.fromEntries(spans().map((s) => [s.name, s]))
    expect(Object.keys(byName).sort()).toEqual(['call', 'decision', 'upstream'])
    expect(spans().map((s) => s.traceId)).toEqual([TRACE, TRACE, TRACE])
    expect(byName.call).toMatchObject({ parentSpanId: PARENT, kind: 2, status: { code: 2, message: 'UPSTREAM' } })
    expect(byName.call?.spanId).toBe(parts(call.traceparent)[2])
    expect(byName.decision).toMatchObject({ parentSpanId: byName.call?.spanId, kind: 1 })
    expect(byName.upstream).toMatchObject({ parentSpanId: byName.call?.spanId, spanId: sentOn[2], kind: 3 })
    expect(sentOn).toEqual(['00', TRACE, byName.upstream?.spanId, '01'])
    expect(byName.call?.attributes).toContainEqual({ key: 'http.response.status_code', value: { intValue: 502 } })
  })

  test.each([
    [
      'the traces endpoint is used as it stands',
      (url: string) => ({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/own` }),
      undefined,
      1,
      '/own',
    ],
    ['always_off', (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_TRACES_SAMPLER: 'always_off' }), undefined, 0, ''],
    ['the caller did not sample', (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url }), `00-${TRACE}-${PARENT}-00`, 0, ''],
    [
      'a ratio of nothing',
      (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }),
      undefined,
      0,
      '',
    ],
    ['switched off', (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_SDK_DISABLED: 'TRUE' }), undefined, 0, ''],
    ['no exporter', (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_TRACES_EXPORTER: 'none' }), undefined, 0, ''],
  ])('%s', async (_title, env, traceparent, count, path) => {
    const { url, received, spans } = await receiver()
    const { telemetry } = start(env(url))
    const call = telemetry.startCall({}, traceparent)
    expect(call.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/)
    call.end()
    await telemetry.close()
    expect(spans()).toHaveLength(count)
    expect(received.map((r) => r.path)).toEqual(count ? [path] : [])
  })

  test('an endpoint that is set and empty exports nothing', () => {
    expect(start({ OTEL_EXPORTER_OTLP_ENDPOINT: '' }).telemetry.exportsTo).toBeNull()
  })

  test.each([
    ['OTEL_EXPORTER_OTLP_ENDPOINT', `nonsense ${CANARY}`],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', `ftp://${CANARY}@127.0.0.1`],
    ['OTEL_TRACES_SAMPLER', 'sometimes'],
    ['OTEL_TRACES_SAMPLER_ARG', '2'],
    ['OTEL_EXPORTER_OTLP_TIMEOUT', 'soon'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
  ])('%s=%s is refused by name and not echoed where it may be secret', (name, value) => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_TRACES_SAMPLER: 'traceidratio', [name]: value }
    expect(() => start(env)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(name) }))
    expect(() => start(env)).not.toThrow(CANARY)
  })

  test('a receiver that refuses costs a warning, once, and nothing else', async () => {
    const { url } = await receiver(400)
    const { telemetry, lines } = start({ OTEL_EXPORTER_OTLP_ENDPOINT: url })
    telemetry.startCall({}, undefined).end()
    await telemetry.close()
    await telemetry.close()
    expect(lines.filter((l) => l.includes('traces cannot be exported'))).toHaveLength(1)
  })
})

describe('metrics', () => {
  const text = async (telemetry: RunningTelemetry) => (await telemetry.metricsText()).body
  const samples = (body: string, name: string) => body.split('\n').filter((line) => line.startsWith(name))

  test('counts calls and refusals by known words only', async () => {
    const { telemetry } = start()
    const call = { door: 'graphql', connector: 'erp', operation: 'erp.getInvoice', outcome: 'completed' }
    telemetry.count('calls', call)
    telemetry.count('calls', call)
    telemetry.count('calls', { ...call, connector: CANARY, operation: `erp.${CANARY}`, outcome: CANARY, door: CANARY })
    telemetry.count('refused', { door: 'mcp', code: 'UNAUTHENTICATED' })
    telemetry.count('refused', { door: 'mcp', code: CANARY, [CANARY]: CANARY })
    const body = await text(telemetry)
    expect(samples(body, 'gatehouse_calls_total').sort()).toEqual([
      'gatehouse_calls_total{door="graphql",connector="erp",operation="erp.getInvoice",outcome="completed"} 2',
      'gatehouse_calls_total{door="other",connector="other",operation="other",outcome="other"} 1',
    ])
    expect(samples(body, 'gatehouse_refused_total').sort()).toEqual([
      'gatehouse_refused_total{door="mcp",code="UNAUTHENTICATED"} 1',
      'gatehouse_refused_total{door="mcp",code="other"} 1',
    ])
    expect(body).not.toContain(CANARY)
  })

  test('histograms, process metrics and gauges that are read at the scrape', async () => {
    const { telemetry } = start()
    telemetry.observe('call_seconds', 0.02, { door: 'http', connector: 'erp' })
    telemetry.observe('upstream_seconds', 0.004, { operation: 'erp.getInvoice' })
    telemetry.observe('upstream_seconds', Number.NaN, { connector: 'erp' })
    let open = 3
    telemetry.gauge('record_queue_units', () => open)
    telemetry.gauge('waiters', () => Promise.reject(new Error('database down')))
    const first = await telemetry.metricsText()
    expect(first.contentType).toContain('version=0.0.4')
    expect(first.body).toContain('gatehouse_call_seconds_bucket{le="0.025",door="http",connector="erp"} 1')
    expect(first.body).toContain('gatehouse_upstream_seconds_count{connector="erp"} 1')
    expect(first.body).toContain('process_resident_memory_bytes')
    expect(first.body).toContain('gatehouse_record_queue_units 3')
    expect(samples(first.body, 'gatehouse_waiters')).toEqual([])
    let lags = new Map([
      ['figures', 2.5],
      ['notices', 0],
    ])
    telemetry.gauge('follower_lag_seconds', () => Promise.resolve(lags))
    telemetry.count('follower_failures', { follower: 'figures' })
    const labelled = await text(telemetry)
    expect(samples(labelled, 'gatehouse_follower_lag_seconds')).toEqual([
      'gatehouse_follower_lag_seconds{follower="figures"} 2.5',
      'gatehouse_follower_lag_seconds{follower="notices"} 0',
    ])
    expect(labelled).toContain('gatehouse_follower_failures_total{follower="figures"} 1')
    lags = new Map([['notices', 1]])
    expect(samples(await text(telemetry), 'gatehouse_follower_lag_seconds')).toEqual([
      'gatehouse_follower_lag_seconds{follower="notices"} 1',
    ])
    open = 1
    expect(await text(telemetry)).toContain('gatehouse_record_queue_units 1')
  })

  test('every metric of the table is served under its name', async () => {
    const { telemetry } = start()
    for (const [name, { type }] of Object.entries(METRICS)) if (type === 'gauge') telemetry.gauge(name as GaugeName, () => 0)
    const body = await text(telemetry)
    for (const metric of Object.values(METRICS)) expect(body).toContain(`# TYPE ${metric.name} ${metric.type}`)
  })
})

describe('log', () => {
  test('lines are JSON with level, time, service, fields and message', () => {
    const { telemetry, lines } = start()
    telemetry.log.warn({ callId: 'call_1', ms: 12 }, 'slow')
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'warn', service: 'gatehouse', callId: 'call_1', ms: 12, message: 'slow' })
    expect(lines[0]?.endsWith('\n')).toBe(true)
  })

  test('the level holds', () => {
    const { telemetry, lines } = start({}, 'error')
    telemetry.log.info({}, 'no')
    telemetry.log.warn({}, 'no')
    telemetry.log.error({}, 'yes')
    expect(lines).toHaveLength(1)
  })

  test('an error keeps its code and causes; what cannot be read costs the fields only', () => {
    const { telemetry, lines } = start()
    const cause = Object.assign(new Error('connection reset'), { code: 'ECONNRESET' })
    telemetry.log.error({ err: new Error('upstream failed', { cause }) }, 'failed')
    const loop: Record<string, unknown> = {}
    loop.self = loop
    telemetry.log.info({ loop, big: 10n }, 'loop')
    const broken = Object.defineProperty({}, 'x', { enumerable: true, get: () => expect.fail('boom') })
    telemetry.log.info({ broken }, 'broken')
    expect(JSON.parse(lines[0] ?? '').err).toMatchObject({
      message: 'upstream failed',
      cause: { code: 'ECONNRESET', message: 'connection reset' },
    })
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ message: 'loop', big: '10' })
    expect(JSON.parse(lines[2] ?? '')).toMatchObject({ message: 'broken' })
  })
})

describe('nothing secret', () => {
  const fields = {
    authorization: CANARY,
    Authorization: `Bearer ${CANARY}`,
    'proxy-authorization': CANARY,
    cookie: CANARY,
    'Set-Cookie': [CANARY],
    client_secret: CANARY,
    clientSecret: CANARY,
    client_assertion: CANARY,
    access_token: CANARY,
    subject_token: CANARY,
    token: { deep: CANARY },
    password: CANARY,
    'X-Api-Key': CANARY,
    credential: CANARY,
    input: { iban: CANARY },
    headers: { anything: CANARY },
    note: `got Bearer ${CANARY} from the caller`,
    jwt: CANARY_JWT,
    url: `https://user:${CANARY}@127.0.0.1/x`,
    form: `grant_type=client_credentials&client_secret=${CANARY}&x=1`,
    err: new Error(`refused Authorization: Basic ${CANARY}`, { cause: Object.assign(new Error(CANARY_JWT), { headers: { a: CANARY } }) }),
    list: [{ nested: { refresh_token: CANARY } }],
  }

  test.each(Object.entries(fields))('a log field `%s`', (name, value) => {
    const { telemetry, lines } = start()
    telemetry.log.info({ [name]: value, deep: { er: [{ [name]: value }] } }, `with ${CANARY_JWT}`)
    expect(lines).toHaveLength(1)
    expect(lines.join('')).not.toContain(CANARY)
    expect(() => JSON.parse(lines[0] ?? '')).not.toThrow()
  })

  test('a span', async () => {
    const { url, received } = await receiver()
    const { telemetry } = start({ OTEL_EXPORTER_OTLP_ENDPOINT: url })
    const attributes = {
      authorization: CANARY,
      'gatehouse.access_token': CANARY,
      note: `Bearer ${CANARY}`,
      jwt: CANARY_JWT,
      long: 'x'.repeat(9_999),
    }
    const call = telemetry.startCall(attributes, undefined)
    const child = call.child('upstream', attributes)
    child.set(attributes)
    child.end(`Bearer ${CANARY}`)
    call.end(CANARY_JWT)
    await telemetry.close()
    const sent = JSON.stringify(received)
    expect(sent).toContain('"long"')
    expect(sent).not.toContain('x'.repeat(257))
    expect(sent).not.toContain(CANARY)
  })
})
