import { describe, expect, test } from 'vitest'
import { instant } from './clock.ts'
import type { EntryBody } from './entry.ts'
import { NOBODY_EXCLUDED } from './exclusion.ts'
import type { HoldId } from './ids.ts'
import { recipients, tellings, type Votable, warnsAtMs } from './notice.ts'
import type { Person } from './principal.ts'

const person = (name: string, groups: string[], roles: Person['roles'] = []): Person => ({ name, groups, roles })
const PEOPLE = [
  person('amy', ['finance']),
  person('bob', ['finance']),
  person('cfo', ['chiefs']),
  person('eve', ['finance'], ['auditor']),
  person('joe', ['press', 'finance']),
  person('own', ['finance']),
  person('sec', [], ['security']),
  person('sub', ['finance']),
]

const about = (more: Partial<Votable> = {}): Votable => ({
  hold: { state: 'open', requires: [{ group: 'finance', count: 1 }], excluded: NOBODY_EXCLUDED },
  call: { subject: 'sub', owner: 'own', actors: ['clerk'] },
  publishers: [],
  voted: [],
  ...more,
})

const hold = 'hold_1' as HoldId
const EDITED: EntryBody = { kind: 'hold.edited', hold, by: 'amy', comment: null, changes: [] }
const EXPIRING: EntryBody = { kind: 'hold.expiring', hold, expiresAt: instant(9) }
const escalated = (to: string | null, notify: string[]): EntryBody => ({
  kind: 'hold.escalated',
  hold,
  step: 1,
  to,
  seats: ['finance'],
  notify,
})
const stoodIn = about({ hold: { ...about().hold, requires: [{ group: 'finance', count: 1, standIns: ['chiefs'] }] } })
const GLASS: EntryBody = {
  kind: 'grant.break_glass',
  id: 'glass_1' as Extract<EntryBody, { kind: 'grant.break_glass' }>['id'],
  hold,
  by: 'amy',
  reason: 'fire',
  until: instant(1),
  reviewDue: instant(2),
}
const approved = about({ hold: { ...about().hold, state: 'approved' } })

const told = (body: EntryBody, of: Votable | null): string[] =>
  tellings(body).flatMap((telling) =>
    recipients(telling, of, PEOPLE).map(({ person: name, asked }) => `${name} ${asked ? 'asked' : 'told'}`),
  )

describe('whom an entry has told', () => {
  test.each([
    ['those who may vote, and neither owner nor subject nor auditors', EXPIRING, about(), ['amy asked', 'bob asked', 'joe asked']],
    ['not who has voted', EXPIRING, about({ voted: ['bob'] }), ['amy asked', 'joe asked']],
    ['not who published the policy', EXPIRING, about({ publishers: ['amy'] }), ['bob asked', 'joe asked']],
    ['not who edited', EDITED, about({ call: { ...about().call, edit: { editors: ['amy'] } } }), ['bob asked', 'joe asked']],
    [
      'nobody where a fact that names who may not vote is missing',
      EXPIRING,
      about({ hold: { ...about().hold, excluded: { people: [], unknown: ['/lookup/x'] } } }),
      [],
    ],
    ['stand-ins are asked, others told', escalated('chiefs', ['press']), stoodIn, ['cfo asked', 'joe told']],
    [
      'an escalation that only tells',
      escalated(null, ['press', 'finance']),
      about(),
      ['amy told', 'bob told', 'eve told', 'joe told', 'own told', 'sub told'],
    ],
    ['nobody of a hold that is decided', escalated('chiefs', ['press']), approved, []],
    ['nobody of a hold that is not there', EXPIRING, null, []],
    ['security and the owner of a broken glass, whatever became of the hold', GLASS, approved, ['sec told', 'own told']],
    ['nobody of what tells nobody', { kind: 'view', by: 'amy', what: 'payload' } as EntryBody, about(), []],
  ] as const)('%s', (_title, body, of, expected) => expect(told(body, of)).toEqual(expected))
})

test.each([
  ['an hour before the end of a long life', 0, 4 * 3_600_000, 3 * 3_600_000],
  ['a quarter of a short one', 0, 600_000, 450_000],
  ['an hour of a day', 0, 86_400_000, 82_800_000],
])('a hold warns %s', (_title, createdAt, expiresAt, at) =>
  expect(warnsAtMs({ createdAt: instant(createdAt), expiresAt: instant(expiresAt) })).toBe(at),
)
