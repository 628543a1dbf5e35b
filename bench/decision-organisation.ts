import { NO_FACTS } from '../gateway/core/facts.ts'
import { instant } from '../gateway/core/clock.ts'
import { operationId } from '../gateway/core/ids.ts'
import { type Catalogue, namespaceOf, type Operation } from '../gateway/core/operation.ts'
import type { Agent } from '../gateway/core/principal.ts'
import type { Question } from '../gateway/ports/decider.ts'
import type { PolicyFile, PolicySource } from '../gateway/ports/policy-source.ts'

export interface OrganisationSize {
  connectors: number
  operationsPerConnector: number
  policiesPerConnector: number
  agents: number
}

/** A large organisation: what `docs/performance.md` names. */
export const LARGE: OrganisationSize = { connectors: 200, operationsPerConnector: 50, policiesPerConnector: 10, agents: 10_000 }

const INPUT_SCHEMA = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    amount: { type: 'number' },
    currency: { type: 'string', enum: ['EUR', 'USD', 'SEK'] },
    note: { type: 'string' },
  },
  required: ['id', 'amount', 'currency'],
  additionalProperties: false,
}

function operationOf(connector: string, index: number): Operation {
  const name = `operation${index}`
  const read = index % 2 === 0
  return {
    id: operationId(connector, name),
    connector,
    name,
    jointName: `${connector}_${name}`,
    version: '0'.repeat(64),
    description: name,
    mode: read ? 'read' : 'write',
    reversibility: read ? 'read-only' : 'irreversible',
    inputSchema: INPUT_SCHEMA,
    dataClasses: {},
    labels: [],
    idempotency: { kind: 'none' },
    timeoutMs: 1_000,
    region: 'eu',
    route: { method: read ? 'GET' : 'POST', path: `/${name}` },
  }
}

/**
 * One connector's file: two roles that read, one that writes, one operation each of three that a role may call, an amount that is held, one that is
 * refused, a currency that is refused, and a region that may not write.
 */
function policiesOf(connector: string, count: number): PolicyFile {
  const ns = namespaceOf(connector)
  const role = (index: number): string => `Gatehouse::Role::"${connector}-${index}"`
  const action = (index: number): string => `${ns}::Action::"operation${index}"`
  const resource = `resource in Gatehouse::Connector::"${connector}"`
  const rules = [
    `permit (principal in ${role(0)}, action in Gatehouse::Action::"read", ${resource});`,
    `permit (principal in ${role(1)}, action in Gatehouse::Action::"read", ${resource}) when { context.input.currency == "EUR" };`,
    `permit (principal in ${role(0)}, action in Gatehouse::Action::"write", ${resource}) when { principal.region == "eu" };`,
    `permit (principal in ${role(2)}, action in [${action(1)}, ${action(3)}, ${action(5)}], resource);`,
    `permit (principal in ${role(2)}, action == ${action(7)}, resource) when { context.input.amount.lessThan(decimal("100.0")) };`,
    `permit (principal in ${role(3)}, action == ${action(9)}, resource);`,
    `@hold("manager") forbid (principal, action in Gatehouse::Action::"irreversible", ${resource}) when { context.input.amount.greaterThan(decimal("1000.0")) };`,
    `forbid (principal, action in Gatehouse::Action::"write", ${resource}) when { context.input.amount.greaterThan(decimal("50000.0")) };`,
    `forbid (principal, action == ${action(1)}, resource) when { context.input.currency != "EUR" };`,
    `forbid (principal, action in Gatehouse::Action::"write", ${resource}) when { context has subject && context.input.amount.greaterThan(decimal("10.0")) && principal is Gatehouse::Agent && principal.autonomy < 1 };`,
  ]
  const text = rules.slice(0, count).map((rule, index) => `@id("${connector}-${index}")\n${rule}\n`)
  return { path: `${connector}.cedar`, connector, text: text.join('\n') }
}

export function agentOf(index: number, size: OrganisationSize): Agent {
  const connector = `c${index % size.connectors}`
  return {
    name: `agent-${index}`,
    owner: `owner-${index % 500}`,
    team: `team-${index % 100}`,
    region: index % 7 === 0 ? 'us' : 'eu',
    purpose: '',
    roles: [`${connector}-${index % 4}`, `c${(index * 7) % size.connectors}-${(index + 1) % 4}`, `team-${index % 100}`],
    clearance: ['confidential'],
    autonomy: index % 5,
    status: 'active',
    epoch: 1,
  }
}

/** The organisation's policies; its agents are made by `agentOf`. */
export function organisationOf(size: OrganisationSize): PolicySource {
  const names = Array.from({ length: size.connectors }, (_, index) => `c${index}`)
  const list = names.flatMap((name) => Array.from({ length: size.operationsPerConnector }, (_, index) => operationOf(name, index)))
  const catalogue: Catalogue = {
    version: '0'.repeat(64),
    connectors: names.map((name) => ({ name, kind: 'openapi', region: 'eu' })),
    operations: new Map(list.map((operation) => [operation.id, operation])),
    byJointName: new Map(list.map((operation) => [operation.jointName, operation])),
  }
  return { files: names.map((name) => policiesOf(name, size.policiesPerConnector)), catalogue, approvals: new Set(['manager']), people: [] }
}

/** What a role may call, by index: most calls of a well-meant agent are allowed, as in life. */
const USUAL: readonly (readonly number[])[] = [
  [0, 2, 4, 6, 11, 13, 15, 17],
  [0, 8, 10, 12, 14, 16, 18, 20],
  [1, 3, 5, 7],
  [9, 9, 9, 2],
]

/**
 * Question `index` of an endless row: seven of eight within the agent's own role, one of eight at a connector where it has none. A fresh question has an
 * amount that none before had, so that nothing is remembered; the others have one of twenty.
 */
export function questionOf(index: number, source: PolicySource, size: OrganisationSize, fresh: boolean): Question {
  const number = (index * 7_919) % size.agents
  const agent = agentOf(number, size)
  const own = number % size.connectors
  const stray = index % 8 === 7
  const usual = USUAL[number % 4] ?? []
  const operation = source.catalogue.operations.get(
    operationId(`c${stray ? (own + 1) % size.connectors : own}`, `operation${usual[Math.floor(index / 8) % usual.length] ?? 0}`),
  )
  if (!operation) throw new Error('the organisation lacks an operation of its own')
  const dear = index % 21 === 20 ? 5_000 : 0
  // One division, so that no amount has more places than policy takes.
  const amount = fresh ? (dear * 10_000 + (index % 9_999_999)) / 10_000 : dear + (index % 20)
  return {
    operation,
    principal: { agent, actors: [agent.name], issuer: 'https://issuer.example', tokenExpiresAtMs: 0 },
    input: { id: `id-${index % 100}`, amount, currency: 'EUR' },
    now: instant(1_767_600_000_000 + index),
    door: 'mcp',
    facts: NO_FACTS,
  }
}
