import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ask } from '../cli/control-plane.ts'
import { readAddress } from '../config/address-file.ts'
import type { JsonObject, JsonValue } from '../core/json.ts'
import type { TestDatabase } from '../storage/test-databases.ts'

const CHILD = fileURLToPath(new URL('../../dist/gateway/e2e/crash-child.js', import.meta.url))

const text = { type: 'string' }
const answers = (schema: object) => ({ '200': { description: '', content: { 'application/json': { schema } } } })
const post = (operationId: string, properties: object) => ({
  post: {
    operationId,
    requestBody: { required: true, content: { 'application/json': { schema: { type: 'object', properties } } } },
    responses: answers({ type: 'object', properties: { ok: { type: 'boolean' } } }),
  },
})
const get = (operationId: string, properties: object) => ({
  get: {
    operationId,
    parameters: [{ name: 'id', in: 'path', required: true, schema: text }],
    responses: answers({ type: 'object', properties }),
  },
})
const amount = { amount: { type: 'number' }, note: text }

const FILES: Readonly<Record<string, string>> = {
  'gatehouse.yaml': `organisation: bank
issuers: [{kind: built-in, development: true}]
connectors: [connectors]
policies: [policies]
approvals: approvals.yaml
people: people.yaml
agents: agents.yaml
`,
  'people.yaml': `- {name: lea, groups: [leads]}
- {name: liz, groups: [leads]}
- {name: olga, groups: [platform], roles: [operator]}
- {name: aisha, groups: [security], roles: [security]}
`,
  'agents.yaml': ['clerk', 'teller', 'desk', 'mailer']
    .map((name) => `- {name: ${name}, owner: paul, team: t, region: eu, roles: [bank]}\n`)
    .join(''),
  'approvals.yaml': 'lead: {requires: [{group: leads, count: 1}], expires: 1h}\n',
  'connectors/bank.yaml': `connector: bank
kind: openapi
source: bank.json
baseUrl: \${BANK_URL:-http://127.0.0.1:1}
region: eu
egress: [127.0.0.1]
operations:
  overrides:
    readMail: {labels: [untrusted]}
    getAccount: {timeout: 1s}
`,
  'connectors/bank.json': JSON.stringify({
    openapi: '3.1.0',
    info: { title: 'Bank', version: '1' },
    paths: {
      '/payments': post('pay', amount),
      '/loans': post('lend', amount),
      '/transfers': post('transfer', { account: text, ...amount }),
      '/mails': post('send', { to: text }),
      '/inbox/{id}': get('readMail', { body: text }),
      '/accounts/{id}': get('getAccount', { iban: text, owner: text }),
    },
  }),
  'policies/org.cedar': '',
  'policies/bank.cedar': `@id("bank") permit (principal in Gatehouse::Role::"bank", action, resource);
@id("people") permit (principal is Gatehouse::Person, action, resource);
@id("cap") @advice("At most 5,000 an hour.") forbid (principal, action == Bank::Action::"pay", resource)
when { context.history.paid1h.greaterThan(decimal("5000.0")) };
@id("unproven") @hold("lead") forbid (principal, action == Bank::Action::"lend", resource) when { context.history.clean < 2 };
@id("large") @hold("lead") forbid (principal, action == Bank::Action::"lend", resource)
when { context.input has amount && context.input.amount.greaterThan(decimal("1000.0")) };
@id("owner") @hold("lead") forbid (principal, action == Bank::Action::"transfer", resource)
when { context.lookup.account has owner && context.lookup.account.owner != "us" };
@id("tainted") forbid (principal, action == Bank::Action::"send", resource) when { context.labels.contains("untrusted") };
`,
  'policies/facts.yaml': `history:
  paid1h: { sum: /amount, of: [bank.pay], window: 1h }
  clean: { streak: approved-unedited, of: [bank.lend] }
lookups:
  account: { call: bank.getAccount, with: { id: /account }, fields: [/iban, /owner] }
`,
}

