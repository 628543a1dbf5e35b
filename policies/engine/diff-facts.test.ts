import type { PolicyDiff } from '../../gateway/ports/policy-drafts.ts'
import { describe, expect, test } from 'vitest'
import { diffPolicies } from './diff.ts'
import { catalogueOf, clerk, operation, source } from './test-organisation.ts'

const pay = operation('bank.pay', {
  inputSchema: {
    type: 'object',
    required: ['payee', 'amount'],
    properties: {
      payee: { type: 'string' },
      amount: { type: 'number', minimum: 0.01 },
      to: { type: 'array', items: { type: 'string' } },
      lines: {
        type: 'array',
        items: { type: 'object', required: ['amount'], properties: { amount: { type: 'number' }, text: { type: 'string' } } },
      },
    },
  },
})
const getPayee = operation('bank.getPayee', {
  mode: 'read',
  reversibility: 'read-only',
  inputSchema: { type: 'object', required: ['id'], properties: { id: { type: 'string' } } },
  outputSchema: {
    type: 'object',
    properties: { iban: { type: 'string' }, createdBy: { type: 'string' }, limit: { type: 'number' }, blocked: { type: 'boolean' } },
  },
})
const bank = catalogueOf(pay, getPayee)

const FACTS = `
history:
  paid1h: { sum: /amount, of: [bank.pay], window: 1h }
  payments: { count: [bank.pay], same: /payee, window: 365d, by: organisation }
  paidFor: { sum: /amount, of: [bank.pay], window: 1d, by: subject }
  newRecipients: { unseen: [/to/*], of: [bank.pay], window: 365d }
  lastPaid: { last: [bank.pay], same: /payee, window: 24h }
  clean: { streak: approved-unedited, of: [bank.pay] }
derived:
  recipients: { count: [/to/*] }
  outside: { outside_domains: [/to/*], domains: [acme.example] }
  total: { sum: /lines/*/amount }
  day: { weekday: Europe/Berlin }
  minute: { minute_of_day: Europe/Berlin }
lookups:
  payee: { call: bank.getPayee, with: { id: /payee }, fields: [/createdBy, /limit, /blocked] }
`
const PERMIT = '@id("may") permit(principal in Gatehouse::Role::"payer", action == Bank::Action::"pay", resource);'
const forbid = (condition: string, how = ''): string =>
  `${PERMIT} @id("no") ${how} forbid(principal, action == Bank::Action::"pay", resource) when { ${condition} };`

const of = (text: string, facts = FACTS) => ({ ...source({ bank: text }, bank), facts: { path: 'policies/facts.yaml', text: facts } })
const diff = (before: string, after: string, facts = FACTS): PolicyDiff =>
  diffPolicies({ before: of(before), after: of(after, facts), agents: [clerk] })
const found = ({ changes }: PolicyDiff) => Object.fromEntries(changes.map(({ change, because }) => [change, because]))

