import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Bed, openBed } from './fixture-bed.ts'
import type { Ask } from './fixture-call.ts'
import { as } from './fixture-organisation.ts'

let bed: Bed
beforeAll(async () => {
  bed = await openBed()
})
afterEach(() => vi.restoreAllMocks())
afterAll(() => bed.close())

let amount = 10_000
/** Arguments of its own for each call, so that none joins another. */
const held = (how: Ask = {}) => bed.ask({ amount: amount++, ...how })
const stateOf = async ({ callId, holdId }: Awaited<ReturnType<typeof held>>) => {
  const [call, hold] = await Promise.all([bed.storage.calls.call(callId), bed.storage.calls.hold(holdId)])
  return [call?.state, hold?.state]
}
const code = (expected: string) => expect.objectContaining({ code: expected })

test('one approval of one group: hold and call are approved, the vote is bound to the digest, and the release is told', async () => {
  const both = await held()
  const told: unknown[] = []
  const end = bed.bus.subscribe((signal) => told.push(signal))
  const hold = await bed.cases.approveHold(as('maria'), both.holdId, ' fine by me ')
  end()
  expect(hold).toMatchObject({ id: both.holdId, state: 'approved' })
  expect(await stateOf(both)).toEqual(['approved', 'approved'])
  expect((await bed.cases.votes(as('raj'), [hold])).get(hold.id)).toMatchObject([
    { voter: 'maria', verdict: 'approve', comment: 'fine by me' },
  ])
  expect(await bed.entries(both.callId)).toContainEqual({
    kind: 'vote',
    hold: both.holdId,
    voter: 'maria',
    verdict: 'approve',
    comment: 'fine by me',
    digest: hold.digest,
    groups: ['finance-managers'],
  })
  const counted = [{ person: 'maria', groups: ['finance-managers'] }]
  expect(await bed.entries(both.callId)).toContainEqual(expect.objectContaining({ kind: 'hold.changed', to: 'approved', counted }))
  expect(bed.approved).toContain(both.callId)
  expect(told).toContainEqual({ kind: 'call', id: both.callId })
})

test('`claim` waits for its agent: nothing is released', async () => {
  const both = await held({ onApproval: 'claim' })
  await bed.cases.approveHold(as('maria'), both.holdId, undefined)
  expect(await stateOf(both)).toEqual(['approved', 'approved'])
  expect(bed.approved).not.toContain(both.callId)
})

test('the first vote against ends it, with its words', async () => {
  const both = await held({ requires: [{ group: 'finance-managers', count: 2 }] })
  await bed.cases.approveHold(as('maria'), both.holdId, undefined)
  await bed.cases.rejectHold(as('raj'), both.holdId, 'not this vendor')
  expect(await stateOf(both)).toEqual(['rejected', 'rejected'])
  const entries = await bed.entries(both.callId)
  expect(entries).toContainEqual(expect.objectContaining({ kind: 'vote', voter: 'raj', comment: 'not this vendor' }))
  const counted = [{ person: 'raj', groups: ['finance-managers'] }]
  // The words are payload, of the vote alone.
  expect(entries).toContainEqual({ kind: 'hold.changed', hold: both.holdId, from: 'open', to: 'rejected', by: 'raj', counted })
  await expect(bed.cases.approveHold(as('chen'), both.holdId, undefined)).rejects.toEqual(code('NOT_FOUND'))
})

test('two refusals where the approval says so: one leaves it open, nobody refuses twice or changes sides, and refusal wins', async () => {
  const both = await held({ requires: [{ group: 'finance-managers', count: 2 }], denyThreshold: 2 })
  expect(await bed.cases.rejectHold(as('maria'), both.holdId, 'why so much?')).toMatchObject({ state: 'open' })
  await expect(bed.cases.rejectHold(as('maria'), both.holdId, undefined)).rejects.toEqual(code('NOT_ELIGIBLE'))
  await expect(bed.cases.approveHold(as('maria'), both.holdId, undefined)).rejects.toEqual(code('NOT_ELIGIBLE'))
  expect(await stateOf(both)).toEqual(['held', 'open'])
  expect(await bed.cases.approveHold(as('sana'), both.holdId, undefined)).toMatchObject({ state: 'open' })
  expect(await bed.cases.rejectHold(as('raj'), both.holdId, 'not this vendor')).toMatchObject({ state: 'rejected' })
  expect(await stateOf(both)).toEqual(['rejected', 'rejected'])
  expect((await bed.storage.calls.votes(both.holdId)).map(({ voter, verdict }) => `${voter} ${verdict}`)).toEqual([
    'maria reject',
    'sana approve',
    'raj reject',
  ])
})

