/** Four buckets for each doubling, from 1 ms to 41 days. */
const PER_DOUBLING = 4
const LAST = 127

/** The bucket that a duration is counted in: 0 for up to a millisecond. */
export const bucketOf = (ms: number): number => (ms > 1 ? Math.min(LAST, Math.floor(Math.log2(ms) * PER_DOUBLING)) : 0)

/** The geometric middle of a bucket: at most 9.1 % off what was counted in it, from a millisecond on. */
const middleOf = (bucket: number): number => 2 ** ((bucket + 0.5) / PER_DOUBLING)

/** Durations as they were counted, in short. */
export interface DurationsInShort {
  count: number
  p50Ms: number
  p95Ms: number
}

/** The nearest-rank quantiles of what was counted, each at most 9.1 % off; undefined where nothing was. */
export function durationsOf(buckets: ReadonlyMap<number, number>): DurationsInShort | undefined {
  const sorted = [...buckets].filter(([, count]) => count > 0).sort(([a], [b]) => a - b)
  const count = sorted.reduce((sum, [, each]) => sum + each, 0)
  if (count === 0) return undefined
  const quantile = (share: number): number => {
    let left = Math.ceil(share * count)
    for (const [bucket, each] of sorted) {
      left -= each
      if (left <= 0) return middleOf(bucket)
    }
    return middleOf(LAST)
  }
  return { count, p50Ms: quantile(0.5), p95Ms: quantile(0.95) }
}
