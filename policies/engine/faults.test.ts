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
    ['attribute', when('context.input.amuont.lessThan(decimal("1.0"))'), /erp\.cedar:1:\d+ .*`input\.amuont`.*did you mean `amount`/],
    ['optional attribute', when('context.input.note == "x"'), /optional attribute `input\.note`.*context\.input has note/],
    ['type', when('context.input.amount > 5'), /expected Long but saw decimal.*decimal\("1000\.0"\)/],
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
      /`context\.rationale` and `context\.run`/,
    ],
    [
      'unknown connector',
      { epr: '@id("a") permit(principal, action, resource);' },
      /epr\.cedar:1:1 there is no connector `epr`: did you mean `erp\.cedar`/,
    ],
    ['syntax', { erp: '@id("a")\npermit(principal, action, resource) when { context.x == };' }, /erp\.cedar:2:57 unexpected token `}`/],
    ['no end', { erp: '@id("a") permit(principal, action, resource)' }, /close it with `;`/],
    ['template', { erp: '@id("a") permit(principal == ?principal, action, resource);' }, /template/],
    ['never matches', when('false'), /impossible.*correct the condition/],
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
