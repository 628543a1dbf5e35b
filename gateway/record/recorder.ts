import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { BatchWriter, Unit, UnitResult } from '../ports/batch-writer.ts'
import type { Bus } from '../ports/bus.ts'
import type { Recorder } from '../ports/recorder.ts'
import type { Log } from '../ports/telemetry.ts'
import { CarriedLabels } from './carried-labels.ts'
import { compensation, settledCall } from './compensation.ts'

export interface RecorderOptions {
  writer: BatchWriter
  clock: Clock
  /** Gets a `call` signal for every call whose state a commit changed. */
  bus?: Bus
  log?: Log
}

/** A recorder that can be shut down. */
export interface RunningRecorder extends Recorder {
  /** Units that wait or are being written: for metrics and readiness. */
  readonly depth: () => number
  /** Takes no more, writes what waits (at most `LIMITS.drainMsMax`), then gives up the rest with UNAVAILABLE. Calling it twice is harmless. */
  close(): Promise<void>
}

interface Pending {
  unit: Unit
  deadlineMs: number
  settle: (result: UnitResult) => void
  /** Answered already, since it waited too long: what still becomes of it is followed up. */
  abandoned: boolean
}

const unavailable = (message: string, cause?: unknown): GatewayError =>
  new GatewayError('UNAVAILABLE', message, { cause, retryAfterSeconds: LIMITS.outageRetryMs / 1_000 })

const refuse = (message: string, cause?: unknown): UnitResult => ({
  kind: 'failed',
  error: unavailable(message, cause),
})

const FULL = 'the record has too much waiting to be written: try again later'
const CLOSED = 'the gateway is shutting down: try again later'
const SLOW = 'the record did not answer in time: nothing was executed, try again later'
const DOWN = 'the record cannot be written now: try again later'

/**
 * Group commit: a batch is what arrived while the last one was being written, no lingering. See `Recorder` for what each method promises.
 *
 * A unit that waits longer than `LIMITS.recordWaitMsMax` is answered UNAVAILABLE, and one longer than `LIMITS.recordAwayWaitMsMax` where the database is known to
 * be away: a restart that takes less is a wait, and more waits for nobody. If it was being written and turns out to be committed, an
 * intent gets the outcome `not_sent`, and a permitted call that waits for its turn is cancelled. An outcome is never given up while the process
 * lives, since nothing but it tells what happened, nor is the end of a call that never runs, since equal ones would join it: the caller is answered, and
 * it is written once the database is back.
 */
export function createRecorder(options: RecorderOptions): RunningRecorder {
  const queue = new UnitQueue(options)
  const carried = new CarriedLabels()
  return {
    depth: () => queue.depth(),
    close: () => queue.close(),
    delivered: (callId) => queue.handOver(callId),
    async admit(unit) {
      const done = await queue.put({ kind: 'admit', unit })
      return done.kind === 'admitted' ? done.result : unexpected(done)
    },
    async release(unit) {
      const done = await queue.put({ kind: 'release', unit })
      return done.kind === 'released' ? done.result : unexpected(done)
    },
    async decide(unit) {
      const done = await queue.put({ kind: 'decide', unit })
      return done.kind === 'decided' ? done.result : unexpected(done)
    },
    async stick(unit) {
      const beganMs = options.clock.now()
      if (carried.has(unit, beganMs)) return
      const { runs } = carried
      await queue.put({ kind: 'stick', unit })
      if (carried.runs === runs) carried.add(unit, beganMs)
    },
    async startRun(unit) {
      await queue.put({ kind: 'startRun', unit })
      carried.runStarted()
    },
    async tell(unit) {
      const done = await queue.put({ kind: 'tell', unit })
      return done.kind === 'told' ? done.result : unexpected(done)
    },
    async finish(unit) {
      await queue.put({ kind: 'finish', unit })
    },
    async changeHold(unit) {
      const done = await queue.put({ kind: 'changeHold', unit })
      return done.kind === 'applied' ? done.applied : unexpected(done)
    },
    async cancelUnstarted(callId, why) {
      await queue.put({ kind: 'cancelUnstarted', callId, why })
    },
    async resolve(callId, by, effect, evidence) {
      const done = await queue.put({ kind: 'resolve', callId, by, effect, evidence })
      return done.kind === 'applied' ? done.applied : unexpected(done)
    },
    async note(callId, body) {
      await queue.put({ kind: 'note', callId, body })
    },
  }
}

function unexpected(result: UnitResult): never {
  throw new GatewayError('INTERNAL', 'the record gave an answer of another kind', { cause: result.kind })
}

const mustBeWritten = ({ kind }: Unit): boolean => kind === 'finish' || kind === 'cancelUnstarted'

class UnitQueue {
  #waiting: Pending[] = []
  #writing: Pending[] = []
  #delivered = new Set<CallId>()
  #busy = false
  #closed: Promise<void> | undefined
  #sweeper: NodeJS.Timeout | undefined
  #idle: NodeJS.Timeout | undefined
  #drained: (() => void) | undefined

  constructor(readonly options: RecorderOptions) {}

  depth(): number {
    return this.#waiting.length + this.#writing.length
  }

