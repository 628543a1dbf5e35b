import { beforeAll, describe, expect, test } from 'vitest'
import { type Compiled, compile } from '../../gateway/compile.ts'
import { loadConfiguration } from '../../gateway/config/load.ts'
import { instant } from '../../gateway/core/clock.ts'
import type { FactNeeds, Facts } from '../../gateway/core/facts.ts'
import { operationId } from '../../gateway/core/ids.ts'
import { atPointer, type JsonObject } from '../../gateway/core/json.ts'
import { resourceOf } from '../../gateway/core/operation.ts'
import type { Principal } from '../../gateway/core/principal.ts'
import { createDialer } from '../../gateway/egress/dialer.ts'
import { runPolicyTests } from '../../policies/engine/policy-tests.ts'
import { acmeConfiguration } from './start.ts'

const configuration = loadConfiguration(acmeConfiguration(), {})
let acme: Compiled

beforeAll(async () => {
  acme = compile(configuration, createDialer({ development: true }), (cause) => {
    throw cause
  })
})

function principalOf(name: string, subject?: string): Principal {
  const agent = configuration.agents.find((one) => one.name === name)
  if (!agent) throw new Error(`no agent ${name}`)
  const active = { ...agent, status: 'active', epoch: 1 } as const
  return { agent: active, actors: [name], issuer: 'test', tokenExpiresAtMs: 0, ...(subject ? { subject } : {}) }
}

/** Facts of a day on which nothing else happened. */
const quiet = ({ history }: FactNeeds): Facts => ({
  history: Object.fromEntries(
    history.map(({ name, kind, inclusive }) => [name, kind === 'sum' ? '1.0' : kind === 'last' ? null : inclusive ? 1 : 0]),
  ),
  lookup: {},
  labels: [],
  findings: [],
})

/** What policy says to an agent, for a person where given: the effect, with the approvals a hold asks for. */
function verdict(agent: string, operation: string, input: JsonObject, subject?: string): string {
  const [connector = '', name = ''] = operation.split('.')
  const found = acme.catalogue.operations.get(operationId(connector, name))
  if (!found) throw new Error(`no operation ${operation}`)
  const person = configuration.people.find((one) => one.name === subject)
  const resourceKey = resourceOf(found, input, atPointer)
  const { verdict: said } = acme.decider.decide({
    operation: found,
    principal: principalOf(agent, subject),
    ...(person ? { person } : {}),
    ...(resourceKey ? { resourceKey } : {}),
    input,
    now: instant(Date.UTC(2026, 5, 30, 10)),
    door: 'http',
    facts: quiet(acme.decider.needs(found.id)),
  })
  if (said.effect === 'deny') return `deny ${said.reason}`
  return said.effect === 'hold' ? `hold ${said.holds.map((hold) => hold.approval).join(' ')}` : 'permit'
}

test('every policy test passes, and there are some for each connector and the organisation', () => {
  const { passed, failed } = runPolicyTests(acme.policySource, configuration.policyTests)
  expect(failed).toEqual([])
  expect(configuration.policyTests.map(({ path }) => path.split('/').at(-1))).toEqual(['crm.json', 'docs.json', 'erp.json', 'org.json'])
  expect(passed).toBeGreaterThanOrEqual(60)
})

const payment = (amount: number, currency = 'EUR'): JsonObject => ({ vendorId: 'V-1001', amount, currency, reference: 'x' })
const account = { vendorId: 'V-1007', iban: 'DE02120300000000202051', bic: 'BYLADEM1001', accountHolder: 'Falkenberg' }
const refund = (amount: number): JsonObject => ({ ticketId: 'T-20003', amount, currency: 'EUR', reason: 'late' })

describe('for people', () => {
  test.each([
    ['the clerk alone', 'invoice-clerk', 'erp.releasePayment', payment(900), undefined, 'permit'],
    ['for paul of finance', 'invoice-clerk', 'erp.releasePayment', payment(900), 'paul', 'permit'],
    ['for dana, who may not pay', 'invoice-clerk', 'erp.releasePayment', payment(900), 'dana', 'deny no_permit'],
    ['for nobody that is known', 'invoice-clerk', 'erp.releasePayment', payment(900), 'stranger', 'deny no_permit'],
    ['a large one for paul', 'invoice-clerk', 'erp.releasePayment', payment(1500), 'paul', 'hold finance-manager'],
    ['too large a one', 'invoice-clerk', 'erp.releasePayment', payment(50_001), 'paul', 'deny forbidden'],
    ['more digits than a decimal has', 'invoice-clerk', 'erp.releasePayment', payment(1.00001), undefined, 'deny policy_error'],
    ['a bank account', 'invoice-clerk', 'erp.changeVendorBank', account, undefined, 'hold cfo-office'],
    ['a bank account at the desk', 'support-triage', 'erp.changeVendorBank', account, undefined, 'deny no_permit'],
    ['a refund', 'support-triage', 'crm.refundTicket', refund(20), 'dana', 'hold support-lead'],
    ['a high refund', 'support-triage', 'crm.refundTicket', refund(501), 'dana', 'deny forbidden'],
    ['an export for sales', 'onboarding-coordinator', 'crm.exportContacts', {}, 'kofi', 'hold security-review'],
    ['an export for support', 'onboarding-coordinator', 'crm.exportContacts', {}, 'dana', 'deny no_permit'],
    ['an export by the desk', 'support-triage', 'crm.exportContacts', {}, undefined, 'deny forbidden'],
  ] as const)('%s', (_title, agent, operation, input, subject, said) => {
    expect(verdict(agent, operation, input, subject)).toBe(said)
  })
})

describe('views', () => {
  test.each([
    [
      'invoice-clerk',
      ['erp.releasePayment', 'erp.changeVendorBank', 'docs.read_text_file'],
      ['crm.getTicket', 'erp.diagnostics', 'docs.write_file'],
    ],
    [
      'support-triage',
      ['crm.replyTicket', 'crm.refundTicket', 'docs.read_text_file'],
      ['crm.exportContacts', 'erp.listInvoices', 'erp.changeVendorBank'],
    ],
    ['onboarding-coordinator', ['crm.exportContacts', 'erp.createVendor', 'docs.write_file'], ['crm.replyTicket', 'erp.releasePayment']],
    [
      'shop-floor-watcher',
      ['erp.listPurchaseOrders', 'crm.diagnostics', 'erp.runDiagnostics'],
      ['erp.listInvoices', 'docs.write_file', 'crm.getCustomer'],
    ],
  ])('%s sees what it may ever use and nothing else', (agent, seen, hidden) => {
    const visible: ReadonlySet<string> = acme.decider.visible(principalOf(agent))
    expect(seen.filter((operation) => !visible.has(operation))).toEqual([])
    expect(hidden.filter((operation) => visible.has(operation))).toEqual([])
  })
})

describe('classes of data', () => {
  test.each([
    ['support-triage', 'crm.listContacts', undefined, ['pii']],
    ['support-triage', 'crm.listContacts', 'dana', ['pii']],
    ['support-triage', 'crm.listContacts', 'yuki', []],
    ['onboarding-coordinator', 'crm.listContacts', 'kofi', []],
    ['invoice-clerk', 'erp.getVendor', undefined, ['confidential']],
    ['onboarding-coordinator', 'erp.getVendor', undefined, []],
  ] as const)('%s reads of %s for %s', (agent, operation, subject, classes) => {
    const person = configuration.people.find((one) => one.name === subject)
    const [connector = '', name = ''] = operation.split('.')
    expect([...acme.decider.readableClasses(principalOf(agent, subject), person, operationId(connector, name))]).toEqual(classes)
  })
})
