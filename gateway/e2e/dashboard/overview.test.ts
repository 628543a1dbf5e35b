import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Bed, startBed } from '../harness.ts'
import { fields, items } from '../send.ts'
import { Browsers, fits, hasBrowser, shoot, violations } from './browser.ts'

let bed: Bed
let empty: Bed
beforeAll(async () => {
  if (!hasBrowser) return
  ;[bed, empty] = [await startBed(), await startBed()]
  await day()
}, 120_000)
afterAll(async () => {
  await bed?.close()
  await empty?.close()
})

async function call(agent: string, path: string, body?: object): Promise<void> {
  const headers = { authorization: `Bearer ${await bed.agentToken(agent)}`, 'content-type': 'application/json' }
  const sent = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) }
  const answer = await fetch(`${bed.url}/proxy${path}`, sent)
  await answer.arrayBuffer()
}

const payment = (reference: string) =>
  call('invoice-clerk', '/erp/payments', { vendorId: 'V-1001', amount: 2_000, currency: 'EUR', reference })

async function holds(): Promise<readonly string[]> {
  const { holds: found } = await bed.people('maria', '{ holds(filter: { state: [open] }, orderBy: NEWEST) { edges { node { id } } } }')
  return items(fields(found).edges).map((edge) => String(fields(fields(edge).node).id))
}

async function ended(state: string): Promise<number> {
  const { calls } = await bed.people('lee', 'query ($state: CallState!) { calls(filter: { state: [$state] }) { edges { cursor } } }', {
    state,
  })
  return items(fields(calls).edges).length
}

/** What agents and people of one day did: known calls, so that every number is known. */
async function day(): Promise<void> {
  for (let i = 0; i < 6; i++) await call('prober', `/probe/things/t${i}`)
  for (let i = 0; i < 3; i++) await call('prober', '/probe/things/forbidden')
  for (let i = 0; i < 2; i++) {
    bed.probe.faults.push({ status: 500 })
    await call('prober', `/probe/things/broken${i}`)
  }
  bed.probe.faults.push({ status: 500 })
  await call('prober', '/probe/things', { name: 'doubt' })
  await call('support-triage', '/crm/customers/C-99999')
  await call('support-triage', '/crm/nowhere')
  for (const reference of ['INV-1', 'INV-2', 'INV-3']) await payment(reference)
  const [, rejected, approved] = await holds()
  const vote = (verb: string) => `mutation ($id: ID!) { ${verb}(id: $id, comment: "looked at") { id } }`
  await bed.people('maria', vote('approveHold'), { id: approved })
  await bed.people('maria', vote('rejectHold'), { id: rejected })
  await vi.waitFor(async () => expect(await ended('completed')).toBe(7), { timeout: 20_000 })
  await vi.waitFor(async () => expect(await counted()).toEqual({ calls: 16, hold: 2, upstream: 11 }), { timeout: 20_000 })
}

/** As far as what follows the record has come. */
async function counted(): Promise<unknown> {
  const query = 'query ($since: DateTimeISO!) { metrics(range: { since: $since }) { rows { calls hold { count } upstream { count } } } }'
  const { metrics } = await bed.people('lee', query, { since: new Date(Date.now() - 3_600_000).toISOString() })
  const row = fields(items(fields(metrics).rows)[0])
  return { calls: row.calls, hold: fields(row.hold).count, upstream: fields(row.upstream).count }
}

/** How many calls an address of the log stands for. */
async function behind(href: string): Promise<number> {
  const { searchParams: at } = new URL(href, bed.url)
  const text = (key: string): string | undefined => at.get(key)?.replace(/^"|"$/g, '')
  const filter = {
    ...{ agent: text('agent'), operation: text('operation'), connector: text('connector'), decision: text('decision') },
    ...{ state: text('state')?.split(','), since: text('from'), until: text('to') },
  }
  const query = 'query ($filter: CallFilter!) { calls(filter: $filter, first: 500) { edges { cursor } } }'
  return items(fields((await bed.people('lee', query, { filter })).calls).edges).length
}

