import { describe, expect, test } from 'vitest'
import { createDecider } from './decider.ts'
import {
  acme,
  catalogueOf,
  clerk,
  closeTicket,
  getInvoice,
  listInvoices,
  operation,
  question,
  releasePayment,
  source,
} from './test-organisation.ts'

const seen = (texts: Record<string, string>, over = {}, catalogue = acme): string[] => {
  const { principal, person } = question(releasePayment, {}, over)
  return [...createDecider(source(texts, catalogue)).visible(principal, person)].sort()
}
const ALL = [closeTicket, getInvoice, listInvoices, releasePayment].map(({ id }) => id)
const P = '@id("p") permit(principal, action, resource);'
const forbid = (text: string, annotations = '') => `${P} @id("f") ${annotations} forbid(principal, action, resource) ${text};`

describe('views', () => {
  test.each([
    ['nothing permits', {}, {}, []],
    ['everything permits', { org: P }, {}, ALL],
    ['a connector permits its own', { erp: P }, {}, ['erp.getInvoice', 'erp.listInvoices', 'erp.releasePayment']],
    ['a role it has', { org: P.replace('principal', 'principal in Gatehouse::Role::"payer"') }, {}, ALL],
    ['a role it lacks', { org: P.replace('principal', 'principal in Gatehouse::Role::"other"') }, {}, []],
    ['a group of actions', { org: P.replace('action', 'action in Gatehouse::Action::"read"') }, {}, ['erp.getInvoice', 'erp.listInvoices']],
    ['an attribute it lacks', { org: P.replace(';', ' when { principal is Gatehouse::Agent && principal.team == "sales" };') }, {}, []],
    [
      'an attribute before the unknown',
      { erp: forbid('when { principal is Gatehouse::Agent && principal.team == "finance" && context.door == "mcp" }') },
      {},
      ['erp.getInvoice', 'erp.listInvoices', 'erp.releasePayment'],
    ],
    ['a context that could be right', { org: P.replace(';', ' when { context has subject && context.door == "x" };') }, {}, ALL],
    ['a hard forbid', { org: forbid('when { principal is Gatehouse::Agent && principal.autonomy < 3 }') }, {}, []],
    ['a hold', { org: forbid('', '@hold("finance")') }, {}, ALL],
    ['a shadow', { org: forbid('', '@shadow') }, {}, ALL],
    [
      'a business object that could be another',
      { erp: `${P} @id("f") forbid(principal, action, resource == Erp::Vendor::"v");` },
      {},
      ['erp.getInvoice', 'erp.listInvoices', 'erp.releasePayment'],
    ],
    [
      'a connector by its region',
      { org: forbid('when { resource is Gatehouse::Connector && resource.region == "us" }') },
      {},
      ALL.filter((id) => id !== closeTicket.id),
    ],
    [
      'an action by name in a condition',
      { org: forbid('when { action == Erp::Action::"getInvoice" }') },
      {},
      ALL.filter((id) => id !== getInvoice.id),
    ],
    [
      'an owner of a group',
      { org: forbid('when { principal is Gatehouse::Agent && principal.owner in Gatehouse::Group::"owners" }') },
      {},
      [],
    ],
    ['a subject who may', { org: P }, { subject: 'maria' }, ALL],
    ['a subject who may not', { org: P.replace('principal', 'principal is Gatehouse::Agent') }, { subject: 'maria' }, []],
    ['an agent that may not', { org: P.replace('principal', 'principal is Gatehouse::Person') }, { subject: 'maria' }, []],
  ])('%s', (_title, texts, over, expected) => {
    expect(seen(texts, over)).toEqual(expected)
  })

  test('what partial evaluation cannot take stays visible', () => {
    const sets = `${'['.repeat(58)}context.door${']'.repeat(58)} == ${'['.repeat(58)}"x"${']'.repeat(58)}`
    expect(seen({ org: forbid(`when { ${sets} }`) })).toEqual(ALL)
  })

  test('principals with the same view share it, and it costs nothing to ask again', () => {
    const decider = createDecider(source({ org: P }, catalogueOf(...acme.operations.values(), operation('erp.more'))))
    const { principal } = question(releasePayment)
    const other = { ...principal, agent: { ...clerk, name: 'other' } }
    expect(decider.visible(principal).size).toBe(5)
    expect(decider.visible(other)).toBe(decider.visible(principal))
  })
})
