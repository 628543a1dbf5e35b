import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { DOORS, openDoor } from '../doors.ts'
import { type Bed, startBed } from '../harness.ts'
import { httpForms } from '../http-form.ts'
import { fields, items } from '../send.ts'
import { Browsers, fits, hasBrowser, shoot, violations } from './browser.ts'

let bed: Bed
beforeAll(async () => {
  if (hasBrowser) bed = await startBed()
}, 120_000)
afterAll(() => bed?.close())

const VENDOR = { operation: 'erp.getVendor', input: { vendorId: 'V-1001' } }

/** What the agent is told at each door. */
async function atEveryDoor(agent: string): Promise<readonly unknown[]> {
  const forms = httpForms(bed.configFile, bed.environment)
  return await Promise.all(DOORS.map(async (name) => (await openDoor(name, bed, forms).call({ agent, ...VENDOR })).code))
}

async function held(agent: string, reference: string): Promise<void> {
  const answer = await fetch(`${bed.url}/proxy/erp/payments`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await bed.agentToken(agent)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ vendorId: 'V-1001', amount: 2_000, currency: 'EUR', reference }),
  })
  expect(answer.status).toBe(202)
}

async function lifeOf(name: string): Promise<readonly unknown[]> {
  const query = 'query ($name: String!) { agent(name: $name) { history { by status why } } }'
  return items(fields((await bed.people('lee', query, { name })).agent).history)
}

