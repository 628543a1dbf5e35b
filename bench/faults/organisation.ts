import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { document, json, newOrder, writeOrganisation } from '../organisation.ts'

const ACCEPTED = { type: 'object', properties: { orderId: { type: 'string' }, state: { type: 'string' }, reference: { type: 'string' } } }
const REFUNDS = {
  post: {
    operationId: 'createRefund',
    requestBody: { required: true, ...json(newOrder) },
    responses: { 201: { description: 'Accepted.', ...json(ACCEPTED) } },
  },
}
const FACTS = `history:
  refunded1h: { sum: /amount, of: [crm.createRefund], window: 1h, by: agent }
`
const POLICY = `@id("crm-desk-reads")
permit (principal in Gatehouse::Role::"sales-desk", action in Gatehouse::Action::"read", resource in Gatehouse::Connector::"crm");

@id("crm-desk-writes")
permit (principal in Gatehouse::Role::"sales-desk", action in Gatehouse::Action::"write", resource in Gatehouse::Connector::"crm");

@id("crm-refunds-per-hour")
forbid (principal, action == Crm::Action::"createRefund", resource)
when { context.history.refunded1h.greaterThan(decimal("900000000.00")) };

@id("crm-dollars-wait")
@hold("soon-over")
forbid (principal, action == Crm::Action::"createOrder", resource)
when { context.input.currency == "USD" };
`
const APPROVALS = `soon-over:
  requires: [{ group: managers, count: 1 }]
  expires: 5s
`

/**
 * The organisation of the other runs, and in it what an outage could break: refunds that are counted under locks, and orders in dollars that nobody approves and
 * that expire within seconds.
 */
export function writeFaultOrganisation(folder: string, upstreamUrl: string): void {
  writeOrganisation(folder, upstreamUrl)
  const paths = { ...document.paths, '/refunds': REFUNDS }
  const files: Record<string, string> = {
    'crm.json': JSON.stringify({ ...document, paths }),
    'approvals.yaml': APPROVALS,
    'policies/facts.yaml': FACTS,
    'policies/crm.cedar': POLICY,
  }
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
}
