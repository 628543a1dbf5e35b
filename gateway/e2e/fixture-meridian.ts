import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { JsonObject } from '../core/json.ts'

/** For tests of what security engineers write: an organisation with a bank, an airline and a shop, each with its written rules. */

const object = (properties: JsonObject, required: string[] = Object.keys(properties)): JsonObject => ({
  type: 'object',
  additionalProperties: false,
  properties,
  required,
})
const post = (operationId: string, schema: JsonObject): JsonObject => ({
  operationId,
  requestBody: { required: true, content: { 'application/json': { schema } } },
  responses: { 200: { description: 'ok' } },
})
const get = (operationId: string, name: string): JsonObject => ({
  operationId,
  parameters: [{ name, in: 'path', required: true, schema: { type: 'string' } }],
  responses: { 200: { description: 'ok' } },
})
const document = (title: string, paths: JsonObject): string =>
  JSON.stringify({ openapi: '3.1.0', info: { title, version: '1' }, paths }, null, 2)
const manifest = (name: string, overrides = ''): string =>
  `connector: ${name}\nkind: openapi\nsource: ${name}.json\nbaseUrl: https://${name}.example\nregion: eu\n${overrides}`

const BANK = document('bank', {
  '/accounts/{iban}': { get: get('getAccount', 'iban') },
  '/transfers': {
    post: post(
      'transfer',
      object(
        {
          debtor: { type: 'string' },
          creditor: { type: 'string' },
          amount: { type: 'number', minimum: 0.01, maximum: 1_000_000 },
          currency: { type: 'string', enum: ['EUR', 'USD', 'CHF'] },
          instant: { type: 'boolean' },
        },
        ['debtor', 'creditor', 'amount', 'currency'],
      ),
    ),
  },
  '/freezes': { post: post('freezeAccount', object({ iban: { type: 'string' }, reason: { enum: ['fraud', 'court-order', 'death'] } })) },
})
const AIRLINE = document('airline', {
  '/bookings/{reference}': { get: get('getBooking', 'reference') },
  '/rebookings': {
    post: post(
      'rebook',
      object({
        reference: { type: 'string' },
        flight: { type: 'string' },
        fareDifference: { type: 'number' },
        waiveFee: { type: 'boolean' },
      }),
    ),
  },
  '/vouchers': {
    post: post(
      'issueVoucher',
      object({ reference: { type: 'string' }, amount: { type: 'number', minimum: 1 }, cabin: { enum: ['economy', 'business'] } }),
    ),
  },
})
const SHOP = document('shop', {
  '/orders/{order}': { get: get('getOrder', 'order') },
  '/prices': {
    post: post(
      'setPrice',
      object({ sku: { type: 'string' }, price: { type: 'number' }, discountPercent: { type: 'integer', minimum: 0, maximum: 90 } }),
    ),
  },
  '/refunds': {
    post: post(
      'refundOrder',
      object({ order: { type: 'string' }, amount: { type: 'number' }, reason: { enum: ['damaged', 'late', 'goodwill'] } }),
    ),
  },
})

