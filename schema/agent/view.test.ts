import fc from 'fast-check'
import type { FieldNode, GraphQLObjectType, GraphQLSchema } from 'graphql'
import {
  assertValidSchema,
  GraphQLError,
  getArgumentValues,
  getVariableValues,
  Kind,
  parse,
  parseValue,
  printSchema,
  printType,
  valueFromAST,
} from 'graphql'
import { describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../../gateway/core/json.ts'
import { operationId } from '../../gateway/core/ids.ts'
import type { JsonSchema, Operation } from '../../gateway/core/operation.ts'
import type { BoundOperation } from '../../gateway/ports/agent-view.ts'
import { graphqlName, pascal, siblingNames } from './names.ts'
import { SCALARS } from './scalars.ts'
import { AgentTypes } from './types.ts'
import { buildView } from './view.ts'

function operation(id: string, part: Partial<Operation> & { input?: JsonSchema; output?: JsonSchema } = {}): Operation {
  const [connector = '', name = ''] = id.split('.')
  const { input, output, ...rest } = part
  return {
    id: operationId(connector, name),
    connector,
    name,
    jointName: `${connector}_${name}`,
    version: 'v1',
    description: '',
    mode: 'read',
    reversibility: 'read-only',
    inputSchema: input ?? { type: 'object' },
    ...(output && { outputSchema: output }),
    dataClasses: {},
    labels: [],
    idempotency: { kind: 'none' },
    timeoutMs: 1,
    region: 'eu',
    route: { method: 'GET', path: '/' },
    ...rest,
  }
}

const viewOf = (...operations: Operation[]): GraphQLSchema => {
  const schema = buildView(operations, new AgentTypes(operations))
  assertValidSchema(schema)
  return schema
}
const argumentsOf = (input: JsonSchema): Record<string, string> => {
  const field = viewOf(operation('erp.op', { input })).getQueryType()?.getFields().erp_op
  return Object.fromEntries(field?.args.map(({ name, type }) => [name, String(type)]) ?? [])
}
const outputOf = (output: JsonSchema): string => String(viewOf(operation('erp.op', { output })).getQueryType()?.getFields().erp_op?.type)
const string = { type: 'string' }

describe('names', () => {
  test.each([
    ['plain', 'plain'],
    ['_kept', '_kept'],
    ['bank-name', 'bank_name'],
    ['a b\tc', 'a_b_c'],
    ['1st', '_1st'],
    ['__typename', 'typename'],
    ['$filter', 'filter'],
    ['größe', 'gr_e'],
    ['---', '_'],
    ['', '_'],
  ])('%j becomes %s', (raw, name) => expect(graphqlName(raw)).toBe(name))

  test.each([
    ['list_vendors', 'ListVendors'],
    ['getVendor', 'GetVendor'],
    ['bank-name', 'BankName'],
    ['?', 'Type'],
  ])('%j as a part of a type name is %s', (raw, name) => expect(pascal(raw)).toBe(name))

  test('sibling names are legal, distinct, stable in every order, and legal ones keep theirs', () => {
    const key = fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('a-b', 'a_b', 'a b', '1a', '_1a', '__x', 'x'))
    fc.assert(
      fc.property(fc.uniqueArray(key, { maxLength: 12 }), (keys) => {
        const names = siblingNames(keys)
        expect(new Set(names).size).toBe(keys.length)
        for (const [index, name] of names.entries()) {
          expect(name).toMatch(/^(?!__)[_A-Za-z][_0-9A-Za-z]*$/)
          if (/^(?!__)[_A-Za-z][_0-9A-Za-z]*$/.test(keys[index] ?? '')) expect(name).toBe(keys[index])
        }
        expect(siblingNames([...keys].reverse()).reverse()).toEqual(names)
      }),
    )
  })
})

