import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshPostgres, type TestDatabase } from '../../storage/test-databases.ts'
import { aiSdk, aiSdkStreaming } from './ai-sdk.ts'
import { type Bed, openBed } from './bed.ts'
import type { Script, ToolCall } from './framework.ts'
import { langchain } from './langchain.ts'
import { openaiAgents } from './openai-agents.ts'

/** One gateway waits for people as long as the door ever does, the other has done with waiting at once. */
let patient: Bed
let hasty: Bed
let databases: readonly (TestDatabase | undefined)[] = []
beforeAll(async () => {
  databases = await Promise.all([freshPostgres('agent frameworks'), freshPostgres('agent frameworks')])
  const [first, second] = databases.map((database) => ({ databaseUrl: database?.options.databaseUrl }))
  ;[patient, hasty] = await Promise.all([openBed(first), openBed({ ...second, mcpHoldWaitMs: 1 })])
})
afterAll(async () => {
  await Promise.all([patient?.close(), hasty?.close()])
  await Promise.all(databases.map((database) => database?.drop()))
})

/** What invoice-clerk may ever use of Acme's systems, and the gateway's own tools. */
const CLERK = [
  'docs_get_file_info',
  'docs_list_allowed_directories',
  'docs_list_directory',
  'docs_read_text_file',
  'docs_search_files',
  'erp_changeVendorBank',
  'erp_getInvoice',
  'erp_getPurchaseOrder',
  'erp_getVendor',
  'erp_listInvoices',
  'erp_listPayments',
  'erp_listPurchaseOrders',
  'erp_listVendors',
  'erp_matchInvoice',
  'erp_releasePayment',
  'gatehouse_call_cancel',
  'gatehouse_call_wait',
]
const PAY = 'erp.releasePayment'
const pay = (amount: number, reference: string): ToolCall => ({
  name: 'erp_releasePayment',
  args: { vendorId: 'V-1001', amount, currency: 'EUR', reference },
})
const HELD = /NOT EXECUTED yet\. Held as (call_[0-9a-z]{26})\. Call gatehouse_call_wait/
const waitFor = (told = '', waitSeconds?: number): ToolCall => ({
  name: 'gatehouse_call_wait',
  args: { id: HELD.exec(told)?.[1] ?? told, ...(waitSeconds === undefined ? {} : { waitSeconds }) },
})

/** A script of one step a turn, whatever the model is told. */
const steps =
  (...made: ((told: string) => ToolCall | Promise<ToolCall>)[]): Script =>
  (heard) =>
    made[heard.length]?.(heard.at(-1) ?? '') ?? null

