import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Bed, startBed } from '../harness.ts'
import { fields, items } from '../send.ts'
import { Browsers, fits, hasBrowser, shoot, violations } from './browser.ts'

const SECURITY = '- { name: sana, groups: [security], roles: [security], region: eu }\n'

let bed: Bed
let agent: string
beforeAll(async () => {
  if (!hasBrowser) return
  bed = await startBed({ edits: { 'people.yaml': (text) => text + SECURITY } })
  agent = await bed.agentToken('invoice-clerk')
}, 120_000)
afterAll(() => bed?.close())

let made = 0
async function pay(amount: number): Promise<number> {
  made += 1
  const headers = { authorization: `Bearer ${agent}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ vendorId: 'V-1001', amount, currency: 'EUR', reference: `P-${made}` })
  return (await fetch(`${bed.url}/proxy/erp/payments`, { method: 'POST', headers, body })).status
}

interface Named {
  name: string
  text: string
}
const named = (value: unknown): Named[] =>
  items(value).map((file) => ({ name: String(fields(file).name), text: String(fields(file).text) }))

const activeSet = async (): Promise<string> =>
  String(fields((await bed.people('aisha', '{ policyStatus { active } }')).policyStatus).active)

/** The active texts, as somebody would draft them. */
async function activeTexts(): Promise<{ files: Named[]; facts: unknown; tests: Named[] }> {
  const query = 'query ($hash: ID!) { policySet(hash: $hash) { facts files { connector library text } } policyTests { name text } }'
  const { policySet, policyTests } = await bed.people('aisha', query, { hash: await activeSet() })
  const { facts, files } = fields(policySet)
  return {
    files: items(files)
      .map(fields)
      .filter(({ library }) => library === false)
      .map(({ connector, text }) => ({ name: `${connector === null ? 'org' : String(connector)}.cedar`, text: String(text) })),
    facts,
    tests: named(policyTests),
  }
}

const PROPOSE = `mutation ($files: [PolicyFileInput!]!, $facts: String, $tests: [PolicyFileInput!], $note: String!) {
  proposePolicies(files: $files, facts: $facts, tests: $tests, note: $note) { id } }`

/** Proposes another text of one file; answers the proposal's id. */
async function propose(by: string, name: string, change: (text: string) => string, note: string): Promise<string> {
  const { files, facts, tests } = await activeTexts()
  const changed = files.map((file) => (file.name === name ? { ...file, text: change(file.text) } : file))
  return String(fields((await bed.people(by, PROPOSE, { files: changed, facts, tests, note })).proposePolicies).id)
}

const approve = (by: string, id: string) =>
  bed.people(by, 'mutation ($id: ID!) { reviewPolicyProposal(id: $id, verdict: APPROVE) { boundAfterMs } }', { id })

const shadow = (id: string): string => `\n@id("${id}") @shadow forbid (principal, action in Gatehouse::Action::"write", resource);\n`

/** The tests without those that ask for a manager from 1,000 on. */
async function mended(): Promise<string> {
  const { tests } = await activeTexts()
  const all: { reason: string[] }[] = JSON.parse(tests.find(({ name }) => name === 'tests/erp.json')?.text ?? '[]')
  return JSON.stringify(
    all.filter(({ reason }) => !reason.includes('erp-payment-needs-manager')),
    null,
    2,
  )
}

describe.skipIf(!hasBrowser)('the policies page', () => {
  const browsers = new Browsers()
  let page: Page

  afterEach(async () => {
    await page?.evaluate('localStorage.clear()').catch(() => undefined)
    await leave()
    expect(browsers.complaints.splice(0)).toEqual([])
  })

  async function leave(): Promise<void> {
    await browsers.forget()
    await page?.close()
  }

  async function enter(person: string, path = '/policies', window: Parameters<Browsers['open']>[0] = {}): Promise<void> {
    page = await browsers.open(window)
    const { signInLink } = await bed.people(null, 'mutation ($person: String!) { signInLink(person: $person) }', { person })
    await page.goto(String(signInLink))
    await page.getByRole('heading', { name: 'Inbox' }).waitFor()
    await page.goto(`${bed.url}${path}`)
    await page.getByRole('heading', { name: 'Policies' }).waitFor()
  }

  const button = (name: string | RegExp) => page.getByRole('button', { name, exact: typeof name === 'string' })

  async function openFile(name: string): Promise<void> {
    await page
      .getByRole('navigation', { name: 'Files of the draft' })
      .getByRole('button')
      .filter({ hasText: name, hasNotText: 'Remove' })
      .click()
    await page.getByLabel(`Text of ${name}`).click()
  }

  /** In the editor, by its own search. */
  async function replace(before: string, after: string): Promise<void> {
    await page.keyboard.press('Control+f')
    await page.keyboard.type(before)
    await page.keyboard.press('Enter')
    await page.keyboard.press('Escape')
    await page.keyboard.insertText(after)
  }

  test('a threshold is raised: fault, tests, what becomes possible, the past, a proposal, a review, and it binds', async () => {
    expect([await pay(900), await pay(1_500)]).toEqual([201, 202])
    await enter('aisha', '/policies/draft')
    await openFile('erp.cedar')
    await replace('decimal("1000.00")', 'decimal("3000.00" + x)')
    await page.keyboard.press('Control+Enter')
    const fault = page.locator('.fault-list .link', { hasText: /^erp\.cedar:36:/ })
    await fault.first().waitFor()
    await page.getByText('cannot be proposed').waitFor()
    await page.locator('.cm-lintRange-error').first().waitFor()
    await fault.first().click()
    await replace('decimal("3000.00" + x)', 'decimal("3000.00")')
    await button('Check and test').click()
    await page.getByText(/fail: a failed test refuses the proposal/).waitFor()
    await page.getByRole('row').filter({ hasText: 'a cent more is held for a finance manager' }).filter({ hasText: 'Failed' }).waitFor()
    await openFile('tests/erp.json')
    await page.keyboard.press('Control+a')
    await page.keyboard.insertText(await mended())
    await button('Check and test').click()
    await page.getByText(/Tests: \d+ passed, 0 failed/).waitFor()

    await page.reload()
    await page.getByText('2 files differ from it.').waitFor()
    await button('What changes').click()
    await button('Find what changes').click()
    const allowed = page.getByRole('region', { name: 'Newly allowed' }).getByRole('row').nth(1)
    await allowed.waitFor()
    for (const words of ['erp.releasePayment', 'invoice-clerk', 'input.amount', 'held for finance-manager'])
      expect(await allowed.innerText()).toContain(words)
    await button('Against the past').click()
    await button('24 hours').click()
    await page.getByText('1 would have been decided otherwise').waitFor()
    await page
      .getByRole('link', { name: /^call_/ })
      .first()
      .waitFor()
    await button('Text').click()
    await page.locator('.difference-changed', { hasText: 'decimal("3000.00")' }).first().waitFor()

    await button('Propose').click()
    await page.getByRole('dialog').getByRole('button', { name: 'Propose' }).click()
    expect(await page.getByRole('dialog').isVisible()).toBe(true)
    await page.getByLabel('Why?').fill('Managers are asked too often.')
    await page.getByRole('dialog').getByRole('button', { name: 'Propose' }).click()
    await page.getByText('You proposed this: somebody else of security reviews it.').waitFor()
    expect(await button(/Approve|Reject/).count()).toBe(0)
    const address = new URL(page.url()).pathname
    expect(await pay(1_500)).toBe(202)
    await leave()

    await enter('sana', address)
    await page.getByRole('heading', { name: 'Managers are asked too often.' }).waitFor()
    await page.getByRole('region', { name: 'Newly allowed' }).getByText('erp.releasePayment').waitFor()
    expect(await pay(1_500)).toBe(202)
    await button('Approve').click()
    await page.getByRole('dialog').getByRole('button', { name: 'Approve' }).click()
    await page.getByText(/It binds on every replica/).waitFor()
    expect([await pay(1_500), await pay(3_500)]).toEqual([201, 202])

    await page.getByRole('link', { name: 'History' }).click()
    const newest = page.getByRole('row').nth(1)
    for (const words of ['Active', 'aisha', 'reviewed by sana']) await newest.getByText(words).first().waitFor()
    await page.getByRole('link', { name: 'Draft' }).click()
    await page.getByText('Nothing is changed yet.').waitFor()
    await button('Check and test').click()
    await page.getByText(/Tests: \d+ passed, 0 failed/).waitFor()
  }, 400_000)

  test('an earlier set is put back: by a proposal, and in an emergency set apart from it', async () => {
    const before = await activeSet()
    await approve(
      'aisha',
      await propose('sana', 'erp.cedar', (text) => text.replace('decimal("50000.00")', 'decimal("40000.00")'), 'lower'),
    )
    await enter('sana', '/policies/history')
    await button(`Put ${before.slice(0, 12)} back`)
      .first()
      .click()
    await page.getByLabel('Why? The record keeps it.').fill('it was better')
    await button('Propose it').click()
    await page.getByRole('heading', { name: 'it was better' }).waitFor()
    await page.getByText('Puts an earlier set back').waitFor()
    expect(await activeSet()).not.toBe(before)
    await page.getByRole('link', { name: 'History' }).click()
    await page.getByText('In an emergency').click()
    await page.locator('.emergency select').selectOption(before)
    await button('Put back at once').click()
    expect(await violations(page)).toEqual([])
    await page.getByLabel('Why? The record keeps it.').fill('payments are stuck')
    await page.getByRole('dialog').getByRole('button', { name: 'Put back at once' }).click()
    await page.getByRole('row').nth(1).getByText('Nobody reviewed it').waitFor()
    expect(await activeSet()).toBe(before)
    const { policySets } = await bed.people('lee', '{ policySets(first: 1) { edges { node { source rollBack by reviewer why } } } }')
    expect(fields(items(fields(policySets).edges)[0]).node).toEqual({
      source: 'emergency',
      rollBack: true,
      by: 'sana',
      reviewer: null,
      why: 'payments are stuck',
    })
    await page.getByRole('link', { name: 'Proposals' }).click()
    await page.getByText('Built on a set that is no longer active').first().click()
    await page.getByText('You proposed this').waitFor()
  }, 240_000)

  test('a draft outlives a reload, and goes on top of what somebody else published meanwhile', async () => {
    await enter('aisha', '/policies/draft')
    await openFile('org.cedar')
    await page.keyboard.press('Control+End')
    await page.keyboard.insertText(shadow('org-mine'))
    await page.getByText('1 file differs from it.').waitFor()
    await approve('aisha', await propose('sana', 'crm.cedar', (text) => text + shadow('crm-theirs'), 'theirs'))
    await page.reload()
    await page.getByText('Your draft is built on a set that is no longer active').waitFor()
    expect(await button('Propose').isDisabled()).toBe(true)
    await button('Put my changes on top of what is active').click()
    await openFile('crm.cedar')
    await page.keyboard.press('Control+End')
    await page.getByText('crm-theirs').waitFor()
    await openFile('org.cedar')
    await page.keyboard.press('Control+End')
    await page.getByText('org-mine').waitFor()
    await page.keyboard.insertText('// more\n')
    await approve('aisha', await propose('sana', 'org.cedar', (text) => text + shadow('org-theirs'), 'theirs too'))
    await page.reload()
    await button('Put my changes on top of what is active').click()
    await page.getByText('Both sides changed org.cedar').waitFor()
    await button('Text').click()
    await page.locator('.difference-gone', { hasText: 'org-theirs' }).first().waitFor()
    await page.locator('.difference-new', { hasText: 'org-mine' }).first().waitFor()
    await button('Start again from what is active').click()
    await page.getByText('Nothing is changed yet.').waitFor()
  }, 240_000)

  test('hidden characters in a proposed text are marks for its reviewer', async () => {
    const trick = (text: string): string => `${text}\n// allow \u202Eeverything\u200B\n${shadow('org-trojan')}`
    const id = await propose('aisha', 'org.cedar', trick, 'looks\u200B fine')
    await enter('sana', `/policies/proposals/${id}`)
    await page.getByRole('heading').getByText('U+200B').waitFor()
    await button('Text').click()
    await page.locator('.difference').getByText('U+202E').waitFor()
    await button('Reject').click()
    await page.getByLabel('Comment (kept on record)').fill('no tricks')
    await page.getByRole('dialog').getByRole('button', { name: 'Reject' }).click()
    await page.getByText('Rejected. Nothing changed.').waitFor()
    await page.getByText('no tricks').waitFor()
  }, 240_000)

  test('who may do what: auditors see no buttons that change, operators try out, approvers see no policies', async () => {
    const id = await propose('aisha', 'org.cedar', (text) => text + shadow('org-look'), 'look at me')
    await enter('lee', `/policies/proposals/${id}`)
    await page.getByText('Decided otherwise').or(page.getByText('No request was found')).first().waitFor()
    expect(await page.getByRole('link', { name: 'Draft' }).count()).toBe(0)
    expect(await button(/Approve|Reject|Propose|Put/).count()).toBe(0)
    await page.getByRole('link', { name: 'History' }).click()
    await page.getByRole('table').waitFor()
    expect(await button(/Put/).count()).toBe(0)
    await leave()
    await enter('olga', `/policies/proposals/${id}`)
    await page.getByText('Proposals are reviewed by people of the role security.').waitFor()
    await page.getByRole('link', { name: 'Draft' }).click()
    await page.getByText('Proposing takes the role security.').waitFor()
    await button('Check and test').click()
    await page.getByText('policies without a fault').waitFor()
    await leave()
    await enter('maria')
    await page.getByText('Operators, security and auditors see it.').waitFor()
    expect(await page.getByRole('link', { name: 'Policies' }).count()).toBe(0)
  }, 240_000)

  test('why: a denied call with the permits that came near, and the record has the question', async () => {
    await enter('lee', '/policies/why')
    await page.getByLabel('Agent').selectOption('support-triage')
    await page.getByLabel('Operation').selectOption('erp.releasePayment')
    await page.getByLabel('Arguments, as JSON').fill('{"vendorId": "V-1001", "amount": 5, "currency": "EUR"')
    await page.getByText('This is no JSON object.').waitFor()
    await page.getByLabel('Arguments, as JSON').fill('{"vendorId": "V-1001", "amount": -5, "currency": "EUR", "reference": "x"}')
    await button('Ask').click()
    await page.getByText('/amount', { exact: true }).waitFor()
    await page.getByLabel('Arguments, as JSON').fill('{"vendorId": "V-1001", "amount": 5, "currency": "EUR", "reference": "x"}')
    await button('Ask').click()
    await page.getByText('Denied', { exact: true }).waitFor()
    await page.getByText('Permits that came near').waitFor()
    await page.getByText('erp-clerk-pays', { exact: true }).waitFor()
    await page.getByLabel('Agent').selectOption('invoice-clerk')
    await page.getByLabel('Arguments, as JSON').fill('{"vendorId": "V-1001", "amount": 9000, "currency": "EUR", "reference": "x"}')
    await button('Ask').click()
    await page.getByText('Held', { exact: true }).waitFor()
    await page.getByText('Holds for finance-manager').first().waitFor()
    expect(await violations(page)).toEqual([])
    await shoot(page, 'policies-why')
  }, 240_000)

  test('is worked by keyboard alone: to the editor, out of it, a check, a proposal', async () => {
    await enter('aisha', '/policies/draft')
    const focused = (): Promise<string> =>
      page.evaluate(`(() => { let at = document.activeElement; while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
        return at?.getAttribute('aria-label') ?? at?.textContent ?? '' })()`)
    const tabTo = async (name: RegExp): Promise<void> => {
      for (let i = 0; i < 60; i += 1) {
        if (name.test(await focused())) return
        await page.keyboard.press('Tab')
      }
      throw new Error(`nothing called ${name} can be reached: ${await focused()}`)
    }
    await page.getByLabel('Text of crm.cedar').waitFor()
    await tabTo(/^org\.cedar/)
    await page.keyboard.press('Enter')
    await page.getByLabel('Text of org.cedar').waitFor()
    await tabTo(/^Text of org\.cedar$/)
    await page.keyboard.press('Control+End')
    await page.keyboard.insertText(shadow('org-keys'))
    await page.keyboard.press('Control+Enter')
    await page.getByText('policies without a fault').waitFor()
    await tabTo(/^Propose$/)
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.type('by keys alone')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'by keys alone' }).waitFor()
  }, 240_000)

  test('the active set is searched, its tests run, and a policy found in its file', async () => {
    await enter('lee')
    await page.getByLabel('Search').fill('cfo-office bank')
    await page.getByText('erp-bank-needs-cfo-office', { exact: true }).waitFor()
    expect(await page.getByText('crm-desk-reads', { exact: true }).count()).toBe(0)
    await button('Run the tests').click()
    await page
      .getByText(/Decides \d+ test/)
      .first()
      .waitFor()
    await page.locator('.policy-head .link').first().click()
    await page.locator('.source-line-marked', { hasText: 'erp-bank-needs-cfo-office' }).waitFor()
    await page.getByLabel('Search').fill('no such words')
    await page.getByText('No policy has these words.').waitFor()
  }, 240_000)

  test.each([360, 1440].flatMap((width) => (['light', 'dark'] as const).map((theme) => ({ width, theme }))))(
    'every tab, at $width px, $theme',
    async (window) => {
      const name = `${window.width}-${window.theme}`
      const looked = async (what: string): Promise<void> => {
        expect(await violations(page), what).toEqual([])
        expect(await fits(page), what).toBe(true)
        await shoot(page, `policies-${what}-${name}`)
      }
      await pay(20)
      await propose('sana', 'org.cedar', (text) => text + shadow(`org-look-${name}`), 'to look at')
      await enter('aisha', '/policies', window)
      await page.locator('.policy').first().waitFor()
      await page.locator('.policy summary').first().click()
      await looked('active')
      await page.getByRole('link', { name: 'Draft' }).click()
      await openFile('erp.cedar')
      await replace('decimal("50000.00")', 'decimal("45000.00")')
      await button('Check and test').click()
      await page.getByText('policies without a fault').waitFor()
      await page.getByText('Coverage:').click()
      await looked('draft')
      await button('What changes').click()
      await button('Find what changes').click()
      await page.getByText('Decided otherwise').waitFor()
      await button('Find what changes').scrollIntoViewIfNeeded()
      await looked('changes')
      await button('Against the past').click()
      await button('30 days').click()
      await page.getByText('calls since').waitFor()
      await looked('past')
      await button('Text').click()
      await page.locator('.difference').first().waitFor()
      await page.locator('.difference').first().scrollIntoViewIfNeeded()
      await looked('text')
      await page.getByRole('link', { name: 'Proposals' }).click()
      await page.getByText('Waiting for a review').waitFor()
      await looked('proposals')
      await page.locator('.proposals a').first().click()
      await page.getByText('Proposed by').waitFor()
      await looked('proposal')
      await page.getByRole('link', { name: 'History' }).click()
      await page.getByRole('table').waitFor()
      await looked('history')
    },
    300_000,
  )
})
