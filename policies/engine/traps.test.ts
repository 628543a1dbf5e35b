import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../gateway/core/json.ts'
import { CedarEngine } from './cedar.ts'
import { createDecider } from './decider.ts'
import { catalogueOf, clerk, operation, question, releasePayment, source } from './test-organisation.ts'

const PERMIT = '@id("p") permit(principal, action, resource);'
const errorOf = (verdict: { effect: string; reason?: unknown; errors?: readonly string[] }): string => {
  expect(verdict).toMatchObject({ effect: 'deny', reason: 'policy_error' })
  return (verdict.errors ?? []).join()
}
const probe = (properties: JsonObject, condition: string, more = '') => {
  const of = operation('erp.probe', { inputSchema: { type: 'object', properties, additionalProperties: false } })
  const text = `${PERMIT} @id("f") forbid(principal, action, resource) when { ${condition} }; ${more}`
  const decider = createDecider(source({ erp: text }, catalogueOf(of)))
  return (input: JsonObject) => decider.decide(question(of, input)).verdict
}

describe('a forbid that cannot be evaluated denies', () => {
  test('overflow', () => {
    const ask = probe({ n: { type: 'integer' } }, 'context.input has n && context.input.n * 1000000 > 5000000000000')
    expect(ask({ n: 1 }).effect).toBe('permit')
    expect(errorOf(ask({ n: Number.MAX_SAFE_INTEGER }))).toMatch(/^f: .*overflow/)
  })

  test.each(['__extn', '__entity', '__expr'])('an argument that carries `%s`', (key) => {
    const ask = probe({ free: { type: 'object' }, n: { type: 'integer' } }, 'context.input has n && context.input.n > 5')
    for (const value of [{ [key]: { fn: 'decimal', arg: '1.0' } }, { a: [{ [key]: 1 }] }, { a: { [key]: null } }])
      expect(errorOf(ask({ free: value }))).toMatch(new RegExp(`/free.*${key}`))
  })

  test('an operation that is not the one the policies were checked against', () => {
    const decider = createDecider(source({ erp: PERMIT }))
    const input = { vendorId: 'v', amount: 1 }
    expect(decider.decide(question(releasePayment, input)).verdict.effect).toBe('permit')
    errorOf(decider.decide(question({ ...releasePayment, version: 'changed' }, input)).verdict)
    errorOf(decider.decide(question(operation('erp.added'), input)).verdict)
  })

  test('a business object of the wrong kind', () => {
    const decider = createDecider(source({ erp: PERMIT }))
    expect(errorOf(decider.decide(question(releasePayment, { amount: 1 })).verdict)).toMatch(/resource type/)
  })
})

describe('what Cedar cannot hold denies where a policy reads it, and nowhere else', () => {
  const schema: JsonObject = {
    read: { type: 'number' },
    whole: { type: 'integer' },
    text: { type: 'string' },
    flag: { type: 'boolean' },
    list: { type: 'array', items: { type: 'number' } },
    unread: { type: 'number' },
    other: { type: 'string' },
  }
  const ask = probe(
    schema,
    `(context.input has read && context.input.read.greaterThan(decimal("10.0"))) || (context.input has whole && context.input.whole > 10)
     || (context.input has text && context.input.text == "no") || (context.input has flag && context.input.flag)
     || (context.input has list && context.input.list.contains(decimal("0.5")))`,
  )
  test.each([
    ['four places', { read: 9.9999 }, 'permit'],
    ['five places', { read: 9.99999 }, 'policy_error'],
    ['just above, never rounded', { read: 10.00001 }, 'policy_error'],
    ['a tiny exponent', { read: 1e-7 }, 'policy_error'],
    ['a large exponent', { read: 1e21 }, 'policy_error'],
    ['beyond a decimal', { read: 922_337_203_685_478 }, 'policy_error'],
    ['the largest whole decimal', { read: -922_337_203_685_477 }, 'permit'],
    ['minus zero', { read: -0, whole: -0 }, 'permit'],
    ['five places unread', { unread: 9.99999 }, 'permit'],
    ['null is absent', { read: null, whole: null, text: null }, 'permit'],
    ['zero, empty and false are there', { read: 0, whole: 0, text: '', flag: false, list: [] }, 'permit'],
    ['above 2^53', { whole: 2 ** 53 }, 'policy_error'],
    ['a fraction for a whole number', { whole: 1.5 }, 'policy_error'],
    ['the wrong type', { text: 5 }, 'policy_error'],
    ['not an array', { list: {} }, 'policy_error'],
    ['inside an array', { list: [1, 0.00001] }, 'policy_error'],
    ['null inside an array', { list: [null] }, 'policy_error'],
    ['found in an array', { list: [1, 0.5, 1] }, 'forbidden'],
    ['half a character', { text: '\ud800' }, 'policy_error'],
    ['half a character unread', { other: '\ud800' }, 'permit'],
    ['the text itself', { text: 'no' }, 'forbidden'],
  ])('%s', (_title, input, expected) => {
    const verdict = ask(input as JsonObject)
    expect(verdict.effect === 'deny' ? verdict.reason : verdict.effect).toBe(expected)
  })

  test('names from outside are as strict', () => {
    const decider = createDecider(source({ erp: PERMIT }))
    errorOf(decider.decide(question(releasePayment, { vendorId: '\udc00', amount: 1 })).verdict)
    errorOf(decider.decide(question(releasePayment, { vendorId: 'v', amount: 1 }, { subject: '\udc00' })).verdict)
  })
})

