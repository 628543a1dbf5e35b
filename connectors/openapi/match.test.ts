import { expect, test } from 'vitest'
import type { JsonObject } from '../../gateway/core/json.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import type { ProxiedRequest } from '../../gateway/ports/connector.ts'
import { load, openapi, proxied } from './fixture-openapi.ts'

const text = { type: 'string' }
const path = (name: string, schema: JsonObject = text): JsonObject => ({ in: 'path', name, required: true, schema })
const body = (type: string, schema: JsonObject): JsonObject => ({ required: true, content: { [type]: { schema } } })

const DOCUMENT = openapi(
  {
    '/orders': {
      get: {
        operationId: 'listOrders',
        parameters: [
          { in: 'query', name: 'limit', schema: { type: 'integer' } },
          { in: 'query', name: 'open', schema: { type: 'boolean' } },
          { in: 'query', name: 'api_key', schema: text },
          { in: 'query', name: 'tag', schema: { type: 'array', items: text } },
          { in: 'cookie', name: 'seen', schema: { type: 'integer' } },
        ],
      },
      post: {
        operationId: 'createOrder',
        requestBody: body('application/json', {
          type: 'object',
          properties: {
            total: { type: 'number' },
            note: text,
            lines: { type: 'array', items: { type: 'object', properties: { sku: text } } },
          },
        }),
      },
    },
    '/orders/export': { get: { operationId: 'exportOrders' } },
    '/orders/purge': { post: { operationId: 'purgeOrders' } },
    '/orders/{id}': {
      get: { operationId: 'getOrder', parameters: [path('id')] },
      delete: { operationId: 'deleteOrder', parameters: [path('id')] },
    },
    '/orders/{id}/lines/{line}': {
      put: {
        operationId: 'putLine',
        parameters: [path('id'), path('line', { type: 'integer' })],
        requestBody: body('application/json', { type: 'object', properties: { id: text } }),
      },
    },
    '/files/{name}.pdf': { get: { operationId: 'getPdf', parameters: [path('name')] } },
    '/login': {
      post: {
        operationId: 'login',
        requestBody: body('application/x-www-form-urlencoded', {
          type: 'object',
          properties: { user: text, age: { type: 'integer' }, tags: { type: 'array', items: text } },
        }),
      },
    },
    '/upload': { post: { operationId: 'upload', requestBody: body('multipart/form-data', {}) } },
  },
  { components: { securitySchemes: { key: { type: 'apiKey', in: 'query', name: 'api_key' } } } },
)
const connector = load(DOCUMENT, { operations: { exclude: ['purgeOrders', 'deleteOrder'], overrides: {} } })
const json = { 'content-type': 'application/json' }

function outcome(request: ProxiedRequest): unknown {
  try {
    const matched = connector.match(request)
    return matched.operation ? [matched.operation.name, matched.input] : matched.allow
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    return [error.code, ...error.faults.map(({ pointer }) => pointer)]
  }
}

