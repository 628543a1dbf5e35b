import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Ajv } from 'ajv'
import { AgentTypes } from '../../../schema/agent/types.ts'
import { buildView } from '../../../schema/agent/view.ts'
import { instant } from '../../core/clock.ts'
import type { ErrorCode, Fault } from '../../core/errors.ts'
import { GatewayError } from '../../core/errors.ts'
import type { CallId } from '../../core/ids.ts'
import { newCallId, operationId } from '../../core/ids.ts'
import type { JsonObject, JsonValue } from '../../core/json.ts'
import type { Catalogue, JsonSchema, Mode, Operation } from '../../core/operation.ts'
import type { Principal } from '../../core/principal.ts'
import type { Admitted, Answer, Asked, Calls, CallStatus } from '../../ports/calls.ts'
import { createGraphqlDoor } from './door.ts'

/** An operation for tests; `input` are the properties, those ending in `!` required. */
export function operation(id: string, mode: Mode, input: Record<string, JsonSchema>, outputSchema?: JsonSchema): Operation {
  const [connector = '', name = ''] = id.split('.')
  const properties = Object.fromEntries(Object.entries(input).map(([key, schema]) => [key.replace(/!$/, ''), schema]))
  const required = Object.keys(input).flatMap((key) => (key.endsWith('!') ? [key.slice(0, -1)] : []))
  return {
    id: operationId(connector, name),
    connector,
    name,
    jointName: `${connector}_${name}`,
    version: 'v1',
    description: `Does ${name}.`,
    mode,
    reversibility: mode === 'read' ? 'read-only' : 'irreversible',
    inputSchema: { type: 'object', properties, required, additionalProperties: false },
    ...(outputSchema && { outputSchema }),
    dataClasses: {},
    labels: [],
    idempotency: { kind: 'none' },
    timeoutMs: 1_000,
    region: 'eu',
    route: { method: mode === 'read' ? 'GET' : 'POST', path: `/${name}` },
  }
}

export function catalogueOf(operations: readonly Operation[]): Catalogue {
  return {
    version: operations.map(({ id }) => id).join(),
    connectors: [],
    operations: new Map(operations.map((each) => [each.id, each])),
    byJointName: new Map(operations.map((each) => [each.jointName, each])),
  }
}

export interface Rules {
  /** What policy says; permit where silent. */
  decide?: (operation: Operation, input: JsonObject, principal: Principal) => 'permit' | 'deny' | 'hold'
  /** What upstream answers; the input where silent. */
  upstream?: (operation: Operation, input: JsonObject, signal: AbortSignal) => JsonValue | Promise<JsonValue>
  answer?: (operation: Operation, callId: CallId) => Answer | undefined
}

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

