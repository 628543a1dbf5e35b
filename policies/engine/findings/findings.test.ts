import { describe, expect, test } from 'vitest'
import { type ApprovalDefinition, PLAIN_TERMS } from '../../../gateway/core/hold.ts'
import type { Person } from '../../../gateway/core/principal.ts'
import { catalogueOf, clerk, operation, source } from '../test-organisation.ts'
import type { KnownAgent, KnownOrganisation } from './finding.ts'
import { findingsIn } from './findings.ts'

const pay = operation('bank.pay', {
  inputSchema: {
    type: 'object',
    $defs: { currency: { type: 'string', enum: ['EUR', 'USD', 'CHF'] } },
    properties: {
      to: { type: 'string' },
      amount: { type: 'number', minimum: 0.01, maximum: 1_000_000 },
      currency: { $ref: '#/$defs/currency' },
      copies: { type: 'integer', minimum: 1, exclusiveMaximum: 10 },
      urgent: { type: 'boolean' },
      note: { type: 'string' },
      kind: {
        oneOf: [
          { type: 'string', enum: ['a'] },
          { type: 'string', enum: ['b'] },
        ],
      },
    },
    required: ['to', 'amount', 'currency', 'urgent', 'copies'],
  },
})
const read = operation('bank.read', { mode: 'read', reversibility: 'read-only' })
const ledger = operation('ledger.post', {
  inputSchema: { type: 'object', properties: { currency: { type: 'string', enum: ['EUR', 'SEK'] } }, required: ['currency'] },
})
const catalogue = catalogueOf(pay, read, ledger)

const approval = (
  name: string,
  group: string,
  count = 1,
  terms: Partial<ApprovalDefinition> = {},
): { definition: ApprovalDefinition; place: string } => ({
  definition: { ...PLAIN_TERMS, name, requires: [{ group, count }], expiresMs: 1, version: name, ...terms },
  place: `approvals.yaml:1:1`,
})
const agents: KnownAgent[] = [clerk, { ...clerk, name: 'teller', owner: 'ines', roles: ['teller'], autonomy: 1, region: 'us' }]
const people: Person[] = [
  { name: 'ines', groups: ['tellers', 'leads'], roles: [] },
  { name: 'omar', groups: ['tellers'], roles: [] },
  { name: 'paul', groups: [], roles: [] },
]
const KNOWN: KnownOrganisation = {
  agents,
  approvals: [],
  connectors: new Map([
    ['bank', 'connectors/bank.yaml:1:1'],
    ['ledger', 'connectors/ledger.yaml:1:1'],
  ]),
}

/** Lets everybody do everything, so that only what a case is about is found. */
const OPEN = { ledger: '@id("open-ledger") permit(principal, action, resource);' }

function found(files: Record<string, string>, known: Partial<KnownOrganisation> = {}): string[] {
  const organisation = { ...KNOWN, ...known }
  const policies = {
    ...source({ ...OPEN, ...files }, catalogue),
    approvals: new Set(organisation.approvals.map(({ definition }) => definition.name)),
    people,
  }
  return findingsIn({ source: policies, organisation }).map(
    ({ place, severity, rule, policy, message }) => `${place} ${severity} [${rule}] ${policy}: ${message}`,
  )
}

const permit = '@id("open") permit(principal, action, resource);\n'
const forbid = (condition: string, id = 'f') => ({
  bank: `${permit}@id("${id}") forbid(principal, action == Bank::Action::"pay", resource)\n${condition};`,
})
const when = (condition: string) => forbid(`when { ${condition} }`)

test('what is in order gives no findings', () => {
  expect(found({ bank: permit })).toEqual([])
  expect(found(when('context.input.currency == "CHF" && context.input.amount.greaterThan(decimal("100.0"))'))).toEqual([])
})

