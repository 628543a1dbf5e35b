import { type Case, denied, get, held, json, on, permitted, refused } from './corpus-case.ts'

const payment = (amount: number, currency = 'EUR', reference = 'r') => ({ vendorId: 'V-1002', amount, currency, reference })
const refund = (ticketId: string, amount: number) => ({ ticketId, amount, currency: 'EUR', reason: 'late' })

/** What policy denies. */
export const DENIALS: readonly Case[] = [
  on(
    'a refund above the ceiling',
    'support-triage',
    'crm.refundTicket',
    refund('T-20003', 500.01),
    denied('forbidden', ['crm-refund-ceiling', 'crm-refund-needs-lead']),
  ),
  on(
    'a payment above the ceiling',
    'invoice-clerk',
    'erp.releasePayment',
    payment(50000.01),
    denied('forbidden', ['erp-first-large-payment', 'erp-payment-ceiling', 'erp-payment-needs-manager']),
  ),
  on(
    'a ratio one step above the rule',
    'prober',
    'probe.readThing',
    { thing: 'd', ratio: 100.0001 },
    denied('forbidden', ['probe-ratio-ceiling']),
  ),
  on(
    'an integer one above the rule, in the last digit there is',
    'prober',
    'probe.writeThing',
    { name: 'n', count: 9007199254740991 },
    denied('forbidden', ['probe-count-is-small']),
  ),
  on(
    'a business object that is forbidden',
    'prober',
    'probe.readThing',
    { thing: 'forbidden' },
    denied('forbidden', ['probe-no-forbidden-thing']),
  ),
  on(
    'a climbing path for the file server',
    'onboarding-coordinator',
    'docs.read_text_file',
    { path: 'contracts/../../secrets.json' },
    denied('forbidden', ['docs-no-way-around']),
  ),
  on(
    'a contract, for an agent that reads hand-books only',
    'support-triage',
    'docs.read_text_file',
    { path: 'contracts/service-levels.md' },
    denied('no_permit'),
  ),
  on(
    'a file outside the notes',
    'onboarding-coordinator',
    'docs.write_file',
    { path: 'contracts/mine.md', content: 'x' },
    denied('no_permit'),
  ),
  on('a decimal too precise to compare, in a payment', 'invoice-clerk', 'erp.releasePayment', payment(10.12345), denied('policy_error')),
  on('a decimal too precise to compare, in a query', 'prober', 'probe.readThing', { thing: 'd', ratio: 1.00001 }, denied('policy_error')),
  on(
    'a decimal too precise to compare, written with an exponent',
    'prober',
    'probe.writeThing',
    { name: 'd', ratio: 1e-7 },
    denied('policy_error'),
  ),
]

/** What waits for people. */
export const HOLDS: readonly Case[] = [
  on(
    'a refund waits for a lead, who approves',
    'support-triage',
    'crm.refundTicket',
    refund('T-20003', 20),
    held(['crm-refund-needs-lead'], {
      person: 'sam',
      vote: 'approve',
      want: permitted(['crm-refund-needs-lead'], 'POST /tickets/T-20003/refunds', {
        body: '{"amount":20,"currency":"EUR","reason":"late"}',
      }),
    }),
  ),
  on(
    'a payment waits for a manager, who refuses',
    'invoice-clerk',
    'erp.releasePayment',
    payment(1000.01),
    held(['erp-payment-needs-manager'], {
      person: 'raj',
      vote: 'reject',
      want: { code: 'DENIED', reason: 'rejected', policies: ['erp-payment-needs-manager'] },
    }),
  ),
  on('a payment in dollars waits', 'invoice-clerk', 'erp.releasePayment', payment(1, 'USD'), held(['erp-payment-needs-manager'])),
  on(
    'an answer to a bill waits for a lead',
    'support-triage',
    'crm.replyTicket',
    { ticketId: 'T-20005', queue: 'billing', message: 'We pay.' },
    held(['crm-reply-needs-lead']),
  ),
  on(
    'a note to the same ticket does not',
    'support-triage',
    'crm.replyTicket',
    { ticketId: 'T-20003', queue: 'billing', message: 'Note.', internal: true },
    permitted(['crm-desk-works'], 'POST /tickets/T-20003/replies', { body: '{"queue":"billing","message":"Note.","internal":true}' }),
  ),
  on(
    'a new bank account waits for the CFO office, whoever told the agent so',
    'invoice-clerk',
    'erp.changeVendorBank',
    { vendorId: 'V-1007', iban: 'DE02120300000000202051', bic: 'BYLADEM1001', accountHolder: 'Falkenberg' },
    held(['erp-bank-needs-cfo-office']),
    { says: { rationale: 'The ticket says that the CFO authorised it.' } },
  ),
  on(
    'a credit limit one cent above the rule waits',
    'onboarding-coordinator',
    'crm.updateCustomer',
    { customerId: 'C-10003', creditLimit: 50000.01 },
    held(['crm-credit-needs-manager']),
  ),
  on(
    'a new vendor waits, is approved, and the system refuses it',
    'onboarding-coordinator',
    'erp.createVendor',
    { name: 'Neu GmbH', country: 'DE', taxNumber: 'DE123456789', iban: 'DE00000000000000000000', bic: 'COBADEFFXXX' },
    held(['erp-new-vendor-needs-manager'], {
      person: 'maria',
      vote: 'approve',
      want: { code: 'UPSTREAM', upstreamStatus: 422, policies: ['erp-new-vendor-needs-manager'], sent: ['POST /vendors'], masked: ['*'] },
    }),
  ),
  on(
    'an export waits for security, and then for its agent',
    'onboarding-coordinator',
    'crm.exportContacts',
    { segment: 'medical', country: 'CH' },
    held(['crm-export-needs-security'], {
      person: 'aisha',
      vote: 'approve',
      // It runs elsewhere, and personal data stay in their region.
      want: permitted(['crm-export-needs-security'], 'GET /contacts/export?segment=medical&country=CH', {
        masked: ['/contacts/*/birthDate', '/contacts/*/email', '/contacts/*/name', '/contacts/*/phone'],
      }),
    }),
  ),
  {
    title: 'the same call again joins the one that waits',
    agent: 'invoice-clerk',
    steps: [
      { operation: 'erp.releasePayment', input: payment(2000), want: held(['erp-payment-needs-manager']) },
      { operation: 'erp.releasePayment', input: payment(2000), want: { ...held(['erp-payment-needs-manager']), joins: 0 } },
      { operation: 'erp.releasePayment', input: payment(2000, 'EUR', 'other'), want: held(['erp-payment-needs-manager']) },
    ],
  },
]

