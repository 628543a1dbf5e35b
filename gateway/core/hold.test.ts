import { describe, expect, test } from 'vitest'
import {
  type ApprovalDefinition,
  combineApprovals,
  HOLD_STATES,
  ineligibility,
  ineligibleToEdit,
  PLAIN_TERMS,
  satisfied,
  seating,
  statesBefore,
} from './hold.ts'
import { NOBODY_EXCLUDED } from './exclusion.ts'

const finance = { group: 'finance-managers', count: 1 }
const maria = { name: 'maria', groups: ['finance-managers', 'cfo-office'] }
const raj = { name: 'raj', groups: ['finance-managers'] }

describe('the state machine', () => {
  test.each(['consumed', 'rejected', 'expired', 'cancelled', 'denied', 'superseded'] as const)('nothing follows %s', (from) => {
    for (const to of HOLD_STATES) expect(statesBefore(to)).not.toContain(from)
  })
  test('an approval is used once: only an approved hold becomes consumed', () => expect(statesBefore('consumed')).toEqual(['approved']))
  test('only an open hold is voted on', () => {
    expect(statesBefore('approved')).toEqual(['open'])
    expect(statesBefore('rejected')).toEqual(['open'])
  })
})

describe('combined approvals', () => {
  const definition: ApprovalDefinition = { ...PLAIN_TERMS, name: 'a', requires: [finance], expiresMs: 10, version: 'v' }
  test('all groups, the highest count, the shortest expiry, claim over execute', () => {
    const other = {
      ...definition,
      requires: [
        { ...finance, count: 2 },
        { group: 'cfo-office', count: 1 },
      ],
      expiresMs: 5,
      onApproval: 'claim' as const,
    }
    expect(combineApprovals([definition, other])).toEqual({
      ...PLAIN_TERMS,
      requires: [
        { group: 'cfo-office', count: 1 },
        { group: 'finance-managers', count: 2 },
      ],
      expiresMs: 5,
      onApproval: 'claim',
    })
  })
})

describe('combined terms', () => {
  const definition: ApprovalDefinition = { ...PLAIN_TERMS, name: 'a', requires: [finance], expiresMs: 10, version: 'v' }
  const generous: ApprovalDefinition = {
    ...definition,
    denyThreshold: 3,
    edits: 'allowed',
    excludes: ['/input/b', '/input/a'],
    escalate: [{ afterMs: 5, to: 'cfo-office', notify: [] }],
  }
  const other: ApprovalDefinition = {
    ...generous,
    denyThreshold: 2,
    excludes: ['/input/a', '/input/c'],
    escalate: [{ afterMs: 1, to: null, notify: ['leads'] }],
  }
  test('the strictest of each, whatever the order', () => {
    const combined = combineApprovals([generous, other])
    expect(combined).toMatchObject({
      denyThreshold: 2,
      edits: 'allowed',
      excludes: ['/input/a', '/input/b', '/input/c'],
      escalate: [{ afterMs: 1 }, { afterMs: 5 }],
    })
    expect(combineApprovals([other, generous])).toEqual(combined)
  })
  test('one that forbids edits forbids them for all', () => {
    expect(combineApprovals([generous, definition])).toMatchObject({ edits: 'forbidden', denyThreshold: 1 })
  })
})

describe('eligibility', () => {
  const call = { subject: 'sam', owner: 'paul', actors: ['invoice-clerk', 'noor'] }
  const groups = ['finance-managers']
  const hold = { requires: [finance], excluded: NOBODY_EXCLUDED }
  test.each([
    ['the subject', 'sam', groups, 'the subject of a call may not vote on it'],
    ['the owner of the agent', 'paul', groups, "the agent's owner may not vote on its calls"],
    ['an actor of the chain', 'noor', groups, 'an actor of the call may not vote on it'],
    ['someone of another group', 'lee', ['auditors'], 'needs a member of `finance-managers`'],
    ['who published the policy', 'pia', groups, 'who published the policy that holds a call may not vote on it'],
    ['a member', 'maria', groups, null],
  ])('%s', (_title, name, memberOf, why) => expect(ineligibility(hold, call, { name, groups: memberOf }, ['pia'])).toBe(why))
  test('an editor has no vote, and may edit again', () => {
    const edited = { ...call, edit: { editors: ['maria'] } }
    expect(ineligibility(hold, edited, maria, [])).toBe('who edited the arguments of a call may not vote on it')
    expect(ineligibility(hold, edited, raj, [])).toBeNull()
    expect(ineligibleToEdit(hold, edited, maria, [])).toBeNull()
  })
  test('whom the facts name has no vote, however the system writes the name', () => {
    const excluding = { ...hold, excluded: { people: [' Maria'], unknown: [] } }
    expect(ineligibility(excluding, call, maria, [])).toMatch(/whom the facts of a call name may not vote/)
    expect(ineligibleToEdit(excluding, call, maria, [])).toMatch(/whom the facts of a call name may not vote/)
    expect(ineligibility(excluding, call, raj, [])).toBeNull()
  })
  test('a missing fact excludes everyone', () =>
    expect(ineligibility({ ...hold, excluded: { people: [], unknown: ['/lookup/vendor/createdBy'] } }, call, raj, [])).toBe(
      'nobody may vote on it: `/lookup/vendor/createdBy`, which says who may not, is not known',
    ))
})

test('who fills which seats', () => {
  const requires = [
    { ...finance, count: 2 },
    { group: 'cfo-office', count: 1 },
  ]
  expect(seating(requires, [])).toEqual([
    { group: 'finance-managers', count: 2, filledBy: [] },
    { group: 'cfo-office', count: 1, filledBy: [] },
  ])
  // Maria could sit in either: she makes room.
  const last = seating([finance, { group: 'cfo-office', count: 1 }], [maria, raj])
  expect(last.map(({ filledBy }) => filledBy)).toEqual([['raj'], ['maria']])
})

describe('quorum', () => {
  test.each([
    ['nobody', [finance], [], false],
    ['one of one', [finance], [raj], true],
    ['one person fills one seat, not two', [finance, { group: 'cfo-office', count: 1 }], [maria], false],
    ['seats are dealt so that all fit, whatever the order', [finance, { group: 'cfo-office', count: 1 }], [maria, raj], true],
    ['the other order', [finance, { group: 'cfo-office', count: 1 }], [raj, maria], true],
    ['the same person twice is one', [{ ...finance, count: 2 }], [raj, raj], false],
    ['two of two', [{ ...finance, count: 2 }], [raj, maria], true],
  ] as const)('%s', (_title, requires, voters, result) => expect(satisfied(requires, voters)).toBe(result))
})