describe('names that nobody has', () => {
  test.each<[string, string, string]>([
    [
      'a misspelt role',
      'principal in Gatehouse::Role::"teler", action, resource',
      '1:30 warning [unknown-name] a: no agent has the role `teler`: did you mean `teller`?',
    ],
    [
      'a role of nobody',
      'principal in Gatehouse::Role::"astronaut", action, resource',
      '1:30 warning [unknown-name] a: no agent has the role `astronaut`: give it to an agent, or remove it here',
    ],
    [
      'a misspelt group',
      'principal in Gatehouse::Group::"tellrs", action, resource',
      '1:30 warning [unknown-name] a: nobody is in the group `tellrs`: did you mean `tellers`?',
    ],
    [
      'a misspelt agent',
      'principal == Gatehouse::Agent::"invoice-clark", action, resource',
      '1:30 warning [unknown-name] a: there is no agent `invoice-clark`: did you mean `invoice-clerk`?',
    ],
    [
      'a misspelt person',
      'principal == Gatehouse::Person::"inez", action, resource',
      '1:30 warning [unknown-name] a: there is no person `inez`: did you mean `ines`?',
    ],
  ])('%s', (_title, scope, expected) => {
    expect(found({ org: `@id("a") forbid(${scope});`, bank: permit })).toEqual([`policies/org.cedar:${expected}`])
  })

  test('in a condition, at its place', () => {
    expect(found(when('principal in Gatehouse::Role::"teler" || context.input.urgent'))).toEqual([
      'policies/bank.cedar:3:21 warning [unknown-name] f: no agent has the role `teler`: did you mean `teller`?',
    ])
  })

  test('a connector', () => {
    expect(
      found({ org: '@id("a") forbid(principal, action, resource) when { resource in Gatehouse::Connector::"bnak" };', bank: permit }),
    ).toContain('policies/org.cedar:1:65 warning [unknown-name] a: there is no connector `bnak`: did you mean `bank`?')
  })
})

describe('rules that match nobody', () => {
  test.each<[string, string, string[]]>([
    [
      'an attribute that no agent has',
      'when { principal is Gatehouse::Agent && principal.autonomy > 7 }',
      [
        '3:41 warning [never-matches] f: the policy matches nobody: `principal.autonomy > 7` is true of no agent and no person there is: correct it, or remove it',
      ],
    ],
    [
      'conditions that no one agent meets together',
      'when { principal is Gatehouse::Agent && principal.autonomy > 1 && principal.region == "us" }',
      [
        '2:1 warning [never-matches] f: the policy matches nobody: no agent and no person there is meets all its conditions on the principal: correct it, or remove it',
      ],
    ],
    ['an exception that everybody is', 'unless { principal is Gatehouse::Agent || principal is Gatehouse::Person }', []],
    ['one agent suffices', 'when { principal is Gatehouse::Agent && principal.autonomy > 1 }', []],
    ['what depends on the call, too, is left alone', 'when { principal is Gatehouse::Agent && principal.region == context.input.to }', []],
  ])('%s', (_title, condition, expected) => {
    const lines = expected.map((line) => `policies/bank.cedar:${line}`)
    // The validator itself finds what is impossible for its types.
    if (condition.startsWith('unless')) expect(() => found(forbid(condition))).toThrow(/impossible/)
    else expect(found(forbid(condition))).toEqual(lines)
  })
})

