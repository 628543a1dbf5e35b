import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../gateway/core/json.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { conditionsOf } from './conditions.ts'
import { createDecider } from './decider.ts'
import { clerk, closeTicket, question, releasePayment, source } from './test-organisation.ts'

const INPUT = { vendorId: 'V-1', amount: 1500 }
const permit = (id: string, scope: string, conditions = '') => `@id("${id}") permit(${scope}) ${conditions};`
const PAY = 'action == Erp::Action::"releasePayment"'

/** The near misses of a payment, as `policy [who]: sentence; sentence`. */
const misses = (policies: string, ask: Parameters<typeof question>[2] = {}, input: JsonObject = INPUT): string[] =>
  createDecider(source({ erp: policies }))
    .explain(question(releasePayment, input, ask))
    .nearMisses.map(({ policy, principal, failed }) => `${policy.id} [${principal}]: ${failed.map(({ sentence }) => sentence).join('; ')}`)

describe('a permit that almost applied says what was missing', () => {
  const WHO = '[Gatehouse::Agent::"invoice-clerk"]'
  test.each<[string, string, string[]]>([
    ['no permit at all', '', []],
    ['a permit for another operation is not near', permit('a', 'principal, action == Erp::Action::"getInvoice", resource'), []],
    [
      'a role',
      permit('a', `principal in Gatehouse::Role::"boss", ${PAY}, resource`),
      [`a ${WHO}: the principal is not in \`Gatehouse::Role::"boss"\``],
    ],
    [
      'a name',
      permit('a', `principal == Gatehouse::Agent::"x", ${PAY}, resource`),
      [`a ${WHO}: the principal is not \`Gatehouse::Agent::"x"\``],
    ],
    ['a type', permit('a', `principal is Gatehouse::Person, ${PAY}, resource`), [`a ${WHO}: the principal is not a \`Gatehouse::Person\``]],
    [
      'a type in a group',
      permit('a', `principal is Gatehouse::Person in Gatehouse::Group::"g", ${PAY}, resource`),
      [`a ${WHO}: the principal is not a \`Gatehouse::Person\` in \`Gatehouse::Group::"g"\``],
    ],
    [
      'a business object',
      permit('a', `principal, ${PAY}, resource == Erp::Vendor::"V-2"`),
      [`a ${WHO}: the resource is not \`Erp::Vendor::"V-2"\``],
    ],
    [
      'a condition',
      permit('a', `principal, ${PAY}, resource`, 'when { context.input.amount.lessThan(decimal("1000.0")) }'),
      [`a ${WHO}: \`context.input.amount.lessThan(decimal("1000.0"))\` is not true`],
    ],
    [
      'one of several conditions',
      permit(
        'a',
        `principal, ${PAY}, resource`,
        'when { principal is Gatehouse::Agent && // why\n  principal.autonomy > 1 &&\n  context.door == "http" }',
      ),
      [`a ${WHO}: \`context.door == "http"\` is not true`],
    ],
    [
      'conditions in brackets and in several clauses',
      permit('a', `principal, ${PAY}, resource`, 'when { (context.door == "mcp" && (context.door == "x")) } when { context.door == "y" }'),
      [`a ${WHO}: \`context.door == "x"\` is not true; \`context.door == "y"\` is not true`],
    ],
    [
      'a choice stays whole',
      permit('a', `principal, ${PAY}, resource`, 'when { context.door == "x" || context.door == "y" && true }'),
      [`a ${WHO}: \`context.door == "x" || context.door == "y" && true\` is not true`],
    ],
    [
      'a conditional stays whole',
      permit('a', `principal, ${PAY}, resource`, 'when { if context.door == "mcp" then false && true else true }'),
      [`a ${WHO}: \`if context.door == "mcp" then false && true else true\` is not true`],
    ],
    [
      'an exception',
      permit('a', `principal, ${PAY}, resource`, 'unless { context.door == "http" || context.door == "mcp" }'),
      [`a ${WHO}: \`context.door == "mcp"\` is true, which the permit excludes`],
    ],
    [
      'words in a text are no operators',
      permit('a', `principal, ${PAY}, resource`, 'when { context.door == "a && b } when {" && context.door == "mcp" }'),
      [`a ${WHO}: \`context.door == "a && b } when {"\` is not true`],
    ],
    [
      'what only makes sense behind its guard is left out',
      permit('a', `principal, ${PAY}, resource`, 'when { context.input has note && context.input.note == "x" }'),
      [`a ${WHO}: \`context.input has note\` is not true`],
    ],
    [
      'the nearest first',
      permit('a', `principal in Gatehouse::Role::"boss", ${PAY}, resource`, 'when { context.door == "http" }') +
        permit('b', `principal in Gatehouse::Role::"payer", ${PAY}, resource`, 'when { context.door == "http" }') +
        permit('c', `principal in Gatehouse::Role::"boss", action, resource`),
      [
        `b ${WHO}: \`context.door == "http"\` is not true`,
        `c ${WHO}: the principal is not in \`Gatehouse::Role::"boss"\``,
        `a ${WHO}: the principal is not in \`Gatehouse::Role::"boss"\`; \`context.door == "http"\` is not true`,
      ],
    ],
    ['a call that is allowed', permit('a', `principal, ${PAY}, resource`), []],
    ['a call that is forbidden', `${permit('a', `principal, ${PAY}, resource`)} @id("f") forbid(principal, action, resource);`, []],
    [
      'a hold that no permit backs',
      `${permit('a', `principal, ${PAY}, resource`, 'when { context.door == "http" }')} @id("h") @hold("finance") forbid(principal, action, resource);`,
      [`a ${WHO}: \`context.door == "http"\` is not true`],
    ],
  ])('%s', (_title, policies, expected) => {
    expect(misses(policies)).toEqual(expected)
  })

  test('of agent and subject only the one that nothing permits', () => {
    const policies = `${permit('agents', `principal is Gatehouse::Agent, ${PAY}, resource`)} ${permit('people', `principal in Gatehouse::Group::"owners", ${PAY}, resource`)}`
    expect(misses(policies, { subject: 'maria' })).toEqual([
      'agents [Gatehouse::Person::"maria"]: the principal is not a `Gatehouse::Agent`',
      'people [Gatehouse::Person::"maria"]: the principal is not in `Gatehouse::Group::"owners"`',
    ])
    expect(misses(policies, { subject: 'paul' })).toEqual([])
  })

  test('of many permits no more are taken apart than whoever decides can wait for', () => {
    const many = Array.from({ length: LIMITS.nearMissPermitsMax }, (_, i) =>
      permit(`p${i}`, `principal == Gatehouse::Agent::"x${i}", ${PAY}, resource`),
    )
    const policies = [...many, permit('z', `principal is Gatehouse::Agent, ${PAY}, resource`)].join('\n')
    expect(misses(policies)).toEqual([])
    const whose = misses(policies, { subject: 'maria' }).map((miss) => /\[(.*)\]/.exec(miss)?.[1])
    expect(new Set(whose)).toEqual(new Set(['Gatehouse::Person::"maria"']))
  })

  test('are bounded', () => {
    const policies = Array.from({ length: 40 }, (_, i) => permit(`p${i}`, `principal == Gatehouse::Agent::"x${i}", ${PAY}, resource`)).join(
      '\n',
    )
    expect(misses(policies)).toHaveLength(LIMITS.nearMissesMax)
  })
})

