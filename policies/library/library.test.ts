import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { instant } from '../../gateway/core/clock.ts'
import { type Playbook, Playbooks } from '../../gateway/core/playbook.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { PolicySource } from '../../gateway/ports/policy-source.ts'
import { createDecider } from '../engine/decider.ts'
import { runPolicyTests } from '../engine/policy-tests.ts'
import { closeTicket, faultsOf, question, releasePayment, source, trading } from '../engine/test-organisation.ts'
import { instantiate } from './instantiate.ts'
import { readRule } from './rule-file.ts'
import { libraryRules } from './rules.ts'

const PERMIT = '@id("everything") permit (principal, action, resource);'

const READERS = '@id("everything-read") permit (principal, action == Gatehouse::Action::"readClass", resource);'

/** How each rule's tests use it, with and without what is optional. */
const USES: Readonly<Record<string, JsonObject>> = {
  'amount-cap': { operations: ['erp.releasePayment'], amount: '/amount', cap: 5000, window: '1h', roles: ['payer'], approval: 'finance' },
  'amount-limit': { operations: 'erp.releasePayment', amount: '/amount', limit: '1000.00', approval: 'finance' },
  autonomy: { least: 2 },
  'cooling-off': {
    operations: ['erp.releasePayment'],
    object: '/vendorId',
    changes: { 'erp.changeVendorBank': '/vendorId' },
    window: '24h',
  },
  'data-class-people': { classes: ['pii'], groups: ['finance'] },
  'data-class-readers': { classes: 'pii', roles: ['payer'] },
  'data-class-residency': { classes: ['pii', 'salary'], data: ['eu'], agents: ['eu', 'ch'] },
  findings: { connectors: ['mail'] },
  'first-payee': { operations: ['erp.releasePayment'], payee: '/vendorId', approval: 'finance' },
  'outside-recipients': {
    operations: ['mail.send'],
    recipients: ['/to/*', '/cc/*'],
    domains: ['acme.example'],
    labels: ['confidential'],
    approval: 'finance',
  },
  'rate-cap': { operations: ['erp.releasePayment', 'erp.changeVendorBank'], most: 10, window: '1d', by: 'owner', same: '/vendorId' },
  'require-playbook': {
    operations: ['erp.releasePayment'],
    playbook: 'release',
    versions: ['2', '1'],
    outcomes: 'pay',
    roles: ['payer'],
    approval: 'finance',
  },
  'require-rationale': { least: 12, roles: ['payer'], approval: 'finance' },
  residency: { connectors: ['erp'], regions: ['eu', 'ch'] },
  'separation-of-duties': { operations: ['erp.releasePayment'], object: '/vendorId', changes: { 'erp.changeVendorBank': '/vendorId' } },
  'untrusted-content': { approval: 'finance' },
  'working-hours': { operations: ['write'], zone: 'Europe/Berlin', from: '08:00', to: '18:00' },
}

const used = (rule: string, values: JsonObject, name = rule) => ({
  rule,
  name,
  with: values,
  place: (keys: readonly string[]) => `gatehouse.yaml#/library/${[name, ...keys].join('/')}`,
})

const book = (version: string): Playbook => ({
  name: 'release',
  version,
  title: '',
  procedure: '',
  outcomes: ['pay', 'ask'],
  record: {},
  digest: '',
  schema: '',
})
const around = { catalogue: trading, approvals: new Set(['finance', 'cfo']), playbooks: new Playbooks([book('1'), book('2')]) }
const instances = (...uses: ReturnType<typeof used>[]) => instantiate(uses, libraryRules(), around)

function organisation(...uses: ReturnType<typeof used>[]): PolicySource {
  const base = source({ org: PERMIT }, trading)
  const { files, faults } = instances(...uses)
  expect(faults).toEqual([])
  return { ...base, files: [...base.files, ...files] }
}

const refusals = (policies: PolicySource): string[] => faultsOf(() => createDecider(policies))

