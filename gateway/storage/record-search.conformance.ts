import { randomBytes } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import { instant } from '../core/clock.ts'
import type { Entry, EntryBody } from '../core/entry.ts'
import { entryKinds } from '../core/entry-kinds.ts'
import { withoutPayload } from '../core/entry-payload.ts'
import { newRunId } from '../core/ids.ts'
import type { EntryFilter, EntryPlace } from '../ports/record-search.ts'
import { growLog } from '../record/grow-log.ts'
import { entriesPage } from './entry-pages.ts'
import { testSigner } from './test-log.ts'
import { startFollowers } from './followers.ts'
import { logFollower } from './log.ts'
import { approve, lastProcess, type TestStore } from './test-store.ts'
import { denied, finished, held, permitted } from './test-units.ts'

/** Who did an entry, as the filter `by` means it. */
const personOf = (body: EntryBody): string | undefined => {
  if (body.kind === 'notice.sent' || body.kind === 'notice.given_up') return undefined
  if ('by' in body) return body.by
  return 'voter' in body ? body.voter : 'person' in body ? body.person : undefined
}

function fits({ body, callId, process, at }: Entry, { kinds, by, call, process: of, since, until }: EntryFilter): boolean {
  if (kinds && !kinds.includes(body.kind)) return false
  if (by !== undefined && personOf(body) !== by) return false
  return (!call || callId === call) && (!of || process === of) && at >= (since ?? 0) && at < (until ?? Number.POSITIVE_INFINITY)
}

