import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type HookReceiver, receiveHooks } from '../../notify/test-receivers.ts'
import { type Bed, startBed } from '../harness.ts'
import { fields, items } from '../send.ts'
import { Browsers, fits, hasBrowser, shoot, violations } from './browser.ts'

const FOREVER = { timeout: 60_000, interval: 20 }
const SECRET = 'whsec_c2VjcmV0IG9mIHRoZSB3ZWJob29rcyBvZiBhY21l'

let hooks: HookReceiver
let bed: Bed
beforeAll(async () => {
  if (!hasBrowser) return
  hooks = await receiveHooks(SECRET)
  const notifications = `\nnotifications:\n  egress: [127.0.0.1]\n  webhooks: [{ name: ops, url: "${hooks.url}", secret: "${SECRET}" }]\n`
  bed = await startBed({ edits: { 'gatehouse.yaml': (text) => `${text}${notifications}` } })
}, 120_000)
afterAll(async () => {
  await bed?.close()
  await hooks?.close()
})

let made = 0
/** A held payment, and the link that a person was sent for it. */
async function notified(person: string): Promise<{ link: string; holdId: string; reference: string }> {
  const reference = `NOTICE-${++made}`
  const headers = { authorization: `Bearer ${await bed.agentToken('invoice-clerk')}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ vendorId: 'V-1001', amount: 2_000, currency: 'EUR', reference })
  const { callId } = fields(await (await fetch(`${bed.url}/proxy/erp/payments`, { method: 'POST', headers, body })).json())
  const found = () => hooks.hooks.find(({ body: { data } }) => fields(data.call).id === callId && data.recipient === person)?.body.data
  await expect.poll(found, FOREVER).toBeDefined()
  return { link: String(found()?.link), holdId: String(fields(found()?.hold).id), reference }
}

const signInLink = async (person: string): Promise<string> =>
  String((await bed.people(null, 'mutation ($person: String!) { signInLink(person: $person) }', { person })).signInLink)

describe.skipIf(!hasBrowser)('the link of a notice in a browser', () => {
  const browsers = new Browsers()

  test('asks to sign in first and opens the hold then; a second time it opens nothing', async () => {
    const { link, holdId, reference } = await notified('maria')
    const page = await browsers.open()
    await page.goto(link)
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await page.getByText('You followed the link of a notice').waitFor()
    expect(await page.content()).not.toContain(reference)
    expect(await violations(page)).toEqual([])
    await shoot(page, 'notice-sign-in')
    await page.goto(await signInLink('maria'))
    await page.getByText(reference).first().waitFor()
    expect(page.url()).toBe(`${bed.url}/inbox/${holdId}`)
    // Leaving the page and coming back by the link: it was used.
    await page.goto('about:blank')
    await page.goto(link)
    await page.getByRole('heading', { name: 'This link opens nothing' }).waitFor()
    expect(await page.content()).not.toContain(reference)
    expect(await page.evaluate('sessionStorage.getItem("gatehouse.notice")')).toBeNull()
    await page.getByRole('link', { name: /Go to the inbox/ }).click()
    await page.getByRole('heading', { name: 'Inbox' }).waitFor()
    expect(browsers.complaints).toEqual([])
    await page.close()
  })

  test('opens the hold at once for who is signed in, and nothing for anybody else', async () => {
    const { link, holdId, reference } = await notified('maria')
    await browsers.forget()
    const page = await browsers.open()
    await page.goto(await signInLink('raj'))
    await page.getByRole('heading', { name: 'Inbox' }).waitFor()
    for (const address of [link, `${bed.url}/notice#forged`, `${bed.url}/notice`]) {
      await page.goto('about:blank')
      await page.goto(address)
      await page.getByRole('heading', { name: 'This link opens nothing' }).waitFor()
      await page.getByText('Each link in a notice works once').waitFor()
      expect(await page.content()).not.toContain(reference)
    }
    await browsers.forget()
    await page.goto(await signInLink('maria'))
    await page.getByRole('heading', { name: 'Inbox' }).waitFor()
    await page.goto('about:blank')
    await page.goto(link)
    await page.waitForURL(`${bed.url}/inbox/${holdId}`)
    await page.getByText(reference).first().waitFor()
    const { hold } = await bed.people('maria', `{ hold(id: "${holdId}") { state votes { voter } } }`)
    expect(hold).toEqual({ state: 'open', votes: [] })
    expect(browsers.complaints).toEqual([])
    await page.close()
  })

  test.each([
    [360, 'light'],
    [1_440, 'dark'],
  ] as const)('the page that says no fits %s in %s, for everybody', async (width, theme) => {
    await browsers.forget()
    const page = await browsers.open({ width, theme })
    await page.goto(await signInLink('maria'))
    await page.getByRole('heading', { name: 'Inbox' }).waitFor()
    await page.goto('about:blank')
    await page.goto(`${bed.url}/notice#forged`)
    await page.getByRole('heading', { name: 'This link opens nothing' }).waitFor()
    expect([await violations(page), await fits(page)]).toEqual([[], true])
    await shoot(page, `notice-${width}-${theme}`)
    await page.close()
  })

  test('that reached nobody stands on the overview, with who was not told and why', async () => {
    hooks.answer = (_request, response) => void response.writeHead(410, {}).end()
    const headers = { authorization: `Bearer ${await bed.agentToken('invoice-clerk')}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ vendorId: 'V-1001', amount: 2_000, currency: 'EUR', reference: 'NOTICE-410' })
    await (await fetch(`${bed.url}/proxy/erp/payments`, { method: 'POST', headers, body })).arrayBuffer()
    const people = async () => {
      const { noticesGivenUp } = await bed.people('olga', '{ noticesGivenUp(first: 50) { person } }')
      return items(noticesGivenUp).map((notice) => fields(notice).person)
    }
    await expect.poll(async () => (await people()).includes('maria'), FOREVER).toBe(true)
    await browsers.forget()
    const page = await browsers.open()
    await page.goto(await signInLink('olga'))
    await page.getByRole('heading', { name: 'Inbox' }).waitFor()
    await page.goto(`${bed.url}/overview`)
    const row = page
      .getByRole('region', { name: 'Notices that reached nobody' })
      .getByRole('row', { name: /^maria a call waits webhook:ops/ })
    expect(await row.innerText()).toContain('the receiver answered 410: it wants no more')
    expect(await violations(page)).toEqual([])
    await row.getByRole('link', { name: 'a call waits' }).click()
    await page.waitForURL('**/inbox/hold_*')
    await page.close()
  })
})
