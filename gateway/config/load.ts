import { existsSync, readdirSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import type { BreakGlassRule } from '../core/break-glass.ts'
import type { ApprovalDefinition } from '../core/hold.ts'
import type { Person } from '../core/principal.ts'
import { LIMITS } from '../limits.ts'
import type { Manifest } from '../ports/connector.ts'
import type { Notifications } from '../ports/notifier.ts'
import type { PlaybookSource } from '../ports/playbooks.ts'
import type { FactsFile, LibraryUse, PolicyFile, PolicyTests } from '../ports/policy-source.ts'
import type { AgentSeed } from '../ports/registry.ts'
import type { SinkSettings } from '../ports/sink.ts'
import type { WitnessSettings } from '../ports/witness.ts'
import { checkApprovals, readApprovals, readBreakGlass } from './approvals.ts'
import type { Environment } from './environment.ts'
import { Faults } from './faults.ts'
import { readNotifications } from './notifications.ts'
import { readPlaybooks } from './playbooks.ts'
import { readSinks } from './sinks.ts'
import { readWitnesses } from './witnesses.ts'
import {
  agentsFile,
  gatehouseFile,
  type GatehouseFile,
  type IssuerConfig,
  manifestFile,
  type ManifestFile,
  peopleFile,
  redisUrl,
} from './schema.ts'
import { filesIn, readConfigText, readYaml, type YamlFile } from './yaml-file.ts'

/** How an agent proves itself at the token endpoint. */
export type ClientAuthentication = { kind: 'jwks'; keys: readonly Record<string, unknown>[] } | { kind: 'secret'; hash: string }

export interface AgentLimits {
  callsPerMinute: number
  concurrentCalls: number
  openHolds: number
}

/** The whole configuration, validated; paths absolute, durations in milliseconds. */
export interface Configuration {
  file: string
  organisation: string
  publicUrl?: string
  issuers: readonly IssuerConfig[]
  databaseUrl?: string
  redisUrl?: string
  manifests: readonly Manifest[]
  /** Folders of the policy files below. */
  policyFolders: readonly string[]
  policies: readonly PolicyFile[]
  facts?: FactsFile
  library: readonly LibraryUse[]
  policyChanges: GatehouseFile['policyChanges']
  policyTests: readonly PolicyTests[]
  playbooks: readonly PlaybookSource[]
  approvals: ReadonlyMap<string, ApprovalDefinition>
  /** `path:line:column` of each approval. */
  approvalPlaces: ReadonlyMap<string, string>
  /** Absent where nobody may approve alone. */
  breakGlass?: BreakGlassRule
  people: readonly Person[]
  agents: readonly AgentSeed[]
  clients: ReadonlyMap<string, ClientAuthentication>
  notifications: Notifications
  sinks: readonly SinkSettings[]
  witnesses: readonly WitnessSettings[]
  telemetry: GatehouseFile['telemetry']
  limits: AgentLimits
  labelWindowMs: number
  retention: GatehouseFile['retention']
}

/** A path as messages show it: relative to where the process runs where that is shorter. */
const shown = (path: string): string => {
  const near = relative(process.cwd(), path)
  return near.length < path.length ? near : path
}

export interface LoadOptions {
  /** A folder of policies to read instead of the configured ones, such as a draft. Relative to the process's own folder. */
  policies?: string
}

/**
 * Reads `gatehouse.yaml` and everything that it names. Files only: no database, no network, no process.
 * Throws CONFIG_INVALID with all faults at once, each with `file:line:column`.
 */
export function loadConfiguration(file: string, environment: Environment, options: LoadOptions = {}): Configuration {
  const faults = new Faults()
  const path = shown(resolve(file))
  const main = readYaml(path, gatehouseFile, environment, path, faults)
  faults.refuse()
  if (!main) throw new Error('unreachable: a missing file is a fault')
  const { value, place } = main
  const beside = (name: string): string => (isAbsolute(name) ? name : join(dirname(path), name))
  const people = value.people ? (readYaml(beside(value.people), peopleFile, environment, place(['people']), faults)?.value ?? []) : []
  const { approvals, approvalPlaces } = value.approvals
    ? readApprovals(beside(value.approvals), environment, place(['approvals']), faults)
    : { approvals: new Map<string, ApprovalDefinition>(), approvalPlaces: new Map<string, string>() }
  const { agents, clients } = readAgents(beside(value.agents), environment, place(['agents']), faults)
  const manifests = value.connectors.flatMap((folder, i) => readManifests(beside(folder), environment, place(['connectors', i]), faults))
  unique(
    manifests.map((m) => ({ name: m.connector, place: m.file })),
    'connector',
    faults,
  )
  // A manifest with faults still names its connector, so that its policies are not called strays on top.
  const files = value.connectors.flatMap((folder) => namesIn(beside(folder)))
  const names = new Set([...manifests.map((m) => m.connector), ...files])
  const draft = options.policies === undefined ? undefined : shown(resolve(options.policies))
  const policyFolders = draft
    ? [{ folder: draft, askedAt: draft }]
    : value.policies.map((folder, i) => ({ folder: beside(folder), askedAt: place(['policies', i]) }))
  const policies = policyFolders.flatMap(({ folder, askedAt }) => readPolicies(folder, names, askedAt, faults))
  const facts = readFacts(
    policyFolders.map(({ folder }) => join(folder, 'facts.yaml')),
    faults,
  )
  const policyTests = readPolicyTests(policyFolders, faults)
  const playbookFolders = value.playbooks.map((folder, i) => ({ folder: beside(folder), askedAt: place(['playbooks', i]) }))
  const playbooks = readPlaybooks(playbookFolders, environment, faults)
  checkApprovals(approvals, approvalPlaces, people, faults)
  const notifications = readNotifications(value, people, place, faults)
  const sinks = readSinks(value, (path) => resolve(beside(path)), place, faults)
  const witnesses = readWitnesses(value, place, faults)
  const breakGlass = readBreakGlass(value.breakGlass, place(['breakGlass']), people, faults)
  const redis = readRedisUrl(value, environment, faults)
  faults.refuse()
  const databaseUrl = environment.DATABASE_URL || value.database?.url
  return {
    file: path,
    organisation: value.organisation,
    ...(value.publicUrl ? { publicUrl: value.publicUrl } : {}),
    issuers: value.issuers,
    ...(databaseUrl ? { databaseUrl } : {}),
    ...(redis ? { redisUrl: redis } : {}),
    manifests,
    policyFolders: policyFolders.map(({ folder }) => folder),
    policies,
    ...(facts ? { facts } : {}),
    library: value.library.map((use, i) => ({ ...use, place: (keys) => place(['library', i, ...keys]) })),
    policyChanges: value.policyChanges,
    policyTests,
    playbooks,
    approvals,
    approvalPlaces,
    notifications,
    sinks,
    witnesses,
    ...(breakGlass ? { breakGlass } : {}),
    people: people.map(({ region, mail: _mail, ...person }) => ({ ...person, ...(region ? { region } : {}) })),
    agents,
    clients,
    telemetry: value.telemetry,
    limits: agentLimits(value),
    labelWindowMs: value.labels.window,
    retention: value.retention,
  }
}

const agentLimits = ({ limits }: GatehouseFile): AgentLimits => ({
  callsPerMinute: limits.callsPerMinute ?? LIMITS.callsPerMinuteDefault,
  concurrentCalls: limits.concurrentCalls ?? LIMITS.concurrentCallsDefault,
  openHolds: limits.openHolds ?? LIMITS.openHoldsDefault,
})

/** Reads the policy files once more, as a start would. Throws CONFIG_INVALID with all faults at once. */
export function loadPolicies({
  policyFolders,
  manifests,
}: Pick<Configuration, 'policyFolders' | 'manifests'>): Pick<Configuration, 'policies' | 'facts'> {
  const faults = new Faults()
  const names = new Set(manifests.map(({ connector }) => connector))
  const policies = policyFolders.flatMap((folder) => readPolicies(folder, names, folder, faults))
  const facts = readFacts(
    policyFolders.map((folder) => join(folder, 'facts.yaml')),
    faults,
  )
  faults.refuse()
  return { policies, ...(facts ? { facts } : {}) }
}

/** Reads the files of policy tests once more, as a start would. Throws CONFIG_INVALID. */
export function loadPolicyTests({ policyFolders }: Pick<Configuration, 'policyFolders'>): readonly PolicyTests[] {
  const faults = new Faults()
  const tests = readPolicyTests(
    policyFolders.map((folder) => ({ folder })),
    faults,
  )
  faults.refuse()
  return tests
}

/** The environment overrides the file. A faulty address is not repeated: it may hold a password. */
function readRedisUrl({ redis }: GatehouseFile, environment: Environment, faults: Faults): string | undefined {
  const url = environment.REDIS_URL || redis?.url
  const parsed = redisUrl.optional().safeParse(url)
  if (!parsed.success) faults.add('REDIS_URL', parsed.error.issues.map(({ message }) => message).join(', '))
  return parsed.data
}

function readAgents(path: string, environment: Environment, askedAt: string, faults: Faults) {
  const read = readYaml(path, agentsFile, environment, askedAt, faults)
  const clients = new Map<string, ClientAuthentication>()
  const agents: AgentSeed[] = []
  for (const [index, { client, status, ...agent }] of (read?.value ?? []).entries()) {
    agents.push({ ...agent, ...(status ? { status } : {}) })
    if (!client || !read) continue
    if ('secretHash' in client) clients.set(agent.name, { kind: 'secret', hash: client.secretHash })
    else {
      const keys = readJwks(
        isAbsolute(client.jwks) ? client.jwks : join(dirname(path), client.jwks),
        read.place([index, 'client', 'jwks']),
        faults,
      )
      if (keys) clients.set(agent.name, { kind: 'jwks', keys })
    }
  }
  if (read)
    unique(
      agents.map((a, index) => ({ name: a.name, place: read.place([index, 'name']) })),
      'agent',
      faults,
    )
  return { agents, clients }
}

function readJwks(path: string, askedAt: string, faults: Faults): Record<string, unknown>[] | undefined {
  const text = readConfigText(path, askedAt, faults)
  if (text === undefined) return undefined
  try {
    const set: unknown = JSON.parse(text)
    if (typeof set === 'object' && set !== null && 'keys' in set && Array.isArray(set.keys)) {
      if (set.keys.some((key) => 'd' in key || 'k' in key)) {
        faults.add(askedAt, `\`${path}\` holds private or symmetric keys: publish the public part only`)
        return undefined
      }
      return set.keys
    }
    faults.add(askedAt, `\`${path}\` is no JWK set: an object with \`keys\` (RFC 7517 5)`)
  } catch {
    faults.add(askedAt, `\`${path}\` is not JSON`)
  }
  return undefined
}

const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).map((name) => name.replace(/\.ya?ml$/, '')) : [])

