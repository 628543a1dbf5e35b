import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decimalText, tenThousandths } from './decimal.ts'

test.each<[number, bigint | undefined, string]>([
  [0, 0n, '0.0'],
  [-0, 0n, '0.0'],
  [1, 10_000n, '1.0'],
  [0.1, 1_000n, '0.1'],
  [-0.25, -2_500n, '-0.25'],
  [9.9999, 99_999n, '9.9999'],
  [1234.05, 12_340_500n, '1234.05'],
  [9.99999, undefined, ''],
  [1e21, undefined, ''],
  [1e-7, undefined, ''],
  [Number.NaN, undefined, ''],
  [Number.POSITIVE_INFINITY, undefined, ''],
])('%s', (value, units, text) => {
  expect(tenThousandths(value)).toBe(units)
  if (units !== undefined) expect(decimalText(units)).toBe(text)
})

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }), (units) => {
      expect(tenThousandths(Number(decimalText(units)))).toBe(units)
    }),
  )
})
