import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../gateway/core/json.ts'
import { runPolicyTests } from './policy-tests.ts'
import { cedarSchemaText } from './schema-text.ts'
import { acme, faultsOf, source } from './test-organisation.ts'

const policies = source({
  erp: `@id("pay") permit(principal in Gatehouse::Role::"payer", action == Erp::Action::"releasePayment", resource in Gatehouse::Connector::"erp");
    @id("held") @hold("finance") forbid(principal, action == Erp::Action::"releasePayment", resource) when { context.input.amount.greaterThan(decimal("10.0")) };
    @id("hard") forbid(principal, action == Erp::Action::"releasePayment", resource) when { context.input.amount.greaterThan(decimal("20.0")) };
    @id("team") forbid(principal is Gatehouse::Agent, action, resource) when { principal.team == "blocked" };`,
})

const entities = (role: string): JsonObject[] => [
  { uid: { type: 'Gatehouse::Agent', id: 'a' }, attrs: { team: 't' }, parents: [{ type: 'Gatehouse::Role', id: role }] },
  { uid: { type: 'Erp::Vendor', id: 'v' }, attrs: {}, parents: [{ type: 'Gatehouse::Connector', id: 'erp' }] },
]
const ask = (amount: string, over: JsonObject = {}): JsonObject => ({
  name: 'one',
  request: {
    principal: 'Gatehouse::Agent::"a"',
    action: 'Erp::Action::"releasePayment"',
    resource: 'Erp::Vendor::"v"',
    context: { input: { amount: { __extn: { fn: 'decimal', arg: amount } } } },
  },
  entities: entities('payer'),
  decision: 'allow',
  reason: [],
  num_errors: 0,
  ...over,
})
const run = (...tests: unknown[]) => runPolicyTests(policies, [{ path: 'tests/erp.json', text: JSON.stringify(tests) }])
const request = (over: JsonObject): JsonObject => ({ request: { ...(ask('1.0').request as JsonObject), ...over } })

describe('policy tests', () => {
  test.each([
    ['permit', ask('1.0', { reason: ['pay'] })],
    ['hold', ask('11.0', { decision: 'deny', reason: ['held'] })],
    ['denial', ask('21.0', { decision: 'deny', reason: ['hard'] })],
    ['denial beside a hold', ask('21.0', { decision: 'deny', reason: ['hard', 'held'] })],
    ['no permit', ask('1.0', { decision: 'deny', entities: entities('other') })],
    [
      'an expected error',
      ask('1.0', {
        decision: 'deny',
        num_errors: 1,
        entities: [{ ...entities('payer')[0], attrs: {} } as JsonObject, ...entities('payer').slice(1)],
      }),
    ],
  ])('passes: %s', (_title, one) => {
    expect(run(one)).toMatchObject({ passed: 1, failed: [] })
  })

  test.each([
    ['permit for a denial', ask('1.0', { decision: 'deny' }), /expected deny, got permit by `pay`/],
    ['hold for a permit', ask('11.0'), /expected permit, got hold by `held`, list the `@hold` policies/],
    ['hold for a denial', ask('11.0', { decision: 'deny' }), /expected deny, got hold/],
    ['denial for a hold', ask('21.0', { decision: 'deny', reason: ['held'] }), /expected hold, got deny/],
    [
      'a hold that no permit backs',
      ask('11.0', { decision: 'deny', reason: ['held'], entities: entities('other') }),
      /expected hold, got deny/,
    ],
    ['another reason', ask('21.0', { decision: 'deny', reason: ['hard', 'pay'] }), /`pay` did not decide; these did: `hard`, `held`/],
    ['unknown reason', ask('1.0', { reason: ['paj'] }), /unknown policy `paj`: did you mean `pay`/],
    ['an unexpected error', ask('1.0', { entities: [] }), /expected 0 evaluation errors, got 1: team/],
    ['unknown action', ask('1.0', request({ action: 'Erp::Action::"releasePaymet"' })), /no operation .*did you mean/],
    ['unknown attribute', ask('1.0', request({ context: { inptu: {} } })), /inptu/],
    ['wrong type', ask('1.0', request({ context: { input: { amount: 'x' } } })), /decimal/],
    ['malformed principal', ask('1.0', request({ principal: 'a' })), /`principal` is not of the form/],
    ['wrong resource', ask('1.0', request({ resource: 'Gatehouse::Connector::"erp"' })), /resource type/],
    ['no request', { name: 'one', entities: [], decision: 'allow' }, /`request` is missing/],
    ['no decision', ask('1.0', { decision: 'hold' }), /neither `allow` nor `deny`/],
    ['unknown key', ask('1.0', { resaon: [] }), /unknown key `resaon`/],
    ['entities elsewhere', ask('1.0', { entities: 'entities.json' }), /not a list of entities/],
    ['not an object', 5, /a test is an object/],
  ])('fails: %s', (_title, one, message) => {
    const { passed, failed } = run(one)
    expect(passed).toBe(0)
    expect(failed[0]?.file).toBe('tests/erp.json')
    expect(failed[0]?.message).toMatch(message)
  })

  test('a file that is no list, and policies that are faulty', () => {
    expect(runPolicyTests(policies, [{ path: 'x.json', text: '{' }]).failed).toEqual([
      { file: 'x.json', name: '(file)', message: 'the file is not a JSON array of tests' },
    ])
    expect(faultsOf(() => runPolicyTests(source({ org: 'permit' }), []))).toHaveLength(1)
  })
})

describe('coverage', () => {
  const covered = (...tests: unknown[]) =>
    Object.fromEntries(run(...tests).coverage.map(({ policy, decided, near }) => [policy, [decided, near]]))

  test.each<[string, unknown[], Record<string, [number, number]>]>([
    ['nothing without tests', [], { pay: [0, 0], held: [0, 0], hard: [0, 0], team: [0, 0] }],
    ['a permit decides, forbids come near', [ask('1.0')], { pay: [1, 0], held: [0, 1], hard: [0, 1], team: [0, 1] }],
    ['a hold decides with the permit behind it', [ask('11.0')], { pay: [1, 0], held: [1, 0], hard: [0, 1], team: [0, 1] }],
    ['a forbid overrules the permit', [ask('21.0')], { pay: [0, 1], held: [1, 0], hard: [1, 0], team: [0, 1] }],
    [
      'a scope that does not match is not near',
      [ask('1.0', { entities: entities('other') })],
      { pay: [0, 0], held: [0, 1], hard: [0, 1], team: [0, 1] },
    ],
    ['a malformed test covers nothing', [{ name: 'x' }], { pay: [0, 0], held: [0, 0], hard: [0, 0], team: [0, 0] }],
  ])('%s', (_title, tests, expected) => {
    expect(covered(...tests)).toEqual(expected)
  })

  test('says where each policy stands, and leaves shadows out', () => {
    const { coverage } = runPolicyTests(
      source({ erp: '\n@id("p") permit(principal, action, resource);\n@id("s") @shadow forbid(principal, action, resource);' }),
      [],
    )
    expect(coverage).toEqual([{ policy: 'p', file: 'policies/erp.cedar', line: 2, decided: 0, near: 0 }])
  })
})

test('the schema has a text form for editors', () => {
  const text = cedarSchemaText({ files: [], catalogue: acme })
  expect(text).toContain('action "releasePayment" in [Gatehouse::Action::"write", Gatehouse::Action::"irreversible"]')
  expect(text).toContain('"x-cost centre"?: __cedar::String')
})