test('two last refusals at one moment end it once', async () => {
  for (let round = 0; round < 5; round++) {
    const both = await held({ denyThreshold: 2 })
    await Promise.all(['maria', 'raj'].map((name) => bed.cases.rejectHold(as(name), both.holdId, undefined)))
    expect(await stateOf(both)).toEqual(['rejected', 'rejected'])
    const changes = (await bed.entries(both.callId)).filter((body) => body.kind === 'hold.changed')
    expect(changes).toHaveLength(1)
  }
})

test('whom the facts of the call name has no vote, and where they name nobody there is none to be had', async () => {
  const named = await held({ excluded: { people: ['Maria'], unknown: [] } })
  await expect(bed.cases.approveHold(as('maria'), named.holdId, undefined)).rejects.toEqual(code('NOT_ELIGIBLE'))
  await expect(bed.cases.rejectHold(as('maria'), named.holdId, undefined)).rejects.toEqual(code('NOT_ELIGIBLE'))
  expect(await bed.cases.approveHold(as('raj'), named.holdId, undefined)).toMatchObject({ state: 'approved' })
  const unknown = await held({ excluded: { people: [], unknown: ['/lookup/vendor/createdBy'] } })
  await expect(bed.cases.approveHold(as('raj'), unknown.holdId, undefined)).rejects.toEqual(code('NOT_ELIGIBLE'))
  expect(await stateOf(unknown)).toEqual(['held', 'open'])
})

test('two of a group: the first leaves it open, the same person is not counted twice, the second approves', async () => {
  const both = await held({ requires: [{ group: 'finance-managers', count: 2 }] })
  expect(await bed.cases.approveHold(as('maria'), both.holdId, undefined)).toMatchObject({ state: 'open' })
  await expect(bed.cases.approveHold(as('maria'), both.holdId, undefined)).rejects.toEqual(code('NOT_ELIGIBLE'))
  await expect(bed.cases.rejectHold(as('maria'), both.holdId, undefined)).rejects.toEqual(code('NOT_ELIGIBLE'))
  expect(await stateOf(both)).toEqual(['held', 'open'])
  expect(await bed.cases.approveHold(as('raj'), both.holdId, undefined)).toMatchObject({ state: 'approved' })
  expect(await stateOf(both)).toEqual(['approved', 'approved'])
})

test('two groups need a person each', async () => {
  const both = await held({
    requires: [
      { group: 'finance-managers', count: 1 },
      { group: 'cfo-office', count: 1 },
    ],
  })
  expect(await bed.cases.approveHold(as('maria'), both.holdId, undefined)).toMatchObject({ state: 'open' })
  expect(await bed.cases.approveHold(as('chen'), both.holdId, undefined)).toMatchObject({ state: 'approved' })
})

test('two last votes at one moment approve once', async () => {
  for (let round = 0; round < 5; round++) {
    const both = await held({ requires: [{ group: 'finance-managers', count: 2 }] })
    await Promise.all(['maria', 'raj'].map((name) => bed.cases.approveHold(as(name), both.holdId, undefined)))
    expect(await stateOf(both)).toEqual(['approved', 'approved'])
    const changes = (await bed.entries(both.callId)).filter((body) => body.kind === 'hold.changed')
    expect(changes).toHaveLength(1)
  }
})

