import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PolicyCheck } from '../ports/operator.ts'
import type { PolicyTests } from '../ports/policy-source.ts'
import { type Bed, openBed } from './fixture-bed.ts'
import { as, policies } from './fixture-organisation.ts'

let bed: Bed
beforeAll(async () => {
  bed = await openBed()
})
afterAll(() => bed.close())

const [aisha, sana] = [as('aisha'), as('sana')]
const texts = (text: string, facts: string | null = null) => ({ files: [{ name: 'erp.cedar', text }], facts })
const check = (text: string, tests: readonly PolicyTests[] = []): Promise<PolicyCheck> => bed.cases.checkPolicies(aisha, texts(text), tests)
const raised = policies.replace('1000.0', '2000.0')

const pays = (name: string, amount: string, expected: 'allow' | 'deny', reason: readonly string[]): object => ({
  name,
  request: {
    principal: 'Gatehouse::Agent::"clerk"',
    action: 'Erp::Action::"releasePayment"',
    resource: 'Gatehouse::Connector::"erp"',
    context: { input: { amount: { __extn: { fn: 'decimal', arg: amount } } } },
  },
  entities: [{ uid: { type: 'Gatehouse::Agent', id: 'clerk' }, attrs: { autonomy: 3 }, parents: [] }],
  decision: expected,
  reason,
})
const suite = (...tests: object[]): PolicyTests => ({ path: 'tests/pay.json', text: JSON.stringify(tests) })

const refusal = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'none',
    (error: unknown) => error,
  )

describe('a check of a draft', () => {
  test('says how each test ends, what was expected, and what decided', async () => {
    const { faults, inspected } = await check(policies, [
      suite(pays('small', '10.0', 'allow', []), pays('large', '1500.0', 'allow', []), { name: 'odd' }),
    ])
    expect(faults).toEqual([])
    expect(inspected?.policySet).toBe(bed.live.decider.policySet)
    expect(inspected?.tested.outcomes).toMatchObject([
      { file: 'tests/pay.json', name: 'small', expected: 'permit', got: 'permit', by: ['erp.pay'], failure: null },
      { name: 'large', expected: 'permit', got: 'hold', by: ['erp.large'], failure: expect.stringContaining('expected permit, got hold') },
      { name: 'odd', expected: null, got: null, by: [], failure: expect.stringContaining('`request` is missing') },
    ])
    expect(inspected?.tested).toMatchObject({ passed: 1, untouched: ['erp.getInvoice'] })
    expect(inspected?.tested.coverage.find(({ policy }) => policy === 'erp.large')).toMatchObject({ decided: 1 })
  })

  test('without tests says which operations nothing asks about', async () => {
    expect((await check(policies)).inspected?.tested.untouched).toEqual(['erp.getInvoice', 'erp.releasePayment'])
  })

  test.each([
    ['a fault of the text', 'permit(', [], /^erp\.cedar:1:\d+$/, /./],
    [
      'brackets beyond measure',
      `@id("x") permit(principal, action, resource) when { ${'('.repeat(200)}true${')'.repeat(200)} };`,
      [],
      /^erp\.cedar:1:1$/,
      /nested \d+ deep: at most 60/,
    ],
    ['a file that is too long', `// ${'x'.repeat(1_100_000)}\n${policies}`, [], /^erp\.cedar:1:1$/, /bytes are too many/],
    [
      'a file of tests with a path',
      policies,
      [{ path: '../../etc/passwd', text: '[]' }],
      /^\.\.\/\.\.\/etc\/passwd$/,
      /tests\/<name>\.json/,
    ],
    ['a file of tests below the tests', policies, [{ path: 'tests/../../x.json', text: '[]' }], /x\.json$/, /tests\/<name>\.json/],
    ['a file of tests twice', policies, [suite(), suite()], /^tests\/pay\.json$/, /there twice/],
  ] as const)('names the place of %s', async (_title, text, tests, place, words) => {
    const { faults, inspected } = await check(text, tests)
    expect(inspected).toBeNull()
    expect(faults).toEqual([{ pointer: expect.stringMatching(place), message: expect.stringMatching(words) }])
  })

  test('of more than 5,000 policies is refused in words', async () => {
    const many = (count: number): string =>
      Array.from(
        { length: count },
        (_, i) => `@id("p${i}") forbid(principal, action, resource) when { context.input.amount.greaterThan(decimal("${i}.0")) };`,
      ).join('\n')
    expect((await check(many(5_100))).faults[0]?.message).toMatch(/5100 policies are too many: at most 5000/)
  })
})

