import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import type { CallId } from '../core/ids.ts'
import type { SimulationRequest } from '../ports/operator.ts'
import type { Simulation } from '../ports/simulator.ts'
import { type Bed, openBed } from './fixture-bed.ts'
import { as, policies } from './fixture-organisation.ts'

let bed: Bed
let small: CallId
let large: CallId
beforeAll(async () => {
  bed = await openBed()
  small = (await bed.ask({ amount: 10 })).callId
  large = (await bed.ask({ amount: 1_500 })).callId
  await bed.ask({ amount: 9_000 })
})
afterAll(() => bed.close())

const aisha = as('aisha')
const texts = (text: string, facts: string | null = null) => ({ files: [{ name: 'erp.cedar', text }], facts })
const simulate = (text: string, more: Partial<SimulationRequest> = {}): Promise<Simulation> =>
  bed.cases.simulatePolicies(aisha, { draft: texts(text), against: undefined, since: instant(0), first: undefined, ...more })

const raised = policies.replace('1000.0', '2000.0')

describe('a draft over recorded calls', () => {
  test('the policies in force say the same', async () => {
    expect(await simulate(policies)).toMatchObject({
      calls: 3,
      stopped: null,
      asToday: 0,
      operations: [{ operation: 'erp.releasePayment', calls: 3, same: 3, undecided: 0, changes: [] }],
      undecided: [],
    })
  })

  test('a raised threshold', async () => {
    const { operations } = await simulate(raised)
    expect(operations).toMatchObject([
      {
        calls: 3,
        same: 2,
        changes: [
          {
            change: 'newly-allowed',
            before: { effect: 'hold', approvals: ['finance'], policies: ['erp.large'] },
            after: { effect: 'permit', policies: ['erp.pay'] },
            calls: 1,
            examples: [large],
          },
        ],
      },
    ])
  })

  test('everything forbidden', async () => {
    const { operations } = await simulate('@id("none") forbid(principal, action == Erp::Action::"releasePayment", resource);')
    expect(operations[0]?.changes.map(({ change, calls }) => [change, calls])).toEqual([
      ['newly-denied', 2],
      ['newly-denied', 1],
    ])
  })

  test('two drafts against each other', async () => {
    const { operations } = await simulate(raised, { against: texts(policies.replace('1000.0', '1.0')) })
    expect(operations[0]).toMatchObject({ same: 1, changes: [{ change: 'newly-allowed', calls: 2 }] })
  })

  test('the newest of them, with the bound told', async () => {
    expect(await simulate(policies, { first: 2 })).toMatchObject({ calls: 2, stopped: 'calls' })
    expect(await simulate(policies, { first: 3 })).toMatchObject({ calls: 3, stopped: null })
    expect(await simulate(policies, { since: instant(Date.now() + 60_000) })).toMatchObject({ calls: 0, oldest: null, operations: [] })
  })

  test('a fact that nobody gathered is not guessed', async () => {
    const facts = 'history: { paid1h: { sum: /amount, of: [erp.releasePayment], window: 1h } }'
    const draft = `${policies} @id("cap") forbid(principal, action == Erp::Action::"releasePayment", resource) when { context.history.paid1h.greaterThan(decimal("50.0")) };`
    const labels = `${policies} @id("cap") forbid(principal, action == Erp::Action::"releasePayment", resource) when { context.labels.contains("untrusted") };`
    expect(await simulate(draft, { draft: texts(draft, facts) })).toMatchObject({
      operations: [{ calls: 3, same: 0, undecided: 3, changes: [] }],
      undecided: [{ why: '`history.paid1h` was not gathered then', calls: 3 }],
    })
    expect(await simulate(labels)).toMatchObject({ undecided: [{ why: '`labels` were not gathered then', calls: 3 }] })
  })

  test('findings are looked for again', async () => {
    const draft = `${policies} @id("cap") forbid(principal, action == Erp::Action::"releasePayment", resource) when { context.findings.contains("credential") };`
    expect(await simulate(draft)).toMatchObject({ operations: [{ same: 3, undecided: 0 }] })
  })

  test('an agent that has changed is asked about as it is', async () => {
    await bed.cases.setAgentStatus(aisha, 'clerk', 'suspend', 'x')
    await bed.cases.setAgentStatus(aisha, 'clerk', 'reinstate', 'x')
    expect(await simulate(policies)).toMatchObject({ calls: 3, asToday: 3 })
  })

  test('a call for a person is asked for that person, too; its release is no call', async () => {
    const { callId } = await bed.ask({ amount: 20, subject: 'maria' })
    const draft = `${policies} @id("people") forbid(principal is Gatehouse::Person, action == Erp::Action::"releasePayment", resource) unless { principal in Gatehouse::Group::"cfo-office" };`
    expect(await simulate(draft)).toMatchObject({
      operations: [
        {
          calls: 4,
          same: 3,
          changes: [{ change: 'newly-denied', after: { reason: 'forbidden', policies: ['people'] }, examples: [callId] }],
        },
      ],
    })
  })

  test('nothing of a call is told but its id', async () => {
    const told = JSON.stringify(await simulate(raised))
    expect(told).toContain(large)
    for (const secret of ['v-7', 'invoice is due', small]) expect(told).not.toContain(secret)
  })
})

describe('what is refused', () => {
  const refusal = (work: Promise<unknown>) =>
    work.then(
      () => 'none',
      (error: unknown) => error as Record<string, unknown>,
    )

  test.each([
    ['maria', 'FORBIDDEN'],
    ['olga', 'none'],
    ['lee', 'none'],
    ['local', 'none'],
  ] as const)('%s: %s', async (name, code) => {
    const asked = { draft: texts(policies), against: undefined, since: instant(0), first: 1 }
    const answer = await refusal(bed.cases.simulatePolicies(as(name), asked))
    expect(code === 'none' ? answer : (answer as { code: string }).code).toBe(code)
  })

  test.each([
    ['a faulty draft', { draft: texts('permit(') }, { code: 'BAD_INPUT', message: expect.stringContaining('erp.cedar:1:') }],
    ['a file of nothing', { draft: { files: [{ name: 'nope.cedar', text: '' }], facts: null } }, { code: 'BAD_INPUT' }],
    ['no calls', { first: 0 }, { code: 'BAD_INPUT' }],
    ['too many', { first: 1_000_000 }, { code: 'BAD_INPUT' }],
  ])('%s', async (_title, more, expected) => {
    expect(await refusal(simulate(policies, more))).toMatchObject(expected)
  })
})
