import { expect, test } from 'vitest'
import type { LookedUp } from './decision.ts'
import { excludedBy, isExcluded } from './exclusion.ts'
import type { JsonObject } from './json.ts'

const vendor = (fields: JsonObject | null): LookedUp[] => [
  { fact: 'vendor', operation: 'erp.getVendor', fields, digest: null, error: null },
]
const CREATED = '/lookup/vendor/createdBy'

test.each<[string, string[], JsonObject, LookedUp[], string[], string[]]>([
  ['nothing asked for', [], { a: 'maria' }, [], [], []],
  ['a field of a lookup', [CREATED], {}, vendor({ createdBy: 'maria' }), ['maria'], []],
  ['a list of names', [CREATED], {}, vendor({ createdBy: ['raj', 'maria'] }), ['maria', 'raj'], []],
  ['an argument', ['/input/by'], { by: 'maria' }, [], ['maria'], []],
  ['every item', ['/input/lines/*/by'], { lines: [{ by: 'raj' }, { by: 'maria' }] }, [], ['maria', 'raj'], []],
  ['an absent field', [CREATED], {}, vendor({ iban: 'DE00' }), [], [CREATED]],
  ['an absent lookup', [CREATED], {}, [], [], [CREATED]],
  ['a lookup that failed', [CREATED], {}, vendor(null), [], [CREATED]],
  ['null', [CREATED], {}, vendor({ createdBy: null }), [], [CREATED]],
  ['an empty list', [CREATED], {}, vendor({ createdBy: [] }), [], [CREATED]],
  ['empty text', [CREATED], {}, vendor({ createdBy: '  ' }), [], [CREATED]],
  ['a number', [CREATED], {}, vendor({ createdBy: 7 }), [], [CREATED]],
  ['one name and one that is none', [CREATED], {}, vendor({ createdBy: ['maria', { id: 7 }] }), ['maria'], [CREATED]],
  ['a name that only the prototype has', ['/input/constructor'], {}, [], [], ['/input/constructor']],
])('%s', (_title, pointers, input, lookups, people, unknown) => {
  expect(excludedBy(pointers, input, lookups)).toEqual({ people, unknown })
})

test.each([
  ['maria', true],
  ['MARIA ', true],
  ['\uFF4Daria', true],
  ['maria2', false],
])('%j is maria: %s', (written, same) => expect(isExcluded({ people: [written], unknown: [] }, 'maria')).toBe(same))
