import { request } from 'node:http'
import { serverAudits } from 'graphql-http'
import { afterEach, describe, expect, test } from 'vitest'
import type { CallId } from '../../core/ids.ts'
import type { Operation } from '../../core/operation.ts'
import { MemoryCalls, operation, type Rules, type Running, serve } from './fixture-memory-calls.ts'

const STRING = { type: 'string' }
const getVendor = operation(
  'erp.getVendor',
  'read',
  { 'id!': STRING },
  { type: 'object', properties: { id: STRING, name: STRING, 'bank-name': STRING } },
)
const listVendors = operation(
  'erp.listVendors',
  'read',
  { first: { type: 'integer', format: 'int32' } },
  { type: 'array', items: { type: 'object', properties: { id: STRING } } },
)
const pay = operation(
  'erp.pay',
  'write',
  { 'vendor!': STRING, 'amount!': { type: 'number' }, note: { type: ['string', 'null'] } },
  { type: 'object', properties: { vendor: STRING, amount: { type: 'number' }, note: STRING } },
)
const secretOp = operation('hr.fireEveryone', 'write', {}, { type: 'object', properties: { secretField: STRING } })
const OPERATIONS: Operation[] = [getVendor, listVendors, pay, secretOp]
const AGENTS = { agent: ['erp.getVendor', 'erp.listVendors', 'erp.pay'], reader: ['erp.getVendor'], boss: ['hr.fireEveryone'] }

let running: Running | undefined
afterEach(() => running?.close())

async function start(rules: Rules = {}) {
  const calls = new MemoryCalls(OPERATIONS, AGENTS, rules)
  const server = await serve(calls)
  running = server
  return { calls, server, ask: server.ask }
}

