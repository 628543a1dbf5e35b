import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Verdict } from '../../gateway/core/decision.ts'
import type { Facts } from '../../gateway/core/facts.ts'
import { NO_FACTS } from '../../gateway/core/facts.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { Decider, Question } from '../../gateway/ports/decider.ts'
import { createDecider } from './decider.ts'
import { clerk, question, releasePayment, sendMail, source, trading } from './test-organisation.ts'

const HISTORY = [
  'paid1h: { sum: /amount, of: [erp.releasePayment], window: 1h }',
  'payeePayments: { count: [erp.releasePayment], same: /vendorId, window: 365d, by: organisation }',
  'bankChanged: { last: [erp.changeVendorBank], same: /vendorId, window: 24h, by: organisation }',
  'newRecipients: { unseen: /to/*, of: [mail.send], window: 365d }',
]
const factsText = (history: readonly string[]): string => `history:\n${history.map((one) => `  ${one}\n`).join('')}
derived:
  total: { sum: [/amount, /fee] }
  outside: { outside_domains: [/to/*, /cc/*], domains: [acme.example] }
lookups:
  vendor: { call: erp.getVendor, with: { id: /vendorId }, fields: [/iban, /createdBy] }
`

const ANYWHERE = ['true', 'context.labels.contains("pii")', 'context.findings.isEmpty()', 'context.door == "mcp"']
const SCOPES: readonly [action: string, conditions: readonly string[]][] = [
  ['action', ANYWHERE],
  [
    'action == Erp::Action::"releasePayment"',
    [
      ...ANYWHERE,
      'context.history.paid1h.greaterThan(decimal("100.0"))',
      'context.history.payeePayments == 0',
      'context.history has bankChanged',
      'context.history has bankChanged && context.history.bankChanged > context.now.offset(duration("-24h"))',
      'context.lookup.vendor has createdBy && context.lookup.vendor.createdBy == "maria"',
      'context.derived.total.greaterThan(decimal("100.0"))',
      'context.input.amount.greaterThan(decimal("100.0")) && context.history.paid1h.greaterThan(decimal("200.0"))',
    ],
  ],
  ['action == Mail::Action::"send"', [...ANYWHERE, 'context.history.newRecipients > 0', 'context.derived.outside > 0']],
]
const PRINCIPALS = ['principal', 'principal in Gatehouse::Role::"payer"', 'principal is Gatehouse::Agent', 'principal is Gatehouse::Person']

interface Rule {
  id: string
  effect: 'permit' | 'forbid'
  held: boolean
  body: string
}

const rule: fc.Arbitrary<Omit<Rule, 'id'>> = fc
  .record({
    effect: fc.constantFrom('permit' as const, 'permit' as const, 'forbid' as const),
    hold: fc.boolean(),
    scope: fc.constantFrom(...SCOPES),
    principal: fc.constantFrom(...PRINCIPALS),
    which: fc.nat(100),
    clause: fc.constantFrom('when', 'when', 'unless'),
  })
  .map(({ effect, hold, scope: [action, conditions], principal, which, clause }) => {
    const condition = conditions[which % conditions.length] ?? 'true'
    const tested = condition === 'true' ? '' : `${clause} { ${condition} }`
    return { effect, held: hold && effect === 'forbid', body: `(${principal}, ${action}, resource) ${tested}` }
  })
const rules: fc.Arbitrary<Rule[]> = fc
  .array(rule, { minLength: 1, maxLength: 6 })
  .map((all) => all.map((one, i) => ({ ...one, id: `p${i}` })))

const asText = ({ id, effect, held, body }: Rule): string => `@id("${id}") ${held ? '@hold("finance") ' : ''}${effect} ${body};`
const decide = (all: readonly Rule[], history: readonly string[] = HISTORY): Decider =>
  createDecider(source({ org: all.map(asText).join('\n') }, trading, factsText(history)))

const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined, freq: 6 })
const present = (record: Record<string, unknown>): JsonObject =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as JsonObject
const facts: fc.Arbitrary<Facts> = fc
  .record({
    paid1h: optional(fc.constantFrom('1.0', '100.0', '100.0001', '250.5')),
    payeePayments: optional(fc.nat(2)),
    bankChanged: optional(fc.constantFrom(null, '2026-01-05T11:00:00Z', '2026-01-01T00:00:00Z')),
    newRecipients: optional(fc.nat(2)),
    createdBy: optional(fc.constantFrom('maria', 'paul')),
    vendor: fc.boolean(),
    labels: optional(fc.subarray(['pii', 'untrusted'])),
    findings: optional(fc.subarray(['credential'])),
  })
  .map(({ createdBy, vendor, labels, findings, ...history }) => ({
    history: present(history),
    lookup: vendor ? { vendor: present({ createdBy }) } : {},
    ...(labels && { labels }),
    ...(findings && { findings }),
  }))
