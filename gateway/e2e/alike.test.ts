import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Door, DOORS, McpClient, openDoor, saidInHeaders, toolNames } from './doors.ts'
import { type Bed, startBed } from './harness.ts'
import { httpForms } from './http-form.ts'
import { recordOf } from './record-of.ts'
import { fields, jsonOf, type Outgoing, type Reply, send } from './send.ts'

let bed: Bed
let doors: readonly Door[]
beforeAll(async () => {
  bed = await startBed()
  const forms = httpForms(bed.configFile, bed.environment)
  doors = DOORS.map((name) => openDoor(name, bed, forms))
})
afterAll(() => bed?.close())

const bearer = async (agent: string, subject?: string): Promise<Record<string, string>> => ({
  authorization: `Bearer ${await bed.agentToken(agent, subject)}`,
})

/** A reply without its date, ids and the name that was asked for. */
const plain = ({ status, headers, text }: Reply, ...names: readonly string[]): unknown => {
  const { date: _date, 'content-length': _length, traceparent: _trace, ...rest } = headers
  const cleaned = names.reduce((all, name) => all.replaceAll(name, '<name>'), text)
  return [status, rest, cleaned.replace(/"id":\d+/, '"id":0').replace(/"column":\d+/g, '"column":0')]
}

describe('what an agent does not see and what does not exist are answered alike', () => {
  const PAIRS = [
    ['an operation of a connector it knows', 'support-triage', 'crm_exportContacts', 'crm_teleportContacts'],
    ['a connector it does not know', 'support-triage', 'erp_listInvoices', 'mars_listInvoices'],
    ['an operation that nobody is permitted', 'prober', 'probe_listSecretRooms', 'probe_listSecretBooms'],
    ['another tool of the file server', 'support-triage', 'docs_write_file', 'docs_light_file'],
  ] as const

  test.each(PAIRS)('GraphQL: %s', async (_title, agent, hidden, absent) => {
    for (const make of [
      (name: string) => `{ ${name} }`,
      (name: string) => `mutation { ${name}(amount: "x") { id } }`,
      (name: string) => `{ __type(name: "${name}") { name } }`,
      (name: string) => `{ ${name.slice(0, -1)} }`,
    ]) {
      const ask = async (name: string): Promise<unknown> => {
        const headers = { ...(await bearer(agent)), 'content-type': 'application/json' }
        return plain(
          await send(bed.url, { method: 'POST', path: '/graphql', headers, body: JSON.stringify({ query: make(name) }) }),
          name,
          name.slice(0, -1),
        )
      }
      expect(await ask(hidden)).toEqual(await ask(absent))
    }
  })

  test.each(PAIRS)('MCP: %s', async (_title, agent, hidden, absent) => {
    for (const era of ['mcp', 'mcp-2025'] as const) {
      const client = new McpClient(era, bed)
      const ask = async (name: string): Promise<unknown> =>
        plain(await client.rpc({ agent }, 'tools/call', { name, arguments: { amount: 'x' } }), name)
      expect(await ask(hidden)).toEqual(await ask(absent))
      expect(toolNames(await client.rpc({ agent }, 'tools/list', {}))).not.toContain(hidden)
    }
  })

  const PATHS: readonly [string, string, Outgoing, Outgoing][] = [
    ['a path of a connector it knows', 'support-triage', { path: '/proxy/crm/contacts/export' }, { path: '/proxy/crm/contacts/import' }],
    ['with arguments that are no good', 'support-triage', { path: '/proxy/crm/diagnostics' }, { path: '/proxy/crm/diagnoses' }],
    [
      'a method of a path it knows',
      'prober',
      { method: 'DELETE', path: '/proxy/probe/things' },
      { method: 'DELETE', path: '/proxy/probe/strings' },
    ],
    ['a connector it does not know', 'support-triage', { path: '/proxy/erp/invoices' }, { path: '/proxy/mars/invoices' }],
    ['its paths are not probed', 'support-triage', { path: '/proxy/erp/a/../b' }, { path: '/proxy/mars/a/../b' }],
  ]
  test.each(PATHS)('HTTP: %s', async (_title, agent, hidden, absent) => {
    const ask = async (request: Outgoing): Promise<unknown> => plain(await send(bed.url, { ...request, headers: await bearer(agent) }))
    expect(await ask(hidden)).toEqual(await ask(absent))
  })

  test('HTTP: an invisible operation with arguments that are no good', async () => {
    const ask = async (path: string): Promise<unknown> =>
      plain(
        await send(bed.url, {
          method: 'POST',
          path,
          headers: { ...(await bearer('onboarding-coordinator')), 'content-type': 'application/json' },
          body: '{"amount":"x","bogus":1}',
        }),
      )
    expect(await ask('/proxy/erp/payments')).toEqual(await ask('/proxy/erp/repayments'))
  })

  test('no view names what is hidden in it', async () => {
    const headers = { ...(await bearer('support-triage')), 'content-type': 'application/json' }
    const query = '{ __schema { types { name description fields { name description args { name description } } } } }'
    const graphql = await send(bed.url, { method: 'POST', path: '/graphql', headers, body: JSON.stringify({ query }) })
    const mcp = await new McpClient('mcp', bed).rpc({ agent: 'support-triage' }, 'tools/list', {})
    for (const { status, text } of [graphql, mcp]) {
      expect([status, text.includes('crm_getTicket')]).toEqual([200, true])
      expect(text).not.toMatch(/exportContacts|erp_|Erp|releasePayment|probe_|Probe/)
    }
  })
})

