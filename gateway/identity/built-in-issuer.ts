import { randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import { ACCESS_TOKEN_TYPES, type Audience, type IssuerRule } from './issuer-table.ts'
import { ASYMMETRIC_ALGORITHMS, JwkSet } from './jwk-set.ts'
import { openSigningKey, type SigningKey } from './key-file.ts'

export interface BuiltInIssuerOptions {
  /** Where the key file lives. */
  dataDir: string
  /** The gateway's own address as clients write it, without a slash at its end: the issuer identifier. */
  baseUrl: string
  /** Name of the organisation: part of the audiences. */
  organisation: string
  clock: Clock
  /** Issuers whose tokens for agents are accepted besides this one, named in the resource metadata. */
  otherIssuers?: readonly string[]
}

export interface IssuedToken {
  readonly token: string
  readonly expiresInSeconds: number
}

/** `client_id` of tokens made for people; no agent can have this name. */
const PEOPLE_CLIENT = 'urn:gatehouse:people'

/** The gateway's own issuer (RFC 9068 tokens, ES256), its keys and its metadata. */
export class BuiltInIssuer {
  readonly issuer: string
  readonly #options: BuiltInIssuerOptions
  readonly #key: SigningKey

  private constructor(options: BuiltInIssuerOptions, key: SigningKey) {
    this.issuer = options.baseUrl
    this.#options = options
    this.#key = key
  }

  /** Opens or makes the key. Throws CONFIG_INVALID as `openSigningKey` does, and on a base URL with a path, query or slash at its end. */
  static async open(options: BuiltInIssuerOptions): Promise<BuiltInIssuer> {
    const { baseUrl } = options
    if (URL.parse(baseUrl)?.origin !== baseUrl)
      throw new GatewayError('CONFIG_INVALID', `the base URL \`${baseUrl}\` is not of the form \`https://host:port\``)
    return new BuiltInIssuer(options, await openSigningKey(options.dataDir))
  }

  /** `urn:gatehouse:<organisation>:<audience>`: the same on every port, so that a token outlives a move of the gateway within its issuer. */
  audience(audience: Audience): string {
    return `urn:gatehouse:${this.#options.organisation}:${audience}`
  }

  /** What the verifier has to know of this issuer: one rule an audience. */
  get rules(): readonly IssuerRule[] {
    const keys = new JwkSet([this.#key.publicJwk])
    const algorithms = new Set([this.#key.algorithm])
    return (['agents', 'people'] as const).map((audience) => ({
      issuer: this.issuer,
      for: audience,
      audience: this.audience(audience),
      algorithms,
      types: ACCESS_TOKEN_TYPES,
      claims: {},
      keys,
    }))
  }

  /**
   * An access token for an agent, acting for `subject` where given (`sub` is the person, `act.sub` the agent: RFC 8693 4.1). `ttlMs` is at most
   * `LIMITS.tokenLifeMsMax`, by default `LIMITS.tokenLifeMsDefault`. Does not look whether the agent exists or is active. Throws BAD_INPUT.
   */
  issue({ agent, subject, ttlMs }: { agent: string; subject?: string; ttlMs?: number }): Promise<IssuedToken> {
    const claims = subject === undefined ? {} : { act: { sub: agent } }
    return this.#sign('agents', { ...claims, sub: subject ?? agent, client_id: agent }, ttlMs)
  }

  /** An access token for a person at the control plane. Throws BAD_INPUT. */
  issueForPerson(person: string, ttlMs?: number): Promise<IssuedToken> {
    return this.#sign('people', { sub: person, client_id: PEOPLE_CLIENT }, ttlMs)
  }

  async #sign(audience: Audience, claims: JsonObject, ttlMs: number = LIMITS.tokenLifeMsDefault): Promise<IssuedToken> {
    const expiresInSeconds = Math.floor(ttlMs / 1_000)
    if (!(expiresInSeconds >= 1 && ttlMs <= LIMITS.tokenLifeMsMax))
      throw new GatewayError('BAD_INPUT', `a token lives from one second to ${LIMITS.tokenLifeMsMax / 3_600_000} hours`)
    const issuedAt = Math.floor(this.#options.clock.now() / 1_000)
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: this.#key.algorithm, kid: this.#key.kid, typ: 'at+jwt' })
      .setIssuer(this.issuer)
      .setAudience(this.audience(audience))
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + expiresInSeconds)
      .setJti(randomUUID())
      .sign(this.#key.privateKey)
    return { token, expiresInSeconds }
  }

  /** JWK set (RFC 7517 5). */
  jwks(): JsonObject {
    return { keys: [this.#key.publicJwk] }
  }

  get tokenEndpoint(): string {
    return `${this.issuer}/oauth/token`
  }

  /** Authorization server metadata (RFC 8414 2). */
  authorizationServerMetadata(): JsonObject {
    return {
      issuer: this.issuer,
      token_endpoint: this.tokenEndpoint,
      jwks_uri: `${this.issuer}/.well-known/jwks.json`,
      response_types_supported: [],
      grant_types_supported: ['client_credentials'],
      token_endpoint_auth_methods_supported: ['private_key_jwt', 'client_secret_basic', 'client_secret_post'],
      token_endpoint_auth_signing_alg_values_supported: [...ASYMMETRIC_ALGORITHMS],
    }
  }

  /** Protected resource metadata (RFC 9728 2) of the gateway itself (`''`) or of its MCP door. */
  protectedResourceMetadata(resource: '' | '/mcp'): JsonObject {
    return {
      resource: `${this.issuer}${resource}`,
      authorization_servers: [this.issuer, ...(this.#options.otherIssuers ?? [])],
      bearer_methods_supported: ['header'],
      resource_name: `Gatehouse of ${this.#options.organisation}`,
    }
  }
}