/** A gateway in a process of its own. */
export interface Replica {
  url: string
  /** An access token of this replica's issuer. */
  token(agent: string, subject?: string): Promise<string>
  people(person: string, query: string, variables?: JsonObject): Promise<JsonObject>
  stop(): Promise<void>
  kill(): Promise<void>
}

/** A bank that has one system, and gateways in front of it. Everything is real and of this test alone. */
export interface Scene {
  /** `METHOD path body` of what reached the system. */
  reached: string[]
  /** How the system meets its next requests, in order: a status, and the body where it is not `{"ok":true}`. `late`: never. */
  meets: ({ status: number; body?: JsonValue } | 'late')[]
  start(name: string): Promise<Replica>
  close(): Promise<void>
}

export async function openScene(database: TestDatabase | undefined): Promise<Scene> {
  const home = mkdtempSync(join(tmpdir(), 'gatehouse-facts-'))
  for (const [name, content] of Object.entries(FILES)) {
    mkdirSync(dirname(join(home, name)), { recursive: true })
    writeFileSync(join(home, name), content)
  }
  const reached: string[] = []
  const meets: Scene['meets'] = []
  const server = await listen(reached, meets)
  const replicas = new Set<Replica>()
  let key: string | undefined
  return {
    reached,
    meets,
    async start(name) {
      const dataDir = join(home, name)
      mkdirSync(dataDir, { recursive: true, mode: 0o700 })
      // Replicas of one organisation share the key that credentials are sealed and counters are named with.
      if (key !== undefined && key !== dataDir) cpSync(join(key, 'vault.key'), join(dataDir, 'vault.key'))
      key ??= dataDir
      const env = {
        ...process.env,
        BANK_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        ...(database?.options.databaseUrl === undefined ? {} : { DATABASE_URL: database.options.databaseUrl }),
      }
      const child = fork(CHILD, [join(home, 'gatehouse.yaml'), dataDir], { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
      const replica = await replicaOf(child, dataDir)
      replicas.add(replica)
      return replica
    },
    async close() {
      for (const replica of replicas) await replica.stop()
      server.closeAllConnections()
      server.close()
      await database?.drop()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

async function replicaOf(child: ChildProcess, dataDir: string): Promise<Replica> {
  const exited = once(child, 'exit')
  const died = exited.then(() => Promise.reject(new Error('the gateway did not start')))
  const [{ url }] = (await Promise.race([once(child, 'message'), died])) as [{ url: string }]
  died.catch(() => undefined)
  const local = (query: string, variables: JsonObject): Promise<JsonObject> => {
    const address = readAddress(dataDir)
    if (!address) throw new Error('no gateway runs')
    return ask(address, query, variables)
  }
  const end = async (how: () => void): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) how()
    await exited
  }
  return {
    url,
    async token(agent, subject) {
      const query = 'mutation ($agent: String!, $subject: String) { token: agentToken(agent: $agent, subject: $subject) }'
      return String((await local(query, { agent, ...(subject === undefined ? {} : { subject }) })).token)
    },
    async people(person, query, variables = {}) {
      const { token } = await local('mutation ($person: String!) { token: userToken(person: $person) }', { person })
      return await ask({ url, token: String(token) }, query, variables)
    },
    stop: () => end(() => child.disconnect()),
    kill: () => end(() => child.kill('SIGKILL')),
  }
}

function listen(reached: string[], meets: Scene['meets']): Promise<Server> {
  const server = createServer((req, res) => {
    let body = ''
    req.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk
    })
    req.on('end', () => {
      reached.push(`${req.method} ${req.url} ${body}`.trim())
      const meet = meets.shift() ?? { status: 200 }
      if (meet === 'late') return
      res.writeHead(meet.status, { 'content-type': 'application/json' }).end(JSON.stringify(meet.body ?? { ok: true }))
    })
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}
