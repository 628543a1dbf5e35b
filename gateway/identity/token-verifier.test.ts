import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { CompactEncrypt, CompactSign, type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import { createDialer } from '../egress/dialer.ts'
import { LIMITS } from '../limits.ts'
import type { TokenVerifier } from '../ports/token-verifier.ts'
import { BuiltInIssuer } from './built-in-issuer.ts'
import { createIssuerTable, type ExternalIssuer, type IssuerTable } from './issuer-table.ts'
import { createTokenVerifier } from './token-verifier.ts'

const START_MS = 1_900_000_000_000
const NOW = START_MS / 1_000
let nowMs = START_MS
const clock = { now: () => instant(nowMs) }
const dialer = createDialer({ development: true })

const ISSUER = 'https://idp.example/tenant-1'
const OTHER = 'https://idp.example/tenant-2'
const AUDIENCE = 'api://gatehouse'

let dir: string
let builtIn: BuiltInIssuer
let table: IssuerTable
let verifier: TokenVerifier
let es: { publicKey: CryptoKey; privateKey: CryptoKey }
let rsa: { publicKey: CryptoKey; privateKey: CryptoKey }
let other: { publicKey: CryptoKey; privateKey: CryptoKey }
let jwksUrl: string
let keys: JWK[] = []
const denied = new Set<string>()
const paths: (string | undefined)[] = []

const server = createServer((req, res) => {
  paths.push(req.url)
  res.end(JSON.stringify({ keys }))
})

const external = (more: Partial<ExternalIssuer> = {}): ExternalIssuer => ({
  issuer: ISSUER,
  audience: AUDIENCE,
  algorithms: ['ES256', 'RS256'],
  jwks: jwksUrl,
  for: 'agents',
  ...more,
})

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gatehouse-verify-'))
  es = await generateKeyPair('ES256', { extractable: true })
  rsa = await generateKeyPair('RS256', { extractable: true })
  other = await generateKeyPair('ES256', { extractable: true })
  keys = [
    { ...(await exportJWK(es.publicKey)), kid: 'es' },
    { ...(await exportJWK(rsa.publicKey)), kid: 'rsa', alg: 'RS256' },
  ]
  await once(server.listen(0, '127.0.0.1'), 'listening')
  jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
  builtIn = await BuiltInIssuer.open({ dataDir: dir, baseUrl: 'http://127.0.0.1:4000', organisation: 'acme', clock })
  table = createIssuerTable({
    builtIn: builtIn.rules,
    external: [
      external(),
      external({ for: 'people', audience: 'api://people' }),
      external({ issuer: 'https://plain.example', types: ['JWT'] }),
      external({ issuer: 'https://mapped.example', claims: { agent: '/ext/bot', subject: '/upn' } }),
    ],
    dialer,
    clock,
    development: true,
  })
})

beforeEach(() => {
  nowMs = START_MS
  denied.clear()
  verifier = createTokenVerifier({ issuers: table, clock, denied: (issuer, jti) => denied.has(`${issuer} ${jti}`) })
})

afterAll(async () => {
  await table.close()
  server.closeAllConnections()
  server.close()
  await rm(dir, { recursive: true, force: true })
})

const HEADER = { alg: 'ES256', typ: 'at+jwt', kid: 'es' }
const CLAIMS = { iss: ISSUER, aud: AUDIENCE, sub: 'bot', client_id: 'bot', iat: NOW, exp: NOW + 600, jti: 'j1' }

const part = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** Signs any header and payload text, also such that a decent library would refuse to write. */
async function sign(header: unknown, payload: unknown, key: CryptoKey = es.privateKey): Promise<string> {
  const input = `${part(header)}.${part(payload)}`
  const algorithm = key.algorithm.name === 'ECDSA' ? { name: 'ECDSA', hash: 'SHA-256' } : { name: key.algorithm.name }
  const signature = await crypto.subtle.sign(algorithm, key, Buffer.from(input))
  return `${input}.${Buffer.from(signature).toString('base64url')}`
}
const withClaims = (claims: object) => () => sign(HEADER, { ...CLAIMS, ...claims })
const withHeader = (header: object) => () => sign({ ...HEADER, ...header }, CLAIMS)
const without = (claim: keyof typeof CLAIMS) => () => sign(HEADER, { ...CLAIMS, [claim]: undefined })