describe('what an agent says in headers is read alike at every door', () => {
  const says = {
    rationale: 'weil es „nötig“ ist 🙂',
    run: 'Lauf-ü',
    idempotencyKey: 'Schlüssel-🙂',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  }
  const META = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
  const REQUESTS: Readonly<Record<string, (thing: string) => Outgoing>> = {
    graphql: (thing) => ({
      method: 'POST',
      path: '/graphql',
      body: JSON.stringify({ query: `mutation { probe_writeThing(name: "${thing}") }` }),
    }),
    mcp: (thing) => ({
      method: 'POST',
      path: '/mcp',
      headers: { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'probe_writeThing' },
      body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{${META},"name":"probe_writeThing","arguments":{"name":"${thing}"}}}`,
    }),
    http: (thing) => ({ method: 'POST', path: '/proxy/probe/things', body: JSON.stringify({ name: thing }) }),
  }
  const names = Object.keys(REQUESTS)

  const post = async (name: string, thing: string, headers: Record<string, string>): Promise<Reply> => {
    const { headers: own, ...request } = REQUESTS[name]?.(thing) ?? { path: '' }
    return await send(bed.url, {
      ...request,
      headers: { 'content-type': 'application/json', ...own, ...headers, ...(await bearer('prober')) },
    })
  }

  test.each(names)('%s', async (name) => {
    const reply = await post(name, `by ${name}`, {
      ...saidInHeaders(says),
      'idempotency-key': `${saidInHeaders(says)['idempotency-key']}${name}`,
    })
    const { rationale, run, trace, state } = await recordOf(bed, reply.headers['gatehouse-call'] ?? '')
    expect({ rationale, run, trace, state }).toEqual({
      rationale: says.rationale,
      run: says.run,
      trace: says.traceparent.split('-')[1],
      state: 'completed',
    })
    expect(reply.headers.traceparent?.split('-')[1]).toBe(trace)
  })

  test('one key is one key, at whatever door', async () => {
    const seen = bed.watch()
    const headers = { 'idempotency-key': saidInHeaders({ idempotencyKey: 'über alle Türen' })['idempotency-key'] ?? '' }
    const ids = []
    for (const name of ['mcp', 'http', 'mcp', 'http']) ids.push((await post(name, 'once', headers)).headers['gatehouse-call'])
    expect([new Set(ids).size, seen().length]).toEqual([1, 1])
  })

  test.each(names)('%s: bytes that are no text', async (name) => {
    for (const header of ['gatehouse-rationale', 'gatehouse-run', 'gatehouse-decision-record', 'idempotency-key']) {
      const reply = await post(name, 'no text', { [header]: 'a\xffb' })
      expect([header, reply.text.includes('BAD_INPUT')]).toEqual([header, true])
    }
  })

  test.each(names)('%s: a traceparent that is none starts a new trace', async (name) => {
    for (const traceparent of ['rubbish', `00-${'0'.repeat(32)}-${'0'.repeat(16)}-00`, `ff-${'1'.repeat(32)}-${'1'.repeat(16)}-00`]) {
      const reply = await post(name, `traced ${traceparent}`, { traceparent })
      const { trace } = await recordOf(bed, reply.headers['gatehouse-call'] ?? '')
      expect([/^[0-9a-f]{32}$/.test(String(trace)), traceparent.includes(String(trace))]).toEqual([true, false])
    }
  })

  test.each(['graphql', 'http'])('%s: a wait that is asked for in any spelling of the standard', async (name) => {
    const request = name === 'graphql' ? '/graphql' : '/proxy/crm/tickets/T-20003/refunds'
    const input = { amount: 1, currency: 'EUR', reason: 'late' }
    const document = { query: 'mutation { crm_refundTicket(ticketId: "T-20003", amount: 1, currency: "EUR", reason: "late") { id } }' }
    const ask = async (prefer: string): Promise<unknown> => {
      const startedMs = performance.now()
      const headers = { 'content-type': 'application/json', prefer, ...(await bearer('support-triage')) }
      const reply = await send(bed.url, {
        method: 'POST',
        path: request,
        headers,
        body: JSON.stringify(name === 'graphql' ? document : input),
      })
      return [prefer, reply.text.includes('HELD'), performance.now() - startedMs >= 900]
    }
    const spellings = ['wait=1', 'Wait=1', 'respond-async, wait=1', 'wait="1"', 'respond-async;x=y,wait=1']
    expect(await Promise.all(spellings.map(ask))).toEqual(spellings.map((prefer) => [prefer, true, true]))
  })
})

describe('answers name their call and trace', () => {
  test.each(DOORS)('%s', async (name) => {
    const door = doors.find((each) => each.name === name)
    for (const [operation, input] of [
      ['probe.readThing', { thing: 'named' }],
      ['probe.readThing', { thing: 'forbidden' }],
    ] as const) {
      const { reply } = (await door?.call({ agent: 'prober', operation, input })) ?? {}
      expect(reply?.headers['gatehouse-call']).toMatch(/^call_[0-9a-z]{26}$/)
      const { trace } = await recordOf(bed, reply?.headers['gatehouse-call'] ?? '')
      expect(reply?.headers.traceparent?.split('-')[1]).toBe(trace)
    }
  })

  test('a read that breaks off at the HTTP door ends the connection, never looks whole', async () => {
    bed.probe.faults.push('torn')
    const response = await fetch(`${bed.url}/proxy/probe/things/torn`, { headers: await bearer('prober') })
    const reader = response.body?.getReader()
    expect([response.status, Buffer.from((await reader?.read())?.value ?? []).toString()]).toEqual([200, '{"part":'])
    bed.probe.release()
    await expect(reader?.read()).rejects.toThrow()
    const { calls } = await bed.people(
      'lee',
      '{ calls(filter: { agent: "prober", operation: "probe.readThing" }, first: 1) { edges { node { state outcome { kind error { code } } } } } }',
    )
    expect(JSON.stringify(calls)).toContain('"state":"failed"')
  })

  test('one document of several calls: each is decided before any runs, and each is a call of its own', async () => {
    const headers = { 'content-type': 'application/json', ...(await bearer('prober')) }
    const query = `mutation { a: probe_writeThing(name: "multi a") b: probe_writeThing(name: "b", ratio: 200) c: probe_writeThing(name: "multi c") }`
    const seen = bed.watch()
    const reply = await send(bed.url, { method: 'POST', path: '/graphql', headers, body: JSON.stringify({ query }) })
    const ids = (reply.headers['gatehouse-call'] ?? '').split(', ')
    const states = await Promise.all(ids.map(async (id) => (await recordOf(bed, id)).state))
    expect(states).toEqual(['completed', 'denied', 'completed'])
    expect(seen().map(({ body }) => body)).toEqual(['{"name":"multi a"}', '{"name":"multi c"}'])
    expect(fields(fields(fields(jsonOf(reply)).extensions).gatehouse).calls).toEqual({ a: ids[0], b: ids[1], c: ids[2] })
  })
})
