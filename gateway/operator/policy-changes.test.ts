import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { EntryBody } from '../core/entry.ts'
import { newProposalId, type ProposalId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Operator, OperatorUseCases, PolicyDraft } from '../ports/operator.ts'
import type { PolicyProposal } from '../ports/policy-sets.ts'
import { type Bed, openBed } from './fixture-bed.ts'
import { as, policies } from './fixture-organisation.ts'

let bed: Bed
let first: string
beforeAll(async () => {
  bed = await openBed()
  first = bed.live.decider.policySet
})
afterAll(() => bed.close())

const aisha = as('aisha')
const sana = as('sana')
const uma: Operator = { name: 'uma', groups: [], roles: ['security'] }

let turn = 0
/** Texts that no other test proposes. */
const fresh = (): string =>
  `${policies}\n@id("erp.turn") forbid(principal, action == Erp::Action::"getInvoice", resource) when { context.input.id == ${turn++} };`
const draft = (text: string, more: Partial<PolicyDraft> = {}): PolicyDraft => ({
  ...{ files: [{ name: 'erp.cedar', text }], facts: null, tests: [], note: 'because', base: undefined },
  ...more,
})
const propose = (by: Operator, text = fresh(), more: Partial<PolicyDraft> = {}): Promise<PolicyProposal> =>
  bed.cases.proposePolicies(by, draft(text, more))
const approve = (by: Operator, id: ProposalId) => bed.cases.reviewPolicyProposal(by, id, 'approve', 'fine')
const refusal = async (work: Promise<unknown>): Promise<Record<string, unknown>> =>
  work.then(
    () => ({ code: 'none' }),
    (error: unknown) => error as Record<string, unknown>,
  )
const active = async (): Promise<string | null> => (await bed.cases.publicationStatus(aisha)).active
const last = async (kind: EntryBody['kind']) => (await bed.notes(kind)).at(-1)

test('rules of the library stay, whatever is proposed', async () => {
  const { policySet } = await propose(uma)
  const kept = await bed.cases.policySet(aisha, policySet)
  expect(kept?.files.map(({ path }) => path)).toEqual(['erp.cedar', 'library/quiet.cedar (as quiet)'])
})

