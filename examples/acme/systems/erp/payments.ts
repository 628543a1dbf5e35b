import type { DatabaseSync } from 'node:sqlite'
import { atomically, insert, need, page, type Row } from '../database.ts'
import type { Input } from '../input.ts'
import { Problem } from '../problem.ts'
import type { Handler, Reply } from '../reply.ts'

function listPayments(db: DatabaseSync, input: Input) {
  const after = input.maybeText('releasedAfter')
  const conditions = [
    { sql: 'vendorId = ?', value: input.maybeText('vendorId') },
    { sql: 'releasedAt > ?', value: after && new Date(after).toISOString() },
  ]
  return page(db, 'payment', conditions, { cursor: input.maybeText('cursor'), limit: input.maybeNumber('limit') })
}

function assertInvoice(db: DatabaseSync, invoiceId: string, input: Input): void {
  const invoice = db.prepare('SELECT * FROM invoice WHERE id = ?').get(invoiceId)
  if (!invoice) throw new Problem(422, 'unknown_invoice', 'no such invoice', [{ at: '/invoiceId', message: 'is unknown' }])
  if (invoice.status === 'paid') throw new Problem(409, 'already_paid', `invoice \`${invoiceId}\` is paid`)
  if (invoice.status !== 'matched') throw new Problem(409, 'not_matched', `invoice \`${invoiceId}\` is ${invoice.status}, not matched`)
  const wrong = (['vendorId', 'amount', 'currency'] as const).filter((name) => invoice[name] !== input.values[name])
  if (wrong.length > 0) {
    const details = wrong.map((name) => ({ at: `/${name}`, message: 'differs from the invoice' }))
    throw new Problem(422, 'differs_from_invoice', `payment and invoice \`${invoiceId}\` differ`, details)
  }
}

function pay(db: DatabaseSync, input: Input): Row {
  const vendor = db.prepare('SELECT * FROM vendor WHERE id = ?').get(input.text('vendorId'))
  if (!vendor) throw new Problem(422, 'unknown_vendor', 'no such vendor', [{ at: '/vendorId', message: 'is unknown' }])
  if (vendor.status === 'blocked') throw new Problem(409, 'vendor_blocked', `vendor \`${vendor.id}\` is blocked`)
  const amount = input.number('amount')
  if (Math.abs(amount * 100 - Math.round(amount * 100)) > 1e-6)
    throw new Problem(422, 'too_precise', 'an amount has at most two decimals', [{ at: '/amount', message: 'has more than two decimals' }])
  const invoiceId = input.maybeText('invoiceId')
  if (invoiceId !== undefined) assertInvoice(db, invoiceId, input)
  const id = `PAY-${80001 + Number(db.prepare('SELECT count(*) AS n FROM payment').get()?.n)}`
  insert(db, 'payment', {
    id,
    vendorId: String(vendor.id),
    invoiceId: invoiceId ?? null,
    amount,
    currency: input.text('currency'),
    reference: input.text('reference'),
    iban: String(vendor.iban),
    releasedAt: new Date().toISOString(),
  })
  if (invoiceId !== undefined) db.prepare(`UPDATE invoice SET status = 'paid' WHERE id = ?`).run(invoiceId)
  return need(db, 'payment', id, 'payment')
}

/** With an `Idempotency-Key`, the same request answers with the first payment and another request under that key is a conflict. */
function releasePayment(db: DatabaseSync, input: Input): Reply {
  const key = input.idempotencyKey
  if (key === undefined) return { status: 201, body: atomically(db, () => pay(db, input)) }
  if (key.length < 1 || key.length > 255) throw new Problem(400, 'invalid_key', 'an idempotency key has 1 to 255 characters')
  const request = JSON.stringify(Object.entries(input.values).sort(([a], [b]) => (a < b ? -1 : 1)))
  const known = db.prepare('SELECT * FROM idempotencyKey WHERE key = ?').get(key)
  if (known && known.request !== request) throw new Problem(409, 'key_reused', 'the idempotency key came with another request before')
  if (known)
    return { status: 201, body: need(db, 'payment', String(known.paymentId), 'payment'), headers: { 'idempotent-replayed': 'true' } }
  const payment = atomically(db, () => {
    const paid = pay(db, input)
    insert(db, 'idempotencyKey', { key, request, paymentId: String(paid.id) })
    return paid
  })
  return { status: 201, body: payment }
}

/** Accounts payable's operations. */
export function paymentHandlers(db: DatabaseSync): Record<string, Handler> {
  return {
    listPayments: (input) => ({ status: 200, body: listPayments(db, input) }),
    releasePayment: (input) => releasePayment(db, input),
  }
}