describe('types', () => {
  test.each<[string, JsonSchema, string]>([
    ['text', string, 'String'],
    ['a format is still text', { type: 'string', format: 'date-time' }, 'String'],
    ['an output enum', { type: 'string', enum: ['A', 'B'] }, 'String'],
    ['an enum without type', { enum: ['A', 'B', null] }, 'String'],
    ['a constant', { const: true }, 'Boolean'],
    ['mixed constants', { enum: [1, 'a'] }, 'JSON'],
    ['boolean', { type: 'boolean' }, 'Boolean'],
    ['number', { type: 'number' }, 'Float'],
    ['integer', { type: 'integer' }, 'SafeInt'],
    ['int64', { type: 'integer', format: 'int64' }, 'SafeInt'],
    ['int32', { type: 'integer', format: 'int32' }, 'Int'],
    ['integer in 32 bits by bounds', { type: 'integer', minimum: 0, maximum: 2_147_483_647 }, 'Int'],
    ['integer in 32 bits by exclusive bounds', { type: 'integer', exclusiveMinimum: -5, exclusiveMaximum: 5 }, 'Int'],
    ['integer bounded below only', { type: 'integer', minimum: 0 }, 'SafeInt'],
    ['integer one above 32 bits', { type: 'integer', minimum: 0, maximum: 2_147_483_648 }, 'SafeInt'],
    ['null beside one type', { type: ['integer', 'null'], format: 'int32' }, 'Int'],
    ['several types', { type: ['string', 'integer'] }, 'JSON'],
    ['one branch and null', { anyOf: [string, { type: 'null' }] }, 'String'],
    ['a union', { oneOf: [string, { type: 'integer' }] }, 'JSON'],
    ['anything', {}, 'JSON'],
    ['a free-form object', { type: 'object' }, 'JSON'],
    ['an empty object', { type: 'object', properties: {}, additionalProperties: false }, 'JSON'],
    ['an open map', { type: 'object', additionalProperties: string }, 'JSON'],
    ['an open object with properties', { type: 'object', properties: { a: string }, additionalProperties: true }, 'JSON'],
    ['a pattern map', { type: 'object', properties: { a: string }, patternProperties: { x: string } }, 'JSON'],
    ['a list', { type: 'array', items: string }, '[String]'],
    ['a list of anything', { type: 'array' }, '[JSON]'],
    ['a list of lists', { type: 'array', items: { type: 'array', items: { type: 'number' } } }, '[[Float]]'],
    ['a tuple', { type: 'array', prefixItems: [string] }, 'JSON'],
    ['an object', { type: 'object', properties: { a: string } }, 'ErpOp'],
    ['a list of objects', { type: 'array', items: { type: 'object', properties: { a: string } } }, '[ErpOp]'],
    ['a reference', { $ref: '#/$defs/Vendor', $defs: { Vendor: { type: 'object', properties: { a: string } } } }, 'ErpVendor'],
    ['a reference to nothing', { $ref: '#/$defs/Vendor' }, 'JSON'],
    ['a reference elsewhere', { $ref: 'https://example.com/x' }, 'JSON'],
    ['a schema that refers to itself', { $ref: '#' }, 'JSON'],
    ['parts that fit together', { allOf: [{ type: 'object', properties: { a: string } }, { properties: { b: string } }] }, 'ErpOp'],
    ['parts that do not', { allOf: [{ properties: { a: string } }, { properties: { a: { type: 'number' } } }] }, 'JSON'],
    ['parts that never end', { allOf: [{ $ref: '#' }] }, 'JSON'],
  ])('%s', (_title, schema, type) => expect(outputOf(schema)).toBe(type))

  test('all output fields are nullable; nested objects are named by their path', () => {
    const lines = {
      type: 'array',
      items: { type: 'object', required: ['sku'], properties: { sku: string, 'unit price': { type: 'number', description: 'In EUR.' } } },
    }
    const schema = viewOf(
      operation('erp.getInvoice', { output: { type: 'object', required: ['id', 'lines'], properties: { id: string, lines } } }),
    )
    expect(printType(schema.getType('ErpGetInvoice') as GraphQLObjectType)).toBe(
      'type ErpGetInvoice {\n  id: String\n  lines: [ErpGetInvoiceLines]\n}',
    )
    expect(printType(schema.getType('ErpGetInvoiceLines') as GraphQLObjectType)).toBe(
      'type ErpGetInvoiceLines {\n  sku: String\n\n  """In EUR."""\n  unit_price: Float\n}',
    )
  })

  test('recursion ends in JSON, wherever it is entered', () => {
    const $defs = {
      Tree: {
        type: 'object',
        properties: { name: string, children: { type: 'array', items: { $ref: '#/$defs/Tree' } }, owner: { $ref: '#/$defs/Owner' } },
      },
      Owner: {
        type: 'object',
        properties: { id: string, trees: { type: 'array', items: { $ref: '#/$defs/Tree' } }, address: { $ref: '#/$defs/Address' } },
      },
      Address: { type: 'object', properties: { city: string } },
    }
    const schema = viewOf(
      operation('erp.tree', { output: { $ref: '#/$defs/Tree', $defs } }),
      operation('erp.owner', { output: { $ref: '#/$defs/Owner', $defs } }),
    )
    expect(printType(schema.getType('ErpTree') as GraphQLObjectType)).toBe(
      'type ErpTree {\n  name: String\n  children: [JSON]\n  owner: JSON\n}',
    )
    expect(printType(schema.getType('ErpOwner') as GraphQLObjectType)).toBe(
      'type ErpOwner {\n  id: String\n  trees: [JSON]\n  address: ErpAddress\n}',
    )
  })

  test('what is nested too deeply ends in JSON', () => {
    let deep: JsonSchema = string
    for (let i = 0; i < 100; i++) deep = { type: 'object', properties: { a: deep } }
    const schema = viewOf(operation('erp.op', { output: deep }))
    expect(Object.keys(schema.getTypeMap()).filter((name) => name.startsWith('ErpOp'))).toHaveLength(13)
  })

  test('one reference in several operations is one type; other structures under one name are told apart, in any order', () => {
    const ref = (properties: JsonSchema) => ({ $ref: '#/$defs/Vendor', $defs: { Vendor: { type: 'object', properties } } })
    const a = operation('erp.a', { output: ref({ id: string }) })
    const b = operation('erp.b', {
      output: { type: 'array', items: { $ref: '#/$defs/Vendor' }, $defs: { Vendor: { type: 'object', properties: { id: string } } } },
    })
    const c = operation('erp.c', { output: ref({ id: string, name: string }) })
    expect([...Object.keys(viewOf(a, b).getTypeMap())].filter((name) => name.startsWith('Erp'))).toEqual(['ErpVendor'])
    const names = (order: Operation[]) =>
      Object.keys(buildView([a, c], new AgentTypes(order)).getTypeMap())
        .filter((name) => name.startsWith('Erp'))
        .sort()
    expect(names([a, b, c])).toHaveLength(2)
    expect(names([a, b, c])).toEqual(names([c, b, a]))
    expect(names([a, c]).every((name) => /^ErpVendor_[0-9a-f]{8}$/.test(name))).toBe(true)
  })

  test('a connector cannot take a name of the door', () => {
    const schema = viewOf(operation('safe.int', { output: { type: 'object', properties: { a: string, b: { type: 'integer' } } } }))
    expect(String(schema.getQueryType()?.getFields().safe_int?.type)).toMatch(/^SafeInt_[0-9a-f]{8}$/)
  })
})

