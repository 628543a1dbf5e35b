import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { httpServer, type McpTestServer } from '../../connectors/mcp/fixture-mcp.ts'
import { ask, findGateway } from '../cli/control-plane.ts'
import type { JsonObject } from '../core/json.ts'
import { startGateway } from '../main.ts'
import { stateless } from '../surfaces/mcp/fixture-door.ts'
import { leakOf, whole } from './forms-of.ts'
import { PERSONAL } from './probe/person.ts'
import { fields, jsonOf, send } from './send.ts'

const leakedIn = leakOf(PERSONAL)
const AGENTS = ['robin', 'sam'] as const
const LEVEL = 'io.modelcontextprotocol/logLevel'

const input = { type: 'object', properties: {} }
const personSchema = { type: 'object', properties: { id: { type: 'string' }, name: { type: 'string', 'x-pii': true } } }
const TOOLS: JsonObject[] = [
  { name: 'person', description: 'structured, with its text beside it', inputSchema: input, outputSchema: personSchema },
  { name: 'unstructured', description: 'promises structure and sends text', inputSchema: input, outputSchema: personSchema },
  { name: 'note', description: 'text and other content', inputSchema: input },
  { name: 'fails', description: 'fails', inputSchema: input, outputSchema: personSchema },
]
const image = { type: 'image', mimeType: 'image/png', data: Buffer.from(PERSONAL).toString('base64') }
const resource = { type: 'resource', resource: { uri: `file:///${encodeURIComponent(PERSONAL)}`, text: PERSONAL } }
const RESULTS: Readonly<Record<string, JsonObject>> = {
  person: {
    content: [{ type: 'text', text: `id p1, name ${PERSONAL}` }, image],
    structuredContent: { id: 'p1', name: PERSONAL, nick: PERSONAL },
    _meta: { name: PERSONAL },
  },
  unstructured: { content: [{ type: 'text', text: PERSONAL }] },
  note: { content: [{ type: 'text', text: PERSONAL }, image, resource] },
  fails: { isError: true, content: [{ type: 'text', text: `nobody is called ${PERSONAL}` }] },
}

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-masking-'))
const closers: (() => unknown)[] = [() => rmSync(folder, { recursive: true })]
const tokens = new Map<string, string>()
const lines: string[] = []
let system: McpTestServer
let url: string

function configuration(): string {
  const write = (file: string, value: unknown): void =>
    writeFileSync(join(folder, file), typeof value === 'string' ? value : JSON.stringify(value))
  for (const each of ['connectors', 'policies']) mkdirSync(join(folder, each))
  write('gatehouse.yaml', {
    organisation: 'masking',
    issuers: [{ kind: 'built-in', development: true }],
    ...{ connectors: ['connectors'], policies: ['policies'], people: 'people.yaml', agents: 'agents.yaml' },
  })
  write('people.yaml', [{ name: 'olga', groups: ['platform'], roles: ['operator'] }])
  const agent = { owner: 'olga', team: 'platform', region: 'eu', purpose: 'Reads.', roles: [], autonomy: 3 }
  write('agents.yaml', [
    { name: 'robin', ...agent },
    { name: 'sam', ...agent, clearance: ['pii'] },
  ])
  write(
    'policies/org.cedar',
    `@id("all") permit (principal, action, resource);
@id("cleared") permit (principal is Gatehouse::Agent, action == Gatehouse::Action::"readClass", resource)
when { principal.clearance.contains("pii") };
`,
  )
  write('connectors/people.lock.json', { kind: 'mcp', tools: TOOLS })
  const { baseUrl } = system.manifest
  const reach = { source: 'people.lock.json', baseUrl, region: 'eu', egress: ['127.0.0.1'] }
  const operations = { overrides: { note: { dataClasses: { '/text': ['pii'], '/items': ['pii'] } } } }
  write('connectors/people.yaml', { connector: 'people', kind: 'mcp', ...reach, operations })
  return join(folder, 'gatehouse.yaml')
}

