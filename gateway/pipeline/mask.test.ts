import { describe, expect, test } from 'vitest'
import { operationId } from '../core/ids.ts'
import type { JsonValue } from '../core/json.ts'
import type { JsonSchema, Operation } from '../core/operation.ts'
import { CLASSES_KEYWORD } from '../core/output-shape.ts'
import { LIMITS } from '../limits.ts'
import { maskFor } from './mask.ts'

const text: JsonSchema = { type: 'string' }
const pii: JsonSchema = { type: 'string', [CLASSES_KEYWORD]: ['pii'] }
const object = (properties: JsonSchema, more: JsonSchema = {}): JsonSchema => ({ type: 'object', properties, ...more })
const list = (items: JsonSchema): JsonSchema => ({ type: 'array', items })

function operation(outputSchema: JsonSchema | undefined, dataClasses: Operation['dataClasses'] = {}): Operation {
  return {
    id: operationId('crm', 'get'),
    connector: 'crm',
    name: 'get',
    jointName: 'crm_get',
    version: 'v',
    description: '',
    mode: 'read',
    reversibility: 'read-only',
    inputSchema: { type: 'object' },
    ...(outputSchema ? { outputSchema } : {}),
    dataClasses,
    labels: [],
    idempotency: { kind: 'idempotent' },
    timeoutMs: 1_000,
    region: 'eu',
    route: { method: 'GET', path: '/' },
  }
}

/** The masked answer, or why it cannot be masked; `pii` is refused where nothing else is said. */
function masked(of: Operation, answer: JsonValue | string, refused: readonly string[] = ['pii']): unknown {
  const mask = maskFor(of, new Set(refused))
  const result = mask?.(typeof answer === 'string' ? answer : JSON.stringify(answer))
  if (result === undefined) return 'no mask'
  return result.kind === 'masked' ? [JSON.parse(result.text), result.pointers] : result.why
}

const customer = object({ id: text, email: pii, address: object({ city: text, street: pii }) })
const tree: JsonSchema = {
  $ref: '#/$defs/Node',
  $defs: { Node: object({ id: text, owner: pii, children: list({ $ref: '#/$defs/Node' }) }) },
}

