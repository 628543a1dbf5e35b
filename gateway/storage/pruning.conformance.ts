import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import { instant } from '../core/clock.ts'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import { openCheckpoint } from '../record/checkpoint.ts'
import { growLog } from '../record/grow-log.ts'
import { leafOf } from '../record/leaf.ts'
import { consistencyProof, inclusionProof, leafHash, rootHash, verifyConsistency, verifyInclusion } from '../record/merkle.ts'
import { noteSigner } from '../record/signed-note.ts'
import { subtreesOf, TILE_WIDTH } from '../record/tile.ts'
import type { Follower } from './follower-positions.ts'
import { startFollowers } from './followers.ts'
import { logFollower } from './log.ts'
import type { Pruned } from './log-floor.ts'
import { prune } from './pruning.ts'
import { searchFollower } from './search-index.ts'
import type { TestStore } from './test-store.ts'
import { givenWithHold, useOnce, using } from './test-grants.ts'
import { finished, held, permitted } from './test-units.ts'

const DAY = 86_400_000
const ORIGIN = 'gatehouse/pruned'
const BOUND = { timeout: 20_000, interval: 20 }

/** How the beginning of the log goes, whichever database it is in. The storage is of this suite alone. */
export function pruningConformance(at: () => TestStore): void {
  const signer = noteSigner(ORIGIN, randomBytes(32))
  const log = logFollower(growLog(ORIGIN, [signer]))
  const db = () => at().storage.database.db
  const store = () => at().storage.log
  const subtrees = () => subtreesOf((level, index) => store().hashes(level, index * TILE_WIDTH, TILE_WIDTH))
  const checkpoint = async () => openCheckpoint((await store().checkpoint())?.note ?? '', [signer], ORIGIN)
  const count = async (table: string, where = sql`true`): Promise<number> =>
    (await sql<{ count: number }>`select count(*) from ${sql.table(table)} where ${where}`.execute(db())).rows[0]?.count ?? 0

  const executed = async (times: number): Promise<CallId[]> => {
    const { recorder, clock } = at()
    const ids: CallId[] = []
    for (let done = 0; done < times; done += 50)
      ids.push(
        ...(await Promise.all(
          Array.from({ length: Math.min(50, times - done) }, async () => {
            const unit = permitted(clock, { input: { name: 'ada' } })
            await recorder.admit(unit)
            await recorder.finish(finished(unit.call.id, unit.intent, 'completed', 'its answer'))
            return unit.call.id
          }),
        )),
      )
    return ids
  }
  /** Has these followers take all there is. */
  const takeIn = async (...others: Follower[]): Promise<void> => {
    const { storage, clock } = at()
    const followers = [log, ...others]
    const running = startFollowers(followers, {
      ...{ database: storage.database, sealer: storage.sealer, writer: storage.writer, clock, bus: createInProcessBus() },
    })
    try {
      await vi.waitFor(async () => {
        for (const { name } of followers) {
          const { rows } = await sql<{ behind: number }>`select count(*) as behind from entry e where not exists (
            select from follower_position f where f.follower = ${name} and f.process = e.process and f.seq >= e.seq)`.execute(db())
          expect(rows[0]?.behind, name).toBe(0)
        }
      }, BOUND)
    } finally {
      await running.close()
    }
  }
  const sweep = (keptMs: number, signal?: AbortSignal, followers: readonly string[] = ['log']) => {
    const { storage, clock } = at()
    return prune(
      { database: storage.database, writer: storage.writer, followers: () => followers },
      clock.nowMs - keptMs,
      clock.nowMs,
      signal,
    )
  }
  /** Announces, has the log take that in, and removes. */
  const pruneAll = async (keptMs: number): Promise<number> => {
    await sweep(keptMs)
    await takeIn()
    await sweep(keptMs)
    return (await store().floor()).index
  }
  const said = async (): Promise<readonly Pruned[]> =>
    (await sql<{ body: Pruned }>`select body from entry where kind = 'log.pruned' order by at_ms, process, seq`.execute(db())).rows.map(
      ({ body }) => body,
    )
  const floorRow = () => db().selectFrom('log_floor').selectAll().executeTakeFirstOrThrow()

  describe('pruning', () => {
    beforeAll(async () => {
      await executed(200)
      await takeIn()
    })
    beforeEach(() => {
      at().clock.nowMs += 500 * DAY
    })

    test('what is younger stays, and nothing is announced', async () => {
      await executed(300)
      await takeIn()
      const before = await count('entry')
      await sweep(1_000 * DAY)
      expect(await count('entry')).toBe(before)
      expect(await said()).toEqual([])
    })

    test('nothing goes before the log has said so in a signed checkpoint, and then exactly that', async () => {
      const before = await checkpoint()
      const first = (await store().entries(0, 100)).find(({ callId }) => callId !== null)?.callId
      const entries = await count('entry')
      await sweep(100 * DAY)
      await sweep(100 * DAY)
      expect(await count('entry')).toBe(entries + 1)
      const [announced] = await said()
      const floor = announced?.floor ?? 0
      expect(floor).toBeGreaterThan(0)
      expect(floor % TILE_WIDTH).toBe(0)
      expect(announced).toMatchObject({
        ...{ entries: floor, by: 'gatehouse', why: 'retention' },
        checkpoint: { size: before.size, root: Buffer.from(before.root).toString('base64') },
      })
      const last = (await store().entries(floor - 1, 1))[0]
      expect(announced?.processes).toEqual([{ process: last?.process, seq: last?.seq }])
      await takeIn()
      await sweep(100 * DAY)
      expect(await count('entry')).toBe(entries + 1 - floor)
      expect(await count('log_leaf')).toBe(entries + 1 - floor)
      expect(await count('log_hash', sql`level = 0`)).toBe(entries + 1 - floor)
      expect((await store().range({ from: 0 }, 1))[0]?.index).toBe(floor)
      expect(await store().entries(0, 500)).toEqual([])
      expect(await store().floor()).toMatchObject({ index: floor, removal: { lastCall: announced?.lastCall, newest: announced?.newest } })
      expect(first).toBeDefined()
      expect(first && (await at().storage.calls.call(first))).toBeUndefined()
    })

    test('every checkpoint of before and after, and every entry that is left, can be proved', async () => {
      const older = await checkpoint()
      const { index: floor } = await store().floor()
      const now = await checkpoint()
      await executed(20)
      await takeIn()
      const newer = await checkpoint()
      for (const size of [1, 100, 255, 256, 257, floor - 1, floor, floor + 1, older.size]) {
        const proof = await consistencyProof(subtrees(), size, newer.size)
        expect(verifyConsistency(size, newer.size, await rootHash(subtrees(), size), newer.root, proof), String(size)).toBe(true)
      }
      expect(Buffer.from(await rootHash(subtrees(), older.size)).equals(older.root)).toBe(true)
      expect(Buffer.from(await rootHash(subtrees(), now.size)).equals(now.root)).toBe(true)
      for (const index of [floor, floor + 1, newer.size - 1]) {
        const [entry] = await store().entries(index, 1)
        const proof = await inclusionProof(subtrees(), index, newer.size)
        expect(entry && verifyInclusion(index, newer.size, leafHash(leafOf(entry)), proof, newer.root), String(index)).toBe(true)
      }
    })

    test.each([
      ['an entry', sql`delete from entry where kind = 'log.pruned'`, 'never changed'],
      ['leaves', sql`delete from log_leaf`, 'only grows'],
      ['hashes', sql`delete from log_hash`, 'only grows'],
      ['hashes of tiles', sql`delete from log_tile`, 'only grows'],
      ['hashes of tiles, altered', sql`update log_tile set index = index + 100000`, 'only grows'],
      [
        'a floor that the log does not tell',
        sql`update log_floor set announced = announced + 256, floor = announced + 256`,
        'does not say',
      ],
      ['a floor that falls', sql`update log_floor set floor = 0, removed = 0`, 'only rises'],
      ['no floor', sql`delete from log_floor`, 'only rises'],
    ])('the database keeps what was not announced: %s', async (_what, statement, why) => {
      await expect(statement.execute(db())).rejects.toThrow(why)
    })

    test('a call that is held or in doubt holds the rest back, and says so', async () => {
      const { clock, recorder } = at()
      const unit = held(clock, { input: { name: 'ada' }, lifeMs: 5_000 * DAY })
      await recorder.admit(unit)
      await executed(200)
      await takeIn()
      clock.nowMs += 500 * DAY
      const floor = await pruneAll(100 * DAY)
      const [{ index } = { index: 0 }] = await store().range({ from: 0, calls: [unit.call.id] }, 1)
      expect(floor).toBeLessThanOrEqual(index)
      expect((await store().floor()).heldBy).toBe(`call \`${unit.call.id}\`: it is held`)
      await recorder.changeHold({ hold: unit.hold.id, callId: unit.call.id, to: 'cancelled', callState: 'cancelled', by: 'bob' })
      await executed(200)
      const doubtful = permitted(clock)
      await recorder.admit(doubtful)
      await recorder.finish(finished(doubtful.call.id, doubtful.intent, 'in_doubt'))
      await executed(200)
      await takeIn()
      clock.nowMs += 500 * DAY
      await pruneAll(100 * DAY)
      expect((await store().floor()).heldBy).toBe(`call \`${doubtful.call.id}\`: it is in doubt`)
      expect(await at().storage.calls.call(unit.call.id)).toBeUndefined()
      expect(await count('hold', sql`call_id = ${unit.call.id}`)).toBe(0)
      await recorder.resolve(doubtful.call.id, 'bob', 'HAPPENED', 'seen')
      await takeIn()
      await pruneAll(100 * DAY)
      expect((await store().floor()).heldBy).toBeNull()
    })

    test('a call that gave a grant stays until that is over and what used it is gone', async () => {
      const { clock, recorder, storage } = at()
      const { grant, hold } = await givenWithHold(at(), { until: instant(clock.nowMs + 800 * DAY) })
      await recorder.changeHold({ hold: hold.hold.id, callId: hold.call.id, to: 'cancelled', callState: 'cancelled', by: 'bob' })
      await executed(200)
      const use = using(clock, { amount: 1 })
      expect(await useOnce(recorder, use)).toBe(true)
      await recorder.finish({ ...finished(use.callId, use.would.intent ?? ('' as never), 'completed'), reserved: true })
      clock.nowMs += 500 * DAY
      await takeIn()
      await pruneAll(100 * DAY)
      expect((await store().floor()).heldBy).toBe(`call \`${hold.call.id}\`: its standing grant ${grant.id} is not over: revoke it first`)
      clock.nowMs += 500 * DAY
      await pruneAll(100 * DAY)
      expect(await storage.calls.entries(hold.call.id)).toEqual([])
      expect(await storage.grants.usedBy(use.callId)).toMatchObject({ id: grant.id })
      await executed(200)
      clock.nowMs += 500 * DAY
      await takeIn()
      await pruneAll(100 * DAY)
      for (const id of [hold.call.id, use.callId]) expect(await storage.calls.call(id), id).toBeUndefined()
      expect(await storage.grants.grant(grant.id)).toBeUndefined()
    })

    test('a follower that lags holds back, one that nobody runs any more does not', async () => {
      await executed(200)
      await takeIn()
      await db().insertInto('follower').values({ name: 'sink:slow' }).execute()
      at().clock.nowMs += 500 * DAY
      const before = (await store().floor()).index
      await sweep(100 * DAY, undefined, ['log', 'sink:slow'])
      await takeIn()
      expect((await floorRow()).announced).toBe(before)
      expect((await store().floor()).heldBy).toMatch(/^the follower `sink:slow` has not taken entry \d+$/)
      expect(await pruneAll(100 * DAY)).toBeGreaterThan(before)
      await db().deleteFrom('follower').where('name', '=', 'sink:slow').execute()
    })

    test('a sweep that is broken off goes on, and removes no more than was announced', async () => {
      await executed(1_000)
      await takeIn()
      at().clock.nowMs += 500 * DAY
      await sweep(100 * DAY)
      await takeIn()
      const broken = new AbortController()
      const { announced } = await floorRow()
      const going = sweep(100 * DAY, broken.signal)
      await vi.waitFor(async () => expect((await floorRow()).removed).toBeGreaterThan(announced - 4 * LIMITS.prunedEntriesPerBatch), BOUND)
      broken.abort()
      await going
      await Promise.all([sweep(100 * DAY), sweep(100 * DAY)])
      expect(await floorRow()).toMatchObject({ removed: announced, floor: announced })
      expect((await store().range({ from: 0 }, 1))[0]?.index).toBe(announced)
    })

    test('a new follower begins where the log does', async () => {
      const taken: number[] = []
      const fresh: Follower = {
        name: `fresh-${randomBytes(4).toString('hex')}`,
        kinds: 'all',
        from: 'beginning',
        take: async (_tx, entries) => void taken.push(...entries.map(({ seq }) => seq)),
      }
      const [first] = await store().range({ from: 0 }, 1)
      await takeIn(fresh)
      expect(taken[0]).toBe(first?.entry.seq)
      expect(taken).toHaveLength(await count('entry'))
    })

    test('what calls were found by goes with them', async () => {
      const { clock } = at()
      await executed(300)
      await takeIn(searchFollower())
      clock.nowMs += 500 * DAY
      await sweep(100 * DAY, undefined, ['log', 'search'])
      await takeIn(searchFollower())
      await sweep(100 * DAY, undefined, ['log', 'search'])
      expect(await count('search_hit', sql`not exists (select from call c where c.id = search_hit.call_id)`)).toBe(0)
      expect(await count('call', sql`not exists (select from entry e where e.call_id = call.id)`)).toBe(0)
    })
  })
}
