import { generateKeyPairSync, type JsonWebKey, randomUUID } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A private key as JWK (RFC 7517): P-256 for ES256. */
export type AgentKey = JsonWebKey & { kid: string; alg: 'ES256' }

function makeKey(): AgentKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'ES256' }
}

function writeAside(path: string, value: unknown, mode: number): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode })
  renameSync(`${path}.new`, path)
}

function openKey(folder: string, agent: string): AgentKey {
  const path = join(folder, `${agent}.private.jwk.json`)
  if (!existsSync(path)) writeAside(path, makeKey(), 0o600)
  chmodSync(path, 0o600)
  const key = JSON.parse(readFileSync(path, 'utf8')) as AgentKey
  // Public members only (RFC 7518 6.2.1). Written from the private key, so that the two never differ.
  const { kty, crv, x, y, kid, alg } = key
  writeAside(join(folder, `${agent}.jwks.json`), { keys: [{ kty, crv, x, y, kid, alg, use: 'sig' }] }, 0o644)
  return key
}

/**
 * The agents' key pairs: `<agent>.private.jwk.json` (mode 0600), made once, and `<agent>.jwks.json`, the public set that the gateway reads.
 * Returns the private keys by agent.
 */
export function openAgentKeys(folder: string, agents: readonly string[]): Record<string, AgentKey> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return Object.fromEntries(agents.map((agent) => [agent, openKey(folder, agent)]))
}