describe('answers', () => {
  test('a permitted field is data, named in headers and extensions', async () => {
    const { ask, calls } = await start({ upstream: () => ({ id: 'v1', name: 'Acme', 'bank-name': 'B' }) })
    const { status, body, headers } = await ask('{ erp_getVendor(id: "v1") { id name bank_name __typename } }')
    expect(status).toBe(200)
    expect(body.errors).toBeUndefined()
    expect(body.data).toEqual({ erp_getVendor: { id: 'v1', name: 'Acme', bank_name: 'B', __typename: 'ErpGetVendor' } })
    const id = headers.get('gatehouse-call')
    expect(id).toMatch(/^call_/)
    expect(body.extensions).toEqual({ gatehouse: { calls: { erp_getVendor: id } } })
    expect(headers.get('traceparent')).toMatch(/^00-/)
    expect(calls.deliveredIds).toEqual([id])
  })

  test('denied, held and failed fields are null with their extensions', async () => {
    const { ask } = await start({ decide: (_, input) => (input.vendor === 'bad' ? 'deny' : 'hold') })
    const { status, body } = await ask(
      'mutation { a: erp_pay(vendor: "bad", amount: 1) { note } b: erp_pay(vendor: "ok", amount: 2) { note } }',
    )
    expect(status).toBe(200)
    expect(body.data).toEqual({ a: null, b: null })
    expect(body.errors?.map((each) => [each.path, each.extensions])).toEqual([
      [['a'], { code: 'DENIED', callId: expect.stringMatching(/^call_/), reason: 'forbidden', advice: 'ask your owner' }],
      [
        ['b'],
        {
          code: 'HELD',
          callId: expect.stringMatching(/^call_/),
          expiresAt: '1970-01-01T00:01:00.000Z',
          statusUrl: expect.stringMatching(/^http:\/\/gatehouse\.example\/v1\/calls\/call_/),
        },
      ],
    ])
  })

  test.each([
    ['UPSTREAM', { inDoubt: true, upstreamStatus: 500 }, { inDoubt: true, upstreamStatus: 500 }],
    ['UPSTREAM_TIMEOUT', { inDoubt: false }, {}],
    ['WITHHELD', { inDoubt: false }, {}],
  ] as const)('failed as %s', async (code, given, told) => {
    const { ask, calls } = await start({
      answer: (_, callId) => ({ kind: 'failed', callId, traceparent: 't', code, message: 'no', ...given }),
    })
    const { body } = await ask('{ erp_getVendor(id: "v") { id } }')
    expect(body.errors?.[0]).toMatchObject({ message: 'no', extensions: { code, ...told } })
    expect(calls.deliveredIds).toHaveLength(1)
  })

  test('limited and bad input by the pipeline', async () => {
    const { ask } = await start({
      answer: () => ({ kind: 'refused', traceparent: 't', code: 'LIMITED', message: 'slow down', faults: [], retryAfterSeconds: 7 }),
    })
    const { body, headers } = await ask('{ erp_getVendor(id: "v") { id } }')
    expect(body.errors?.[0]?.extensions).toEqual({ code: 'LIMITED', retryAfterSeconds: 7 })
    expect(headers.get('gatehouse-call')).toBeNull()
    const nulled = await ask('{ erp_listVendors(first: null) { id } }')
    expect(nulled.body.errors?.[0]?.extensions).toEqual({ code: 'BAD_INPUT', errors: [{ pointer: '/first', detail: 'must be integer' }] })
  })

  test('whoami and call', async () => {
    const { ask } = await start({ decide: () => 'permit' })
    const paid = await ask('mutation { erp_pay(vendor: "v", amount: 1.5) { amount } }')
    const id = paid.headers.get('gatehouse-call') ?? ''
    const query =
      'query ($id: ID!) { whoami { name owner roles subject } call(id: $id, waitSeconds: 1) { id state operation createdAt result error { code } upstreamStatus } }'
    const mine = await ask(query, { variables: { id } })
    expect(mine.body).toMatchObject({
      data: {
        whoami: { name: 'agent', owner: 'ann', roles: ['clerk'], subject: null },
        call: {
          id,
          state: 'completed',
          operation: 'erp.pay',
          createdAt: '1970-01-01T00:00:00.000Z',
          result: { vendor: 'v', amount: 1.5 },
          error: null,
        },
      },
    })
    const theirs = await ask(query, { as: 'reader', variables: { id } })
    expect(theirs.body.data?.call).toBeNull()
    expect(theirs.body.errors?.[0]?.extensions).toEqual({ code: 'NOT_FOUND' })
    const malformed = await ask(query, { variables: { id: 'x' } })
    expect(malformed.body.errors?.[0]?.extensions).toEqual({ code: 'ID_MALFORMED' })
    const long = await ask(`{ call(id: "${id}", waitSeconds: 46) { id } }`)
    expect(long.body.errors?.[0]?.extensions).toMatchObject({ code: 'BAD_INPUT', errors: [{ pointer: '/waitSeconds' }] })
  })

  test('what upstream answers against its own description costs only those fields', async () => {
    const { ask } = await start({ upstream: () => [{ id: 'a' }, 'nonsense', { id: { deep: 1 } }, { id: 7 }, null] })
    const { status, body } = await ask('{ erp_listVendors { id } }')
    expect(status).toBe(200)
    expect(body.data?.erp_listVendors).toEqual([{ id: 'a' }, null, { id: null }, { id: '7' }, null])
    expect(body.errors?.map(({ path, extensions }) => [path, extensions.code])).toEqual([
      [['erp_listVendors', 1], 'UPSTREAM'],
      [['erp_listVendors', 2, 'id'], 'UPSTREAM'],
    ])
  })

  test('the errors of one answer are bounded', async () => {
    const { ask } = await start({ upstream: () => Array.from({ length: 5_000 }, () => 'nonsense') })
    const { body } = await ask('{ erp_listVendors { id } }')
    expect(body.errors).toHaveLength(101)
    expect(body.errors?.[100]?.message).toBe('4900 more errors are left out')
  })

  test.each([new Error('connect to 10.0.0.7 failed with password hunter2'), 'text'])(
    'an unexpected fault says nothing of itself: %s',
    async (fault) => {
      const { ask, server } = await start({
        upstream: () => {
          throw fault
        },
      })
      const { body } = await ask('{ erp_getVendor(id: "v") { id } }')
      expect(body.errors).toMatchObject([{ message: 'internal error', extensions: { code: 'INTERNAL' } }])
      expect(JSON.stringify(body)).not.toMatch(/hunter2|10\.0\.0\.7|stack|node_modules/)
      expect(server.log).toHaveLength(1)
    },
  )
})

