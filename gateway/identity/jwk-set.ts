import { calculateJwkThumbprint, type CryptoKey, importJWK, type JWK } from 'jose'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import { unauthenticated } from './compact-jws.ts'

/** Every algorithm that an issuer or client may be allowed: asymmetric ones only, so that a public key can never be taken for a secret. */
export const ASYMMETRIC_ALGORITHMS: ReadonlySet<string> = new Set([
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
])

/** Where verification keys come from. */
export interface KeySource {
  /** The one key of this id for this algorithm. Throws UNAUTHENTICATED where there is none or more than one. */
  key(kid: string | undefined, algorithm: string): Promise<CryptoKey>
}

/** Public members by key type (RFC 7518 6, RFC 8037 2): nothing else is taken over, so private parts are dropped. */
const PUBLIC_MEMBERS: ReadonlyMap<JsonValue | undefined, readonly string[]> = new Map([
  ['EC', ['crv', 'x', 'y']],
  ['OKP', ['crv', 'x']],
  ['RSA', ['n', 'e']],
])

interface UsableKey {
  readonly kid: string | undefined
  /** The only algorithm that the key may be used with, where it says so. */
  readonly algorithm: string | undefined
  readonly jwk: JWK
  readonly imported: Map<string, Promise<CryptoKey>>
}

/** The signature keys of one JWK set (RFC 7517 5), imported when first used. Immutable. */
export class JwkSet implements KeySource {
  readonly #keys: readonly UsableKey[]

  /** Takes what can verify signatures; encryption keys, symmetric keys and malformed entries are passed over. */
  constructor(keys: readonly JsonValue[]) {
    this.#keys = keys.flatMap((key) => usableKey(key) ?? [])
  }

  get size(): number {
    return this.#keys.length
  }

  has(kid: string): boolean {
    return this.#keys.some((key) => key.kid === kid)
  }

  /**
   * Two keys of one id are refused, whatever they are for. Without an id, the only key that fits the algorithm.
   * Throws UNAUTHENTICATED.
   */
  async key(kid: string | undefined, algorithm: string): Promise<CryptoKey> {
    const named =
      kid === undefined
        ? this.#keys.filter((key) => (key.algorithm ?? algorithm) === algorithm)
        : this.#keys.filter((key) => key.kid === kid)
    const [key, ...others] = named
    if (!key) throw unauthenticated('the token is signed with a key that its issuer does not publish')
    if (others.length > 0) throw unauthenticated('more than one key of the issuer answers to the `kid` of the token')
    if ((key.algorithm ?? algorithm) !== algorithm) throw unauthenticated('the key of the token is for another algorithm')
    return await importedFor(key, algorithm)
  }
}

async function importedFor(key: UsableKey, algorithm: string): Promise<CryptoKey> {
  const known = key.imported.get(algorithm)
  if (known) return await known
  const fresh = importPublic(key.jwk, algorithm)
  key.imported.set(algorithm, fresh)
  return await fresh
}

async function importPublic(jwk: JWK, algorithm: string): Promise<CryptoKey> {
  const key = await importJWK(jwk, algorithm).catch(() => undefined)
  if (!key || key instanceof Uint8Array) throw unauthenticated('the key of the token does not fit its algorithm')
  return key
}

function usableKey(key: JsonValue): UsableKey | undefined {
  if (!isJsonObject(key)) return undefined
  const { kty, kid, alg, use } = key
  const members = PUBLIC_MEMBERS.get(kty)
  if (!members?.every((name) => typeof key[name] === 'string')) return undefined
  if (kid !== undefined && typeof kid !== 'string') return undefined
  if (alg !== undefined && (typeof alg !== 'string' || !ASYMMETRIC_ALGORITHMS.has(alg))) return undefined
  if ((use !== undefined && use !== 'sig') || !mayVerify(key)) return undefined
  const jwk = Object.fromEntries(['kty', ...members].map((name) => [name, key[name]]))
  return { kid, algorithm: alg, jwk, imported: new Map() }
}

/** RFC 7517 4.3. */
function mayVerify({ key_ops: operations }: JsonObject): boolean {
  return operations === undefined || (Array.isArray(operations) && operations.includes('verify'))
}

/** Public signature keys and, for people, what each is called (RFC 7638). */
export interface PublicKeys {
  keys: readonly JsonObject[]
  thumbprints: readonly string[]
}

/**
 * Reads keys that an agent is registered with, each usable, with nothing of them kept but their public members. Throws BAD_INPUT, which repeats none of
 * them: what was given might be a private key.
 */
export async function readPublicKeys(given: readonly JsonValue[]): Promise<PublicKeys> {
  const keys: JsonObject[] = []
  for (const [index, value] of given.entries()) {
    const faulty = (message: string): GatewayError =>
      new GatewayError('BAD_INPUT', `key ${index + 1} ${message}`, { faults: [{ pointer: `/keys/${index}`, message }] })
    if (isJsonObject(value) && ('d' in value || 'k' in value))
      throw faulty('is a private or symmetric key: keep it with the agent, make a new pair, and give the public part only')
    const key = usableKey(value)
    const imported =
      key && (await importJWK(key.jwk, key.algorithm ?? ALGORITHM_OF[String(key.jwk.crv ?? key.jwk.kty)]).catch(() => undefined))
    if (!key || !imported) throw faulty('is no public signature key as JWK (RFC 7517; EC, OKP or RSA)')
    const { kid, algorithm, jwk } = key
    if (kid !== undefined && keys.some((other) => other.kid === kid)) throw faulty('has the `kid` of a key before it')
    keys.push({
      ...(jwk as JsonObject),
      use: 'sig',
      ...(kid === undefined ? {} : { kid }),
      ...(algorithm === undefined ? {} : { alg: algorithm }),
    })
  }
  return { keys, thumbprints: await Promise.all(keys.map((key) => calculateJwkThumbprint(key as JWK))) }
}

/** An algorithm that a key without one is tried with. */
const ALGORITHM_OF: Readonly<Record<string, string>> = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
  Ed25519: 'EdDSA',
  RSA: 'RS256',
}
