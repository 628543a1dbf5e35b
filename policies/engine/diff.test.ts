import type { DecisionChange, PolicyDiff } from '../../gateway/ports/policy-drafts.ts'
import { describe, expect, test } from 'vitest'
import type { Agent } from '../../gateway/core/principal.ts'
import { diffPolicies } from './diff.ts'
import { acme, catalogueOf, clerk, faultsOf, operation, source } from './test-organisation.ts'

const agents: Agent[] = [
  clerk,
  { ...clerk, name: 'reader', roles: ['auditor'], autonomy: 0, region: 'us', team: 'audit', clearance: [] },
  { ...clerk, name: 'helper', roles: [], autonomy: 1, owner: 'maria' },
]

const transfer = operation('bank.transfer', {
  inputSchema: {
    type: 'object',
    required: ['from', 'to', 'cents', 'currency', 'kind'],
    properties: {
      from: { type: 'string', pattern: '^[A-Z]{2}[0-9]{4}$', examples: ['DE0001'] },
      to: { type: 'string', minLength: 2 },
      cents: { type: 'integer', minimum: 1, maximum: 10_000_000 },
      currency: { enum: ['EUR', 'CHF', 'USD'] },
      kind: { type: 'string', enum: ['internal', 'external'] },
      fee: { type: 'number', minimum: 0 },
      urgent: { type: 'boolean' },
      tags: { type: 'array', items: { type: 'string' } },
      memo: { type: 'object', properties: { text: { type: 'string' }, level: { type: 'integer' } } },
      limit: { type: 'integer' },
      reference: { type: ['string', 'integer'] },
    },
  },
  businessKey: { type: 'Account', at: '/to' },
})
const readAccount = operation('bank.readAccount', { mode: 'read', reversibility: 'read-only' })
const rebook = operation('bank.rebook', {
  inputSchema: {
    type: 'object',
    required: ['flight', 'passengers'],
    properties: {
      flight: { type: 'string', pattern: '^[A-Z]{2}[0-9]{1,4}$' },
      passengers: {
        type: 'array',
        minItems: 1,
        items: { type: 'object', required: ['name', 'type'], properties: { name: { type: 'string' }, type: { enum: ['adult', 'child'] } } },
      },
      services: { type: 'array', items: { enum: ['WCHR', 'UMNR', 'PETC'] } },
      meta: { type: 'object', additionalProperties: true },
    },
  },
})
const bank = catalogueOf(transfer, readAccount, rebook)

const of = (text: string) => source({ bank: text }, bank)
const diff = (before: string, after: string): PolicyDiff => diffPolicies({ before: of(before), after: of(after), agents })

/** A policy set of one permit for payers and one more rule. */
const PERMIT = '@id("may") permit(principal in Gatehouse::Role::"payer", action == Bank::Action::"transfer", resource);'
const forbid = (condition: string, how = ''): string =>
  `${PERMIT} @id("no") ${how} forbid(principal, action == Bank::Action::"transfer", resource) ${condition};`
const held = (condition: string): string => forbid(condition, '@hold("finance")')
const when = (condition: string): string => `when { ${condition} }`

type Expected = Partial<Record<DecisionChange['change'], Record<string, unknown>>>

/** What each kind of change has in its plainest example. */
const found = ({ changes }: PolicyDiff): Expected => Object.fromEntries(changes.map(({ change, because }) => [change, because]))

