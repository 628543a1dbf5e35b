import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JsonObject } from '../../gateway/core/json.ts'
import { UpstreamError, type Connector } from '../../gateway/ports/connector.ts'
import { context, journal, load, openapi, operationOf, replayed } from './fixture-openapi.ts'

const list = (items: JsonObject): JsonObject => ({ type: 'array', items })
const text = { type: 'string' }
const record = { type: 'object', properties: { a: text, 'b c': { type: 'integer' }, 'd&=': { type: 'boolean' } } }
const parameter = (place: string, name: string, schema: JsonObject, more: JsonObject = {}): JsonObject => ({
  in: place,
  name,
  schema,
  required: place === 'path',
  ...more,
})
const SCALARS: JsonObject = { s: text, i: { type: 'integer' }, n: { type: 'number' }, b: { type: 'boolean' } }

/** Every style with every shape, in operations of their own so that names stay apart. */
const DOCUMENT = openapi({
  '/scalars/{s}/{i}/{b}': {
    post: {
      operationId: 'scalars',
      parameters: [
        parameter('path', 's', text),
        parameter('path', 'i', { type: 'integer' }),
        parameter('path', 'b', { type: 'boolean' }),
        ...Object.entries(SCALARS).map(([name, schema]) => parameter('query', `q-${name}[]&=`, schema as JsonObject)),
        ...Object.entries(SCALARS).map(([name, schema]) => parameter('header', `X-${name}`, schema as JsonObject)),
        ...Object.entries(SCALARS).map(([name, schema]) => parameter('cookie', `c ${name}`, schema as JsonObject)),
      ],
      requestBody: {
        required: true,
        content: {
          'application/json': { schema: { type: 'object', properties: { t: text, deep: { type: 'object', additionalProperties: true } } } },
        },
      },
    },
  },
  '/paths/{simple}/{simple_explode}/{label}/{label_explode}/{matrix}/{matrix_explode}/x{json}y': {
    get: {
      operationId: 'paths',
      parameters: [
        parameter('path', 'simple', list(text)),
        parameter('path', 'simple_explode', record, { explode: true }),
        parameter('path', 'label', list({ type: 'integer' }), { style: 'label' }),
        parameter('path', 'label_explode', record, { style: 'label', explode: true }),
        parameter('path', 'matrix', record, { style: 'matrix' }),
        parameter('path', 'matrix_explode', list(text), { style: 'matrix', explode: true }),
        {
          in: 'path',
          name: 'json',
          required: true,
          content: { 'application/json': { schema: { type: 'object', additionalProperties: { type: 'integer' } } } },
        },
      ],
    },
  },
  '/queries': {
    get: {
      operationId: 'queries',
      parameters: [
        parameter('query', 'form', list(text), { explode: false }),
        parameter('query', 'form_explode', list(text)),
        parameter('query', 'space', list(text), { style: 'spaceDelimited', explode: false }),
        parameter('query', 'pipe', list(text), { style: 'pipeDelimited', explode: false }),
        parameter('query', 'deep', record, { style: 'deepObject', explode: true }),
        parameter('query', 'flat', record, { explode: false }),
        parameter('query', 'spread', { type: 'object', properties: { p1: text, p2: { type: 'number' } } }),
        { in: 'query', name: 'json', content: { 'application/json': { schema: {} } } },
        parameter('header', 'x-list', list({ type: 'integer' })),
        parameter('cookie', 'c-list', list(text)),
      ],
    },
  },
  '/form': {
    post: {
      operationId: 'form',
      requestBody: {
        required: true,
        content: {
          'application/x-www-form-urlencoded': {
            schema: { type: 'object', properties: { ...SCALARS, l: list(text), o: { type: 'object', additionalProperties: true } } },
          },
        },
      },
    },
  },
  '/raw/{kind}': {
    parameters: [parameter('path', 'kind', text)],
    put: { operationId: 'text', requestBody: { required: true, content: { 'text/plain': { schema: text } } } },
    post: { operationId: 'binary', requestBody: { required: true, content: { 'application/octet-stream': {} } } },
    patch: { operationId: 'whole', requestBody: { content: { 'application/json': { schema: list(text) } } } },
  },
})

let upstream: Awaited<ReturnType<typeof journal>>
let connector: Connector
beforeAll(async () => {
  upstream = await journal()
  connector = load(DOCUMENT, { baseUrl: upstream.url })
})
afterAll(async () => {
  await connector.close()
  await upstream.close()
})

