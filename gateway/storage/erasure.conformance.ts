import { sql } from 'kysely'
import { describe, expect, test, vi } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import { withoutPayload } from '../core/entry-payload.ts'
import type { CallId } from '../core/ids.ts'
import { leafOf } from '../record/leaf.ts'
import { untakenSince } from './follower-positions.ts'
import { startFollowers } from './followers.ts'
import { searchFollower } from './search-index.ts'
import { givenGrant } from './test-grants.ts'
import { kinds, type TestStore } from './test-store.ts'
import { denied, finished, held, permitted } from './test-units.ts'

const CANARY = 'zzcanary'
const BOUND = { timeout: 20_000, interval: 20 }

/** Erasure of payloads, whichever database they are in. */
export function erasureConformance(at: () => TestStore): void {
  const erase = (...ids: readonly CallId[]) => at().storage.erasure.erase(ids, 'aisha', 'asked for')
  /** Every row of every table that has the text. */
  const holding = async (text: string): Promise<readonly string[]> => {
    const { pool } = at().storage.database
    const tables = await pool.query<{ name: string }>(
      "select table_name as name from information_schema.tables where table_schema = current_schema() and table_type = 'BASE TABLE' order by 1",
    )
    const found: string[] = []
    for (const { name } of tables.rows) {
      const { rows } = await pool.query<{ row: string }>(`select t::text as row from "${name}" t`)
      found.push(...rows.filter(({ row }) => row.includes(text)).map(() => name))
    }
    return [...new Set(found)]
  }
  /** A call whose payload is wherever it can be, ended. */
  const executed = async (said = CANARY): Promise<CallId> => {
    const { recorder, clock } = at()
    const unit = permitted(clock, { input: { name: CANARY }, joinKey: `join-${clock.nowMs++}` })
    const rationale = `because ${said} said so`
    const { decision } = unit
    const request = { resource: { type: 'Crm::Customer', id: said } }
    await recorder.admit({
      ...unit,
      call: { ...unit.call, rationale },
      request: { ...unit.request, asserted: { rationale } },
      decision: { ...decision, evidence: { ...decision.evidence, request } },
    })
    await recorder.finish(finished(unit.call.id, unit.intent, 'completed', `{"name":"${CANARY}"}`))
    return unit.call.id
  }
  const index = async (): Promise<void> => {
    const { storage, clock } = at()
    const { database, sealer, writer } = storage
    const running = startFollowers([searchFollower()], { database, sealer, writer, clock, bus: createInProcessBus() })
    try {
      await vi.waitFor(async () => expect(await untakenSince(database.db, 'search')).toBeUndefined(), BOUND)
    } finally {
      await running.close()
    }
  }

  describe('erasure', () => {
    test('an ended call: nothing of its payload is left in any table, and its leaves are what they were', async () => {
      const id = await executed()
      await index()
      const before = await at().storage.calls.entries(id)
      expect(await holding(CANARY)).toEqual(['call', 'search_value', 'search_word'])
      expect(await erase(id)).toEqual({ calls: [id], entries: 1, kept: [] })
      expect(await holding(CANARY)).toEqual([])
      const after = await at().storage.calls.entries(id)
      expect(after.slice(0, -1).map((entry) => Buffer.from(leafOf(entry)).toString())).toEqual(
        before.map((entry) => Buffer.from(leafOf({ ...entry, body: withoutPayload(entry.body) })).toString()),
      )
      expect(after.at(-1)?.body).toEqual({ kind: 'erased', calls: [id], by: 'aisha', why: 'asked for', entries: 1 })
      expect(after[0]).toMatchObject({ erased: true, body: { kind: 'decision', request: { input: {} } } })
      const call = await at().storage.calls.call(id)
      expect(call).toMatchObject({ input: {}, rationale: null, result: null, resultKept: 'none', state: 'completed' })
      expect(call?.erased).toMatchObject({ by: 'aisha', why: 'asked for' })
    })

    test('a held call: what people wrote and whom it named goes, who voted stays', async () => {
      const { recorder, clock, storage } = at()
      const unit = held(clock, { input: { name: CANARY } })
      const excluded = { people: [CANARY], unknown: [] }
      await recorder.admit({ ...unit, hold: { ...unit.hold, excluded } })
      const { call, hold } = unit
      const refusal = { hold: hold.id, callId: call.id, to: 'rejected', callState: 'rejected', by: 'bob' } as const
      const vote = { holdId: hold.id, voter: 'bob', verdict: 'reject', comment: `not ${CANARY}`, at: clock.now() } as const
      expect(await recorder.changeHold({ ...refusal, vote })).toBe(true)
      expect(await holding(CANARY)).toEqual(['call', 'hold', 'vote'])
      expect(await holding(hold.nonce)).toEqual(['hold'])
      expect(await erase(call.id)).toMatchObject({ calls: [call.id], entries: 3, kept: [] })
      expect(await holding(CANARY)).toEqual([])
      expect(await holding(hold.nonce)).toEqual([])
      expect(await storage.calls.votes(hold.id)).toMatchObject([{ voter: 'bob', verdict: 'reject', comment: null }])
    })

    test('what another call still says stays found, and goes with the last', async () => {
      const [one, two] = [await executed('zzshared'), await executed('zzshared')]
      await index()
      await erase(one)
      const find = async () => (await at().storage.calls.calls({ text: 'zzshared' }, { first: 10 })).rows.map(({ id }) => id)
      expect(await find()).toEqual([two])
      await erase(two)
      expect(await find()).toEqual([])
      expect(await holding('zzshared')).toEqual([])
    })

    test('what was erased before the search index read it is not indexed, and the same words are again afterwards', async () => {
      const id = await executed('zzlate')
      await erase(id)
      await index()
      expect(await holding('zzlate')).toEqual([])
      const again = await executed('zzlate')
      await index()
      expect((await at().storage.calls.calls({ text: 'zzlate' }, { first: 10 })).rows.map((call) => call.id)).toEqual([again])
    })

    test('while a follower reads a page, erasure waits for what it writes', async () => {
      const id = await executed('zzracing')
      await index()
      const { db, kind } = at().storage.database
      if (kind === 'pglite') return
      const erased = await db.transaction().execute(async (tx) => {
        await sql`select name from follower where name = 'search' for update`.execute(tx)
        const erasing = erase(id).then(() => 'erased')
        const first = await Promise.race([erasing, waiting(db).then(() => 'waiting')])
        expect(first).toBe('waiting')
        return { erasing }
      })
      expect(await erased.erasing).toBe('erased')
    })

    test('calls that are open, that are not there, or whose grant lives, are kept whole', async () => {
      const { recorder, clock, storage } = at()
      const open = held(clock, { input: { name: CANARY } })
      await recorder.admit(open)
      const running = permitted(clock)
      await recorder.admit(running)
      const doubtful = permitted(clock)
      await recorder.admit(doubtful)
      await recorder.finish(finished(doubtful.call.id, doubtful.intent, 'in_doubt'))
      const missing = `call_${'0'.repeat(26)}` as CallId
      const done = denied(clock)
      await recorder.admit(done)
      const { calls, kept } = await erase(open.call.id, running.call.id, doubtful.call.id, missing, done.call.id)
      expect(calls).toEqual([done.call.id])
      expect(new Map(kept.map(({ call, why }) => [call, why]))).toEqual(
        new Map([
          [missing, 'there is no such call'],
          [open.call.id, 'it is held: erase it once it has ended'],
          [running.call.id, 'it is executing: erase it once it has ended'],
          [doubtful.call.id, 'it is in doubt: erase it once it has ended'],
        ]),
      )
      expect(await storage.calls.call(open.call.id)).toMatchObject({ input: { name: CANARY } })
      expect(await kinds(at(), open.call.id)).not.toContain('erased')
    })

    test('a call whose approval gave a grant is kept until that is over', async () => {
      const { recorder, storage } = at()
      const grant = await givenGrant(at())
      const hold = { hold: grant.holdId, callId: grant.callId, by: 'bob' }
      expect(await recorder.changeHold({ ...hold, to: 'cancelled', callState: 'cancelled', why: 'x' })).toBe(true)
      expect((await erase(grant.callId)).kept).toEqual([
        { call: grant.callId, why: `its standing grant ${grant.id} is not over: revoke it first` },
      ])
      await storage.grants.end(grant.id, 'bob', 'over')
      expect((await erase(grant.callId)).calls).toEqual([grant.callId])
      expect((await storage.grants.grant(grant.id))?.arguments).toEqual([])
    })

    test('a second time changes nothing and says nothing', async () => {
      const id = await executed()
      await erase(id)
      expect(await erase(id)).toEqual({ calls: [], entries: 0, kept: [] })
      expect((await kinds(at(), id)).filter((kind) => kind === 'erased')).toHaveLength(1)
    })

    test('an equal call finds the one that nobody has fetched, and no digest of arguments is left of the others', async () => {
      const { recorder, clock, storage } = at()
      const sample = { input: { name: CANARY }, joinKey: 'equal' }
      const unit = permitted(clock, sample)
      await recorder.admit(unit)
      await recorder.finish(finished(unit.call.id, unit.intent, 'completed', CANARY))
      await erase(unit.call.id)
      expect(await recorder.admit(permitted(clock, sample))).toEqual({ kind: 'joined', callId: unit.call.id })
      recorder.delivered(unit.call.id)
      await vi.waitFor(async () => expect((await storage.calls.call(unit.call.id))?.delivered).toBe(true), BOUND)
      expect(await recorder.admit(permitted(clock, sample))).toEqual({ kind: 'recorded' })
    })
  })

  const waiting = async (db: TestStore['storage']['database']['db']): Promise<void> => {
    await vi.waitFor(async () => {
      const { rows } = await sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%from "follower"%'`.execute(
        db,
      )
      expect(rows).toHaveLength(1)
    }, BOUND)
  }
}
