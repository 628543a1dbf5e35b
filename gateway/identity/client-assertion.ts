import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import { algorithmOf, assertNoExtensions, assertSignature, jsonPart, keyIdOf, readCompactJws, unauthenticated } from './compact-jws.ts'
import { ASYMMETRIC_ALGORITHMS, JwkSet } from './jwk-set.ts'
import { isPast, isTime } from './token-checks.ts'

/** `typ` of client assertions in the wild; anything else (an access token, a DPoP proof) proves something else. */
const TYPES: ReadonlySet<JsonValue | undefined> = new Set([undefined, 'JWT', 'jwt', 'client-authentication+jwt'])

export interface ClientAssertionOptions {
  /** Public keys by client, of the configuration. */
  clients: ReadonlyMap<string, readonly JsonValue[]>
  /** Public keys of a client that configuration says nothing of; the same list for as long as they are the same. */
  registered?: (client: string) => readonly JsonValue[] | undefined
  /** The issuer identifier and the token endpoint's address: what `aud` may name. */
  audiences: ReadonlySet<string>
  clock: Clock
}

/** The client that an assertion claims to be from, before anything is proven; null where it claims none. */
export function claimedClient(assertion: string): string | null {
  const { iss } = jsonPart(readCompactJws(assertion).encodedPayload, 'payload')
  return typeof iss === 'string' ? iss : null
}

/** Proves client assertions (RFC 7523 3, private_key_jwt of OpenID Connect Core 9). */
export class ClientAssertionChecker {
  readonly #options: ClientAssertionOptions
  readonly #keys: ReadonlyMap<string, JwkSet>
  readonly #registered = new WeakMap<readonly JsonValue[], JwkSet>()
  readonly #used: UsedOnce

  /** Throws CONFIG_INVALID on a client without a usable key, or with anything but public keys. */
  constructor(options: ClientAssertionOptions) {
    this.#options = options
    this.#keys = new Map([...options.clients].map(([client, keys]) => [client, publicKeys(client, keys)]))
    this.#used = new UsedOnce(options.clock)
  }

  /** The client's name, once. Throws UNAUTHENTICATED, also when the same `jti` comes again; LIMITED where too many are remembered. */
  async prove(assertion: string): Promise<string> {
    const jws = readCompactJws(assertion)
    const claims = jsonPart(jws.encodedPayload, 'payload')
    const { iss, sub } = claims
    const keys = typeof iss === 'string' && iss === sub ? this.#keysOf(iss) : undefined
    if (typeof iss !== 'string' || !keys) throw unauthenticated('the assertion is not by a client with keys')
    const algorithm = algorithmOf(jws, ASYMMETRIC_ALGORITHMS)
    if (!TYPES.has(jws.header.typ)) throw unauthenticated('the assertion is not of a type for clients')
    assertNoExtensions(jws)
    await assertSignature(jws, await keys.key(keyIdOf(jws), algorithm), algorithm)
    this.#assertAudience(claims)
    const expiresAtMs = this.#assertTimes(claims)
    const { jti } = claims
    if (typeof jti !== 'string' || jti === '' || jti.length > LIMITS.assertionIdCharsMax)
      throw unauthenticated('the assertion has no `jti` of its own')
    this.#used.take(`${iss} ${jti}`, expiresAtMs)
    return iss
  }

  #keysOf(client: string): JwkSet | undefined {
    const configured = this.#keys.get(client)
    const keys = configured ? undefined : this.#options.registered?.(client)
    if (!keys) return configured
    const known = this.#registered.get(keys) ?? new JwkSet(keys)
    this.#registered.set(keys, known)
    return known
  }

  #assertAudience({ aud }: JsonObject): void {
    const named = Array.isArray(aud) ? aud : [aud]
    if (named.length === 0 || !named.every((value) => typeof value === 'string' && this.#options.audiences.has(value)))
      throw unauthenticated('the assertion is not for this token endpoint alone')
  }

  #assertTimes({ exp, iat, nbf }: JsonObject): number {
    const nowMs = this.#options.clock.now()
    if (!isTime(exp) || [iat, nbf].some((time) => time !== undefined && !isTime(time)))
      throw unauthenticated('the times of the assertion are not whole seconds')
    const expiresAtMs = exp * 1_000
    const latestMs = nowMs + LIMITS.clockSkewMsMax
    if (isPast(expiresAtMs, nowMs)) throw unauthenticated('the assertion has expired')
    if ([iat, nbf].some((time) => Number(time) * 1_000 > latestMs)) throw unauthenticated('the assertion is not valid yet')
    if (expiresAtMs > latestMs + LIMITS.assertionLifeMsMax)
      throw unauthenticated(`the assertion lives longer than ${LIMITS.assertionLifeMsMax / 60_000} minutes`)
    return expiresAtMs
  }
}

/**
 * A private key in the gateway's configuration would let whoever reads that be the client: it is refused, not passed over. An empty set is no fault: its
 * client was not given a key yet, and nobody gets in.
 */
function publicKeys(client: string, keys: readonly JsonValue[]): JwkSet {
  const faulty = (message: string): GatewayError => new GatewayError('CONFIG_INVALID', `the keys of client \`${client}\` ${message}`)
  if (keys.some((key) => isJsonObject(key) && ('d' in key || 'k' in key)))
    throw faulty('hold a private or symmetric key: keep it with the client and put its public part here')
  const set = new JwkSet(keys)
  if (keys.length > 0 && set.size === 0) throw faulty('hold no public signature key (EC, OKP or RSA)')
  return set
}

/** Values that count once until they expire. In memory: what was used before a restart or at another replica is not known here. */
class UsedOnce {
  readonly #expiries = new Map<string, number>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Full means refused: forgetting a value early would let it be used again. */
  take(value: string, expiresAtMs: number): void {
    if (this.#expiries.has(value)) throw unauthenticated('the assertion was used before')
    if (this.#expiries.size >= LIMITS.assertionsRememberedMax) this.#forgetExpired()
    if (this.#expiries.size >= LIMITS.assertionsRememberedMax)
      throw new GatewayError('LIMITED', 'too many assertions are remembered', { retryAfterSeconds: 60 })
    this.#expiries.set(value, expiresAtMs)
  }

  #forgetExpired(): void {
    const now = this.#clock.now()
    for (const [value, expiresAtMs] of this.#expiries) if (isPast(expiresAtMs, now)) this.#expiries.delete(value)
  }
}
