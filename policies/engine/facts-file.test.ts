import { describe, expect, test } from 'vitest'
import { LIMITS } from '../../gateway/limits.ts'
import { createDecider } from './decider.ts'
import { loadFacts } from './facts-file.ts'
import { catalogueOf, closeTicket, faultsOf, object, operation, releasePayment, source, trading } from './test-organisation.ts'

const load = (text: string, catalogue = trading) => loadFacts([{ path: 'facts.yaml', text }], catalogue)
const faults = (text: string, catalogue = trading): string[] =>
  load(text, catalogue).faults.map(({ pointer, message }) => `${pointer} ${message}`)

const ALL = `history:
  paid1h: { sum: /amount, of: [erp.releasePayment], window: 1h, by: agent }
  payeePayments: { count: [erp.releasePayment], same: /vendorId, window: 365d, by: organisation }
  newRecipients: { unseen: [/to/*, /cc/*], of: [mail.send], window: 365d }
  bankChanged: { last: [erp.changeVendorBank], same: /vendorId, window: PT24H, by: organisation }
  cleanApprovals: { streak: approved-unedited, of: [erp.releasePayment], by: owner }
  mixed: { sum: /amount, of: { erp.releasePayment: , crm.closeTicket: { sum: /cents, same: /id } }, same: /vendorId, window: 90s, by: agent-and-subject }
  attempts: { count: { erp.releasePayment: /vendorId, erp.changeVendorBank: [/vendorId] }, same: [/vendorId], window: 1d, inclusive: true }
derived:
  recipients: { count: [/to/*, /cc/*] }
  outside: { outside_domains: [/to/*, /cc/*], domains: [ACME.example, .münchen.example] }
  most: { max: /lines/*/count }
lookups:
  vendor: { call: erp.getVendor, with: { id: /vendorId }, fields: [/iban, /createdBy, /bank/bic] }
`
const cents = operation('crm.closeTicket', { ...closeTicket, inputSchema: object({ id: { type: 'string' }, cents: { type: 'integer' } }) })
const catalogue = catalogueOf(...[...trading.operations.values()].filter(({ id }) => id !== cents.id), cents)
const namesOf = (id: string) => {
  const found = [...catalogue.operations.values()].find((one) => one.id === id)
  const { history, derived, lookup } = load(ALL, catalogue).facts.of(found ?? releasePayment)
  return [...history.keys(), ...derived.keys(), ...lookup.keys()]
}

describe('declared facts', () => {
  test('hold as they are written', () => {
    const { facts, faults: none } = load(ALL, catalogue)
    expect(none).toEqual([])
    const { history, derived, lookup } = facts.all
    expect(history.get('paid1h')?.fact).toMatchObject({ kind: 'sum', by: 'agent', windowMs: 3_600_000, inclusive: true, same: [] })
    expect(history.get('bankChanged')?.fact).toMatchObject({ kind: 'last', by: 'organisation', windowMs: 86_400_000, inclusive: false })
    expect(history.get('cleanApprovals')?.fact).toMatchObject({ kind: 'streak', by: 'owner', windowMs: 0 })
    expect(history.get('newRecipients')?.fact.of.get(trading.byJointName.get('mail_send')?.id ?? releasePayment.id)).toEqual({
      values: ['/to/*', '/cc/*'],
      same: [],
    })
    expect(Object.fromEntries(history.get('mixed')?.fact.of ?? [])).toEqual({
      'erp.releasePayment': { values: ['/amount'], same: ['/vendorId'] },
      'crm.closeTicket': { values: ['/cents'], same: ['/id'] },
    })
    expect(history.get('attempts')?.fact).toMatchObject({ inclusive: true, same: ['/vendorId'] })
    expect(derived.get('outside')?.domains).toEqual(['acme.example', '.xn--mnchen-3ya.example'])
    expect(lookup.get('vendor')?.fact).toEqual({
      name: 'vendor',
      operation: 'erp.getVendor',
      with: { id: '/vendorId' },
      fields: ['/iban', '/createdBy', '/bank/bic'],
    })
  })

  test.each([
    ['erp.releasePayment', ['attempts', 'bankChanged', 'cleanApprovals', 'mixed', 'paid1h', 'payeePayments', 'most', 'vendor']],
    ['erp.changeVendorBank', ['attempts', 'bankChanged', 'cleanApprovals', 'mixed', 'paid1h', 'payeePayments', 'vendor']],
    ['crm.closeTicket', ['cleanApprovals', 'mixed', 'paid1h']],
    ['mail.send', ['cleanApprovals', 'newRecipients', 'paid1h', 'outside', 'recipients']],
  ])('exist for %s where its arguments have what they need', (id, names) => expect(namesOf(id)).toEqual(names))

  test('a series is what is counted, for whom: neither name nor window nor place in the file', () => {
    const series = (body: string): string | undefined => load(`history:\n  x: ${body}`).facts.all.history.get('x')?.fact.series
    const one = series('{ count: [erp.releasePayment, erp.changeVendorBank], same: /vendorId, window: 1h }')
    expect(one).toMatch(/^[0-9a-f]{64}$/)
    expect(series('{ window: 7d, inclusive: true, count: [erp.changeVendorBank, erp.releasePayment], same: [/vendorId] }')).toBe(one)
    expect(series('{ count: [erp.releasePayment], same: /vendorId, window: 1h }')).not.toBe(one)
    expect(series('{ last: [erp.releasePayment, erp.changeVendorBank], same: /vendorId, window: 1h }')).not.toBe(one)
    expect(series('{ count: [erp.releasePayment, erp.changeVendorBank], same: /vendorId, window: 1h, by: owner }')).not.toBe(one)
  })

  test('an empty file declares nothing', () => {
    expect(faults('')).toEqual([])
    expect(faults('# nothing yet\nhistory:\n')).toEqual([])
  })
})