describe('values', () => {
  const valuesOf = (condition: string, ask: Parameters<typeof question>[2] = {}, input: JsonObject = INPUT) => {
    const policies = permit('a', `principal, ${PAY}, resource`, `when { ${condition} }`)
    const [miss] = createDecider(source({ erp: policies })).explain(question(releasePayment, input, ask)).nearMisses
    const [failed] = miss?.failed ?? []
    return { looked: failed?.looked, payload: failed?.payload }
  }

  test.each<[string, string, JsonObject, JsonObject]>([
    ['of the agent', 'principal is Gatehouse::Agent && principal.autonomy < 2', { 'principal.autonomy': 2 }, {}],
    ['of its door', 'context.door == "x"', { 'context.door': 'mcp' }, {}],
    ['of arguments', 'context.input.amount.lessThan(decimal("1.5"))', {}, { 'context.input.amount': '1500.0' }],
    ['absent ones', 'context.input has note', {}, { 'context.input.note': null }],
    ['of both kinds', 'context.door == context.input.vendorId', { 'context.door': 'mcp' }, { 'context.input.vendorId': 'V-1' }],
    ['of a role', 'principal in Gatehouse::Role::"boss"', { principal: 'Gatehouse::Agent::"invoice-clerk"' }, {}],
    ['of the resource, which the arguments name', 'resource == Erp::Vendor::"V-2"', {}, { resource: 'Erp::Vendor::"V-1"' }],
    ['of the owner', 'principal is Gatehouse::Agent && principal.owner has region', { 'principal.owner.region': null }, {}],
    ['that are named like nothing', 'context.input has "x-cost centre"', {}, { 'context.input.x-cost centre': null }],
  ])('%s', (_title, condition, looked, payload) => {
    expect(valuesOf(condition)).toEqual({ looked, payload })
  })

  test('of the subject, and of what it is in', () => {
    const policies = permit(
      'a',
      `principal, ${PAY}, resource`,
      'when { context has subject && context.subject in Gatehouse::Group::"owners" }',
    )
    const [miss] = createDecider(source({ erp: policies })).explain(question(releasePayment, INPUT, { subject: 'maria' })).nearMisses
    expect(miss?.failed[0]?.looked).toEqual({ 'context.subject': 'Gatehouse::Person::"maria"' })
  })
})

