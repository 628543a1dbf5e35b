import { type Case, get, json, on, refused } from './corpus-case.ts'
import type { JsonObject } from '../core/json.ts'
import type { DoorName } from './doors.ts'

const NO_TYPES = { http: 'a query and a path have no types: a number there is a text' } satisfies Partial<Record<DoorName, string>>

/** A body that is no good, as it stands at every door. */
const body = (what: string, input: JsonObject, pointer: string, notAt?: Partial<Record<DoorName, string>>): Case =>
  on(what, 'prober', 'probe.writeThing', input, refused('BAD_INPUT', pointer), {
    http: json('POST', '/probe/things', input),
    ...(notAt ? { notAt } : {}),
  })

/** A read that is no good; `query` is what a plain client would write. */
const read = (what: string, input: JsonObject, pointer: string, path: string, notAt?: Partial<Record<DoorName, string>>): Case =>
  on(what, 'prober', 'probe.readThing', input, refused('BAD_INPUT', pointer), {
    http: get(`/probe/things/${path}`),
    ...(notAt ? { notAt } : {}),
  })

const ambiguous = (what: string, thing: string, encoded: string): Case =>
  on(`${what} in a path is refused`, 'prober', 'probe.readThing', { thing }, refused('BAD_INPUT'), {
    http: get(`/probe/things/${encoded}`),
  })

