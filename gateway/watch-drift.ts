import type { Drift } from './core/drift.ts'
import { LIMITS } from './limits.ts'
import type { Connector, LiveDescription } from './ports/connector.ts'
import type { DriftStore } from './ports/drift-store.ts'
import type { Log } from './ports/telemetry.ts'
import type { Lease } from './ports/vault.ts'

export interface DriftWatchOptions {
  connectors: Iterable<Connector>
  store: DriftStore
  /** The connector's own credential, as calls use it. */
  lease(connector: string): Promise<Lease | null>
  log: Log
  /** Between two looks at systems that nobody calls; `LIMITS.driftLookMs` where it is left out. */
  everyMs?: number
}

export interface DriftWatch {
  /** Ends what reviewed files have settled meanwhile, then looks now and then until `close`. */
  start(): void
  /** Operations that are refused here for what was seen last. */
  refused(): number
  close(): Promise<void>
}

/**
 * Keeps what systems say of themselves in storage whenever a connector compared it, which it does at every connection, before calls, and here from time to time.
 * What is refused is decided by the connectors alone: a record that is away costs sight, not safety.
 */
export function watchDrift(options: DriftWatchOptions): DriftWatch {
  const watched = [...options.connectors].flatMap((connector) => (connector.live ? [new Watched(connector, connector.live, options)] : []))
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> = Promise.resolve()
  let closed = false
  const look = async (): Promise<void> => {
    for (const each of watched) if (!closed) await each.look()
  }
  return {
    start() {
      for (const each of watched) each.settle()
      timer = setInterval(() => {
        looking = looking.then(look)
      }, options.everyMs ?? LIMITS.driftLookMs).unref()
    },
    refused: () => watched.reduce((sum, { refused }) => sum + refused, 0),
    async close() {
      closed = true
      clearInterval(timer)
      await Promise.all(watched.map((each) => each.close()))
    },
  }
}

/** One connector: what was compared last is written once, in order. */
class Watched {
  refused = 0
  #writing: Promise<void> = Promise.resolve()
  #written: string | undefined
  #pending: readonly Drift[] | undefined
  #closed = false

  constructor(
    readonly connector: Connector,
    readonly live: LiveDescription,
    readonly options: DriftWatchOptions,
  ) {
    live.onCompared((drift) => this.#compared(drift))
  }

  settle(): void {
    const { store, log } = this.options
    this.#queue(async () => {
      const subjects = await store.reviewed(this.connector.name, this.live.reviewed)
      if (subjects.length > 0) log.info({ connector: this.connector.name, subjects: named(subjects) }, 'a changed description was reviewed')
    })
  }

  async look(): Promise<void> {
    try {
      await this.live.look(await this.options.lease(this.connector.name))
    } catch (error) {
      this.options.log.warn({ connector: this.connector.name, error }, 'a system could not be asked for its description')
    }
  }

  close(): Promise<void> {
    this.#closed = true
    return this.#writing
  }

  #compared(drift: readonly Drift[]): void {
    this.refused = drift.filter(({ change }) => change !== 'new').length
    const queued = this.#pending !== undefined
    this.#pending = drift
    if (!queued) this.#queue(() => this.#write())
  }

  async #write(): Promise<void> {
    const drift = this.#pending ?? []
    this.#pending = undefined
    const { name: connector } = this.connector
    const key = JSON.stringify(drift.map(({ subject, change, seenVersion }) => [subject, change, seenVersion]))
    if (key === this.#written) return
    const fresh = await this.options.store.found(connector, drift)
    this.#written = key
    if (fresh.length === 0) return
    this.options.log.warn(
      { connector, changed: named(fresh.filter(({ change }) => change !== 'new').map(({ subject }) => subject)), count: fresh.length },
      'a system describes itself otherwise than it was reviewed: what changed is refused until it is imported anew and reviewed',
    )
  }

  /** A write that fails is tried again by the next comparison. */
  #queue(work: () => Promise<void>): void {
    this.#writing = this.#writing.then(async () => {
      if (this.#closed) return
      await work().catch((error: unknown) => {
        this.options.log.warn({ connector: this.connector.name, error }, 'what a system says of itself could not be recorded')
      })
    })
  }
}

const named = (subjects: readonly string[]): readonly string[] =>
  subjects.slice(0, 20).map((subject) => subject.slice(0, LIMITS.driftSubjectCharsMax))
