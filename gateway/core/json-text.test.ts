import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GatewayError } from './errors.ts'
import { canonicalJson, type JsonValue } from './json.ts'
import { decodeUtf8, parseJson } from './json-text.ts'

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

function refusal(work: () => unknown): GatewayError {
  try {
    work()
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  throw new Error('accepted')
}

describe('refused, with the place', () => {
  test.each([
    ['duplicate key', '{"a":1,"a":2}', '/a', 'duplicate key'],
    ['duplicate key that only unescaping shows', '{"a":1,"\\u0061":2}', '/a', 'duplicate key'],
    ['duplicate empty key', '{"":1,"":2}', '/', 'duplicate key'],
    ['duplicate key deep inside', '{"x":[0,{"y/z":{"k":1,"k":1}}]}', '/x/1/y~1z/k', 'duplicate key'],
    ['duplicate key that looks like an index', '{"0":1,"0":1}', '/0', 'duplicate key'],
    ['duplicate `constructor`', '{"constructor":1,"constructor":1}', '/constructor', 'duplicate key'],
    ['__proto__', '{"a":{"__proto__":{}}}', '/a/__proto__', '__proto__'],
    ['__proto__, escaped', '{"\\u005f_proto__":1}', '/__proto__', '__proto__'],
    ['unsafe integer', '{"n":[9007199254740992]}', '/n/0', 'beyond 2^53 - 1'],
    ['unsafe negative integer', '-9007199254740993', '', 'beyond 2^53 - 1'],
    ['overflow', '{"n":1e999}', '/n', 'too large'],
    ['negative overflow', '-1e309', '', 'too large'],
    ['NaN', '{"n":NaN}', '/n', 'expected a value'],
    ['Infinity', '[-Infinity]', '/0', 'expected a value'],
    ['trailing data', '{} {}', '', 'expected the end'],
    ['trailing NUL', '1\u0000', '', 'expected the end'],
    ['byte order mark', '\ufeff{}', '', 'expected a value'],
    ['no-break space', '\u00a01', '', 'expected a value'],
    ['empty text', '', '', 'found the end'],
    ['white space only', ' \n', '', 'found the end'],
    ['open object', '{"a":', '/a', 'found the end'],
    ['open string', '{"a', '', 'rest of a string'],
    ['open string after an escape', '"\\n', '', 'rest of a string'],
    ['lone backslash at the end', '"\\', '', 'rest of a string'],
    ['trailing comma in an array', '[1,]', '/1', 'expected a value'],
    ['trailing comma in an object', '{"a":1,}', '', 'expected a key'],
    ['missing colon', '{"a" 1}', '/a', 'expected a colon'],
    ['missing comma', '[1 2]', '', 'expected a comma'],
    ['single quotes', "{'a':1}", '', 'expected a key'],
    ['comment', '[/**/]', '/0', 'expected a value'],
    ['leading zero', '01', '', 'expected the end'],
    ['plus sign', '+1', '', 'expected a value'],
    ['bare point', '1.', '', 'expected the end'],
    ['hexadecimal', '0x10', '', 'expected the end'],
    ['capital literal', 'True', '', 'expected a value'],
    ['cut literal', '[tru]', '/0', 'expected a value'],
    ['raw control character', '"a\u0001"', '', 'rest of a string'],
    ['raw newline after an escape', '"\\t\n"', '', 'control character'],
    ['bad escape', '["\\x41"]', '/0', 'malformed escape'],
    ['short unicode escape', '"\\u12"', '', 'malformed escape'],
    ['lone surrogate by escape', '{"s":"\\ud800"}', '/s', 'lone surrogate'],
    ['lone surrogate in a key', '{"\\udc00":1}', '', 'lone surrogate'],
    ['lone surrogate in the text', '"\ud800"', '', 'lone surrogate'],
    ['depth 65', nested(65), '/0'.repeat(64), 'deeper than 64'],
    ['depth 1,500', nested(1_500), '/0'.repeat(64), 'deeper than 64'],
    ['depth 100,000, not even closed', '[{"a":'.repeat(50_000), '/0/a'.repeat(32), 'deeper than 64'],
  ])('%s', (_title, text, pointer, message) => {
    const error = refusal(() => parseJson(text, 64))
    expect(error.code).toBe('BAD_INPUT')
    expect(error.faults).toEqual([{ pointer, message: expect.stringContaining(message) }])
  })

  test('a refusal stays short however long the document is', () => {
    const key = 'k'.repeat(100_000)
    const error = refusal(() => parseJson(`{"ok":{"${key}":1,"${key}":2}}`, 64))
    expect(error.faults[0]?.pointer).toBe('/ok')
    expect(error.message.length).toBeLessThan(200)
  })
})

describe('accepted', () => {
  test.each([
    ['largest safe integer', '9007199254740991', 9007199254740991],
    ['a float without a safe integer value', '1e20', 1e20],
    ['negative zero', '-0', -0],
    ['underflow, as JSON.parse reads it', '1e-999', 0],
    ['depth 64', nested(64), JSON.parse(nested(64))],
    ['surrogate pair by escapes', '"\\ud83d\\ude00"', '😀'],
    ['names of Object.prototype', '{"constructor":1,"toString":2,"hasOwnProperty":3}', { constructor: 1, toString: 2, hasOwnProperty: 3 }],
    ['all white space', ' \t\r\n[ \n]\t', []],
  ])('%s', (_title, text, value) => {
    expect(parseJson(text, 64)).toStrictEqual(value)
  })

  test('siblings do not add up to depth', () => {
    expect(parseJson('[[],[],[{"a":[]},{}]]', 4)).toStrictEqual([[], [], [{ a: [] }, {}]])
  })
})

const pathological = (value: unknown): boolean =>
  typeof value === 'number'
    ? !Number.isSafeInteger(value) && !/[.e]/.test(JSON.stringify(value))
    : typeof value === 'object' && value !== null && (Object.hasOwn(value, '__proto__') || Object.values(value).some(pathological))

test('reads valid documents exactly as JSON.parse does', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6, noUnicodeString: false }), fc.constantFrom(undefined, 1, '\t'), (value, space) => {
      const text = JSON.stringify(value, null, space)
      fc.pre(!pathological(value) && !/\\ud[89a-f]/i.test(text))
      expect(parseJson(text, 64)).toStrictEqual(JSON.parse(text))
    }),
  )
})

