import { describe, expect, test } from 'vitest'
import { assertStep, combineApprovals, HOLD_STATES, ineligibility, satisfied, statesBefore } from './hold.ts'
import type { HoldId } from './ids.ts'

const id = 'hold_00000000000000000000000000' as HoldId
const finance = { group: 'finance-managers', count: 1 }
const maria = { name: 'maria', groups: ['finance-managers', 'cfo-office'] }
const raj = { name: 'raj', groups: ['finance-managers'] }

describe('the state machine', () => {
  test.each(['consumed', 'rejected', 'expired', 'cancelled', 'denied', 'superseded'] as const)('nothing follows %s', (from) => {
    for (const to of HOLD_STATES) expect(() => assertStep(id, from, to)).toThrow(`is ${from} and cannot become ${to}`)
  })
  test('an approval is used once: only an approved hold becomes consumed', () => expect(statesBefore('consumed')).toEqual(['approved']))
  test('only an open hold is voted on', () => {
    expect(statesBefore('approved')).toEqual(['open'])
    expect(statesBefore('rejected')).toEqual(['open'])
  })
})

describe('combined approvals', () => {
  const definition = { name: 'a', requires: [finance], expiresMs: 10, onApproval: 'execute' as const, version: 'v' }
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
      requires: [
        { group: 'cfo-office', count: 1 },
        { group: 'finance-managers', count: 2 },
      ],
      expiresMs: 5,
      onApproval: 'claim',
    })
  })
})

describe('eligibility', () => {
  const call = { subject: 'sam', owner: 'paul', actors: ['invoice-clerk', 'noor'] }
  const groups = ['finance-managers']
  test.each([
    ['the subject', 'sam', groups, 'the subject of a call may not vote on it'],
    ['the owner of the agent', 'paul', groups, "the agent's owner may not vote on its calls"],
    ['an actor of the chain', 'noor', groups, 'an actor of the call may not vote on it'],
    ['someone of another group', 'lee', ['auditors'], 'needs a member of `finance-managers`'],
    ['who published the policy', 'pia', groups, 'who published the policy that holds a call may not vote on it'],
    ['a member', 'maria', groups, null],
  ])('%s', (_title, name, memberOf, why) =>
    expect(ineligibility({ requires: [finance] }, call, { name, groups: memberOf }, ['pia'])).toBe(why),
  )
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