describe('an edit about a fact is found', () => {
  test.each<[string, string, string, Record<string, Record<string, unknown>>]>([
    [
      'a sum, of which the present call is a part',
      forbid('context.history.paid1h.greaterThan(decimal("5000.0"))'),
      forbid('context.history.paid1h.greaterThanOrEqual(decimal("5000.0"))'),
      { 'newly-denied': { 'history.paid1h': '5000.0' } },
    ],
    [
      'a sum and the amount itself',
      forbid('context.history.paid1h.greaterThan(decimal("5000.0")) && context.input.amount.greaterThan(decimal("6000.0"))'),
      forbid('context.history.paid1h.greaterThan(decimal("5000.0")) && context.input.amount.greaterThan(decimal("7000.0"))'),
      { 'newly-allowed': { 'input.amount': 6000.01, 'history.paid1h': '6000.01' } },
    ],
    [
      'a first payment',
      forbid('context.history.payments == 0', '@hold("finance")'),
      forbid('context.history.payments < 2', '@hold("finance")'),
      { 'newly-held': { 'history.payments': 1 } },
    ],
    [
      'how long ago it was',
      forbid('context.history has lastPaid && context.now.durationSince(context.history.lastPaid) < duration("1h")'),
      forbid('context.history has lastPaid && context.now.durationSince(context.history.lastPaid) <= duration("1h")'),
      { 'newly-denied': { 'history.lastPaid': '2026-01-05T11:00:00.000Z', now: '2026-01-05T12:00:00.000Z' } },
    ],
    [
      'that it ever was',
      PERMIT,
      forbid('context.history has lastPaid'),
      { 'newly-denied': { 'history.lastPaid': '2026-01-05T12:00:00.000Z' } },
    ],
    ['a streak', forbid('context.history.clean < 5'), forbid('context.history.clean < 6'), { 'newly-denied': { 'history.clean': 5 } }],
    [
      'new recipients',
      forbid('context.history.newRecipients > 1'),
      forbid('context.history.newRecipients > 2'),
      { 'newly-allowed': { 'history.newRecipients': 2, 'input.to': ['a0@elsewhere.invalid', 'a1@elsewhere.invalid'] } },
    ],
    [
      'how many values there are',
      forbid('context.derived.recipients > 2'),
      forbid('context.derived.recipients > 3'),
      { 'newly-allowed': { 'input.to': ['a0@elsewhere.invalid', 'a1@elsewhere.invalid', 'a2@elsewhere.invalid'] } },
    ],
    ['addresses elsewhere', PERMIT, forbid('context.derived.outside > 0'), { 'newly-denied': { 'input.to': ['a0@elsewhere.invalid'] } }],
    [
      'a sum over items',
      forbid('context.derived.total.greaterThan(decimal("100.0"))'),
      forbid('context.derived.total.greaterThan(decimal("99.5"))'),
      { 'newly-denied': { 'input.lines': [{ amount: 100 }] } },
    ],
    [
      'what was looked up',
      forbid('context.lookup.payee has blocked && context.lookup.payee.blocked'),
      forbid('context.lookup.payee has blocked'),
      { 'newly-denied': { 'lookup.payee.blocked': false } },
    ],
    [
      'an argument against what was looked up',
      forbid('context.lookup.payee has limit && context.input.amount.greaterThan(context.lookup.payee.limit)'),
      forbid('context.lookup.payee has limit && context.input.amount.greaterThanOrEqual(context.lookup.payee.limit)'),
      { 'newly-denied': { 'input.amount': 0.01, 'lookup.payee.limit': 0.01 } },
    ],
    [
      'a place where it is later',
      forbid('context.derived.minute < 480 || context.derived.minute >= 1080'),
      forbid('context.derived.minute < 480 || context.derived.minute > 1080'),
      { 'newly-allowed': { now: '2026-01-05T17:00:00.000Z' } },
    ],
    [
      'a day of the week there, at an hour',
      forbid('[6, 7].contains(context.derived.day) && context.derived.minute < 480'),
      forbid('[7].contains(context.derived.day) && context.derived.minute < 480'),
      { 'newly-allowed': { now: '2026-01-09T23:07:00.000Z' } },
    ],
    ['labels', PERMIT, forbid('context.labels.contains("untrusted")', '@hold("cfo")'), { 'newly-held': { labels: ['untrusted'] } }],
    [
      'findings',
      forbid('context.findings.contains("credential")'),
      forbid('context.findings.containsAny(["credential", "link"])'),
      { 'newly-denied': { findings: ['link'] } },
    ],
    [
      'the decision record',
      PERMIT,
      forbid('context has decisionRecord && context.decisionRecord.outcome == "refused"'),
      { 'newly-denied': { 'decisionRecord.outcome': 'refused' } },
    ],
  ])('%s', (_title, before, after, expected) => {
    const answer = diff(before, after)
    expect(found(answer)).toMatchObject(expected)
    expect(Object.keys(found(answer))).toEqual(Object.keys(expected))
    expect(answer).toMatchObject({ complete: true, unasked: [], facts: [] })
  })
})

test('a fact that counts for a subject denies whoever acts for nobody', () => {
  const { changes } = diff(PERMIT, forbid('context.history.paidFor.greaterThan(decimal("50.0"))'))
  expect(changes.map(({ change, example: { subject }, after }) => [change, subject?.name ?? null, after.reason])).toEqual([
    ['newly-denied', null, 'policy_error'],
  ])
})

test('a derived fact that is declared otherwise is asked about, though no policy changed', () => {
  const rule = forbid('context.derived.outside > 0')
  const answer = diff(rule, rule, FACTS.replace('[acme.example]', '[acme.example, partner.example]'))
  expect(answer).toMatchObject({ facts: ['derived.outside'], policies: { added: [], removed: [], changed: [] } })
  expect(found(answer)).toMatchObject({ 'newly-allowed': { 'input.to': ['a@partner.example'] } })
})

test('history that is counted otherwise is told: no request can show it', () => {
  const rule = forbid('context.history.paid1h.greaterThan(decimal("5000.0"))')
  const answer = diff(rule, rule, FACTS.replace('window: 1h', 'window: 2h'))
  expect(answer).toMatchObject({ changes: [], facts: ['history.paid1h'] })
})
