import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Bed, startBed } from '../harness.ts'
import { fields, items } from '../send.ts'
import { Browsers, fits, hasBrowser, shoot, violations } from './browser.ts'

let bed: Bed
let agent: string
beforeAll(async () => {
  if (!hasBrowser) return
  bed = await startBed()
  agent = await bed.agentToken('invoice-clerk')
}, 120_000)
afterAll(() => bed?.close())

let made = 0

/** A payment above what passes unasked. Another reference each time, so that none joins another. */
async function pay(amount: number, currency = 'EUR'): Promise<{ status: number; callId: string }> {
  made += 1
  const headers = { authorization: `Bearer ${agent}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ vendorId: 'V-1001', amount, currency, reference: `INV-${made}` })
  const answer = await fetch(`${bed.url}/proxy/erp/payments`, { method: 'POST', headers, body })
  await answer.arrayBuffer()
  return { status: answer.status, callId: String(answer.headers.get('gatehouse-call')) }
}

async function holdOf(callId: string): Promise<string> {
  const { call } = await bed.people('aisha', 'query ($id: ID!) { call(id: $id) { hold { id } } }', { id: callId })
  return String(fields(fields(call).hold).id)
}

describe.skipIf(!hasBrowser)('grants', () => {
  const browsers = new Browsers()

  async function signIn(person: string, window: { width?: number; theme?: 'light' | 'dark' } = {}): Promise<Page> {
    await browsers.forget()
    const page = await browsers.open(window)
    const { signInLink } = await bed.people(null, 'mutation ($person: String!) { signInLink(person: $person) }', { person })
    await page.goto(String(signInLink))
    await page.getByRole('navigation', { name: 'Pages' }).waitFor()
    return page
  }

  /** As it stands, in both themes: wide and narrow, without sideways scrolling, for everybody to read. */
  async function bothThemes(page: Page, name: string): Promise<void> {
    for (const theme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: theme })
      for (const width of [1440, 360]) {
        await page.setViewportSize({ width, height: 900 })
        expect(await fits(page), `${name} ${theme} ${width}`).toBe(true)
        expect(await violations(page), `${name} ${theme} ${width}`).toEqual([])
        await shoot(page, `${name}-${theme}-${width}`)
      }
    }
    await page.setViewportSize({ width: 1280, height: 900 })
  }

  test('an approver allows more like this; it passes without asking until somebody revokes it', async () => {
    const first = await pay(1_500)
    expect(first.status).toBe(202)
    const page = await signIn('maria')
    await page.goto(`${bed.url}/inbox/${await holdOf(first.callId)}`)
    await page.getByRole('button', { name: 'Approve and allow more like this…' }).click()
    const dialog = page.getByRole('dialog', { name: 'Approve, and allow more like this' })
    expect(await dialog.getByText('always stays as it is').count()).toBe(1)
    await dialog.getByLabel('What passes in reference').selectOption('any')
    await dialog.getByLabel('What passes in amount').selectOption('at_most')
    await dialog.getByLabel('The most that passes in amount').fill('1600')
    await dialog.getByLabel('Calls, at most 20').fill('2')
    const sentence = dialog.getByText(
      /Without asking again, invoice-clerk may call erp\.releasePayment 2 more times, amount up to 5000 in all/,
    )
    await sentence.waitFor()
    await bothThemes(page, 'grant-dialog')
    await dialog.getByRole('button', { name: 'Approve and allow' }).click()
    await dialog.waitFor({ state: 'detached' })

    const passed = await pay(1_550)
    expect(passed.status).toBe(201)
    expect((await pay(1_601)).status).toBe(202)
    expect((await pay(1_500, 'USD')).status).toBe(202)
    await page.close()

    const security = await signIn('aisha')
    await security.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Grants' }).click()
    const row = security.getByRole('row', { name: /invoice-clerk/ })
    await row.getByText('1 of 2').waitFor()
    expect(await row.innerText()).toContain('1,550 of 5,000')
    // The list is no look at arguments; asking what passes is one.
    const looks = async () => {
      const { call } = await bed.people('lee', 'query ($id: ID!) { call(id: $id) { entries { kind body } } }', { id: first.callId })
      return items(fields(call).entries).filter((entry) => fields(entry).kind === 'view' && fields(fields(entry).body).by === 'aisha')
        .length
    }
    expect(await looks()).toBe(0)
    await row.getByRole('button', { name: 'Show what passes' }).click()
    await row.getByText('"V-1001"').waitFor()
    await row.getByText('at most 1600').waitFor()
    expect(await looks()).toBe(1)
    await bothThemes(security, 'grants')
    await security.goto(`${bed.url}/calls/${passed.callId}`)
    await security.getByText('It went on without asking, under a standing grant of maria.').waitFor()
    await shoot(security, 'granted-call')
    await security.getByRole('link', { name: 'All grants' }).click()
    await row.getByRole('button', { name: /Revoke/ }).click()
    const confirm = security.getByRole('dialog', { name: /Revoke the grant of invoice-clerk/ })
    await confirm.getByLabel('Why it ends').fill('the vendor changed its terms')
    await confirm.getByRole('button', { name: 'Revoke' }).click()
    await security.getByRole('heading', { name: 'No such grant' }).waitFor()
    expect((await pay(1_500)).status).toBe(202)
    await security.close()
    expect(browsers.complaints.splice(0)).toEqual([])
  }, 90_000)

  test('one person approves alone, and somebody else reviews it; auditors see it and have no button', async () => {
    const held = await pay(2_200)
    const page = await signIn('yuki', { theme: 'dark' })
    await page.goto(`${bed.url}/inbox/${await holdOf(held.callId)}`)
    await page.getByRole('button', { name: 'Break the glass…' }).click()
    const dialog = page.getByRole('dialog', { name: 'Approve alone, in an emergency' })
    await bothThemes(page, 'break-dialog')
    await dialog.getByLabel(/Why it cannot wait/).fill('too short')
    await dialog.getByRole('button', { name: 'Approve alone' }).click()
    await dialog
      .getByRole('alert')
      .getByText(/at least 20 characters/)
      .waitFor()
    await dialog.getByLabel(/Why it cannot wait/).fill('line 3 stands still and nobody of finance answers')
    await dialog.getByRole('button', { name: 'Approve alone' }).click()
    await page.getByText('yuki approved this alone, in an emergency').waitFor()
    await page.close()

    const auditor = await signIn('lee')
    await auditor.goto(`${bed.url}/grants`)
    await auditor.getByRole('heading', { name: 'Approved by one person alone' }).waitFor()
    await auditor.getByText(/Due until/).waitFor()
    expect(await auditor.getByRole('button', { name: 'Justified', exact: true }).count()).toBe(0)
    await auditor.close()
    // An operator reads it, and here security reviews.
    const operator = await signIn('olga')
    await operator.goto(`${bed.url}/grants`)
    await operator.getByText(/Due until/).waitFor()
    expect(await operator.getByRole('button', { name: 'Justified', exact: true }).count()).toBe(0)
    await operator.close()

    const security = await signIn('aisha')
    await security.goto(`${bed.url}/grants`)
    await security.getByRole('button', { name: 'Justified', exact: true }).click()
    const review = security.getByRole('dialog', { name: 'Justified' })
    await bothThemes(security, 'review-dialog')
    await review.getByLabel('What you looked at').fill('called the plant')
    await review.getByRole('button', { name: 'Justified' }).click()
    await security.getByText('called the plant').waitFor()
    await bothThemes(security, 'broken-glass')
    await security.close()
    const { brokenGlass } = await bed.people('lee', '{ brokenGlass { edges { node { state by review { by verdict } } } } }')
    expect(items(fields(brokenGlass).edges)).toMatchObject([
      { node: { state: 'reviewed', by: 'yuki', review: { by: 'aisha', verdict: 'justified' } } },
    ])
    expect(browsers.complaints.splice(0)).toEqual([])
  }, 90_000)
})
