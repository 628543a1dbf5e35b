import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { commitmentOf, createEntrySealer } from './entry-sealer.ts'

const key = randomBytes(32)
const sealer = createEntrySealer(key, 'acme')
const TEXT = JSON.stringify({ input: { iban: 'DE89370400440532013000', note: 'grüße \u0000 \u{1f600}' } })

test('a payload opens to the letter, with the salt that it was committed to with', () => {
  const sealed = sealer.seal(TEXT)
  const { text, salt } = sealer.open(sealed)
  expect(text).toBe(TEXT)
  expect(createHash('sha256').update(salt).update(TEXT).digest('hex')).toBe(sealed.commitment)
  expect(commitmentOf(salt, TEXT)).toBe(sealed.commitment)
})

test('nothing of a payload, and no two alike, is in what is kept', () => {
  const all = Array.from({ length: 600 }, () => sealer.seal(TEXT))
  expect(new Set(all.map(({ sealed }) => sealed)).size).toBe(600)
  expect(new Set(all.map(({ commitment }) => commitment)).size).toBe(600)
  expect(Buffer.from(all[0]?.sealed ?? '', 'base64url').includes('DE89370400440532013000')).toBe(false)
})

const flipped = (text: string, at: number): string => {
  const bytes = Buffer.from(text, 'base64url')
  bytes[at < 0 ? bytes.length + at : at] = (bytes.at(at) ?? 0) ^ 1
  return bytes.toString('base64url')
}

const one = sealer.seal(TEXT)
const two = sealer.seal(TEXT)
test.each([
  ['a bit of the seed differs', { ...one, sealed: flipped(one.sealed, 0) }],
  ['a bit of the text differs', { ...one, sealed: flipped(one.sealed, 40) }],
  ['a bit of the tag differs', { ...one, sealed: flipped(one.sealed, -1) }],
  ['it is cut short', { ...one, sealed: one.sealed.slice(0, 40) }],
  ['it is empty', { ...one, sealed: '' }],
  ['it was moved to another entry', { ...one, commitment: two.commitment }],
])('does not open where %s', (_why, sealed) => {
  expect(() => sealer.open(sealed)).toThrow('does not open')
})

test.each([
  ['another key', createEntrySealer(randomBytes(32), 'acme')],
  ['another organisation', createEntrySealer(key, 'umbrella')],
])('does not open under %s', (_why, other) => {
  expect(() => other.open(one)).toThrow('does not open')
})