describe('conditions that never change', () => {
  const TAKES = 'as `bank.pay` takes `EUR`, `USD`, `CHF`'
  test.each<[string, string, string[]]>([
    [
      'a word that an enumeration lacks',
      'context.input.currency == "EURO"',
      [`3:8 warning [constant-condition] f: \`context.input.currency == "EURO"\` is never true, ${TAKES}: did you mean \`"EUR"\`?`],
    ],
    [
      'the same, denied',
      'context.input.currency != "EURO"',
      [`3:8 warning [constant-condition] f: \`context.input.currency != "EURO"\` is always true, ${TAKES}: did you mean \`"EUR"\`?`],
    ],
    [
      'the same, turned round',
      '!(context.input.currency == "EURO")',
      [`3:10 warning [constant-condition] f: \`context.input.currency == "EURO"\` is never true, ${TAKES}: did you mean \`"EUR"\`?`],
    ],
    [
      'one choice of several',
      'context.input.currency == "EURO" || context.input.urgent',
      [`3:8 warning [constant-condition] f: \`context.input.currency == "EURO"\` is never true, ${TAKES}: did you mean \`"EUR"\`?`],
    ],
    [
      'a list with nothing of an enumeration',
      '["eur", "usd"].contains(context.input.currency)',
      [
        `3:8 warning [constant-condition] f: \`["eur", "usd"].contains(context.input.currency)\` is never true, ${TAKES}: did you mean \`"EUR"\`?`,
      ],
    ],
    [
      'a pattern that no member fits',
      'context.input.currency like "GB*"',
      [`3:8 warning [constant-condition] f: \`context.input.currency like "GB*"\` is never true, ${TAKES}: correct it, or remove it`],
    ],
    [
      'a door that there is not',
      'context.door == "rest"',
      [
        '3:8 warning [constant-condition] f: `context.door == "rest"` is never true, as `bank.pay` takes `graphql`, `http`, `mcp`: correct it, or remove it',
      ],
    ],
    [
      'an amount above the bounds',
      'context.input.amount.greaterThan(decimal("1000000.0"))',
      [
        '3:8 warning [constant-condition] f: `context.input.amount.greaterThan(decimal("1000000.0"))` is never true, as `bank.pay` takes at least 0.01 and at most 1000000: correct it, or remove it',
      ],
    ],
    [
      'an amount below the bounds',
      'context.input.amount.lessThan(decimal("0.01"))',
      [
        '3:8 warning [constant-condition] f: `context.input.amount.lessThan(decimal("0.01"))` is never true, as `bank.pay` takes at least 0.01 and at most 1000000: correct it, or remove it',
      ],
    ],
    [
      'a count outside the bounds',
      'context.input.copies == 10',
      [
        '3:8 warning [constant-condition] f: `context.input.copies == 10` is never true, as `bank.pay` takes at least 1 and less than 10: correct it, or remove it',
      ],
    ],
    ['a count at the bound', 'context.input.copies == 9', []],
    ['an amount at the bound', 'context.input.amount.greaterThanOrEqual(decimal("1000000.0"))', []],
    ['a number that is always above does no harm', 'context.input.amount.greaterThan(decimal("0.0"))', []],
    ['alternatives in the schema are left alone', 'context.input has kind && context.input.kind == "c"', []],
    [
      'conditions that contradict each other',
      'context.input.amount.greaterThan(decimal("100.0")) && context.input.amount.lessThan(decimal("50.0"))',
      [
        '3:8 error [never-matches] f: the policy never matches: `context.input.amount.greaterThan(decimal("100.0"))` and `context.input.amount.lessThan(decimal("50.0"))` never hold together: correct it, or remove it',
      ],
    ],
    [
      'words that contradict each other',
      'context.input.to == "a" && context.door == "mcp" && context.input.to == "b"',
      [
        '3:8 error [never-matches] f: the policy never matches: `context.input.to == "a"` and `context.input.to == "b"` never hold together: correct it, or remove it',
      ],
    ],
    [
      'a switch that contradicts itself',
      'context.input.urgent && !context.input.urgent',
      [
        '3:8 error [never-matches] f: the policy never matches: `context.input.urgent` and `!context.input.urgent` never hold together: correct it, or remove it',
      ],
    ],
    [
      'bounds that leave one value',
      'context.input.amount.greaterThanOrEqual(decimal("50.0")) && context.input.amount.lessThanOrEqual(decimal("50.0"))',
      [],
    ],
    ['arithmetic is left alone', 'context.input.copies * 0 == 1', []],
    ['patterns in free text are left alone', 'context.input.to like "a*" && context.input.to like "b*"', []],
  ])('%s', (_title, condition, expected) => {
    expect(found(when(condition))).toEqual(expected.map((line) => `policies/bank.cedar:${line}`))
  })

  test('a word that one of several operations takes is in order', () => {
    const org = (word: string) => ({
      bank: permit,
      org: `@id("f") forbid(principal, action in Gatehouse::Action::"write", resource) when { context.input.currency == "${word}" };`,
    })
    expect(found(org('SEK'))).toEqual([])
    expect(found(org('GBP'))).toHaveLength(1)
  })

  test('an exception that contradicts its condition', () => {
    expect(
      found(forbid('when { context.input.currency == "EUR" } unless { context.input.currency == "EUR" || context.input.urgent }')),
    ).toEqual([
      'policies/bank.cedar:3:8 error [never-matches] f: the policy never matches: `context.input.currency == "EUR"` and `!(context.input.currency == "EUR")` never hold together: correct it, or remove it',
    ])
  })
})

