import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Environment } from '../config/environment.ts'
import { readAddress } from '../config/address-file.ts'
import type { Entry } from '../core/entry.ts'
import { createEntrySealer } from '../credentials/entry-sealer.ts'
import { openVaultKey } from '../credentials/key-file.ts'
import { callStoreOn } from '../storage/call-store.ts'
import { openDatabase } from '../storage/database.ts'
import { type Organisation, startOrganisation } from '../../examples/acme/organisation.ts'
import { copyAcme, edited } from './acme-copy.ts'
import { type Probe, startProbe } from './probe/system.ts'
import { type Fields, fields, items, jsonOf, send } from './send.ts'

const PROBE = fileURLToPath(new URL('./probe', import.meta.url))

/** Text of a file of the configuration, by its path below Acme's folder, to its new text. */
export type Edits = Readonly<Record<string, (text: string) => string>>

export interface BedOptions {
  edits?: Edits
  environment?: Environment
  /** The value of the probe's `X-Probe-Key`. */
  probeKey?: string
}

/** Acme with the gateway in front of it, and beside its systems the probe. Everything is real and of this test alone. */
export interface Bed {
  url: string
  acme: Organisation['acme']
  probe: Probe
  dataDir: string
  configFile: string
  environment: Environment
  log(): string
  /** What SIGHUP does. */
  reloadPolicies(): Promise<void>
  /** An access token; the same one for the same names. */
  agentToken(agent: string, subject?: string): Promise<string>
  personToken(person: string): Promise<string>
  /** Asks the control plane as a person, or as the local operator (`null`). Throws Error with code and words where it refuses. */
  people(person: string | null, query: string, variables?: Fields): Promise<Fields>
  /** Begins to listen at the systems: the function tells what has reached any of them since. */
  watch(): () => readonly Sent[]
  /** Stops everything, then opens the database that is left. Whatever was asked, this is what stays. */
  remains(): Promise<Remains>
  close(): Promise<void>
}

/** A request as a system got it. */
export interface Sent {
  system: string
  method: string
  path: string
  headers: Readonly<Record<string, string>>
  body: string | null
}

export interface Remains {
  entries: readonly Entry[]
  /** Every row of every table, as text. */
  rows: readonly string[]
}

/** Acme's configuration in a folder of its own, with the probe added and `edits` made. */
function writeConfiguration(home: string, edits: Edits): string {
  const acme = copyAcme(home)
  mkdirSync(join(acme, 'probe'))
  cpSync(join(PROBE, 'openapi.yaml'), join(acme, 'probe/openapi.yaml'))
  cpSync(join(PROBE, 'connector.yaml'), join(acme, 'connectors/probe.yaml'))
  cpSync(join(PROBE, 'probe.cedar'), join(acme, 'policies/probe.cedar'))
  cpSync(join(PROBE, 'playbook.yaml'), join(acme, 'playbooks/probing.yaml'))
  const all: Edits = {
    'agents.yaml': (text) => `${text}\n${readFileSync(join(PROBE, 'agents.yaml'), 'utf8')}`,
  }
  for (const [file, edit] of [...Object.entries(all), ...Object.entries(edits)]) edited(join(acme, file), edit)
  return join(acme, 'gatehouse.yaml')
}

