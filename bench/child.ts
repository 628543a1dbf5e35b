import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const START_MS_MAX = 60_000
const END_MS_MAX = 15_000
/** Processes run what was built, also where a test runs this from the sources. */
const BUILT = import.meta.url.endsWith('.ts') ? new URL('../dist/bench/', import.meta.url) : new URL('./', import.meta.url)

/** A process of the benchmark that answers one question at a time. */
export class Child {
  readonly #process: ChildProcess

  private constructor(process: ChildProcess) {
    this.#process = process
  }

  /** Starts a module of this folder (`./servers/upstream.js`) and waits for its first word. Throws where it ends or stays silent instead. */
  static async start<T>(
    module: string,
    args: readonly string[],
    { apiKey, stderr = 'inherit' }: StartOptions,
  ): Promise<{ child: Child; said: T }> {
    const child = new Child(
      fork(fileURLToPath(new URL(module, BUILT)), [...args], {
        env: { ...process.env, BENCH_API_KEY: apiKey },
        execArgv: [],
        stdio: ['ignore', 'ignore', stderr, 'ipc'],
      }),
    )
    try {
      return { child, said: await child.#next<T>(START_MS_MAX) }
    } catch (error) {
      await child.close()
      throw error
    }
  }

  ask<T>(question: object, waitMs: number): Promise<T> {
    const answer = this.#next<T>(waitMs)
    this.#process.send(question)
    return answer
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  get isAlive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** Ends it as an outage would. */
  async kill(): Promise<void> {
    if (!this.isAlive) return
    const gone = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await gone
  }

  /** Lets it end; one that does not is ended. */
  async close(): Promise<void> {
    if (!this.isAlive) return
    const gone = once(this.#process, 'exit')
    if (this.#process.connected) this.#process.disconnect()
    const late = new AbortController()
    const force = sleep(END_MS_MAX, undefined, { signal: late.signal }).then(
      () => this.#process.kill('SIGKILL'),
      () => undefined,
    )
    await gone
    late.abort()
    await force
  }

  #next<T>(waitMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer)
        this.#process.off('message', heard).off('exit', gone)
      }
      const heard = (message: { value?: T; error?: string }): void => {
        end()
        if (message.error === undefined) resolve(message.value as T)
        else reject(new Error(message.error))
      }
      const gone = (code: number | null): void => {
        end()
        reject(new Error(`${this.#process.spawnargs[1]} ended with ${code}`))
      }
      const timer = setTimeout(() => {
        end()
        reject(new Error(`${this.#process.spawnargs[1]} gave no answer in ${waitMs} ms`))
      }, waitMs)
      this.#process.on('message', heard).on('exit', gone)
    })
  }
}

export interface StartOptions {
  apiKey: string
  /** A file descriptor for what it says; this process's own by default. */
  stderr?: number | 'inherit'
}
