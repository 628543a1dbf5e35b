import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import { instant } from '../core/clock.ts'
import { LIMITS } from '../limits.ts'
import { openDatabase } from './database.ts'
import { openStorage } from './open-storage.ts'
import { freshPglite, freshPostgres, type TestDatabase } from './test-databases.ts'

const CHILD = fileURLToPath(new URL('./test-follower-child.ts', import.meta.url))
const VIEWS = 4 * LIMITS.followerPageEntriesMax + 7

interface Replica {
  child: ChildProcess
  /** Resolves with the first such line. */
  says(line: string): Promise<void>
  ended: Promise<unknown>
}

function start({ options }: TestDatabase, stallAt = 0): Replica {
  const child = spawn(
    process.execPath,
    ['--no-warnings', '--experimental-transform-types', CHILD, options.dataDir, options.databaseUrl ?? '', String(stallAt)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })
  return {
    child,
    says: (line) => new Promise((resolve) => lines.on('line', (said) => said === line && resolve())),
    ended: once(child, 'close'),
  }
}

async function write(database: TestDatabase): Promise<void> {
  const storage = await openStorage({ ...database.options, clock: { now: () => instant(Date.now()) }, bus: createInProcessBus() })
  await sql`create table followed (process text not null, seq int8 not null, by text not null)`.execute(storage.database.db)
  await storage.writer.transact(({ append }) => {
    for (let i = 0; i < VIEWS; i++) append(null, { kind: 'view', by: 'lee', what: `call ${i}` })
    return Promise.resolve()
  })
  await storage.close()
}

async function followed(database: TestDatabase) {
  const { db, close } = await openDatabase(database.options)
  const { rows } = await sql<{
    process: string
    seq: number
    by: string
  }>`select process, seq, by from followed order by process, seq`.execute(db)
  const entries = await db
    .selectFrom('entry')
    .select(['process', 'seq'])
    .where('kind', '=', 'view')
    .orderBy('process')
    .orderBy('seq')
    .execute()
  await close()
  return { taken: rows.map(({ process, seq }) => ({ process, seq })), by: new Set(rows.map((row) => row.by)), entries }
}

const postgres = await freshPostgres('followers of two replicas')

describe.each([
  ['PGlite', freshPglite(), false],
  ['PostgreSQL', postgres, true],
] as const)('kill -9 on %s', (_title, database, together) => {
  afterAll(() => database?.drop())

  test.skipIf(database === undefined)(
    'in the midst of a page: another process goes on, and every entry takes effect once',
    async () => {
      if (!database) return
      await write(database)
      const first = start(database, 3)
      const stalls = first.says('stalls')
      await first.says('ready')
      // On PostgreSQL both are there from the beginning, and the second waits for its turn; PGlite has one process at a time.
      const early = together ? start(database) : undefined
      await stalls
      first.child.kill('SIGKILL')
      await first.ended
      const second = early ?? start(database)
      await second.ended
      expect(second.child.exitCode).toBe(0)
      const { taken, by, entries } = await followed(database)
      expect(entries).toHaveLength(VIEWS)
      expect(taken).toEqual(entries)
      expect(by.size).toBe(2)
    },
    120_000,
  )
})
