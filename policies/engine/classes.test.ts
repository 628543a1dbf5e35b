import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { Operation } from '../../gateway/core/operation.ts'
import { createDecider } from './decider.ts'
import { runPolicyTests } from './policy-tests.ts'
import { cedarSchemaText } from './schema-text.ts'
import {
  catalogueOf,
  clerk,
  closeTicket,
  faultsOf,
  getInvoice,
  listInvoices,
  people,
  question,
  releasePayment,
  source,
} from './test-organisation.ts'

const exported: Operation = { ...closeTicket, dataClasses: { '/contacts/*/email': ['pii'], '/contacts/*/note': ['pii', 'confidential'] } }
const invoice: Operation = { ...getInvoice, dataClasses: { '/iban': ['bank'] } }
const catalogue = catalogueOf(releasePayment, invoice, listInvoices, exported)
const build = (texts: Record<string, string>) => createDecider(source(texts, catalogue))
const readable = (texts: Record<string, string>, of: Operation, over: Parameters<typeof question>[2] = {}): string[] => {
  const { principal, person } = question(of, {}, over)
  return [...build(texts).readableClasses(principal, person, of.id)].sort()
}

const P = (id: string, rest: string): string => `@id("${id}") permit(${rest});`
const CLASS = 'action == Gatehouse::Action::"readClass"'
const PII = `${CLASS}, resource == Gatehouse::DataClass::"pii"`

describe('which classes may be read', () => {
  const inEurope = P('a', `principal is Gatehouse::Agent, ${PII}`).replace(';', ' when { principal.region == context.region };')
  test.each<[string, Record<string, string>, Operation, object, string[]]>([
    ['none where no policy says so', {}, exported, {}, []],
    ['none by a policy about operations', { org: P('a', 'principal, action, resource') }, exported, {}, []],
    ['one', { org: P('a', `principal, ${PII}`) }, exported, {}, ['pii']],
    ['all', { org: P('a', `principal, ${CLASS}, resource`) }, exported, {}, ['confidential', 'pii']],
    [
      'in a list',
      { org: P('a', 'principal, action in [Gatehouse::Action::"readClass"], resource') },
      exported,
      {},
      ['confidential', 'pii'],
    ],
    ['in itself', { org: P('a', 'principal, action in Gatehouse::Action::"readClass", resource') }, exported, {}, ['confidential', 'pii']],
    [
      'but for a forbid',
      { org: `${P('a', `principal, ${CLASS}, resource`)} @id("f") forbid(principal, ${PII});` },
      exported,
      {},
      ['confidential'],
    ],
    ['of an answer without classes', { org: P('a', `principal, ${CLASS}, resource`) }, releasePayment, {}, []],
    ['by the connector file', { crm: P('a', `principal, ${PII}`) }, exported, {}, ['pii']],
    ['not by the file of another', { erp: P('a', `principal, ${CLASS}, resource`) }, exported, {}, []],
    ['by role', { org: P('a', `principal in Gatehouse::Role::"payer", ${PII}`) }, exported, {}, ['pii']],
    ['not without it', { org: P('a', `principal in Gatehouse::Role::"payer", ${PII}`) }, exported, { agent: { ...clerk, roles: [] } }, []],
    ['by region', { org: inEurope }, exported, {}, ['pii']],
    ['not elsewhere', { org: inEurope }, exported, { agent: { ...clerk, region: 'us' } }, []],
    [
      'by operation',
      {
        org: P('a', `principal, ${CLASS}, resource`).replace(
          ';',
          ' when { context.operation == "erp.getInvoice" && context.connector == "erp" };',
        ),
      },
      invoice,
      {},
      ['bank'],
    ],
    [
      'by owner',
      { org: P('a', `principal is Gatehouse::Agent, ${PII}`).replace(';', ' when { principal.owner in Gatehouse::Group::"owners" };') },
      exported,
      {},
      ['pii'],
    ],
    ['for a subject who may, too', { org: P('a', `principal, ${PII}`) }, exported, { subject: 'maria' }, ['pii']],
    ['not for a subject who may not', { org: P('a', `principal is Gatehouse::Agent, ${PII}`) }, exported, { subject: 'maria' }, []],
    [
      'not where a forbid cannot be evaluated',
      {
        org: `${P('a', `principal, ${PII}`)} @id("f") forbid(principal is Gatehouse::Agent, ${PII}) when { principal.autonomy * 9223372036854775807 > 0 };`,
      },
      exported,
      {},
      [],
    ],
  ])('%s', (_title, texts, of, over, classes) => expect(readable(texts, of, over)).toEqual(classes))

  test('remembered by what the answer rests on, and by nothing else', () => {
    const decider = build({ org: P('a', `principal, ${PII}`) })
    const ask = (over: object) => {
      const { principal, person } = question(exported, {}, over)
      return decider.readableClasses(principal, person, exported.id)
    }
    expect(ask({ agent: { ...clerk, epoch: 9 } })).toBe(ask({}))
    expect(ask({ agent: { ...clerk, team: 'other' } })).not.toBe(ask({}))
    expect(decider.readableClasses(question(exported).principal, people[0], 'crm.nothing' as never).size).toBe(0)
  })

  test('policies about classes decide no call and show no operation', () => {
    const decider = build({ org: P('a', `principal, ${CLASS}, resource`), erp: P('b', 'principal, action, resource') })
    const asked = question(exported, { id: 't' })
    expect(decider.decide(asked).verdict).toEqual({ effect: 'deny', policies: [], reason: 'no_permit' })
    expect(decider.visible(asked.principal).has(exported.id)).toBe(false)
    expect(decider.visible(asked.principal).has(invoice.id)).toBe(true)
    expect(decider.policies().map(({ id }) => id)).toEqual(['a', 'b'])
  })
})

