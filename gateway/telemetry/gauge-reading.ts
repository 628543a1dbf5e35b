import { LIMITS } from '../limits.ts'

/** One value, or one for each value of the gauge's label. */
export type Reading = number | ReadonlyMap<string, number>

/** Scrapes that come together share one read, and those that come soon after its value. One that hangs is not started again before it has ended. */
export function sharedReading(read: () => Reading | Promise<Reading>, freshMs: number): () => Promise<Reading> {
  let underWay: Promise<Reading> | null = null
  let last: { value: Reading; atMs: number } | null = null
  const start = (): Promise<Reading> => {
    const reading = Promise.resolve()
      .then(read)
      .catch(() => Number.NaN)
    underWay = reading
    void reading.then((value) => {
      last = { value, atMs: performance.now() }
      underWay = null
    })
    return reading
  }
  return async () => {
    if (last && performance.now() - last.atMs < freshMs) return last.value
    const { promise: late, resolve } = Promise.withResolvers<Reading>()
    const timer = setTimeout(() => resolve(Number.NaN), LIMITS.gaugeReadMsMax)
    try {
      return await Promise.race([underWay ?? start(), late])
    } finally {
      clearTimeout(timer)
    }
  }
}
