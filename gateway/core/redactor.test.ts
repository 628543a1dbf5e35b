import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRedactor } from './redactor.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (chunks: readonly Uint8Array[]): string => chunks.map((chunk) => new TextDecoder('latin1').decode(chunk)).join('')

function redact(needles: readonly string[], chunks: readonly string[]): string {
  const redactor = createRedactor(needles.map(bytes))
  return text([...chunks.map((chunk) => redactor.push(bytes(chunk))), redactor.end()])
}

test.each([
  ['nothing to find', ['secret'], ['a plain answer'], 'a plain answer'],
  ['in the middle', ['secret'], ['a secret here'], 'a ****** here'],
  ['at the start and the end', ['secret'], ['secret-secret'], '******-******'],
  ['across a border', ['secret'], ['a sec', 'ret here'], 'a ****** here'],
  ['byte by byte', ['secret'], [...'a secret here'], 'a ****** here'],
  ['in any case', ['secret'], ['SeCrEt'], '******'],
  ['a start that is none', ['secret'], ['sec', 'tion'], 'section'],
  ['a start at the end', ['secret'], ['sec'], 'sec'],
  ['a start inside a start', ['aab'], ['aa', 'ab'], 'a***'],
  ['overlapping itself', ['abab'], ['ababab'], '******'],
  ['overlapping another', ['abcd', 'cdef'], ['abcdef'], '******'],
  ['overlapping another across a border', ['abcd', 'cdef'], ['abc', 'd', 'e', 'f'], '******'],
  ['one inside another', ['xsecrety', 'secret'], ['xsecret', 'z'], 'x******z'],
  ['an empty chunk', ['secret'], ['sec', '', 'ret'], '******'],
  ['a needle of one byte', ['s'], ['secret'], 'secret'],
  ['no needles', [], ['secret'], 'secret'],
] as const)('%s', (_title, needles, chunks, expected) => {
  expect(redact(needles, chunks)).toBe(expected)
})

test('what cannot be the start of a secret is handed on at once', () => {
  const redactor = createRedactor([bytes('secret')])
  expect(text([redactor.push(bytes('data: one\n\n'))])).toBe('data: one\n\n')
})

test('chunks do not belong to the redactor: they are neither changed nor kept', () => {
  const redactor = createRedactor([bytes('secret')])
  const chunk = bytes('my secret, sec')
  const first = redactor.push(chunk)
  expect(text([chunk])).toBe('my secret, sec')
  chunk.fill(0)
  expect(text([first, redactor.push(bytes('ret'))])).toContain('******')
})

test('cut anywhere, the result is the one of the whole, and no needle is left', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'A', 'c'), minLength: 2, maxLength: 6 })
  const body = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'B', 'c', 'd'), maxLength: 8 }), { maxLength: 8 })
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), body, (needles, chunks) => {
      const whole = chunks.join('')
      const masked = new Set<number>()
      for (const needle of needles)
        for (let at = 0; at < whole.length; at++)
          if (whole.slice(at, at + needle.length).toLowerCase() === needle.toLowerCase())
            for (let i = 0; i < needle.length; i++) masked.add(at + i)
      const expected = [...whole].map((c, i) => (masked.has(i) ? '*' : c)).join('')
      expect(redact(needles, chunks)).toBe(expected)
    }),
    { numRuns: 1_000 },
  )
})
