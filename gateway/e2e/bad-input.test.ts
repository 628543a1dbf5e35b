import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ErrorCode } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import { messageOf } from './doors.ts'
import { type Bed, startBed } from './harness.ts'
import { exchangeRaw, statusesIn } from './raw.ts'
import { type Fields, fields, items, jsonOf, type Outgoing, type Reply, send } from './send.ts'

let bed: Bed
let tokens: Record<'prober' | 'lee', string>

beforeAll(async () => {
  bed = await startBed()
  tokens = { prober: await bed.agentToken('prober'), lee: await bed.personToken('lee') }
})
afterAll(() => bed?.close())

type DoorName = 'graphql' | 'mcp' | 'http' | 'operator'

/** A door that takes JSON: a good request with a place in its middle where any JSON value does. */
interface JsonDoor {
  path: string
  who: 'prober' | 'lee'
  before: string
  after: string
  /** Pointer of the place. */
  pointer: string
  headers: Record<string, string>
}

const DOORS: Readonly<Record<DoorName, JsonDoor>> = {
  graphql: {
    path: '/graphql',
    who: 'prober',
    before: '{"query":"mutation ($x: JSON) { probe_writeThing(name: \\"x\\", extra: $x) }","variables":{"x":',
    after: '}}',
    pointer: '/variables/x',
    headers: {},
  },
  mcp: {
    path: '/mcp',
    who: 'prober',
    before:
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},"name":"probe_writeThing","arguments":{"name":"x","extra":',
    after: '}}}',
    pointer: '/params/arguments/extra',
    headers: { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'probe_writeThing' },
  },
  http: { path: '/proxy/probe/things', who: 'prober', before: '{"name":"x","extra":', after: '}', pointer: '/extra', headers: {} },
  operator: {
    path: '/operator/graphql',
    who: 'lee',
    before: '{"query":"{ me { name } }","variables":{"x":',
    after: '}}',
    pointer: '/variables/x',
    headers: {},
  },
}
const NAMES = Object.keys(DOORS) as DoorName[]

interface Refusal {
  door: string
  agent: string | null
  code: ErrorCode
}

/** What the record has to hold in the end. */
const refusals: Refusal[] = []

function counted(list: readonly Refusal[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { door, agent, code } of list) counts[`${door} ${agent} ${code}`] = (counts[`${door} ${agent} ${code}`] ?? 0) + 1
  return counts
}