describe('rules that another one makes useless', () => {
  const P = (id: string, scope: string, rest = '') => `@id("${id}") permit(${scope}) ${rest};\n`
  const F = (id: string, scope: string, rest = '', more = '') => `@id("${id}") ${more} forbid(${scope}) ${rest};\n`
  const PAY = 'principal, action == Bank::Action::"pay", resource'
  const over = (amount: string) => `when { context.input.amount.greaterThan(decimal("${amount}")) }`
  const COVERED = (id: string, line: number, says: string) =>
    `policies/bank.cedar:${line}:1 warning [covered] ${id}: it ${says}, or remove this one`
  const wide = (id: string, line: number) => `\`${id}\` (policies/bank.cedar:${line}:1)`
  test.each<[string, string, string[]]>([
    [
      'a permit under a wider permit',
      P('a', 'principal, action, resource') + P('b', PAY),
      [COVERED('b', 2, `permits nothing that ${wide('a', 1)} does not permit already: narrow that one`)],
    ],
    [
      'of two alike the later',
      P('a', 'principal, action, resource') + P('b', 'principal, action, resource'),
      [COVERED('b', 2, `permits nothing that ${wide('a', 1)} does not permit already: narrow that one`)],
    ],
    [
      'a permit for a role under one for agents',
      P('a', 'principal is Gatehouse::Agent, action, resource') + P('b', 'principal in Gatehouse::Role::"teller", action, resource'),
      [COVERED('b', 2, `permits nothing that ${wide('a', 1)} does not permit already: narrow that one`)],
    ],
    [
      'a permit for a group beside one for agents',
      P('a', 'principal is Gatehouse::Agent, action, resource') + P('b', 'principal in Gatehouse::Group::"tellers", action, resource'),
      [],
    ],
    [
      'a lower limit under a higher one',
      P('r', 'principal, action == Bank::Action::"read", resource') +
        P('a', PAY, 'when { context.input.amount.lessThan(decimal("100.0")) }') +
        P('b', PAY, 'when { context.input.amount.lessThan(decimal("50.0")) }'),
      [COVERED('b', 3, `permits nothing that ${wide('a', 2)} does not permit already: narrow that one`)],
    ],
    [
      'a higher limit beside a lower one',
      P('r', 'principal, action == Bank::Action::"read", resource') +
        P('b', PAY, 'when { context.input.amount.lessThan(decimal("100.0")) }') +
        P('a', PAY, 'when { context.input.amount.lessThan(decimal("50.0")) && context.input.urgent }'),
      [COVERED('a', 3, `permits nothing that ${wide('b', 2)} does not permit already: narrow that one`)],
    ],
    [
      'a permit that is forbidden',
      P('a', 'principal, action, resource') + P('b', PAY) + F('f', PAY),
      [COVERED('b', 2, `permits nothing that ${wide('a', 1)} does not permit already: narrow that one`)],
    ],
    [
      'a permit that is wholly forbidden',
      P('r', 'principal, action == Bank::Action::"read", resource') + P('b', PAY) + F('f', PAY),
      [COVERED('b', 2, `permits nothing, as ${wide('f', 3)} forbids all of it: narrow that one`)],
    ],
    [
      'a hold under a forbid',
      permit + F('h', PAY, over('100.0'), '@hold("lead")') + F('f', PAY, over('50.0')),
      [COVERED('h', 2, `never holds a call, as ${wide('f', 3)} forbids all of them: narrow that one`)],
    ],
    ['a hold below a forbid', permit + F('h', PAY, over('50.0'), '@hold("lead")') + F('f', PAY, over('100.0')), []],
    [
      'a hold under a hold of the same approval',
      permit + F('h', PAY, over('100.0'), '@hold("lead")') + F('g', PAY, over('50.0'), '@hold("lead")'),
      [COVERED('h', 2, `holds nothing that ${wide('g', 3)} does not: narrow that one`)],
    ],
    [
      'a hold under a hold of another approval',
      permit + F('h', PAY, over('100.0'), '@hold("lead")') + F('g', PAY, over('50.0'), '@hold("two")'),
      [],
    ],
    [
      'a forbid under a wider forbid',
      permit +
        F('f', PAY, over('100.0')) +
        F('g', PAY, 'when { context.input.amount.greaterThan(decimal("100.0")) || context.input.urgent }'),
      [],
    ],
    [
      'the same forbid with one condition less',
      permit + F('f', PAY, `${over('100.0')} unless { context.input.urgent }`) + F('g', PAY, over('100.0')),
      [COVERED('f', 2, `forbids nothing that ${wide('g', 3)} does not: narrow that one`)],
    ],
    ['a forbid under a hold stays', permit + F('f', PAY, over('100.0')) + F('g', PAY, '', '@hold("lead")'), []],
    [
      'a list within a longer one',
      permit +
        F('f', PAY, 'when { ["EUR"].contains(context.input.currency) }') +
        F('g', PAY, 'when { ["EUR", "USD"].contains(context.input.currency) }'),
      [COVERED('f', 2, `forbids nothing that ${wide('g', 3)} does not: narrow that one`)],
    ],
    ['a shadow covers nothing', permit + F('f', PAY) + F('g', 'principal, action, resource', '', '@shadow'), []],
    [
      'a connector covers its operations',
      P('a', 'principal, action in Gatehouse::Action::"read", resource in Gatehouse::Connector::"bank"') +
        P('b', 'principal, action == Bank::Action::"read", resource') +
        P('c', PAY),
      [COVERED('b', 2, `permits nothing that ${wide('a', 1)} does not permit already: narrow that one`)],
    ],
  ])('%s', (_title, bank, expected) => {
    const approvals = [approval('lead', 'tellers'), approval('two', 'tellers')]
    expect(found({ bank }, { approvals }).filter((line) => line.includes('[covered]'))).toEqual(expected)
  })
})

