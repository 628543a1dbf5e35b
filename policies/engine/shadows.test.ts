import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../gateway/core/json.ts'
import { createDecider } from './decider.ts'
import { clerk, question, releasePayment, source } from './test-organisation.ts'

const erp = `
@id("p") permit(principal is Gatehouse::Agent, action, resource);
@id("s.large") @shadow forbid(principal, action == Erp::Action::"releasePayment", resource) when { context.input.amount.greaterThan(decimal("10.0")) };
@id("s.fee") @shadow forbid(principal, action == Erp::Action::"releasePayment", resource) when { context.input has fee && context.input.fee.greaterThan(decimal("1.0")) };
@id("s.late") @shadow forbid(principal, action, resource) when { context.now > datetime("2026-06-01") };
`
const decider = createDecider(source({ erp }))

describe('shadows are recorded and change nothing', () => {
  test.each([
    ['none matches', { amount: 1 }, {}, []],
    ['one matches', { amount: 11 }, {}, ['s.large']],
    ['two match', { amount: 11, fee: 2 }, {}, ['s.fee', 's.large']],
    ['by time', { amount: 1 }, { now: Date.UTC(2026, 6, 1) }, ['s.late']],
    [
      'one looks at what policy cannot hold: all of them would have denied',
      { amount: 1, fee: 0.00001 },
      {},
      ['s.fee', 's.large', 's.late'],
    ],
  ])('%s', (_title, input, over, shadow) => {
    const { verdict, evidence } = decider.decide(question(releasePayment, { vendorId: 'v', ...input } as JsonObject, over as object))
    expect(verdict).toEqual({ effect: 'permit', policies: ['p'] })
    expect(evidence.shadow).toEqual(shadow)
    expect(evidence.request.context).toEqual({})
  })

  test('a denial has its shadows too', () => {
    const { verdict, evidence } = decider.decide(
      question(releasePayment, { vendorId: 'v', amount: 11 }, { agent: clerk, subject: 'maria' }),
    )
    expect(verdict).toMatchObject({ effect: 'deny', reason: 'no_permit' })
    expect(evidence.shadow).toEqual(['s.large'])
  })
})

test('what people read of policies and decisions', () => {
  const texts = {
    erp: '// first\n\n@id("b") @hold("finance") @reason("why")\nforbid(principal, action, resource);\n@id("a") permit(principal, action, resource);',
  }
  const plain = createDecider(source(texts))
  expect(plain.policies().map(({ id, line, effect, file, annotations }) => ({ id, line, effect, file, annotations }))).toEqual([
    { id: 'a', line: 5, effect: 'permit', file: 'policies/erp.cedar', annotations: { id: 'a' } },
    { id: 'b', line: 3, effect: 'forbid', file: 'policies/erp.cedar', annotations: { id: 'b', hold: 'finance', reason: 'why' } },
  ])
  const { decision, determining, reason } = plain.explain(question(releasePayment, { vendorId: 'v', amount: 1 }))
  expect(decision.verdict.effect).toBe('hold')
  expect(determining.map(({ id, text }) => [id, text])).toEqual([
    ['b', '@id("b") @hold("finance") @reason("why")\nforbid(principal, action, resource);'],
  ])
  expect(reason).toBeUndefined()
  expect(decision.evidence).toMatchObject({ policySet: plain.policySet, engine: expect.stringMatching(/^cedar 4\./) })
  expect(plain.explain(question(releasePayment, { vendorId: '\udc00', amount: 1 })).reason).toBe('policy_error')
})