const anyText = fc
  .oneof(
    fc.string({ unit: 'grapheme', maxLength: 12 }),
    fc.constantFrom('a/b', '..', '%2e', 'x;y', 'a,b', 'a b', '+', '&=', '#?', 'é\u0301', '\u202e'),
  )
  .filter((s) => !s.includes('\0'))
const word = fc.stringMatching(/^[a-z0-9 ~é@:'-]{1,8}$/)
const plain = fc.stringMatching(/^[a-z0-9~-]{1,8}$/)
const integer = fc.maxSafeInteger().filter((i) => !Object.is(i, -0))
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (n === 0 ? 0 : n))
const aRecord = (of: fc.Arbitrary<string>) => fc.record({ a: of, 'b c': integer, 'd&=': fc.boolean() }, { requiredKeys: ['a'] })
const json = fc
  .jsonValue({ maxDepth: 3 })
  .map((value) => JSON.parse(JSON.stringify(value)) as never)
  .filter((value) => value !== null && !JSON.stringify(value).includes('__proto__') && !/[eE]\+|\d{16}/.test(JSON.stringify(value)))
const headerText = fc.stringMatching(/^[!-~]([ -~]{0,8}[!-~])?$/)
const lists = (of: fc.Arbitrary<unknown>) => fc.array(of, { minLength: 1, maxLength: 4 })
const jsonObject = fc.dictionary(plain, integer, { maxKeys: 3 })

const INPUTS: Record<string, fc.Arbitrary<object>> = {
  scalars: fc.record(
    {
      s: fc.oneof(anyText, word),
      i: integer,
      b: fc.boolean(),
      'q-s[]&=': anyText,
      'q-i[]&=': integer,
      'q-n[]&=': number,
      'q-b[]&=': fc.boolean(),
      'X-s': headerText,
      'X-i': integer,
      'X-n': number,
      'X-b': fc.boolean(),
      'c s': anyText,
      'c i': integer,
      'c n': number,
      'c b': fc.boolean(),
      t: anyText,
      deep: jsonObject,
    },
    { requiredKeys: ['s', 'i', 'b'] },
  ),
  paths: fc.record({
    simple: lists(fc.oneof(word, anyText)),
    simple_explode: fc.record({ a: word, 'b c': integer }),
    label: lists(integer),
    label_explode: fc.record({ a: plain, 'b c': integer }),
    matrix: aRecord(plain),
    matrix_explode: lists(plain),
    json: jsonObject,
  }),
  queries: fc.record(
    {
      form: lists(anyText),
      form_explode: lists(anyText),
      space: lists(plain),
      pipe: lists(anyText),
      deep: aRecord(anyText),
      flat: aRecord(word),
      spread: fc.record({ p1: anyText, p2: number }, { requiredKeys: ['p1'] }),
      json,
      'x-list': lists(integer),
      'c-list': lists(anyText),
    },
    { requiredKeys: [] },
  ),
  form: fc.record({ s: anyText, i: integer, n: number, b: fc.boolean(), l: lists(anyText), o: jsonObject }, { requiredKeys: ['s'] }),
  text: fc.record({ kind: word, body: anyText.filter((s) => s !== '') }),
  binary: fc.record({
    kind: word,
    body: fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('base64')),
  }),
  whole: fc.record({ kind: word, body: fc.array(anyText, { maxLength: 3 }) }, { requiredKeys: ['kind'] }),
}

test.each(Object.keys(INPUTS))(
  'what `%s` sends upstream reads back as the same operation and arguments, or nothing is sent',
  async (name) => {
    const operation = operationOf(connector, name)
    const generated = INPUTS[name]
    if (!generated) throw new Error(`no inputs for ${name}`)
    let carried = 0
    await fc.assert(
      fc.asyncProperty(generated, async (value) => {
        upstream.seen.length = 0
        const input = JSON.parse(JSON.stringify(value)) as JsonObject
        try {
          const answer = await connector.execute(operation, input, null, context())
          await answer.body[Symbol.asyncIterator]().return?.()
        } catch (error) {
          expect(error).toMatchObject({ kind: 'refused', sent: false })
          expect(error).toBeInstanceOf(UpstreamError)
          expect(upstream.seen).toEqual([])
          return
        }
        const [seen] = upstream.seen
        if (!seen) throw new Error('nothing arrived')
        expect(connector.match(replayed(seen))).toEqual({ operation, input })
        carried++
      }),
      { numRuns: 200 },
    )
    expect(carried).toBeGreaterThan(20)
  },
)