/** Starts an organisation in a fresh folder on free ports. */
export async function startBed({ edits = {}, environment = {}, probeKey = 'probe-key-of-this-run' }: BedOptions = {}): Promise<Bed> {
  const home = mkdtempSync(join(tmpdir(), 'gatehouse-e2e-'))
  const dataDir = join(home, 'data')
  const configFile = writeConfiguration(home, edits)
  const lines: string[] = []
  const probe = await startProbe()
  const own = { ...environment, PROBE_URL: probe.url }
  const logStream = { write: (text: string) => void lines.push(text) }
  const options = { dataDir, configFile, environment: own, host: '127.0.0.1', port: 0, logStream, mcpHoldWaitMs: 0 }
  const organisation = await startOrganisation(options)
  const address = readAddress(dataDir)
  if (!address) throw new Error('the gateway published no address')
  const { acme, gateway } = organisation
  const clerk = new ControlPlane(address.url, address.token)
  await clerk.ask(null, SET_PROBE_KEY, { value: probeKey })
  let closed: Promise<void> | undefined
  const stop = (): Promise<void> => (closed ??= Promise.all([organisation.close(), probe.close()]).then(() => undefined))
  return {
    url: gateway.url,
    acme,
    probe,
    dataDir,
    configFile,
    environment: { ...own, ...acme.env },
    log: () => lines.join(''),
    reloadPolicies: () => gateway.reloadPolicies(),
    agentToken: (agent, subject) => clerk.agentToken(agent, subject),
    personToken: (person) => clerk.personToken(person),
    people: (person, query, variables) => clerk.ask(person, query, variables),
    watch: () => watch(acme, probe),
    async remains() {
      await stop()
      return await remainsOf(dataDir)
    },
    async close() {
      await stop()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

const SET_PROBE_KEY =
  'mutation ($value: String!) { setCredential(connector: "probe", credential: "probe-key", kind: "header", header: "X-Probe-Key", value: $value) { version } }'

/** The operator GraphQL, with tokens from the local operator. */
class ControlPlane {
  readonly #tokens = new Map<string, Promise<string>>()

  constructor(
    private readonly url: string,
    private readonly local: string,
  ) {}

  agentToken(agent: string, subject: string | undefined): Promise<string> {
    const query = 'mutation ($agent: String!, $subject: String) { token: agentToken(agent: $agent, subject: $subject) }'
    return this.#token(JSON.stringify([agent, subject]), query, { agent, subject })
  }

  personToken(person: string): Promise<string> {
    return this.#token(person, 'mutation ($person: String!) { token: userToken(person: $person) }', { person })
  }

  async ask(person: string | null, query: string, variables: Fields = {}): Promise<Fields> {
    const token = person === null ? this.local : await this.personToken(person)
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const reply = await send(this.url, { method: 'POST', path: '/operator/graphql', headers, body: JSON.stringify({ query, variables }) })
    const { data, errors } = fields(jsonOf(reply))
    const [error] = items(errors)
    if (error !== undefined || reply.status !== 200)
      throw new Error(`${String(fields(fields(error).extensions).code)}: ${String(fields(error).message ?? reply.text)}`)
    return fields(data)
  }

  #token(key: string, query: string, variables: Fields): Promise<string> {
    const token = this.#tokens.get(key) ?? this.ask(null, query, variables).then((data) => String(data.token))
    this.#tokens.set(key, token)
    return token
  }
}

function watch({ systems }: Bed['acme'], probe: Probe): () => readonly Sent[] {
  const marks = [systems.crm, systems.erp].map(({ name, journal }) => ({ name, journal, afterSeq: journal.mark() }))
  const probed = probe.journal.length
  return () => [
    ...marks.flatMap(({ name, journal, afterSeq }) =>
      journal.entries({ afterSeq }).map(({ method, path, headers, body }) => ({ system: name, method, path, headers, body })),
    ),
    ...probe.journal.slice(probed).map((entry) => ({ system: 'probe', ...entry })),
  ]
}

async function remainsOf(dataDir: string): Promise<Remains> {
  const database = await openDatabase({ dataDir })
  try {
    const { key } = await openVaultKey(dataDir)
    const store = callStoreOn({ db: database.db, sealer: createEntrySealer(key, 'acme') })
    const entries: Entry[] = []
    for (;;) {
      const last = entries.at(-1)
      const page = await store.entriesAfter(last ? { at: last.at, process: last.process, seq: last.seq } : null, 500)
      entries.push(...page)
      if (page.length < 500) break
    }
    const tables = await database.pool.query<{ name: string }>(
      "select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE' order by 1",
    )
    const rows: string[] = []
    for (const { name } of tables.rows) {
      const { rows: found } = await database.pool.query<{ row: string }>(`select t::text as row from "${name}" t`)
      rows.push(...found.map(({ row }) => `${name} ${row}`))
    }
    return { entries, rows }
  } finally {
    await database.close()
  }
}
