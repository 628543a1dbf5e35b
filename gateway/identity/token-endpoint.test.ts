import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  calculateJwkThumbprint,
  type CryptoKey,
  decodeJwt,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
} from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import type { JsonObject, JsonValue } from '../core/json.ts'
import type { Agent, AgentStatus } from '../core/principal.ts'
import { createDialer } from '../egress/dialer.ts'
import { LIMITS } from '../limits.ts'
import type { Registration } from '../ports/registry.ts'
import type { TokenAnswer, TokenEndpoint } from '../ports/token-endpoint.ts'
import { BuiltInIssuer } from './built-in-issuer.ts'
import { hashClientSecret, newClientSecret } from './client-secret.ts'
import { createIssuerTable } from './issuer-table.ts'
import { readPublicKeys } from './jwk-set.ts'
import { type ClientAuthentication, createTokenEndpoint } from './token-endpoint.ts'
import { createTokenVerifier } from './token-verifier.ts'

const baseUrl = 'http://127.0.0.1:4000'
const START_MS = 1_900_000_000_000
let nowMs = START_MS
const clock = { now: () => instant(nowMs) }
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

let dir: string
let issuer: BuiltInIssuer
let endpoint: TokenEndpoint
let pair: { publicKey: CryptoKey; privateKey: CryptoKey }
let stranger: CryptoKey
let record: string[] = []
let recordBroken = false
const secret = newClientSecret()
const clients = new Map<string, ClientAuthentication>()
const statuses: Record<string, AgentStatus> = {
  'by-key': 'active',
  'by-secret': 'active',
  paused: 'suspended',
  gone: 'retired',
  'not-yet': 'proposed',
  'by-registered-key': 'active',
  'registered-in-vain': 'proposed',
  'by-key-too': 'active',
}
const registered = new Map<string, Registration>()

const registry = {
  registration: (name: string) => registered.get(name),
  agent: (name: string): Agent | undefined => {
    const status = Object.hasOwn(statuses, name) ? statuses[name] : undefined
    if (!status) return undefined
    return { name, owner: 'ann', team: 't', region: 'eu', purpose: '', roles: [], clearance: [], autonomy: 0, epoch: 1, status }
  },
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gatehouse-token-'))
  issuer = await BuiltInIssuer.open({ dataDir: dir, baseUrl, organisation: 'acme', clock })
  pair = await generateKeyPair('ES256')
  stranger = (await generateKeyPair('ES256')).privateKey
  const hash = await hashClientSecret(secret)
  clients.set('by-key', { kind: 'jwks', keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1' }] })
  const { keys } = await readPublicKeys([(await exportJWK(pair.publicKey)) as JsonValue])
  for (const name of ['by-registered-key', 'registered-in-vain', 'by-key', 'by-secret', 'by-key-too'])
    registered.set(name, { by: 'olga', keys })
  clients.set('by-key-too', { kind: 'jwks', keys: [{ ...(await exportJWK((await generateKeyPair('ES256')).publicKey)), kid: 'k1' }] })
  for (const name of ['by-secret', 'paused', 'gone', 'not-yet', 'unregistered']) clients.set(name, { kind: 'secret', hash })
})

beforeEach(() => {
  nowMs = START_MS
  record = []
  recordBroken = false
  const note = async (line: string) => {
    if (recordBroken) throw new Error('the record is down')
    record.push(line)
  }
  const audit = {
    issued: (agent: string) => note(`issued ${agent}`),
    refused: (client: string | null, message: string) => note(`refused ${client}: ${message}`),
  }
  endpoint = createTokenEndpoint({ issuer, clients, registry, clock, audit })
})

afterAll(() => rm(dir, { recursive: true, force: true }))

const FORM = 'application/x-www-form-urlencoded'
const post = (form: Record<string, string> | string, authorization?: string, contentType = FORM): Promise<TokenAnswer> =>
  endpoint.exchange({
    body: Buffer.from(typeof form === 'string' ? form : new URLSearchParams(form).toString()),
    contentType,
    ...(authorization === undefined ? {} : { authorization }),
  })
const basic = (client: string, password: string) =>
  `Basic ${Buffer.from(`${encodeURIComponent(client)}:${encodeURIComponent(password)}`).toString('base64')}`

let serial = 0
const now = () => nowMs / 1_000
const claims = (): JWTPayload => ({
  iss: 'by-key',
  sub: 'by-key',
  aud: baseUrl,
  jti: `j${serial++}`,
  iat: now(),
  exp: now() + 60,
})
const assertion = (changes: JWTPayload = {}, header: Partial<JWTHeaderParameters> = {}, key: CryptoKey = pair.privateKey) =>
  new SignJWT({ ...claims(), ...changes }).setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header }).sign(key)
