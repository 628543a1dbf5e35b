import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import { freshPostgres } from '../storage/test-databases.ts'
import { openScene, type Replica, type Scene } from './facts-scene.ts'
import { type Outgoing, type Reply, send } from './send.ts'

type Door = (operation: string, path: string, input: JsonObject) => Outgoing

const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
const DOORS: Readonly<Record<'graphql' | 'mcp' | 'http', Door>> = {
  graphql: (operation, _path, { amount, note }) => ({
    method: 'POST',
    path: '/graphql',
    body: JSON.stringify({ query: `mutation { bank_${operation}(amount: ${amount}, note: "${note}") { ok } }` }),
  }),
  mcp: (operation, _path, input) => ({
    method: 'POST',
    path: '/mcp',
    headers: { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': `bank_${operation}` },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { _meta: META, name: `bank_${operation}`, arguments: input },
    }),
  }),
  http: (_operation, path, input) => ({ method: 'POST', path: `/proxy/bank${path}`, body: JSON.stringify(input) }),
}
const doors = Object.values(DOORS)

const said = (body: unknown): JsonObject => (isJsonObject(body) ? body : {})
const bodyOf = ({ text }: Reply): JsonObject => said(JSON.parse(text || '{}'))
const unique = (): string => randomBytes(6).toString('hex')

const postgres = await freshPostgres('facts over two gateways')
const databases = [['PGlite', undefined, ['one']] as const, ['PostgreSQL', postgres, ['one', 'two']] as const]