describe('an edit is found with the request that shows it', () => {
  test.each<[title: string, before: string, after: string, expected: Expected]>([
    [
      'a threshold moved by a cent',
      forbid(when('context.input has fee && context.input.fee.greaterThan(decimal("10.00"))')),
      forbid(when('context.input has fee && context.input.fee.greaterThan(decimal("10.01"))')),
      { 'newly-allowed': { 'input.fee': 10.01 } },
    ],
    [
      'a threshold moved down by the smallest step',
      forbid(when('context.input has fee && context.input.fee.greaterThan(decimal("10.00"))')),
      forbid(when('context.input has fee && context.input.fee.greaterThan(decimal("9.9999"))')),
      { 'newly-denied': { 'input.fee': 10 } },
    ],
    [
      '`>` to `>=`',
      held(when('context.input.cents > 100000')),
      held(when('context.input.cents >= 100000')),
      { 'newly-held': { 'input.cents': 100_000 } },
    ],
    [
      'a whole number in another unit',
      held(when('context.input.cents > 100000')),
      held(when('context.input.cents > 1000')),
      { 'newly-held': { 'input.cents': 100_000 } },
    ],
    [
      'a threshold on a product',
      forbid(when('context.input.cents * 3 > 3000')),
      forbid(when('context.input.cents * 3 > 3003')),
      { 'newly-allowed': { 'input.cents': 1001 } },
    ],
    [
      '`&&` to `||`',
      forbid(when('context.input.cents > 500 && context.input.currency == "USD"')),
      forbid(when('context.input.cents > 500 || context.input.currency == "USD"')),
      { 'newly-denied': { 'input.cents': 1, 'input.currency': 'USD' } },
    ],
    [
      'an `unless` dropped',
      held(`${when('context.input.cents > 500')} unless { context.input.kind == "internal" }`),
      held(when('context.input.cents > 500')),
      { 'newly-held': { 'input.cents': 501, 'input.kind': 'internal' } },
    ],
    [
      'another approval',
      held(when('context.input.cents > 500')),
      held(when('context.input.cents > 500')).replace('@hold("finance")', '@hold("cfo")'),
      { 'held-otherwise': { 'input.cents': 501 } },
    ],
    [
      'a hold made a denial',
      held(when('context.input.cents > 500')),
      forbid(when('context.input.cents > 500')),
      { 'newly-denied': { 'input.cents': 501 } },
    ],
    [
      'a denial made a hold',
      forbid(when('context.input.cents > 500')),
      held(when('context.input.cents > 500')),
      { 'newly-held': { 'input.cents': 501 } },
    ],
    [
      'a hold made a shadow',
      held(when('context.input.cents > 500')),
      forbid(when('context.input.cents > 500'), '@shadow'),
      { 'newly-allowed': { 'input.cents': 501 } },
    ],
    ['a forbid removed', forbid(when('context.input.currency == "USD"')), PERMIT, { 'newly-allowed': { 'input.currency': 'USD' } }],
    [
      'a forbid added',
      PERMIT,
      forbid(when('context.input has urgent && context.input.urgent')),
      { 'newly-denied': { 'input.urgent': true } },
    ],
    [
      'a list extended',
      forbid(when('!["EUR"].contains(context.input.currency)')),
      forbid(when('!["EUR", "CHF"].contains(context.input.currency)')),
      { 'newly-allowed': { 'input.currency': 'CHF' } },
    ],
    [
      'a typing mistake in a text',
      forbid(when('context.input has memo && context.input.memo has text && context.input.memo.text == "blocked"')),
      forbid(when('context.input has memo && context.input.memo has text && context.input.memo.text == "bloked"')),
      {
        'newly-allowed': { 'input.memo.text': 'blocked' },
        'newly-denied': { 'input.memo.text': 'bloked' },
      },
    ],
    [
      'a guard that asks for less',
      forbid(when('context.input has memo && context.input.memo has level && context.input.memo.level > 3')),
      forbid(when('context.input has memo && context.input.memo has level')),
      { 'newly-denied': { 'input.memo.level': 1 } },
    ],
    [
      'a time window shifted',
      forbid(when('context.now.toTime() < duration("6h")')),
      forbid(when('context.now.toTime() < duration("7h")')),
      { 'newly-denied': { now: '2026-01-05T06:00:00.000Z' } },
    ],
    [
      'a deadline moved by a second',
      forbid(when('context.now > datetime("2026-03-31T23:59:59Z")')),
      forbid(when('context.now >= datetime("2026-03-31T23:59:59Z")')),
      { 'newly-denied': { now: '2026-03-31T23:59:59.000Z' } },
    ],
    [
      'a longer time after a date',
      forbid(when('context.now.durationSince(datetime("2026-02-01")) > duration("24h")')),
      forbid(when('context.now.durationSince(datetime("2026-02-01")).toHours() > 48')),
      { 'newly-allowed': { now: '2026-02-02T00:00:01.000Z' } },
    ],
    [
      'a pattern widened',
      forbid(when('context.input.to like "XX*"')),
      forbid(when('context.input.to like "X*"')),
      { 'newly-denied': { 'input.to': 'Xx' } },
    ],
    [
      'two patterns at once',
      forbid(when('context.input.to like "notes/*"')),
      forbid(when('context.input.to like "notes/*" && context.input.to like "*..*"')),
      { 'newly-allowed': { 'input.to': 'notes/' } },
    ],
    [
      'another door',
      forbid(when('context.door == "http"')),
      forbid(when('context.door != "mcp"')),
      { 'newly-denied': { door: 'graphql' } },
    ],
    [
      'one more value of a set',
      forbid(when('context.input has tags && context.input.tags.containsAny(["a"])')),
      forbid(when('context.input has tags && context.input.tags.containsAny(["a", "b"])')),
      { 'newly-denied': { 'input.tags': ['b'] } },
    ],
    [
      'any to all',
      forbid(when('context.input has tags && context.input.tags.containsAny(["a", "b"])')),
      forbid(when('context.input has tags && context.input.tags.containsAll(["a", "b"])')),
      { 'newly-allowed': { 'input.tags': ['a'] } },
    ],
    [
      'two arguments that are compared',
      forbid(when('context.input has limit && context.input.cents > context.input.limit')),
      forbid(when('context.input has limit && context.input.cents >= context.input.limit')),
      { 'newly-denied': { 'input.cents': 1, 'input.limit': 1 } },
    ],
    [
      'a property of several types',
      forbid(when('context.input has reference && context.input.reference has asLong && context.input.reference.asLong > 7')),
      forbid(when('context.input has reference && context.input.reference has asLong && context.input.reference.asLong > 8')),
      { 'newly-allowed': { 'input.reference': 8 } },
    ],
    [
      'an object of the system',
      forbid('').replace('resource) ;', 'resource == Bank::Account::"A-1");'),
      forbid('').replace('resource) ;', 'resource == Bank::Account::"A-2");'),
      { 'newly-allowed': { 'input.to': 'A-1' }, 'newly-denied': { 'input.to': 'A-2' } },
    ],
    [
      'a reason that must be longer',
      forbid(when('context.rationaleChars < 20')),
      forbid(when('context.rationaleChars < 30')),
      { 'newly-denied': { rationale: 'x'.repeat(20) } },
    ],
    [
      'a reason that must be longer, and must not say something',
      forbid(when('context has rationale && context.rationale like "*asap*" || context.rationaleChars < 20')),
      forbid(when('context has rationale && context.rationale like "*asap*" || context.rationaleChars < 30')),
      { 'newly-denied': { rationale: 'x'.repeat(20) } },
    ],
    ['a reason that must be given', PERMIT, forbid('unless { context has rationale }'), { 'newly-denied': { rationale: null } }],
    [
      'one branch of a choice',
      forbid(when('if context.input.kind == "internal" then context.input.cents > 900 else context.input.cents > 100')),
      forbid(when('if context.input.kind == "internal" then context.input.cents > 800 else context.input.cents > 100')),
      { 'newly-denied': { 'input.cents': 900, 'input.kind': 'internal' } },
    ],
  ])('%s', (_title, before, after, expected) => {
    const answer = diff(before, after)
    expect(found(answer)).toMatchObject(expected)
    expect(Object.keys(found(answer)).sort()).toEqual(Object.keys(expected).sort())
    expect(answer.complete).toBe(true)
  })
})

