import { Agent } from 'undici'
import type { LoadRequest } from '../workload.ts'

/** How a call ended for its agent. `doubt`: told that it may have been executed. `broken`: no whole answer. */
export type Ending = 'done' | 'held' | 'refused' | 'doubt' | 'broken' | 'other'

export interface Answered {
  /** What the system journals of it. */
  key: string
  form: string
  /** Address of the gateway. */
  origin: string
  ending: Ending
  status: number
  code: string | null
  /** Whether a refusal says when to try again. */
  saysWhen: boolean
  callId: string | null
  sentMs: number
  endedMs: number
  /** Of what was not expected. */
  text: string
}

interface Form {
  name: string
  /** `GET c-1`, `POST r1`. */
  key(n: number): string
  request(n: number, token: string): LoadRequest
  done(body: string): boolean
}

const JSON_TYPE = { 'content-type': 'application/json' }
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const order = (n: number, currency = 'EUR') => ({
  customerId: `c-${n}`,
  amount: (100 + (n % 5_000)) / 100,
  currency,
  reference: `r${n}`,
})
const posted = (path: string, n: number, token: string, more: Record<string, string> = {}, currency = 'EUR'): LoadRequest => ({
  method: 'POST',
  path,
  headers: { ...JSON_TYPE, ...bearer(token), ...more },
  body: JSON.stringify(order(n, currency)),
})
const wrote = (body: string): boolean => body.includes('"accepted"')
const read = (body: string): boolean => body.includes('Blue Harbour Trading')
const reading = { key: (n: number) => `GET c-${n}`, done: read }
const writing = { key: (n: number) => `POST r${n}`, done: wrote }
const MCP = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
const MCP_HEADERS = {
  ...JSON_TYPE,
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
}

function graphql(query: string, token: string): LoadRequest {
  const headers = { ...JSON_TYPE, accept: 'application/json', ...bearer(token) }
  return { method: 'POST', path: '/graphql', headers, body: JSON.stringify({ query }) }
}

function mcp(name: string, args: object, n: number, token: string): LoadRequest {
  const params = { name, arguments: args, _meta: MCP }
  const headers = { ...MCP_HEADERS, 'mcp-name': name, ...bearer(token) }
  return { method: 'POST', path: '/mcp', headers, body: JSON.stringify({ jsonrpc: '2.0', id: n, method: 'tools/call', params }) }
}

/** All doors, with reads, writes, keys, counted writes and held ones. No two calls are equal. */
export const FORMS: readonly Form[] = [
  {
    name: '/proxy GET',
    ...reading,
    request: (n, token) => ({ method: 'GET', path: `/proxy/crm/customers/c-${n}?limit=10`, headers: bearer(token), body: undefined }),
  },
  { name: '/proxy POST', ...writing, request: (n, token) => posted('/proxy/crm/orders', n, token) },
  {
    name: '/proxy POST with a key',
    ...writing,
    request: (n, token) => posted('/proxy/crm/orders', n, token, { 'idempotency-key': `key-${n}` }),
  },
  { name: '/proxy POST, counted', ...writing, request: (n, token) => posted('/proxy/crm/refunds', n, token) },
  {
    name: '/graphql query',
    ...reading,
    request: (n, token) => graphql(`{ crm_getCustomer(customerId: "c-${n}") { customerId name } }`, token),
  },
  {
    name: '/graphql mutation',
    ...writing,
    request: (n, token) => {
      const { customerId, amount, currency, reference } = order(n)
      const said = `customerId: "${customerId}", amount: ${amount}, currency: "${currency}", reference: "${reference}"`
      return graphql(`mutation { crm_createOrder(${said}) { state } }`, token)
    },
  },
  { name: '/mcp, reading', ...reading, request: (n, token) => mcp('crm_getCustomer', { customerId: `c-${n}` }, n, token) },
  {
    name: '/mcp, writing',
    ...writing,
    request: (n, token) => mcp('crm_createOrder', order(n), n, token),
  },
  { name: '/proxy POST, held', ...writing, request: (n, token) => posted('/proxy/crm/orders', n, token, { prefer: 'wait=0' }, 'USD') },
]

