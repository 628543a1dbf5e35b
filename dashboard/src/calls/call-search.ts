/**
 * What the address of `/calls` says, all of it optional and together:
 * `agent` `subject` `owner` `connector` `operation` `policy` `approver` `label` `run` as they are named; `object` as `Type:key` or a key alone;
 * `decision` permit, hold or deny; `reason` why policy denied; `state` one or several with commas; `door` graphql, mcp or http; `from` and `to` as ISO
 * times, `from` also as a span back from now (`1h`, `24h`, `7d`, `30d`); `q` words.
 */
export const SEARCH_KEYS = [
  'q',
  'state',
  'decision',
  'agent',
  'operation',
  'from',
  'to',
  'connector',
  'subject',
  'owner',
  'policy',
  'reason',
  'object',
  'approver',
  'label',
  'run',
  'door',
] as const
export type SearchKey = (typeof SEARCH_KEYS)[number]
export type CallSearch = { [key in SearchKey]?: string }

/** What of an address is asked for; what it says besides is left out. */
export function readSearch(raw: Record<string, unknown>): CallSearch {
  const search: CallSearch = {}
  for (const key of SEARCH_KEYS) {
    const value = raw[key]
    const text = typeof value === 'string' ? value.trim() : typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
    if (text !== '') search[key] = text
  }
  return search
}

const among = <T extends string>(of: readonly T[], word: string | undefined): T | undefined => of.find((one) => one === word)

export const STATES = [
  'held',
  'approved',
  'executing',
  'completed',
  'failed',
  'in_doubt',
  'denied',
  'rejected',
  'expired',
  'cancelled',
] as const
export const DECISIONS = ['permit', 'hold', 'deny'] as const
export const DENY_REASONS = ['no_permit', 'forbidden', 'policy_error'] as const
export const DOORS = ['graphql', 'mcp', 'http'] as const

const HOUR_MS = 3_600_000
/** Spans of time back from now. */
export const SPANS: Readonly<Record<string, number>> = { '1h': HOUR_MS, '24h': 24 * HOUR_MS, '7d': 168 * HOUR_MS, '30d': 720 * HOUR_MS }

function timeOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const span = SPANS[text]
  const at = span === undefined ? Date.parse(text) : Date.now() - span
  return Number.isNaN(at) ? undefined : new Date(at).toISOString()
}

/** The filter to ask for. Words that stand for nothing are left out. */
export function filterOf(search: CallSearch) {
  const { agent, subject, owner, connector, operation, policy, approver, label, object, run } = search
  const states = search.state?.split(',').flatMap((word) => among(STATES, word) ?? [])
  const filter = {
    ...{ agent, subject, owner, connector, operation, policy, approver, label, object, run },
    text: search.q,
    state: states && states.length > 0 ? states : undefined,
    decision: among(DECISIONS, search.decision),
    denyReason: among(DENY_REASONS, search.reason),
    door: among(DOORS, search.door),
    since: timeOf(search.from),
    until: timeOf(search.to),
  }
  const given = Object.entries(filter).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as { [key in keyof typeof filter]?: NonNullable<(typeof filter)[key]> }
}
