import { createPrivateKey, randomUUID, sign } from 'node:crypto'
import type { AgentKey } from '../agent-keys.ts'

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A client assertion (RFC 7523 3) by ES256 (RFC 7518 3.4), good for one minute and one use. */
export function clientAssertion(agent: string, key: AgentKey, audience: string): string {
  const now = Math.floor(Date.now() / 1000)
  const header = part({ alg: key.alg, kid: key.kid, typ: 'JWT' })
  const claims = part({ iss: agent, sub: agent, aud: audience, iat: now, exp: now + 60, jti: randomUUID() })
  const signature = sign('sha256', Buffer.from(`${header}.${claims}`), {
    key: createPrivateKey({ key, format: 'jwk' }),
    dsaEncoding: 'ieee-p1363',
  })
  return `${header}.${claims}.${signature.toString('base64url')}`
}

export type SignedIn = { token: string } | { refused: string }

/**
 * Signs an agent in as agents do: finds the token endpoint (RFC 8414) and asks for a token by client_credentials with private_key_jwt.
 * A refusal is an answer, not an error.
 */
export async function signIn(gateway: string, agent: string, key: AgentKey): Promise<SignedIn> {
  const metadata = (await (await fetch(`${gateway}/.well-known/oauth-authorization-server`)).json()) as { token_endpoint: string }
  const response = await fetch(metadata.token_endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: clientAssertion(agent, key, metadata.token_endpoint),
    }),
  })
  const answer = (await response.json()) as { access_token?: string; error?: string; error_description?: string }
  if (answer.access_token !== undefined) return { token: answer.access_token }
  return { refused: `${answer.error}: ${answer.error_description ?? response.status}` }
}
