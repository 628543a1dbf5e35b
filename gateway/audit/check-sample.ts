import { LIMITS } from '../limits.ts'
import { drawnPlaces } from '../record/drawn-places.ts'
import type { Leaf } from './exported-entry.ts'
import type { SampleDrawn } from './exported-line.ts'
import type { Faults } from './faults.ts'

export interface SampleTally extends SampleDrawn {
  /** That it drew: fewer than `count` where the log has no more. */
  calls: number
}

/** Draws the sample of an export again: no entry that the seed drew on the way may be left out, and of its calls nothing may only be shown. */
export class SampleCheck {
  readonly #sample: SampleDrawn
  readonly #places: Generator<number>
  readonly #faults: Faults
  /** Index to the call whose decision stands there; null for another entry. */
  readonly #entries = new Map<number, string | null>()
  readonly #shown = new Set<number>()
  readonly #firsts = new Map<string, number>()

  /** The log begins at `floor` and has `size` entries with those before. */
  constructor(sample: SampleDrawn, { floor, size }: { floor: number; size: number }, faults: Faults) {
    this.#sample = sample
    this.#places = drawnPlaces(sample.seed, Math.min(size, Number.MAX_SAFE_INTEGER), floor)
    this.#faults = faults
  }

  /** In the log's order. */
  add(index: number, { call, body }: Leaf, shown: boolean): void {
    if (this.#entries.size >= LIMITS.auditSampleEntriesMax) return
    const decided = body.kind === 'decision' ? call : null
    this.#entries.set(index, decided)
    if (shown) this.#shown.add(index)
    if (decided !== null && !this.#firsts.has(decided)) this.#firsts.set(decided, index)
  }

  finish(): SampleTally {
    const { count } = this.#sample
    let calls = 0
    for (let turn = 0; calls < count && turn < LIMITS.samplePlacesExportedMax; turn += 1) {
      const { done, value: place } = this.#places.next()
      if (done) break
      const call = this.#entries.get(place)
      if (call === undefined) {
        this.#faults.add('sample', place, `the seed draws it as number ${turn + 1}, and it is not there`)
        break
      }
      if (call === null || this.#firsts.get(call) !== place) continue
      calls += 1
      if (this.#shown.has(place)) this.#faults.add('sample', place, `the seed draws call \`${call}\`, and its entries are not there`)
    }
    return { ...this.#sample, calls }
  }
}