describe.each(databases.filter(([name, database]) => name === 'PGlite' || database))('facts on %s', (_name, database, names) => {
  let scene: Scene
  let replicas: Replica[]
  let one: Replica
  const tokens = new Map<string, string>()
  const start = async () => {
    tokens.clear()
    replicas = []
    for (const name of names) replicas.push(await scene.start(name))
    one = replicas[0] as Replica
  }
  beforeAll(async () => {
    scene = await openScene(database)
    await start()
  }, 60_000)
  afterAll(() => scene?.close())
  beforeEach(() => {
    scene.reached.length = 0
    scene.meets.length = 0
  })

  async function ask(at: Replica, agent: string, out: Outgoing, subject?: string): Promise<Reply> {
    const key = JSON.stringify([at.url, agent, subject])
    const token = tokens.get(key) ?? (await at.token(agent, subject))
    tokens.set(key, token)
    const headers = { 'content-type': 'application/json', ...out.headers, authorization: `Bearer ${token}` }
    return await send(at.url, { ...out, headers })
  }
  const http = (path: string, input: JsonObject, agent: string, more: { subject?: string; run?: string } = {}) => {
    const headers = more.run === undefined ? {} : { 'gatehouse-run': more.run }
    return ask(one, agent, { ...DOORS.http('', path, input), headers }, more.subject)
  }
  const idOf = (reply: Reply): string => reply.headers['gatehouse-call'] ?? ''
  const trail = async (id: string): Promise<JsonObject> => {
    const query = 'query ($id: ID!) { call(id: $id) { state entries { kind body } hold { id state } } }'
    return said((await one.people('aisha', query, { id })).call)
  }
  const vote = async (id: string, verb: 'approveHold' | 'rejectHold'): Promise<void> => {
    const hold = said((await trail(id)).hold)
    await one.people('lea', `mutation ($id: ID!) { ${verb}(id: $id) { state } }`, { id: hold.id ?? null })
  }
  /** Waits by the status door until the call ends. */
  const ended = async (id: string, agent: string): Promise<JsonObject> => {
    const reply = await ask(one, agent, { path: `/v1/calls/${id}?wait=30` })
    return bodyOf(reply)
  }
  const effects = (path: string) => scene.reached.filter((request) => request.startsWith(`POST ${path} `)).length

  test('of 50 payments of 2,000 at once, at all doors and gateways, 5,000 an hour lets exactly two through', async () => {
    const all = await Promise.all(
      Array.from({ length: 50 }, (_, i) => {
        const input = { amount: 2_000, note: unique() }
        const door = doors[i % doors.length] as Door
        return ask(replicas[i % replicas.length] as Replica, 'clerk', door('pay', '/payments', input))
      }),
    )
    expect(effects('/payments')).toBe(2)
    expect(all.filter(({ text }) => text.includes('At most 5,000 an hour.'))).toHaveLength(48)
    const query = '{ calls(first: 100, filter: { operation: "bank.pay" }) { edges { node { id state } } } }'
    const { edges } = said((await one.people('aisha', query)).calls)
    const states = (Array.isArray(edges) ? edges : []).map((edge) => said(said(edge).node).state)
    expect([states.length, states.filter((state) => state === 'COMPLETED' || state === 'completed').length]).toEqual([50, 2])
  }, 60_000)

  test('a refused payment gives back, one in doubt keeps until a person says that it did not happen', async () => {
    scene.meets.push({ status: 422 })
    expect((await http('/payments', { amount: 4_000, note: unique() }, 'teller')).status).toBe(422)
    scene.meets.push({ status: 500 })
    const doubtful = await http('/payments', { amount: 4_000, note: unique() }, 'teller')
    expect(bodyOf(doubtful)).toMatchObject({ inDoubt: true })
    expect((await http('/payments', { amount: 2_000, note: unique() }, 'teller')).status).toBe(403)
    const query = 'mutation ($id: ID!) { resolveCall(id: $id, effect: DID_NOT_HAPPEN, evidence: "the bank says so") { state } }'
    await one.people('olga', query, { id: idOf(doubtful) })
    expect((await http('/payments', { amount: 5_000, note: unique() }, 'teller')).status).toBe(200)
    expect((await http('/payments', { amount: 0.01, note: unique() }, 'teller')).status).toBe(403)
  })

  test('clean approvals count until one is refused', async () => {
    const lend = (amount: number) => http('/loans', { amount, note: unique() }, 'desk')
    for (let i = 0; i < 2; i++) {
      const held = await lend(10)
      expect(held.status).toBe(202)
      await vote(idOf(held), 'approveHold')
      expect(await ended(idOf(held), 'desk')).toMatchObject({ state: 'completed' })
    }
    expect((await lend(10)).status).toBe(200)
    const large = await lend(2_000)
    expect(large.status).toBe(202)
    await vote(idOf(large), 'rejectHold')
    expect((await lend(10)).status).toBe(202)
  })

  test('a held transfer whose account changed is held anew, and executes once it is approved as it is now', async () => {
    const account = (iban: string) => ({ status: 200, body: { iban, owner: 'them' } })
    scene.meets.push(account('DE1'), account('DE2'))
    const held = await http('/transfers', { account: 'a1', amount: 5, note: unique() }, 'desk')
    expect(held.status).toBe(202)
    const id = idOf(held)
    const first = said((await trail(id)).hold).id
    await vote(id, 'approveHold')
    await expect.poll(async () => said((await trail(id)).hold).id, { timeout: 20_000 }).not.toBe(first)
    const text = JSON.stringify((await trail(id)).entries)
    expect(text).toContain('facts_changed: lookup `account` changed in `iban`')
    expect(effects('/transfers')).toBe(0)
    scene.meets.push(account('DE2'))
    await vote(id, 'approveHold')
    expect(await ended(id, 'desk')).toMatchObject({ state: 'completed' })
    expect(effects('/transfers')).toBe(1)
  }, 60_000)

  test.each([
    ['is late', 'late'],
    ['fails', { status: 500 }],
  ] as const)('a lookup that %s denies, with nothing written', async (_title, meet) => {
    scene.meets.push(meet)
    const reply = await http('/transfers', { account: 'a1', amount: 5, note: unique() }, 'desk')
    expect([reply.status, bodyOf(reply).reason]).toEqual([403, 'policy_error'])
    expect(effects('/transfers')).toBe(0)
    expect(JSON.stringify((await trail(idOf(reply))).entries)).toContain('lookup `account` failed')
  })

  test('an explanation takes facts, and touches no system', async () => {
    const query =
      'query ($facts: JSON) { explain(agent: "desk", operation: "bank.transfer", input: { account: "a1", amount: 5 }, facts: $facts) { outcome errors } }'
    const told = async (facts: JsonObject | null) => said((await one.people('aisha', query, { facts })).explain)
    const owner = (name: string) => ({ lookup: { account: { iban: 'DE1', owner: name } } })
    expect([(await told(owner('us'))).outcome, (await told(owner('them'))).outcome]).toEqual(['permit', 'hold'])
    const without = await told(null)
    expect([without.outcome, JSON.stringify(without.errors)]).toEqual(['deny', expect.stringContaining('lookup `account` was not made')])
    expect(scene.reached).toEqual([])
  })

  test('labels outlive the gateway and a new name for the run; a run that a person starts begins without', async () => {
    const mail = (more: { run?: string } = {}) => http('/mails', { to: unique() }, 'mailer', { subject: 'ada', ...more })
    expect((await mail()).status).toBe(200)
    expect((await ask(one, 'mailer', { path: '/proxy/bank/inbox/7' }, 'ada')).status).toBe(200)
    expect((await mail()).status).toBe(403)
    for (const replica of replicas) await replica.kill()
    await start()
    expect((await mail()).status).toBe(403)
    expect((await mail({ run: 'quite-new' })).status).toBe(403)
    const query = 'mutation { startRun(agent: "mailer", subject: "ada") }'
    const run = String((await one.people('olga', query)).startRun)
    expect((await mail({ run })).status).toBe(200)
    expect((await http('/mails', { to: unique() }, 'mailer', { subject: 'bob', run })).status).toBe(200)
    await expect(one.people('lea', query)).rejects.toMatchObject({ code: 'FORBIDDEN' })
  }, 60_000)
})
