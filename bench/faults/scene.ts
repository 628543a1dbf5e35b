import { closeSync, copyFileSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ask } from '../../gateway/cli/control-plane.ts'
import { readAddress } from '../../gateway/config/address-file.ts'
import { Child } from '../child.ts'
import type { Usage } from '../servers/answers.ts'
import { Cluster, type ClusterOptions } from './cluster.ts'
import { writeFaultOrganisation } from './organisation.ts'

const GATEWAYS = 2

export interface SceneOptions extends ClusterOptions {
  /** For configurations, data and logs. */
  folder: string
  apiKey: string
}

/** What a process has taken of the machine. */
export interface Taken {
  rssMiB: number
  /** Open files and sockets. */
  handles: number
}

/** A gateway in a process of its own. Its address changes with each start. */
export class GatewayProcess {
  url = ''
  token = ''
  #child: Child | undefined

  constructor(
    readonly folder: string,
    private readonly databaseUrl: string,
    private readonly apiKey: string,
  ) {}

  async start(): Promise<void> {
    const stderr = openSync(join(this.folder, 'gateway.log'), 'a')
    try {
      const options = { apiKey: this.apiKey, stderr }
      const { child, said } = await Child.start<{ url: string; token: string }>(
        './servers/gatehouse.js',
        [this.folder, this.databaseUrl],
        options,
      )
      this.#child = child
      this.url = said.url
      this.token = said.token
    } finally {
      closeSync(stderr)
    }
  }

  get isAlive(): boolean {
    return this.#child?.isAlive ?? false
  }

  async taken(): Promise<Taken> {
    const { rssMiB } = (await this.#child?.ask<Usage>({ ask: 'usage' }, 10_000)) ?? { rssMiB: 0 }
    return { rssMiB, handles: readdirSync(`/proc/${this.#child?.pid}/fd`).length }
  }

  /** Asks its operator GraphQL as the auditor. */
  async audit(): Promise<{ url: string; token: string }> {
    const address = readAddress(join(this.folder, 'data'))
    if (!address) throw new Error('no gateway runs')
    const { userToken } = await ask(address, 'mutation { userToken(person: "lee") }')
    return { url: address.url, token: String(userToken) }
  }

  async kill(): Promise<void> {
    await this.#child?.kill()
  }

  async close(): Promise<void> {
    await this.#child?.close()
  }
}

/** A system that keeps a journal, two gateways before it, and one database under them that is theirs alone. */
export class Scene {
  private constructor(
    readonly folder: string,
    readonly cluster: Cluster,
    readonly gateways: readonly GatewayProcess[],
    private readonly upstream: Child,
  ) {}

  static async open({ folder, apiKey, ...disk }: SceneOptions): Promise<Scene> {
    const closers: (() => Promise<void>)[] = []
    try {
      const cluster = await Cluster.open(disk)
      closers.push(() => cluster.close())
      const upstream = await Child.start<{ url: string }>('./servers/upstream.js', [join(folder, 'journal')], { apiKey })
      closers.push(() => upstream.child.close())
      const gateways: GatewayProcess[] = []
      for (let turn = 0; turn < GATEWAYS; turn += 1) {
        const gateway = new GatewayProcess(join(folder, `gateway-${turn}`), cluster.url, apiKey)
        const [first] = gateways
        mkdirSync(join(gateway.folder, 'data'), { recursive: true })
        writeFaultOrganisation(gateway.folder, upstream.said.url)
        // Replicas of one organisation share their key.
        if (first) copyFileSync(join(first.folder, 'data/vault.key'), join(gateway.folder, 'data/vault.key'))
        await gateway.start()
        closers.push(() => gateway.close())
        gateways.push(gateway)
      }
      return new Scene(folder, cluster, gateways, upstream.child)
    } catch (error) {
      for (const close of closers.reverse()) await close()
      throw error
    }
  }

  /** What the system was asked to do, in its order: `GET c-1`, `POST r1`. */
  journal(): readonly string[] {
    return readFileSync(join(this.folder, 'journal'), 'utf8').split('\n').filter(Boolean)
  }

  /** Entries that are written and not in the log. */
  async unlogged(): Promise<number> {
    const { rows } = await this.cluster.admin('select (select count(*) from entry) - (select size from log_state) as waiting')
    return Number(rows[0]?.waiting)
  }

  async close(): Promise<void> {
    for (const gateway of this.gateways) await gateway.close()
    await this.upstream.close()
    await this.cluster.close()
  }
}
