import { type KeyObject, randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync } from 'node:fs'
import { isIP } from 'node:net'
import { fileURLToPath } from 'node:url'
import { AgentTypes } from '../schema/agent/types.ts'
import { buildView } from '../schema/agent/view.ts'
import { buildOperatorSchema } from '../schema/operator/schema.ts'
import { createInProcessBus } from './bus/in-process.ts'
import { createRedisBus } from './bus/redis.ts'
import { compileOrganisation, type Organisation } from './compile.ts'
import type { Environment } from './config/environment.ts'
import { type Configuration, loadConfiguration } from './config/load.ts'
import { type Clock, instant } from './core/clock.ts'
import { GatewayError } from './core/errors.ts'
import { newBreakGlassId, newCallId, newGrantId, newHoldId, newProposalId, newRunId } from './core/ids.ts'
import { counterKey } from './credentials/counter-key.ts'
import { createEntrySealer } from './credentials/entry-sealer.ts'
import { logKeySeed } from './credentials/log-key.ts'
import { openVaultKey } from './credentials/key-file.ts'
import { createVault } from './credentials/vault.ts'
import { createDetectors } from './detectors/detectors.ts'
import { createDialer } from './egress/dialer.ts'
import { boundHeapGrowth } from './heap.ts'
import { BuiltInIssuer } from './identity/built-in-issuer.ts'
import { createIssuerTable } from './identity/issuer-table.ts'
import { readPublicKeys } from './identity/jwk-set.ts'
import { PeopleSessions } from './identity/people-sessions.ts'
import { createTokenEndpoint } from './identity/token-endpoint.ts'
import { createTokenVerifier } from './identity/token-verifier.ts'
import { LIMITS } from './limits.ts'
import type { Channel } from './notify/channel.ts'
import { openChannels } from './notify/channels.ts'
import { startSender } from './notify/sender.ts'
import { authenticateOperator, LocalOperator, operatorOf } from './local-operator.ts'
import { gaugeDatabase, gaugeFloor } from './database-gauges.ts'
import { openLogGuard } from './open-log-guard.ts'
import { openPolicies } from './open-policies.ts'
import { openSinks } from './open-sinks.ts'
import { openWitnesses } from './open-witnesses.ts'
import { createOperator } from './operator/operator.ts'
import { createAccounts } from './pipeline/accounts.ts'
import { createCalls } from './pipeline/calls.ts'
import { dryDecision } from './pipeline/dry-decision.ts'
import { editHeld } from './pipeline/edit.ts'
import { findingsIn } from './pipeline/findings.ts'
import { joinKeyOfCall } from './pipeline/hold.ts'
import { createGrantReview } from './pipeline/grant-review.ts'
import { createHoldReview } from './pipeline/reconsider.ts'
import { createReleaser, streaksOf } from './pipeline/resume.ts'
import { createSlots } from './pipeline/slots.ts'
import { proposeStanding } from './pipeline/standing.ts'
import type { Parts, Stage } from './pipeline/stages.ts'
import { textsIn } from './pipeline/texts.ts'
import type { Bus } from './ports/bus.ts'
import type { Operator } from './ports/operator.ts'
import type { Registry } from './ports/registry.ts'
import { isLibraryFile } from './ports/policy-source.ts'
import type { Vault } from './ports/vault.ts'
import { createRandomBytes } from './random-bytes.ts'
import { growLog } from './record/grow-log.ts'
import { noteSigner } from './record/signed-note.ts'
import { parseTilePath } from './record/tile.ts'
import { createTransparencyLog } from './record/transparency-log.ts'
import { createRecorder } from './record/recorder.ts'
import { type Directory, noticesFollower } from './storage/notices.ts'
import { searchFollower } from './storage/search-index.ts'
import { callFigures } from './storage/call-figures.ts'
import { logFollower } from './storage/log.ts'
import { openStorage } from './storage/open-storage.ts'
import { createStatusDoor } from './surfaces/call-status.ts'
import { dashboardRoutes, readDashboard } from './surfaces/dashboard-files.ts'
import { createGraphqlDoor } from './surfaces/graphql/door.ts'
import { createHttpDoor } from './surfaces/http-proxy.ts'
import { createMcpDoor } from './surfaces/mcp/door.ts'
import { createOAuthHandlers } from './surfaces/oauth.ts'
import { createOtlpDoor } from './surfaces/otlp/door.ts'
import { createOperatorDoor } from './surfaces/operator-graphql.ts'
import { createPeopleDoor } from './surfaces/people-door.ts'
import { logRoutes } from './surfaces/log.ts'
import { createPlaybookDoor } from './surfaces/playbooks.ts'
import { platformRoutes } from './surfaces/platform.ts'
import { createHttpServer, type Handler } from './surfaces/server.ts'
import { createTelemetry, type RunningTelemetry } from './telemetry/telemetry.ts'
import { answerTraceparent } from './telemetry/trace-ids.ts'
import { VERSION } from './version.ts'
import { servePlaybooks } from './serve-playbooks.ts'
import { watchDrift } from './watch-drift.ts'

