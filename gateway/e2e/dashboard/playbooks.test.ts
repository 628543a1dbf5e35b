import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Bed, startBed } from '../harness.ts'
import { fields } from '../send.ts'
import { Browsers, fits, hasBrowser, shoot, violations } from './browser.ts'

const EVIDENCE = 'photo of the crate \u202eneddih'

let bed: Bed
const made = { checked: '', unchecked: '', none: '' }

/** A refund that waits for a lead. */
async function refund(amount: number, attached?: object): Promise<string> {
  const headers = {
    authorization: `Bearer ${await bed.agentToken('support-triage')}`,
    'content-type': 'application/json',
    ...(attached ? { 'gatehouse-decision-record': Buffer.from(JSON.stringify(attached)).toString('latin1') } : {}),
  }
  const body = JSON.stringify({ amount, currency: 'EUR', reason: 'damaged' })
  const answer = await fetch(`${bed.url}/proxy/crm/tickets/T-20003/refunds`, { method: 'POST', headers, body })
  expect(answer.status).toBe(202)
  await answer.arrayBuffer()
  return String(answer.headers.get('gatehouse-call'))
}

async function holdOf(id: string): Promise<string> {
  const { call } = await bed.people('aisha', 'query ($id: ID!) { call(id: $id) { hold { id } } }', { id })
  return String(fields(fields(call).hold).id)
}

beforeAll(async () => {
  if (!hasBrowser) return
  bed = await startBed()
  const record = { cause: 'damaged', evidence: [EVIDENCE, 'x'.repeat(200)], orderValue: 120.5, refundedBefore: false }
  made.checked = await refund(20, { playbook: 'refund', version: '1', outcome: 'refund', record })
  made.unchecked = await refund(21, { playbook: 'o'.repeat(255), version: '7', outcome: 'maybe' })
  made.none = await refund(22)
}, 120_000)
afterAll(() => bed?.close())

describe.skipIf(!hasBrowser)('a decision record', () => {
  const browsers = new Browsers()
  let page: Page

  afterEach(async () => {
    await browsers.forget()
    await page?.close()
    expect(browsers.complaints.splice(0)).toEqual([])
  })

  const sees = async (...words: string[]): Promise<void> => {
    for (const word of words) await page.getByText(word, { exact: false }).first().waitFor()
  }
  const title = () => page.getByRole('heading', { name: 'Decision record' })

  const sizes = [360, 1440].flatMap((width) => (['light', 'dark'] as const).map((theme) => ({ width, theme })))

  test.each(sizes)(
    'on the hold card of who may decide, at $width px, $theme',
    async (window) => {
      page = await browsers.enter(bed, 'sam', `/inbox/${await holdOf(made.checked)}`, window)
      await title().waitFor()
      await sees('unverified', 'form checked', 'version 1', 'damaged', '120.5', 'Whether they are true is not known.')
      // What would change how the text around it is read is shown as what it is.
      expect(await page.locator('article').innerText()).not.toContain('\u202e')
      expect([await violations(page), await fits(page)]).toEqual([[], true])
      await shoot(page, `hold-decision-record-${window.width}-${window.theme}`)
      await page.goto(`${bed.url}/inbox/${await holdOf(made.unchecked)}`)
      await title().waitFor()
      await sees('not checked', 'maybe', 'Nothing more was attached.', 'No playbook of this name was configured')
      expect([await violations(page), await fits(page)]).toEqual([[], true])
      await page.goto(`${bed.url}/inbox/${await holdOf(made.none)}`)
      await sees('The agent gave no reason.')
      expect(await title().count()).toBe(0)
    },
    120_000,
  )

  test.each(sizes)(
    'on the page of a call, once asked for, at $width px, $theme',
    async (window) => {
      page = await browsers.enter(bed, 'lee', `/calls/${made.checked}`, window)
      const show = page.getByRole('button', { name: 'Show arguments and answer' })
      await show.waitFor()
      expect(await page.content()).not.toContain('photo of the crate')
      await show.click()
      await title().waitFor()
      await sees('photo of the crate', 'form checked', '120.5')
      expect([await violations(page), await fits(page)]).toEqual([[], true])
      await shoot(page, `call-decision-record-${window.width}-${window.theme}`)
    },
    120_000,
  )

  test('not for who may not see payloads', async () => {
    page = await browsers.enter(bed, 'olga', `/calls/${made.checked}`)
    await page.getByRole('button', { name: 'Show arguments and answer' }).click()
    await sees('Arguments and answer are for security')
    expect(await title().count()).toBe(0)
    expect(await page.content()).not.toContain('photo of the crate')
  })
})
