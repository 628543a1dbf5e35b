import { describe, expect, test } from 'vitest'
import type { Agent } from '../../gateway/core/principal.ts'
import { diffPolicies } from './diff.ts'
import { catalogueOf, clerk, operation, source } from './test-organisation.ts'

const object = { type: 'object', properties: {} } as const
const read = (name: string, dataClasses: Readonly<Record<string, readonly string[]>>) =>
  operation(`crm.${name}`, { mode: 'read', reversibility: 'read-only', inputSchema: { ...object }, dataClasses })
const catalogue = catalogueOf(
  read('getCustomer', { '/email': ['pii'], '/rating': ['confidential'] }),
  read('listCustomers', { '/*/email': ['pii'], '/*/rating': ['confidential'] }),
  read('ping', {}),
)
const agents: Agent[] = [
  { ...clerk, name: 'desk', roles: ['support'], region: 'eu' },
  { ...clerk, name: 'abroad', roles: ['support'], region: 'us' },
]

const may = (condition = '', resource = 'resource'): string =>
  `@id("read") permit(principal, action == Gatehouse::Action::"readClass", ${resource}) ${condition};`
const PII = 'resource == Gatehouse::DataClass::"pii"'
const EU = 'when { principal is Gatehouse::Person || principal.region == "eu" }'

const changes = (before: string, after: string) =>
  diffPolicies({ before: source({ org: before }, catalogue), after: source({ org: after }, catalogue), agents }).classes.map(
    ({ change, dataClass, agent, subject, registered, operations }) =>
      [change, dataClass, agent, ...(subject ? [`for ${subject}`] : []), ...(registered ? [] : ['(made up)']), operations.length].join(' '),
  )

describe('who may read a class in one set alone', () => {
  test.each<[string, string, string, string[]]>([
    ['nothing changes', may(), may(), []],
    ['other words', may(EU), may('unless { principal is Gatehouse::Agent && principal.region != "eu" }'), []],
    ['one class alone', may(), may('', PII), ['newly-masked confidential desk 2']],
    ['a region', may('', PII), may(EU, PII), ['newly-masked pii abroad 2']],
    ['an operation', may('', PII), may('unless { context.operation == "crm.listCustomers" }', PII), ['newly-masked pii desk 1']],
    [
      'a role that nobody has',
      '',
      '@id("read") permit(principal in Gatehouse::Role::"dpo", action == Gatehouse::Action::"readClass", resource);',
      ['newly-readable confidential another-agent (made up) 2', 'newly-readable pii another-agent (made up) 2'],
    ],
    [
      'the person acted for',
      may(),
      may('unless { principal is Gatehouse::Person && !(principal in Gatehouse::Group::"finance-managers") }'),
      ['newly-masked confidential desk for paul 2', 'newly-masked pii desk for paul 2'],
    ],
  ])('%s', (_title, before, after, expected) => {
    expect(changes(before, after).sort()).toEqual([...expected].sort())
  })
})
