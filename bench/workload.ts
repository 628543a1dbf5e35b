/** What a client sends: the same calls for every contender, in the words of its door. */
export type Kind = 'read' | 'write' | 'write-fresh' | 'graphql' | 'mcp' | 'mcp-session'

/** Where a workload goes. Plain data, since it travels to the process that makes the load. */
export interface Target {
  kind: Kind
  url: string
  /** `/proxy/crm` at the gateway, empty elsewhere. */
  prefix: string
  headers: Readonly<Record<string, string>>
}

export interface LoadRequest {
  method: 'GET' | 'POST'
  path: string
  headers: Record<string, string>
  body: string | undefined
}

const QUERY = `query ($customerId: String!, $limit: Int) {
  crm_getCustomer(customerId: $customerId, limit: $limit) { customerId name region balance tags orders { orderId amount state } }
}`
const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
const JSON_TYPE = { 'content-type': 'application/json' }
const MCP_ACCEPT = 'application/json, text/event-stream'

/**
 * 10,000 customers, four page sizes, a fresh reference each, so no two writes are equal. A `write` has one of 100 amounts, which is all that policy looks
 * at; a `write-fresh` one of 39,900, so that nearly every one is decided afresh.
 */
export function requestOf({ kind, prefix, headers }: Target, n: number): LoadRequest {
  const customerId = `c-${n % 10_000}`
  const limit = 10 + (n % 4)
  switch (kind) {
    case 'read':
      return { method: 'GET', path: `${prefix}/customers/${customerId}?limit=${limit}`, headers: { ...headers }, body: undefined }
    case 'write':
    case 'write-fresh': {
      const amount = (100 + (n % (kind === 'write' ? 100 : 39_900))) / 100
      const body = JSON.stringify({ customerId, amount, currency: 'EUR', reference: `r${n}` })
      return { method: 'POST', path: `${prefix}/orders`, headers: { ...JSON_TYPE, ...headers }, body }
    }
    case 'graphql': {
      const body = JSON.stringify({ query: QUERY, variables: { customerId, limit } })
      return { method: 'POST', path: '/graphql', headers: { ...JSON_TYPE, accept: 'application/json', ...headers }, body }
    }
    default:
      return mcpCall(kind, headers, n, { customerId, limit })
  }
}

function mcpCall(kind: 'mcp' | 'mcp-session', headers: Readonly<Record<string, string>>, n: number, args: object): LoadRequest {
  const name = 'crm_getCustomer'
  const params = { name, arguments: args, ...(kind === 'mcp' ? { _meta: META } : {}) }
  const revision =
    kind === 'mcp'
      ? { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': name }
      : { 'mcp-protocol-version': '2025-11-25' }
  return {
    method: 'POST',
    path: '/mcp',
    headers: { ...JSON_TYPE, accept: MCP_ACCEPT, ...revision, ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', id: n, method: 'tools/call', params }),
  }
}

/** Whether an answer is the one that was asked for; a refusal inside a 200 is none. */
export function isGood({ kind }: Pick<Target, 'kind'>, body: string): boolean {
  return kind.startsWith('write')
    ? body.includes('"state":"accepted"')
    : body.includes('Blue Harbour Trading') && !body.includes('"isError":true')
}