describe('faults', () => {
  const F = (annotation: string, rest = `principal, ${PII}`): string => `@id("f") ${annotation} forbid(${rest});`
  test.each([
    ['a hold', { org: F('@hold("finance")') }, /`@hold` stands on a policy about `readClass`: a class is read or masked at once/],
    ['a shadow', { org: F('@shadow') }, /`@shadow` stands on a policy about `readClass`/],
    [
      'beside operations',
      { org: F('', 'principal, action in [Gatehouse::Action::"readClass", Gatehouse::Action::"read"], resource') },
      /beside operations: write two policies/,
    ],
    [
      'in a condition',
      { org: F('', 'principal, action, resource').replace(';', ' when { action == Gatehouse::Action::"readClass" };') },
      /readClass/,
    ],
    ['time', { org: F('').replace(';', ' when { context.now > datetime("2026-01-01") };') }, /`now`/],
    ['labels', { org: F('').replace(';', ' when { context.labels.contains("pii") };') }, /`labels`/],
    [
      'a class misspelt',
      { org: F('', `principal, ${CLASS}, resource == Gatehouse::DataClass::"pij"`) },
      /org\.cedar:1:1 .*no answer has the data class `pij`: did you mean `pii`/,
    ],
    ['a class of another connector', { erp: F('') }, /no answer has the data class `pii`: declare it in the manifest/],
    ['another resource', { org: F('', `principal, ${CLASS}, resource == Gatehouse::Connector::"crm"`) }, /policy `f`/],
    ['no match', { org: F('').replace(';', ' when { false };') }, /impossible/],
  ])('%s', (_title, texts, message) => expect(faultsOf(() => build(texts)).join('\n')).toMatch(message))

  test('an organisation may rule over classes that it does not have yet', () => {
    expect(faultsOf(() => build({ org: F('', `principal, ${CLASS}, resource == Gatehouse::DataClass::"salary"`) }))).toEqual([])
  })
})

describe('policy tests', () => {
  const texts = {
    org: P('eu', `principal is Gatehouse::Agent, ${PII}`).replace(';', ' when { principal.region == context.region };'),
    crm: P('crm', `principal in Gatehouse::Role::"desk", ${CLASS}, resource`),
  }
  const ask = (context: JsonObject, decision: string, over: JsonObject = {}): JsonObject => ({
    name: 'one',
    request: {
      principal: 'Gatehouse::Agent::"a"',
      action: 'Gatehouse::Action::"readClass"',
      resource: 'Gatehouse::DataClass::"pii"',
      context,
    },
    entities: [{ uid: { type: 'Gatehouse::Agent', id: 'a' }, attrs: { region: 'eu' }, parents: [{ type: 'Gatehouse::Role', id: 'desk' }] }],
    decision,
    ...over,
  })
  const run = (...tests: JsonObject[]) => runPolicyTests(source(texts, catalogue), [{ path: 't.json', text: JSON.stringify(tests) }])
  test('ask about a class', () => {
    const result = run(
      ask({ region: 'eu', connector: 'erp' }, 'allow', { reason: ['eu'] }),
      ask({ region: 'us', connector: 'erp' }, 'deny'),
      ask({ region: 'us', connector: 'crm', operation: 'crm.closeTicket' }, 'allow', { reason: ['crm'] }),
    )
    expect(result.failed).toEqual([])
    expect(result.coverage).toMatchObject([
      { policy: 'crm', decided: 1 },
      { policy: 'eu', decided: 1, near: 2 },
    ])
    expect(run(ask({ region: 'us', conector: 'crm' }, 'allow')).failed[0]?.message).toMatch(/conector/)
  })
})

test('the schema for editors has the action and the classes', () => {
  const text = cedarSchemaText({ files: [], catalogue })
  expect(text).toContain('action "readClass"')
  expect(text).toContain('entity DataClass')
})