function post(name: DoorName, body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Reply> {
  const { path, who, headers: own } = DOORS[name]
  const all = { 'content-type': 'application/json', authorization: `Bearer ${tokens[who]}`, ...own, ...headers }
  return send(bed.url, { method: 'POST', path, headers: all, body })
}

const bodyOf = (name: DoorName, value: string): string => `${DOORS[name].before}${value}${DOORS[name].after}`

/** Refusals of the protocol itself have a number of JSON-RPC, and the status of ours. */
const RPC_CODES: Readonly<Record<number, ErrorCode>> = { 400: 'BAD_INPUT', 415: 'UNSUPPORTED_MEDIA_TYPE' }

/** Code and pointers of a refusal in whatever form. */
function refusalIn(reply: Reply): { code: unknown; pointers: string[] } {
  const body = fields(messageOf(reply))
  const graphql = fields(fields(items(body.errors)[0]).extensions)
  const rpc: Fields = { code: RPC_CODES[reply.status], ...fields(fields(body.error).data) }
  const { code, errors } = typeof body.code === 'string' ? body : graphql.code === undefined ? rpc : graphql
  return { code, pointers: items(errors).map((each) => String(fields(each).pointer)) }
}

function expectRefused(name: DoorName, reply: Reply, code: ErrorCode, status?: number): string[] {
  const where = `${name}: ${reply.status} ${reply.text.slice(0, 400)}`
  const found = refusalIn(reply)
  expect(found.code, where).toBe(code)
  if (status === undefined) expect(reply.status >= 400 && reply.status < 500, where).toBe(true)
  else expect(reply.status, where).toBe(status)
  expect(reply.text.length, 'it echoes the request').toBeLessThan(10_000)
  // People's requests that are malformed leave no mark: nobody acted.
  if (name !== 'operator') refusals.push({ door: name, agent: 'prober', code })
  return found.pointers
}

let before = 0
let over = false
const reached = (): number => bed.probe.journal.filter(({ path }) => path !== '/things/alive').length

/** The process lives: the next good call works, and nothing of the bad one reached the system. */
afterEach(async () => {
  if (over) return
  const reply = await send(bed.url, { path: '/proxy/probe/things/alive', headers: { authorization: `Bearer ${tokens.prober}` } })
  expect(reply.status).toBe(200)
  expect(reached()).toBe(before)
})

test('what is good is good', async () => {
  for (const name of NAMES) {
    const reply = await post(name, bodyOf(name, '{"fine":[1,"ü",null]}'))
    expect([name, reply.status, refusalIn(reply).code]).toEqual([name, 200, undefined])
  }
  before = reached()
  expect(before).toBe(3)
})

const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`
const deepObject = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`

describe.each(NAMES)('malformed JSON at %s', (name) => {
  test.each([
    ['a lone surrogate', '"\\ud800"'],
    ['a lone surrogate as a key', '{"\\udfff":1}'],
    ['NaN', 'NaN'],
    ['Infinity', '-Infinity'],
    ['a number beyond all', '1e999'],
    ['an integer that loses digits', '9007199254740993'],
    ['a leading zero', '[01]'],
    ['a number with a plus', '+1'],
    ['single quotes', "'x'"],
    ['a trailing comma', '[1,]'],
    ['nothing', ''],
    ['undefined', 'undefined'],
    ['a raw line break in a text', '"a\nb"'],
    ['a raw NUL in a text', '"a\0b"'],
    ['a bad escape', '"\\x41"'],
    ['a key twice', '{"a":1,"a":2}'],
    ['a key twice, once escaped', '{"a":1,"\\u0061":2}'],
    ['a key that reaches the prototype', '{"__proto__":{"admin":true}}'],
    ['65 levels', deep(65)],
    ['1,500 levels', deep(1500)],
    ['100,000 levels', deep(100_000)],
    ['100,000 levels of objects', deepObject(100_000)],
  ])('%s: BAD_INPUT with its place', async (_title, value) => {
    const pointers = expectRefused(name, await post(name, bodyOf(name, value)), 'BAD_INPUT', 400)
    expect(pointers.length).toBe(1)
    expect(pointers[0]?.startsWith(DOORS[name].pointer), pointers[0]).toBe(true)
  })

  const whole = bodyOf(name, '1')
  test.each([
    ['half of it', whole.slice(0, whole.length / 2)],
    ['the last brace is missing', whole.slice(0, -1)],
    ['one brace too many', `${whole}}`],
    ['two of it', `${whole}${whole}`],
    ['a byte order mark', `\ufeff${whole}`],
    ['a list', `[${whole}]`],
    ['an empty list', '[]'],
    ['a text', '"x"'],
    ['a number', '1'],
    ['null', 'null'],
    ['no body', ''],
    ['white space', '  \n'],
    ['not JSON at all', '<xml/>'],
    ['a comment', bodyOf(name, '1 /* one */')],
    ['hexadecimal', bodyOf(name, '0x10')],
    ['a key twice at the top', whole.replace('{', `{${whole.slice(1, whole.indexOf(':'))}:1,`)],
  ])('%s: BAD_INPUT', async (_title, text) => {
    expectRefused(name, await post(name, text), 'BAD_INPUT', 400)
  })

  test.each([
    ['a byte that never occurs', [0xff]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
    ['half a character', [0xe2, 0x82]],
  ])('bad UTF-8: %s', async (_title, bytes) => {
    const { before: head, after } = DOORS[name]
    expectRefused(
      name,
      await post(name, Buffer.concat([Buffer.from(`${head}"`), Buffer.from(bytes), Buffer.from(`"${after}`)])),
      'BAD_INPUT',
      400,
    )
  })

  test('UTF-16', async () => expectRefused(name, await post(name, Buffer.from(whole, 'utf16le')), 'BAD_INPUT', 400))

  test('10 MB', async () => {
    expectRefused(name, await post(name, bodyOf(name, `"${'x'.repeat(10_000_000)}"`)), 'BODY_TOO_LARGE', 413)
  })

  test('10 MB in chunks, without a length', async () => {
    const { path, who, headers } = DOORS[name]
    const head = {
      'content-type': 'application/json',
      authorization: `Bearer ${tokens[who]}`,
      host: new URL(bed.url).host,
      connection: 'close',
      ...headers,
    }
    const lines = Object.entries({ ...head, 'transfer-encoding': 'chunked' }).map(([key, value]) => `${key}: ${value}\r\n`)
    const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`
    const said = await exchangeRaw(
      bed.url,
      `POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`,
      ...Array.from({ length: 160 }, () => chunk),
      '0\r\n\r\n',
    )
    expect([statusesIn(said), said.includes('BODY_TOO_LARGE')]).toEqual([[413], true])
    if (name !== 'operator') refusals.push({ door: name, agent: 'prober', code: 'BODY_TOO_LARGE' })
  })

  test.each(['gzip', 'deflate', 'br', 'gzip, identity', 'x-unknown'])('a body that says it is %s', async (coding) => {
    const body = coding.startsWith('gzip') ? gzipSync(whole) : whole
    expectRefused(name, await post(name, body, { 'content-encoding': coding }), 'UNSUPPORTED_MEDIA_TYPE', 415)
  })

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=utf-16',
    'application/jsonx',
    'json',
    '',
  ])('the content type %j', async (type) => {
    expectRefused(name, await post(name, whole, { 'content-type': type }), 'UNSUPPORTED_MEDIA_TYPE', 415)
  })
})

describe.each([
  ['graphql', '/graphql', 'prober', ['PUT', 'PATCH', 'DELETE', 'OPTIONS'], 405],
  ['operator', '/operator/graphql', 'lee', ['PUT', 'PATCH', 'DELETE', 'OPTIONS'], 405],
  ['mcp', '/mcp', 'prober', ['PUT', 'PATCH', 'OPTIONS'], 405],
  ['http', '/proxy/probe/things/x', 'prober', ['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'HEAD'], 404],
  ['status', `/v1/calls/call_${'0'.repeat(26)}`, 'prober', ['PUT', 'PATCH', 'DELETE', 'OPTIONS'], 405],
] as const)('other methods at %s', (name, path, who, methods, status) => {
  test.each(methods)('%s', async (method) => {
    const reply = await send(bed.url, { method, path, headers: { authorization: `Bearer ${tokens[who]}` } })
    expect([reply.status, status === 404 || reply.headers.allow !== undefined]).toEqual([status, true])
    if (name === 'graphql' || name === 'status') refusals.push({ door: name, agent: 'prober', code: 'METHOD_NOT_ALLOWED' })
    if (name === 'http') refusals.push({ door: name, agent: 'prober', code: 'NOT_FOUND' })
  })
})

test('a variable of another type is refused with its place and with the name that was asked for', async () => {
  const headers = { authorization: `Bearer ${tokens.prober}`, 'content-type': 'application/json' }
  const body = '{"query":"mutation ($x: SafeInt) { probe_writeThing(name: \\"x\\", count: $x) }","variables":{"x":"one"}}'
  const reply = await send(bed.url, { method: 'POST', path: '/graphql', headers, body })
  expect(expectRefused('graphql', reply, 'BAD_INPUT', 400)).toEqual(['/variables/x'])
})

test('a method override changes no method', async () => {
  for (const header of ['x-http-method-override', 'x-method-override', 'x-http-method']) {
    const headers = { authorization: `Bearer ${tokens.prober}`, [header]: 'PUT', 'content-type': 'application/json' }
    const reply = await send(bed.url, { method: 'POST', path: '/proxy/probe/things', headers, body: '{"name":"x"}' })
    expectRefused('http', reply, 'BAD_INPUT', 400)
  }
})

describe('paths that are read in two ways', () => {
  const CASES: readonly [string, ErrorCode, number][] = [
    ['/proxy/probe/things/a/../../secret-rooms', 'BAD_INPUT', 400],
    ['/proxy/probe/things/..%2f..%2fsecret-rooms', 'BAD_INPUT', 400],
    ['/proxy/probe/things/%2e%2e/secret-rooms', 'BAD_INPUT', 400],
    ['/proxy/probe/things/%252e%252e', 'BAD_INPUT', 400],
    ['/proxy/probe/things/a%5cb', 'BAD_INPUT', 400],
    ['/proxy/probe/things/a\\b', 'BAD_INPUT', 400],
    ['/proxy/probe/things/a%00', 'BAD_INPUT', 400],
    ['/proxy/probe/things/a;admin=1', 'BAD_INPUT', 400],
    ['/proxy/probe/things/%zz', 'BAD_INPUT', 400],
    ['/proxy/probe/things/%c0%af', 'BAD_INPUT', 400],
    ['/proxy/probe/things/a%0d%0aX-Injected:1', 'BAD_INPUT', 400],
    ['/proxy/probe/./things', 'BAD_INPUT', 400],
    ['/proxy/probe//things', 'BAD_INPUT', 400],
    ['/proxy/probe/things/x?text=a&text=b', 'BAD_INPUT', 400],
    ['/proxy/probe/things/x?bogus=1', 'BAD_INPUT', 400],
    ['/proxy/probe/things/x?text=%ff', 'BAD_INPUT', 400],
    ['/proxy/probe/things/x?=1', 'BAD_INPUT', 400],
    ['/proxy/probe/things/x?text=%00', 'BAD_INPUT', 400],
    ['/proxy/probe/THINGS/x', 'NOT_FOUND', 404],
    ['/proxy/PROBE/things/x', 'NOT_FOUND', 404],
    ['/proxy/probe%2Fthings/x', 'NOT_FOUND', 404],
    ['/proxy/..%2fgraphql', 'NOT_FOUND', 404],
    ['/proxy/probe/secret-rooms', 'NOT_FOUND', 404],
    ['/proxy/probe/', 'NOT_FOUND', 404],
    ['/proxy/probe', 'NOT_FOUND', 404],
    ['/proxy/', 'NOT_FOUND', 404],
  ]
  test.each(CASES)('%s', async (path, code, status) => {
    expectRefused('http', await send(bed.url, { path, headers: { authorization: `Bearer ${tokens.prober}` } }), code, status)
  })

  test.each([
    '/graphql/',
    '/GRAPHQL',
    '/graphql%00',
    '//graphql',
    '/graphql;x',
    '/proxy/../graphql',
    '/mcp/',
    '/operator',
    '/operator/graphql/x',
    '/v1/calls',
    '/.well-known/',
    '*',
  ])('there is nothing at %s', async (path) => {
    const reply = await send(bed.url, { path, headers: { authorization: `Bearer ${tokens.prober}` } })
    if (path === '/proxy/../graphql') expectRefused('http', reply, 'NOT_FOUND', 404)
    else expect([reply.status, fields(jsonOf(reply)).code]).toEqual([404, 'NOT_FOUND'])
  })

  test('a body where none is taken, and cookies that nobody declared', async () => {
    const authorization = `Bearer ${tokens.prober}`
    const cases: Outgoing[] = [
      { path: '/proxy/probe/things/x', headers: { authorization, 'content-type': 'application/json' }, body: '{}' },
      { path: '/proxy/probe/things/x', headers: { authorization, cookie: 'hint=a; session=b' } },
      { path: '/proxy/probe/things/x', headers: { authorization, cookie: 'hint=a; hint=b' } },
      { path: '/proxy/probe/things/x', headers: { authorization, upgrade: 'websocket', connection: 'Upgrade' } },
    ]
    for (const request of cases) expectRefused('http', await send(bed.url, request), 'BAD_INPUT', 400)
  })
})

describe('who it says it is', () => {
  const ADDRESSED = ['/graphql', '/mcp', '/proxy/probe/things', '/v1/calls/x', '/operator/graphql']
  const BAD: readonly [string, (() => string) | undefined][] = [
    ['no token', undefined],
    ['an empty token', () => 'Bearer '],
    ['a word without a scheme', () => tokens.prober],
    ['another scheme', () => `Basic ${tokens.prober}`],
    ['two tokens', () => `Bearer ${tokens.prober} ${tokens.prober}`],
    ['rubbish', () => 'Bearer x.y.z'],
    ['a token without its signature', () => `Bearer ${tokens.prober.split('.').slice(0, 2).join('.')}.`],
    [
      'a token with another payload',
      () =>
        `Bearer ${tokens.prober
          .split('.')
          .map((part, i) => (i === 1 ? `${part}A` : part))
          .join('.')}`,
    ],
    ['a token beyond all measure', () => `Bearer ${'a'.repeat(LIMITS.tokenBytesMax + 1)}`],
  ]
  const door = (path: string): string =>
    ({ '/graphql': 'graphql', '/mcp': 'mcp', '/v1/calls/x': 'status', '/operator/graphql': 'operator' })[path] ?? 'http'

  test.each(BAD.flatMap(([title, make]) => ADDRESSED.map((path) => [title, path, make] as const)))(
    '%s at %s',
    async (_title, path, make) => {
      const reply = await send(bed.url, {
        method: 'POST',
        path,
        headers: { 'content-type': 'application/json', ...(make ? { authorization: make() } : {}) },
        body: '{}',
      })
      const challenge = reply.headers['www-authenticate'] ?? ''
      expect([reply.status, challenge.startsWith('Bearer '), challenge.includes('error="invalid_token"')]).toEqual([
        401,
        true,
        make !== undefined,
      ])
      refusals.push({ door: door(path), agent: null, code: 'UNAUTHENTICATED' })
    },
  )

  test("a person's token at the agents' doors, and an agent's at the people's", async () => {
    for (const path of ADDRESSED) {
      const token = path.startsWith('/operator') ? tokens.prober : tokens.lee
      const reply = await send(bed.url, {
        method: 'POST',
        path,
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: '{}',
      })
      expect([path, reply.status]).toEqual([path, 401])
      refusals.push({ door: door(path), agent: null, code: 'UNAUTHENTICATED' })
    }
  })
})

describe('what surrounds a request', () => {
  const authorized = (): string => `Authorization: Bearer ${tokens.prober}\r\nConnection: close\r\n`
  const host = (): string => `Host: ${new URL(bed.url).host}\r\n`

  const RAW: readonly [string, () => string, number | undefined][] = [
    ['an absolute target', () => `GET http://evil.example/proxy/probe/things/x HTTP/1.1\r\n${host()}${authorized()}\r\n`, 404],
    ['an absolute target that names us', () => `GET ${bed.url}/proxy/probe/things/x HTTP/1.1\r\n${host()}${authorized()}\r\n`, 404],
    ['a target without a slash', () => `GET proxy/probe/things/x HTTP/1.1\r\n${host()}${authorized()}\r\n`, 400],
    ['a connection to elsewhere', () => `CONNECT evil.example:443 HTTP/1.1\r\n${host()}${authorized()}\r\n`, undefined],
    ['no host', () => `GET /proxy/probe/things/x HTTP/1.1\r\n${authorized()}\r\n`, 400],
    [
      'a length and chunks',
      () => `POST /graphql HTTP/1.1\r\n${host()}${authorized()}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['two lengths', () => `POST /graphql HTTP/1.1\r\n${host()}${authorized()}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`, 400],
    ['a length that is no number', () => `POST /graphql HTTP/1.1\r\n${host()}${authorized()}Content-Length: x\r\n\r\n`, 400],
    [
      'a header folded over lines',
      () => `GET /proxy/probe/things/x HTTP/1.1\r\n${host()}${authorized()}X-Note: a\r\n b\r\n\r\n`,
      undefined,
    ],
    ['a raw NUL in the target', () => `GET /proxy/probe/things/a\0b HTTP/1.1\r\n${host()}${authorized()}\r\n`, 400],
    ['a raw space in the target', () => `GET /proxy/probe/things/a b HTTP/1.1\r\n${host()}${authorized()}\r\n`, 400],
    [
      'a header beyond all measure',
      () => `GET /proxy/probe/things/x HTTP/1.1\r\n${host()}${authorized()}X-Note: ${'x'.repeat(LIMITS.requestHeaderBytesMax)}\r\n\r\n`,
      431,
    ],
    [
      'a target beyond all measure',
      () => `GET /proxy/probe/things/${'x'.repeat(LIMITS.requestHeaderBytesMax)} HTTP/1.1\r\n${host()}${authorized()}\r\n`,
      431,
    ],
    ['no HTTP', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['another version', () => `GET /proxy/probe/things/x HTTP/3.0\r\n${host()}${authorized()}\r\n`, 400],
  ]
  test.each(RAW)('%s', async (_title, make, status) => {
    const said = await exchangeRaw(bed.url, Buffer.from(make(), 'latin1'))
    if (status === undefined) expect(statusesIn(said).every((each) => each >= 400)).toBe(true)
    else expect(statusesIn(said)).toEqual([status])
  })

  test('rubbish behind a good request is never answered in its place', async () => {
    const body = '{"name":"before the rubbish"}'
    const head = `POST /proxy/probe/things HTTP/1.1\r\n${host()}Authorization: Bearer ${tokens.prober}\r\nContent-Type: application/json\r\n`
    bed.probe.faults.push('held back')
    const said = exchangeRaw(bed.url, `${head}Content-Length: ${body.length}\r\n\r\n${body}\x00\x01rubbish\r\n\r\n`)
    await bed.probe.arrived('/things', body)
    bed.probe.release()
    expect(statusesIn(await said).filter((status) => status >= 400)).toEqual([])
    before++
    expect(statusesIn(await exchangeRaw(bed.url, '\x00\x01rubbish\r\n\r\n'))).toEqual([400])
  })

  test('a body that ends early is no request', async () => {
    const { hostname, port } = new URL(bed.url)
    const socket = connect(Number(port), hostname)
    socket.write(
      `POST /proxy/probe/things HTTP/1.1\r\n${host()}Authorization: Bearer ${tokens.prober}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"name":`,
    )
    const healthy = await send(bed.url, { path: '/healthz' })
    socket.resetAndDestroy()
    expect(healthy.status).toBe(200)
    refusals.push({ door: 'http', agent: 'prober', code: 'BAD_INPUT' })
  })

  test.each(['/graphql', '/mcp', '/v1/calls/x', '/operator/graphql', '/'])('an upgrade at %s does not happen', async (path) => {
    const said = await exchangeRaw(
      bed.url,
      `GET ${path} HTTP/1.1\r\n${host()}Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    )
    expect(statusesIn(said)).not.toContain(101)
    if (path !== '/')
      refusals.push({
        door: { '/graphql': 'graphql', '/mcp': 'mcp', '/v1/calls/x': 'status' }[path] ?? 'operator',
        agent: null,
        code: 'UNAUTHENTICATED',
      })
  })

  const FORWARDED = {
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    'x-forwarded-prefix': '/proxy/erp',
    'x-original-url': '/proxy/probe/secret-rooms',
    'x-rewrite-url': '/proxy/probe/secret-rooms',
    forwarded: 'host=evil.example;for=10.0.0.1',
    'x-forwarded-for': '10.0.0.1',
    'x-real-ip': '10.0.0.1',
    'x-agent': 'invoice-clerk',
  }

  test('what proxies say about a request changes neither its way nor what we say about ourselves', async () => {
    const seen = bed.watch()
    const path = '/proxy/probe/things/forwarded'
    const good = await send(bed.url, { path, headers: { authorization: `Bearer ${tokens.prober}`, ...FORWARDED } })
    expect(good.status).toBe(200)
    const [sent] = seen()
    expect(sent?.path).toBe('/things/forwarded')
    expect(Object.keys(sent?.headers ?? {}).filter((name) => name in FORWARDED)).toEqual([])
    before++
    for (const headers of [FORWARDED, { host: 'evil.example' }]) {
      const reply = await send(bed.url, { path, headers: headers as Record<string, string> })
      expect([reply.status, JSON.stringify(reply.headers).includes('evil')]).toEqual([401, false])
      refusals.push({ door: 'http', agent: null, code: 'UNAUTHENTICATED' })
      const metadata = await send(bed.url, { path: '/.well-known/oauth-authorization-server', headers: headers as Record<string, string> })
      expect([metadata.status, metadata.text.includes('evil')]).toEqual([200, false])
    }
  })

  test('MCP is not served to other hosts and origins', async () => {
    for (const headers of [
      { host: 'evil.example' },
      { host: 'localhost.evil.example' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
    ]) {
      const reply = await post('mcp', bodyOf('mcp', '1'), headers as Record<string, string>)
      expect(reply.status).toBe(403)
      refusals.push({ door: 'mcp', agent: null, code: 'FORBIDDEN' })
    }
  })

  test('headers of MCP that disagree with the body', async () => {
    for (const headers of [{ 'mcp-name': 'crm_getTicket' }, { 'mcp-method': 'tools/list' }, { 'mcp-protocol-version': '2025-11-25' }])
      expect((await post('mcp', bodyOf('mcp', '{}'), headers as Record<string, string>)).status).toBe(400)
    refusals.push(...Array.from({ length: 3 }, () => ({ door: 'mcp', agent: 'prober', code: 'BAD_INPUT' as const })))
  })
})

describe('the token endpoint', () => {
  const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
  const good = 'grant_type=client_credentials&client_id=prober&client_secret=x'
  test.each([
    ['JSON', { headers: { 'content-type': 'application/json' }, body: '{"grant_type":"client_credentials"}' }],
    ['no body', { headers: FORM, body: '' }],
    ['no grant', { headers: FORM, body: 'client_id=prober' }],
    ['another grant', { headers: FORM, body: 'grant_type=password&username=a&password=b' }],
    ['a parameter twice', { headers: FORM, body: `${good}&client_id=support-triage` }],
    ['bad percent-encoding', { headers: FORM, body: 'grant_type=%zz' }],
    ['bad UTF-8', { headers: FORM, body: Buffer.from('grant_type=\xff', 'latin1') }],
    ['10 MB', { headers: FORM, body: `${good}&x=${'x'.repeat(10_000_000)}` }],
    ['a compressed body', { headers: { ...FORM, 'content-encoding': 'gzip' }, body: gzipSync(good) }],
    ['no content type', { headers: {}, body: good }],
    [
      'a rubbish assertion',
      {
        headers: FORM,
        body: 'grant_type=client_credentials&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=x.y.z',
      },
    ],
    ['a client that nobody knows', { headers: FORM, body: 'grant_type=client_credentials&client_id=mallory&client_secret=x' }],
    ['an agent that has no secret', { headers: FORM, body: good }],
    ['parameters in the query', { path: `/oauth/token?${good}`, headers: FORM, body: good }],
  ] satisfies [string, Partial<Outgoing>][])('%s', async (_title, request) => {
    const reply = await send(bed.url, { method: 'POST', path: '/oauth/token', ...request })
    expect(reply.status >= 400 && reply.status < 500, `${reply.status} ${reply.text.slice(0, 300)}`).toBe(true)
    expect(reply.headers['cache-control']).toContain('no-store')
    expect(fields(jsonOf(reply)).access_token).toBeUndefined()
  })

  test.each(['GET', 'PUT', 'DELETE'])('%s', async (method) => {
    const reply = await send(bed.url, { method, path: '/oauth/token' })
    expect([reply.status, reply.headers.allow]).toEqual([405, 'POST'])
  })
})

describe('the record afterwards', () => {
  test('nothing was unexpected', () => expect(bed.log()).not.toMatch(/unexpected|"level":(50|60)|"level":"(error|fatal)"/))

  test('has every refusal, at its door, as often as it happened', async () => {
    over = true
    const { entries } = await bed.remains()
    const found = entries.flatMap(({ body }) =>
      body.kind === 'refused' && body.door !== 'oauth' ? [{ door: body.door, agent: body.agent, code: body.code }] : [],
    )
    expect(found.length).toBeGreaterThan(250)
    expect(entries.some(({ body }) => body.kind === 'refused' && body.door === 'graphql' && body.asked === 'probe_writeThing')).toBe(true)
    expect(counted(found)).toEqual(counted(refusals))
  })
})