describe('arguments', () => {
  test.each<[string, JsonSchema, Record<string, string>]>([
    ['required stays required', { required: ['a'], properties: { a: string, b: string } }, { a: 'String!', b: 'String' }],
    [
      'required that takes null cannot be non-null',
      { required: ['a', 'b', 'c'], properties: { a: { type: ['string', 'null'] }, b: {}, c: { type: 'string', nullable: true } } },
      { a: 'String', b: 'JSON', c: 'String' },
    ],
    [
      'names are mapped',
      { properties: { 'bank-name': string, 'bank name': string, bank_name: string, $top: string } },
      expect.objectContaining({ bank_name: 'String', top: 'String' }),
    ],
    ['items that take no null', { properties: { a: { type: 'array', items: string } } }, { a: '[String!]' }],
    ['items that take null', { properties: { a: { type: 'array', items: { type: ['string', 'null'] } } } }, { a: '[String]' }],
    ['input enums are text', { properties: { a: { enum: ['x', 'y-z'] } } }, { a: 'String' }],
    ['nested objects', { properties: { to: { type: 'object', properties: { city: string } } } }, { to: 'ErpOpToInput' }],
    [
      'parts and branches',
      {
        allOf: [{ required: ['a'], properties: { a: string } }],
        oneOf: [{ required: ['b'], properties: { b: string } }, { properties: { c: string, a: {} } }],
      },
      { a: 'JSON', b: 'String', c: 'String' },
    ],
    ['a reference', { $ref: '#/$defs/In', $defs: { In: { properties: { a: string } } } }, { a: 'String' }],
    ['none', {}, {}],
  ])('%s', (_title, input, expected) => expect(argumentsOf({ type: 'object', ...input })).toEqual(expected))

  const bound = (schema: GraphQLSchema): { field: Parameters<typeof getArgumentValues>[0]; bound: BoundOperation } => {
    const field = schema.getQueryType()?.getFields().erp_op
    if (!field) throw new Error('no field')
    return { field, bound: field.extensions.bound as BoundOperation }
  }

  const input: JsonSchema = {
    type: 'object',
    properties: {
      'a-b': string,
      'a b': { type: ['string', 'null'] },
      n: { type: 'number' },
      i: { type: 'integer' },
      yes: { type: 'boolean' },
      any: {},
      deep: {
        type: ['object', 'null'],
        properties: { 'x-y': { type: 'array', items: { type: 'object', properties: { '1': string, k: {} } } } },
      },
    },
  }
  const text = fc.string({ unit: 'grapheme', maxLength: 8 })
  const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? 0 : value))
  const json = fc
    .jsonValue({ maxDepth: 3, noUnicodeString: false })
    .map((value) => JSON.parse(JSON.stringify(value).replaceAll('__proto__', 'proto')) as JsonValue)
  const inputs = fc.record(
    {
      'a-b': text,
      'a b': fc.option(text),
      n: number,
      i: fc.maxSafeInteger(),
      yes: fc.boolean(),
      any: json,
      deep: fc.option(
        fc.record({ 'x-y': fc.array(fc.record({ '1': text, k: json }, { requiredKeys: [] }), { maxLength: 3 }) }, { requiredKeys: [] }),
      ),
    },
    { requiredKeys: [] },
  )

  /** JSON keys to GraphQL names and to literals, written here on their own. */
  const names = new Map(['a-b', 'a b', 'n', 'i', 'yes', 'any', 'deep', 'x-y', '1', 'k'].map((key) => [key, key]))
  const schema = viewOf(operation('erp.op', { input }))
  const target = bound(schema)
  for (const { name } of target.field.args)
    if (name.startsWith('a_b')) names.set(siblingNames(['a-b', 'a b']).indexOf(name) === 0 ? 'a-b' : 'a b', name)
  names.set('x-y', 'x_y').set('1', '_1')

  const renamed = (value: JsonValue, json = false): JsonValue => {
    if (json || value === null || typeof value !== 'object') return value
    if (Array.isArray(value)) return value.map((item) => renamed(item))
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [names.get(key) ?? key, renamed(member, key === 'any' || key === 'k')]),
    )
  }
  const literal = (value: JsonValue): string => {
    if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`
    if (value !== null && typeof value === 'object')
      return `{ ${Object.entries(value)
        .map(([key, member]) => `${key}: ${literal(member)}`)
        .join(', ')} }`
    return JSON.stringify(value)
  }
  const legal = (value: JsonValue): boolean => {
    if (Array.isArray(value)) return value.every(legal)
    if (value === null || typeof value !== 'object')
      return typeof value !== 'number' || !Number.isInteger(value) || Number.isSafeInteger(value) || /[.e]/.test(JSON.stringify(value))
    return Object.entries(value).every(([key, member]) => /^[_A-Za-z][_0-9A-Za-z]*$/.test(key) && legal(member))
  }

  test('any input comes back exactly, through variables and through literals', () => {
    fc.assert(
      fc.property(inputs, (given) => {
        const value = given as JsonObject
        const mapped = renamed(value) as JsonObject
        const signature = target.field.args.map(({ name, type }) => `$${name}: ${String(type)}`).join(', ')
        const uses = target.field.args.map(({ name }) => `${name}: $${name}`).join(', ')
        expect(throughVariables(`query (${signature}) { erp_op(${uses}) }`, mapped)).toEqual(value)
        if (!legal(mapped)) return
        const args = Object.entries(mapped).map(([name, member]) => `${name}: ${literal(member)}`)
        const node = rootOf(`{ erp_op${args.length === 0 ? '' : `(${args.join(', ')})`} }`)
        expect(target.bound.toInput(getArgumentValues(target.field, node, {}))).toEqual(value)
      }),
      { numRuns: 300 },
    )
  })

  function throughVariables(source: string, given: JsonObject): JsonObject {
    const definition = parse(source).definitions[0]
    if (definition?.kind !== Kind.OPERATION_DEFINITION) throw new Error('no operation')
    const { coerced, errors } = getVariableValues(schema, definition.variableDefinitions ?? [], given)
    if (!coerced) throw errors[0]
    return target.bound.toInput(getArgumentValues(target.field, rootOf(source), coerced))
  }

  function rootOf(source: string): FieldNode {
    const definition = parse(source).definitions[0]
    const node = definition?.kind === Kind.OPERATION_DEFINITION ? definition.selectionSet.selections[0] : undefined
    if (node?.kind !== Kind.FIELD) throw new Error('no field')
    return node
  }
})

describe('scalars are strict', () => {
  const { SafeInt, Float, JSON: Json, Int } = SCALARS
  test.each([
    [SafeInt, '9007199254740991', 9_007_199_254_740_991],
    [SafeInt, '9007199254740992', undefined],
    [SafeInt, '-9007199254740993', undefined],
    [SafeInt, '1.0', undefined],
    [SafeInt, '"1"', undefined],
    [Int, '2147483648', undefined],
    [Float, '1', 1],
    [Float, '1e400', undefined],
    [Float, '9007199254740993', undefined],
    [Float, '0.1', 0.1],
    [Json, '{ a: [1, 2.5, "x", null, true] }', { a: [1, 2.5, 'x', null, true] }],
    [Json, '9007199254740993', undefined],
    [Json, '{ a: NAME }', undefined],
    [Json, '1e400', undefined],
    [Json, '{ a: 1, a: 2 }', undefined],
    [Json, '{ __proto__: { admin: true } }', undefined],
  ])('%s takes %s as %j', (type, source, value) => expect(valueFromAST(parseValue(source), type)).toEqual(value))

  test('variables inside a JSON literal: absent members vanish, absent items are null', () => {
    expect(valueFromAST(parseValue('{ a: $a, b: $b, c: [$b, $n] }'), Json, { a: { x: 1 }, n: null })).toEqual({
      a: { x: 1 },
      c: [null, null],
    })
  })

  test.each([
    [SafeInt, 1e20],
    [SafeInt, Number.NaN],
    [Float, Number.NaN],
    [Float, Number.POSITIVE_INFINITY],
    [Json, { a: Number.NaN }],
    [Json, ['\ud800']],
    [Json, undefined],
    [Json, () => 1],
  ] as const)('%s refuses %o', (type, value) => expect(() => type.parseValue(value)).toThrow(GraphQLError))
})

describe('views', () => {
  const write = operation('erp.pay', {
    mode: 'write',
    reversibility: 'irreversible',
    title: 'Pay',
    description: 'Pays an invoice.',
    output: { type: 'object', properties: { a: string } },
  })
  const read = operation('erp.get', { output: { type: 'object', properties: { b: string } } })

  test('reads are below Query, writes below Mutation, with what they do', () => {
    const schema = viewOf(read, write)
    expect(Object.keys(schema.getQueryType()?.getFields() ?? {})).toEqual(['whoami', 'call', 'erp_get'])
    expect(schema.getMutationType()?.getFields().erp_pay?.description).toBe('Pay\n\nPays an invoice.\n\nWrites, irreversible (`erp.pay`).')
  })

  test('a view holds the types of its own operations only, and has no Mutation without writes', () => {
    const types = new AgentTypes([read, write])
    const schema = buildView([read], types)
    expect(schema.getMutationType()).toBeUndefined()
    expect(printSchema(schema)).not.toMatch(/pay|Mutation/i)
    expect(buildView([read], types).getType('ErpGet')).toBe(schema.getType('ErpGet'))
  })
})