export interface GatewayOptions {
  configFile: string
  dataDir: string
  host: string
  /** 0 takes a free port. */
  port: number
  environment: Environment
  /** Log lines go here; stdout stays for what a person asked for. */
  logStream: { write(text: string): void }
  /** Runs before the first request is served: an example or a test seals its credentials here. */
  prepare?: (vault: Vault) => Promise<void>
  /** Test hook at the borders between stages. */
  onStage?: (stage: Stage) => void
  /** Why the database may be older than what was signed of its log: somebody restored it. An entry says so. */
  restored?: string
  /** How long a held call waits at the MCP door before it is told so, in milliseconds; at most and by default `LIMITS.mcpHoldWaitSecondsMax`. */
  mcpHoldWaitMs?: number
}

export interface RunningGateway {
  url: string
  /** What a person should know about this start, such as keys that were made. */
  notices: readonly string[]
  /** Takes over edited policy files now; where changes are reviewed it only says in the log that they differ. */
  reloadPolicies(): Promise<void>
  /** Stops taking requests, lets running calls end (at most `LIMITS.drainMsMax`), then closes the record. Calling it twice is harmless. */
  close(): Promise<void>
  /** The address that signs a person in once, in a browser. Throws FORBIDDEN where the issuer is not a development issuer, NOT_FOUND. */
  signInLink(person: string): Promise<string>
}

const idBytes = createRandomBytes()
const systemClock: Clock = { now: () => instant(Date.now()) }
const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/** Ends what was started, last first; used when a start fails half way as well. */
class Closers {
  readonly #steps: (() => unknown)[] = []
  #closed: Promise<void> | undefined

  add(step: () => unknown): void {
    this.#steps.push(step)
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      const failures: unknown[] = []
      // A step that fails keeps none of the others from ending what it holds.
      for (const step of this.#steps.reverse())
        await Promise.resolve()
          .then(step)
          .catch((error: unknown) => failures.push(error))
      if (failures.length > 0) throw new AggregateError(failures, 'the gateway did not end cleanly')
    })()
    return this.#closed
  }
}

/**
 * Wires and starts a gateway. Resolves once it serves. Throws CONFIG_INVALID (every fault at once), DATA_LOCKED, UNAVAILABLE; what was
 * started until then is ended.
 */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  boundHeapGrowth()
  const closers = new Closers()
  try {
    return await start(options, closers)
  } catch (error) {
    // What does not end cleanly must not hide why the start failed.
    await closers.close().catch(() => undefined)
    throw error
  }
}