describe('every rule of the library', () => {
  test('has a use here, and tests', () => {
    expect(libraryRules().map(({ name }) => name)).toEqual(Object.keys(USES).sort())
    expect(libraryRules().filter(({ name }) => !existsSync(new URL(`./tests/${name}.json`, import.meta.url)))).toEqual([])
  })

  test.each(Object.entries(USES))('%s does what its tests say', (rule, values) => {
    const text = readFileSync(new URL(`./tests/${rule}.json`, import.meta.url), 'utf8')
    const ruled = organisation(used(rule, values))
    const readers = { path: 'policies/readers.cedar', connector: null, text: READERS }
    const all = rule === 'data-class-residency' ? { ...ruled, files: [...ruled.files, readers] } : ruled
    const { failed, passed, coverage } = runPolicyTests(all, [{ path: `${rule}.json`, text }])
    expect(failed).toEqual([])
    expect(passed).toBeGreaterThan(1)
    expect(coverage.filter(({ policy, decided }) => policy.startsWith('library.') && decided === 0)).toEqual([])
  })

  test.each(Object.entries(USES))('%s stands on its own without what is optional', (rule, values) => {
    const optional = libraryRules()
      .find(({ name }) => name === rule)
      ?.parameters.filter((parameter) => parameter.optional)
    const needed = Object.fromEntries(Object.entries(values).filter(([key]) => !optional?.some(({ name }) => name === key)))
    expect(refusals(organisation(used(rule, needed)))).toEqual([])
  })

  test('can be used beside all the others, and twice', () => {
    const twice = Object.entries(USES).flatMap(([rule, values]) => [used(rule, values), used(rule, values, `${rule}-2`)])
    const all = organisation(...twice)
    expect(refusals(all)).toEqual([])
    const ids = createDecider(all)
      .policies()
      .map(({ id }) => id)
    expect(ids).toContain('library.amount-cap.cap')
    expect(ids).toContain('library.amount-cap-2.cap')
  })
})

