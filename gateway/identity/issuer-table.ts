import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { Dialer, Outbound } from '../ports/dialer.ts'
import { ASYMMETRIC_ALGORITHMS, type KeySource } from './jwk-set.ts'
import { JwksCache } from './jwks-cache.ts'

export type Audience = 'agents' | 'people'

/** An external issuer as configured. */
export interface ExternalIssuer {
  /** Exact `iss`. */
  issuer: string
  /** Exact `aud`. */
  audience: string
  algorithms: readonly string[]
  /** Address of its JWK set (RFC 7517). */
  jwks: string
  /** Accepted `typ` values. Default: RFC 9068's `at+jwt` and `application/at+jwt`. */
  types?: readonly string[] | undefined
  /** Whom its tokens speak for. */
  for: Audience
  /** RFC 6901 pointers into the claims. `agent` instead of `act.sub`, `client_id`, `azp`; `subject` instead of `sub`. */
  claims?: { agent?: string | undefined; subject?: string | undefined } | undefined
}

/** What a token of one issuer for one audience has to look like. */
export interface IssuerRule {
  readonly issuer: string
  readonly for: Audience
  readonly audience: string
  readonly algorithms: ReadonlySet<string>
  /** Lower case. */
  readonly types: ReadonlySet<string>
  readonly claims: { readonly agent?: string | undefined; readonly subject?: string | undefined }
  readonly keys: KeySource
}

/** Exact issuers, each with at most one rule an audience. */
export interface IssuerTable {
  /** The rule for this exact `iss` and audience, or undefined. */
  rule(issuer: string, audience: Audience): IssuerRule | undefined
  close(): Promise<void>
}

export interface IssuerTableOptions {
  builtIn?: readonly IssuerRule[]
  external: readonly ExternalIssuer[]
  dialer: Dialer
  clock: Clock
  /** Allows JWK sets by plain http from loopback. */
  development: boolean
  onKeyFailure?: (issuer: string, error: unknown) => void
}

/** RFC 9068 2.1. */
export const ACCESS_TOKEN_TYPES: ReadonlySet<string> = new Set(['at+jwt', 'application/at+jwt'])

/** Types of JWTs that are made to prove something else: an issuer that issues both must not have one taken for the other (RFC 8725 3.12). */
const NEVER_ACCESS_TOKENS: ReadonlySet<string> = new Set([
  'oauth-id-jag+jwt',
  'dpop+jwt',
  'client-authentication+jwt',
  'logout+jwt',
  'secevent+jwt',
  'token-introspection+jwt',
  'id_token+jwt',
])

/**
 * Builds the table and opens one guarded way out for each external issuer; nothing is fetched yet. Throws CONFIG_INVALID, with all faults, on two
 * rules for one issuer and audience, on algorithms that are not asymmetric, on types that are no access tokens, and on a JWK set address
 * that is not https (http on loopback in development).
 */
export function createIssuerTable(options: IssuerTableOptions): IssuerTable {
  const faults = options.external.flatMap((issuer) => faultsOf(issuer, options.development))
  const rules = new Map<string, IssuerRule>()
  const outbounds: Outbound[] = []
  const add = (rule: IssuerRule): void => {
    const key = keyOf(rule.issuer, rule.for)
    if (rules.has(key)) faults.push(`issuer \`${rule.issuer}\` is configured twice for ${rule.for}`)
    rules.set(key, rule)
  }
  for (const rule of options.builtIn ?? []) add(rule)
  if (faults.length === 0) {
    for (const issuer of options.external) {
      const { rule, outbound } = open(issuer, options)
      outbounds.push(outbound)
      add(rule)
    }
  }
  if (faults.length > 0)
    throw new GatewayError('CONFIG_INVALID', `issuers: ${faults.join('; ')}`, {
      faults: faults.map((message) => ({ pointer: '/issuers', message })),
    })
  return {
    rule: (issuer, audience) => rules.get(keyOf(issuer, audience)),
    close: async () => {
      await Promise.all(outbounds.map((outbound) => outbound.close()))
    },
  }
}

/** The audience comes first and holds no space, so no `iss` can run into it. */
const keyOf = (issuer: string, audience: Audience): string => `${audience} ${issuer}`

function open(external: ExternalIssuer, { dialer, clock, onKeyFailure }: IssuerTableOptions): { rule: IssuerRule; outbound: Outbound } {
  const { issuer, audience, algorithms, types, claims, jwks } = external
  const host = new URL(jwks).hostname
  // The configuration names this very host, so an identity provider inside the private network is meant.
  const outbound = dialer.open({ hosts: [host], privateHosts: [host] })
  const onFailure = (error: unknown): void => onKeyFailure?.(issuer, error)
  return {
    outbound,
    rule: {
      issuer,
      for: external.for,
      audience,
      algorithms: new Set(algorithms),
      types: types ? new Set(types.map((type) => type.toLowerCase())) : ACCESS_TOKEN_TYPES,
      claims: claims ?? {},
      keys: new JwksCache({ url: jwks, outbound, clock, onFailure }),
    },
  }
}

function faultsOf({ issuer, jwks, algorithms, types, audience }: ExternalIssuer, development: boolean): string[] {
  const faults: string[] = []
  const place = `issuer \`${issuer}\``
  if (issuer === '' || audience === '') faults.push(`${place} needs an issuer and an audience`)
  const wrong = algorithms.filter((name) => !ASYMMETRIC_ALGORITHMS.has(name))
  if (algorithms.length === 0 || wrong.length > 0) faults.push(`${place} needs asymmetric algorithms only, has \`${algorithms.join(' ')}\``)
  for (const type of types ?? [])
    if (NEVER_ACCESS_TOKENS.has(type.toLowerCase().replace(/^application\//, '')))
      faults.push(`${place} lists the type \`${type}\`, which is never an access token`)
  const url = URL.parse(jwks)
  const loopback = url?.protocol === 'http:' && /^(?:localhost|127(?:\.[0-9]+){3}|\[::1\])$/.test(url.hostname)
  if (url?.protocol !== 'https:' && !(loopback && development))
    faults.push(`${place} needs a JWK set by https, or by http from loopback in development, has \`${jwks}\``)
  else if (url.username !== '' || url.password !== '') faults.push(`${place} has a JWK set address with a password in it`)
  return faults
}
