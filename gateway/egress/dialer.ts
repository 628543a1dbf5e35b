import { lookup as lookupAddresses } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, type LookupFunction, type Socket } from 'node:net'
import { buildConnector, Pool } from 'undici'
import { LIMITS } from '../limits.ts'
import { UpstreamError } from '../ports/connector.ts'
import type { Dialer, EgressRule, Outbound, OutboundRequest, OutboundResponse, Peer } from '../ports/dialer.ts'
import { hostOf, isLiteral, normaliseHost, refusal, type Trust } from './address.ts'
import { EgressRefused, Exchange, upstreamError } from './exchange.ts'
import { guardedFetch } from './fetch.ts'

export interface ResolvedAddress {
  address: string
  family: number
}

export interface DialerOptions {
  /** Allows plain `http:` to hosts that are not private. Elsewhere a credential would cross the network in the clear. */
  development: boolean
  /** All addresses of a name. Default: the system's resolver. */
  resolve?: (host: string) => Promise<readonly ResolvedAddress[]>
}

const systemResolve = (host: string): Promise<readonly ResolvedAddress[]> => lookupAddresses(host, { all: true })

/**
 * The only way out of the process (ports/dialer.ts). A request is refused (`refused`, `sent: false`) unless its host is named by the
 * rule, and unless every address that the host has at connect time may be reached; the connection goes to one of the addresses that were
 * checked and to no other. Connections are kept and reused per origin, HTTP/1.1 only, without proxies from the environment.
 */
export function createDialer(options: DialerOptions): Dialer {
  return {
    open: (rule) => new GuardedOutbound(rule, options),
    connect: (rule, peer, signal) => guardedSocket(trustOf(rule), peer, signal, options.resolve ?? systemResolve),
  }
}

class GuardedOutbound implements Outbound {
  readonly fetch: typeof globalThis.fetch
  readonly #development: boolean
  readonly #trust: ReadonlyMap<string, Trust>
  readonly #connect: buildConnector.connector
  /** By origin as it was written, so that the hot path parses no URL. */
  readonly #pools = new Map<string, Pool>()

  constructor(rule: EgressRule, options: DialerOptions) {
    this.#development = options.development
    this.#trust = trustOf(rule)
    this.#connect = guardedConnector(this.#trust, options.resolve ?? systemResolve)
    this.fetch = guardedFetch((request) => this.request(request))
  }

  request(request: OutboundRequest): Promise<OutboundResponse> {
    const { url, signal } = request
    if (signal?.aborted) return Promise.reject(upstreamError(signal.reason, false, signal))
    const start = pathStart(url)
    const origin = url.slice(0, start)
    const pool = this.#pools.get(origin) ?? this.#open(origin)
    if (pool instanceof UpstreamError) return Promise.reject(pool)
    if (Object.hasOwn(request.headers, 'host'))
      return Promise.reject(new UpstreamError('refused', 'the host header follows from the address alone', false))
    const exchange = new Exchange(request)
    try {
      pool.dispatch(
        {
          path: pathOf(url, start),
          method: request.method,
          headers: request.headers as Record<string, string>,
          body: request.body ?? null,
          headersTimeout: request.headersTimeoutMs,
          bodyTimeout: request.bodyTimeoutMs,
        },
        exchange,
      )
    } catch (error) {
      exchange.fail(error)
    }
    return exchange.answer
  }