describe('approvals', () => {
  const hold = (name: string, scope = 'principal') =>
    `@id("h-${name}") @hold("${name}") forbid(${scope}, action == Bank::Action::"pay", resource);\n`
  test.each<[string, string, { definition: ApprovalDefinition; place: string }[], string[]]>([
    ['one that works', hold('lead'), [approval('lead', 'tellers')], []],
    [
      'one that nobody asks for',
      '',
      [approval('lead', 'tellers')],
      ['approvals.yaml:1:1 warning [unused-approval] null: no policy asks for the approval `lead`: name it in a `@hold`, or remove it'],
    ],
    [
      'too few people',
      hold('lead'),
      [approval('lead', 'leads', 2)],
      [
        'policies/bank.cedar:2:1 error [unsatisfiable-hold] h-lead: where it holds a call, 2 of `leads` must approve, and nobody could approve it: put more people into the group',
      ],
    ],
    [
      'only an owner, for her own agent',
      hold('lead'),
      [approval('lead', 'leads')],
      [
        'policies/bank.cedar:2:1 warning [unsatisfiable-hold] h-lead: where it holds a call, 1 of `leads` must approve, and nobody could approve it for `teller`, whose owner has no vote: put more people into the group',
      ],
    ],
    ['only an owner, for others', hold('lead', 'principal in Gatehouse::Role::"payer"'), [approval('lead', 'leads')], []],
    [
      'two holds that one person would have to approve twice',
      hold('lead') + hold('desk'),
      [approval('lead', 'leads'), approval('desk', 'tellers', 2)],
      [
        'policies/bank.cedar:2:1 warning [unsatisfiable-hold] h-lead: where it holds a call, 1 of `leads` must approve, and nobody could approve it for `teller`, whose owner has no vote: put more people into the group',
        'policies/bank.cedar:3:1 warning [unsatisfiable-hold] h-desk: where it holds a call, 2 of `tellers` must approve, and nobody could approve it for `teller`, whose owner has no vote: put more people into the group',
      ],
    ],
    [
      'two holds that only together need too many',
      hold('lead', 'principal in Gatehouse::Role::"payer"') + hold('desk', 'principal in Gatehouse::Role::"payer"'),
      [approval('lead', 'leads'), approval('desk', 'tellers', 2)],
      [
        'policies/bank.cedar:3:1 warning [unsatisfiable-hold] h-desk: where `h-desk`, `h-lead` hold one call together, 1 of `leads` and 2 of `tellers` must approve, and nobody could approve it: put more people into the groups',
      ],
    ],
    [
      'edits where a group has nobody to spare',
      hold('lead', 'principal in Gatehouse::Role::"payer"'),
      [approval('lead', 'leads', 1, { edits: 'allowed' })],
      [
        'policies/bank.cedar:2:1 warning [edit-leaves-nobody] h-lead: approval `lead` allows edits and needs every member of `leads`: none of them could edit, since who edits has no vote',
      ],
    ],
    ['edits where it has', hold('lead'), [approval('lead', 'tellers', 1, { edits: 'allowed' })], []],
    [
      'people whom a lookup names that no policy reads',
      hold('lead'),
      [approval('lead', 'tellers', 1, { excludes: ['/lookup/vendor/createdBy'] })],
      [
        'policies/bank.cedar:2:1 error [unsatisfiable-hold] h-lead: approval `lead` keeps out whom `/lookup/vendor/createdBy` names, and no policy of `bank.pay` looks that up, so that nobody could approve: read it in a policy',
      ],
    ],
  ])('%s', (_title, policies, approvals, expected) => {
    expect(found({ bank: permit + policies }, { approvals })).toEqual(expected)
  })
})

