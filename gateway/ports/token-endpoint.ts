import type { JsonObject } from '../core/json.ts'

/** What of a request at `/oauth/token` counts. Nothing else of it (`Host`, `X-Forwarded-*`, the query) is looked at. */
export interface TokenRequest {
  /** The `Authorization` header, absent where none was sent. */
  authorization?: string
  contentType?: string
  body: Uint8Array
}

/** An answer of the token endpoint (RFC 6749 5.1, 5.2). `headers` have lower-case names and always forbid caching. */
export interface TokenAnswer {
  status: number
  headers: Readonly<Record<string, string>>
  body: JsonObject
}

/** The token endpoint and the documents that lead to it. All of them speak of the configured base URL only. */
export interface TokenEndpoint {
  /** Never throws: what goes wrong is an answer. */
  exchange(request: TokenRequest): Promise<TokenAnswer>
  /** JWK set (RFC 7517). */
  jwks(): JsonObject
  /** RFC 8414. */
  authorizationServerMetadata(): JsonObject
  /** RFC 9728. */
  protectedResourceMetadata(resource: '' | '/mcp'): JsonObject
}

/** Told of every exchange before its answer leaves. Where it throws, no token is handed out. */
export interface TokenAudit {
  issued(agent: string): Promise<void>
  /** `client` is what the request claimed and nothing proved; null where it claimed nothing. */
  refused(client: string | null, message: string): Promise<void>
}
