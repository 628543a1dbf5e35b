import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../gateway/core/json.ts'
import { createDecider } from './decider.ts'
import { clerk, closeTicket, getInvoice, listInvoices, question, releasePayment, source } from './test-organisation.ts'

const erp = `
@id("erp.pay")
permit(principal is Gatehouse::Agent in Gatehouse::Role::"payer", action == Erp::Action::"releasePayment", resource is Erp::Vendor);
@id("erp.read")
permit(principal, action in Gatehouse::Action::"read", resource == Gatehouse::Connector::"erp");
@id("erp.people-pay")
permit(principal is Gatehouse::Person in Gatehouse::Group::"finance-managers", action == Erp::Action::"releasePayment", resource);
@id("erp.large") @hold("finance") @reason("a large payment") @advice("wait for finance")
forbid(principal, action == Erp::Action::"releasePayment", resource)
when { context.input.amount.greaterThan(decimal("1000.0")) };
@id("erp.people-large") @hold("cfo")
forbid(principal is Gatehouse::Person, action == Erp::Action::"releasePayment", resource)
when { context.input.amount.greaterThan(decimal("2000.0")) };
@id("erp.too-large") @advice("split nothing")
forbid(principal, action == Erp::Action::"releasePayment", resource)
when { context.input.amount.greaterThan(decimal("50000.0")) };
@id("erp.blocked-vendor")
forbid(principal, action, resource == Erp::Vendor::"v-bad");
@id("erp.fee") @hold("cfo")
forbid(principal, action == Erp::Action::"releasePayment", resource)
when { context.input has fee && context.input.fee.greaterThan(decimal("1.0")) };
`
const pay = (amount: number, more: JsonObject = {}): JsonObject => ({ vendorId: 'v1', amount, ...more })
const decider = createDecider(source({ erp }))

describe('the two passes', () => {
  test.each([
    ['a permit', releasePayment, pay(10), {}, { effect: 'permit', policies: ['erp.pay'] }],
    ['a read by its group', getInvoice, { id: 7 }, {}, { effect: 'permit', policies: ['erp.read'] }],
    ['nothing permits', closeTicket, { id: 't' }, {}, { effect: 'deny', policies: [], reason: 'no_permit' }],
    ['no role', releasePayment, pay(10), { agent: { ...clerk, roles: [] } }, { effect: 'deny', policies: [], reason: 'no_permit' }],
    [
      'a hold over a permit',
      releasePayment,
      pay(1000.5),
      {},
      { effect: 'hold', policies: ['erp.large'], holds: [{ approval: 'finance', reason: 'a large payment', advice: 'wait for finance' }] },
    ],
    ['two holds add up', releasePayment, pay(1000.5, { fee: 2 }), {}, { effect: 'hold', policies: ['erp.fee', 'erp.large'] }],
    [
      'a hold without a permit',
      releasePayment,
      pay(1000.5),
      { agent: { ...clerk, roles: [] } },
      { effect: 'deny', policies: ['erp.large'], reason: 'no_permit' },
    ],
    [
      'a hard forbid beside a hold',
      releasePayment,
      pay(60_000),
      {},
      { effect: 'deny', policies: ['erp.large', 'erp.too-large'], reason: 'forbidden', advice: 'split nothing' },
    ],
    ['by business object', releasePayment, { vendorId: 'v-bad', amount: 1 }, {}, { effect: 'deny', reason: 'forbidden' }],
    ['a subject who may', releasePayment, pay(10), { subject: 'maria' }, { effect: 'permit', policies: ['erp.pay', 'erp.people-pay'] }],
    ['a subject who may not', releasePayment, pay(10), { subject: 'paul' }, { effect: 'deny', reason: 'no_permit' }],
    ['a subject nobody knows', releasePayment, pay(10), { subject: 'nobody' }, { effect: 'deny', reason: 'no_permit' }],
    [
      'holds of agent and subject',
      releasePayment,
      pay(3000),
      { subject: 'maria' },
      { effect: 'hold', policies: ['erp.large', 'erp.people-large'] },
    ],
  ] as const)('%s', (_title, of, input, over, verdict) => {
    expect(decider.decide(question(of, input as JsonObject, over)).verdict).toMatchObject(verdict)
  })

  test('an empty policy set denies everything', () => {
    const empty = createDecider(source({}))
    for (const of of [releasePayment, listInvoices, closeTicket])
      expect(empty.decide(question(of, of === releasePayment ? pay(1) : {})).verdict).toEqual({
        effect: 'deny',
        policies: [],
        reason: 'no_permit',
      })
  })
})

describe('texts that were checked before', () => {
  test('come to the same decider', () => {
    const again = createDecider(source({ erp }), { checked: decider.policySet })
    expect(again.policySet).toBe(decider.policySet)
    expect(again.decide(question(releasePayment, pay(2000)))).toEqual(decider.decide(question(releasePayment, pay(2000))))
  })

  test('are validated where they come to another set than the checked one', () => {
    const faulty = `${erp} @id("x") permit(principal, action == Erp::Action::"releasePayment", resource) when { context.input.amount == "much" };`
    expect(() => createDecider(source({ erp: faulty }), { checked: decider.policySet })).toThrow(/faulty policies/)
  })
})