describe.each([langchain, aiSdk, aiSdkStreaming, openaiAgents])('$name', ({ name, play }) => {
  const run = async (bed: Bed, script: Script, { agent = 'invoice-clerk', ...more }: { agent?: string; toolTimeoutMs?: number } = {}) =>
    await play({ url: bed.url, token: await bed.token(agent), script, ...more })
  /** The reference of a payment that no other test makes. */
  const reference = (what: string): string => `${name.replaceAll(/[^A-Za-z0-9]+/g, ' ')} ${what}`
  const paid = (what: string): unknown => expect.stringMatching(new RegExp(`PAY-\\d+.*${reference(what)}`, 's'))

  test('the model is offered what its agent may use, nothing else', async () => {
    const { offered } = await run(hasty, () => null)
    expect(offered).toEqual(CLERK)
    const watcher = await run(hasty, () => null, { agent: 'shop-floor-watcher' })
    expect(watcher.offered).toContain('erp_getPurchaseOrder')
    expect(watcher.offered).not.toContain('erp_releasePayment')
  })

  test('it gets what policy permits', async () => {
    const ticket = { name: 'crm_getTicket', args: { ticketId: 'T-20001' } }
    const desk = await run(
      hasty,
      steps(() => ticket),
      { agent: 'support-triage' },
    )
    expect(desk.heard).toEqual([expect.stringContaining('T-20001')])
    const vendor = { name: 'erp_getVendor', args: { vendorId: 'V-1007' } }
    const handBook = { name: 'docs_read_text_file', args: { path: 'hand-books/accounts-payable.md' } }
    const clerk = await run(
      hasty,
      steps(
        () => vendor,
        () => handBook,
        () => pay(240, reference('small')),
      ),
    )
    expect(clerk.heard).toEqual([
      expect.stringContaining('Falkenberg Metallbau GmbH'),
      expect.stringContaining('# Accounts payable'),
      paid('small'),
    ])
    expect(hasty.sent('releasePayment', reference('small'))).toBe(1)
  })

  test('it is told that a denied call was not executed, and why', async () => {
    const { heard } = await run(
      hasty,
      steps(() => pay(50_001, reference('denied'))),
    )
    expect(heard).toEqual([
      expect.stringContaining('NOT EXECUTED: denied (forbidden). Payments above 50,000 are made by people only. Do not split the payment.'),
    ])
    expect(hasty.sent('releasePayment', reference('denied'))).toBe(0)
  })

  test('it gets the result of a held call that is approved while it waits', async () => {
    const [{ heard }] = await Promise.all([
      run(
        patient,
        steps(() => pay(2_400, reference('awaited'))),
      ),
      patient.approve(PAY, reference('awaited')),
    ])
    expect(heard).toEqual([paid('awaited')])
    expect(patient.sent('releasePayment', reference('awaited'))).toBe(1)
  })

  test('it is told when nobody has decided, asks again, and gets the result', async () => {
    const { heard } = await run(
      hasty,
      steps(
        () => pay(2_400, reference('polled')),
        (told) => waitFor(told, 0),
        async (told) => {
          await hasty.approve(PAY, reference('polled'))
          return waitFor(told)
        },
      ),
    )
    expect(heard).toEqual([expect.stringMatching(HELD), expect.stringMatching(HELD), paid('polled')])
    expect(hasty.sent('releasePayment', reference('polled'))).toBe(1)
  })

  test('it gets the result by repeating the call', async () => {
    const { heard } = await run(
      hasty,
      steps(
        () => pay(2_400, reference('repeated')),
        () => pay(2_400, reference('repeated')),
        async () => {
          await hasty.approve(PAY, reference('repeated'))
          return pay(2_400, reference('repeated'))
        },
      ),
    )
    expect(heard).toEqual([expect.stringMatching(HELD), expect.stringMatching(HELD), paid('repeated')])
    expect([hasty.sent('releasePayment', reference('repeated')), await hasty.holds(PAY, reference('repeated'))]).toEqual([1, 1])
  })

  test('a call that the framework gave up is still held, and its repeat joins it', async () => {
    const what = 'given up'
    const script: Script = async (heard) => {
      if (heard.length === 1) await patient.approve(PAY, reference(what))
      return heard.length > 4 || heard.at(-1)?.includes('PAY-') ? null : pay(2_400, reference(what))
    }
    const { heard } = await run(patient, script, { toolTimeoutMs: 500 })
    expect(heard[0]).toMatch(/timeout|aborted|error occurred/i)
    expect(heard.at(-1)).toEqual(paid(what))
    expect([patient.sent('releasePayment', reference(what)), await patient.holds(PAY, reference(what))]).toEqual([1, 1])
  })

  test('what is approved for an agent that is there is executed when it asks', async () => {
    const country = { LangChain: 'DE', 'OpenAI Agents': 'AT', [aiSdk.name]: 'CH', [aiSdkStreaming.name]: 'FR' }[name] ?? ''
    const { heard } = await run(
      hasty,
      steps(
        () => ({ name: 'crm_exportContacts', args: { country } }),
        async (told) => {
          await hasty.approve('crm.exportContacts', country, 'aisha')
          expect(hasty.sent('exportContacts', country)).toBe(0)
          return waitFor(told)
        },
      ),
      { agent: 'onboarding-coordinator' },
    )
    expect(heard).toEqual([expect.stringMatching(HELD), expect.stringMatching(/\bcount\b/)])
    expect(hasty.sent('exportContacts', country)).toBe(1)
  })
})
