import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import { BuiltInIssuer } from './built-in-issuer.ts'

const NOW_MS = 1_900_000_000_000
const clock = { now: () => instant(NOW_MS) }
const baseUrl = 'http://127.0.0.1:4000'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gatehouse-issuer-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const openAt = (folder: string) => BuiltInIssuer.open({ dataDir: join(dir, folder), baseUrl, organisation: 'acme', clock })

describe('the key file', () => {
  test('is made once, private, and found again', async () => {
    const first = await openAt('made/deep')
    const { mode } = await stat(join(dir, 'made/deep/issuer.jwk.json'))
    expect(mode & 0o777).toBe(0o600)
    const again = await openAt('made/deep')
    expect(again.jwks()).toEqual(first.jwks())
  })

  test('is one and the same for processes that start at once', async () => {
    const issuers = await Promise.all(Array.from({ length: 8 }, () => openAt('race')))
    expect(new Set(issuers.map((issuer) => JSON.stringify(issuer.jwks()))).size).toBe(1)
  })

  test.each([
    ['readable by the group', 0o640],
    ['readable by everyone', 0o604],
  ])('is refused where it is %s', async (title, mode) => {
    await openAt(title)
    await chmod(join(dir, title, 'issuer.jwk.json'), mode)
    await expect(openAt(title)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('chmod 600') })
  })

  test.each([
    ['no JSON', '{'],
    ['an RSA key', '{"kty":"RSA","n":"AQAB","e":"AQAB"}'],
    ['a public key', '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}'],
    ['an empty file', ''],
    ['a huge file', 'x'.repeat(10_000)],
  ])('is refused where it holds %s, without showing it', async (title, text) => {
    await openAt(title)
    await writeFile(join(dir, title, 'issuer.jwk.json'), text)
    await expect(openAt(title)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  test('is refused as a symbolic link', async () => {
    await openAt('target')
    await openAt('link')
    await rm(join(dir, 'link/issuer.jwk.json'))
    await symlink(join(dir, 'target/issuer.jwk.json'), join(dir, 'link/issuer.jwk.json'))
    await expect(openAt('link')).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('symbolic link') })
  })
})

describe('tokens', () => {
  test('of an agent alone, by RFC 9068 2', async () => {
    const issuer = await openAt('tokens')
    const { token, expiresInSeconds } = await issuer.issue({ agent: 'ap-clerk', ttlMs: 60_000 })
    const { kid } = decodeProtectedHeader(token)
    const { jti, ...claims } = decodeJwt(token)
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'ES256', kid, typ: 'at+jwt' })
    expect(jti).toMatch(/^[0-9a-f-]{36}$/)
    expect(expiresInSeconds).toBe(60)
    expect(claims).toEqual({
      iss: baseUrl,
      aud: 'urn:gatehouse:acme:agents',
      sub: 'ap-clerk',
      client_id: 'ap-clerk',
      iat: NOW_MS / 1_000,
      exp: NOW_MS / 1_000 + 60,
    })
  })

  test('of an agent for a person, by RFC 8693 4.1', async () => {
    const issuer = await openAt('tokens')
    const { token } = await issuer.issue({ agent: 'ap-clerk', subject: 'maria' })
    expect(decodeJwt(token)).toMatchObject({ sub: 'maria', act: { sub: 'ap-clerk' }, client_id: 'ap-clerk' })
  })

  test('of a person have the people audience and a client that is no agent', async () => {
    const issuer = await openAt('tokens')
    const { token } = await issuer.issueForPerson('maria')
    expect(decodeJwt(token)).toMatchObject({ sub: 'maria', aud: 'urn:gatehouse:acme:people', client_id: 'urn:gatehouse:people' })
  })

  test.each([0, 999, -1, Number.NaN, Number.POSITIVE_INFINITY, LIMITS.tokenLifeMsMax + 1])('do not live %d ms', async (ttlMs) => {
    const issuer = await openAt('tokens')
    await expect(issuer.issue({ agent: 'ap-clerk', ttlMs })).rejects.toMatchObject({ code: 'BAD_INPUT' })
  })
})

describe('documents', () => {
  test('JWK set: the public key with its thumbprint, and no private part', async () => {
    const issuer = await openAt('documents')
    const { d } = JSON.parse(await readFile(join(dir, 'documents/issuer.jwk.json'), 'utf8'))
    const { keys } = issuer.jwks() as { keys: Record<string, string>[] }
    const key = keys[0] ?? {}
    expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    expect(key.kid).toBe(await calculateJwkThumbprint(key))
    expect(JSON.stringify(issuer.jwks())).not.toContain(d)
  })

  test('RFC 8414 and RFC 9728 speak of the base URL', async () => {
    const issuer = await openAt('documents')
    expect(issuer.authorizationServerMetadata()).toMatchObject({
      issuer: baseUrl,
      token_endpoint: `${baseUrl}/oauth/token`,
      jwks_uri: `${baseUrl}/.well-known/jwks.json`,
      grant_types_supported: ['client_credentials'],
      token_endpoint_auth_methods_supported: ['private_key_jwt', 'client_secret_basic', 'client_secret_post'],
    })
    expect(issuer.protectedResourceMetadata('')).toMatchObject({ resource: baseUrl, authorization_servers: [baseUrl] })
    expect(issuer.protectedResourceMetadata('/mcp')).toMatchObject({ resource: `${baseUrl}/mcp`, bearer_methods_supported: ['header'] })
  })

  test.each(['http://127.0.0.1:4000/', 'http://host/path', 'host:4000', 'https://u:p@host'])('no base URL like %s', async (wrong) => {
    const opened = BuiltInIssuer.open({ dataDir: dir, baseUrl: wrong, organisation: 'acme', clock })
    await expect(opened).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})