describe.skipIf(!hasBrowser)('agents', () => {
  const browsers = new Browsers()
  let page: Page

  afterEach(async () => {
    await browsers.forget()
    await page?.close()
    expect(browsers.complaints.splice(0)).toEqual([])
  })

  async function enter(person: string, path: string, window: Parameters<Browsers['open']>[0] = {}): Promise<void> {
    page = await browsers.enter(bed, person, path, window)
  }

  const button = (name: string) => page.getByRole('button', { name, exact: true })
  const rows = () => page.locator('tbody tr')

  test('the register is found through by words and status, and the address is the filter', async () => {
    await enter('olga', '/agents')
    await page.getByRole('link', { name: 'invoice-clerk' }).waitFor()
    const all = await rows().count()
    expect(all).toBeGreaterThanOrEqual(5)
    await page.getByLabel('Status').selectOption('suspended')
    await page.waitForURL('**/agents?status=suspended')
    expect(await rows().allInnerTexts()).toEqual([expect.stringContaining('intern-bot')])
    await page.getByLabel('Find by name').fill('nobody like this')
    await page.getByRole('heading', { name: 'No agent fits' }).waitFor()
    await page.getByRole('link', { name: 'Show all agents' }).click()
    await expect.poll(() => rows().count()).toBe(all)
    await page.goto(`${bed.url}/agents?q=invoices%20paul`)
    await page.getByRole('link', { name: 'invoice-clerk' }).click()
    await page.getByRole('heading', { name: 'invoice-clerk' }).waitFor()
    await page.goBack()
    expect(await page.getByLabel('Find by name').inputValue()).toBe('invoices paul')
  })

  test('the kill switch: from the click on every door refuses the agent, and the page says how soon', async () => {
    expect(await atEveryDoor('invoice-clerk')).toEqual(DOORS.map(() => 'OK'))
    await held('invoice-clerk', 'kill-1')
    await enter('olga', '/agents/invoice-clerk')
    await page.getByRole('heading', { name: 'Kill switch' }).waitFor()
    await page.getByRole('heading', { name: 'Waits for people 1' }).waitFor()
    await button('Suspend now').click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Suspend now' }).click()
    // Without a reason nothing happens.
    expect(await atEveryDoor('invoice-clerk')).toEqual(DOORS.map(() => 'OK'))
    await dialog.getByLabel('Why?').fill('odd payments since noon')
    await dialog.getByRole('button', { name: 'Suspend now' }).click()
    await page.locator('.agent-done', { hasText: /Stopped\. \d+ ms after you confirmed, every gateway refused it\..*: 1\./ }).waitFor()
    const seen = bed.watch()
    expect(await atEveryDoor('invoice-clerk')).toEqual(DOORS.map(() => 'UNAUTHENTICATED'))
    expect(seen()).toEqual([])
    await page.locator('.agent-head .chip', { hasText: 'Suspended' }).waitFor()
    await page.locator('.life blockquote', { hasText: 'odd payments since noon' }).waitFor()
    expect((await lifeOf('invoice-clerk'))[0]).toEqual({ by: 'olga', status: 'suspended', why: 'odd payments since noon' })
    await button('Reinstate').click()
    await dialog.getByRole('button', { name: 'Reinstate' }).click()
    await page.getByText('It is active again.').first().waitFor()
    expect(await atEveryDoor('invoice-clerk')).toEqual(DOORS.map(() => 'OK'))
  })

  test('registered by one, let in by another, retired for good', async () => {
    await enter('aisha', '/agents')
    await button('Register an agent').click()
    const dialog = page.getByRole('dialog')
    for (const [label, text] of [
      ['Name', 'Report Writer'],
      ['Answered for by', 'nobody'],
      ['Team', 'finance'],
      ['Region', 'eu'],
      ['What it is for', 'Writes the reports of the month.'],
      ['Roles', 'accounts-payable, reporting'],
    ] as const)
      await dialog.getByLabel(label, { exact: true }).fill(text)
    await dialog.getByRole('button', { name: 'Register an agent' }).click()
    await dialog.getByText('2 fields are not right yet.').waitFor()
    await dialog.getByText('is nobody of this organisation', { exact: false }).waitFor()
    expect(await violations(page)).toEqual([])
    await shoot(page, 'agents-register')
    await dialog.getByLabel('Name', { exact: true }).fill('report-writer')
    await dialog.getByLabel('Answered for by').fill('paul')
    await dialog.getByLabel('Public keys').fill('{"keys":[{"kty":"EC","crv":"P-256","x":"a","y":"b","d":"c"}]}')
    const sent: string[] = []
    page.on('request', (request) => void sent.push(request.postData() ?? ''))
    await dialog.getByRole('button', { name: 'Register an agent' }).click()
    await dialog.getByText('This holds a private key. It was not sent', { exact: false }).waitFor()
    expect(sent.filter((body) => body.includes('"d":"c"') || body.includes('\\"d\\"'))).toEqual([])
    await dialog.getByLabel('Public keys').fill('')
    await dialog.getByRole('button', { name: 'Register an agent' }).click()
    await page.waitForURL('**/agents/report-writer')
    await page.getByText('You registered it, so somebody else from security has to activate it.').waitFor()
    expect(await button('Activate').count()).toBe(0)
    expect(await atEveryDoor('report-writer')).toEqual(DOORS.map(() => 'UNAUTHENTICATED'))
    await page.close()
    await browsers.forget()

    // Acme has one person in security: the proposal of an operator is what she lets in.
    await bed.people(
      'olga',
      'mutation { registerAgent(name: "stock-counter", owner: "yuki", team: "plant", region: "eu", purpose: "Counts.", roles: ["accounts-payable"]) { name } }',
    )
    await enter('aisha', '/agents?status=proposed')
    await page.getByRole('link', { name: 'stock-counter' }).click()
    await button('Activate').click()
    await page.getByRole('dialog').getByRole('button', { name: 'Activate' }).click()
    await page.getByText('It is active.', { exact: true }).first().waitFor()
    await page.getByText('Retire it').click()
    await button('Retire').click()
    await page.getByLabel('Why?').fill('counted everything')
    await page.getByRole('dialog').getByRole('button', { name: 'Retire' }).click()
    await page.getByText('Retired for good.').waitFor()
    expect(await page.getByRole('button', { name: /Suspend|Reinstate|Retire|Activate/ }).count()).toBe(0)
    expect(await lifeOf('stock-counter')).toEqual([
      { by: 'aisha', status: 'retired', why: 'counted everything' },
      { by: 'aisha', status: 'active', why: null },
      { by: 'olga', status: 'proposed', why: null },
    ])
  })

  test('auditors see everything and no button; who reads nothing is told why', async () => {
    await enter('lee', '/agents')
    await page.getByRole('link', { name: 'invoice-clerk' }).waitFor()
    expect(await button('Register an agent').count()).toBe(0)
    await page.getByRole('link', { name: 'invoice-clerk' }).click()
    await page.getByRole('heading', { name: 'What policies may allow' }).waitFor()
    expect(await page.getByRole('button', { name: /Suspend|Reinstate|Retire|Activate/ }).count()).toBe(0)
    await page.close()
    await browsers.forget()
    await enter('maria', '/agents/invoice-clerk')
    await page.getByRole('heading', { name: 'This page is not for your roles' }).waitFor()
    expect(await page.getByRole('link', { name: 'Agents', exact: true }).count()).toBe(0)
  })

  test.each([360, 1440].flatMap((width) => (['light', 'dark'] as const).map((theme) => ({ width, theme }))))(
    'at $width px, $theme',
    async (window) => {
      await enter('olga', '/agents', window)
      await page.getByRole('link', { name: 'invoice-clerk' }).waitFor()
      expect(await violations(page)).toEqual([])
      expect(await fits(page)).toBe(true)
      await shoot(page, `agents-${window.width}-${window.theme}`)
      await page.getByRole('link', { name: 'invoice-clerk' }).click()
      await page.getByRole('heading', { name: 'Kill switch' }).waitFor()
      expect(await violations(page)).toEqual([])
      expect(await fits(page)).toBe(true)
      await shoot(page, `agent-${window.width}-${window.theme}`)
      await button('Suspend now').click()
      await page.getByRole('dialog').waitFor()
      expect(await violations(page)).toEqual([])
      await shoot(page, `agent-kill-${window.width}-${window.theme}`)
    },
  )
})
