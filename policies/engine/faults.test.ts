import { describe, expect, test } from 'vitest'
import { LIMITS } from '../../gateway/limits.ts'
import { createDecider } from './decider.ts'
import { catalogueOf, faultsOf, operation, question, releasePayment, source } from './test-organisation.ts'

const faults = (files: Record<string, string>): string[] => faultsOf(() => createDecider(source(files)))
const pay = (head: string, rest = 'forbid(principal, action == Erp::Action::"releasePayment", resource);') => ({ erp: `${head} ${rest}` })
const when = (condition: string) =>
  pay('@id("a")', `forbid(principal, action == Erp::Action::"releasePayment", resource) when { ${condition} };`)

describe('a faulty policy refuses the start, with place, cause and remedy', () => {
  test.each([
    [
      'action',
      { erp: '@id("a") permit(principal, action == Erp::Action::"relaesePayment", resource);' },
      /1:38 .*did you mean `Erp::Action::"rele/,
    ],
    ['entity type', { org: '@id("a") permit(principal is Gatehouse::Agnet, action, resource);' }, /did you mean `Gatehouse::Agent`/],
    ['annotation', pay('@id("a") @hodl("finance")'), /unknown annotation `@hodl`: did you mean `@hold`/],
    ['approval', pay('@id("a") @hold("finanec")'), /no approval `finanec`: did you mean `finance`/],
    ['bare approval', pay('@id("a") @hold'), /no approval ``/],
    ['no id', pay(''), /no `@id`/],
    ['malformed id', pay('@id("a b")'), /`@id\("a b"\)` is malformed/],
    ['id twice in a policy', pay('@id("a") @id("b")'), /duplicate annotation/],
    ['hold on a permit', { erp: '@id("a") @hold("finance") permit(principal, action, resource);' }, /`@hold` stands on a permit/],
    ['shadow on a permit', { erp: '@id("a") @shadow permit(principal, action, resource);' }, /`@shadow` stands on a permit/],
    ['shadow with hold', pay('@id("a") @shadow @hold("finance")'), /`@shadow` and `@hold` stand together/],
    ['shadow switched off', pay('@id("a") @shadow("false")'), /has a value/],
    ['empty advice', pay('@id("a") @advice'), /need a sentence/],
    [
      'another connector',
      { erp: '@id("a") permit(principal, action == Crm::Action::"closeTicket", resource);' },
      /another connector's action in `erp\.cedar`/,
    ],
    ['another connector, in a condition', when('action == Crm::Action::"closeTicket"'), /another connector's action/],
    [
      'asserted',
      { org: '@id("a") permit(principal, action, resource) when { context has rationale };' },
      /permit reads `context\.rationale`/,
    ],
    [
      'asserted, whole',
      { org: '@id("a") permit(principal, action, resource) when { context == context };' },
      /`context\.rationale` and `context\.rationaleChars` and `context\.run`/,
    ],
    [
      'unknown connector',
      { epr: '@id("a") permit(principal, action, resource);' },
      /epr\.cedar:1:1 there is no connector `epr`: did you mean `erp\.cedar`/,
    ],
    ['syntax', { erp: '@id("a")\npermit(principal, action, resource) when { context.x == };' }, /erp\.cedar:2:57 unexpected token `}`/],
    ['no end', { erp: '@id("a") permit(principal, action, resource)' }, /close it with `;`/],
    ['template', { erp: '@id("a") permit(principal == ?principal, action, resource);' }, /template/],
    ['never matches', when('false'), /impossible.*correct it or remove/],
    [
      'resource that is not there',
      { erp: '@id("a") forbid(principal, action == Erp::Action::"getInvoice", resource is Erp::Vendor);' },
      /unable to find an applicable action/,
    ],
    ['direction marks', when('context.door == "\u202Ea"'), /BIDI.*one script/],
    ['look-alikes', when('context.door == "\u0430dmin"'), /mixed scripts/],
    ['unknown()', when('unknown("x")'), /`unknown` has no value/],
    ['someone else asked', when('Gatehouse::Person::"maria" in Gatehouse::Group::"cfo"'), /asked of something else/],
    ['non-literal decimal', when('decimal(context.door) == decimal("1.0")'), /non-literal/],
  ])('%s', (_title, files, message) => {
    const found = faults(files)
    expect(found.join('\n')).toMatch(message)
    expect(found[0]).toMatch(/^policies\/\w+\.cedar:\d+:\d+ /)
  })

  test('every fault of every file is listed at its own line, also behind text that is longer in bytes than in characters', () => {
    const found = faults({
      org: '// é\n@id("a") @reason("größer") permit(principal, action, resource) when { context.noo };\n\n@id("b") permit(principal, action, resource) when {',
      erp: '@id("c") @foo permit(principal, action, resource);',
    })
    expect(found).toHaveLength(3)
    expect(found.join('\n')).toMatch(/erp\.cedar:1:1 unknown annotation/)
    expect(found.join('\n')).toMatch(/org\.cedar:4:1 the policy has no end/)
    const columns = '@id("a") @reason("größer") permit(principal, action, resource) when { '.length + 1
    expect(found.join('\n')).toContain(`org.cedar:2:${columns} policy`)
  })

  test('an id is unique in the whole organisation', () => {
    const text = '@id("same") permit(principal, action, resource);'
    expect(faults({ org: `\n${text}`, erp: text })).toEqual([
      'policies/org.cedar:2:1 the id `same` is taken by policies/erp.cedar:1:1: ids are unique in the whole organisation, rename one',
    ])
  })

  test('an organisation may rule over operations that it does not have yet', () => {
    const text = '@id("a") forbid(principal, action in Gatehouse::Action::"externally-reversible", resource);'
    expect(faults({ org: text })).toEqual([])
  })

  test.each(['no type', 'String', 'Action', ''])('a business key needs a type that Cedar can name, not `%s`', (type) => {
    const odd = operation('erp.odd', { businessKey: { type, at: '/x' } })
    expect(faultsOf(() => createDecider(source({}, catalogueOf(odd))))[0]).toMatch(/^operations\/erp\.odd\/businessKey\/type /)
  })
})

/** Every message with a user's eye: the place of the fault, the cause in the policy's words, and what to write instead. */
describe('a fault says what to write instead', () => {
  const HEAD = '@id("a")\nforbid(principal, action == Erp::Action::"releasePayment", resource)\n'
  const at = (condition: string) => ({ erp: `${HEAD}when { ${condition} };` })
  const CONTEXT = 'in the context of Erp::Action::"releasePayment"'
  test.each<[string, Record<string, string>, string]>([
    [
      'a misspelt argument',
      at('context.input.amuont.lessThan(decimal("1.0"))'),
      `3:8 policy \`a\`: there is no attribute \`input.amuont\` ${CONTEXT}: did you mean \`amount\`?`,
    ],
    [
      'a misspelt part of the context',
      at('context.inptu.amount == context.door'),
      `3:8 policy \`a\`: there is no attribute \`inptu\` ${CONTEXT}: did you mean \`input\`?`,
    ],
    [
      'something that is not there at all',
      at('context.input.zzz == "x"'),
      `3:8 policy \`a\`: there is no attribute \`input.zzz\` ${CONTEXT}: there is \`amount\`, \`fee\`, \`lines\`, \`note\`, \`vendorId\`, \`x-cost centre\``,
    ],
    [
      'a misspelt attribute of the agent',
      at('principal.autonmy < 2'),
      '3:8 policy `a`: there is no attribute `autonmy` on agents or people: did you mean `autonomy`?',
    ],
    [
      'what only agents have',
      at('principal.autonomy < 2'),
      '3:8 policy `a`: there is no attribute `autonomy` on a `Gatehouse::Person`: ask `principal is Gatehouse::Agent &&` first',
    ],
    [
      'an optional argument',
      at('context.input.note == "x"'),
      `3:8 policy \`a\`: the optional attribute \`input.note\` may be absent ${CONTEXT}: ask \`context.input has note &&\` first`,
    ],
    [
      'an optional attribute',
      at('context has subject && context.subject.region == "eu"'),
      '3:31 policy `a`: the optional attribute `region` of a `Gatehouse::Person` may be absent: ask `has region &&` first',
    ],
    [
      'a decimal with an operator',
      at('context.input.amount > 5'),
      '3:8 policy `a`: expected Long but saw decimal: a `number` is a decimal, which has methods instead of operators: `.lessThan(decimal("1000.0"))`, `.greaterThan(...)`',
    ],
    [
      'a decimal and a whole number',
      at('context.input.amount == 5'),
      '3:8 policy `a`: the types Long and decimal do not go together: a `number` is a decimal: compare it with `decimal("1000.0")`',
    ],
    [
      'a decimal of too many places',
      at('context.input.amount.lessThan(decimal("1.12345"))'),
      '3:38 policy `a`: failed to parse as a decimal value: `"1.12345"`: at most 4 digits are supported',
    ],
    [
      'a time as text',
      at('context.now > "2026-01-01"'),
      '3:22 policy `a`: expected datetime but saw String: a point in time is written `datetime("2026-01-31T12:00:00Z")`',
    ],
    [
      'text and a number',
      at('context.door == 5'),
      '3:8 policy `a`: the types Long and String do not go together: text stands in quotes, numbers do not',
    ],
    [
      'a property of several types',
      { crm: '@id("a") forbid(principal, action, resource) when { context.input has refund && context.input.refund == "x" };' },
      '1:81 policy `a`: the types String and {asLong?: Long,asString?: String,} do not go together: the property has several types, ask for one of them: `x has asString && x.asString == "..."`',
    ],
    [
      'an action of another namespace',
      at('action == Action::"releasePayment"'),
      '3:18 policy `a`: there is no action `Action::"releasePayment"`: did you mean `Erp::Action::"releasePayment"`?',
    ],
    [
      'an action of a misspelt connector',
      { erp: '@id("a") permit(principal, action == Epr::Action::"releasePayment", resource);' },
      '1:1 there is no connector of the action `Epr::Action::"releasePayment"`: did you mean `Erp::Action::"releasePayment"`?',
    ],
    [
      'a misspelt group of actions',
      { org: '@id("a") permit(principal, action in Gatehouse::Action::"raed", resource);' },
      '1:38 policy `a`: there is no action `Gatehouse::Action::"raed"`: did you mean `Gatehouse::Action::"read"`?',
    ],
    [
      'a type without its namespace',
      { org: '@id("a") permit(principal in Role::"x", action, resource);' },
      '1:30 policy `a`: there is no entity type `Role`: did you mean `Gatehouse::Role`?',
    ],
    ['a misspelt type', at('resource is Erp::Vendr'), '3:20 policy `a`: there is no entity type `Erp::Vendr`: did you mean `Erp::Vendor`?'],
    [
      'what no operation has, asked for with `has`',
      at('context.input has amuont'),
      '3:8 policy `a`: policy is impossible: `context.input has amuont` is never true: there is no attribute `input.amuont` in the context: did you mean `amount`?',
    ],
    [
      'one impossible condition of several',
      at('context.door == "x" && (context.door == "y") && false'),
      '3:56 policy `a`: policy is impossible: `false` is never true: correct it or remove the policy',
    ],
    [
      'a condition that contradicts the scope',
      { erp: '@id("a") permit(principal is Gatehouse::Person, action, resource)\n  when { principal is Gatehouse::Agent };' },
      '2:10 policy `a`: policy is impossible: `principal is Gatehouse::Agent` is never true: correct it or remove the policy',
    ],
    [
      'an exception that is always true',
      at('true } unless { true'),
      '3:24 policy `a`: policy is impossible: `true` is always true: correct it or remove the policy',
    ],
    [
      'a person with a role',
      { org: '@id("a") permit(principal is Gatehouse::Person in Gatehouse::Role::"x", action, resource);' },
      '1:1 policy `a`: policy is impossible: no call has this principal, action and resource together: agents are in roles, people in groups, and a resource is of the connector or one of its business objects',
    ],
    [
      'actions of several connectors in one list',
      { org: '@id("a") permit(principal, action in [Erp::Action::"getInvoice", Crm::Action::"closeTicket"], resource);' },
      '1:1 policy `a`: the types Crm::Action and Erp::Action do not go together: actions of several connectors cannot stand in one list, write a policy for each',
    ],
    ['a word of another language', at('context.door == "x" and true'), '3:28 unexpected token `and`: write `&&`'],
    [
      'a missing end',
      { erp: '@id("a") permit(principal, action, resource)\n@id("b") permit(principal, action, resource);' },
      '2:1 unexpected token `@`: end the policy before it with `;`',
    ],
    [
      'a misspelt method',
      at('context.input.amount.lessthan(decimal("1.0"))'),
      '3:8 `lessthan` is not a valid method: did you mean `lessThan`?',
    ],
  ])('%s', (_title, files, expected) => {
    expect(faults(files)).toEqual([`policies/${Object.keys(files)[0]}.cedar:${expected}`])
  })

  test('of text that is put in order, at both sides', () => {
    const say =
      'policy `a`: expected datetime, or duration, or Long but saw String: text has no order: compare it with `==`, `like` or the `contains` of a set'
    expect(faults(at('context.door < context.input.vendorId'))).toEqual([`policies/erp.cedar:3:8 ${say}`, `policies/erp.cedar:3:23 ${say}`])
  })

  test('of an attribute that many operations lack, once', () => {
    const text = '@id("a") forbid(principal, action, resource) when { context.input.amount.lessThan(decimal("1.0")) };'
    expect(faults({ org: text })).toEqual([
      'policies/org.cedar:1:53 policy `a`: there is no attribute `input.amount` in the context of Crm::Action::"closeTicket": there is `id`, `refund` (and 2 more operations)',
    ])
  })
})

