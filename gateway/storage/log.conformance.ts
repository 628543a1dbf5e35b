import { sql } from 'kysely'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import { growLog } from '../record/grow-log.ts'
import { leafOf } from '../record/leaf.ts'
import { consistencyProof, inclusionProof, leafHash, rootHash, verifyConsistency, verifyInclusion } from '../record/merkle.ts'
import { openCheckpoint } from '../record/checkpoint.ts'
import { subtreesOf, TILE_WIDTH } from '../record/tile.ts'
import { startFollowers } from './followers.ts'
import { logFollower } from './log.ts'
import { testSigner } from './test-log.ts'
import type { TestStore } from './test-store.ts'
import { finished, permitted } from './test-units.ts'

const ORIGIN = testSigner.name
const BOUND = { timeout: 20_000, interval: 20 }

/** The log over the record, whichever database it is in. */
export function logConformance(at: () => TestStore): void {
  describe('the log', () => {
    const signer = testSigner
    const store = () => at().storage.log
    const subtrees = () => subtreesOf((level, index) => store().hashes(level, index * TILE_WIDTH, TILE_WIDTH))
    const written = async (): Promise<number> =>
      (await sql<{ count: number }>`select count(*) from entry`.execute(at().storage.database.db)).rows[0]?.count ?? 0
    const checkpoint = async () => openCheckpoint((await store().checkpoint())?.note ?? '', [signer], ORIGIN)
    const calls = async (count: number): Promise<void> => {
      const { recorder, clock } = at()
      for (let done = 0; done < count; done += 50)
        await Promise.all(
          Array.from({ length: Math.min(50, count - done) }, async () => {
            const unit = permitted(clock)
            await recorder.admit(unit)
            await recorder.finish(finished(unit.call.id, unit.intent))
          }),
        )
    }
    /** Runs two replicas' sequencers until everything that is written is in the log. */
    const takeIn = async (): Promise<void> => {
      const { storage, clock } = at()
      const running = [1, 2].map((replica) =>
        startFollowers([logFollower(growLog(ORIGIN, [signer]))], {
          ...{ database: storage.database, sealer: storage.sealer, clock, bus: createInProcessBus() },
          writer: { process: () => (replica === 1 ? storage.writer.process() : `other-${replica}`) },
        }),
      )
      try {
        await vi.waitFor(async () => expect((await store().checkpoint())?.size).toBe(await written()), BOUND)
      } finally {
        await Promise.all(running.map((each) => each.close()))
      }
    }

    beforeAll(async () => {
      await calls(300)
      await takeIn()
    })

    test('has every entry once, those of a process in its order', async () => {
      const { rows } = await sql<{ process: string; seq: number }>`select process, seq from log_leaf order by index`.execute(
        at().storage.database.db,
      )
      expect(rows).toHaveLength(await written())
      for (const [process, own] of Map.groupBy(rows, (row) => row.process)) {
        const seqs = own.map(({ seq }) => seq)
        expect(seqs, process).toEqual([...new Set(seqs)].sort((a, b) => a - b))
        if (process === at().storage.writer.process()) expect(seqs.at(-1)).toBe(seqs.length)
      }
    })

    test('its checkpoint is the root of the leaves that entries make, and proves each of them', async () => {
      const { size, root } = await checkpoint()
      const entries = []
      while (entries.length < size) entries.push(...(await store().entries(entries.length, 500)))
      const leaves = entries.map((entry) => leafHash(leafOf(entry)))
      expect(Buffer.from(await rootHash(subtrees(), size)).toString('hex')).toBe(Buffer.from(root).toString('hex'))
      for (const index of [0, 1, 255, 256, 257, 511, size - 1]) {
        const proof = await inclusionProof(subtrees(), index, size)
        expect(verifyInclusion(index, size, leaves[index] ?? new Uint8Array(), proof, root), String(index)).toBe(true)
      }
    })

    test('a call knows its places', async () => {
      const { recorder, clock } = at()
      const unit = permitted(clock)
      await recorder.admit(unit)
      await recorder.finish(finished(unit.call.id, unit.intent))
      await takeIn()
      const places = (await store().range({ from: 0, calls: [unit.call.id] }, 500)).map(({ index, entry: { seq } }) => ({ index, seq }))
      expect(places.map(({ seq }) => seq)).toEqual([...places.map(({ seq }) => seq)].sort((a, b) => a - b))
      const logged = await Promise.all(places.map(async ({ index }) => (await store().entries(index, 1))[0]))
      expect(logged.map((entry) => [entry?.callId, entry?.body.kind])).toEqual([
        [unit.call.id, 'decision'],
        [unit.call.id, 'intent'],
        [unit.call.id, 'outcome'],
      ])
    })

    test('a later checkpoint begins with an earlier one', async () => {
      const before = await checkpoint()
      await calls(5)
      await takeIn()
      const after = await checkpoint()
      const proof = await consistencyProof(subtrees(), before.size, after.size)
      expect(verifyConsistency(before.size, after.size, before.root, after.root, proof)).toBe(true)
    })

    test.each(['update log_hash set hash = hash', 'delete from log_hash', 'update log_leaf set seq = seq + 1', 'delete from log_leaf'])(
      'refuses: %s',
      async (statement) => {
        await expect(at().storage.database.pool.query(statement)).rejects.toThrow('the log only grows')
      },
    )

    test('an entry keeps everything but a payload that is taken away whole', async () => {
      const { pool } = at().storage.database
      const one =
        'where (process, seq) = (select process, seq from entry join log_leaf using (process, seq) where sealed is not null order by index limit 1)'
      for (const change of [
        "body = '{}'",
        'commitment = null, sealed = null',
        "sealed = 'x'",
        "sealed = null, kind = 'x'",
        'sealed = null, at_ms = 0',
      ])
        await expect(pool.query(`update entry set ${change} ${one}`), change).rejects.toThrow()
      await expect(pool.query(`delete from entry ${one}`)).rejects.toThrow('never')
      const before = await store().entries(0, 500)
      await pool.query(`update entry set sealed = null ${one}`)
      const after = await store().entries(0, 500)
      expect(after.map((entry) => Buffer.from(leafOf(entry)).toString())).toEqual(
        before.map((entry) => Buffer.from(leafOf(entry)).toString()),
      )
      expect(after.filter(({ erased }) => erased)).toHaveLength(1)
    })
  })
}
