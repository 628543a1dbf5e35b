import {
  buildClientSchema,
  getIntrospectionQuery,
  getNamedType,
  type GraphQLField,
  type GraphQLOutputType,
  type GraphQLSchema,
  isObjectType,
} from 'graphql'
import type { JsonObject, JsonValue } from '../core/json.ts'
import { atPointer, isJsonObject } from '../core/json.ts'
import type { Bed } from './harness.ts'
import { type Heard, heardGraphql, heardHttp, heardMcp, heardState } from './heard.ts'
import type { HttpForms } from './http-form.ts'
import { type Fields, fields, items, jsonOf, type Outgoing, type Reply, send } from './send.ts'

/** One request of an agent, before it takes the form of a door. */
export interface Ask {
  agent: string
  subject?: string
  /** `connector.operation`. */
  operation: string
  input: JsonObject
  says?: Says
  /** The plain HTTP request, where the arguments cannot be written by a connector (they are no good). Below `/proxy`. */
  http?: Outgoing
}

/** What an agent says beside its arguments. */
export interface Says {
  rationale?: string
  run?: string
  decisionRecord?: JsonValue
  idempotencyKey?: string
  traceparent?: string
}

export const DOORS = ['graphql', 'mcp', 'mcp-2025', 'http'] as const
export type DoorName = (typeof DOORS)[number]

/** A client at one of the doors, for any agent. */
export interface Door {
  readonly name: DoorName
  call(ask: Ask): Promise<Heard>
  /** What became of a call that was held, once it is known; claims it where it waits for its agent. Waits for at most ten seconds. */
  after(ask: Ask, callId: string): Promise<Heard>
}

export function openDoor(name: DoorName, bed: Bed, forms: HttpForms): Door {
  if (name === 'graphql') return new GraphqlClient(bed)
  if (name === 'http') return new HttpClient(bed, forms)
  return new McpClient(name, bed)
}

const WAIT_SECONDS = 10
const jointName = (operation: string): string => operation.replace('.', '_')
const bearer = async (bed: Bed, { agent, subject }: Pick<Ask, 'agent' | 'subject'>): Promise<Record<string, string>> => ({
  authorization: `Bearer ${await bed.agentToken(agent, subject)}`,
})

/** Header values travel as bytes; ours are UTF-8. */
const latin1 = (value: string): string => Buffer.from(value, 'utf8').toString('latin1')

/** What is said beside the arguments, as headers. */
export function saidInHeaders({ rationale, run, decisionRecord, idempotencyKey, traceparent }: Says): Record<string, string> {
  return {
    ...(rationale === undefined ? {} : { 'gatehouse-rationale': latin1(rationale) }),
    ...(run === undefined ? {} : { 'gatehouse-run': latin1(run) }),
    ...(decisionRecord === undefined ? {} : { 'gatehouse-decision-record': latin1(JSON.stringify(decisionRecord)) }),
    ...(idempotencyKey === undefined ? {} : { 'idempotency-key': latin1(idempotencyKey) }),
    ...(traceparent === undefined ? {} : { traceparent }),
  }
}

/** An agent that was refused before it could ask: that refusal is its answer. */
class NotEvenSeen extends Error {
  constructor(readonly heard: Heard) {
    super(heard.reply.text)
  }
}

function heardAnyway(error: unknown): Heard {
  if (error instanceof NotEvenSeen) return error.heard
  throw error
}

/** A plain HTTP client below `/proxy`. */
class HttpClient implements Door {
  readonly name = 'http'

  constructor(
    private readonly bed: Bed,
    private readonly forms: HttpForms,
  ) {}

  async call(ask: Ask): Promise<Heard> {
    const { headers, ...request } = ask.http ?? (await this.forms.request(ask.operation, ask.input))
    const own = { ...headers, ...saidInHeaders(ask.says ?? {}), ...(await bearer(this.bed, ask)) }
    return heardHttp(await send(this.bed.url, { ...request, headers: own }))
  }

  async after(ask: Ask, callId: string): Promise<Heard> {
    const headers = await bearer(this.bed, ask)
    const ask_ = (method: string, rest: string): Promise<Reply> =>
      send(this.bed.url, { method, path: `/v1/calls/${callId}${rest}`, headers })
    const status = fields(jsonOf(await ask_('GET', '?wait=1')))
    if (status.state === 'approved') return heardHttp(await ask_('POST', '/claim'))
    await ask_('GET', `?wait=${WAIT_SECONDS}`)
    return heardHttp(await ask_('GET', '/response'))
  }
}

/** A GraphQL client that knows its view from introspection and selects everything there is. */
class GraphqlClient implements Door {
  readonly name = 'graphql'
  readonly #views = new Map<string, Promise<GraphQLSchema>>()

