import { join } from 'node:path'
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { insert, need, openDatabase, page, type Row } from '../database.ts'
import { readDocument, sourceFile } from '../document.ts'
import type { Input } from '../input.ts'
import { Problem } from '../problem.ts'
import type { Handler } from '../reply.ts'
import { type RunningSystem, type SystemOptions, startSystem } from '../system.ts'
import { seedCrm } from './seed.ts'
import { ticketHandlers } from './tickets.ts'

/** Version of the tables in `seed.ts`. */
const TABLES_VERSION = 1

const pageAt = (input: Input) => ({ cursor: input.maybeText('cursor'), limit: input.maybeNumber('limit') })

function searchCustomers(db: DatabaseSync, input: Input) {
  const q = input.maybeText('q')
  const conditions = [
    { sql: `name || ' ' || email LIKE ? ESCAPE '\\'`, value: q && `%${q.replace(/[\\%_]/g, '\\$&')}%` },
    { sql: 'country = ?', value: input.maybeText('country') },
    { sql: 'segment = ?', value: input.maybeText('segment') },
    { sql: 'status = ?', value: input.maybeText('status') },
  ]
  return page(db, 'customer', conditions, pageAt(input))
}

function assertFreeEmail(db: DatabaseSync, email: string, owner: string): void {
  const taken = db.prepare('SELECT id FROM customer WHERE lower(email) = lower(?) AND id <> ?').get(email, owner)
  if (taken) throw new Problem(409, 'email_taken', `the e-mail address belongs to customer \`${taken.id}\``)
}

function nextId(db: DatabaseSync, table: string, prefix: string): string {
  const last = db.prepare(`SELECT max(id) AS id FROM ${table}`).get()?.id
  return `${prefix}-${Number(String(last).slice(2)) + 1}`
}

function createCustomer(db: DatabaseSync, input: Input): Row {
  const email = input.text('email')
  assertFreeEmail(db, email, '')
  const id = nextId(db, 'customer', 'C')
  insert(db, 'customer', {
    id,
    name: input.text('name'),
    email,
    phone: (input.values.phone ?? null) as SQLInputValue,
    country: input.text('country'),
    segment: input.text('segment'),
    status: 'active',
    creditLimit: input.maybeNumber('creditLimit') ?? 0,
    version: 1,
    createdAt: new Date().toISOString(),
  })
  return need(db, 'customer', id, 'customer')
}

function updateCustomer(db: DatabaseSync, input: Input): Row {
  const id = input.text('customerId')
  const before = need(db, 'customer', id, 'customer')
  const ifMatch = input.maybeText('If-Match')
  if (ifMatch !== undefined && ifMatch !== `"${before.version}"`)
    throw new Problem(412, 'version_differs', `customer \`${id}\` is at version ${before.version}`)
  const email = input.maybeText('email')
  if (email !== undefined) assertFreeEmail(db, email, id)
  const changed = ['name', 'email', 'phone', 'segment', 'status', 'creditLimit'].filter((name) => input.values[name] !== undefined)
  if (changed.length === 0) throw new Problem(422, 'nothing_to_change', 'no field to change is given')
  db.prepare(`UPDATE customer SET ${changed.map((name) => `${name} = ?`).join(', ')}, version = version + 1 WHERE id = ?`).run(
    ...changed.map((name) => input.values[name] as SQLInputValue),
    id,
  )
  return need(db, 'customer', id, 'customer')
}

function exportContacts(db: DatabaseSync, input: Input) {
  const [segment, country] = [input.maybeText('segment') ?? null, input.maybeText('country') ?? null]
  const contacts = db
    .prepare(
      `SELECT contact.* FROM contact JOIN customer ON customer.id = customerId
       WHERE (?1 IS NULL OR segment = ?1) AND (?2 IS NULL OR country = ?2) ORDER BY contact.id`,
    )
    .all(segment, country)
  return { count: contacts.length, contacts }
}

function addContactNote(db: DatabaseSync, input: Input): Row {
  const contactId = input.text('contactId')
  need(db, 'contact', contactId, 'contact')
  const id = `N-${Number(db.prepare('SELECT count(*) AS n FROM contactNote').get()?.n) + 1}`
  const note = {
    id,
    contactId,
    text: input.text('text'),
    visibility: input.maybeText('visibility') ?? 'team',
    createdAt: new Date().toISOString(),
  }
  insert(db, 'contactNote', { ...note, pinned: input.flag('pinned') ? 1 : 0 })
  return { ...note, pinned: input.flag('pinned') }
}

function listContacts(db: DatabaseSync, input: Input) {
  const customerId = input.text('customerId')
  need(db, 'customer', customerId, 'customer')
  return { items: db.prepare('SELECT * FROM contact WHERE customerId = ? ORDER BY id LIMIT 20').all(customerId) }
}

function listOpportunities(db: DatabaseSync, input: Input) {
  const conditions = [
    { sql: 'stage = ?', value: input.maybeText('stage') },
    { sql: 'customerId = ?', value: input.maybeText('customerId') },
  ]
  return page(db, 'opportunity', conditions, pageAt(input))
}

function handlersOf(db: DatabaseSync): Record<string, Handler> {
  return {
    searchCustomers: (input) => ({ status: 200, body: searchCustomers(db, input) }),
    getCustomer: (input) => ({ status: 200, body: need(db, 'customer', input.text('customerId'), 'customer') }),
    createCustomer: (input) => ({ status: 201, body: createCustomer(db, input) }),
    updateCustomer: (input) => ({ status: 200, body: updateCustomer(db, input) }),
    listContacts: (input) => ({ status: 200, body: listContacts(db, input) }),
    exportContacts: (input) => ({ status: 200, body: exportContacts(db, input) }),
    addContactNote: (input) => ({ status: 201, body: addContactNote(db, input) }),
    listOpportunities: (input) => ({ status: 200, body: listOpportunities(db, input) }),
    ...ticketHandlers(db),
  }
}

export interface CrmOptions extends SystemOptions {
  /** Its database is `crm.sqlite` in here. */
  dataDir: string
  /** Value of `X-Api-Key` that opens it. */
  apiKey: string
}

/** Starts Acme's CRM (customers, contacts, opportunities, tickets) on loopback; seeds its database on first start. */
export function startCrm({ dataDir, apiKey, ...options }: CrmOptions): Promise<RunningSystem> {
  const db = openDatabase(join(dataDir, 'crm.sqlite'), TABLES_VERSION, seedCrm)
  const document = readDocument(sourceFile(import.meta.url, './openapi.yaml'))
  const credential = { header: 'x-api-key', value: apiKey, challenge: 'ApiKey' }
  return startSystem({ name: 'crm', document, db, credential, handlers: handlersOf(db) }, options)
}
