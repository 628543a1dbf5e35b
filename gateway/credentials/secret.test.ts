import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { StaticLease } from './lease.ts'
import { Secret } from './secret.ts'

const CANARY = 'canary-7f3a9'
const lease = new StaticLease('api', 3, { kind: 'header', header: 'X-Api-Key', value: CANARY })

test.each([
  ['a secret', new Secret(CANARY)],
  ['a lease', lease],
  ['an error with a lease', new Error('failed', { cause: lease })],
])('%s shows nothing in any print, text or copy', (_title, value) => {
  const shown = [
    String(value),
    `${value}`,
    JSON.stringify({ value }),
    inspect(value, { depth: 9, showHidden: true }),
    JSON.stringify(Object.entries(value)),
    inspect(structuredClone(value), { depth: 9, showHidden: true }),
  ].join('\n')
  expect(shown).not.toContain(CANARY)
  expect(shown).not.toContain(Array.from(Buffer.from(CANARY)).join(','))
  expect(shown).not.toContain(Array.from(Buffer.from(CANARY)).join(', '))
})

test('only reveal gives the value', () => {
  expect(new Secret(CANARY).reveal()).toBe(CANARY)
})

test.each([
  [{ kind: 'header', header: 'X-Api-Key', value: 'k' } as const, { 'x-api-key': 'k' }, {}],
  [{ kind: 'basic', username: 'jörg', password: 'p:w' } as const, { authorization: 'Basic asO2cmc6cDp3' }, {}],
  [{ kind: 'query', parameter: 'key', value: 'k' } as const, {}, { key: 'k' }],
])('%j is applied in its place', (credential, headers, query) => {
  const { headers: h, query: q } = {
    headers: new StaticLease('c', 1, credential).headers(),
    query: new StaticLease('c', 1, credential).query(),
  }
  expect([h, q]).toEqual([headers, query])
})