const BANK_RULES = `// Transfers up to 10,000 are a teller's; larger ones take two of the treasury; nothing leaves in francs.
@id("bank-tellers-read")
permit (principal in Gatehouse::Role::"teller", action == Bank::Action::"getAccount", resource);

@id("bank-tellers-transfer")
permit (principal in Gatehouse::Role::"teller", action == Bank::Action::"transfer", resource);

@id("bank-large-transfers")
@hold("treasury")
forbid (principal, action == Bank::Action::"transfer", resource)
when { context.input.amount.greaterThan(decimal("10000.0")) };

@id("bank-no-francs")
@advice("Transfers in francs are made by the branch.")
forbid (principal, action == Bank::Action::"transfer", resource)
when { context.input.currency == "CHF" };

@id("bank-compliance-freezes")
permit (principal in Gatehouse::Role::"compliance", action == Bank::Action::"freezeAccount", resource)
when { ["fraud", "court-order"].contains(context.input.reason) };
`
const AIRLINE_RULES = `// The desk rebooks where the passenger pays no more than 200 and pays the fee; vouchers above 300 need a duty manager.
@id("airline-desk-reads")
permit (principal in Gatehouse::Role::"desk", action == Airline::Action::"getBooking", resource);

@id("airline-desk-rebooks")
permit (principal in Gatehouse::Role::"desk", action == Airline::Action::"rebook", resource)
when { context.input.fareDifference.lessThanOrEqual(decimal("200.0")) }
unless { context.input.waiveFee };

@id("airline-desk-vouchers")
permit (principal in Gatehouse::Role::"desk", action == Airline::Action::"issueVoucher", resource);

@id("airline-large-vouchers")
@hold("duty-manager")
forbid (principal, action == Airline::Action::"issueVoucher", resource)
when { context.input.amount.greaterThan(decimal("300.0")) };
`
const SHOP_RULES = `// Discounts up to 30 per cent are the pricing agent's own; goodwill is a person's word, so nobody else gives it.
@id("shop-all-read")
permit (principal, action == Shop::Action::"getOrder", resource);

@id("shop-pricing")
permit (principal in Gatehouse::Role::"pricing", action == Shop::Action::"setPrice", resource)
when { context.input.discountPercent <= 30 };

@id("shop-refunds")
permit (principal in Gatehouse::Role::"desk", action == Shop::Action::"refundOrder", resource)
when { context.input.reason != "goodwill" && context.input.amount.lessThan(decimal("500.0")) };
`
const ORG_RULES = `@id("org-irreversible-needs-autonomy")
forbid (principal is Gatehouse::Agent, action in Gatehouse::Action::"irreversible", resource)
when { principal.autonomy < 2 };
`

const decimal = (arg: string): JsonObject => ({ __extn: { fn: 'decimal', arg } })

function policyTest(
  name: string,
  [role, connector, operation]: readonly [string, string, string],
  input: JsonObject,
  outcome: 'allow' | 'deny',
  reason: string[],
  autonomy = 2,
): JsonObject {
  return {
    name,
    request: {
      principal: 'Gatehouse::Agent::"someone"',
      action: `${connector.charAt(0).toUpperCase()}${connector.slice(1)}::Action::"${operation}"`,
      resource: `Gatehouse::Connector::"${connector}"`,
      context: { input },
    },
    entities: [{ uid: { type: 'Gatehouse::Agent', id: 'someone' }, attrs: { autonomy }, parents: [{ type: 'Gatehouse::Role', id: role }] }],
    decision: outcome,
    reason,
    num_errors: 0,
  }
}