async function start(options: GatewayOptions, closers: Closers): Promise<RunningGateway> {
  const configuration = loadConfiguration(options.configFile, options.environment)
  const development = configuration.issuers.some((issuer) => issuer.kind === 'built-in' && issuer.development)
  if (development && !isLoopback(options.host)) {
    throw new GatewayError(
      'CONFIG_INVALID',
      `a development issuer is refused on \`${options.host}\`: listen on 127.0.0.1, or set \`development: false\``,
    )
  }
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 })
  chmodSync(options.dataDir, 0o700)
  const dialer = createDialer({ development })
  let compiled: Organisation | undefined
  const telemetry = createTelemetry({
    env: options.environment,
    version: VERSION,
    ...configuration.telemetry,
    logStream: options.logStream,
    catalogue: () => compiled?.catalogue,
  })
  closers.add(() => telemetry.close())
  const bus = openBus(configuration, telemetry, closers)
  // The database opens while connectors and policies are compiled.
  const key = await openVaultKey(options.dataDir)
  const opening = openDatabaseEarly(options, configuration, key.key, bus, telemetry, closers)
  compiled = compileOrganisation(configuration, dialer)
  const { connectors } = compiled
  closers.add(() => Promise.all([...connectors.values()].map((connector) => connector.close())))
  const storage = await opening
  const factKey = counterKey(key.key)
  const record = await openRecord(storage, options, configuration, compiled, key.key, factKey, dialer, telemetry, bus, closers)
  const vault = createVault({
    store: record.storage.credentials,
    organisation: configuration.organisation,
    key: key.key,
    clock: systemClock,
  })
  await options.prepare?.(vault)
  const server = createHttpServer(telemetry.log)
  const port = await server.listen(options.port, options.host)
  closers.add(() => server.close())
  const localUrl = `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`
  const baseUrl = configuration.publicUrl ?? localUrl
  const identity = await openIdentity(options, configuration, development, dialer, baseUrl, record, telemetry, closers)
  const parts = partsOf(options, configuration, compiled, record, identity.verifier, { vault, factKey }, bus, telemetry)
  const local = new LocalOperator()
  const sessions = development ? new PeopleSessions(systemClock) : null
  const doors = openDoors({
    parts,
    configuration,
    compiled,
    record,
    identity,
    vault,
    telemetry,
    baseUrl,
    mcpHoldWaitMs: options.mcpHoldWaitMs,
    host: options.host,
    port,
    local,
    development,
    sessions,
    closers,
  })
  server.serve(doors.routes)
  closers.add(local.publish(options.dataDir, localUrl))
  closers.add(() => server.stop())
  const notices = key.created ? [`made a key for sealed credentials in ${options.dataDir}: keep it with your backups`] : []
  telemetry.log.info({ url: baseUrl, database: record.storage.kind, operations: compiled.catalogue.operations.size }, 'gatehouse serves')
  record.policies.start()
  return {
    url: baseUrl,
    notices,
    reloadPolicies: () => record.policies.reload(),
    close: () => closers.close(),
    signInLink: (person) => doors.cases.mintSignInLink(LOCAL, person),
  }
}

const LOCAL: Operator = { name: 'local', groups: [], roles: ['local'] }

type Record = Awaited<ReturnType<typeof openRecord>>

function openBus({ redisUrl: url, organisation }: Configuration, telemetry: RunningTelemetry, closers: Closers): Bus {
  const { log } = telemetry
  if (url === undefined) return createInProcessBus(log)
  const bus = createRedisBus({ url, organisation, log })
  closers.add(() => bus.close())
  telemetry.gauge('bus_connected', () => Number(bus.connected()))
  return bus
}

function openDatabaseEarly(
  { dataDir }: GatewayOptions,
  { databaseUrl, organisation, retention }: Configuration,
  key: Uint8Array,
  bus: Bus,
  { log }: RunningTelemetry,
  closers: Closers,
) {
  const sealer = createEntrySealer(key, organisation)
  const opening = openStorage({ dataDir, sealer, clock: systemClock, bus, log, retention, ...(databaseUrl ? { databaseUrl } : {}) })
  const opened = opening.catch(() => undefined)
  closers.add(async () => (await opened)?.close())
  return opening
}