describe('root fields of one document', () => {
  const mixed =
    'mutation { a: erp_pay(vendor: "1", amount: 1) { note } b: erp_pay(vendor: "deny", amount: 1) { note } c: erp_pay(vendor: "3", amount: 1) { note } }'

  test('all are decided before any runs, mutations in order, a denied one stops nothing and never reaches upstream', async () => {
    const ran: unknown[] = []
    const { ask, calls } = await start({
      decide: (_, input) => (input.vendor === 'deny' ? 'deny' : 'permit'),
      upstream: async (_, input) => {
        ran.push(`start ${input.vendor}`)
        await new Promise(setImmediate)
        ran.push(`end ${input.vendor}`)
        return input
      },
    })
    const { body, headers } = await ask(mixed)
    expect(calls.events).toEqual(['permit erp.pay', 'deny erp.pay', 'permit erp.pay', 'run erp.pay', 'run erp.pay'])
    expect(ran).toEqual(['start 1', 'end 1', 'start 3', 'end 3'])
    expect(body.data).toEqual({ a: { note: null }, b: null, c: { note: null } })
    const { calls: ids = {} } = (body.extensions?.gatehouse ?? {}) as { calls?: Record<string, CallId> }
    expect(Object.keys(ids)).toEqual(['a', 'b', 'c'])
    expect(headers.get('gatehouse-call')).toBe(Object.values(ids).join(', '))
  })

  test.each([
    ['aliases are calls of their own', '{ a: erp_getVendor(id: "1") { id } b: erp_getVendor(id: "1") { id } }', 2],
    ['one response key is one call', '{ erp_getVendor(id: "1") { id } erp_getVendor(id: "1") { name } }', 1],
    [
      'one response key in sibling fragments is one call',
      'query { ...A ...B } fragment A on Query { erp_getVendor(id: "1") { id } } fragment B on Query { erp_getVendor(id: "1") { name } }',
      1,
    ],
    ['a fragment spread twice', '{ ...A ...A ... on Query { ...A } } fragment A on Query { erp_getVendor(id: "1") { id } }', 1],
    [
      'skipped and not included',
      '{ erp_getVendor(id: "1") @skip(if: true) { id } b: erp_getVendor(id: "2") @include(if: false) { id } whoami { name } }',
      0,
    ],
    ['included', 'query ($yes: Boolean = true) { erp_getVendor(id: "1") @include(if: $yes) @skip(if: false) { id } }', 1],
    ['only meta fields', '{ __typename whoami { name } __schema { queryType { name } } }', 0],
  ])('%s', async (_title, query, count) => {
    const { ask, calls } = await start({ upstream: () => ({ id: '1', name: 'n' }) })
    const { body } = await ask(query)
    expect(body.errors).toBeUndefined()
    expect(calls.asked).toHaveLength(count)
    expect(calls.events.filter((event) => event.startsWith('run'))).toHaveLength(count)
  })

  test('arguments reach the pipeline exactly: absent stays absent, null stays null', async () => {
    const { ask, calls } = await start()
    const query =
      'mutation ($note: String, $amount: Float!) { a: erp_pay(vendor: "v", amount: $amount, note: $note) { note } b: erp_pay(vendor: "w", amount: 2, note: null) { note } }'
    await ask(query, { variables: { amount: 0.1 } })
    await ask(query, { variables: { amount: 1, note: null } })
    expect(calls.asked.map(({ input }) => input)).toEqual([
      { vendor: 'v', amount: 0.1 },
      { vendor: 'w', amount: 2, note: null },
      { vendor: 'v', amount: 1, note: null },
      { vendor: 'w', amount: 2, note: null },
    ])
  })

  test('a field whose arguments fail at run time is refused alone', async () => {
    const { ask, calls } = await start()
    const query = 'mutation ($v: String = "d") { a: erp_pay(vendor: $v, amount: 1) { note } b: erp_pay(vendor: "w", amount: 2) { vendor } }'
    const { body } = await ask(query, { variables: { v: null } })
    expect(body.data).toEqual({ a: null, b: { vendor: 'w' } })
    expect(body.errors?.map(({ extensions }) => extensions.code)).toEqual(['BAD_INPUT'])
    expect(calls.asked).toHaveLength(1)
    expect(calls.refusals).toMatchObject([{ asked: 'erp_pay', code: 'BAD_INPUT' }])
  })

  test('a client that leaves ends the run: later fields are given up, not executed', async () => {
    let entered = (_: unknown): void => undefined
    const inside = new Promise((resolve) => {
      entered = resolve
    })
    const { calls, server } = await start({
      upstream: (_, input, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve(input))
          entered(undefined)
        }),
    })
    const req = request(server.url, { method: 'POST', headers: { 'content-type': 'application/json', authorization: 'Bearer agent' } })
    req.on('error', () => undefined)
    req.end(
      JSON.stringify({ query: 'mutation { a: erp_pay(vendor: "1", amount: 1) { note } b: erp_pay(vendor: "2", amount: 1) { note } }' }),
    )
    await inside
    req.destroy()
    await expect.poll(() => calls.events).toEqual(['permit erp.pay', 'permit erp.pay', 'run erp.pay', 'abandon erp.pay'])
    expect(calls.deliveredIds).toEqual([])
  })
})

