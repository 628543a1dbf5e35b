import { expect, test } from 'vitest'
import type { JsonObject, JsonValue } from './json.ts'
import { reservedKeys } from './reserved-keys.ts'

test.each<[string, JsonValue, string[]]>([
  ['none', { a: [{ b: null }], extn: 1, __proto: 2 }, []],
  ['as values only', { b: ['__entity'], c: '__extn' }, []],
  ['each of them', { __extn: 1, __entity: 2, __expr: 3 }, ['/__entity', '/__expr', '/__extn']],
  ['nested and escaped', { b: [{ __entity: 1 }], 'a/b': { '~': { __expr: '' } } }, ['/a~1b/~0/__expr', '/b/0/__entity']],
  ['one inside another', { __extn: { __extn: null } }, ['/__extn', '/__extn/__extn']],
  ['no object', '__extn', []],
])('reserved keys: %s', (_title, input, pointers) => {
  expect(reservedKeys(input)).toEqual(pointers)
})

test('depth costs no stack', () => {
  let deep: JsonObject = { __extn: 1 }
  for (let i = 0; i < 20_000; i++) deep = { a: deep }
  expect(reservedKeys(deep)).toHaveLength(1)
})

test('what is told of a hostile input is small', () => {
  const hostile = { ['k'.repeat(400_000)]: Array.from({ length: 30_000 }, () => ({ __extn: 1 })) }
  const found = reservedKeys(hostile)
  expect(found).toHaveLength(20)
  expect(found.join('').length).toBeLessThan(20_000)
})
