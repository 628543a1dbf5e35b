import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { type SpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { readLine } from '../audit/exported-line.ts'
import { verifyExport } from '../audit/verify-export.ts'
import { exportAudit } from '../cli/audit-export.ts'
import { createOutput } from '../cli/output.ts'
import { LIMITS } from '../limits.ts'
import { leakOf } from './forms-of.ts'
import { type Bed, startBed } from './harness.ts'
import { type Fields, fields, items, jsonOf, type Reply, send } from './send.ts'

const ACCOUNT = `account {
  spans { id parent name kind startedAt beforeCall status error operation provider model agent messages { side role text tool } tool { name arguments result } inputTokens outputTokens finishReasons }
  truncated dropped { spans attributes texts } masked erased }`
const CANARY = `AKIA${'Q7XK2MZN4PLW5TRV'}`

let bed: Bed
const told: string[] = []
beforeAll(async () => {
  bed = await startBed()
})
afterAll(() => bed?.close())

const hex = (bytes: number): string => randomBytes(bytes).toString('hex')
const bearer = async (agent: string, subject?: string) => ({ authorization: `Bearer ${await bed.agentToken(agent, subject)}` })

/** A call of the HTTP door in a trace; its id. The clerk's is held. */
async function callIn(traceId: string, { agent = 'prober', subject }: { agent?: string; subject?: string } = {}): Promise<string> {
  const headers = { ...(await bearer(agent, subject)), 'content-type': 'application/json', traceparent: `00-${traceId}-${hex(8)}-01` }
  const payment = { vendorId: 'V-1001', amount: 2_400, currency: 'EUR', reference: hex(8) }
  const [path, body] = agent === 'prober' ? ['/proxy/probe/things', { name: hex(8) }] : ['/proxy/erp/payments', payment]
  const reply = await send(bed.url, { method: 'POST', path, headers, body: JSON.stringify(body) })
  const callId = reply.headers['gatehouse-call'] ?? reply.text
  expect(callId).toMatch(/^call_/)
  return callId
}

async function accountOf(callId: string, person = 'lee'): Promise<Fields | null> {
  const { call } = await bed.people(person, `query ($id: ID!) { call(id: $id) { ${ACCOUNT} } }`, { id: callId })
  const { account } = fields(call)
  return account === null || account === undefined ? null : fields(account)
}
const spansOf = (account: Fields | null): readonly Fields[] => items(account?.spans).map(fields)
const textsOf = (account: Fields | null): readonly unknown[] =>
  spansOf(account).flatMap(({ messages }) => items(messages).map((message) => fields(message).text))

interface Sending {
  agent?: string
  subject?: string
  headers?: Record<string, string>
}

async function post(body: string | Uint8Array, { agent = 'prober', subject, headers = {} }: Sending = {}): Promise<Reply> {
  const all = { ...(await bearer(agent, subject)), 'content-type': 'application/json', ...headers }
  const reply = await send(bed.url, { method: 'POST', path: '/v1/traces', headers: all, body })
  told.push(reply.text)
  return reply
}

const attribute = (key: string, value: unknown) => ({
  key,
  value: { stringValue: typeof value === 'string' ? value : JSON.stringify(value) },
})
/** A question to a model as OTLP/JSON has it. */
const asked = (traceId: string, text: string, change: Fields = {}): Fields => ({
  ...{
    traceId,
    spanId: hex(8),
    name: 'chat gpt-5',
    kind: 3,
    startTimeUnixNano: '1700000000000000000',
    endTimeUnixNano: '1700000001000000000',
  },
  attributes: [attribute('gen_ai.operation.name', 'chat'), attribute('gen_ai.input.messages', [{ role: 'user', content: text }])],
  ...change,
})
const request = (...spans: readonly unknown[]): string =>
  JSON.stringify({ resourceSpans: [{ resource: {}, scopeSpans: [{ scope: {}, spans }] }] })

describe('with the exporters of OpenTelemetry', () => {
  const options = async (compression?: 'gzip') => ({
    url: `${bed.url}/v1/traces`,
    headers: await bearer('prober'),
    ...(compression && { compression: compression as never }),
  })
  test.each<readonly [string, () => Promise<SpanExporter>]>([
    ['JSON', async () => new JsonExporter(await options())],
    ['JSON, gzip', async () => new JsonExporter(await options('gzip'))],
    ['protobuf', async () => new ProtobufExporter(await options())],
    ['protobuf, gzip', async () => new ProtobufExporter(await options('gzip'))],
  ])('%s: what the model was asked stands at the call, in whichever order they come', async (_name, open) => {
    const exporter = await open()
    const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] })
    const tracer = provider.getTracer('an agent')
    const root = tracer.startSpan('invoke_agent clerk', {
      attributes: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'clerk' },
    })
    const inside = trace.setSpan(ROOT_CONTEXT, root)
    const chat = tracer.startSpan('chat gpt-5', { kind: SpanKind.CLIENT }, inside)
    chat.setAttributes({
      ...{ 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'openai', 'gen_ai.request.model': 'gpt-5' },
      'gen_ai.input.messages': '[{"role":"user","parts":[{"type":"text","content":"Write the thing down."}]}]',
      'gen_ai.output.messages': '[{"role":"assistant","parts":[{"type":"tool_call","name":"probe_writeThing","arguments":{"name":"x"}}]}]',
      ...{
        'gen_ai.usage.input_tokens': 12,
        'gen_ai.usage.output_tokens': 4,
        'gen_ai.response.finish_reasons': ['tool_call'],
        'server.port': 443,
      },
    })
    chat.end()
    const { traceId, spanId } = root.spanContext()
    const callId = await callIn(traceId)
    tracer.startSpan('POST', { kind: SpanKind.CLIENT, attributes: { 'http.request.method': 'POST' } }, inside).end()
    const tool = tracer.startSpan('execute_tool probe_writeThing', { attributes: { 'gen_ai.tool.name': 'probe_writeThing' } }, inside)
    tool.setStatus({ code: SpanStatusCode.ERROR, message: 'it was in a hurry' })
    tool.end()
    root.end()
    await provider.forceFlush()
    const account = await accountOf(callId)
    expect(account).toMatchObject({ truncated: false, dropped: { spans: 0, attributes: 1, texts: 0 }, masked: [], erased: false })
    expect(spansOf(account)).toMatchObject([
      { id: spanId, parent: null, name: 'invoke_agent clerk', agent: 'clerk', beforeCall: true },
      {
        ...{ parent: spanId, name: 'chat gpt-5', kind: 'client', operation: 'chat', provider: 'openai', model: 'gpt-5', beforeCall: true },
        messages: [
          { side: 'input', role: 'user', text: 'Write the thing down.', tool: null },
          { side: 'output', role: 'assistant', text: '{"name":"x"}', tool: 'probe_writeThing' },
        ],
        ...{ inputTokens: 12, outputTokens: 4, finishReasons: ['tool_call'] },
      },
      {
        name: 'execute_tool probe_writeThing',
        status: 'error',
        error: 'it was in a hurry',
        tool: { name: 'probe_writeThing' },
        beforeCall: false,
      },
    ])
    await provider.shutdown()
  })
})