describe('what the agent says of its request', () => {
  test('headers', async () => {
    const { ask, calls } = await start()
    const headers = {
      'gatehouse-rationale': 'month end',
      'gatehouse-run': 'run-1',
      'gatehouse-decision-record': '{"playbook":"pay","version":"3","outcome":"release"}',
      'idempotency-key': 'k1',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      prefer: 'respond-async, wait=99',
    }
    await ask('{ x: erp_getVendor(id: "1") { id } }', { headers })
    expect(calls.asked[0]).toMatchObject({
      door: 'graphql',
      asserted: { rationale: 'month end', run: 'run-1', decisionRecord: { playbook: 'pay', version: '3', outcome: 'release' } },
      idempotencyKey: 'k1',
      responseKey: 'x',
      traceparent: headers.traceparent,
      waitMs: expect.closeTo(25_000, -4),
      delivery: 'buffered',
    })
  })

  test('extensions win over headers; other forms are refused', async () => {
    const { ask, calls } = await start()
    const query = '{ erp_getVendor(id: "1") { id } }'
    const decisionRecord = { playbook: 'pay', version: '3', outcome: 'release' }
    await ask(query, {
      headers: { 'gatehouse-rationale': 'header', 'gatehouse-decision-record': 'rubbish' },
      extensions: { gatehouse: { rationale: 'body', run: 'r', idempotencyKey: 'k', decisionRecord } },
    })
    expect(calls.asked[0]).toMatchObject({ asserted: { rationale: 'body', run: 'r', decisionRecord }, idempotencyKey: 'k', waitMs: 0 })
    for (const gatehouse of [
      { decisionRecord: { ...decisionRecord, version: 3 } },
      { rationale: 1 },
      { rationale: 'x'.repeat(2_001) },
      { idempotencyKey: '' },
      { rationle: 'x' },
      'x',
      [],
    ])
      expect(await ask(query, { extensions: { gatehouse } })).toMatchObject({
        status: 400,
        body: { errors: [{ extensions: { code: 'BAD_INPUT' } }] },
      })
    expect(calls.asked).toHaveLength(1)
    expect(calls.refusals).toHaveLength(7)
  })
})