describe('reach', () => {
  test('operations that no permit reaches, by connector', () => {
    expect(found({ bank: '@id("f") forbid(principal, action, resource);' })).toEqual([
      'connectors/bank.yaml:1:1 warning [unreachable-operation] null: no permit lets anybody call `bank.pay`, `bank.read`: write one, or exclude them from the connector',
    ])
  })

  test('a permit that matches nobody reaches nothing', () => {
    expect(
      found({
        bank: '@id("r") permit(principal, action == Bank::Action::"read", resource); @id("p") permit(principal in Gatehouse::Role::"astronaut", action == Bank::Action::"pay", resource);',
      }),
    ).toContain(
      'connectors/bank.yaml:1:1 warning [unreachable-operation] null: no permit lets anybody call `bank.pay`: write one, or exclude it from the connector',
    )
  })

  test('a policy about no operation', () => {
    expect(found({ bank: permit, org: '@id("a") forbid(principal, action in Gatehouse::Action::"reversible", resource);' })).toEqual([
      'policies/org.cedar:1:1 warning [no-operation] a: no operation is in its scope: name operations that a connector includes, or remove the policy',
    ])
  })

  test('permits that no test ends in', () => {
    const policies = source({ ...OPEN, bank: permit }, catalogue)
    const coverage = [
      { policy: 'open', file: '', line: 1, decided: 0, near: 3 },
      { policy: 'open-ledger', file: '', line: 1, decided: 1, near: 0 },
    ]
    expect(findingsIn({ source: policies, organisation: KNOWN, coverage })).toEqual([
      {
        place: 'policies/bank.cedar:1:1',
        severity: 'warning',
        rule: 'untested-permit',
        policy: 'open',
        message: 'no policy test is permitted by it: add one that is, and one that just is not',
      },
    ])
  })
})