/** What is refused for its form, before anything is decided. */
export const BAD_INPUTS: readonly Case[] = [
  body('an undeclared property', { name: 'x', bogus: 1 }, '/bogus'),
  body('an undeclared property, nested', { name: 'x', place: { city: 'Ulm', street: 'x' } }, '/place/street'),
  body(
    'an undeclared property in a list',
    { name: 'x', place: { floors: [{ level: 1 }, { level: 2, roof: true }] } },
    '/place/floors/1/roof',
  ),
  body('a missing property', { note: 'x' }, '/name'),
  body('a text for a number', { name: 'x', ratio: '1.5' }, '/ratio'),
  body('a number for a text', { name: 5 }, '/name'),
  body('a boolean for a text', { name: true }, '/name'),
  body('a text for a boolean', { name: 'x', flag: 'true' }, '/flag'),
  body('a fraction for an integer', { name: 'x', count: 1.5 }, '/count'),
  body('an object for a text', { name: { toString: 'x' } }, '/name'),
  body('a list for a text', { name: ['x'] }, '/name'),
  body('a text for a list', { name: 'x', tags: 'a' }, '/tags', { graphql: 'a value stands for a list of one (October 2021, 3.11)' }),
  body('a number in a list of texts', { name: 'x', tags: ['a', 1] }, '/tags/1'),
  body('a list that is too long', { name: 'x', tags: ['1', '2', '3', '4', '5', '6'] }, '/tags'),
  body('a text that is too long', { name: 'x'.repeat(4001) }, '/name'),
  body('a text that does not match', { name: 'x', code: 'abc' }, '/code'),
  body('a text that matches in one line only', { name: 'x', code: 'ABC\n' }, '/code'),
  body('a number out of range', { name: 'x', ratio: 1000000.5 }, '/ratio'),
  body('null for what is required', { name: null }, '/name'),
  body('null for what is optional and not nullable', { name: 'x', count: null }, '/count'),
  body('a policy escape as a key', { name: 'x', extra: { __extn: { fn: 'decimal', arg: '1.0' } } }, '/extra/__extn'),
  body(
    'a policy escape as a key, deep in a list',
    { name: 'x', extra: { a: [{ b: { __entity: { type: 'T', id: 'x' } } }] } },
    '/extra/a/0/b/__entity',
  ),
  body('an integer that loses digits', { name: 'x', count: 9007199254740992 }, '/count'),
  read('an integer that loses digits, in a query', { thing: 'x', count: 9007199254740992 }, '/count', 'x?count=9007199254740992'),
  read('a text for an integer, in a query', { thing: 'x', count: 'many' }, '/count', 'x?count=many'),
  read('a fraction for an integer, in a query', { thing: 'x', count: 0.5 }, '/count', 'x?count=0.5'),
  read('a text for a boolean, in a query', { thing: 'x', flag: 'yes' }, '/flag', 'x?flag=yes'),
  read('an undeclared parameter', { thing: 'x', admin: true }, '/admin', 'x?admin=true'),
  read(
    'an undeclared member of a record',
    { thing: 'x', filter: { city: 'Ulm', zip: '1' } },
    '/filter/zip',
    'x?filter%5Bcity%5D=Ulm&filter%5Bzip%5D=1',
    {
      http: 'the member is a parameter of its own there: `/filter[zip]`',
    },
  ),
  read('a text in a list of integers', { thing: 'x', csv: [1, 'b'] }, '/csv/1', 'x?csv=1,b'),
  read('a text that is too long, in a query', { thing: 'x', text: 'y'.repeat(2001) }, '/text', `x?text=${'y'.repeat(2001)}`),
  read('a number for a text, in a query', { thing: 'x', text: 5 }, '/text', '', NO_TYPES),
  read('null in a query', { thing: 'x', text: null }, '/text', '', { http: 'a query has no null' }),
  read('an empty path argument', { thing: '' }, '/thing', '', { http: 'it is the path of another operation, or of none' }),
  on('a day that is none', 'invoice-clerk', 'erp.listInvoices', { dueBefore: '2026-02-31' }, refused('BAD_INPUT', '/dueBefore'), {
    http: get('/erp/invoices?dueBefore=2026-02-31'),
  }),
  on(
    'a value that is not among those there are',
    'support-triage',
    'crm.listTickets',
    { queue: 'secret' },
    refused('BAD_INPUT', '/queue'),
    { http: get('/crm/tickets?queue=secret') },
  ),
  on('a pattern of an id', 'support-triage', 'crm.getTicket', { ticketId: 'T-2000' }, refused('BAD_INPUT', '/ticketId'), {
    http: get('/crm/tickets/T-2000'),
  }),
  on('an id with a climbing path behind it', 'support-triage', 'crm.getTicket', { ticketId: 'T-20001/../T-20002' }, refused('BAD_INPUT'), {
    http: get('/crm/tickets/T-20001%2F..%2FT-20002'),
  }),
  on('a list without items where one is needed', 'support-triage', 'crm.listTickets', { status: [] }, refused('BAD_INPUT', '/status'), {
    http: get('/crm/tickets?status='),
    notAt: { http: 'a list without items is one with an empty item there' },
  }),
  on(
    'the same item twice where each may stand once',
    'support-triage',
    'crm.listTickets',
    { status: ['open', 'open'] },
    refused('BAD_INPUT', '/status'),
    { http: get('/crm/tickets?status=open,open') },
  ),
  ambiguous('a dot segment', '..', '..%2F..'.replace('%2F..', '')),
  ambiguous('an encoded dot segment', '%2e%2e', '%252e%252e'),
  ambiguous('a slash', 'a/b', 'a%2Fb'),
  ambiguous('an encoded slash', 'a%2fb', 'a%252fb'),
  ambiguous('a backslash', 'a\\b', 'a%5Cb'),
  ambiguous('a line break', 'a\r\nb', 'a%0D%0Ab'),
  ambiguous('a NUL', 'a\0b', 'a%00b'),
  ambiguous('a dot at the end', 'secret-rooms.', 'secret-rooms.'),
  on('an empty idempotency key', 'prober', 'probe.readThing', { thing: 'x' }, refused('BAD_INPUT'), { says: { idempotencyKey: '' } }),
  on('a rationale beyond all measure', 'prober', 'probe.readThing', { thing: 'x' }, refused('BAD_INPUT'), {
    says: { rationale: 'because '.repeat(300) },
  }),
  on('a run beyond all measure', 'prober', 'probe.readThing', { thing: 'x' }, refused('BAD_INPUT'), { says: { run: 'r'.repeat(129) } }),
]
