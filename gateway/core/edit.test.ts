import { expect, test } from 'vitest'
import { changesBetween, editedOf } from './edit.ts'
import type { JsonObject } from './json.ts'

test.each<[string, JsonObject, JsonObject, object[]]>([
  ['nothing', { a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 }, []],
  ['a value', { amount: 2400 }, { amount: 900 }, [{ pointer: '/amount', from: 2400, to: 900 }]],
  ['another type', { a: 1 }, { a: '1' }, [{ pointer: '/a', from: 1, to: '1' }]],
  ['something added', {}, { note: null }, [{ pointer: '/note', to: null }]],
  ['something removed', { note: 'x' }, {}, [{ pointer: '/note', from: 'x' }]],
  ['deep inside', { a: [{ b: 1 }, { b: 2 }] }, { a: [{ b: 1 }, { b: 3 }] }, [{ pointer: '/a/1/b', from: 2, to: 3 }]],
  ['a list of another length', { a: [1] }, { a: [1, 2] }, [{ pointer: '/a', from: [1], to: [1, 2] }]],
  ['a list that became none', { a: [1] }, { a: { 0: 1 } }, [{ pointer: '/a', from: [1], to: { 0: 1 } }]],
  [
    'keys that need escapes, in order',
    { 'a/b': 1, 'a~': 1 },
    { 'a/b': 2, 'a~': 2 },
    [
      { pointer: '/a~1b', from: 1, to: 2 },
      { pointer: '/a~0', from: 1, to: 2 },
    ],
  ],
  ['a key of the prototype', {}, { constructor: 1 }, [{ pointer: '/constructor', to: 1 }]],
])('%s', (_title, before, after, changes) => expect(changesBetween(before, after)).toEqual(changes))

test('an agent is told against what it sent, and who edited last', () => {
  const edit = { original: { amount: 1 }, editors: ['maria', 'raj'], by: 'maria', count: 3 }
  expect(editedOf({ input: { amount: 2 }, edit })).toEqual({ by: 'maria', changes: [{ pointer: '/amount', from: 1, to: 2 }] })
  expect(editedOf({ input: { amount: 2 }, edit: null })).toBeNull()
})
