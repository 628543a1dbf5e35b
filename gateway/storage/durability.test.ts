import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { createInProcessBus } from '../bus/in-process.ts'
import { instant } from '../core/clock.ts'
import type { CallId } from '../core/ids.ts'
import { openStorage } from './open-storage.ts'
import { freshPglite } from './test-databases.ts'

const CHILD = fileURLToPath(new URL('./child-writer.ts', import.meta.url))

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
  let child: ChildProcess | undefined
  await new Promise<void>((resolve) => {
    child = start(dataDir, (line) => {
      const [kind, id = ''] = line.split(' ')
      if (kind === 'intent' || kind === 'outcome') acknowledged[kind].add(id)
      if (acknowledged.outcome.size === 200) resolve()
    })
  })
  const refused: string[] = []
  const second = start(dataDir, (line) => refused.push(line))
  await once(second, 'close')
  expect(refused).toEqual([
    `failed the data directory \`${dataDir}\` is used by process ${child?.pid}: ${'stop that gateway, choose another directory, or use PostgreSQL'}`,
  ])

  const closed = child ? once(child, 'close') : Promise.resolve()
  child?.kill('SIGKILL')
  await closed

  const clock = { now: () => instant(Date.now()) }
  const storage = await openStorage({ dataDir, clock, bus: createInProcessBus() })
  const doubtful = new Set<string>(await storage.takeOverLapsed())
  for (const id of acknowledged.intent) {
    const entries = (await storage.calls.entries(id as CallId)).map(({ body }) => body.kind)
    expect(entries.slice(0, 2)).toEqual(['decision', 'intent'])
    const state = (await storage.calls.call(id as CallId))?.state
    if (acknowledged.outcome.has(id)) expect(state).toBe('completed')
    else expect([state, doubtful.has(id)]).toEqual(state === 'completed' ? ['completed', false] : ['in_doubt', true])
  }
  const rows = await storage.database.db.selectFrom('entry').select(['process', 'seq']).orderBy('process').orderBy('seq').execute()
  const last = new Map<string, number>()
  for (const { process: writer, seq } of rows) {
    expect(seq).toBe((last.get(writer) ?? 0) + 1)
    last.set(writer, seq)
  }
  await storage.close()
  await database.drop()
})
