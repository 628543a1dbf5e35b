import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Verdict } from '../../gateway/core/decision.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { Decider, Question } from '../../gateway/ports/decider.ts'
import { CedarEngine } from './cedar.ts'
import { fullSchema } from './compile.ts'
import { createDecider } from './decider.ts'
import { NO_DECLARED_FACTS } from './facts-file.ts'
import { acme, clerk, closeTicket, getInvoice, listInvoices, people, question, releasePayment, source } from './test-organisation.ts'

interface Rule {
  id: string
  effect: 'permit' | 'forbid'
  hold: string | undefined
  body: string
}

const AGENT = 'principal is Gatehouse::Agent'
const PRINCIPALS: readonly [scope: string, conditions: readonly string[]][] = [
  ['principal', [`${AGENT} && principal.team == "finance"`, `${AGENT} && principal.owner in Gatehouse::Group::"owners"`, 'true']],
  [AGENT, ['principal.autonomy > 1', 'principal.clearance.contains("secret")', 'principal.owner has region']],
  ['principal in Gatehouse::Role::"payer"', ['true']],
  ['principal in Gatehouse::Role::"auditor"', ['true']],
  ['principal == Gatehouse::Agent::"invoice-clerk"', ['true']],
  ['principal == Gatehouse::Person::"maria"', ['true']],
  ['principal in Gatehouse::Person::"paul"', ['true']],
  ['principal is Gatehouse::Agent in Gatehouse::Role::"payer"', ['principal.region == "eu"']],
  ['principal is Gatehouse::Person in Gatehouse::Group::"finance-managers"', ['principal has region && principal.region == "eu"']],
]
const ACTIONS = [
  'action',
  'action in Gatehouse::Action::"write"',
  'action in Gatehouse::Action::"read"',
  'action == Erp::Action::"releasePayment"',
  'action in [Erp::Action::"getInvoice", Crm::Action::"closeTicket"]',
]
const RESOURCES = [
  'resource',
  'resource in Gatehouse::Connector::"erp"',
  'resource == Gatehouse::Connector::"erp"',
  'resource is Gatehouse::Connector',
  'resource == Erp::Vendor::"v1"',
  'resource in Erp::Vendor::"v2"',
  'resource is Erp::Vendor in Gatehouse::Connector::"erp"',
]
const CONDITIONS = [
  'true',
  'context.input has amount && context.input.amount.greaterThan(decimal("100.0"))',
  'context.input has fee && context.input.fee.lessThan(decimal("1.0"))',
  'context.input has refund && context.input.refund has asLong && context.input.refund.asLong > 10',
  'context.input has id && context.input == context.input',
  'context has subject && context.subject in Gatehouse::Group::"finance-managers"',
  'context has subject && context.subject has region && context.subject.region == "eu"',
  'context has subject && context.subject == Gatehouse::Person::"paul"',
  'resource == Erp::Vendor::"v2"',
  'context.door == "mcp"',
  'context.now > datetime("2026-01-05T10:00:00Z")',
  'action in Gatehouse::Action::"irreversible"',
  'resource is Gatehouse::Connector && resource.region == "eu"',
]

const validator = new CedarEngine()
const schema = fullSchema([...acme.operations.values()], NO_DECLARED_FACTS)
const known = new Map<string, boolean>()

/** Rules that can never match are refused at start, so they say nothing about decisions. */
function canMatch(one: Omit<Rule, 'id'>): boolean {
  const staticPolicies = { p: asText({ ...one, id: 'p' }) }
  const answer = known.get(staticPolicies.p) ?? validator.with((api) => api.validate({ schema, policies: { staticPolicies } }))
  const valid =
    typeof answer === 'boolean'
      ? answer
      : answer.type === 'success' && answer.validationErrors.length + answer.validationWarnings.length === 0
  known.set(staticPolicies.p, valid)
  return valid
}

const rule: fc.Arbitrary<Omit<Rule, 'id'>> = fc
  .record({
    effect: fc.constantFrom('permit', 'permit', 'forbid'),
    held: fc.boolean(),
    principal: fc.integer({ min: 0, max: PRINCIPALS.length - 1 }),
    which: fc.nat(2),
    action: fc.constantFrom(...ACTIONS),
    resource: fc.constantFrom(...RESOURCES),
    condition: fc.constantFrom(...CONDITIONS),
    clause: fc.constantFrom('when', 'when', 'unless'),
  })
  .map(({ effect, held, principal, which, action, resource, condition, clause }) => {
    const [scope, conditions] = PRINCIPALS[principal] ?? ['principal', ['true']]
    const about = conditions[which % conditions.length] ?? 'true'
    const second = condition === 'true' ? '' : `${clause} { ${condition} }`
    return {
      effect,
      hold: effect === 'forbid' && held ? 'finance' : undefined,
      body: `(${scope}, ${action}, ${resource}) when { ${about} } ${second}`,
    } as const
  })
  .filter(canMatch)
