import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, decodeProtectedHeader, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { type Configuration, type JWKS, Provider } from 'oidc-provider'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Instant, instant } from '../core/clock.ts'
import { createDialer } from '../egress/dialer.ts'
import { LIMITS } from '../limits.ts'
import type { TokenVerifier } from '../ports/token-verifier.ts'
import { createIssuerTable, type IssuerTable } from './issuer-table.ts'
import { createTokenVerifier } from './token-verifier.ts'

const AUDIENCE = 'https://gatehouse.example'
const OTHER_AUDIENCE = 'https://other.example'

/** Real time, as the provider goes by it, moved on where a test has to let time pass. */
let aheadMs = 0
const clock = { now: (): Instant => instant(Date.now() + aheadMs) }

let handler: (req: IncomingMessage, res: ServerResponse) => void
const server = createServer((req, res) => handler(req, res))
let issuer: string
let client: { publicKey: CryptoKey; privateKey: CryptoKey }
let issuers: IssuerTable
let verifier: TokenVerifier

async function signingKey(kid: string): Promise<JWKS> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return { keys: [{ ...(await exportJWK(privateKey)), kid, use: 'sig', alg: 'ES256' }] }
}

/** The identity provider as it stands with this key; a later call is the same provider after rotation. */
async function serve(jwks: JWKS): Promise<void> {
  const configuration: Configuration = {
    jwks,
    ttl: { ClientCredentials: 600 },
    clients: [
      {
        client_id: 'ap-clerk',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256',
        id_token_signed_response_alg: 'ES256',
        jwks: { keys: [{ ...(await exportJWK(client.publicKey)), kid: 'client' }] },
      },
    ],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, indicator) => ({
          scope: '',
          audience: indicator,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  }
  const provider = new Provider(issuer, configuration)
  provider.on('server_error', (_ctx, error) => console.warn('the provider failed:', error.message))
  handler = provider.callback()
}

let serial = 0
async function accessToken(resource = AUDIENCE): Promise<string> {
  const assertion = await new SignJWT({ jti: `a${serial++}` })
    .setProtectedHeader({ alg: 'ES256', kid: 'client' })
    .setIssuer('ap-clerk')
    .setSubject('ap-clerk')
    .setAudience(issuer)
    .setIssuedAt()
    .setExpirationTime('1m')
    .sign(client.privateKey)
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
      resource,
    }),
  })
  const body = (await answer.json()) as { access_token?: string }
  if (!body.access_token) throw new Error(`no token: ${JSON.stringify(body)}`)
  return body.access_token
}

beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  client = await generateKeyPair('ES256')
  await serve(await signingKey('first'))
  issuers = createIssuerTable({
    external: [{ issuer, audience: AUDIENCE, algorithms: ['ES256'], jwks: `${issuer}/jwks`, for: 'agents' }],
    dialer: createDialer({ development: true }),
    clock,
    development: true,
  })
  verifier = createTokenVerifier({ issuers, clock })
})

afterAll(async () => {
  await issuers.close()
  server.closeAllConnections()
  server.close()
})

test('tokens of a real provider verify', async () => {
  const token = await accessToken()
  expect(decodeProtectedHeader(token)).toMatchObject({ typ: 'at+jwt', kid: 'first' })
  expect(await verifier.verify(token, 'agents')).toMatchObject({ issuer, agent: 'ap-clerk', actors: ['ap-clerk'], audience: 'agents' })
})

test('its tokens for another resource do not', async () => {
  const token = await accessToken(OTHER_AUDIENCE)
  await expect(verifier.verify(token, 'agents')).rejects.toMatchObject({
    code: 'UNAUTHENTICATED',
    message: expect.stringContaining('audience'),
  })
})

test('its tokens are not for people', async () => {
  await expect(verifier.verify(await accessToken(), 'people')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
})

test('after it rotated its keys new tokens verify and tokens of the old key stop', async () => {
  const old = await accessToken()
  await verifier.verify(old, 'agents')
  await serve(await signingKey('second'))
  const fresh = await accessToken()
  aheadMs += LIMITS.jwksRetryMsMin
  expect(await verifier.verify(fresh, 'agents')).toMatchObject({ agent: 'ap-clerk' })
  aheadMs += LIMITS.jwksFreshMs
  await expect(verifier.verify(old, 'agents')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  expect(await verifier.verify(fresh, 'agents')).toMatchObject({ agent: 'ap-clerk' })
})
