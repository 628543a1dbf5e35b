import { describe, expect, test } from 'vitest'
import type { Facts } from '../../gateway/core/facts.ts'
import { NO_FACTS, NO_NEEDS } from '../../gateway/core/facts.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { Operation } from '../../gateway/core/operation.ts'
import { createDecider } from './decider.ts'
import { changeVendorBank, clerk, faultsOf, getVendor, question, releasePayment, sendMail, source, trading } from './test-organisation.ts'

const FACTS = `history:
  paid1h: { sum: /amount, of: [erp.releasePayment], window: 1h }
  payeePayments: { count: [erp.releasePayment], same: /vendorId, window: 365d, by: organisation }
  newRecipients: { unseen: [/to/*, /cc/*], of: [mail.send], window: 365d }
  bankChanged: { last: [erp.changeVendorBank], same: /vendorId, window: 24h, by: organisation }
  clean: { streak: approved-unedited, of: [erp.releasePayment] }
  mails: { count: [mail.send], window: 1h }
derived:
  recipients: { count: [/to/*, /cc/*] }
  people: { distinct: [/to/*, /cc/*] }
  outside: { outside_domains: [/to/*, /cc/*], domains: [acme.example, .eu.acme.example] }
  pieces: { sum: /lines/*/count }
  total: { sum: [/amount, /fee] }
  least: { min: /lines/*/count }
  most: { max: /lines/*/count }
  words: { length: /note }
lookups:
  vendor: { call: erp.getVendor, with: { id: /vendorId }, fields: [/iban, /createdBy, /rating, /bank] }
`
const PERMIT = '@id("p") permit(principal, action, resource);'
const forbid = (condition: string, of: Operation = releasePayment): string =>
  `${PERMIT} @id("f") forbid(principal, action == ${of.connector === 'erp' ? 'Erp' : 'Mail'}::Action::"${of.name}", resource) when { ${condition} };`
const build = (text: string) => createDecider(source({ org: text }, trading, FACTS))
const pay = (more: JsonObject = {}): JsonObject => ({ vendorId: 'v1', amount: 5, ...more })
const known = (over: Partial<Facts>): Facts => ({ ...NO_FACTS, ...over })

const effectOf = (condition: string, of: Operation, input: JsonObject, facts: Facts): string => {
  const { verdict } = build(forbid(condition, of)).decide(question(of, input, { facts }))
  return verdict.effect === 'deny' ? verdict.reason : verdict.effect
}

