import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { type Acme, startAcme } from '../../examples/acme/start.ts'
import { ask } from '../cli/control-plane.ts'
import { readAddress } from '../config/address-file.ts'
import { type Hook, receiveHooks } from '../notify/test-receivers.ts'
import { openDatabase } from '../storage/database.ts'
import { copyAcme, edited } from './acme-copy.ts'
import { send } from './send.ts'

const CHILD = fileURLToPath(new URL('../../dist/gateway/e2e/crash-child.js', import.meta.url))
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const PATIENCE = { timeout: 90_000, interval: 50 }

interface Place {
  process: string
  seq: number
}
const idOf = ({ process, seq }: Place): string => `${process}/${seq}`
const idsOf = ({ body }: Hook): string[] => (body.data as unknown as Place[]).map(idOf)

/** A receiver that refuses, loses its answers and asks for patience in turn, until it is told to be well. */
async function flappingReceiver() {
  const taken: string[] = []
  const lost: string[] = []
  let well = false
  const receiver = await receiveHooks(SECRET)
  receiver.answer = (_request, response, hook) => {
    const turn = well ? 3 : receiver.hooks.length % 4
    if (turn === 0) return void response.writeHead(503).end()
    if (turn === 1) {
      lost.push(...idsOf(hook))
      return void response.destroy()
    }
    if (turn === 2) return void response.writeHead(429, { 'retry-after': '1' }).end()
    taken.push(...idsOf(hook))
    response.writeHead(204).end()
  }
  return { receiver, taken, lost, heal: () => (well = true) }
}

/** A gateway in a process of its own, over one data directory. */
async function startGateway(configFile: string, dataDir: string, acme: Acme): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(CHILD, [configFile, dataDir], { env: { ...process.env, ...acme.env }, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const died = once(child, 'exit').then(() => Promise.reject(new Error('the gateway did not start')))
  died.catch(() => undefined)
  const [{ url }] = (await Promise.race([once(child, 'message'), died])) as [{ url: string }]
  return { child, url }
}

async function makeCalls(url: string, dataDir: string, calls: number): Promise<void> {
  const address = readAddress(dataDir)
  if (!address) throw new Error('no gateway runs')
  const { agentToken } = await ask(address, 'mutation { agentToken(agent: "support-triage") }')
  const headers = { authorization: `Bearer ${String(agentToken)}` }
  for (let i = 0; i < calls; i++)
    expect((await send(url, { path: `/proxy/crm/customers?q=${i}`, headers })).headers['gatehouse-call']).toBeTruthy()
}

test('kill -9 of the gateway, again and again, while the receiver flaps: file and receiver get every entry at least once', async () => {
  const home = mkdtempSync(join(tmpdir(), 'gatehouse-sinks-crash-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const dataDir = join(home, 'data')
  const path = join(home, 'record.ndjson')
  const { receiver, taken, lost, heal } = await flappingReceiver()
  onTestFinished(() => receiver.close())
  const configuration = copyAcme(home)
  const sinks = `
sinks:
  - { name: disk, kind: file, path: "${path}" }
  - { name: siem, kind: webhook, url: "${receiver.url}", secret: "${SECRET}", egress: ["127.0.0.1"] }
`
  edited(join(configuration, 'gatehouse.yaml'), (text) => text + sinks)
  const acme = await startAcme({ dataDir })
  onTestFinished(() => acme.close())
  const start = () => startGateway(join(configuration, 'gatehouse.yaml'), dataDir, acme)
  for (const requests of [2, 3]) {
    const { child, url } = await start()
    onTestFinished(() => void child.kill('SIGKILL'))
    const before = receiver.hooks.length
    await makeCalls(url, dataDir, 10)
    await vi.waitFor(() => expect(receiver.hooks.length).toBeGreaterThanOrEqual(before + requests), PATIENCE)
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    expect(await exit).toEqual([null, 'SIGKILL'])
  }
  heal()
  const { child, url } = await start()
  onTestFinished(() => void child.kill('SIGKILL'))
  await makeCalls(url, dataDir, 1)
  const linesOfFile = (): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1)
  // Nothing more is written: both have what there is once neither grows behind the other and no follower waits.
  await vi.waitFor(async () => {
    const { text } = await send(url, { path: '/metrics', headers: {} })
    const behind = [...text.matchAll(/^gatehouse_follower_lag_seconds\{follower="sink:\w+"\} (\S+)$/gm)].map(([, lag]) => Number(lag))
    expect(behind).toEqual([0, 0])
    expect(new Set(taken).size).toBe(new Set(linesOfFile()).size)
  }, PATIENCE)
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit

  const { db, close } = await openDatabase({ dataDir })
  const entries = (await db.selectFrom('entry').select(['process', 'seq']).execute()).map(idOf)
  await close()
  expect(entries.length).toBeGreaterThan(2 * 10)
  const filed = linesOfFile().map((line) => idOf(JSON.parse(line) as Place))
  expect([...new Set(filed)].sort()).toEqual([...entries].sort())
  expect([...new Set(taken)].sort()).toEqual([...entries].sort())
  expect(lost.length).toBeGreaterThan(0)
  expect(receiver.hooks.every(({ verified }) => verified)).toBe(true)
}, 300_000)
