import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Ask, McpClient } from './doors.ts'
import { CLAIMED, FOREVER, HeldScene, LED, PROBER, sent, SOON_OVER, stateOf } from './held-scene.ts'
import { fields, items, jsonOf, send } from './send.ts'

const TWENTY_MINUTES_MS = 20 * 60_000

/** How an agent spends the time: what it does at once, and gives back for when the approval is there. */
type Patience = (ask: Ask, id: string) => Promise<unknown>

let scene: HeldScene
beforeAll(async () => {
  // Only what the gateway calls now is turned, by the test; timers run as ever.
  vi.useFakeTimers({ toFake: ['Date'] })
  scene = await HeldScene.open({ soon: '19m' })
})
afterAll(async () => {
  await scene?.bed.close()
  vi.useRealTimers()
})

const until = async (answered: () => Promise<boolean>): Promise<void> => {
  while (!(await answered()));
}
const pending = (code: string): boolean => code === 'HELD' || code === 'RUNNING'

async function waitsByTool(_ask: Ask, id: string): Promise<unknown> {
  const mcp = new McpClient('mcp-2025', scene.bed)
  let value: unknown
  await until(async () => {
    const heard = await mcp.tool(PROBER, 'gatehouse_call_wait', { id, waitSeconds: 10 })
    value = heard.value
    return !pending(heard.code)
  })
  return value
}

async function waitsAtTheStatus(_ask: Ask, id: string): Promise<unknown> {
  let body: unknown
  await until(async () => {
    const reply = await scene.status(id, '?wait=10')
    body = fields(jsonOf(reply)).result
    return reply.status === 200
  })
  return body
}

async function waitsInGraphql(_ask: Ask, id: string): Promise<unknown> {
  const headers = { ...(await scene.bearer()), 'content-type': 'application/json' }
  const body = JSON.stringify({ query: `{ call(id: "${id}", waitSeconds: 10) { state result } }` })
  let result: unknown
  await until(async () => {
    const call = fields(fields(fields(jsonOf(await send(scene.bed.url, { method: 'POST', path: '/graphql', headers, body }))).data).call)
    result = call.result
    return call.state === 'completed'
  })
  return result
}

/** A framework that gives up after a while and repeats the call. */
async function repeats(ask: Ask): Promise<unknown> {
  const headers = { ...(await scene.bearer()), 'content-type': 'application/json', prefer: 'wait=1' }
  let value: unknown
  await until(async () => {
    const reply = await send(scene.bed.url, { method: 'POST', path: '/proxy/probe/things', headers, body: JSON.stringify(ask.input) })
    value = jsonOf(reply)
    return reply.status === 200
  })
  return value
}

const pollsTheTask: Patience = async (ask, id) => (await scene.clients.tasks.after(ask, id)).value

const WAITING: readonly [string, Patience][] = [
  ['waits by gatehouse_call_wait, again and again', waitsByTool],
  ['waits at the call status', waitsAtTheStatus],
  ['waits in GraphQL', waitsInGraphql],
  ['repeats the call', repeats],
  ['polls its task', pollsTheTask],
]

const LATER: readonly [string, Patience][] = [
  ['comes back with gatehouse_call_wait', waitsByTool],
  ['comes back to the call status', waitsAtTheStatus],
  ['comes back and repeats the call', repeats],
  ['comes back for its task', pollsTheTask],
]

test('a hold of twenty minutes ends in one execution, and its agent gets the result, whatever it did meanwhile', async () => {
  const seen = scene.bed.watch()
  const calls: { title: string; ask: Ask; id: string; patience: Patience }[] = []
  for (const [title, patience] of [...WAITING, ...LATER]) {
    const ask = scene.fresh()
    calls.push({ title, ask, id: await scene.held('tasks', ask), patience })
  }
  const claimed = scene.fresh(CLAIMED)
  const claimedId = await scene.held('mcp', claimed)
  const over = scene.fresh(SOON_OVER)
  const overId = await scene.held('http', over)
  const waiting = calls.slice(0, WAITING.length).map(({ patience, ask, id }) => patience(ask, id))

  vi.setSystemTime(Date.now() + TWENTY_MINUTES_MS)
  // Once the one that had nineteen minutes has expired, the gateway has looked through its holds at the new time.
  await expect.poll(async () => stateOf(await scene.status(overId)), FOREVER).toBe('expired')
  for (const { id } of calls) expect((await scene.callOf(id)).state).toBe('held')
  expect(seen()).toEqual([])

  for (const { id } of calls) await scene.vote(id)
  await scene.vote(claimedId, 'approve', 'aisha')
  for (const { title, ask, id } of calls) {
    await expect.poll(async () => [title, (await scene.callOf(id)).state], FOREVER).toEqual([title, 'completed'])
    expect([title, sent(seen(), ask)]).toEqual([title, 1])
  }
  const later = calls.slice(WAITING.length).map(({ patience, ask, id }) => patience(ask, id))
  const values = await Promise.all([...waiting, ...later])
  expect(values).toEqual(
    calls.map(({ ask }) => ({ method: 'POST', path: '/things', body: JSON.stringify({ name: ask.input.name, ...LED }) })),
  )
  expect(sent(seen(), claimed)).toBe(0)
  expect((await scene.clients.mcp.after(claimed, claimedId)).code).toBe('OK')
  for (const { ask } of calls) expect(sent(seen(), ask)).toBe(1)
  expect([sent(seen(), claimed), sent(seen(), over)]).toEqual([1, 0])
  for (const { id } of calls) {
    const { entries } = await scene.callOf(id, 'entries { kind }')
    expect(items(entries).filter((entry) => fields(entry).kind === 'intent')).toHaveLength(1)
  }
}, 90_000)