describe('facts in context', () => {
  const vendor = (fields: JsonObject) => known({ lookup: { vendor: fields } })
  const history = (facts: JsonObject) => known({ history: facts })
  test.each<[string, string, Facts, string]>([
    ['sum below', 'context.history.paid1h.greaterThan(decimal("5000.0"))', history({ paid1h: '5000.0' }), 'permit'],
    ['sum above', 'context.history.paid1h.greaterThan(decimal("5000.0"))', history({ paid1h: '5000.0001' }), 'forbidden'],
    ['sum unknown', 'context.history.paid1h.greaterThan(decimal("5000.0"))', NO_FACTS, 'policy_error'],
    ['sum null', 'context.history.paid1h.greaterThan(decimal("5000.0"))', history({ paid1h: null }), 'policy_error'],
    ['sum as a number', 'context.history.paid1h.greaterThan(decimal("5000.0"))', history({ paid1h: 5 }), 'policy_error'],
    ['sum out of range', 'context.history.paid1h.greaterThan(decimal("5000.0"))', history({ paid1h: '999999999999999.0' }), 'policy_error'],
    ['count', 'context.history.payeePayments == 0', history({ payeePayments: 0 }), 'forbidden'],
    ['count of another', 'context.history.payeePayments == 0', history({ paid1h: '1.0' }), 'policy_error'],
    ['streak', 'context.history.clean < 20', history({ clean: 20 }), 'permit'],
    ['last, never', 'context.history has bankChanged', history({ bankChanged: null }), 'permit'],
    ['last, once', 'context.history has bankChanged', history({ bankChanged: '2026-01-05T11:00:00Z' }), 'forbidden'],
    ['last, unknown', 'context.history has bankChanged', NO_FACTS, 'policy_error'],
    [
      'last, compared',
      'context has history.bankChanged && context.history.bankChanged > datetime("2026-01-05")',
      history({ bankChanged: '2026-01-05T11:00:00.5Z' }),
      'policy_error',
    ],
    ['that there are any asks for none', 'context has history && context.door == "http"', NO_FACTS, 'permit'],
    [
      'lookup',
      'context.lookup.vendor has iban && context.lookup.vendor.iban like "DE*"',
      vendor({ iban: 'DE1', createdBy: 'maria' }),
      'forbidden',
    ],
    ['lookup without the field', 'context.lookup.vendor has iban && context.lookup.vendor.iban like "DE*"', vendor({}), 'permit'],
    [
      'lookup of another type',
      'context.lookup.vendor has rating && context.lookup.vendor.rating.lessThan(decimal("1.0"))',
      vendor({ rating: 'x' }),
      'policy_error',
    ],
    [
      'lookup, number',
      'context.lookup.vendor has rating && context.lookup.vendor.rating.lessThan(decimal("1.0"))',
      vendor({ rating: 0.5 }),
      'forbidden',
    ],
    [
      'lookup, record',
      'context.lookup.vendor has bank.bic && context.lookup.vendor.bank.bic == "X"',
      vendor({ bank: { bic: 'X', more: 1 } }),
      'forbidden',
    ],
    ['lookup failed', 'context.lookup.vendor has iban', NO_FACTS, 'policy_error'],
    ['labels', 'context.labels.contains("untrusted")', known({ labels: ['pii', 'untrusted'] }), 'forbidden'],
    ['no labels', 'context.labels.contains("untrusted")', known({ labels: [] }), 'permit'],
    ['labels unknown', 'context.labels.contains("untrusted")', known({ findings: [] }), 'policy_error'],
    ['findings', 'context.findings.containsAny(["credential", "hidden-text"])', known({ findings: ['hidden-text'] }), 'forbidden'],
    ['findings unknown', 'context.findings.isEmpty()', NO_FACTS, 'policy_error'],
  ])('%s', (_title, condition, facts, expected) => expect(effectOf(condition, releasePayment, pay(), facts)).toBe(expected))

  test('an unknown fact is named to people, its value and name never to the agent', () => {
    const { verdict } = build(forbid('context.history.paid1h.greaterThan(decimal("5000.0"))')).decide(
      question(releasePayment, pay(), { facts: known({ history: { paid1h: 'secret' } }) }),
    )
    expect(verdict).toEqual({ effect: 'deny', policies: [], reason: 'policy_error', errors: ['`/history/paid1h` is not an amount'] })
  })

  test('the agent is told what of its own arguments cannot be judged', () => {
    const { verdict } = build(forbid('context.derived.total.greaterThan(decimal("5000.0"))')).decide(
      question(releasePayment, pay({ fee: 0.00001 })),
    )
    expect(verdict).toMatchObject({
      reason: 'policy_error',
      advice: '`/fee` has more than four decimal places or is too large: give at most four.',
    })
  })

  test('the request carries what is read and nothing else', () => {
    const facts = known({
      history: { paid1h: '7.0', payeePayments: 3 },
      lookup: { vendor: { iban: 'DE1', createdBy: 'maria' } },
      labels: ['pii'],
    })
    const text = forbid(
      'context.history.payeePayments < 1 && context.lookup.vendor has createdBy && context.lookup.vendor.createdBy == "x"',
    )
    expect(build(text).decide(question(releasePayment, pay(), { facts })).evidence.request.context).toEqual({
      history: { payeePayments: 3 },
      lookup: { vendor: { createdBy: 'maria' } },
    })
  })

  test('a window is part of the policy set', () => {
    const set = (facts: string): string => createDecider(source({ org: PERMIT }, trading, facts)).policySet
    expect(set(FACTS.replace('window: 1h', 'window: 2h'))).not.toBe(set(FACTS))
    expect(
      set(
        FACTS.replace(/^ {2}paid1h.*\n/m, '').replace(
          'derived:',
          '  paid1h: { sum: /amount, of: [erp.releasePayment], window: 1h }\nderived:',
        ),
      ),
    ).toBe(set(FACTS))
  })

  test.each([
    ['elsewhere', forbid('context.history.newRecipients > 0'), /no attribute `history\.newRecipients`/],
    ['misspelt', forbid('context.history.payd1h > 0'), /did you mean `paid1h`/],
    ['optional', forbid('context.history.bankChanged > datetime("2026-01-05")'), /context\.history has bankChanged/],
    [
      'a permit by its own word',
      `@id("p") permit(principal, action, resource) when { context has decisionRecord };`,
      /permit reads `context\.decisionRecord`/,
    ],
  ])('a policy that reads a fact %s is refused', (_title, text, message) => expect(faultsOf(() => build(text)).join()).toMatch(message))

  test('the decision record is asked in a forbid', () => {
    const decider = build(forbid('!(context has decisionRecord && context.decisionRecord.outcome == "pay")'))
    const ask = (over: object) => decider.decide(question(releasePayment, pay(), over)).verdict.effect
    expect(ask({})).toBe('deny')
    expect(ask({ decisionRecord: { playbook: 'ap', version: '3', outcome: 'pay' } })).toBe('permit')
    expect(ask({ decisionRecord: { playbook: 'ap', version: '3', outcome: 'ask' } })).toBe('deny')
  })

  test('whether the decision record was checked: one from before there were playbooks was not', () => {
    const decider = build(forbid('!(context has decisionRecord && context.decisionRecord.checked)'))
    const said = { playbook: 'ap', version: '3', outcome: 'pay' }
    const ask = (decisionRecord: object) => decider.decide(question(releasePayment, pay(), { decisionRecord } as object))
    expect(ask(said).verdict.effect).toBe('deny')
    expect(ask({ ...said, checked: false }).verdict.effect).toBe('deny')
    const checked = ask({ ...said, checked: true, record: { amount: 1 }, schema: 'f'.repeat(64) })
    expect(checked.verdict.effect).toBe('permit')
    expect(checked.evidence.request.context).toMatchObject({ decisionRecord: { checked: true } })
    expect(JSON.stringify(checked.evidence)).not.toContain('ffff')
  })
})