async function openRecord(
  storage: Awaited<ReturnType<typeof openDatabaseEarly>>,
  { dataDir, restored }: GatewayOptions,
  configuration: Configuration,
  { policySource: source }: Organisation,
  key: Uint8Array,
  factKey: KeyObject,
  dialer: ReturnType<typeof createDialer>,
  telemetry: RunningTelemetry,
  bus: Bus,
  closers: Closers,
) {
  const { log } = telemetry
  const recorder = createRecorder({ writer: storage.writer, clock: systemClock, bus, log })
  closers.add(() => recorder.close())
  const registry = await storage.registry(configuration.agents, configuration.people)
  await servePlaybooks(storage.playbooks, configuration.playbooks)
  const sets = storage.policySets
  const policies = await openPolicies({ configuration, source, sets, factKey, recorder, bus, telemetry })
  closers.add(() => policies.close())
  const inDoubt = await storage.takeOverLapsed()
  if (inDoubt.length > 0) log.warn({ calls: inDoubt.slice(0, 20), count: inDoubt.length }, 'calls of a process that is gone are in doubt')
  storage.startMaintenance()
  const signer = noteSigner(`gatehouse/${configuration.organisation}`, logKeySeed(key))
  const channels = openChannels(configuration.notifications, dialer)
  const told = channels.length === 0 ? [] : [noticesFollower(directoryOf(registry, channels))]
  const { organisation } = configuration
  const sinks = openSinks(configuration.sinks, { organisation, version: VERSION, dialer, clock: systemClock, calls: storage.calls })
  const guard = await openLogGuard({ store: storage.log, signer, dataDir, restored: restored ?? null, recorder, telemetry })
  closers.add(() => guard.close())
  const followers = storage.follow(
    [logFollower(growLog(signer.name, [signer], () => guard.kept)), callFigures, searchFollower(), ...told, ...sinks],
    (follower) => telemetry.count('follower_failures', { follower }),
  )
  if (sinks.length > 0) telemetry.gauge('sinks_stopped', () => followers.stopped())
  telemetry.gauge('follower_lag_seconds', () => followers.lagSeconds(), LIMITS.gaugeFreshMs)
  if (configuration.retention.entries !== undefined) gaugeFloor(storage.log, telemetry)
  telemetry.gauge('record_queue_units', () => recorder.depth())
  telemetry.gauge('policies_behind', () => Number(policies.live.behind !== undefined))
  gaugeDatabase(storage, telemetry)
  const { witnesses } = configuration
  const published = witnesses.length > 0 ? storage.published : null
  const transparency = createTransparencyLog(storage.log, signer, storage.sealer, published, (index) => {
    telemetry.count('record_altered', { what: 'entry' })
    log.error({ index }, 'an entry in the database is not what was recorded: somebody altered or removed it')
  })
  if (witnesses.length > 0) {
    const publishing = await openWitnesses(witnesses, { storage, transparency, dialer, telemetry })
    closers.add(() => publishing.close())
  }
  return { storage, recorder, registry, policies, channels, transparency }
}

const directoryOf = (registry: Registry, channels: readonly Channel[]): Directory => ({
  people: () => registry.people(),
  channelsOf: (person) => channels.filter((channel) => channel.reaches(person)).map(({ name }) => name),
})

/** Without a channel nobody is told, and nothing waits. */
function openSender({ record: { storage, recorder, registry, channels }, baseUrl, telemetry, closers }: Opened): void {
  if (channels.length === 0) return
  const { notices: queue, calls: store } = storage
  const sender = startSender({ queue, store, recorder, registry, channels, baseUrl, clock: systemClock, telemetry })
  closers.add(() => sender.close())
  telemetry.gauge('notices_waiting', () => queue.waiting(LIMITS.noticesCountedMax), LIMITS.gaugeFreshMs)
}

function openDriftWatch({ configuration, compiled, record, vault, telemetry, closers }: Opened): void {
  const credentials = credentialsOf(configuration)
  const drift = watchDrift({
    connectors: compiled.connectors.values(),
    store: record.storage.drifts,
    log: telemetry.log,
    lease: async (connector) => {
      const credential = credentials.get(connector)
      return credential === undefined ? null : await vault.lease(connector, credential)
    },
  })
  closers.add(() => drift.close())
  telemetry.gauge('connector_drift', () => drift.refused())
  drift.start()
}