describe('a use', () => {
  test('is a policy file like any other', () => {
    const { files } = instances(used('amount-cap', { ...USES['amount-cap'], roles: null, approval: null }, 'payments-hour'))
    expect(files).toEqual([
      {
        path: 'library/amount-cap.cedar (as payments-hour)',
        connector: null,
        text: `// No more than an amount in a window, however it is split. The present call counts. Calls that were refused or that failed do not.
// Rule \`amount-cap\` of the library, used as \`payments-hour\`.
//
// facts:
//   history:
//     payments_hour_total:
//       sum: /amount
//       of:
//         - erp.releasePayment
//       window: 1h
//       by: agent

@id("library.payments-hour.cap")
@reason("Goes beyond the cap of its window.")
@advice("The cap for this period is reached. Wait, or ask a person.")
forbid (
  principal,
  action in [Erp::Action::"releasePayment"],
  resource
)
when { context.history.payments_hour_total.greaterThan(decimal("5000.0")) };
`,
      },
    ])
  })

  test('brings its facts along', () => {
    const decider = createDecider(organisation(used('amount-cap', USES['amount-cap'] ?? {})))
    expect(decider.needs(releasePayment.id).history.map(({ name, windowMs }) => [name, windowMs])).toEqual([
      ['amount_cap_total', 3_600_000],
    ])
    const asked = (total: string) =>
      decider.decide(
        question(releasePayment, { vendorId: 'V-1', amount: 1 }, { facts: { history: { amount_cap_total: total }, lookup: {} } }),
      ).verdict.effect
    expect([asked('5000.0'), asked('5000.01')]).toEqual(['permit', 'hold'])
  })

  test.each([
    ['Monday 07:59 in winter', '2026-01-05T06:59:59Z', 'deny'],
    ['Monday 08:00 in winter', '2026-01-05T07:00:00Z', 'permit'],
    ['Monday 08:00 in summer', '2026-07-06T06:00:00Z', 'permit'],
    ['Friday 17:59 in summer', '2026-07-10T15:59:00Z', 'permit'],
    ['Friday 18:00 in summer', '2026-07-10T16:00:00Z', 'deny'],
    ['Saturday noon', '2026-07-11T10:00:00Z', 'deny'],
    ['Sunday evening there, Monday elsewhere', '2026-07-12T23:30:00+02:00', 'deny'],
    ['the hour that summer time takes away', '2026-03-30T07:00:00+02:00', 'deny'],
  ])('knows the hours of a place: %s', (_title, time, effect) => {
    const decider = createDecider(organisation(used('working-hours', USES['working-hours'] ?? {})))
    const now = instant(Date.parse(time))
    expect(decider.decide(question(closeTicket, { id: 'T-1' }, { now })).verdict.effect).toBe(effect)
  })

  test('tells the agent what to attach, and where to fetch it', () => {
    const playbook = used('require-playbook', { ...USES['require-playbook'], roles: null, approval: null }, 'by-playbook')
    const decider = createDecider(organisation(playbook, used('require-rationale', { least: 12 }, 'why')))
    const ask = (over: object) => decider.decide(question(releasePayment, { vendorId: 'V-1', amount: 1 }, over)).verdict
    const decisionRecord = { playbook: 'release', version: '2', outcome: 'pay', checked: true }
    expect(ask({ rationale: 'x'.repeat(12), decisionRecord }).effect).toBe('permit')
    expect(ask({ rationale: 'x'.repeat(12), decisionRecord: { ...decisionRecord, outcome: 'ask' } })).toMatchObject({
      effect: 'deny',
      policies: ['library.by-playbook.missing'],
      advice:
        'Follow the playbook release and attach its decision record. Fetch it with GET /v1/playbooks/release, or as the MCP resource gatehouse://playbooks/release/VERSION, in version 2, 1. Attach an object of playbook, version, outcome and record: as the header Gatehouse-Decision-Record, in MCP as gatehouse/decisionRecord in params._meta, in GraphQL as extensions.gatehouse.decisionRecord. Outcomes that allow this call: pay. Where you came to another one, do not call.',
    })
    expect(ask({ rationale: '           too few', decisionRecord })).toMatchObject({
      effect: 'deny',
      policies: ['library.why.missing'],
      advice: expect.stringMatching(/^Say why in your own words, with at least 12 characters beside spaces, .*Gatehouse-Rationale/),
    })
  })

  test('puts a value into its own literal, whatever is in it', () => {
    const evil = 'eu"].contains("x") || true || ["\\'
    const { files } = instances(used('residency', { connectors: ['erp'], regions: [evil] }))
    expect(files[0]?.text).toContain(String.raw`["eu\u{22}].contains(\u{22}x\u{22}) || true || [\u{22}\u{5c}"]`)
    expect(refusals(organisation(used('residency', { connectors: ['erp'], regions: [evil, '$name', '日本'] })))).toEqual([])
  })

  test.each<[string, ReturnType<typeof used>, string]>([
    [
      'an unknown rule',
      used('amount-kap', {}, 'x'),
      'gatehouse.yaml#/library/x/rule the library has no rule `amount-kap`: did you mean `amount-cap`?',
    ],
    [
      'an unknown rule that is like none',
      used('zzz', {}, 'x'),
      'gatehouse.yaml#/library/x/rule the library has no rule `zzz`: list them with `gatehouse policy library`',
    ],
    [
      'an unknown parameter',
      used('autonomy', { least: 2, aproval: 'cfo' }),
      'gatehouse.yaml#/library/autonomy/with/aproval rule `autonomy` has no parameter `aproval`: did you mean `approval`?',
    ],
    [
      'a missing parameter',
      used('autonomy', {}),
      'gatehouse.yaml#/library/autonomy/with rule `autonomy` needs `least`: the autonomy it takes, 0 to 5',
    ],
    [
      'no number',
      used('autonomy', { least: 'two' }),
      'gatehouse.yaml#/library/autonomy/with/least `least`: `two` is no whole number: write `10`',
    ],
    [
      'no amount',
      used('amount-limit', { ...USES['amount-limit'], limit: 0.00001 }),
      'gatehouse.yaml#/library/amount-limit/with/limit `limit`: `0.00001` is no amount with at most four decimal places: write `5000.00`',
    ],
    [
      'an unknown operation',
      used('amount-limit', { ...USES['amount-limit'], operations: ['erp.releasePaymnt'] }),
      'gatehouse.yaml#/library/amount-limit/with/operations `operations`: there is no operation `erp.releasePaymnt`: did you mean `erp.releasePayment`?',
    ],
    [
      'an unknown approval',
      used('autonomy', { least: 1, approval: 'finanse' }),
      'gatehouse.yaml#/library/autonomy/with/approval `approval`: there is no approval `finanse`: did you mean `finance`?',
    ],
    [
      'an unknown connector',
      used('residency', { connectors: ['erb'], regions: ['eu'] }),
      'gatehouse.yaml#/library/residency/with/connectors `connectors`: there is no connector `erb`: did you mean `erp`?',
    ],
    [
      'an unknown choice',
      used('rate-cap', { ...USES['rate-cap'], by: 'agents' }),
      'gatehouse.yaml#/library/rate-cap/with/by `by`: there is no choice `agents`: did you mean `agent`?',
    ],
    [
      'an unknown finding',
      used('findings', { findings: ['credentials'] }),
      'gatehouse.yaml#/library/findings/with/findings `findings`: there is no finding `credentials`: did you mean `credential`?',
    ],
    [
      'an unknown playbook',
      used('require-playbook', { ...USES['require-playbook'], playbook: 'realese' }),
      'gatehouse.yaml#/library/require-playbook/with/playbook `playbook`: there is no playbook `realese`: did you mean `release`?',
    ],
    [
      'an unknown version of a playbook',
      used('require-playbook', { ...USES['require-playbook'], versions: ['1', '17.4'] }),
      'gatehouse.yaml#/library/require-playbook/with/versions `versions`: there is no version of a playbook `17.4`: use one of `2`, `1`',
    ],
    [
      'an unknown outcome of a playbook',
      used('require-playbook', { ...USES['require-playbook'], outcomes: ['paid'] }),
      'gatehouse.yaml#/library/require-playbook/with/outcomes `outcomes`: there is no outcome of a playbook `paid`: did you mean `pay`?',
    ],
    [
      'no duration',
      used('rate-cap', { ...USES['rate-cap'], window: '1 hour' }),
      'gatehouse.yaml#/library/rate-cap/with/window `window`: `1 hour` is no duration: write `30s`, `5m`, `1h`, `7d` or ISO 8601',
    ],
    [
      'no time of day',
      used('working-hours', { ...USES['working-hours'], from: '8:00' }),
      'gatehouse.yaml#/library/working-hours/with/from `from`: `8:00` is no time of day: write `"08:00"`, at most `"24:00"`',
    ],
    [
      'no weekday',
      used('working-hours', { ...USES['working-hours'], days: ['monday'] }),
      'gatehouse.yaml#/library/working-hours/with/days `days`: there is no weekday `monday`: use one of `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`',
    ],
    [
      'no pointer',
      used('amount-limit', { ...USES['amount-limit'], amount: 'amount' }),
      'gatehouse.yaml#/library/amount-limit/with/amount `amount`: `amount` is no pointer: start it with `/`, as in `/amount`',
    ],
    [
      'an empty list',
      used('residency', { connectors: ['erp'], regions: [] }),
      'gatehouse.yaml#/library/residency/with/regions `regions`: 0 values: give 1 to 500, as in `[eu, ch]`',
    ],
    [
      'a control character',
      used('residency', { connectors: ['erp'], regions: ['e\nu'] }),
      'gatehouse.yaml#/library/residency/with/regions `regions`: `e\nu` is no text: write `eu`',
    ],
  ])('is refused: %s', (_title, use, fault) => {
    const { files, faults } = instances(use)
    expect(faults.map(({ pointer, message }) => `${pointer} ${message}`)).toEqual([fault])
    expect(files).toEqual([])
  })

  test('is refused where its name is taken', () => {
    const { faults } = instances(used('autonomy', { least: 1 }), used('autonomy', { least: 2 }))
    expect(faults.map(({ message }) => message)).toEqual([
      'the name `autonomy` is taken by gatehouse.yaml#/library/autonomy/name: names are unique, rename one',
    ])
  })

  test.each([
    [
      'a pointer that leads nowhere',
      { ...USES['amount-cap'], amount: '/amuont' },
      /^library\/amount-cap\.cedar \(as amount-cap\):7:10 .*did you mean `\/amount`\?/,
    ],
    [
      'a window that is too long',
      { ...USES['amount-cap'], window: '400d' },
      /^library\/amount-cap\.cedar \(as amount-cap\):10:10 .*365 days/,
    ],
    ['a time zone that nobody has', { ...USES['working-hours'], zone: 'Europe/Berln' }, /did you mean `Europe\/Berlin`\?/],
  ])('is refused with the rest of the policies: %s', (_title, values, fault) => {
    const rule = 'zone' in values ? 'working-hours' : 'amount-cap'
    expect(refusals(organisation(used(rule, values))).join('\n')).toMatch(fault)
  })
})

describe('a rule file', () => {
  const head = '// For a test.\n//\n// parameters:\n//   a: { type: whole, about: a number }\n\n'
  test.each([
    ['no parameters', '// For a test.\n\n@id("$name.x") permit (principal, action, resource);', /no `parameters:`/],
    ['an unknown type', head.replace('whole', 'hole'), /`a` needs a known `type`/],
    ['a stranger', `${head}@id("$name.x") permit (principal, action, resource) when { $a == $b };`, /`\$b` is used and not declared/],
    [
      'an idle parameter',
      `${head}@id("$name.x") permit (principal, action, resource);`,
      /`\$a` is used and not declared, or declared and not used/,
    ],
  ])('is refused: %s', (_title, text, message) => expect(() => readRule('x', text)).toThrow(message))
})
