import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createInProcessBus } from './bus/in-process.ts'
import { instant } from './core/clock.ts'
import { createDialer } from './egress/dialer.ts'
import { receiveHooks } from './notify/test-receivers.ts'
import { openSinks } from './open-sinks.ts'
import type { SinkSettings } from './ports/sink.ts'
import { leafOf } from './record/leaf.ts'
import { createRecorder } from './record/recorder.ts'
import { bareEntry } from './storage/entries.ts'
import { openStorage, type Storage } from './storage/open-storage.ts'
import { freshPglite, freshPostgres, type TestDatabase } from './storage/test-databases.ts'
import { finished, permitted } from './storage/test-units.ts'

const CHILD = fileURLToPath(new URL('./test-sink-child.ts', import.meta.url))
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const CANARY = 'canary-in-the-arguments'
const VIEWS = 2_000
const BOUND = { timeout: 20_000, interval: 20 }
const clock = { now: () => instant(Date.now()) }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-sinks-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const opened = ({ options }: TestDatabase): Promise<Storage> => openStorage({ ...options, clock, bus: createInProcessBus() })
const linesIn = (path: string): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1)
const leavesOf = async ({ database }: Storage): Promise<string[]> => {
  const rows = await database.db.selectFrom('entry').selectAll().orderBy('process').orderBy('seq').execute()
  return rows.map((row) => Buffer.from(leafOf(bareEntry(row))).toString())
}

async function writeViews(database: TestDatabase): Promise<string[]> {
  const storage = await opened(database)
  await storage.writer.transact(({ append }) => {
    for (let i = 0; i < VIEWS; i++) append(null, { kind: 'view', by: 'lee', what: `call ${i}` })
    return Promise.resolve()
  })
  const leaves = await leavesOf(storage)
  await storage.close()
  return leaves
}

const postgres = await freshPostgres('sinks')

describe.each([
  ['PGlite', freshPglite()],
  ['PostgreSQL', postgres],
] as const)('sinks over %s', (_title, database) => {
  afterAll(() => database?.drop())

  test.skipIf(database === undefined)(
    'kill -9 in the midst of it: every entry gets there at least once, in whole lines, and none a second time that was settled',
    async () => {
      if (!database) return
      const leaves = await writeViews(database)
      expect(leaves.length).toBeGreaterThanOrEqual(VIEWS)
      const receiver = await receiveHooks(SECRET)
      onTestFinished(() => receiver.close())
      const path = join(folder, 'record.ndjson')
      const start = () => {
        const given = [database.options.dataDir, database.options.databaseUrl ?? '', path, receiver.url, SECRET]
        const child = spawn(process.execPath, ['--no-warnings', '--experimental-transform-types', CHILD, ...given], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        onTestFinished(() => void child.kill('SIGKILL'))
        return child
      }
      for (const pages of [2, 5]) {
        const child = start()
        let carried = 0
        for await (const line of createInterface({ input: child.stdout })) if (line === 'carried sink:file' && ++carried === pages) break
        child.kill('SIGKILL')
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      }
      const last = start()
      last.stdout.resume()
      await once(last, 'exit')
      expect(last.exitCode).toBe(0)
      const lines = linesIn(path)
      expect([...new Set(lines)].sort()).toEqual(expect.arrayContaining([...leaves].sort()))
      // What is written twice is what was on its way when a process died: at most a batch each time.
      expect(lines.length - new Set(lines).size).toBeLessThanOrEqual(2 * 100)
      expect(receiver.hooks.every(({ verified }) => verified)).toBe(true)
      const posted = receiver.hooks.flatMap(({ body }) => (body.data as unknown as { process: string; seq: number }[]).map(idOf))
      expect(new Set(posted)).toEqual(new Set(lines.map((line) => idOf(JSON.parse(line) as { process: string; seq: number }))))
    },
    120_000,
  )

  test.skipIf(database === undefined)(
    'payloads stay where they are unless a sink asks for them, kinds are chosen, and OCSF knows whose call it is',
    async () => {
      if (!database) return
      const storage = await opened(database)
      const recorder = createRecorder({
        writer: storage.writer,
        clock,
        bus: createInProcessBus(),
        log: { info() {}, warn() {}, error() {} },
      })
      const { guards: _, ...unit } = permitted(clock, { input: { note: CANARY } })
      await recorder.admit(unit)
      await recorder.finish(finished(unit.call.id, unit.intent))
      const sink = (name: string, rest: Partial<SinkSettings> = {}): SinkSettings => ({
        ...{ name, format: 'entry', kinds: ['decision', 'outcome'], payloads: false, to: { kind: 'file', path: join(folder, name) } },
        ...rest,
      })
      const settings = [sink('bare'), sink('whole', { payloads: true }), sink('outcomes', { kinds: ['outcome'], format: 'ocsf' })]
      const deps = { organisation: 'acme', version: '0', dialer: createDialer({ development: false }), clock, calls: storage.calls }
      const followers = storage.follow(openSinks(settings, deps))
      await vi.waitFor(async () => expect([...(await followers.lagSeconds()).values()]).toEqual([0, 0, 0]), BOUND)
      await vi.waitFor(() => expect(linesIn(join(folder, 'outcomes'))).toHaveLength(1), BOUND)
      const leaves = await leavesOf(storage)
      await recorder.close()
      await storage.close()
      const bare = linesIn(join(folder, 'bare'))
      expect(leaves).toEqual(expect.arrayContaining(bare))
      expect(bare.map((line) => (JSON.parse(line) as { body: { kind: string } }).body.kind).sort()).toEqual(['decision', 'outcome'])
      expect(bare.join()).not.toContain(CANARY)
      expect(linesIn(join(folder, 'whole')).join()).toContain(CANARY)
      expect(JSON.parse(linesIn(join(folder, 'outcomes'))[0] ?? '')).toMatchObject({
        class_uid: 6003,
        actor: { app_name: 'helper', user: { name: 'paul' } },
        api: { operation: 'crm.orders', request: { uid: unit.call.id } },
        unmapped: { entry: { body: { kind: 'outcome' } } },
      })
    },
  )
})

const idOf = ({ process, seq }: { process: string; seq: number }): string => `${process}/${seq}`
