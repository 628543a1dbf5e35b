/** What a verified access token says (RFC 9068), mapped by its issuer's claim paths. */
export interface VerifiedToken {
  issuer: string
  /** Agent's registered name: outermost `act.sub`, else `client_id` or `azp`. Absent in a token of a person alone. */
  agent?: string
  /** `sub` where it differs from the agent. */
  subject?: string
  /** RFC 8693 act chain, outermost first. */
  actors: readonly string[]
  jti?: string
  expiresAtMs: number
  audience: 'agents' | 'people'
}

/**
 * Verifies bearer tokens by semantics section 4. Throws UNAUTHENTICATED, whose message never tells more than the check that failed
 * (no key material, no claims). Verified tokens are remembered, bounded, until they expire.
 */
export interface TokenVerifier {
  verify(token: string, audience: 'agents' | 'people'): Promise<VerifiedToken>
}
