import { appendFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type HookReceiver, receiveHooks } from '../notify/test-receivers.ts'
import { freshPostgres } from '../storage/test-databases.ts'
import { type Bed, startBed } from './harness.ts'
import { Replica } from './replica.ts'
import { fields, items, jsonOf } from './send.ts'

const postgres = await freshPostgres('notices of two gateways')
const FOREVER = { timeout: 90_000, interval: 20 }
const SECRET = 'whsec_c2VjcmV0IG9mIHRoZSB3ZWJob29rcyBvZiBhY21l'

describe.skipIf(postgres === undefined)('two gateways over one record', () => {
  let hooks: HookReceiver
  let bed: Bed
  let replicas: readonly Replica[] = []
  beforeAll(async () => {
    hooks = await receiveHooks(SECRET)
    // The first gateway reads its configuration before it names a channel: it admits calls and tells nobody.
    bed = await startBed({ environment: { DATABASE_URL: postgres?.options.databaseUrl } })
    appendFileSync(
      bed.configFile,
      `\nnotifications:\n  egress: [127.0.0.1]\n  webhooks: [{ name: ops, url: "${hooks.url}", secret: "${SECRET}" }]\n`,
    )
    replicas = [new Replica(bed), new Replica(bed)]
    await Promise.all(replicas.map((replica) => replica.start()))
  }, 120_000)
  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.close()))
    await bed?.close()
    await hooks?.close()
    await postgres?.drop()
  }, 60_000)

  let turn = 0
  /** A call that maria and raj are told of, admitted by one of the replicas. */
  async function hold(): Promise<string> {
    // Of another amount each time: equal calls would join.
    const held = await replicas[turn % 2]?.pay(3_000 + turn++)
    if (!held) throw new Error('there is no replica')
    return String(fields(jsonOf(held)).callId)
  }
  const took = (callId: string) => hooks.hooks.filter(({ body }) => fields(body.data.call).id === callId)
  const entries = async (callId: string): Promise<string[]> => {
    const { call } = await bed.people('lee', 'query ($id: ID!) { call(id: $id) { entries { kind body } } }', { id: callId })
    return items(fields(call).entries)
      .map(fields)
      .filter(({ kind }) => String(kind).startsWith('notice.'))
      .map(({ kind, body }) => `${String(kind)} ${String(fields(body).person)}`)
      .sort()
  }
  const BOTH = ['notice.sent maria', 'notice.sent raj']
  const killAll = () => Promise.all(replicas.map((replica) => replica.kill()))
  const startAll = () => Promise.all(replicas.map((replica) => replica.start()))

  test('while both live, each notice is sent by one of them', async () => {
    const calls = await Promise.all(Array.from({ length: 12 }, hold))
    expect(new Set(calls).size).toBe(12)
    for (const callId of calls) await expect.poll(() => entries(callId), FOREVER).toEqual(BOTH)
    for (const callId of calls)
      expect(
        took(callId)
          .map(({ body, verified }) => [body.data.recipient, verified])
          .sort(),
      ).toEqual([
        ['maria', true],
        ['raj', true],
      ])
    expect(new Set(hooks.hooks.map(({ id }) => id)).size).toBe(hooks.hooks.length)
  }, 120_000)

  test('what was queued and not sent when both were killed is sent once they are back', async () => {
    const { port } = hooks
    await hooks.close()
    const callId = await hold()
    const waiting = async () => (await bed.people('aisha', `{ call(id: "${callId}") { state } }`)).call
    expect(await waiting()).toEqual({ state: 'held' })
    await killAll()
    expect(await entries(callId)).toEqual([])
    hooks = await receiveHooks(SECRET, port)
    await startAll()
    await expect.poll(() => entries(callId), FOREVER).toEqual(BOTH)
    expect(
      took(callId)
        .map(({ body }) => body.data.recipient)
        .sort(),
    ).toEqual(['maria', 'raj'])
  }, 180_000)

  test('what a killed gateway had sent and not noted is sent again, under the same id', async () => {
    // The receiver takes it and says nothing: whoever sends it is killed while it waits for the answer.
    hooks.answer = () => undefined
    const callId = await hold()
    await expect.poll(() => took(callId).length, FOREVER).toBe(2)
    await killAll()
    const before = took(callId).map(({ id }) => id)
    expect(await entries(callId)).toEqual([])
    hooks.answer = (_request, response) => void response.writeHead(204).end()
    await startAll()
    await expect.poll(() => entries(callId), FOREVER).toEqual(BOTH)
    expect(
      took(callId)
        .slice(2)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(before.sort())
  }, 180_000)
})