test('never accepts what JSON.parse refuses, and loses no member', () => {
  const fragments = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"a"',
    '"b"',
    ':',
    ',',
    '1',
    '-',
    '.5',
    'e9',
    'null',
    'true',
    ' ',
    '\\',
    '"',
    '\u0000',
  )
  fc.assert(
    fc.property(fc.array(fragments, { maxLength: 14 }), (parts) => {
      const text = parts.join('')
      let value: JsonValue
      try {
        value = parseJson(text, 64)
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError)
        return
      }
      expect(canonicalJson(value)).toBe(canonicalJson(JSON.parse(text)))
      expect(text.split(':').length).toBe(canonicalJson(value).split(':').length)
    }),
    { numRuns: 5_000 },
  )
})

test('a mutated document is refused or reads as JSON.parse reads it', () => {
  const base = '{"id":7,"name":"A\\u00e9","items":[{"q":1.5e3,"ok":true},null,"x"]}'
  fc.assert(
    fc.property(fc.nat(base.length - 1), fc.string({ unit: 'binary', maxLength: 2 }), (at, insert) => {
      const text = base.slice(0, at) + insert + base.slice(at + 1)
      try {
        const value = parseJson(text, 64)
        expect(value).toStrictEqual(JSON.parse(text))
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError)
      }
    }),
    { numRuns: 2_000 },
  )
})

describe('decodeUtf8', () => {
  test('keeps text and byte order mark', () => {
    expect(decodeUtf8(Buffer.from('é😀'))).toBe('é😀')
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31))).toBe('\ufeff1')
  })

  test.each([
    ['a byte that never occurs', [0xff]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
    ['a cut sequence', [0xe2, 0x82]],
    ['beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
  ])('refuses %s', (_title, bytes) => {
    expect(refusal(() => decodeUtf8(Uint8Array.from(bytes))).code).toBe('BAD_INPUT')
  })
})