describe('classes of the schema', () => {
  test.each<[string, JsonSchema, JsonValue, JsonValue, string[]]>([
    ['a field', customer, { id: 'c1', email: 'a@b' }, { id: 'c1', email: null }, ['/email']],
    ['a field that is not there', customer, { id: 'c1' }, { id: 'c1' }, []],
    ['a field that is null', customer, { email: null }, { email: null }, ['/email']],
    ['a field that is an object', customer, { email: { at: ['a@b'] }, id: 'x' }, { email: null, id: 'x' }, ['/email']],
    ['a field below', customer, { address: { city: 'B', street: 'S' } }, { address: { city: 'B', street: null } }, ['/address/street']],
    ['what nobody declared', customer, { id: 'c1', mail: 'a@b', deep: { email: 'a@b' } }, { id: 'c1' }, []],
    [
      'nothing where something else is declared',
      object({ email: pii, a: customer, b: customer, c: list(customer), d: text }),
      { a: [], b: '', c: {}, d: [] },
      { a: [], b: '', c: {}, d: [] },
      [],
    ],
    ['null where an object stands', customer, { address: null }, { address: null }, []],
    [
      'each item',
      object({ items: list(customer) }),
      { items: [{ email: 'a' }, { email: 'b', id: '2' }, null] },
      { items: [{ email: null }, { email: null, id: '2' }, null] },
      ['/items/*/email'],
    ],
    ['items themselves', object({ mails: list(pii) }), { mails: ['a', 'b'] }, { mails: [null, null] }, ['/mails/*']],
    ['a list in a list', list(list(customer)), [[{ email: 'a' }], []], [[{ email: null }], []], ['/*/*/email']],
    [
      'a map',
      object({}, { additionalProperties: customer }),
      { x: { email: 'a', id: '1' } },
      { x: { email: null, id: '1' } },
      ['/*/email'],
    ],
    [
      'members of a map but for those with a name',
      object({ total: text }, { additionalProperties: pii }),
      { total: '1', ann: 'a' },
      { total: '1', ann: null },
      ['/*'],
    ],
    [
      'members by pattern',
      { type: 'object', patternProperties: { '^x-': pii, '^n-': text } },
      { 'x-a': 'a', 'n-a': 'b', other: 'c' },
      { 'x-a': null, 'n-a': 'b' },
      ['/*'],
    ],
    ['a tuple', { type: 'array', prefixItems: [pii, text] }, ['a', 'b'], [null, null], ['/*']],
    [
      'one of several',
      { oneOf: [customer, object({ id: text, vat: text })] },
      { id: '1', vat: 'v', email: 'a' },
      { id: '1', vat: 'v', email: null },
      ['/email'],
    ],
    ['any of several', { anyOf: [object({ a: text }), object({ a: pii })] }, { a: 'x' }, { a: null }, ['/a']],
    [
      'a key that another alternative names',
      { oneOf: [object({ id: text }), object({}, { additionalProperties: pii })] },
      { id: 'x' },
      { id: null },
      ['/id'],
    ],
    ['all of several', { allOf: [customer, object({ more: text })] }, { email: 'a', more: 'm' }, { email: null, more: 'm' }, ['/email']],
    [
      'conditions',
      { ...object({ kind: text }), if: object({ kind: { const: 'p' } }), else: object({ phone: pii }) },
      { kind: 'q', phone: '1' },
      { kind: 'q', phone: null },
      ['/phone'],
    ],
    [
      'beside a reference',
      { ...object({ to: { $ref: '#/$defs/Mail', [CLASSES_KEYWORD]: ['pii'] } }), $defs: { Mail: text } },
      { to: 'a' },
      { to: null },
      ['/to'],
    ],
    [
      'at every depth of a recursive schema',
      tree,
      { owner: 'a', children: [{ id: '1', owner: 'b', children: [{ owner: 'c' }] }] },
      { owner: null, children: [{ id: '1', owner: null, children: [{ owner: null }] }] },
      ['/children/*/children/*/owner', '/children/*/owner', '/owner'],
    ],
    [
      'a place of which nothing is said',
      object({ email: pii, note: {}, extra: { type: 'object' } }),
      { note: { email: 'a' }, extra: { email: 'a' } },
      { note: {}, extra: {} },
      [],
    ],
    [
      'plain values where nothing is said',
      object({ email: pii, note: {}, tags: { type: 'array' } }),
      { note: 'n', tags: [1, 't', { email: 'a' }] },
      { note: 'n', tags: [1, 't', {}] },
      [],
    ],
    ['names that need escaping', object({ 'a/b~c': pii }), { 'a/b~c': 'x' }, { 'a/b~c': null }, ['/a~1b~0c']],
    ['an id or the whole object', object({ buyer: { anyOf: [text, customer] } }), { buyer: 'c1' }, { buyer: 'c1' }, []],
  ])('%s', (_title, schema, answer, expected, pointers) => {
    expect(masked(operation(schema), answer)).toEqual([expected, pointers])
  })

  test('other classes stay, several are masked together', () => {
    const schema = object({
      mail: pii,
      iban: { type: 'string', [CLASSES_KEYWORD]: ['confidential', 'pii'] },
      pay: { type: 'number', [CLASSES_KEYWORD]: ['secret'] },
    })
    expect(masked(operation(schema), { mail: 'a', iban: 'i', pay: 1 }, ['confidential'])).toEqual([
      { mail: 'a', iban: null, pay: 1 },
      ['/iban'],
    ])
    expect(masked(operation(schema), { mail: 'a', iban: 'i', pay: 1 }, ['secret', 'pii'])).toEqual([
      { mail: null, iban: null, pay: null },
      ['/iban', '/mail', '/pay'],
    ])
    expect(masked(operation(schema), { mail: 'a' }, [])).toBe('no mask')
  })
})

describe('what cannot be located', () => {
  test.each<[string, JsonSchema | undefined, JsonValue | string, string]>([
    ['no JSON', customer, 'a@b', 'it is not JSON'],
    ['cut JSON', customer, '{"email":"a@b"', 'it is not JSON'],
    ['a text for an object', customer, '"a@b"', 'it does not have the declared form at its top'],
    ['a list for an object', customer, [{ email: 'a' }], 'it does not have the declared form at its top'],
    [
      'an object for a list',
      object({ items: list(customer) }),
      { items: { email: 'a' } },
      'it does not have the declared form at `/items`',
    ],
    ['an object for a text', customer, { id: { email: 'a' } }, 'it does not have the declared form at `/id`'],
    ['a list for a text', customer, { id: ['a'] }, 'it does not have the declared form at `/id`'],
    ['a text for an inner object', customer, { address: 'street' }, 'it does not have the declared form at `/address`'],
    [
      'a text for an object told by two',
      object({ a: { allOf: [customer, { required: ['id'] }] } }),
      { a: 'x' },
      'it does not have the declared form at `/a`',
    ],
    ['an answer that is classed as a whole', { ...customer, [CLASSES_KEYWORD]: ['pii'] }, { id: '1' }, 'all of it is masked'],
    [
      'deep nesting',
      tree,
      `${'{"children":['.repeat(LIMITS.maskedDepthMax)}${']}'.repeat(LIMITS.maskedDepthMax)}`,
      `it is nested deeper than ${LIMITS.maskedDepthMax} levels`,
    ],
  ])('%s', (_title, schema, answer, why) => {
    expect(masked(operation(schema), answer)).toBe(why)
  })
})

