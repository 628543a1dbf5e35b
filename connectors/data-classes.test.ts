import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../gateway/core/json.ts'
import { createDialer } from '../gateway/egress/dialer.ts'
import { LIMITS } from '../gateway/limits.ts'
import type { Manifest } from '../gateway/ports/connector.ts'
import { mcpKind } from './mcp/kind.ts'
import { load, openapi, operationOf } from './openapi/fixture-openapi.ts'

const text: JsonObject = { type: 'string' }
const pii: JsonObject = { type: 'string', 'x-gatehouse-classes': ['pii'] }
const object = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({ type: 'object', properties, ...more })
const json = (schema: JsonObject, more: JsonObject = {}): JsonObject => ({
  description: '',
  content: { 'application/json': { schema } },
  ...more,
})
const answering = (responses: JsonObject, schemas: JsonObject = {}, version = '3.1.0'): JsonObject =>
  openapi({ '/a': { get: { operationId: 'a', responses } } }, { openapi: version, components: { schemas } })
const ref = (name: string, more: JsonObject = {}): JsonObject => ({ $ref: `#/components/schemas/${name}`, ...more })

const given = (dataClasses: Readonly<Record<string, readonly string[]>>): Partial<Manifest> => ({
  operations: { overrides: { a: { dataClasses } } },
})

function classesOf(document: JsonObject, more: Partial<Manifest> = {}) {
  const { dataClasses, otherClasses } = operationOf(load(document, more), 'a')
  return otherClasses ? { ...dataClasses, others: otherClasses } : dataClasses
}

const CUSTOMER = object({ id: text, email: pii, home: ref('Address') })
const SHARED = { Customer: CUSTOMER, Address: object({ city: text, street: pii }), Mail: text, Classed: pii }
const TREE = { Node: object({ owner: pii, next: ref('Node'), all: { type: 'array', items: ref('Node') } }) }