const asked: fc.Arbitrary<Question> = fc
  .record({
    facts,
    mail: fc.boolean(),
    amount: fc.constantFrom(1, 100, 100.0001, 5000, -1, 0.00001),
    to: fc.subarray(['a@acme.example', 'b@evil.example']),
    roles: fc.subarray(['payer']),
    subject: fc.option(fc.constantFrom('maria', 'stranger'), { nil: undefined }),
    door: fc.constantFrom('mcp' as const, 'http' as const),
  })
  .map(({ mail, amount, to, roles, subject, door, facts: known }) =>
    question(mail ? sendMail : releasePayment, mail ? { to } : { vendorId: 'v1', amount }, {
      agent: { ...clerk, roles },
      door,
      facts: known,
      ...(subject !== undefined && { subject }),
    }),
  )
const questions = fc.array(asked, { minLength: 6, maxLength: 16 })

const RANK = { permit: 0, hold: 1, deny: 2 }
const rank = (verdict: Verdict): number => RANK[verdict.effect]
const RUNS = { numRuns: 25 }

/** Every way of forgetting one thing that was known. */
function* forgotten({ history, lookup, labels, findings }: Facts): Generator<Facts> {
  const seen = { ...(labels && { labels }), ...(findings && { findings }) }
  for (const name of Object.keys(history)) yield { lookup, ...seen, history: { ...history, [name]: undefined } as unknown as JsonObject }
  yield { history, lookup: {}, ...seen }
  yield { history, lookup }
  yield NO_FACTS
}