describe('classes of the manifest', () => {
  const plain = object({ id: text, email: text, items: list(object({ sku: text, phone: text })), open: { type: 'object' } })

  test.each<[string, JsonSchema | undefined, Operation['dataClasses'], JsonValue, unknown]>([
    [
      'beside the schema',
      plain,
      { '/email': ['pii'], '/items/*/phone': ['pii'] },
      { id: '1', email: 'a', items: [{ sku: 's', phone: 'p' }] },
      [{ id: '1', email: null, items: [{ sku: 's', phone: null }] }, ['/email', '/items/*/phone']],
    ],
    ['the whole answer', plain, { '': ['pii'] }, { id: '1' }, 'all of it is masked'],
    ['the whole answer of no form', undefined, { '': ['pii'] }, '"x"', 'all of it is masked'],
    ['a whole list', plain, { '/items': ['pii'] }, { id: '1', items: [{ sku: 's' }] }, [{ id: '1', items: null }, ['/items']]],
    [
      'into an open object',
      plain,
      { '/open/mail': ['pii'], '/email': ['secret'] },
      { open: { mail: 'a', x: { y: 1 } } },
      [{ open: { mail: null, x: { y: 1 } } }, ['/open/mail']],
    ],
    [
      'an empty list takes the document at its word no more',
      customer,
      { '/email': [], '/address/street': ['pii'] },
      { email: 'a', address: { street: 's' } },
      [{ email: 'a', address: { street: null } }, ['/address/street']],
    ],
    [
      'without a schema, what is not named stays',
      undefined,
      { '/email': ['pii'] },
      { email: 'a', other: { email: 'b' } },
      [{ email: null, other: { email: 'b' } }, ['/email']],
    ],
    [
      'without a schema, in lists and maps',
      undefined,
      { '/*/email': ['pii'] },
      { x: { email: 'a', n: 1 }, y: { n: [2] } },
      [{ x: { email: null, n: 1 }, y: { n: [2] } }, ['/*/email']],
    ],
    [
      'without a schema, a list where a member is named',
      undefined,
      { '/buyer/email': ['pii'] },
      { buyer: [{ email: 'a' }] },
      'it does not have the declared form at `/buyer`',
    ],
    [
      'without a schema, a text on the way',
      undefined,
      { '/buyer/email': ['pii'] },
      { buyer: 'a' },
      'it does not have the declared form at `/buyer`',
    ],
    ['without a schema, null on the way', undefined, { '/buyer/email': ['pii'] }, { buyer: null }, [{ buyer: null }, []]],
    [
      'without a schema, a text beside the way',
      undefined,
      { '/buyer/email': ['pii'], '/note/x': ['open'] },
      { buyer: {}, note: 'n' },
      [{ buyer: {}, note: 'n' }, []],
    ],
  ])('%s', (_title, schema, dataClasses, answer, expected) => {
    expect(masked(operation(schema, dataClasses), answer)).toEqual(expected)
  })
})

describe('the text', () => {
  const run = (of: Operation, answer: string) => {
    const result = maskFor(of, new Set(['pii']))?.(answer)
    return result?.kind === 'masked' ? result.text : result
  }

  test.each([
    ['numbers stay to the digit', '{"id":12345678901234567890.10,"email":"a"}', '{"id":12345678901234567890.10,"email":null}'],
    ['white space and texts stay', ' { "id" : "a  b\\n" , "email" : "x" } ', ' { "id" : "a  b\\n" , "email" : null } '],
    ['what is left out takes its comma with it', '{"x":1, "id":2, "y":3, "z":4, "email":5, "w":6}', '{"id":2, "email":null}'],
    ['all is left out', '{ "x" : 1 , "y" : [ ] }', '{ }'],
    ['the first and the last are left out, below too', '{"x":{},"address":{"q":1,"city":"c","r":2},"y":0}', '{"address":{"city":"c"}}'],
    ['an escaped name is the same name', '{"em\\u0061il":"a"}', '{"em\\u0061il":null}'],
    ['a name that comes twice is masked twice', '{"email":"a","id":1,"email":{"x":"b"}}', '{"email":null,"id":1,"email":null}'],
    ['quotes and backslashes in texts', '{"x":"}\\\\\\",{","id":"\\\\","email":"a\\\\\\"b"}', '{"id":"\\\\","email":null}'],
    ['inherited names are not declared', '{"__proto__":{"email":"a"},"constructor":"c","id":true}', '{"id":true}'],
    ['brackets in what is left out', '{"x":[{"a":"]}"},[[]],{}],"id":1e5}', '{"id":1e5}'],
  ])('%s', (_title, answer, expected) => {
    expect(run(operation(customer), answer)).toBe(expected)
  })
})

test('one mask for the same classes, and not too many', () => {
  const of = operation(customer)
  const mask = maskFor(of, new Set(['pii', 'x']))
  expect(maskFor(of, new Set(['x', 'pii']))).toBe(mask)
  for (let i = 0; i <= LIMITS.masksPerOperationMax; i++) maskFor(of, new Set([`c${i}`]))
  expect(maskFor(of, new Set(['x', 'pii']))).not.toBe(mask)
})
