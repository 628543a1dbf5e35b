import { randomBytes } from 'node:crypto'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Bed, startBed } from '../harness.ts'
import { fields } from '../send.ts'
import { Browsers, fits, hasBrowser, shoot, violations } from './browser.ts'

const AGENT = 'invoice-clerk'
const SHOW = 'Show what the agent says'

let bed: Bed
let told: { traceId: string; callId: string }
let untold: { traceId: string; callId: string }

const hex = (bytes: number): string => randomBytes(bytes).toString('hex')
const post = async (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  await fetch(`${bed.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await bed.agentToken(AGENT)}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })

const text = (key: string, value: unknown) => ({ key, value: { stringValue: typeof value === 'string' ? value : JSON.stringify(value) } })
const nanos = (ms: number): string => `${ms}000000`

/** What led to a payment, one step after the call, and something that looks dangerous. */
async function tell(traceId: string, callAt: number): Promise<void> {
  const chat = [{ role: 'user', content: `Pay invoice 4711 to Falkenberg.\u202e ${'It is long. '.repeat(80)}the end` }]
  const answer = [{ role: 'assistant', parts: [{ type: 'tool_call', name: 'erp_releasePayment', arguments: { amount: 2_400 } }] }]
  const span = (name: string, at: number, ...attributes: readonly unknown[]) => ({
    ...{ traceId, spanId: hex(8), name, kind: 3, startTimeUnixNano: nanos(at), endTimeUnixNano: nanos(at + 900) },
    attributes: [text('gen_ai.operation.name', 'chat'), ...attributes],
  })
  const spans = [
    span(
      ...(['chat gpt-5', callAt - 5_000, text('gen_ai.request.model', 'gpt-5'), text('gen_ai.provider.name', 'openai')] as const),
      ...[text('gen_ai.input.messages', chat), text('gen_ai.output.messages', answer)],
      ...[text('gen_ai.usage.input_tokens', '120'), text('gen_ai.response.finish_reasons', ['tool_call'])],
    ),
    {
      ...span(
        'lookup',
        callAt - 3_000,
        text('gen_ai.tool.name', 'lookup'),
        text('gen_ai.tool.call.arguments', '{"mail":"ada@customers.example"}'),
      ),
      status: { code: 2, message: 'no such person' },
    },
    span('chat afterwards', callAt + 60_000, text('gen_ai.input.messages', [{ role: 'user', content: 'Say thanks.' }])),
  ]
  const reply = await post('/v1/traces', { resourceSpans: [{ scopeSpans: [{ spans }] }] })
  expect([reply.status, await reply.json()]).toEqual([200, {}])
}

async function call(): Promise<{ traceId: string; callId: string }> {
  const traceId = hex(16)
  const payment = { vendorId: 'V-1001', amount: 2_400, currency: 'EUR', reference: hex(4) }
  const reply = await post('/proxy/erp/payments', payment, { traceparent: `00-${traceId}-${hex(8)}-01` })
  await reply.arrayBuffer()
  return { traceId, callId: String(reply.headers.get('gatehouse-call')) }
}

beforeAll(async () => {
  if (!hasBrowser) return
  bed = await startBed()
  told = await call()
  untold = await call()
  await tell(told.traceId, Date.now())
})
afterAll(() => bed?.close())

describe.skipIf(!hasBrowser)('what the agent says of a call', () => {
  const browsers = new Browsers()
  let page: Page

  afterEach(async () => {
    await browsers.forget()
    await page?.close()
    expect(browsers.complaints.splice(0)).toEqual([])
  })

  const section = () => page.getByRole('region', { name: /What the agent says happened before/ })
  async function enter(person: string, callId: string, window: Parameters<Browsers['open']>[0] = {}): Promise<void> {
    page = await browsers.enter(bed, person, `/calls/${callId}`, window)
    await section().getByText('unverified').waitFor()
  }

  test('an approver comes from the hold, asks for it with the keyboard, and reads it in order', async () => {
    page = await browsers.enter(bed, 'maria', '/inbox')
    const { call: found } = await bed.people('maria', 'query ($id: ID!) { call(id: $id) { hold { id } } }', { id: told.callId })
    await page.goto(`${bed.url}/inbox/${String(fields(fields(found).hold).id)}`)
    await page.getByRole('link', { name: 'What the agent says happened before' }).click()
    await page.waitForURL(`**/calls/${told.callId}*`)
    await section().getByRole('button', { name: SHOW }).focus()
    await page.keyboard.press('Enter')
    const steps = section().getByRole('list', { name: 'What the agent says happened before' }).getByRole('listitem')
    await steps.nth(1).waitFor()
    expect(await steps.count()).toBe(2)
    const first = await steps.first().innerText()
    expect(first).toMatch(/chat gpt-5[\s\S]*gpt-5 · openai[\s\S]*120 tokens in[\s\S]*ended with tool_call/)
    expect(first).toMatch(/The model was told\s+Pay invoice 4711 to Falkenberg\.U\+202E It is long\.[\s\S]*…/)
    expect(first).toMatch(/The model asked for erp_releasePayment\s+\{"amount":2400\}/)
    expect(first).not.toContain('the end')
    await steps.first().getByRole('button', { name: 'Show all' }).click()
    expect(await steps.first().innerText()).toContain('the end')
    expect(await steps.nth(1).innerText()).toMatch(
      /lookup\s+FAILED[\s\S]*no such person[\s\S]*The agent ran lookup with\s+\{"mail":"\[masked: personal-data\]"\}/i,
    )
    expect(await section().innerText()).toContain('Masked before it was recorded: personal data.')
    expect(await page.getByText('Say thanks.').isVisible()).toBe(false)
    await section().getByText('After the call: 1 step').click()
    await page.getByText('Say thanks.').waitFor()
    const { views } = await bed.people('lee', 'query ($id: ID!) { views(call: $id) { edges { node { by what } } } }', { id: told.callId })
    expect(JSON.stringify(views)).toContain('{"by":"maria","what":"account"}')
  })

  test('nothing is told yet, then it is', async () => {
    await enter('aisha', untold.callId)
    await section().getByRole('button', { name: SHOW }).click()
    await section().getByText('It has told nothing of this that you may see.').waitFor()
    expect(await violations(page)).toEqual([])
    await tell(untold.traceId, Date.now() - 600_000)
    await section().getByRole('button', { name: 'Look again' }).click()
    await section().getByRole('heading', { name: 'lookup' }).waitFor()
  })

  test('who may not see payloads sees nothing of it', async () => {
    await enter('olga', told.callId)
    await section().getByRole('button', { name: SHOW }).click()
    await section().getByText('It has told nothing of this that you may see.').waitFor()
  })

  test('while it loads, and where it cannot be loaded', async () => {
    await enter('aisha', told.callId)
    const asked = Promise.withResolvers<() => Promise<void>>()
    await page.route('**/operator/graphql', async (route) => {
      if (route.request().postData()?.includes('query Account')) asked.resolve(() => route.abort())
      else await route.continue()
    })
    await section().getByRole('button', { name: SHOW }).click()
    const abort = await asked.promise
    expect(await section().locator('.skeleton').isVisible()).toBe(true)
    await abort()
    await page.unroute('**/operator/graphql')
    const again = section().getByRole('alert').getByRole('button')
    const steps = section().getByRole('heading', { name: 'chat gpt-5' })
    // Whoever asks tries once more by itself: either has it now, or says that it has not.
    await again.or(steps).first().waitFor()
    if (await again.isVisible()) await again.click()
    await steps.waitFor()
  })

  const sizes = [360, 1440].flatMap((width) => (['light', 'dark'] as const).map((theme) => ({ width, theme })))
  test.each(sizes)('at $width in $theme: no rule of WCAG is broken, nothing is cut off', async ({ width, theme }) => {
    await enter('aisha', told.callId, { width, theme })
    await section().getByRole('button', { name: SHOW }).click()
    await section().getByText('After the call: 1 step').click()
    await page.getByText('Say thanks.').waitFor()
    expect(await violations(page)).toEqual([])
    expect(await fits(page)).toBe(true)
    await section().scrollIntoViewIfNeeded()
    await shoot(page, `account-${width}-${theme}`)
  })
})
