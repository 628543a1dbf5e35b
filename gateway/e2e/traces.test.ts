import { expect, test } from 'vitest'
import { SPANS } from '../ports/telemetry.ts'
import { type OtlpSpan, plain, receiver } from '../telemetry/test-otlp-receiver.ts'
import { DOORS } from './doors.ts'
import { CLAIMED, HeldScene, LED } from './held-scene.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const AGENTS_SPAN = 'b7ad6b7169203331'
const CANARY = 'kestrel-4711'
const KINDS = { internal: 1, server: 2, client: 3 } as const

/** A write that policy asks the system about first. */
const LOOKED_UP = `
@id("probe-looks")
forbid (principal, action == Probe::Action::"replaceThing", resource)
when { context.lookup.person has team && context.lookup.person.team == "none" };
`
const LOOKUP = `
lookups:
  person: { call: probe.readPerson, with: { form: /name }, fields: [/team] }
`

/** Makes calls of every kind at every door, and gives what the receiver got of them, the gateway's end included. */
async function spansOfManyCalls() {
  const { url, spans } = await receiver()
  const scene = await HeldScene.open({
    soon: '1h',
    environment: { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_METRICS_EXPORTER: 'none' },
    edits: { 'policies/org.cedar': (text) => text + LOOKED_UP, 'policies/facts.yaml': (text) => text + LOOKUP },
  })
  try {
    const seen = scene.bed.watch()
    const ids: Record<string, string> = {}
    const call = async (
      what: string,
      name: (typeof DOORS)[number],
      operation: string,
      input: object,
      traceparent = `00-${TRACE}-${AGENTS_SPAN}-01`,
    ) => {
      const says = { traceparent, rationale: CANARY }
      const heard = await scene.clients[name].call({ agent: 'prober', operation, input: { ...input }, says })
      ids[what] = heard.callId ?? ''
      return heard.code
    }
    for (const door of DOORS) expect(await call(`read ${door}`, door, 'probe.readThing', { thing: `${CANARY}-${door}` })).toBe('OK')
    expect(await call('unsampled', 'http', 'probe.readThing', { thing: CANARY }, `00-${TRACE}-${AGENTS_SPAN}-00`)).toBe('OK')
    expect(await call('denied', 'http', 'probe.readThing', { thing: 'forbidden' })).toBe('DENIED')
    expect(await call('looked up', 'mcp', 'probe.replaceThing', { name: 'as declared' })).toBe('OK')
    scene.bed.probe.faults.push('reset after a part')
    expect(await call('in doubt', 'graphql', 'probe.writeThing', { name: CANARY })).toBe('UPSTREAM')
    for (const [what, held] of [
      ['executes', LED],
      ['is claimed', CLAIMED],
    ] as const) {
      expect(await call(what, 'http', 'probe.writeThing', { name: what, ...held })).toBe('HELD')
      await scene.vote(ids[what] ?? '', 'approve', held === LED ? 'sam' : 'aisha')
      const ask = { agent: 'prober', operation: 'probe.writeThing', input: { name: what, ...held } }
      expect((await scene.clients.http.after(ask, ids[what] ?? '')).code).toBe('OK')
    }
    const sent = seen()
    await scene.bed.close()
    return { spans: spans(), ids, sent }
  } finally {
    await scene.bed.close()
  }
}

test('what a receiver gets is what the reference says: spans, kinds, attributes, and nothing of what was asked', {
  timeout: 120_000,
}, async () => {
  const { spans, ids, sent } = await spansOfManyCalls()
  const attributesOf = new Map<string, Set<string>>(Object.keys(SPANS).map((name) => [name, new Set()]))
  for (const { name, kind, attributes } of spans) {
    expect(kind).toBe(KINDS[SPANS[name as keyof typeof SPANS].kind])
    for (const { key } of attributes) attributesOf.get(name)?.add(key)
  }
  for (const [name, { attributes }] of Object.entries(SPANS))
    expect([...(attributesOf.get(name) ?? [])].sort(), name).toEqual(Object.keys(attributes).sort())
  expect(JSON.stringify(spans)).not.toContain(CANARY)

  const callsOf = (what: string) => spans.filter((span) => plain(span.attributes)['gatehouse.call'] === ids[what])
  const below = (call: OtlpSpan | undefined) => spans.filter(({ parentSpanId }) => parentSpanId === call?.spanId)
  const namesBelow = (call: OtlpSpan | undefined) =>
    below(call)
      .map(({ name }) => name)
      .sort()
  const [read] = callsOf('read mcp')
  expect([read?.traceId, read?.parentSpanId, namesBelow(read)]).toEqual([TRACE, AGENTS_SPAN, ['decision', 'upstream']])
  const [denied] = callsOf('denied')
  expect([plain(denied?.attributes ?? [])['gatehouse.outcome'], namesBelow(denied)]).toEqual(['denied', ['decision']])
  expect(namesBelow(callsOf('looked up')[0])).toEqual(['decision', 'lookup', 'upstream'])
  expect(callsOf('unsampled')).toEqual([])
  const doubt = below(callsOf('in doubt')[0]).find(({ name }) => name === 'upstream')
  expect(doubt).toMatchObject({ status: { code: 2, message: 'UPSTREAM' } })
  expect(plain(doubt?.attributes ?? [])).toMatchObject({ 'gatehouse.outcome': 'in_doubt', 'error.type': 'UPSTREAM' })
  for (const what of ['executes', 'is claimed']) {
    const calls = callsOf(what)
    expect(calls.map(({ attributes }) => plain(attributes)['gatehouse.release'] ?? false).sort()).toEqual([false, true])
    expect(new Set(calls.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]))
    expect(calls.flatMap(namesBelow).sort()).toEqual(['decision', 'decision', 'upstream'])
  }

  // Every system got the span of its own request, in the agent's trace.
  const exported = new Set(
    spans.filter(({ name }) => name === 'upstream' || name === 'lookup').map(({ spanId }) => `00-${TRACE}-${spanId}-01`),
  )
  const got = sent.map(({ headers }) => headers.traceparent)
  expect(got.filter((traceparent) => traceparent?.endsWith('-01')).every((traceparent) => exported.has(traceparent ?? ''))).toBe(true)
  expect(got.filter((traceparent) => traceparent?.startsWith(`00-${TRACE}-`) && traceparent.endsWith('-00'))).toHaveLength(1)
  expect(got.filter((traceparent) => !traceparent?.startsWith(`00-${TRACE}-`))).toEqual([])
})
