import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInProcessBus } from '../bus/in-process.ts'
import { compile } from '../compile.ts'
import type { Configuration } from '../config/load.ts'
import { instant } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { type ApprovalDefinition, PLAIN_TERMS } from '../core/hold.ts'
import { type CallId, newCallId, newHoldId, operationId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import type { Principal } from '../core/principal.ts'
import { counterKey } from '../credentials/counter-key.ts'
import { createDialer } from '../egress/dialer.ts'
import { LIMITS } from '../limits.ts'
import type { Answer, Asked, Calls } from '../ports/calls.ts'
import type { Manifest } from '../ports/connector.ts'
import type { Detector } from '../ports/detector.ts'
import { createRecorder } from '../record/recorder.ts'
import { openStorage } from '../storage/open-storage.ts'
import { freshPglite, freshPostgres } from '../storage/test-databases.ts'
import { activateEmptySet } from '../storage/test-policy-sets.ts'
import { createTelemetry } from '../telemetry/telemetry.ts'
import { createCalls } from './calls.ts'
import { createReleaser, type Releaser } from './resume.ts'
import { countedSeries } from './counted-series.ts'
import { createSlots } from './slots.ts'
import type { Limits, Parts } from './stages.ts'

const DOCUMENT = {
  openapi: '3.1.0',
  info: { title: 'Shop', version: '1' },
  paths: {
    '/things/{id}': {
      get: op('getThing', [pathId()]),
      put: { ...op('putThing', [pathId()]), requestBody: body() },
      delete: op('hiddenDelete', [pathId()]),
    },
    '/payments': { post: { ...op('pay'), requestBody: body() } },
    '/orders': { post: { ...op('order'), requestBody: body() } },
    '/hidden': { post: { ...op('hidden'), requestBody: body() } },
  },
}

function op(id: string, parameters: readonly object[] = []) {
  return { operationId: id, parameters, responses: { '200': { description: '', content: { 'application/json': { schema: {} } } } } }
}
function pathId() {
  return { name: 'id', in: 'path', required: true, schema: { type: 'string' } }
}
function body() {
  return {
    required: true,
    content: { 'application/json': { schema: { type: 'object', properties: { amount: { type: 'integer' }, note: { type: 'string' } } } } },
  }
}

/** Amounts above 100 are held, above 1,000 their agent has to claim them, and 666 is forbidden. */
const POLICIES = `
@id("all") permit (principal, action in [Shop::Action::"getThing", Shop::Action::"putThing", Shop::Action::"pay", Shop::Action::"order"], resource);
@id("lead") @hold("lead") @advice("Ask the lead.") forbid (principal, action == Shop::Action::"pay", resource)
when { context.input has amount && context.input.amount > 100 && context.input.amount <= 1000 };
@id("claim") @hold("claim") forbid (principal, action == Shop::Action::"pay", resource)
when { context.input has amount && context.input.amount > 1000 };
@id("never") @advice("Never that amount.") forbid (principal, action == Shop::Action::"pay", resource)
when { context.input has amount && context.input.amount == 666 };
`

const approval = (name: string, onApproval: 'execute' | 'claim', more: Partial<ApprovalDefinition> = {}): [string, ApprovalDefinition] => [
  name,
  {
    ...PLAIN_TERMS,
    name,
    requires: [{ group: 'leads', count: 1 }],
    expiresMs: 60_000,
    onApproval,
    edits: 'allowed',
    version: name.repeat(8),
    ...more,
  },
]

/** What the line stands on, where it is not the shop above: one connector `shop`, its policies and the facts they use. */
export interface World {
  document: object
  overrides: Manifest['operations']['overrides']
  policies: string
  facts: string
  detectors?: readonly Detector[]
  /** Beside the terms of the approval `lead`. */
  lead?: Partial<ApprovalDefinition>
}

export const SHOP: Omit<World, 'facts'> = {
  document: DOCUMENT,
  overrides: {
    getThing: { timeoutMs: 3_000 },
    pay: { timeoutMs: 3_000 },
    order: { idempotency: { kind: 'key-header', header: 'Idempotency-Key' } },
    putThing: { idempotency: { kind: 'idempotent' } },
  },
  policies: POLICIES,
}

function configurationOf(
  url: string,
  { document, overrides, policies, facts, lead }: Omit<World, 'facts'> & Partial<World>,
): Configuration {
  const agent = (name: string) => ({ name, owner: 'paul', team: 't', region: 'eu', purpose: '', roles: [], clearance: [], autonomy: 0 })
  return {
    file: 'gatehouse.yaml',
    organisation: 'acme',
    issuers: [{ kind: 'built-in', development: true }],
    manifests: [
      {
        connector: 'shop',
        kind: 'openapi',
        file: 'shop.yaml',
        source: { path: 'shop.json', text: JSON.stringify(document) },
        baseUrl: url,
        region: 'eu',
        egress: ['127.0.0.1'],
        operations: { overrides },
      },
    ],
    policies: [{ path: 'shop.cedar', connector: 'shop', text: policies }],
    ...(facts === undefined ? {} : { facts: { path: 'facts.yaml', text: facts } }),
    policyTests: [],
    playbooks: [],
    approvals: new Map([approval('lead', 'execute', lead), approval('claim', 'claim')]),
    approvalPlaces: new Map(),
    people: [
      { name: 'lea', groups: ['leads'], roles: [] },
      { name: 'liz', groups: ['leads'], roles: [] },
    ],
    agents: [agent('clerk'), agent('other'), agent('third')],
    clients: new Map(),
    notifications: { egress: [], smtp: null, webhooks: [], mailOf: new Map() },
    sinks: [],
    witnesses: [],
    telemetry: { logLevel: 'warn', serviceName: 'gatehouse' },
    limits: { callsPerMinute: 100_000, concurrentCalls: 1_000, openHolds: 1_000 },
    policyChanges: 'files',
    library: [],
    retention: {},
    labelWindowMs: LIMITS.labelWindowHoursDefault * 3_600_000,
    policyFolders: [],
  }
}

type Upstream = (req: IncomingMessage, res: ServerResponse, body: string) => void

/** The enforcement line on a real database, real policies and a real connector, with a system on loopback that does as it is told. */
export interface TestLine {
  parts: Parts
  calls: ReturnType<typeof createCalls>
  releaser: Releaser
  /** `METHOD path body` of what reached the system. */
  reached: string[]
  /** How the system meets its next requests, in order; after that it answers `{"ok": true}`. */
  meets: Upstream[]
  logged(): string
  principal(agent?: string, subject?: string): Principal
  ask(operation: string, input: JsonObject, more?: Partial<Asked>): Promise<Answer>
  asked(operation: string, input: JsonObject, more?: Partial<Asked>): Asked
  /** Lea agrees. The releaser is not told; call it, or claim. */
  approve(id: CallId): Promise<void>
  state(id: CallId): Promise<string | undefined>
  kinds(id: CallId): Promise<string[]>
  /** Everything that the record refused, newest last. */
  refusals(): Promise<string[]>
  /** Resolves once the call is over. */
  ended(id: CallId): Promise<void>
  /** Asks until the answer is as wanted: a hand-over is marked a moment after it. */
  told<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T>
  stopListening(): void
  listenAgain(): Promise<void>
  /** A second line on the same parts, but for what is given. */
  variant(change: Partial<Parts>): ReturnType<typeof createCalls>
  close(): Promise<void>
}

/** What is alike in every line: nobody signs in here, and no system asks for a credential. */
const STANDING = {
  newCallId: () => newCallId(Date.now(), randomBytes(16)),
  newHoldId: () => newHoldId(Date.now(), randomBytes(16)),
  nonce: () => randomBytes(16).toString('hex'),
  verifier: { verify: () => Promise.reject(new GatewayError('UNAUTHENTICATED', 'no tokens here')) },
  credentials: new Map(),
  vault: {
    set: () => Promise.resolve({ version: 1 }),
    lease: () => Promise.reject(new GatewayError('UNAVAILABLE', 'none')),
    list: () => Promise.resolve([]),
  },
  refreshPolicies: () => Promise.resolve(),
  onStage: () => undefined,
} satisfies Partial<Parts>

export async function openTestLine(limits: Partial<Limits> = {}, world: Omit<World, 'facts'> & Partial<World> = SHOP): Promise<TestLine> {
  const reached: string[] = []
  const meets: Upstream[] = []
  const server = await listen(reached, meets)
  const { port } = server.address() as AddressInfo
  const configuration = configurationOf(`http://127.0.0.1:${port}`, world)
  const lines: string[] = []
  const telemetry = createTelemetry({
    env: {},
    serviceName: 'test',
    version: '0',
    logLevel: 'warn',
    logStream: { write: (text) => void lines.push(text) },
    catalogue: () => compiled.catalogue,
  })
  const compiled = compile(configuration, createDialer({ development: true }), () => undefined)
  const database = (await freshPostgres('the enforcement line')) ?? freshPglite()
  const clock = { now: () => instant(Date.now()) }
  const bus = createInProcessBus()
  const storage = await openStorage({ ...database.options, dataDir: database.options.dataDir ?? '', clock, bus, log: telemetry.log })
  const registry = await storage.registry(configuration.agents, configuration.people)
  const factKey = counterKey(randomBytes(32))
  const counting = { organisation: configuration.organisation, factKey }
  const series = countedSeries(counting, compiled.decider, compiled.catalogue.operations)
  await activateEmptySet(storage.policySets, compiled.decider.policySet, series)
  const recorder = createRecorder({ writer: storage.writer, clock, bus, log: telemetry.log })
  const parts: Parts = {
    ...compiled,
    ...STANDING,
    organisation: configuration.organisation,
    clock,
    registry,
    approvals: configuration.approvals,
    standing: [...configuration.approvals.values()].some(({ standing }) => standing !== null),
    breakGlass: configuration.breakGlass ?? null,
    grants: storage.grants,
    recorder,
    store: storage.calls,
    bus,
    telemetry,
    limits: { ...configuration.limits, ...limits },
    detectors: world.detectors ?? [],
    lookupSlots: createSlots(LIMITS.lookupsConcurrentPerAgentMax),
    factKey,
    labelWindowMs: configuration.labelWindowMs,
  }
  const calls = createCalls(parts)
  const releaser = createReleaser(parts, LIMITS.releasesAtOnceMax, LIMITS.pollMs)
  const line = onParts(parts, calls)
  return {
    ...line,
    parts,
    calls,
    releaser,
    reached,
    meets,
    logged: () => lines.join(''),
    async ended(id) {
      await calls.status(line.principal(), id, 10_000, new AbortController().signal)
    },
    stopListening: () => void server.close(),
    listenAgain: () => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve)),
    variant: (change) => createCalls({ ...parts, ...change }),
    async close() {
      calls.close()
      await releaser.close()
      await recorder.close()
      for (const connector of compiled.connectors.values()) await connector.close()
      await storage.close()
      await telemetry.close()
      await database.drop()
      server.closeAllConnections()
      server.close()
    },
  }
}