describe('who may', () => {
  let open: PolicyProposal
  beforeEach(async () => {
    open = await propose(uma)
  })
  const PEOPLE = ['maria', 'olga', 'lee', 'local', 'aisha'] as const
  test.each([
    ['read the state', (c: OperatorUseCases, by: Operator) => c.publicationStatus(by), ['FORBIDDEN', 'ok', 'ok', 'ok', 'ok']],
    ['read the history', (c: OperatorUseCases, by: Operator) => c.policySets(by, 1, undefined), ['FORBIDDEN', 'ok', 'ok', 'ok', 'ok']],
    ['read a set', (c: OperatorUseCases, by: Operator) => c.policySet(by, first), ['FORBIDDEN', 'ok', 'ok', 'ok', 'ok']],
    [
      'list proposals',
      (c: OperatorUseCases, by: Operator) => c.policyProposals(by, undefined, { first: 1 }),
      ['FORBIDDEN', 'ok', 'ok', 'ok', 'ok'],
    ],
    ['read a proposal', (c: OperatorUseCases, by: Operator) => c.policyProposal(by, open.id), ['FORBIDDEN', 'ok', 'ok', 'ok', 'ok']],
    [
      'propose',
      (c: OperatorUseCases, by: Operator) => c.proposePolicies(by, draft(fresh())),
      ['FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'ok', 'ok'],
    ],
    [
      'review',
      (c: OperatorUseCases, by: Operator) => c.reviewPolicyProposal(by, open.id, 'reject', 'no'),
      ['FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'ok'],
    ],
    [
      'roll back in an emergency',
      (c: OperatorUseCases, by: Operator) => c.rollBackPolicies(by, 'f'.repeat(64), 'x', true),
      ['FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'NOT_FOUND'],
    ],
    [
      'ask for a roll-back',
      (c: OperatorUseCases, by: Operator) => c.rollBackPolicies(by, 'f'.repeat(64), 'x', false),
      ['FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN', 'NOT_FOUND', 'NOT_FOUND'],
    ],
  ])('%s', async (_what, ask, expected) => {
    const got: string[] = []
    for (const name of PEOPLE) got.push(String((await refusal(Promise.resolve().then((): unknown => ask(bed.cases, as(name))))).code))
    expect(got.map((code) => (code === 'none' ? 'ok' : code))).toEqual(expected)
  })

  test('an auditor changes nothing, whatever else they are', async () => {
    const vic: Operator = { name: 'vic', groups: [], roles: ['security', 'auditor'] }
    expect(await refusal(propose(vic))).toMatchObject({ code: 'FORBIDDEN' })
    expect(await refusal(approve(vic, open.id))).toMatchObject({ code: 'FORBIDDEN' })
    expect(await refusal(bed.cases.rollBackPolicies(vic, first, 'x', true))).toMatchObject({ code: 'FORBIDDEN' })
  })
})

describe('a proposal', () => {
  test('binds once somebody else approves it, and not before', async () => {
    const before = await active()
    const proposal = await propose(aisha)
    expect(proposal).toMatchObject({
      state: 'open',
      by: 'aisha',
      base: before,
      note: 'because',
      remarks: [expect.stringContaining('no permit lets anybody call'), expect.stringContaining('erp.cedar:1:1: no policy test asks')],
    })
    expect(await active()).toBe(before)
    expect(await last('policy.proposed')).toMatchObject({ proposal: proposal.id, by: 'aisha', base: before, note: 'because' })
    const { proposal: reviewed, boundAfterMs } = await approve(sana, proposal.id)
    expect(reviewed).toMatchObject({ state: 'active', reviewer: 'sana', comment: 'fine' })
    expect(boundAfterMs).toBeGreaterThanOrEqual(0)
    expect(await bed.cases.publicationStatus(aisha)).toMatchObject({
      active: proposal.policySet,
      decidesOn: proposal.policySet,
      behind: null,
    })
    expect((await bed.cases.policies(aisha)).map(({ id }) => id)).toContain('erp.turn')
    expect(await last('policy.activated')).toMatchObject({
      policySet: proposal.policySet,
      base: before,
      by: 'aisha',
      proposal: proposal.id,
      source: 'review',
    })
  })

  test('yesterday’s text is there for a decision of yesterday', async () => {
    const before = (await active()) ?? ''
    const texts = async (set?: string) => (await bed.cases.policyText(aisha, 'erp.turn', set))?.text
    const old = await texts()
    const { id, policySet } = await propose(aisha)
    await approve(sana, id)
    expect(await texts(before)).toBe(old)
    expect(await texts(policySet)).not.toBe(old)
    expect(await texts()).toBe(await texts(policySet))
  })

  test('is never reviewed by who made it, and the try is in the record', async () => {
    const { id } = await propose(aisha)
    expect(await refusal(approve(aisha, id))).toMatchObject({ code: 'NOT_ELIGIBLE' })
    expect(await refusal(bed.cases.reviewPolicyProposal(aisha, id, 'reject', undefined))).toMatchObject({ code: 'NOT_ELIGIBLE' })
    expect(await last('policy.refused')).toMatchObject({ change: 'review', by: 'aisha', code: 'NOT_ELIGIBLE' })
    expect(await bed.cases.policyProposal(aisha, id)).toMatchObject({ state: 'open' })
  })

  test('is approved once, however many approve at one moment', async () => {
    const { id, policySet } = await propose(aisha)
    const codes = await Promise.all([sana, uma, sana].map(async (by) => String((await refusal(approve(by, id))).code)))
    expect(codes.filter((code) => code === 'none')).toHaveLength(1)
    expect(codes.filter((code) => code !== 'none').every((code) => /PROPOSAL_NOT_OPEN|POLICIES_CHANGED/.test(code))).toBe(true)
    expect((await bed.cases.policySets(aisha, 50, undefined)).filter((each) => each.policySet === policySet)).toHaveLength(1)
  })

  test('that was built upon another set is refused by name, and stays open to be looked at', async () => {
    const stale = await propose(aisha)
    const { id, policySet } = await propose(uma)
    await approve(sana, id)
    expect(await refusal(approve(sana, stale.id))).toMatchObject({ code: 'POLICIES_CHANGED', message: expect.stringContaining(policySet) })
    expect(await refusal(propose(aisha, fresh(), { base: stale.base }))).toMatchObject({ code: 'POLICIES_CHANGED' })
    expect(await last('policy.refused')).toMatchObject({ change: 'publish', by: 'aisha', base: stale.base, code: 'POLICIES_CHANGED' })
    expect(await active()).toBe(policySet)
    expect((await bed.cases.policyProposals(aisha, 'open', { first: 100 })).rows.map((each) => each.id)).toContain(stale.id)
  })

  test('that is rejected is over', async () => {
    const { id } = await propose(aisha)
    expect(await bed.cases.reviewPolicyProposal(sana, id, 'reject', 'too wide')).toMatchObject({
      proposal: { state: 'rejected', reviewer: 'sana', comment: 'too wide' },
      boundAfterMs: null,
    })
    expect(await refusal(approve(uma, id))).toMatchObject({ code: 'PROPOSAL_NOT_OPEN' })
    expect(await refusal(approve(uma, newProposalId(Date.now(), randomBytes(16))))).toMatchObject({ code: 'NOT_FOUND' })
  })

  const failing = JSON.stringify([
    {
      name: 'pays',
      request: {
        principal: 'Gatehouse::Agent::"clerk"',
        action: 'Erp::Action::"releasePayment"',
        resource: 'Gatehouse::Connector::"erp"',
        context: {},
      },
      entities: [],
      decision: 'deny',
    },
  ])
  test.each([
    [
      'with a fault',
      { files: [{ name: 'erp.cedar', text: '@id("x") permit(principal, action == Erp::Action::"nope", resource);' }] },
      /erp\.cedar:1:\d+/,
    ],
    ['with a failing test', { tests: [{ path: 'tests/pay.json', text: failing }] }, /tests\/pay\.json/],
    ['for no connector', { files: [{ name: 'warehouse.cedar', text: '' }] }, /warehouse\.cedar/],
    ['with a path for a name', { files: [{ name: '../org.cedar', text: '' }] }, /org\.cedar/],
    [
      'with a file twice',
      {
        files: [
          { name: 'erp.cedar', text: policies },
          { name: 'erp.cedar', text: policies },
        ],
      },
      /erp\.cedar/,
    ],
    ['without a reason', { note: '  ' }, undefined],
    ['that changes nothing', { files: [{ name: 'erp.cedar', text: 'ACTIVE' }] }, undefined],
  ] as const)('%s is refused', async (_title, more, place) => {
    const set = await bed.cases.policySet(aisha, (await active()) ?? '')
    const files =
      'files' in more
        ? more.files.map((file) => ({
            ...file,
            text: file.text === 'ACTIVE' ? (set?.files.find(({ path }) => path.endsWith('erp.cedar'))?.text ?? '') : file.text,
          }))
        : undefined
    const error = await refusal(propose(aisha, fresh(), { ...more, ...(files ? { files } : {}) }))
    expect(error).toMatchObject({ code: 'BAD_INPUT' })
    if (place) expect(JSON.stringify(error.faults)).toMatch(place)
  })

  test('faulty texts are in the record with their places', async () => {
    await refusal(propose(aisha, 'permit(principal, action, resource'))
    expect(await last('policy.refused')).toMatchObject({
      change: 'publish',
      by: 'aisha',
      code: 'BAD_INPUT',
      faults: [{ pointer: expect.stringMatching(/^erp\.cedar/) }],
    })
  })
})

describe('a roll-back', () => {
  test('is reviewed like a proposal', async () => {
    const base = await active()
    const { proposal } = await bed.cases.rollBackPolicies(aisha, first, 'odd denials', false)
    expect(proposal).toMatchObject({ change: 'roll-back', policySet: first, base, state: 'open' })
    if (!proposal) throw new Error('no proposal')
    expect(await refusal(approve(aisha, proposal.id))).toMatchObject({ code: 'NOT_ELIGIBLE' })
    await approve(sana, proposal.id)
    expect(bed.live.decider.policySet).toBe(first)
    expect(await last('policy.rolled_back')).toMatchObject({ policySet: first, base, by: 'aisha', why: 'odd denials', emergency: false })
  })

  test('in an emergency binds at once, and the record says that nobody reviewed it', async () => {
    const { id, policySet } = await propose(aisha)
    await approve(sana, id)
    expect(await bed.cases.rollBackPolicies(aisha, first, 'payments stopped', true)).toMatchObject({
      proposal: null,
      boundAfterMs: expect.any(Number),
    })
    expect(await active()).toBe(first)
    expect(await last('policy.rolled_back')).toMatchObject({
      policySet: first,
      base: policySet,
      by: 'aisha',
      emergency: true,
      why: 'payments stopped',
    })
    expect((await bed.cases.policySets(aisha, 1, undefined))[0]).toMatchObject({ source: 'emergency', rollBack: true, reviewer: null })
  })

  test('goes to sets that were active, not to what was only proposed, and not to where one is', async () => {
    const { policySet } = await propose(aisha)
    expect(await refusal(bed.cases.rollBackPolicies(aisha, policySet, 'x', true))).toMatchObject({ code: 'NOT_FOUND' })
    expect(await refusal(bed.cases.rollBackPolicies(aisha, (await active()) ?? '', 'x', true))).toMatchObject({ code: 'BAD_INPUT' })
    expect(await refusal(bed.cases.rollBackPolicies(aisha, first, ' ', true))).toMatchObject({ code: 'BAD_INPUT' })
  })
})

test('who published a policy votes on no call that it holds', async () => {
  const text = `${policies}\n@id("erp.mine") @hold("finance") forbid(principal, action == Erp::Action::"releasePayment", resource) when { context.input.amount == decimal("77.0") };`
  const { id } = await propose(sana, text)
  await approve(aisha, id)
  const { holdId } = await bed.ask({ amount: 77 })
  expect(await refusal(bed.cases.approveHold(sana, holdId, undefined))).toMatchObject({
    code: 'NOT_ELIGIBLE',
    message: expect.stringContaining('published'),
  })
  const hold = await bed.cases.hold(sana, holdId)
  const call = hold && (await bed.cases.call(sana, hold.callId))
  if (!hold || !call) throw new Error('no hold')
  expect((await bed.cases.whyIneligible(sana, [{ hold, call }])).get(holdId)).toContain('published')
  expect(await bed.cases.approveHold(as('maria'), holdId, undefined)).toMatchObject({ state: 'approved' })
})

test('open proposals are bounded', async () => {
  const open = (await bed.cases.policyProposals(aisha, 'open', { first: 500 })).rows.length
  const base = (await active()) ?? ''
  for (let i = open; i < LIMITS.policyProposalsOpenMax; i++) {
    const id = newProposalId(Date.now(), randomBytes(16))
    await bed.storage.policySets.propose({
      id,
      change: 'roll-back',
      policySet: first,
      base,
      by: 'uma',
      note: 'n',
      remarks: [],
      tests: null,
    })
  }
  expect(await refusal(propose(aisha))).toMatchObject({ code: 'LIMITED' })
})
