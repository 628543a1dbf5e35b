import { importJWK, SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Ask, type Door, DOORS, McpClient, openDoor } from './doors.ts'
import { type Bed, startBed } from './harness.ts'
import { httpForms } from './http-form.ts'
import { fields, jsonOf, type Reply, send } from './send.ts'

const CLERK = { agent: 'invoice-clerk' }
const payment = (reference: string, amount = 1500): Ask => ({
  ...CLERK,
  operation: 'erp.releasePayment',
  input: { vendorId: 'V-1001', amount, currency: 'EUR', reference },
})

let bed: Bed
let doors: readonly Door[]

beforeAll(async () => {
  bed = await startBed()
  const forms = httpForms(bed.configFile, bed.environment)
  doors = DOORS.map((name) => openDoor(name, bed, forms))
})
afterAll(() => bed?.close())

const set = async (agent: string, verb: 'suspend' | 'reinstate'): Promise<void> => {
  await bed.people(
    'olga',
    `mutation ($name: String!) { ${verb}Agent(name: $name, reason: "a test") { agent { status } effectiveAfterMs } }`,
    { name: agent },
  )
}

async function held(ask: Ask): Promise<string> {
  const { code, callId } = (await doors.find(({ name }) => name === 'http')?.call(ask)) ?? {}
  if (code !== 'HELD' || callId === undefined) throw new Error(`not held: ${code}`)
  return callId
}

async function approve(person: string, callId: string): Promise<void> {
  const { call } = await bed.people(person, 'query ($id: ID!) { call(id: $id) { hold { id } } }', { id: callId })
  await bed.people(person, 'mutation ($id: ID!) { approveHold(id: $id) { state } }', { id: fields(fields(call).hold).id })
}

const record = async (id: string): Promise<Record<string, unknown>> =>
  fields((await bed.people('lee', 'query ($id: ID!) { call(id: $id) { state intent { id } hold { state } } }', { id })).call)

const status = async (id: string, method = 'GET', rest = ''): Promise<Reply> =>
  await send(bed.url, {
    method,
    path: `/v1/calls/${id}${rest}`,
    headers: { authorization: `Bearer ${await bed.agentToken('invoice-clerk')}` },
  })

/** Resolves with the state of a call once it is one of these. */
async function until(id: string, ...states: string[]): Promise<string> {
  for (;;) {
    const { state } = await record(id)
    if (states.includes(String(state))) return String(state)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Asks for an access token as agents do (RFC 7523 2.2). */
async function tokenRequest(agent: string): Promise<Reply> {
  const key = bed.acme.keys[agent]
  if (!key) throw new Error('no key')
  const assertion = await new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'ES256', kid: key.kid })
    .setIssuer(agent)
    .setSubject(agent)
    .setAudience(`${bed.url}/oauth/token`)
    .setIssuedAt()
    .setExpirationTime('1m')
    .sign(await importJWK(key, 'ES256'))
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  }).toString()
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return await send(bed.url, { method: 'POST', path: '/oauth/token', headers, body })
}

