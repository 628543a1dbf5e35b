import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { LIMITS } from '../../limits.ts'
import { MemoryCalls, operation, type Running, serve } from './fixture-memory-calls.ts'

const STRING = { type: 'string' }
const node = { type: 'object', properties: { id: STRING, text: STRING, tags: { type: 'array', items: STRING }, any: {} } }
const OPERATIONS = [
  operation('kb.search', 'read', { 'q!': STRING, limit: { type: 'integer' }, filter: {} }, { type: 'array', items: node }),
  operation('kb.put', 'write', { id: STRING, data: {}, size: { type: 'number' } }, node),
  operation('kb.drop', 'write', {}, node),
]
let calls: MemoryCalls
let server: Running
let upstream: unknown = [{ id: '1', text: 'a', tags: ['x'], any: { k: 1 } }]
beforeAll(async () => {
  calls = new MemoryCalls(OPERATIONS, { agent: ['kb.search', 'kb.put'] }, { upstream: () => upstream as never })
  server = await serve(calls)
})
afterAll(() => server.close())
beforeEach(() => {
  calls.events.length = 0
  calls.asked.length = 0
  calls.refusals.length = 0
})

async function raw(
  init: RequestInit & { path?: string; duplex?: 'half' },
): Promise<{ status: number; body: { errors?: { message: string; extensions: { code: string } }[]; data?: unknown }; headers: Headers }> {
  const response = await fetch(`${server.url}${init.path ?? ''}`, { ...init, headers: { authorization: 'Bearer agent', ...init.headers } })
  return { status: response.status, body: (await response.json()) as never, headers: response.headers }
}
const json = { 'content-type': 'application/json' }
const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = json) => raw({ method: 'POST', body, headers })

const doubled = (levels: number, leaf: string) =>
  `{ kb_search(q: "x") { ...f0 } } ${Array.from({ length: levels }, (_, i) => `fragment f${i} on KbSearch { ...f${i + 1} ...f${i + 1} }`).join(' ')} fragment f${levels} on KbSearch { ${leaf} }`
const nestedInline = (levels: number) => `{ kb_search(q: "x") ${'{ ... on KbSearch '.repeat(levels)}{ id }${' }'.repeat(levels)} }`

describe('documents past their bounds are refused before anything is decided', () => {
  test.each([
    ['depth 1500', `${'{ a '.repeat(1_500)}${'}'.repeat(1_500)}`, /nests brackets deeper/],
    ['depth 100,000', '{'.repeat(100_000), /nests brackets deeper/],
    [
      'lists 1500 deep in an argument',
      `{ kb_search(q: "x", filter: ${'['.repeat(1_500)}${']'.repeat(1_500)}) { id } }`,
      /nests brackets deeper/,
    ],
    [
      'types 1500 deep in a variable',
      `query ($x: ${'['.repeat(1_500)}Int${']'.repeat(1_500)}) { whoami { name } }`,
      /nests brackets deeper/,
    ],
    ['selections deeper than the limit', `${'{ a '.repeat(33)}${'}'.repeat(33)}`, /selects deeper than 32 levels/],
    ['doubled fragments', doubled(14, 'id'), /selects more than 5000 fields/],
    ['doubled fragments, 300 levels', doubled(300, 'id'), /selects more than 5000 fields/],
    [
      'aliases of root fields',
      `{ ${Array.from({ length: 51 }, (_, i) => `a${i}: kb_search(q: "x") { id }`).join(' ')} }`,
      /more than 50 root fields/,
    ],
    [
      'aliases of root fields through fragments',
      `{ ${'...R '.repeat(6)} } fragment R on Query { ${Array.from({ length: 10 }, (_, i) => `a${i}: kb_search(q: "x") { id }`).join(' ')} }`,
      /more than 50 root fields/,
    ],
    [
      'aliases of leaves',
      `{ kb_search(q: "x") { ${Array.from({ length: 1_500 }, (_, i) => `a${i}: id`).join(' ')} } }`,
      /more than 4000 tokens/,
    ],
    ['many directives', `{ whoami { ${'name @include(if: true) '.repeat(101)} } }`, /more than 100 directives/],
    ['one directive many times', `{ whoami { name ${'@x '.repeat(1_000)} } }`, /more than 100 directives/],
    ['many tokens', `{ whoami { ${'name '.repeat(4_000)} } }`, /more than 4000 tokens/],
    ['a huge literal', `{ kb_search(q: "${'x'.repeat(LIMITS.graphqlSourceCharsMax)}") { id } }`, /longer than/],
    [
      'introspection that nests its lists',
      `{ __schema { types { ${'fields { type { '.repeat(5)}name${' } }'.repeat(5)} } } }`,
      /selects more than 5000 fields/,
    ],
  ])('%s', async (_title, query, message) => {
    const { status, body } = await server.ask(query)
    expect(status).toBe(400)
    expect(body.data).toBeUndefined()
    expect(body.errors?.[0]?.message).toMatch(message)
    expect(body.errors?.[0]?.extensions.code).toBe('BAD_INPUT')
    expect(calls.asked).toEqual([])
    expect(calls.refusals).toMatchObject([{ code: 'BAD_INPUT' }])
  })

  test.each([
    [
      'brackets inside strings, block strings and comments are text',
      `{ kb_search(q: "${'{'.repeat(300)}\\"${'['.repeat(300)}") { id } } # ${'('.repeat(300)}\n`,
    ],
    ['an escaped end of a block string', `{ kb_search(q: """ \\""" ${'{'.repeat(300)} """) { id } }`],
    ['fragments within bounds', doubled(8, 'id')],
    ['inline fragments are no depth', nestedInline(40)],
    ['fifty root fields', `{ ${Array.from({ length: 50 }, (_, i) => `a${i}: kb_search(q: "x") { id }`).join(' ')} }`],
  ])('%s', async (_title, query) => {
    const { status, body } = await server.ask(query)
    expect([status, body.errors]).toEqual([200, undefined])
  })

  test('the usual introspection query passes', async () => {
    const { getIntrospectionQuery, buildClientSchema } = await import('graphql')
    const { body } = await server.ask(getIntrospectionQuery({ descriptions: true, inputValueDeprecation: true, oneOf: true }))
    expect(
      buildClientSchema(body.data as never)
        .getQueryType()
        ?.getFields().kb_search?.description,
    ).toContain('Reads only')
  })
})

