import type { DatabaseSync } from 'node:sqlite'
import { insert, need, page, type Row } from '../database.ts'
import type { Input } from '../input.ts'
import { Problem } from '../problem.ts'
import type { Handler } from '../reply.ts'

const countOf = (db: DatabaseSync, table: string): number => Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n)

function listTickets(db: DatabaseSync, input: Input) {
  const conditions = [
    { sql: 'status', value: input.texts('status') },
    { sql: 'queue = ?', value: input.maybeText('queue') },
    { sql: 'priority = ?', value: input.maybeText('priority') },
    { sql: 'customerId = ?', value: input.maybeText('customerId') },
  ]
  return page(db, 'ticket', conditions, { cursor: input.maybeText('cursor'), limit: input.maybeNumber('limit') })
}

function getTicket(db: DatabaseSync, input: Input) {
  const ticket = need(db, 'ticket', input.text('ticketId'), 'ticket')
  const replies = db.prepare('SELECT * FROM reply WHERE ticketId = ? ORDER BY id').all(input.text('ticketId'))
  return { ticket, replies: replies.map((reply) => ({ ...reply, internal: reply.internal === 1 })) }
}

function addReply(db: DatabaseSync, ticketId: string, message: string, internal: boolean): Row {
  const reply = { id: `R-${60001 + countOf(db, 'reply')}`, ticketId, message, createdAt: new Date().toISOString() }
  insert(db, 'reply', { ...reply, internal: internal ? 1 : 0 })
  return { ...reply, internal }
}

function replyTicket(db: DatabaseSync, input: Input): Row {
  const ticket = need(db, 'ticket', input.text('ticketId'), 'ticket')
  if (ticket.queue !== input.text('queue'))
    throw new Problem(409, 'queue_differs', `ticket \`${ticket.id}\` lies in queue \`${ticket.queue}\``)
  if (ticket.status === 'closed') throw new Problem(409, 'ticket_closed', `ticket \`${ticket.id}\` is closed`)
  const reply = addReply(db, input.text('ticketId'), input.text('message'), input.flag('internal'))
  if (!input.flag('internal')) db.prepare(`UPDATE ticket SET status = 'waiting' WHERE id = ?`).run(input.text('ticketId'))
  return reply
}

function closeTicket(db: DatabaseSync, input: Input): Row {
  const ticket = need(db, 'ticket', input.text('ticketId'), 'ticket')
  if (ticket.status === 'closed') throw new Problem(409, 'ticket_closed', `ticket \`${ticket.id}\` is closed`)
  db.prepare(`UPDATE ticket SET status = 'closed', resolution = ? WHERE id = ?`).run(input.text('resolution'), input.text('ticketId'))
  const comment = input.maybeText('comment')
  if (comment !== undefined) addReply(db, input.text('ticketId'), comment, true)
  return need(db, 'ticket', input.text('ticketId'), 'ticket')
}

function refundTicket(db: DatabaseSync, input: Input): Row {
  const ticket = need(db, 'ticket', input.text('ticketId'), 'ticket')
  const amount = input.number('amount')
  if (input.text('currency') !== ticket.currency)
    throw new Problem(422, 'currency_differs', `the order was paid in ${ticket.currency}`, [{ at: '/currency', message: 'differs' }])
  if (amount > Number(ticket.orderValue))
    throw new Problem(422, 'more_than_paid', `the order's value is ${ticket.orderValue}`, [{ at: '/amount', message: 'too high' }])
  if (db.prepare('SELECT id FROM refund WHERE ticketId = ?').get(input.text('ticketId')))
    throw new Problem(409, 'already_refunded', `ticket \`${ticket.id}\` was refunded before`)
  const refund = {
    id: `F-${70001 + countOf(db, 'refund')}`,
    ticketId: input.text('ticketId'),
    amount,
    currency: input.text('currency'),
    reason: input.text('reason'),
    comment: input.maybeText('comment') ?? null,
    createdAt: new Date().toISOString(),
  }
  insert(db, 'refund', refund)
  return refund
}

/** The support desk's operations. */
export function ticketHandlers(db: DatabaseSync): Record<string, Handler> {
  return {
    listTickets: (input) => ({ status: 200, body: listTickets(db, input) }),
    getTicket: (input) => ({ status: 200, body: getTicket(db, input) }),
    replyTicket: (input) => ({ status: 201, body: replyTicket(db, input) }),
    closeTicket: (input) => ({ status: 200, body: closeTicket(db, input) }),
    refundTicket: (input) => ({ status: 201, body: refundTicket(db, input) }),
  }
}