test('the token that every attack below is a change of is accepted', async () => {
  expect(await verifier.verify(await sign(HEADER, CLAIMS), 'agents')).toEqual({
    issuer: ISSUER,
    agent: 'bot',
    actors: ['bot'],
    jti: 'j1',
    expiresAtMs: (NOW + 600) * 1_000,
    audience: 'agents',
  })
})

describe('refused', () => {
  const attacks: Record<string, () => string | Promise<string>> = {
    'an empty bearer': () => '',
    'a word': () => 'token',
    'two parts': async () => (await sign(HEADER, CLAIMS)).split('.').slice(0, 2).join('.'),
    'five parts': async () => `${await sign(HEADER, CLAIMS)}.AA.AA`,
    'too large a token': withClaims({ pad: 'x'.repeat(LIMITS.tokenBytesMax) }),
    'white space around it': async () => ` ${await sign(HEADER, CLAIMS)}`,
    'a line break at the end': async () => `${await sign(HEADER, CLAIMS)}\n`,
    'white space inside it': async () => (await sign(HEADER, CLAIMS)).replaceAll('.', ' .'),
    'base64 padding': async () => `${await sign(HEADER, CLAIMS)}==`,
    'unused bits that are set': async () => {
      const [header, , signature] = (await sign(HEADER, CLAIMS)).split('.')
      return `${header}.AB.${signature}`
    },
    'a changed signature': async () => {
      const token = await sign(HEADER, CLAIMS)
      const at = token.lastIndexOf('.') + 5
      return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
    },
    'changed claims': async () => {
      const [header, , signature] = (await sign(HEADER, CLAIMS)).split('.')
      return `${header}.${part({ ...CLAIMS, sub: 'root' })}.${signature}`
    },
    'a zero ECDSA signature': () => `${part(HEADER)}.${part(CLAIMS)}.${Buffer.alloc(64).toString('base64url')}`,
    'no signature': () => `${part({ ...HEADER, alg: 'none' })}.${part(CLAIMS)}.`,
    'alg none': () => `${part({ ...HEADER, alg: 'none' })}.${part(CLAIMS)}.AAAA`,
    'alg None': () => `${part({ ...HEADER, alg: 'None' })}.${part(CLAIMS)}.AAAA`,
    'alg nOnE': () => `${part({ ...HEADER, alg: 'nOnE' })}.${part(CLAIMS)}.AAAA`,
    'no alg': withHeader({ alg: undefined }),
    'an alg that is a list': withHeader({ alg: ['ES256'] }),
    'an alg that is __proto__': withHeader({ alg: '__proto__' }),
    'an algorithm that this issuer is not allowed': withHeader({ alg: 'PS256' }),
    'HS256 with the public key as secret': async () => {
      const input = `${part({ ...HEADER, alg: 'HS256', kid: 'rsa' })}.${part(CLAIMS)}`
      const mac = createHmac('sha256', await exportSPKI(rsa.publicKey))
        .update(input)
        .digest('base64url')
      return `${input}.${mac}`
    },
    "another key type's algorithm": () => sign({ ...HEADER, alg: 'RS256' }, CLAIMS),
    'an embedded jwk': async () => sign({ ...HEADER, jwk: await exportJWK(other.publicKey) }, CLAIMS, other.privateKey),
    'an embedded jwk instead of a kid': async () =>
      sign({ ...HEADER, kid: undefined, jwk: await exportJWK(other.publicKey) }, CLAIMS, other.privateKey),
    'jku to elsewhere': () => sign({ ...HEADER, kid: 'theirs', jku: jwksUrl.replace('/jwks', '/evil') }, CLAIMS, other.privateKey),
    'x5u to elsewhere': () => sign({ ...HEADER, kid: 'theirs', x5u: jwksUrl.replace('/jwks', '/evil') }, CLAIMS, other.privateKey),
    'no kid': withHeader({ kid: undefined }),
    'a kid that is a path': withHeader({ kid: '../../../dev/null' }),
    'a kid that is SQL': withHeader({ kid: "es' UNION SELECT 'x" }),
    'a kid that is __proto__': withHeader({ kid: '__proto__' }),
    'a kid that is a number': withHeader({ kid: 0 }),
    'a kid that is a list': withHeader({ kid: ['es'] }),
    'the key of another algorithm': withHeader({ kid: 'rsa' }),
    crit: withHeader({ crit: ['exp'] }),
    'an empty crit': withHeader({ crit: [] }),
    'b64 with crit': withHeader({ crit: ['b64'], b64: false }),
    'b64 alone': withHeader({ b64: true }),
    'a JWE': async () =>
      new CompactEncrypt(Buffer.from(JSON.stringify(CLAIMS)))
        .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', typ: 'at+jwt' })
        .encrypt((await generateKeyPair('RSA-OAEP-256')).publicKey),
    'duplicate keys in the header': () => sign('{"alg":"ES256","alg":"ES256","typ":"at+jwt","kid":"es"}', CLAIMS),
    'duplicate keys in the claims': () => sign(HEADER, `${JSON.stringify(CLAIMS).slice(0, -1)},"sub":"root"}`),
    'an escaped duplicate key': () => sign(HEADER, `${JSON.stringify(CLAIMS).slice(0, -1)},"\\u0073ub":"root"}`),
    'a byte order mark': () => sign(HEADER, `\ufeff${JSON.stringify(CLAIMS)}`),
    'claims that are a list': () => sign(HEADER, [CLAIMS]),
    'claims that are text': () => sign(HEADER, '"hello"'),
    'claims nested too deep': () => sign(HEADER, `{"a":${'['.repeat(2_000)}${']'.repeat(2_000)}}`),
    'no claims': () => sign(HEADER, ''),
    'an ID token': withHeader({ typ: 'JWT' }),
    'no type': withHeader({ typ: undefined }),
    'an identity assertion (oauth-id-jag+jwt)': withHeader({ typ: 'oauth-id-jag+jwt' }),
    'a DPoP proof': withHeader({ typ: 'dpop+jwt' }),
    "another tenant's issuer": withClaims({ iss: OTHER }),
    'an issuer with a slash more': withClaims({ iss: `${ISSUER}/` }),
    'an issuer in capitals': withClaims({ iss: ISSUER.toUpperCase() }),
    'an issuer that is a list': withClaims({ iss: [ISSUER] }),
    'an issuer that is __proto__': withClaims({ iss: '__proto__' }),
    'no issuer': without('iss'),
    "the built-in issuer's name": withClaims({ iss: 'http://127.0.0.1:4000', aud: 'urn:gatehouse:acme:agents' }),
    'no audience': without('aud'),
    'another audience': withClaims({ aud: 'api://other' }),
    'a prefix of the audience': withClaims({ aud: 'api://gate' }),
    'an audience with a slash more': withClaims({ aud: `${AUDIENCE}/` }),
    'an audience in capitals': withClaims({ aud: AUDIENCE.toUpperCase() }),
    'the people audience': withClaims({ aud: 'api://people' }),
    'two audiences': withClaims({ aud: [AUDIENCE, 'api://other'] }),
    'no audience in a list': withClaims({ aud: [] }),
    'an audience in a list in a list': withClaims({ aud: [[AUDIENCE]] }),
    'an audience that is an object': withClaims({ aud: { 0: AUDIENCE } }),
    'no exp': without('exp'),
    'exp as text': withClaims({ exp: String(NOW + 600) }),
    'exp as a fraction': withClaims({ exp: NOW + 0.5 }),
    'exp as 1e99': () => sign(HEADER, JSON.stringify(CLAIMS).replace(String(NOW + 600), '1e99')),
    'exp as 1e999': () => sign(HEADER, JSON.stringify(CLAIMS).replace(String(NOW + 600), '1e999')),
    'exp as null': withClaims({ exp: null }),
    'exp as a list': withClaims({ exp: [NOW + 600] }),
    'a negative exp': withClaims({ exp: -1 }),
    'an expired token': withClaims({ iat: NOW - 600, exp: NOW - LIMITS.clockSkewMsMax / 1_000 }),
    'no iat': without('iat'),
    'iat in the future': withClaims({ iat: NOW + 61 }),
    'iat as text': withClaims({ iat: String(NOW) }),
    'nbf in the future': withClaims({ nbf: NOW + 61 }),
    'nbf as text': withClaims({ nbf: '0' }),
    'exp before iat': withClaims({ iat: NOW + 10, exp: NOW + 10 }),
    'too long a life': withClaims({ exp: NOW + LIMITS.tokenLifeMsMax / 1_000 + 1 }),
    'too long a life, begun in the past': withClaims({ iat: 0 }),
    'a token bound to a key, sent as plain bearer': withClaims({ cnf: { jkt: 'abc' } }),
    'an empty cnf': withClaims({ cnf: null }),
    'no client': () => sign(HEADER, { ...CLAIMS, client_id: undefined }),
    'a client that is a number': withClaims({ client_id: 7 }),
    'a client that is empty': withClaims({ client_id: '' }),
    'an actor that is text': withClaims({ act: 'bot' }),
    'an actor without a name': withClaims({ act: { iss: ISSUER } }),
    'a broken actor further in': withClaims({ act: { sub: 'bot', act: { sub: 1 } } }),
    'an actor for nobody': withClaims({ sub: undefined, act: { sub: 'bot' } }),
    'a jti that is no text': withClaims({ jti: 1 }),
  }

  test.each(Object.entries(attacks))('%s', async (_title, make) => {
    const token = await make()
    for (let twice = 0; twice < 2; twice++) {
      const error = await verifier.verify(token, 'agents').catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'UNAUTHENTICATED' })
      expect(String(error)).not.toMatch(/root|gatehouse:|idp\.example|api:/)
    }
  })

  test('and no header ever sent the verifier elsewhere', () => {
    expect(new Set(paths)).toEqual(new Set(['/jwks']))
  })

  test('two keys of one id', async () => {
    const token = await sign({ ...HEADER, kid: 'twin' }, CLAIMS)
    const twin = { ...(await exportJWK(es.publicKey)), kid: 'twin' }
    keys.push(twin, { ...(await exportJWK(other.publicKey)), kid: 'twin' })
    nowMs += LIMITS.jwksFreshMs
    await expect(verifier.verify(token, 'agents')).rejects.toMatchObject({ message: expect.stringContaining('more than one key') })
    keys.splice(2)
  })
})