test.each([
  ['approvals', 'approveHold', 'approved', { requires: [{ group: 'finance-managers', count: 2 }] }],
  ['refusals', 'rejectHold', 'rejected', { denyThreshold: 2 }],
] as const)(
  'of %s that saw none of each other, the last one ends the hold in its own transaction, so that no death comes between',
  async (_title, cast, state, how) => {
    const both = await held(how)
    const votes = bed.storage.calls.votes.bind(bed.storage.calls)
    const { promise: allRead, resolve } = Promise.withResolvers<void>()
    let reads = 0
    // Both voters look twice, as they come in and as they vote, before either vote is written: nobody has voted.
    vi.spyOn(bed.storage.calls, 'votes').mockImplementation(async (id) => {
      const found = await votes(id)
      reads += 1
      if (reads === 4) resolve()
      if (reads > 2) await allRead
      return found
    })
    const change = vi.spyOn(bed.recorder, 'changeHold')
    await Promise.all(['maria', 'raj'].map((name) => bed.cases[cast](as(name), both.holdId, undefined)))
    expect(await stateOf(both)).toEqual([state, state])
    const written = (await Promise.all(change.mock.results.map(({ value }) => value))).filter(Boolean)
    expect(written).toHaveLength(2)
  },
)

test('the same vote sent twice at once counts once', async () => {
  const both = await held({ requires: [{ group: 'finance-managers', count: 2 }] })
  const tries = await Promise.allSettled([1, 2, 3].map(() => bed.cases.approveHold(as('maria'), both.holdId, undefined)))
  expect(tries.filter((t) => t.status === 'fulfilled')).toHaveLength(1)
  expect(tries.filter((t) => t.status === 'rejected').map((t) => t.reason)).toEqual([code('NOT_ELIGIBLE'), code('NOT_ELIGIBLE')])
  expect(await stateOf(both)).toEqual(['held', 'open'])
})