describe('the engine', () => {
  test('survives its own death: what was preparsed is parsed again', () => {
    const deaths: unknown[] = []
    const engine = new CedarEngine((cause) => deaths.push(cause))
    const parse = () => engine.ensurePolicySet('a', () => ({ p: PERMIT }))
    parse()
    expect(() =>
      engine.with((api) => api.policyToJson(`permit(principal, action, resource) when { ${'('.repeat(5_000)}true${')'.repeat(5_000)} };`)),
    ).toThrow()
    expect(deaths).toHaveLength(1)
    parse()
    const allowed = engine.with((api) =>
      api.statefulIsAuthorized({
        principal: { type: 'A', id: 'a' },
        action: { type: 'Action', id: 'a' },
        resource: { type: 'A', id: 'a' },
        context: {},
        entities: [],
        preparsedPolicySetId: 'a',
      }),
    )
    expect(allowed).toMatchObject({ type: 'success', response: { decision: 'allow' } })
  })

  test('an older decider keeps its own policies', () => {
    const input = { vendorId: 'v', amount: 1 }
    const open = createDecider(source({ erp: PERMIT }))
    for (let i = 0; i < 3; i++)
      createDecider(source({ erp: '@id("p") forbid(principal, action, resource);' })).decide(question(releasePayment, input))
    expect(open.decide(question(releasePayment, { ...input, amount: 2 })).verdict.effect).toBe('permit')
  })
})