beforeAll(async () => {
  system = await httpServer({
    sse: true,
    tools: TOOLS,
    result: ({ name }) => RESULTS[String(name)] ?? {},
    async during({ method }, say) {
      if (method === 'tools/call') say({ level: 'error', data: { looked: PERSONAL } })
    },
  })
  const dataDir = join(folder, 'data')
  const logStream = { write: (text: string) => void lines.push(text) }
  const gateway = await startGateway({ configFile: configuration(), dataDir, host: '127.0.0.1', port: 0, environment: {}, logStream })
  closers.push(
    () => system.stop(),
    () => gateway.close(),
  )
  url = gateway.url
  for (const agent of AGENTS) {
    const { token } = await ask(findGateway({ data: dataDir }), 'mutation ($agent: String!) { token: agentToken(agent: $agent) }', {
      agent,
    })
    tokens.set(agent, `Bearer ${String(token)}`)
  }
})
afterAll(async () => {
  for (const close of closers.reverse()) await close()
  expect(leakedIn(lines.join(''))).toBeUndefined()
})

const headersOf = (agent: (typeof AGENTS)[number]) => ({ authorization: tokens.get(agent) ?? '', 'content-type': 'application/json' })
const call = (agent: (typeof AGENTS)[number], tool: string) =>
  stateless(
    { port: Number(new URL(url).port) },
    'tools/call',
    { name: `people_${tool}`, arguments: {} },
    { headers: headersOf(agent), meta: { [LEVEL]: 'debug' } },
  )

const MASKED_TEXT = [{ type: 'text', text: 'The answer is masked: you may not read it.' }]

test.each([
  ['person', { structuredContent: { id: 'p1', name: null }, content: [{ type: 'text', text: '{"id":"p1","name":null}' }] }, ['/name']],
  ['unstructured', { structuredContent: {}, content: [{ type: 'text', text: '{}' }] }, undefined],
  ['note', { content: MASKED_TEXT }, ['/items', '/text']],
  ['fails', { isError: true }, ['']],
])('what an MCP system tells of %s is masked in content, structure, meta and log alike', async (tool, expected, masked) => {
  const reply = await call('robin', tool)
  expect(reply.messages.map(({ method }) => method)).toEqual([undefined])
  const result = fields(reply.messages[0]?.result)
  expect(result).toMatchObject(expected)
  expect(fields(result._meta)['gatehouse/masked']).toEqual(masked)
  expect(leakedIn(reply.text)).toBeUndefined()
  for (const other of [
    {
      path: '/graphql',
      body: JSON.stringify({ query: `mutation { people_${tool} ${tool === 'note' ? '{ text items }' : '{ id name }'} }` }),
    },
    { path: `/proxy/people/${tool}`, body: '{}' },
  ]) {
    const text = whole(await send(url, { method: 'POST', headers: headersOf('robin'), ...other }))
    expect(leakedIn(text), text).toBeUndefined()
  }
})

test.each(['person', 'note', 'fails'])('whoever may read the class is told %s as it came', async (tool) => {
  const reply = await call('sam', tool)
  expect(reply.messages.map(({ method }) => method)).toEqual(['notifications/message', undefined])
  for (const message of reply.messages) expect(leakedIn(JSON.stringify(message))).toBeDefined()
  expect(fields(fields(reply.messages.at(-1)?.result)._meta)).not.toHaveProperty('gatehouse/masked')
})

test('an answer whose structure promises another form is withheld at every door', async () => {
  const results = RESULTS as Record<string, JsonObject>
  const before = results.person ?? {}
  results.person = { content: [], structuredContent: { id: { name: PERSONAL } } }
  const mcp = await call('robin', 'person')
  expect(mcp.text).toContain('EXECUTED, but its answer is withheld (WITHHELD, status 200).')
  const query = 'mutation { people_person { id name } }'
  const graphql = await send(url, { method: 'POST', path: '/graphql', headers: headersOf('robin'), body: JSON.stringify({ query }) })
  const proxied = await send(url, { method: 'POST', path: '/proxy/people/person', headers: headersOf('robin'), body: '{}' })
  expect([graphql.text, String(fields(jsonOf(proxied)).code)]).toEqual([expect.stringContaining('"code":"WITHHELD"'), 'WITHHELD'])
  for (const text of [mcp.text, whole(graphql), whole(proxied)]) expect(leakedIn(text)).toBeUndefined()
  results.person = before
})
