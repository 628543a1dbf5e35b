import { describe, expect, test } from 'vitest'
import { createHash } from 'node:crypto'
import type { Decision } from '../../gateway/core/decision.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import { createDecider } from './decider.ts'
import { Redecider } from './redecider.ts'
import { clerk, closeTicket, getInvoice, question, releasePayment, source } from './test-organisation.ts'

const erp = `
@id("erp.pay")
permit(principal is Gatehouse::Agent in Gatehouse::Role::"payer", action == Erp::Action::"releasePayment", resource is Erp::Vendor);
@id("erp.read")
permit(principal, action in Gatehouse::Action::"read", resource == Gatehouse::Connector::"erp");
@id("erp.people-pay")
permit(principal is Gatehouse::Person in Gatehouse::Group::"finance-managers", action == Erp::Action::"releasePayment", resource);
@id("erp.large") @hold("finance") @reason("a large payment")
forbid(principal, action == Erp::Action::"releasePayment", resource)
when { context.input.amount.greaterThan(decimal("1000.0")) };
@id("erp.too-large")
forbid(principal, action == Erp::Action::"releasePayment", resource)
when { context.input.amount.greaterThan(decimal("50000.0")) };
@id("erp.fee") @hold("cfo")
forbid(principal, action == Erp::Action::"releasePayment", resource)
when { context.input has fee && context.input.fee.greaterThan(decimal("1.0")) };
@id("erp.later") @shadow
forbid(principal, action, resource) when { context.labels.contains("untrusted") };
`
const decider = createDecider(source({ erp }))
const again = new Redecider(decider.wholeText())
const pay = (amount: number, more: JsonObject = {}): JsonObject => ({ vendorId: 'v1', amount, ...more })

test('the text is what the set is named after', () => {
  expect(createHash('sha256').update(decider.wholeText()).digest('hex')).toBe(decider.policySet)
})

describe('decided again from the record alone', () => {
  test.each([
    ['a permit', releasePayment, pay(10), {}, 'permit', 'same'],
    ['a read by its group', getInvoice, { id: 7 }, {}, 'permit', 'same'],
    ['nothing permits', closeTicket, { id: 't' }, {}, 'deny', 'same'],
    ['without its role', releasePayment, pay(10), { agent: { ...clerk, roles: [] } }, 'deny', 'same'],
    ['a hold', releasePayment, pay(1000.5), {}, 'hold', 'same'],
    ['two holds', releasePayment, pay(1000.5, { fee: 2 }), {}, 'hold', 'same'],
    ['a forbid over a hold', releasePayment, pay(50_001), {}, 'deny', 'same'],
    ['for a subject', releasePayment, pay(10), { subject: 'maria' }, undefined, 'same'],
    ['for a subject that may not', releasePayment, pay(10), { subject: 'nobody' }, 'deny', 'same'],
    ['what policy cannot hold', releasePayment, pay(1.000_01), {}, 'deny', 'unasked'],
  ] as const)('%s', (_title, operation, input, over, effect, kind) => {
    const decision = decider.decide(question(operation, input as JsonObject, over))
    if (effect) expect(decision.verdict.effect).toBe(effect)
    expect(again.again(JSON.parse(JSON.stringify(decision)))).toEqual({ kind })
  })

  const held = decider.decide(question(releasePayment, pay(1000.5)))
  const { request } = held.evidence
  test.each<[string, Decision]>([
    ['a hold that became a permit', { ...held, verdict: { effect: 'permit', policies: ['erp.pay'] } }],
    ['a hold that lost its policy', { ...held, verdict: { effect: 'hold', policies: [], holds: [] } }],
    [
      'a hold by another text',
      {
        ...held,
        verdict: {
          ...held.verdict,
          holds: [{ policyId: 'erp.large', policyHash: 'f'.repeat(64), approval: 'finance' }],
        } as Decision['verdict'],
      },
    ],
    [
      'a smaller amount in the evidence',
      { ...held, evidence: { ...held.evidence, request: { ...request, context: { input: { amount: '10.0' } } } } },
    ],
    [
      'a permit without a question',
      { verdict: { effect: 'permit', policies: [] }, evidence: { ...held.evidence, request: { notAsked: 'so' } } },
    ],
  ])('%s is found', (_title, decision) => {
    expect(again.again(decision).kind).toBe('differs')
  })
})
