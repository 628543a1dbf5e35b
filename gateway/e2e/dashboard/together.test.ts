import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
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

/** So many payments that policy holds for a finance manager, from 1,501 up; their references. */
async function pay(count: number, token = agent): Promise<readonly { reference: string; callId: string; amount: number }[]> {
  const paid: { reference: string; callId: string; amount: number }[] = []
  for (let n = 0; n < count; n++) {
    made += 1
    const [reference, amount] = [`INV-${made}`, 1_500 + made]
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ vendorId: 'V-1001', amount, currency: 'EUR', reference })
    const answer = await fetch(`${bed.url}/proxy/erp/payments`, { method: 'POST', headers, body })
    expect(answer.status).toBe(202)
    paid.push({ reference, amount, callId: String(fields(await answer.json()).callId) })
  }
  return paid
}

async function stateOf(callId: string): Promise<unknown> {
  const status = `${bed.url}/v1/calls/${callId}?wait=20`
  return fields(await (await fetch(status, { headers: { authorization: `Bearer ${agent}` } })).json()).state
}

/** Entries of one kind of a call, as an auditor reads them. */
async function entries(callId: string, kind: string): Promise<readonly Record<string, unknown>[]> {
  const { call } = await bed.people('aisha', 'query ($id: ID!) { call(id: $id) { entries(payloads: true) { kind body } } }', { id: callId })
  return items(fields(call).entries)
    .map(fields)
    .filter((entry) => entry.kind === kind)
    .map((entry) => fields(entry.body))
}

const looksOf = async (callId: string, person: string): Promise<number> =>
  (await entries(callId, 'view')).filter(({ by }) => by === person).length

async function openHolds(): Promise<{ id: string; callId: string; digest: string }[]> {
  const query = '{ holds(filter: { state: [open] }, first: 200) { edges { node { id callId digest } } } }'
  const { holds } = await bed.people('raj', query)
  return items(fields(holds).edges).map((edge) => {
    const { id, callId, digest } = fields(fields(edge).node)
    return { id: String(id), callId: String(callId), digest: String(digest) }
  })
}

