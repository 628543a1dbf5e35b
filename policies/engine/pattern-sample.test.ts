import { expect, test } from 'vitest'
import { patternSample } from './pattern-sample.ts'

test.each([
  '^[A-Z0-9]{6}$',
  '^[A-Z]{2}[0-9]{1,4}$',
  '^DE\\d{20}$',
  '^\\d{4}-\\d{2}-\\d{2}$',
  '^(?:eur|usd)-[a-f0-9]{8}$',
  '^https?://[^/]+/.*$',
  '^[^@]+@[a-z.]+$',
  'abc',
  '^a+b*c?$',
  '^(T|V)-\\d+$',
  '^[\\w.-]{3,}$',
])('%s has a sample', (pattern) => {
  expect(patternSample(pattern)).toMatch(new RegExp(pattern, 'u'))
})

test.each(['^(?=a)b', '\\p{L}+', '(a', '[a', 'a{x}', '(\\w)\\1'])('%s is not understood', (pattern) => {
  expect(patternSample(pattern)).toBeUndefined()
})
