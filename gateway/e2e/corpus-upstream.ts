import { type Case, on, permitted, type Want } from './corpus-case.ts'

const PROBE = ['probe-probers']

const failed = (code: 'UPSTREAM' | 'UPSTREAM_TIMEOUT', sent: readonly string[], more: Partial<Want> = {}): Want => ({
  code,
  policies: PROBE,
  sent,
  ...more,
})
const doubt = (code: 'UPSTREAM' | 'UPSTREAM_TIMEOUT', sent: readonly string[], more: Partial<Want> = {}): Want =>
  failed(code, sent, { inDoubt: true, ...more })

let count = 0
/** Each case writes another thing: an equal call would join one that is in doubt. */
const fresh = (): string => `u${++count}`

const reading = (
  what: string,
  meets: Extract<NonNullable<Case['steps'][number]['fault']>, { at: 'probe' }>['meets'],
  want: (sent: string) => Want,
  notAt: Case['notAt'] = {},
): Case => {
  const thing = fresh()
  return on(`a read that meets ${what}`, 'prober', 'probe.readThing', { thing }, want(`GET /things/${thing}`), {
    fault: { at: 'probe', meets },
    notAt,
  })
}
const writing = (what: string, meets: Parameters<typeof reading>[1], want: Want): Case =>
  on(`a write that meets ${what}`, 'prober', 'probe.writeThing', { name: fresh() }, want, { fault: { at: 'probe', meets } })