describe('derived facts', () => {
  const mail = (to: string[], cc: string[] = []): JsonObject => ({ to, cc })
  const lines = (...counts: number[]): JsonObject => pay({ lines: counts.map((count) => ({ sku: 's', count })) })
  const of = (input: JsonObject): Operation => (input.to === undefined ? releasePayment : sendMail)
  test.each<[string, string, JsonObject, string]>([
    ['count', 'context.derived.recipients > 2', mail(['a@x', 'b@x'], ['c@x']), 'forbidden'],
    ['count of fewer', 'context.derived.recipients > 2', mail(['a@x', 'b@x']), 'permit'],
    ['distinct', 'context.derived.people == 2', mail(['a@x', 'b@x'], ['a@x']), 'forbidden'],
    ['sum of two places', 'context.derived.total == decimal("0.3")', pay({ amount: 0.1, fee: 0.2 }), 'forbidden'],
    ['sum of nothing', 'context.derived.pieces == decimal("0.0")', pay(), 'forbidden'],
    ['least', 'context.derived has least && context.derived.least == decimal("-2.0")', lines(3, -2, 7), 'forbidden'],
    ['most', 'context.derived has most && context.derived.most == decimal("7.0")', lines(3, -2, 7), 'forbidden'],
    ['most of nothing', 'context.derived has most', pay({ lines: [] }), 'permit'],
    ['length in characters', 'context.derived.words == 2', pay({ note: '🙂é' }), 'forbidden'],
    ['length of nothing', 'context.derived.words == 0', pay(), 'forbidden'],
    ['beyond what is exact', 'context.derived.total.greaterThan(decimal("0.0"))', pay({ fee: 1e21 }), 'policy_error'],
    [
      'beyond a decimal',
      'context.derived.total.greaterThan(decimal("0.0"))',
      pay({ fee: 922_337_203_685_477, amount: 922_337_203_685_477 }),
      'policy_error',
    ],
  ])('%s', (_title, condition, input, expected) => expect(effectOf(condition, of(input), input, NO_FACTS)).toBe(expected))

  const inside = [
    'a@acme.example',
    'a@ACME.Example',
    'a@acme.example.',
    'Ann B <a@acme.example>',
    '<a@acme.example>',
    'a@x.eu.acme.example',
    'a+b@ａｃｍｅ.example',
  ]
  const outside = [
    'a@evil.example',
    'a@sub.acme.example',
    'a@eu.acme.example',
    'a@notacme.example',
    'a@acme.example.evil.example',
    'a@acme.example, b@evil.example',
    'a@acme.example\nBcc: b@evil.example',
    'a@acme.example (b@evil.example)',
    '"a@acme.example" <b@evil.example>',
    'a@acme.example <b@evil.example>',
    'a%evil.example@acme.example',
    '@evil.example:a@acme.example',
    'evil.example!a@acme.example',
    'a@[10.0.0.1]',
    'a@аcme.example',
    'a@acme\u00ad.example',
    'acme.example',
    '@acme.example',
    'a@',
    '',
    ' ',
    'undisclosed',
    '<a@acme.example> x',
  ]
  const decider = build(forbid('context.derived.outside > 0', sendMail))
  const reason = (address: string): string => decider.decide(question(sendMail, mail(['a@acme.example'], [address]))).verdict.effect
  test.each(inside)('`%s` is inside', (address) => expect(reason(address)).toBe('permit'))
  test.each(outside)('`%s` is outside', (address) => expect(reason(address)).toBe('deny'))
})