/** What auditors ask of the record, whichever database it is in. */
export function recordSearchConformance(at: () => TestStore): void {
  describe('questions about the record', () => {
    const everything = async (): Promise<Entry[]> => {
      const all: Entry[] = []
      for (let place: EntryPlace | null = null; ; ) {
        const page: readonly Entry[] = await at().storage.calls.entriesAfter(place, 500)
        all.push(...page)
        const last = page.at(-1)
        if (!last) return all.reverse()
        place = { at: last.at, process: last.process, seq: last.seq }
      }
    }
    const look = (by: string, callId: Parameters<TestStore['recorder']['note']>[0]) =>
      at().recorder.note(callId, { kind: 'view', by, what: 'payload' })

    test.each(['a \0 b', 'half of a pair \ud800', '{"by":"lee"}', '"by":"lee"'])(
      'an entry with %j in it is written, and is found by who did it',
      async (why) => {
        await at().recorder.note(null, {
          kind: 'policy.rolled_back',
          policySet: 'b',
          base: 'a',
          by: 'nora',
          why,
          proposal: null,
          emergency: true,
        })
        const [newest] = (await entriesPage(at().storage.database.db, { by: 'nora' }, { first: 1 })).rows
        expect(newest?.body).toMatchObject({ by: 'nora', why })
      },
    )

    /** Calls of every kind, looks and votes, in time. */
    async function scene(): Promise<{ heldCall: ReturnType<typeof held>; midMs: number }> {
      const { recorder, clock } = at()
      const heldCall = held(clock)
      await recorder.admit(heldCall)
      for (let i = 0; i < 30; i++) {
        clock.nowMs += 1_000
        const unit = i % 3 === 0 ? denied(clock) : permitted(clock)
        await recorder.admit(unit)
        if ('intent' in unit) await recorder.finish(finished(unit.call.id, unit.intent))
        if (i % 2 === 0) await look(i % 4 === 0 ? 'lee' : 'aisha', heldCall.call.id)
        if (i === 15) await approve(at(), heldCall)
      }
      await recorder.note(null, { kind: 'person.session', person: 'lee', change: 'signed_in' })
      await recorder.note(null, { kind: 'agent.token', agent: 'helper', by: 'lee', subject: null })
      return { heldCall, midMs: clock.nowMs - 15_000 }
    }

    /** All pages, with what is written between them. */
    async function paged(filter: EntryFilter, first: number, scanRowsMax: number): Promise<{ rows: Entry[]; short: number }> {
      const { db } = at().storage.database
      const rows: Entry[] = []
      let short = 0
      for (let after: EntryPlace | undefined; ; ) {
        const page = await entriesPage(db, filter, { first, ...(after && { after }) }, scanRowsMax)
        rows.push(...page.rows)
        const last = page.rows.at(-1)
        if (page.lookedTo) short += 1
        after = page.lookedTo ?? (last && { at: last.at, process: last.process, seq: last.seq })
        at().clock.nowMs += 10
        await look('sam', null)
        if (!page.more) return { rows, short }
      }
    }

    test('entries: every filter, newest first, without gaps or repeats, while the record grows', async () => {
      const { heldCall, midMs } = await scene()
      const all = await everything()
      const recent = { since: instant(midMs - 60_000), until: instant(at().clock.nowMs + 1) }
      const filters: EntryFilter[] = [
        recent,
        { ...recent, kinds: ['view'] },
        { ...recent, kinds: entryKinds(['vote', 'agent.*', 'person.*', 'hold.*']) },
        { ...recent, kinds: ['decision'] },
        { ...recent, kinds: ['outcome', 'vote'] },
        { ...recent, kinds: [] },
        { ...recent, by: 'lee' },
        { ...recent, by: 'lee', kinds: ['view'] },
        { ...recent, by: 'nobody' },
        { call: heldCall.call.id },
        { call: heldCall.call.id, by: 'aisha' },
        { call: heldCall.call.id, kinds: ['view'], since: instant(midMs) },
        { ...recent, process: lastProcess(at()), kinds: ['intent'] },
        { ...recent, process: 'another' },
      ]
      for (const filter of filters) {
        const wanted = all.filter((entry) => fits(entry, filter)).map((entry) => ({ ...entry, body: withoutPayload(entry.body) }))
        const { rows } = await paged(filter, 7, 5_000)
        expect(rows, JSON.stringify(filter)).toEqual(wanted)
      }
      expect(all.filter((entry) => fits(entry, filters[6] ?? {})).length).toBeGreaterThan(5)
    })

    test('what fits rarely comes in short pages that say how far they looked', async () => {
      await scene()
      const all = await everything()
      const filter: EntryFilter = { by: 'lee', kinds: ['agent.token'] }
      const { rows, short } = await paged(filter, 5, 20)
      expect(rows.map(({ seq }) => seq)).toEqual(all.filter((entry) => fits(entry, filter)).map(({ seq }) => seq))
      expect(short).toBeGreaterThan(0)
    })

    test('a run: who started it for whom, and what it carries', async () => {
      const { recorder, storage, clock } = at()
      const run = newRunId(clock.nowMs, randomBytes(16))
      await recorder.startRun({ run, agent: 'helper', subject: 'paul', by: 'olga' })
      const unit = permitted(clock, { run, subject: 'paul' })
      await recorder.admit(unit)
      await recorder.stick({ callId: unit.call.id, agent: 'helper', subject: 'paul', run, labels: ['pii', 'confidential'] })
      const found = await storage.search.run(run)
      expect(found).toMatchObject({ agent: 'helper', subject: 'paul', startedBy: 'olga', startedAt: Math.floor(clock.nowMs) })
      expect(found?.labels.map(({ label }) => label)).toEqual(['confidential', 'pii'])
      for (const { lastAt } of found?.labels ?? []) expect(lastAt).toBe(Math.ceil(clock.nowMs))
      expect(await storage.search.run('run_that_nobody_started')).toBeUndefined()
    })

    test('every call stands at one place of the log, however often it was decided', async () => {
      const { storage, clock, recorder } = at()
      const start = await storage.search.logSize()
      const { heldCall } = await scene()
      const { request, decision } = heldCall
      await recorder.note(heldCall.call.id, { kind: 'decision', request, decision, release: heldCall.hold.id })
      const following = startFollowers([logFollower(growLog(testSigner.name, [testSigner]))], {
        ...{ database: storage.database, sealer: storage.sealer, writer: storage.writer, clock, bus: createInProcessBus() },
      })
      const size = (await everything()).length
      await vi.waitFor(async () => expect(await storage.search.logSize()).toBe(size), { timeout: 20_000, interval: 20 })
      await following.close()
      const places = Array.from({ length: size - start }, (_, i) => start + i).slice(-500)
      const calls = await storage.calls.calls({}, { first: 500 })
      // Calls of other tests are in the log, and gone from the projections.
      const drawn = (await storage.search.callsAt(places, {})).filter(({ call }) => call)
      expect(drawn.map(({ call }) => call?.id).sort()).toEqual(calls.rows.map(({ id }) => id).sort())
      expect(drawn.every(({ call, id }) => call?.id === id)).toBe(true)
      const deniedOnly = await storage.search.callsAt(places, { state: ['denied'] })
      expect(deniedOnly.filter(({ call }) => call).length).toBe(calls.rows.filter((call) => call.state === 'denied').length)
      expect(deniedOnly.length).toBeGreaterThanOrEqual(calls.rows.length)
    })
  })
}
