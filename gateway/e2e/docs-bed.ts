import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { hashClientSecret, newClientSecret } from '../identity/client-secret.ts'
import { copyAcme } from './acme-copy.ts'
import { type Block, type Page, pageOf, ROOT } from './docs-blocks.ts'

const SECRET_HASH = 'REPORT_WRITER_SECRET_HASH'
const MARK = '\u001e'

/** A reader's checkout with the example organisation running in it. */
export interface DocsBed {
  home: string
  url: string
  /** What the start printed. */
  printed: string
  /** Runs a page's commands in one shell, writing its files on the way. `failed` names the block that ended with another code than 0. */
  run(page: Page): Promise<Ran>
  shell(script: string): Promise<{ code: number | null; output: string }>
  close(): Promise<void>
}

export interface Ran {
  outputs: ReadonlyMap<Block, string>
  failed?: string
}

/** True for what a reader types to install, start and test: the start is what the bed did, the tests are what runs here. */
export const isSetUp = (block: Block): boolean => /^npm ci && npm (start|test)$/.test(block.text.trim())

/** The files that a page has its reader make: below `my-...`. */
const isFile = ({ label }: Block): boolean => /^my-[a-z]+\//.test(label ?? '')

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address !== 'object' || address === null) throw new Error('no free port')
  return address.port
}

/** The example's files without its programs, and the agent that the guide adds. */
function furnish(home: string): void {
  const acme = copyAcme(home)
  writeFileSync(join(home, 'package.json'), '{"type":"module"}')
  const added = pageOf('docs/guides/agents.md').blocks.find(({ text }) => text.includes(SECRET_HASH))
  if (!added) throw new Error('the guide shows no agent with a secret')
  const agents = join(acme, 'agents.yaml')
  writeFileSync(agents, `${readFileSync(agents, 'utf8')}\n${added.text}\n`)
  mkdirSync(join(home, 'bin'))
  writeFileSync(join(home, 'bin/npm'), `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, 'dist/gateway/e2e/docs-npm.js')}' "$@"\n`)
  chmodSync(join(home, 'bin/npm'), 0o755)
}

async function startAcme(home: string, port: number, environment: NodeJS.ProcessEnv): Promise<{ child: ChildProcess; printed: string }> {
  const entry = join(ROOT, 'dist/examples/acme/main.js')
  const args = ['--port', String(port), '--config', 'examples/acme/gatehouse.yaml']
  const child = spawn(process.execPath, [entry, ...args], { cwd: home, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString()
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
      if (printed.includes('npm run demo')) resolve()
    })
    child.once('exit', (code) => reject(new Error(`the start ended with ${code}: ${log}`)))
  })
  return { child, printed }
}

/** Furnishes a home and starts the example organisation there, from what is built. */
export async function openDocsBed(): Promise<DocsBed> {
  const home = mkdtempSync(join(tmpdir(), 'gatehouse-docs-'))
  furnish(home)
  const [port, other, third] = [await freePort(), await freePort(), await freePort()]
  const secret = newClientSecret()
  const { DATABASE_URL: _, ...inherited } = process.env
  const environment = {
    ...inherited,
    PATH: [join(home, 'bin'), dirname(process.execPath), process.env.PATH].join(':'),
    REPORT_WRITER_SECRET: secret,
    [SECRET_HASH]: await hashClientSecret(secret),
    DESK_KEY: 'a key of the desk',
    DESK_PASSWORD: 'a password of the desk',
  }
  const { child, printed } = await startAcme(home, port, environment)
  /** Ports as they are in this run. */
  const here = (text: string): string =>
    text
      .replaceAll(/\b4000\b/g, String(port))
      .replaceAll(/\b4100\b/g, String(other))
      .replaceAll(/\b4300\b/g, String(third))
  const there = (text: string): string =>
    text.replaceAll(String(port), '4000').replaceAll(String(other), '4100').replaceAll(String(third), '4300')
  const shell: DocsBed['shell'] = async (script) => {
    const bash = spawn('bash', ['-c', here(script)], { cwd: home, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [bash.stdout, bash.stderr])
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString()
      })
    const code = await new Promise<number | null>((resolve) => bash.once('close', resolve))
    return { code, output: there(output) }
  }
  return {
    home,
    url: `http://127.0.0.1:${port}`,
    printed: there(printed),
    shell,
    run: (page) => runPage(page, home, shell, here),
    async close() {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
      rmSync(home, { recursive: true, force: true })
    },
  }
}

async function runPage(page: Page, home: string, shell: DocsBed['shell'], here: (text: string) => string): Promise<Ran> {
  const steps = page.blocks.filter((block) => isFile(block) || (block.language === 'sh' && !isSetUp(block)))
  const script = steps.map((block, index) => {
    const step = isFile(block) ? placing(block, join(home, `ready-${index}`), here) : block.text
    return `printf '${MARK}%s${MARK}' ${index}\n${step}\n`
  })
  const { code, output } = await shell(`exec 2>&1\nset -euo pipefail\n${script.join('')}`)
  const parts = output.split(MARK)
  const outputs = new Map<Block, string>()
  let last: Block | undefined
  for (let at = 1; at < parts.length; at += 2) {
    last = steps[Number(parts[at])]
    if (last) outputs.set(last, parts[at + 1] ?? '')
  }
  return code === 0 ? { outputs } : { outputs, failed: `${page.file}:${last?.line}: ended with ${code}: ${parts.at(-1)}` }
}

/** A file is laid ready beside and put in its place when its turn comes, as an earlier command may have made it. */
function placing({ label, text }: Block, ready: string, here: (text: string) => string): string {
  writeFileSync(ready, `${here(text)}\n`)
  return `mkdir -p "$(dirname ${label})" && cp ${ready} ${label}`
}