describe('views', () => {
  const INTROSPECT = '{ __schema { queryType { fields { name } } mutationType { fields { name } } types { name fields { name } } } }'

  test('each agent sees its own operations and types, whatever others asked before', async () => {
    const { ask, calls } = await start()
    const secret = '{ __type(name: "HrFireEveryone") { name } }'
    await ask('mutation { hr_fireEveryone { secretField } }', { as: 'boss' })
    expect((await ask(secret, { as: 'boss' })).body.data).toEqual({ __type: { name: 'HrFireEveryone' } })
    expect((await ask(secret)).body.data).toEqual({ __type: null })
    expect(JSON.stringify((await ask(INTROSPECT)).body)).not.toMatch(/fire|secret/i)
    expect(JSON.stringify((await ask(INTROSPECT, { as: 'reader' })).body)).not.toMatch(/pay|Mutation"/i)
    expect(calls.events).toEqual(['permit hr.fireEveryone', 'run hr.fireEveryone'])
  })

  test('invisible and unknown operations read alike, are recorded, and suggest nothing', async () => {
    const { ask, calls } = await start()
    await ask('mutation { hr_fireEveryone { secretField } }', { as: 'boss' })
    const invisible = await ask('mutation { hr_fireEveryone { secretField } }')
    const unknown = await ask('mutation { hr_fireEveryonf { secretField } }')
    expect(invisible.status).toBe(400)
    expect(JSON.stringify(invisible.body).replaceAll('fireEveryone', 'X')).toBe(
      JSON.stringify(unknown.body).replaceAll('fireEveryonf', 'X'),
    )
    expect(invisible.body.errors?.[0]).toMatchObject({
      message: 'Cannot query field "hr_fireEveryone" on type "Mutation".',
      extensions: { code: 'NOT_FOUND' },
    })
    const noWrites = await ask('mutation { erp_pay(vendor: "v", amount: 1) { note } }', { as: 'reader' })
    expect(noWrites).toMatchObject({
      status: 400,
      body: { errors: [{ message: 'Cannot query field "erp_pay" on type "Mutation".', extensions: { code: 'NOT_FOUND' } }] },
    })
    expect(calls.refusals.map(({ asked, code }) => [asked, code])).toEqual([
      ['hr_fireEveryone', 'NOT_FOUND'],
      ['hr_fireEveryonf', 'NOT_FOUND'],
      ['erp_pay', 'NOT_FOUND'],
    ])
    for (const near of [
      '{ erp_getVendr(id: "1") { id } }',
      '{ erp_getVendor(idd: "1") { id } }',
      '{ erp_getVendor(id: "1") { nam } }',
      'query ($x: Strin) { whoami { name } }',
    ])
      expect(JSON.stringify((await ask(near)).body)).not.toContain('Did you mean')
  })
})

describe('no token, bad token', () => {
  test.each([
    ['none', undefined, 'Bearer resource_metadata="http://gatehouse.example/.well-known/oauth-protected-resource"'],
    [
      'wrong',
      'Bearer nobody',
      'Bearer resource_metadata="http://gatehouse.example/.well-known/oauth-protected-resource", error="invalid_token"',
    ],
    ['empty', 'Bearer ', 'Bearer resource_metadata="http://gatehouse.example/.well-known/oauth-protected-resource", error="invalid_token"'],
  ])('%s', async (_title, authorization, challenge) => {
    const { server, calls } = await start()
    for (const query of ['{ whoami { name } }', '{ __schema { types { name } } }', '{{{']) {
      const response = await fetch(server.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(authorization !== undefined && { authorization }) },
        body: JSON.stringify({ query }),
      })
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toBe(challenge)
      expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
    }
    expect(calls.events).toEqual([])
  })
})

test("graphql-http's audits: no error, at most three warnings", async () => {
  const { server } = await start()
  const audits = serverAudits({
    url: server.url,
    fetchFn: (input: string, init: RequestInit = {}) =>
      fetch(input, { ...init, headers: { ...(init.headers as object), authorization: 'Bearer agent' } }),
  })
  const results = await Promise.all(audits.map((audit) => audit.fn()))
  expect(results.filter(({ status }) => status === 'error')).toEqual([])
  expect(results.filter(({ status }) => status === 'warn').map(({ name }) => name)).toHaveLength(3)
})
