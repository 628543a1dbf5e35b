import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Acme, acmeConfiguration, startAcme } from '../../examples/acme/start.ts'
import { ask } from '../cli/control-plane.ts'
import { readAddress } from '../config/address-file.ts'
import type { JsonObject } from '../core/json.ts'
import { STAGES } from '../pipeline/stages.ts'
import { freshPostgres, type TestDatabase } from '../storage/test-databases.ts'

const CHILD = fileURLToPath(new URL('../../dist/gateway/e2e/crash-child.js', import.meta.url))
/** From this border on the intent is durable. */
const INTENDED: readonly string[] = STAGES.slice(STAGES.indexOf('recorded'))
/** From this border on the system has done what it was asked. */
const EFFECTIVE: readonly string[] = STAGES.slice(STAGES.indexOf('answered'))

interface Running {
  child: ChildProcess
  url: string
}

interface Seen {
  id: string
  state: string
  entries: { kind: string }[]
}

/** One organisation whose gateway dies at every border in turn, over one record. */
class Scene {
  acme!: Acme
  gateway!: Running
  token = ''
  readonly dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-crash-'))

  constructor(readonly database: TestDatabase | undefined) {}

  async open(): Promise<void> {
    this.acme = await startAcme({ dataDir: this.dataDir })
    await this.startGateway()
    for (const { connector, credential, value } of this.acme.credentials) {
      const query =
        'mutation ($connector: String!, $credential: String!, $kind: String!, $header: String, $username: String, $value: String, $password: String) { setCredential(connector: $connector, credential: $credential, kind: $kind, header: $header, username: $username, value: $value, password: $password) { version } }'
      await this.operate(query, { connector, credential, ...value })
    }
  }

  async startGateway(): Promise<void> {
    const url = this.database?.options.databaseUrl
    const env = { ...process.env, ...this.acme.env, ...(url === undefined ? {} : { DATABASE_URL: url }) }
    const child = fork(CHILD, [acmeConfiguration(), this.dataDir], { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const died = once(child, 'exit').then(() => Promise.reject(new Error('the gateway did not start')))
    const [{ url: address }] = (await Promise.race([once(child, 'message'), died])) as [{ url: string }]
    died.catch(() => undefined)
    this.gateway = { child, url: address }
    const { agentToken } = await this.operate('mutation { agentToken(agent: "invoice-clerk") }', {})
    this.token = String(agentToken)
  }

  operate(query: string, variables: JsonObject): Promise<JsonObject> {
    const address = readAddress(this.dataDir)
    if (!address) throw new Error('no gateway runs')
    return ask(address, query, variables)
  }

  async arm(stage: string): Promise<void> {
    const armed = once(this.gateway.child, 'message')
    this.gateway.child.send({ arm: stage })
    await armed
  }

  pay(reference: string): Promise<Response> {
    return fetch(`${this.gateway.url}/proxy/erp/payments`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ vendorId: 'V-1001', amount: 10.5, currency: 'EUR', reference }),
    })
  }

  /** The agent's request meets the gateway's death, and the gateway comes back. */
  async dieAt(stage: string): Promise<void> {
    await this.arm(stage)
    const exit = once(this.gateway.child, 'exit')
    await expect(this.pay(stage)).rejects.toThrow()
    expect(await exit).toEqual([null, 'SIGKILL'])
    await this.startGateway()
  }

  effects(reference: string): number {
    return this.acme.systems.erp.journal
      .entries({ operation: 'releasePayment' })
      .filter((entry) => String(entry.body).includes(`"${reference}"`)).length
  }

  async callsOf(reference: string): Promise<Seen[]> {
    const query =
      '{ calls(first: 100, filter: { operation: "erp.releasePayment" }) { edges { node { id state input entries { kind } } } } }'
    const { userToken } = await this.operate('mutation { userToken(person: "aisha") }', {})
    const data = await ask({ url: this.gateway.url, token: String(userToken) }, query)
    const { edges } = data.calls as unknown as { edges: { node: Seen & { input: { reference: string } } }[] }
    return edges.map(({ node }) => node).filter(({ input }) => input.reference === reference)
  }

  /** Waits by the status door until the call has ended one way or another. */
  async ended(id: string): Promise<string> {
    for (let waits = 0; waits < 3; waits++) {
      const answer = await fetch(`${this.gateway.url}/v1/calls/${id}?wait=30`, { headers: { authorization: `Bearer ${this.token}` } })
      const { state } = (await answer.json()) as { state: string }
      if (answer.status === 200) return state
    }
    return 'not ended'
  }

  async close(): Promise<void> {
    const exit = once(this.gateway.child, 'exit')
    this.gateway.child.disconnect()
    await exit
    await this.acme.close()
    await this.database?.drop()
    rmSync(this.dataDir, { recursive: true, force: true })
  }
}

const databases = [['PGlite', undefined] as const, ['PostgreSQL', await freshPostgres('kill -9 at ten points of a call')] as const]

describe.each(databases.filter(([name, database]) => name === 'PGlite' || database))('kill -9 on %s', (_name, database) => {
  const scene = new Scene(database)
  beforeAll(async () => {
    await scene.open()
    for (const stage of STAGES) await scene.dieAt(stage)
  }, 180_000)
  afterAll(() => scene.close())

  test.each(STAGES)('at the border `%s`', async (stage) => {
    const effects = scene.effects(stage)
    const calls = await scene.callsOf(stage)
    // Never an effect without an intent.
    expect(calls.filter((call) => call.entries.some(({ kind }) => kind === 'intent'))).toHaveLength(INTENDED.includes(stage) ? 1 : 0)
    expect(effects).toBe(EFFECTIVE.includes(stage) ? 1 : 0)
    const [call] = calls
    if (call && stage !== 'outcome-recorded') {
      // Every half-done call is reported.
      expect(await scene.ended(call.id)).toBe('in_doubt')
    }
    // Frameworks repeat calls whose answer they lost: never two effects.
    const again = await scene.pay(stage)
    if (stage === 'outcome-recorded') expect(again.status).toBe(201)
    else if (call) expect(await again.json()).toMatchObject({ callId: call.id, inDoubt: true })
    else expect(again.status).toBe(201)
    expect(scene.effects(stage)).toBe(call ? effects : 1)
  })
})