/** What systems do. Only their refusals pass as they are; a lost answer to a write is never taken for a failure. */
export const UPSTREAM: readonly Case[] = [
  on(
    'a customer that is not there',
    'support-triage',
    'crm.getCustomer',
    { customerId: 'C-99999' },
    { code: 'UPSTREAM', policies: ['crm-desk-reads'], sent: ['GET /customers/C-99999'], upstreamStatus: 404 },
  ),
  on(
    'a ticket in another queue',
    'support-triage',
    'crm.replyTicket',
    { ticketId: 'T-20002', queue: 'general', message: 'x' },
    { code: 'UPSTREAM', policies: ['crm-desk-works'], sent: ['POST /tickets/T-20002/replies'], upstreamStatus: 409 },
  ),
  on(
    'a payment with more places than money has',
    'invoice-clerk',
    'erp.releasePayment',
    { vendorId: 'V-1001', amount: 10.1234, currency: 'EUR', reference: 'p' },
    { code: 'UPSTREAM', policies: ['erp-clerk-pays'], sent: ['POST /payments'], upstreamStatus: 422 },
  ),
  on(
    'a version that is not the latest',
    'onboarding-coordinator',
    'crm.updateCustomer',
    { customerId: 'C-10004', 'If-Match': '"9"', name: 'Anders AG' },
    { code: 'UPSTREAM', policies: ['crm-onboarding-works'], sent: ['PUT /customers/C-10004'], upstreamStatus: 412, masked: ['*'] },
  ),
  reading('429', [{ status: 429, headers: { 'retry-after': '7' } }], (sent) => failed('UPSTREAM', [sent], { upstreamStatus: 429 })),
  reading('401, which is about our credential', [{ status: 401, headers: { 'www-authenticate': 'Basic' } }], (sent) =>
    failed('UPSTREAM', [sent], { upstreamStatus: 401 }),
  ),
  reading('407', [{ status: 407 }], (sent) => failed('UPSTREAM', [sent], { upstreamStatus: 407 })),
  reading('a redirect, which is not followed', [{ status: 302, headers: { location: '/secret-rooms' } }], (sent) =>
    failed('UPSTREAM', [sent], { upstreamStatus: 302 }),
  ),
  reading('500', [{ status: 500 }], (sent) => failed('UPSTREAM', [sent], { upstreamStatus: 500 })),
  reading('503', [{ status: 503, headers: { 'retry-after': '1' } }], (sent) => failed('UPSTREAM', [sent], { upstreamStatus: 503 })),
  reading('408', [{ status: 408 }], (sent) => failed('UPSTREAM_TIMEOUT', [sent], { upstreamStatus: 408 })),
  on('a read that meets silence', 'prober', 'probe.readInVain', {}, failed('UPSTREAM_TIMEOUT', ['GET /silence']), {
    fault: { at: 'probe', meets: ['slow'] },
  }),
  reading('a reset, once', ['reset'], (sent) => ({ ...permitted(PROBE, sent), sent: [sent, sent] })),
  reading('a reset, twice', ['reset', 'reset'], (sent) => failed('UPSTREAM', [sent, sent])),
  reading('a body that breaks off', ['reset after a part'], (sent) => failed('UPSTREAM', [sent]), {
    http: 'the answer is on its way when it breaks: the connection ends',
  }),
  reading('a body that is not JSON', ['not JSON'], (sent) => permitted(PROBE, sent, { says: 'half' })),
  reading('an answer beyond all measure', ['huge'], (sent) => ({ ...permitted(PROBE, sent), code: 'WITHHELD', upstreamStatus: 200 }), {
    http: 'it streams, and nothing has to be held back',
  }),
  writing('404', [{ status: 404 }], failed('UPSTREAM', ['POST /things'], { upstreamStatus: 404 })),
  writing('409', [{ status: 409 }], failed('UPSTREAM', ['POST /things'], { upstreamStatus: 409 })),
  writing('422', [{ status: 422 }], failed('UPSTREAM', ['POST /things'], { upstreamStatus: 422 })),
  writing('429', [{ status: 429 }], failed('UPSTREAM', ['POST /things'], { upstreamStatus: 429 })),
  writing('401', [{ status: 401 }], failed('UPSTREAM', ['POST /things'], { upstreamStatus: 401 })),
  writing('500', [{ status: 500 }], doubt('UPSTREAM', ['POST /things'], { upstreamStatus: 500 })),
  writing('303', [{ status: 303, headers: { location: '/things/1' } }], doubt('UPSTREAM', ['POST /things'], { upstreamStatus: 303 })),
  writing('408', [{ status: 408 }], doubt('UPSTREAM_TIMEOUT', ['POST /things'], { upstreamStatus: 408 })),
  writing('425', [{ status: 425 }], doubt('UPSTREAM', ['POST /things'], { upstreamStatus: 425 })),
  on('a write that meets silence', 'prober', 'probe.writeInVain', {}, doubt('UPSTREAM_TIMEOUT', ['POST /silence']), {
    fault: { at: 'probe', meets: ['slow'] },
  }),
  writing('a reset', ['reset'], doubt('UPSTREAM', ['POST /things'])),
  writing('a body that breaks off', ['reset after a part'], doubt('UPSTREAM', ['POST /things'])),
  writing('an answer beyond all measure', ['huge'], { code: 'WITHHELD', policies: PROBE, sent: ['POST /things'], upstreamStatus: 200 }),
  writing('204', [{ status: 204 }], permitted(PROBE, 'POST /things')),
  on(
    'a write that meets a reset, where the system takes a key',
    'prober',
    'probe.replaceThing',
    { name: fresh() },
    { ...permitted(PROBE, 'PUT /things'), sent: ['PUT /things', 'PUT /things'] },
    { fault: { at: 'probe', meets: ['reset'] } },
  ),
  on(
    'a write that meets silence, where the system takes a key',
    'prober',
    'probe.replaceInVain',
    {},
    doubt('UPSTREAM_TIMEOUT', ['PUT /silence']),
    { fault: { at: 'probe', meets: ['slow'] } },
  ),
  on(
    'a payment whose answer is lost, and which the system then knows',
    'invoice-clerk',
    'erp.releasePayment',
    { vendorId: 'V-1003', amount: 7, currency: 'EUR', reference: 'lost' },
    { ...permitted(['erp-clerk-pays'], 'POST /payments'), sent: ['POST /payments', 'POST /payments'] },
    { fault: { at: 'erp', cut: 'after' } },
  ),
  on(
    'an idempotent write that meets 500',
    'invoice-clerk',
    'erp.matchInvoice',
    { invoiceId: 'INV-30005', purchaseOrderId: 'PO-20005' },
    { code: 'UPSTREAM', policies: ['erp-clerk-matches'], sent: ['POST /invoices/INV-30005/match'], upstreamStatus: 500 },
    { fault: { at: 'erp', status: 500 } },
  ),
  on(
    'a header argument that no header can carry',
    'prober',
    'probe.readThing',
    { thing: 'h', 'X-Note': 'a\r\nX-Injected: 1' },
    failed('UPSTREAM', []),
    { notAt: { http: 'no header of a request can carry it either' } },
  ),
]