describe.skipIf(!hasBrowser)('several calls at once', () => {
  const browsers = new Browsers()
  let page: Page

  afterEach(async () => {
    const votes = (await openHolds()).map(({ id, digest }) => ({ id, digest }))
    const query = 'mutation ($votes: [HoldVote!]!) { rejectHolds(votes: $votes) { id } }'
    for (let at = 0; at < votes.length; at += 50) await bed.people('raj', query, { votes: votes.slice(at, at + 50) })
    await browsers.forget()
    await page?.close()
    expect(browsers.complaints.splice(0)).toEqual([])
  })

  async function enter(person: string, window: Parameters<Browsers['open']>[0] = {}): Promise<void> {
    const { signInLink } = await bed.people(null, 'mutation ($person: String!) { signInLink(person: $person) }', { person })
    page = await browsers.open(window)
    await page.goto(String(signInLink))
    await page.getByRole('heading', { name: 'Inbox' }).waitFor()
  }

  const rows = () => page.locator('.hold-row')
  const dialog = () => page.getByRole('dialog')

  test('alike ones are one row; in a table, each is read, selected and approved for good, with a vote of its own', async () => {
    const paid = await pay(5)
    await enter('maria')
    await rows().first().waitFor()
    expect(await rows().count()).toBe(1)
    await page.getByRole('button', { name: '5 alike: decide on Release a payment of invoice-clerk together' }).click()
    await dialog().getByRole('table').waitFor()
    for (const { reference, amount } of paid) {
      await dialog().getByRole('cell', { name: reference, exact: true }).waitFor()
      await dialog()
        .getByRole('cell', { name: String(amount), exact: true })
        .waitFor()
    }
    await dialog().getByText('Equal in all of them').waitFor()
    expect(await dialog().getByText('EUR', { exact: true }).count()).toBe(1)
    // Nothing is selected by itself, so nothing is approved unread.
    expect(await dialog().getByRole('button', { name: 'Approve', exact: true }).isDisabled()).toBe(true)
    await dialog().getByRole('checkbox', { name: 'Select all of these' }).check()
    await dialog().getByRole('checkbox', { name: 'Select call 5 of 5' }).uncheck()
    await dialog().getByRole('button', { name: 'Approve 4', exact: true }).click()
    await dialog().getByText('This cannot be undone: 4 of 4.').waitFor()
    await dialog().getByRole('button', { name: 'Approve 4, for good' }).click()
    await dialog().getByText('4 voted for.').waitFor()
    expect(await dialog().locator('.chip', { hasText: 'Approved' }).count()).toBe(4)
    for (const { callId } of paid.slice(0, 4)) {
      expect(await stateOf(callId)).toBe('completed')
      expect(await looksOf(callId, 'maria')).toBe(1)
      expect(await entries(callId, 'vote')).toMatchObject([{ voter: 'maria', verdict: 'approve', among: 4 }])
    }
    await dialog().getByRole('button', { name: 'Close' }).click()
    await page.getByText('Waits for you 1').waitFor()
    expect((await openHolds()).map(({ callId }) => callId)).toEqual([paid[4]?.callId])
  })

  test('what somebody else decided meanwhile is told in its row, and the others count', async () => {
    const paid = await pay(3)
    await enter('maria')
    await page.getByRole('button', { name: '3 alike' }).click()
    await dialog().getByRole('checkbox', { name: 'Select all of these' }).check()
    const second = (await openHolds()).find(({ callId }) => callId === paid[1]?.callId)
    await bed.people('raj', 'mutation ($id: ID!) { rejectHold(id: $id) { id } }', { id: second?.id })
    await dialog().getByRole('button', { name: 'Approve 3', exact: true }).click()
    await dialog().getByRole('button', { name: 'Approve 3, for good' }).click()
    await dialog().getByRole('alert').getByText('2 of 3 voted for. The others are told in their rows.').waitFor()
    await dialog()
      .getByRole('row', { name: new RegExp(paid[1]?.reference ?? '-') })
      .getByText('is not open: it is rejected')
      .waitFor()
    expect(await Promise.all(paid.map(({ callId }) => stateOf(callId)))).toEqual(['completed', 'rejected', 'completed'])
  })

  test('by keyboard: x selects, A decides on the selected ones, Escape leads back; a refusal tells why', async () => {
    const alone = await bed.agentToken('invoice-clerk', 'chen')
    const [first, second, other] = [...(await pay(2)), ...(await pay(1, alone))]
    await enter('maria')
    await rows().nth(2).waitFor()
    await page.keyboard.press('j')
    await page
      .getByText(first?.reference ?? '-')
      .first()
      .waitFor()
    expect(await page.evaluate('document.activeElement.closest(".hold-row") !== null')).toBe(true)
    await page.keyboard.press('x')
    await page.getByText('1 selected').waitFor()
    for (const key of ['j', 'j', 'x']) await page.keyboard.press(key)
    await page.getByText('2 selected').waitFor()
    await page.keyboard.press('A')
    await dialog()
      .getByText(other?.reference ?? '-', { exact: true })
      .waitFor()
    expect(await dialog().getByRole('table').count()).toBe(2)
    expect(
      await dialog()
        .getByText(second?.reference ?? '-', { exact: true })
        .count(),
    ).toBe(0)
    await page.keyboard.press('Escape')
    await dialog().waitFor({ state: 'detached' })
    expect(await page.evaluate('document.activeElement.closest(".hold-row") !== null')).toBe(true)
    await page.keyboard.press('A')
    await dialog().getByRole('button', { name: 'Refuse 2' }).click()
    await dialog().getByLabel('Why? The record keeps it.').fill('both are paid already')
    await dialog().getByRole('button', { name: 'Refuse 2' }).click()
    await dialog().getByText('2 refused. Nothing was executed.').waitFor()
    await page.keyboard.press('Escape')
    expect(await stateOf(first?.callId ?? '')).toBe('rejected')
    expect(await entries(other?.callId ?? '', 'vote')).toMatchObject([{ verdict: 'reject', comment: 'both are paid already', among: 2 }])
    // The call that was looked at is gone: the next one comes, and the focus with it.
    await page
      .getByText(second?.reference ?? '-')
      .first()
      .waitFor()
    await page.waitForFunction('document.activeElement?.closest(".card, .hold-row") !== null')
  })

  test('the card says how many are like it, and A decides on them; `For me` and the agent filter what is shown', async () => {
    const paid = await pay(2)
    await enter('maria')
    await rows().first().click()
    await page.getByText('One more call like this waits for you.').waitFor()
    await page.getByRole('button', { name: 'For me' }).click()
    await page.waitForURL('**mine=true**')
    expect(await rows().count()).toBe(2)
    await page.keyboard.press('A')
    for (const { reference } of paid) await dialog().getByText(reference, { exact: true }).waitFor()
  })

  test('amounts are shown in the list when asked for: one recorded look each, also of what comes later, and none before', async () => {
    const [first] = await pay(1)
    await enter('maria')
    await rows().first().waitFor()
    expect(await looksOf(first?.callId ?? '', 'maria')).toBe(0)
    await page.getByRole('button', { name: 'Show amounts' }).click()
    await rows().getByText(`Amount ${first?.amount}`).waitFor()
    const [second] = await pay(1)
    await rows().getByText(`Amount ${second?.amount}`).waitFor()
    await page.getByText('A call arrived that waits for you.').waitFor()
    for (const paid of [first, second]) expect(await looksOf(paid?.callId ?? '', 'maria')).toBe(1)
  })

  test('who may not see arguments is not offered them; an auditor reads, selects nothing and decides nothing', async () => {
    const [first] = await pay(4)
    await enter('olga')
    await rows().first().waitFor()
    expect(await page.getByRole('button', { name: 'Show amounts' }).count()).toBe(0)
    expect(await page.getByRole('checkbox').count()).toBe(0)
    await page.close()
    await browsers.forget()
    await enter('lee')
    await page.getByText('4 alike').waitFor()
    expect(await page.getByRole('checkbox').count()).toBe(0)
    expect(await page.getByRole('button', { name: /alike|Decide/ }).count()).toBe(0)
    await page.getByRole('button', { name: 'Show amounts' }).click()
    await rows().getByText('Amount').waitFor()
    expect(await looksOf(first?.callId ?? '', 'lee')).toBe(1)
  })

  test('how people decided stands on the card, with the bound and what weakens it', async () => {
    await pay(1)
    await enter('maria')
    await rows().first().click()
    const figures = page.locator('.figures').first()
    await figures
      .getByText(/^(Approved|Nobody)/)
      .first()
      .waitFor()
    const before = Number(/Approved (\d+) of/.exec((await figures.textContent()) ?? '')?.[1] ?? 0)
    await page.keyboard.press('a')
    await dialog().getByRole('button', { name: 'Approve, for good' }).click()
    await page.getByText('Approved.', { exact: true }).first().waitFor()
    await pay(1)
    await rows().first().click()
    await figures.getByText(new RegExp(`^Approved ${before + 1} of \\d+ times? in 90 days`)).waitFor()
    expect(await figures.textContent()).toMatch(/With 95 % confidence at most \d+\.\d % of such calls would be refused or edited/)
    await page.getByText('says nothing of whether the approvals were right').waitFor()
  })

  test('who decides how much and how fast is a page for security and auditors, and for nobody else', async () => {
    const [paid] = await pay(1)
    const { id } = (await openHolds()).find(({ callId }) => callId === paid?.callId) ?? {}
    await bed.people('maria', 'mutation ($id: ID!) { approveHold(id: $id) { id } }', { id })
    await enter('aisha', { width: 360, theme: 'dark' })
    await page.getByRole('link', { name: 'Approvers' }).click()
    const maria = page.getByRole('listitem').filter({ hasText: 'maria' })
    await maria.waitFor()
    expect(await maria.getByRole('definition').last().textContent()).not.toBe('0')
    expect(await violations(page)).toEqual([])
    expect(await fits(page)).toBe(true)
    await shoot(page, 'approvers-360-dark')
    await page.getByLabel('Votes of the last').selectOption('7 days')
    await page.waitForURL('**days=7**')
    await page.close()
    await browsers.forget()
    await enter('maria')
    expect(await page.getByRole('link', { name: 'Approvers' }).count()).toBe(0)
    await page.goto(`${bed.url}/approvers`)
    await page.getByRole('heading', { name: 'This page is not for your roles' }).waitFor()
  })

  test('a lost answer: the page says that it does not know, then shows what counts, and sends nothing again', async () => {
    const paid = await pay(3)
    await enter('maria')
    await page.getByRole('button', { name: '3 alike' }).click()
    await dialog().getByRole('checkbox', { name: 'Select call 1 of 3' }).check()
    await dialog().getByRole('checkbox', { name: 'Select call 2 of 3' }).check()
    let sent = 0
    let answers: () => void = () => undefined
    const back = new Promise<void>((resolve) => {
      answers = resolve
    })
    await page.route('**/operator/graphql', async (route) => {
      const body = route.request().postData() ?? ''
      if (body.includes('ApproveSeveral')) {
        sent += 1
        await route.fetch()
        return route.abort()
      }
      if (body.includes('HoldTruth')) await back
      return route.continue()
    })
    await dialog().getByRole('button', { name: 'Approve 2', exact: true }).click()
    await dialog().getByRole('button', { name: 'Approve 2, for good' }).click()
    await dialog().getByText('it is not known which of your votes count').waitFor()
    answers()
    await dialog().getByText('The answer got lost. Each row says whether your vote counts; nothing was sent again.').waitFor()
    expect(await dialog().locator('.chip', { hasText: 'Your vote counts' }).count()).toBe(2)
    expect(sent).toBe(1)
    for (const { callId } of paid.slice(0, 2)) {
      expect(await stateOf(callId)).toBe('completed')
      expect(await entries(callId, 'vote')).toHaveLength(1)
    }
  })

  test.each([360, 1440].flatMap((width) => (['light', 'dark'] as const).map((theme) => ({ width, theme }))))(
    'with 50 open holds, at $width px, $theme',
    async (window) => {
      const other = await bed.agentToken('invoice-clerk', 'chen')
      await pay(25)
      await pay(25, other)
      await enter('maria', window)
      await page.getByText('Waits for you 50').waitFor()
      expect(await fits(page)).toBe(true)
      await page.getByRole('button', { name: 'Show amounts' }).click()
      await rows().getByText('Amount').first().waitFor()
      expect(await violations(page)).toEqual([])
      await shoot(page, `together-list-${window.width}-${window.theme}`)
      await page.locator('.alike').first().click()
      await dialog().getByRole('checkbox', { name: 'Select all of these' }).check()
      expect(await violations(page)).toEqual([])
      expect(await fits(page)).toBe(true)
      await dialog().getByRole('button', { name: 'Approve 25', exact: true }).click()
      await shoot(page, `together-${window.width}-${window.theme}`)
      expect(await violations(page)).toEqual([])
    },
  )
})