test.each<[string, unknown]>([
  ['GET /orders', ['listOrders', {}]],
  ['GET /orders?limit=5&open=true&tag=a&tag=b%20c', ['listOrders', { limit: 5, open: true, tag: ['a', 'b c'] }]],
  ['GET /orders/17', ['getOrder', { id: '17' }]],
  ['GET /orders/a%20b%3Bc', ['getOrder', { id: 'a b;c' }]],
  ['GET /orders/%C3%A9', ['getOrder', { id: 'é' }]],
  ['GET /orders/export', ['exportOrders', {}]],
  ['GET /files/a.b.pdf', ['getPdf', { name: 'a.b' }]],
  ['PUT /orders', ['GET', 'POST']],
  ['DELETE /orders/17', ['GET']],
  ['get /orders', ['GET', 'POST']],
  ['GET /nothing', []],
  // What was left out is not reached through a parameter of another, in no spelling.
  ['GET /orders/purge', []],
  ['POST /orders/purge', []],
  ['POST /orders/export', ['GET']],
  ['GET /orders/Purge', []],
  ['GET /orders/EXPORT', []],
  ['GET /orders/%70urge', []],
  ['GET /Orders/17', []],
  ['GET /files/a.PDF', []],
  ['GET /files/.pdf', []],
  // Trailing slashes and empty segments.
  ['GET /orders/', []],
  ['GET /orders/17/', []],
  ['GET //orders', ['BAD_INPUT', '']],
  ['GET /orders//lines', ['BAD_INPUT', '']],
  // Dots, slashes, double encoding, parameters of segments, control characters.
  ['GET /orders/.', ['BAD_INPUT', '']],
  ['GET /orders/..', ['BAD_INPUT', '']],
  ['GET /orders/%2e%2E', ['BAD_INPUT', '']],
  ['GET /x/../orders', ['BAD_INPUT', '']],
  ['GET /orders/17.', ['BAD_INPUT', '']],
  ['GET /orders/a%2Fb', ['BAD_INPUT', '']],
  ['GET /orders/a%5Cb', ['BAD_INPUT', '']],
  ['GET /orders/a\\b', ['BAD_INPUT', '']],
  ['GET /orders/%252e%252e', ['BAD_INPUT', '']],
  ['GET /orders/a%252Fb', ['BAD_INPUT', '']],
  ['GET /orders/17;admin=1', ['BAD_INPUT', '']],
  ['GET /orders;a=b/17', ['BAD_INPUT', '']],
  ['GET /orders/a%00', ['BAD_INPUT', '']],
  ['GET /orders/a%0d%0ab', ['BAD_INPUT', '']],
  ['GET /orders/%7f', ['BAD_INPUT', '']],
  ['GET /orders/%', ['BAD_INPUT', '']],
  ['GET /orders/%ff', ['BAD_INPUT', '']],
  ['GET /orders/%c0%ae', ['BAD_INPUT', '']],
  ['GET /orders/é', ['BAD_INPUT', '']],
  [`GET /${'a/'.repeat(100)}b`, []],
  // Queries.
  ['GET /orders?unknown=1', ['BAD_INPUT', '/unknown']],
  ['GET /orders?Limit=1', ['BAD_INPUT', '/Limit']],
  ['GET /orders?limit=1&limit=2', ['BAD_INPUT', '/limit']],
  ['GET /orders?limit=1.0', ['BAD_INPUT', '/limit']],
  ['GET /orders?limit=01', ['BAD_INPUT', '/limit']],
  ['GET /orders?limit=+1', ['BAD_INPUT', '/limit']],
  ['GET /orders?limit=0x10', ['BAD_INPUT', '/limit']],
  ['GET /orders?limit=9007199254740993', ['BAD_INPUT', '/limit']],
  ['GET /orders?limit=', ['BAD_INPUT', '/limit']],
  ['GET /orders?open=TRUE&limit=x', ['BAD_INPUT', '/limit', '/open']],
  ['GET /orders?limit=%ff', ['BAD_INPUT', '']],
  ['GET /orders?tag=%00', ['BAD_INPUT', '']],
  ['GET /orders?=1', ['BAD_INPUT', '']],
  ['GET /orders?tag=a&&tag=b', ['BAD_INPUT', '']],
  ['GET /orders?api_key=stolen', ['BAD_INPUT', '/api_key']],
  ['GET /orders?__proto__=1', ['BAD_INPUT', '/__proto__']],
  ['GET /orders?constructor=1', ['BAD_INPUT', '/constructor']],
  ['PUT /orders/1/lines/x', ['BAD_INPUT', '/line']],
])('%s', (line, expected) => {
  const at = line.indexOf(' ')
  expect(outcome(proxied(line.slice(0, at), line.slice(at + 1)))).toEqual(expected)
})