describe.skipIf(!hasBrowser)('the overview', () => {
  const browsers = new Browsers()
  let page: Page

  afterEach(async () => {
    await browsers.forget()
    await page?.close()
    expect(browsers.complaints.splice(0)).toEqual([])
  })

  async function enter(person: string, path: string, window: Parameters<Browsers['open']>[0] = {}, at = bed): Promise<void> {
    page = await browsers.enter(at, person, path, window)
  }

  const stat = (name: string) =>
    page
      .locator('.stat', { has: page.getByText(name, { exact: true }) })
      .locator('dd')
      .first()
      .innerText()
  const drawn = () => page.locator('.chart canvas').first().waitFor()

  test('figures are what was done, and each number is the calls behind its link', async () => {
    await enter('lee', '/overview')
    await drawn()
    const figures = {
      Calls: '16',
      Permitted: '10',
      'Held for people': '3',
      Denied: '3',
      Completed: '7',
      Failed: '3',
      'Refused by people': '1',
    }
    for (const [name, number] of Object.entries(figures)) expect([name, await stat(name)]).toEqual([name, number])
    expect(await stat('Open holds')).toBe('1')
    await page.getByText('Why', { exact: true }).click()
    for (const table of await page.getByText('As a table').all()) await table.click()
    const links = await page
      .locator('main a[href^="/calls?"]')
      .evaluateAll((all) => all.map((link) => [link.getAttribute('href') ?? '', link.textContent ?? '']))
    expect(links.length).toBeGreaterThan(25)
    for (const [href = '', text = ''] of links) {
      if (/^\d+$/.test(text)) expect([href, String(await behind(href))]).toEqual([href, text])
    }
    await page.locator('.stat a', { hasText: /^3$/ }).first().click()
    await page.waitForURL(/\/calls\?.*decision=hold/)
    await page.getByRole('heading', { name: 'Calls' }).waitFor()
  })

  test('what is in doubt comes first, and where calls end badly by system', async () => {
    await enter('aisha', '/overview')
    await drawn()
    await page.getByRole('heading', { name: '1 call is in doubt' }).waitFor()
    const heat = page.locator('.heat')
    expect(await heat.locator('tbody tr').allInnerTexts()).toEqual([
      expect.stringMatching(/^In doubt\s+0\s+0\s+1\s+0$/),
      expect.stringMatching(/^Failed at the system\s+1\s+0\s+2\s+0$/),
      expect.stringMatching(/^Denied by policy\s+0\s+0\s+3\s+0$/),
      expect.stringMatching(/^Refused by people\s+0\s+1\s+0\s+0$/),
      expect.stringMatching(/^Refused at the door\s+0\s+0\s+0\s+1$/),
    ])
    await page.getByText('Why', { exact: true }).click()
    await page.getByText('Denied by policy, probe: probe-no-forbidden-thing').waitFor()
    await page.getByText('Failed at the system, crm: the system refused it (4xx)').waitFor()
    await page.getByText('Refused at the door: NOT_FOUND').waitFor()
  })

  test('the range is in the address, and Back goes back', async () => {
    await enter('olga', '/overview')
    await drawn()
    await page.getByRole('button', { name: '30 days' }).click()
    await page.waitForURL('**/overview?range=30d')
    await page.getByText('Compared with the 30 days before.').first().waitFor()
    expect(await stat('Calls')).toBe('16')
    await page.goBack()
    await page.waitForURL('**/overview')
    await page.getByText('Compared with the same 24 hours a week before').first().waitFor()
    expect(await page.getByRole('button', { name: '24 hours' }).getAttribute('aria-pressed')).toBe('true')
  })

  test('a chart is moved along by keys, says what it shows, and is a table', async () => {
    await enter('olga', '/overview')
    await drawn()
    const chart = page.getByRole('slider').first()
    await chart.focus()
    expect(await chart.getAttribute('aria-valuetext')).toBe('no time chosen')
    await page.keyboard.press('End')
    await expect.poll(() => chart.getAttribute('aria-valuetext')).toMatch(/: Permitted 10, Held 3, Denied 3$/)
    await page.keyboard.press('ArrowLeft')
    await expect.poll(() => chart.getAttribute('aria-valuetext')).toMatch(/: Permitted 0, Held 0, Denied 0$/)
    await page.getByText('As a table').first().click()
    expect(await page.locator('.chart-table').first().locator('tbody tr').allInnerTexts()).toEqual([expect.stringMatching(/\s10\s+3\s+3$/)])
  })

  test('a chart is drawn anew in the colours of another theme', async () => {
    await enter('olga', '/overview')
    await drawn()
    const pixels = () => page.evaluate('document.querySelector(".chart canvas").toDataURL()')
    const light = await pixels()
    await page.getByLabel('Theme').selectOption('dark')
    await expect.poll(pixels).not.toBe(light)
    const dark = await pixels()
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.getByLabel('Theme').selectOption('system')
    await expect.poll(pixels).toBe(dark)
    await page.emulateMedia({ colorScheme: 'light' })
    await expect.poll(pixels).toBe(light)
  })

  test('an organisation without calls is told what will be here', async () => {
    await enter('lee', '/overview', {}, empty)
    await page.getByRole('heading', { name: 'No calls in this time' }).waitFor()
    expect(await stat('Calls')).toBe('0')
    expect(await violations(page)).toEqual([])
    await page.getByRole('button', { name: 'Look at 30 days' }).click()
    await page.waitForURL('**/overview?range=30d')
    expect(await page.getByRole('button', { name: 'Look at 30 days' }).count()).toBe(0)
    await shoot(page, 'overview-empty')
  })

  test('approvers without a reading role have no such page', async () => {
    await enter('maria', '/overview')
    await page.getByRole('heading', { name: 'This page is not for your roles' }).waitFor()
    expect(await page.getByRole('link', { name: 'Overview' }).count()).toBe(0)
  })

  test.each([
    [360, 'light'],
    [360, 'dark'],
    [1440, 'light'],
    [1440, 'dark'],
  ] as const)('%i pixels, %s: nothing scrolls sideways, and no rule of accessibility is broken', async (width, theme) => {
    await enter('lee', '/overview', { width, theme })
    await drawn()
    await shoot(page, `overview-${width}-${theme}`)
    await page.getByText('Why', { exact: true }).click()
    expect(await violations(page)).toEqual([])
    expect(await fits(page)).toBe(true)
    await page.locator('.overview-precision').scrollIntoViewIfNeeded()
    await shoot(page, `overview-${width}-${theme}-end`)
  })
})
