import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startOrganisation } from '../../examples/acme/organisation.ts'
import { type Acme, acmeConfiguration, startAcme } from '../../examples/acme/start.ts'
import { ask } from '../cli/control-plane.ts'
import { readAddress } from '../config/address-file.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import { type RunningGateway, startGateway } from '../main.ts'
import { freshPostgres } from '../storage/test-databases.ts'
import { copyAcme, edited } from './acme-copy.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const quiet = { write: () => {} }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-holds-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A copy of Acme's configuration that a test may change between two starts. */
function copyConfiguration(): string {
  const home = dirname(acmeConfiguration())
  const copy = join(folder, 'configuration')
  for (const name of ['gatehouse.yaml', 'people.yaml', 'agents.yaml', 'approvals.yaml', 'connectors', 'policies', 'playbooks', 'keys']) {
    cpSync(join(home, name), join(copy, name), { recursive: true })
  }
  rmSync(join(copy, 'policies', 'tests'), { recursive: true, force: true })
  for (const name of readdirSync(join(copy, 'connectors')).filter((file) => file.endsWith('.yaml'))) {
    edited(join(copy, 'connectors', name), (text) =>
      text.replace('../systems', join(home, 'systems')).replace('../../../node_modules', join(ROOT, 'node_modules')),
    )
  }
  return join(copy, 'gatehouse.yaml')
}

/** Approved payments wait for their agent. */
const claimed = (): void => edited(configured('approvals.yaml'), (text) => text.replace('on_approval: execute', 'on_approval: claim'))

const configured = (name: string): string => join(folder, 'configuration', name)

/** A gateway over Acme's systems that can be stopped and started over the same record. */
class Scene {
  organisation!: Awaited<ReturnType<typeof startOrganisation>>
  readonly configFile = copyConfiguration()
  readonly dataDir = join(folder, 'data')

  async start(): Promise<void> {
    this.organisation = await startOrganisation({
      dataDir: this.dataDir,
      configFile: this.configFile,
      host: '127.0.0.1',
      port: 0,
      environment: {},
      logStream: quiet,
    })
  }

  async restart(): Promise<void> {
    await this.organisation.close()
    await this.start()
  }

  get url(): string {
    return this.organisation.gateway.url
  }

  payments(): number {
    return this.organisation.acme.systems.erp.journal.entries({ operation: 'releasePayment' }).length
  }
}

async function mint(dataDir: string, query: string): Promise<string> {
  const address = readAddress(dataDir)
  if (!address) throw new Error('no gateway runs')
  return String(Object.values(await ask(address, query))[0])
}

const agentToken = (dataDir: string): Promise<string> => mint(dataDir, 'mutation { agentToken(agent: "invoice-clerk") }')
const personToken = (dataDir: string, person: string): Promise<string> => mint(dataDir, `mutation { userToken(person: "${person}") }`)

interface Answer {
  status: number
  body: JsonObject
}

async function http(url: string, token: string, path: string, method = 'GET', body?: JsonValue): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
  const response = await fetch(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const read: unknown = JSON.parse(await response.text())
  return { status: response.status, body: isJsonObject(read) ? read : {} }
}

const pay = (url: string, token: string, reference = 'r', amount = 2000): Promise<Answer> =>
  http(url, token, '/proxy/erp/payments', 'POST', { vendorId: 'V-1001', amount, currency: 'EUR', reference })

async function holdsOf(url: string, token: string, callId: JsonValue | undefined): Promise<{ id: string; state: string }[]> {
  const data = await ask({ url, token }, '{ holds(first: 200) { edges { node { id callId state } } } }')
  const { edges } = data.holds as unknown as { edges: { node: { id: string; callId: string; state: string } }[] }
  return edges.map(({ node }) => node).filter((hold) => hold.callId === callId)
}

const vote = (url: string, token: string, id: string, how: 'approveHold' | 'rejectHold' = 'approveHold'): Promise<JsonObject> =>
  ask({ url, token }, `mutation ($id: ID!) { ${how}(id: $id, comment: "seen") { id state } }`, { id })

const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'nothing was refused',
    (error: unknown) => (error instanceof GatewayError ? error.message : String(error)),
  )