describe('what the request carries', () => {
  const input = { vendorId: 'v1', amount: 5, note: 'n', lines: [{ sku: 's' }], 'x-cost centre': 'c' }
  const evidence = (text: string, over = {}) => createDecider(source({ erp: text })).decide(question(releasePayment, input, over)).evidence

  test('only what a policy looks at', () => {
    expect(evidence(PERMIT).request).toEqual({
      principals: [{ type: 'Gatehouse::Agent', id: 'invoice-clerk' }],
      action: { type: 'Erp::Action', id: 'releasePayment' },
      resource: { type: 'Erp::Vendor', id: 'v1' },
      context: {},
      entities: [],
    })
    const text = `@id("p") permit(principal in Gatehouse::Role::"payer", action, resource in Gatehouse::Connector::"erp")
      when { context.input has "x-cost centre" && context.input["x-cost centre"] == "c" };
      @id("f") forbid(principal is Gatehouse::Agent, action, resource) when { principal.owner in Gatehouse::Group::"nobody" };`
    expect(evidence(text, { agent: { ...clerk, roles: ['payer', 'other'] } }).request).toMatchObject({
      context: { input: { 'x-cost centre': 'c' } },
      entities: [
        {
          uid: { type: 'Gatehouse::Agent', id: 'invoice-clerk' },
          attrs: { owner: { __entity: { type: 'Gatehouse::Person', id: 'paul' } } },
          parents: [{ type: 'Gatehouse::Role', id: 'payer' }],
        },
        { uid: { type: 'Erp::Vendor', id: 'v1' }, parents: [{ type: 'Gatehouse::Connector', id: 'erp' }] },
      ],
    })
  })

  test.each([
    ['subject', 'context has subject && context.subject == Gatehouse::Person::"maria"', { subject: 'maria' }],
    ['rationale', 'context has rationale && context.rationale like "*urgent*"', { rationale: 'so urgent!' }],
    ['rationaleChars', 'context.rationaleChars == 4', { rationale: '\t\u200bdue \u00a0 \u0000😀\ufeff' }],
    ['run', 'context has run && context.run == "r1"', { run: 'r1' }],
    ['door', 'context.door == "http"', { door: 'http' }],
    ['now', 'context.now >= datetime("2026-06-01")', { now: Date.UTC(2026, 5, 1) }],
  ])('`context.%s`', (_name, condition, over) => {
    const text = `${PERMIT} @id("f") forbid(principal, action, resource) when { ${condition} };`
    const decider = createDecider(source({ erp: text }))
    expect(decider.decide(question(releasePayment, input)).verdict.effect).toBe('permit')
    expect(decider.decide(question(releasePayment, input, over as object)).verdict).toMatchObject({ effect: 'deny', reason: 'forbidden' })
  })

  test('time in whole seconds, so that equal calls within one are equal questions', () => {
    const decider = createDecider(
      source({ erp: `${PERMIT} @id("f") forbid(principal, action, resource) when { context.now > datetime("2030-01-01") };` }),
    )
    const at = (now: number) => decider.decide(question(releasePayment, input, { now: now as never }))
    expect(at(1_000_999).evidence.request.context).toEqual({ now: '1970-01-01T00:16:40.000Z' })
    expect(at(1_000_000).verdict).toBe(at(1_000_999).verdict)
    expect(at(1_001_000).verdict).not.toBe(at(1_000_999).verdict)
  })

  test('equal requests share one decision, which nobody can change', () => {
    const decider = createDecider(source({ erp: PERMIT }))
    const first = decider.decide(question(releasePayment, input))
    const second = decider.decide(question(releasePayment, { ...input, note: 'other' }))
    expect(second.verdict).toBe(first.verdict)
    expect(Object.isFrozen(first.evidence.request.context)).toBe(true)
    const other = decider.decide(question(releasePayment, { ...input, vendorId: 'v2' }))
    expect(other.verdict).toBe(first.verdict)
    expect(other.evidence.request.resource).toEqual({ type: 'Erp::Vendor', id: 'v2' })
  })

  const other = { ...clerk, name: 'other', region: 'us', roles: ['payer', 'clerk'] }
  test.each([
    ['nothing', '', '', { agent: other }, true],
    ['a role that both have', 'in Gatehouse::Role::"payer"', '', { agent: other }, true],
    ['a role that one has', 'in Gatehouse::Role::"clerk"', '', { agent: other }, false],
    ['an attribute', '', 'when { principal is Gatehouse::Agent && principal.region == "eu" }', { agent: other }, false],
    ['the principal itself', '', 'when { principal == Gatehouse::Agent::"invoice-clerk" }', { agent: other }, false],
    ['an argument', '', 'when { context.input.amount.lessThan(decimal("10.0")) }', { agent: other }, true],
    ['the business object', '', 'when { resource == Erp::Vendor::"v1" }', { agent: other }, true],
  ])('agents that differ in %s share an answer where no policy can tell them apart', (_title, scope, condition, over, shared) => {
    const text = `@id("p") permit(principal ${scope}, action == Erp::Action::"releasePayment", resource in Gatehouse::Connector::"erp") ${condition};`
    const decider = createDecider(source({ erp: text }))
    const [first, second] = [{}, over].map((one) => decider.decide(question(releasePayment, input, one)))
    expect(second?.verdict === first?.verdict).toBe(shared)
    expect(second?.evidence.request.principals).toEqual([{ type: 'Gatehouse::Agent', id: 'other' }])
  })
})