const name = (value: string) => ({ name: value })
const key = (idempotencyKey: string) => ({ idempotencyKey })
const wrote = permitted(PROBE, 'POST /things')

/** Repeated calls. */
export const REPEATS: readonly Case[] = [
  {
    title: 'a key gives the first answer again and executes once',
    agent: 'prober',
    steps: [
      { operation: 'probe.writeThing', input: name('k1'), says: key('key-1'), want: wrote },
      { operation: 'probe.writeThing', input: name('k1'), says: key('key-1'), want: { code: 'OK', policies: PROBE, joins: 0 } },
      { operation: 'probe.writeThing', input: name('other'), says: key('key-1'), want: { code: 'KEY_REUSED' } },
      { operation: 'probe.writeThing', input: name('k1'), says: key('key-2'), want: wrote },
    ],
  },
  {
    title: 'a key at a read gives the first answer again',
    agent: 'prober',
    steps: [
      { operation: 'probe.readThing', input: { thing: 'k' }, says: key('key-3'), want: permitted(PROBE, 'GET /things/k') },
      { operation: 'probe.readThing', input: { thing: 'k' }, says: key('key-3'), want: { code: 'OK', policies: PROBE, joins: 0 } },
    ],
  },
  {
    title: 'a denial and bad input use no key up',
    agent: 'prober',
    steps: [
      {
        operation: 'probe.writeThing',
        input: { name: 'x', ratio: 101 },
        says: key('key-4'),
        want: { code: 'DENIED', reason: 'forbidden', policies: ['probe-ratio-ceiling'] },
      },
      { operation: 'probe.writeThing', input: { name: 'x', code: 'a' }, says: key('key-4'), want: { code: 'BAD_INPUT', pointer: '/code' } },
      { operation: 'probe.writeThing', input: name('x4'), says: key('key-4'), want: wrote },
    ],
  },
  {
    title: 'a failed write under a key is told again and not tried again',
    agent: 'prober',
    steps: [
      {
        operation: 'probe.writeThing',
        input: name('k5'),
        says: key('key-5'),
        fault: { at: 'probe', meets: [{ status: 422 }] },
        want: failed('UPSTREAM', ['POST /things'], { upstreamStatus: 422 }),
      },
      {
        operation: 'probe.writeThing',
        input: name('k5'),
        says: key('key-5'),
        want: { code: 'UPSTREAM', policies: PROBE, upstreamStatus: 422, joins: 0 },
      },
    ],
  },
  {
    title: 'without a key, an equal write whose answer was handed over is a new one',
    agent: 'prober',
    steps: [
      { operation: 'probe.replaceThing', input: name('again'), want: permitted(PROBE, 'PUT /things') },
      { operation: 'probe.replaceThing', input: name('again'), want: permitted(PROBE, 'PUT /things') },
    ],
  },
  {
    title: 'an equal write joins one that is in doubt, and is not sent',
    agent: 'prober',
    steps: [
      {
        operation: 'probe.writeThing',
        input: name('doubt'),
        fault: { at: 'probe', meets: [{ status: 502 }] },
        want: doubt('UPSTREAM', ['POST /things'], { upstreamStatus: 502 }),
      },
      {
        operation: 'probe.writeThing',
        input: name('doubt'),
        want: { code: 'UPSTREAM', policies: PROBE, upstreamStatus: 502, inDoubt: true, joins: 0 },
      },
    ],
  },
  {
    title: 'a key whose result is too large to keep is answered so, and executes nothing',
    agent: 'prober',
    steps: [
      {
        operation: 'probe.writeThing',
        input: name('large'),
        says: key('key-6'),
        fault: { at: 'probe', meets: ['huge'] },
        want: { code: 'WITHHELD', policies: PROBE, sent: ['POST /things'], upstreamStatus: 200 },
      },
      { operation: 'probe.writeThing', input: name('large'), says: key('key-6'), want: { code: 'RESULT_NOT_KEPT', joins: 0 } },
    ],
  },
]
