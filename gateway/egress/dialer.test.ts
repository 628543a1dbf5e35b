import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer, type Server as TcpServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { UpstreamError } from '../ports/connector.ts'
import type { EgressRule, Outbound, OutboundRequest, OutboundResponse } from '../ports/dialer.ts'
import { createDialer, type DialerOptions } from './dialer.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

const listening = async (server: Server | TcpServer): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => new Promise((resolve) => server.close(resolve)))
  return (server.address() as AddressInfo).port
}
const serve = (answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> => listening(createHttpServer(answer))
const serveTcp = (connected: (socket: Socket) => void): Promise<number> =>
  listening(createServer((socket) => connected(socket.on('error', () => undefined).resume())))

function open(rule: Partial<EgressRule>, options: Partial<DialerOptions> = {}): Outbound {
  const outbound = createDialer({ development: false, ...options }).open({ hosts: ['127.0.0.1'], privateHosts: ['127.0.0.1'], ...rule })
  closers.unshift(() => outbound.close())
  return outbound
}
const ask = (url: string, more: Partial<OutboundRequest> = {}): OutboundRequest => ({
  method: 'GET',
  url,
  headers: {},
  headersTimeoutMs: 10_000,
  bodyTimeoutMs: 10_000,
  ...more,
})
async function textOf(response: OutboundResponse): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of response.body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
async function failure(promise: Promise<unknown>): Promise<Pick<UpstreamError, 'kind' | 'sent'> & { message: string }> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof UpstreamError)) throw new Error('expected an UpstreamError', { cause: error })
  return { kind: error.kind, sent: error.sent, message: error.message }
}
const refused = { kind: 'refused', sent: false }

test('passes method, path, query, headers and body as built, and streams the answer', async () => {
  const port = await serve((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      response.writeHead(207, { 'x-two': ['a', 'b'] })
      response.write(`${request.method} ${request.url} ${request.headers['x-in']} `)
      response.end(body)
    })
  })
  const answer = await open({}).request(
    ask(`http://127.0.0.1:${port}/a/%2e%2E;p?q=%20#f`, { method: 'PATCH', headers: { 'x-in': '1' }, body: 'hé' }),
  )
  expect([answer.status, answer.headers['x-two']]).toEqual([207, ['a', 'b']])
  expect(await textOf(answer)).toBe('PATCH /a/%2e%2E;p?q=%20 1 hé')
})

test('a redirect is an answer and is not followed', async () => {
  let asked = 0
  const port = await serve((_, response) => {
    asked++
    response.writeHead(302, { location: '/elsewhere' }).end()
  })
  const outbound = open({})
  expect((await outbound.request(ask(`http://127.0.0.1:${port}/`))).status).toBe(302)
  expect((await outbound.fetch(`http://127.0.0.1:${port}/`)).status).toBe(302)
  expect(asked).toBe(2)
})

const SPELLINGS = ['2130706433', '0x7f000001', '0177.0.0.1', '127.1', '127.0.0.1.', '１２７.0.0.1']
test.each(SPELLINGS)('the spelling %s of a loopback address is still that address', async (spelling) => {
  const port = await serve((_, response) => void response.end('in'))
  expect(await textOf(await open({}).request(ask(`http://${spelling}:${port}/`)))).toBe('in')
  const closed = open({ hosts: ['127.0.0.1'], privateHosts: [] }, { development: true })
  expect(await failure(closed.request(ask(`http://${spelling}:${port}/`)))).toMatchObject(refused)
  expect(await failure(closed.fetch(`http://${spelling}:${port}/`))).toMatchObject(refused)
})

test.each([
  ['another host', 'https://other.example/'],
  ['a sub-domain of a listed host', 'https://sub.listed.example/'],
  ['a suffix of a listed host', 'https://evil-listed.example/'],
  ['userinfo', 'https://listed.example@other.example/'],
  ['userinfo before a listed host', 'https://user:secret@listed.example/'],
  ['a backslash in the authority', 'https://listed.example\\@other.example/'],
  ['another scheme', 'ftp://listed.example/'],
  ['a file', 'file:///etc/passwd'],
  ['no scheme', 'listed.example/'],
  ['an empty host', 'https:///x'],
  ['a plain address that is not private', 'http://listed.example/'],
])('refuses %s without a look-up', async (_title, url) => {
  const looked: string[] = []
  const resolve = async (host: string) => {
    looked.push(host)
    return []
  }
  const outbound = open({ hosts: ['listed.example'], privateHosts: [] }, { resolve })
  expect(await failure(outbound.request(ask(url)))).toMatchObject(refused)
  expect(looked).toEqual([])
})