test('any text at all is refused as a token, never as a fault of the gateway', async () => {
  const token = await sign(HEADER, CLAIMS)
  const mutated = fc
    .tuple(fc.nat(token.length - 1), fc.string({ unit: 'binary', maxLength: 3 }))
    .map(([at, text]) => token.slice(0, at) + text + token.slice(at + 1))
  const parts = fc.array(fc.jsonValue().map(part), { minLength: 1, maxLength: 4 }).map((all) => all.join('.'))
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string({ unit: 'binary' }), parts, mutated), async (text) => {
      fc.pre(text !== token)
      await expect(verifier.verify(text, 'agents')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    }),
    { numRuns: 300 },
  )
})

describe('accepted', () => {
  const good: Record<string, () => Promise<string>> = {
    'a single audience in a list': withClaims({ aud: [AUDIENCE] }),
    'the long form of the type': withHeader({ typ: 'application/at+jwt' }),
    'the type in capitals': withHeader({ typ: 'AT+JWT' }),
    'expiry within the allowance for clocks': withClaims({ iat: NOW - 600, exp: NOW - 59 }),
    'a clock that is ahead within the allowance': withClaims({ iat: NOW + 60, nbf: NOW + 60 }),
    'the longest life': withClaims({ exp: NOW + LIMITS.tokenLifeMsMax / 1_000 }),
    'azp in place of client_id': withClaims({ client_id: undefined, azp: 'bot' }),
    'keys in the header, which are not looked at': withHeader({ jku: 'http://169.254.169.254/', x5u: 'http://169.254.169.254/', jwk: {} }),
    'the other algorithm of this issuer': () =>
      new CompactSign(Buffer.from(JSON.stringify(CLAIMS))).setProtectedHeader({ ...HEADER, alg: 'RS256', kid: 'rsa' }).sign(rsa.privateKey),
  }
  test.each(Object.entries(good))('%s', async (_title, make) => {
    expect(await verifier.verify(await make(), 'agents')).toMatchObject({ agent: 'bot' })
  })
})

