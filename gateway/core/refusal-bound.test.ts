import { expect, test } from 'vitest'
import { refusalBound } from './refusal-bound.ts'

test.each([
  // None refused: 1 - 0.05^(1/n), the "rule of three" exactly.
  ['0 of 1', 0, 1, 0.95],
  ['0 of 3', 0, 3, 0.631597],
  ['0 of 10', 0, 10, 0.258866],
  ['0 of 59', 0, 59, 1 - 0.05 ** (1 / 59)],
  ['0 of 200', 0, 200, 1 - 0.05 ** (1 / 200)],
  // Quantiles of the beta distribution, 0.95 of Beta(k + 1, n - k).
  ['1 of 2', 1, 2, Math.sqrt(0.95)],
  ['1 of 10', 1, 10, 0.394163],
  ['2 of 10', 2, 10, 0.506901],
  ['5 of 10', 5, 10, 0.777559],
  ['5 of 100', 5, 100, 0.102253],
  ['9 of 10', 9, 10, 0.95 ** (1 / 10)],
])('%s', (_title, k, n, bound) => expect(refusalBound(k, n)).toBeCloseTo(bound, 4))

test('says nothing where nothing was decided, or all were refused', () => {
  expect(refusalBound(0, 0)).toBe(1)
  expect(refusalBound(7, 7)).toBe(1)
})

test('falls with every clean decision, rises with every refusal, and stays finite for as many as are looked at', () => {
  for (let n = 1; n < 500; n += 7) {
    expect(refusalBound(0, n + 1)).toBeLessThan(refusalBound(0, n))
    expect(refusalBound(1, n + 1)).toBeGreaterThan(refusalBound(0, n + 1))
    expect(refusalBound(Math.floor(n / 2), n)).toBeGreaterThan(0)
  }
})