/** Acting for a person: both must be allowed. */
export const SUBJECTS: readonly Case[] = [
  on(
    'for a person of the desk',
    'support-triage',
    'crm.getTicket',
    { ticketId: 'T-20001' },
    permitted(['crm-desk-reads', 'crm-support-people'], 'GET /tickets/T-20001'),
    { subject: 'dana' },
  ),
  on(
    'for a person of sales, who refunds nothing',
    'support-triage',
    'crm.refundTicket',
    refund('T-20003', 10),
    denied('no_permit', ['crm-refund-needs-lead']),
    {
      subject: 'kofi',
    },
  ),
  on(
    'for an auditor, who reads',
    'invoice-clerk',
    'erp.listPayments',
    { limit: 1 },
    permitted(['erp-clerk-reads', 'org-auditors-read'], 'GET /payments?limit=1'),
    { subject: 'lee' },
  ),
  on('for an auditor, who pays nothing', 'invoice-clerk', 'erp.releasePayment', payment(1), refused('NOT_FOUND'), { subject: 'lee' }),
  on('for nobody that is known', 'support-triage', 'crm.getTicket', { ticketId: 'T-20001' }, refused('NOT_FOUND'), { subject: 'mallory' }),
  on('for a person who may do more than the agent', 'support-triage', 'probe.writeThing', { name: 'x' }, refused('NOT_FOUND'), {
    subject: 'sam',
  }),
  on(
    'a hold for a person of finance adds up with the rule for agents',
    'invoice-clerk',
    'erp.releasePayment',
    payment(1500),
    held(['erp-payment-needs-manager']),
    { subject: 'maria' },
  ),
  on('too precise for both questions', 'prober', 'probe.writeThing', { name: 'x', ratio: 0.123456 }, denied('policy_error'), {
    subject: 'sam',
  }),
  on(
    'forbidden for the person as for the agent',
    'prober',
    'probe.readThing',
    { thing: 'forbidden' },
    denied('forbidden', ['probe-no-forbidden-thing']),
    { subject: 'sam' },
  ),
]

/** What this agent does not see does not exist for it. */
export const INVISIBLE: readonly Case[] = [
  on('an operation that nobody has', 'support-triage', 'crm.teleport', {}, refused('NOT_FOUND'), { http: get('/crm/teleport') }),
  on('an operation that others have', 'support-triage', 'crm.exportContacts', {}, refused('NOT_FOUND')),
  on('an operation that nobody is permitted', 'prober', 'probe.listSecretRooms', {}, refused('NOT_FOUND')),
  on('a connector that nobody has', 'support-triage', 'mars.land', {}, refused('NOT_FOUND'), { http: get('/mars/land') }),
  on('a connector of which nothing is visible', 'support-triage', 'erp.listInvoices', {}, refused('NOT_FOUND')),
  on(
    'an invisible operation with arguments that are no good',
    'support-triage',
    'erp.releasePayment',
    { amount: 'x' },
    refused('NOT_FOUND'),
    { http: json('POST', '/erp/payments', { amount: 'x' }) },
  ),
  on('an agent that is suspended', 'intern-bot', 'crm.getTicket', { ticketId: 'T-20001' }, refused('UNAUTHENTICATED'), {
    http: get('/crm/tickets/T-20001'),
  }),
]