/** The pipeline in memory: it decides by `rules`, runs in order of arrival, and writes down everything that happened. */
export class MemoryCalls implements Calls {
  readonly events: string[] = []
  readonly asked: Asked[] = []
  readonly refusals: { asked: string | null; code: ErrorCode; message: string; faults: readonly Fault[] }[] = []
  readonly deliveredIds: CallId[] = []
  private readonly ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false })
  private readonly statuses = new Map<string, { owner: string; status: CallStatus }>()
  private readonly all: Catalogue
  private readonly agents: Readonly<Record<string, readonly string[]>>
  private readonly rules: Rules

  /** `agents`: token (the agent's name) to the ids of operations that it sees. */
  constructor(operations: readonly Operation[], agents: Readonly<Record<string, readonly string[]>>, rules: Rules = {}) {
    this.all = catalogueOf(operations)
    this.agents = agents
    this.rules = rules
  }

  async authenticate(authorization: string | undefined): Promise<Principal> {
    const name = /^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? ''
    if (!Object.hasOwn(this.agents, name))
      throw new GatewayError('UNAUTHENTICATED', authorization === undefined ? 'no token' : 'the token does not verify')
    const agent = {
      name,
      owner: 'ann',
      team: 't',
      region: 'eu',
      purpose: '',
      roles: ['clerk'],
      clearance: [],
      autonomy: 1,
      status: 'active',
      epoch: 1,
    } as const
    return { agent, actors: [name], issuer: 'https://issuer.example', tokenExpiresAtMs: Number.MAX_SAFE_INTEGER }
  }

  catalogue(): Catalogue {
    return this.all
  }

  view(principal: Principal) {
    const ids = this.agents[principal.agent.name] ?? []
    return { key: ids.join(), operations: [...this.all.operations.values()].filter(({ id }) => ids.includes(id)) }
  }

  find(principal: Principal, jointName: string): Operation | undefined {
    return this.view(principal).operations.find((each) => each.jointName === jointName)
  }

  match(): never {
    throw new GatewayError('NOT_FOUND', 'not here')
  }

  async admit(principal: Principal, asked: Asked): Promise<Admitted> {
    const { operation, input } = asked
    this.asked.push(asked)
    const callId = newCallId(this.asked.length, randomBytes(16))
    const validate = this.ajv.compile(operation.inputSchema)
    if (!validate(input)) {
      const faults = (validate.errors ?? []).map((each) => ({ pointer: each.instancePath, message: each.message ?? '' }))
      const answer: Answer = { kind: 'refused', traceparent: TRACEPARENT, code: 'BAD_INPUT', message: 'the arguments do not fit', faults }
      return { run: async () => answer, abandon: async () => undefined }
    }
    const verdict = this.rules.decide?.(operation, input, principal) ?? 'permit'
    this.events.push(`${verdict} ${operation.id}`)
    const status: CallStatus = { id: callId, state: 'approved', operation: operation.id, createdAt: instant(0) }
    this.statuses.set(callId, { owner: principal.agent.name, status })
    return {
      callId,
      run: () => this.run(verdict, asked, status),
      abandon: async () => {
        this.events.push(`abandon ${operation.id}`)
      },
    }
  }

  private async run(verdict: 'permit' | 'deny' | 'hold', { operation, input, signal }: Asked, status: CallStatus): Promise<Answer> {
    const common = { callId: status.id, traceparent: TRACEPARENT }
    if (verdict === 'deny') return { kind: 'denied', ...common, reason: 'forbidden', advice: 'ask your owner' }
    if (verdict === 'hold') return { kind: 'held', ...common, expiresAt: instant(60_000) }
    const special = this.rules.answer?.(operation, status.id)
    if (special) return special
    this.events.push(`run ${operation.id}`)
    const value = await (this.rules.upstream?.(operation, input, signal) ?? input)
    status.state = 'completed'
    status.result = value
    return {
      kind: 'result',
      ...common,
      replayed: false,
      result: { status: 200, headers: {}, body: { kind: 'bytes', bytes: new Uint8Array() }, value },
    }
  }

  async call(principal: Principal, asked: Asked): Promise<Answer> {
    return (await this.admit(principal, asked)).run()
  }

  async refuse(
    _door: string,
    _principal: Principal | null,
    asked: string | null,
    error: { code: ErrorCode; message: string; faults?: readonly Fault[] },
  ) {
    this.refusals.push({ asked, code: error.code, message: error.message, faults: error.faults ?? [] })
  }

  async status(principal: Principal, id: CallId): Promise<CallStatus> {
    const found = this.statuses.get(id)
    if (found?.owner !== principal.agent.name) throw new GatewayError('NOT_FOUND', 'no such call')
    return found.status
  }

  outline(): never {
    throw new GatewayError('NOT_FOUND', 'not here')
  }

  answer(): never {
    throw new GatewayError('NOT_FOUND', 'not here')
  }

  claim(): never {
    throw new GatewayError('CALL_NOT_CLAIMABLE', 'not here')
  }

  async cancel(): Promise<void> {}

  delivered(id: CallId): void {
    this.deliveredIds.push(id)
  }
}

export interface Posted {
  status: number
  headers: Headers
  body: {
    data?: Record<string, JsonValue>
    errors?: { message: string; path?: unknown[]; extensions: Record<string, unknown> }[]
    extensions?: JsonObject
  }
}

export interface Running {
  url: string
  log: unknown[]
  /** Posts a query as an agent. */
  ask(
    query: string,
    more?: { as?: string; variables?: JsonObject; headers?: Record<string, string>; extensions?: JsonObject; operationName?: string },
  ): Promise<Posted>
  close(): Promise<void>
}

/** A real HTTP server with the door over `calls`. */
export async function serve(calls: Calls): Promise<Running> {
  const log: unknown[] = []
  const note = (fields: unknown, message: string) => void log.push([message, fields])
  const types = new AgentTypes([...calls.catalogue().operations.values()])
  const door = createGraphqlDoor({
    calls,
    baseUrl: 'http://gatehouse.example',
    log: { info: note, warn: note, error: note },
    buildView: (_catalogue, operations) => buildView(operations, types),
  })
  const server = createServer((req, res) => void door.handle(req, res))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`
  return {
    url,
    log,
    ask: async (query, { as = 'agent', headers = {}, ...rest } = {}) => {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${as}`, ...headers },
        body: JSON.stringify({ query, ...rest }),
      })
      return { status: response.status, headers: response.headers, body: (await response.json()) as Posted['body'] }
    },
    close: async () => {
      await door.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