test('plain http to a host that is not private is for development alone', async () => {
  const resolve = async () => [{ address: '10.0.0.1', family: 4 }]
  const inDevelopment = open({ hosts: ['listed.example'], privateHosts: [] }, { resolve, development: true })
  expect((await failure(inDevelopment.request(ask('http://listed.example/')))).message).toContain('private')
  const inProduction = open({ hosts: ['listed.example'], privateHosts: [] }, { resolve })
  expect((await failure(inProduction.request(ask('http://listed.example/')))).message).toContain('plain http')
})

test.each([
  ['loopback', ['127.0.0.1']],
  ['IPv6 loopback', ['::1']],
  ['a private address behind a public one', ['93.184.216.34', '10.0.0.1']],
  ['a mapped address', ['::ffff:127.0.0.1']],
  ['NAT64', ['64:ff9b::7f00:1']],
  ['6to4', ['2002:7f00:1::']],
  ['the metadata service', ['169.254.169.254']],
  ['carrier-grade NAT', ['100.64.0.1']],
  ['no address', []],
])('refuses a public name that leads to %s', async (_title, addresses) => {
  const resolve = async () => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  const outbound = open({ hosts: ['api.example'], privateHosts: [] }, { resolve })
  expect(await failure(outbound.request(ask('https://api.example/')))).toMatchObject(refused)
  await expect(outbound.fetch('https://api.example/')).rejects.toBeInstanceOf(UpstreamError)
})

test('a private name leads to loopback, but never to the metadata service', async () => {
  const port = await serve((request, response) => void response.end(request.headers.host))
  const addresses = { 'erp.internal': '127.0.0.1', 'meta.internal': '169.254.169.254' } as Record<string, string>
  const resolve = async (host: string) => [{ address: addresses[host] ?? '', family: 4 }]
  const names = Object.keys(addresses)
  const outbound = open({ hosts: names, privateHosts: names }, { resolve })
  expect(await textOf(await outbound.request(ask(`http://ERP.internal.:${port}/`)))).toBe(`erp.internal:${port}`)
  expect(await failure(outbound.request(ask(`http://meta.internal:${port}/`)))).toMatchObject(refused)
})

test('a name is looked up once a connection, and the checked address is the one connected to', async () => {
  const port = await serve((_, response) => void response.setHeader('connection', 'close').end('in'))
  let asked = 0
  const resolve = async () => [{ address: ++asked === 1 ? '127.0.0.1' : '169.254.169.254', family: 4 }]
  const outbound = open({ hosts: ['flip.example'], privateHosts: ['flip.example'] }, { resolve })
  expect(await textOf(await outbound.request(ask(`http://flip.example:${port}/`)))).toBe('in')
  expect(asked).toBe(1)
  expect(await failure(outbound.request(ask(`http://flip.example:${port}/`)))).toMatchObject(refused)
  expect(asked).toBe(2)
})

test('a private host that is not among the hosts opens nothing', async () => {
  expect(await failure(open({ hosts: [], privateHosts: ['127.0.0.1'] }).request(ask('http://127.0.0.1:1/')))).toMatchObject(refused)
})

test('connections are reused', async () => {
  let connections = 0
  const server = createHttpServer((_, response) => void response.end('x')).on('connection', () => connections++)
  const port = await listening(server)
  const outbound = open({})
  for (let i = 0; i < 20; i++) await textOf(await outbound.request(ask(`http://127.0.0.1:${port}/${i}`)))
  expect(connections).toBeLessThan(3)
})

test('a host header or a broken header is refused', async () => {
  const outbound = open({})
  expect(await failure(outbound.request(ask('http://127.0.0.1:1/', { headers: { host: 'x' } })))).toMatchObject(refused)
  expect(await failure(outbound.request(ask('http://127.0.0.1:1/', { headers: { a: 'x\r\ny: z' } })))).toMatchObject(refused)
  expect(await failure(outbound.request(ask('http://127.0.0.1:1/a b')))).toMatchObject(refused)
})

test('where nothing listens, nothing was sent', async () => {
  const port = await serve(() => undefined)
  await closers.pop()?.()
  expect(await failure(open({}).request(ask(`http://127.0.0.1:${port}/`)))).toMatchObject({ kind: 'unreachable', sent: false })
})

