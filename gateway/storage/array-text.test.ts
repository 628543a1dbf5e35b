import { expect, test } from 'vitest'
import { arrayText } from './array-text.ts'

test.each([
  ['nothing', [], '{}'],
  ['null is not the text NULL', [null, 'NULL'], '{NULL,"NULL"}'],
  ['numbers', [1, 2.5, -3], '{1,2.5,-3}'],
  ['quotes, backslashes and braces', ['a"b\\c{d},'], '{"a\\"b\\\\c{d},"}'],
  ['an empty text', [''], '{""}'],
] as const)('%s', (_title, values, text) => {
  expect(arrayText(values)).toBe(text)
})