describe('a document gives classes', () => {
  test.each<[string, JsonObject, JsonObject, JsonObject]>([
    ['on properties, through references', ref('Customer'), SHARED, { '/email': ['pii'], '/home/street': ['pii'] }],
    ['in lists', { type: 'array', items: ref('Customer') }, SHARED, { '/*/email': ['pii'], '/*/home/street': ['pii'] }],
    ['in maps', object({ by: { type: 'object', additionalProperties: ref('Classed') } }), SHARED, { '/by/*': ['pii'] }],
    [
      'on a whole object',
      object({ home: { ...ref('Address'), 'x-gatehouse-classes': ['home'] } }),
      SHARED,
      { '/home': ['home'], '/home/street': ['pii'] },
    ],
    [
      'beside a reference',
      object({ mail: ref('Mail', { 'x-gatehouse-classes': ['pii', 'contact'] }) }),
      SHARED,
      { '/mail': ['contact', 'pii'] },
    ],
    [
      'beside a reference to a classed schema',
      object({ mail: ref('Classed', { 'x-gatehouse-classes': ['contact'] }) }),
      SHARED,
      { '/mail': ['contact', 'pii'] },
    ],
    ['at the top', ref('Mail', { 'x-gatehouse-classes': 'pii' }), SHARED, { '': ['pii'] }],
    [
      'in all of several',
      { allOf: [ref('Customer'), object({ id: pii })] },
      SHARED,
      { '/email': ['pii'], '/home/street': ['pii'], '/id': ['pii'] },
    ],
    [
      'beside a reference in all of several',
      object({ m: { allOf: [ref('Mail', { 'x-gatehouse-classes': ['pii'] })] } }),
      SHARED,
      { '/m': ['pii'] },
    ],
    [
      'in alternatives',
      object({ w: { oneOf: [ref('Address'), object({ vat: pii })] } }),
      SHARED,
      { '/w/street': ['pii'], '/w/vat': ['pii'] },
    ],
    [
      'in a recursive schema, to its first repetition',
      ref('Node'),
      TREE,
      { '/owner': ['pii'], '/next/owner': ['pii'], '/all/*/owner': ['pii'] },
    ],
    [
      'beside a reference to a recursive schema',
      object({ n: ref('Node', { 'x-gatehouse-classes': ['tree'] }) }),
      { Node: object({ next: ref('Node') }) },
      { '/n': ['tree'] },
    ],
    [
      'as the registry has it',
      object({ a: { ...text, 'x-data-classification': { category: 'PII', sensitivity: 'restricted', masking: { strategy: 'full' } } } }),
      {},
      { '/a': ['pii', 'restricted'] },
    ],
    [
      'as one word',
      object({ a: { ...text, 'x-data-classification': 'Confidential' }, b: { ...text, 'x-data-classification': 'PUBLIC' } }),
      {},
      { '/a': ['confidential'] },
    ],
    [
      'as a flag',
      object({ a: { ...text, 'x-pii': true }, b: { ...text, 'x-pii': false }, c: { ...text, 'x-pii': 'phone' } }),
      {},
      { '/a': ['pii'], '/c': ['pii'] },
    ],
    ['not to what is public', object({ a: { ...text, 'x-data-classification': { category: 'contact', sensitivity: 'public' } } }), {}, {}],
    ['not by properties of that name', object({ 'x-pii': text, 'x-gatehouse-classes': text }), {}, {}],
  ])('%s', (_title, schema, schemas, expected) => {
    for (const version of ['3.0.3', '3.1.0']) expect(classesOf(answering({ 200: json(schema) }, schemas, version))).toEqual(expected)
  })

  test.each<[string, JsonObject, JsonObject]>([
    ['of another success', { 200: json(object({ id: text })), 201: json(object({ mail: pii })) }, { '/mail': ['pii'] }],
    ['of a refusal', { 200: json(object({ id: text })), 422: json(object({ detail: pii })) }, { others: ['pii'] }],
    ['of whatever else is answered', { default: json(object({ detail: pii })) }, { others: ['pii'] }],
    [
      'of a body that is no JSON',
      { 200: { description: '', content: { 'text/csv': { schema: pii }, 'application/json': { schema: object({ id: text }) } } } },
      { others: ['pii'] },
    ],
    ['at a response', { 200: json(object({ id: text }), { 'x-gatehouse-classes': ['pii'] }) }, { '': ['pii'] }],
    ['at a media type without a schema', { 200: { description: '', content: { 'text/csv': { 'x-pii': true } } } }, { others: ['pii'] }],
  ])('%s', (_title, responses, expected) => {
    expect(classesOf(answering(responses))).toEqual(expected)
  })

  test('that are no part of the version of an operation', () => {
    const bare = (value: unknown): JsonObject =>
      JSON.parse(JSON.stringify(value, (key, inner) => (key === 'x-gatehouse-classes' ? undefined : inner))) as JsonObject
    const schemas = { ...SHARED, ...TREE }
    for (const schema of [
      object({ c: ref('Customer'), n: ref('Node', { 'x-gatehouse-classes': ['tree'] }) }),
      object({ m: ref('Mail', { 'x-gatehouse-classes': ['m'] }) }),
      { allOf: [ref('Customer', { 'x-gatehouse-classes': ['c'] }), object({ id: pii })] },
    ]) {
      const [one, other] = [answering({ 200: json(schema) }, schemas), answering({ 200: json(bare(schema)) }, bare(schemas))]
      expect(operationOf(load(one), 'a').version).toBe(operationOf(load(other), 'a').version)
    }
  })

  test('that change nothing in the input', () => {
    const document = (mail: JsonObject) =>
      openapi(
        {
          '/a': {
            post: {
              operationId: 'a',
              requestBody: { required: true, content: { 'application/json': { schema: object({ mail }) } } },
              responses: {},
            },
          },
        },
        { components: { schemas: SHARED } },
      )
    const marked = operationOf(load(document(ref('Customer', { 'x-pii': true }))), 'a')
    const plain = operationOf(load(document(ref('Customer'))), 'a')
    expect([marked.inputSchema, marked.version]).toEqual([plain.inputSchema, plain.version])
  })

  test.each<[string, JsonObject, RegExp]>([
    [
      'an empty list',
      object({ a: { ...text, 'x-gatehouse-classes': [] } }),
      /schema\/properties\/a\/x-gatehouse-classes: expected the names/,
    ],
    ['a class that is no name', object({ a: { ...text, 'x-gatehouse-classes': ['personal data'] } }), /expected the names of data classes/],
    [
      'a classification that says nothing',
      object({ a: { ...text, 'x-data-classification': { masking: {} } } }),
      /`category` and `sensitivity`/,
    ],
    ['a flag that is a list', object({ a: { ...text, 'x-pii': ['a'] } }), /expected true or false/],
    [
      'more places than can be told',
      object(Object.fromEntries(Array.from({ length: LIMITS.classedPlacesMax + 1 }, (_, i) => [`p${i}`, pii]))),
      /places have data classes/,
    ],
  ])('%s is a fault', (_title, schema, message) => {
    expect(() => load(answering({ 200: json(schema) }))).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }),
    )
  })

  test('a large document with many ways to the same schema is read at once', () => {
    const levels = 40
    const schemas = Object.fromEntries(
      Array.from({ length: levels }, (_, i) => [
        `L${i}`,
        object(i === levels - 1 ? { x: text } : { a: ref(`L${i + 1}`), b: ref(`L${i + 1}`) }),
      ]),
    )
    const document = answering({ 200: json(object({ deep: ref('L0'), mail: pii })) }, schemas)
    expect(classesOf(document)).toEqual({ '/mail': ['pii'] })
  })
})

