import { connect } from 'node:net'
import { classifyInboundRequest } from '@modelcontextprotocol/server'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../core/json.ts'
import { LIMITS } from '../../limits.ts'
import { call, COMMON, META, openDoor, rpc, send, session, stateless } from './fixture-door.ts'
import type { DoorUnderTest, Reply } from './fixture-door.ts'
import { readMessage } from './message.ts'
import { RpcError } from './rpc.ts'

let at: DoorUnderTest
beforeAll(async () => {
  at = await openDoor()
})
afterAll(() => at.close())
beforeEach(() => {
  at.calls.refused.length = 0
  at.calls.asked.length = 0
})

const codeOf = (reply: Reply) => reply.messages[0]?.error?.code
const V = { 'mcp-protocol-version': '2026-07-28' }

describe('authentication', () => {
  const metadata = 'resource_metadata="http://gate.example/.well-known/oauth-protected-resource/mcp"'
  test.each([
    ['no token', undefined, `Bearer ${metadata}`],
    ['a bad token', 'Bearer nobody', `Bearer ${metadata}, error="invalid_token"`],
    ['an empty bearer', 'Bearer ', `Bearer ${metadata}, error="invalid_token"`],
  ])('%s: 401 for every method, server/discover too', async (_title, authorization, challenge) => {
    const replies = [
      await stateless(at, 'server/discover', {}, { headers: { authorization } }),
      await call(at, 'erp_text', {}, { headers: { authorization } }),
      await send(at, 'POST', { ...COMMON, authorization }, rpc('initialize', { protocolVersion: '2025-11-25' })),
      await send(at, 'POST', { ...COMMON, authorization, 'content-type': 'text/plain' }, 'x'),
      await send(at, 'GET', { ...COMMON, authorization }),
      await send(at, 'DELETE', { ...COMMON, authorization }),
      await send(at, 'PUT', { ...COMMON, authorization }, 'x'),
    ]
    for (const reply of replies) {
      expect(reply.status).toBe(401)
      expect(reply.headers['www-authenticate']).toBe(challenge)
      expect(reply.messages[0]?.error?.data).toEqual({ code: 'UNAUTHENTICATED' })
    }
    expect(at.calls.asked).toHaveLength(0)
  })
})

describe('DNS rebinding: Host and Origin', () => {
  test.each([
    ['another host', { host: 'evil.example' }, 403],
    ['a host that only starts alike', { host: '127.0.0.1.evil.example' }, 403],
    ['a user part', { host: 'evil@127.0.0.1' }, 403],
    ['an allowed host on any port', { host: '127.0.0.1:9999' }, 200],
    ['an allowed host and port', { host: 'LOCALHOST:1' }, 200],
    ['an allowed host on another port', { host: 'localhost:2' }, 403],
    ['another origin', { origin: 'https://evil.example' }, 403],
    ['the null origin', { origin: 'null' }, 403],
    ['an empty origin', { origin: '' }, 403],
    ['an allowed origin on another scheme', { origin: 'http://app.example' }, 403],
    ['an allowed origin', { origin: 'https://app.example' }, 200],
    ['a forwarded host changes nothing', { 'x-forwarded-host': 'evil.example' }, 200],
  ])('%s', async (_title, headers, status) => {
    const reply = await stateless(at, 'tools/list', {}, { headers })
    expect(reply.status).toBe(status)
    expect(at.calls.refused.map(({ code, agent }) => [code, agent])).toEqual(status === 403 ? [['FORBIDDEN', null]] : [])
    if (status === 403) expect(reply.messages[0]).not.toHaveProperty('id')
  })
})