describe('a held payment', () => {
  const scene = (): Scene => new Scene()

  test('survives a restart, is approved afterwards, executes once, and its agent gets the result', async () => {
    const here = scene()
    await here.start()
    const held = await pay(here.url, await agentToken(here.dataDir))
    expect(held).toMatchObject({ status: 202, body: { code: 'HELD' } })
    await here.restart()
    const [agent, maria] = [await agentToken(here.dataDir), await personToken(here.dataDir, 'maria')]
    const [hold] = await holdsOf(here.url, maria, held.body.callId)
    expect(await vote(here.url, maria, hold?.id ?? '')).toMatchObject({ approveHold: { state: 'approved' } })
    const status = await http(here.url, agent, `/v1/calls/${held.body.callId}?wait=20`)
    expect(status).toMatchObject({ status: 200, body: { state: 'completed', result: { amount: 2000 }, upstream: { status: 201 } } })
    expect(await refusal(vote(here.url, maria, hold?.id ?? ''))).toMatch(/voted on this hold already/)
    expect(here.payments()).toBe(1)
    await here.organisation.close()
  })

  test.each([
    [
      'the rule that held it was rewritten',
      () => edited(configured('policies/erp.cedar'), (text) => text.replace('decimal("1000.00")', 'decimal("900.00")')),
      'held',
      'superseded',
    ],
    [
      'its approver left the group',
      () =>
        edited(configured('people.yaml'), (text) =>
          text.replace('name: maria, groups: [finance, finance-managers]', 'name: maria, groups: [finance]'),
        ),
      'held',
      'superseded',
    ],
    [
      'its approver owns the agent today',
      () =>
        edited(configured('agents.yaml'), (text) =>
          text.replace('- name: invoice-clerk\n  owner: paul', '- name: invoice-clerk\n  owner: maria'),
        ),
      'held',
      'superseded',
    ],
    [
      'the approval asks for more today',
      () => edited(configured('approvals.yaml'), (text) => text.replace('count: 1', 'count: 2')),
      'held',
      'superseded',
    ],
    [
      'a rule forbids it today',
      () =>
        edited(
          configured('policies/erp.cedar'),
          (text) => `${text}\n@id("no-more")\nforbid (principal, action == Erp::Action::"releasePayment", resource);\n`,
        ),
      'denied',
      'denied',
    ],
  ])('that waits for its agent is not released when %s', async (_title, change, callState, holdState) => {
    const here = scene()
    claimed()
    await here.start()
    const held = await pay(here.url, await agentToken(here.dataDir))
    const [hold] = await holdsOf(here.url, await personToken(here.dataDir, 'maria'), held.body.callId)
    await vote(here.url, await personToken(here.dataDir, 'maria'), hold?.id ?? '')
    await here.organisation.close()
    change()
    await here.start()
    const agent = await agentToken(here.dataDir)
    await http(here.url, agent, `/v1/calls/${held.body.callId}/claim`, 'POST')
    expect((await http(here.url, agent, `/v1/calls/${held.body.callId}`)).body.state).toBe(callState)
    const states = (await holdsOf(here.url, await personToken(here.dataDir, 'raj'), held.body.callId)).map(({ id, state }) => [id, state])
    expect(states).toContainEqual([hold?.id, holdState])
    expect(here.payments()).toBe(0)
    await here.organisation.close()
  })

  test('is claimed by its agent once, and not by asking twice at once', async () => {
    const here = scene()
    claimed()
    await here.start()
    const [agent, maria] = [await agentToken(here.dataDir), await personToken(here.dataDir, 'maria')]
    const held = await pay(here.url, agent)
    const path = `/v1/calls/${held.body.callId}`
    expect(await http(here.url, agent, `${path}/claim`, 'POST')).toMatchObject({ status: 409, body: { code: 'CALL_NOT_CLAIMABLE' } })
    const [hold] = await holdsOf(here.url, maria, held.body.callId)
    await vote(here.url, maria, hold?.id ?? '')
    expect(here.payments()).toBe(0)
    await Promise.all([1, 2, 3].map(() => http(here.url, agent, `${path}/claim`, 'POST')))
    expect(await http(here.url, agent, `${path}?wait=20`)).toMatchObject({ status: 200, body: { state: 'completed' } })
    expect(here.payments()).toBe(1)
    await here.organisation.close()
  })

  test('ends unexecuted: rejected, cancelled, expired; and then nobody can approve it', async () => {
    const here = scene()
    edited(configured('approvals.yaml'), (text) => text.replace('expires: 4h', 'expires: 3s'))
    await here.start()
    const agent = await agentToken(here.dataDir)
    const [maria, raj, paul] = await Promise.all(['maria', 'raj', 'paul'].map((name) => personToken(here.dataDir, name)))
    if (!maria || !raj || !paul) throw new Error('nobody to vote')
    const ends: [string, (id: string, callId: string) => Promise<unknown>, string][] = [
      ['rejected', (id) => vote(here.url, maria, id, 'rejectHold'), 'rejected'],
      ['cancelled', (_id, callId) => http(here.url, agent, `/v1/calls/${callId}/cancel`, 'POST'), 'cancelled'],
      ['expired', (_id, callId) => http(here.url, agent, `/v1/calls/${callId}?wait=20`), 'expired'],
    ]
    for (const [reference, end, state] of ends) {
      const held = await pay(here.url, agent, reference)
      const [hold] = await holdsOf(here.url, maria, held.body.callId)
      expect(await refusal(vote(here.url, paul, hold?.id ?? ''))).not.toBe('nothing was refused')
      await end(hold?.id ?? '', String(held.body.callId))
      expect((await http(here.url, agent, `/v1/calls/${held.body.callId}`)).body.state).toBe(state)
      expect(await refusal(vote(here.url, raj, hold?.id ?? ''))).toMatch(/is (no longer open|rejected|cancelled|expired)/)
    }
    expect(here.payments()).toBe(0)
    await here.organisation.close()
  })

  test("is not voted on with an agent's token", async () => {
    const here = scene()
    await here.start()
    const agent = await agentToken(here.dataDir)
    const held = await pay(here.url, agent)
    const [hold] = await holdsOf(here.url, await personToken(here.dataDir, 'maria'), held.body.callId)
    const response = await fetch(`${here.url}/operator/graphql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${agent}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query: `mutation { approveHold(id: "${hold?.id}", comment: "me") { state } }` }),
    })
    expect(response.status).toBe(401)
    expect(here.payments()).toBe(0)
    await here.organisation.close()
  })
})

const postgres = await freshPostgres('holds over two replicas')

describe.runIf(postgres)('two replicas on PostgreSQL', () => {
  const data = mkdtempSync(join(tmpdir(), 'gatehouse-replicas-'))
  const configFile = join(copyAcme(join(data, 'copy')), 'gatehouse.yaml')
  let acme: Acme
  const replicas: RunningGateway[] = []

  const start = async (name: string): Promise<RunningGateway> => {
    const environment = { ...acme.env, DATABASE_URL: postgres?.options.databaseUrl }
    // One vault key for both: replicas of one organisation share their secrets.
    const dataDir = join(data, name)
    cpSync(join(data, 'keys'), dataDir, { recursive: true })
    return await startGateway({
      configFile,
      dataDir,
      host: '127.0.0.1',
      port: 0,
      environment,
      logStream: quiet,
      async prepare(vault) {
        const sealed = await vault.list()
        if (sealed.length === 0)
          for (const { connector, credential, value } of acme.credentials) await vault.set(connector, credential, value)
      },
    })
  }

  test('a vote on one releases what the other holds, and every approval executes exactly once', async () => {
    acme = await startAcme({ dataDir: join(data, 'acme') })
    cpSync(join(data, 'acme'), join(data, 'keys'), { recursive: true, filter: (path) => path === join(data, 'acme') })
    const first = await start('first')
    cpSync(join(data, 'first', 'vault.key'), join(data, 'keys', 'vault.key'))
    const second = await start('second')
    replicas.push(first, second)
    const tokens = { agent: await agentToken(join(data, 'first')), maria: await personToken(join(data, 'second'), 'maria') }
    const references = Array.from({ length: 8 }, (_, index) => `replica-${index}`)
    const held = await Promise.all(references.map((reference) => pay(first.url, tokens.agent, reference)))
    const raj = await personToken(join(data, 'first'), 'raj')
    const ended = held.map(({ body }) => http(first.url, tokens.agent, `/v1/calls/${body.callId}?wait=30`))
    for (const { body } of held) {
      const [hold] = await holdsOf(second.url, tokens.maria, body.callId)
      // Two people approve the same hold on two replicas at once: one of them is the last needed vote.
      await Promise.allSettled([vote(second.url, tokens.maria, hold?.id ?? ''), vote(first.url, raj, hold?.id ?? '')])
    }
    for (const { body } of await Promise.all(ended)) expect(body).toMatchObject({ state: 'completed' })
    const executed = acme.systems.erp.journal
      .entries({ operation: 'releasePayment' })
      .map(({ body }) => String(body).match(/replica-\d/)?.[0])
    expect(executed.sort()).toEqual(references)
    for (const replica of replicas) await replica.close()
    await acme.close()
    await postgres?.drop()
    rmSync(data, { recursive: true, force: true })
  }, 90_000)
})
