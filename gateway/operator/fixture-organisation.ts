import { createHash } from 'node:crypto'
import type { Requirement } from '../core/hold.ts'
import { operationId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import type { Catalogue, Operation } from '../core/operation.ts'
import type { Person } from '../core/principal.ts'
import type { Operator } from '../ports/operator.ts'
import type { AgentSeed } from '../ports/registry.ts'

/** For tests of the control plane: a small organisation. Nothing of the product imports it. */

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const object = (properties: JsonObject, required: string[]): JsonObject => ({ type: 'object', properties, required })

function operation(name: string, inputSchema: JsonObject, more: Partial<Operation>): Operation {
  return {
    id: operationId('erp', name),
    connector: 'erp',
    name,
    jointName: `erp_${name}`,
    version: sha256(name),
    description: `does ${name}`,
    mode: 'write',
    reversibility: 'irreversible',
    inputSchema,
    dataClasses: {},
    labels: [],
    idempotency: { kind: 'none' },
    timeoutMs: 1_000,
    region: 'eu',
    route: { method: 'POST', path: `/${name}` },
    ...more,
  }
}

const operations = [
  operation('releasePayment', object({ vendorId: { type: 'string' }, amount: { type: 'number' } }, ['vendorId', 'amount']), {}),
  operation('getInvoice', object({ id: { type: 'integer' } }, ['id']), { mode: 'read', reversibility: 'read-only' }),
]

export const catalogue: Catalogue = {
  version: 'v1',
  connectors: [
    { name: 'erp', kind: 'openapi', region: 'eu' },
    { name: 'crm', kind: 'openapi', region: 'eu' },
  ],
  operations: new Map(operations.map((o) => [o.id, o])),
  byJointName: new Map(operations.map((o) => [o.jointName, o])),
}

export const FINANCE: readonly Requirement[] = [{ group: 'finance-managers', count: 1 }]

export const policies = `@id("erp.pay")
permit(principal, action == Erp::Action::"releasePayment", resource)
when { context.input.amount.greaterThan(decimal("0.0")) }
unless { principal is Gatehouse::Agent && principal.autonomy < 1 };
@id("erp.large") @hold("finance") @reason("a large payment") @advice("wait for finance")
forbid(principal, action == Erp::Action::"releasePayment", resource)
when { context.input.amount.greaterThan(decimal("1000.0")) };
`

export const people: readonly Person[] = [
  { name: 'maria', groups: ['finance-managers'], roles: [] },
  { name: 'raj', groups: ['finance-managers'], roles: [] },
  { name: 'chen', groups: ['cfo-office'], roles: [] },
  { name: 'paul', groups: ['finance-managers'], roles: ['operator'] },
  { name: 'olga', groups: ['platform'], roles: ['operator'] },
  { name: 'ivo', groups: ['commanders'], roles: [] },
  { name: 'aisha', groups: ['security'], roles: ['security'] },
  { name: 'lee', groups: ['auditors', 'finance-managers'], roles: ['auditor'] },
  { name: 'sana', groups: ['finance-managers', 'security'], roles: ['security'] },
]

export const agent = (name: string, more: Partial<AgentSeed> = {}): AgentSeed => ({
  name,
  owner: 'paul',
  team: 'finance',
  region: 'eu',
  purpose: 'pays invoices',
  roles: [],
  clearance: [],
  autonomy: 1,
  ...more,
})

/** Signs a person in, as the door does. */
export function as(name: string): Operator {
  if (name === 'local') return { name: 'local', groups: [], roles: ['local'] }
  const person = people.find((one) => one.name === name)
  if (!person) throw new Error(`nobody is called ${name}`)
  return { name, groups: person.groups, roles: person.roles }
}