const byAssertion = async (token: string | Promise<string>, more: Record<string, string> = {}) =>
  post({ grant_type: 'client_credentials', client_assertion_type: JWT_BEARER, client_assertion: await token, ...more })

const GRANT = { grant_type: 'client_credentials' }
const SECRET_FORM = { ...GRANT, client_id: 'by-secret', client_secret: secret }

/** An assertion with the key that agents here were registered with, which has no id. */
const byRegistered = (name: string) =>
  new SignJWT({ ...claims(), iss: name, sub: name }).setProtectedHeader({ alg: 'ES256' }).sign(pair.privateKey)

describe('issues a token', () => {
  const ways: Record<string, () => Promise<TokenAnswer>> = {
    'by private_key_jwt for the issuer': () => byAssertion(assertion()),
    'by private_key_jwt for the token endpoint': () => byAssertion(assertion({ aud: `${baseUrl}/oauth/token` })),
    'by private_key_jwt for both': () => byAssertion(assertion({ aud: [baseUrl, `${baseUrl}/oauth/token`] })),
    'by private_key_jwt without kid': async () => {
      const token = new SignJWT(claims()).setProtectedHeader({ alg: 'ES256', typ: 'client-authentication+jwt' }).sign(pair.privateKey)
      return byAssertion(token, { client_id: 'by-key' })
    },
    'by private_key_jwt with a key that it was registered with': () => byAssertion(byRegistered('by-registered-key')),
    'by client_secret_basic': () => post(GRANT, basic('by-secret', secret)),
    'by client_secret_post': () => post(SECRET_FORM),
    'for the gateway as resource': () => post({ ...SECRET_FORM, resource: baseUrl }),
    'for the gateway as resource, as URL libraries write it': () => post({ ...SECRET_FORM, resource: `${baseUrl}/` }),
    'for the MCP door as resource': () => post({ ...SECRET_FORM, resource: `${baseUrl}/mcp` }),
    'with parameters that it does not know': () => post({ ...SECRET_FORM, extra: '1' }),
    'with an empty scope, which counts as absent': () => post({ ...SECRET_FORM, scope: '' }),
  }
  test.each(Object.entries(ways))('%s', async (_title, ask) => {
    const { status, headers, body } = await ask()
    expect(body).toEqual({ access_token: expect.any(String), token_type: 'Bearer', expires_in: LIMITS.tokenLifeMsDefault / 1_000 })
    expect(status).toBe(200)
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'content-type': 'application/json' })
    const { client_id: client } = decodeJwt(String(body.access_token))
    expect(record).toEqual([`issued ${client}`])
  })

  test('that the verifier accepts', async () => {
    const { body } = await byAssertion(assertion())
    const issuers = createIssuerTable({
      builtIn: issuer.rules,
      external: [],
      dialer: createDialer({ development: false }),
      clock,
      development: false,
    })
    const token = await createTokenVerifier({ issuers, clock }).verify(String(body.access_token), 'agents')
    expect(token).toMatchObject({ agent: 'by-key', actors: ['by-key'], issuer: baseUrl })
  })
})