describe('values of a form that the schema asks for', () => {
  const rule = (condition: string): string =>
    `@id("may") permit(principal in Gatehouse::Role::"payer", action == Bank::Action::"rebook", resource) unless { ${condition} };`
  test.each<[string, string, string, Expected]>([
    [
      'a pattern within a form',
      'context.input.flight like "LH*"',
      'context.input.flight like "LH4*"',
      { 'newly-allowed': { 'input.flight': 'LH0' } },
    ],
    [
      'two patterns within a form',
      '!(context.input.flight like "*9") && context.input.flight like "LH*"',
      'context.input.flight like "LH*"',
      { 'newly-denied': { 'input.flight': 'LH9' } },
    ],
    [
      'a record in an array',
      'context.input.passengers.contains({"name": "Bob", "type": "adult"})',
      'context.input.passengers.contains({"name": "Ann", "type": "adult"})',
      {
        'newly-allowed': { 'input.passengers': [{ name: 'Bob', type: 'adult' }] },
        'newly-denied': { 'input.passengers': [{ name: 'Ann', type: 'adult' }] },
      },
    ],
    [
      'one more than a written set',
      'context.input has services && context.input.services == ["WCHR", "PETC"]',
      'context.input has services && context.input.services.containsAll(["WCHR", "PETC"])',
      { 'newly-denied': { 'input.services': ['WCHR', 'PETC', 'UMNR'] } },
    ],
    [
      'a free-form object as text',
      'context.input has meta && context.input.meta like "*secret*"',
      'context.input has meta && context.input.meta like "*token*"',
      { 'newly-allowed': { 'input.meta': { x: 'secret' } }, 'newly-denied': { 'input.meta': { x: 'token' } } },
    ],
    [
      'a day after a day',
      'context.now.toDate() == datetime("2026-12-24")',
      'context.now.toDate() >= datetime("2026-12-24")',
      { 'newly-denied': { now: '2026-12-25T00:00:00.000Z' } },
    ],
    [
      'an offset before a time of day',
      'context.now.offset(duration("1h")).toTime() > duration("20h")',
      'context.now.offset(duration("2h")).toTime() > duration("20h")',
      { 'newly-allowed': { now: '2026-01-05T22:00:00.000Z' }, 'newly-denied': { now: '2026-01-05T19:00:00.000Z' } },
    ],
  ])('%s', (_title, before, after, expected) => {
    const answer = diff(rule(before), rule(after))
    expect(found(answer)).toMatchObject(expected)
    expect(Object.keys(found(answer)).sort()).toEqual(Object.keys(expected).sort())
  })

  test('a condition that no tried value makes true is told', () => {
    const odd = (limit: number): string => forbid(when(`context.input.cents * 7 - context.input.cents * 6 > ${limit}`))
    expect(diff(odd(20_000_000), odd(30_000_000))).toMatchObject({
      changes: [],
      oneSided: [
        { policy: 'no', condition: '((context.input.cents * 7) - (context.input.cents * 6)) > 20000000', never: 'true' },
        { policy: 'no', condition: '((context.input.cents * 7) - (context.input.cents * 6)) > 30000000', never: 'true' },
      ],
    })
    expect(diff(odd(2_000), odd(3_000)).oneSided).toEqual([])
  })

  test('a list that is longer than the bounds is not claimed to be looked through', () => {
    const list = (count: number): string => `[${Array.from({ length: count }, (_, i) => `"p-${i}"`).join(', ')}]`
    const rule = (count: number): string => forbid(when(`${list(count)}.contains(context.input.to)`))
    expect(diff(rule(300), rule(299))).toMatchObject({ complete: true, changes: [{ because: { 'input.to': 'p-299' } }] })
    expect(diff(rule(1_500), rule(1_499)).complete).toBe(false)
  })
})

