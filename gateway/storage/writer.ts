import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { BatchWriter } from '../ports/batch-writer.ts'
import type { EntrySealer } from '../ports/entry-sealer.ts'
import type { Log } from '../ports/telemetry.ts'
import { writeUnits } from './batches.ts'
import { type HotUnit, writeHot } from './batch-statement.ts'
import type { Database } from './database.ts'
import { insertEntries, type PendingEntry, pendingEntry, type SealedEntry, sealEntry } from './entries.ts'
import { isOutage, unavailable } from './outage.ts'
import { beat, endProcess, holdSession, insertProcess, renewSession } from './processes.ts'
import type { Append, HotResult, TransactionScope, Transactions } from './transaction-scope.ts'

/** The one place where this process writes entries: one transaction at a time, dense numbers, fenced by its session. */
export interface Writer extends BatchWriter, Transactions {
  /** This process's id in the record. */
  readonly process: () => string
  /** Says that the process lives. Throws what the database threw. */
  beat(): Promise<void>
  /** Lets the running transaction end, declares the process gone, and refuses everything after. */
  close(): Promise<void>
}

interface Place {
  process: string
  session: number
  /** Of the next entry. */
  seq: number
}

class Fenced extends Error {}

const newProcessId = (): string => `p${randomBytes(10).toString('hex')}`

/** Opens this process's place in the record: a fresh id, its numbers from 1. Throws what the database threw. */
export async function openWriter(database: Database, sealer: EntrySealer, clock: Clock, log?: Log): Promise<Writer> {
  const writer = new RecordWriter(database, sealer, clock, log)
  await writer.open()
  return writer
}

class RecordWriter implements Writer {
  #place: Place = { process: newProcessId(), session: 1, seq: 1 }
  #entered = false
  #last: Promise<unknown> = Promise.resolve()
  #lastMs = 0
  #away = false
  readonly #closing = new AbortController()

  constructor(
    readonly database: Database,
    readonly sealer: EntrySealer,
    readonly clock: Clock,
    readonly log: Log | undefined,
  ) {}

  readonly process = (): string => this.#place.process

  readonly isAway = (): boolean => this.#away

  async open(): Promise<void> {
    await insertProcess(this.database.db, this.#place.process)
    this.#entered = true
  }

  /** Batches wait for as long as it takes: the recorder answers those that wait too long, and follows up what became of them. */
  write: BatchWriter['write'] = (batch) =>
    writeUnits({ transact: (work) => this.#alone(() => this.#inTransaction(work)), hot: (...batch) => this.hot(...batch) }, batch)

  transact<T>(work: (scope: TransactionScope) => Promise<T>): Promise<T> {
    let late = false
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const timer = setTimeout(() => {
      late = true
      reject(new GatewayError('UNAVAILABLE', 'the record did not answer in time: look whether the change took place before you repeat it'))
    }, LIMITS.recordWaitMsMax).unref()
    this.#alone(() => {
      if (late) throw unavailable(new Error('given up before it began'))
      return this.#inTransaction(work)
    })
      .then(resolve, reject)
      .finally(() => clearTimeout(timer))
    return promise
  }

  #inTransaction<T>(work: (scope: TransactionScope) => Promise<T>): Promise<T> {
    return this.#refenced((place, atMs) => this.#transaction(place, atMs, work))
  }

  hot(units: readonly HotUnit[], entries: readonly (readonly PendingEntry[])[], delivered: readonly CallId[]): Promise<HotResult> {
    const sealed = entries.map((each) => each.map((entry) => sealEntry(this.sealer, entry)))
    return this.#alone(() => this.#refenced((place, atMs) => this.#statement(place, atMs, units, sealed, delivered)))
  }