describe('refuses', () => {
  const refusals: Record<string, [status: number, error: string, ask: () => Promise<TokenAnswer>]> = {
    'a wrong secret': [401, 'invalid_client', () => post({ ...SECRET_FORM, client_secret: newClientSecret() })],
    'a secret with one character more': [401, 'invalid_client', () => post({ ...SECRET_FORM, client_secret: `${secret}x` })],
    'the hash as secret': [
      401,
      'invalid_client',
      () => {
        const client = clients.get('by-secret')
        return post({ ...SECRET_FORM, client_secret: client?.kind === 'secret' ? client.hash : '' })
      },
    ],
    'an unknown client': [401, 'invalid_client', () => post({ ...SECRET_FORM, client_id: 'nobody' })],
    'a client called __proto__': [401, 'invalid_client', () => post({ ...SECRET_FORM, client_id: '__proto__' })],
    'a secret for a client with keys': [401, 'invalid_client', () => post({ ...SECRET_FORM, client_id: 'by-key' })],
    'a suspended agent': [401, 'invalid_client', () => post({ ...SECRET_FORM, client_id: 'paused' })],
    'a retired agent': [401, 'invalid_client', () => post({ ...SECRET_FORM, client_id: 'gone' })],
    'a proposed agent': [401, 'invalid_client', () => post({ ...SECRET_FORM, client_id: 'not-yet' })],
    'a proposed agent by the key that it was registered with': [
      401,
      'invalid_client',
      () => byAssertion(byRegistered('registered-in-vain')),
    ],
    'a registered key where configuration names another': [401, 'invalid_client', () => byAssertion(byRegistered('by-key-too'))],
    'a registered key where configuration has a secret': [401, 'invalid_client', () => byAssertion(byRegistered('by-secret'))],
    'a client that is no agent': [401, 'invalid_client', () => post({ ...SECRET_FORM, client_id: 'unregistered' })],
    'no credential': [401, 'invalid_client', () => post(GRANT)],
    'a client id alone': [401, 'invalid_client', () => post({ ...GRANT, client_id: 'by-secret' })],
    'an empty secret': [401, 'invalid_client', () => post({ ...GRANT, client_id: 'by-secret', client_secret: '' })],
    'a bearer token as client': [401, 'invalid_client', () => post(GRANT, 'Bearer abc')],
    'basic that is no base64': [401, 'invalid_client', () => post(GRANT, 'Basic !!!')],
    'basic without a colon': [401, 'invalid_client', () => post(GRANT, `Basic ${Buffer.from('by-secret').toString('base64')}`)],
    'basic and secret together': [400, 'invalid_request', () => post(SECRET_FORM, basic('by-secret', secret))],
    'secret and assertion together': [400, 'invalid_request', () => byAssertion(assertion(), { client_secret: secret })],
    'basic and assertion together': [
      400,
      'invalid_request',
      async () => post({ ...GRANT, client_assertion_type: JWT_BEARER, client_assertion: await assertion() }, basic('by-secret', secret)),
    ],
    'basic and another client in the form': [
      400,
      'invalid_request',
      () => post({ ...GRANT, client_id: 'by-key' }, basic('by-secret', secret)),
    ],
    'an assertion and another client in the form': [400, 'invalid_request', () => byAssertion(assertion(), { client_id: 'by-secret' })],
    'an assertion of another type': [400, 'invalid_request', () => byAssertion(assertion(), { client_assertion_type: 'saml' })],
    'an assertion type alone': [400, 'invalid_request', () => post({ ...GRANT, client_assertion_type: JWT_BEARER })],
    'no grant type': [400, 'invalid_request', () => post({ client_id: 'by-secret', client_secret: secret })],
    'another grant type': [400, 'unsupported_grant_type', () => post({ ...SECRET_FORM, grant_type: 'password' })],
    'a scope': [400, 'invalid_scope', () => post({ ...SECRET_FORM, scope: 'admin' })],
    'another resource': [400, 'invalid_target', () => post({ ...SECRET_FORM, resource: 'https://other.example' })],
    'a resource below the gateway': [400, 'invalid_target', () => post({ ...SECRET_FORM, resource: `${baseUrl}/mcp/x` })],
    'a parameter twice': [400, 'invalid_request', () => post(`${new URLSearchParams(SECRET_FORM)}&client_id=by-key`)],
    'a parameter twice, once escaped': [400, 'invalid_request', () => post(`${new URLSearchParams(SECRET_FORM)}&client%5Fid=by-key`)],
    'a parameter twice, once empty': [400, 'invalid_request', () => post(`grant_type=&${new URLSearchParams(SECRET_FORM)}`)],
    'a broken escape': [400, 'invalid_request', () => post(`${new URLSearchParams(SECRET_FORM)}&a=%zz`)],
    'an escape that is no UTF-8': [400, 'invalid_request', () => post(`${new URLSearchParams(SECRET_FORM)}&a=%ff`)],
    'an empty body': [401, 'invalid_client', () => post('')],
    JSON: [400, 'invalid_request', () => post(JSON.stringify(SECRET_FORM), undefined, 'application/json')],
    'a content type that only starts alike': [400, 'invalid_request', () => post(SECRET_FORM, undefined, `${FORM}ed`)],
  }
  test.each(Object.entries(refusals))('%s', async (_title, [status, error, ask]) => {
    const answer = await ask()
    expect({ status: answer.status, error: answer.body.error }).toEqual({ status, error })
    expect(answer.body).not.toHaveProperty('access_token')
    expect(String(answer.body.error_description)).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.headers['www-authenticate']).toBe(status === 401 ? 'Basic realm="gatehouse"' : undefined)
    expect(record).toHaveLength(1)
    expect(record[0]).toMatch(/^refused /)
    expect(record[0]).not.toContain(secret)
  })

  test('without telling a wrong secret from an unknown, a suspended or a differently proven client', async () => {
    const answers = await Promise.all(
      ['by-secret', 'nobody', 'paused', 'by-key'].map((client) => post({ ...SECRET_FORM, client_id: client, client_secret: 'wrong' })),
    )
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
  })
})

