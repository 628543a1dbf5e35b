import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { JsonObject } from '../../gateway/core/json.ts'
import { type Connector, UpstreamError } from '../../gateway/ports/connector.ts'
import type { Lease } from '../../gateway/ports/vault.ts'
import { context, journal, load, openapi, operationOf } from './fixture-openapi.ts'

const text = { type: 'string' }
const path = { in: 'path', name: 'id', required: true, schema: text }
const DOCUMENT = openapi({
  '/v/{id}': {
    get: {
      operationId: 'get',
      parameters: [
        path,
        { in: 'query', name: 'q', schema: text },
        { in: 'query', name: 'api_key', schema: text },
        { in: 'query', name: 'pipe', style: 'pipeDelimited', explode: false, schema: { type: 'array', items: text } },
        { in: 'header', name: 'X-Note', schema: text },
        { in: 'header', name: 'X-Api-Key', schema: text },
        ...['Host', 'Authorization', 'Accept', 'Content-Type', 'Transfer-Encoding', 'X-Forwarded-For', 'traceparent'].map((name) => ({
          in: 'header',
          name,
          schema: text,
        })),
      ],
    },
  },
  '/v/{id}/x': {
    post: {
      operationId: 'post',
      parameters: [path],
      requestBody: { content: { 'application/json': { schema: { type: 'object', properties: { a: text, b: text } } } } },
    },
  },
  '/v/special': { get: { operationId: 'special' } },
  '/v/{id}/hidden': { post: { operationId: 'hidden', parameters: [path] } },
})

let upstream: Awaited<ReturnType<typeof journal>>
let connector: Connector
beforeAll(async () => {
  upstream = await journal((response) => void response.writeHead(207, { 'x-a': 'b', 'set-cookie': ['a=1', 'b=2'] }).end('done'))
  connector = load(DOCUMENT, { baseUrl: `${upstream.url}/base/`, operations: { exclude: ['hidden'], overrides: {} } })
})
afterAll(async () => {
  await connector.close()
  await upstream.close()
})
beforeEach(() => {
  upstream.seen.length = 0
})

async function send(name: string, input: JsonObject, lease: Lease | null = null) {
  const answer = await connector.execute(operationOf(connector, name), input, lease, context())
  let body = ''
  for await (const chunk of answer.body) body += Buffer.from(chunk).toString()
  return { ...answer, body, seen: upstream.seen[0] }
}

test('the request is built from arguments, context and base address alone, the answer handed back as it is', async () => {
  const { status, headers, body, seen } = await send('get', { id: 'a b', q: '&x=1#', 'X-Note': 'hello' })
  expect([status, headers['x-a'], headers['set-cookie'], body]).toEqual([207, 'b', ['a=1', 'b=2'], 'done'])
  expect([seen?.method, seen?.url]).toEqual(['GET', '/base/v/a%20b?q=%26x%3D1%23'])
  expect(seen?.headers).toEqual({
    host: upstream.url.slice('http://'.length),
    connection: 'keep-alive',
    'x-note': 'hello',
    accept: 'application/json, */*;q=0.5',
    'accept-encoding': 'identity',
    traceparent: context().traceparent,
  })
})

test('headers that belong to the connection, the credential or the gateway are no arguments', () => {
  const { properties } = operationOf(connector, 'get').inputSchema
  expect(Object.keys(properties as JsonObject)).toEqual(['id', 'q', 'api_key', 'pipe', 'X-Note', 'X-Api-Key'])
})

test.each<[string, JsonObject]>([
  ['empty', { id: '' }],
  ['missing', {}],
  ['a dot', { id: '.' }],
  ['dots', { id: '..' }],
  ['a slash', { id: 'a/b' }],
  ['a backslash', { id: 'a\\b' }],
  ['a trailing dot', { id: 'a.' }],
  ['a NUL', { id: 'a\0' }],
  ['a line break', { id: 'a\r\nb' }],
  ['encoded twice', { id: '%2e%2e' }],
  ['the path of another operation', { id: 'special' }],
  ['the path of another operation in another case', { id: 'SPECIAL' }],
  ['no text', { id: ['a'] }],
  ['a header with a line break', { id: 'a', 'X-Note': 'a\r\nx-admin: 1' }],
  ['a header beyond ASCII', { id: 'a', 'X-Note': 'é' }],
  ['a list element with its separator', { id: 'a', pipe: ['a|b'] }],
])('an argument that is %s is refused, and nothing is sent', async (_title, input) => {
  await expect(send('get', input)).rejects.toMatchObject({ kind: 'refused', sent: false })
  await expect(send('get', input)).rejects.toBeInstanceOf(UpstreamError)
  expect(upstream.seen).toEqual([])
})

test('an optional body is sent when there is something in it', async () => {
  const { seen } = await send('post', { id: '1', a: 'x' })
  expect([seen?.body.toString(), seen?.headers['content-type']]).toEqual(['{"a":"x"}', 'application/json'])
  upstream.seen.length = 0
  const { seen: empty } = await send('post', { id: '1' })
  expect([empty?.body.length, empty?.headers['content-type']]).toEqual([0, undefined])
})

test('inherited names are no arguments', async () => {
  const odd = load(
    openapi({
      '/a': { get: { operationId: 'a', parameters: ['constructor', 'toString'].map((name) => ({ in: 'query', name, schema: text })) } },
    }),
    { baseUrl: upstream.url },
  )
  const answer = await odd.execute(operationOf(odd, 'a'), {}, null, context())
  await answer.body[Symbol.asyncIterator]().return?.()
  expect(upstream.seen[0]?.url).toBe('/a')
  await odd.close()
})

const lease = (headers: Record<string, string>, query: Record<string, string> = {}): Lease => ({
  credential: 'k',
  version: 1,
  headers: () => headers,
  query: () => query,
  needles: [],
})
test('the credential takes its place whatever the arguments say', async () => {
  const { seen } = await send('get', { id: '1', 'X-Api-Key': 'mine' }, lease({ 'X-API-Key': 'theirs' }))
  expect(seen?.rawHeaders.filter((_, i, all) => all[i - 1]?.toLowerCase() === 'x-api-key')).toEqual(['theirs'])
  upstream.seen.length = 0
  expect((await send('get', { id: '1', q: 'x' }, lease({}, { api_key: 'a&b' }))).seen?.url).toBe('/base/v/1?q=x&api_key=a%26b')
  await expect(send('get', { id: '1', api_key: 'mine' }, lease({}, { api_key: 'theirs' }))).rejects.toMatchObject({
    kind: 'refused',
    sent: false,
  })
})