type Asking = Pick<TestLine, 'told' | 'principal' | 'ask' | 'asked' | 'approve' | 'state' | 'kinds' | 'refusals'>

function onParts(parts: Parts, calls: Calls): Asking {
  const { registry, catalogue, store, recorder, clock } = parts
  const principal = (name = 'clerk', subject?: string): Principal => {
    const agent = registry.agent(name)
    if (!agent) throw new Error(`no agent ${name}`)
    return { agent, ...(subject === undefined ? {} : { subject }), actors: [name], issuer: 'test', tokenExpiresAtMs: Date.now() + 60_000 }
  }
  const asked = (name: string, input: JsonObject, more: Partial<Asked> = {}): Asked => {
    const operation = catalogue.operations.get(operationId('shop', name))
    if (!operation) throw new Error(`no operation ${name}`)
    const signal = new AbortController().signal
    return { door: 'http', operation, input, asserted: {}, waitMs: 0, signal, delivery: 'buffered', ...more }
  }
  return {
    principal,
    asked,
    async told(ask, wanted) {
      for (let tries = 0; tries < 100; tries++) {
        const answer = await ask()
        if (wanted(answer)) return answer
      }
      throw new Error('the answer never came')
    },
    ask: (name, input, more) => calls.call(principal(), asked(name, input, more)),
    async approve(id) {
      const call = await store.call(id)
      const hold = call?.holdId ? await store.hold(call.holdId) : undefined
      if (!hold) throw new Error('not held')
      const vote = { holdId: hold.id, voter: 'lea', verdict: 'approve', comment: null, at: clock.now() } as const
      const change = { hold: hold.id, callId: id, to: 'approved', callState: 'approved', by: 'lea', digest: hold.digest, vote } as const
      if (!(await recorder.changeHold(change))) throw new Error('the hold was not open')
    },
    state: async (id) => (await store.call(id))?.state,
    kinds: async (id) => (await store.entries(id)).map(({ body }) => body.kind),
    refusals: async () =>
      (await store.entriesAfter(null, LIMITS.pageRowsMax)).flatMap(({ body }) =>
        body.kind === 'refused' ? [`${body.code} ${body.asked}`] : [],
      ),
  }
}

function listen(reached: string[], meets: Upstream[]): Promise<Server> {
  const server = createServer((req, res) => {
    let text = ''
    req.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    req.on('end', () => {
      reached.push(`${req.method} ${req.url} ${text}`.trim())
      const meet = meets.shift()
      if (meet) meet(req, res, text)
      else res.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}')
    })
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

/** A promise and what settles it. */
export const gate = <T = void>() => Promise.withResolvers<T>()
