import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'

/** How a call went, in the same words for every door. */
export interface Heard {
  outcome: 'done' | 'held' | 'denied' | 'refused' | 'failed'
  /** The system's answer where done, else undefined. */
  value?: unknown
  /** What the gateway said where not done. */
  words: string
  callId?: string
  traceId?: string
  door: 'GraphQL' | 'MCP' | 'HTTP'
}

type Fields = Record<string, unknown>
export const fields = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {})
export const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

const OUTCOMES: Readonly<Record<string, Heard['outcome']>> = { DENIED: 'denied', HELD: 'held' }

function names(headers: Headers): Pick<Heard, 'callId' | 'traceId'> {
  const callId = headers.get('gatehouse-call')?.split(',')[0]?.trim()
  const traceId = headers.get('traceparent')?.split('-')[1]
  return { ...(callId ? { callId } : {}), ...(traceId ? { traceId } : {}) }
}

/** An agent of the organisation at the gateway's three doors. */
export class Agent {
  readonly name: string
  readonly #gateway: string
  readonly #authorization: string
  #mcp: Client | undefined
  /** Headers of the latest MCP answer: the client library keeps them to itself. */
  #mcpHeaders = new Headers()

  constructor(gateway: string, name: string, token: string) {
    this.#gateway = gateway
    this.name = name
    this.#authorization = `Bearer ${token}`
  }

  /** The newest version of a playbook. */
  async playbook(name: string): Promise<Fields> {
    const response = await fetch(`${this.#gateway}/v1/playbooks/${name}`, { headers: { authorization: this.#authorization } })
    return fields(await response.json())
  }

  /** Sends a document of one root field; `why` is the agent's rationale, `decisionRecord` what its playbook came to. */
  async graphql(document: string, why?: string, decisionRecord?: Fields): Promise<Heard> {
    const response = await fetch(`${this.#gateway}/graphql`, {
      method: 'POST',
      headers: {
        authorization: this.#authorization,
        'content-type': 'application/json',
        ...(why === undefined ? {} : { 'gatehouse-rationale': why }),
      },
      body: JSON.stringify({ query: document, ...(decisionRecord && { extensions: { gatehouse: { decisionRecord } } }) }),
    })
    const { data, errors } = (await response.json()) as { data?: Fields | null; errors?: { message: string; extensions?: Fields }[] }
    const heard = { ...names(response.headers), door: 'GraphQL' } as const
    const error = errors?.[0]
    if (!error) return { ...heard, outcome: 'done', value: Object.values(data ?? {})[0], words: '' }
    const { code, callId, advice } = error.extensions ?? {}
    const words = [error.message, advice].filter(Boolean).join('. ')
    const id = typeof callId === 'string' ? { callId } : {}
    return { ...heard, ...id, outcome: OUTCOMES[String(code)] ?? (code === 'UPSTREAM' ? 'failed' : 'refused'), words }
  }

  /** Calls a tool. A held call is answered at once only where `patient` is false: the MCP door waits up to 45 s for people. */
  async tool(name: string, args: Fields, why?: string): Promise<Heard> {
    const client = await this.#connected()
    const meta = why === undefined ? {} : { _meta: { 'gatehouse/rationale': why } }
    try {
      const result = await client.callTool({ name, arguments: args, ...meta })
      const words = items(result.content)
        .map((block) => String(fields(block).text ?? ''))
        .join('\n')
      const heard = { ...names(this.#mcpHeaders), door: 'MCP' } as const
      if (!result.isError) return { ...heard, outcome: 'done', value: result.structuredContent ?? words, words: '' }
      const outcome = words.startsWith('NOT EXECUTED yet') ? 'held' : words.startsWith('NOT EXECUTED: denied') ? 'denied' : 'failed'
      return { ...heard, outcome, words }
    } catch (error) {
      return { outcome: 'refused', words: error instanceof Error ? error.message : String(error), door: 'MCP' }
    }
  }

  async tools(): Promise<readonly string[]> {
    const client = await this.#connected()
    return (await client.listTools()).tools.map((tool) => tool.name)
  }

  /** Plain HTTP below `/proxy/{connector}`. */
  async http(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Heard & { status: number }> {
    const response = await fetch(`${this.#gateway}/proxy${path}`, {
      method,
      headers: {
        authorization: this.#authorization,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const value: unknown = text === '' ? undefined : JSON.parse(text)
    const heard = { ...names(response.headers), door: 'HTTP', status: response.status } as const
    if (response.status === 202) return { ...heard, outcome: 'held', words: 'held until people decide' }
    if (response.ok) return { ...heard, outcome: 'done', value, words: '' }
    const { code, detail, message, advice } = fields(value)
    const words = [detail ?? message, advice].filter(Boolean).join('. ')
    return { ...heard, outcome: OUTCOMES[String(code)] ?? (code === undefined ? 'failed' : 'refused'), words }
  }

  /** Asks after a call until it has ended or `timeoutMs` is over; null while it has not. */
  async ended(callId: string, timeoutMs: number): Promise<{ state: string; result: unknown; words: string } | null> {
    const until = Date.now() + timeoutMs
    while (Date.now() < until) {
      const wait = Math.max(1, Math.min(25, Math.ceil((until - Date.now()) / 1000)))
      const response = await fetch(`${this.#gateway}/v1/calls/${callId}?wait=${wait}`, { headers: { authorization: this.#authorization } })
      const status = fields(await response.json())
      if (response.status !== 202) {
        const error = fields(status.error)
        return { state: String(status.state), result: status.result, words: [error.message, error.advice].filter(Boolean).join('. ') }
      }
    }
    return null
  }

  async close(): Promise<void> {
    await this.#mcp?.close()
  }

  async #connected(): Promise<Client> {
    if (this.#mcp) return this.#mcp
    const remembering: typeof fetch = async (input, init) => {
      const response = await fetch(input, init)
      if (init?.method === 'POST') this.#mcpHeaders = response.headers
      return response
    }
    const client = new Client({ name: this.name, version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } })
    const transport = new StreamableHTTPClientTransport(new URL(`${this.#gateway}/mcp`), {
      requestInit: { headers: { authorization: this.#authorization } },
      fetch: (url, init) => remembering(url, init),
    })
    await client.connect(transport)
    this.#mcp = client
    return client
  }
}
