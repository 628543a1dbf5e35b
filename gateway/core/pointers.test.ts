import { expect, test } from 'vitest'
import type { JsonValue } from './json.ts'
import { valuesAt } from './pointers.ts'

const mail: JsonValue = {
  to: ['a', null, 'b'],
  cc: 'c',
  lines: [{ amount: 1 }, { amount: 2 }, {}],
  one: { amount: 3 },
  'x/y': { '~': 4 },
  '*': 5,
  nested: [['p'], ['q', 'r']],
}
test.each<[string, JsonValue[]]>([
  ['', [mail]],
  ['/to/*', ['a', 'b']],
  ['/to/2', ['b']],
  ['/to/02', []],
  ['/to/-', []],
  ['/cc/*', ['c']],
  ['/cc', ['c']],
  ['/bcc/*', []],
  ['/lines/*/amount', [1, 2]],
  ['/one/*/amount', [3]],
  ['/x~1y/~0', [4]],
  ['/*', [5]],
  ['/nested/*/*', ['p', 'q', 'r']],
  ['/to/length', []],
  ['/constructor', []],
])('`%s`', (pointer, values) => expect(valuesAt(mail, pointer)).toEqual(values))
