import { beforeEach, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import type { Entry } from '../core/entry.ts'
import type { CallId, HoldId } from '../core/ids.ts'
import type { Person } from '../core/principal.ts'
import type { Notice } from '../ports/notice-queue.ts'
import { discoverProcesses, enterFollower, takePage, waitingProcesses } from './follower-positions.ts'
import { keepHouse } from './housekeeping.ts'
import { escalateDue, warnDue } from './maintenance.ts'
import { type Directory, noticesFollower } from './notices.ts'
import { escalating } from './escalation.conformance.ts'
import { approve, kinds, type TestStore, vote } from './test-store.ts'
import { held } from './test-units.ts'

const LEASE_MS = 60_000

const person = (name: string, groups: string[]): Person => ({ name, groups, roles: [] })
const PEOPLE = [person('amy', ['leads']), person('bob', ['finance']), person('cy', ['finance']), person('joe', ['board'])]
const DIRECTORY: Directory = {
  people: () => PEOPLE,
  channelsOf: (name) => (name === 'cy' ? ['webhook:ops'] : ['mail', 'webhook:ops']),
}

/** What is queued from the record, who has it, and what its links open. */
export function noticeConformance(at: () => TestStore): void {
  describe('notices', () => {
    let turn = 0
    const db = () => at().storage.database.db
    const queue = () => at().storage.notices
    const now = () => at().clock.now()
    beforeEach(async () => {
      await db().deleteFrom('notice').execute()
      await db().deleteFrom('notice_link').execute()
    })
    /** Has the follower take all that was written since the last time. */
    const follow = async (directory = DIRECTORY): Promise<void> => {
      const follower = noticesFollower(directory)
      if (turn++ === 0) await enterFollower(db(), follower)
      await discoverProcesses(db(), follower.name, null)
      for (let waiting = await waitingProcesses(db(), follower.name); waiting.length > 0; ) {
        for (const each of waiting) await takePage({ db: db(), sealer: at().storage.sealer }, follower, each)
        waiting = await waitingProcesses(db(), follower.name)
      }
    }
    const rows = async () =>
      (
        await db()
          .selectFrom('notice')
          .select(['kind', 'recipient', 'channel', 'asked', 'state'])
          .orderBy('recipient')
          .orderBy('channel')
          .execute()
      ).map(({ kind, recipient, channel, asked, state }) => `${kind} ${recipient} ${channel} ${asked ? 'asked' : 'told'} ${state}`)
    const entriesOf = async (id: CallId): Promise<readonly Entry[]> => at().storage.calls.entries(id)
    const opened = async (sample: Parameters<typeof held>[1] = {}) => {
      await follow()
      const unit = held(at().clock, sample)
      await at().recorder.admit(unit)
      await follow()
      return unit
    }
    const claimOne = async (channel = 'mail'): Promise<Notice> => {
      const [notice] = await queue().claim(channel, now(), LEASE_MS, 10)
      if (!notice) throw new Error('nothing is due')
      return notice
    }

    test('a hold that opens is told to its voters, by each channel that reaches them, once', async () => {
      const unit = await opened()
      const expected = ['bob mail', 'bob webhook:ops', 'cy webhook:ops'].map((each) => `hold.opened ${each} asked due`)
      expect(await rows()).toEqual(expected)
      const entries = await entriesOf(unit.call.id)
      await db()
        .transaction()
        .execute((tx) => noticesFollower(DIRECTORY).take(tx, entries))
      expect(await rows()).toEqual(expected)
    })

    test('nothing is queued for people whom no channel reaches, nor of what was over before it was read', async () => {
      await follow()
      const unit = held(at().clock)
      await at().recorder.admit(unit)
      await follow({ people: () => PEOPLE, channelsOf: () => [] })
      expect(await rows()).toEqual([])
      const decided = held(at().clock)
      await at().recorder.admit(decided)
      await approve(at(), decided)
      await follow()
      expect(await rows()).toEqual([])
    })

    test('an edit tells the voters of the hold that took the place, and its opening tells nobody again', async () => {
      const unit = await opened()
      const replacement = { ...held(at().clock).hold, callId: unit.call.id }
      await at().recorder.changeHold({
        ...{
          hold: unit.hold.id,
          callId: unit.call.id,
          to: 'superseded',
          callState: 'held',
          by: 'cy',
          from: 'open',
          digest: unit.hold.digest,
        },
        edit: { input: { amount: 1 }, comment: null, changes: [], key: 'k'.repeat(64) },
        redecision: { request: unit.request, decision: unit.decision },
        replacement,
      })
      await follow()
      const ofReplacement = await db()
        .selectFrom('notice')
        .select(['kind', 'recipient', 'channel'])
        .where('hold_id', '=', replacement.id)
        .execute()
      expect(ofReplacement.map(({ kind, recipient, channel }) => `${kind} ${recipient} ${channel}`).sort()).toEqual([
        'hold.edited bob mail',
        'hold.edited bob webhook:ops',
      ])
    })

    test('steps of an escalation tell stand-ins and those who are to be told', async () => {
      const unit = escalating(at().clock)
      await follow()
      await at().recorder.admit(unit)
      at().clock.nowMs += 300
      await escalateDue({ writer: at().storage.writer, bus: { publish: () => undefined, subscribe: () => () => undefined } })
      await follow()
      const told = (await rows()).filter((row) => row.startsWith('hold.escalated') && row.includes('mail'))
      expect(told).toEqual(['hold.escalated amy mail asked due', 'hold.escalated joe mail told due', 'hold.escalated joe mail told due'])
    })

    test('who has voted is not told that a hold is about to expire, and it is said once', async () => {
      const unit = await opened({ lifeMs: 1_000 })
      await at().recorder.changeHold({
        ...{
          hold: unit.hold.id,
          callId: unit.call.id,
          to: 'approved',
          callState: 'held',
          by: 'bob',
          voteOnly: true,
          digest: unit.hold.digest,
        },
        vote: vote(at().clock, unit.hold.id),
      })
      const due = () => warnDue({ writer: at().storage.writer })
      at().clock.nowMs += 749
      expect(await due()).toEqual([])
      at().clock.nowMs += 1
      expect([...(await due()), ...(await due())]).toEqual([unit.call.id])
      await follow()
      expect((await rows()).filter((row) => row.startsWith('hold.expiring'))).toEqual(['hold.expiring cy webhook:ops asked due'])
      expect((await kinds(at(), unit.call.id)).filter((kind) => kind === 'hold.expiring')).toHaveLength(1)
    })

    test('what is decided or over says nothing of its end', async () => {
      const decided = await opened({ lifeMs: 1_000 })
      await approve(at(), decided)
      const over = await opened({ lifeMs: 1_000 })
      at().clock.nowMs += 1_000
      expect(await warnDue({ writer: at().storage.writer })).toEqual([])
      expect(await kinds(at(), over.call.id)).toEqual(['decision', 'hold.opened'])
    })

    test('a claim is exclusive until its lease is over, and whoever lost it changes nothing', async () => {
      await opened()
      const both = await Promise.all([1, 2].map(() => queue().claim('webhook:ops', now(), LEASE_MS, 10)))
      expect(
        both
          .flat()
          .map(({ recipient, attempt }) => [recipient, attempt])
          .sort(),
      ).toEqual([
        ['bob', 1],
        ['cy', 1],
      ])
      const first = await claimOne()
      at().clock.nowMs += LEASE_MS - 1
      expect(await queue().claim('mail', now(), LEASE_MS, 10)).toEqual([])
      at().clock.nowMs += 1
      const second = await claimOne()
      expect([second.id, second.attempt]).toEqual([first.id, 2])
      for (const late of [queue().sent, queue().giveUp, queue().drop]) await late(first, 'too late')
      await queue().again(first, instant(0), 'too late')
      expect(await queue().claim('mail', now(), LEASE_MS, 10)).toEqual([])
      await queue().again(second, instant(now() + 5), 'the receiver answered 500')
      expect(await queue().claim('mail', now(), LEASE_MS, 10)).toEqual([])
      at().clock.nowMs += 5
      expect((await claimOne()).attempt).toBe(3)
    })

    test('what was sent and what was given up stands in the record, without content and address', async () => {
      const unit = await opened()
      await queue().sent(await claimOne())
      const claimed = await queue().claim('webhook:ops', now(), LEASE_MS, 10)
      const [bob, cy] = ['bob', 'cy'].map((name) => claimed.find(({ recipient }) => recipient === name))
      if (!bob || !cy) throw new Error('two are due')
      await queue().giveUp(bob, 'the receiver answered 410: it wants no more')
      await queue().drop(cy, 'has voted')
      const bodies = (await entriesOf(unit.call.id)).map(({ body }) => body).filter(({ kind }) => kind.startsWith('notice.'))
      const told = { notice: 'hold.opened', person: 'bob', hold: unit.hold.id, attempt: 1 }
      expect(bodies).toEqual([
        { kind: 'notice.sent', ...told, channel: 'mail' },
        { kind: 'notice.given_up', ...told, channel: 'webhook:ops', why: 'the receiver answered 410: it wants no more' },
      ])
      expect((await queue().givenUp(10)).map(({ recipient, channel, why, state }) => [recipient, channel, why, state])).toEqual([
        ['bob', 'webhook:ops', 'the receiver answered 410: it wants no more', 'given_up'],
      ])
      expect(await queue().waiting(10)).toBe(0)
    })

    test('a link opens its hold for its person, once, until it is too old; the table has no secret', async () => {
      const holdId = 'hold_00000000' as HoldId
      const link = { person: 'bob', holdId, expiresAt: instant(now() + 100) }
      for (const secret of ['one', 'two']) await queue().keepLink(secret, link)
      expect(await queue().useLink('one', 'amy', now())).toBeUndefined()
      expect(await queue().useLink('three', 'bob', now())).toBeUndefined()
      const uses = await Promise.all([1, 2, 3].map(() => queue().useLink('one', 'bob', now())))
      expect(uses.filter(Boolean)).toEqual([holdId])
      expect(await queue().useLink('two', 'bob', instant(now() + 100))).toBeUndefined()
      expect(await queue().useLink('two', 'bob', instant(now() + 99))).toBe(holdId)
      expect(JSON.stringify(await db().selectFrom('notice_link').selectAll().execute())).not.toMatch(/"(one|two)"/)
    })

    test('what ended is swept after its time', async () => {
      await opened()
      await queue().sent(await claimOne())
      await queue().keepLink('old', { person: 'bob', holdId: 'hold_00000000' as HoldId, expiresAt: now() })
      const count = async () => (await rows()).length
      const all = await count()
      await keepHouse(at().storage.database, instant(now() + 29 * 86_400_000))
      expect(await count()).toBe(all)
      await keepHouse(at().storage.database, instant(now() + 31 * 86_400_000))
      expect(await count()).toBe(all - 1)
      expect(await db().selectFrom('notice_link').selectAll().execute()).toEqual([])
    })
  })
}
