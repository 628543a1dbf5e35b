import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../../cli/control-plane.ts'
import { readAddress } from '../../config/address-file.ts'
import { fields } from '../send.ts'
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
    await page.getByRole('button', { name: 'Approve' }).click()
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
    await page.getByRole('button', { name: 'Approve' }).click()
    await page.getByRole('button', { name: 'Approve, for good' }).click()
    await page.getByText('Approved.', { exact: true }).first().waitFor()
    const status = `${url()}/v1/calls/${String(callId)}?wait=20`
    expect(fields(await (await fetch(status, { headers: agent })).json())).toMatchObject({ state: 'completed' })
    await page.close()
  })
})