describe('revision 2026-07-28', () => {
  test('server/discover', async () => {
    const { result } = (await stateless(at, 'server/discover')).messages[0] ?? {}
    expect(result).toMatchObject({
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: {} },
      cacheScope: 'private',
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'gatehouse', version: '9.9.9' } },
    })
    expect(result?.ttlMs).toBeGreaterThan(0)
  })

  const sentinel = (name: string) => `=?base64?${Buffer.from(name).toString('base64')}?=`
  const tools = (headers: Record<string, string | undefined>, meta = {}) => call(at, 'erp_text', {}, { headers, meta })
  test.each([
    ['all in order', () => tools({}), 200, undefined],
    ['the name in base64', () => tools({ 'mcp-name': sentinel('erp_text') }), 200, undefined],
    [
      'clientInfo is optional, and taken',
      () => tools({}, { 'io.modelcontextprotocol/clientInfo': { name: 'c', version: '1' } }),
      200,
      undefined,
    ],
    ['a session id means nothing', () => tools({ 'mcp-session-id': 'made-up' }), 200, undefined],
    ['an unknown tool stays within 200', () => call(at, 'erp_none'), 200, -32602],
    ['no version header', () => tools({ 'mcp-protocol-version': undefined }), 400, -32020],
    ['another version in the header', () => tools({ 'mcp-protocol-version': '2025-11-25' }), 400, -32020],
    ['no Mcp-Method', () => tools({ 'mcp-method': undefined }), 400, -32020],
    ['another Mcp-Method', () => tools({ 'mcp-method': 'tools/list' }), 400, -32020],
    ['Mcp-Method in another case', () => tools({ 'mcp-method': 'Tools/Call' }), 400, -32020],
    ['no Mcp-Name', () => tools({ 'mcp-name': undefined }), 400, -32020],
    ['another Mcp-Name', () => tools({ 'mcp-name': 'erp_pay' }), 400, -32020],
    ['another Mcp-Name in base64', () => tools({ 'mcp-name': sentinel('erp_pay') }), 400, -32020],
    ['broken base64', () => tools({ 'mcp-name': '=?base64?ZXJwX3RleHR=?=' }), 400, -32020],
    ['an unknown version', () => tools({ 'mcp-protocol-version': '2099-01-01' }, vers('2099-01-01')), 400, -32022],
    ['a session version in `_meta`', () => tools({ 'mcp-protocol-version': '2025-11-25' }, vers('2025-11-25')), 400, -32022],
    ['a version that is no string', () => tools({}, vers(7)), 400, -32602],
    ['no capabilities', () => tools({}, { 'io.modelcontextprotocol/clientCapabilities': undefined }), 400, -32602],
    ['capabilities that are none', () => tools({}, { 'io.modelcontextprotocol/clientCapabilities': [] }), 400, -32602],
    ['no `_meta`', () => send(at, 'POST', { ...COMMON, ...V, 'mcp-method': 'tools/list' }, rpc('tools/list')), 400, -32602],
    [
      'an unknown version without `_meta`',
      () => send(at, 'POST', { ...COMMON, 'mcp-protocol-version': '2020-01-01' }, rpc('ping')),
      400,
      -32022,
    ],
    ['initialize', () => stateless(at, 'initialize', { protocolVersion: '2026-07-28' }), 404, -32601],
    ['initialize by header only', () => send(at, 'POST', { ...COMMON, ...V }, rpc('initialize', {})), 404, -32601],
    ['ping', () => stateless(at, 'ping'), 404, -32601],
    ['logging/setLevel', () => stateless(at, 'logging/setLevel', { level: 'info' }), 404, -32601],
    ['resources/list', () => stateless(at, 'resources/list'), 404, -32601],
    ['subscriptions/listen', () => stateless(at, 'subscriptions/listen', { notifications: {} }), 404, -32601],
    ['a tool without a name', () => stateless(at, 'tools/call', {}), 200, -32602],
    ['GET', () => send(at, 'GET', { ...COMMON, ...V }), 405, -32600],
    ['DELETE', () => send(at, 'DELETE', { ...COMMON, ...V }), 405, -32600],
    ['PUT', () => send(at, 'PUT', { ...COMMON, ...V }, '{}'), 405, -32600],
  ])('%s', async (_title, run, status, code) => {
    const reply = await run()
    expect([reply.status, codeOf(reply)]).toEqual([status, code])
    if (code === -32022) expect(reply.messages[0]?.error?.data?.supported).toEqual(['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26'])
    if (code === -32020) expect(at.calls.refused).toMatchObject([{ agent: 'robot', code: 'BAD_INPUT' }])
    if (status !== 405) expect(reply.messages[0]?.id).toBe(1)
    if (code !== undefined) expect(at.calls.asked).toHaveLength(0)
    expect(reply.headers).not.toHaveProperty('mcp-session-id')
  })

  test.each([{ ...V }, { ...V, 'mcp-method': 'notifications/cancelled' }])(
    'a notification is taken and changes nothing: %o',
    async (headers) => {
      const text = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1, _meta: META } })
      expect((await send(at, 'POST', { ...COMMON, ...headers }, text)).status).toBe(202)
    },
  )
})
const vers = (version: unknown) => ({ 'io.modelcontextprotocol/protocolVersion': version })

