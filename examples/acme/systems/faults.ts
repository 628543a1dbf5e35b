/** A fault that the next matching requests meet: how tests make a system slow, failing or unreachable at will. */
export interface Fault {
  operation: string
  /** How many requests meet it; 1 where absent. */
  times?: number
  /** Answers this status instead of working. */
  status?: number
  /** Waits before working, at most a minute. */
  delayMs?: number
  /** Cuts the connection: `before` anything happened, or `after` the effect and before its answer. */
  cut?: 'before' | 'after'
}

const FAULTS_MAX = 100
const DELAY_MS_MAX = 60_000

/** Faults in waiting, first come first met. */
export class Faults {
  #waiting: Fault[] = []

  /** Throws RangeError where the fault is out of bounds or 100 wait already. */
  add(fault: Fault): void {
    if (this.#waiting.length >= FAULTS_MAX) throw new RangeError('too many faults wait')
    if ((fault.delayMs ?? 0) > DELAY_MS_MAX) throw new RangeError(`a delay is at most ${DELAY_MS_MAX} ms`)
    this.#waiting.push({ ...fault, times: fault.times ?? 1 })
  }

  clear(): void {
    this.#waiting = []
  }

  /** Takes the fault that a request of this operation meets. */
  take(operation: string): Fault | undefined {
    const fault = this.#waiting.find((one) => one.operation === operation)
    if (!fault) return undefined
    fault.times = (fault.times ?? 1) - 1
    if (fault.times <= 0) this.#waiting = this.#waiting.filter((one) => one !== fault)
    return fault
  }
}
