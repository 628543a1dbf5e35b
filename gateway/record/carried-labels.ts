import { LIMITS } from '../limits.ts'
import type { Sticking } from '../ports/recorder.ts'

/**
 * What is written already, and until when it needs no writing again: a label is stored as lasting `LIMITS.labelRefreshMs` longer than the read that
 * brought it. Bounded; what is forgotten is only written once more.
 */
export class CarriedLabels {
  readonly #until = new Map<string, number>()
  #runs = 0

  /** Changes with every run that starts: what was written before is to be written again, since it does not count for that run. */
  get runs(): number {
    return this.#runs
  }

  runStarted(): void {
    this.#runs++
    this.#until.clear()
  }

  /** Whether every label of this is stored for now and longer. */
  has(unit: Sticking, nowMs: number): boolean {
    return keysOf(unit).every((key) => nowMs < (this.#until.get(key) ?? Number.NEGATIVE_INFINITY))
  }

  /** `beganMs` is from before it was written. */
  add(unit: Sticking, beganMs: number): void {
    for (const key of keysOf(unit)) {
      this.#until.delete(key)
      this.#until.set(key, beganMs + LIMITS.labelRefreshMs)
    }
    for (const key of this.#until.keys()) {
      if (this.#until.size <= LIMITS.labelsRememberedMax) break
      this.#until.delete(key)
    }
  }
}

const keysOf = ({ agent, subject, run, labels }: Sticking): string[] => labels.map((label) => JSON.stringify([agent, subject, run, label]))
