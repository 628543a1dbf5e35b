import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { insert, need, openDatabase, page, type Row } from '../database.ts'
import { readDocument, sourceFile } from '../document.ts'
import type { Input } from '../input.ts'
import { Problem } from '../problem.ts'
import type { Handler } from '../reply.ts'
import { type RunningSystem, type SystemOptions, startSystem } from '../system.ts'
import { ibanHolds } from './iban.ts'
import { paymentHandlers } from './payments.ts'
import { seedErp } from './seed.ts'

/** Version of the tables in `seed.ts`. */
const TABLES_VERSION = 1
const STATUS_TEXTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  en: { ordered: 'ordered', delivered: 'delivered', closed: 'closed' },
  de: { ordered: 'bestellt', delivered: 'geliefert', closed: 'abgeschlossen' },
}

const pageAt = (input: Input) => ({ cursor: input.maybeText('cursor'), limit: input.maybeNumber('limit') })

function listInvoices(db: DatabaseSync, input: Input) {
  const conditions = [
    { sql: 'status', value: input.texts('status') },
    { sql: 'vendorId = ?', value: input.maybeText('vendorId') },
    { sql: 'dueOn < ?', value: input.maybeText('dueBefore') },
    { sql: 'companyCode = ?', value: input.maybeText('X-Company-Code') },
  ]
  return page(db, 'invoice', conditions, pageAt(input))
}

function matchInvoice(db: DatabaseSync, input: Input): Row {
  const invoice = need(db, 'invoice', input.text('invoiceId'), 'invoice')
  const order = db.prepare('SELECT * FROM purchaseOrder WHERE id = ?').get(input.text('purchaseOrderId'))
  if (!order) throw new Problem(422, 'unknown_order', 'no such purchase order', [{ at: '/purchaseOrderId', message: 'is unknown' }])
  if (invoice.purchaseOrderId === order.id) return invoice
  if (invoice.purchaseOrderId !== null)
    throw new Problem(409, 'already_matched', `invoice \`${invoice.id}\` is matched to \`${invoice.purchaseOrderId}\``)
  const difference = Math.abs(Number(invoice.amount) - Number(order.total))
  if (order.vendorId !== invoice.vendorId || order.currency !== invoice.currency || difference > Number(order.total) * 0.02)
    throw new Problem(422, 'no_match', 'vendor, currency or amount of invoice and order differ', [
      { at: '/purchaseOrderId', message: 'does not fit' },
    ])
  db.prepare(`UPDATE invoice SET purchaseOrderId = ?, status = 'matched' WHERE id = ?`).run(String(order.id), String(invoice.id))
  return need(db, 'invoice', String(invoice.id), 'invoice')
}

function listVendors(db: DatabaseSync, input: Input) {
  const q = input.maybeText('q')
  const conditions = [
    { sql: `name LIKE ? ESCAPE '\\'`, value: q && `%${q.replace(/[\\%_]/g, '\\$&')}%` },
    { sql: 'status = ?', value: input.maybeText('status') },
  ]
  return page(db, 'vendor', conditions, pageAt(input))
}

function assertIban(input: Input): void {
  if (!ibanHolds(input.text('iban')))
    throw new Problem(422, 'invalid_iban', 'the check digits of the IBAN are wrong', [{ at: '/iban', message: 'check digits are wrong' }])
}

function createVendor(db: DatabaseSync, input: Input): Row {
  assertIban(input)
  const taken = db.prepare('SELECT id FROM vendor WHERE taxNumber = ?').get(input.text('taxNumber'))
  if (taken) throw new Problem(409, 'tax_number_taken', `the tax number belongs to vendor \`${taken.id}\``)
  const last = String(db.prepare('SELECT max(id) AS id FROM vendor').get()?.id)
  const id = `V-${Number(last.slice(2)) + 1}`
  insert(db, 'vendor', {
    id,
    name: input.text('name'),
    country: input.text('country'),
    taxNumber: input.text('taxNumber'),
    iban: input.text('iban'),
    bic: input.text('bic'),
    email: input.maybeText('email') ?? null,
    status: 'active',
    createdBy: 'gateway',
    createdAt: new Date().toISOString(),
    bankChangedAt: null,
  })
  return need(db, 'vendor', id, 'vendor')
}

function changeVendorBank(db: DatabaseSync, input: Input): Row {
  const id = input.text('vendorId')
  need(db, 'vendor', id, 'vendor')
  assertIban(input)
  db.prepare('UPDATE vendor SET iban = ?, bic = ?, bankChangedAt = ? WHERE id = ?').run(
    input.text('iban'),
    input.text('bic'),
    new Date().toISOString(),
    id,
  )
  return need(db, 'vendor', id, 'vendor')
}

const withText = (order: Row, language: string): Row => ({
  ...order,
  statusText: STATUS_TEXTS[language]?.[String(order.status)] ?? order.status,
})

function listPurchaseOrders(db: DatabaseSync, input: Input) {
  const conditions = [
    { sql: 'vendorId = ?', value: input.maybeText('vendorId') },
    { sql: 'status = ?', value: input.maybeText('status') },
  ]
  const { items, nextCursor } = page(db, 'purchaseOrder', conditions, pageAt(input))
  const language = input.maybeText('erp_language') ?? 'en'
  return { items: items.map((order) => withText(order, language)), nextCursor }
}

function getPurchaseOrder(db: DatabaseSync, input: Input) {
  const order = need(db, 'purchaseOrder', input.text('purchaseOrderId'), 'purchase order')
  const sql = 'SELECT position, part, quantity, unitPrice FROM purchaseOrderLine WHERE orderId = ? ORDER BY position'
  return { order: withText(order, 'en'), lines: db.prepare(sql).all(String(order.id)) }
}

function handlersOf(db: DatabaseSync): Record<string, Handler> {
  return {
    listInvoices: (input) => ({ status: 200, body: listInvoices(db, input) }),
    getInvoice: (input) => ({ status: 200, body: need(db, 'invoice', input.text('invoiceId'), 'invoice') }),
    matchInvoice: (input) => ({ status: 200, body: matchInvoice(db, input) }),
    listVendors: (input) => ({ status: 200, body: listVendors(db, input) }),
    getVendor: (input) => ({ status: 200, body: need(db, 'vendor', input.text('vendorId'), 'vendor') }),
    createVendor: (input) => ({ status: 201, body: createVendor(db, input) }),
    changeVendorBank: (input) => ({ status: 200, body: changeVendorBank(db, input) }),
    listPurchaseOrders: (input) => ({ status: 200, body: listPurchaseOrders(db, input) }),
    getPurchaseOrder: (input) => ({ status: 200, body: getPurchaseOrder(db, input) }),
    ...paymentHandlers(db),
  }
}

export interface ErpOptions extends SystemOptions {
  /** Its database is `erp.sqlite` in here. */
  dataDir: string
  /** The technical user that may sign in (HTTP Basic, RFC 7617). */
  username: string
  password: string
}

/** Starts Acme's ERP (vendors, purchase orders, invoices, payments) on loopback; seeds its database on first start. */
export function startErp({ dataDir, username, password, ...options }: ErpOptions): Promise<RunningSystem> {
  const db = openDatabase(join(dataDir, 'erp.sqlite'), TABLES_VERSION, seedErp)
  const document = readDocument(sourceFile(import.meta.url, './openapi.json'))
  const value = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const credential = { header: 'authorization', value, challenge: 'Basic realm="erp", charset="UTF-8"' }
  return startSystem({ name: 'erp', document, db, credential, handlers: handlersOf(db) }, options)
}
