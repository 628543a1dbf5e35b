import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ask } from '../cli/control-plane.ts'
import { readAddress } from '../config/address-file.ts'
import type { JsonObject } from '../core/json.ts'
import type { Bed } from './harness.ts'
import { type Reply, send } from './send.ts'

const CHILD = fileURLToPath(new URL('../../dist/gateway/e2e/crash-child.js', import.meta.url))

/** A second gateway over the same record, in a process of its own. */
export class Replica {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-replica-'))
  child!: ChildProcess
  url = ''
  #turn = 0

  /** `execArgv`: of its node. */
  constructor(
    readonly bed: Bed,
    readonly execArgv: readonly string[] = [],
  ) {
    // One vault key for both: replicas of one organisation share their secrets.
    cpSync(join(bed.dataDir, 'vault.key'), join(this.dataDir, 'vault.key'))
  }

  async start(): Promise<void> {
    const env = { ...process.env, ...this.bed.environment }
    this.child = fork(CHILD, [this.bed.configFile, this.dataDir], {
      env,
      execArgv: [...this.execArgv],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const died = once(this.child, 'exit').then(() => Promise.reject(new Error('the gateway did not start')))
    died.catch(() => undefined)
    const [{ url }] = (await Promise.race([once(this.child, 'message'), died])) as [{ url: string }]
    this.url = url
  }

  async kill(): Promise<void> {
    const exit = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exit
  }

  async people(person: string | null, query: string, variables: JsonObject = {}): Promise<JsonObject> {
    const address = readAddress(this.dataDir)
    if (!address) throw new Error('no gateway runs')
    if (person === null) return await ask(address, query, variables)
    const { userToken } = await ask(address, `mutation { userToken(person: "${person}") }`)
    return await ask({ url: address.url, token: String(userToken) }, query, variables)
  }

  async pay(amount: number): Promise<Reply> {
    const { agentToken } = await this.people(null, 'mutation { agentToken(agent: "invoice-clerk") }')
    const body = JSON.stringify({ vendorId: 'V-1001', amount, currency: 'EUR', reference: `replica-${this.#turn++}` })
    const headers = { authorization: `Bearer ${String(agentToken)}`, 'content-type': 'application/json' }
    return await send(this.url, { method: 'POST', path: '/proxy/erp/payments', headers, body })
  }

  async close(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.kill()
    rmSync(this.dataDir, { recursive: true, force: true })
  }
}
