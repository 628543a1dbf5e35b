import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startCrm } from './crm/crm.ts'
import { readDocument } from './document.ts'
import { startErp } from './erp/erp.ts'
import { germanIban, ibanHolds } from './erp/iban.ts'
import type { RunningSystem } from './system.ts'

const directory = mkdtempSync(join(tmpdir(), 'acme-systems-'))
const KEY = { 'x-api-key': 'right-key' }
const BASIC = { authorization: `Basic ${Buffer.from('gateway:right-password').toString('base64')}` }
let crm: RunningSystem
let erp: RunningSystem
const DOCUMENTS = {
  crm: readDocument(join(import.meta.dirname, 'crm/openapi.yaml')),
  erp: readDocument(join(import.meta.dirname, 'erp/openapi.json')),
}

const startBoth = async (): Promise<void> => {
  crm = await startCrm({ dataDir: directory, port: 0, apiKey: 'right-key', adminKey: 'admin' })
  erp = await startErp({ dataDir: directory, port: 0, username: 'gateway', password: 'right-password', adminKey: 'admin' })
}

beforeAll(startBoth)
afterAll(async () => {
  await crm.close()
  await erp.close()
  rmSync(directory, { recursive: true })
})

interface Sent {
  method?: string
  body?: unknown
  headers?: Record<string, string>
}

