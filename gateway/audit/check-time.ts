import type { Leaf } from './exported-entry.ts'
import type { About } from './exported-line.ts'
import type { Faults } from './faults.ts'

/** What an export says of time: when its newest entry was written, and of a part by time that nothing lies outside of that. */
export class TimeCheck {
  readonly #faults: Faults
  readonly #since: number
  readonly #until: number
  #newest: number | null = null

  constructor({ part, since, until }: About, faults: Faults) {
    this.#faults = faults
    this.#since = since === undefined ? Number.NEGATIVE_INFINITY : Date.parse(since)
    this.#until = until === undefined ? Number.POSITIVE_INFINITY : Date.parse(until)
    if (part === 'range' && since === undefined && until === undefined)
      faults.add('range', null, 'it is said to be a part by time, and not of which')
  }

  add(index: number, { at }: Leaf): void {
    if (this.#newest === null || at > this.#newest) this.#newest = at
    if (at < this.#since || at >= this.#until)
      this.#faults.add('range', index, `it was written at ${iso(at)}, outside of the time of the export`)
  }

  finish(): string | null {
    return this.#newest === null ? null : iso(this.#newest)
  }
}

/** A time that no date has is told as the number it is. */
const iso = (ms: number): string => (Math.abs(ms) <= 8_640_000_000_000_000 ? new Date(ms).toISOString() : String(ms))
