import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { createInProcessBus } from './bus/in-process.ts'
import { LIMITS } from './limits.ts'
import { openLogGuard } from './open-log-guard.ts'
import { openCheckpoint } from './record/checkpoint.ts'
import { growLog } from './record/grow-log.ts'
import { leafOf } from './record/leaf.ts'
import type { LogGuard } from './record/log-guard.ts'
import { leafHash } from './record/merkle.ts'
import { noteSigner } from './record/signed-note.ts'
import { foldTile, TILE_WIDTH } from './record/tile.ts'
import { startFollowers } from './storage/followers.ts'
import { logFollower } from './storage/log.ts'
import { editBehind } from './storage/test-edits.ts'
import { freshPglite, freshPostgres, type TestDatabase } from './storage/test-databases.ts'
import { closeTestStore, openTestStore, type TestStore } from './storage/test-store.ts'
import { finished, permitted } from './storage/test-units.ts'

const ORIGIN = 'gatehouse/guarded'
const BOUND = { timeout: 20_000, interval: 20 }
const databases: readonly [string, () => Promise<TestDatabase | undefined>][] = [
  ['PGlite', () => Promise.resolve(freshPglite())],
  ['PostgreSQL', () => freshPostgres('a log that somebody edits')],
]

for (const [kind, fresh] of databases) {
  const database = await fresh()

  describe.skipIf(database === undefined)(`a log that somebody edits in ${kind}`, () => {
    const signer = noteSigner(ORIGIN, randomBytes(32))
    const guards: LogGuard[] = []
    let at: TestStore
    let dataDir: string
    let altered = 0
    let lines: string[] = []
    let metric: (() => unknown) | undefined

    const telemetry = {
      log: {
        info: () => undefined,
        warn: (_fields: object, words: string) => void lines.push(words),
        error: (_fields: object, words: string) => void lines.push(words),
      },
      count(name: string) {
        if (name === 'record_altered') altered += 1
      },
      gauge(_name: string, read: () => unknown) {
        metric = read
      },
    }
    /** As a start of the gateway on this machine. */
    async function guarded(restored: string | null = null): Promise<LogGuard> {
      const { storage, recorder } = at
      const guard = await openLogGuard({ store: storage.log, signer, dataDir, restored, recorder, telemetry })
      guards.push(guard)
      return guard
    }
    const written = async (): Promise<number> =>
      (await sql<{ count: number }>`select count(*)::int as count from entry`.execute(at.storage.database.db)).rows[0]?.count ?? 0
    const calls = async (count: number): Promise<void> => {
      for (let done = 0; done < count; done += 50)
        await Promise.all(
          Array.from({ length: Math.min(50, count - done) }, async () => {
            const unit = permitted(at.clock)
            await at.recorder.admit(unit)
            await at.recorder.finish(finished(unit.call.id, unit.intent))
          }),
        )
    }
    /** A sequencer, as after a start; ends when `until` holds. */
    async function following(until: (failures: number) => Promise<void>, guard?: LogGuard): Promise<void> {
      const { storage, clock } = at
      let failures = 0
      const running = startFollowers([logFollower(growLog(ORIGIN, [signer], () => guard?.kept))], {
        ...{ database: storage.database, sealer: storage.sealer, clock, writer: storage.writer, bus: createInProcessBus() },
        onFailure() {
          failures += 1
        },
      })
      await vi.waitFor(() => until(failures), BOUND).finally(() => running.close())
    }
    const size = async (): Promise<number> => (await at.storage.log.checkpoint())?.size ?? 0
    const takeIn = (guard?: LogGuard) => following(async () => expect(await size()).toBe(await written()), guard)
    const edit = (...statements: string[]) => editBehind(at.storage.database, ...statements)
    const hash = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

    beforeAll(async () => {
      if (!database) return
      at = await openTestStore(database)
      await calls(200)
      await takeIn()
    })
    beforeEach(() => {
      dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-guard-'))
      ;[altered, lines] = [0, []]
    })
    afterEach(async () => {
      for (const guard of guards.splice(0)) await guard.close()
      rmSync(dataDir, { recursive: true })
    })
    afterAll(async () => {
      await closeTestStore(at)
      await database?.drop()
    })

    /** What somebody does who has read how the log is built: the entry, its leaf, and the tile above. */
    async function rewritten(index: number): Promise<() => Promise<void>> {
      const from = index - (index % TILE_WIDTH)
      const before = await at.storage.log.places(from, TILE_WIDTH)
      const { entry } = before[index - from] ?? {}
      if (!entry) throw new Error('there is no such entry')
      const body = JSON.stringify({ ...entry.body, voter: 'eve' }).replaceAll("'", "''")
      const where = `where process = '${entry.process}' and seq = ${entry.seq}`
      await edit(`create table kept_entry as select * from entry ${where}`, 'create table kept_hash as table log_hash')
      await edit(`update entry set body = '${body}' ${where}`)
      const places = await at.storage.log.places(from, TILE_WIDTH)
      const leaves = places.map((place) => (place.entry ? leafHash(leafOf(place.entry)) : new Uint8Array()))
      await edit(
        `update log_hash set hash = '${hash(leaves[index - from] ?? new Uint8Array())}' where level = 0 and index = ${index}`,
        `update log_hash set hash = '${hash(foldTile(leaves))}' where level = 1 and index = ${from / TILE_WIDTH}`,
      )
      return () =>
        edit(
          `delete from entry ${where}`,
          'insert into entry select * from kept_entry',
          'delete from log_hash',
          'insert into log_hash select * from kept_hash',
          'drop table kept_entry',
          'drop table kept_hash',
        )
    }

    test('a rewritten history is not signed, and the log goes on once it is put back', async () => {
      const putBack = await rewritten(7)
      const before = await at.storage.log.checkpoint()
      await calls(1)
      await following(async (failures) => expect(failures).toBeGreaterThan(0))
      expect(await at.storage.log.checkpoint()).toEqual(before)
      await expect(guarded()).rejects.toMatchObject({ code: 'RECORD_ALTERED', message: expect.stringContaining('do not add up') })
      expect(metric?.()).toBe(1)
      expect(readdirSync(dataDir)).toEqual([])
      await putBack()
      await takeIn()
      const guard = await guarded()
      expect([guard.broken, metric?.()]).toEqual([undefined, 0])
    })

    test('a sequencer that runs notices a history that is rewritten under it by another', async () => {
      await calls(1)
      let putBack: (() => Promise<void>) | undefined
      await following(async (failures) => {
        if (!putBack) {
          expect(await size()).toBe(await written())
          putBack = await rewritten(9)
          await calls(1)
        }
        expect(failures).toBeGreaterThan(0)
      })
      await putBack?.()
      await takeIn()
    })

    test.each([
      [
        'a checkpoint by another key',
        () => `update log_state set checkpoint = '${forged().replaceAll("'", "''")}'`,
        /none of `gatehouse\/guarded`/,
      ],
      ['no checkpoint', () => 'update log_state set checkpoint = null', /./],
      ['a smaller size', () => 'update log_state set size = size - 1', /./],
    ])('what nobody signed is not gone on from: %s', async (_title, statement) => {
      await guarded()
      await edit('create table kept_state as table log_state', statement())
      await calls(1)
      await following(async (failures) => expect(failures).toBeGreaterThan(0), guards.at(-1))
      await edit('delete from log_state', 'insert into log_state select * from kept_state', 'drop table kept_state')
      await takeIn()
    })
    const forged = (): string => {
      const other = noteSigner(ORIGIN, randomBytes(32))
      const text = `${ORIGIN}\n7\n${randomBytes(32).toString('base64')}\n`
      return `${text}\n— ${ORIGIN} ${Buffer.concat([Buffer.from(other.keyId, 'hex'), other.sign(text)]).toString('base64')}\n`
    }

    test('a database that was put back to an older state is refused, and gone on from with an entry that says why', async () => {
      const tables = ['entry', 'log_hash', 'log_leaf', 'log_state', 'follower_position']
      await edit(...tables.map((table) => `create table old_${table} as table ${table}`))
      const older = await size()
      await calls(2)
      await takeIn()
      const first = await guarded()
      const newer = await size()
      expect(openCheckpoint(readFileSync(join(dataDir, 'log.checkpoint'), 'utf8'), [signer], ORIGIN).size).toBe(newer)
      await edit(
        ...tables.flatMap((table) => [
          `delete from ${table}`,
          `insert into ${table} select * from old_${table}`,
          `drop table old_${table}`,
        ]),
      )
      // The one that still runs signs nothing more.
      await expect(first.compare()).rejects.toMatchObject({ code: 'RECORD_ALTERED' })
      await reopened()
      await expect(guarded()).rejects.toMatchObject({
        message: expect.stringMatching(
          new RegExp(`has ${older} entries and is older than what this gateway signed at ${newer} entries.*--restored WHY`),
        ),
      })
      await guarded('the disk was lost')
      await takeIn()
      const { rows } = await sql<{ body: object }>`select body from entry where kind = 'log.restored'`.execute(at.storage.database.db)
      expect(rows.map(({ body }) => body)).toMatchObject([
        { from: { size: newer }, to: { size: older }, by: 'local', why: 'the disk was lost' },
      ])
      expect(readdirSync(dataDir).sort()).toEqual(['log.checkpoint', `log.checkpoint.${newer}`])
    })

    /** Another process over the same database. */
    async function reopened(): Promise<void> {
      const old = at
      if (!database) throw new Error('no database')
      await old.recorder.close()
      await old.storage.close()
      at = await openTestStore(database)
    }

    test('a log that was written anew in the same length, or longer, does not go on from the one that is kept', async () => {
      const guard = await guarded()
      await edit(
        "update entry set at_ms = at_ms + 1 where kind = 'outcome'",
        'create table kept_log as table log_leaf',
        'delete from log_leaf',
        'delete from log_hash',
        'update log_state set size = 0, checkpoint = null, at_ms = null',
        "delete from follower_position where follower = 'log'",
      )
      await takeIn()
      await expect(guard.compare()).rejects.toMatchObject({ message: expect.stringMatching(/does not go on from|written anew/) })
      await expect(guarded()).rejects.toMatchObject({ code: 'RECORD_ALTERED' })
      await guarded('the test made it so')
    })

    test('a kept checkpoint that is none refuses', async () => {
      writeFileSync(join(dataDir, 'log.checkpoint'), 'nothing\n')
      await expect(guarded()).rejects.toMatchObject({ message: expect.stringContaining('kept in the data directory') })
    })

    test.each<[string, (index: number) => string]>([
      [
        'an entry',
        (index) => `update entry set at_ms = at_ms + 1 where (process, seq) = (select process, seq from log_leaf where index = ${index})`,
      ],
      [
        'an entry that is gone',
        (index) => `delete from entry where (process, seq) = (select process, seq from log_leaf where index = ${index})`,
      ],
      ['its place', (index) => `delete from log_leaf where index = ${index}`],
      ['its hash', (index) => `update log_hash set hash = '${'A'.repeat(43)}=' where level = 0 and index = ${index}`],
    ])('the look that goes round finds an old edit, by its index: %s', async (_title, statement) => {
      const tables = ['entry', 'log_hash', 'log_leaf']
      const guard = await guarded()
      await edit(...tables.map((table) => `create table old_${table} as table ${table}`), statement(300))
      expect(await guard.recheck(0)).toEqual([])
      expect(await guard.recheck(1)).toContain(300)
      expect(await guard.recheck(1)).toContain(300)
      expect(guard.broken).toMatch(/at index (256|300)/)
      expect(altered).toBeGreaterThan(0)
      expect(lines.join()).toContain('an entry in the database is not what the log has of it')
      await edit(
        ...tables.flatMap((table) => [
          `delete from ${table}`,
          `insert into ${table} select * from old_${table}`,
          `drop table old_${table}`,
        ]),
      )
      expect(await guard.recheck(1)).toEqual([])
      expect(guard.broken).toBeUndefined()
    })

    test('is looked through by itself', async () => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
      try {
        const guard = await guarded()
        const seen = new Set<number>()
        const places = at.storage.log.places
        vi.spyOn(at.storage.log, 'places').mockImplementation((from, count) => {
          seen.add(from / TILE_WIDTH)
          return places(from, count)
        })
        const tiles = Math.ceil((await size()) / TILE_WIDTH)
        await vi.waitFor(() => {
          vi.advanceTimersByTime(LIMITS.logRecheckMs)
          expect([...seen].sort()).toEqual(Array.from({ length: tiles }, (_, tile) => tile))
        }, BOUND)
        await guard.close()
      } finally {
        vi.useRealTimers()
        vi.restoreAllMocks()
      }
    })
  })
}