describe('bodies and media types', () => {
  const post = (body: string | Uint8Array, headers: Record<string, string | undefined> = {}) =>
    send(at, 'POST', { ...COMMON, ...V, ...headers }, body)
  const deep = `${'{"a":'.repeat(1500)}1${'}'.repeat(1500)}`
  const around = (inner: string) => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"erp_text","arguments":${inner}}}`
  test.each([
    ['malformed JSON', () => post('{"jsonrpc":'), 400, -32700, 'BAD_INPUT'],
    ['nothing', () => post(''), 400, -32700, 'BAD_INPUT'],
    ['depth 1500', () => post(around(deep)), 400, -32700, 'BAD_INPUT'],
    ['duplicate keys', () => post(around('{"amount":1,"amount":2}')), 400, -32700, 'BAD_INPUT'],
    ['a duplicate method', () => post('{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}'), 400, -32700, 'BAD_INPUT'],
    ['NaN', () => post(around('{"amount":NaN}')), 400, -32700, 'BAD_INPUT'],
    ['__proto__', () => post(around('{"__proto__":{}}')), 400, -32700, 'BAD_INPUT'],
    ['an integer that would lose digits', () => post(around('{"amount":9007199254740993}')), 400, -32700, 'BAD_INPUT'],
    ['bad UTF-8', () => post(Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xff), Buffer.from('"}')])), 400, -32700, 'BAD_INPUT'],
    ['a byte order mark', () => post(`\ufeff${rpc('ping')}`), 400, -32700, 'BAD_INPUT'],
    ['trailing data', () => post(`${rpc('ping')}{}`), 400, -32700, 'BAD_INPUT'],
    ['10 MB', () => post(around(`"${'x'.repeat(10_000_000)}"`)), 413, -32600, 'BODY_TOO_LARGE'],
    ['a coded body', () => post(rpc('ping'), { 'content-encoding': 'gzip' }), 415, -32600, 'UNSUPPORTED_MEDIA_TYPE'],
    ['a form', () => post(rpc('ping'), { 'content-type': 'application/x-www-form-urlencoded' }), 415, -32600, 'UNSUPPORTED_MEDIA_TYPE'],
    ['plain text', () => post(rpc('ping'), { 'content-type': 'text/plain' }), 415, -32600, 'UNSUPPORTED_MEDIA_TYPE'],
    ['no content type', () => post(rpc('ping'), { 'content-type': undefined }), 415, -32600, 'UNSUPPORTED_MEDIA_TYPE'],
    [
      'another charset',
      () => post(rpc('ping'), { 'content-type': 'application/json; charset=utf-16' }),
      415,
      -32600,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    ['an accept that takes neither', () => post(rpc('ping'), { accept: 'text/html' }), 406, -32600, 'BAD_INPUT'],
    ['an accept that excludes both', () => post(rpc('ping'), { accept: 'application/json;q=0' }), 406, -32600, 'BAD_INPUT'],
    ['a batch', () => post(`[${rpc('ping')}]`), 400, -32600, 'BAD_INPUT'],
    ['an empty batch', () => post('[]'), 400, -32600, 'BAD_INPUT'],
    ['null', () => post('null'), 400, -32600, 'BAD_INPUT'],
    ['another JSON-RPC', () => post('{"jsonrpc":"1.0","id":1,"method":"ping"}'), 400, -32600, 'BAD_INPUT'],
    ['a response', () => post('{"jsonrpc":"2.0","id":1,"result":{}}'), 400, -32600, 'BAD_INPUT'],
    ['a null id', () => post('{"jsonrpc":"2.0","id":null,"method":"ping"}'), 400, -32600, 'BAD_INPUT'],
    ['an id that is an object', () => post('{"jsonrpc":"2.0","id":{},"method":"ping"}'), 400, -32600, 'BAD_INPUT'],
    ['params that are a list', () => post('{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}'), 400, -32600, 'BAD_INPUT'],
    ['`_meta` that is none', () => post('{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":null}}'), 400, -32600, 'BAD_INPUT'],
  ])('%s', async (_title, run, status, code, refusal) => {
    const reply = await run()
    expect([reply.status, codeOf(reply)]).toEqual([status, code])
    expect(at.calls.refused).toMatchObject([{ agent: 'robot', code: refusal }])
    expect(at.calls.asked).toHaveLength(0)
    expect((await stateless(at, 'tools/list')).status).toBe(200)
  })

  test('a pointer names the place', async () => {
    const reply = await post(around('{"amount":[1,{"a":1,"a":2}]}'))
    expect(reply.messages[0]?.error?.data?.errors).toMatchObject([{ pointer: '/params/arguments/amount/1/a' }])
  })

  test.each([`"a"`, '7', '"\\u0000"', '1.5'])('any id comes back as it was: %s', async (id) => {
    const body = `{"jsonrpc":"2.0","id":${id},"method":"tools/list","params":{"_meta":${JSON.stringify(META)}}}`
    expect((await post(body, { 'mcp-method': 'tools/list' })).messages[0]?.id).toBe(JSON.parse(id))
  })

  test('a repeated header disagrees with any body', async () => {
    const text = rpc('tools/list', { _meta: META })
    const lines = ['POST /mcp HTTP/1.1', 'Host: 127.0.0.1', 'Authorization: Bearer robot', 'Content-Type: application/json']
    lines.push('MCP-Protocol-Version: 2026-07-28', 'Mcp-Method: tools/list', 'Mcp-Method: tools/call', `Content-Length: ${text.length}`)
    const socket = connect(at.port, '127.0.0.1')
    socket.end(`${lines.join('\r\n')}\r\nConnection: close\r\n\r\n${text}`)
    let answer = ''
    for await (const chunk of socket) answer += String(chunk)
    expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*-32020/)
  })
})

describe('sessions of the 2025 revisions', () => {
  test.each([
    ['2025-11-25', '2025-11-25'],
    ['2025-06-18', '2025-06-18'],
    ['2025-03-26', '2025-03-26'],
    ['2024-11-05', '2025-11-25'],
    ['2099-01-01', '2025-11-25'],
  ])('initialize with %s negotiates %s', async (asked, version) => {
    const reply = await send(at, 'POST', COMMON, rpc('initialize', { protocolVersion: asked, capabilities: {} }))
    expect(reply.messages[0]?.result).toMatchObject({
      protocolVersion: version,
      capabilities: { tools: {} },
      serverInfo: { name: 'gatehouse', version: '9.9.9' },
    })
    expect(reply.headers['mcp-session-id']).toMatch(/^[\x21-\x7e]{22,}$/)
  })

  test('the methods that work and those that do not exist', async () => {
    const headers = await session(at)
    const ask = async (method: string, params = {}) => {
      const reply = await send(at, 'POST', headers, rpc(method, params))
      return [reply.status, reply.messages[0]?.error?.code ?? reply.messages[0]?.result]
    }
    expect(await ask('ping')).toEqual([200, {}])
    expect(await ask('logging/setLevel', { level: 'info' })).toEqual([200, {}])
    for (const method of ['resources/list', 'prompts/list', 'completion/complete', 'server/discover', 'constructor'])
      expect(await ask(method)).toEqual([200, -32601])
    const initialized = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })
    expect(await send(at, 'POST', headers, initialized)).toMatchObject({ status: 202, text: '' })
    expect((await send(at, 'POST', COMMON, rpc('initialize', {}))).messages[0]?.error?.code).toBe(-32602)
  })

  test('a request without an id of a session: 400; with one that never was: 404', async () => {
    expect((await send(at, 'POST', COMMON, rpc('tools/list'))).status).toBe(400)
    expect((await send(at, 'POST', { ...COMMON, 'mcp-session-id': 'x' }, rpc('tools/list'))).status).toBe(404)
    expect((await send(at, 'GET', COMMON)).status).toBe(400)
    expect((await send(at, 'DELETE', { ...COMMON, 'mcp-session-id': 'x' })).status).toBe(404)
    const notification = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } })
    expect((await send(at, 'POST', { ...COMMON, 'mcp-session-id': 'x' }, notification)).status).toBe(404)
  })

  test('fixation: an id that the client brings is never taken', async () => {
    const opened = await session(at, { 'mcp-session-id': 'attacker-chosen-id-0000' })
    expect(opened['mcp-session-id']).not.toBe('attacker-chosen-id-0000')
    expect((await send(at, 'POST', { ...COMMON, 'mcp-session-id': 'attacker-chosen-id-0000' }, rpc('ping'))).status).toBe(404)
  })

  test.each(['Bearer other', 'Bearer robot/carol'])(
    'the session of another agent or subject is unknown to %s, for every method',
    async (authorization) => {
      const own = await session(at)
      const stolen = { ...own, authorization }
      for (const method of ['POST', 'GET', 'DELETE'])
        expect((await send(at, method, stolen, method === 'POST' ? rpc('tools/call', { name: 'erp_text' }) : undefined)).status).toBe(404)
      expect(at.calls.refused.map(({ code }) => code)).toEqual(['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND'])
      expect(at.calls.asked).toHaveLength(0)
      expect((await send(at, 'POST', own, rpc('ping'))).status).toBe(200)
      const unknown = await send(at, 'POST', { ...stolen, 'mcp-session-id': 'never' }, rpc('ping'))
      const foreign = await send(at, 'POST', stolen, rpc('ping'))
      expect(foreign.text).toBe(unknown.text)
    },
  )

  test('idle sessions expire; used ones and those with an open stream do not', async () => {
    const [idle, used, streaming] = [await session(at), await session(at), await session(at)]
    const leaving = new AbortController()
    const stream = send(at, 'GET', streaming, undefined, leaving.signal).catch(() => 'left')
    await expect.poll(async () => (await send(at, 'POST', streaming, rpc('ping'))).status).toBe(200)
    at.clock.at += LIMITS.mcpSessionIdleMsMax - 1
    expect((await send(at, 'POST', used, rpc('ping'))).status).toBe(200)
    at.clock.at += 2
    expect((await send(at, 'POST', idle, rpc('ping'))).status).toBe(404)
    expect((await send(at, 'POST', used, rpc('ping'))).status).toBe(200)
    expect((await send(at, 'POST', streaming, rpc('ping'))).status).toBe(200)
    leaving.abort()
    expect(await stream).toBe('left')
  })

  test('DELETE ends the session and its stream', async () => {
    const headers = await session(at)
    const stream = send(at, 'GET', { ...headers, accept: 'text/event-stream' })
    await expect.poll(async () => (await send(at, 'DELETE', headers)).status).toBe(204)
    const ended = await stream
    expect(ended.status === 200 ? ended.text : ended.status).toSatisfy((seen) => seen === ': open\n\n' || seen === 404)
    expect((await send(at, 'POST', headers, rpc('ping'))).status).toBe(404)
  })

  test('GET needs an accept of event streams', async () => {
    expect((await send(at, 'GET', { ...(await session(at)), accept: 'application/json' })).status).toBe(406)
  })

  test('sessions are bounded for each agent: the least recently used makes room', async () => {
    const authorization = 'Bearer greedy'
    const first = await session(at, { authorization })
    const second = await session(at, { authorization })
    const bystander = await session(at)
    expect((await send(at, 'POST', first, rpc('ping'))).status).toBe(200)
    for (let i = 2; i <= LIMITS.mcpSessionsPerOwnerMax; i++) await session(at, { authorization })
    expect((await send(at, 'POST', second, rpc('ping'))).status).toBe(404)
    expect((await send(at, 'POST', first, rpc('ping'))).status).toBe(200)
    expect((await send(at, 'POST', bystander, rpc('ping'))).status).toBe(200)
  })

  test.each([undefined, '2025-03-26', '2025-06-18'])('the version header may be %s', async (version) => {
    const headers = { ...(await session(at)), 'mcp-protocol-version': version }
    expect((await send(at, 'POST', headers, rpc('ping'))).status).toBe(200)
  })

  test('an unsupported version header is refused', async () => {
    const headers = { ...(await session(at)), 'mcp-protocol-version': '2024-11-05' }
    expect([(await send(at, 'POST', headers, rpc('ping'))).status, codeOf(await send(at, 'POST', headers, rpc('ping')))]).toEqual([
      400, -32022,
    ])
  })
})

describe('the era of a message is the one that the official server library sees', () => {
  const bodies = [
    { method: 'tools/list' },
    { method: 'tools/list', params: { _meta: META } },
    { method: 'tools/list', params: { _meta: { ...META, ...vers('2025-11-25') } } },
    { method: 'tools/list', params: { _meta: { ...META, ...vers(undefined) } } },
    { method: 'tools/list', params: { _meta: { progressToken: 1 } } },
    { method: 'initialize', params: { protocolVersion: '2025-11-25' } },
    { method: 'initialize', params: { protocolVersion: '2026-07-28', _meta: META } },
    { method: 'tools/call', params: { name: 'a', _meta: META } },
    { method: 'notifications/initialized' },
    { method: 'notifications/cancelled', params: { requestId: 1, _meta: META } },
  ].map((body) => ({ jsonrpc: '2.0', ...(body.method.startsWith('notifications/') ? {} : { id: 1 }), ...body }))
  const versions = [undefined, '2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28']
  const methods = [undefined, 'tools/list', 'tools/call']
  test.each(
    bodies.flatMap((body) => versions.flatMap((version) => methods.map((method) => [JSON.stringify(body), version, method] as const))),
  )('%s with version %s and method %s', (text, version, method) => {
    const headers = { ...(version && { 'mcp-protocol-version': version }), ...(method && { 'mcp-method': method }) }
    const theirs = classifyInboundRequest({
      httpMethod: 'POST',
      ...(version && { protocolVersionHeader: version }),
      ...(method && { mcpMethodHeader: method }),
      body: JSON.parse(text),
    })
    const ours = eraOf(JSON.parse(text) as JsonObject, headers)
    // Theirs leaves to later stages what we judge at once: required headers, and versions that are not served.
    if (theirs.kind === 'legacy') expect(ours).toBe('session')
    else if (theirs.kind === 'modern') expect([ours]).toSatisfy(([era]) => era === 'stateless' || era === -32020 || era === -32022)
    else if (text.includes('"initialize"') && !text.includes('_meta')) expect(ours).toBe(-32601)
    else expect([theirs.code, -32022]).toContain(ours)
  })
})

function eraOf(body: JsonObject, headers: Record<string, string>): string | number {
  try {
    return readMessage(body, headers).era
  } catch (error) {
    if (error instanceof RpcError) return error.code
    throw error
  }
}
