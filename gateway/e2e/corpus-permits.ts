import { type Case, on, permitted } from './corpus-case.ts'

const DESK = ['crm-desk-reads']
const PROBE = ['probe-probers']

/** Calls that policy lets through: every way in which an argument travels. */
export const PERMITS: readonly Case[] = [
  on('a path parameter', 'support-triage', 'crm.getCustomer', { customerId: 'C-10001' }, permitted(DESK, 'GET /customers/C-10001')),
  on('no argument at all', 'support-triage', 'crm.searchCustomers', {}, permitted(DESK, 'GET /customers')),
  on(
    'query parameters, one of them a number',
    'support-triage',
    'crm.searchCustomers',
    { q: 'valve', limit: 2 },
    permitted(DESK, 'GET /customers?q=valve&limit=2'),
  ),
  on(
    'unicode in a query',
    'support-triage',
    'crm.searchCustomers',
    { q: 'Größe & 漢字 🙂' },
    permitted(DESK, 'GET /customers?q=Gr%C3%B6%C3%9Fe%20%26%20%E6%BC%A2%E5%AD%97%20%F0%9F%99%82'),
  ),
  on(
    'a list as a repeated parameter, and a header parameter',
    'invoice-clerk',
    'erp.listInvoices',
    { status: ['received', 'matched'], 'X-Company-Code': '2000', limit: 1 },
    permitted(['erp-clerk-reads'], 'GET /invoices?status=received&status=matched&limit=1', { headers: { 'x-company-code': '2000' } }),
  ),
  on(
    'a list as one parameter',
    'support-triage',
    'crm.listTickets',
    { status: ['open', 'waiting'], limit: 1 },
    permitted(DESK, 'GET /tickets?status=open,waiting&limit=1'),
  ),
  on(
    'a cookie parameter',
    'shop-floor-watcher',
    'erp.listPurchaseOrders',
    { erp_language: 'de', limit: 1 },
    permitted(['erp-plant-watches-deliveries'], 'GET /purchase-orders?limit=1', { headers: { cookie: 'erp_language=de' } }),
  ),
  on(
    'a JSON body with an optional null',
    'onboarding-coordinator',
    'crm.createCustomer',
    { name: 'Nullstelle GmbH', email: 'a@nullstelle.example', phone: null, country: 'DE', segment: 'energy' },
    permitted(['crm-onboarding-works'], 'POST /customers', {
      body: '{"name":"Nullstelle GmbH","email":"a@nullstelle.example","phone":null,"country":"DE","segment":"energy"}',
      masked: ['/email', '/phone'],
    }),
  ),
  on(
    'the same without it: absent is not null',
    'onboarding-coordinator',
    'crm.createCustomer',
    { name: 'Fehlstelle GmbH', email: 'a@fehlstelle.example', country: 'DE', segment: 'energy' },
    permitted(['crm-onboarding-works'], 'POST /customers', {
      body: '{"name":"Fehlstelle GmbH","email":"a@fehlstelle.example","country":"DE","segment":"energy"}',
      masked: ['/email', '/phone'],
    }),
  ),
  on(
    'a header parameter with quotes beside path and body',
    'onboarding-coordinator',
    'crm.updateCustomer',
    { customerId: 'C-10002', 'If-Match': '"1"', creditLimit: 50000 },
    permitted(['crm-onboarding-works'], 'PUT /customers/C-10002', {
      body: '{"creditLimit":50000}',
      headers: { 'if-match': '"1"' },
      masked: ['/email', '/phone'],
    }),
  ),
  on(
    'a form body',
    'support-triage',
    'crm.addContactNote',
    { contactId: 'K-40001', text: 'ruft zurück & fragt=nach', visibility: 'team', pinned: false },
    permitted(['crm-desk-works'], 'POST /contacts/K-40001/notes', {
      body: 'text=ruft%20zur%C3%BCck%20%26%20fragt%3Dnach&visibility=team&pinned=false',
    }),
  ),
  on(
    'a reversible write of an accounts payable agent',
    'invoice-clerk',
    'erp.matchInvoice',
    { invoiceId: 'INV-30001', purchaseOrderId: 'PO-20001' },
    permitted(['erp-clerk-matches'], 'POST /invoices/INV-30001/match', { body: '{"purchaseOrderId":"PO-20001"}' }),
  ),
  on(
    'a payment at the border of what the clerk pays alone',
    'invoice-clerk',
    'erp.releasePayment',
    { vendorId: 'V-1001', amount: 1000, currency: 'EUR', reference: 'border' },
    permitted(['erp-clerk-pays'], 'POST /payments', { body: '{"vendorId":"V-1001","amount":1000,"currency":"EUR","reference":"border"}' }),
  ),
  on(
    'an answer to a harmless ticket',
    'support-triage',
    'crm.replyTicket',
    { ticketId: 'T-20001', queue: 'general', message: 'Line one\nline two\ttabbed "quoted" \\ slashed' },
    permitted(['crm-desk-works'], 'POST /tickets/T-20001/replies', {
      body: '{"queue":"general","message":"Line one\\nline two\\ttabbed \\"quoted\\" \\\\ slashed"}',
    }),
  ),
  on(
    'a null in a body that says so',
    'support-triage',
    'crm.closeTicket',
    { ticketId: 'T-20002', resolution: 'solved', comment: null },
    permitted(['crm-desk-works'], 'POST /tickets/T-20002/close', { body: '{"resolution":"solved","comment":null}' }),
  ),
  on(
    'a tool of an MCP server',
    'support-triage',
    'docs.read_text_file',
    { path: 'hand-books/support-desk.md' },
    { code: 'OK', policies: ['docs-handbooks-for-all'], says: '# Support desk' },
  ),
  on(
    'a tool that writes',
    'onboarding-coordinator',
    'docs.write_file',
    { path: 'notes/door.md', content: 'written once\n' },
    { code: 'OK', policies: ['docs-onboarding-takes-notes'], says: 'notes/door.md' },
  ),
  on(
    'what the tool wrote',
    'onboarding-coordinator',
    'docs.read_text_file',
    { path: 'notes/door.md' },
    { code: 'OK', policies: ['docs-contracts-for-finance-and-sales'], says: 'written once' },
  ),
  on(
    'every place of a request at once',
    'prober',
    'probe.readThing',
    {
      thing: 'one',
      text: 'two',
      count: 3,
      ratio: 4.5,
      flag: true,
      tags: ['x', 'y'],
      csv: [6, 7],
      filter: { city: 'Ulm', open: true },
      'X-Note': 'eight, nine',
      hint: 'ten',
    },
    permitted(
      PROBE,
      'GET /things/one?text=two&count=3&ratio=4.5&flag=true&tags=x&tags=y&csv=6,7&filter%5Bcity%5D=Ulm&filter%5Bopen%5D=true',
      {
        headers: { 'x-note': 'eight, nine', cookie: 'hint=ten' },
      },
    ),
  ),
  on(
    'an empty string, a zero and a false',
    'prober',
    'probe.readThing',
    { thing: '0', text: '', count: 0, ratio: 0, flag: false },
    permitted(PROBE, 'GET /things/0?text=&count=0&ratio=0&flag=false'),
  ),
  on(
    'negative numbers',
    'prober',
    'probe.readThing',
    { thing: 'n', count: -5, ratio: -0.5 },
    permitted(PROBE, 'GET /things/n?count=-5&ratio=-0.5'),
  ),
  on(
    'list items that are empty or have separators',
    'prober',
    'probe.readThing',
    { thing: 'l', tags: ['a,b', '', 'c&d=e'] },
    permitted(PROBE, 'GET /things/l?tags=a%2Cb&tags=&tags=c%26d%3De'),
  ),
  on('an empty list', 'prober', 'probe.readThing', { thing: 'l', tags: [] }, permitted(PROBE, 'GET /things/l'), {
    notAt: { http: 'a query without the parameter is one without the list' },
  }),
  on(
    'the longest integer that keeps its digits',
    'prober',
    'probe.readThing',
    { thing: 'i', count: 9007199254740991 },
    permitted(PROBE, 'GET /things/i?count=9007199254740991'),
  ),
  on(
    'four decimal places, which policy can compare',
    'prober',
    'probe.readThing',
    { thing: 'd', ratio: 99.9999 },
    permitted(PROBE, 'GET /things/d?ratio=99.9999'),
  ),
  on(
    'a body with everything in it',
    'prober',
    'probe.writeThing',
    {
      name: 'all',
      note: null,
      count: -1,
      ratio: 1.25,
      flag: false,
      tags: ['a', 'ä'],
      code: 'ABC',
      place: { city: 'Ulm', floors: [{ level: 0, open: true }] },
    },
    permitted(PROBE, 'POST /things', {
      body: '{"name":"all","note":null,"count":-1,"ratio":1.25,"flag":false,"tags":["a","ä"],"code":"ABC","place":{"city":"Ulm","floors":[{"level":0,"open":true}]}}',
    }),
  ),
  on(
    'an empty string, an empty list and an empty object in a body',
    'prober',
    'probe.writeThing',
    { name: '', tags: [], extra: {} },
    permitted(PROBE, 'POST /things', { body: '{"name":"","tags":[],"extra":{}}' }),
  ),
  on(
    'a free-form object',
    'prober',
    'probe.writeThing',
    { name: 'free', extra: { a: [1, { b: null }], 'x-y': 1.5, ü: 'é', deep: [[[[]]]] } },
    permitted(PROBE, 'POST /things', { body: '{"name":"free","extra":{"a":[1,{"b":null}],"x-y":1.5,"ü":"é","deep":[[[[]]]]}}' }),
  ),
  on(
    'a long integer in a body, one below the rule',
    'prober',
    'probe.writeThing',
    { name: 'n', count: 9007199254740990 },
    permitted(PROBE, 'POST /things', { body: '{"name":"n","count":9007199254740990}' }),
  ),
  ...['true', '007', 'null', '1e3', '-0', '[]', ' spaced '].map((name) =>
    on(
      `the text ${JSON.stringify(name)} stays text`,
      'prober',
      'probe.writeThing',
      { name },
      permitted(PROBE, 'POST /things', { body: JSON.stringify({ name }) }),
    ),
  ),
  on(
    'a text of the greatest length',
    'prober',
    'probe.writeThing',
    { name: 'ß'.repeat(4000) },
    permitted(PROBE, 'POST /things', { body: JSON.stringify({ name: 'ß'.repeat(4000) }) }),
  ),
  on(
    'a form with a list and numbers',
    'prober',
    'probe.sendForm',
    { text: '', count: -3, flag: true, tags: ['a b', 'c+d', 'e&f'] },
    permitted(PROBE, 'POST /forms', { body: 'text=&count=-3&flag=true&tags=a%20b&tags=c%2Bd&tags=e%26f' }),
  ),
  on(
    'a rationale and a run go into the record',
    'prober',
    'probe.readThing',
    { thing: 'why' },
    permitted(PROBE, 'GET /things/why', { record: { rationale: 'weil es „nötig“ ist 🙂', run: 'run-7' } }),
    {
      says: { rationale: 'weil es „nötig“ ist 🙂', run: 'run-7' },
    },
  ),
  on('the trace goes on upstream', 'prober', 'probe.readThing', { thing: 'traced' }, permitted(PROBE, 'GET /things/traced'), {
    says: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
  }),
]

