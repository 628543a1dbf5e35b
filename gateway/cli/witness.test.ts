import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { createOutput } from './output.ts'
import { serveWitness } from './witness.ts'
import { cosigner, noteSigner, parseVerifierKey } from '../record/signed-note.ts'

const MAIN = fileURLToPath(new URL('../../dist/gateway/cli/main.js', import.meta.url))
const LOG = noteSigner('log.example', randomBytes(32)).vkey

let folder: string
const running: (() => Promise<void>)[] = []
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-witness-'))
})
afterEach(async () => {
  for (const end of running.splice(0)) await end()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const refused = (...args: string[]) => spawnSync(process.execPath, [MAIN, 'witness', ...args], { encoding: 'utf8', timeout: 50_000 })

/** What a witness prints at its start; it is ended by SIGTERM. */
async function started(...args: string[]): Promise<{ url: string; vkey: string; logs: string[]; end(): Promise<number | null> }> {
  const child = spawn(process.execPath, [MAIN, '--json', 'witness', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  const end = async (): Promise<number | null> => {
    child.kill('SIGTERM')
    return ((await exit) as [number | null])[0]
  }
  running.push(async () => void (await end()))
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { ...(JSON.parse(line.toString()) as { url: string; vkey: string; logs: string[] }), end }
}

const base = (name: string): string[] => ['--data', join(folder, name), '--listen', '127.0.0.1:0', '--log', LOG]

test('is who it was, once it is started again', async () => {
  const args = base('one')
  const first = await started(...args)
  expect(parseVerifierKey(first.vkey)).toMatchObject({ type: 'cosignature', name: expect.stringMatching(/^witness-[0-9a-f]{12}$/) })
  expect(statSync(join(folder, 'one/witness.key')).mode & 0o777).toBe(0o600)
  expect(await first.end()).toBe(0)
  const again = await started(...args)
  expect(again.vkey).toBe(first.vkey)
  expect(refused(...args)).toMatchObject({ status: 1, stderr: expect.stringContaining('stop that one, or choose another directory') })
}, 120_000)

test('listens where it is told, and knows the logs of a file', async () => {
  const file = join(folder, 'logs')
  writeFileSync(file, `${LOG}\n\n${noteSigner('other.example', randomBytes(32)).vkey}\n`)
  const args = ['--data', join(folder, 'two'), '--listen', '[::1]:0', '--log', file, '--name', 'witness.example/two']
  const { url, vkey, logs } = await started(...args)
  expect(vkey).toMatch(/^witness\.example\/two\+/)
  expect(logs).toEqual(['log.example', 'other.example'])
  expect((await fetch(`${url}/add-checkpoint`, { method: 'POST', body: 'x' })).status).toBe(400)
}, 60_000)

test.each<[string, string[], string]>([
  ['no directory', ['--log', LOG], 'name the directory of the witness'],
  ['no port', ['--data', 'x', '--log', LOG, '--listen', '127.0.0.1'], 'write `HOST:PORT`'],
])(
  '%s is wrong usage',
  (_title, args, why) => {
    expect(refused(...args)).toMatchObject({ status: 2, stderr: expect.stringContaining(why) })
  },
  60_000,
)

const refusal = (options: Partial<Parameters<typeof serveWitness>[1]>): Promise<unknown> => {
  const asked = { host: '127.0.0.1', port: 0, data: join(folder, 'never'), logs: [LOG], name: undefined }
  return serveWitness(createOutput(true, process.stdout, process.stderr), { ...asked, ...options })
}

test.each<[string, Partial<Parameters<typeof serveWitness>[1]>, RegExp]>([
  ['no log', { logs: [] }, /name a log with --log/],
  ['a key that is none', { logs: ['log+00000000+AAAA'] }, /no verifier key/],
  ['a file that is not there', { logs: ['nothing/there'] }, /cannot be read/],
  ['a name that names no key', { name: 'a b' }, /cannot name a key/],
  ['a host that is none of ours', { host: '192.0.2.1' }, /cannot listen/],
])('%s is refused', (_title, options, why) => expect(refusal(options)).rejects.toThrow(why))

test.each<[string, (dir: string) => unknown, RegExp]>([
  ['another name', () => ({ name: 'witness.example/other' }), /would be another witness/],
  ['a key that others can read', (dir) => chmodSync(join(dir, 'witness.key'), 0o644), /chmod 600/],
  ['a key that is none', (dir) => writeFileSync(join(dir, 'witness.key'), 'x'), /is not the base64 of 32 bytes/],
  ['another key', (dir) => writeFileSync(join(dir, 'witness.vkey'), cosigner('w', randomBytes(32)).vkey), /is not of the key beside it/],
])('%s than at its first start is refused', async (title, change, why) => {
  const data = join(folder, title)
  cpSync(join(folder, 'one'), data, { recursive: true })
  rmSync(join(data, 'gatehouse.lock'), { force: true })
  await expect(refusal({ data, ...Object(change(data)) })).rejects.toThrow(why)
})