test('approve and reject at once: one wins, the other learns that it is over', async () => {
  const both = await held()
  const tries = await Promise.allSettled([
    bed.cases.approveHold(as('maria'), both.holdId, undefined),
    bed.cases.rejectHold(as('raj'), both.holdId, undefined),
  ])
  expect(tries.map((t) => t.status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(tries.find((t) => t.status === 'rejected')).toMatchObject({ reason: { code: 'HOLD_NOT_OPEN' } })
})

test('a decided hold takes no more votes', async () => {
  const both = await held()
  await bed.cases.approveHold(as('maria'), both.holdId, undefined)
  await expect(bed.cases.approveHold(as('raj'), both.holdId, undefined)).rejects.toEqual(code('HOLD_NOT_OPEN'))
  await expect(bed.cases.rejectHold(as('raj'), both.holdId, undefined)).rejects.toEqual(code('HOLD_NOT_OPEN'))
})

test('a vote after the expiry is refused, also where nobody has marked the hold yet', async () => {
  const both = await held({ expiresMs: 1_000 })
  bed.pass(1_000)
  await expect(bed.cases.approveHold(as('maria'), both.holdId, undefined)).rejects.toEqual(code('HOLD_NOT_OPEN'))
  await expect(bed.cases.rejectHold(as('maria'), both.holdId, undefined)).rejects.toEqual(code('HOLD_NOT_OPEN'))
  expect(await stateOf(both)).toEqual(['held', 'open'])
  expect(await bed.storage.calls.votes(both.holdId)).toEqual([])
})

test('the compare-and-set refuses a vote on another digest and after the expiry, whatever was read before', async () => {
  const both = await held({ expiresMs: 1_000 })
  const vote = {
    holdId: both.holdId,
    voter: 'maria',
    verdict: 'approve' as const,
    comment: null,
    at: (await bed.storage.calls.hold(both.holdId))?.createdAt,
  }
  if (vote.at === undefined) throw new Error('no hold')
  const change = {
    hold: both.holdId,
    callId: both.callId,
    to: 'approved' as const,
    callState: 'approved' as const,
    by: 'maria',
    vote: { ...vote, at: vote.at },
  }
  expect(await bed.recorder.changeHold({ ...change, digest: 'another' })).toBe(false)
  bed.pass(1_000)
  expect(await bed.recorder.changeHold(change)).toBe(false)
  expect(await bed.storage.calls.votes(both.holdId)).toEqual([])
})

test.each([
  ["the agent's owner, though in the group", 'paul', {}, 'NOT_ELIGIBLE'],
  ['the subject', 'maria', { subject: 'maria' }, 'NOT_ELIGIBLE'],
  ['an actor of the chain', 'maria', { actors: ['clerk', 'maria'] }, 'NOT_ELIGIBLE'],
  ['a reader outside the groups', 'olga', {}, 'NOT_ELIGIBLE'],
  ['security outside the groups', 'aisha', {}, 'NOT_ELIGIBLE'],
  ['an auditor, though in the group', 'lee', {}, 'FORBIDDEN'],
  ['the local operator', 'local', {}, 'FORBIDDEN'],
  ['somebody of another group, who does not even see it', 'chen', {}, 'NOT_FOUND'],
] as const)('may not vote: %s', async (_title, name, how, expected) => {
  const both = await held(how)
  await expect(bed.cases.approveHold(as(name), both.holdId, undefined)).rejects.toEqual(code(expected))
  await expect(bed.cases.rejectHold(as(name), both.holdId, undefined)).rejects.toEqual(code(expected))
  expect(await stateOf(both)).toEqual(['held', 'open'])
  expect(await bed.storage.calls.votes(both.holdId)).toEqual([])
})

test('groups and roles claimed by whoever calls count for nothing at a vote', async () => {
  const both = await held()
  const forged = { name: 'clerk', groups: ['finance-managers'], roles: [] }
  await expect(bed.cases.approveHold(forged, both.holdId, undefined)).rejects.toEqual(code('NOT_FOUND'))
  const stale = { name: 'chen', groups: ['finance-managers'], roles: [] }
  await expect(bed.cases.approveHold(stale, both.holdId, undefined)).rejects.toEqual(code('NOT_ELIGIBLE'))
  expect(await stateOf(both)).toEqual(['held', 'open'])
})

test('a comment has a bound, before anything is written', async () => {
  const both = await held()
  await expect(bed.cases.approveHold(as('maria'), both.holdId, 'x'.repeat(2_001))).rejects.toEqual(code('BAD_INPUT'))
  expect(await stateOf(both)).toEqual(['held', 'open'])
})

test('how far a hold is: seats by the votes of those who may vote, and refusals', async () => {
  const requires = [
    { group: 'finance-managers', count: 2 },
    { group: 'cfo-office', count: 1 },
  ]
  const both = await held({ requires, denyThreshold: 2 })
  const hold = await bed.cases.approveHold(as('maria'), both.holdId, undefined)
  await bed.cases.rejectHold(as('raj'), both.holdId, undefined)
  expect(await bed.cases.holdProgress(as('chen'), hold)).toEqual({
    seats: [
      { group: 'cfo-office', count: 1, filledBy: [] },
      { group: 'finance-managers', count: 2, filledBy: ['maria'] },
    ],
    refusals: 1,
  })
  const others = await held()
  const unseen = await bed.storage.calls.hold(others.holdId)
  if (!unseen) throw new Error('no hold')
  await expect(bed.cases.holdProgress(as('chen'), unseen)).rejects.toEqual(code('NOT_FOUND'))
  await expect(bed.cases.callsBefore(as('chen'), unseen)).rejects.toEqual(code('NOT_FOUND'))
})

test('what the agent did just before for the same person, and nothing of others', async () => {
  const before = []
  for (let n = 0; n < 12; n++) before.push((await held({ subject: 'zoe' })).callId)
  await held({ subject: 'yan' })
  await held()
  const both = await held({ subject: 'zoe' })
  await held({ subject: 'zoe' })
  const hold = await bed.storage.calls.hold(both.holdId)
  if (!hold) throw new Error('no hold')
  const seen = (await bed.cases.callsBefore(as('maria'), hold)).map(({ id }) => id)
  expect(seen).toEqual(before.slice(2).reverse())
})

describe('an edit of the arguments', () => {
  const input = { vendorId: 'v-7', amount: 900 }
  test.each([
    ["the agent's owner, though in the group", 'paul', {}, input, 'NOT_ELIGIBLE'],
    ['the subject', 'maria', { subject: 'maria' }, input, 'NOT_ELIGIBLE'],
    ['whom the facts name', 'maria', { excluded: { people: ['maria'], unknown: [] } }, input, 'NOT_ELIGIBLE'],
    ['an auditor, though in the group', 'lee', {}, input, 'FORBIDDEN'],
    ['the local operator', 'local', {}, input, 'FORBIDDEN'],
    ['somebody outside the groups', 'olga', {}, input, 'NOT_ELIGIBLE'],
    ['somebody who does not see it', 'chen', {}, input, 'NOT_FOUND'],
    ['an approval that allows none', 'maria', { edits: 'forbidden' }, input, 'NOT_ELIGIBLE'],
    ['too few who would be left', 'maria', { requires: [{ group: 'finance-managers', count: 3 }] }, input, 'NOT_ELIGIBLE'],
    ['arguments that are none', 'maria', {}, { amount: 900 }, 'BAD_INPUT'],
    ['the same arguments', 'maria', { amount: 77_000 }, { vendorId: 'v-7', amount: 77_000 }, 'BAD_INPUT'],
  ] as const)('is refused: %s', async (_title, name, how, edited, expected) => {
    const both = await held(how)
    await expect(bed.cases.editHold(as(name), both.holdId, edited, undefined)).rejects.toEqual(code(expected))
    expect(bed.edited).not.toContainEqual(expect.objectContaining({ hold: both.holdId }))
  })

  test('goes on with what was said, also by somebody who voted; a decided or expired hold is edited no more', async () => {
    const both = await held({ requires: [{ group: 'finance-managers', count: 2 }] })
    await bed.cases.approveHold(as('maria'), both.holdId, undefined)
    await bed.cases.editHold(as('maria'), both.holdId, input, ' less ')
    expect(bed.edited).toContainEqual({ call: both.callId, hold: both.holdId, input, by: 'maria', comment: 'less' })
    await bed.cases.rejectHold(as('raj'), both.holdId, undefined)
    await expect(bed.cases.editHold(as('maria'), both.holdId, input, undefined)).rejects.toEqual(code('HOLD_NOT_OPEN'))
  })
})

test('approvers see the holds that ask for their groups, readers see all', async () => {
  const mine = await held()
  const others = await held({ requires: [{ group: 'cfo-office', count: 1 }] })
  const seen = async (name: string, groups?: string[]) => {
    const page = await bed.cases.holds(as(name), { orderBy: 'NEWEST', state: ['open'], ...(groups ? { groups } : {}) }, { first: 500 })
    return [mine, others].map(({ holdId }) => page.rows.some((hold) => hold.id === holdId))
  }
  expect(await seen('maria')).toEqual([true, false])
  expect(await seen('chen')).toEqual([false, true])
  expect(await seen('maria', ['cfo-office'])).toEqual([false, false])
  expect(await seen('olga')).toEqual([true, true])
  expect(await seen('olga', ['cfo-office'])).toEqual([false, true])
  expect(await bed.cases.hold(as('maria'), others.holdId)).toBeUndefined()
  const hidden = await bed.cases.hold(as('chen'), others.holdId)
  if (!hidden) throw new Error('no hold')
  await expect(bed.cases.votes(as('maria'), [hidden])).rejects.toEqual(code('NOT_FOUND'))
  await expect(bed.cases.callsOfHolds(as('maria'), [hidden])).rejects.toEqual(code('NOT_FOUND'))
  expect((await bed.cases.callsOfHolds(as('chen'), [hidden])).get(hidden.id)?.id).toBe(others.callId)
})

test('an approval needs nothing that lives in a process: a vote given before a restart counts after it', async () => {
  const both = await held({ requires: [{ group: 'finance-managers', count: 2 }] })
  await bed.cases.approveHold(as('maria'), both.holdId, undefined)
  const again = await bed.reopen()
  expect(await again.cases.approveHold(as('raj'), both.holdId, undefined)).toMatchObject({ state: 'approved' })
  await again.close()
  expect(await stateOf(both)).toEqual(['approved', 'approved'])
  expect(await bed.storage.calls.releasable(500)).toContainEqual(expect.objectContaining({ id: both.holdId }))
})
