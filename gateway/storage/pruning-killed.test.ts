import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import { growLog } from '../record/grow-log.ts'
import { rootHash } from '../record/merkle.ts'
import { noteSigner } from '../record/signed-note.ts'
import { subtreesOf, TILE_WIDTH } from '../record/tile.ts'
import { logFollower } from './log.ts'
import { openStorage, type Storage } from './open-storage.ts'
import { freshPglite, freshPostgres, type TestDatabase } from './test-databases.ts'
import { realClock } from './test-units.ts'

const CHILD = fileURLToPath(new URL('./test-pruning-child.ts', import.meta.url))
const ENTRIES = 4_000
const signer = noteSigner('gatehouse/killed', new Uint8Array(32).fill(1))

const open = ({ options }: TestDatabase): Promise<Storage> => openStorage({ ...options, clock: realClock, bus: createInProcessBus() })

const rootAt = async ({ log }: Storage, size: number): Promise<string> =>
  Buffer.from(
    await rootHash(
      subtreesOf((level, index) => log.hashes(level, index * TILE_WIDTH, TILE_WIDTH)),
      size,
    ),
  ).toString('hex')

const numbersOf = async ({ database: { db } }: Storage) => {
  const { rows } = await sql<{ entries: number; first: number | null; loose: number }>`select count(*) as entries,
    (select min(index) from log_leaf) as first, (select count(*) from log_leaf l where not exists (
      select from entry e where e.process = l.process and e.seq = l.seq)) as loose from entry`.execute(db)
  return { ...rows[0], ...(await db.selectFrom('log_floor').selectAll().executeTakeFirstOrThrow()) }
}

/** Entries with the log of them. Returns the root. */
async function write(database: TestDatabase): Promise<string> {
  const storage = await open(database)
  for (let done = 0; done < ENTRIES; done += 1_000)
    await storage.writer.transact(({ append }) => {
      for (let i = 0; i < 1_000; i++) append(null, { kind: 'view', by: 'lee', what: `call ${done + i}` })
      return Promise.resolve()
    })
  storage.follow([logFollower(growLog(signer.name, [signer]))])
  await vi.waitFor(async () => expect((await storage.log.checkpoint())?.size).toBe(ENTRIES), { timeout: 30_000, interval: 50 })
  const root = await rootAt(storage, ENTRIES)
  await storage.close()
  return root
}

function start({ options }: TestDatabase, beforeMs: number) {
  const args = ['--no-warnings', '--experimental-transform-types', CHILD, options.dataDir, options.databaseUrl ?? '', String(beforeMs)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = once(child, 'close')
  const firstBatch = new Promise<void>((resolve) => createInterface({ input: child.stdout }).on('line', () => resolve()))
  return { child, ended, firstBatch }
}

const postgres = await freshPostgres('a gateway that is killed while it removes entries')
const databases = [freshPglite(), ...(postgres ? [postgres] : [])]
afterAll(() => Promise.all(databases.map((database) => database.drop())))

describe.each(databases)('on $kind', (database) => {
  test('what is killed in the middle has removed whole batches of what was announced, and another goes on', async () => {
    const root = await write(database)
    const beforeMs = Date.now()
    const killed = start(database, beforeMs)
    await killed.firstBatch
    killed.child.kill('SIGKILL')
    await killed.ended
    const storage = await open(database)
    const { entries = 0, first, loose, removed, floor, announced } = await numbersOf(storage)
    expect({ first, loose, entries }).toEqual({ first: removed, loose: 0, entries: ENTRIES + 1 - removed })
    expect(removed).toBeGreaterThan(0)
    expect(removed).toBeLessThan(floor)
    expect(announced).toBe(ENTRIES - (ENTRIES % TILE_WIDTH))
    expect(await rootAt(storage, ENTRIES)).toBe(root)
    await storage.close()
    await start(database, beforeMs).ended
    const after = await open(database)
    const { entries: left, ...rest } = await numbersOf(after)
    expect(rest).toMatchObject({ removed: announced, floor: announced, announced, first: announced, loose: 0 })
    // The start that looks at it has made the room ready.
    expect(rest.vacuumed).toBe(database.kind === 'pglite' ? announced : 0)
    expect(left).toBe(ENTRIES + 1 - announced)
    expect(await rootAt(after, ENTRIES)).toBe(root)
    await after.close()
  }, 120_000)
})
