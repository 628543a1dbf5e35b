import { afterAll, expect, test } from 'vitest'
import { ECHO, httpServer, loadMcp, mcpManifest } from '../connectors/mcp/fixture-mcp.ts'
import type { Drift } from './core/drift.ts'
import { GatewayError } from './core/errors.ts'
import type { DriftStore } from './ports/drift-store.ts'
import { createInProcessBus } from './bus/in-process.ts'
import { instant } from './core/clock.ts'
import { openStorage } from './storage/open-storage.ts'
import { freshPglite } from './storage/test-databases.ts'
import { watchDrift } from './watch-drift.ts'

const database = freshPglite()
const storage = await openStorage({ ...database.options, clock: { now: () => instant(Date.now()) }, bus: createInProcessBus() })
afterAll(async () => {
  await storage.close()
  await database.drop()
})

const FOREVER = { timeout: 20_000, interval: 10 }

test('systems that nobody calls are looked at now and then; a record that is away costs sight only, and is caught up', async () => {
  const server = await httpServer({ tools: [ECHO] })
  const connector = loadMcp(mcpManifest(server))
  const warned: string[] = []
  let away = true
  const store: DriftStore = {
    ...storage.drifts,
    found(name, drift) {
      return away ? Promise.reject(new GatewayError('UNAVAILABLE', 'away')) : storage.drifts.found(name, drift)
    },
  }
  const log = { info: () => {}, error: () => {}, warn: (_: unknown, message: string) => void warned.push(message) }
  const watch = watchDrift({ connectors: [connector], store, lease: async () => null, log, everyMs: 20 })
  try {
    server.tools.splice(0, 1, { ...ECHO, description: 'says it again, and tells me' })
    watch.start()
    await expect.poll(() => warned, FOREVER).toContain('what a system says of itself could not be recorded')
    expect(watch.refused()).toBe(1)
    away = false
    await expect
      .poll(() => storage.drifts.of('shop'), FOREVER)
      .toMatchObject([{ subject: 'echo', change: 'changed' } satisfies Partial<Drift>])
    expect(warned).toContain(
      'a system describes itself otherwise than it was reviewed: what changed is refused until it is imported anew and reviewed',
    )
    server.tools.splice(0, 1, ECHO)
    await expect.poll(() => storage.drifts.count('shop'), FOREVER).toBe(0)
    expect(watch.refused()).toBe(0)
  } finally {
    await watch.close()
    await connector.close()
    await server.stop()
  }
})
