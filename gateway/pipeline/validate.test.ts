import { describe, expect, test } from 'vitest'
import { GatewayError } from '../core/errors.ts'
import { operationId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import type { Catalogue, JsonSchema, Operation } from '../core/operation.ts'
import { compileValidators } from './validate.ts'

const ID = operationId('erp', 'pay')

function catalogueOf(inputSchema: JsonSchema): Catalogue {
  const operation: Operation = {
    id: ID,
    connector: 'erp',
    name: 'pay',
    jointName: 'erp_pay',
    version: 'a'.repeat(64),
    description: '',
    mode: 'write',
    reversibility: 'irreversible',
    inputSchema,
    dataClasses: {},
    labels: [],
    idempotency: { kind: 'none' },
    timeoutMs: 1_000,
    region: 'eu',
    route: { method: 'POST', path: '/pay' },
  }
  return { version: 'b'.repeat(64), connectors: [], operations: new Map([[ID, operation]]), byJointName: new Map() }
}

/** Pointers of what is wrong with an input; none where it fits. */
function pointers(schema: JsonSchema, input: JsonObject): string[] {
  try {
    compileValidators(catalogueOf(schema)).check(ID, input)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'BAD_INPUT') return error.faults.map(({ pointer }) => pointer)
    throw error
  }
  return []
}

const A = { type: 'object', properties: { a: { type: 'integer' } } }
/** Written as pairs: a literal with `then` looks like a promise to the linter. */
const when = (condition: JsonSchema, consequence: JsonSchema, otherwise?: JsonSchema): JsonSchema =>
  Object.fromEntries([['if', condition], ['then', consequence], ...(otherwise ? [['else', otherwise] as const] : [])])

const B = { type: 'object', properties: { b: { type: 'integer' } } }

type Case = readonly [title: string, schema: JsonSchema, good: readonly JsonObject[], bad: readonly (readonly [JsonObject, string])[]]

const CLOSED: readonly Case[] = [
  ['a silent object', A, [{}, { a: 1 }], [[{ b: 1 }, '/b']]],
  ['an object without properties', { type: 'object', properties: {} }, [{}], [[{ a: 1 }, '/a']]],
  ['a nested object', { type: 'object', properties: { in: A } }, [{ in: { a: 1 } }], [[{ in: { x: 1 } }, '/in/x']]],
  [
    'items',
    { type: 'object', properties: { list: { type: 'array', items: A } } },
    [{ list: [{ a: 1 }] }],
    [[{ list: [{ x: 1 }] }, '/list/0/x']],
  ],
  [
    'prefix items',
    { type: 'object', properties: { list: { type: 'array', prefixItems: [A], items: false } } },
    [{ list: [{ a: 1 }] }],
    [[{ list: [{ x: 1 }] }, '/list/0/x']],
  ],
  ['what an object says itself stays', { ...A, additionalProperties: { type: 'string' } }, [{ x: 'y' }], [[{ x: 1 }, '/x']]],
  ['an open object stays open', { ...A, additionalProperties: true }, [{ x: 1 }], []],
  ['the values of a map', { type: 'object', additionalProperties: A }, [{ k: { a: 1 } }], [[{ k: { x: 1 } }, '/k/x']]],
  ['a free-form object stays free', { type: 'object', properties: { any: { type: 'object' } } }, [{ any: { x: { y: 1 } } }], []],
  [
    'patterns only',
    { type: 'object', patternProperties: { '^x-': A } },
    [{ 'x-1': { a: 1 } }],
    [
      [{ y: 1 }, '/y'],
      [{ 'x-1': { y: 1 } }, '/x-1/y'],
    ],
  ],
  ['allOf: each branch sees what the others declare', { allOf: [A, B] }, [{ a: 1, b: 1 }], [[{ a: 1, c: 1 }, '/c']]],
  ['allOf beside properties', { ...A, allOf: [B] }, [{ a: 1, b: 1 }], [[{ c: 1 }, '/c']]],
  [
    'anyOf: what a branch that fits declares',
    { anyOf: [{ ...A, required: ['a'] }, B] },
    [{ a: 1, b: 1 }, { b: 1 }],
    [[{ b: 1, c: 1 }, '/c']],
  ],
  [
    'oneOf',
    {
      oneOf: [
        { ...A, required: ['a'] },
        { ...B, required: ['b'] },
      ],
    },
    [{ a: 1 }, { b: 1 }],
    [
      [{ a: 1, c: 1 }, '/c'],
      [{ a: 1, b: 1 }, ''],
    ],
  ],
  [
    'then and else',
    { type: 'object', properties: { kind: {} }, ...when({ properties: { kind: { const: 'a' } } }, A, B) },
    [
      { kind: 'a', a: 1 },
      { kind: 'b', b: 1 },
    ],
    [[{ kind: 'a', b: 1 }, '/b']],
  ],
  ['properties in `then` alone', { type: 'object', ...when({ required: ['a'] }, A) }, [{ a: 1 }], [[{ a: 1, c: 1 }, '/c']]],
  [
    'a reference',
    { type: 'object', properties: { in: { $ref: '#/$defs/A' } }, $defs: { A } },
    [{ in: { a: 1 } }],
    [[{ in: { x: 1 } }, '/in/x']],
  ],
  [
    'a reference with an escaped name',
    { type: 'object', properties: { in: { $ref: '#/$defs/a%20b~1c' } }, $defs: { 'a b/c': A } },
    [{ in: { a: 1 } }],
    [[{ in: { x: 1 } }, '/in/x']],
  ],
  [
    'a reference by anchor',
    { type: 'object', properties: { in: { $ref: '#one' } }, $defs: { A: { ...A, $anchor: 'one' } } },
    [{ in: { a: 1 } }],
    [[{ in: { x: 1 } }, '/in/x']],
  ],
  [
    'a reference to a free-form object',
    { type: 'object', properties: { in: { $ref: '#/$defs/F' } }, $defs: { F: { type: 'object' } } },
    [{ in: { x: 1 } }],
    [],
  ],
  ['references to the end of a long row', longRow(), [{ in: { a: 1 } }], [[{ in: { x: 1 } }, '/in/x']]],
  [
    'a recursive object',
    tree(),
    [{ name: 'r', children: [{ name: 'c', children: [] }] }],
    [[{ name: 'r', children: [{ name: 'c', x: 1 }] }, '/children/0/x']],
  ],
  [
    '`not` keeps its meaning: an undeclared property is no way around it',
    { type: 'object', properties: { in: { type: 'object' } }, not: { required: ['in'], properties: { in: { ...A, required: ['a'] } } } },
    [{ in: { x: 1 } }],
    [[{ in: { a: 1, x: 1 } }, '']],
  ],
  [
    '`if` keeps its meaning',
    {
      type: 'object',
      properties: { in: { type: 'object' }, ok: {} },
      ...when({ required: ['in'], properties: { in: { ...A, required: ['a'] } } }, { required: ['ok'] }),
    },
    [{ in: { a: 1, x: 1 }, ok: 1 }, { in: { x: 1 } }],
    [[{ in: { a: 1, x: 1 } }, '/ok']],
  ],
  [
    '`contains` keeps its meaning',
    { type: 'object', properties: { list: { type: 'array', contains: { ...A, required: ['a'] }, minContains: 0, maxContains: 0 } } },
    [{ list: [{ x: 1 }] }],
    [[{ list: [{ a: 1, x: 1 }] }, '/list']],
  ],
]