/** Connector name to credential name; a connector without credential has none. */
const credentialsOf = ({ manifests }: Configuration): ReadonlyMap<string, string> =>
  new Map(manifests.flatMap(({ connector, credential }) => (credential ? [[connector, credential] as const] : [])))

async function openIdentity(
  options: GatewayOptions,
  configuration: Configuration,
  development: boolean,
  dialer: ReturnType<typeof createDialer>,
  baseUrl: string,
  { registry, recorder }: Record,
  { log }: RunningTelemetry,
  closers: Closers,
) {
  const { organisation, issuers } = configuration
  const external = issuers.filter((issuer) => issuer.kind === 'external')
  const otherIssuers = external.filter((issuer) => issuer.for === 'agents').map(({ issuer }) => issuer)
  const builtIn = await BuiltInIssuer.open({ dataDir: options.dataDir, baseUrl, organisation, clock: systemClock, otherIssuers })
  const hasBuiltIn = issuers.some((issuer) => issuer.kind === 'built-in')
  const table = createIssuerTable({
    builtIn: hasBuiltIn ? builtIn.rules : [],
    external,
    dialer,
    clock: systemClock,
    development,
    onKeyFailure: (issuer, error) => log.warn({ issuer, error }, 'the keys of an issuer could not be fetched'),
  })
  closers.add(() => table.close())
  const endpoint = createTokenEndpoint({
    issuer: builtIn,
    clients: hasBuiltIn ? configuration.clients : new Map(),
    registry,
    clock: systemClock,
    audit: {
      issued: (agent) => recorder.note(null, { kind: 'agent.token', agent, by: agent, subject: null }),
      refused: (client, message) =>
        recorder.note(null, {
          kind: 'refused',
          door: 'oauth',
          agent: null,
          asked: client,
          code: 'TOKEN_REQUEST_REFUSED',
          message,
          faults: [],
        }),
    },
    onFault: (error) => log.error({ error }, 'the token endpoint failed'),
  })
  return { builtIn, endpoint, verifier: createTokenVerifier({ issuers: table, clock: systemClock }) }
}

function partsOf(
  options: GatewayOptions,
  configuration: Configuration,
  { catalogue, connectors, validators, playbooks }: Organisation,
  { storage, recorder, registry, policies }: Record,
  verifier: Parts['verifier'],
  { vault, factKey }: Pick<Parts, 'vault' | 'factKey'>,
  bus: Bus,
  telemetry: RunningTelemetry,
): Parts {
  return {
    organisation: configuration.organisation,
    clock: systemClock,
    newCallId: () => newCallId(Date.now(), idBytes(16)),
    newHoldId: () => newHoldId(Date.now(), idBytes(16)),
    nonce: () => randomBytes(16).toString('hex'),
    verifier,
    registry,
    catalogue,
    connectors,
    credentials: credentialsOf(configuration),
    get decider() {
      return policies.live.decider
    },
    refreshPolicies: () => policies.live.refresh(),
    validators,
    playbooks,
    approvals: configuration.approvals,
    standing: [...configuration.approvals.values()].some(({ standing }) => standing !== null),
    breakGlass: configuration.breakGlass ?? null,
    grants: storage.grants,
    recorder,
    store: storage.calls,
    vault,
    bus,
    telemetry,
    limits: configuration.limits,
    detectors: createDetectors(),
    lookupSlots: createSlots(LIMITS.lookupsConcurrentPerAgentMax),
    factKey,
    labelWindowMs: configuration.labelWindowMs,
    onStage: options.onStage ?? (() => {}),
  }
}

interface Opened {
  parts: Parts
  configuration: Configuration
  compiled: Organisation
  record: Record
  identity: Awaited<ReturnType<typeof openIdentity>>
  vault: Vault
  telemetry: RunningTelemetry
  baseUrl: string
  mcpHoldWaitMs: number | undefined
  host: string
  port: number
  local: LocalOperator
  development: boolean
  /** Null where people cannot sign in: the issuer is not a development issuer. */
  sessions: PeopleSessions | null
  closers: Closers
}

