import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import type { Entry } from '../core/entry.ts'
import { LIMITS } from '../limits.ts'
import { SinkRefused } from '../ports/sink.ts'
import {
  type Carrier,
  carryPage,
  discoverProcesses,
  enterFollower,
  type Follower,
  leaseFollower,
  takePage,
  type Waiting,
  waitingProcesses,
} from './follower-positions.ts'
import { type RunningFollowers, startFollowers } from './followers.ts'
import { insertProcess } from './processes.ts'
import type { Tx } from './tables.ts'
import { lastProcess, type TestStore } from './test-store.ts'
import { denied, finished, permitted } from './test-units.ts'

const BOUND = { timeout: 20_000, interval: 20 }

/** What follows the record, whichever database it is in. */
export function followerConformance(at: () => TestStore): void {
  describe('followers', () => {
    const running: RunningFollowers[] = []
    let names = 0
    const db = () => at().storage.database.db
    const source = () => ({ db: db(), sealer: at().storage.sealer })

    /** Notes what it takes in a table without constraints: what was taken twice stands there twice. */
    const noting = (extra: Partial<Follower> = {}): Follower => ({
      name: `noting-${++names}`,
      kinds: ['decision', 'outcome'],
      from: 'beginning',
      take: noteIn(`noting-${names}`),
      ...extra,
    })
    const noteIn = (name: string) => async (tx: Tx, entries: readonly Entry[]) => {
      for (const { process, seq, body } of entries)
        await sql`insert into followed values (${name}, ${process}, ${seq}, ${body.kind})`.execute(tx)
    }
    const follow = (...followers: (Follower | Carrier)[]): RunningFollowers => {
      const { storage, clock } = at()
      const started = startFollowers(followers, {
        ...{ database: storage.database, sealer: storage.sealer, writer: storage.writer, clock, bus: createInProcessBus() },
        onFailure: (name) => failures.push(name),
      })
      running.push(started)
      return started
    }
    const failures: string[] = []
    const noted = async (name: string) =>
      (
        await sql<{ process: string; seq: number; kind: string }>`select process, seq, kind from followed where follower = ${name}`.execute(
          db(),
        )
      ).rows
    const written = (kinds: Follower['kinds']) =>
      db()
        .selectFrom('entry')
        .select(['process', 'seq', 'kind'])
        .$if(kinds !== 'all', (query) => query.where('kind', 'in', kinds as readonly string[]))
        .orderBy('process')
        .orderBy('seq')
        .execute()
    const key = ({ process, seq }: { process: string; seq: number }) => `${process} ${String(seq).padStart(9, '0')}`
    const sorted = <T extends { process: string; seq: number }>(rows: readonly T[]): T[] =>
      [...rows].sort((a, b) => (key(a) < key(b) ? -1 : 1))
    const callsOf = async (count: number): Promise<void> => {
      const { recorder, clock } = at()
      await Promise.all(
        Array.from({ length: count }, async () => {
          const unit = permitted(clock)
          await recorder.admit(unit)
          await recorder.finish(finished(unit.call.id, unit.intent))
        }),
      )
    }
    const everything = async (follower: Follower): Promise<void> => {
      await enterFollower(db(), follower)
      await discoverProcesses(db(), follower.name, null)
      for (let waiting = await waitingProcesses(db(), follower.name); waiting.length > 0; ) {
        for (const each of waiting) await takePage(source(), follower, each)
        waiting = await waitingProcesses(db(), follower.name)
      }
    }

    const everythingCarried = async (carrier: Carrier): Promise<void> => {
      const never = new AbortController().signal
      await enterFollower(db(), carrier)
      await discoverProcesses(db(), carrier.name, null)
      for (let waiting = await waitingProcesses(db(), carrier.name); waiting.length > 0; ) {
        for (const each of waiting) await carryPage(source(), carrier, each, never)
        waiting = await waitingProcesses(db(), carrier.name)
      }
    }

    beforeAll(() =>
      sql`create table if not exists followed (follower text not null, process text not null, seq int8 not null, kind text not null)`.execute(
        db(),
      ),
    )
    afterAll(async () => {
      for (const each of running) await each.close()
    })

    test('one takes every entry of the kinds it asks for once, of each process in order, over many pages', async () => {
      await callsOf(2 * LIMITS.followerPageEntriesMax)
      const follower = noting()
      const followers = follow(follower)
      const expected = await written(follower.kinds)
      expect(expected.length).toBeGreaterThan(2 * LIMITS.followerPageEntriesMax)
      await vi.waitFor(async () => expect((await noted(follower.name)).length).toBe(expected.length), BOUND)
      await callsOf(5)
      await vi.waitFor(async () => expect((await noted(follower.name)).length).toBe(expected.length + 10), BOUND)
      await followers.close()
      const rows = await noted(follower.name)
      expect(sorted(rows)).toEqual(sorted(await written(follower.kinds)))
      const mine = rows.filter(({ process }) => process === lastProcess(at())).map(({ seq }) => seq)
      expect(mine).toEqual([...mine].sort((a, b) => a - b))
    })

    test('a new one starts at the end unless it says otherwise, and reads whole processes that begin after it', async () => {
      await callsOf(3)
      const { from: _, ...atEnd } = noting()
      await everything(atEnd)
      expect(await noted(atEnd.name)).toEqual([])
      await insertProcess(db(), 'p-later')
      await db()
        .insertInto('entry')
        .values({ process: 'p-later', seq: 1, at_ms: 1, kind: 'decision', call_id: null, body: '{"kind":"decision"}' })
        .execute()
      await at().recorder.admit(denied(at().clock))
      await everything(atEnd)
      expect((await noted(atEnd.name)).map(({ process }) => process).sort()).toEqual(['p-later', lastProcess(at())].sort())
      await everything(atEnd)
      expect(await noted(atEnd.name)).toHaveLength(2)
    })

    test('one that fails leaves nothing behind, stops nobody else, and goes on from the same entry', async () => {
      let broken = true
      const name = `failing-${++names}`
      const failing = noting({
        name,
        async take(tx, entries) {
          await noteIn(name)(tx, entries)
          if (broken) throw new Error('not today')
        },
      })
      const sound = noting()
      await callsOf(2)
      const followers = follow(failing, sound)
      const expected = await written(sound.kinds)
      await vi.waitFor(async () => expect(await noted(sound.name)).toHaveLength(expected.length), BOUND)
      await vi.waitFor(() => expect(failures).toContain(name), BOUND)
      expect(failures).not.toContain(sound.name)
      expect(await noted(name)).toEqual([])
      broken = false
      await vi.waitFor(async () => expect(await noted(name)).toHaveLength(expected.length), BOUND)
      await followers.close()
      expect(sorted(await noted(name))).toEqual(sorted(expected))
    })

    test('pages taken by several at once take effect once: the lease is not what guards them', async () => {
      await callsOf(LIMITS.followerPageEntriesMax)
      const follower = noting()
      await enterFollower(db(), follower)
      await discoverProcesses(db(), follower.name, null)
      const mine: Waiting = { process: lastProcess(at()), lapsed: false }
      const pages = await Promise.all(Array.from({ length: 6 }, () => takePage(source(), follower, mine)))
      expect(pages.filter((read) => read > 0).length).toBeGreaterThan(1)
      await everything(follower)
      expect(sorted(await noted(follower.name))).toEqual(sorted(await written(follower.kinds)))
    })

    test('one process has the lease, until it runs out or the process is gone', async () => {
      const { name } = noting()
      await enterFollower(db(), noting({ name }))
      await insertProcess(db(), 'p-one')
      await insertProcess(db(), 'p-two')
      expect(await leaseFollower(db(), name, 'p-one')).toBe(true)
      expect(await leaseFollower(db(), name, 'p-two')).toBe(false)
      expect(await leaseFollower(db(), name, 'p-one')).toBe(true)
      await db().updateTable('follower').set({ until_ms: 1 }).where('name', '=', name).execute()
      expect(await leaseFollower(db(), name, 'p-two')).toBe(true)
      expect(await leaseFollower(db(), name, 'p-one')).toBe(false)
      await db().updateTable('process').set({ lapsed_at_ms: 1 }).where('id', '=', 'p-two').execute()
      expect(await leaseFollower(db(), name, 'p-one')).toBe(true)
    })

    /** Keeps what it carried, at most `atOnce` at a time. */
    const carrying = async (atOnce: number, extra: Partial<Carrier> = {}) => {
      const carried: { process: string; seq: number; kind: string }[] = []
      const carrier: Carrier = {
        ...{ name: `carrying-${++names}`, kinds: ['decision', 'outcome'], bare: true },
        carry(entries) {
          const taken = entries.slice(0, atOnce)
          carried.push(...taken.map(({ process, seq, body }) => ({ process, seq, kind: body.kind })))
          return Promise.resolve(taken.length)
        },
        close: () => Promise.resolve(),
        ...extra,
      }
      await enterFollower(db(), carrier)
      return { carrier, carried, expected: await markAfter(carrier.kinds) }
    }
    /** What is written of these kinds from here on. */
    const markAfter = async (kinds: Follower['kinds']) => {
      const before = new Set((await written(kinds)).map(key))
      return async () => sorted((await written(kinds)).filter((each) => !before.has(key(each))))
    }

    test('a carrier is given everything in order, however little it carries at once, and its position follows', async () => {
      const { carrier, carried, expected } = await carrying(7)
      await callsOf(20)
      const followers = follow(carrier)
      await vi.waitFor(() => expect(carried).toHaveLength(40), BOUND)
      await followers.close()
      expect(carried).toEqual(await expected())
      const again = await carrying(7, { name: carrier.name })
      const later = follow(again.carrier)
      await callsOf(1)
      await vi.waitFor(() => expect(again.carried).toHaveLength(2), BOUND)
      await later.close()
    })

    test('a carrier that fails is given the same again', async () => {
      let left = 2
      const seen: number[] = []
      const { carrier, expected } = await carrying(1, {
        carry(entries) {
          seen.push(entries[0]?.seq ?? 0)
          return left-- > 0 ? Promise.reject(new Error('away')) : Promise.resolve(entries.length)
        },
      })
      await callsOf(1)
      const followers = follow(carrier)
      const first = (await expected())[0]?.seq
      await vi.waitFor(() => expect(seen).toEqual([first, first, first]), BOUND)
      await vi.waitFor(async () => expect((await followers.lagSeconds()).get(carrier.name)).toBe(0), BOUND)
      expect(followers.stopped().get(carrier.name)).toBe(0)
      await followers.close()
    })

    test('nothing in the database waits while a carrier carries, and its end is not waited for', async () => {
      const begun = Promise.withResolvers<void>()
      const { carrier, expected } = await carrying(1, {
        carry: (_entries, signal) => {
          begun.resolve()
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('ended'))))
        },
      })
      await callsOf(1)
      const followers = follow(carrier)
      await begun.promise
      await callsOf(1)
      await followers.close()
      const { carrier: next, carried } = await carrying(100, { name: carrier.name })
      await everythingCarried(next)
      expect(carried).toEqual(await expected())
    })

    test('a carrier that is refused for good stops, says so, and goes on from the same entry in another start', async () => {
      const { carrier, expected } = await carrying(1, { carry: () => Promise.reject(new SinkRefused('the receiver answered 400')) })
      await callsOf(1)
      const followers = follow(carrier)
      await vi.waitFor(() => expect(followers.stopped()).toEqual(new Map([[carrier.name, 1]])), BOUND)
      expect(failures).toContain(carrier.name)
      await followers.close()
      const { carrier: next, carried } = await carrying(100, { name: carrier.name })
      await everythingCarried(next)
      expect(carried).toEqual(await expected())
    })

    test('of several that carry the same at once one moves the position, and nothing is left out', async () => {
      const { carrier, carried, expected } = await carrying(1)
      await callsOf(2)
      const mine: Waiting = { process: lastProcess(at()), lapsed: false }
      const never = new AbortController().signal
      await Promise.all(Array.from({ length: 4 }, () => carryPage(source(), carrier, mine, never)))
      await everythingCarried(carrier)
      const once = new Map(carried.map((each) => [key(each), each]))
      expect([...once.values()]).toEqual(await expected())
    })

    test('a process that is gone is read to its end and not asked again, and numbers may be missing', async () => {
      const follower = noting()
      await insertProcess(db(), 'p-gone')
      const entry = (seq: number) => ({
        ...{ process: 'p-gone', seq, at_ms: 1, kind: 'decision', call_id: null, body: '{"kind":"decision"}' },
      })
      await db().insertInto('entry').values([3, 4, 9].map(entry)).execute()
      await everything(follower)
      const rest = { follower: follower.name, process: 'p-gone' }
      const position = () =>
        db().selectFrom('follower_position').select(['seq', 'ended']).where('follower', '=', rest.follower).where('process', '=', 'p-gone')
      expect(await position().executeTakeFirst()).toEqual({ seq: 9, ended: false })
      await db()
        .insertInto('entry')
        .values([entry(10)])
        .execute()
      await db().updateTable('process').set({ lapsed_at_ms: 1 }).where('id', '=', 'p-gone').execute()
      expect((await waitingProcesses(db(), follower.name)).map(({ process, lapsed }) => ({ process, lapsed }))).toContainEqual({
        process: 'p-gone',
        lapsed: true,
      })
      await everything(follower)
      expect(await position().executeTakeFirst()).toEqual({ seq: 10, ended: true })
      const taken = (await noted(follower.name)).filter(({ process }) => process === 'p-gone')
      expect(taken.map(({ seq }) => seq)).toEqual([3, 4, 9, 10])
    })

    test('the lag is the age of the oldest entry that waits', async () => {
      const { clock, recorder } = at()
      const behind = noting({ take: () => Promise.reject(new Error('never')) })
      const level = noting()
      await recorder.admit(denied(clock))
      clock.nowMs += 90_000
      await everything(level)
      const followers = follow(behind, level)
      await vi.waitFor(async () => expect((await followers.lagSeconds()).get(behind.name)).toBeGreaterThanOrEqual(90), BOUND)
      expect((await followers.lagSeconds()).get(level.name)).toBe(0)
      await followers.close()
    })
  })
}