/** Where calls go at the moment. */
export interface Door {
  url: string
  token: string
}

/** Calls at a rate, whether or not earlier ones were answered, in turns to each door. */
export class Traffic {
  readonly answers: Answered[] = []
  readonly #agent = new Agent({ headersTimeout: 120_000, bodyTimeout: 120_000, keepAliveTimeout: 4_000 })
  readonly #running = new Set<Promise<void>>()
  readonly #heard = new Set<(answer: Answered) => void>()
  #timer: NodeJS.Timeout | undefined
  #closed: Promise<void> | undefined
  #n = 0

  constructor(private readonly doors: readonly Door[]) {}

  get offered(): number {
    return this.#n
  }

  get unanswered(): number {
    return this.#running.size
  }

  start(rate: number): void {
    const startMs = performance.now()
    const before = this.#n
    this.#timer = setInterval(() => {
      const due = before + Math.floor(((performance.now() - startMs) * rate) / 1_000)
      while (this.#n < due) this.#send(this.#n++)
    }, 2)
  }

  /** Offers no more, and resolves when all are answered. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#running)
  }

  /** The next answer of this kind to a call that is sent from now on. */
  next(like: (answer: Answered) => boolean): Promise<Answered> {
    const sinceMs = performance.now()
    return new Promise((resolve) => {
      const look = (answer: Answered): void => {
        if (answer.sentMs < sinceMs || !like(answer)) return
        this.#heard.delete(look)
        resolve(answer)
      }
      this.#heard.add(look)
    })
  }

  /** Calling it twice is harmless. */
  async close(): Promise<void> {
    await this.stop()
    this.#closed ??= this.#agent.close()
    await this.#closed
  }

  #send(n: number): void {
    const running = this.#one(n).then((answer) => {
      this.answers.push(answer)
      for (const hear of this.#heard) hear(answer)
      this.#running.delete(running)
    })
    this.#running.add(running)
  }

  async #one(n: number): Promise<Answered> {
    const form = FORMS[n % FORMS.length] as Form
    const { url, token } = this.doors[Math.floor(n / FORMS.length) % this.doors.length] as Door
    const { path, ...request } = form.request(n, token)
    const sentMs = performance.now()
    const base = { key: form.key(n), form: form.name, origin: url, sentMs }
    try {
      const answer = await this.#agent.request({ origin: url, path, ...request, body: request.body ?? null })
      const text = await answer.body.text()
      const told = { status: answer.statusCode, ...readAnswer(answer.statusCode, text, form) }
      const { 'retry-after': after, 'gatehouse-call': callId } = answer.headers
      const saysWhen = after !== undefined || /"retryAfterSeconds":\d|Try again in \d+ seconds/.test(text)
      const unexpected = told.ending === 'other' || (told.ending === 'refused' && !saysWhen) ? text.slice(0, 500) : ''
      return {
        ...base,
        ...told,
        saysWhen,
        callId: typeof callId === 'string' ? callId : null,
        endedMs: performance.now(),
        text: unexpected,
      }
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      return { ...base, ending: 'broken', status: 0, code: null, saysWhen: false, callId: null, endedMs: performance.now(), text }
    }
  }
}

/** What an answer says, at any door. */
function readAnswer(status: number, text: string, form: Form): { ending: Ending; code: string | null } {
  const code = /"code":"([A-Z_]+)"/.exec(text)?.[1] ?? /\(([A-Z_]+)(?:, status \d+)?\)/.exec(text)?.[1] ?? null
  if (status < 300 && form.done(text)) return { ending: 'done', code: null }
  if (text.includes('"inDoubt":true') || text.includes('IN DOUBT')) return { ending: 'doubt', code }
  if (code === 'HELD') return { ending: 'held', code }
  if (code === 'UNAVAILABLE' || code === 'LIMITED') return { ending: 'refused', code }
  return { ending: 'other', code }
}
