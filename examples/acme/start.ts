import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type AgentKey, openAgentKeys } from './agent-keys.ts'
import { startCrm } from './systems/crm/crm.ts'
import { sourceFile } from './systems/document.ts'
import { startErp } from './systems/erp/erp.ts'
import type { RunningSystem } from './systems/system.ts'

/** One credential to seal in the vault, in the vault's own words (header and basic). */
export interface AcmeCredential {
  connector: string
  credential: string
  value: { kind: 'header'; header: string; value: string } | { kind: 'basic'; username: string; password: string }
}

/** What the organisation has when nothing runs yet: secrets, keys and documents, all in the data directory. */
export interface AcmeState {
  /** For the configuration: ACME_DOCS_DIR and ACME_KEYS_DIR. */
  env: Record<string, string>
  credentials: readonly AcmeCredential[]
  /** Opens the systems' journals (`X-Admin-Key` at `/_journal` and `/_faults`); no agent and no connector has it. */
  adminKey: string
  /** Private keys by agent, as the agents themselves would hold them. */
  keys: Readonly<Record<string, AgentKey>>
}

export interface Acme extends AcmeState {
  systems: { crm: RunningSystem; erp: RunningSystem }
  /** Stops the systems. Calling it twice is harmless. */
  close(): Promise<void>
}

export interface AcmeOptions {
  /** The gateway's data directory; Acme keeps everything in its folder `acme`. */
  dataDir: string
  log?: (message: string) => void
  /** Requests a second at which a system answers 429; its default where absent. */
  floodPerSecond?: number
}

/** The agents of `agents.yaml`. */
export const ACME_AGENTS = ['invoice-clerk', 'support-triage', 'onboarding-coordinator', 'shop-floor-watcher', 'intern-bot'] as const

interface Secrets {
  crmApiKey: string
  erpPassword: string
  adminKey: string
}

/** Made once, mode 0600; read again later. Written aside and renamed, so that a start that dies leaves no half file. */
function openSecrets(path: string): Secrets {
  if (!existsSync(path)) {
    const fresh = (): string => randomBytes(24).toString('base64url')
    const secrets: Secrets = { crmApiKey: fresh(), erpPassword: fresh(), adminKey: fresh() }
    writeFileSync(`${path}.new`, JSON.stringify(secrets), { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }
  return JSON.parse(readFileSync(path, 'utf8')) as Secrets
}

/** Copies the documents at first start; later starts leave them as agents and people have made them. */
function openDocs(folder: string): void {
  if (existsSync(folder)) return
  const unfinished = `${folder}.new`
  rmSync(unfinished, { recursive: true, force: true })
  cpSync(sourceFile(import.meta.url, './docs'), unfinished, { recursive: true })
  renameSync(unfinished, folder)
}

/**
 * Makes (at first) or reads (later) what Acme keeps in its data directory: the systems' credentials, the agents' key pairs and the documents.
 * Starts nothing; enough for a `check` of the configuration.
 */
export function prepareAcme({ dataDir }: Pick<AcmeOptions, 'dataDir'>): AcmeState {
  // Absolute: the configuration reads these paths from its own folder.
  const home = resolve(dataDir, 'acme')
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const secrets = openSecrets(join(home, 'secrets.json'))
  const keysDir = join(home, 'keys')
  const keys = openAgentKeys(keysDir, ACME_AGENTS)
  const docsDir = join(home, 'docs')
  openDocs(docsDir)
  return {
    env: { ACME_DOCS_DIR: docsDir, ACME_KEYS_DIR: keysDir },
    credentials: [
      { connector: 'crm', credential: 'service-key', value: { kind: 'header', header: 'X-Api-Key', value: secrets.crmApiKey } },
      { connector: 'erp', credential: 'service-user', value: { kind: 'basic', username: 'gateway', password: secrets.erpPassword } },
    ],
    adminKey: secrets.adminKey,
    keys,
  }
}

/** The configuration that belongs to Acme, wherever this file was compiled to. */
export const acmeConfiguration = (): string => sourceFile(import.meta.url, './gatehouse.yaml')

/**
 * Starts Acme's systems on free loopback ports and says in `env` where they are, so that starts with different data directories never collide.
 * Throws where a system's database is of another version.
 */
export async function startAcme({ dataDir, log = () => undefined, floodPerSecond }: AcmeOptions): Promise<Acme> {
  const state = prepareAcme({ dataDir })
  const secrets = openSecrets(join(dataDir, 'acme', 'secrets.json'))
  const options = {
    dataDir: join(dataDir, 'acme'),
    port: 0,
    adminKey: state.adminKey,
    floodPerSecond,
    onFault: (error: unknown) => log(`acme: a system failed: ${String(error)}`),
  }
  const crm = await startCrm({ ...options, apiKey: secrets.crmApiKey })
  const erp = await startErp({ ...options, username: 'gateway', password: secrets.erpPassword })
  log(`acme: crm at ${crm.url}, erp at ${erp.url}`)
  return {
    ...state,
    env: { ...state.env, ACME_CRM_URL: crm.url, ACME_ERP_URL: erp.url },
    systems: { crm, erp },
    close: async () => {
      await Promise.all([crm.close(), erp.close()])
    },
  }
}
