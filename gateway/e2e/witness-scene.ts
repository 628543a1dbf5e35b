import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { type Organisation, startOrganisation } from '../../examples/acme/organisation.ts'
import { ask } from '../cli/control-plane.ts'
import { readAddress } from '../config/address-file.ts'
import type { JsonObject } from '../core/json.ts'
import { logKeySeed } from '../credentials/log-key.ts'
import { noteSigner, parseVerifierKey, readNote, signatureBy } from '../record/signed-note.ts'
import { copyAcme, edited } from './acme-copy.ts'
import { send } from './send.ts'

const MAIN = fileURLToPath(new URL('../../dist/gateway/cli/main.js', import.meta.url))
export const ORIGIN = 'gatehouse/acme'

/** `gatehouse witness` in a process of its own, which may be killed and started again where it was. */
export class WitnessProcess {
  readonly dir = mkdtempSync(join(tmpdir(), 'gatehouse-witness-'))
  url = ''
  vkey = ''
  log = ''
  #child!: ChildProcess
  readonly #name: string
  readonly #logVkey: string

  constructor(name: string, logVkey: string) {
    this.#name = name
    this.#logVkey = logVkey
  }

  async start(): Promise<this> {
    const listen = this.url === '' ? '127.0.0.1:0' : new URL(this.url).host
    const args = ['--json', '--data', this.dir, 'witness', '--listen', listen, '--log', this.#logVkey, '--name', this.#name]
    this.#child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.log += chunk.toString()
    })
    const [line] = (await Promise.race([
      once(this.#child.stdout as NodeJS.ReadableStream, 'data'),
      once(this.#child, 'exit').then(() => Promise.reject(new Error(`the witness did not start: ${this.log}`))),
    ])) as [Buffer]
    const { url, vkey } = JSON.parse(line.toString()) as { url: string; vkey: string }
    this.url = url
    this.vkey = vkey
    return this
  }

  async end(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.kill(signal)
    await exit
  }

  async close(): Promise<void> {
    await this.end()
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** What it says that it cosigned last. */
  latest(originHash: string): Promise<string> {
    return fetch(`${this.url}/${originHash}/checkpoint`).then((response) => response.text())
  }
}

/** Acme with a gateway whose log has this key, and witnesses. It can be stopped, copied, and started from the copy. */
export class WitnessedGateway {
  readonly home = mkdtempSync(join(tmpdir(), 'gatehouse-e2e-'))
  readonly dataDir = join(this.home, 'data')
  readonly vkey: string
  #running: Organisation | undefined
  #token = ''
  readonly #lines: string[] = []
  readonly #configFile: string

  constructor(vaultKey: Uint8Array, witnesses: readonly { url: string; vkey: string }[]) {
    mkdirSync(this.dataDir, { mode: 0o700 })
    writeFileSync(join(this.dataDir, 'vault.key'), `${Buffer.from(vaultKey).toString('base64')}\n`, { mode: 0o600 })
    this.vkey = noteSigner(ORIGIN, logKeySeed(vaultKey)).vkey
    this.#configFile = join(copyAcme(this.home), 'gatehouse.yaml')
    const list = witnesses.map(({ url, vkey }) => `\n    - { url: "${url}", key: "${vkey}", egress: ["127.0.0.1"] }`)
    edited(this.#configFile, (text) => `${text}\nlog:\n  witnesses:${list.join('')}\n`)
  }

  async start(): Promise<void> {
    const logStream = { write: (text: string) => void this.#lines.push(text) }
    const options = { dataDir: this.dataDir, configFile: this.#configFile, environment: {}, host: '127.0.0.1', port: 0, logStream }
    this.#running = await startOrganisation(options)
    const { agentToken } = await this.people(null, 'mutation { agentToken(agent: "support-triage", subject: "sam") }')
    this.#token = String(agentToken)
  }

  get url(): string {
    return this.#running?.gateway.url ?? ''
  }

  log = (): string => this.#lines.join('')

  async stop(): Promise<void> {
    await this.#running?.close()
    this.#running = undefined
  }

  async people(person: string | null, query: string, variables: JsonObject = {}): Promise<JsonObject> {
    const address = readAddress(this.dataDir)
    if (!address) throw new Error('no gateway runs')
    if (person === null) return await ask(address, query, variables)
    return await ask({ url: address.url, token: await this.token(person) }, query, variables)
  }

  async token(person: string): Promise<string> {
    return String((await this.people(null, 'mutation ($person: String!) { userToken(person: $person) }', { person })).userToken)
  }

  /** Some calls, one after another; the id of the last. */
  async calls(count: number): Promise<string> {
    let id = ''
    for (let made = 0; made < count; made += 1) {
      const headers = { authorization: `Bearer ${this.#token}` }
      const reply = await send(this.url, { method: 'GET', path: '/proxy/crm/tickets', headers })
      expect(reply.status, reply.text).toBe(200)
      id = String(reply.headers['gatehouse-call'])
    }
    return id
  }

  text = async (path: string): Promise<string> => (await send(this.url, { method: 'GET', path, headers: {} })).text

  /** What is published: its size, and which of the witnesses cosigned it. */
  async published(witnesses: readonly { vkey: string }[]): Promise<{ note: string; size: number; by: number[] }> {
    const note = await this.text('/v1/checkpoint')
    const { text, signatures } = readNote(note)
    const by = witnesses.flatMap(({ vkey }, at) => (signatureBy(parseVerifierKey(vkey), text, signatures) ? [at] : []))
    return { note, size: Number(text.split('\n')[1]), by }
  }

  /** Entries of the record itself, which the log takes in later. */
  async metric(name: string, labels = ''): Promise<number> {
    const line = (await this.text('/metrics')).split('\n').find((each) => each.startsWith(`${name}${labels} `))
    return Number(line?.split(' ').at(-1) ?? Number.NaN)
  }

  /** The data directory as it is, elsewhere. Only while it is stopped. */
  copyTo(dir: string): void {
    cpSync(this.dataDir, dir, { recursive: true })
  }

  restoreFrom(dir: string): void {
    rmSync(this.dataDir, { recursive: true })
    cpSync(dir, this.dataDir, { recursive: true })
  }

  async close(): Promise<void> {
    await this.stop()
    rmSync(this.home, { recursive: true, force: true })
  }
}
