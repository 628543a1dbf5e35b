import { randomBytes } from 'node:crypto'
import { createClient } from 'redis'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Bus, Signal } from '../ports/bus.ts'
import type { Log } from '../ports/telemetry.ts'
import { createInProcessBus } from './in-process.ts'

export interface RedisBusOptions {
  /** `redis:` or `rediss:`, with user, password and database where there are any. Never logged. */
  url: string
  /** Processes of one organisation hear each other. */
  organisation: string
  log?: Log
}

/** A bus that holds a connection until it is closed. */
export interface RunningBus extends Bus {
  /** True while other processes hear this one and are heard. */
  connected(): boolean
  /** Hears and tells nobody any more. Resolves when the connection is gone; calling it twice is harmless. */
  close(): Promise<void>
}

/**
 * Wakes listeners of this process at once, as the in-process bus does, and those of other processes through Redis (6 or later). Nothing waits for it
 * and nothing fails by it: while Redis is away signals to others are dropped, and the connection is tried again for as long as the bus is open.
 */
export function createRedisBus(options: RedisBusOptions): RunningBus {
  const bus = new RedisBus(options)
  bus.start()
  return bus
}

const connectionOf = (url: string) =>
  createClient({
    url,
    // One connection publishes and listens; before version 3 of the protocol a listener could say nothing else.
    RESP: 3,
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
    // Trying again is done here, so that a server that hangs is left as one that is gone.
    socket: { connectTimeout: LIMITS.busTimeoutMsMax, reconnectStrategy: false },
  })
type Connection = ReturnType<typeof connectionOf>

class RedisBus implements RunningBus {
  readonly #options: RedisBusOptions
  readonly #local: Bus
  readonly #channel: string
  /** Marks what this process said, since Redis says it back. */
  readonly #from = randomBytes(8).toString('hex')
  /** For the next message, each once. */
  readonly #queued = new Set<string>()
  #connection: Connection | undefined
  #sending = false
  #running: Promise<void> | undefined
  readonly #closing = new AbortController()

  constructor(options: RedisBusOptions) {
    this.#options = options
    this.#local = createInProcessBus(options.log)
    this.#channel = `gatehouse:${options.organisation}:signals`
  }

  start(): void {
    this.#running ??= this.#run()
  }

  publish(signal: Signal): void {
    this.#local.publish(signal)
    if (!this.#connection || this.#queued.size >= LIMITS.busSignalsQueuedMax) return
    this.#queued.add(wordOf(signal))
    this.#send()
  }

  subscribe(listener: (signal: Signal) => void): () => void {
    return this.#local.subscribe(listener)
  }

  connected(): boolean {
    return this.#connection !== undefined
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  /** One message is under way at a time, so that the signals of a busy moment travel together. */
  #send(): void {
    const connection = this.#connection
    if (this.#sending || !connection || this.#queued.size === 0) return
    this.#sending = true
    setImmediate(() => {
      const words = [...this.#queued].slice(0, LIMITS.busSignalsPerMessageMax)
      for (const word of words) this.#queued.delete(word)
      connection
        .publish(this.#channel, `${this.#from} ${words.join(' ')}`)
        // What could not be sent is lost, as the port allows; a broken connection is noticed where it is held.
        .catch(() => undefined)
        .finally(() => {
          this.#sending = false
          this.#send()
        })
    })
  }

  #hear(message: string): void {
    if (message.length > LIMITS.busMessageCharsMax) return
    const [from, ...words] = message.split(' ')
    if (from === this.#from) return
    for (const word of words) {
      const signal = signalOf(word)
      if (signal) this.#local.publish(signal)
    }
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#closing.signal.aborted; ) {
      const error = await this.#connect(() => {
        failures = 0
        this.#options.log?.info({}, 'the bus between processes is connected')
      })
      if (this.#closing.signal.aborted) return
      // Said once, not at every try.
      if (failures === 0) this.#options.log?.warn({ error }, 'the bus between processes is away: other processes are followed by polling')
      await this.#pause(Math.min(LIMITS.busRetryMsMin * 2 ** failures, LIMITS.busRetryMsMax))
      failures = Math.min(failures + 1, 16)
    }
  }

  /** Holds one connection for as long as it lasts. Resolves with why it ended; never throws. */
  async #connect(onConnected: () => void): Promise<unknown> {
    const { promise: ended, resolve: end } = Promise.withResolvers<unknown>()
    const onClosing = (): void => end(undefined)
    this.#closing.signal.addEventListener('abort', onClosing)
    const deadline = setTimeout(() => end(new Error('no answer')), LIMITS.busTimeoutMsMax)
    const connection = connectionOf(this.#options.url)
    connection.on('error', end)
    connection.on('end', () => end(new Error('the connection ended')))
    connection
      .connect()
      .then(() => connection.subscribe(this.#channel, (message) => this.#hear(message)))
      .then(() => {
        clearTimeout(deadline)
        if (this.#closing.signal.aborted) return
        this.#connection = connection
        onConnected()
      })
      .catch(end)
    const stopWatching = this.#watch(connection, end)
    const why = await ended
    clearTimeout(deadline)
    stopWatching()
    this.#closing.signal.removeEventListener('abort', onClosing)
    this.#connection = undefined
    this.#queued.clear()
    connection.destroy()
    return why
  }

  /** Ends a connection whose server does not answer any more, though nothing broke. */
  #watch(connection: Connection, end: (why: unknown) => void): () => void {
    let asked = false
    const timer = setInterval(() => {
      if (this.#connection !== connection) return
      if (asked) return end(new Error('no answer'))
      asked = true
      connection.ping().then(() => {
        asked = false
      }, end)
    }, LIMITS.busTimeoutMsMax).unref()
    return () => clearInterval(timer)
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    // Replicas that lost the same server do not come back in step.
    const timer = setTimeout(resolve, ms * (0.5 + Math.random() / 2))
    const onClosing = (): void => resolve()
    this.#closing.signal.addEventListener('abort', onClosing)
    await promise
    clearTimeout(timer)
    this.#closing.signal.removeEventListener('abort', onClosing)
  }
}

const wordOf = (signal: Signal): string => (signal.kind === 'call' ? signal.id : signal.kind)

/** What others sent is not trusted: words that are no signal are left out, and a signal only has the store read again. */
function signalOf(word: string): Signal | undefined {
  if (word === 'agents' || word === 'policies') return { kind: word }
  return /^call_[0-9a-z]{26}$/.test(word) ? { kind: 'call', id: word as CallId } : undefined
}
