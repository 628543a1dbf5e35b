import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Kill, whyNoCluster } from '../../bench/faults/cluster.ts'
import { CheckpointWatch, settle } from '../../bench/faults/run.ts'
import { Scene } from '../../bench/faults/scene.ts'
import { type Answered, Traffic } from '../../bench/faults/traffic.ts'
import type { Verdict } from '../../bench/faults/verdict.ts'

const RATE = 40
const DISK = { diskMiB: 240 }
const FOREVER = { timeout: 30_000, interval: 20 }

function skipped(why: string | undefined, what: string): boolean {
  if (why === undefined) return false
  if (process.env.CI === 'true') throw new Error(`${what}: ${why}`)
  console.warn(`SKIPPED: ${what}: ${why}`)
  return true
}
const noCluster = skipped(whyNoCluster(), 'a database that breaks under load')
const noDisk = whyNoCluster(DISK)

describe.skipIf(noCluster)('a database that breaks under load, and gateways that die', () => {
  let folder: string
  let scene: Scene
  let traffic: Traffic
  let watch: CheckpointWatch

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'gatehouse-faults-'))
    scene = await Scene.open({ folder, apiKey: randomBytes(24).toString('base64url'), ...(noDisk === undefined ? DISK : {}) })
    traffic = new Traffic(scene.gateways)
    watch = new CheckpointWatch(scene.gateways)
    traffic.start(RATE)
    await Promise.all(scene.gateways.map((gateway) => answered(gateway)))
  }, 120_000)
  // What one test has broken is whole for the next, however it ended.
  afterEach(() => scene.cluster.heal())
  afterAll(async () => {
    await traffic?.close()
    await watch?.close()
    await scene?.close()
    rmSync(folder, { recursive: true, force: true })
  }, 60_000)

  const answered = ({ url }: { url: string }): Promise<Answered> =>
    traffic.next(({ ending, origin }) => ending === 'done' && origin === url)
  const refused = (): Promise<Answered> => traffic.next(({ ending }) => ending === 'refused')
  const both = (): Promise<unknown> => Promise.all(scene.gateways.map(answered))
  const ready = async (): Promise<number[]> =>
    await Promise.all(scene.gateways.map(async ({ url }) => (await fetch(`${url}/readyz`)).status))

  test.each<[Kill]>([['server'], ['backend'], ['postmaster'], ['server']])(
    'kill -9 of %s: both gateways answer again by themselves',
    async (what) => {
      await scene.cluster.kill(what)
      await scene.cluster.start()
      await both()
    },
    60_000,
  )

  test('a database that is away: refused at once, and not ready', async () => {
    await scene.cluster.kill('server')
    expect(await refused()).toMatchObject({ code: 'UNAVAILABLE', saysWhen: true })
    await expect.poll(ready, FOREVER).toEqual([503, 503])
    await scene.cluster.start()
    await both()
    await expect.poll(ready, FOREVER).toEqual([200, 200])
  }, 60_000)

  test('a database that hangs, for longer than replicas believe in each other', async () => {
    scene.cluster.freeze()
    expect(await ready()).toEqual([503, 503])
    expect(await refused()).toMatchObject({ code: 'UNAVAILABLE', saysWhen: true })
    scene.cluster.thaw()
    await both()
  }, 90_000)

  test('a database that takes no writes', async () => {
    await scene.cluster.readOnly(true)
    expect(await refused()).toMatchObject({ code: 'UNAVAILABLE', saysWhen: true })
    await expect.poll(ready, FOREVER).toEqual([503, 503])
    await scene.cluster.readOnly(false)
    await both()
    await expect.poll(ready, FOREVER).toEqual([200, 200])
  }, 60_000)

  test('no connection left', async () => {
    await scene.cluster.takeConnections()
    expect(await refused()).toMatchObject({ code: 'UNAVAILABLE', saysWhen: true })
    await scene.cluster.giveConnections()
    await both()
  }, 60_000)

  test.skipIf(noDisk !== undefined)(
    'a full disk',
    async () => {
      scene.cluster.fillDisk()
      expect(await refused()).toMatchObject({ code: 'UNAVAILABLE', saysWhen: true })
      await scene.cluster.freeDisk()
      await both()
    },
    60_000,
  )

  test('kill -9 of a gateway, and of the database while it starts again', async () => {
    const [, second] = scene.gateways
    if (!second) throw new Error('there is one gateway only')
    await second.kill()
    await scene.cluster.kill('server')
    await scene.cluster.start()
    await second.start()
    await both()
  }, 60_000)

  describe('afterwards', () => {
    let verdict: Verdict
    beforeAll(async () => {
      verdict = await settle(scene, traffic, watch, join(folder, 'export'))
    }, 180_000)

    test('nothing was executed unrecorded or twice, nothing acknowledged is lost, and the log verifies', () => {
      expect(verdict.violations).toEqual([])
      expect(verdict.effects).toBeGreaterThan(RATE)
      for (const ending of ['done', 'held', 'refused'] as const) expect(verdict.endings[ending], ending).toBeGreaterThan(0)
      expect(watch.notes.length).toBeGreaterThan(1)
    })

    test('calls that were held before have expired in time', async () => {
      const open = "select count(*) as open from hold where state = 'open'"
      await expect.poll(async () => Number((await scene.cluster.admin(open)).rows[0]?.open), FOREVER).toBe(0)
    })

    test('those that are in doubt say so, and no others', async () => {
      const states = await scene.cluster.admin('select state, count(*) as calls from call group by state')
      const counts = new Map(states.rows.map(({ state, calls }) => [String(state), Number(calls)]))
      expect(counts.get('executing') ?? 0).toBe(0)
      expect(counts.get('in_doubt') ?? 0).toBe(verdict.inDoubt)
    })
  })
})