  constructor(private readonly bed: Bed) {}

  call(ask: Ask): Promise<Heard> {
    return this.#ask(ask, {}).catch(heardAnyway)
  }

  async after(ask: Ask, callId: string): Promise<Heard> {
    const query = `query ($id: ID!, $wait: Int) { call(id: $id, waitSeconds: $wait) { state error { code advice } upstreamStatus result masked } }`
    const stands = async (wait: number): Promise<{ reply: Reply; call: Fields }> => {
      const reply = await this.#post(ask, { query, variables: { id: callId, wait } })
      return { reply, call: fields(fields(fields(jsonOf(reply)).data).call) }
    }
    // A call that waits for its agent is claimed by asking again.
    if ((await stands(0)).call.state === 'approved') {
      const claimed = await this.#ask(ask, { prefer: `wait=${WAIT_SECONDS}` })
      if (claimed.callId === callId) return claimed
    }
    const { reply, call } = await stands(WAIT_SECONDS)
    return heardState(reply, callId, call)
  }

  async #ask(ask: Ask, headers: Record<string, string>): Promise<Heard> {
    const field = await this.#field(ask)
    const { says, input } = ask
    const name = jointName(ask.operation)
    const request = field ? documentFor(name, field, input) : { query: `{ ${name} }`, variables: {} }
    const extensions = says ? { extensions: { gatehouse: says } } : {}
    const heard = heardGraphql(await this.#post(ask, { ...request, ...extensions }, headers))
    return { ...heard, pointers: heard.pointers.map((pointer) => argumentPointer(pointer, input)) }
  }

  async #post(ask: Ask, body: Fields, headers: Record<string, string> = {}): Promise<Reply> {
    const own = { 'content-type': 'application/json', ...headers, ...(await bearer(this.bed, ask)) }
    return await send(this.bed.url, { method: 'POST', path: '/graphql', headers: own, body: JSON.stringify(body) })
  }

  async #field(ask: Ask): Promise<Field | undefined> {
    const key = JSON.stringify([ask.agent, ask.subject])
    const view = this.#views.get(key) ?? this.#introspect(ask)
    this.#views.set(key, view)
    const schema = await view
    const name = jointName(ask.operation)
    for (const [kind, root] of [
      ['query', schema.getQueryType()],
      ['mutation', schema.getMutationType()],
    ] as const) {
      const field = root?.getFields()[name]
      if (field) return { ...field, kind }
    }
    return undefined
  }

  async #introspect(ask: Ask): Promise<GraphQLSchema> {
    const reply = await this.#post(ask, { query: getIntrospectionQuery() })
    const { data } = fields(jsonOf(reply))
    if (data === undefined) throw new NotEvenSeen(heardGraphql(reply))
    return buildClientSchema(data as Parameters<typeof buildClientSchema>[0])
  }
}

type Field = GraphQLField<unknown, unknown> & { kind: 'query' | 'mutation' }

/** As the door maps names that GraphQL does not have (surfaces: "Names and types"). */
const argumentName = (property: string): string => property.replace(/[^A-Za-z0-9_]+/g, '_')

/** `/variables/X_Company_Code/0` back to `/X-Company-Code/0`. */
function argumentPointer(pointer: string, input: JsonObject): string {
  const [first = '', ...rest] = pointer
    .replace(/^\/variables/, '')
    .slice(1)
    .split('/')
  const property = Object.keys(input).find((key) => argumentName(key) === first) ?? first
  return `/${[property, ...rest].join('/')}`
}

/** Declared arguments go as variables, undeclared ones as literals (a variable needs a type). */
function documentFor(name: string, field: Field, input: JsonObject): { query: string; variables: JsonObject } {
  const types = new Map(field.args.map((arg) => [arg.name, String(arg.type)]))
  const variables: JsonObject = {}
  const definitions: string[] = []
  const args: string[] = []
  for (const [property, value] of Object.entries(input)) {
    const arg = argumentName(property)
    const type = types.get(arg)
    if (type === undefined) args.push(`${arg}: ${literal(value)}`)
    else {
      // Required arguments may lack a value here: whether that is good is the door's to say.
      variables[arg] = value
      definitions.push(`$${arg}: ${type}`)
      args.push(`${arg}: $${arg}`)
    }
  }
  const head = definitions.length > 0 ? `${field.kind} (${definitions.join(', ')})` : field.kind
  const call = args.length > 0 ? `${name}(${args.join(', ')})` : name
  return { query: `${head} { ${call} ${selectionOf(field.type)} }`, variables }
}

function selectionOf(type: GraphQLOutputType): string {
  const named = getNamedType(type)
  if (!isObjectType(named)) return ''
  return `{ ${Object.values(named.getFields())
    .map((field) => `${field.name} ${selectionOf(field.type)}`)
    .join(' ')} }`
}

