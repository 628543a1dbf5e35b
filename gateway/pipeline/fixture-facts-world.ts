import { createDetectors } from '../detectors/detectors.ts'
import type { World } from './test-line.ts'

/** For tests of facts: a shop whose policies look at history, lookups, labels and findings. Nothing of the product imports it. */

const json = (schema: object) => ({ '200': { description: '', content: { 'application/json': { schema } } } })
const object = (properties: Record<string, object>, required: string[] = []) => ({ type: 'object', properties, required })
const text = { type: 'string' }
const amount = { amount: { type: 'number' }, note: text }

const post = (operationId: string, properties: Record<string, object>) => ({
  post: {
    operationId,
    requestBody: { required: true, content: { 'application/json': { schema: object(properties) } } },
    responses: json({}),
  },
})
const get = (operationId: string, schema: object) => ({
  get: { operationId, parameters: [{ name: 'id', in: 'path', required: true, schema: text }], responses: json(schema) },
})

export const factsWorld: World = {
  document: {
    openapi: '3.1.0',
    info: { title: 'Shop', version: '1' },
    paths: {
      '/payments': post('pay', amount),
      '/refunds': post('refund', amount),
      '/large-payments': post('payLarge', amount),
      '/transfers': post('transfer', { vendorId: text, ...amount }),
      '/mails': post('send', { to: { type: 'array', items: text }, text }),
      '/vendors/{id}': get('getVendor', object({ iban: text, createdBy: text, rating: { type: 'number' } })),
      '/inbox/{id}': get('readMail', {}),
      '/notes/{id}': get('readNote', {}),
      '/files/{id}': get('readFile', {}),
      '/people/{id}': get('getPerson', object({ name: text, email: text })),
    },
  },
  overrides: {
    getVendor: { timeoutMs: 1_000 },
    readMail: { labels: ['untrusted'] },
    readFile: { labels: ['pii', 'secret', 'untrusted'] },
    getPerson: { dataClasses: { '/email': ['pii'] } },
  },
  policies: `
@id("all") permit (principal, action, resource) unless { action == Shop::Action::"transfer" };
@id("transfers") permit (principal == Gatehouse::Agent::"clerk", action == Shop::Action::"transfer", resource)
when { context.lookup.vendor has createdBy && context.lookup.vendor.createdBy != "nobody" };
@id("read") permit (principal, action == Gatehouse::Action::"readClass", resource);
@id("cap") @advice("At most 5,000 an hour.") forbid (principal, action == Shop::Action::"pay", resource)
when { context.history.paid1h.greaterThan(decimal("5000.0")) };
@id("lead") @hold("lead") forbid (principal, action == Shop::Action::"payLarge", resource);
@id("large-cap") forbid (principal, action == Shop::Action::"payLarge", resource)
when { context.history.large1h.greaterThan(decimal("5000.0")) };
@id("vendor") @hold("lead") forbid (principal, action == Shop::Action::"transfer", resource)
when { context.input has amount && context.input.amount.greaterThan(decimal("100.0")) };
@id("iban") forbid (principal, action == Shop::Action::"transfer", resource)
when { context.lookup.vendor has iban && context.lookup.vendor.iban like "XX*" };
@id("tainted") forbid (principal, action == Shop::Action::"send", resource)
when { context.labels.contains("untrusted") };
@id("private") forbid (principal, action == Shop::Action::"send", resource)
when { context.labels.contains("pii") };
@id("secret") forbid (principal, action == Shop::Action::"send", resource)
when { context.findings.contains("credential") };
`,
  facts: `history:
  paid1h: { sum: /amount, of: [shop.pay, shop.refund], window: 1h }
  large1h: { sum: /amount, of: [shop.payLarge], window: 1h }
lookups:
  vendor: { call: shop.getVendor, with: { id: /vendorId }, fields: [/iban, /createdBy] }
`,
  detectors: createDetectors(),
}