describe('a manifest gives classes', () => {
  const document = answering(
    {
      200: json(
        object({
          items: { type: 'array', items: ref('Customer') },
          by: { type: 'object', additionalProperties: text },
          open: { type: 'object' },
        }),
      ),
    },
    SHARED,
  )
  const fromDocument = { '/items/*/email': ['pii'], '/items/*/home/street': ['pii'] }

  test.each<[string, Readonly<Record<string, readonly string[]>>, JsonObject]>([
    ['beside those of the document', { '/items/*/id': ['key'] }, { ...fromDocument, '/items/*/id': ['key'] }],
    ['in addition at one place', { '/items/*/email': ['contact'] }, { ...fromDocument, '/items/*/email': ['contact', 'pii'] }],
    ['and takes away what it names with an empty list', { '/items/*/email': [] }, { ...fromDocument, '/items/*/email': [] }],
    ['to members of a map, all or one', { '/by/*': ['x'], '/by/EUR': ['y'] }, { ...fromDocument, '/by/*': ['x'], '/by/EUR': ['y'] }],
    ['to the whole answer', { '': ['x'] }, { ...fromDocument, '': ['x'] }],
    ['where the document says nothing', { '/open/a/b': ['x'] }, { ...fromDocument, '/open/a/b': ['x'] }],
  ])('%s', (_title, dataClasses, expected) => {
    expect(classesOf(document, given(dataClasses))).toEqual(expected)
  })

  test.each<[string, Readonly<Record<string, readonly string[]>>, RegExp]>([
    [
      'a name that is not there',
      { '/items/*/emial': ['pii'] },
      /shop.yaml#\/operations\/overrides\/a\/dataClasses\/~1items~1\*~1emial: `\/items\/\*` has no `emial`; did you mean `email`\?/,
    ],
    ['at the top', { '/item': ['pii'] }, /the output has no `item`; did you mean `items`\?/],
    ['a list without its items', { '/items/email': ['pii'] }, /`\/items` is a list: write `\/items\/\*` for its items/],
    ['an index', { '/items/0/email': ['pii'] }, /`\/items` is a list/],
    ['items of what is none', { '/items/*/id/*': ['pii'] }, /`\/items\/\*\/id` is neither a list nor a map/],
    ['taking away what nobody gave', { '/items/*/id': [] }, /takes nothing away/],
  ])('%s is a fault', (_title, dataClasses, message) => {
    expect(() => load(document, given(dataClasses))).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }),
    )
  })

  test('an operation without an output schema takes pointers at their word', () => {
    expect(classesOf(answering({ 200: { description: '' } }), given({ '/a/*/b': ['pii'] }))).toEqual({ '/a/*/b': ['pii'] })
  })
})

describe('an MCP server gives classes', () => {
  const outbound = createDialer({ development: true }).open({ hosts: [], privateHosts: [] })
  const toolOf = (outputSchema: JsonObject | undefined, overrides: Manifest['operations']['overrides'] = {}) => {
    const tool = { name: 'find', description: 'd', inputSchema: { type: 'object' }, ...(outputSchema ? { outputSchema } : {}) }
    const source = { path: 'docs.lock.json', text: JSON.stringify({ kind: 'mcp', tools: [tool] }) }
    const manifest = {
      connector: 'docs',
      kind: 'mcp',
      file: 'docs.yaml',
      source,
      baseUrl: 'https://docs.example/mcp',
      region: 'eu',
      egress: [],
    }
    return mcpKind.load({ ...manifest, operations: { overrides } }, outbound).operations[0]
  }

  test('in its output schema', () => {
    const schema = object({ hits: { type: 'array', items: { $ref: '#/$defs/Hit' } } }, { $defs: { Hit: object({ author: pii }) } })
    expect(toolOf(schema)?.dataClasses).toEqual({ '/hits/*/author': ['pii'] })
  })

  test('and a manifest where a tool answers with text', () => {
    expect(toolOf(undefined, { find: { dataClasses: { '/text': ['pii'] } } })?.dataClasses).toEqual({ '/text': ['pii'] })
  })
})
