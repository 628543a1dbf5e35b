import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshPostgres } from '../storage/test-databases.ts'
import { findPromtool } from '../test-promtool.ts'
import { type Cuttable, cuttable } from './cuttable.ts'
import { type Bed, startBed } from './harness.ts'
import { HeldScene, LED, SOON_OVER } from './held-scene.ts'
import { send } from './send.ts'

const PATIENCE = { timeout: 60_000, interval: 100 }

const get = async (bed: Bed, path: string) => await send(bed.url, { method: 'GET', path, headers: {} })

/** The value of a metric without labels; undefined where it is left out. */
async function metric(bed: Bed, name: string): Promise<number | undefined> {
  const { status, text } = await get(bed, '/metrics')
  expect(status).toBe(200)
  const value = new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]
  return value === undefined ? undefined : Number(value)
}

describe('what waits for people', () => {
  let scene: HeldScene
  beforeAll(async () => {
    scene = await HeldScene.open({ soon: '14m' })
  })
  afterAll(() => scene?.bed.close())
  const waiting = () =>
    Promise.all(
      ['calls_in_doubt', 'holds_open', 'holds_expiring', 'policies_behind', 'database_connected'].map((name) =>
        metric(scene.bed, `gatehouse_${name}`),
      ),
    )

  test('is counted, and no more when people have dealt with it', { timeout: 120_000 }, async () => {
    expect(await waiting()).toEqual([0, 0, 0, 0, 1])
    const soon = await scene.held('http', scene.fresh(SOON_OVER))
    const later = await scene.held('mcp', scene.fresh(LED))
    scene.bed.probe.faults.push('reset after a part')
    const { callId = '' } = await scene.clients.http.call(scene.fresh({}))
    await expect.poll(waiting, PATIENCE).toEqual([1, 2, 1, 0, 1])
    await scene.vote(soon)
    await scene.vote(later, 'reject')
    const resolve = 'mutation ($id: ID!) { resolveCall(id: $id, effect: DID_NOT_HAPPEN, evidence: "looked into it") { state } }'
    await scene.bed.people('aisha', resolve, { id: callId })
    await expect.poll(waiting, PATIENCE).toEqual([0, 0, 0, 0, 1])
  })
})

const promtool = findPromtool('the scrape')

describe.skipIf(promtool === undefined)('Prometheus itself', () => {
  let bed: Bed
  beforeAll(async () => {
    bed = await startBed()
  })
  afterAll(() => bed?.close())

  test('takes what it scrapes, and has nothing to say about metrics of ours', async () => {
    const headers = { authorization: `Bearer ${await bed.agentToken('support-triage', 'sam')}` }
    expect((await send(bed.url, { path: '/proxy/crm/customers?q=x', headers })).status).toBe(200)
    const scrape = (await get(bed, '/metrics')).text
    expect(scrape).toContain('gatehouse_call_seconds_bucket')
    const remarks = promtool?.(['check', 'metrics'], scrape).text.split('\n') ?? []
    // The runtime's own gauges are called totals by the library that reads them.
    expect(remarks.filter((line) => line !== '' && !/^nodejs_active_\w+_total non-counter/.test(line))).toEqual([])
    expect(promtool?.(['check', 'metrics'], `${scrape}gatehouse_faulty{ 1\n`).status).not.toBe(0)
  })
})

const database = await freshPostgres('signals while the database is away')

describe.skipIf(database === undefined)('while PostgreSQL is away', () => {
  let way: Cuttable
  let bed: Bed
  beforeAll(async () => {
    const url = new URL(database?.options.databaseUrl ?? '')
    way = await cuttable({ host: url.hostname, port: Number(url.port || 5432) })
    url.host = `127.0.0.1:${way.port}`
    bed = await startBed({ environment: { DATABASE_URL: url.href } })
  })
  afterAll(async () => {
    await way?.restore()
    await bed?.close()
    await way?.close()
    await database?.drop()
  })

  test.each(['cut', 'stall'] as const)(
    '(%s) `/metrics` answers and says so, and calls are refused until it is back',
    async (how) => {
      await expect.poll(() => metric(bed, 'gatehouse_database_connected'), PATIENCE).toBe(1)
      const path = '/proxy/crm/customers?q=x'
      const headers = { authorization: `Bearer ${await bed.agentToken('support-triage', 'sam')}` }
      await way[how]()
      await expect.poll(() => metric(bed, 'gatehouse_database_connected'), PATIENCE).toBe(0)
      const away = await get(bed, '/metrics')
      expect(away.text).toContain('gatehouse_record_queue_units ')
      expect(away.text).not.toMatch(/^gatehouse_(holds_open|calls_in_doubt|follower_lag_seconds)/m)
      expect((await send(bed.url, { path, headers })).status).toBe(503)
      await way.restore()
      await expect.poll(() => metric(bed, 'gatehouse_database_connected'), PATIENCE).toBe(1)
      await expect.poll(async () => (await send(bed.url, { path, headers })).status, PATIENCE).toBe(200)
      await expect.poll(() => metric(bed, 'gatehouse_holds_open'), PATIENCE).toBe(0)
    },
    240_000,
  )
})
