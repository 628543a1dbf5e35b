import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Bed, startBed } from '../harness.ts'
import { Browsers, fits, hasBrowser, shoot, violations } from './browser.ts'

const DIST = fileURLToPath(new URL('../../../dist/dashboard', import.meta.url))
const FIRST_LOAD_BYTES_MAX = 250 * 1_024

let bed: Bed
beforeAll(async () => {
  bed = await startBed()
}, 120_000)
afterAll(() => bed?.close())

const link = async (person = 'maria'): Promise<string> =>
  String((await bed.people(null, 'mutation ($person: String!) { signInLink(person: $person) }', { person })).signInLink)

const secretOf = (address: string): string => address.slice(address.indexOf('#') + 1)

interface Sent {
  method?: string
  origin?: string | null
  cookie?: string
  body?: unknown
  headers?: Record<string, string>
}

async function ask(path: string, { method = 'POST', origin = bed.url, cookie, body, headers = {} }: Sent = {}): Promise<Response> {
  return await fetch(`${bed.url}${path}`, {
    method,
    headers: {
      ...(origin === null ? {} : { origin }),
      ...(cookie === undefined ? {} : { cookie }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
}

async function signedIn(person = 'maria'): Promise<string> {
  const answer = await ask('/operator/session', { body: { link: secretOf(await link(person)) } })
  expect(answer.status).toBe(200)
  return (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
}

const ME = { query: '{ me { name roles } }' }

describe('a session', () => {
  test('comes of a link, once', async () => {
    const body = { link: secretOf(await link()) }
    const first = await ask('/operator/session', { body })
    expect(first.status).toBe(200)
    expect(await first.json()).toMatchObject({ person: 'maria', development: true })
    expect(first.headers.get('set-cookie')).toMatch(
      /^gatehouse_session_\d+=[\w-]{43}; Path=\/operator; HttpOnly; SameSite=Strict; Max-Age=28800$/,
    )
    const replayed = await ask('/operator/session', { body })
    expect(replayed.status).toBe(401)
    expect(replayed.headers.get('set-cookie')).toBeNull()
    expect(await replayed.json()).toMatchObject({ code: 'UNAUTHENTICATED', detail: expect.stringContaining('ask for a new one') })
  })

  test('counts at the control plane, until it is signed out', async () => {
    const cookie = await signedIn('olga')
    const answer = await ask('/operator/graphql', { cookie, body: ME })
    expect(await answer.json()).toEqual({ data: { me: { name: 'olga', roles: ['operator'] } } })
    expect(await (await ask('/operator/session', { method: 'GET', cookie })).json()).toEqual({ development: true, person: 'olga' })
    expect((await ask('/operator/session', { method: 'DELETE', cookie })).status).toBe(200)
    expect((await ask('/operator/graphql', { cookie, body: ME })).status).toBe(401)
    expect(await (await ask('/operator/session', { method: 'GET', cookie })).json()).toEqual({ development: true, person: null })
  })

  test.each([
    ['another site', { origin: 'https://evil.example' }, 403],
    ['another port of this host', { origin: 'http://127.0.0.1:1' }, 403],
    ['another name of this host', { origin: 'localhost' }, 403],
    ['no origin', { origin: null }, 403],
    ['the null origin', { origin: 'null' }, 403],
    ['a frame of another site', { headers: { 'sec-fetch-site': 'same-site' } }, 403],
    ['a form', { headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 415],
    ['plain text', { headers: { 'content-type': 'text/plain' } }, 415],
  ] as const)('does not speak for a person by %s', async (_title, sent: Sent, status) => {
    const cookie = await signedIn()
    const vote = { query: 'mutation { approveHold(id: "hold_00000000000000000000000000") { id } }' }
    expect((await ask('/operator/graphql', { cookie, body: vote, ...sent })).status).toBe(status)
  })

  test('does not count for GET, and no foreign page signs anybody in', async () => {
    const cookie = await signedIn()
    const query = `/operator/graphql?query=${encodeURIComponent(ME.query)}`
    expect((await ask(query, { method: 'GET', cookie })).status).toBe(403)
    const body = { link: secretOf(await link()) }
    expect((await ask('/operator/session', { origin: 'https://evil.example', body })).status).toBe(403)
    expect((await ask('/operator/session', { body, headers: { 'content-type': 'text/plain' } })).status).toBe(415)
    expect((await ask('/operator/session', { body })).status).toBe(200)
  })

  test.each([
    ['/graphql', { query: '{ whoami { name } }' }],
    ['/mcp', { jsonrpc: '2.0', id: 1, method: 'tools/list' }],
    ['/proxy/erp/vendors', {}],
    ['/v1/calls/call_00000000000000000000000000/claim', {}],
  ])('is nothing at the agents’ door %s', async (path, body) => {
    expect((await ask(path, { cookie: await signedIn(), body })).status).toBe(401)
  })

  test('never stands in for a credential that fails, and two of them are none', async () => {
    const cookie = await signedIn()
    expect((await ask('/operator/graphql', { cookie, body: ME, headers: { authorization: 'Bearer x' } })).status).toBe(401)
    expect((await ask('/operator/graphql', { cookie: `${cookie}; ${cookie}`, body: ME })).status).toBe(401)
  })

  test('is made and recorded by nobody but the local operator', async () => {
    await expect(bed.people('olga', 'mutation { signInLink(person: "maria") }')).rejects.toThrow(/FORBIDDEN/)
    await expect(bed.people(null, 'mutation { signInLink(person: "nobody") }')).rejects.toThrow(/NOT_FOUND/)
  })
})

describe('what is served', () => {
  test('the page for browsers, a text for others, nothing inline, nothing from elsewhere', async () => {
    const page = await fetch(`${bed.url}/`, { headers: { accept: 'text/html', 'accept-encoding': 'br' } })
    expect(page.headers.get('content-encoding')).toBe('br')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'; style-src 'self'")
    expect(page.headers.get('x-content-type-options')).toBe('nosniff')
    expect(page.headers.get('referrer-policy')).toBe('no-referrer')
    const html = await page.text()
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\bon\w+=|style=|https?:/)
    const [script] = /\/assets\/[^"]+\.js/.exec(html) ?? []
    const asset = await fetch(`${bed.url}${script}`, { headers: { 'accept-encoding': 'gzip;q=1, br;q=0' } })
    expect(asset.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(asset.headers.get('content-encoding')).toBe('gzip')
    expect(asset.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
    const etag = page.headers.get('etag') ?? ''
    const again = await fetch(`${bed.url}/inbox`, { headers: { 'if-none-match': etag, 'accept-encoding': 'br' } })
    expect(again.status).toBe(304)
    expect(await (await fetch(`${bed.url}/`)).text()).toContain('Gatehouse')
    for (const path of [
      '/assets/',
      '/assets/../index.html',
      '/assets/..%2f..%2fpackage.json',
      '/assets/nothing.js',
      '/index.html',
      '/.stamp',
    ])
      expect((await fetch(`${bed.url}${path}`)).status, path).toBe(404)
    expect((await fetch(`${bed.url}/inbox`, { method: 'POST' })).status).toBe(405)
  })

  test('the first load stays below 250 KiB', () => {
    const first = [
      'index.html',
      'theme.js',
      ...readdirSync(join(DIST, 'assets'))
        .filter((name) => /^index-.*\.(js|css)$/.test(name))
        .map((name) => `assets/${name}`),
    ]
    expect(first.length).toBe(4)
    const bytes = first.map((name) => statSync(join(DIST, `${name}.gz`)).size).reduce((sum, size) => sum + size, 0)
    expect(bytes).toBeLessThanOrEqual(FIRST_LOAD_BYTES_MAX)
    expect(existsSync(join(DIST, 'index.html.br'))).toBe(true)
  })
})

describe.skipIf(!hasBrowser)('in a browser', () => {
  const browsers = new Browsers()

  test('a link signs in, signing out leads back, a link that was used says so', async () => {
    const page = await browsers.open()
    await page.goto(`${bed.url}/`)
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    expect(await violations(page)).toEqual([])
    await shoot(page, 'sign-in')
    const address = await link()
    await page.goto(address)
    await page.getByRole('heading', { name: 'Inbox' }).waitFor()
    expect(page.url()).toBe(`${bed.url}/inbox`)
    expect(await page.evaluate('document.cookie')).toBe('')
    await page.getByText('Development issuer').waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await page.goto('about:blank')
    await page.goto(address)
    await page.getByText('This link did not sign you in').waitFor()
    expect(page.url()).toBe(`${bed.url}/sign-in`)
    expect(browsers.complaints).toEqual([])
    await page.close()
  })

  test.each([360, 1440].flatMap((width) => (['light', 'dark'] as const).map((theme) => ({ width, theme }))))(
    'an empty inbox at $width px, $theme',
    async (window) => {
      const page = await browsers.open(window)
      await page.goto(await link('lee'))
      await page.getByRole('heading', { name: 'Nothing waits for you' }).waitFor()
      expect(await violations(page)).toEqual([])
      expect(await fits(page)).toBe(true)
      await shoot(page, `inbox-empty-${window.width}-${window.theme}`)
      await browsers.forget()
      await page.close()
    },
  )

  test('the chosen theme stays, and holds before the first paint', async () => {
    const page = await browsers.open()
    await page.goto(await link())
    await page.getByLabel('Theme').selectOption('dark')
    await page.reload({ waitUntil: 'commit' })
    await page.getByLabel('Theme').waitFor()
    expect(await page.evaluate('document.documentElement.dataset.theme')).toBe('dark')
    await page.getByLabel('Theme').selectOption('system')
    await browsers.forget()
    await page.close()
  })
})