describe('who asks', () => {
  const who = ({ changes }: PolicyDiff): string[] =>
    changes.map(({ change, example: { agent, subject, registered } }) =>
      [change, agent.name, ...(subject ? [`for ${subject.name}`] : []), ...(registered ? [] : ['(made up)'])].join(' '),
    )
  const permit = (scope: string, condition = ''): string =>
    `@id("may") permit(${scope}, action == Bank::Action::"transfer", resource) ${condition};`

  test.each<[string, string, string, string[]]>([
    [
      'a role added',
      permit('principal in Gatehouse::Role::"payer"'),
      permit('principal', 'when { principal in Gatehouse::Role::"payer" || principal in Gatehouse::Role::"auditor" }'),
      ['newly-allowed reader'],
    ],
    [
      'a role that nobody has',
      permit('principal in Gatehouse::Role::"payer"'),
      permit('principal', 'when { principal in Gatehouse::Role::"payer" || principal in Gatehouse::Role::"treasurer" }'),
      ['newly-allowed another-agent (made up)'],
    ],
    [
      'less autonomy asked for',
      permit('principal is Gatehouse::Agent', 'when { principal.autonomy > 1 }'),
      permit('principal is Gatehouse::Agent', 'when { principal.autonomy > 0 }'),
      ['newly-allowed helper'],
    ],
    [
      'more autonomy than anybody has',
      permit('principal is Gatehouse::Agent', 'when { principal.autonomy > 5 }'),
      permit('principal is Gatehouse::Agent', 'when { principal.autonomy > 4 }'),
      ['newly-allowed another-agent (made up)'],
    ],
    [
      'another region',
      permit('principal is Gatehouse::Agent', 'when { principal.region == "eu" }'),
      permit('principal is Gatehouse::Agent', 'when { ["eu", "us"].contains(principal.region) }'),
      ['newly-allowed reader'],
    ],
    [
      'one agent by name',
      permit('principal == Gatehouse::Agent::"reader"'),
      permit('principal == Gatehouse::Agent::"helper"'),
      ['newly-allowed helper', 'newly-denied reader'],
    ],
    [
      'a clearance',
      permit('principal is Gatehouse::Agent', 'when { principal.clearance.contains("internal") }'),
      permit('principal is Gatehouse::Agent', 'when { principal.clearance.contains("secret") }'),
      ['newly-allowed another-agent (made up)', 'newly-denied invoice-clerk'],
    ],
    [
      'the condition on the subject removed',
      `${permit('principal')} @id("no") forbid(principal is Gatehouse::Person, action == Bank::Action::"transfer", resource) unless { principal in Gatehouse::Group::"finance-managers" };`,
      permit('principal'),
      ['newly-allowed invoice-clerk for paul'],
    ],
    [
      'the owner as the subject',
      `${permit('principal')} @id("no") forbid(principal is Gatehouse::Agent, action == Bank::Action::"transfer", resource) when { context has subject && context.subject == principal.owner };`,
      permit('principal'),
      ['newly-allowed invoice-clerk for paul'],
    ],
    [
      'only with a subject',
      permit('principal'),
      `${permit('principal')} @id("no") forbid(principal is Gatehouse::Agent, action == Bank::Action::"transfer", resource) unless { context has subject };`,
      ['newly-denied invoice-clerk'],
    ],
  ])('%s', (_title, before, after, expected) => {
    expect(who(diff(before, after))).toEqual(expected)
  })
})