function readManifests(folder: string, environment: Environment, askedAt: string, faults: Faults): Manifest[] {
  return filesIn(folder, ['.yaml', '.yml'], askedAt, faults).flatMap((path) => {
    const read = readYaml(path, manifestFile, environment, path, faults)
    const manifest = read && toManifest(path, read, faults)
    return manifest ? [manifest] : []
  })
}

function toManifest(path: string, { value, place }: YamlFile<ManifestFile>, faults: Faults): Manifest | undefined {
  const { operations, baseUrl, stdio, credential, source, ...rest } = value
  if (value.kind === 'openapi' && (!baseUrl || stdio)) faults.add(place([]), 'an `openapi` connector needs `baseUrl` and takes no `stdio`')
  if (value.kind === 'mcp' && Boolean(baseUrl) === Boolean(stdio))
    faults.add(place([]), 'an `mcp` connector needs exactly one of `baseUrl` and `stdio`')
  const sourcePath = isAbsolute(source) ? source : join(dirname(path), source)
  const text = readConfigText(sourcePath, place(['source']), faults)
  if (text === undefined) return undefined
  const overrides = Object.fromEntries(
    Object.entries(operations.overrides).map(([name, { timeout, mode, reversibility, businessKey, dataClasses, labels, idempotency }]) => [
      name,
      {
        ...(mode ? { mode } : {}),
        ...(reversibility ? { reversibility } : {}),
        ...(businessKey ? { businessKey } : {}),
        ...(dataClasses ? { dataClasses } : {}),
        ...(labels ? { labels } : {}),
        ...(idempotency ? { idempotency } : {}),
        ...(timeout ? { timeoutMs: Math.min(timeout, LIMITS.upstreamTimeoutMsMax) } : {}),
      },
    ]),
  )
  return {
    ...rest,
    file: path,
    source: { path: sourcePath, text },
    ...(baseUrl ? { baseUrl } : {}),
    ...(stdio ? { stdio } : {}),
    ...(credential ? { credential } : {}),
    operations: {
      ...(operations.include ? { include: operations.include } : {}),
      ...(operations.exclude ? { exclude: operations.exclude } : {}),
      overrides,
    },
  }
}

