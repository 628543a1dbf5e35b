import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import type { TokenVerifier, VerifiedToken } from '../ports/token-verifier.ts'
import { jsonPart, readCompactJws, unauthenticated } from './compact-jws.ts'
import type { Audience, IssuerTable } from './issuer-table.ts'
import { CHECKS, isPast } from './token-checks.ts'
import { meaningOf } from './token-meaning.ts'

export interface TokenVerifierOptions {
  issuers: IssuerTable
  clock: Clock
  /** Asked for every token that has a `jti`, also for remembered ones. */
  denied?: (issuer: string, jti: string) => boolean
}

interface Remembered {
  readonly token: VerifiedToken
  /** Until then the proof is not repeated; a key that its issuer withdrew stops working within this time and the JWK set's own. */
  readonly untilMs: number
}

/**
 * Verifies RFC 9068 access tokens (ports/token-verifier.ts) in the order of `CHECKS`. What was proven is remembered by the SHA-256 of the
 * token's text and the audience, at most `LIMITS.tokenCacheEntriesMax` tokens for `LIMITS.jwksFreshMs` each; expiry and the deny-list are looked
 * at every time. Refusals are never remembered.
 */
export function createTokenVerifier({ issuers, clock, denied = () => false }: TokenVerifierOptions): TokenVerifier {
  const remembered = new LRUCache<string, Remembered>({ max: LIMITS.tokenCacheEntriesMax })

  const prove = async (text: string, audience: Audience): Promise<VerifiedToken> => {
    const jws = readCompactJws(text)
    const claims = jsonPart(jws.encodedPayload, 'payload')
    const rule = typeof claims.iss === 'string' ? issuers.rule(claims.iss, audience) : undefined
    if (!rule) throw unauthenticated('the issuer of the token is not accepted here')
    const examined = { jws, claims, rule, nowMs: clock.now(), denied }
    for (const [, check] of CHECKS) await check(examined)
    return meaningOf(claims, rule, Number(claims.exp) * 1_000)
  }

  return {
    async verify(text, audience) {
      if (text.length > LIMITS.tokenBytesMax) throw unauthenticated(`the token is longer than ${LIMITS.tokenBytesMax} bytes`)
      const key = `${audience} ${hash('sha256', text, 'base64')}`
      const known = remembered.get(key)
      const now = clock.now()
      if (known && now < known.untilMs) {
        const { token } = known
        if (isPast(token.expiresAtMs, now)) throw unauthenticated('the token has expired')
        if (token.jti !== undefined && denied(token.issuer, token.jti)) throw unauthenticated('the token was revoked')
        return token
      }
      const token = await prove(text, audience)
      remembered.set(key, { token, untilMs: now + LIMITS.jwksFreshMs })
      return token
    },
  }
}