const h = (body: string): string => `history:\n  x: ${body}`
const d = (body: string): string => `derived:\n  x: ${body}`
const l = (body: string): string => `lookups:\n  x: ${body}`
const DEEP = Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`).join('\n')

describe('a faulty file is refused, with place, cause and remedy', () => {
  test.each([
    ['section', 'histroy: {}', /^facts\.yaml:1:1 unknown key `histroy`: did you mean `history`\?/],
    ['syntax', 'history: {', /^facts\.yaml:1:\d+ /],
    ['name twice', 'derived:\n  x: {count: /to/*}\n  x: {count: /to/*}', /^facts\.yaml:3:3 Map keys must be unique/],
    ['list', '- a', /1:1 the file is no map/],
    ['section list', 'history: [a]', /1:1 `history` is no map/],
    ['name', 'derived:\n  a-b: {count: /to/*}', /2:3 `a-b` cannot be a fact's name/],
    ["Cedar's word", 'derived:\n  has: {count: /to/*}', /`has` cannot be a fact's name/],
    ['no map', h('5'), /2:3 `x` is no map/],
    ['no kind', h('{ window: 1h }'), /`x` says not what it is: give one of `sum`, `count`/],
    ['kind misspelt', h('{ conut: [erp.releasePayment], window: 1h }'), /did you mean `count`\?/],
    ['two kinds', h('{ sum: /amount, count: [erp.releasePayment], window: 1h }'), /says 2 things at once/],
    ['key', h('{ sum: /amount, of: [erp.releasePayment], windwo: 1h }'), /2:48 unknown key `windwo`: did you mean `window`\?/],
    [
      'operation',
      h('{ sum: /amount, of: [erp.relaesePayment], window: 1h }'),
      /no operation `erp\.relaesePayment`: did you mean `erp\.releasePayment`\?/,
    ],
    ['no operation', h('{ sum: /amount, of: [], window: 1h }'), /counts no operation: list them in `of`/],
    ['operation twice', h('{ count: [mail.send, mail.send], window: 1h }'), /`mail\.send` stands twice/],
    [
      'pointer',
      h('{ sum: /amuont, of: [erp.releasePayment], window: 1h }'),
      /`erp\.releasePayment` has nothing at `\/amuont`: did you mean `\/amount`\?/,
    ],
    ['no pointer', h('{ sum: amount, of: [erp.releasePayment], window: 1h }'), /`amount` is no pointer: start it with `\/`/],
    ['escape', h('{ sum: /a~2, of: [erp.releasePayment], window: 1h }'), /escape `~` as `~0`/],
    ['two amounts', h('{ sum: [/amount, /fee], of: [erp.releasePayment], window: 1h }'), /adds up one amount/],
    ['sum of texts', h('{ sum: /vendorId, of: [erp.releasePayment], window: 1h }'), /`\/vendorId` of `erp\.releasePayment` is no number/],
    ['unseen records', h('{ unseen: /lines/*, of: [erp.releasePayment], window: 1h }'), /name the values themselves/],
    ['same of many', h('{ count: [mail.send], same: /to/*, window: 1h }'), /can be many values/],
    ['same of records', h('{ count: [erp.releasePayment], same: /lines, window: 1h }'), /`same` compares plain values/],
    [
      'same of fewer',
      h('{ count: { mail.send: , erp.releasePayment: [/vendorId, /note] }, same: /body, window: 1h }'),
      /gives 2 pointers for the 1/,
    ],
    [
      'same of other types',
      h('{ count: { erp.releasePayment: /vendorId, erp.getInvoice: /id }, same: /vendorId, window: 1h }'),
      /would never meet/,
    ],
    ['no window', h('{ sum: /amount, of: [erp.releasePayment] }'), /`x` has no `window`: write whole seconds up to 365 days/],
    ['half a second', h('{ sum: /amount, of: [erp.releasePayment], window: 500ms }'), /`500ms` is no window/],
    ['too long', h('{ sum: /amount, of: [erp.releasePayment], window: 366d }'), /`366d` is no window/],
    ['a number', h('{ sum: /amount, of: [erp.releasePayment], window: 60 }'), /`60` is no window/],
    ['streak with window', h('{ streak: approved-unedited, of: [erp.releasePayment], window: 1h }'), /unknown key `window`/],
    ['streak of what', h('{ streak: approvals, of: [erp.releasePayment] }'), /write `approved-unedited`/],
    ['by', h('{ sum: /amount, of: [erp.releasePayment], window: 1h, by: agnet }'), /`by` is `agnet`: did you mean `agent`\?/],
    ['inclusive', h('{ count: [mail.send], window: 1h, inclusive: ja }'), /write `true` or `false`/],
    ['inclusive last', h('{ last: [mail.send], window: 1h, inclusive: true }'), /unknown key `inclusive`/],
    ['key of an operation', h('{ sum: /amount, of: { erp.releasePayment: { smae: /x } }, window: 1h }'), /unknown key `smae`/],
    ['no such place anywhere', d('{ count: /too/* }'), /2:3 `x` exists for no operation: none has `\/too\/\*` .*did you mean `\/to\/\*`\?/],
    ['sum of texts everywhere', d('{ sum: /vendorId }'), /none has all its pointers with numbers there/],
    ['no domains', d('{ outside_domains: /to/* }'), /has no `domains`/],
    ['domain', d('{ outside_domains: /to/*, domains: ["a b"] }'), /`a b` is no domain/],
    ['domains of a count', d('{ count: /to/*, domains: [a] }'), /unknown key `domains`/],
    ['lookup of a write', l('{ call: erp.releasePayment, with: {vendorId: /vendorId, amount: /amount}, fields: [/x] }'), /is no read/],
    ['lookup argument', l('{ call: erp.getVendor, with: { idd: /vendorId }, fields: [/iban] }'), /no argument `idd`: did you mean `id`\?/],
    ['lookup without', l('{ call: erp.getVendor, with: {}, fields: [/iban] }'), /needs `id`/],
    ['lookup of many', l('{ call: erp.getVendor, with: { id: /to/* }, fields: [/iban] }'), /needs one value/],
    [
      'lookup field',
      l('{ call: erp.getVendor, with: { id: /vendorId }, fields: [/ibna] }'),
      /nothing at `\/ibna`: did you mean `\/iban`\?/,
    ],
    ['lookup twice', l('{ call: erp.getVendor, with: { id: /vendorId }, fields: [/iban, /iban] }'), /two fields would be called `iban`/],
    ['lookup without fields', l('{ call: erp.getVendor, with: { id: /vendorId } }'), /takes no `fields`/],
    ['lookup nowhere', l('{ call: erp.getVendor, with: { id: /to }, fields: [/iban] }'), /none of its connector has `\/to`/],
    ['lookup of nothing', l('{ call: erp.getVendro, fields: [/iban] }'), /did you mean `erp\.getVendor`\?/],
    ['aliases without end', `a0: &a0 [x]\n${DEEP}`, /aliases too often/],
    ['too large', `# ${'x'.repeat(LIMITS.policyFileBytesMax)}`, /larger than/],
    [
      'too many',
      `derived:\n${Array.from({ length: LIMITS.factsPerSectionMax + 1 }, (_, i) => `  f${i}: {count: /to}`).join('\n')}`,
      /too many/,
    ],
    ['too many pointers', d(`{ count: [${Array.from({ length: 51 }, () => '/to').join()}] }`), /51 pointers/],
  ])('%s', (_title, text, message) => expect(faults(text).join('\n')).toMatch(message))

  test('all faults at once, beside those of the policies, and none that only follow', () => {
    const broken = source(
      { erp: '@id("a") permit(principal, action, resource) when { context.history.x > 1 }; @hodl permit(principal, action, resource);' },
      trading,
      `${h('{ conut: [erp.releasePayment], window: 1h }')}\n  y: { sum: /nowhere, of: [erp.releasePayment], window: 1h }`,
    )
    const found = faultsOf(() => createDecider(broken))
    expect(found.map((fault) => fault.split(' ')[0])).toEqual([
      'policies/erp.cedar:1:78',
      'policies/erp.cedar:1:78',
      'policies/facts.yaml:2:3',
      'policies/facts.yaml:3:8',
    ])
  })
})

describe('pointers never overlook', () => {
  const one = (to: object) => catalogueOf(operation('mail.one', { inputSchema: object({ to } as never) }))
  const text = { type: 'string' }
  const record = { type: 'object', properties: { address: text } }
  test.each([
    ['one or many', { anyOf: [text, { type: 'array', items: text }] }, '/to/*', true],
    ['text or record', { anyOf: [text, record] }, '/to/address', false],
    ['record or many records', { anyOf: [record, { type: 'array', items: record }] }, '/to/*/address', true],
    ['free-form', { type: 'object' }, '/to/address', false],
    ['an item', { type: 'array', items: text }, '/to/0', true],
  ])('%s', (_title, schema, pointer, exists) => {
    expect(faults(d(`{ count: ${pointer} }`), one(schema)).length === 0).toBe(exists)
  })
})