test('a recorded request is explained as the question was', () => {
  const decider = createDecider(
    source({ erp: permit('a', `principal, ${PAY}, resource`, 'when { context.input.amount.lessThan(decimal("10.0")) }') }),
  )
  const { decision, nearMisses } = decider.explain(question(releasePayment, INPUT))
  expect(decider.nearMisses(releasePayment.id, structuredClone(decision.evidence.request))).toEqual(nearMisses)
  expect(nearMisses).toHaveLength(1)
})

test.each<[string, JsonObject]>([
  ['nothing', {}],
  ['a question that was not asked', { agent: 'a', operation: 'erp.releasePayment', notAsked: 'why' }],
  [
    'a request of other policies',
    { principals: [{ type: 'X', id: 'y' }], action: { type: 'X', id: 'y' }, resource: { type: 'X', id: 'y' }, context: {}, entities: [] },
  ],
])('%s has no near misses', (_title, request) => {
  const decider = createDecider(source({ erp: permit('a', 'principal, action, resource', 'when { context.door == "x" }') }))
  expect(decider.nearMisses(releasePayment.id, request)).toEqual([])
})

function unlessRefused<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}

test('all parts of a permit hold exactly when the permit does', () => {
  const atom = fc.constantFrom(
    'context.door == "mcp"',
    'context.door == "http"',
    'principal.autonomy > 1',
    '!(context.door like "m*")',
    'context.door != "z"',
    '["mcp"].contains(context.door)',
  )
  const { condition } = fc.letrec<{ condition: string }>((tie) => ({
    condition: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      atom,
      fc.tuple(tie('condition'), tie('condition'), fc.constantFrom('&&', '||')).map(([a, b, op]) => `${a} ${op} ${b}`),
      tie('condition').map((inner) => `(${inner})`),
      fc.tuple(atom, atom, atom).map(([a, b, c]) => `(if ${a} then ${b} else ${c})`),
    ),
  }))
  const clauses = fc.array(fc.tuple(fc.constantFrom('when', 'unless'), condition), { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(clauses, (all) => {
      const policy = permit(
        'a',
        `principal is Gatehouse::Agent, ${PAY}, resource`,
        all.map(([kind, text]) => `${kind} { ${text} }`).join(' '),
      )
      const asked = question(releasePayment, INPUT)
      const decider = unlessRefused(() => createDecider(source({ erp: policy })))
      // What can never match is refused.
      fc.pre(decider !== undefined)
      const apart = conditionsOf(policy).map(({ kind, text }) => `${kind} { ${text} }`)
      const split = createDecider(source({ erp: permit('a', `principal is Gatehouse::Agent, ${PAY}, resource`, apart.join(' ')) }))
      const whole = decider?.explain(asked)
      expect(split.decide(asked).verdict.effect).toBe(whole?.decision.verdict.effect)
      expect(whole?.nearMisses.length).toBe(whole?.decision.verdict.effect === 'permit' ? 0 : 1)
    }),
    { numRuns: 25 },
  )
})

test('an operation whose question cannot be put has none', () => {
  const asked = question(closeTicket, { id: '\uD800' }, { agent: clerk })
  expect(
    createDecider(source({ crm: permit('a', 'principal, action, resource', 'when { context.input.id == "x" }') })).explain(asked)
      .nearMisses,
  ).toEqual([])
})
