import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../../cli/control-plane.ts'
import { readAddress } from '../../config/address-file.ts'
import { fields, items } from '../send.ts'
import { Browsers, hasBrowser, shoot, violations } from './browser.ts'

const MAIN = fileURLToPath(new URL('../../../dist/examples/acme/main.js', import.meta.url))
const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-dashboard-'))

let child: ChildProcess
let port = 0

/** `npm start` on this data directory; resolves once it serves. */
async function start(): Promise<void> {
  child = spawn(process.execPath, [MAIN, '--port', String(port), '--data', dataDir], { stdio: ['ignore', 'pipe', 'ignore'] })
  let printed = ''
  for await (const chunk of child.stdout ?? []) {
    printed += String(chunk)
    const [, found] = /serves Acme Components at http:\/\/127\.0\.0\.1:(\d+)/.exec(printed) ?? []
    if (found === undefined) continue
    port = Number(found)
    break
  }
  child.stdout?.resume()
}

async function kill(): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

beforeAll(async () => {
  if (hasBrowser) await start()
}, 120_000)
afterAll(async () => {
  if (hasBrowser) await kill()
  rmSync(dataDir, { recursive: true, force: true })
})

async function local(query: string): Promise<string> {
  const address = readAddress(dataDir)
  if (!address) throw new Error('no gateway runs')
  return String(Object.values(await ask(address, query))[0])
}

const link = (): Promise<string> => local('mutation { signInLink(person: "maria") }')
const url = (): string => `http://127.0.0.1:${port}`

describe.skipIf(!hasBrowser)('a gateway that dies under an approval', () => {
  const browsers = new Browsers()

  test('the page says that it does not know, and shows how it stands once the gateway is back', { timeout: 120_000 }, async () => {
    const agent = { authorization: `Bearer ${await local('mutation { agentToken(agent: "invoice-clerk") }')}` }
    const body = JSON.stringify({ vendorId: 'V-1001', amount: 2_000, currency: 'EUR', reference: 'CRASH-1' })
    const headers = { ...agent, 'content-type': 'application/json' }
    const { callId } = fields(await (await fetch(`${url()}/proxy/erp/payments`, { method: 'POST', headers, body })).json())
    const page = await browsers.open()
    await page.goto(await link())
    await page.locator('.hold-row').click()
    await page.getByText('CRASH-1').first().waitFor()
    await page.route('**/operator/graphql', async (route) => {
      if (route.request().postData()?.includes('approveHold')) await kill()
      await route.continue()
    })
    await page.getByRole('button', { name: /^Approve (?!and)/ }).click()
    await page.getByRole('button', { name: 'Approve, for good' }).click()
    await page.getByText('it is not known whether your vote counts').waitFor()
    expect(await violations(page)).toEqual([])
    await shoot(page, 'inbox-gateway-gone')
    await page.unroute('**/operator/graphql')
    await start()
    // Sessions live in memory: the page keeps its address and asks to sign in again.
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await page.goto(await link())
    await page.locator('.hold-row').click()
    await page.getByText('Nobody has voted yet.').waitFor()
    await page.getByRole('button', { name: /^Approve (?!and)/ }).click()
    await page.getByRole('button', { name: 'Approve, for good' }).click()
    await page.getByText('Approved.', { exact: true }).first().waitFor()
    const status = `${url()}/v1/calls/${String(callId)}?wait=20`
    expect(fields(await (await fetch(status, { headers: agent })).json())).toMatchObject({ state: 'completed' })
    await page.close()
  })

  test('several votes in flight: some may count; each hold says so when the gateway is back, and none is sent again', {
    timeout: 120_000,
  }, async () => {
    const agent = { authorization: `Bearer ${await local('mutation { agentToken(agent: "invoice-clerk") }')}` }
    const callIds: string[] = []
    for (let n = 0; n < 4; n++) {
      const body = JSON.stringify({ vendorId: 'V-1001', amount: 2_000 + n, currency: 'EUR', reference: `CRASH-TOGETHER-${n}` })
      const headers = { ...agent, 'content-type': 'application/json' }
      callIds.push(String(fields(await (await fetch(`${url()}/proxy/erp/payments`, { method: 'POST', headers, body })).json()).callId))
    }
    const page = await browsers.open()
    await page.goto(await link())
    await page.getByRole('button', { name: '4 alike' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('checkbox', { name: 'Select all of these' }).check()
    let sent = 0
    await page.route('**/operator/graphql', async (route) => {
      const isVote = route.request().postData()?.includes('ApproveSeveral') ?? false
      if (!isVote) return route.continue()
      sent += 1
      // The gateway gets the votes, and dies with them in hand: it depends on the moment how many of them count.
      const answered = route.fetch().catch(() => undefined)
      await firstVote(callIds)
      await kill()
      await answered
      await route.abort()
    })
    await dialog.getByRole('button', { name: 'Approve 4', exact: true }).click()
    await dialog.getByRole('button', { name: 'Approve 4, for good' }).click()
    await dialog.getByText('it is not known which of your votes count').waitFor()
    expect(await violations(page)).toEqual([])
    await shoot(page, 'together-gateway-gone')
    await page.unroute('**/operator/graphql')
    await start()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await page.goto(await link())
    await page.getByRole('heading', { name: 'Inbox' }).waitFor()
    expect(sent).toBe(1)
    const left = await openOf(callIds)
    await (left.length === 0
      ? page.getByRole('heading', { name: 'Nothing waits for you' })
      : page.getByText(`Waits for you ${left.length}`)
    ).waitFor()
    const votes = await Promise.all(callIds.map((id) => votesOf(id)))
    // At most one vote a call, and exactly where the hold is no longer open.
    expect(votes.map(({ length }) => length)).toEqual(callIds.map((id) => (left.includes(id) ? 0 : 1)))
    expect(left.length).toBeLessThan(4)
    await page.close()
  })
})

/** Asks as the command line does, which reads everything but payloads. */
async function holds(): Promise<readonly Record<string, unknown>[]> {
  const address = readAddress(dataDir)
  if (!address) throw new Error('no gateway runs')
  const answer = fields((await ask(address, '{ holds(first: 50) { edges { node { callId state votes { voter } } } } }')).holds)
  return items(answer.edges).map((edge) => fields(fields(edge).node))
}

const votesOf = async (callId: string): Promise<readonly unknown[]> =>
  (await holds()).filter((hold) => hold.callId === callId).flatMap(({ votes }) => items(votes))

const openOf = async (callIds: readonly string[]): Promise<readonly string[]> =>
  (await holds())
    .filter(({ state }) => state === 'open')
    .flatMap(({ callId }) => (callIds.includes(String(callId)) ? [String(callId)] : []))

/** Resolves once one of these calls has a vote. */
async function firstVote(callIds: readonly string[]): Promise<void> {
  while ((await openOf(callIds)).length === callIds.length) {}
}
