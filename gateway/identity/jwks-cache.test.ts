import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import { createDialer } from '../egress/dialer.ts'
import { LIMITS } from '../limits.ts'
import type { Outbound } from '../ports/dialer.ts'
import { JwksCache } from './jwks-cache.ts'

let nowMs = 1_900_000_000_000
const clock = { now: () => instant(nowMs) }

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

let keyA: JWK
let keyB: JWK
beforeAll(async () => {
  const jwk = async (kid: string) => ({ ...(await exportJWK((await generateKeyPair('ES256')).publicKey)), kid })
  keyA = await jwk('a')
  keyB = await jwk('b')
})

/** A real JWK set server whose answer can be changed, the requests it saw, and a cache in front of it. */
async function setUp(first: RequestListener, timeoutMs?: number) {
  const state = { answer: first, requests: 0, failures: [] as unknown[] }
  const server: Server = createServer((req, res) => {
    state.requests++
    state.answer(req, res)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const outbound: Outbound = createDialer({ development: true }).open({ hosts: ['127.0.0.1'], privateHosts: ['127.0.0.1'] })
  cleanups.push(async () => {
    await outbound.close()
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
  const onFailure = (error: unknown) => void state.failures.push(error)
  const cache = new JwksCache({ url, outbound, clock, onFailure, ...(timeoutMs === undefined ? {} : { timeoutMs }) })
  return { state, cache, url }
}

const json =
  (document: unknown): RequestListener =>
  (_req, res) =>
    void res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document))
const failing: RequestListener = (_req, res) => void res.writeHead(500).end('no')
const refused = { code: 'UNAUTHENTICATED' }

describe('reads as seldom as it can', () => {
  test('one request serves all that come at once, and the next five minutes', async () => {
    const { cache, state } = await setUp(json({ keys: [keyA] }))
    await Promise.all(Array.from({ length: 50 }, () => cache.key('a', 'ES256')))
    nowMs += LIMITS.jwksFreshMs - 1
    await cache.key('a', 'ES256')
    expect(state.requests).toBe(1)
    nowMs += 1
    await cache.key('a', 'ES256')
    expect(state.requests).toBe(2)
  })

  test('unknown key ids ask again once in a while, not each time', async () => {
    const { cache, state } = await setUp(json({ keys: [keyA] }))
    await cache.key('a', 'ES256')
    for (let i = 0; i < 20; i++) await expect(cache.key(`made-up-${i}`, 'ES256')).rejects.toMatchObject(refused)
    expect(state.requests).toBe(1)
    nowMs += LIMITS.jwksRetryMsMin
    await Promise.all(Array.from({ length: 20 }, (_, i) => expect(cache.key(`other-${i}`, 'ES256')).rejects.toMatchObject(refused)))
    expect(state.requests).toBe(2)
  })

  test('a failing issuer is asked once in a while, not each time', async () => {
    const { cache, state } = await setUp(failing)
    await Promise.all(Array.from({ length: 20 }, () => expect(cache.key('a', 'ES256')).rejects.toMatchObject(refused)))
    await expect(cache.key('a', 'ES256')).rejects.toMatchObject(refused)
    expect(state.requests).toBe(1)
    state.answer = json({ keys: [keyA] })
    nowMs += LIMITS.jwksRetryMsMin
    await cache.key('a', 'ES256')
    expect(state.requests).toBe(2)
  })
})

describe('rotation', () => {
  test('a new key works at once, a withdrawn one no more', async () => {
    const { cache, state } = await setUp(json({ keys: [keyA] }))
    await cache.key('a', 'ES256')
    state.answer = json({ keys: [keyB] })
    nowMs += LIMITS.jwksRetryMsMin
    await cache.key('b', 'ES256')
    await expect(cache.key('a', 'ES256')).rejects.toMatchObject(refused)
  })

  test('in the middle of a read, the old set serves the keys it has', async () => {
    const { cache, state } = await setUp(json({ keys: [keyA] }))
    await cache.key('a', 'ES256')
    nowMs += LIMITS.jwksRetryMsMin
    const arrived = Promise.withResolvers<() => void>()
    state.answer = (req, res) => arrived.resolve(() => void json({ keys: [keyA, keyB] })(req, res))
    const waiting = cache.key('b', 'ES256')
    const finish = await arrived.promise
    await cache.key('a', 'ES256')
    finish()
    await waiting
    expect(state.requests).toBe(2)
  })
})

describe('while the issuer is down', () => {
  test('the last keys serve for the bounded time and not longer, and recovery heals', async () => {
    const { cache, state } = await setUp(json({ keys: [keyA] }))
    await cache.key('a', 'ES256')
    state.answer = failing
    nowMs += LIMITS.jwksFreshMs + LIMITS.jwksStaleMsMax
    await cache.key('a', 'ES256')
    nowMs += LIMITS.jwksRetryMsMin
    await expect(cache.key('a', 'ES256')).rejects.toMatchObject({ message: expect.stringContaining('cannot be read') })
    expect(state.failures).toHaveLength(2)
    state.answer = json({ keys: [keyA] })
    nowMs += LIMITS.jwksRetryMsMin
    await cache.key('a', 'ES256')
  })

  test.each<[string, RequestListener]>([
    ['500', failing],
    [
      'a redirect to good keys',
      (req, res) => void (req.url === '/good' ? json({ keys: [keyA] })(req, res) : res.writeHead(302, { location: '/good' }).end()),
    ],
    ['a huge set', (_req, res) => void res.end(JSON.stringify({ keys: [keyA], pad: 'x'.repeat(LIMITS.jwksBytesMax) }))],
    ['no JSON', (_req, res) => void res.end('<html>')],
    ['duplicate keys in the document', (_req, res) => void res.end('{"keys":[],"keys":[]}')],
    ['no set', json([])],
    ['keys that are no list', json({ keys: { a: 1 } })],
    ['a cut answer', (_req, res) => void res.writeHead(200, { 'content-length': '1000' }).write('{', () => res.destroy())],
  ])('%s gives no key', async (_title, answer) => {
    const { cache, state } = await setUp(answer)
    await expect(cache.key('a', 'ES256')).rejects.toMatchObject(refused)
    expect(state.requests).toBe(1)
    expect(state.failures).toHaveLength(1)
  })

  test.each<[string, RequestListener]>([
    ['never answers', () => undefined],
    ['never ends', (_req, res) => void res.writeHead(200).write('{"keys":[')],
    [
      'drips for ever',
      (_req, res) => {
        const drip = setInterval(() => res.write(' '), 5)
        res.on('close', () => clearInterval(drip))
      },
    ],
  ])('one that %s is left after the time-out', async (_title, answer) => {
    const { cache, state } = await setUp(answer, 100)
    await expect(cache.key('a', 'ES256')).rejects.toMatchObject(refused)
    expect(state.failures).toHaveLength(1)
  })
})

describe('what counts as a key', () => {
  test.each<[string, (key: JWK) => unknown[]]>([
    ['an encryption key', (key) => [{ ...key, use: 'enc' }]],
    ['a key for other operations', (key) => [{ ...key, key_ops: ['deriveBits'] }]],
    ['a key for another algorithm', (key) => [{ ...key, alg: 'ES384' }]],
    ['a symmetric key', () => [{ kty: 'oct', k: 'AAAA', kid: 'a' }]],
    ['a key with a symmetric algorithm', (key) => [{ ...key, alg: 'HS256' }]],
    ['a key on another curve', (key) => [{ ...key, crv: 'P-384' }]],
    ['a point off the curve', (key) => [{ ...key, y: key.x }]],
    ['a key whose id is no text', (key) => [{ ...key, kid: ['a'] }]],
    ['two keys of one id', (key) => [key, { ...keyB, kid: 'a' }]],
    ['the same key twice', (key) => [key, key]],
    ['nonsense', () => [null, 1, 'a', [], {}]],
  ])('%s does not', async (_title, keys) => {
    const { cache } = await setUp(json({ keys: keys(keyA) }))
    await expect(cache.key('a', 'ES256')).rejects.toMatchObject(refused)
  })

  test.each(['__proto__', 'constructor', '../../etc/passwd', "' OR 1=1 --", '', 'A'])('the id %j finds none', async (kid) => {
    const { cache } = await setUp(json({ keys: [keyA] }))
    await expect(cache.key(kid, 'ES256')).rejects.toMatchObject(refused)
  })

  test('good keys among strange ones do, and their private part is dropped', async () => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    const leaked = { ...(await exportJWK(privateKey)), kid: 'leaked' }
    const { cache } = await setUp(json({ keys: [{ kty: 'oct', k: 'AAAA', kid: 'x' }, leaked, { ...keyB, use: 'enc', kid: 'leaked' }] }))
    expect(await cache.key('leaked', 'ES256')).toMatchObject({ type: 'public' })
  })
})