/** Sends as a right client; checks that the answer is what the document promises. */
async function ask(system: RunningSystem, path: string, { method = 'GET', body, headers = {} }: Sent = {}) {
  const mark = system.journal.mark()
  const json = body === undefined || typeof body === 'string' ? {} : { 'content-type': 'application/json' }
  const response = await fetch(system.url + path, {
    method,
    headers: { ...(system === crm ? KEY : BASIC), ...json, ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const value = text === '' ? null : JSON.parse(text)
  const [entry] = system.journal.entries({ afterSeq: mark })
  const operation = DOCUMENTS[system === crm ? 'crm' : 'erp'].operations.find((one) => one.name === entry?.operation)
  if (operation) expect(operation.answerCheck(response.status)?.(value)).toEqual([])
  return { status: response.status, headers: response.headers, value }
}

const newPayment = { vendorId: 'V-1001', amount: 12.5, currency: 'EUR', reference: 'test 1' }
const at = (name: 'crm' | 'erp'): RunningSystem => (name === 'crm' ? crm : erp)

describe('answers', () => {
  test.each([
    ['a page', 'crm', '/customers?limit=3', {}, 200],
    ['a search with wildcards taken literally', 'crm', '/customers?q=%25', {}, 200],
    ['a comma list', 'crm', '/tickets?status=open,waiting&queue=billing', {}, 200],
    ['the ticket with the order to its reader', 'crm', '/tickets/T-20042', {}, 200],
    ['a bad id', 'crm', '/tickets/T-1', {}, 400],
    ['an unknown ticket', 'crm', '/tickets/T-99999', {}, 404],
    ['an unknown parameter', 'crm', '/customers?nam=x', {}, 400],
    ['a repeated parameter', 'crm', '/customers?q=a&q=b', {}, 400],
    ['a limit too high', 'crm', '/customers?limit=101', {}, 400],
    ['a foreign cursor', 'crm', '/customers?cursor=abc', {}, 400],
    ['an unknown path', 'crm', '/nothing', {}, 404],
    ['another method', 'crm', '/customers/C-10001', { method: 'DELETE' }, 405],
    ['contacts', 'crm', '/customers/C-10002/contacts', {}, 200],
    ['the export, which is no contact', 'crm', '/contacts/export?segment=energy', {}, 200],
    ['opportunities', 'crm', '/opportunities?stage=won', {}, 200],
    ['malformed JSON', 'crm', '/customers', { method: 'POST', body: '{"a"', headers: { 'content-type': 'application/json' } }, 400],
    ['another media type', 'crm', '/customers', { method: 'POST', body: 'a=1', headers: { 'content-type': 'text/plain' } }, 415],
    ['no body', 'crm', '/customers', { method: 'POST' }, 400],
    ['an undeclared member', 'crm', '/tickets/T-20001/close', { method: 'POST', body: { resolution: 'solved', x: 1 } }, 422],
    ['a change of nothing', 'crm', '/customers/C-10001', { method: 'PUT', body: {} }, 422],
    ['a reply in the wrong queue', 'crm', '/tickets/T-20004/replies', { method: 'POST', body: { queue: 'general', message: 'hi' } }, 409],
    [
      'a refund above the order',
      'crm',
      '/tickets/T-20003/refunds',
      { method: 'POST', body: { amount: 481, currency: 'EUR', reason: 'late' } },
      422,
    ],
    ['invoices of two states', 'erp', '/invoices?status=matched&status=paid&limit=50', {}, 200],
    ['invoices of a company', 'erp', '/invoices', { headers: { 'x-company-code': '2000' } }, 200],
    ['an unknown company', 'erp', '/invoices', { headers: { 'x-company-code': '3000' } }, 400],
    ['orders in German', 'erp', '/purchase-orders', { headers: { cookie: 'erp_language=de' } }, 200],
    ['an order with its lines', 'erp', '/purchase-orders/PO-20001', {}, 200],
    ['vendors', 'erp', '/vendors?status=blocked', {}, 200],
    ['payments', 'erp', '/payments?vendorId=V-1004', {}, 200],
    ['a payment to nobody', 'erp', '/payments', { method: 'POST', body: { ...newPayment, vendorId: 'V-9999' } }, 422],
    ['a payment to a blocked vendor', 'erp', '/payments', { method: 'POST', body: { ...newPayment, vendorId: 'V-1017' } }, 409],
    ['a payment of nothing', 'erp', '/payments', { method: 'POST', body: { ...newPayment, amount: 0 } }, 422],
    ['a payment of half a cent', 'erp', '/payments', { method: 'POST', body: { ...newPayment, amount: 1.005 } }, 422],
    ['a payment of a received invoice', 'erp', '/payments', { method: 'POST', body: { ...newPayment, invoiceId: 'INV-30001' } }, 409],
    [
      'a bank account with wrong digits',
      'erp',
      '/vendors/V-1001/bank-account',
      { method: 'PUT', body: { iban: 'DE03120300000000202051', bic: 'BYLADEM1001', accountHolder: 'Xy' } },
      422,
    ],
  ] as const)('%s', async (_title, name, path, sent, status) => {
    expect((await ask(at(name), path, sent)).status).toBe(status)
  })

  test('pages follow each other without gap or overlap', async () => {
    const ids: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const { value } = await ask(erp, `/invoices?limit=70${cursor && `&cursor=${cursor}`}`)
      ids.push(...value.items.map((one: { id: string }) => one.id))
      cursor = value.nextCursor
    }
    expect(ids).toHaveLength(200)
    expect(new Set(ids).size).toBe(200)
  })
})

describe('effects', () => {
  test('a customer is created once, changed under its version, and found', async () => {
    const body = { name: 'Probe GmbH', email: 'office@probe.example', phone: null, country: 'DE', segment: 'energy' }
    const created = await ask(crm, '/customers', { method: 'POST', body })
    expect(created).toMatchObject({ status: 201, value: { ...body, version: 1, status: 'active' } })
    expect((await ask(crm, '/customers', { method: 'POST', body })).status).toBe(409)
    const path = `/customers/${created.value.id}`
    const change = { method: 'PUT', body: { status: 'dormant' } }
    expect((await ask(crm, path, { ...change, headers: { 'if-match': '"7"' } })).status).toBe(412)
    expect((await ask(crm, path, { ...change, headers: { 'if-match': '"1"' } })).value).toMatchObject({ status: 'dormant', version: 2 })
    expect((await ask(crm, '/customers?q=probe.ex')).value.items).toHaveLength(1)
  })

  test('a note comes as a form', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const sent = { method: 'POST', body: 'text=Prefers+calls&pinned=true', headers }
    expect(await ask(crm, '/contacts/K-40001/notes', sent)).toMatchObject({ status: 201, value: { text: 'Prefers calls', pinned: true } })
  })

  test('a ticket is answered, refunded once and closed once', async () => {
    const reply = { method: 'POST', body: { queue: 'billing', message: 'We look into it.' } }
    expect((await ask(crm, '/tickets/T-20003/replies', reply)).status).toBe(201)
    const refund = { method: 'POST', body: { amount: 100, currency: 'EUR', reason: 'damaged' } }
    expect((await ask(crm, '/tickets/T-20003/refunds', refund)).status).toBe(201)
    expect((await ask(crm, '/tickets/T-20003/refunds', refund)).status).toBe(409)
    const close = { method: 'POST', body: { resolution: 'solved', comment: 'paid' } }
    expect((await ask(crm, '/tickets/T-20003/close', close)).value.status).toBe('closed')
    expect((await ask(crm, '/tickets/T-20003/close', close)).status).toBe(409)
    expect((await ask(crm, '/tickets/T-20003')).value.replies).toHaveLength(2)
  })

  test('an invoice is matched to its order and paid once', async () => {
    const match = { method: 'POST', body: { purchaseOrderId: 'PO-20003' } }
    const { value: invoice } = await ask(erp, '/invoices/INV-30003/match', match)
    expect(invoice.status).toBe('matched')
    expect((await ask(erp, '/invoices/INV-30003/match', match)).status).toBe(200)
    expect((await ask(erp, '/invoices/INV-30003/match', { ...match, body: { purchaseOrderId: 'PO-20004' } })).status).toBe(409)
    const { vendorId, amount } = invoice
    const body = { vendorId, amount, currency: 'EUR', reference: 'INV-30003', invoiceId: 'INV-30003' }
    expect((await ask(erp, '/payments', { method: 'POST', body: { ...body, amount: amount + 1 } })).status).toBe(422)
    expect((await ask(erp, '/payments', { method: 'POST', body })).status).toBe(201)
    expect((await ask(erp, '/payments', { method: 'POST', body })).status).toBe(409)
  })

  test('an idempotency key pays once', async () => {
    const before = erp.db.prepare('SELECT count(*) AS n FROM payment').get()?.n
    const sent = { method: 'POST', body: newPayment, headers: { 'idempotency-key': 'key-1' } }
    const [first, second] = [await ask(erp, '/payments', sent), await ask(erp, '/payments', sent)]
    expect(second.value).toEqual(first.value)
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    expect((await ask(erp, '/payments', { ...sent, body: { ...newPayment, amount: 13 } })).status).toBe(409)
    expect(erp.db.prepare('SELECT count(*) AS n FROM payment').get()?.n).toBe(Number(before) + 1)
  })

  test('a vendor is created and its account changed', async () => {
    const iban = germanIban('12030000', '202051')
    expect(ibanHolds(iban)).toBe(true)
    const body = { name: 'Neu AG', country: 'DE', taxNumber: 'DE999999999', iban, bic: 'BYLADEM1001' }
    const created = await ask(erp, '/vendors', { method: 'POST', body })
    expect(created.status).toBe(201)
    expect((await ask(erp, '/vendors', { method: 'POST', body })).status).toBe(409)
    const account = { iban: germanIban('37040044', '532013000'), bic: 'COBADEFFXXX', accountHolder: 'Neu AG' }
    const changed = await ask(erp, `/vendors/${created.value.id}/bank-account`, { method: 'PUT', body: account })
    expect(changed.value).toMatchObject({ iban: account.iban, bankChangedAt: expect.any(String) })
  })
})

describe('faults and limits', () => {
  test('diagnostics answer slowly, failing, large or with what came, as asked', async () => {
    expect((await ask(crm, '/diagnostics?simulateStatus=503')).status).toBe(503)
    expect((await ask(erp, '/diagnostics?simulateDelayMs=5&padBytes=2000', { method: 'POST' })).value.padding).toHaveLength(2000)
    expect((await ask(crm, '/diagnostics?echoHeaders=true')).value.headers['x-api-key']).toBe('right-key')
    expect((await ask(crm, '/diagnostics?simulateDelayMs=60001')).status).toBe(400)
  })

  test('a fault strikes as often as told; a cut after the effect leaves the effect', async () => {
    erp.faults.add({ operation: 'releasePayment', status: 500 })
    const sent = { method: 'POST', body: { ...newPayment, reference: 'cut' } }
    expect((await ask(erp, '/payments', sent)).status).toBe(500)
    erp.faults.add({ operation: 'releasePayment', cut: 'before' })
    await expect(ask(erp, '/payments', sent)).rejects.toThrow()
    const paid = (): unknown => erp.db.prepare(`SELECT count(*) AS n FROM payment WHERE reference = 'cut'`).get()?.n
    expect(paid()).toBe(0)
    erp.faults.add({ operation: 'releasePayment', cut: 'after' })
    await expect(ask(erp, '/payments', sent)).rejects.toThrow()
    expect(paid()).toBe(1)
  })

  test('a flood is answered 429', async () => {
    const options = { dataDir: join(directory, 'flooded'), port: 0, apiKey: 'right-key', floodPerSecond: 5 }
    const small = await startCrm(options)
    const statuses = await Promise.all(
      Array.from({ length: 60 }, async () => (await fetch(`${small.url}/customers/C-10001`, { headers: KEY })).status),
    )
    await small.close()
    expect(statuses).toContain(429)
    expect(statuses).toContain(200)
  })

  test.each([
    ['no credential', {}, 'absent'],
    ['a wrong one', { 'x-api-key': 'wrong-key' }, 'wrong'],
  ] as const)('%s is 401 and stands in the journal', async (_title, headers, credential) => {
    const mark = crm.journal.mark()
    const response = await fetch(`${crm.url}/customers`, { headers })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('ApiKey')
    expect(crm.journal.entries({ afterSeq: mark })).toMatchObject([{ credential, status: 401 }])
  })
})

describe('the journal', () => {
  test('says what came, never the credential', async () => {
    const mark = erp.journal.mark()
    const arrival = erp.journal.next('releasePayment')
    await ask(erp, '/payments', { method: 'POST', body: { ...newPayment, amount: 7 }, headers: { 'idempotency-key': 'key-7' } })
    expect(await arrival).toMatchObject({ operation: 'releasePayment', credential: 'right' })
    const response = await fetch(`${erp.url}/_journal?after=${mark}`, { headers: { 'x-admin-key': 'admin' } })
    const { entries } = (await response.json()) as { entries: { body: string; headers: Record<string, string> }[] }
    expect(entries).toMatchObject([{ method: 'POST', path: '/payments', status: 201, headers: { 'idempotency-key': 'key-7' } }])
    expect(JSON.parse(entries[0]?.body ?? '')).toMatchObject({ amount: 7 })
    expect(JSON.stringify(entries)).not.toContain(BASIC.authorization)
    expect((await fetch(`${erp.url}/_journal`)).status).toBe(404)
  })

  test('rows and journal survive a restart; the seed is made once and everywhere alike', async () => {
    const [count, mark] = [crm.db.prepare('SELECT count(*) AS n FROM customer').get()?.n, crm.journal.mark()]
    await crm.close()
    await erp.close()
    await startBoth()
    expect(crm.db.prepare('SELECT count(*) AS n FROM customer').get()?.n).toBe(count)
    expect(crm.journal.mark()).toBe(mark)
    const other = await startCrm({ dataDir: join(directory, 'other'), port: 0, apiKey: 'k' })
    const names = (system: RunningSystem): unknown => system.db.prepare(`SELECT name FROM customer WHERE id < 'C-10300' ORDER BY id`).all()
    expect(names(other)).toEqual(names(crm))
    await other.close()
  })
})