const rules: fc.Arbitrary<Rule[]> = fc
  .array(rule, { minLength: 1, maxLength: 6 })
  .map((all) => all.map((one, i) => ({ ...one, id: `p${i}` })))

const asText = ({ id, effect, hold, body }: Rule): string => `@id("${id}") ${hold ? `@hold("${hold}") ` : ''}${effect} ${body};`

const decide = (all: readonly Rule[]): Decider => createDecider(source({ org: all.map(asText).join('\n') }))

const asked: fc.Arbitrary<Question> = fc
  .record({
    of: fc.constantFrom(releasePayment, releasePayment, getInvoice, listInvoices, closeTicket),
    amount: fc.constantFrom(1, 100, 100.0001, 5000),
    vendorId: fc.constantFrom('v1', 'v2'),
    fee: fc.option(fc.constantFrom(0.5, 2), { nil: null }),
    refund: fc.constantFrom('all', 5, 50, null),
    roles: fc.subarray(['payer', 'auditor']),
    team: fc.constantFrom('finance', 'sales'),
    autonomy: fc.nat(3),
    subject: fc.option(fc.constantFrom('maria', 'paul', 'stranger'), { nil: undefined }),
    door: fc.constantFrom('mcp' as const, 'http' as const),
  })
  .map(({ of, amount, vendorId, fee, refund, subject, door, ...agent }) => {
    const inputs: Record<string, JsonObject> = {
      releasePayment: { vendorId, amount, fee, note: 'x' },
      getInvoice: { id: 7 },
      closeTicket: { id: 't', refund },
    }
    return question(of, inputs[of.name] ?? {}, { agent: { ...clerk, ...agent }, door, ...(subject !== undefined && { subject }) })
  })

const RANK = { permit: 0, hold: 1, deny: 2 }
const rank = (verdict: Verdict): number => RANK[verdict.effect]
const RUNS = { numRuns: 25 }

describe('whatever the policies', () => {
  test('one more forbid never widens', () => {
    fc.assert(
      fc.property(rules, rule, fc.array(asked, { minLength: 4, maxLength: 12 }), (all, extra, questions) => {
        const before = decide(all)
        const after = decide([...all, { ...extra, effect: 'forbid', id: 'extra' }])
        for (const q of questions) expect(rank(after.decide(q).verdict)).toBeGreaterThanOrEqual(rank(before.decide(q).verdict))
      }),
      RUNS,
    )
  })

  test('a lost `@hold` never turns a denial into an allow', () => {
    fc.assert(
      fc.property(rules, fc.array(asked, { minLength: 4, maxLength: 12 }), (all, questions) => {
        const before = decide(all)
        const after = decide(all.map((one) => ({ ...one, hold: undefined })))
        for (const q of questions) expect(rank(after.decide(q).verdict)).toBeGreaterThanOrEqual(rank(before.decide(q).verdict))
      }),
      RUNS,
    )
  })

  test('order never matters', () => {
    fc.assert(
      fc.property(rules, fc.array(asked, { minLength: 4, maxLength: 8 }), (all, questions) => {
        const one = decide(all)
        const other = decide([...all].reverse())
        expect(other.policySet).toBe(one.policySet)
        for (const q of questions) expect(other.decide(q)).toEqual(one.decide(q))
      }),
      RUNS,
    )
  })

  test('the permits alone answer as all policies without the matched holds do', () => {
    const seen = { hold: 0, deny: 0 }
    const forbids = fc
      .array(rule, { minLength: 2, maxLength: 5 })
      .map((all) => all.map((one) => ({ ...one, effect: 'forbid' as const, hold: 'finance' })))
    const permits = fc
      .array(rule, { minLength: 1, maxLength: 3 })
      .map((all) => all.map((one) => ({ ...one, effect: 'permit' as const, hold: undefined })))
    fc.assert(
      fc.property(forbids, permits, fc.boolean(), fc.array(asked, { minLength: 12, maxLength: 20 }), (held, some, open, questions) => {
        const wide = open ? [{ effect: 'permit' as const, hold: undefined, body: '(principal, action, resource)' }] : []
        const all = [...held, ...some, ...wide].map((one, i) => ({ ...one, id: `p${i}` }))
        const decider = decide(all)
        const without = new Map<string, Decider>()
        for (const { principal, person: _person, ...rest } of questions) {
          const { subject: _subject, ...alone } = principal
          const q: Question = { ...rest, principal: alone }
          const verdict = decider.decide(q).verdict
          if (verdict.effect === 'permit' || verdict.policies.length === 0) continue
          seen[verdict.effect] += 1
          const key = verdict.policies.join()
          if (!without.has(key)) without.set(key, decide(all.filter(({ id }) => !verdict.policies.includes(id))))
          expect(without.get(key)?.decide(q).verdict.effect).toBe(verdict.effect === 'hold' ? 'permit' : 'deny')
        }
      }),
      RUNS,
    )
    expect(seen.hold).toBeGreaterThan(0)
    expect(seen.deny).toBeGreaterThan(0)
  })

  test('no operation is hidden that the decider would not deny', () => {
    let hidden = 0
    fc.assert(
      fc.property(rules, fc.array(asked, { minLength: 4, maxLength: 12 }), (all, questions) => {
        const decider = decide(all)
        for (const q of questions) {
          if (decider.visible(q.principal, q.person).has(q.operation.id)) continue
          hidden += 1
          expect(decider.decide(q).verdict.effect).toBe('deny')
        }
      }),
      RUNS,
    )
    expect(hidden).toBeGreaterThan(0)
  })

  test('slices and cut-down requests answer as one set with the whole request does', () => {
    const engine = new CedarEngine()
    fc.assert(
      fc.property(rules, fc.array(asked, { minLength: 4, maxLength: 12 }), (all, questions) => {
        const decider = decide(all)
        for (const q of questions) expect(decider.decide(q).verdict.effect).toBe(plainly(engine, all, q))
      }),
      RUNS,
    )
  })
})

