import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDoor } from './doors.ts'
import { type Bed, startBed } from './harness.ts'
import { httpForms } from './http-form.ts'
import { type Fields, fields, items, jsonOf, send } from './send.ts'

let bed: Bed
let pay: (amount: number) => Promise<{ code: string }>
beforeAll(async () => {
  bed = await startBed()
  const door = openDoor('http', bed, httpForms(bed.configFile, bed.environment))
  let turn = 0
  pay = (amount) => {
    const input = { vendorId: 'V-1001', amount, currency: 'EUR', reference: `d-${turn++}` }
    return door.call({ agent: 'invoice-clerk', operation: 'erp.releasePayment', input })
  }
}, 120_000)
afterAll(() => bed.close())

const textOf = (name: string): string => readFileSync(join(dirname(bed.configFile), 'policies', name), 'utf8')
const draft = (change: (text: string) => string): Fields => ({
  files: ['org', 'erp', 'crm', 'docs', 'probe'].map((name) => {
    const text = textOf(`${name}.cedar`)
    return { name: `${name}.cedar`, text: name === 'erp' ? change(text) : text }
  }),
  facts: textOf('facts.yaml'),
})

const CHECK = `query ($draft: PolicyTextsInput!, $tests: [PolicyFileInput!]) { checkPolicies(draft: $draft, tests: $tests) {
  policySet policies passed failed faults { place message } findings { severity rule policy } tests { name failure } coverage { policy decided } untouched } }`
const check = async (texts: Fields, tests: unknown = []): Promise<Fields> =>
  fields((await bed.people('aisha', CHECK, { draft: texts, tests })).checkPolicies)

const DIFF = `query ($draft: PolicyTextsInput!, $against: PolicyTextsInput) { diffPolicies(draft: $draft, against: $against) {
  added removed changed complete asked changes { change operations mayBeRefused because requests
    before { outcome approvals policies } after { outcome policies } who { agent subject registered roles } } } }`

describe('a draft at the control plane', () => {
  test('the active texts and their tests are what a check begins with, and all of them pass', async () => {
    const { policyTests, policyStatus } = await bed.people('aisha', '{ policyTests { name text } policyStatus { active } }')
    expect(items(policyTests).map((file) => fields(file).name)).toContain('tests/erp.json')
    const checked = await check(
      draft((text) => text),
      policyTests,
    )
    expect(checked).toMatchObject({ policySet: fields(policyStatus).active, failed: 0, faults: [] })
    expect(Number(checked.passed)).toBeGreaterThan(30)
    expect(items(checked.coverage).filter((one) => Number(fields(one).decided) > 0).length).toBeGreaterThan(20)
  })

  test('what becomes possible is told with somebody who could do it', async () => {
    const raised = draft((text) => text.replace('decimal("1000.00")', 'decimal("3000.00")'))
    const diff = fields((await bed.people('lee', DIFF, { draft: raised })).diffPolicies)
    expect(diff).toMatchObject({ added: [], removed: [], changed: ['erp-payment-needs-manager'] })
    const allowed = items(diff.changes)
      .map(fields)
      .filter(({ change }) => change === 'newly_allowed')
    expect(allowed[0]).toMatchObject({
      operations: ['erp.releasePayment'],
      before: { outcome: 'hold', approvals: ['finance-manager'], policies: ['erp-payment-needs-manager'] },
      after: { outcome: 'permit' },
      who: { registered: true },
      mayBeRefused: false,
    })
  })

  test('that hostile hands wrote is answered in words, while calls go on', async () => {
    const nested = `@id("deep") permit(principal, action, resource) when { ${'('.repeat(200)}true${')'.repeat(200)} };`
    const many = Array.from(
      { length: 4_900 },
      (_, i) =>
        `@id("p${i}") forbid(principal, action == Erp::Action::"releasePayment", resource) when { context.input.amount == decimal("${i}.5") };`,
    ).join('\n')
    const ended = Promise.all([check(draft(() => nested)), check(draft(() => many))])
    const during = await Promise.all([10, 11, 12].map(pay))
    expect(during.map(({ code }) => code)).toEqual(['OK', 'OK', 'OK'])
    const [deep, long] = await ended
    expect(deep).toMatchObject({ policySet: null, faults: [{ message: expect.stringContaining('nested') }] })
    // Looked through, or given up at a bound that is told.
    if (long?.policySet === null) expect(items(long.faults)).toMatchObject([{ message: expect.stringMatching(/longer than|MB of memory/) }])
    else expect(Number(long?.policies)).toBeGreaterThan(4_900)
    expect(await pay(13)).toMatchObject({ code: 'OK' })
  }, 400_000)

  test('that is larger than any request is refused before it is read', async () => {
    const headers = { authorization: `Bearer ${await bed.personToken('aisha')}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ query: CHECK, variables: { draft: draft((text) => `// ${'x'.repeat(5_000_000)}\n${text}`) } })
    const reply = await send(bed.url, { method: 'POST', path: '/operator/graphql', headers, body })
    expect(reply.status).toBe(413)
    expect(jsonOf(reply)).toMatchObject({ errors: [{ extensions: { code: 'BODY_TOO_LARGE' } }] })
  })

  test('is looked at one at a time by one request, and by the gateway only so many wait', async () => {
    const twice = `query ($draft: PolicyTextsInput!) { a: checkPolicies(draft: $draft) { policies } b: diffPolicies(draft: $draft) { asked } }`
    await expect(bed.people('aisha', twice, { draft: draft((text) => text) })).rejects.toThrow(/BAD_INPUT: the query loads more than/)
    const answers = await Promise.allSettled(Array.from({ length: 40 }, () => check(draft((text) => text))))
    const refused = answers.filter((answer) => answer.status === 'rejected').map(({ reason }) => String(reason))
    expect(refused.length).toBeGreaterThan(0)
    for (const reason of refused) expect(reason).toMatch(/LIMITED: too many policy jobs wait already/)
  }, 120_000)

  test('is not for people without a reading role', async () => {
    await expect(bed.people('maria', CHECK, { draft: draft((text) => text) })).rejects.toThrow(/FORBIDDEN/)
    await expect(bed.people('maria', DIFF, { draft: draft((text) => text) })).rejects.toThrow(/FORBIDDEN/)
    await expect(bed.people('maria', '{ policyTests { name } }')).rejects.toThrow(/FORBIDDEN/)
  })
})
