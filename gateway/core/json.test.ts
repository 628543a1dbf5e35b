import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { atPointer, canonicalJson, type JsonValue, pointerToken } from './json.ts'

describe('canonical JSON (RFC 8785)', () => {
  test('the example of RFC 8785 3.2.2', () => {
    const value = {
      numbers: [JSON.parse('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000f\nA\'B"\\\\"/',
      literals: [null, true, false],
    }
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })
  test('members are sorted by UTF-16 code units (RFC 8785 3.2.3)', () => {
    const keys = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, '\u00f6': 7 }
    const order = [...canonicalJson(keys).matchAll(/:(\d)/g)].map((match) => Number(match[1]))
    expect(order).toEqual([2, 4, 6, 7, 1, 5, 3])
  })
  test.each([[Number.NaN], [Number.POSITIVE_INFINITY], ['\ud800'], [undefined as unknown as JsonValue]])(
    '%s has no canonical form',
    (value) => expect(() => canonicalJson({ value })).toThrow(TypeError),
  )
  test('order of members never matters, and the text is JSON for the same value', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const turned = Object.fromEntries(Object.entries(value).reverse()) as JsonValue
        expect(canonicalJson(turned)).toBe(canonicalJson(value as JsonValue))
        expect(JSON.parse(canonicalJson(value as JsonValue))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })
})

describe('JSON pointers (RFC 6901)', () => {
  const document: JsonValue = { foo: ['bar', 'baz'], '': 0, 'a/b': 1, 'm~n': 8 }
  test.each([
    ['', document],
    ['/foo', ['bar', 'baz']],
    ['/foo/0', 'bar'],
    ['/', 0],
    ['/a~1b', 1],
    ['/m~0n', 8],
    ['/foo/01', undefined],
    ['/foo/-', undefined],
    ['/nope', undefined],
    ['/toString', undefined],
  ])('%s', (pointer, value) => expect(atPointer(document, pointer)).toEqual(value))
  test('a token escapes what a pointer would split', () => expect(atPointer(document, `/${pointerToken('a/b')}`)).toBe(1))
})
