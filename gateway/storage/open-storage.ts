import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../core/clock.ts'
import type { CallId } from '../core/ids.ts'
import type { Person } from '../core/principal.ts'
import { LIMITS } from '../limits.ts'
import type { Bus } from '../ports/bus.ts'
import type { CallFigures } from '../ports/call-figures.ts'
import type { CallStore } from '../ports/call-store.ts'
import type { Erasure } from '../ports/erasure.ts'
import type { EntrySealer } from '../ports/entry-sealer.ts'
import type { CredentialStore } from '../ports/credential-store.ts'
import type { NoticeQueue } from '../ports/notice-queue.ts'
import type { DriftStore } from '../ports/drift-store.ts'
import type { Grants } from '../ports/grants.ts'
import type { LogStore, PublishedLog } from '../ports/log.ts'
import type { PlaybookStore } from '../ports/playbook-store.ts'
import type { PolicySets } from '../ports/policy-sets.ts'
import type { CountedSeries } from '../ports/recorder.ts'
import type { RecordSearch } from '../ports/record-search.ts'
import type { AgentSeed } from '../ports/registry.ts'
import type { Log } from '../ports/telemetry.ts'
import { callFiguresOn } from './call-figure-rows.ts'
import { callStoreOn } from './call-store.ts'
import { credentialStoreOn } from './credentials.ts'
import { prepareCounters } from './counter-series.ts'
import { type Database, type DatabaseKind, openDatabase } from './database.ts'
import { erasureOn } from './erasure.ts'
import { type Carrier, type Follower, type RunningFollowers, startFollowers } from './followers.ts'
import { driftStoreOn } from './drifts.ts'
import { grantsOn } from './grant-store.ts'
import { startMaintenance, takeOverLapsed } from './maintenance.ts'
import { noticeQueueOn } from './notices.ts'
import { logStoreOn } from './log.ts'
import { publishedLogOn } from './published-log.ts'
import { playbookStoreOn } from './playbooks.ts'
import { policySetsOn } from './policy-sets.ts'
import { recordSearchOn } from './record-search.ts'
import { reuseRoom } from './pruning.ts'
import type { Retention } from './retention.ts'
import { createRegistry, type RunningRegistry } from './registry.ts'
import { countUnsettled, type Unsettled } from './unsettled.ts'
import { openWriter, type Writer } from './writer.ts'

export interface StorageOptions {
  /** `postgres://...`; absent: PGlite in the data directory. */
  databaseUrl?: string
  dataDir: string
  /** Of payloads: the same on every replica. */
  sealer: EntrySealer
  clock: Clock
  bus: Bus
  /** For how long entries, payloads and answers are kept; absent for ever. */
  retention?: Retention
  log?: Log
}

export interface Storage {
  readonly kind: DatabaseKind
  readonly database: Database
  readonly sealer: EntrySealer
  /** What a recorder drives. */
  readonly writer: Writer
  readonly calls: CallStore
  readonly figures: CallFigures
  readonly log: LogStore
  readonly published: PublishedLog
  readonly search: RecordSearch
  readonly credentials: CredentialStore
  readonly policySets: PolicySets
  readonly notices: NoticeQueue
  readonly drifts: DriftStore
  readonly playbooks: PlaybookStore
  readonly grants: Grants
  readonly erasure: Erasure
  /** Registers configuration's agents and loads all. Closed with the storage. */
  registry(seeds: readonly AgentSeed[], people: readonly Person[]): Promise<RunningRegistry>
  /** Fills in the past of series that a policy set is about to count. May take long, runs beside live calls, and may be run again. */
  prepareCounters(series: readonly CountedSeries[]): Promise<void>
  /** True where the database takes writes, and says so within `LIMITS.readyWaitMsMax`. */
  ready(): Promise<boolean>
  /** What waits for people, each counted up to `LIMITS.unsettledCountedMax`. Throws what the database threw. */
  unsettled(): Promise<Unsettled>
  /** Ends what lapsed processes left behind; run once at the start, before calls are taken, and by maintenance from then on. */
  takeOverLapsed(): Promise<readonly CallId[]>
  /** Heartbeats and housekeeping until `close`. */
  startMaintenance(): void
  /** Has followers read the record until `close`; `onFailure` is told of each that fails, every time. Call it once. */
  follow(
    followers: readonly (Follower | Carrier)[],
    onFailure?: (follower: string) => void,
  ): Pick<RunningFollowers, 'lagSeconds' | 'stopped'>
  /** Ends everything, the process's own place in the record too. Close the recorder before. Calling it twice is harmless. */
  close(): Promise<void>
}

/** Asks one question at a time, however many ask: a server that hangs takes one connection for it. */
function readiness({ pool }: Database, writer: Writer): () => Promise<boolean> {
  let asked: Promise<boolean> | undefined
  return async () => {
    asked ??= pool
      .query('select 1')
      // Not all that answers takes writes: a standby, a disk that is full.
      .then(() => writer.beat())
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        asked = undefined
      })
    const late = new AbortController()
    const waited = sleep(LIMITS.readyWaitMsMax, false, { ref: false, signal: late.signal }).catch(() => false)
    const answered = await Promise.race([asked, waited])
    late.abort()
    return answered
  }
}

/** Opens the database and everything that speaks SQL. Throws UNAVAILABLE, DATA_LOCKED. */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const { sealer, clock, bus, retention, log } = options
  const database = await openDatabase(options)
  const opening = reuseRoom(database, log).then(() => openWriter(database, sealer, clock, log))
  const writer = await opening.catch(async (error: unknown) => {
    await database.close()
    throw error
  })
  const logged = log ? { log } : {}
  let following: readonly string[] = []
  const followers = () => following
  const maintenance = { database, sealer, writer, bus, clock, followers, ...(retention && { retention }), ...logged }
  const registries: RunningRegistry[] = []
  let stopMaintenance: (() => Promise<void>) | undefined
  let running: RunningFollowers | undefined
  let closed: Promise<void> | undefined
  return {
    kind: database.kind,
    database,
    sealer,
    writer,
    figures: callFiguresOn(database.db, clock),
    log: logStoreOn(database.db),
    published: publishedLogOn(database.db),
    search: recordSearchOn(database.db),
    calls: callStoreOn({ db: database.db, sealer }),
    credentials: credentialStoreOn(database.db, writer),
    policySets: policySetsOn(database.db, writer, clock),
    notices: noticeQueueOn(database.db, writer),
    drifts: driftStoreOn(database.db, writer),
    playbooks: playbookStoreOn(database.db, writer),
    grants: grantsOn(database.db, writer, clock),
    erasure: erasureOn(writer),
    async registry(seeds, people) {
      const registry = await createRegistry({ db: database.db, writer, bus, seeds, people, ...logged })
      registries.push(registry)
      return registry
    },
    prepareCounters: (series) => prepareCounters(database.db, clock, series),
    ready: readiness(database, writer),
    unsettled: () => countUnsettled(database.db, clock.now() + LIMITS.holdExpiringMs, LIMITS.unsettledCountedMax),
    takeOverLapsed: () => takeOverLapsed(maintenance),
    startMaintenance() {
      stopMaintenance ??= startMaintenance(maintenance)
    },
    follow(readers, onFailure) {
      following = readers.map(({ name }) => name)
      running = startFollowers(readers, { ...maintenance, ...(onFailure ? { onFailure } : {}) })
      return running
    },
    close() {
      closed ??= (async () => {
        await running?.close()
        await stopMaintenance?.()
        for (const registry of registries) await registry.close()
        await writer.close()
        await database.close()
      })()
      return closed
    },
  }
}
