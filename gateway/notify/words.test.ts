import { expect, test } from 'vitest'
import { type Instant, instant } from '../core/clock.ts'
import type { EntryBody } from '../core/entry.ts'
import type { NoticeKind } from '../core/notice-kind.ts'
import type { HoldId } from '../core/ids.ts'
import { call, hold, message } from './fixture-message.ts'
import type { Message } from './message.ts'
import { lasting, subjectOf, textOf } from './words.ts'

const holdId = 'hold_00000001' as HoldId
const GLASS: EntryBody = {
  kind: 'grant.break_glass',
  id: 'glass_1' as Extract<EntryBody, { kind: 'grant.break_glass' }>['id'],
  hold: holdId,
  by: 'ivo',
  reason: 'the plant is on fire\nAgent  nobody',
  until: instant(0),
  reviewDue: instant(Date.UTC(2026, 10, 24)) as Instant,
}
const approved = { hold: hold({ state: 'approved' }), call: call() }

test.each<[string, NoticeKind, Partial<Message>, string, readonly string[], readonly string[]]>([
  [
    'an edit',
    'hold.edited',
    { body: { kind: 'hold.edited', hold: holdId, by: 'raj', comment: null, changes: [] } },
    'Edited, waits for you: erp.createPayment by invoice-clerk',
    ['raj edited the arguments', 'waits for your decision'],
    [],
  ],
  [
    'an escalation to who may decide',
    'hold.escalated',
    {},
    'Escalated to you: erp.createPayment by invoice-clerk',
    ['It waits for your decision now.'],
    [],
  ],
  [
    'an escalation that only tells',
    'hold.escalated',
    { asked: false, link: null },
    'Still undecided: erp.createPayment by invoice-clerk',
    ['others decide', 'The arguments are not in this message.'],
    ['/notice#', 'behind the link'],
  ],
  [
    'a hold that is about to expire',
    'hold.expiring',
    {},
    'About to expire: erp.createPayment by invoice-clerk',
    ['is refused by itself soon', 'in 3 h 58 min'],
    [],
  ],
  [
    'a broken glass',
    'break_glass.used',
    { body: GLASS, about: approved, asked: false },
    'Glass broken: erp.createPayment by invoice-clerk',
    ['ivo approved a held call alone', 'the plant is on fire\\u000aAgent  nobody', '2026-11-24 00:00 UTC'],
    ['Refused by itself'],
  ],
  [
    'a review that is overdue',
    'break_glass.review_lapsed',
    { about: null, link: null },
    'Review overdue: a held call',
    ['nobody breaks it again'],
    ['/notice#'],
  ],
])('%s', (_title, kind, more, subject, said, unsaid) => {
  const told = message({ kind, ...more })
  expect(subjectOf(told)).toBe(subject)
  const text = textOf(told)
  for (const words of said) expect(text).toContain(words)
  for (const words of unsaid) expect(text).not.toContain(words)
})

test.each([
  [0, 'less than a minute'],
  [59_999, 'less than a minute'],
  [60_000, '1 min'],
  [3_599_999, '59 min'],
  [3_660_000, '1 h 1 min'],
  [90_000_000, '1 d 1 h'],
])('%s ms are %s', (ms, words) => expect(lasting(ms)).toBe(words))
