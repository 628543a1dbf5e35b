import fc from 'fast-check'
import { expect, test } from 'vitest'
import { terminalText, visible, visibleChars, visibleJson } from './visible-text.ts'

test.each([
  ['a right-to-left override', 'pay \u202e001\u202c', 'pay \\u202e001\\u202c'],
  ['a zero-width space', 'v\u200b7', 'v\\u200b7'],
  ['a no-break space', 'a\u00a0b', 'a\\u00a0b'],
  ['a tag character', 'x\u{e0041}', 'x\\udb40\\udc41'],
  ['a line separator', 'a\u2028b', 'a\\u2028b'],
  ['an empty letter', '\u3164', '\\u3164'],
  ['a byte order mark', '\ufeffx', '\\ufeffx'],
  ['what is to be seen', 'Zoë 北京 😀 a b', 'Zoë 北京 😀 a b'],
])('%s', (_title, text, shown) => {
  expect(visible(text)).toBe(shown)
})

test('complete, still JSON, and still the same value', () => {
  expect(visibleJson({ b: ['\u202e', 1], a: 'x'.repeat(100_000) })).toBe(`{"a":"${'x'.repeat(100_000)}","b":["\\u202e",1]}`)
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })), (value) => {
      expect(JSON.parse(visibleJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
    }),
  )
})

test.each([
  ['', 0],
  [' \t\n\u00a0\u200b\u2800\u3164\0', 0],
  ['two words', 8],
  ['北京 😀', 3],
])('characters to be seen in %j: %i', (text, chars) => {
  expect(visibleChars(text)).toBe(chars)
})

test.each([
  ['lines and columns stay', 'a\tb\nc', 'a\tb\nc'],
  ['a command to the terminal', 'a\u001b[2K\rb', 'a\\u001b[2K\\u000db'],
  ['a command of one character', '\u009b2K', '\\u009b2K'],
  ['a right-to-left override', '\u202e', '\\u202e'],
  ['joined and coloured signs stay', '👩\u200d💻 ❤\ufe0f', '👩\u200d💻 ❤\ufe0f'],
])('text for a terminal: %s', (_title, text, shown) => {
  expect(terminalText(text)).toBe(shown)
})
