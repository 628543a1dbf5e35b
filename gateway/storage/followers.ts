import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import type { Bus } from '../ports/bus.ts'
import type { EntrySealer } from '../ports/entry-sealer.ts'
import type { Log } from '../ports/telemetry.ts'
import type { Database } from './database.ts'
import { SinkRefused } from '../ports/sink.ts'
import {
  type Carrier,
  carryPage,
  discoverProcesses,
  enterFollower,
  type Follower,
  leaseFollower,
  takePage,
  type Waiting,
  waitingProcesses,
  waitingSince,
} from './follower-positions.ts'
import type { Writer } from './writer.ts'

export type { Carrier, Follower } from './follower-positions.ts'

export interface FollowersOptions {
  database: Database
  sealer: EntrySealer
  writer: Pick<Writer, 'process'>
  bus: Bus
  clock: Clock
  /** Told of every failure of a follower. */
  onFailure?: (follower: string) => void
  log?: Log
}

export interface RunningFollowers {
  /** Seconds that the oldest entry waits which a follower has not taken, 0 where it has taken all: whoever's turn it is. Throws what the database threw. */
  lagSeconds(): Promise<ReadonlyMap<string, number>>
  /** 1 for each carrier whose receiver will never take what it is given, as this process found, 0 for the others. */
  stopped(): ReadonlyMap<string, number>
  /** Lets pages that are being taken end. Calling it twice is harmless. */
  close(): Promise<void>
}

/**
 * Has followers read the record until `close`, each entry once: of all replicas, one reads for a follower at a time, and another goes on within
 * `LIMITS.followerLeaseMs` and a second of its end, at once where it said goodbye. Woken by signals of the bus, otherwise each second. A follower
 * that fails stops alone and tries again, at most `LIMITS.followerRetryMsMax` later. One whose receiver refuses for good (`SinkRefused`) stops until this
 * process starts anew.
 */
export function startFollowers(followers: readonly (Follower | Carrier)[], options: FollowersOptions): RunningFollowers {
  const readers = followers.map((follower) => new Reader(follower, options))
  const unsubscribe = options.bus.subscribe(() => {
    for (const reader of readers) reader.wake()
  })
  const running = Promise.all(readers.map((reader) => reader.run()))
  const names = followers.map(({ name }) => name)
  return {
    async lagSeconds() {
      const since = await waitingSince(options.database.db, names)
      const now = options.clock.now()
      return new Map(names.map((name) => [name, Math.max(0, now - (since.get(name) ?? now)) / 1_000]))
    },
    stopped: () =>
      new Map(readers.flatMap(({ follower, stopped }) => ('carry' in follower ? [[follower.name, Number(stopped)] as const] : []))),
    async close() {
      unsubscribe()
      for (const reader of readers) reader.close()
      await running
      for (const { follower } of readers) if ('carry' in follower) await follower.close()
    },
  }
}

class Reader {
  stopped = false
  readonly #closing = new AbortController()
  readonly #leaseMs: number
  #entered = false
  #leasedUntilMs = 0
  /** Up to when processes were looked for, by the database's clock; null where the lease is new. */
  #discoveredMs: number | null = null
  /** Something was committed since the turn began. */
  #signalled = false
  #closed = false
  #endPause: (() => void) | undefined
  #endWait: (() => void) | undefined

  constructor(
    readonly follower: Follower | Carrier,
    readonly options: FollowersOptions,
  ) {
    this.#leaseMs = 'carry' in follower ? LIMITS.sinkLeaseMs : LIMITS.followerLeaseMs
  }

  wake(): void {
    this.#signalled = true
    this.#endWait?.()
  }

  close(): void {
    this.#closed = true
    this.#closing.abort()
    this.#endPause?.()
  }

  async run(): Promise<void> {
    for (let failures = 0; !this.#closed && !this.stopped; ) {
      try {
        this.#signalled = false
        const more = await this.#turn()
        failures = 0
        await this.#pause(LIMITS.followerRestMs)
        if (!more) await this.#signalOrPoll()
      } catch (error) {
        if (this.#closed) return
        const { name } = this.follower
        this.options.onFailure?.(name)
        if (error instanceof SinkRefused) {
          this.stopped = true
          this.options.log?.error(
            { error, follower: name },
            'a sink stopped: its receiver will never take what it is given; put that right and start gatehouse again, which goes on from the same entry',
          )
          return
        }
        const retryMs = Math.min(LIMITS.pollMs * 2 ** failures++, LIMITS.followerRetryMsMax)
        this.options.log?.error(
          { error, follower: name, retryMs },
          'a follower of the record failed and will try again from the same entry',
        )
        await this.#pause(retryMs)
      }
    }
  }

  /** Reads at most `LIMITS.followerPagesPerTurnMax` pages, in turns of the processes that have any. True where there may be more. */
  async #turn(): Promise<boolean> {
    const { db } = this.options.database
    const { name } = this.follower
    if (!this.#entered) await this.#enter()
    if (!(await this.#leased())) return false
    this.#discoveredMs = await discoverProcesses(db, name, this.#discoveredMs)
    const waiting: Waiting[] = [...(await waitingProcesses(db, name))]
    for (let pages = 0; pages < LIMITS.followerPagesPerTurnMax; pages++) {
      const next = waiting.shift()
      if (!next || this.#closed || !(await this.#leased())) return false
      if (await this.#read(next)) waiting.push(next)
      await nextTurn()
    }
    return waiting.length > 0
  }

  async #enter(): Promise<void> {
    const floor = await enterFollower(this.options.database.db, this.follower)
    this.#entered = true
    if (floor > 0)
      this.options.log?.warn(
        { follower: this.follower.name, floor },
        'a follower is new and begins where the log does: older entries were removed',
      )
  }

  /** One page. True where there may be more. */
  async #read(next: Waiting): Promise<boolean> {
    const { follower, options } = this
    const source = { db: options.database.db, sealer: options.sealer }
    if ('carry' in follower) return await carryPage(source, follower, next, this.#closing.signal)
    return (await takePage(source, follower, next)) >= LIMITS.followerPageEntriesMax
  }

  /** Whether it is ours to read. The lease saves work only: positions are moved under a lock. */
  async #leased(): Promise<boolean> {
    const nowMs = performance.now()
    if (nowMs < this.#leasedUntilMs - this.#leaseMs / 2) return true
    const had = this.#leasedUntilMs > 0
    const { database, writer } = this.options
    const has = await leaseFollower(database.db, this.follower.name, writer.process(), this.#leaseMs)
    this.#leasedUntilMs = has ? nowMs + this.#leaseMs : 0
    if (!has || !had) this.#discoveredMs = null
    return has
  }

  /** Signals are for whoever has the lease: the others look whether it is free. */
  async #signalOrPoll(): Promise<void> {
    const leads = this.#leasedUntilMs > 0
    if (leads && this.#signalled) return
    if (leads) this.#endWait = () => this.#endPause?.()
    await this.#pause(LIMITS.pollMs - LIMITS.followerRestMs)
    this.#endWait = undefined
  }

  async #pause(ms: number): Promise<void> {
    if (this.#closed) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms).unref()
    this.#endPause = resolve
    await promise
    clearTimeout(timer)
  }
}
