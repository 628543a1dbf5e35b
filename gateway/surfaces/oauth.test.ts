import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import { BuiltInIssuer } from '../identity/built-in-issuer.ts'
import { hashClientSecret, newClientSecret } from '../identity/client-secret.ts'
import { createTokenEndpoint } from '../identity/token-endpoint.ts'
import { LIMITS } from '../limits.ts'
import { createOAuthHandlers } from './oauth.ts'

const BASE = 'https://gateway.example:8443'
const secret = newClientSecret()
const clock = { now: () => instant(Date.now()) }
const agent = { owner: 'ann', team: 't', region: 'eu', purpose: '', roles: [], clearance: [], autonomy: 0, epoch: 1 }

let dir: string
let port: number
const server = createServer()

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gatehouse-oauth-'))
  const issuer = await BuiltInIssuer.open({ dataDir: dir, baseUrl: BASE, organisation: 'acme', clock })
  const endpoint = createTokenEndpoint({
    issuer,
    clients: new Map([['bot', { kind: 'secret' as const, hash: await hashClientSecret(secret) }]]),
    registry: { agent: (name) => ({ ...agent, name, status: 'active' }), registration: () => undefined },
    clock,
  })
  const handlers = createOAuthHandlers(endpoint)
  server.on('request', (req, res) => {
    const handler = handlers.get((req.url ?? '').replace(/\?.*/, ''))
    if (handler) void handler(req, res)
    else res.writeHead(404).end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  port = (server.address() as AddressInfo).port
})

afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(dir, { recursive: true, force: true })
})

interface Answer {
  status: number
  headers: Record<string, unknown>
  text: string
}

function ask(method: string, path: string, headers: Record<string, string | string[]> = {}, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, method, path, headers }, async (res) => {
      const chunks: Uint8Array[] = []
      for await (const chunk of res) chunks.push(chunk)
      resolve({ status: res.statusCode ?? 0, headers: res.headers, text: Buffer.concat(chunks).toString() })
    })
    req.on('error', reject)
    req.end(body)
  })
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const GRANT = `grant_type=client_credentials&client_id=bot&client_secret=${secret}`
const DOCUMENTS = [
  ['/.well-known/oauth-authorization-server', 'issuer', BASE],
  ['/.well-known/oauth-protected-resource', 'resource', BASE],
  ['/.well-known/oauth-protected-resource/mcp', 'resource', `${BASE}/mcp`],
] as const

describe('documents', () => {
  test.each(DOCUMENTS)('%s says the configured address whatever the request says of itself', async (path, member, value) => {
    const plain = await ask('GET', path)
    const bent = await ask('GET', `${path}?issuer=https://evil.example`, {
      host: 'evil.example',
      forwarded: 'host=evil.example;proto=http',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'http',
      'x-forwarded-prefix': '/evil',
      'x-original-url': '/oauth/token',
    })
    expect(JSON.parse(plain.text)).toMatchObject({ [member]: value })
    expect(plain.status).toBe(200)
    expect(bent.text).toBe(plain.text)
  })

  test('HEAD gives the headers alone', async () => {
    const { status, headers, text } = await ask('HEAD', '/.well-known/jwks.json')
    expect({ status, type: headers['content-type'], text }).toEqual({ status: 200, type: 'application/json', text: '' })
  })

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])('%s is answered 405', async (method) => {
    const { status, headers } = await ask(method, '/.well-known/jwks.json')
    expect({ status, allow: headers.allow }).toEqual({ status: 405, allow: 'GET, HEAD' })
  })

  test.each<[string, Record<string, string>]>([
    ['of known length', { 'content-length': '40' }],
    ['in chunks', { 'transfer-encoding': 'chunked' }],
    ['with a content coding', { 'content-length': '40', 'content-encoding': 'gzip' }],
  ])('a body %s is refused', async (_title, headers) => {
    const { status, text } = await ask('GET', '/.well-known/jwks.json', headers, 'GET /oauth/token HTTP/1.1\r\nHost: abc\r\n\r\n')
    expect([400, 415]).toContain(status)
    expect(text).not.toContain('"keys"')
  })

  test('what follows a refused body is read as its own request', async () => {
    const socket = connect(port, '127.0.0.1')
    const body = 'x'.repeat(20)
    socket.write(`GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    socket.write('GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    let text = ''
    for await (const chunk of socket) text += chunk
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400', 'HTTP/1.1 200'])
  })
})

describe('POST /oauth/token', () => {
  test('gives a token that says the configured issuer, and forbids caching', async () => {
    const { status, headers, text } = await ask(
      'POST',
      '/oauth/token',
      { ...FORM, host: 'evil.example', 'x-forwarded-host': 'evil.example' },
      GRANT,
    )
    const { access_token: token } = JSON.parse(text)
    const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())
    expect({ status, cache: headers['cache-control'], iss: claims.iss }).toEqual({ status: 200, cache: 'no-store', iss: BASE })
  })

  test('a wrong secret is 401 with a challenge', async () => {
    const { status, headers, text } = await ask('POST', '/oauth/token', FORM, `${GRANT}x`)
    expect({ status, challenge: headers['www-authenticate'] }).toEqual({ status: 401, challenge: 'Basic realm="gatehouse"' })
    expect(JSON.parse(text)).toEqual({ error: 'invalid_client', error_description: 'client authentication failed' })
  })

  test('other methods are 405', async () => {
    for (const method of ['GET', 'PUT', 'HEAD', 'DELETE']) {
      const { status, headers } = await ask(method, '/oauth/token')
      expect({ status, allow: headers.allow }).toEqual({ status: 405, allow: 'POST' })
    }
  })

  test('credentials in the address are refused', async () => {
    expect((await ask('POST', `/oauth/token?${GRANT}`, FORM)).status).toBe(400)
    expect((await ask('POST', '/oauth/token?', FORM, GRANT)).status).toBe(400)
  })

  test('two authorization headers are refused', async () => {
    const basic = `Basic ${Buffer.from(`bot:${secret}`).toString('base64')}`
    const twice = ['content-type', FORM['content-type'], 'authorization', basic, 'authorization', 'Basic Zm9vOmJhcg==']
    const body = 'grant_type=client_credentials'
    const lines = [`POST /oauth/token HTTP/1.1`, 'Host: a', `Content-Length: ${body.length}`, 'Connection: close']
    for (let i = 0; i < twice.length; i += 2) lines.push(`${twice[i]}: ${twice[i + 1]}`)
    const socket = connect(port, '127.0.0.1')
    socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`)
    let text = ''
    for await (const chunk of socket) text += chunk
    expect(text).toMatch(/^HTTP\/1\.1 400/)
  })

  test('a large body is refused and the process lives', async () => {
    const large = await ask('POST', '/oauth/token', FORM, `${GRANT}&pad=${'x'.repeat(LIMITS.tokenRequestBytesMax)}`)
    expect(large.status).toBe(413)
    expect((await ask('POST', '/oauth/token', FORM, GRANT)).status).toBe(200)
  })

  test('a compressed body is refused', async () => {
    expect((await ask('POST', '/oauth/token', { ...FORM, 'content-encoding': 'gzip' }, GRANT)).status).toBe(415)
  })
})
