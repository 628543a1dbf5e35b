import ipaddr from 'ipaddr.js'

/** Ranges that a host opens by being named among the private hosts of its rule. Nothing else opens. */
const OPENED_BY_NAME: ReadonlySet<string> = new Set(['private', 'loopback', 'linkLocal', 'uniqueLocal', 'carrierGradeNat'])
/** Ranges in which nothing listens that a connector could mean. */
const NEVER: ReadonlySet<string> = new Set(['unspecified', 'multicast', 'broadcast'])

/** Where clouds hand out machine credentials. Only the literal itself, listed as a private host, opens one of them. */
const METADATA: ReadonlySet<string> = new Set([
  '169.254.169.254',
  '169.254.169.253',
  '169.254.170.2',
  '169.254.170.23',
  '168.63.129.16',
  '100.100.100.200',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd00:ec2::23',
  'fd20:ce::254',
])

/** How much a rule trusts the host that an address was found under. */
export type Trust = 'public' | 'private-name' | 'private-literal'

/**
 * Host part of a URL as the WHATWG parser reads it (RFC 3986 authority; IDN to punycode; decimal, octal and hex IPv4 forms to dotted
 * quads; IPv6 compressed), lower case, without brackets and without the one trailing dot of an absolute name. Null where it is no host alone.
 */
export function normaliseHost(raw: string): string | null {
  if (raw === '' || /[\s/\\?#@]/.test(raw)) return null
  const bare = raw.startsWith('[') ? raw.slice(1, -1) : raw
  const url = URL.parse(`http://${bare.includes(':') ? `[${bare}]` : bare}/`)
  if (url === null || url.port !== '' || url.pathname !== '/') return null
  return hostOf(url)
}

/** The same form, of a URL already parsed. */
export function hostOf(url: URL): string {
  if (url.hostname.startsWith('[')) return url.hostname.slice(1, -1)
  return url.hostname.endsWith('.') ? url.hostname.slice(0, -1) : url.hostname
}

/** Whether a normalised host is an address literal. */
export const isLiteral = (host: string): boolean => ipaddr.isValid(host)

/**
 * The reason why a connection to this address is refused, or null. Addresses that carry an IPv4 address inside (mapped, compatible,
 * translated, 6to4, Teredo, ISATAP) are refused whatever they carry, since what they reach depends on the network.
 */
export function refusal(address: string, trust: Trust): string | null {
  if (!ipaddr.isValid(address)) return 'not an address'
  const parsed = ipaddr.parse(address)
  const range = parsed.range()
  if (NEVER.has(range)) return range
  if (trust === 'private-literal') return null
  if (METADATA.has(parsed.toString())) return 'metadata service'
  if (trust === 'private-name' && OPENED_BY_NAME.has(range)) return null
  if (range !== 'unicast') return range
  return parsed instanceof ipaddr.IPv6 ? notGlobal(parsed.parts) : null
}

/** Global unicast is 2000::/3 (RFC 4291 2.4); `::/96` and other unassigned space is not. ISATAP: RFC 5214 6.1. */
function notGlobal(parts: readonly number[]): string | null {
  const first = parts[0] ?? 0
  if (first < 0x2000 || first > 0x3fff) return 'not global unicast'
  const marker = parts[5]
  return marker === 0x5efe && ((parts[4] ?? 0) & 0xfdff) === 0 ? 'isatap' : null
}
