import { expect, test } from 'vitest'
import { createRedactor } from '../core/redactor.ts'
import { StaticLease } from './lease.ts'
import { needlesOf } from './needles.ts'

const SECRET = 's3cr/t "käse" & +more=42'
const needles = needlesOf([SECRET])
const masked = (text: string): string => {
  const redactor = createRedactor(needles)
  return Buffer.concat([redactor.push(Buffer.from(text)), redactor.end()]).toString()
}

const json = JSON.stringify(SECRET).slice(1, -1)
const ECHOES: readonly [string, string][] = [
  ['plain', SECRET],
  ['JSON', json],
  ['JSON with escaped slashes', json.replaceAll('/', '\\/')],
  ['ASCII JSON', json.replace('ä', '\\u00E4')],
  ['JSON inside a JSON string', JSON.stringify(json).slice(1, -1)],
  ['JSON with escaped slashes inside a JSON string', JSON.stringify(json.replaceAll('/', '\\/')).slice(1, -1)],
  ['ASCII JSON inside a JSON string', JSON.stringify(json.replace('ä', '\\u00E4')).slice(1, -1)],
  ['URL', encodeURIComponent(SECRET)],
  ['URL in lower case', encodeURIComponent(SECRET).toLowerCase()],
  ['form', new URLSearchParams({ a: SECRET }).toString().slice(2)],
  ['hex', Buffer.from(SECRET).toString('hex')],
  ['hex in upper case', Buffer.from(SECRET).toString('hex').toUpperCase()],
]

test.each(ECHOES)('is found as %s', (_title, echo) => {
  expect(masked(`before ${echo} after`)).toBe(`before ${'*'.repeat(Buffer.byteLength(echo))} after`)
})

test.each([0, 1, 2, 3, 4, 5])('is found in base64 behind %i bytes', (before) => {
  for (const alphabet of ['base64', 'base64url'] as const)
    for (const behind of ['', 'x', 'xy', 'xyz']) {
      const encoded = Buffer.from('?'.repeat(before) + SECRET + behind).toString(alphabet)
      const left = masked(encoded)
      expect(left).toContain('*'.repeat(Math.floor((Buffer.byteLength(SECRET) * 8) / 6) - 2))
      expect(left.replace(/\*+/, '').length).toBeLessThan(before * 2 + 12)
    }
})

test('forms are all different', () => {
  const seen = needles.map((needle) => Buffer.from(needle).toString())
  expect(new Set(seen).size).toBe(seen.length)
})

test('a tiny secret is not searched for, since it would mask ordinary words', () => {
  expect(needlesOf(['abc', 'abcde'])).toEqual([])
  expect(needlesOf(['abcdef']).length).toBeGreaterThan(0)
})

test('of a header value with a scheme, the token alone is searched for', () => {
  const lease = new StaticLease('c', 1, { kind: 'header', header: 'authorization', value: 'Bearer token-0123' })
  expect(lease.needles.map((needle) => Buffer.from(needle).toString())).toContain('token-0123')
})

test('of basic credentials, the password and what goes into the header are searched for', () => {
  const lease = new StaticLease('c', 1, { kind: 'basic', username: 'user', password: 'password1' })
  const texts = lease.needles.map((needle) => Buffer.from(needle).toString())
  expect(texts).toEqual(expect.arrayContaining(['password1', Buffer.from('user:password1').toString('base64')]))
})