describe('whose it is', () => {
  test('calls of another agent, or for another subject, have nothing of it, whatever trace they name', async () => {
    const traceId = hex(16)
    const agent = 'invoice-clerk'
    await post(request(asked(traceId, 'words of the prober')))
    await post(request(asked(traceId, 'words of the clerk')), { agent })
    await post(request(asked(traceId, 'words for maria')), { agent, subject: 'maria' })
    expect(textsOf(await accountOf(await callIn(traceId)))).toEqual(['words of the prober'])
    expect(textsOf(await accountOf(await callIn(traceId, { agent })))).toEqual(['words of the clerk'])
    expect(textsOf(await accountOf(await callIn(traceId, { agent, subject: 'maria' })))).toEqual(['words for maria'])
    expect(await accountOf(await callIn(traceId, { agent, subject: 'raj' }))).toBeNull()
    expect(await accountOf(await callIn(hex(16)))).toBeNull()
  })

  test('approvers of a held call see it, as they see its arguments; a look at it is no look at them', async () => {
    const traceId = hex(16)
    const agent = 'invoice-clerk'
    await post(request(asked(traceId, 'why it pays')), { agent })
    const callId = await callIn(traceId, { agent })
    expect(textsOf(await accountOf(callId, 'maria'))).toEqual(['why it pays'])
    const { call } = await bed.people('maria', 'query ($id: ID!) { call(id: $id) { hold { id digest } } }', { id: callId })
    const { id, digest } = fields(fields(call).hold)
    const approve = 'mutation ($votes: [HoldVote!]!) { approveHolds(votes: $votes) { code hold { state } } }'
    const vote = async () => items((await bed.people('maria', approve, { votes: [{ id, digest }] })).approveHolds)
    expect(await vote()).toEqual([{ code: 'NOT_ELIGIBLE', hold: null }])
    await bed.people('maria', 'query ($id: ID!) { call(id: $id) { inputText } }', { id: callId })
    expect(await vote()).toEqual([{ code: null, hold: { state: 'approved' } }])
  })

  test('who may see it: those who may see payloads, and each look is an entry', async () => {
    const traceId = hex(16)
    const callId = await callIn(traceId)
    await post(request(asked(traceId, 'a question')))
    expect(await accountOf(callId, 'olga')).toBeNull()
    expect(textsOf(await accountOf(callId, 'aisha'))).toEqual(['a question'])
    const { views } = await bed.people('lee', 'query ($id: ID!) { views(call: $id) { edges { node { by what } } } }', { id: callId })
    expect(items(fields(views).edges).map((edge) => fields(edge).node)).toEqual([{ by: 'aisha', what: 'account' }])
    const trail = await bed.people('lee', `query ($id: ID!) { trail(call: $id) { ${ACCOUNT} call { ${ACCOUNT} } } }`, { id: callId })
    expect(textsOf(fields(fields(trail.trail).account))).toEqual(['a question'])
    expect(fields(fields(trail.trail).call).account).toEqual(fields(trail.trail).account)
  })

  test('a list cannot ask for very many accounts at once', async () => {
    const traceId = hex(16)
    for (let at = 0; at < 10; at += 1) await Promise.all(Array.from({ length: 10 }, () => callIn(traceId)))
    const query = `{ calls(first: 200) { edges { node { ${ACCOUNT} } } } }`
    await expect(bed.people('lee', query)).rejects.toThrow('BAD_INPUT: the query loads more than')
  })

  test('an agent that is suspended tells nothing', async () => {
    const token = await bearer('reader')
    const step = (name: string) => bed.people('olga', `mutation { ${name}(name: "reader", reason: "for a look") { agent { status } } }`)
    await step('suspendAgent')
    const reply = await send(bed.url, {
      method: 'POST',
      path: '/v1/traces',
      headers: { ...token, 'content-type': 'application/json' },
      body: request(),
    })
    expect([reply.status, fields(jsonOf(reply)).code]).toEqual([401, 'UNAUTHENTICATED'])
    await step('reinstateAgent')
  })
})

