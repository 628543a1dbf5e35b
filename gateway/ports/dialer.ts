import type { Socket } from 'node:net'

/** What one connector (or issuer) may reach. */
export interface EgressRule {
  /** Exact lower-case host names and address literals. The configured base address's host is always among them. */
  hosts: readonly string[]
  /** Hosts among `hosts` that may resolve to private, loopback or link-local ranges because the manifest names them. */
  privateHosts: readonly string[]
}

export interface OutboundRequest {
  method: string
  url: string
  headers: Readonly<Record<string, string>>
  body?: string | Uint8Array
  signal?: AbortSignal
  headersTimeoutMs: number
  bodyTimeoutMs: number
}

export interface OutboundResponse {
  status: number
  headers: Readonly<Record<string, string | readonly string[]>>
  body: AsyncIterable<Uint8Array>
}

/**
 * One guarded way out. Redirects are never followed. Every resolved address is checked at connect time, so a name that changes its
 * address between check and connect gains nothing. Throws UpstreamError (`ports/connector.ts`), with `sent` told truthfully.
 */
export interface Outbound {
  request(request: OutboundRequest): Promise<OutboundResponse>
  /** The same guard in the shape of the Fetch standard, for protocol libraries. */
  fetch: typeof globalThis.fetch
  close(): Promise<void>
}

/** Where a protocol of its own goes. */
export interface Peer {
  host: string
  port: number
  /** What is said to it is not encrypted: only private and loopback addresses are reached so. */
  plain: boolean
}

/** The only way out of the process. */
export interface Dialer {
  open(rule: EgressRule): Outbound
  /** A connected socket for a protocol that is not HTTP, under the same guard. The caller ends it; the signal ends it as well. Throws UpstreamError, with `sent: false`. */
  connect(rule: EgressRule, peer: Peer, signal: AbortSignal): Promise<Socket>
}