describe('an agent that is suspended while it works', () => {
  let open: McpClient
  let waiting: string
  let approved: string
  let claimable: string
  beforeAll(async () => {
    open = new McpClient('mcp-2025', bed)
    expect((await open.rpc(CLERK, 'tools/list', {})).status).toBe(200)
    waiting = await held(payment('waiting'))
    approved = await held(payment('approved'))
    claimable = await held({ agent: 'onboarding-coordinator', operation: 'crm.exportContacts', input: {} })
    await approve('aisha', claimable)
    await set('invoice-clerk', 'suspend')
  })
  afterAll(() => set('invoice-clerk', 'reinstate'))

  test.each(DOORS)('is refused at %s, and nothing is sent', async (name) => {
    const seen = bed.watch()
    const door = doors.find((each) => each.name === name)
    const { code, reply, callId } = (await door?.call({ ...CLERK, operation: 'erp.listInvoices', input: {} })) ?? {}
    expect([code, reply?.status, callId]).toEqual(['UNAUTHENTICATED', 401, undefined])
    expect(reply?.headers['www-authenticate']).toContain('error="invalid_token"')
    expect(seen()).toEqual([])
  })

  test.each(['tools/list', 'server/discover'])('is refused %s', async (method) => {
    expect((await new McpClient('mcp', bed).rpc(CLERK, method, {})).status).toBe(401)
  })

  test('is refused in the session that it had open, for every message', async () => {
    for (const [method, params] of [
      ['tools/list', {}],
      ['ping', {}],
      ['tools/call', { name: 'erp_listInvoices', arguments: {} }],
      ['tools/call', { name: 'gatehouse_call_wait', arguments: { id: waiting } }],
    ] as const)
      expect([method, (await open.rpc(CLERK, method, params)).status]).toEqual([method, 401])
    const headers = {
      authorization: `Bearer ${await bed.agentToken('invoice-clerk')}`,
      accept: 'text/event-stream',
      'mcp-session-id': await open.session(CLERK),
    }
    expect((await send(bed.url, { path: '/mcp', headers })).status).toBe(401)
    expect((await send(bed.url, { method: 'DELETE', path: '/mcp', headers })).status).toBe(401)
  })

  test('is refused introspection', async () => {
    const headers = { authorization: `Bearer ${await bed.agentToken('invoice-clerk')}`, 'content-type': 'application/json' }
    const reply = await send(bed.url, {
      method: 'POST',
      path: '/graphql',
      headers,
      body: '{"query":"{ __schema { queryType { name } } whoami { name } }"}',
    })
    expect([reply.status, reply.text.includes('Query')]).toEqual([401, false])
  })

  test.each([
    ['GET', ''],
    ['GET', '/response'],
    ['POST', '/claim'],
    ['POST', '/cancel'],
  ])('is refused at the call status: %s %s', async (method, rest) => {
    expect((await status(waiting, method, rest)).status).toBe(401)
  })

  test('is refused a new token', async () => {
    expect((await tokenRequest('support-triage')).status).toBe(200)
    const refusal = await tokenRequest('invoice-clerk')
    expect([refusal.status, fields(jsonOf(refusal)).access_token]).toEqual([401, undefined])
  })

  test('a held call that people approve meanwhile is not executed', async () => {
    const seen = bed.watch()
    await approve('maria', approved)
    expect(await until(approved, 'cancelled', 'completed', 'executing', 'failed')).toBe('cancelled')
    expect(await record(approved)).toEqual({ state: 'cancelled', intent: null, hold: { state: 'cancelled' } })
    expect(seen()).toEqual([])
  })

  test('others go on', async () => {
    const door = doors.find(({ name }) => name === 'graphql')
    expect((await door?.call({ agent: 'support-triage', operation: 'crm.getTicket', input: { ticketId: 'T-20001' } }))?.code).toBe('OK')
  })

  test('a call that waits for another agent cannot be claimed once that one is suspended', async () => {
    await set('onboarding-coordinator', 'suspend')
    const seen = bed.watch()
    const headers = { authorization: `Bearer ${await bed.agentToken('onboarding-coordinator')}` }
    expect((await send(bed.url, { method: 'POST', path: `/v1/calls/${claimable}/claim`, headers })).status).toBe(401)
    expect(seen()).toEqual([])
    expect((await record(claimable)).intent).toBeNull()
    await set('onboarding-coordinator', 'reinstate')
    expect((await send(bed.url, { method: 'POST', path: `/v1/calls/${claimable}/claim`, headers })).status).toBe(200)
    expect(seen()).toHaveLength(1)
  })

  test('reinstated, it works again, and what it had waiting is still held', async () => {
    await set('invoice-clerk', 'reinstate')
    expect(fields(jsonOf(await status(waiting))).state).toBe('held')
    const seen = bed.watch()
    await approve('raj', waiting)
    expect(await until(waiting, 'completed', 'failed', 'cancelled')).toBe('completed')
    expect(seen().map(({ path }) => path)).toEqual(['/payments'])
    expect(fields(jsonOf(await status(approved))).state).toBe('cancelled')
  })
})

describe('an agent that is suspended in the midst of a call', () => {
  beforeEach(() => set('prober', 'reinstate').catch(() => undefined))

  test('a call that was sent goes on to its outcome, which stays in the record', async () => {
    bed.probe.faults.push('held back')
    const call = doors
      .find(({ name }) => name === 'http')
      ?.call({ agent: 'prober', operation: 'probe.writeThing', input: { name: 'midst' } })
    await bed.probe.arrived('/things', '{"name":"midst"}')
    await set('prober', 'suspend')
    bed.probe.release()
    const { code, callId } = (await call) ?? {}
    expect([code, (await record(String(callId))).state]).toEqual(['OK', 'completed'])
  })

  test('none of many calls has an intent after the suspension was answered', async () => {
    let stopped = false
    const token = await bed.agentToken('prober')
    const read = async (): Promise<void> => {
      while (!stopped) await send(bed.url, { path: '/proxy/probe/things/race', headers: { authorization: `Bearer ${token}` } })
    }
    const readers = Promise.all(Array.from({ length: 8 }, read))
    while (bed.probe.journal.filter(({ path }) => path === '/things/race').length < 20)
      await new Promise((resolve) => setImmediate(resolve))
    await set('prober', 'suspend')
    const answered = Date.now()
    const seen = bed.watch()
    // Only what was sent already may still arrive; nothing new is decided.
    for (let i = 0; i < 20; i++)
      expect((await send(bed.url, { path: '/proxy/probe/things/late', headers: { authorization: `Bearer ${token}` } })).status).toBe(401)
    stopped = true
    await readers
    expect(seen().filter(({ path }) => path === '/things/late')).toEqual([])
    const query = '{ calls(filter: { agent: "prober" }, first: 20) { edges { node { intent { at } } } } }'
    const { calls } = await bed.people('lee', query)
    const times = (fields(calls).edges as unknown[]).map((edge) => Date.parse(String(fields(fields(fields(edge).node).intent).at)))
    expect(Math.max(...times)).toBeLessThanOrEqual(answered)
  })
})