function readPolicies(folder: string, connectors: ReadonlySet<string>, askedAt: string, faults: Faults): PolicyFile[] {
  return filesIn(folder, ['.cedar'], askedAt, faults).flatMap((path) => {
    const name = path.slice(folder.length + 1, -'.cedar'.length)
    const text = readConfigText(path, askedAt, faults)
    if (text === undefined) return []
    if (name !== 'org' && !connectors.has(name)) {
      faults.add(path, `there is no connector \`${name}\`: a policy file is named after its connector, or \`org.cedar\``)
      return []
    }
    return [{ path, connector: name === 'org' ? null : name, text }]
  })
}

/** Facts are the organisation's, as policies' ids are: one file says all of them. */
function readFacts(paths: readonly string[], faults: Faults): FactsFile | undefined {
  const [path, ...more] = paths.filter((candidate) => existsSync(candidate))
  if (path === undefined) return undefined
  for (const second of more) faults.add(second, `the facts stand already in \`${path}\`: put them into one file`)
  const text = readConfigText(path, path, faults)
  return text === undefined ? undefined : { path, text }
}

function readPolicyTests(policyFolders: readonly { folder: string }[], faults: Faults): PolicyTests[] {
  const folders = policyFolders.map(({ folder }) => join(folder, 'tests')).filter((folder) => existsSync(folder))
  return folders.flatMap((folder) =>
    filesIn(folder, ['.json'], folder, faults).flatMap((path) => {
      const text = readConfigText(path, folder, faults)
      return text === undefined ? [] : [{ path, text }]
    }),
  )
}

function unique(named: readonly { name: string; place: string }[], what: string, faults: Faults): void {
  const seen = new Map<string, string>()
  for (const { name, place } of named) {
    const first = seen.get(name)
    if (first) faults.add(place, `${what} \`${name}\` stands already at ${first}`)
    else seen.set(name, place)
  }
}