const TRANSFER = ['teller', 'bank', 'transfer'] as const
const REBOOK = ['desk', 'airline', 'rebook'] as const
const TESTS = {
  bank: [
    policyTest('a teller reads', ['teller', 'bank', 'getAccount'], {}, 'allow', ['bank-tellers-read']),
    policyTest("10,000 is the teller's own", TRANSFER, { amount: decimal('10000.0'), currency: 'EUR' }, 'allow', ['bank-tellers-transfer']),
    policyTest("a cent more is the treasury's", TRANSFER, { amount: decimal('10000.01'), currency: 'EUR' }, 'deny', [
      'bank-large-transfers',
    ]),
    policyTest('no francs', TRANSFER, { amount: decimal('1.0'), currency: 'CHF' }, 'deny', ['bank-no-francs']),
    policyTest('nobody else transfers', ['desk', 'bank', 'transfer'], { amount: decimal('1.0'), currency: 'EUR' }, 'deny', []),
    policyTest('compliance freezes for fraud', ['compliance', 'bank', 'freezeAccount'], { reason: 'fraud' }, 'allow', [
      'bank-compliance-freezes',
    ]),
    policyTest('not for a death', ['compliance', 'bank', 'freezeAccount'], { reason: 'death' }, 'deny', []),
    policyTest(
      'an observer transfers nothing',
      TRANSFER,
      { amount: decimal('1.0'), currency: 'EUR' },
      'deny',
      ['org-irreversible-needs-autonomy'],
      1,
    ),
  ],
  airline: [
    policyTest('the desk reads', ['desk', 'airline', 'getBooking'], {}, 'allow', ['airline-desk-reads']),
    policyTest('the desk rebooks', REBOOK, { fareDifference: decimal('200.0'), waiveFee: false }, 'allow', ['airline-desk-rebooks']),
    policyTest('not without the fee', REBOOK, { fareDifference: decimal('0.0'), waiveFee: true }, 'deny', []),
    policyTest('a voucher', ['desk', 'airline', 'issueVoucher'], { amount: decimal('300.0') }, 'allow', ['airline-desk-vouchers']),
    policyTest('a large voucher', ['desk', 'airline', 'issueVoucher'], { amount: decimal('301.0') }, 'deny', ['airline-large-vouchers']),
  ],
  shop: [
    policyTest('everybody reads orders', ['teller', 'shop', 'getOrder'], {}, 'allow', ['shop-all-read']),
    policyTest('a discount', ['pricing', 'shop', 'setPrice'], { discountPercent: 30 }, 'allow', ['shop-pricing']),
    policyTest('too large a discount', ['pricing', 'shop', 'setPrice'], { discountPercent: 31 }, 'deny', []),
    policyTest('a refund', ['desk', 'shop', 'refundOrder'], { reason: 'late', amount: decimal('499.99') }, 'allow', ['shop-refunds']),
    policyTest('no goodwill', ['desk', 'shop', 'refundOrder'], { reason: 'goodwill', amount: decimal('1.0') }, 'deny', []),
  ],
}

/** Every file of the organisation by its path. */
export const MERIDIAN: Readonly<Record<string, string>> = {
  'gatehouse.yaml':
    'organisation: meridian\nissuers:\n  - kind: built-in\nconnectors: [connectors]\npolicies: [policies]\napprovals: approvals.yaml\npeople: people.yaml\nagents: agents.yaml\n',
  'people.yaml':
    '- { name: ada, groups: [treasury] }\n- { name: bo, groups: [treasury] }\n- { name: cy, groups: [duty-managers] }\n- { name: dee }\n- { name: eve, roles: [security] }\n',
  'approvals.yaml':
    'treasury:\n  requires: [{ group: treasury, count: 2 }]\n  expires: 4h\n  on_approval: execute\nduty-manager:\n  requires: [{ group: duty-managers, count: 1 }]\n  expires: 1h\n  on_approval: execute\n',
  'agents.yaml': ['teller', 'compliance', 'desk', 'pricing']
    .map(
      (role) => `- { name: ${role}-agent, owner: dee, team: ops, region: eu, roles: [${role}], autonomy: ${role === 'pricing' ? 1 : 2} }\n`,
    )
    .join(''),
  'connectors/bank.yaml': manifest('bank'),
  'connectors/bank.json': BANK,
  'connectors/airline.yaml': manifest('airline'),
  'connectors/airline.json': AIRLINE,
  'connectors/shop.yaml': manifest('shop', 'operations:\n  overrides:\n    setPrice: { reversibility: reversible }\n'),
  'connectors/shop.json': SHOP,
  'policies/bank.cedar': BANK_RULES,
  'policies/airline.cedar': AIRLINE_RULES,
  'policies/shop.cedar': SHOP_RULES,
  'policies/org.cedar': ORG_RULES,
  ...Object.fromEntries(Object.entries(TESTS).map(([name, tests]) => [`policies/tests/${name}.json`, JSON.stringify(tests, null, 2)])),
}

/** Lays the organisation's files into a folder, edited. Returns the configuration's path. */
export function layMeridian(folder: string, edits: Readonly<Record<string, (text: string) => string>> = {}): string {
  for (const [name, text] of Object.entries(MERIDIAN)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), edits[name]?.(text) ?? text)
  }
  return join(folder, 'gatehouse.yaml')
}