describe('hostile bodies', () => {
  const json = { 'content-type': 'application/json' }
  const protobuf = { 'content-type': 'application/x-protobuf' }
  const nested = (levels: number): string => `${'{"arrayValue":{"values":['.repeat(levels)}{"stringValue":"x"}${']}}'.repeat(levels)}`
  const deep = (levels: number): string =>
    request(asked(hex(16), 'x')).replace('"attributes":[', `"attributes":[{"key":"gen_ai.x","value":${nested(levels)}},`)
  /** A message of protobuf that is `levels` messages deep. */
  const deepProtobuf = (levels: number): Buffer => {
    let bytes = Buffer.from([0x0a, 0x01, 0x78])
    const wrap = (tag: number): void => {
      const length: number[] = []
      for (let rest = bytes.length; ; rest >>>= 7) {
        length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
        if (rest <= 0x7f) break
      }
      bytes = Buffer.concat([Buffer.from([tag, ...length]), bytes])
    }
    for (let level = 0; level < levels; level += 1) {
      wrap(0x0a)
      wrap(0x2a)
    }
    // As the value of an attribute of a span, of a scope, of a resource.
    for (const tag of [0x12, 0x4a, 0x12, 0x12, 0x0a]) wrap(tag)
    return bytes
  }
  const bomb = gzipSync(Buffer.alloc(64 * 1_048_576, 0x20))

  test.each<readonly [string, () => string | Uint8Array, Record<string, string>, number, number | undefined]>([
    ['no JSON', () => '{"resourceSpans":', json, 400, 3],
    ['no UTF-8', () => Buffer.from([0x7b, 0xff, 0x7d]), json, 400, 3],
    ['a list', () => '[]', json, 400, 3],
    ['spans that are no list', () => '{"resourceSpans":{}}', json, 400, 3],
    ['a span that is a text', () => request('span'), json, 400, 3],
    ['a name that is a number', () => request(asked(hex(16), 'x', { name: 7 })), json, 400, 3],
    ['a time that is none', () => request(asked(hex(16), 'x', { startTimeUnixNano: 'soon' })), json, 400, 3],
    ['attributes that are a map', () => request(asked(hex(16), 'x', { attributes: { a: 1 } })), json, 400, 3],
    ['a value that is a text', () => request(asked(hex(16), 'x', { attributes: [{ key: 'a', value: 'b' }] })), json, 400, 3],
    ['JSON nested without end', () => '['.repeat(1_000_000), json, 400, 3],
    ['a value nested too deep', () => deep(40), json, 200, undefined],
    ['a value nested 20,000 deep', () => deep(20_000), json, 200, undefined],
    ['protobuf: no message', () => Buffer.from('hello protobuf'), protobuf, 400, 3],
    ['protobuf: cut off', () => Buffer.from([0x0a, 0x7f, 0x12, 0x01]), protobuf, 400, 3],
    ['protobuf: a length beyond all', () => Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), protobuf, 400, 3],
    ['protobuf: a number for a message', () => Buffer.from([0x08, 0x01]), protobuf, 400, 3],
    ['protobuf: groups without end', () => Buffer.alloc(500_000, 0x1b), protobuf, 400, 3],
    ['protobuf: nested too deep', () => deepProtobuf(2_000), protobuf, 200, undefined],
    ['protobuf: a text that is no UTF-8', () => Buffer.from([0x0a, 0x07, 0x12, 0x05, 0x12, 0x03, 0x2a, 0x01, 0xff]), protobuf, 400, 3],
    ['gzip that is none', () => 'x', { ...json, 'content-encoding': 'gzip' }, 400, 3],
    ['gzip that is cut off', () => gzipSync(request()).subarray(0, 20), { ...json, 'content-encoding': 'gzip' }, 400, 3],
    ['a gzip bomb', () => bomb, { ...json, 'content-encoding': 'gzip' }, 413, 3],
    ['gzip in gzip', () => gzipSync(gzipSync(request())), { ...json, 'content-encoding': 'gzip' }, 400, 3],
    ['too large', () => `{"a":"${'x'.repeat(LIMITS.accountBodyBytesMax)}"}`, json, 413, 3],
    ['another coding', () => request(), { ...json, 'content-encoding': 'deflate' }, 415, 3],
    ['another type', () => 'a', { 'content-type': 'text/plain' }, 415, undefined],
    ['nothing', () => new Uint8Array(), protobuf, 200, undefined],
  ])('%s', async (_name, body, headers, status, rpcCode) => {
    const reply = await post(body(), { headers, agent: 'reader' })
    expect(reply.status, reply.text).toBe(status)
    if (status === 200 || rpcCode === undefined) return
    expect(reply.headers['content-type']).toBe(headers['content-type'])
    if (headers === protobuf) expect([...reply.bytes.subarray(0, 2)]).toEqual([0x08, rpcCode])
    else expect(jsonOf(reply)).toEqual({ code: rpcCode, message: expect.any(String) })
  })

  test('other methods, no token and tokens of people are refused as at other doors', async () => {
    const get = await send(bed.url, { path: '/v1/traces' })
    expect([get.status, get.headers.allow]).toEqual([405, 'POST'])
    const person = { authorization: `Bearer ${await bed.personToken('maria')}` }
    for (const headers of [{}, person, { authorization: 'Bearer nonsense' }]) {
      const reply = await send(bed.url, { method: 'POST', path: '/v1/traces', headers: { ...headers, ...json }, body: request() })
      expect([reply.status, fields(jsonOf(reply)).code]).toEqual([401, 'UNAUTHENTICATED'])
      expect(reply.headers['www-authenticate']).toContain('oauth-protected-resource')
    }
  })

  test('spans with ids that are none, and those beyond the bound, are counted in the answer; the others are kept', async () => {
    const traceId = hex(16)
    const bad = [asked('0'.repeat(32), 'x'), asked(traceId, 'x', { spanId: 'zz' }), asked(traceId.slice(2), 'x')]
    const many = Array.from({ length: 10_000 }, (_, at) => asked(traceId, `question ${at}`))
    const reply = await post(request(...bad, ...many), { agent: 'prober' })
    expect(reply.status).toBe(200)
    const { rejectedSpans, errorMessage } = fields(fields(jsonOf(reply)).partialSuccess)
    expect(errorMessage).toMatch(/3 spans were not kept: trace and span ids .*; 8979 spans were not kept: a request may have 1024 spans/)
    const account = await accountOf(await callIn(traceId))
    expect(account).toMatchObject({ truncated: true })
    expect(spansOf(account).length + Number(rejectedSpans)).toBe(10_003)
    expect(spansOf(account).length).toBeGreaterThan(500)
  })

  test('long texts are cut, and the newest messages are kept', async () => {
    const traceId = hex(16)
    const messages = Array.from({ length: 60 }, (_, at) => ({ role: 'user', content: `${at} ${'x'.repeat(5_000)}` }))
    await post(request(asked(traceId, '', { attributes: [attribute('gen_ai.input.messages', messages)] })))
    const account = await accountOf(await callIn(traceId))
    const texts = textsOf(account).map(String)
    expect(texts.at(-1)).toBe(`59 ${'x'.repeat(LIMITS.accountTextCharsMax - 3)}`)
    expect(texts.length).toBeLessThan(10)
    expect(account).toMatchObject({ truncated: true })
  })

  test('more requests than a minute has: told when to come again', async () => {
    const replies = await Promise.all(Array.from({ length: 8 }, () => post(request(), { agent: 'support-triage' })))
    expect(replies.filter(({ status }) => status === 429).length).toBeLessThanOrEqual(4)
    let last: Reply | undefined
    for (let at = 0; at <= LIMITS.accountRequestsPerMinuteMax && last?.status !== 429; at += 1)
      last = await post(request(), { agent: 'support-triage' })
    // A minute may have ended in between.
    if (last?.status !== 429)
      for (let at = 0; at <= LIMITS.accountRequestsPerMinuteMax && last?.status !== 429; at += 1)
        last = await post(request(), { agent: 'support-triage' })
    expect([last?.status, Number(last?.headers['retry-after']) > 0, jsonOf(last as Reply)]).toEqual([
      429,
      true,
      { code: 8, message: `the agent may make ${LIMITS.accountRequestsPerMinuteMax} requests with spans a minute` },
    ])
  })
})