describe('needs', () => {
  const names = (text: string, operation: Operation) => {
    const { history, counted, lookups, labels, findings } = build(text).needs(operation.id)
    return [history, counted, lookups]
      .map((facts) => facts.map(({ name }) => name))
      .concat([[labels ? 'labels' : '', findings ? 'findings' : '']])
  }
  test('nothing where no policy reads facts', () => expect(build(PERMIT).needs(releasePayment.id)).toBe(NO_NEEDS))

  test('what the policies of the operation read, and what some policy anywhere counts', () => {
    const text = `${forbid('context.history.bankChanged > datetime("2026-01-05") || context.labels.contains("pii")').replace('context.history.bankChanged >', 'context.history has bankChanged && context.history.bankChanged >')}
      @id("g") forbid(principal, action == Mail::Action::"send", resource) when { context.history.mails > 10 && context.findings.isEmpty() };
      @id("s") @shadow forbid(principal, action == Erp::Action::"releasePayment", resource) when { context.lookup.vendor has iban };`
    expect(names(text, releasePayment)).toEqual([['bankChanged'], [], ['vendor'], ['labels', '']])
    expect(names(text, changeVendorBank)).toEqual([[], ['bankChanged'], [], ['', '']])
    expect(names(text, sendMail)).toEqual([['mails'], ['mails'], [], ['', 'findings']])
    const decider = build(text)
    expect(decider.needs(getVendor.id)).toBe(NO_NEEDS)
    expect(decider.needs(sendMail.id)).toBe(decider.needs(sendMail.id))
    expect(decider.readsLabels).toBe(true)
    expect(build(PERMIT).readsLabels).toBe(false)
  })

  test('everything where a policy looks at the whole context', () => {
    const [history, counted, lookups, rest] = names(forbid('context == context'), releasePayment)
    expect(history).toEqual(['bankChanged', 'clean', 'mails', 'paid1h', 'payeePayments'])
    expect(counted).toEqual(['clean', 'paid1h', 'payeePayments'])
    expect([lookups, rest]).toEqual([['vendor'], ['labels', 'findings']])
  })

  test.each([
    ['below zero', -1, /`\/amount` is below zero/],
    ['inexact', 0.00001, /more than four decimal places/],
  ])('an amount that is added up and is %s is denied, whoever reads the sum', (_title, amount, advice) => {
    const text = `${PERMIT} @id("f") forbid(principal, action == Mail::Action::"send", resource) when { context.history.paid1h.greaterThan(decimal("1.0")) };`
    const { verdict } = build(text).decide(question(releasePayment, pay({ amount })))
    expect(verdict).toMatchObject({ effect: 'deny', reason: 'policy_error', advice: expect.stringMatching(advice) })
    expect(build(PERMIT).decide(question(releasePayment, pay({ amount }))).verdict.effect).toBe('permit')
  })
})

describe('whether the permits could allow', () => {
  const permit = (scope: string, condition: string) =>
    `@id("p") permit(${scope}, action == Erp::Action::"releasePayment", resource) when { ${condition} };`
  const payer = 'principal in Gatehouse::Role::"payer"'
  const lookup = 'context.lookup.vendor has iban && context.lookup.vendor.iban == "DE1"'
  test.each<[string, string, object, boolean]>([
    ['a lookup that could be right', permit(payer, lookup), {}, true],
    ['no role, whatever the lookup says', permit(payer, lookup), { agent: { ...clerk, roles: [] } }, false],
    ['history that could be right', permit(payer, 'context.history.clean > 20'), {}, true],
    ['arguments that are not', permit(payer, 'context.input.amount.lessThan(decimal("1.0"))'), {}, false],
    ['arguments that are', permit(payer, 'context.input.amount.lessThan(decimal("10.0"))'), {}, true],
    ['a subject who may not', permit(payer, lookup), { subject: 'paul' }, false],
    ['forbids are not asked', `${PERMIT} @id("f") forbid(principal, action, resource);`, {}, true],
    ['labels that nobody gathered', permit(payer, 'context.labels.isEmpty()'), {}, true],
    ['labels', permit(payer, 'context.labels.isEmpty()'), { facts: known({ labels: ['pii'] }) }, false],
    ['nothing permits', '', {}, false],
  ])('%s', (_title, text, over, expected) => expect(build(text).couldAllow(question(releasePayment, pay(), over))).toBe(expected))
})
