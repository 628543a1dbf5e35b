import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

const START_MS_MAX = 60_000
const CONNECTIONS_MAX = 40
const READY = 'database system is ready to accept connections'
const DEBIAN = '/usr/lib/postgresql'

/** What ends: every process of the server at once, its first process alone, or one that serves a client, after which the server restarts itself. */
export type Kill = 'server' | 'postmaster' | 'backend'

export interface ClusterOptions {
  /** Its disk is a file system in memory of this size, made for it, which takes root. Absent: a folder. */
  diskMiB?: number
}

/** Why there can be no cluster here; undefined where there can. */
export function whyNoCluster({ diskMiB }: ClusterOptions = {}): string | undefined {
  if (process.platform !== 'linux') return 'processes are found through /proc'
  if (binaries() === undefined) return `no \`initdb\` and \`postgres\` in PATH or below ${DEBIAN}`
  if (diskMiB !== undefined && process.getuid?.() !== 0) return 'only root mounts a disk of its own'
  return undefined
}

/** The folder of the newest server that is installed. */
function binaries(): string | undefined {
  const installed = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [...installed.map((version) => join(DEBIAN, version, 'bin')), ...(process.env.PATH ?? '').split(':')]
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
}

/** PostgreSQL refuses to run as root: the account that distributions make for it, or nobody. */
function account(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (what: '-u' | '-g'): number => Number(spawnSync('id', [what, 'postgres'], { encoding: 'utf8' }).stdout.trim() || Number.NaN)
  const [uid, gid] = [id('-u'), id('-g')]
  return Number.isNaN(uid) || Number.isNaN(gid) ? { uid: 65_534, gid: 65_534 } : { uid, gid }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A PostgreSQL server of its own, with `fsync` on, that things are done to. */
export class Cluster {
  readonly #folder: string
  readonly #bin: string
  readonly #port: number
  readonly #as: { uid: number; gid: number } | undefined
  readonly #isMounted: boolean
  readonly #lines: string[] = []
  readonly #hogs: pg.Client[] = []
  #process: ChildProcess | undefined
  #starts = 0

  private constructor(folder: string, bin: string, port: number, isMounted: boolean) {
    this.#folder = folder
    this.#bin = bin
    this.#port = port
    this.#as = account()
    this.#isMounted = isMounted
  }

  /** Makes and starts a server. Throws where `whyNoCluster` says why. */
  static async open(options: ClusterOptions = {}): Promise<Cluster> {
    const why = whyNoCluster(options)
    const bin = binaries()
    if (why !== undefined || bin === undefined) throw new Error(`no cluster here: ${why}`)
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-cluster-'))
    if (options.diskMiB !== undefined) execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${options.diskMiB}m`, 'tmpfs', folder])
    const cluster = new Cluster(folder, bin, await freePort(), options.diskMiB !== undefined)
    try {
      cluster.#initialise()
      await cluster.start()
      await cluster.#prepare()
      return cluster
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  /** Of a database that belongs to a role without privileges. */
  get url(): string {
    return `postgres://gatehouse@127.0.0.1:${this.#port}/gatehouse`
  }

  /** How often it has begun to take connections. */
  get starts(): number {
    return this.#starts
  }

  get isUp(): boolean {
    return this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** Starts it, where it does not run, and resolves once it takes connections. What is left of a killed one may keep the data for a moment. */
  async start(): Promise<void> {
    for (const deadline = Date.now() + START_MS_MAX; !this.isUp; ) {
      if (await this.#startOnce()) return
      if (Date.now() > deadline) throw new Error(`the cluster does not start:\n${this.#lines.slice(-10).join('\n')}`)
      await sleep(50)
    }
  }

  /** SIGKILL, as in a crash. Resolves when the process is gone; after `backend`, when the server takes connections again. */
  async kill(what: Kill): Promise<void> {
    const postmaster = this.#process
    if (!postmaster?.pid) throw new Error('the cluster does not run')
    if (what === 'backend') {
      const restarted = this.#nextReady()
      const { rows } = await this.admin("select pid from pg_stat_activity where application_name = 'gatehouse' order by random() limit 1")
      const pid: unknown = rows[0]?.pid
      if (typeof pid !== 'number') throw new Error('nobody is connected whose process could be killed')
      process.kill(pid, 'SIGKILL')
      return restarted
    }
    const gone = once(postmaster, 'exit')
    const children = what === 'server' ? this.#children() : []
    for (const pid of [postmaster.pid, ...children]) signal(pid, 'SIGKILL')
    await gone
  }

  /** Stops every process of the server where it is: connections stay open and nobody answers. */
  freeze(): void {
    for (const pid of this.#pids()) signal(pid, 'SIGSTOP')
  }

  thaw(): void {
    if (this.isUp) for (const pid of this.#pids()) signal(pid, 'SIGCONT')
  }

  /** Whether sessions refuse to write, as managed servers do when their disk is nearly full, and a standby always does. */
  async readOnly(on: boolean): Promise<void> {
    await this.admin(`alter role gatehouse set default_transaction_read_only = ${on ? 'on' : 'off'}`)
    await this.admin("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'gatehouse'")
  }

  /** Leaves not a byte on the disk. */
  fillDisk(): void {
    if (!this.#isMounted) throw new Error('the disk of this cluster is not its own')
    const filled = spawnSync('dd', ['if=/dev/zero', `of=${join(this.#folder, 'ballast')}`, 'bs=64k'], { encoding: 'utf8' })
    if (!filled.stderr.includes('No space left')) throw new Error(`the disk is not full: ${filled.stderr}`)
  }

  /** Frees the disk, and starts the server where that was too much for it. */
  async freeDisk(): Promise<void> {
    rmSync(join(this.#folder, 'ballast'), { force: true })
    await this.start()
  }

  /** Ends the gateways' connections and takes every one that there is, but for the superuser's. */
  async takeConnections(): Promise<void> {
    await this.admin('alter role gatehouse connection limit 0')
    await this.admin("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'gatehouse'")
    for (;;) {
      const hog = new pg.Client({ connectionString: this.#urlOf('hog', 'gatehouse') })
      hog.on('error', () => undefined)
      const refused = await hog.connect().then(
        () => false,
        (error: { code?: string }) => error.code === '53300',
      )
      if (refused) break
      this.#hogs.push(hog)
    }
    await this.admin('alter role gatehouse connection limit -1')
  }

  async giveConnections(): Promise<void> {
    await Promise.all(this.#hogs.splice(0).map((hog) => hog.end()))
  }

  /** Undoes all that was done to it. */
  async heal(): Promise<void> {
    this.thaw()
    await this.giveConnections()
    await this.freeDisk()
    await this.admin('alter role gatehouse set default_transaction_read_only = off')
    await this.admin('alter role gatehouse connection limit -1')
  }

  /** One statement as superuser, over a connection of its own. */
  async admin(statement: string, values: unknown[] = [], database = 'gatehouse'): Promise<pg.QueryResult> {
    const client = new pg.Client({ connectionString: this.#urlOf('postgres', database) })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return await client.query(statement, values)
    } finally {
      await client.end()
    }
  }

  /** Ends it and removes its files. Calling it twice is harmless. */
  async close(): Promise<void> {
    if (this.isUp) await this.kill('server')
    if (this.#isMounted) spawnSync('umount', ['-l', this.#folder])
    rmSync(this.#folder, { recursive: true, force: true })
  }

  readonly #urlOf = (role: string, database: string): string => `postgres://${role}@127.0.0.1:${this.#port}/${database}`

  get #data(): string {
    return join(this.#folder, 'data')
  }

  #initialise(): void {
    mkdirSync(this.#data)
    if (this.#as) for (const path of [this.#folder, this.#data]) chownSync(path, this.#as.uid, this.#as.gid)
    const args = ['-D', this.#data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--wal-segsize=4']
    const done = spawnSync(join(this.#bin, 'initdb'), args, { cwd: this.#folder, encoding: 'utf8', ...this.#as })
    if (done.status !== 0) throw new Error(`no cluster could be made: ${done.stderr}`)
    const settings = {
      listen_addresses: "'127.0.0.1'",
      port: this.#port,
      unix_socket_directories: "''",
      max_connections: CONNECTIONS_MAX,
      shared_buffers: '32MB',
      min_wal_size: '8MB',
      max_wal_size: '64MB',
      fsync: 'on',
      full_page_writes: 'on',
    }
    const text = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`)
    writeFileSync(join(this.#data, 'postgresql.auto.conf'), text.join(''))
  }

  async #prepare(): Promise<void> {
    for (const statement of ['create role gatehouse login', 'create role hog login', 'create database gatehouse owner gatehouse'])
      await this.admin(statement, [], 'postgres')
  }

  async #startOnce(): Promise<boolean> {
    const started = spawn(join(this.#bin, 'postgres'), ['-D', this.#data], {
      cwd: this.#folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      ...this.#as,
    })
    this.#process = started
    createInterface({ input: started.stderr }).on('line', (line) => {
      this.#lines.push(line)
      this.#lines.splice(0, this.#lines.length - 50)
      if (!line.includes(READY)) return
      this.#starts += 1
      started.emit('ready')
    })
    return await Promise.race([once(started, 'ready').then(() => true), once(started, 'exit').then(() => false)])
  }

  /** When it takes connections again after it restarted itself. */
  async #nextReady(): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => reject(new Error(`the cluster does not come back:\n${this.#lines.slice(-10).join('\n')}`)), START_MS_MAX)
    if (this.#process) await Promise.race([once(this.#process, 'ready'), late])
    clearTimeout(timer)
  }

  #pids(): number[] {
    const pid = this.#process?.pid
    return pid === undefined ? [] : [pid, ...this.#children()]
  }

  #children(): number[] {
    const pid = this.#process?.pid
    if (pid === undefined) return []
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  }
}

/** To a process that may be gone by now. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