  /** Resolves with anything but `failed`; rejects with the failure. */
  put(unit: Unit): Promise<Exclude<UnitResult, { kind: 'failed' }>> {
    return new Promise((resolve, reject) => {
      const settle = (result: UnitResult): void => {
        if (result.kind !== 'failed') resolve(result)
        else reject(result.error instanceof GatewayError ? result.error : unavailable(DOWN, result.error))
      }
      if (this.#closed) settle(refuse(CLOSED))
      // Ends always find room: there are never more of them than calls that were let in.
      else if (!mustBeWritten(unit) && this.#waiting.length >= LIMITS.recordQueueUnitsMax) settle(refuse(FULL))
      else this.#enqueue({ unit, deadlineMs: performance.now() + LIMITS.recordWaitMsMax, settle, abandoned: false })
    })
  }

  handOver(callId: CallId): void {
    if (this.#closed) return
    // Beyond the bound the mark is lost: an equal call then joins a result that was handed over, and executes nothing.
    if (this.#delivered.size >= LIMITS.recordQueueUnitsMax) return
    this.#delivered.add(callId)
    this.#idle ??= setTimeout(() => {
      this.#idle = undefined
      if (this.#delivered.size > 0) this.#start()
    }, LIMITS.deliveredIdleMs).unref()
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      if (this.#delivered.size > 0) this.#start()
      if (this.#busy) {
        const tooLong = setTimeout(() => this.#drained?.(), LIMITS.drainMsMax)
        await new Promise<void>((resolve) => {
          this.#drained = resolve
        })
        clearTimeout(tooLong)
      }
      clearInterval(this.#sweeper)
      clearTimeout(this.#idle)
      for (const pending of [...this.#waiting, ...this.#writing]) this.#answer(pending, refuse(CLOSED))
      this.#waiting = []
    })()
    return this.#closed
  }

  #enqueue(pending: Pending): void {
    this.#waiting.push(pending)
    this.#start()
  }

  #start(): void {
    if (this.#busy) return
    this.#busy = true
    this.#sweeper ??= setInterval(() => this.#sweep(), LIMITS.recordWaitMsMax / 20).unref()
    this.#gather()
  }

  /**
   * Begins a batch a few turns of the loop from now, so that what their input brings shares it, and a busy PGlite lets timers and sockets live. A
   * statement costs far more than the units in it; on an idle loop the turns take no time.
   */
  #gather(turns: number = LIMITS.batchTurnsMax): void {
    setImmediate(() => {
      if (turns > 1 && this.#waiting.length < LIMITS.batchUnitsMax) this.#gather(turns - 1)
      else void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#writing = this.#waiting.splice(0, LIMITS.batchUnitsMax)
    const delivered = this.#takeDelivered()
    const units = this.#writing.map(({ unit }) => unit)
    let results: readonly UnitResult[] = []
    let thrown = false
    try {
      results = await this.options.writer.write({ units, delivered })
    } catch (error) {
      thrown = true
      this.options.log?.error({ error }, 'a batch could not be written')
      results = units.map(() => ({ kind: 'failed', error }))
    }
    const batch = this.#writing
    this.#writing = []
    let down = units.length === 0 && thrown
    for (const [index, pending] of batch.entries()) {
      const result = results[index] ?? refuse(DOWN)
      if (result.kind === 'failed') down = this.#failed(pending, result.error) || down
      else this.#succeeded(pending, result)
    }
    // Marking twice is harmless; not at all would keep a call open for others to join.
    if (down) for (const id of delivered) this.handOver(id)
    this.#next(down)
  }

  #next(down: boolean): void {
    if (this.#waiting.length === 0 && (this.#delivered.size === 0 || down)) {
      this.#busy = false
      clearInterval(this.#sweeper)
      this.#sweeper = undefined
      this.#drained?.()
    } else if (down) {
      setTimeout(() => void this.#run(), LIMITS.recordRetryMsMax / 5).unref()
    } else {
      this.#gather()
    }
  }

  /** Marks for calls that are finished in the same batch wait for the next: one statement changes a row once. */
  #takeDelivered(): CallId[] {
    if (this.#delivered.size === 0) return []
    const finishing = new Set(this.#writing.flatMap(({ unit }) => (unit.kind === 'finish' ? [unit.unit.callId] : [])))
    const taken: CallId[] = []
    for (const id of this.#delivered) {
      if (taken.length >= LIMITS.batchUnitsMax) break
      if (!finishing.has(id)) taken.push(id)
    }
    for (const id of taken) this.#delivered.delete(id)
    return taken
  }

  #succeeded(pending: Pending, result: UnitResult): void {
    this.#answer(pending, result)
    const changed = settledCall(pending.unit, result)
    if (changed) this.options.bus?.publish({ kind: 'call', id: changed })
    const undo = pending.abandoned ? compensation(pending.unit, result) : undefined
    if (undo) this.#enqueue({ unit: undo, deadlineMs: 0, settle: () => undefined, abandoned: true })
  }

  /** True where the database is away. */
  #failed(pending: Pending, error: unknown): boolean {
    const away = error instanceof GatewayError && error.code === 'UNAVAILABLE'
    if (!away) this.options.log?.error({ error, unit: pending.unit.kind }, 'the database refused to write a unit')
    if (away && mustBeWritten(pending.unit)) this.#waiting.push(pending)
    else this.#answer(pending, { kind: 'failed', error })
    return away
  }

  #answer(pending: Pending, result: UnitResult): void {
    if (!pending.abandoned) pending.settle(result)
  }

  /** Answers those that waited too long. What was not begun is dropped, but for outcomes. */
  #sweep(): void {
    const now = performance.now()
    const patienceMs = LIMITS.recordWaitMsMax - LIMITS.recordAwayWaitMsMax
    const hurry = this.options.writer.isAway()
    for (const pending of [...this.#waiting, ...this.#writing]) {
      // Who has executed waits longer: there is an answer to hand over.
      const leftMs = pending.deadlineMs - now - (hurry && !mustBeWritten(pending.unit) ? patienceMs : 0)
      if (pending.abandoned || leftMs > 0) continue
      pending.settle(refuse(hurry ? DOWN : SLOW))
      pending.abandoned = true
    }
    this.#waiting = this.#waiting.filter(({ abandoned, unit }) => !abandoned || mustBeWritten(unit))
  }
}