  async close(): Promise<void> {
    await Promise.all([...new Set(this.#pools.values())].map((pool) => pool.destroy()))
  }

  /** Checks an origin once and keeps a pool for it. */
  #open(origin: string): Pool | UpstreamError {
    const url = /^https?:\/\/[^\s/\\?#@]+$/i.test(origin) ? URL.parse(origin) : null
    if (url === null || url.username !== '' || url.password !== '')
      return new UpstreamError('refused', 'the address is not a plain http or https address', false)
    const host = hostOf(url)
    const trust = this.#trust.get(host)
    if (trust === undefined) return new UpstreamError('refused', `host \`${host}\` is not in the egress list of this connector`, false)
    if (url.protocol === 'http:' && trust === 'public' && !this.#development)
      return new UpstreamError(
        'refused',
        `plain http to \`${host}\` is refused: use https, or list the host under egress if it is private`,
        false,
      )
    if (this.#pools.size >= LIMITS.upstreamOriginsMax)
      return new UpstreamError('refused', `more than ${LIMITS.upstreamOriginsMax} upstream addresses in use`, false)
    const pool = new Pool(`${url.protocol}//${host.includes(':') ? `[${host}]` : host}${url.port === '' ? '' : `:${url.port}`}`, {
      connect: this.#connect,
      connections: LIMITS.upstreamConnectionsPerHostMax,
      pipelining: 1,
      allowH2: false,
      maxHeaderSize: LIMITS.upstreamHeaderBytesMax,
    })
    this.#pools.set(origin, pool)
    return pool
  }
}

/** Index of the first character after the authority. */
function pathStart(url: string): number {
  const authority = url.indexOf('://') + 3
  for (let i = authority; i < url.length; i++) {
    const c = url.charCodeAt(i)
    if (c === 0x2f || c === 0x3f || c === 0x23) return i
  }
  return url.length
}

/** Path and query exactly as the caller built them: what was judged is what is sent. */
function pathOf(url: string, start: number): string {
  const hash = url.indexOf('#', start)
  const path = hash === -1 ? url.slice(start) : url.slice(start, hash)
  return path.startsWith('/') ? path : `/${path}`
}

function trustOf(rule: EgressRule): ReadonlyMap<string, Trust> {
  const trust = new Map<string, Trust>()
  for (const raw of rule.hosts) {
    const host = normaliseHost(raw)
    if (host !== null) trust.set(host, 'public')
  }
  for (const raw of rule.privateHosts) {
    const host = normaliseHost(raw)
    if (host !== null && trust.has(host)) trust.set(host, isLiteral(host) ? 'private-literal' : 'private-name')
  }
  return trust
}

/** Checks a literal before the connect and a name's addresses inside its lookup, so the socket uses exactly what was checked. */
function guardedConnector(
  trust: ReadonlyMap<string, Trust>,
  resolve: (host: string) => Promise<readonly ResolvedAddress[]>,
): buildConnector.connector {
  const lookup = guardedLookup((host, address) => assertReachable(host, address, trust), resolve)
  const connect = buildConnector({ lookup, timeout: LIMITS.upstreamConnectTimeoutMsMax, allowH2: false } as buildConnector.BuildOptions)
  return (options, callback) => {
    const host = normaliseHost(options.hostname) ?? ''
    try {
      if (isLiteral(host)) assertReachable(host, host, trust)
    } catch (error) {
      callback(error as Error, null)
      return
    }
    connect(options, callback)
  }
}

type Guard = (host: string, address: string) => void

/** Resolves a name to addresses that all passed the guard. */
const guardedLookup =
  (guard: Guard, resolve: (host: string) => Promise<readonly ResolvedAddress[]>): LookupFunction =>
  (host, { all, family }, callback) => {
    const found = (addresses: readonly ResolvedAddress[]): void => {
      const fit = addresses.filter((entry) => family === undefined || family === 0 || entry.family === family)
      for (const { address } of addresses) guard(host, address)
      const [first] = fit
      if (!first) throw new EgressRefused(`host \`${host}\` has no address`)
      if (all) callback(null, [...fit])
      else callback(null, first.address, first.family)
    }
    resolve(host)
      .then(found)
      .catch((error: Error) => callback(error, '', 0))
  }

/** Connects a plain socket as `Dialer.connect` promises. */
async function guardedSocket(
  trust: ReadonlyMap<string, Trust>,
  { host: raw, port, plain }: Peer,
  signal: AbortSignal,
  resolve: (host: string) => Promise<readonly ResolvedAddress[]>,
): Promise<Socket> {
  const host = normaliseHost(raw) ?? ''
  const guard: Guard = (name, address) => {
    assertReachable(name, address, trust)
    if (plain && refusal(address, 'public') === null)
      throw new EgressRefused(`host \`${name}\` leads to a public address: use TLS, since everybody on the way would read along`)
  }
  if (!trust.has(host)) throw new UpstreamError('refused', `host \`${raw}\` is not in the egress list`, false)
  try {
    signal.throwIfAborted()
    if (isLiteral(host)) guard(host, host)
    const socket = connect({ host, port, lookup: guardedLookup(guard, resolve), timeout: LIMITS.upstreamConnectTimeoutMsMax, signal })
    await connected(socket)
    return socket
  } catch (error) {
    throw upstreamError(error, false, signal)
  }
}

async function connected(socket: Socket): Promise<void> {
  const tooLong = (): void => void socket.destroy(new UpstreamError('timeout', 'the upstream cannot be reached in time', false))
  socket.once('timeout', tooLong)
  await once(socket, 'connect')
  socket.off('timeout', tooLong)
  // Until its owner listens, an end of the connection must not end the process.
  socket.on('error', () => undefined)
  socket.setTimeout(0)
}

function assertReachable(host: string, address: string, trust: ReadonlyMap<string, Trust>): void {
  const reason = refusal(address, trust.get(host) ?? 'public')
  if (reason !== null)
    throw new EgressRefused(
      `host \`${host}\` leads to an address that is refused (${reason}): list the host under egress if it is meant to be private`,
    )
}