/** The same answer the long way round: one set, the full schema, every attribute, every path, no memory. */
function plainly(engine: CedarEngine, all: readonly Rule[], q: Question): Verdict['effect'] {
  const { agent, subject } = q.principal
  const principals = [
    { type: 'Gatehouse::Agent', id: agent.name },
    ...(subject === undefined ? [] : [{ type: 'Gatehouse::Person', id: subject }]),
  ]
  const effects = principals.map((principal) => {
    const allow = (some: readonly Rule[]): { allow: boolean; reason: readonly string[] } => askPlainly(engine, some, q, principal)
    const { allow: permitted, reason } = allow(all)
    if (permitted) return 'permit'
    const matched = all.filter(({ id }) => reason.includes(id))
    const held = matched.length > 0 && matched.every(({ hold }) => hold !== undefined)
    return held && allow(all.filter(({ effect }) => effect === 'permit')).allow ? 'hold' : 'deny'
  })
  return effects.includes('deny') ? 'deny' : effects.includes('hold') ? 'hold' : 'permit'
}

function askPlainly(engine: CedarEngine, some: readonly Rule[], q: Question, principal: { type: string; id: string }) {
  const { agent, subject } = q.principal
  const connector = acme.connectors.find(({ name }) => name === q.operation.connector)
  const person = (name: string) => ({ name, groups: [], ...people.find((one) => one.name === name) })
  const personEntity = ({ name, groups, region }: { name: string; groups: readonly string[]; region?: string }) => ({
    uid: { type: 'Gatehouse::Person', id: name },
    attrs: region === undefined ? {} : { region },
    parents: groups.map((id) => ({ type: 'Gatehouse::Group', id })),
  })
  const { autonomy, clearance, region, team, owner } = agent
  const named = [...new Set([owner, ...(subject === undefined ? [] : [subject])])]
  const connectorUid = { type: 'Gatehouse::Connector', id: q.operation.connector }
  const resource = q.resourceKey === undefined ? connectorUid : { type: 'Erp::Vendor', id: q.resourceKey }
  const { amount, fee, refund, ...rest } = q.input
  const decimals = Object.entries({ amount, fee }).flatMap(([k, v]) => (typeof v === 'number' ? [[k, v.toFixed(4)]] : []))
  const asRefund =
    typeof refund === 'string' ? { refund: { asString: refund } } : typeof refund === 'number' ? { refund: { asLong: refund } } : {}
  const subjectEntity = subject === undefined ? {} : { subject: { __entity: { type: 'Gatehouse::Person', id: subject } } }
  const answer = engine.with((api) =>
    api.isAuthorized({
      principal,
      action: { type: q.operation.connector === 'erp' ? 'Erp::Action' : 'Crm::Action', id: q.operation.name },
      resource,
      context: {
        input: { ...rest, ...Object.fromEntries(decimals), ...asRefund } as never,
        now: new Date(q.now).toISOString(),
        door: q.door,
        labels: [],
        findings: [],
        rationaleChars: 0,
        ...subjectEntity,
      },
      schema: fullSchema([...acme.operations.values()], NO_DECLARED_FACTS),
      validateRequest: true,
      policies: { staticPolicies: Object.fromEntries(some.map((one) => [one.id, asText(one)])) },
      entities: [
        {
          uid: { type: 'Gatehouse::Agent', id: agent.name },
          attrs: { autonomy, clearance: [...clearance], region, team, owner: { __entity: { type: 'Gatehouse::Person', id: owner } } },
          parents: agent.roles.map((id) => ({ type: 'Gatehouse::Role', id })),
        },
        ...named.map((name) => personEntity(person(name))),
        { uid: connectorUid, attrs: { kind: connector?.kind ?? '', region: connector?.region ?? '' }, parents: [] },
        ...(resource === connectorUid ? [] : [{ uid: resource, attrs: {}, parents: [connectorUid] }]),
      ],
    }),
  )
  if (answer.type === 'failure') throw new Error(JSON.stringify(answer.errors))
  return { allow: answer.response.decision === 'allow', reason: answer.response.diagnostics.reason }
}