describe('refuses an assertion', () => {
  const attacks: Record<string, () => Promise<string>> = {
    'by another key': () => assertion({}, {}, stranger),
    'for another client with keys of its own': () => assertion({ iss: 'by-secret', sub: 'by-secret' }),
    'whose iss and sub differ': () => assertion({ sub: 'by-secret' }),
    'without sub': async () => {
      const { sub: _, ...rest } = claims()
      return new SignJWT(rest).setProtectedHeader({ alg: 'ES256' }).sign(pair.privateKey)
    },
    'for another audience': () => assertion({ aud: 'https://other.example' }),
    'for us and another audience': () => assertion({ aud: [baseUrl, 'https://other.example'] }),
    'for an audience with a slash more': () => assertion({ aud: `${baseUrl}/` }),
    'for nobody': () => assertion({ aud: [] }),
    'that expired': () => assertion({ iat: now() - 200, exp: now() - 60 }),
    'without exp': async () => {
      const { exp: _, ...rest } = claims()
      return new SignJWT(rest).setProtectedHeader({ alg: 'ES256' }).sign(pair.privateKey)
    },
    'with exp as text': () => assertion({ exp: String(now() + 60) as unknown as number }),
    'that lives too long': () => assertion({ exp: now() + LIMITS.assertionLifeMsMax / 1_000 + 61 }),
    'from the future': () => assertion({ iat: now() + 61 }),
    'that is not valid yet': () => assertion({ nbf: now() + 61 }),
    'without jti': () => assertion({ jti: '' }),
    'with a huge jti': () => assertion({ jti: 'x'.repeat(300) }),
    'with crit': async () => {
      const [, payload, signature] = (await assertion()).split('.')
      const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid: 'k1', crit: ['exp'] })).toString('base64url')
      return `${header}.${payload}.${signature}`
    },
    'with alg none': async () => {
      const [, payload] = (await assertion()).split('.')
      return `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.AAAA`
    },
    'signed with a secret': () =>
      new SignJWT(claims()).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).sign(Buffer.from(secret.padEnd(32, 'x'))),
    'with an unknown kid': () => assertion({}, { kid: 'k2' }),
    'with an embedded key': async () => {
      const { publicKey, privateKey } = await generateKeyPair('ES256')
      const jwk = await exportJWK(publicKey)
      return new SignJWT(claims()).setProtectedHeader({ alg: 'ES256', jwk }).sign(privateKey)
    },
    'that is really an access token': () => assertion({}, { typ: 'at+jwt' }),
    'that is really a DPoP proof': () => assertion({}, { typ: 'dpop+jwt' }),
    'that is no JWT': async () => 'hello',
    'that is huge': async () => 'x'.repeat(LIMITS.tokenBytesMax + 1),
  }
  test.each(Object.entries(attacks))('%s', async (_title, make) => {
    const { status, body } = await byAssertion(make())
    expect({ status, error: body.error }).toEqual({ status: 401, error: 'invalid_client' })
    expect(record).toHaveLength(1)
  })

  test('that was used before, also at the same moment', async () => {
    const token = await assertion()
    const answers = await Promise.all(Array.from({ length: 5 }, () => byAssertion(token)))
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 401, 401, 401, 401])
  })

  test('and an access token of its own issuer proves no client', async () => {
    const { token } = await issuer.issue({ agent: 'by-key' })
    expect((await byAssertion(token)).status).toBe(401)
  })
})