  async beat(): Promise<void> {
    if (this.#entered) await beat(this.database.db, this.#place.process)
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    await this.#last
    if (!this.#entered) return
    await endProcess(this.database.db, this.#place.process).catch((error: unknown) =>
      this.log?.warn({ error }, 'this process could not be signed off: its calls are taken over once it is seen to be silent'),
    )
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(() => {
      if (this.#closing.signal.aborted) throw unavailable(new Error('the record is closed'))
      return work()
    })
    this.#last = mine.catch(() => undefined)
    return mine
  }

  /** Does the work in the present session; where that is over (a stall in which others declared us gone), once more under a new id. */
  async #refenced<T>(work: (place: Place, atMs: number) => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      this.#lastMs = Math.max(this.#lastMs, this.clock.now())
      try {
        await this.#enter()
        return await work(this.#place, this.#lastMs)
      } catch (error) {
        if (!(error instanceof Fenced)) throw error
        this.log?.warn({ process: this.#place.process }, 'this process was declared gone and goes on under a new id')
        this.#place = { process: newProcessId(), session: 1, seq: 1 }
        this.#entered = false
        if (tries > 0) throw unavailable(error)
      }
    }
  }

  async #enter(): Promise<void> {
    if (this.#entered) return
    try {
      await this.open()
    } catch (error) {
      // It may have been entered all the same; an id is used once.
      this.#place = { process: newProcessId(), session: 1, seq: 1 }
      throw unavailable(error)
    }
  }

  async #transaction<T>(place: Place, atMs: number, work: (scope: TransactionScope) => Promise<T>): Promise<T> {
    const entries: PendingEntry[] = []
    let done: { value: T } | undefined
    let begun = false
    try {
      await this.database.db.transaction().execute(async (tx) => {
        begun = true
        if (!(await holdSession(tx, place.process, place.session))) throw new Fenced()
        const append: Append = (callId, body) => entries.push(pendingEntry(callId, body))
        const value = await work({ tx, append, entries, atMs, ...place })
        const sealed = entries.map((entry) => sealEntry(this.sealer, entry))
        await insertEntries(tx, { process: place.process, seq: place.seq, atMs }, sealed)
        done = { value }
      })
    } catch (error) {
      if (error instanceof Fenced || !isOutage(error)) throw error
      if (!begun) throw unavailable(error)
      const stored = await this.#settle(place, error)
      if (done === undefined || entries.length === 0 || stored.length === 0) throw unavailable(error)
      return done.value
    }
    place.seq += entries.length
    if (done === undefined) throw unavailable(new Error('a transaction ended without a value'))
    return done.value
  }

  async #statement(
    place: Place,
    atMs: number,
    units: readonly HotUnit[],
    entries: readonly (readonly SealedEntry[])[],
    delivered: readonly CallId[],
  ): Promise<HotResult> {
    const client = await this.database.pool.connect().catch((error: unknown) => {
      throw unavailable(error)
    })
    try {
      const { fenced, entries: count, losers } = await writeHot(client, { ...place, atMs }, units, entries, delivered)
      client.release()
      if (!fenced) throw new Fenced()
      place.seq += count
      return { losers, written: () => true }
    } catch (error) {
      if (error instanceof Fenced) throw error
      client.release(isOutage(error))
      if (!isOutage(error)) throw error
      const stored = await this.#settle(place, error)
      if (stored.length === 0) throw unavailable(error)
      const found = recognise(entries, stored)
      return { losers: [], written: (unit) => found[unit] ?? false }
    }
  }

  /**
   * Finds out what was committed of a transaction whose connection broke, and makes sure that nothing of it is committed later: the session is
   * ended first, which waits for what still runs in it. Tries for as long as the database is away.
   */
  async #settle(place: Place, cause: unknown): Promise<readonly StoredEntry[]> {
    this.log?.warn({ error: cause }, 'the database went away during a commit: looking up what was written')
    this.#away = true
    try {
      return await this.#lookUp(place)
    } finally {
      this.#away = false
    }
  }

  async #lookUp(place: Place): Promise<readonly StoredEntry[]> {
    for (let waitMs = 10; ; waitMs = Math.min(2 * waitMs, LIMITS.recordRetryMsMax)) {
      try {
        const session = await renewSession(this.database.db, place.process)
        const rows = await this.database.db
          .selectFrom('entry')
          .select((eb) => ['call_id as callId', 'commitment', eb.cast<string>('body', 'text').as('text')])
          .where('process', '=', place.process)
          .where('seq', '>=', place.seq)
          .orderBy('seq')
          .execute()
        place.seq += rows.length
        // Undefined: declared gone meanwhile. The old session number is kept, so the next transaction is fenced and moves to a new id.
        if (session !== undefined) place.session = session
        return rows
      } catch (error) {
        if (this.#closing.signal.aborted) throw unavailable(error)
        await sleep(waitMs, undefined, { signal: this.#closing.signal }).catch(() => undefined)
      }
    }
  }
}

type StoredEntry = Pick<SealedEntry, 'callId' | 'text' | 'commitment'>

/** Which units are among the stored entries: both are in the same order, and bodies are kept to the letter. */
function recognise(units: readonly (readonly SealedEntry[])[], stored: readonly StoredEntry[]): boolean[] {
  let at = 0
  return units.map((entries) => {
    const found = entries.every(({ callId, text, commitment }, i) => {
      const row = stored[at + i]
      return row?.text === text && row.callId === callId && row.commitment === commitment
    })
    if (found) at += entries.length
    return found
  })
}
