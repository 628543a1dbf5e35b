import { LIMITS } from '../limits.ts'

/** One value, or one for each value of the gauge's label. */
export type Reading = number | ReadonlyMap<string, number>

/**
 * Whoever asks together shares one read, and so does who asks within `freshMs` of its value. Null where the read fails or takes longer than
 * `LIMITS.gaugeReadMsMax`; one that hangs is not started again before it has ended.
 */
export function sharedReading<T>(read: () => T | Promise<T>, freshMs: number): () => Promise<T | null> {
  let underWay: Promise<T | null> | null = null
  let last: { value: T | null; atMs: number } | null = null
  const start = (): Promise<T | null> => {
    underWay = Promise.resolve()
      .then(read)
      .catch(() => null)
      .then((value) => {
        last = { value, atMs: performance.now() }
        underWay = null
        return value
      })
    return underWay
  }
  return async () => {
    if (last && performance.now() - last.atMs < freshMs) return last.value
    const { promise: late, resolve } = Promise.withResolvers<null>()
    const timer = setTimeout(() => resolve(null), LIMITS.gaugeReadMsMax)
    try {
      return await Promise.race([underWay ?? start(), late])
    } finally {
      clearTimeout(timer)
    }
  }
}
