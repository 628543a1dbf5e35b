import { describe, expect, test } from 'vitest'
import type { SpanAttributes } from '../ports/telemetry.ts'
import { type GaugeName, METRICS } from './metrics.ts'
import type { RunningTelemetry } from './telemetry.ts'
import { receiver } from './test-otlp-receiver.ts'
import { PARENT, parts, start, TRACE } from './test-telemetry.ts'

const CANARY = 'canary-5f1c9d'
const CANARY_JWT = `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ${CANARY}.c2lnbmF0dXJl`

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
    const { telemetry } = start({ OTEL_METRICS_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: url })
    const attributes = {
      authorization: CANARY,
      'gatehouse.access_token': CANARY,
      note: `Bearer ${CANARY}`,
      jwt: CANARY_JWT,
      long: 'x'.repeat(9_999),
    } as SpanAttributes
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
