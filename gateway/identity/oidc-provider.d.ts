/** What the tests use of oidc-provider, which ships without types. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export interface JWKS {
    keys: readonly Record<string, unknown>[]
  }

  export interface Configuration {
    jwks: JWKS
    clients: readonly Record<string, unknown>[]
    ttl: Readonly<Record<string, number>>
    features: {
      devInteractions: { enabled: boolean }
      clientCredentials: { enabled: boolean }
      resourceIndicators: { enabled: boolean; getResourceServerInfo(context: unknown, indicator: string): Record<string, unknown> }
    }
  }

  export class Provider {
    constructor(issuer: string, configuration: Configuration)
    callback(): (req: IncomingMessage, res: ServerResponse) => void
    on(event: 'server_error', listener: (context: unknown, error: Error) => void): this
  }
}