describe('answers do not grow by aliases', () => {
  test.each([
    ['a long text', [{ id: 'x'.repeat(100_000) }], 'id'],
    ['a large JSON value', [{ any: Array.from({ length: 20_000 }, (_, i) => i) }], 'any'],
    ['a list of many items', Array.from({ length: 100_000 }, () => ({ id: 'i' })), 'id'],
  ])('%s', async (_title, value, field) => {
    upstream = value
    const query = `{ kb_search(q: "x") { ${Array.from({ length: 900 }, (_, i) => `a${i}: ${field}`).join(' ')} } }`
    const { status, body } = await server.ask(query)
    upstream = [{ id: '1', text: 'a', tags: ['x'], any: { k: 1 } }]
    expect(status).toBe(200)
    expect(body.errors?.some(({ extensions }) => extensions.code === 'WITHHELD')).toBe(true)
    expect(JSON.stringify(body.data).length).toBeLessThan(2 * LIMITS.graphqlAnswerCharsMax)
  })
})

describe('requests that are not well formed get a 4xx and an entry', () => {
  const query = '{ whoami { name } }'
  test.each([
    ['no JSON', '{', json, 400],
    ['empty', '', json, 400],
    ['duplicate keys', `{"query":"${query}","query":"{__typename}"}`, json, 400],
    ['NaN', `{"query":"${query}","variables":{"x":NaN}}`, json, 400],
    ['an integer that loses digits', `{"query":"${query}","variables":{"x":9007199254740993}}`, json, 400],
    ['bad UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), json, 400],
    ['a lone surrogate', '{"query":"\\ud800"}', json, 400],
    ['a byte order mark', `\ufeff{"query":"${query}"}`, json, 400],
    ['JSON nested 1500 deep', `{"query":"${query}","variables":${'{"a":'.repeat(1_500)}1${'}'.repeat(1_500)}}`, json, 400],
    ['__proto__', `{"query":"${query}","variables":{"__proto__":{"x":1}}}`, json, 400],
    ['a batch', `[{"query":"${query}"},{"query":"${query}"}]`, json, 400],
    ['an empty batch', '[]', json, 400],
    ['a query that is no text', '{"query":{"kind":"Document"}}', json, 400],
    ['no query', '{}', json, 400],
    ['variables as text', `{"query":"${query}","variables":"{}"}`, json, 400],
    ['variables as list', `{"query":"${query}","variables":[]}`, json, 400],
    ['operationName as number', `{"query":"${query}","operationName":1}`, json, 400],
    ['an unknown operationName', `{"query":"${query}","operationName":"b"}`, json, 400],
    ['several operations without a name', '{"query":"query a { whoami { name } } query b { whoami { name } }"}', json, 400],
    ['only fragments', '{"query":"fragment a on Query { whoami { name } }"}', json, 400],
    ['extensions as list', `{"query":"${query}","extensions":[]}`, json, 400],
    ['text/plain', JSON.stringify({ query }), { 'content-type': 'text/plain' }, 415],
    ['a form', `query=${query}`, { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['another charset', JSON.stringify({ query }), { 'content-type': 'application/json; charset=utf-16' }, 415],
    ['gzip', gzipSync(JSON.stringify({ query })), { ...json, 'content-encoding': 'gzip' }, 415],
    ['10 MB', JSON.stringify({ query: ' '.repeat(10_000_000) }), json, 413],
    ['a syntax error', '{"query":"{ whoami { name }"}', json, 400],
    ['an unknown field', '{"query":"{ whoami { nam } }"}', json, 400],
    ['@defer', '{"query":"{ ... @defer { whoami { name } } }"}', json, 400],
    ['a subscription', '{"query":"subscription { whoami { name } }"}', json, 400],
    ['a fragment cycle', '{"query":"{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }"}', json, 400],
    ['a type system definition', '{"query":"type Query { a: Int } { whoami { name } }"}', json, 400],
    ['an unacceptable answer', JSON.stringify({ query }), { ...json, accept: 'text/html' }, 406],
    ['an unacceptable answer of a mutation', '{"query":"mutation { kb_put { id } }"}', { ...json, accept: 'image/png' }, 406],
  ] as const)('%s', async (_title, body, headers, status) => {
    const answer = await post(body as string | Uint8Array<ArrayBuffer>, headers)
    expect(answer.status).toBe(status)
    expect(answer.body.errors?.[0]?.extensions.code).toMatch(/^(BAD_INPUT|UNSUPPORTED_MEDIA_TYPE|BODY_TOO_LARGE)$/)
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
    expect(calls.asked).toEqual([])
    expect(calls.refusals).toHaveLength(1)
    expect(JSON.stringify(answer.body)).not.toMatch(/node_modules|\bat .*:\d+:\d+|Did you mean/)
  })

  test.each([
    ['a variable of the wrong type', { q: 1 }, '/variables/q'],
    ['a missing variable', {}, '/variables/q'],
    ['an integer that is a fraction', { q: 'x', limit: 1.5 }, '/variables/limit'],
    ['an integer too large in exponent form', { q: 'x', limit: 1e20 }, '/variables/limit'],
  ])('%s names its place', async (_title, variables, pointer) => {
    const { status, body } = await server.ask('query ($q: String!, $limit: SafeInt) { kb_search(q: $q, limit: $limit) { id } }', {
      variables,
    })
    expect(status).toBe(400)
    expect(body.errors?.[0]?.extensions).toMatchObject({ code: 'BAD_INPUT', errors: [{ pointer }] })
    expect(calls.refusals).toMatchObject([{ code: 'BAD_INPUT', faults: [{ pointer }] }])
  })

  test.each([
    ['kb_search(q: 1)', '/q'],
    ['kb_search(q: "x", limit: 9007199254740993)', '/limit'],
    ['kb_search(limit: 1)', '/q'],
    ['kb_search(q: "x", more: 1)', '/more'],
    ['kb_search(q: "x", filter: { a: [1, 9007199254740993] })', '/filter/a/1'],
    ['kb_search(q: "x", filter: { __proto__: { a: 1 } })', '/filter/__proto__'],
  ])('%s names its place', async (field, pointer) => {
    const { status, body } = await server.ask(`{ ${field} { id } }`)
    expect(status).toBe(400)
    expect(body.errors?.[0]?.extensions).toMatchObject({ code: 'BAD_INPUT', errors: [{ pointer }] })
    expect(calls.asked).toEqual([])
  })

  test('a number that overflows is no Infinity', async () => {
    const { status, body } = await server.ask('mutation { kb_put(size: 1e999) { id } }')
    expect([status, body.errors?.[0]?.extensions.code]).toEqual([400, 'BAD_INPUT'])
  })
})

describe('GET', () => {
  const get = (parameters: string, headers: Record<string, string> = {}) => raw({ method: 'GET', path: `?${parameters}`, headers })
  test('reads', async () => {
    const { status, body } = await get(
      `query=${encodeURIComponent('query ($q: String!) { kb_search(q: $q) { id } }')}&variables=${encodeURIComponent('{"q":"x"}')}`,
    )
    expect([status, body.data]).toEqual([200, { kb_search: [{ id: '1' }] }])
  })

  test.each([
    ['a mutation', `query=${encodeURIComponent('mutation { kb_put { id } }')}`, 405, 'METHOD_NOT_ALLOWED'],
    [
      'a mutation beside a query',
      `query=${encodeURIComponent('query a { whoami { name } } mutation b { kb_put { id } }')}&operationName=b`,
      405,
      'METHOD_NOT_ALLOWED',
    ],
    ['a parameter twice', 'query={__typename}&query={__typename}', 400, 'BAD_INPUT'],
    ['variables that are no JSON', 'query={__typename}&variables={', 400, 'BAD_INPUT'],
    ['duplicate keys', `query={__typename}&variables=${encodeURIComponent('{"a":1,"a":2}')}`, 400, 'BAD_INPUT'],
    ['nothing', '', 400, 'BAD_INPUT'],
  ])('refuses %s', async (_title, parameters, status, code) => {
    const answer = await get(parameters)
    expect([answer.status, answer.body.errors?.[0]?.extensions.code]).toEqual([status, code])
    if (status === 405) expect(answer.headers.get('allow')).toBe('POST')
    expect(calls.events).toEqual([])
    expect(calls.refusals).toHaveLength(1)
  })

  test.each(['PUT', 'DELETE', 'PATCH', 'OPTIONS'])('%s is not allowed', async (method) => {
    const answer = await raw({ method })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, POST'])
  })

  test('a method override header changes nothing', async () => {
    const answer = await get(`query=${encodeURIComponent('mutation { kb_put { id } }')}`, { 'x-http-method-override': 'POST' })
    expect(answer.status).toBe(405)
  })
})

test('persisted queries are not kept, and clients are told to send the whole query', async () => {
  const persistedQuery = { version: 1, sha256Hash: 'ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38' }
  const without = await post(JSON.stringify({ extensions: { persistedQuery } }))
  expect([without.status, without.body.errors?.[0]?.message]).toEqual([400, 'PersistedQueryNotSupported'])
  const whole = await post(JSON.stringify({ query: '{ __typename }', extensions: { persistedQuery } }))
  expect([whole.status, whole.body.data]).toEqual([200, { __typename: 'Query' }])
})

test('the same document text is checked again in every view', async () => {
  const { ask, close } = await serve(new MemoryCalls(OPERATIONS, { agent: ['kb.search', 'kb.put'], poor: ['kb.search'] }))
  const query = 'mutation { kb_put(id: "1") { id } }'
  expect((await ask(query)).status).toBe(200)
  expect((await ask(query, { as: 'poor' })).status).toBe(400)
  expect((await ask(query)).status).toBe(200)
  await close()
})

test('views are bounded and come back after they were evicted', async () => {
  const many = Array.from({ length: LIMITS.graphqlViewsMax + 20 }, (_, i) => operation(`kb.op${i}`, 'read', {}, node))
  const agents = Object.fromEntries(many.map(({ id }, i) => [`a${i}`, [id]]))
  const { ask, close, log } = await serve(new MemoryCalls(many, agents))
  for (const round of [1, 2])
    for (const i of many.keys())
      expect([round, (await ask(`{ kb_op${i} { id } }`, { as: `a${i}` })).body.errors]).toEqual([round, undefined])
  expect((await Promise.all(Array.from({ length: 20 }, () => ask('{ kb_op0 { id } }', { as: 'a0' })))).map(({ status }) => status)).toEqual(
    Array(20).fill(200),
  )
  expect(log).toEqual([])
  await close()
})

test('what a raw socket sends in pieces is one request', async () => {
  const body = '{"query":"{ whoami { name } }"}'
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  socket.write(
    `POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer agent\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`,
  )
  for (const char of body) socket.write(char)
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  expect(text).toContain('{"data":{"whoami":{"name":"agent"}}}')
})
