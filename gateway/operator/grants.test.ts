import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import type { StandingBounds } from '../core/grant.ts'
import type { HoldId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { StandingAsked } from '../ports/operator.ts'
import { type Bed, openBed } from './fixture-bed.ts'
import type { Ask } from './fixture-call.ts'
import { agent, as, FINANCE } from './fixture-organisation.ts'

let bed: Bed
beforeAll(async () => {
  bed = await openBed()
})
afterAll(() => bed.close())

const BOUNDS: StandingBounds = {
  maxUses: 20,
  totals: [{ of: '/amount', most: '100000.0' }],
  lifeMs: 30 * 86_400_000,
  pinned: ['/vendorId'],
}
const TWO = [{ group: 'finance-managers', count: 2 }]
let amount = 20_000
const held = (how: Ask = {}) => bed.ask({ amount: amount++, standing: BOUNDS, ...how })
const holdOf = async (id: HoldId) => {
  const hold = await bed.storage.calls.hold(id)
  if (!hold) throw new Error('no hold')
  return hold
}
const asked = (more: Partial<StandingAsked> = {}): StandingAsked => ({
  loosened: [{ pointer: '/amount', allows: { kind: 'at_most', most: '50000' } }],
  maxUses: 10,
  totals: [{ of: '/amount', most: '90000' }],
  until: instant(Date.now() + 86_400_000),
  ...more,
})
const give = async (name: string, id: HoldId, more: Partial<StandingAsked> = {}) =>
  bed.cases.giveStanding(as(name), id, (await holdOf(id)).digest, asked(more), undefined)
const code = (expected: string) => expect.objectContaining({ code: expected })
const kindsOf = async (callId: Parameters<Bed['entries']>[0]) => (await bed.entries(callId)).map(({ kind }) => kind)

describe('a standing grant', () => {
  test('begins with the approval that gives it: one person where one is enough', async () => {
    const { callId, holdId } = await held()
    const hold = await give('maria', holdId)
    expect(hold).toMatchObject({ state: 'approved', gives: { by: 'maria', maxUses: 10 } })
    expect(hold.id).not.toBe(holdId)
    const grant = await bed.cases.grantGiven(as('maria'), hold)
    expect(grant).toMatchObject({
      agent: 'clerk',
      subject: null,
      operation: 'erp.releasePayment',
      givers: ['maria'],
      used: 0,
      holdId: hold.id,
    })
    expect(grant?.arguments).toEqual([
      { pointer: '/amount', allows: { kind: 'at_most', most: '50000' } },
      { pointer: '/vendorId', allows: { kind: 'exactly', value: 'v-7' } },
    ])
    expect(await kindsOf(callId)).toEqual([
      'decision',
      'hold.opened',
      'hold.changed',
      'hold.opened',
      'grant.proposed',
      'vote',
      'hold.changed',
      'grant.opened',
    ])
    expect(bed.approved).toContain(callId)
  })

  test('of a second voter rides on nobody else: votes before it are void, and it begins when all have agreed to just that', async () => {
    const { callId, holdId } = await held({ requires: TWO })
    await bed.cases.approveHold(as('maria'), holdId, undefined)
    const second = await give('raj', holdId)
    expect(second).toMatchObject({ state: 'open', gives: { by: 'raj' } })
    expect(await bed.cases.grantGiven(as('maria'), second)).toBeUndefined()
    expect((await bed.cases.votes(as('maria'), [second])).get(second.id)?.map(({ voter }) => voter)).toEqual(['raj'])
    await expect(bed.cases.approveHold(as('sana'), holdId, undefined)).rejects.toEqual(code('HOLD_NOT_OPEN'))
    const third = await give('maria', second.id, { maxUses: 3 })
    expect(third).toMatchObject({ state: 'open', gives: { by: 'maria', maxUses: 3 } })
    await expect(bed.cases.approveHold(as('raj'), third.id, undefined, { digest: second.digest })).rejects.toEqual(code('HOLD_NOT_OPEN'))
    const approved = await bed.cases.approveHold(as('raj'), third.id, undefined, { digest: third.digest })
    expect(approved.state).toBe('approved')
    expect(await bed.cases.grantGiven(as('raj'), approved)).toMatchObject({ givers: ['maria', 'raj'], maxUses: 3 })
    expect((await kindsOf(callId)).filter((kind) => kind === 'grant.opened')).toHaveLength(1)
  })

  test('can be taken out again: then the call alone is approved', async () => {
    const { holdId } = await held({ requires: TWO })
    const proposed = await give('maria', holdId)
    const plain = await bed.cases.withdrawStanding(as('raj'), proposed.id, proposed.digest, 'the one call only')
    expect(plain.gives).toBeUndefined()
    await bed.cases.approveHold(as('raj'), plain.id, undefined)
    const approved = await bed.cases.approveHold(as('maria'), plain.id, undefined)
    expect(approved.state).toBe('approved')
    expect(await bed.cases.grantGiven(as('maria'), approved)).toBeUndefined()
  })

  test('a refusal gives nothing', async () => {
    const { callId, holdId } = await held({ requires: TWO })
    const proposed = await give('maria', holdId)
    expect(await bed.cases.rejectHold(as('raj'), proposed.id, undefined)).toMatchObject({ state: 'rejected' })
    expect(await kindsOf(callId)).not.toContain('grant.opened')
  })

  test.each<[string, string, Ask, Partial<StandingAsked>, string]>([
    ['an approval that gives none', 'maria', { standing: null }, {}, 'NOT_ELIGIBLE'],
    ['somebody who may not vote', 'paul', {}, {}, 'NOT_ELIGIBLE'],
    ['somebody who is not asked', 'chen', {}, {}, 'NOT_FOUND'],
    ['an auditor', 'lee', {}, {}, 'FORBIDDEN'],
    ['more uses than allowed', 'maria', {}, { maxUses: 21 }, 'BAD_INPUT'],
    ['no use', 'maria', {}, { maxUses: 0 }, 'BAD_INPUT'],
    ['no total', 'maria', {}, { totals: [] }, 'BAD_INPUT'],
    ['a pinned argument', 'maria', {}, { loosened: [{ pointer: '/vendorId', allows: { kind: 'any' } }] }, 'BAD_INPUT'],
    [
      'too many values',
      'maria',
      {},
      { loosened: [{ pointer: '/amount', allows: { kind: 'one_of', values: Array.from({ length: 51 }, (_, n) => n) } }] },
      'BAD_INPUT',
    ],
    ['a time that is over', 'maria', {}, { until: instant(Date.now() - 1) }, 'BAD_INPUT'],
  ])('is refused: %s, and nothing is written', async (_what, name, how, more, expected) => {
    const { callId, holdId } = await held(how)
    await expect(give(name, holdId, more)).rejects.toEqual(code(expected))
    expect(await kindsOf(callId)).toEqual(['decision', 'hold.opened'])
  })

  test('is refused on another digest, and after a bounded number of proposals', async () => {
    const { holdId } = await held({ requires: TWO })
    await expect(bed.cases.giveStanding(as('maria'), holdId, 'x'.repeat(64), asked(), undefined)).rejects.toEqual(code('HOLD_NOT_OPEN'))
    let id = holdId
    for (let n = 0; n < LIMITS.standingProposalsPerCallMax; n++) id = (await give(n % 2 === 0 ? 'maria' : 'raj', id)).id
    await expect(give('maria', id)).rejects.toEqual(code('LIMITED'))
  })

  test('is looked at alone: not among several', async () => {
    const { holdId } = await held({ requires: TWO })
    const proposed = await give('maria', holdId)
    const shown = { digest: proposed.digest, among: 2 }
    await expect(bed.cases.approveHold(as('raj'), proposed.id, undefined, shown)).rejects.toEqual(code('NOT_ELIGIBLE'))
  })

  test.each<[string, string, string | null]>([
    ['security', 'aisha', null],
    ['its giver', 'maria', null],
    ['somebody of the group', 'raj', null],
    ['somebody who reads', 'olga', 'FORBIDDEN'],
    ['an auditor', 'lee', 'FORBIDDEN'],
    ['somebody else', 'chen', 'NOT_FOUND'],
  ])('is revoked by %s', async (_who, name, expected) => {
    const { holdId, callId } = await held()
    const grant = await bed.cases.grantGiven(as('maria'), await give('maria', holdId))
    if (!grant) throw new Error('no grant')
    const revoke = (why: string) => bed.cases.revokeGrant(as(name), grant.id, why)
    if (expected === null) {
      await expect(revoke(' ')).rejects.toEqual(code('BAD_INPUT'))
      expect(await revoke('no longer needed')).toMatchObject({ ended: 'revoked', endedBy: name, why: 'no longer needed' })
      await expect(revoke('again')).rejects.toEqual(code('GRANT_ENDED'))
      expect((await kindsOf(callId)).at(-1)).toBe('grant.revoked')
    } else {
      await expect(revoke('no longer needed')).rejects.toEqual(code(expected))
      expect((await bed.storage.grants.grant(grant.id))?.ended).toBeNull()
    }
  })

  test('ends when its agent is retired; those of others stand', async () => {
    await bed.cases.registerAgent(as('olga'), { ...agent('short-lived'), keys: [] })
    await bed.cases.setAgentStatus(as('aisha'), 'short-lived', 'activate', undefined)
    const [mine, others] = [await held({ agent: 'short-lived' }), await held()]
    const grants = [await give('maria', mine.holdId), await give('maria', others.holdId)]
    await bed.cases.setAgentStatus(as('olga'), 'short-lived', 'retire', 'its work is done')
    const [dead, live] = await Promise.all(grants.map((hold) => bed.cases.grantGiven(as('maria'), hold)))
    expect(dead).toMatchObject({ ended: 'dead', endedBy: null, why: 'its agent is retired' })
    expect(live).toMatchObject({ ended: null })
    expect((await kindsOf(mine.callId)).at(-1)).toBe('grant.died')
  })

  test('is read by reading roles and those who could give it; what it lets stand only by who may see the call', async () => {
    const { holdId, callId } = await held()
    const grant = await bed.cases.grantGiven(as('maria'), await give('maria', holdId))
    if (!grant) throw new Error('no grant')
    const seen = await Promise.all(
      ['olga', 'aisha', 'lee', 'maria', 'raj', 'chen'].map(async (name) => (await bed.cases.grant(as(name), grant.id))?.id),
    )
    expect(seen).toEqual([grant.id, grant.id, grant.id, grant.id, grant.id, undefined])
    const listed = async (name: string) => (await bed.cases.grants(as(name), {}, { first: 100 })).rows.some(({ id }) => id === grant.id)
    expect(await Promise.all(['olga', 'maria', 'raj', 'chen', 'ivo'].map(listed))).toEqual([true, true, true, false, false])
    const trail = JSON.stringify(await bed.cases.trail(as('olga'), callId, true))
    expect(trail).not.toContain('v-7')
    expect(trail).not.toContain('50000')
    expect(JSON.stringify(await bed.cases.trail(as('lee'), callId, true))).toContain('50000')
  })
})

describe('one person in the place of all', () => {
  const WHY = 'the plant stands still and nobody of finance answers'
  const broken = async (name: string, how: Ask = {}, why = WHY) => {
    const asked = await held(how)
    const { digest } = await holdOf(asked.holdId)
    return { ...asked, hold: await bed.cases.breakGlass(as(name), asked.holdId, digest, why) }
  }
  const review = async () => {
    for (const { id } of (await bed.storage.grants.brokenGlasses(undefined, { first: 100 })).rows)
      await bed.storage.grants.review(id, 'justified', 'aisha', 'looked')
  }

  test('approves one hold, which is released; a grant that was proposed with it does not begin', async () => {
    const { holdId, callId } = await held({ requires: TWO })
    const proposed = await give('maria', holdId)
    const hold = await bed.cases.breakGlass(as('ivo'), proposed.id, proposed.digest, WHY)
    expect(hold.state).toBe('approved')
    expect(hold.expiresAt).toBeLessThanOrEqual(Date.now() + 1_800_000)
    expect(bed.approved).toContain(callId)
    expect(await kindsOf(callId)).not.toContain('grant.opened')
    expect(await bed.entries(callId)).toContainEqual(expect.objectContaining({ kind: 'grant.break_glass', by: 'ivo', reason: WHY }))
    await review()
  })

  test.each<[string, string, Ask, string, string]>([
    ['somebody of another group', 'maria', {}, WHY, 'NOT_ELIGIBLE'],
    ['the subject', 'ivo', { subject: 'ivo' }, WHY, 'NOT_ELIGIBLE'],
    ['an actor', 'ivo', { actors: ['clerk', 'ivo'] }, WHY, 'NOT_ELIGIBLE'],
    ['whom the facts exclude', 'ivo', { excluded: { people: ['IVO'], unknown: [] } }, WHY, 'NOT_ELIGIBLE'],
    ['where it is not known whom they exclude', 'ivo', { excluded: { people: [], unknown: ['/lookup/x/y'] } }, WHY, 'NOT_ELIGIBLE'],
    ['the local credential', 'local', {}, WHY, 'FORBIDDEN'],
    ['an auditor', 'lee', {}, WHY, 'FORBIDDEN'],
    ['without a reason', 'ivo', {}, '   ', 'BAD_INPUT'],
    ['with a word', 'ivo', {}, 'urgent', 'BAD_INPUT'],
  ])('is refused: %s', async (_what, name, how, why, expected) => {
    const { holdId, callId } = await held({ requires: FINANCE, ...how })
    const { digest } = await holdOf(holdId)
    await expect(bed.cases.breakGlass(as(name), holdId, digest, why)).rejects.toEqual(code(expected))
    expect(await kindsOf(callId)).toEqual(['decision', 'hold.opened'])
  })

  test('is refused on another digest and on a hold that is decided', async () => {
    const { holdId } = await held()
    const { digest } = await holdOf(holdId)
    await expect(bed.cases.breakGlass(as('ivo'), holdId, 'x', WHY)).rejects.toEqual(code('HOLD_NOT_OPEN'))
    await bed.cases.rejectHold(as('maria'), holdId, undefined)
    await expect(bed.cases.breakGlass(as('ivo'), holdId, digest, WHY)).rejects.toEqual(code('HOLD_NOT_OPEN'))
  })

  test('a review is due: while it is overdue nobody breaks the glass; never by who did it', async () => {
    await review()
    const { hold } = await broken('ivo')
    const use = await bed.cases.brokenFor(as('aisha'), hold)
    if (!use) throw new Error('not broken')
    bed.pass(86_400_001)
    const { holdId } = await held()
    const next = await holdOf(holdId)
    expect(await bed.cases.whyNotBreakGlass(as('ivo'), next)).toMatch(/review of what `ivo` approved alone is overdue/)
    await expect(bed.cases.breakGlass(as('ivo'), holdId, next.digest, WHY)).rejects.toEqual(code('NOT_ELIGIBLE'))
    const refused = (name: string) => bed.cases.whyNotReview(as(name), use)
    expect(refused('aisha')).toBeNull()
    for (const name of ['ivo', 'olga', 'maria', 'lee', 'local'])
      expect([name, refused(name)]).toEqual([name, expect.stringContaining('`security`')])
    expect(bed.cases.whyNotReview({ ...as('aisha'), name: 'ivo' }, use)).toMatch(/nobody reviews/)
    const look = (name: string, words = 'called the plant') => bed.cases.reviewBreakGlass(as(name), use.id, 'justified', words)
    await expect(look('ivo')).rejects.toEqual(code('FORBIDDEN'))
    await expect(look('maria')).rejects.toEqual(code('FORBIDDEN'))
    await expect(look('lee')).rejects.toEqual(code('FORBIDDEN'))
    await expect(look('aisha', ' ')).rejects.toEqual(code('BAD_INPUT'))
    expect(await look('aisha')).toMatchObject({ state: 'reviewed', review: { verdict: 'justified', by: 'aisha' } })
    await expect(look('sana')).rejects.toEqual(code('GRANT_ENDED'))
    expect((await bed.cases.breakGlass(as('ivo'), holdId, next.digest, WHY)).state).toBe('approved')
  })
})