function literal(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`
  if (!isJsonObject(value)) return JSON.stringify(value)
  return `{ ${Object.entries(value)
    .map(([key, member]) => `${key}: ${literal(member)}`)
    .join(', ')} }`
}

const STATELESS = '2026-07-28'
const SESSION = '2025-11-25'
const PROTOCOL = 'io.modelcontextprotocol'

/** An MCP client in one of the two eras, by hand: no library stands between the test and the wire. */
export class McpClient implements Door {
  readonly #sessions = new Map<string, Promise<string>>()
  #id = 0

  constructor(
    readonly name: 'mcp' | 'mcp-2025',
    private readonly bed: Bed,
  ) {}

  call(ask: Ask): Promise<Heard> {
    return this.tool(ask, jointName(ask.operation), ask.input).catch(heardAnyway)
  }

  after(ask: Ask, callId: string): Promise<Heard> {
    return this.tool({ ...ask, says: {} }, 'gatehouse_call_wait', { id: callId, waitSeconds: WAIT_SECONDS })
  }

  async tool(ask: Pick<Ask, 'agent' | 'subject' | 'says'>, name: string, input: JsonObject): Promise<Heard> {
    const { traceparent, ...says } = ask.says ?? {}
    const meta = {
      ...Object.fromEntries(Object.entries(says).map(([key, value]) => [`gatehouse/${key}`, value])),
      ...(traceparent === undefined ? {} : { traceparent }),
    }
    const reply = await this.rpc(ask, 'tools/call', { name, arguments: input, _meta: meta })
    return heardMcp(reply, messageOf(reply))
  }

  /** One request. Sessions are opened once an agent and subject. */
  async rpc(ask: Pick<Ask, 'agent' | 'subject'>, method: string, params: Fields): Promise<Reply> {
    const session = this.name === 'mcp-2025' ? await this.session(ask) : undefined
    const id = ++this.#id
    const own =
      session === undefined
        ? this.#stateless(method, params)
        : { params, headers: { 'mcp-session-id': session, 'mcp-protocol-version': SESSION } }
    return await this.#post(ask, { jsonrpc: '2.0', id, method, params: own.params }, own.headers)
  }

  session(ask: Pick<Ask, 'agent' | 'subject'>): Promise<string> {
    const key = JSON.stringify([ask.agent, ask.subject])
    const session = this.#sessions.get(key) ?? this.#initialize(ask)
    this.#sessions.set(key, session)
    return session
  }

  #stateless(method: string, params: Fields): { params: Fields; headers: Record<string, string> } {
    const meta = { [`${PROTOCOL}/protocolVersion`]: STATELESS, [`${PROTOCOL}/clientCapabilities`]: {}, ...fields(params._meta) }
    const headers = { 'mcp-protocol-version': STATELESS, 'mcp-method': method }
    const name = params.name ?? params.taskId
    return { params: { ...params, _meta: meta }, headers: typeof name === 'string' ? { ...headers, 'mcp-name': name } : headers }
  }

  async #initialize(ask: Pick<Ask, 'agent' | 'subject'>): Promise<string> {
    const params = { protocolVersion: SESSION, capabilities: {}, clientInfo: { name: 'e2e', version: '1' } }
    const reply = await this.#post(ask, { jsonrpc: '2.0', id: 0, method: 'initialize', params }, {})
    const id = reply.headers['mcp-session-id']
    if (id === undefined) throw new NotEvenSeen(heardMcp(reply, messageOf(reply)))
    const headers = { 'mcp-session-id': id, 'mcp-protocol-version': SESSION }
    await this.#post(ask, { jsonrpc: '2.0', method: 'notifications/initialized' }, headers)
    return id
  }

  async #post(ask: Pick<Ask, 'agent' | 'subject'>, body: Fields, headers: Record<string, string>): Promise<Reply> {
    const own = {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
      ...(await bearer(this.bed, ask)),
    }
    return await send(this.bed.url, { method: 'POST', path: '/mcp', headers: own, body: JSON.stringify(body) })
  }
}

/** The JSON-RPC response in a reply, also where it came as the last event of a stream. */
export function messageOf(reply: Reply): unknown {
  if (!reply.headers['content-type']?.startsWith('text/event-stream')) return jsonOf(reply)
  const data = reply.text.split('\n').filter((line) => line.startsWith('data: '))
  return JSON.parse((data.at(-1) ?? 'data: null').slice('data: '.length))
}

/** Tools of a tools/list answer, by name. */
export const toolNames = (reply: Reply): string[] =>
  items(atPointer(messageOf(reply) as JsonValue, '/result/tools')).map((tool) => String(fields(tool).name))
