import { describe, expect, test } from 'vitest'
import { plain, receiver } from './test-otlp-receiver.ts'
import { PARENT, parts, start, TRACE } from './test-telemetry.ts'

const CANARY = 'canary-5f1c9d'

describe('export', () => {
  test('three spans of one call, below the caller, with what was sent on as the upstream span', async () => {
    const { url, received, spans } = await receiver()
    const { telemetry } = start({
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_EXPORTER_OTLP_ENDPOINT: `${url}/`,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-team=platform,x-key=a%20b',
      OTEL_SERVICE_NAME: 'gate-1',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.name=loses',
    })
    const call = telemetry.startCall({ 'gatehouse.operation': 'erp.getInvoice' }, `00-${TRACE}-${PARENT}-01`)
    const decision = call.child('decision', { 'gatehouse.decision': 'permit' })
    decision.end()
    const upstream = call.child('upstream')
    const sentOn = parts(upstream.traceparent)
    upstream.set({ 'http.response.status_code': 502 })
    upstream.end('UPSTREAM')
    call.set({ 'gatehouse.outcome': 'failed' })
    call.end('UPSTREAM')
    await telemetry.close()

    expect(received[0]?.path).toBe('/v1/traces')
    expect(received[0]?.headers).toMatchObject({ 'x-team': 'platform', 'x-key': 'a b' })
    const resource = received[0]?.body.resourceSpans?.[0]?.resource.attributes
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
    expect(plain(byName.upstream?.attributes ?? [])).toEqual({ 'http.response.status_code': 502, 'error.type': 'UPSTREAM' })
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
    ['an endpoint that is set and empty', () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: '' }), undefined, 0, ''],
    ['no exporter', (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_TRACES_EXPORTER: 'none' }), undefined, 0, ''],
  ])('%s', async (_title, env, traceparent, count, path) => {
    const { url, received, spans } = await receiver()
    const { telemetry } = start({ OTEL_METRICS_EXPORTER: 'none', ...env(url) })
    const call = telemetry.startCall({}, traceparent)
    expect(call.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/)
    call.end()
    await telemetry.close()
    expect(spans()).toHaveLength(count)
    expect(received.map((r) => r.path)).toEqual(count ? [path] : [])
  })

  test.each([
    ['OTEL_EXPORTER_OTLP_ENDPOINT', `nonsense ${CANARY}`],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', `ftp://${CANARY}@127.0.0.1`],
    ['OTEL_TRACES_SAMPLER', 'sometimes'],
    ['OTEL_TRACES_SAMPLER_ARG', '2'],
    ['OTEL_EXPORTER_OTLP_TIMEOUT', 'soon'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
    ['OTEL_TRACES_EXPORTER', 'console'],
  ])('%s=%s is refused by name and not echoed where it may be secret', (name, value) => {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_TRACES_SAMPLER: 'traceidratio', [name]: value }
    expect(() => start(env)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(name) }))
    expect(() => start(env)).not.toThrow(CANARY)
  })

  test('a receiver that refuses costs a warning, once, and nothing else', async () => {
    const { url } = await receiver(400)
    const { telemetry, lines } = start({ OTEL_METRICS_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: url })
    telemetry.startCall({}, undefined).end()
    await telemetry.close()
    await telemetry.close()
    expect(lines.filter((l) => l.includes('traces cannot be exported'))).toHaveLength(1)
  })
})