function longRow(): JsonSchema {
  const row = Array.from({ length: 30 }, (_, i) => [`r${i}`, { allOf: [{ $ref: `#/$defs/r${i + 1}` }] }])
  return { type: 'object', properties: { in: { $ref: '#/$defs/r0' } }, $defs: { ...Object.fromEntries(row), r30: A } }
}

function tree(): JsonSchema {
  const node = { type: 'object', properties: { name: { type: 'string' }, children: { type: 'array', items: { $ref: '#/$defs/node' } } } }
  return { ...node, $defs: { node } }
}

describe('objects are closed', () => {
  test.each(CLOSED)('%s', (_title, schema, good, bad) => {
    for (const input of good) expect(pointers(schema, input)).toEqual([])
    for (const [input, pointer] of bad) expect(pointers(schema, input)).toEqual([pointer])
  })
})

const D7 = 'http://json-schema.org/draft-07/schema#'

describe('faults', () => {
  test.each<[string, JsonSchema, JsonObject, string[]]>([
    ['a wrong type', A, { a: '1' }, ['/a']],
    ['nothing is coerced and null is no number', A, { a: null }, ['/a']],
    ['a missing property', { ...A, required: ['a'] }, {}, ['/a']],
    ['a name with a slash', A, { 'x/y~z': 1 }, ['/x~1y~0z']],
    ['an enumeration', { type: 'object', properties: { e: { enum: ['x'] } } }, { e: 'y' }, ['/e']],
    ['a format', { type: 'object', properties: { d: { type: 'string', format: 'date' } } }, { d: '2026-02-30' }, ['/d']],
    ['a dialect of old is read as today', { ...A, $schema: D7 }, { a: 'x' }, ['/a']],
    [
      'reserved names, wherever they are',
      { type: 'object', properties: { any: { type: 'object' } } },
      { any: { __extn: 1 } },
      ['/any/__extn'],
    ],
  ])('%s', (_title, schema, input, expected) => {
    expect(pointers(schema, input)).toEqual(expected)
  })

  test('an answer is small, however long the names in the input', () => {
    const [pointer = ''] = pointers(A, { ['n'.repeat(500_000)]: 1 })
    expect(pointer.length).toBeLessThan(600)
    const deep = { type: 'object', properties: { any: { type: 'object', additionalProperties: { type: 'integer' } } } }
    expect(pointers(deep, { any: { ['n'.repeat(500_000)]: 'x' } })[0]?.length).toBeLessThan(600)
  })

  test('the input is left as it is: no defaults', () => {
    const input = {}
    expect(pointers({ type: 'object', properties: { a: { type: 'integer', default: 1 } } }, input)).toEqual([])
    expect(input).toEqual({})
  })
})

test.each<[string, JsonSchema]>([
  ['a pattern that is none', { type: 'object', properties: { a: { type: 'string', pattern: '(' } } }],
  ['a reference to nothing', { type: 'object', properties: { a: { $ref: '#/$defs/nothing' } } }],
  ['a keyword of another dialect', { type: 'object', properties: { a: { type: 'integer', minimum: 1, exclusiveMinimum: true } } }],
])('a schema that cannot bind refuses the start: %s', (_title, schema) => {
  expect(() => compileValidators(catalogueOf(schema))).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', faults: [{ pointer: ID, message: expect.any(String) }] }),
  )
})
