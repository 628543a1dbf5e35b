import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openapiKind } from '../../connectors/openapi/kind.ts'
import { loadConfiguration } from '../../gateway/config/load.ts'
import { isJsonObject, type JsonObject } from '../../gateway/core/json.ts'
import { createDialer } from '../../gateway/egress/dialer.ts'
import type { Connector } from '../../gateway/ports/connector.ts'
import type { Lease } from '../../gateway/ports/vault.ts'
import { type Acme, acmeConfiguration, startAcme } from './start.ts'
import { readDocument } from './systems/document.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'acme-connectors-'))
const connectors = new Map<string, Connector>()
let acme: Acme

beforeAll(async () => {
  acme = await startAcme({ dataDir })
  const outbound = createDialer({ development: true }).open({ hosts: ['127.0.0.1'], privateHosts: ['127.0.0.1'] })
  for (const manifest of loadConfiguration(acmeConfiguration(), acme.env).manifests)
    if (manifest.kind === 'openapi') connectors.set(manifest.connector, openapiKind.load(manifest, outbound))
})

afterAll(async () => {
  for (const connector of connectors.values()) await connector.close()
  await acme.close()
  rmSync(dataDir, { recursive: true })
})

function leaseOf(connector: string): Lease {
  const { credential, value } = acme.credentials.find((one) => one.connector === connector) ?? {}
  if (!credential || !value) throw new Error(`no credential for ${connector}`)
  const headers =
    value.kind === 'header'
      ? { [value.header]: value.value }
      : { authorization: `Basic ${Buffer.from(`${value.username}:${value.password}`).toString('base64')}` }
  return { credential, version: 1, headers: () => headers, query: () => ({}), needles: [] }
}

async function execute(id: string, input: JsonObject): Promise<{ status: number; value: unknown; entry: unknown }> {
  const [name = '', operationName = ''] = id.split('.')
  const system = name === 'crm' ? acme.systems.crm : acme.systems.erp
  const operation = connectors.get(name)?.operations.find((one) => one.name === operationName)
  if (!operation) throw new Error(`no operation ${id}`)
  const context = {
    signal: AbortSignal.timeout(10_000),
    traceparent: '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01',
    idempotencyKey: 'call_00000000000000000000000001',
  }
  const mark = system.journal.mark()
  const answer = await connectors.get(name)?.execute(operation, input, leaseOf(name), context)
  const chunks: Uint8Array[] = []
  for await (const chunk of answer?.body ?? []) chunks.push(chunk)
  const [entry] = system.journal.entries({ afterSeq: mark })
  return { status: answer?.status ?? 0, value: JSON.parse(Buffer.concat(chunks).toString('utf8')), entry }
}

const form = 'application/x-www-form-urlencoded'

test.each([
  ['a path', 'crm.getTicket', { ticketId: 'T-20042' }, 200, { path: '/tickets/T-20042' }],
  ['a query', 'crm.searchCustomers', { q: 'a&b=c', limit: 5 }, 200, { path: '/customers?q=a%26b%3Dc&limit=5' }],
  ['a list in one parameter', 'crm.listTickets', { status: ['open', 'waiting'] }, 200, { path: '/tickets?status=open,waiting' }],
  ['a list in several', 'erp.listInvoices', { status: ['paid', 'matched'] }, 200, { path: '/invoices?status=paid&status=matched' }],
  ['a header', 'erp.listInvoices', { 'X-Company-Code': '2000' }, 200, { headers: { 'x-company-code': '2000' } }],
  ['a cookie', 'erp.listPurchaseOrders', { erp_language: 'de' }, 200, { headers: { cookie: 'erp_language=de' } }],
  [
    'a condition',
    'crm.updateCustomer',
    { customerId: 'C-10001', 'If-Match': '"9"', status: 'dormant' },
    412,
    { headers: { 'if-match': '"9"' } },
  ],
  ['a form', 'crm.addContactNote', { contactId: 'K-40001', text: 'a & b', pinned: true }, 201, { headers: { 'content-type': form } }],
  [
    'a JSON body',
    'crm.replyTicket',
    { ticketId: 'T-20001', queue: 'general', message: 'ä' },
    201,
    { method: 'POST', path: '/tickets/T-20001/replies' },
  ],
  ['nothing at all', 'erp.runDiagnostics', {}, 200, { method: 'POST', path: '/diagnostics', body: null }],
  ['a refusal', 'erp.getInvoice', { invoiceId: 'INV-99999' }, 404, { path: '/invoices/INV-99999' }],
] as const)('%s reaches the system as its document says', async (_title, id, input, status, seen) => {
  const { entry, ...answer } = await execute(id, JSON.parse(JSON.stringify(input)))
  expect(answer.status).toBe(status)
  expect(entry).toMatchObject({ ...seen, credential: 'right', status })
})

test('a payment carries its idempotency key, so a second try pays nothing more', async () => {
  const payment = { vendorId: 'V-1001', amount: 12.5, currency: 'EUR', reference: 'once' }
  const [first, second] = [await execute('erp.releasePayment', payment), await execute('erp.releasePayment', payment)]
  expect(first.entry).toMatchObject({ headers: { 'idempotency-key': 'call_00000000000000000000000001' } })
  expect(first.status).toBe(201)
  expect(second.value).toEqual(first.value)
})

test.each([
  ['crm', 'openapi.yaml'],
  ['erp', 'openapi.json'],
])('every operation of %s is offered, with the shape of its answer', (name, file) => {
  const documented = readDocument(join(import.meta.dirname, 'systems', name, file)).operations.map((operation) => operation.name)
  const offered = connectors.get(name)?.operations ?? []
  expect(offered.map((operation) => operation.name).sort()).toEqual(documented.sort())
  expect(offered.filter(({ outputSchema }) => !isJsonObject(outputSchema))).toEqual([])
})