describe('whatever the policies and the facts', () => {
  test('one more forbid never widens, whether it reads facts or not', () => {
    fc.assert(
      fc.property(rules, rule, questions, (all, extra, some) => {
        const [before, after] = [decide(all), decide([...all, { ...extra, effect: 'forbid', id: 'extra' }])]
        for (const q of some) expect(rank(after.decide(q).verdict)).toBeGreaterThanOrEqual(rank(before.decide(q).verdict))
      }),
      RUNS,
    )
  })

  test('a lost `@hold` never turns a denial into an allow', () => {
    fc.assert(
      fc.property(rules, questions, (all, some) => {
        const [before, after] = [decide(all), decide(all.map((one) => ({ ...one, held: false })))]
        for (const q of some) expect(rank(after.decide(q).verdict)).toBeGreaterThanOrEqual(rank(before.decide(q).verdict))
      }),
      RUNS,
    )
  })

  test('order never matters, of policies or of declarations', () => {
    fc.assert(
      fc.property(rules, questions, (all, some) => {
        const [one, other] = [decide(all), decide([...all].reverse(), [...HISTORY].reverse())]
        expect(other.policySet).toBe(one.policySet)
        for (const q of some) expect(other.decide(q)).toEqual(one.decide(q))
      }),
      RUNS,
    )
  })

  test('which of several missing facts is named does not depend on the order of declarations', () => {
    const all = ['paid1h.lessThan(decimal("1.0"))', 'payeePayments == 0'].map(
      (condition, i): Rule => ({
        effect: 'permit',
        held: false,
        id: `p${i}`,
        body: `(principal, action == Erp::Action::"releasePayment", resource) when { context.history.${condition} }`,
      }),
    )
    const q = question(releasePayment, { vendorId: 'v1', amount: 1 }, { agent: clerk, facts: NO_FACTS })
    const [one, other] = [decide(all), decide(all, [...HISTORY].reverse())]
    expect(other.decide(q)).toEqual(one.decide(q))
  })

  test('a missing fact never allows', () => {
    const seen = { same: 0, denied: 0 }
    fc.assert(
      fc.property(rules, questions, (all, some) => {
        const decider = decide(all)
        for (const q of some) {
          const before = decider.decide(q).verdict
          for (const less of forgotten(q.facts)) {
            const after = decider.decide({ ...q, facts: less }).verdict
            if (after.effect === 'deny' && after.reason === 'policy_error') seen.denied += 1
            else {
              seen.same += 1
              expect(after).toEqual(before)
            }
          }
        }
      }),
      RUNS,
    )
    expect(seen.same).toBeGreaterThan(0)
    expect(seen.denied).toBeGreaterThan(0)
  })

  test('what the permits could not allow is denied, whatever history and lookups say', () => {
    const seen = { possible: 0, impossible: 0 }
    fc.assert(
      fc.property(rules, questions, fc.array(facts, { maxLength: 4 }), (all, some, others) => {
        const decider = decide(all)
        for (const q of some) {
          const could = decider.couldAllow({ ...q, facts: { ...q.facts, history: {}, lookup: {} } })
          expect(decider.couldAllow(q)).toBe(could)
          seen[could ? 'possible' : 'impossible'] += 1
          if (could) continue
          for (const { history, lookup } of [q.facts, ...others])
            expect(decider.decide({ ...q, facts: { ...q.facts, history, lookup } }).verdict.effect).toBe('deny')
        }
      }),
      RUNS,
    )
    expect(seen.possible).toBeGreaterThan(0)
    expect(seen.impossible).toBeGreaterThan(0)
  })

  test('no operation is hidden that the decider would not deny', () => {
    let hidden = 0
    fc.assert(
      fc.property(rules, questions, (all, some) => {
        const decider = decide(all)
        for (const q of some) {
          if (decider.visible(q.principal, q.person).has(q.operation.id)) continue
          hidden += 1
          expect(decider.decide(q).verdict.effect).toBe('deny')
        }
      }),
      RUNS,
    )
    expect(hidden).toBeGreaterThan(0)
  })

  test('what is gathered is enough: nothing that is not needed changes an answer', () => {
    fc.assert(
      fc.property(rules, questions, (all, some) => {
        const decider = decide(all)
        for (const q of some) {
          const { history, lookups, labels, findings } = decider.needs(q.operation.id)
          const pick = (known: JsonObject, names: readonly string[]): JsonObject =>
            Object.fromEntries(Object.entries(known).filter(([name]) => names.includes(name)))
          const gathered: Facts = {
            history: pick(
              q.facts.history,
              history.map(({ name }) => name),
            ),
            lookup: pick(
              q.facts.lookup,
              lookups.map(({ name }) => name),
            ),
            ...(labels && q.facts.labels && { labels: q.facts.labels }),
            ...(findings && q.facts.findings && { findings: q.facts.findings }),
          }
          expect(decider.decide({ ...q, facts: gathered })).toEqual(decider.decide(q))
        }
      }),
      RUNS,
    )
  })
})

describe('whatever is said of data classes', () => {
  const classRule = fc
    .record({
      effect: fc.constantFrom('permit', 'permit', 'forbid'),
      principal: fc.constantFrom(...PRINCIPALS),
      pii: fc.boolean(),
      eu: fc.boolean(),
    })
    .map(
      ({ effect, principal, pii, eu }) =>
        `${effect}(${principal}, action == Gatehouse::Action::"readClass", resource${pii ? ' == Gatehouse::DataClass::"pii"' : ''})${eu ? ' when { context.region == "eu" }' : ''};`,
    )
  const classed = { ...releasePayment, dataClasses: { '/a': ['pii'], '/b': ['secret'] } }
  const organisation = { ...trading, operations: new Map(trading.operations).set(classed.id, classed) }
  const build = (all: readonly string[]) =>
    createDecider(source({ org: all.map((text, i) => `@id("c${i}") ${text}`).join('\n') }, organisation))

  test('one more forbid never shows more, and a person never reads more than the agent alone does', () => {
    fc.assert(
      fc.property(fc.array(classRule, { maxLength: 5 }), classRule, fc.subarray(['payer']), (all, extra, roles) => {
        const { principal, person } = question(classed, {}, { agent: { ...clerk, roles }, subject: 'maria' })
        const { subject: _subject, ...alone } = principal
        const [before, after] = [build(all), build([...all, extra.replace(/^permit/, 'forbid')])]
        const read = before.readableClasses(alone, undefined, classed.id)
        expect([...after.readableClasses(alone, undefined, classed.id)].filter((name) => !read.has(name))).toEqual([])
        expect([...before.readableClasses(principal, person, classed.id)].filter((name) => !read.has(name))).toEqual([])
        expect(before.visible(principal, person).size).toBe(0)
      }),
      RUNS,
    )
  })
})
