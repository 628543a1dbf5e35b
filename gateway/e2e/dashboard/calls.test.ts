import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Bed, startBed } from '../harness.ts'
import { fields, items } from '../send.ts'
import { Browsers, fits, hasBrowser, shoot, violations } from './browser.ts'

let bed: Bed
const made: Record<string, string> = {}

interface Ask {
  agent: string
  method?: string
  path: string
  body?: unknown
  says?: string
}

/** Makes a call and tells its id. */
async function call({ agent, method = 'GET', path, body, says }: Ask): Promise<string> {
  const headers = {
    authorization: `Bearer ${await bed.agentToken(agent)}`,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(says === undefined ? {} : { 'gatehouse-rationale': says }),
  }
  const answer = await fetch(`${bed.url}/proxy${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  await answer.arrayBuffer()
  return String(answer.headers.get('gatehouse-call'))
}

const approve = 'mutation ($id: ID!) { approveHold(id: $id, comment: "checked against the invoice") { id } }'

async function holdOf(callId: string): Promise<string> {
  const found = await bed.people('aisha', 'query ($id: ID!) { call(id: $id) { hold { id } } }', { id: callId })
  return String(fields(fields(found.call).hold).id)
}

async function stateOf(id: string): Promise<unknown> {
  return fields((await bed.people('aisha', 'query ($id: ID!) { call(id: $id) { state } }', { id })).call).state
}

/** Waits, as people do, until what follows the log has come so far that this filter finds this call. */
async function found(filter: Record<string, unknown>, id: string): Promise<void> {
  for (;;) {
    const { calls } = await bed.people('aisha', 'query ($filter: CallFilter) { calls(filter: $filter) { edges { node { id } } } }', {
      filter,
    })
    if (items(fields(calls).edges).some((edge) => fields(fields(edge).node).id === id)) return
  }
}

/** A write whose answer does not say whether it took place. */
const doubt = (name: string): Promise<string> => {
  bed.probe.faults.push({ status: 500 })
  return call({ agent: 'prober', method: 'POST', path: '/probe/things', body: { name }, says: 'It is needed at once.' })
}

beforeAll(async () => {
  if (!hasBrowser) return
  bed = await startBed()
  made.read = await call({ agent: 'prober', path: '/probe/things/one', says: 'a zebra asked for it' })
  made.denied = await call({ agent: 'prober', path: '/probe/things/forbidden' })
  const path = 'contracts/service-levels.md'
  made.unpermitted = await call({ agent: 'support-triage', method: 'POST', path: '/docs/read_text_file', body: { path } })
  bed.probe.faults.push({ status: 500 })
  made.failed = await call({ agent: 'prober', path: '/probe/things/broken' })
  made.masked = await call({ agent: 'prober', path: '/probe/people?form=as%20declared' })
  const body = { vendorId: 'V-1001', amount: 2_345, currency: 'EUR', reference: 'INV-77' }
  made.held = await call({ agent: 'invoice-clerk', method: 'POST', path: '/erp/payments', body, says: 'The invoice is due today.' })
  await bed.people('maria', approve, { id: await holdOf(made.held) })
  while ((await stateOf(made.held)) !== 'completed');
  made.doubt = await doubt('first')
  await found({ approver: 'maria', text: 'invoice' }, made.held)
  await found({ text: 'zebra' }, made.read)
}, 120_000)
afterAll(() => bed?.close())

describe.skipIf(!hasBrowser)('the calls', () => {
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

  const rows = () => page.locator('.call-rows .call-row')
  /** The calls that the table shows, newest first. */
  const shown = (): Promise<(string | undefined)[]> =>
    rows().evaluateAll((all) => all.map((row) => row.querySelector('a')?.getAttribute('href')?.replace('/calls/', '')))

  test.each([
    ['q=zebra', ['read']],
    ['q=due%20invoice', ['held']],
    ['state=denied&connector=probe', ['denied']],
    ['reason=no_permit', ['unpermitted']],
    ['decision=hold', ['held']],
    ['decision=deny&reason=forbidden', ['denied']],
    ['policy=probe-no-forbidden-thing', ['denied']],
    ['approver=maria', ['held']],
    ['object=Vendor:V-1001', ['held']],
    ['owner=paul', ['held']],
    ['state=in_doubt', ['doubt']],
    ['agent=prober&operation=probe.readPerson', ['masked']],
    ['connector=erp&door=http&from=1h', ['held']],
  ] as const)('an address with %s shows what fits', async (query, names) => {
    await enter('olga', `/calls?${query}`)
    await rows().first().waitFor()
    expect(await shown()).toEqual(names.map((name) => made[name]))
  })

  test('filters go into the address, take effect at once, and back leads to those before', async () => {
    await enter('olga', '/calls')
    await rows().nth(4).waitFor()
    const all = await shown()
    await page.getByLabel('State', { exact: true }).selectOption({ label: 'Denied' })
    await page.waitForURL('**/calls?state=denied')
    await page.getByText('These are all.').waitFor()
    expect(await shown()).toEqual([made.unpermitted, made.denied])
    await page.keyboard.press('Escape')
    await page.locator('h1').click()
    await page.keyboard.press('/')
    await page.keyboard.type('nobody said this')
    await page.getByRole('heading', { name: 'No call fits' }).waitFor()
    await page.getByRole('button', { name: 'Clear all filters' }).last().click()
    await rows().nth(4).waitFor()
    expect(await shown()).toEqual(all)
    await page.goBack()
    await page.getByRole('heading', { name: 'No call fits' }).waitFor()
    await page.goBack()
    await page.waitForURL('**/calls?state=denied')
    await rows().first().waitFor()
    expect(await shown()).toEqual([made.unpermitted, made.denied])
    await page.getByRole('button', { name: 'More filters' }).click()
    await page.getByLabel('Agent').fill('invoice-clerk')
    await page.getByLabel('Agent').press('Enter')
    await page.getByRole('heading', { name: 'No call fits' }).waitFor()
    await page.getByRole('button', { name: 'Without State' }).click()
    await rows().first().waitFor()
    expect(await shown()).toEqual([made.held])
  })

  test('a call arrives: a button says so, and no row moves before it is pressed', async () => {
    await enter('olga', '/calls?agent=prober')
    await rows().nth(2).waitFor()
    const before = await shown()
    const id = await call({ agent: 'prober', path: '/probe/things/two' })
    const button = page.getByRole('button', { name: 'Show 1 new call' })
    await button.waitFor()
    expect(await shown()).toEqual(before)
    await button.click()
    await page.locator(`a[href="/calls/${id}"]`).waitFor()
    expect(await shown()).toEqual([id, ...before])
  })

  test('thousands are walked by scrolling and by keys, while few of them exist on the page', async () => {
    const more = 1_500
    for (let done = 0; done < more; done += 50) {
      await Promise.all(Array.from({ length: 50 }, () => call({ agent: 'reader', path: '/probe/things/many' })))
    }
    await enter('olga', '/calls?agent=reader')
    await rows().first().waitFor()
    const table = page.getByRole('table')
    expect(await table.getAttribute('aria-rowcount')).toBe('-1')
    const scroller = page.locator('.call-scroll')
    for (let pages = 1; (await table.getAttribute('aria-rowcount')) === '-1'; pages++) {
      await scroller.evaluate((element) => element.scrollTo(0, element.scrollHeight))
      await expect.poll(() => table.getAttribute('aria-rowcount').then((count) => count !== '-1' || pages)).toBeTruthy()
      expect(await rows().count()).toBeLessThan(80)
      expect(pages).toBeLessThan(2_000)
    }
    expect(await table.getAttribute('aria-rowcount')).toBe(String(more + 1))
    await scroller.evaluate((element) => element.scrollTo(0, element.scrollHeight))
    await page.locator(`tr[aria-rowindex="${more + 1}"]`).waitFor()
    await scroller.evaluate((element) => element.scrollTo(0, 0))
    await page.locator('tr[aria-rowindex="2"]').waitFor()
    for (const key of ['j', 'j', 'j', 'k']) await page.keyboard.press(key)
    await expect.poll(() => page.evaluate('document.activeElement?.closest("tr")?.getAttribute("aria-rowindex")')).toBe('3')
    const second = (await shown())[1]
    await page.keyboard.press('Enter')
    await page.waitForURL(`**/calls/${second}`)
    await page.getByRole('link', { name: 'All calls' }).click()
    await page.waitForURL('**/calls?agent=reader')
  }, 120_000)

  test('who does not read calls sees neither the pages nor their names', async () => {
    await enter('maria', '/calls')
    for (const path of ['/calls', '/in-doubt', '/overview', '/agents/invoice-clerk', '/connectors', '/policies/history', '/approvers']) {
      await page.goto(`${bed.url}${path}`)
      await page.getByRole('heading', { name: 'This page is not for your roles' }).waitFor()
      expect(await page.getByRole('alert').count()).toBe(0)
    }
    await page.goto(`${bed.url}/calls`)
    await page.getByRole('heading', { name: 'This page is not for your roles' }).waitFor()
    expect(await violations(page)).toEqual([])
    expect(await page.getByRole('link', { name: 'Calls', exact: true }).count()).toBe(0)
    expect(await page.getByRole('link', { name: 'In doubt' }).count()).toBe(0)
  })

  test('a held call: who approved it, what policy said, where the time went, and its record', async () => {
    await enter('aisha', `/calls/${made.held}`)
    await page.getByRole('link', { name: 'erp.releasePayment', exact: true }).click()
    await page.waitForURL('**/connectors/erp?q=erp.releasePayment')
    await page.locator('.connector-operation').getByText('erp.releasePayment', { exact: true }).waitFor()
    await page.goBack()
    const [policy] = await page.locator('.reason .block-head a').allInnerTexts()
    await page.locator('.reason .block-head a').first().click()
    await page.waitForURL(`**/policies/active/${policy}`)
    await expect.poll(() => page.evaluate('document.activeElement?.querySelector("strong")?.innerText')).toBe(policy)
    await page.getByRole('link', { name: `Calls that ${policy} decided` }).click()
    await page.waitForURL(`**/calls?policy=${policy}`)
    await page.goto(`${bed.url}/calls/${made.held}`)
    for (const words of ['Completed', 'Held by policy', 'checked against the invoice', 'Vendor', 'V-1001', 'The invoice is due today.'])
      await page.getByText(words).first().waitFor()
    await page.getByText(/^Waited for people: from .* for .*$/).waitFor({ state: 'attached' })
    await page.getByText(/^At the system: from .* for .*$/).waitFor({ state: 'attached' })
    await page.getByText(/^Vote maria: after/).waitFor({ state: 'attached' })
    expect(await page.content()).not.toContain('2345')
    await page.getByRole('button', { name: 'Show arguments and answer' }).click()
    await page.getByText('2345').first().waitFor()
    await page.getByRole('button', { name: 'JSON' }).click()
    await page.getByText('{"amount":2345,"currency":"EUR"', { exact: false }).waitFor()
    const { call: looked } = await bed.people('lee', 'query ($id: ID!) { call(id: $id) { entries { kind body } } }', { id: made.held })
    const views = items(fields(looked).entries).filter((entry) => fields(fields(entry).body).by === 'aisha')
    expect(views).toHaveLength(1)
    const line = page.locator('.entries summary', { hasText: 'hold.opened' })
    await line.click()
    await page.locator('.entries pre', { hasText: '"requires"' }).waitFor()
    await page.getByRole('link', { name: 'Open in the inbox' }).click()
    await page.waitForURL('**/inbox/hold_*')
  })

  test('a denied call shows the policy that forbids it, and one that failed what went wrong', async () => {
    await enter('olga', `/calls/${made.denied}`)
    await page.getByText('A policy forbids it.').waitFor()
    await page.locator('.word-effect', { hasText: 'forbid' }).waitFor()
    await page.getByText('probe-no-forbidden-thing').first().waitFor()
    await page.getByRole('button', { name: 'Show arguments and answer' }).click()
    await page.getByText('Arguments and answer are for security').waitFor()
    await page.goto(`${bed.url}/calls/${made.failed}`)
    await page.getByText('The system refused it, or nothing was sent.').waitFor()
    await page.locator('.notice-bad code', { hasText: 'UPSTREAM' }).waitFor()
  })

  test('a masked answer says which places the agent did not see', async () => {
    await enter('lee', `/calls/${made.masked}`)
    await page.getByText('Masked in the answer').waitFor()
    await page.locator('.masked code', { hasText: '/phones/*/number' }).waitFor()
  })

  test('a call that is not there, and an id that is none', async () => {
    await enter('olga', '/calls/call_00000000000000000000000000')
    await page.getByText('There is no such call').waitFor()
  })

  const sizes = [360, 1440].flatMap((width) => (['light', 'dark'] as const).map((theme) => ({ width, theme })))

  test.each(sizes)('the log, at $width px, $theme', async (window) => {
    await enter('aisha', '/calls?connector=probe', window)
    await rows().nth(3).waitFor()
    expect(await violations(page)).toEqual([])
    expect(await fits(page)).toBe(true)
    await shoot(page, `calls-${window.width}-${window.theme}`)
    await page.getByRole('button', { name: window.width < 500 ? 'More filters' : 'Fewer filters' }).click()
    expect(await violations(page)).toEqual([])
    expect(await fits(page)).toBe(true)
    await shoot(page, `calls-filters-${window.width}-${window.theme}`)
    await page.goto(`${bed.url}/calls?q=nothing%20like%20it`)
    await page.getByRole('heading', { name: 'No call fits' }).waitFor()
    expect(await violations(page)).toEqual([])
    await shoot(page, `calls-none-${window.width}-${window.theme}`)
  })

  test.each(sizes)(
    'calls of each kind, at $width px, $theme',
    async (window) => {
      await enter('aisha', `/calls/${made.held}`, window)
      await page.getByRole('button', { name: 'Show arguments and answer' }).click()
      await page.getByText('2345').first().waitFor()
      for (const [name, words] of [
        ['held', 'checked against the invoice'],
        ['denied', 'A policy forbids it.'],
        ['unpermitted', 'Why no policy permitted it'],
        ['failed', 'UPSTREAM'],
        ['masked', 'Masked in the answer'],
        ['doubt', 'What to check'],
      ] as const) {
        if (name !== 'held') await page.goto(`${bed.url}/calls/${made[name]}`)
        await page.getByText(words).first().waitFor()
        await page.getByRole('heading', { name: 'Record' }).waitFor()
        expect(await violations(page), name).toEqual([])
        expect(await fits(page), name).toBe(true)
        await shoot(page, `call-${name}-${window.width}-${window.theme}`)
      }
    },
    120_000,
  )

  test.each(sizes)('what is in doubt, at $width px, $theme', async (window) => {
    await enter('aisha', '/in-doubt', window)
    await page.getByText('What to check').first().waitFor()
    expect(await violations(page)).toEqual([])
    expect(await fits(page)).toBe(true)
    await shoot(page, `in-doubt-${window.width}-${window.theme}`)
    await page.getByRole('button', { name: 'It did not happen' }).first().click()
    await page.getByRole('dialog').waitFor()
    expect(await violations(page)).toEqual([])
    await shoot(page, `in-doubt-resolve-${window.width}-${window.theme}`)
  })

  test('what is in doubt is told where one looks, and ended by a person who says how they know', async () => {
    const id = await doubt('second')
    await enter('aisha', '/calls')
    await page.getByText('2 calls in doubt').waitFor()
    await page.getByRole('link', { name: 'Look at what is in doubt' }).click()
    const card = page.getByRole('article').filter({ has: page.locator(`a[href="/calls/${id}"]`) })
    await card.getByText('The system answered with status 500').waitFor()
    await card.getByRole('button', { name: 'It happened', exact: true }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'It happened' }).click()
    await dialog.waitFor()
    await dialog.getByLabel('How do you know? The record keeps it.').fill('Thing 12 is there, with this name')
    await dialog.getByRole('button', { name: 'It happened' }).click()
    await page.getByText('Resolved. The record says who, and how you know.').waitFor()
    await card.waitFor({ state: 'detached' })
    const { call: ended } = await bed.people('lee', 'query ($id: ID!) { call(id: $id) { state entries(payloads: true) { kind body } } }', {
      id,
    })
    expect(fields(ended).state).toBe('completed')
    const resolved = items(fields(ended).entries).find((entry) => fields(entry).kind === 'resolved')
    expect(fields(resolved).body).toMatchObject({ by: 'aisha', effect: 'HAPPENED', evidence: 'Thing 12 is there, with this name' })
  })

  test.each([
    ['olga', "the agent's owner may not resolve its calls"],
    ['lee', null],
  ] as const)('%s sees what is in doubt without buttons', async (person, why) => {
    await enter(person, '/in-doubt')
    await page.getByText('What to check').first().waitFor()
    if (why) await page.getByText(why).first().waitFor()
    expect(await page.getByRole('button', { name: /It happened|It did not happen/ }).count()).toBe(0)
  })
})