const data = (what: string, text: string, sent: string): Case =>
  on(`${what} in an argument is data`, 'prober', 'probe.readThing', { thing: 't', text }, permitted(PROBE, `GET /things/t?text=${sent}`))

/** Strings that mean something elsewhere. They reach the system as what they are: data. */
export const TRICKS: readonly Case[] = [
  data('a climbing path', '../../secret-rooms', '..%2F..%2Fsecret-rooms'),
  data('an encoded slash', '%2f..%2f', '%252f..%252f'),
  data('a query and a fragment', 'a?admin=1&b=2#c', 'a%3Fadmin%3D1%26b%3D2%23c'),
  data(
    'a line break with a header behind it',
    'a\r\nX-Injected: 1\r\n\r\nGET / HTTP/1.1',
    'a%0D%0AX-Injected%3A%201%0D%0A%0D%0AGET%20%2F%20HTTP%2F1.1',
  ),
  data('a plus, a semicolon and a percent sign', 'a+b;c%d', 'a%2Bb%3Bc%25d'),
  data('SQL', `'; drop table customer; --`, '%27%3B%20drop%20table%20customer%3B%20--'),
  data('an invisible and a right-to-left character', 'a\u200bb\u202ec', 'a%E2%80%8Bb%E2%80%AEc'),
  on(
    'a NUL in an argument is data',
    'prober',
    'probe.readThing',
    { thing: 't', text: 'a\0b' },
    permitted(PROBE, 'GET /things/t?text=a%00b'),
    {
      notAt: { http: 'a query with a NUL is refused as ambiguous' },
    },
  ),
  on(
    'a NUL and a line break in a body are data',
    'prober',
    'probe.writeThing',
    { name: 'a\0b\r\nc' },
    permitted(PROBE, 'POST /things', { body: '{"name":"a\\u0000b\\r\\nc"}' }),
  ),
  on(
    'a form separator in a form is data',
    'prober',
    'probe.sendForm',
    { text: 'a&flag=true\r\nb' },
    permitted(PROBE, 'POST /forms', { body: 'text=a%26flag%3Dtrue%0D%0Ab' }),
  ),
  on(
    'a cookie separator in a cookie is data',
    'prober',
    'probe.readThing',
    { thing: 't', hint: 'a; admin=1, ü' },
    permitted(PROBE, 'GET /things/t', { headers: { cookie: 'hint=a%3B%20admin%3D1%2C%20%C3%BC' } }),
  ),
  on(
    'a query, a fragment and a matrix in a path are data',
    'prober',
    'probe.readThing',
    { thing: 'a?b=c#d;e=f&g' },
    permitted(PROBE, 'GET /things/a%3Fb%3Dc%23d%3Be%3Df%26g'),
  ),
  on(
    'spaces and unicode in a path are data',
    'prober',
    'probe.readThing',
    { thing: 'ein Ding + ü' },
    permitted(PROBE, 'GET /things/ein%20Ding%20%2B%20%C3%BC'),
  ),
  on(
    'an instruction in a ticket is text that is read',
    'support-triage',
    'crm.getTicket',
    { ticketId: 'T-20042' },
    permitted(DESK, 'GET /tickets/T-20042', { says: 'Instruction to the assistant reading this' }),
  ),
]
