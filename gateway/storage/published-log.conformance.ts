import { sql } from 'kysely'
import { beforeEach, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import type { LoggedCheckpoint } from '../ports/log.ts'
import { endProcess, insertProcess } from './processes.ts'
import type { TestStore } from './test-store.ts'

const of = (size: number): LoggedCheckpoint => ({ size, note: `log\n${size}\nroot\n\n\u2014 log c2lnbmVk\n`, at: instant(1_000 + size) })
const by = (witness: string, at = 5_000) => ({ witness: `${witness}+00000000+key`, line: `\u2014 ${witness} c2lnbmVk`, at: instant(at) })

/** What is published of the log, whichever database it is in. Stands on the log that its own conformance left behind. */
export function publishedLogConformance(at: () => TestStore): void {
  describe('what is published of the log', () => {
    const store = () => at().storage.published
    const db = () => at().storage.database.db

    beforeEach(async () => {
      await sql`delete from log_cosignature`.execute(db())
      await sql`update log_published set size = 0, checkpoint = null, at_ms = null, owner = null, until_ms = 0`.execute(db())
    })

    test('is nothing at first, and then the checkpoint with the cosignatures of it', async () => {
      expect(await store().checkpoint()).toBeUndefined()
      await store().lease('a')
      expect(await store().publish('a', of(10), [by('two'), by('one')])).toBe(true)
      expect(await store().checkpoint()).toMatchObject({
        ...{ size: 10, note: `${of(10).note}\u2014 one c2lnbmVk\n\u2014 two c2lnbmVk\n`, at: 1_010 },
        cosignatures: [
          { witness: by('one').witness, at: 5_000 },
          { witness: by('two').witness, at: 5_000 },
        ],
      })
    })

    test('has no cosignature of another size, which is remembered', async () => {
      await store().lease('a')
      await store().publish('a', of(10), [by('one'), by('two')])
      await store().publish('a', of(12), [by('two', 6_000)])
      expect((await store().checkpoint())?.cosignatures.map(({ witness }) => witness)).toEqual([by('two').witness])
      const sizes = [...(await store().cosignatures()).values()].map(({ witness, size }) => [witness, size])
      expect(sizes.toSorted()).toEqual([
        [by('one').witness, 10],
        [by('two').witness, 12],
      ])
    })

    test('takes later cosignatures of the same size, and a newer one of the same witness', async () => {
      await store().lease('a')
      await store().publish('a', of(10), [by('one')])
      await store().publish('a', of(10), [by('one', 9_000), by('two')])
      expect((await store().checkpoint())?.cosignatures.map(({ at: time }) => time)).toEqual([9_000, 5_000])
    })

    test('never shrinks, and is changed only by whose turn it is', async () => {
      expect(await store().publish('a', of(10), [by('one')])).toBe(false)
      expect(await store().lease('a')).toBe(true)
      expect(await store().lease('b')).toBe(false)
      expect(await store().publish('b', of(10), [by('one')])).toBe(false)
      expect(await store().publish('a', of(10), [])).toBe(true)
      expect(await store().publish('a', of(9), [by('one')])).toBe(false)
      expect(await store().checkpoint()).toMatchObject({ size: 10, cosignatures: [] })
      expect(await store().cosignatures()).toEqual(new Map())
    })

    test('is the turn of another once the first gives it back, is late, or is gone', async () => {
      await store().lease('a')
      await store().release('b')
      expect(await store().lease('b')).toBe(false)
      await store().release('a')
      expect(await store().lease('b')).toBe(true)
      await sql`update log_published set until_ms = 1`.execute(db())
      expect(await store().lease('c')).toBe(true)
      await insertProcess(db(), 'publisher-gone')
      await sql`update log_published set owner = 'publisher-gone'`.execute(db())
      expect(await store().lease('d')).toBe(false)
      await endProcess(db(), 'publisher-gone')
      expect(await store().lease('d')).toBe(true)
      expect(await store().publish('c', of(10), [])).toBe(false)
    })

    test('says since when each witness is behind', async () => {
      const { rows } = await sql<{ index: number; at: number }>`select l.index, e.at_ms as at from log_leaf l
        join entry e on e.process = l.process and e.seq = l.seq order by l.index`.execute(db())
      const size = (rows.at(-1)?.index ?? 0) + 1
      expect(size).toBeGreaterThan(20)
      await store().lease('a')
      await store().publish('a', of(size - 9), [by('behind')])
      await store().publish('a', of(size), [by('even')])
      const since = await store().uncosignedSince([by('even').witness, by('behind').witness, by('never').witness])
      expect([...since.values()]).toHaveLength(3)
      expect(since.get(by('even').witness)).toBeNull()
      expect(since.get(by('behind').witness)).toBe(rows.at(-9)?.at)
      expect(since.get(by('never').witness)).toBe(rows[0]?.at)
    })
  })
}
