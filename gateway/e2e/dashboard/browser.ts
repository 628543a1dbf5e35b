import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import AxeBuilder from '@axe-core/playwright'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll } from 'vitest'
import type { Bed } from '../harness.ts'

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
const SHOTS = fileURLToPath(new URL('../../../dist.screenshots', import.meta.url))

/** False where no Chromium is installed: tests are skipped, loudly, except where `CI` is set, which fails them. */
export const hasBrowser = CHROMIUM !== undefined
if (!hasBrowser) {
  if (process.env.CI) throw new Error('no Chromium: install it (`apt-get install -y chromium`)')
  console.warn('\n*** THE TESTS OF THE DASHBOARD ARE SKIPPED: install Chromium (`apt-get install -y chromium`) ***\n')
}

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]

export interface Window {
  width?: number
  theme?: 'light' | 'dark'
}

/** A gateway that makes links to sign in. */
type SignInPlace = Pick<Bed, 'url' | 'people'>

/** A Chromium with a fresh profile for the tests of one file. */
export class Browsers {
  readonly #profile = mkdtempSync(join(tmpdir(), 'gatehouse-chromium-'))
  #context: BrowserContext | undefined
  /** What pages complained about: errors in the console, refusals by the content security policy, failed scripts. */
  readonly complaints: string[] = []

  constructor() {
    beforeAll(async () => {
      if (!hasBrowser) return
      this.#context = await chromium.launchPersistentContext(this.#profile, {
        executablePath: CHROMIUM ?? '',
        headless: true,
        args: FLAGS,
        viewport: { width: 1280, height: 900 },
        reducedMotion: 'reduce',
      })
      this.#context.setDefaultTimeout(20_000)
    })
    afterAll(async () => {
      await this.#context?.close()
      rmSync(this.#profile, { recursive: true, force: true })
    })
  }

  get context(): BrowserContext {
    if (!this.#context) throw new Error('no browser is open')
    return this.#context
  }

  /** A page of a window of this width, nobody signed in. */
  async open({ width = 1280, theme = 'light' }: Window = {}): Promise<Page> {
    const page = await this.context.newPage()
    await page.setViewportSize({ width, height: width < 500 ? 780 : 900 })
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    page.on('console', (message) => {
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) this.complaints.push(message.text())
    })
    page.on('pageerror', (error) => this.complaints.push(String(error)))
    return page
  }

  /** A page of a window of this width, at `path` of the gateway, with this person signed in by a link. */
  async enter({ url, people }: SignInPlace, person: string, path: string, window: Window = {}): Promise<Page> {
    const page = await this.open(window)
    const { signInLink } = await people(null, 'mutation ($person: String!) { signInLink(person: $person) }', { person })
    await page.goto(String(signInLink))
    await page.getByRole('heading', { name: 'Inbox' }).waitFor()
    await page.goto(`${url}${path}`)
    return page
  }

  /** Signs everybody out. */
  forget(): Promise<void> {
    return this.context.clearCookies()
  }
}

/** Rules of WCAG 2.2 A and AA that a page breaks, with where. */
export async function violations(page: Page): Promise<readonly string[]> {
  const { violations: found } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'])
    .analyze()
  return found.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} at ${target.join(' ')}: ${failureSummary}`))
}

/** Keeps a picture of the page in `dist.screenshots`, which no build takes away. */
export async function shoot(page: Page, name: string): Promise<void> {
  mkdirSync(SHOTS, { recursive: true })
  await page.screenshot({ path: join(SHOTS, `${name}.png`) })
}

/** True where the page does not scroll sideways. */
export const fits = (page: Page): Promise<boolean> => page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')
