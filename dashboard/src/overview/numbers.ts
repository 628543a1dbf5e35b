import { spanOf } from '../words.ts'

const WHOLE = new Intl.NumberFormat()
export const whole = (count: number): string => WHOLE.format(count)

/** A duration in a unit that fits: it is not known better than to a tenth. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`
  return spanOf(ms)
}

/** How much more or less than before, in percent; null where there was nothing to compare with. */
export const change = (now: number, before: number): number | null => (before === 0 ? null : Math.round(((now - before) / before) * 100))
