import { NO_FACTS } from '../../gateway/core/facts.ts'
import { createHash } from 'node:crypto'
import { instant } from '../../gateway/core/clock.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import { operationId } from '../../gateway/core/ids.ts'
import type { JsonObject } from '../../gateway/core/json.ts'
import { type Catalogue, namespaceOf, type Operation } from '../../gateway/core/operation.ts'
import type { Agent, Person } from '../../gateway/core/principal.ts'
import type { Question } from '../../gateway/ports/decider.ts'
import type { PolicySource } from '../../gateway/ports/policy-source.ts'

/** The small organisation that the engine's tests ask about. */

export const operation = (id: string, over: Partial<Operation> = {}): Operation => {
  const [connector = '', name = ''] = id.split('.')
  const inputSchema: JsonObject = over.inputSchema ?? { type: 'object', properties: {} }
  return {
    id: operationId(connector, name),
    connector,
    name,
    jointName: `${connector}_${name}`,
    version: createHash('sha256')
      .update(JSON.stringify([id, inputSchema]))
      .digest('hex'),
    description: '',
    mode: 'write',
    reversibility: 'irreversible',
    inputSchema,
    dataClasses: {},
    labels: [],
    idempotency: { kind: 'none' },
    timeoutMs: 1_000,
    region: 'eu',
    route: { method: 'POST', path: `/${name}` },
    ...over,
  }
}

export const object = (properties: JsonObject, required: string[] = []): JsonObject => ({ type: 'object', properties, required })

export const releasePayment = operation('erp.releasePayment', {
  inputSchema: object(
    {
      vendorId: { type: 'string' },
      amount: { type: 'number' },
      note: { type: 'string' },
      lines: { type: 'array', items: object({ sku: { type: 'string' }, count: { type: 'integer' } }, ['sku']) },
      'x-cost centre': { type: 'string' },
      fee: { type: 'number' },
    },
    ['vendorId', 'amount'],
  ),
  businessKey: { type: 'Vendor', at: '/vendorId' },
})
export const getInvoice = operation('erp.getInvoice', {
  mode: 'read',
  reversibility: 'read-only',
  inputSchema: object({ id: { type: 'integer' } }, ['id']),
})
export const listInvoices = operation('erp.listInvoices', { mode: 'read', reversibility: 'read-only' })
export const closeTicket = operation('crm.closeTicket', {
  reversibility: 'reversible',
  inputSchema: object({ id: { type: 'string' }, refund: { type: ['string', 'integer', 'null'] } }, ['id']),
})

export const changeVendorBank = operation('erp.changeVendorBank', {
  inputSchema: object({ vendorId: { type: 'string' }, iban: { type: 'string' } }, ['vendorId', 'iban']),
})
export const getVendor = operation('erp.getVendor', {
  mode: 'read',
  reversibility: 'read-only',
  inputSchema: object({ id: { type: 'string' } }, ['id']),
  outputSchema: object({
    iban: { type: 'string' },
    createdBy: { type: 'string' },
    rating: { type: 'number' },
    bank: object({ bic: { type: 'string' } }),
  }),
})
const addresses: JsonObject = { type: 'array', items: { type: 'string' } }
export const sendMail = operation('mail.send', {
  reversibility: 'externally-reversible',
  inputSchema: object({ to: addresses, cc: addresses, body: { type: 'string' } }, ['to']),
})

export const catalogueOf = (...operations: Operation[]): Catalogue => ({
  version: 'v1',
  connectors: [...new Set(operations.map((o) => o.connector))].map((name) => ({
    name,
    kind: 'openapi',
    region: name === 'crm' ? 'us' : 'eu',
  })),
  operations: new Map(operations.map((o) => [o.id, o])),
  byJointName: new Map(operations.map((o) => [o.jointName, o])),
})

export const acme = catalogueOf(releasePayment, getInvoice, listInvoices, closeTicket)

/** Of an organisation with facts. */
export const trading = catalogueOf(releasePayment, changeVendorBank, getVendor, getInvoice, closeTicket, sendMail)

export const people: Person[] = [
  { name: 'maria', groups: ['finance-managers'], roles: [], region: 'eu' },
  { name: 'paul', groups: ['owners'], roles: ['operator'] },
]

export const clerk: Agent = {
  name: 'invoice-clerk',
  owner: 'paul',
  team: 'finance',
  region: 'eu',
  purpose: 'pays',
  roles: ['payer'],
  clearance: ['internal'],
  autonomy: 2,
  status: 'active',
  epoch: 1,
}

/** Policies by connector; `org` is the organisation's own file. */
export const source = (texts: Readonly<Record<string, string>>, catalogue: Catalogue = acme, facts?: string): PolicySource => ({
  files: Object.entries(texts).map(([name, text]) => ({ path: `policies/${name}.cedar`, connector: name === 'org' ? null : name, text })),
  catalogue,
  approvals: new Set(['finance', 'cfo']),
  people,
  ...(facts !== undefined && { facts: { path: 'policies/facts.yaml', text: facts } }),
})

type Ask = Partial<Omit<Question, 'principal'>> & { agent?: Agent; subject?: string }

export function question(of: Operation, input: JsonObject = {}, { agent = clerk, subject, ...over }: Ask = {}): Question {
  const key = of.businessKey && input[of.businessKey.at.slice(1)]
  const person = people.find(({ name }) => name === subject)
  return {
    operation: of,
    principal: {
      agent,
      actors: [agent.name],
      issuer: 'https://issuer.example',
      tokenExpiresAtMs: 1,
      ...(subject !== undefined && { subject }),
    },
    input,
    now: instant(Date.UTC(2026, 0, 5, 12)),
    door: 'mcp',
    ...(typeof key === 'string' && { resourceKey: key }),
    ...(person && { person }),
    facts: NO_FACTS,
    ...over,
  }
}

export const actionOf = (of: Operation): string => `${namespaceOf(of.connector)}::Action::"${of.name}"`

/** The faults that a faulty source is refused with, as `pointer message`. */
export function faultsOf(build: () => unknown): string[] {
  try {
    build()
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'CONFIG_INVALID') return error.faults.map((f) => `${f.pointer} ${f.message}`)
    throw error
  }
  return []
}
