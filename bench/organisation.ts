import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The agent that makes all calls. */
export const AGENT = 'bench-agent'

/** The upstream's key: made by the harness for each run and handed to the processes that need it. */
export const apiKey = process.env.BENCH_API_KEY ?? ''

const number = { type: 'number' }
const text = { type: 'string' }
const object = (properties: Record<string, unknown>, required: readonly string[] = []) => ({
  type: 'object',
  additionalProperties: false,
  properties,
  ...(required.length > 0 ? { required } : {}),
})
export const json = (schema: unknown) => ({ content: { 'application/json': { schema } } })

const order = object({ orderId: text, amount: number, state: text })
const customer = object({
  customerId: text,
  name: text,
  region: text,
  balance: number,
  tags: { type: 'array', items: text },
  orders: { type: 'array', items: order },
})
export const newOrder = object({ customerId: text, amount: number, currency: { type: 'string', enum: ['EUR', 'USD'] }, reference: text }, [
  'customerId',
  'amount',
  'currency',
  'reference',
])
const limit = { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 1000 } }

export const document = {
  openapi: '3.1.0',
  info: { title: 'CRM', version: '1' },
  paths: {
    '/customers/{customerId}': {
      get: {
        operationId: 'getCustomer',
        parameters: [{ name: 'customerId', in: 'path', required: true, schema: text }, limit],
        responses: { 200: { description: 'The customer.', ...json(customer) } },
      },
    },
    '/orders': {
      get: {
        operationId: 'listOrders',
        parameters: [limit],
        responses: { 200: { description: 'Orders.', ...json({ type: 'array', items: order }) } },
      },
      post: {
        operationId: 'createOrder',
        requestBody: { required: true, ...json(newOrder) },
        responses: { 201: { description: 'Accepted.', ...json(object({ orderId: text, state: text, reference: text })) } },
      },
    },
  },
}

const GATEHOUSE = `organisation: bench
issuers: [{ kind: built-in, development: true }]
connectors: [connectors]
policies: [policies]
approvals: approvals.yaml
people: people.yaml
agents: agents.yaml
telemetry: { logLevel: warn }
limits: { callsPerMinute: 100000000, concurrentCalls: 1000 }
`
const AGENTS = `- { name: ${AGENT}, owner: olga, team: sales, region: eu, roles: [sales-desk], autonomy: 3 }
`
const PEOPLE = `- { name: olga, groups: [platform] }
- { name: maria, groups: [managers] }
- { name: lee, groups: [auditors], roles: [auditor] }
`
const APPROVALS = `manager:
  requires: [{ group: managers, count: 1 }]
  expires: 1h
`
const ORG_POLICY = `@id("org-observers-never-write")
forbid (principal is Gatehouse::Agent, action in Gatehouse::Action::"write", resource)
when { principal.autonomy < 1 };

@id("org-irreversible-needs-autonomy")
forbid (principal is Gatehouse::Agent, action in Gatehouse::Action::"irreversible", resource)
when { principal.autonomy < 2 };
`
const CRM_POLICY = `@id("crm-desk-reads")
permit (principal in Gatehouse::Role::"sales-desk", action in Gatehouse::Action::"read", resource in Gatehouse::Connector::"crm");

@id("crm-pages-are-small")
forbid (principal, action == Crm::Action::"getCustomer", resource)
when { context.input has limit && context.input.limit > 100 };

@id("crm-desk-orders")
permit (principal in Gatehouse::Role::"sales-desk", action == Crm::Action::"createOrder", resource);

@id("crm-large-orders-need-a-manager")
@hold("manager")
forbid (principal, action == Crm::Action::"createOrder", resource)
when { context.input.amount.greaterThan(decimal("1000.00")) || context.input.currency != "EUR" };

@id("crm-order-ceiling")
forbid (principal, action == Crm::Action::"createOrder", resource)
when { context.input.amount.greaterThan(decimal("50000.00")) };
`

/**
 * Writes a small organisation with everything on: an agent with a role, org-wide and connector policies of which two look at the arguments and one
 * would hold, and one system with a sealed credential.
 */
export function writeOrganisation(folder: string, upstreamUrl: string): void {
  mkdirSync(join(folder, 'connectors'), { recursive: true })
  mkdirSync(join(folder, 'policies'), { recursive: true })
  const connector = `connector: crm
kind: openapi
source: ../crm.json
baseUrl: ${upstreamUrl}
region: eu
credential: service-key
egress: [127.0.0.1]
operations:
  overrides:
    createOrder: { reversibility: reversible, timeout: 10s }
`
  const files: Record<string, string> = {
    'gatehouse.yaml': GATEHOUSE,
    'agents.yaml': AGENTS,
    'people.yaml': PEOPLE,
    'approvals.yaml': APPROVALS,
    'crm.json': JSON.stringify(document),
    'connectors/crm.yaml': connector,
    'policies/org.cedar': ORG_POLICY,
    'policies/crm.cedar': CRM_POLICY,
  }
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
}