test.each<[string, ProxiedRequest, unknown]>([
  ['a JSON body', proxied('POST', '/orders', '{"total":1.5,"note":"x"}', json), ['createOrder', { total: 1.5, note: 'x' }]],
  ['no body', proxied('POST', '/orders'), ['createOrder', {}]],
  ['a charset', proxied('POST', '/orders', '{}', { 'content-type': 'Application/JSON; charset="UTF-8"' }), ['createOrder', {}]],
  ['another charset', proxied('POST', '/orders', '{}', { 'content-type': 'application/json; charset=utf-16' }), ['UNSUPPORTED_MEDIA_TYPE']],
  [
    'another media type',
    proxied('POST', '/orders', 'a=1', { 'content-type': 'application/x-www-form-urlencoded' }),
    ['UNSUPPORTED_MEDIA_TYPE'],
  ],
  ['no media type', proxied('POST', '/orders', '{}'), ['UNSUPPORTED_MEDIA_TYPE']],
  ['two media types', proxied('POST', '/orders', '{}', { 'content-type': ['application/json', 'text/plain'] }), ['UNSUPPORTED_MEDIA_TYPE']],
  ['duplicate keys', proxied('POST', '/orders', '{"total":1,"total":9999}', json), ['BAD_INPUT', '/total']],
  ['an undeclared property', proxied('POST', '/orders', '{"admin":true}', json), ['BAD_INPUT', '/admin']],
  [
    'a property with the name of a path parameter',
    proxied('PUT', '/orders/1/lines/2', '{"id":"9"}', json),
    ['putLine', { id: '1', line: 2, body: { id: '9' } }],
  ],
  ['NaN', proxied('POST', '/orders', '{"total":NaN}', json), ['BAD_INPUT', '/total']],
  ['bad UTF-8', proxied('POST', '/orders', Uint8Array.of(0x22, 0xff, 0x22), json), ['BAD_INPUT', '']],
  ['a list', proxied('POST', '/orders', '[]', json), ['BAD_INPUT', '']],
  [
    'a deep body',
    proxied('POST', '/orders', `{"lines":${'['.repeat(1500)}${']'.repeat(1500)}}`, json),
    ['BAD_INPUT', '/lines'.concat('/0'.repeat(63))],
  ],
  ['a body where there is none', proxied('GET', '/orders', '{}', json), ['BAD_INPUT', '']],
  [
    'a form',
    proxied('POST', '/login', 'user=a+b%26c&age=7&tags=x&tags=y', { 'content-type': 'application/x-www-form-urlencoded' }),
    ['login', { user: 'a b&c', age: 7, tags: ['x', 'y'] }],
  ],
  [
    'a form with an undeclared field',
    proxied('POST', '/login', 'admin=1', { 'content-type': 'application/x-www-form-urlencoded' }),
    ['BAD_INPUT', '/admin'],
  ],
  [
    'a form with a scalar twice',
    proxied('POST', '/login', 'user=a&user=b', { 'content-type': 'application/x-www-form-urlencoded' }),
    ['BAD_INPUT', '/user'],
  ],
  [
    'a form with raw characters',
    proxied('POST', '/login', 'user=a b', { 'content-type': 'application/x-www-form-urlencoded' }),
    ['BAD_INPUT', '/body'],
  ],
  [
    'multipart with another boundary',
    proxied('POST', '/upload', '--one\r\n\r\nx\r\n--one--', { 'content-type': 'multipart/form-data; boundary=two' }),
    ['BAD_INPUT', '/body'],
  ],
  ['a cookie', proxied('GET', '/orders', '', { cookie: 'seen=4' }), ['listOrders', { seen: 4 }]],
  ['an undeclared cookie', proxied('GET', '/orders', '', { cookie: 'session=stolen; seen=4' }), ['BAD_INPUT', '/session']],
  ['a cookie twice', proxied('GET', '/orders', '', { cookie: 'seen=4; seen=5' }), ['BAD_INPUT', '/seen']],
  ['a method override', proxied('GET', '/orders/1', '', { 'x-http-method-override': 'DELETE' }), ['BAD_INPUT', '']],
  ['another method override', proxied('POST', '/orders', '{}', { ...json, 'x-method-override': 'DELETE' }), ['BAD_INPUT', '']],
  [
    'headers of other kinds',
    proxied('GET', '/orders', '', { host: 'evil', 'x-forwarded-for': '1', authorization: 'Bearer x' }),
    ['listOrders', {}],
  ],
])('a request with %s', (_title, request, expected) => {
  expect(outcome(request)).toEqual(expected)
})
