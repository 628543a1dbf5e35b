import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Bed, startBed } from '../harness.ts'
import { fields, items } from '../send.ts'
import { Browsers, fits, hasBrowser, shoot, violations } from './browser.ts'

let bed: Bed
let agent: string
beforeAll(async () => {
  if (!hasBrowser) return
  // Acme's own approvals take the safe side: what is held is approved or refused as it stands.
  bed = await startBed({
    edits: {
      'approvals.yaml': (text) => text.replace('  expires: 4h\n', '  expires: 4h\n  edits: allowed\n'),
    },
  })
  agent = await bed.agentToken('invoice-clerk')
}, 120_000)
afterAll(() => bed?.close())

interface Paid {
  callId: string
  /** The agent's own wait for the end of its call. */
  ended: () => Promise<{ state: unknown; result: unknown; code: unknown }>
}

let made = 0

/** A payment that policy holds for a finance manager. */
async function pay(amount = 2_000, rationale = 'The invoice is due today.'): Promise<Paid> {
  made += 1
  const headers = {
    authorization: `Bearer ${agent}`,
    'content-type': 'application/json',
    'gatehouse-rationale': Buffer.from(rationale).toString('latin1'),
  }
  const body = JSON.stringify({ vendorId: 'V-1001', amount, currency: 'EUR', reference: `INV-${made}` })
  const answer = await fetch(`${bed.url}/proxy/erp/payments`, { method: 'POST', headers, body })
  expect(answer.status).toBe(202)
  const { callId } = fields(await answer.json())
  const status = `${bed.url}/v1/calls/${String(callId)}?wait=20`
  const ended = async (): Promise<{ state: unknown; result: unknown; code: unknown }> => {
    const { state, result, error } = fields(await (await fetch(status, { headers: { authorization: `Bearer ${agent}` } })).json())
    return { state, result, code: error === undefined ? undefined : fields(error).code }
  }
  return { callId: String(callId), ended }
}

const payments = (): number => bed.acme.systems.erp.journal.entries({ operation: 'releasePayment' }).length

async function holdOf(callId: string): Promise<string> {
  const { holds } = await bed.people('aisha', '{ holds(filter: { state: [open] }, first: 200) { edges { node { id callId } } } }')
  const found = items(fields(holds).edges)
    .map((edge) => fields(fields(edge).node))
    .find((hold) => hold.callId === callId)
  return String(found?.id)
}

async function link(person: string): Promise<string> {
  return String((await bed.people(null, 'mutation ($person: String!) { signInLink(person: $person) }', { person })).signInLink)
}

