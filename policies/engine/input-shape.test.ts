import { describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../gateway/core/json.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { cedarType } from './cedar-schema.ts'
import { createDecider } from './decider.ts'
import { encode } from './encode.ts'
import { inputShape } from './input-shape.ts'
import { catalogueOf, operation, question, source } from './test-organisation.ts'

const long = { type: 'Long' }
const text = { type: 'String' }
const bool = { type: 'Boolean' }
const decimal = { type: 'Extension', name: 'decimal' }
const set = (element: unknown) => ({ type: 'Set', element })
const record = (attributes: Record<string, unknown>) => ({ type: 'Record', attributes })
const optional = (type: object) => ({ ...type, required: false })
const required = (type: object) => ({ ...type, required: true })

/** Schema of the property `x`, its Cedar type, and values with how they reach policy. */
const ROWS: readonly [title: string, schema: JsonValue, type: object, values?: readonly [JsonValue, unknown][]][] = [
  [
    'integer',
    { type: 'integer' },
    long,
    [
      [5, 5],
      [-3, -3],
    ],
  ],
  [
    'number',
    { type: 'number' },
    decimal,
    [
      [5, '5.0'],
      [0.1, '0.1'],
      [-2.5, '-2.5'],
    ],
  ],
  ['string', { type: 'string', format: 'date-time' }, text, [['a', 'a']]],
  ['enum', { enum: ['a', 'b'] }, text, [['a', 'a']]],
  ['const', { const: 5 }, long, [[5, 5]]],
  ['boolean', { type: 'boolean' }, bool, [[false, false]]],
  ['nullable', { type: ['string', 'null'] }, text, [[null, undefined]]],
  [
    'nullable by alternative',
    { anyOf: [{ type: 'integer' }, { type: 'null' }] },
    long,
    [
      [1, 1],
      [null, undefined],
    ],
  ],
  ['only null', { type: 'null' }, text],
  [
    'several types',
    { type: ['string', 'integer', 'boolean'] },
    record({ asString: optional(text), asLong: optional(long), asBool: optional(bool) }),
    [
      ['a', { asString: 'a' }],
      [1, { asLong: 1 }],
      [true, { asBool: true }],
    ],
  ],
  [
    'integer or number',
    { type: ['integer', 'number'] },
    decimal,
    [
      [1, '1.0'],
      [1.5, '1.5'],
    ],
  ],
  [
    'number or string',
    { oneOf: [{ type: 'number' }, { type: 'string' }] },
    record({ asString: optional(text), asDecimal: optional(decimal) }),
    [[1, { asDecimal: '1.0' }]],
  ],
  [
    'list or one',
    { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
    record({ asString: optional(text), asSet: optional(set(text)) }),
    [[['a'], { asSet: ['a'] }]],
  ],
  [
    'object',
    { type: 'object', properties: { b: { type: 'integer' }, a: { type: 'string' } }, required: ['a'] },
    record({ a: required(text), b: optional(long) }),
    [[{ a: 'x', b: null }, { a: 'x' }]],
  ],
  [
    'object or text',
    { anyOf: [{ type: 'object', properties: { a: { type: 'string' } } }, { type: 'string' }] },
    record({ asString: optional(text), asRecord: optional(record({ a: optional(text) })) }),
    [[{ a: 'x' }, { asRecord: { a: 'x' } }]],
  ],
  [
    'alternative objects',
    {
      oneOf: [
        { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
        { type: 'object', properties: { b: { type: 'integer' } } },
      ],
    },
    record({ a: optional(text), b: optional(long) }),
  ],
  [
    'alternatives that only constrain',
    { type: 'object', properties: { a: { type: 'string' }, b: { type: 'string' } }, oneOf: [{ required: ['a'] }, { required: ['b'] }] },
    record({ a: optional(text), b: optional(text) }),
  ],
  [
    'allOf',
    { allOf: [{ $ref: '#/$defs/base' }, { type: 'object', properties: { b: { type: 'integer' } }, required: ['b'] }] },
    record({ a: required(text), b: required(long) }),
  ],
  [
    'array',
    { type: 'array', items: { type: 'integer' } },
    set(long),
    [
      [
        [1, 2, 1],
        [1, 2, 1],
      ],
    ],
  ],
  ['array of objects', { type: 'array', items: { $ref: '#/$defs/base' } }, set(record({ a: required(text) }))],
  ['array of open objects', { type: 'array', items: { type: 'object' } }, set(text), [[[{ b: 1, a: 2 }], ['{"a":2,"b":1}']]]],
  ['mixed array', { type: 'array', items: { type: ['string', 'integer'] } }, text, [[[1, 'a'], '[1,"a"]']]],
  ['tuple', { type: 'array', prefixItems: [{ type: 'string' }], items: { type: 'string' } }, text],
  ['array of anything', { type: 'array' }, text, [[[null, 1.00001], '[null,1.00001]']]],
  ['array with nulls', { type: 'array', items: { type: ['string', 'null'] } }, text],
  ['open map', { type: 'object', additionalProperties: { type: 'string' } }, text, [[{ b: 1, a: [] }, '{"a":[],"b":1}']]],
  ['open object', { type: 'object', properties: { a: {} }, additionalProperties: true }, text],
  ['patterns', { type: 'object', patternProperties: { '^x': {} } }, text],
  ['empty object', { type: 'object', additionalProperties: false }, record({}), [[{}, {}]]],
  [
    'free-form',
    {},
    text,
    [
      ['a', '"a"'],
      [{ b: 1.00001 }, '{"b":1.00001}'],
    ],
  ],
  ['anything', true, text],
  [
    'recursive',
    { $ref: '#/$defs/node' },
    record({ next: optional(text), v: optional(long) }),
    [
      [
        { v: 1, next: { v: 2 } },
        { v: 1, next: '{"v":2}' },
      ],
    ],
  ],
  ['a reference to nothing', { $ref: '#/$defs/none' }, text],
]

const $defs: JsonObject = {
  base: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
  node: { type: 'object', properties: { v: { type: 'integer' }, next: { $ref: '#/$defs/node' } } },
}
const rooted = (x: JsonValue): JsonObject => ({ type: 'object', properties: { x }, $defs })

describe('how a property looks to policy', () => {
  test.each(ROWS)('%s', (_title, schema, type, values = []) => {
    const shape = inputShape(rooted(schema))
    expect(cedarType(shape)).toEqual(record({ x: optional(type) }))
    for (const [value, encoded] of values) expect(encode(shape, { x: value })).toEqual(encoded === undefined ? {} : { x: encoded })
  })

  test.each(ROWS)('%s: the engine takes the type and its values', (_title, schema, _type, values = []) => {
    const of = operation('erp.probe', { inputSchema: rooted(schema) })
    const text =
      '@id("p") permit(principal, action, resource); @id("f") forbid(principal, action, resource) unless { context.input == context.input };'
    const decider = createDecider(source({ erp: text }, catalogueOf(of)))
    for (const [x] of values) expect(decider.decide(question(of, { x })).verdict).toEqual({ effect: 'permit', policies: ['p'] })
  })

  test('the input itself is a record of its declared properties, however open', () => {
    const open = { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: true }
    expect(cedarType(inputShape(open))).toEqual(record({ a: optional(text) }))
    expect(encode(inputShape(open), { a: 'x', b: 1 })).toEqual({ a: 'x' })
    expect(cedarType(inputShape({ $ref: '#/$defs/base', $defs }))).toEqual(record({ a: required(text) }))
  })

  test('reserved names are no attributes', () => {
    const odd = { type: 'object', properties: { __extn: { type: 'string' }, __entity: {}, ok: { type: 'string' } } }
    expect(cedarType(inputShape(odd))).toEqual(record({ ok: optional(text) }))
  })

  test('depth and size are bounded: the rest is JSON text', () => {
    let deep: JsonObject = { type: 'integer' }
    for (let i = 0; i < 200; i++) deep = { type: 'object', properties: { a: deep } }
    const depth = JSON.stringify(cedarType(inputShape(deep))).split('"Record"').length
    expect(depth).toBeLessThanOrEqual(LIMITS.schemaDepthMax + 2)
    const wide: JsonObject = {
      type: 'object',
      properties: Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`p${i}`, { $ref: `#/$defs/d${i}` }])),
    }
    const levels = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`d${i}`, wide]))
    const size = JSON.stringify(cedarType(inputShape({ ...wide, $defs: levels }))).length
    expect(size).toBeLessThan(LIMITS.schemaNodesMax * 100)
  })
})

test('names that are no identifiers work through quoted attributes', () => {
  const of = operation('erp.probe', {
    inputSchema: { type: 'object', properties: { 'x-y': { type: 'string' }, '': { type: 'string' }, 'ü "q"': { type: 'integer' } } },
  })
  const text = `@id("p") permit(principal, action, resource) when { context.input has "x-y" && context.input["x-y"] == "a" };
    @id("f") forbid(principal, action, resource) when { context.input has "ü \\"q\\"" && context.input["ü \\"q\\""] > 1 };`
  const decider = createDecider(source({ erp: text }, catalogueOf(of)))
  expect(decider.decide(question(of, { 'x-y': 'a', '': 'b' })).verdict.effect).toBe('permit')
  expect(decider.decide(question(of, { 'x-y': 'a', 'ü "q"': 2 })).verdict.effect).toBe('deny')
})