describe('what would kill the engine never reaches it', () => {
  const many = (n: number, one: string, by: string): string => Array.from({ length: n }, () => one).join(by)
  test.each([
    ['200 nested parentheses', `${'('.repeat(200)}true${')'.repeat(200)}`, /nested \d+ deep/],
    ['100,000 nested sets', `${'['.repeat(100_000)}`, /nested \d+ deep/],
    ['nested conditions', `${'if true then true else '.repeat(70)}true`, /nested \d+ deep/],
    ['3,000 terms', many(3_000, 'context.door == "a"', '||'), /operators are too many/],
    ['500 terms', many(500, 'true', '||'), /\d+ operators deep/],
    ['500 clauses', `true } ${'when { true } '.repeat(500)} when { true`, /\d+ operators deep/],
    ['a string without end', '"', /strings are closed/],
  ])('%s', (_title, condition, message) => {
    expect(faults(when(condition)).join('\n')).toMatch(message)
  })

  test('too large a file', () => {
    expect(faults({ erp: `// ${'x'.repeat(LIMITS.policyFileBytesMax)}` })[0]).toMatch(/erp\.cedar:1:1 \d+ bytes are too many/)
  })

  test.each([
    ['operators', many(190, 'context.door == "a"', ' || ')],
    ['sums', `${many(190, '1', '+')} == 190`],
    ['negations', `${'!('.repeat(58)}context.door == "a"${')'.repeat(58)}`],
    ['conditions', `${'if context.door == "b" then false else '.repeat(58)}true`],
    ['records', `${'{a: '.repeat(58)}context.door${'}'.repeat(58)} != ${'{a: '.repeat(58)}"b"${'}'.repeat(58)}`],
    ['a wide set', `[${many(5_000, '"b"', ',')}, "mcp"].contains(context.door)`],
  ])('%s just below the limits are loaded, decided and viewed', (_title, condition) => {
    const text = `@id("p") permit(principal, action, resource); @id("f") forbid(principal, action, resource) when { ${condition} };`
    const broken: unknown[] = []
    const decider = createDecider(source({ erp: text }), { onFault: (cause) => broken.push(cause) })
    const asked = question(releasePayment, { vendorId: 'v', amount: 1 })
    const { verdict } = decider.decide(asked)
    expect(verdict.effect === 'permit' || (verdict.effect === 'deny' && verdict.reason === 'forbidden')).toBe(true)
    expect(decider.visible(asked.principal).has(releasePayment.id)).toBe(true)
    expect(broken).toEqual([])
  })
})

test('nothing at all to decide with is no fault', () => {
  expect(faults({})).toEqual([])
  expect(faults({ org: '// only words\n', erp: '' })).toEqual([])
})
