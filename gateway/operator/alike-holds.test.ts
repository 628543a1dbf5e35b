import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIMITS } from '../limits.ts'
import { type Bed, openBed } from './fixture-bed.ts'
import type { Ask } from './fixture-call.ts'
import { as } from './fixture-organisation.ts'

let bed: Bed
beforeAll(async () => {
  bed = await openBed()
})
afterAll(() => bed.close())

let amount = 10_000
let people = 0
type Held = Awaited<ReturnType<Bed['ask']>>

/** Calls for one person of their own, so that those of other tests are not alike. */
async function held(count: number, how: Ask = {}): Promise<readonly Held[]> {
  const subject = how.subject ?? `subject-${people++}`
  const asked: Held[] = []
  for (let n = 0; n < count; n++) asked.push(await bed.ask({ ...how, subject, amount: amount++ }))
  return asked
}

async function holdOf({ holdId }: Held) {
  const hold = await bed.storage.calls.hold(holdId)
  if (!hold) throw new Error('no hold')
  return hold
}
const votesOn = (asked: readonly Held[]) =>
  Promise.all(asked.map(async (each) => ({ id: each.holdId, digest: (await holdOf(each)).digest })))
const states = (asked: readonly Held[]) => Promise.all(asked.map(async (each) => (await holdOf(each)).state))

/** The arguments of each are shown to this person. */
async function look(name: string, asked: readonly Held[]): Promise<void> {
  for (const { callId } of asked) {
    const call = await bed.storage.calls.call(callId)
    expect(call && (await bed.cases.mayViewPayload(as(name), call))).toBe(true)
  }
}
const similar = async (name: string, each: Held) => (await bed.cases.similarHolds(as(name), await holdOf(each))).map(({ id }) => id).sort()
const ids = (asked: readonly Held[]) => asked.map(({ holdId }) => holdId).sort()

test('alike: the same agent, subject, operation and policies; other arguments are no matter', async () => {
  const [first, second, third] = await held(3, { subject: 'zoe' })
  if (!first || !second || !third) throw new Error('three were asked for')
  await held(1, { subject: 'yan' })
  await held(1, { subject: 'zoe', requires: [{ group: 'cfo-office', count: 1 }] })
  expect(await similar('maria', first)).toEqual(ids([second, third]))
  await bed.cases.rejectHold(as('maria'), second.holdId, undefined)
  expect(await similar('maria', first)).toEqual(ids([third]))
})

