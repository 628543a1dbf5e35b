import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { JsonObject, JsonValue } from '../core/json.ts'
import type { Registry } from '../ports/registry.ts'
import type { TokenAnswer, TokenAudit, TokenEndpoint, TokenRequest } from '../ports/token-endpoint.ts'
import { AttemptLimit } from './attempt-limit.ts'
import type { BuiltInIssuer } from './built-in-issuer.ts'
import { ClientAssertionChecker, claimedClient } from './client-assertion.ts'
import { isFailedProof, type PresentedClient, presentedClient } from './client-credentials.ts'
import { SecretChecker } from './client-secret.ts'
import { invalidClient, invalidRequest, readForm, TokenRefusal } from './token-form.ts'

/** How one agent proves itself: public keys (JWKs), or a secret's hash as `hashClientSecret` makes it. */
export type ClientAuthentication = { kind: 'jwks'; keys: readonly unknown[] } | { kind: 'secret'; hash: string }

export interface TokenEndpointOptions {
  issuer: BuiltInIssuer
  /** By agent name, which is the `client_id`. Agents that are not in it prove themselves with the keys that they were registered with. */
  clients: ReadonlyMap<string, ClientAuthentication>
  registry: Pick<Registry, 'agent' | 'registration'>
  clock: Clock
  audit?: TokenAudit
  /** Told of what broke inside, for the log; the client learns nothing of it. */
  onFault?: (error: unknown) => void
}

/** Of a name that nothing proves, this much goes into the record. */
const CLAIMED_CHARS_MAX = 128

/**
 * The token endpoint of the built-in issuer: client_credentials (RFC 6749 4.4) by private_key_jwt (RFC 7523) or client secret (RFC 6749 2.3.1),
 * for active agents. Throws CONFIG_INVALID on a malformed secret hash and on keys that are not public signature keys.
 */
export function createTokenEndpoint(options: TokenEndpointOptions): TokenEndpoint {
  const { issuer } = options
  const endpoint = new Endpoint(options)
  return {
    exchange: (request) => endpoint.exchange(request),
    jwks: () => issuer.jwks(),
    authorizationServerMetadata: () => issuer.authorizationServerMetadata(),
    protectedResourceMetadata: (resource) => issuer.protectedResourceMetadata(resource),
  }
}

class Endpoint {
  readonly #options: TokenEndpointOptions
  readonly #secrets: SecretChecker
  readonly #assertions: ClientAssertionChecker
  readonly #attempts: AttemptLimit
  readonly #resources: ReadonlySet<string>

  constructor(options: TokenEndpointOptions) {
    const { issuer, clients, clock, registry } = options
    const secrets = new Map<string, string>()
    const keys = new Map<string, readonly JsonValue[]>()
    for (const [client, how] of clients) {
      if (how.kind === 'secret') secrets.set(client, how.hash)
      else keys.set(client, how.keys as readonly JsonValue[])
    }
    this.#options = options
    this.#secrets = new SecretChecker(secrets)
    this.#assertions = new ClientAssertionChecker({
      clients: keys,
      registered: (client) => (clients.has(client) ? undefined : registry.registration(client)?.keys),
      audiences: new Set([issuer.issuer, issuer.tokenEndpoint]),
      clock,
    })
    this.#attempts = new AttemptLimit(clock)
    this.#resources = new Set([issuer.issuer, `${issuer.issuer}/`, `${issuer.issuer}/mcp`])
  }

  async exchange(request: TokenRequest): Promise<TokenAnswer> {
    const claimed: { client: string | null } = { client: null }
    try {
      const agent = await this.#agentOf(request, claimed)
      const { token, expiresInSeconds } = await this.#options.issuer.issue({ agent })
      await this.#options.audit?.issued(agent)
      return answer(200, { access_token: token, token_type: 'Bearer', expires_in: expiresInSeconds })
    } catch (error) {
      return await this.#refuse(error, claimed.client?.slice(0, CLAIMED_CHARS_MAX) ?? null)
    }
  }

  async #refuse(error: unknown, client: string | null): Promise<TokenAnswer> {
    const { audit, onFault } = this.#options
    const refusal = refusalOf(error)
    if (refusal.status === 503) onFault?.(error)
    try {
      await audit?.refused(client, refusal.message)
    } catch (fault) {
      onFault?.(fault)
      return refusalAnswer(unavailable())
    }
    return refusalAnswer(refusal)
  }

  async #agentOf({ authorization, contentType, body }: TokenRequest, claimed: { client: string | null }): Promise<string> {
    if (!/^application\/x-www-form-urlencoded *(?:;|$)/i.test(contentType ?? ''))
      throw invalidRequest('the body has to be application/x-www-form-urlencoded')
    const form = readForm(body)
    const presented = presentedClient(authorization, form)
    claimed.client = presented.client ?? null
    const client = await this.#prove(presented, claimed)
    if (this.#options.registry.agent(client)?.status !== 'active') throw invalidClient()
    const grant = form.get('grant_type')
    if (grant === undefined) throw invalidRequest('grant_type is missing')
    if (grant !== 'client_credentials') throw new TokenRefusal('unsupported_grant_type', 'the one grant type here is client_credentials')
    if (form.has('scope')) throw new TokenRefusal('invalid_scope', 'no scopes are defined here: leave scope out')
    const resource = form.get('resource')
    if (resource !== undefined && !this.#resources.has(resource))
      throw new TokenRefusal('invalid_target', 'the resource is neither this gateway nor its /mcp')
    return client
  }

  /** Attempts by secret count before the costly check; assertions count once proven, so that nobody can use up another client's share. */
  async #prove(presented: PresentedClient, claimed: { client: string | null }): Promise<string> {
    if (presented.kind === 'secret') {
      this.#attempts.take(presented.client)
      if (!(await this.#secrets.matches(presented.client, presented.secret))) throw invalidClient()
      return presented.client
    }
    claimed.client = claimedClient(presented.assertion)
    if (presented.client !== undefined && presented.client !== claimed.client) throw invalidRequest('the request names two clients')
    const client = await this.#assertions.prove(presented.assertion)
    this.#attempts.take(client)
    return client
  }
}

const unavailable = (): TokenRefusal => new TokenRefusal('temporarily_unavailable', 'no token can be issued at present', 503, 1)

/** A failed proof is `invalid_client`, a limit is 429, and what broke (the record, the key) is 503 without a word about it. */
function refusalOf(error: unknown): TokenRefusal {
  if (error instanceof TokenRefusal) return error
  if (isFailedProof(error)) return invalidClient()
  if (error instanceof GatewayError && error.code === 'LIMITED')
    return new TokenRefusal('temporarily_unavailable', 'too many token requests at present', 429, error.retryAfterSeconds)
  return unavailable()
}

function refusalAnswer({ word, status, message, retryAfterSeconds }: TokenRefusal): TokenAnswer {
  return answer(
    status,
    { error: word, error_description: message },
    {
      ...(status === 401 ? { 'www-authenticate': 'Basic realm="gatehouse"' } : {}),
      ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
    },
  )
}

/** RFC 6749 5.1: nothing that holds a token is ever cached. */
const answer = (status: number, body: JsonObject, headers: Readonly<Record<string, string>> = {}): TokenAnswer => ({
  status,
  headers: { 'content-type': 'application/json', 'cache-control': 'no-store', pragma: 'no-cache', ...headers },
  body,
})
