import { describe, expect, test } from 'vitest'
import { bucketOf, durationsOf } from './duration-buckets.ts'

/** The nearest-rank quantile of the durations themselves. */
const exact = (sorted: readonly number[], share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN

const counted = (durations: readonly number[]): Map<number, number> => {
  const buckets = new Map<number, number>()
  for (const ms of durations) buckets.set(bucketOf(ms), (buckets.get(bucketOf(ms)) ?? 0) + 1)
  return buckets
}

describe('durations in buckets', () => {
  test.each([
    ['one', [42]],
    ['equal ones', [7, 7, 7, 7]],
    ['minutes to days', [60_000, 3_600_000, 86_400_000, 7 * 86_400_000, 30 * 86_400_000]],
    ['a million of all sizes', Array.from({ length: 1_000_000 }, (_, i) => 1 + ((i * 7919) % 300_000))],
    ['at the borders', Array.from({ length: 31 }, (_, i) => 2 ** i)],
  ])('%s: quantiles are within 9.1 %%', (_title, durations) => {
    const sorted = durations.toSorted((a, b) => a - b)
    const short = durationsOf(counted(durations))
    expect(short?.count).toBe(durations.length)
    expect(Math.abs((short?.p50Ms ?? 0) / exact(sorted, 0.5) - 1)).toBeLessThan(0.091)
    expect(Math.abs((short?.p95Ms ?? 0) / exact(sorted, 0.95) - 1)).toBeLessThan(0.091)
  })

  test.each([
    ['nothing at all', 0, 0],
    ['less than a millisecond', 0.2, 0],
    ['a millisecond', 1, 0],
    ['what is no time', -5, 0],
    ['longer than any hold', 1e15, 127],
  ])('%s has a bucket', (_title, ms, bucket) => expect(bucketOf(ms)).toBe(bucket))

  test('nothing counted has no quantiles', () => {
    expect(durationsOf(new Map())).toBeUndefined()
    expect(durationsOf(new Map([[3, 0]]))).toBeUndefined()
  })
})