/** Pipeline, use cases and doors; the order of `closers` is the reverse order of the end. */
function openDoors(opened: Opened) {
  openDriftWatch(opened)
  const { parts, compiled, record, identity, telemetry, baseUrl, port, closers } = opened
  const { log } = telemetry
  const releaser = createReleaser(parts, LIMITS.releasesAtOnceMax, LIMITS.pollMs)
  closers.add(() => releaser.close())
  const review = createHoldReview(parts, record.policies.sets)
  closers.add(() => review.close())
  const grantReview = createGrantReview(parts)
  closers.add(() => grantReview.close())
  record.policies.live.onActive((active) => {
    review.look(active)
    grantReview.look(active)
  })
  const calls = createCalls(parts)
  const { playbooks } = parts.playbooks
  closers.add(() => calls.close())
  telemetry.gauge('waiters', () => calls.waiters())
  const types = new AgentTypes([...compiled.catalogue.operations.values()])
  const graphql = createGraphqlDoor({ calls, baseUrl, log, buildView: (_catalogue, operations) => buildView(operations, types) })
  const hosts = [...new Set([new URL(baseUrl).host, `${opened.host}:${port}`, `localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`])]
  const origins = new Set([new URL(baseUrl).origin, ...hosts.map((host) => `http://${host}`)])
  const mcp = createMcpDoor({
    calls,
    playbooks,
    baseUrl,
    allowedHosts: hosts,
    allowedOrigins: [...origins],
    log,
    clock: parts.clock,
    version: VERSION,
    ...(opened.mcpHoldWaitMs === undefined ? {} : { holdWaitMs: opened.mcpHoldWaitMs }),
  })
  const http = createHttpDoor({ calls, baseUrl, log })
  const status = createStatusDoor({ calls, baseUrl, log })
  const playbookDoor = traced(createPlaybookDoor({ calls, playbooks, baseUrl, log }))
  const people = openPeopleDoor(opened, origins)
  const cases = openCases(opened, (callId) => releaser.afterApproval(callId))
  const authenticate = (authorization: string | undefined) =>
    authenticateOperator({ verifier: identity.verifier, registry: record.registry, local: opened.local }, authorization)
  const operator = createOperatorDoor({
    cases,
    schema: buildOperatorSchema(),
    authenticateOperator: authenticate,
    signedIn: people.signedIn,
    log,
  })
  openSender(opened)
  closers.add(() => Promise.all([graphql.close(), mcp.close(), operator.close()]))
  releaser.start()
  const welcome = welcomeText(baseUrl, opened.development)
  const dashboard = readBuiltDashboard()
  const routes = {
    '/graphql': traced(graphql.handle),
    '/mcp': traced(mcp.handle),
    '/proxy/': traced(http.handle),
    '/v1/calls/': traced(status.handle),
    '/v1/playbooks': playbookDoor,
    '/v1/playbooks/': playbookDoor,
    '/v1/traces': traced(createOtlpDoor({ accounts: createAccounts(parts), baseUrl, log }).handle),
    '/operator/graphql': operator.handle,
    '/operator/session': people.handle,
    ...Object.fromEntries(createOAuthHandlers(identity.endpoint)),
    ...logRoutes({ transparency: record.transparency, parseTile: parseTilePath, authenticate, log }),
    ...platformRoutes({
      ready: async () => {
        const retry = { retryAfterSeconds: LIMITS.outageRetryMs / 1_000 }
        if (!(await record.storage.ready())) throw new GatewayError('UNAVAILABLE', 'the database does not take writes', retry)
        const { behind } = record.policies.live
        if (behind) throw new GatewayError('UNAVAILABLE', `the active policy set cannot be taken over: ${behind.why}`, retry)
      },
      metrics: () => telemetry.metricsText(),
      welcome,
    }),
    ...(dashboard ? dashboardRoutes(dashboard, welcome) : {}),
  }
  return { routes, cases }
}

