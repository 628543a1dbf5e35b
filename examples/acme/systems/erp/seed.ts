import type { DatabaseSync } from 'node:sqlite'
import { insert } from '../database.ts'
import { LEGAL_FORMS, PLACES, Seeding, TRADES } from '../seeding.ts'
import { germanIban } from './iban.ts'

const VENDORS = 60
const ORDERS = 150
const INVOICES = 200

const TABLES = `
CREATE TABLE vendor (id TEXT PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL, taxNumber TEXT NOT NULL UNIQUE, iban TEXT NOT NULL, bic TEXT NOT NULL,
  email TEXT, status TEXT NOT NULL, createdBy TEXT NOT NULL, createdAt TEXT NOT NULL, bankChangedAt TEXT);
CREATE TABLE purchaseOrder (id TEXT PRIMARY KEY, vendorId TEXT NOT NULL REFERENCES vendor, total REAL NOT NULL, currency TEXT NOT NULL, status TEXT NOT NULL,
  orderedOn TEXT NOT NULL);
CREATE TABLE purchaseOrderLine (orderId TEXT NOT NULL REFERENCES purchaseOrder, position INTEGER NOT NULL, part TEXT NOT NULL, quantity INTEGER NOT NULL,
  unitPrice REAL NOT NULL, PRIMARY KEY (orderId, position));
CREATE TABLE invoice (id TEXT PRIMARY KEY, vendorId TEXT NOT NULL REFERENCES vendor, companyCode TEXT NOT NULL, amount REAL NOT NULL, currency TEXT NOT NULL,
  status TEXT NOT NULL, receivedOn TEXT NOT NULL, dueOn TEXT NOT NULL, purchaseOrderId TEXT REFERENCES purchaseOrder);
CREATE TABLE payment (id TEXT PRIMARY KEY, vendorId TEXT NOT NULL REFERENCES vendor, invoiceId TEXT UNIQUE REFERENCES invoice, amount REAL NOT NULL,
  currency TEXT NOT NULL, reference TEXT NOT NULL, iban TEXT NOT NULL, releasedAt TEXT NOT NULL);
CREATE TABLE idempotencyKey (key TEXT PRIMARY KEY, request TEXT NOT NULL, paymentId TEXT NOT NULL REFERENCES payment);
CREATE INDEX invoiceByVendor ON invoice (vendorId);
`

const cents = (amount: number): number => Math.round(amount * 100) / 100
const later = (day: string, days: number): string => new Date(Date.parse(day) + days * 86_400_000).toISOString().slice(0, 10)

function seedVendors(db: DatabaseSync, made: Seeding): void {
  for (let i = 0; i < VENDORS; i++) {
    const name = `${made.pick(PLACES)} ${made.pick(TRADES)} ${made.pick(LEGAL_FORMS)}`
    insert(db, 'vendor', {
      id: `V-${1001 + i}`,
      name: i === 6 ? 'Falkenberg Metallbau GmbH' : name,
      country: 'DE',
      taxNumber: `DE${100_000_000 + i * 7919}`,
      iban: germanIban(`${37_040_000 + made.below(90)}`, String(530_000_000 + made.below(9_999_999))),
      bic: made.pick(['COBADEFFXXX', 'DEUTDEFF', 'GENODEM1GLS', 'INGDDEFF']),
      email: `accounts@vendor-${1001 + i}.example`,
      status: i % 17 === 16 ? 'blocked' : 'active',
      createdBy: made.pick(['paul', 'maria', 'raj']),
      createdAt: made.instant(1200),
      bankChangedAt: null,
    })
  }
}

function seedOrders(db: DatabaseSync, made: Seeding): void {
  for (let i = 0; i < ORDERS; i++) {
    const orderId = `PO-${20001 + i}`
    const lines = Array.from({ length: 1 + made.below(4) }, (_, n) => ({
      orderId,
      position: n + 1,
      part: `${made.pick(TRADES).slice(0, 3).toUpperCase()}-${100 + made.below(900)}`,
      quantity: 1 + made.below(60),
      unitPrice: made.amount(2, 90),
    }))
    insert(db, 'purchaseOrder', {
      id: orderId,
      vendorId: `V-${1001 + (i % VENDORS)}`,
      total: cents(lines.reduce((sum, line) => sum + line.quantity * line.unitPrice, 0)),
      currency: 'EUR',
      status: made.pick(['ordered', 'delivered', 'delivered', 'closed']),
      orderedOn: made.date(180),
    })
    for (const line of lines) insert(db, 'purchaseOrderLine', line)
  }
}

/** The first three quarters belong to orders of the same number; each fourth is paid, every tenth disputed. */
function seedInvoices(db: DatabaseSync, made: Seeding): void {
  for (let i = 0; i < INVOICES; i++) {
    const id = `INV-${30001 + i}`
    const order = db.prepare('SELECT * FROM purchaseOrder WHERE id = ?').get(`PO-${20001 + i}`)
    const status = i % 4 === 3 && order ? 'paid' : i % 10 === 8 ? 'disputed' : i % 4 === 1 && order ? 'matched' : 'received'
    const receivedOn = made.date(90)
    const vendorId = String(order?.vendorId ?? `V-${1001 + made.below(VENDORS)}`)
    const amount = order ? Number(order.total) : made.amount(50, 9000)
    const purchaseOrderId = status === 'paid' || status === 'matched' ? `PO-${20001 + i}` : null
    const companyCode = made.pick(['1000', '1000', '2000'])
    insert(db, 'invoice', {
      id,
      vendorId,
      companyCode,
      amount,
      currency: 'EUR',
      status,
      receivedOn,
      dueOn: later(receivedOn, 30),
      purchaseOrderId,
    })
    if (status !== 'paid') continue
    const iban = String(db.prepare('SELECT iban FROM vendor WHERE id = ?').get(vendorId)?.iban)
    const releasedAt = `${later(receivedOn, 14)}T09:30:00.000Z`
    const paymentId = `PAY-${80001 + Number(db.prepare('SELECT count(*) AS n FROM payment').get()?.n)}`
    insert(db, 'payment', { id: paymentId, vendorId, invoiceId: id, amount, currency: 'EUR', reference: id, iban, releasedAt })
  }
}

/** Fills a new ERP database; the same rows on every machine. */
export function seedErp(db: DatabaseSync): void {
  db.exec(TABLES)
  const made = new Seeding(20_260_602)
  seedVendors(db, made)
  seedOrders(db, made)
  seedInvoices(db, made)
}