test.each([
  ['a reset', (socket: Socket) => socket.once('data', () => socket.resetAndDestroy()), { kind: 'broken', sent: true }],
  ['an end without answer', (socket: Socket) => socket.once('data', () => socket.end()), { kind: 'broken', sent: true }],
  ['no HTTP', (socket: Socket) => socket.once('data', () => socket.end('220 hello\r\n\r\n')), { kind: 'malformed', sent: true }],
  [
    'huge headers',
    (socket: Socket) => socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\na: ${'x'.repeat(70_000)}\r\n\r\n`)),
    { kind: 'too_large', sent: true },
  ],
] as const)('%s after the request counts as sent', async (_title, connected, expected) => {
  const port = await serveTcp((socket) => void connected(socket))
  expect(await failure(open({}).request(ask(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'x' })))).toMatchObject(expected)
})

test('no answer in time is a time-out that was sent', async () => {
  const port = await serveTcp(() => undefined)
  const outbound = open({})
  const slow = ask(`http://127.0.0.1:${port}/`, { headersTimeoutMs: 20 })
  expect(await failure(outbound.request(slow))).toMatchObject({ kind: 'timeout', sent: true })
  expect(await failure(outbound.request(ask(slow.url, { signal: AbortSignal.timeout(20) })))).toMatchObject({ kind: 'timeout', sent: true })
})

test('a caller that leaves before the connection stands has sent nothing, even while the name is looked up', async () => {
  const leaving = new AbortController()
  const resolve = () => {
    leaving.abort()
    return new Promise<never>(() => undefined)
  }
  const outbound = open({ hosts: ['slow.example'], privateHosts: [] }, { resolve })
  expect(await failure(outbound.request(ask('https://slow.example/', { signal: leaving.signal })))).toMatchObject({
    kind: 'broken',
    sent: false,
  })
  expect(await failure(outbound.request(ask('https://slow.example/', { signal: AbortSignal.abort() })))).toMatchObject({ sent: false })
  const late = AbortSignal.abort(new UpstreamError('timeout', 'too late', true))
  expect(await failure(outbound.request(ask('https://slow.example/', { signal: late })))).toMatchObject({ kind: 'timeout', sent: false })
})

test('a caller that leaves in the middle of an answer closes the connection', async () => {
  const gone = Promise.withResolvers<void>()
  const port = await serve((request, response) => {
    request.socket.on('close', () => gone.resolve())
    response.write('first')
  })
  const leaving = new AbortController()
  const answer = await open({}).request(ask(`http://127.0.0.1:${port}/`, { signal: leaving.signal }))
  const reader = answer.body[Symbol.asyncIterator]()
  expect(String((await reader.next()).value)).toBe('first')
  leaving.abort()
  expect(await failure(reader.next())).toMatchObject({ kind: 'broken', sent: true })
  await gone.promise
})

test('an unread answer is dropped by return, and waits bounded until then', async () => {
  const gone = Promise.withResolvers<void>()
  const block = Buffer.alloc(65_536)
  let written = 0
  const port = await serve((request, response) => {
    request.socket.on('close', () => gone.resolve())
    const more = (): void => {
      while (written < 64_000_000 && response.write(block)) written += block.byteLength
    }
    response.on('drain', more)
    more()
  })
  const answer = await open({}).request(ask(`http://127.0.0.1:${port}/`))
  const reader = answer.body[Symbol.asyncIterator]()
  await reader.next()
  await reader.return?.()
  await gone.promise
  expect(written).toBeLessThan(64_000_000)
  expect(await reader.next()).toEqual({ done: true, value: undefined })
})

test('an answer that breaks off is an error of its reader, not an end', async () => {
  const port = await serveTcp((socket) => void socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc')))
  const answer = await open({}).request(ask(`http://127.0.0.1:${port}/`))
  expect(await failure(textOf(answer))).toMatchObject({ sent: true })
})

test('fetch sends a request object and hands back a standard response', async () => {
  const port = await serve((request, response) => {
    response.setHeader('content-type', 'application/json')
    request.setEncoding('utf8').on('data', (chunk) => response.end(JSON.stringify({ chunk, encoding: request.headers['accept-encoding'] })))
  })
  const response = await open({}).fetch(new Request(`http://127.0.0.1:${port}/x`, { method: 'POST', body: 'body' }))
  expect(response).toBeInstanceOf(Response)
  expect(await response.json()).toEqual({ chunk: 'body', encoding: 'identity' })
})

test('an aborted fetch rejects with the reason, and an empty answer has no body', async () => {
  const port = await serve((_, response) => void response.writeHead(204).end())
  const outbound = open({})
  await expect(outbound.fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  expect((await outbound.fetch(`http://127.0.0.1:${port}/`)).body).toBe(null)
})

test('no more upstream addresses than the limit are kept', async () => {
  const outbound = open({})
  const kinds: string[] = []
  for (let port = 1; port <= 65; port++) kinds.push((await failure(outbound.request(ask(`http://127.0.0.1:${port}/`)))).kind)
  expect([new Set(kinds.slice(0, 64)), kinds[64]]).toEqual([new Set(['unreachable']), 'refused'])
})