describe.skipIf(!hasBrowser)('the inbox', () => {
  const browsers = new Browsers()
  let page: Page

  afterEach(async () => {
    for (const { id } of await openHolds())
      await bed.people('raj', 'mutation ($id: ID!) { rejectHold(id: $id) { id } }', { id }).catch(() => undefined)
    await browsers.forget()
    await page?.close()
    expect(browsers.complaints.splice(0)).toEqual([])
  })

  async function openHolds(): Promise<{ id: string }[]> {
    const { holds } = await bed.people('raj', '{ holds(filter: { state: [open] }, first: 200) { edges { node { id } } } }')
    return items(fields(holds).edges).map((edge) => ({ id: String(fields(fields(edge).node).id) }))
  }

  async function enter(person: string, window: Parameters<Browsers['open']>[0] = {}): Promise<void> {
    page = await browsers.open(window)
    await page.goto(await link(person))
    await page.getByRole('heading', { name: 'Inbox' }).waitFor()
  }

  const rows = () => page.locator('.hold-row')

  test('a payment arrives by itself, is approved while its agent waits, and runs once', async () => {
    await enter('maria')
    await page.getByText('Live', { exact: true }).waitFor()
    const before = payments()
    const paid = await pay(2_345, 'Due today \u202Eevil')
    await page.getByText('A call arrived that waits for you.').waitFor()
    const waiting = paid.ended()
    await rows().first().click()
    await page.getByText('INV-').first().waitFor()
    for (const words of ['V-1001', '2345', 'invoice-clerk', 'unverified', 'U+202E', 'need a finance manager', 'Cannot be undone'])
      await page.getByText(words, { exact: false }).first().waitFor({ timeout: 5_000 })
    await page.getByRole('button', { name: 'JSON' }).click()
    await page.getByText('{"amount":2345,"currency":"EUR"', { exact: false }).waitFor()
    await page.getByRole('button', { name: /^Approve (?!and)/ }).click()
    await page.getByRole('button', { name: 'Approve, for good' }).click()
    await page.getByText('Approved.', { exact: true }).first().waitFor()
    expect(await waiting).toMatchObject({ state: 'completed', result: { amount: 2_345 } })
    expect(payments()).toBe(before + 1)
    await page.getByRole('heading', { name: 'Nothing waits for you' }).waitFor()
  })

  test('is worked through by keyboard alone: down, up, refuse with a comment, approve', async () => {
    const [first, second] = [await pay(3_001), await pay(3_002)]
    await enter('maria')
    const before = payments()
    await rows().nth(1).waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog').getByText('refuse', { exact: true }).waitFor()
    await page.keyboard.press('Escape')
    for (const key of ['j', 'j', 'k']) await page.keyboard.press(key)
    await page.waitForURL(`**/inbox/${await holdOf(first.callId)}`)
    await page.getByText('3001').first().waitFor()
    await page.keyboard.press('v')
    await page.getByText('{"amount":3001', { exact: false }).waitFor()
    await page.keyboard.press('r')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Shift+Tab')
    await page.getByLabel('Why? The record keeps it.').pressSequentially('a duplicate, say j and a')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByText('Refused. Nothing was executed.').waitFor()
    expect(await first.ended()).toMatchObject({ state: 'rejected', code: 'DENIED' })
    await page.waitForURL(`**/inbox/${await holdOf(second.callId)}`)
    await page.getByText('3002').first().waitFor()
    await page.keyboard.press('a')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    expect(await second.ended()).toMatchObject({ state: 'completed' })
    expect(payments()).toBe(before + 1)
  })

  test('the address is the state: back leads to the list, a link leads to the card', async () => {
    const paid = await pay(4_001)
    await enter('maria', { width: 360 })
    await rows().first().click()
    await page.getByRole('heading', { name: 'What would happen' }).waitFor()
    await page.goBack()
    await rows().first().waitFor()
    expect(await page.getByRole('heading', { name: 'What would happen' }).isVisible()).toBe(false)
    await page.goto(`${bed.url}/inbox/${await holdOf(paid.callId)}`)
    await page.getByText('4001').first().waitFor()
    await page.goto(`${bed.url}/inbox/hold_00000000000000000000000000`)
    await page.getByText('There is no such hold').waitFor()
  })

  test('who only reads sees no buttons, and who may not vote is told why', async () => {
    await pay(5_001)
    await enter('lee')
    await rows().first().click()
    await page.getByText('5001').first().waitFor()
    await page.getByText('read only').waitFor()
    expect(await page.getByRole('button', { name: /Approve|Refuse/ }).count()).toBe(0)
    await page.close()
    await browsers.forget()
    await enter('olga')
    await rows().first().click()
    await page.getByText('The arguments are not for your eyes').waitFor()
    await page.getByText('You may not vote on this:').waitFor()
    expect(await page.getByRole('button', { name: /Approve|Refuse/ }).count()).toBe(0)
    expect(await page.content()).not.toContain('5001')
  })

  test('what somebody else decided leaves by itself', async () => {
    const paid = await pay(6_001)
    await enter('maria')
    await rows().first().click()
    await page.getByRole('button', { name: /^Approve (?!and)/ }).waitFor()
    await bed.people('raj', 'mutation ($id: ID!) { rejectHold(id: $id) { id } }', { id: await holdOf(paid.callId) })
    await page.getByRole('heading', { name: 'Nothing waits for you' }).waitFor()
    await page.locator('.card-head .chip', { hasText: 'Refused' }).waitFor()
    expect(await page.getByRole('button', { name: /^Approve (?!and)/ }).count()).toBe(0)
  })

  test('is edited with the difference shown before it is sent; somebody else approves that, and that is what runs', async () => {
    const paid = await pay(9_000)
    await enter('maria')
    await rows().first().click()
    await page.getByText('9000').first().waitFor()
    await page.keyboard.press('e')
    await page.getByLabel('Amount').fill('-1')
    await page.getByRole('button', { name: 'Send the edit' }).click()
    await page.getByRole('dialog').getByRole('alert').getByText('/amount', { exact: true }).waitFor()
    await page.getByLabel('Amount').fill('1500.25')
    await page.getByRole('dialog').locator('del', { hasText: '9000' }).waitFor()
    await page.getByRole('dialog').locator('ins', { hasText: '1500.25' }).waitFor()
    expect(await violations(page)).toEqual([])
    await shoot(page, 'inbox-edit')
    await page.getByRole('button', { name: 'Send the edit' }).click()
    await page.getByText('Edited by maria').waitFor()
    await page.getByText('You may not vote on this:').waitFor()
    await page.close()
    await browsers.forget()
    await enter('raj')
    await rows().first().click()
    await page.getByText('Edited by maria').waitFor()
    await page.keyboard.press('a')
    await page.getByRole('button', { name: 'Approve, for good' }).click()
    expect(await paid.ended()).toMatchObject({ state: 'completed', result: { amount: 1_500.25 } })
  })

  test('a look at the arguments is recorded once, however long the card stays open', async () => {
    const paid = await pay(7_001)
    await enter('maria')
    await rows().first().click()
    await page.getByText('7001').first().waitFor()
    await pay(7_002)
    await rows().nth(1).waitFor()
    const { call } = await bed.people('aisha', 'query ($id: ID!) { call(id: $id) { entries { kind body } } }', { id: paid.callId })
    const looks = items(fields(call).entries).filter((entry) => fields(entry).kind === 'view' && fields(fields(entry).body).by === 'maria')
    expect(looks).toHaveLength(1)
  })

  test('read by ear: what waits, who asks for whom, what exactly, until when, and which button does what', async () => {
    await pay(2_100, 'The invoice is due today.')
    await pay(2_200)
    await enter('maria')
    await rows().first().click()
    await page.getByRole('heading', { name: 'What the agent did just before' }).waitFor()
    await page.getByText('2100').first().waitFor()
    const list = await page.getByRole('region', { name: 'Inbox' }).ariaSnapshot()
    for (const words of [
      /heading "Inbox" \[level=1\]/,
      /heading "Waits for you 2" \[level=2\]/,
      /list:\n\s+- listitem:\n\s+- checkbox "Select Release a payment of invoice-clerk"/,
      /link "Release a payment \d+ h( \d+ min)? left invoice-clerk for itself 0 of 1 approvals"/,
    ])
      expect(list).toMatch(words)
    const card = await page.getByRole('region', { name: 'The call that is looked at' }).ariaSnapshot()
    for (const words of [
      /article "Release a payment"/,
      /heading "Release a payment" \[level=2\]/,
      /listitem: Cannot be undone/,
      /listitem.*Refused by itself in \d+ h/,
      /term: Agent\n\s+- definition:.*invoice-clerk.*answered for by paul/s,
      /term: Acts for\n\s+- definition: itself/,
      /region "What would happen":/,
      /term: Amount\n\s+- definition: "?2100/,
      /region "What the agent says unverified":(.|\n)*blockquote: The invoice is due today\./,
      /region "What stopped it":(.|\n)*need a finance manager/,
      /region "Who has to agree":(.|\n)*finance-managers/,
      /region "What the agent did just before":/,
      /button "Approve release a payment of invoice-clerk"/,
      /button "Edit release a payment of invoice-clerk"/,
      /button "Refuse release a payment of invoice-clerk"/,
    ])
      expect(card).toMatch(words)
    expect(await page.locator('.hold-row[aria-current="page"]').count()).toBe(1)
    expect(await page.getByRole('main').count()).toBe(1)
    await page.getByRole('navigation', { name: 'Pages' }).waitFor()
  })

  test.each([360, 1440].flatMap((width) => (['light', 'dark'] as const).map((theme) => ({ width, theme }))))(
    'with calls, at $width px, $theme',
    async (window) => {
      for (const amount of [1_200.5, 8_000]) await pay(amount, 'The vendor\u200Bcalled: it is overdue, pay at once.')
      await enter('maria', window)
      await rows().nth(1).waitFor()
      expect(await violations(page)).toEqual([])
      expect(await fits(page)).toBe(true)
      await shoot(page, `inbox-list-${window.width}-${window.theme}`)
      await rows().nth(1).click()
      await page.getByText('8000').first().waitFor()
      await page.getByText('Show the policy').click()
      expect(await violations(page)).toEqual([])
      expect(await fits(page)).toBe(true)
      await shoot(page, `inbox-card-${window.width}-${window.theme}`)
      await page.getByRole('button', { name: 'Refuse' }).click()
      await page.getByRole('dialog').waitFor()
      expect(await violations(page)).toEqual([])
      await shoot(page, `inbox-refuse-${window.width}-${window.theme}`)
    },
  )
})