describe('what is no difference', () => {
  test.each([
    ['the same text', held(when('context.input.cents > 5')), held(when('context.input.cents > 5'))],
    ['other words for the same', held(when('context.input.cents > 5')), held(when('!(context.input.cents <= 5)'))],
    [
      'a comment and a reason',
      forbid(when('context.input.cents > 5')),
      `// why\n${forbid(when('context.input.cents > 5'), '@reason("x")')}`,
    ],
    [
      'a rule inside another',
      forbid(when('context.input.cents > 5')),
      `${forbid(when('context.input.cents > 5'))} @id("n2") forbid(principal, action == Bank::Action::"transfer", resource) when { context.input.cents > 9 };`,
    ],
    ['an argument that its schema does not take', forbid(when('context.input.currency == "GBP"')), PERMIT],
    ['a shadow', PERMIT, forbid(when('context.input.cents > 5'), '@shadow')],
  ])('%s', (_title, before, after) => {
    expect(diff(before, after)).toMatchObject({ changes: [], complete: true, unasked: [] })
  })

  test('operations with the same policies are not asked about', () => {
    const answer = diff(held(when('context.input.cents > 5')), held(when('context.input.cents > 5')))
    expect(answer).toMatchObject({ asked: 0, combinations: 0, unchanged: 3, policies: { added: [], removed: [], changed: [] } })
  })
})

test('the same change of several operations is told once', () => {
  const all = (text: string) => diffPolicies({ before: source({ org: '' }), after: source({ org: text }), agents })
  const { changes, policies } = all('@id("all") permit(principal in Gatehouse::Role::"payer", action, resource);')
  expect(changes.map(({ change, operations }) => [change, [...operations].sort()])).toEqual([
    ['newly-allowed', [...acme.operations.keys()].sort()],
  ])
  expect(policies).toEqual({ added: ['all'], removed: [], changed: [] })
})

test('an example is a whole request that the schema takes', () => {
  const [change] = diff(held(when('context.input.cents > 500')), PERMIT).changes
  expect(change?.example).toMatchObject({
    agent: { name: 'invoice-clerk', roles: ['payer'] },
    subject: null,
    registered: true,
    operation: 'bank.transfer',
    input: { from: 'DE0001', cents: 501, currency: 'EUR', kind: 'internal' },
  })
})

test('faulty policies are refused with whose they are', () => {
  expect(() => diff(PERMIT, 'permit(')).toThrow(/^the new policies: faulty policies: policies\/bank.cedar:1:/)
  expect(faultsOf(() => diff('permit(', PERMIT))).toHaveLength(1)
})