describe('bounds', () => {
  test('token requests of one client, telling when to come back, and other clients are not held up', async () => {
    const asked = Array.from({ length: LIMITS.tokenRequestsPerMinuteMax + 1 }, () => byAssertion(assertion()))
    const statuses = (await Promise.all(asked)).map((answer) => answer.status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(LIMITS.tokenRequestsPerMinuteMax)
    nowMs += 20_000
    const { status, headers, body } = await byAssertion(assertion())
    expect({ status, error: body.error, after: headers['retry-after'] }).toEqual({
      status: 429,
      error: 'temporarily_unavailable',
      after: '40',
    })
    expect((await post(SECRET_FORM)).status).toBe(200)
    nowMs += 40_000
    expect((await byAssertion(assertion())).status).toBe(200)
  })

  test('guesses of one secret: past the bound not even the right one is looked at', async () => {
    for (let i = 0; i < LIMITS.tokenRequestsPerMinuteMax; i += 6)
      await Promise.all(Array.from({ length: 6 }, () => post({ ...SECRET_FORM, client_secret: 'guess' })))
    expect((await post(SECRET_FORM)).status).toBe(429)
  })

  test('forged assertions use up nothing of the client they name', async () => {
    for (let i = 0; i <= LIMITS.tokenRequestsPerMinuteMax; i++) await byAssertion(assertion({}, {}, stranger))
    expect((await byAssertion(assertion())).status).toBe(200)
  })

  test('secret checks that run at once', async () => {
    const many = LIMITS.secretChecksConcurrentMax + 4
    const answers = await Promise.all(Array.from({ length: many }, (_, i) => post({ ...SECRET_FORM, client_id: `nobody-${i}` })))
    expect(answers.filter((answer) => answer.status === 429)).toHaveLength(4)
  })
})

test('hands out no token that could not be recorded', async () => {
  recordBroken = true
  const { status, body } = await post(SECRET_FORM)
  expect({ status, body }).toEqual({
    status: 503,
    body: { error: 'temporarily_unavailable', error_description: 'no token can be issued at present' },
  })
})

describe('client keys', () => {
  test.each<[string, () => Promise<unknown[]>]>([
    ['a private key', async () => [await exportJWK((await generateKeyPair('ES256', { extractable: true })).privateKey)]],
    ['a symmetric key', async () => [{ kty: 'oct', k: 'AAAA' }]],
    ['an encryption key only', async () => [{ ...(await exportJWK(pair.publicKey)), use: 'enc' }]],
  ])('are refused at start where they are %s', async (_title, keys) => {
    const options = { issuer, clients: new Map([['c', { kind: 'jwks' as const, keys: await keys() }]]), registry, clock }
    expect(() => createTokenEndpoint(options)).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })

  test('may be none yet: the gateway starts and lets nobody in', async () => {
    const none = createTokenEndpoint({ issuer, clients: new Map([['by-key', { kind: 'jwks' as const, keys: [] }]]), registry, clock })
    const form = { grant_type: 'client_credentials', client_assertion_type: JWT_BEARER, client_assertion: await assertion() }
    const body = new TextEncoder().encode(new URLSearchParams(form).toString())
    const answer = await none.exchange({ contentType: 'application/x-www-form-urlencoded', body })
    expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
  })
})

describe('client secrets', () => {
  test('are 256 random bits, hashed with a salt', async () => {
    expect(newClientSecret()).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(newClientSecret()).not.toBe(newClientSecret())
    const [one, two] = await Promise.all([hashClientSecret('s'), hashClientSecret('s')])
    expect(one).toMatch(/^scrypt\$16384\$8\$1\$[A-Za-z0-9_-]{22}\$[A-Za-z0-9_-]{43}$/)
    expect(one).not.toBe(two)
  })

  test.each([
    '',
    'plain',
    'bcrypt$16384$8$1$AAAA$AAAA',
    'scrypt$1$8$1$x$y',
    'scrypt$1048576$8$1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA',
  ])('are refused at start where their hash is %j', (hash) => {
    const options = { issuer, clients: new Map([['c', { kind: 'secret' as const, hash }]]), registry, clock }
    expect(() => createTokenEndpoint(options)).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  })
})

describe('keys that an agent is registered with', () => {
  const jwk = async (algorithm = 'ES256') => (await exportJWK((await generateKeyPair(algorithm)).publicKey)) as JsonObject

  test.each(['ES256', 'ES384', 'ES512', 'EdDSA', 'RS256'])('%s: only public members stay', async (algorithm) => {
    const key = await jwk(algorithm)
    const { keys, thumbprints } = await readPublicKeys([{ ...key, kid: 'k', x5u: 'http://169.254.169.254/' }])
    expect(keys).toEqual([{ ...key, kid: 'k', use: 'sig' }])
    expect(thumbprints).toEqual([await calculateJwkThumbprint(key as JWK)])
  })

  test.each<[string, () => Promise<readonly JsonValue[]>, RegExp]>([
    ['a private key', async () => [{ ...(await jwk()), d: 'canary' }], /key 1 is a private or symmetric key/],
    ['a symmetric key', async () => [{ kty: 'oct', k: 'canary' }], /key 1 is a private or symmetric key/],
    ['no key', async () => [await jwk(), 'canary'], /key 2 is no public signature key/],
    ['a key for encryption', async () => [{ ...(await jwk()), use: 'enc' }], /key 1 is no public signature key/],
    ['a key that is none', async () => [{ kty: 'EC', crv: 'P-256', x: 'canary', y: 'canary' }], /key 1 is no public signature key/],
    [
      'two of one id',
      async () => [
        { ...(await jwk()), kid: 'a' },
        { ...(await jwk()), kid: 'a' },
      ],
      /key 2 has the `kid` of a key before it/,
    ],
  ])('%s is refused and not repeated', async (_title, given, message) => {
    const refusal = await readPublicKeys(await given()).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(refusal).toMatchObject({ code: 'BAD_INPUT', message: expect.stringMatching(message) })
    expect(JSON.stringify(refusal) + String(refusal)).not.toContain('canary')
  })
})
