import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ECHO, httpServer, type McpTestServer } from '../../connectors/mcp/fixture-mcp.ts'
import { ask, findGateway } from '../cli/control-plane.ts'
import type { JsonObject } from '../core/json.ts'
import { startGateway } from '../main.ts'
import { freshPostgres } from '../storage/test-databases.ts'
import { COMMON, type Reply, rpc, send, session, stateless } from '../surfaces/mcp/fixture-door.ts'

const SECRET = 'q"uite/secret-of-the-system'
const AGENTS = ['robin', 'sam'] as const

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-logs-'))
const closers: (() => unknown)[] = [() => rmSync(folder, { recursive: true })]
const tokens = new Map<string, string>()
let system: McpTestServer
let port: number
/** Both calls are at the system: it says things in both streams, in turn. */
const says = new Map<string, (params: JsonObject) => void>()
let both = Promise.withResolvers<void>()

async function during({ method, params }: JsonObject, say: (params: JsonObject) => void): Promise<void> {
  if (method !== 'tools/call') return
  says.set(String(((params as JsonObject).arguments as JsonObject).text), say)
  if (says.size < AGENTS.length) return await both.promise
  for (const level of ['debug', 'info', 'error'])
    for (const [whose, tell] of says)
      tell({ level, logger: 'auth', data: { whose, sent: [`key ${SECRET}`, JSON.stringify({ key: SECRET })] }, _meta: { key: SECRET } })
  both.resolve()
}

function configuration(): string {
  const write = (file: string, value: unknown): void =>
    writeFileSync(join(folder, file), typeof value === 'string' ? value : JSON.stringify(value))
  for (const each of ['connectors', 'policies']) mkdirSync(join(folder, each))
  write('gatehouse.yaml', {
    organisation: 'logs',
    issuers: [{ kind: 'built-in', development: true }],
    ...{ connectors: ['connectors'], policies: ['policies'], people: 'people.yaml', agents: 'agents.yaml' },
  })
  write('people.yaml', [{ name: 'olga', groups: ['platform'], roles: ['operator'] }])
  const agent = { owner: 'olga', team: 'platform', region: 'eu', purpose: 'Listens.', roles: [], autonomy: 3 }
  write(
    'agents.yaml',
    AGENTS.map((name) => ({ name, ...agent })),
  )
  write('policies/org.cedar', '@id("all")\npermit (principal, action, resource);\n')
  write('connectors/shop.lock.json', { kind: 'mcp', tools: [ECHO] })
  const { baseUrl } = system.manifest
  const reach = { source: 'shop.lock.json', baseUrl, region: 'eu', credential: 'key', egress: ['127.0.0.1'] }
  write('connectors/shop.yaml', { connector: 'shop', kind: 'mcp', ...reach })
  return join(folder, 'gatehouse.yaml')
}

beforeAll(async () => {
  system = await httpServer({ sse: true, during })
  const database = await freshPostgres('log messages of systems')
  const dataDir = join(folder, 'data')
  const gateway = await startGateway({
    ...{ configFile: configuration(), dataDir, host: '127.0.0.1', port: 0 },
    environment: { DATABASE_URL: database?.options.databaseUrl },
    logStream: { write: () => undefined },
  })
  closers.push(
    () => database?.drop(),
    () => system.stop(),
    () => gateway.close(),
  )
  port = Number(new URL(gateway.url).port)
  const control = findGateway({ data: dataDir })
  await ask(
    control,
    'mutation ($value: String!) { setCredential(connector: "shop", credential: "key", kind: "header", header: "x-key", value: $value) { version } }',
    { value: SECRET },
  )
  for (const agent of AGENTS) {
    const { token } = await ask(control, 'mutation ($agent: String!) { token: agentToken(agent: $agent) }', { agent })
    tokens.set(agent, `Bearer ${String(token)}`)
  }
})
afterAll(async () => {
  for (const close of closers.reverse()) await close()
})

const authorization = (agent: string): string => tokens.get(agent) ?? ''
const params = (text: string) => ({ name: 'shop_echo', arguments: { text } })
const LEVEL = 'io.modelcontextprotocol/logLevel'
const levelsIn = ({ messages }: Reply, whose: string): unknown[] =>
  messages.slice(0, -1).map((message) => {
    const data = message.params?.data as JsonObject
    expect([message.method, message.params?.logger, data.whose]).toEqual(['notifications/message', 'auth', whose])
    expect(data.sent).toEqual([`key ${'*'.repeat(SECRET.length + 1)}`, expect.stringMatching(/^\{"key":"\*+"\}$/)])
    expect(message.params).not.toHaveProperty('_meta')
    return message.params?.level
  })

test('two agents at once are each told what the system says of their own call, of their level, without the secret it was called with', async () => {
  const own = await session({ port }, { authorization: authorization('sam') })
  await send({ port }, 'POST', own, rpc('logging/setLevel', { level: 'error' }))
  const [robin, sam] = await Promise.all([
    stateless({ port }, 'tools/call', params('robin'), { headers: { authorization: authorization('robin') }, meta: { [LEVEL]: 'debug' } }),
    send({ port }, 'POST', own, rpc('tools/call', params('sam'))),
  ])
  expect(levelsIn(robin, 'robin')).toEqual(['debug', 'info', 'error'])
  expect(levelsIn(sam, 'sam')).toEqual(['error'])
  for (const { messages } of [robin, sam]) expect(messages.at(-1)?.result).toMatchObject({ structuredContent: { echoed: {} } })
  expect(system.arrived.map(({ raw }) => raw.includes('secret-of-the-system'))).toEqual([true, true])
})

test('who does not ask, and who comes through another door, is told nothing', async () => {
  says.clear()
  both = Promise.withResolvers()
  const headers = { ...COMMON, authorization: authorization('sam'), accept: 'application/json' }
  const query = 'mutation { shop_echo(text: "graphql") { echoed } }'
  const [silent, graphql] = await Promise.all([
    stateless({ port }, 'tools/call', params('mcp'), { headers: { authorization: authorization('robin') } }),
    fetch(`http://127.0.0.1:${port}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) }),
  ])
  expect(silent.headers['content-type']).toBe('application/json')
  expect(silent.text + (await graphql.text())).not.toContain('"whose"')
  expect(says.size).toBe(2)
})