describe('who it is', () => {
  test.each([
    ['an agent alone', {}, { agent: 'bot', actors: ['bot'] }],
    ['a client for a person', { sub: 'maria' }, { agent: 'bot', subject: 'maria', actors: ['bot'] }],
    ['an actor for a person', { sub: 'maria', act: { sub: 'helper' } }, { agent: 'helper', subject: 'maria', actors: ['helper'] }],
    [
      'a chain of actors, outermost first',
      { sub: 'maria', act: { sub: 'helper', act: { sub: 'planner' } } },
      { agent: 'helper', subject: 'maria', actors: ['helper', 'planner'] },
    ],
    ['an actor for itself', { sub: 'helper', act: { sub: 'helper' } }, { agent: 'helper', actors: ['helper'] }],
  ])('%s', async (_title, claims, meaning) => {
    const token = await verifier.verify(await sign(HEADER, { ...CLAIMS, ...claims }), 'agents')
    expect(token).toEqual({ issuer: ISSUER, jti: 'j1', expiresAtMs: (NOW + 600) * 1_000, audience: 'agents', ...meaning })
  })

  test('by configured pointers, and by nothing else where those lead nowhere', async () => {
    const mapped = { ...CLAIMS, iss: 'https://mapped.example', ext: { bot: 'mapped-bot' }, upn: 'maria' }
    expect(await verifier.verify(await sign(HEADER, mapped), 'agents')).toMatchObject({ agent: 'mapped-bot', subject: 'maria' })
    const { upn: _, ...alone } = mapped
    expect(await verifier.verify(await sign(HEADER, alone), 'agents')).not.toHaveProperty('subject')
    await expect(verifier.verify(await sign(HEADER, { ...mapped, ext: {} }), 'agents')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })
})

describe('an issuer whose access tokens have no type of their own', () => {
  const plain = { ...CLAIMS, iss: 'https://plain.example' }
  test('gets them accepted', async () => {
    expect(await verifier.verify(await sign({ ...HEADER, typ: 'JWT' }, plain), 'agents')).toMatchObject({ agent: 'bot' })
  })
  test.each(['nonce', 'at_hash', 'c_hash'])('but not its ID tokens, known by `%s`', async (claim) => {
    const token = await sign({ ...HEADER, typ: 'JWT' }, { ...plain, [claim]: 'x' })
    await expect(verifier.verify(token, 'agents')).rejects.toMatchObject({ message: expect.stringContaining('ID token') })
  })
})

describe('people', () => {
  const PEOPLE = { ...CLAIMS, aud: 'api://people', sub: 'maria', client_id: 'web' }
  test('are known by `sub`', async () => {
    const token = await verifier.verify(await sign(HEADER, PEOPLE), 'people')
    expect(token).toMatchObject({ subject: 'maria', audience: 'people' })
    expect(token).not.toHaveProperty('agent')
  })
  test.each([
    ['a token for agents', { aud: AUDIENCE }],
    ['a token that an agent got for itself', { sub: 'web' }],
    ['an agent that acts for a person', { act: { sub: 'bot' } }],
    ['nobody', { sub: undefined }],
  ])('never by %s', async (_title, claims) => {
    await expect(verifier.verify(await sign(HEADER, { ...PEOPLE, ...claims }), 'people')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })
})

describe('the built-in issuer', () => {
  test('is accepted for agents, for agents with a person, and for people; never across', async () => {
    const { token: agent } = await builtIn.issue({ agent: 'bot', subject: 'maria' })
    const { token: person } = await builtIn.issueForPerson('maria')
    expect(await verifier.verify(agent, 'agents')).toMatchObject({ agent: 'bot', subject: 'maria', actors: ['bot'] })
    expect(await verifier.verify(person, 'people')).toMatchObject({ subject: 'maria', actors: [] })
    await expect(verifier.verify(agent, 'people')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await expect(verifier.verify(person, 'agents')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  test.each(['same key, other organisation', 'other key, same organisation'])(
    'refuses tokens of another environment: %s',
    async (title) => {
      const sameKey = title.startsWith('same')
      const dataDir = sameKey ? dir : join(dir, 'elsewhere')
      const organisation = sameKey ? 'umbrella' : 'acme'
      const elsewhere = await BuiltInIssuer.open({ dataDir, baseUrl: builtIn.issuer, organisation, clock })
      const { token } = await elsewhere.issue({ agent: 'bot' })
      await expect(verifier.verify(token, 'agents')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    },
  )
})

describe('a remembered token', () => {
  test('still expires', async () => {
    const token = await sign(HEADER, { ...CLAIMS, exp: NOW + 30 })
    await verifier.verify(token, 'agents')
    nowMs += 30_000 + LIMITS.clockSkewMsMax - 1
    await verifier.verify(token, 'agents')
    nowMs += 1
    await expect(verifier.verify(token, 'agents')).rejects.toMatchObject({ message: 'the token has expired' })
  })

  test('can still be revoked', async () => {
    const token = await sign(HEADER, CLAIMS)
    await verifier.verify(token, 'agents')
    denied.add(`${ISSUER} j1`)
    await expect(verifier.verify(token, 'agents')).rejects.toMatchObject({ message: 'the token was revoked' })
    const fresh = createTokenVerifier({ issuers: table, clock, denied: () => true })
    await expect(fresh.verify(token, 'agents')).rejects.toMatchObject({ message: 'the token was revoked' })
  })

  test('is remembered for its audience only', async () => {
    const token = await sign(HEADER, CLAIMS)
    const first = await verifier.verify(token, 'agents')
    expect(await verifier.verify(token, 'agents')).toBe(first)
    await expect(verifier.verify(token, 'people')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  test('stops working when its key is withdrawn', async () => {
    const token = await sign({ ...HEADER, kid: 'short-lived' }, CLAIMS)
    keys.push({ ...(await exportJWK(es.publicKey)), kid: 'short-lived' })
    nowMs += 2 * LIMITS.jwksFreshMs
    const long = await sign({ ...HEADER, kid: 'short-lived' }, { ...CLAIMS, exp: NOW + 7_200 })
    await verifier.verify(long, 'agents')
    keys.pop()
    nowMs += LIMITS.jwksFreshMs
    await expect(verifier.verify(long, 'agents')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await expect(verifier.verify(token, 'agents')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })
})

describe('configuration that cannot be safe is refused', () => {
  test.each<[string, Partial<ExternalIssuer>[], boolean, RegExp]>([
    ['plain http', [{ jwks: 'http://idp.example/jwks' }], true, /https/],
    ['plain http from loopback outside development', [{ jwks: 'http://127.0.0.1:1/jwks' }], false, /https/],
    ['a name that only starts like loopback', [{ jwks: 'http://127.0.0.1.evil.example/' }], true, /https/],
    ['a file', [{ jwks: 'file:///etc/keys' }], true, /https/],
    ['a password in the address', [{ jwks: 'https://u:p@idp.example/jwks' }], true, /password/],
    ['a symmetric algorithm', [{ algorithms: ['ES256', 'HS256'] }], true, /asymmetric/],
    ['none', [{ algorithms: ['none'] }], true, /asymmetric/],
    ['no algorithm', [{ algorithms: [] }], true, /asymmetric/],
    ['identity assertions', [{ types: ['at+jwt', 'application/OAUTH-ID-JAG+jwt'] }], true, /never an access token/],
    ['no audience', [{ audience: '' }], true, /audience/],
    ['one issuer twice', [{}, { audience: 'api://second' }], true, /twice/],
    ['the built-in issuer again', [{ issuer: 'http://127.0.0.1:4000' }], true, /twice/],
  ])('%s', (_title, issuers, development, message) => {
    const options = { builtIn: builtIn.rules, external: issuers.map((more) => external(more)), dialer, clock, development }
    expect(() => createIssuerTable(options)).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }),
    )
  })
})
