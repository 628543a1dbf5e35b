import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type ErrorCode, type Fault, GatewayError } from '../../gateway/core/errors.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { Jobs } from './workshop-jobs.ts'

export type JobName = keyof Jobs
export type JobInput<J extends JobName> = Parameters<Jobs[J]>[0]
export type JobResult<J extends JobName> = Awaited<ReturnType<Jobs[J]>>

/**
 * Where policies that are not in force are parsed, checked, tested and tried. Each job has a thread of its own with its own engine, which ends with
 * it: what hangs, eats memory or breaks the engine down ends only its own thread, never the process or the decider that is in force.
 */
export interface Workshop {
  /**
   * Runs one job; jobs run one after the other, in the order they came. Throws what the job throws, CONFIG_INVALID where it took too long or too
   * much memory or broke the engine down, LIMITED where too many wait, and UNAVAILABLE once closed.
   */
  run<J extends JobName>(name: J, input: JobInput<J>): Promise<JobResult<J>>
  /** Ends the running job and refuses those that wait. Resolves when the thread has gone. */
  close(): Promise<void>
}

export interface WorkshopOptions {
  jobMsMax?: number
  heapMegabytesMax?: number
}

/** What a thread is told. */
export interface JobOrder {
  name: JobName
  input: unknown
}

/** What a thread reports: the job's result, or that it was refused for a reason that people can mend. */
export type JobReport = { value: unknown } | { refused: { code: ErrorCode; message: string; faults: readonly Fault[] } }

interface Waiting {
  order: JobOrder
  done: (value: never) => void
  failed: (error: unknown) => void
}

// A checkout's tests run the sources, which Node reads as they are; everything else runs what was built.
const THREAD = new URL(`./workshop-worker${extname(import.meta.url)}`, import.meta.url)

export function createWorkshop(options: WorkshopOptions = {}): Workshop {
  return new ThreadWorkshop(options)
}

class ThreadWorkshop implements Workshop {
  readonly #jobMsMax: number
  readonly #heapMegabytesMax: number
  readonly #queue: Waiting[] = []
  #running: { worker: Worker; ended: Promise<unknown> } | undefined
  #closed = false

  constructor({ jobMsMax = LIMITS.workshopJobMsMax, heapMegabytesMax = LIMITS.workshopHeapMegabytesMax }: WorkshopOptions) {
    this.#jobMsMax = jobMsMax
    this.#heapMegabytesMax = heapMegabytesMax
  }

  run<J extends JobName>(name: J, input: JobInput<J>): Promise<JobResult<J>> {
    return new Promise((done, failed) => {
      if (this.#closed) failed(closed())
      else if (this.#queue.length >= LIMITS.workshopQueueJobsMax)
        failed(new GatewayError('LIMITED', 'too many policy jobs wait already: try again when some are done', { retryAfterSeconds: 5 }))
      else {
        this.#queue.push({ order: { name, input }, done, failed })
        this.#next()
      }
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const { failed } of this.#queue.splice(0)) failed(closed())
    await this.#running?.worker.terminate()
    await this.#running?.ended
  }

  #next(): void {
    if (this.#running) return
    const waiting = this.#queue.shift()
    if (!waiting) return
    try {
      const worker = this.#thread(waiting.order)
      this.#running = { worker, ended: this.#work(worker, waiting) }
    } catch (cause) {
      // An input that cannot be cloned is a fault of ours, and must not keep the others waiting.
      waiting.failed(cause)
      this.#next()
    }
  }

  #thread(workerData: JobOrder): Worker {
    return new Worker(THREAD, {
      workerData,
      // Nothing of the process's environment is any business of a policy.
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: this.#heapMegabytesMax },
    })
  }

  async #work(worker: Worker, { done, failed }: Waiting): Promise<void> {
    let late = false
    const timer = setTimeout(() => {
      late = true
      void worker.terminate()
    }, this.#jobMsMax)
    let report: JobReport | undefined
    let broken: unknown
    worker.once('message', (message: JobReport) => {
      report = message
      void worker.terminate()
    })
    worker.once('error', (cause) => {
      broken = cause
    })
    await new Promise((ended) => worker.once('exit', ended))
    clearTimeout(timer)
    this.#running = undefined
    this.#next()
    if (report && 'value' in report) done(report.value as never)
    else if (report) failed(new GatewayError(report.refused.code, report.refused.message, { faults: report.refused.faults }))
    else failed(this.#closed ? closed() : this.#lost(late, broken))
  }

  /** Why a thread ended without a word. */
  #lost(late: boolean, cause: unknown): GatewayError {
    const outOfMemory = cause instanceof Error && 'code' in cause && cause.code === 'ERR_WORKER_OUT_OF_MEMORY'
    const why = late
      ? `took longer than ${this.#jobMsMax / 1_000} s and were stopped`
      : outOfMemory
        ? `needed more than ${this.#heapMegabytesMax} MB of memory`
        : 'broke the policy engine down'
    const message = `the policies ${why}: make them fewer, or the largest one simpler`
    return new GatewayError('CONFIG_INVALID', message, { cause, faults: [{ pointer: 'policies', message }] })
  }
}

const closed = (): GatewayError => new GatewayError('UNAVAILABLE', 'the gateway is shutting down: try again elsewhere')
