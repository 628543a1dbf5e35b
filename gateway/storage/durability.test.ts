import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import { instant } from '../core/clock.ts'
import { openStorage } from './open-storage.ts'
import { testSealer } from './test-sealer.ts'
import { freshPglite } from './test-databases.ts'

const CHILD = fileURLToPath(new URL('./test-writer-child.ts', import.meta.url))

/** Starts a writer and calls `onLine` for what it prints. */
function start(dataDir: string, onLine: (line: string) => void): ChildProcess {
  const child = spawn(process.execPath, ['--no-warnings', '--experimental-transform-types', CHILD, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  createInterface({ input: child.stdout }).on('line', onLine)
  return child
}

test('kill -9 loses nothing that was acknowledged, and leaves the rest in doubt; a second process is refused', async () => {
  const database = freshPglite()
  const { dataDir } = database.options
  const acknowledged = { intent: new Set<string>(), outcome: new Set<string>() }
  const [ready, enough] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const child = start(dataDir, (line) => {
    const [kind, id = ''] = line.split(' ')
    if (kind === 'intent' || kind === 'outcome') acknowledged[kind].add(id)
    if (kind === 'ready') ready.resolve()
    if (acknowledged.outcome.size === 200) enough.resolve()
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const closed = once(child, 'close')
  await Promise.race([ready.promise, closed])
  const refused: string[] = []
  const second = start(dataDir, (line) => refused.push(line))
  await Promise.all([once(second, 'close'), Promise.race([enough.promise, closed])])
  expect(acknowledged.outcome.size).toBeGreaterThanOrEqual(200)
  expect(refused).toEqual([
    `failed the data directory \`${dataDir}\` is used by process ${child.pid}: ${'stop that gateway, choose another directory, or use PostgreSQL'}`,
  ])

  child.kill('SIGKILL')
  await closed

  const clock = { now: () => instant(Date.now()) }
  const storage = await openStorage({ dataDir, sealer: testSealer({ dataDir }), clock, bus: createInProcessBus() })
  const doubtful = new Set<string>(await storage.takeOverLapsed())
  const { db } = storage.database
  const states = new Map((await db.selectFrom('call').select(['id', 'state']).execute()).map(({ id, state }) => [id, state]))
  const written = new Set((await db.selectFrom('entry').select(['kind', 'call_id']).execute()).map((e) => `${e.kind} ${e.call_id}`))
  for (const id of acknowledged.intent) {
    expect([written.has(`decision ${id}`), written.has(`intent ${id}`)]).toEqual([true, true])
    const completed = states.get(id) === 'completed'
    if (acknowledged.outcome.has(id)) expect(completed).toBe(true)
    expect([written.has(`outcome ${id}`), doubtful.has(id)]).toEqual([completed, !completed])
    expect(states.get(id)).toBe(completed ? 'completed' : 'in_doubt')
  }
  const rows = await db.selectFrom('entry').select(['process', 'seq']).orderBy('process').orderBy('seq').execute()
  const last = new Map<string, number>()
  for (const { process: writer, seq } of rows) {
    expect(seq).toBe((last.get(writer) ?? 0) + 1)
    last.set(writer, seq)
  }
  await storage.close()
  await database.drop()
}, 120_000)
