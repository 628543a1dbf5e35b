import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LogMessage } from '../../core/log-message.ts'
import { call, openDoor, rpc, send, session, stateless } from './fixture-door.ts'
import type { DoorUnderTest, Reply } from './fixture-door.ts'

let at: DoorUnderTest
beforeEach(async () => {
  at = await openDoor({ holdWaitMs: 20_000 })
})
afterEach(() => at.close())

const LEVEL = 'io.modelcontextprotocol/logLevel'
const pay = { name: 'erp_pay', arguments: { amount: 2_000 } }
const asked = async (count: number) => {
  await expect.poll(() => at.calls.kept.size).toBe(count)
  return at.calls.asked
}
const approveAll = () => {
  for (const id of at.calls.kept.keys()) at.calls.approve(id)
}
const toldIn = ({ messages }: Reply) => messages.filter(({ method }) => method === 'notifications/message').map(({ params }) => params)
const MESSAGE: LogMessage = { level: 'warning', logger: 'db', data: { slow: [1, 'x'] } }

describe('revision 2026-07-28', () => {
  test('what is said comes in the stream of the answer, before it', async () => {
    const paying = call(at, 'erp_pay', pay.arguments, { meta: { [LEVEL]: 'notice' } })
    const [{ logs } = {}] = await asked(1)
    expect(logs?.level).toBe('notice')
    logs?.tell(MESSAGE)
    approveAll()
    const { headers, messages } = await paying
    expect(headers).toMatchObject({ 'content-type': 'text/event-stream', 'gatehouse-call': expect.stringMatching(/^call_/) })
    expect(messages).toMatchObject([
      { method: 'notifications/message', params: MESSAGE },
      { result: { structuredContent: { paid: true } } },
    ])
    logs?.tell(MESSAGE)
  })

  test('a request without a level is told nothing', async () => {
    const paying = call(at, 'erp_pay', pay.arguments)
    expect((await asked(1))[0]).not.toHaveProperty('logs')
    approveAll()
    expect((await paying).headers['content-type']).toBe('application/json')
  })

  test('a client that takes no event streams is told nothing', async () => {
    const paying = call(at, 'erp_pay', pay.arguments, { meta: { [LEVEL]: 'debug' }, headers: { accept: 'application/json' } })
    ;(await asked(1))[0]?.logs?.tell(MESSAGE)
    approveAll()
    expect((await paying).messages).toHaveLength(1)
  })

  test.each(['loud', 'INFO', '', 3, null, {}])('a level that is none (%o) is refused, and nothing runs', async (level) => {
    const reply = await call(at, 'erp_text', {}, { meta: { [LEVEL]: level } })
    expect([reply.status, reply.messages[0]?.error?.code]).toEqual([400, -32602])
    expect(at.calls.asked).toEqual([])
  })
})

describe('sessions', () => {
  const setLevel = (headers: Record<string, string>, level: unknown) => send(at, 'POST', headers, rpc('logging/setLevel', { level }))

  test('the level is `info` until the client sets another, also while a call runs, and is its session’s alone', async () => {
    const [own, other] = [await session(at), await session(at)]
    const replies = [own, other].map((headers) => send(at, 'POST', headers, rpc('tools/call', pay)))
    const levels = (await asked(2)).map(({ logs }) => logs)
    expect(levels.map((logs) => logs?.level)).toEqual(['info', 'info'])
    expect((await setLevel(own, 'error')).messages[0]?.result).toEqual({})
    expect(levels.map((logs) => logs?.level).sort()).toEqual(['error', 'info'])
    approveAll()
    await Promise.all(replies)
  })

  test.each(['loud', 7, undefined])('a level that is none (%o) is refused and changes nothing', async (level) => {
    const headers = await session(at)
    await setLevel(headers, 'alert')
    const reply = await setLevel(headers, level)
    expect([reply.status, reply.messages[0]?.error?.code]).toEqual([200, -32602])
    const paying = send(at, 'POST', headers, rpc('tools/call', pay))
    expect((await asked(1))[0]?.logs?.level).toBe('alert')
    approveAll()
    await paying
  })
})

test('two agents with calls at once are each told what is said of their own', async () => {
  const robin = call(at, 'erp_pay', pay.arguments, { meta: { [LEVEL]: 'debug' }, headers: { authorization: 'Bearer robin' } })
  const [first] = await asked(1)
  const sam = send(at, 'POST', await session(at, { authorization: 'Bearer sam' }), rpc('tools/call', pay))
  const [, second] = await asked(2)
  for (const turn of [1, 2]) {
    first?.logs?.tell({ level: 'info', data: `robin ${turn}` })
    second?.logs?.tell({ level: 'info', data: `sam ${turn}` })
  }
  approveAll()
  expect(toldIn(await robin)).toEqual([1, 2].map((turn) => ({ level: 'info', data: `robin ${turn}` })))
  expect(toldIn(await sam)).toEqual([1, 2].map((turn) => ({ level: 'info', data: `sam ${turn}` })))
})

test('both eras declare it', async () => {
  const initialized = await send(at, 'POST', { ...(await session(at)) }, rpc('initialize', { protocolVersion: '2025-11-25' }))
  const discovered = await stateless(at, 'server/discover')
  for (const { messages } of [initialized, discovered]) expect(messages[0]?.result?.capabilities).toMatchObject({ tools: {}, logging: {} })
})
