import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshRedis } from '../bus/test-redis.ts'
import { freshPostgres } from '../storage/test-databases.ts'
import { type Bed, startBed } from './harness.ts'
import { Replica } from './replica.ts'
import { fields, jsonOf, send } from './send.ts'

const postgres = await freshPostgres('two gateways and Redis')
const redis = await freshRedis('two gateways')
const FOREVER = { timeout: 60_000, interval: 20 }
/** Far above what a signal or a poll takes, and far below the wait that was asked for. */
const SOON_MS = 10_000

describe.skipIf(postgres === undefined || redis === undefined)('two gateways that wake each other through Redis', () => {
  let bed: Bed
  let other: Replica
  let token: string
  let turn = 0
  beforeAll(async () => {
    await redis?.start()
    bed = await startBed({ environment: { DATABASE_URL: postgres?.options.databaseUrl, REDIS_URL: redis?.url } })
    other = new Replica(bed)
    await other.start()
    token = await bed.agentToken('invoice-clerk')
  }, 120_000)
  afterAll(async () => {
    await other?.close()
    await bed?.close()
    await redis?.drop()
    await postgres?.drop()
  }, 60_000)

  const asAgent = async (method: string, path: string, body?: string) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    return await send(bed.url, { method, path, headers, ...(body === undefined ? {} : { body }) })
  }
  const metric = async (url: string): Promise<string | undefined> =>
    (await send(url, { method: 'GET', path: '/metrics' })).text.match(/^gatehouse_bus_connected (\d)$/m)?.[1]
  const connected = (value: string) =>
    expect.poll(async () => [await metric(bed.url), await metric(other.url)], FOREVER).toEqual([value, value])

  /** An agent waits on the one, somebody votes on the other. Returns the call and how long after the vote the agent knew. */
  async function voteElsewhere(): Promise<{ callId: string; tookMs: number }> {
    const body = JSON.stringify({ vendorId: 'V-1001', amount: 3_200, currency: 'EUR', reference: `elsewhere-${turn++}` })
    const held = await asAgent('POST', '/proxy/erp/payments', body)
    expect(held.status).toBe(202)
    const callId = String(fields(jsonOf(held)).callId)
    const waiting = asAgent('GET', `/v1/calls/${callId}?wait=45`)
    const answered = waiting.then(() => performance.now())
    await expect
      .poll(async () => (await send(bed.url, { method: 'GET', path: '/metrics' })).text, FOREVER)
      .toMatch(/^gatehouse_waiters 1$/m)
    const { call } = await other.people('maria', 'query ($id: ID!) { call(id: $id) { hold { id } } }', { id: callId })
    await other.people('maria', 'mutation ($id: ID!) { approveHold(id: $id) { state } }', { id: String(fields(fields(call).hold).id) })
    const votedAt = performance.now()
    expect(fields(jsonOf(await waiting)).state).toBe('completed')
    return { callId, tookMs: (await answered) - votedAt }
  }

  test('a vote on one is told to an agent that waits on the other', async () => {
    await connected('1')
    const tap = await createClient({ url: redis?.url ?? '' }).connect()
    const said: string[] = []
    await tap.subscribe('gatehouse:acme:signals', (message) => said.push(message))
    for (let round = 0; round < 5; round++) {
      const { callId, tookMs } = await voteElsewhere()
      expect(tookMs).toBeLessThan(SOON_MS)
      await expect.poll(() => said.some((message) => message.includes(callId)), FOREVER).toBe(true)
    }
    tap.destroy()
  }, 120_000)

  test('without Redis both serve on, and polling tells the agent', async () => {
    await redis?.kill()
    await connected('0')
    for (let round = 0; round < 3; round++) expect((await voteElsewhere()).tookMs).toBeLessThan(SOON_MS)
    for (const url of [bed.url, other.url]) expect((await send(url, { method: 'GET', path: '/readyz' })).status).toBe(200)
    await other.people('aisha', 'mutation { suspendAgent(name: "support-triage", reason: "odd") { agent { status } } }')
    const status = async () => fields((await bed.people('aisha', '{ agent(name: "support-triage") { status } }')).agent).status
    await expect.poll(status, FOREVER).toMatch(/suspended/i)
  }, 120_000)

  test('a replica starts while Redis is away, and both take it up when it is back', async () => {
    await other.kill()
    await other.start()
    await connected('0')
    await redis?.start()
    await connected('1')
    expect((await voteElsewhere()).tookMs).toBeLessThan(SOON_MS)
  }, 120_000)
})