test('only those that one may vote on: not those voted on, not one’s own, none for who only reads', async () => {
  const requires = [{ group: 'finance-managers', count: 2 }]
  const [first, second, third] = await held(3, { requires })
  if (!first || !second || !third) throw new Error('three were asked for')
  await bed.cases.approveHold(as('maria'), second.holdId, undefined)
  expect(await similar('maria', first)).toEqual(ids([third]))
  expect(await similar('raj', first)).toEqual(ids([second, third]))
  for (const name of ['paul', 'olga', 'aisha', 'lee', 'local']) expect(await similar(name, first)).toEqual([])
  await expect(bed.cases.similarHolds(as('chen'), await holdOf(first))).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('several votes: each on its own digest, with an entry of its own that says how many were given together', async () => {
  const asked = await held(3)
  await look('maria', asked)
  const results = await bed.cases.approveHolds(as('maria'), await votesOn(asked), ' all on the list ')
  expect(results.map(({ id, hold }) => [id, hold?.state])).toEqual(asked.map(({ holdId }) => [holdId, 'approved']))
  for (const { callId, holdId } of asked) {
    expect(bed.approved).toContain(callId)
    const { digest } = await holdOf({ callId, holdId, intent: '' as never })
    expect(await bed.entries(callId)).toContainEqual({
      ...{ kind: 'vote', hold: holdId, voter: 'maria', verdict: 'approve', comment: 'all on the list' },
      ...{ digest, among: 3, groups: ['finance-managers'] },
    })
  }
})

test('what cannot be voted on is told for itself, and the others count', async () => {
  const [good, decided, changed, foreign] = await held(4)
  if (!good || !decided || !changed || !foreign) throw new Error('four were asked for')
  await look('maria', [good, decided, changed, foreign])
  await bed.cases.rejectHold(as('raj'), decided.holdId, undefined)
  const [others] = await held(1, { requires: [{ group: 'cfo-office', count: 1 }] })
  const [own] = await held(1, { subject: 'maria' })
  if (!others || !own) throw new Error('one was asked for')
  const votes = await votesOn([good, decided, changed, others, own])
  const shown = votes.map((vote) => (vote.id === changed.holdId ? { ...vote, digest: 'f'.repeat(64) } : vote))
  const results = await bed.cases.approveHolds(as('maria'), shown, undefined)
  expect(results.map(({ hold, error }) => hold?.state ?? error?.code)).toEqual([
    'approved',
    'HOLD_NOT_OPEN',
    'HOLD_NOT_OPEN',
    'NOT_FOUND',
    'NOT_ELIGIBLE',
  ])
  expect(await states([good, decided, changed, others, own])).toEqual(['approved', 'rejected', 'open', 'open', 'open'])
})

test('nothing is approved among several whose arguments were not shown to this person; refusing needs no look', async () => {
  const asked = await held(2)
  await look('raj', asked)
  const [seen] = asked
  if (!seen) throw new Error('two were asked for')
  await look('maria', [seen])
  const results = await bed.cases.approveHolds(as('maria'), await votesOn(asked), undefined)
  expect(results.map(({ hold, error }) => hold?.state ?? error?.code)).toEqual(['approved', 'NOT_ELIGIBLE'])
  expect(results[1]?.error?.message).toContain('look at the arguments')
  const refused = await held(2)
  await bed.cases.rejectHolds(as('maria'), await votesOn(refused), 'stop it')
  expect(await states(refused)).toEqual(['rejected', 'rejected'])
})

test('the same request twice at once: one vote a hold', async () => {
  const asked = await held(3, { requires: [{ group: 'finance-managers', count: 2 }] })
  await look('maria', asked)
  const votes = await votesOn(asked)
  const both = await Promise.all([1, 2].map(() => bed.cases.approveHolds(as('maria'), votes, undefined)))
  expect(both.flat().filter(({ hold }) => hold)).toHaveLength(3)
  expect(await states(asked)).toEqual(['open', 'open', 'open'])
  for (const { holdId } of asked) expect(await bed.storage.calls.votes(holdId)).toHaveLength(1)
})

test.each([
  ['none', 0, 'maria', 'BAD_INPUT'],
  ['too many', LIMITS.votesAtOnceMax + 1, 'maria', 'BAD_INPUT'],
  ['an auditor', 1, 'lee', 'FORBIDDEN'],
  ['the local operator', 1, 'local', 'FORBIDDEN'],
])('%s is refused as a whole', async (_title, count, name, code) => {
  const [one] = await held(1)
  if (!one) throw new Error('one was asked for')
  const vote = { id: one.holdId, digest: 'd' }
  const votes = Array.from({ length: count }, (_, n) => (n === 0 ? vote : { ...vote, id: `${vote.id.slice(0, -4)}${1_000 + n}` as never }))
  await expect(bed.cases.approveHolds(as(name), votes, undefined)).rejects.toMatchObject({ code })
  await expect(bed.cases.rejectHolds(as(name), votes, undefined)).rejects.toMatchObject({ code })
})

test('one hold twice, and a comment without a bound, are refused as a whole', async () => {
  const [one] = await held(1)
  if (!one) throw new Error('one was asked for')
  const [vote] = await votesOn([one])
  if (!vote) throw new Error('one was asked for')
  await expect(bed.cases.rejectHolds(as('maria'), [vote, vote], undefined)).rejects.toMatchObject({ code: 'BAD_INPUT' })
  await expect(bed.cases.rejectHolds(as('maria'), [vote], 'x'.repeat(2_001))).rejects.toMatchObject({ code: 'BAD_INPUT' })
  expect(await states([one])).toEqual(['open'])
})

test('a single vote that says what was shown lands on nothing else', async () => {
  const [one] = await held(1)
  if (!one) throw new Error('one was asked for')
  const other = { digest: 'f'.repeat(64) }
  await expect(bed.cases.approveHold(as('maria'), one.holdId, undefined, other)).rejects.toMatchObject({ code: 'HOLD_NOT_OPEN' })
  await expect(bed.cases.rejectHold(as('maria'), one.holdId, undefined, other)).rejects.toMatchObject({ code: 'HOLD_NOT_OPEN' })
  expect(await bed.storage.calls.votes(one.holdId)).toEqual([])
  const { digest } = await holdOf(one)
  expect(await bed.cases.approveHold(as('maria'), one.holdId, undefined, { digest })).toMatchObject({ state: 'approved' })
})

test('figures: of a rule for who reads, on a hold for who sees it, of people for security and auditors', async () => {
  const asked = await held(2)
  await look('maria', asked)
  await bed.cases.approveHolds(as('maria'), await votesOn(asked.slice(0, 1)), undefined)
  const [, open] = asked
  if (!open) throw new Error('two were asked for')
  const hold = await holdOf(open)
  const policyId = hold.matched[0]?.policyId ?? ''
  const [figures] = await bed.cases.figuresOfHold(as('maria'), hold)
  expect(figures).toMatchObject({ policyId, agent: null, days: LIMITS.figuresDaysMax, cut: false })
  expect(figures?.approved).toBeGreaterThan(0)
  expect(figures?.quickVotes).toBeGreaterThan(0)
  expect(await bed.cases.holdFigures(as('lee'), policyId, 'clerk', 1)).toMatchObject({ agent: 'clerk', approved: figures?.approved })
  expect(await bed.cases.holdFigures(as('lee'), policyId, 'intern', 1)).toMatchObject({ decided: 0, refusalsAtMost: 1, medianMs: null })
  await expect(bed.cases.holdFigures(as('maria'), policyId, undefined, 1)).rejects.toMatchObject({ code: 'FORBIDDEN' })
  await expect(bed.cases.holdFigures(as('lee'), policyId, undefined, 91)).rejects.toMatchObject({ code: 'BAD_INPUT' })
  await expect(bed.cases.figuresOfHold(as('chen'), hold)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  const voters = await bed.cases.figuresOfVoters(as('aisha'), 90)
  expect(voters.map(({ voter }) => voter)).toContain('maria')
  for (const name of ['olga', 'maria']) await expect(bed.cases.figuresOfVoters(as(name), 90)).rejects.toMatchObject({ code: 'FORBIDDEN' })
})
