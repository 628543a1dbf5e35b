import { type Fault, GatewayError } from '../core/errors.ts'

/** Collects every fault of a configuration, then refuses once: nobody fixes twenty faults one start at a time. */
export class Faults {
  readonly #found: Fault[] = []

  /** `place` is `file:line:column`, `file#/pointer` or a file. */
  add(place: string, message: string): void {
    this.#found.push({ pointer: place, message })
  }

  /** Runs `work`; the faults of a CONFIG_INVALID join the others and undefined comes back. Other errors pass through. */
  gather<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'CONFIG_INVALID') throw error
      if (error.faults.length === 0) this.#found.push({ pointer: '', message: error.message })
      this.#found.push(...error.faults)
      return undefined
    }
  }

  get any(): boolean {
    return this.#found.length > 0
  }

  /** Throws CONFIG_INVALID with all faults, one a line, if there is any. */
  refuse(): void {
    if (this.#found.length === 0) return
    const lines = this.#found.map(({ pointer, message }) => (pointer ? `${pointer}: ${message}` : message))
    throw new GatewayError(
      'CONFIG_INVALID',
      `the configuration has ${lines.length} fault${lines.length > 1 ? 's' : ''}:\n${lines.join('\n')}`,
      {
        faults: this.#found,
      },
    )
  }
}
