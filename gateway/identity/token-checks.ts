import type { JsonObject, JsonValue } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import { algorithmOf, assertNoExtensions, assertSignature, type CompactJws, keyIdOf, unauthenticated } from './compact-jws.ts'
import { ACCESS_TOKEN_TYPES, type IssuerRule } from './issuer-table.ts'

/** A token under examination, with the rule of the issuer it names. */
export interface Examined {
  readonly jws: CompactJws
  /** Proven only once `signature` has passed. */
  readonly claims: JsonObject
  readonly rule: IssuerRule
  readonly nowMs: number
  readonly denied: (issuer: string, jti: string) => boolean
}

type Check = (examined: Examined) => void | Promise<void>

/**
 * The order of the checks (semantics, section 4), after size, canonical text and issuer, which `token-verifier.ts` needs to come this far.
 * Nothing below `signature` sees a claim that is not proven.
 */
export const CHECKS: readonly (readonly [name: string, check: Check])[] = [
  ['algorithm', ({ jws, rule }) => void algorithmOf(jws, rule.algorithms)],
  ['type', isAccessToken],
  ['extensions', ({ jws }) => assertNoExtensions(jws)],
  ['signature', isSigned],
  ['purpose', isNoIdToken],
  ['audience', isForUs],
  ['times', isInTime],
  ['deny-list', isNotDenied],
  ['proof of possession', isPlainBearer],
]

/** RFC 9068 4: `typ` says that this is an access token. Media types have no case (RFC 7515 4.1.9). */
function isAccessToken({ jws, rule }: Examined): void {
  const { typ } = jws.header
  if (typeof typ !== 'string' || !rule.types.has(typ.toLowerCase())) throw unauthenticated('the type of the token is not accepted')
}

async function isSigned({ jws, rule }: Examined): Promise<void> {
  const algorithm = algorithmOf(jws, rule.algorithms)
  const kid = keyIdOf(jws)
  if (kid === undefined) throw unauthenticated('the token does not say by `kid` which key signed it')
  await assertSignature(jws, await rule.keys.key(kid, algorithm), algorithm)
}

/** Where an issuer's access tokens have no type of their own, the claims that only ID tokens have (OpenID Connect Core 2, 3.3.2.11) give one away. */
function isNoIdToken({ jws, claims }: Examined): void {
  const { typ } = jws.header
  if (typeof typ === 'string' && ACCESS_TOKEN_TYPES.has(typ.toLowerCase())) return
  if (['nonce', 'at_hash', 'c_hash', 's_hash'].some((claim) => Object.hasOwn(claims, claim)))
    throw unauthenticated('the token is an ID token')
}

/** `aud` is ours and nobody else's: a token for two could be replayed here by the other (RFC 9068 5). */
function isForUs({ claims: { aud }, rule }: Examined): void {
  const only = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud
  if (only !== rule.audience) throw unauthenticated('the token is not for this audience alone')
}

/** A NumericDate (RFC 7519 2) in whole seconds: no text, no fraction, nothing beyond 2^53. */
export const isTime = (value: JsonValue | undefined): value is number => Number.isSafeInteger(value) && Number(value) >= 0

/** `exp` and `iat` are there, all times are whole seconds, the token lives now and not too long. */
function isInTime({ claims: { exp, iat, nbf }, nowMs }: Examined): void {
  if (!isTime(exp) || !isTime(iat) || (nbf !== undefined && !isTime(nbf)))
    throw unauthenticated('the times of the token are not whole seconds')
  if (isPast(exp * 1_000, nowMs)) throw unauthenticated('the token has expired')
  const latestMs = nowMs + LIMITS.clockSkewMsMax
  if (iat * 1_000 > latestMs || (nbf ?? iat) * 1_000 > latestMs) throw unauthenticated('the token is not valid yet')
  if (exp <= iat || (exp - iat) * 1_000 > LIMITS.tokenLifeMsMax) throw unauthenticated('the token lives longer than is accepted')
}

/** True from the expiry on, with the allowance for clocks that differ. */
export const isPast = (expiresAtMs: number, nowMs: number): boolean => nowMs >= expiresAtMs + LIMITS.clockSkewMsMax

function isNotDenied({ claims: { jti }, rule, denied }: Examined): void {
  if (typeof jti === 'string' && denied(rule.issuer, jti)) throw unauthenticated('the token was revoked')
}

/** A token bound to a key (RFC 7800) is worth nothing without the proof, which this gateway does not take yet. */
function isPlainBearer({ claims }: Examined): void {
  if (Object.hasOwn(claims, 'cnf')) throw unauthenticated('the token is bound to a key and was sent without proof of it')
}
