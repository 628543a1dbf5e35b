import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JsonObject } from '../core/json.ts'
import { type Door, DOORS, McpClient, openDoor } from './doors.ts'
import { leakOf, whole } from './forms-of.ts'
import { type Bed, type Remains, startBed } from './harness.ts'
import type { Heard } from './heard.ts'
import { httpForms } from './http-form.ts'
import { PERSON_FORMS, PERSONAL } from './probe/person.ts'
import { fields, jsonOf, send } from './send.ts'

const leakedIn = leakOf(PERSONAL)

/** A receiver of traces (OTLP over HTTP) that keeps what it gets. */
const received: string[] = []
const receiver = createServer((req, res) => {
  const chunks: Buffer[] = []
  req.on('data', (chunk: Buffer) => chunks.push(chunk))
  req.on('end', () => {
    received.push(Buffer.concat(chunks).toString('latin1'))
    res.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
})

let bed: Bed
let doors: readonly Door[]
let told = 0

beforeAll(async () => {
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`
  bed = await startBed({ environment: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER: 'always_on' } })
  const forms = httpForms(bed.configFile, bed.environment)
  doors = DOORS.map((name) => openDoor(name, bed, forms))
})

afterAll(async () => {
  await bed?.close()
  receiver.close()
  receiver.closeAllConnections()
})

const doorOf = (name: string): Door => {
  const found = doors.find((each) => each.name === name)
  if (!found) throw new Error('no such door')
  return found
}
const bearer = async (): Promise<Record<string, string>> => ({ authorization: `Bearer ${await bed.agentToken('prober')}` })

test('the detector finds the datum in every form that tells it', async () => {
  const tells = PERSON_FORMS.filter((form) => !['empty list', 'nothing', 'number'].includes(form))
  for (const form of tells) {
    const reply = await send(bed.probe.url, { path: `/people?form=${encodeURIComponent(form)}` })
    expect(leakedIn(whole(reply)), form).toBeDefined()
  }
})

const RECORD = `query ($id: ID!) {
  call(id: $id) { error { message } result { status headers body } outcome { error { message } masked maskedClasses } entries(payloads: true) { body } }
}`
const METADATA = 'query ($id: ID!) { call(id: $id) { state error { message } outcome { error { message } masked } entries { body } } }'

/** All that the agent and people can still read of a call, wherever they look. */
async function everythingAbout({ reply, callId }: Heard): Promise<string[]> {
  if (callId === undefined) throw new Error(`no call: ${reply.text}`)
  const headers = await bearer()
  const later = await Promise.all(['', '/response'].map((rest) => send(bed.url, { path: `/v1/calls/${callId}${rest}`, headers })))
  const query = '{ call(id: "ID") { state result masked error { message } } }'.replace('ID', callId)
  const asked = { ...headers, 'content-type': 'application/json' }
  const mcp = new McpClient('mcp', bed)
  return [
    ...[reply, ...later, await send(bed.url, { method: 'POST', path: '/graphql', headers: asked, body: JSON.stringify({ query }) })].map(
      whole,
    ),
    whole((await mcp.tool({ agent: 'prober' }, 'gatehouse_call_wait', { id: callId, waitSeconds: 0 })).reply),
    ...(await Promise.all(['aisha', 'lee'].map(async (person) => JSON.stringify(await bed.people(person, RECORD, { id: callId }))))),
    JSON.stringify(await bed.people('olga', METADATA, { id: callId })),
  ]
}

async function expectNothingIn(heard: Heard, where: string): Promise<void> {
  for (const text of await everythingAbout(heard)) {
    expect(leakedIn(text), `${where}: ${text.slice(0, 2_000)}`).toBeUndefined()
    told++
  }
}

describe.each(DOORS)('through %s, by whoever may not read it', (name) => {
  test.each(PERSON_FORMS)('%s', async (form) => {
    const reached = bed.watch()
    const inputs: [string, JsonObject][] = [
      ['probe.readPerson', { form }],
      ['probe.writePerson', { form, by: name }],
    ]
    for (const [operation, input] of inputs)
      await expectNothingIn(await doorOf(name).call({ agent: 'prober', operation, input }), operation)
    expect(reached()).toHaveLength(2)
  })

  test('after people agreed, to the agent and to those who vote', async () => {
    const ask = { agent: 'prober', operation: 'probe.writePerson', input: { form: 'as declared', by: `held ${name}`, asks: true } }
    const held = await doorOf(name).call(ask)
    const { call } = await bed.people('sam', 'query ($id: ID!) { call(id: $id) { hold { id } } }', { id: held.callId })
    await bed.people('sam', 'mutation ($id: ID!) { approveHold(id: $id) { state } }', { id: fields(fields(call).hold).id })
    const after = await doorOf(name).after(ask, held.callId ?? '')
    expect([after.code, after.masked]).toEqual(['OK', ['/links/*', '/name', '/phones/*/number']])
    await expectNothingIn(after, 'released')
    const seen = await bed.people('sam', RECORD, { id: held.callId })
    expect(leakedIn(JSON.stringify(seen))).toBeUndefined()
  })

  test('by a repeated key, and in a batch of fields', async () => {
    const says = { idempotencyKey: `masked-${name}` }
    const ask = { agent: 'prober', operation: 'probe.readPerson', input: { form: 'as declared' }, says }
    const [first, second] = [await doorOf(name).call(ask), await doorOf(name).call(ask)]
    expect([second.callId, second.masked]).toEqual([first.callId, first.masked])
    await expectNothingIn(second, 'repeated')
  })
})

test('several fields of a document each say what is masked in them', async () => {
  const query =
    '{ a: probe_readPerson(form: "as declared") { name } b: probe_readPerson(form: "problem 404") { id } c: probe_readPerson(form: "empty list") { id } }'
  const headers = { ...(await bearer()), 'content-type': 'application/json' }
  const reply = await send(bed.url, { method: 'POST', path: '/graphql', headers, body: JSON.stringify({ query }) })
  expect(fields(fields(fields(jsonOf(reply)).extensions).gatehouse).masked).toEqual({
    a: ['/links/*', '/name', '/phones/*/number'],
    b: [''],
  })
  expect(leakedIn(whole(reply))).toBeUndefined()
})

test('call status says what is masked, in its header and its body', async () => {
  const { callId } = await doorOf('http').call({
    agent: 'prober',
    operation: 'probe.writePerson',
    input: { form: 'as declared', by: 'status' },
  })
  const reply = await send(bed.url, { path: `/v1/calls/${callId}`, headers: await bearer() })
  expect(jsonOf(reply)).toMatchObject({
    state: 'completed',
    result: { id: 'p1', name: null },
    masked: ['/links/*', '/name', '/phones/*/number'],
  })
  expect(reply.headers['gatehouse-masked']).toBe('/links/*, /name, /phones/*/number')
})

test('the record says which classes were masked, and where', async () => {
  const { callId } = await doorOf('mcp').call({ agent: 'prober', operation: 'probe.readPerson', input: { form: 'as declared' } })
  const { call } = await bed.people('lee', RECORD, { id: callId })
  expect(fields(call).outcome).toMatchObject({ maskedClasses: ['pii'], masked: ['/links/*', '/name', '/phones/*/number'] })
})

test('tools, schemas and metrics do not have it, and what may be null is declared so', async () => {
  const mcp = new McpClient('mcp', bed)
  const tools = await mcp.rpc({ agent: 'prober' }, 'tools/list', {})
  for (const reply of [tools, await send(bed.url, { path: '/metrics' })]) {
    expect(reply.status).toBe(200)
    expect(leakedIn(whole(reply))).toBeUndefined()
  }
  expect(tools.text).toContain('"name":{"type":["string","null"]}')
  expect(tools.text).not.toMatch(/x-pii|x-gatehouse-classes|x-data-classification/)
})

describe('what stays', () => {
  let remains: Remains
  beforeAll(async () => {
    remains = await bed.remains()
  })

  test('answers were read', () => expect(told).toBeGreaterThan(DOORS.length * PERSON_FORMS.length * 2 * 7))

  test('no row of the database has it', () => {
    expect(remains.rows.length).toBeGreaterThan(500)
    for (const row of remains.rows) expect(leakedIn(row)).toBeUndefined()
  })

  test('no file of the data directory has it', () => {
    const files = readdirSync(bed.dataDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    expect(files.length).toBeGreaterThan(20)
    for (const { parentPath, name } of files) expect(leakedIn(readFileSync(join(parentPath, name), 'latin1')), name).toBeUndefined()
  })

  test('no line of the log and no span has it', () => {
    expect(bed.log()).toContain('gatehouse serves')
    expect(received.join('\n')).toContain('probe.writePerson')
    for (const text of [bed.log(), ...received]) expect(leakedIn(text)).toBeUndefined()
  })
})