describe('what a draft changes', () => {
  test('a raised threshold, with somebody who meets it, against the active set', async () => {
    const { changes, policies: ids, complete, doubtful } = await bed.cases.diffPolicies(aisha, texts(raised), undefined)
    expect(ids).toEqual({ added: [], removed: [], changed: ['erp.large'] })
    expect(complete).toBe(true)
    expect(changes).toMatchObject([
      {
        change: 'newly-allowed',
        operations: ['erp.releasePayment'],
        before: { effect: 'hold', approvals: ['finance'] },
        after: { effect: 'permit' },
        example: { agent: { name: 'clerk' }, registered: true },
      },
    ])
    const amount = Number(changes[0]?.because['input.amount'])
    expect(amount).toBeGreaterThan(1_000)
    expect(amount).toBeLessThanOrEqual(2_000)
    expect(doubtful.size).toBe(0)
  })

  test('two drafts against each other, and a draft against itself', async () => {
    const { changes } = await bed.cases.diffPolicies(aisha, texts(policies), texts(raised))
    expect(changes.map(({ change }) => change)).toEqual(['newly-held'])
    expect((await bed.cases.diffPolicies(aisha, texts(raised), texts(raised))).changes).toEqual([])
  })

  test('a faulty draft is refused at its place', async () => {
    expect(await refusal(bed.cases.diffPolicies(aisha, texts('permit('), undefined))).toMatchObject({
      code: 'BAD_INPUT',
      faults: [{ pointer: expect.stringMatching(/^erp\.cedar:1:/) }],
    })
  })
})

test.each([
  ['maria', 'FORBIDDEN'],
  ['olga', 'none'],
  ['lee', 'none'],
  ['local', 'none'],
] as const)('%s checks, compares and reads tests: %s', async (name, code) => {
  const codeOf = (error: unknown): unknown => (error === 'none' ? error : (error as { code: string }).code)
  expect(codeOf(await refusal(bed.cases.checkPolicies(as(name), texts(policies), [])))).toBe(code)
  expect(codeOf(await refusal(bed.cases.diffPolicies(as(name), texts(policies), undefined)))).toBe(code)
  expect(codeOf(await refusal(bed.cases.policyTests(as(name))))).toBe(code)
})

test('nothing of a draft is kept or recorded', async () => {
  const before = (await bed.storage.calls.entriesAfter(null, 500)).length
  const { inspected } = await check(policies.replace('1000.0', '777.0'))
  await bed.cases.diffPolicies(aisha, texts(policies.replace('1000.0', '777.0')), undefined)
  expect(await bed.storage.policySets.set(inspected?.policySet ?? '')).toBeUndefined()
  expect((await bed.storage.calls.entriesAfter(null, 500)).length).toBe(before)
})

test('the tests of the active set are those it was published with; before that, those of the files', async () => {
  expect(await bed.cases.policyTests(aisha)).toEqual([{ path: 'tests/files.json', text: '[]' }])
  const tests = [suite(pays('small', '10.0', 'allow', []))]
  const { id } = await bed.cases.proposePolicies(aisha, { ...texts(raised), tests, note: 'because', base: undefined })
  expect(await bed.cases.policyTests(aisha)).toEqual([{ path: 'tests/files.json', text: '[]' }])
  expect(await bed.cases.proposalTests(sana, id)).toEqual(tests)
  expect(await refusal(Promise.resolve().then(() => bed.cases.proposalTests(as('maria'), id)))).toMatchObject({ code: 'FORBIDDEN' })
  await bed.cases.reviewPolicyProposal(sana, id, 'approve', undefined)
  expect(await bed.cases.policyTests(aisha)).toEqual(tests)
})

test('a proposal whose tests have odd names is refused', async () => {
  const tests = [{ path: '../x.json', text: '[]' }]
  const draft = { ...texts(policies.replace('1000.0', '3000.0')), tests, note: 'because', base: undefined }
  expect(await refusal(bed.cases.proposePolicies(aisha, draft))).toMatchObject({ code: 'BAD_INPUT' })
})