/** The dashboard lies beside the build of the gateway, also for a gateway that runs from its sources. */
function readBuiltDashboard() {
  const folders = ['../dist/dashboard', '../dashboard'].map((path) => fileURLToPath(new URL(path, import.meta.url)))
  return folders.map((folder) => readDashboard(folder)).find((found) => found !== undefined)
}

function openPeopleDoor({ record, baseUrl, port, sessions, telemetry }: Opened, origins: ReadonlySet<string>) {
  return createPeopleDoor({
    sessions,
    origins,
    person(name) {
      const person = record.registry.person(name)
      return person && operatorOf(person)
    },
    record: (person, change) => record.recorder.note(null, { kind: 'person.session', person, change }),
    cookieName: `gatehouse_session_${port}`,
    secure: baseUrl.startsWith('https:'),
    log: telemetry.log,
  })
}

/** Every answer to an agent carries a `traceparent`, also where nothing became a call; a call writes its own over it. */
const traced =
  (handle: Handler): Handler =>
  (req, res) => {
    const { traceparent } = req.headers
    res.setHeader('traceparent', answerTraceparent(typeof traceparent === 'string' ? traceparent : undefined))
    return handle(req, res)
  }

function openCases(
  { parts, compiled, record, identity, vault, telemetry, sessions, baseUrl }: Opened,
  afterApproval: (callId: Parameters<Parts['store']['call']>[0]) => void,
) {
  return createOperator({
    store: parts.store,
    figures: record.storage.figures,
    search: record.storage.search,
    recorder: parts.recorder,
    registry: parts.registry,
    decider: () => parts.decider,
    policySets: record.policies.sets,
    notices: record.storage.notices,
    drifts: record.storage.drifts,
    playbooks: record.storage.playbooks,
    transparency: record.transparency,
    publisher: record.policies.publisher,
    simulator: record.policies.simulator,
    drafts: record.policies.drafts,
    policyTestFiles: record.policies.testFiles,
    findings: (input) => findingsIn(parts.detectors, textsIn(input)),
    libraryFiles: compiled.policySource.files.filter(isLibraryFile),
    nearMisses: record.policies.nearMisses,
    newProposalId: () => newProposalId(Date.now(), idBytes(16)),
    catalogue: () => compiled.catalogue,
    vault,
    developmentTokens: sessions
      ? {
          mintAgent: async (agent, subject) =>
            (await identity.builtIn.issue({ agent, ...(subject === undefined ? {} : { subject }) })).token,
          mintPerson: async (name) => (await identity.builtIn.issueForPerson(name)).token,
          signInLink: (name) => `${baseUrl}/sign-in#${sessions.link(name)}`,
        }
      : null,
    clock: parts.clock,
    bus: parts.bus,
    log: telemetry.log,
    count: telemetry.count,
    prepare(operation, input) {
      compiled.validators.check(operation.id, input)
      return input
    },
    decideDry: (subject, given, readsHistory) => dryDecision(parts, subject, given, readsHistory),
    streaksOf: (call) => streaksOf(parts, call),
    editHeld: (call, hold, edit) => editHeld(parts, call, hold, edit),
    grants: parts.grants,
    erasure: record.storage.erasure,
    breakGlass: parts.breakGlass,
    newGrantId: () => newGrantId(Date.now(), idBytes(16)),
    newBreakGlassId: () => newBreakGlassId(Date.now(), idBytes(16)),
    proposeStanding: (call, hold, proposal) => proposeStanding(parts, call, hold, proposal),
    newRunId: () => newRunId(Date.now(), idBytes(16)),
    readPublicKeys,
    joinKeyOf: joinKeyOfCall,
    afterApproval,
  })
}

const welcomeText = (
  baseUrl: string,
  development: boolean,
): string => `Gatehouse ${VERSION}${development ? ' (development issuer: not for production)' : ''}

agents    POST ${baseUrl}/graphql
          POST ${baseUrl}/mcp
               ${baseUrl}/proxy/{connector}/...
people         ${baseUrl}/ in a browser
          POST ${baseUrl}/operator/graphql
platform  GET  ${baseUrl}/healthz /readyz /metrics
`
