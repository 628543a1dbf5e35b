import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createInProcessBus } from '../gateway/bus/in-process.ts'
import { instant } from '../gateway/core/clock.ts'
import { createDialer } from '../gateway/egress/dialer.ts'
import { openSinks } from '../gateway/open-sinks.ts'
import type { SinkSettings } from '../gateway/ports/sink.ts'
import { createRecorder } from '../gateway/record/recorder.ts'
import { openStorage, type Storage } from '../gateway/storage/open-storage.ts'
import { freshPglite, freshPostgres, type TestDatabase } from '../gateway/storage/test-databases.ts'
import { finished, permitted } from '../gateway/storage/test-units.ts'
import { Child } from './child.ts'
import { percentile } from './statistics.ts'

/** A decision, an intent and an outcome. */
const ENTRIES_OF_A_CALL = 3
const AT_ONCE = 64
const CALLS_PER_SECOND = 100
const CALLS = 500
const SECRET = `whsec_${randomBytes(32).toString('base64')}`
const NOTE = 'An invoice of the usual length, with what belongs to it. '.repeat(5)

const clock = { now: () => instant(Date.now()) }
const log = { info() {}, warn() {}, error: (fields: object, message: string) => console.error(message, fields) }
const opened = ({ options }: TestDatabase): Promise<Storage> => openStorage({ ...options, clock, bus: createInProcessBus(), log })

/** Records whole calls: what a gateway writes of each. Gives the milliseconds of each, from asking for the first commit until the second has come. */
function caller(storage: Storage) {
  const recorder = createRecorder({ writer: storage.writer, clock, bus: createInProcessBus(), log })
  const call = async (): Promise<number> => {
    const startedMs = performance.now()
    const { guards: _, ...unit } = permitted(clock, { input: { note: NOTE, n: startedMs } })
    await recorder.admit(unit)
    await recorder.finish(finished(unit.call.id, unit.intent))
    return performance.now() - startedMs
  }
  return { call, close: () => recorder.close() }
}

async function fill(database: TestDatabase, entries: number): Promise<void> {
  const storage = await opened(database)
  const { call, close } = caller(storage)
  let left = Math.ceil(entries / ENTRIES_OF_A_CALL)
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left-- > 0) await call()
    }),
  )
  await close()
  await storage.close()
}

/** Calls at a fixed rate, whether or not earlier ones are done, until `CALLS` were made or `enough` says so. */
async function latencies(call: () => Promise<number>, enough: () => boolean): Promise<readonly number[]> {
  const startedMs = performance.now()
  const made: Promise<number>[] = []
  while (made.length < CALLS && !enough()) {
    const waitMs = startedMs + (made.length * 1_000) / CALLS_PER_SECOND - performance.now()
    if (waitMs > 0) await sleep(waitMs)
    made.push(call())
  }
  return await Promise.all(made)
}

const tell = (times: readonly number[]): string =>
  `${percentile(times, 50).toFixed(1)} / ${percentile(times, 99).toFixed(1)} ms (${times.length} calls)`

interface Carried {
  entries: number
  seconds: number
  cpuMs: number
  /** Of calls just before it began to carry, and while it carried. */
  before: readonly number[]
  times: readonly number[]
}

/** Has one sink carry all there is, with calls beside it where `busy`. */
async function carry(database: TestDatabase, settings: SinkSettings, busy: boolean): Promise<Carried> {
  const storage = await opened(database)
  await storage.takeOverLapsed()
  const { entries } = await storage.database.db
    .selectFrom('entry')
    .select((eb) => eb.fn.countAll<number>().as('entries'))
    .executeTakeFirstOrThrow()
  const { call, close } = caller(storage)
  const deps = { organisation: 'acme', version: '0', dialer: createDialer({ development: false }), clock, calls: storage.calls }
  const before = busy ? await latencies(call, () => false) : []
  const startedMs = performance.now()
  const cpu = process.cpuUsage()
  const followers = storage.follow(openSinks([settings], deps))
  let done = false
  const calling = busy ? latencies(call, () => done) : Promise.resolve([])
  // What calls write beside it keeps it a little behind, so it has carried all there was once it is less than half a second behind.
  while ([...(await followers.lagSeconds()).values()].some((seconds) => seconds > 0.5) || !(await begun(storage, settings.name)))
    await sleep(20)
  done = true
  const { user, system } = process.cpuUsage(cpu)
  const seconds = (performance.now() - startedMs) / 1_000
  const times = await calling
  await close()
  await storage.close()
  return { entries, seconds, cpuMs: (user + system) / 1_000, before, times }
}

/** A sink that has not looked for processes yet is behind in nothing. */
async function begun({ database }: Storage, name: string): Promise<boolean> {
  const rows = await database.db
    .selectFrom('follower_position')
    .select('seq')
    .where('follower', '=', `sink:${name}`)
    .where('seq', '>', 0)
    .limit(1)
    .execute()
  return rows.length > 0
}

async function run(database: TestDatabase, entries: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-sinks-'))
  const { child, said } = await Child.start<{ url: string }>('./servers/hooks.js', [], { apiKey: '' })
  try {
    await fill(database, entries)
    console.log(`\n${database.kind}, ${entries.toLocaleString('en')} entries\n`)
    console.log(
      '| sink | entries/s | CPU us an entry | bytes an entry | two commits of a call just before, p50 / p99 | meanwhile |\n|---|--:|--:|--:|--:|--:|',
    )
    for (const format of ['entry', 'ocsf'] as const) {
      for (const kind of ['file', 'webhook'] as const) {
        const of = (name: string): SinkSettings => ({
          ...{ name, format, kinds: 'all', payloads: false },
          to:
            kind === 'file'
              ? { kind, path: join(folder, `${name}.ndjson`) }
              : { kind, url: said.url, secret: SECRET, egress: ['127.0.0.1'] },
        })
        const idle = await carry(database, of(`${kind}-${format}`), false)
        const { before, times } = await carry(database, of(`${kind}-${format}-busy`), true)
        const bytes = kind === 'file' ? String(Math.round(statSync(join(folder, `${kind}-${format}.ndjson`)).size / idle.entries)) : ''
        console.log(
          `| ${kind}, ${format} | ${Math.round(idle.entries / idle.seconds)} | ${Math.round((idle.cpuMs * 1_000) / idle.entries)} | ${bytes} | ${tell(before)} | ${tell(times)} |`,
        )
      }
    }
  } finally {
    await child.close()
    await database.drop()
    rmSync(folder, { recursive: true, force: true })
  }
}

const [kind = 'pglite', entries = '50000'] = process.argv.slice(2)
const database = kind === 'postgres' ? await freshPostgres('sinks') : freshPglite()
if (database) await run(database, Number(entries))