describe('in the record', () => {
  const EVERYTHING = { since: null, until: null, calls: null, sample: null, payloads: true }
  const quiet = () => new Writable({ write: (_chunk, _encoding, done) => done() })

  /** The entries `account` of a trace in an export of everything, once the log has come to `last`, and what verifying says. */
  async function exported(folder: string, traceId: string, last: string) {
    const leaves = 'query ($from: Int!) { logEntries(from: $from, first: 500, payloads: false) { index leaf } }'
    await vi.waitFor(
      async () => {
        const { checkpoint } = await bed.people('lee', '{ checkpoint { size } }')
        const from = Math.max(0, Number(fields(checkpoint).size) - 400)
        expect(JSON.stringify(items((await bed.people('lee', leaves, { from })).logEntries))).toContain(last)
      },
      { timeout: 20_000, interval: 50 },
    )
    const key = String(fields((await bed.people('lee', '{ checkpoint { vkey } }')).checkpoint).vkey)
    const address = { url: bed.url, token: await bed.personToken('lee') }
    await exportAudit(createOutput(true, quiet(), quiet()), address, { ...EVERYTHING, out: folder })
    const report = await verifyExport(folder, { vkey: key, since: null })
    const lines = readFileSync(join(folder, 'entries.ndjson'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => readLine(line))
    const own = lines.filter((line) => line?.leaf.includes('"kind":"account"') && line.leaf.includes(traceId))
    return { report, own: own.map((line) => ({ payload: line?.payload, erased: line?.erased })) }
  }

  test('it is exported and verified, goes with the first call that is erased, and its proofs stay', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-accounts-'))
    try {
      const traceId = hex(16)
      await post(request(asked(traceId, 'words of a trace')))
      const calls = [await callIn(traceId), await callIn(traceId)]
      const before = await exported(join(folder, 'before'), traceId, String(calls[1]))
      expect(before.report).toMatchObject({ ok: true, faults: [] })
      expect(before.own).toEqual([{ payload: expect.stringContaining('words of a trace') }])
      const erase = 'mutation ($calls: [ID!], $why: String!) { erasePayloads(calls: $calls, why: $why) { calls entries } }'
      const { erasePayloads } = await bed.people('aisha', erase, { calls: [calls[0]], why: 'request 4712' })
      expect(erasePayloads).toEqual({ calls: [calls[0]], entries: 2 })
      expect(await accountOf(String(calls[1]))).toMatchObject({ spans: [], erased: true })
      const late = await post(request(asked(traceId, 'words of a trace, later')))
      expect(jsonOf(late)).toEqual({
        partialSuccess: { rejectedSpans: '1', errorMessage: '1 spans were not kept: the account of this trace was erased' },
      })
      const after = await exported(join(folder, 'after'), traceId, 'request 4712')
      expect(after.report).toMatchObject({ ok: true, faults: [] })
      expect(after.own).toEqual([{ payload: undefined, erased: true }])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('what is never kept', () => {
  test('a credential in a prompt is nowhere, and personal data is masked', async () => {
    const traceId = hex(16)
    const message = `The key is ${CANARY}.`
    const tool = [
      attribute('gen_ai.tool.name', 'send'),
      attribute('gen_ai.tool.call.arguments', { to: 'ada@customers.example', secret: CANARY }),
    ]
    await post(
      request(
        asked(traceId, message),
        asked(traceId, 'Write to ada@customers.example about it.', { name: `chat ${CANARY}`, status: { code: 2, message } }),
        asked(traceId, '', { attributes: tool }),
        // What is kept of a text ends within the key.
        asked(traceId, `${'x'.repeat(LIMITS.accountTextCharsMax - 10)} ${CANARY}`, {
          name: `${'y'.repeat(LIMITS.accountNameCharsMax - 10)} ${CANARY}`,
        }),
        asked(traceId, '', { attributes: [attribute('gen_ai.prompt.0.content', message), attribute('user.secret', CANARY)] }),
      ),
    )
    const account = await accountOf(await callIn(traceId))
    expect(account).toMatchObject({ masked: ['credential', 'personal-data'] })
    expect(textsOf(account)).toEqual(expect.arrayContaining(['[masked: credential]', 'Write to [masked: personal-data] about it.']))
    expect(leakOf(CANARY)(JSON.stringify(account))).toBeUndefined()
    expect(JSON.stringify(account)).not.toContain(CANARY.slice(0, 6))
    expect(JSON.stringify(account)).not.toContain('ada@')
  })

  test('nothing of it is in answers, logs, metrics or anywhere in the database', async () => {
    const leaked = leakOf(CANARY)
    const { text: metrics } = await send(bed.url, { path: '/metrics' })
    const { rows, entries } = await bed.remains()
    for (const text of [...told, bed.log(), metrics, ...rows, ...entries.map((entry) => JSON.stringify(entry))])
      expect(leaked(text)).toBeUndefined()
    const accounts = entries.filter(({ body }) => body.kind === 'account')
    expect(accounts.length).toBeGreaterThan(10)
    expect(JSON.stringify(entries)).not.toContain('ada@customers.example')
  })
})
