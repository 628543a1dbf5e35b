import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CallId } from '../../core/ids.ts'
import { LIMITS } from '../../limits.ts'
import type { Answer } from '../../ports/calls.ts'
import { OPERATIONS } from './fixture-calls.ts'
import { call, COMMON, openDoor, rpc, send, session, stateless, words } from './fixture-door.ts'
import type { DoorUnderTest, Reply } from './fixture-door.ts'
import { TASKS } from './tasks.ts'

let at: DoorUnderTest
beforeEach(async () => {
  at = await openDoor({ holdWaitMs: 60 })
})
afterEach(() => at.close())

const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'
const DECLARED = { [CAPABILITIES]: { extensions: { [TASKS]: {} } } }
const resultOf = (reply: Reply) => reply.messages.at(-1)?.result ?? {}
const errorOf = (reply: Reply) => reply.messages.at(-1)?.error

const pay = (amount = 2_000, headers = {}) => call(at, 'erp_pay', { amount }, { meta: DECLARED, headers })
const ask = (method: string, taskId: unknown, more: { as?: string; meta?: object; params?: object; name?: string | undefined } = {}) => {
  const { as = 'robot', meta = DECLARED, params = {}, name = typeof taskId === 'string' ? taskId : undefined } = more
  const headers = { authorization: `Bearer ${as}`, 'mcp-name': 'name' in more ? more.name : name }
  return stateless(at, method, { taskId, ...params }, { meta, headers })
}
const METHODS = [
  ['tasks/get', {}],
  ['tasks/update', { inputResponses: {} }],
  ['tasks/cancel', {}],
] as const

async function held(headers = {}): Promise<CallId> {
  const { taskId } = resultOf(await pay(2_000, headers))
  return taskId as CallId
}

describe('tools/call of a client that takes tasks', () => {
  test('a held call is answered at once with a task under its call id, bound by the expiry of the hold', async () => {
    await at.close()
    at = await openDoor({ holdWaitMs: 45_000 })
    const reply = await pay()
    const [id] = at.calls.kept.keys()
    expect(resultOf(reply)).toEqual({
      resultType: 'task',
      taskId: id,
      status: 'working',
      statusMessage: `NOT EXECUTED yet. ${id} waits for people to decide, at most until 2100-01-01T00:00:00.000Z.`,
      createdAt: '1970-01-01T00:00:01.000Z',
      lastUpdatedAt: '1970-01-01T00:00:01.000Z',
      ttlMs: 4_102_444_800_000 - 1_000 + LIMITS.mcpTaskGraceMs,
      pollIntervalMs: LIMITS.mcpTaskPollMs,
      _meta: {
        'io.modelcontextprotocol/serverInfo': { name: 'gatehouse', title: 'Gatehouse', version: '9.9.9' },
        'gatehouse/callId': id,
        traceparent: expect.stringMatching(/^00-/),
      },
    })
    expect([reply.headers['gatehouse-call'], at.calls.deliveredIds]).toEqual([id, []])
  })

  test.each([
    ['what is permitted', { amount: 10 }, { structuredContent: { paid: 10 } }],
    ['a denial', { amount: 60_000 }, { isError: true }],
    ['bad input', {}, { isError: true }],
  ])('%s is answered as ever', async (_title, args, expected) => {
    const result = resultOf(await call(at, 'erp_pay', args, { meta: DECLARED }))
    expect(result).toMatchObject({ resultType: 'complete', ...expected })
    expect(result).not.toHaveProperty('taskId')
  })

  test('a call that runs longer than an answer may take goes on as a task', async () => {
    await at.close()
    at = await openDoor({ answerMsMax: 30 })
    const reply = await call(at, 'erp_slow', {}, { meta: DECLARED })
    const id = String(reply.headers['gatehouse-call'])
    expect(resultOf(reply)).toMatchObject({ resultType: 'task', taskId: id, status: 'working', ttlMs: null })
    at.calls.finishSlow()
    expect(at.calls.deliveredIds).toEqual([])
  })

  test('the tools of the gateway answer with results', async () => {
    const id = await held()
    const reply = await call(at, 'gatehouse_call_wait', { id, waitSeconds: 0 }, { meta: DECLARED })
    expect([resultOf(reply).resultType, words(reply).startsWith('NOT EXECUTED yet. Held as')]).toEqual(['complete', true])
  })

  test.each([
    ['no extensions', {}],
    ['another extension', { extensions: { other: {} } }],
    ['the extension as no object', { extensions: { [TASKS]: true } }],
    ['extensions as a list', { extensions: [TASKS] }],
    ['the core tasks of 2025-11-25', { tasks: { requests: { tools: { call: {} } } } }],
  ])('who declares %s is never answered with a task', async (_title, capabilities) => {
    const reply = await call(at, 'erp_pay', { amount: 2_000 }, { meta: { [CAPABILITIES]: capabilities } })
    expect(resultOf(reply)).toMatchObject({ resultType: 'complete', isError: true })
    expect(words(reply)).toMatch(/^NOT EXECUTED yet\. Held as call_/)
  })
})

describe('tasks/get', () => {
  test('says working while people decide, then completed with the whole result, and that it was handed over', async () => {
    const id = await held()
    expect(resultOf(await ask('tasks/get', id))).toMatchObject({ resultType: 'complete', taskId: id, status: 'working' })
    expect(at.calls.deliveredIds).toEqual([])
    at.calls.approve(id, { paid: 2_000 })
    const reply = await ask('tasks/get', id)
    expect(resultOf(reply)).toMatchObject({
      resultType: 'complete',
      taskId: id,
      status: 'completed',
      ttlMs: null,
      result: { resultType: 'complete', structuredContent: { paid: 2_000 }, content: [{ type: 'text', text: '{"paid":2000}' }] },
    })
    expect([resultOf(reply).pollIntervalMs, reply.headers['gatehouse-call']]).toEqual([undefined, id])
    await expect.poll(() => at.calls.deliveredIds).toEqual([id])
  })

  const common = { traceparent: '' }
  const CANCELLED = { kind: 'ended', code: 'CANCELLED', message: 'cancelled by its agent' } as const
  test.each([
    [
      'rejected',
      { kind: 'denied', reason: 'rejected', comment: 'not this one' },
      /^NOT EXECUTED: denied \(rejected by a person: not this one\)/,
    ],
    ['expired', { kind: 'ended', code: 'EXPIRED', message: 'nobody approved the call in time' }, /^NOT EXECUTED: expired/],
    ['failed', { kind: 'failed', code: 'UPSTREAM', message: 'the system answered 422', inDoubt: false }, /^FAILED \(UPSTREAM\)/],
    ['in doubt', { kind: 'failed', code: 'UPSTREAM_TIMEOUT', message: 'no answer', inDoubt: true }, /^IN DOUBT/],
    ['not kept', { kind: 'refused', code: 'RESULT_NOT_KEPT', message: 'too large to keep', faults: [] }, /^EXECUTED before/],
  ] as const)('a call that is %s completes with the sentence of tools/call as its error result', async (_title, end, sentence) => {
    const id = await held()
    at.calls.decide(id, { ...end, ...common, callId: id } as Answer & { callId: CallId })
    const { status, result } = resultOf(await ask('tasks/get', id)) as { status: string; result: { isError: boolean; content: unknown } }
    expect([status, result.isError]).toEqual(['completed', true])
    expect(result.content).toMatchObject([{ type: 'text', text: expect.stringMatching(sentence) }])
    expect(result).not.toHaveProperty('structuredContent')
    await expect.poll(() => at.calls.deliveredIds).toEqual([id])
  })

  test('a cancelled call is a cancelled task, with our sentence and no result', async () => {
    const id = await held()
    at.calls.decide(id, { ...CANCELLED, ...common, callId: id })
    const task = resultOf(await ask('tasks/get', id))
    expect(task).toMatchObject({ status: 'cancelled', statusMessage: expect.stringMatching(/^NOT EXECUTED: cancelled/) })
    expect(task).not.toHaveProperty('result')
  })

  test('an answer that is held back for now leaves the task working', async () => {
    const id = await held()
    const end = { kind: 'failed', code: 'UNAVAILABLE', message: 'ask for it again', inDoubt: false, heldBack: true } as const
    at.calls.decide(id, { ...end, ...common, callId: id })
    expect(resultOf(await ask('tasks/get', id))).toMatchObject({
      status: 'working',
      ttlMs: null,
      statusMessage: expect.stringContaining('ask for it again'),
    })
    expect(at.calls.deliveredIds).toEqual([])
  })

  test('a result takes the form of its own operation, as from tools/call', async () => {
    const id = await held()
    const kept = at.calls.kept.get(id)
    const blocks = OPERATIONS.find(({ jointName }) => jointName === 'erp_getVendor')
    if (!kept || !blocks) throw new Error('nothing is held')
    kept.operation = blocks.id
    at.calls.approve(id, { id: 7, name: 'Acme' })
    expect(resultOf(await ask('tasks/get', id))).toMatchObject({
      result: { isError: true, content: [{ text: expect.stringMatching(/^EXECUTED\./) }] },
    })
  })

  test('an approved call that waits for its agent is claimed', async () => {
    const { taskId } = resultOf(await call(at, 'erp_claimed', {}, { meta: DECLARED }))
    expect(resultOf(await ask('tasks/get', taskId))).toMatchObject({
      status: 'completed',
      result: { structuredContent: { claimed: true } },
    })
  })

  test('may be asked again after the end', async () => {
    const id = await held()
    at.calls.approve(id)
    const first = await ask('tasks/get', id)
    expect(resultOf(await ask('tasks/get', id))).toEqual(resultOf(first))
  })
})

describe('tasks/cancel', () => {
  test('ends the hold, and acknowledges with an empty result', async () => {
    const id = await held()
    const reply = await ask('tasks/cancel', id)
    expect(Object.keys(resultOf(reply)).sort()).toEqual(['_meta', 'resultType'])
    expect([resultOf(reply).resultType, reply.headers['gatehouse-call']]).toEqual(['complete', id])
    expect(resultOf(await ask('tasks/get', id))).toMatchObject({ status: 'cancelled' })
  })

  test('of what has ended is acknowledged and changes nothing', async () => {
    const id = await held()
    at.calls.approve(id)
    expect(resultOf(await ask('tasks/cancel', id))).toMatchObject({ resultType: 'complete' })
    expect(resultOf(await ask('tasks/get', id))).toMatchObject({ status: 'completed' })
  })

  test('notifications/cancelled does not cancel a task', async () => {
    const id = await held()
    const text = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1, taskId: id } })
    const headers = { ...COMMON, 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'notifications/cancelled' }
    expect((await send(at, 'POST', headers, text)).status).toBe(202)
    expect(resultOf(await ask('tasks/get', id))).toMatchObject({ status: 'working' })
  })
})

test.each([
  ['answers to a question that was never put', { inputResponses: { approve: { action: 'accept', content: { approve: true } } } }],
  ['a vote beside it', { inputResponses: {}, verdict: 'approve', status: 'completed' }],
])('tasks/update with %s is acknowledged, and the call is held as before', async (_title, params) => {
  const id = await held()
  expect(resultOf(await ask('tasks/update', id, { params }))).toMatchObject({ resultType: 'complete' })
  expect(resultOf(await ask('tasks/get', id))).toMatchObject({ status: 'working' })
  expect(at.calls.kept.get(id)?.answer.kind).toBe('held')
})

describe.each(METHODS)('%s', (method, params) => {
  test('another agent, another subject and no subject hear what an unknown and a malformed id get', async () => {
    const own = await held()
    const forSubject = await held({ authorization: 'Bearer robot/maria' })
    const tries: [string, string][] = [
      ['other', own],
      ['robot/maria', own],
      ['robot', forSubject],
      ['robot/raj', forSubject],
      ['robot', `call_${'0'.repeat(26)}`],
      ['robot', 'task-1'],
      ['robot', ''],
    ]
    const replies = await Promise.all(tries.map(([as, id]) => ask(method, id, { as, params })))
    for (const reply of replies) {
      expect([reply.status, reply.text]).toEqual([200, replies[0]?.text])
      expect(reply.headers).not.toHaveProperty('gatehouse-call')
    }
    expect(errorOf(replies[0] as Reply)).toEqual({ code: -32602, message: 'task not found' })
    for (const id of [own, forSubject]) expect(at.calls.kept.get(id)?.answer.kind).toBe('held')
    expect(at.calls.refused).toHaveLength(tries.length)
    expect(at.calls.refused[0]).toMatchObject({ agent: 'other', asked: method, code: 'NOT_FOUND' })
  })

  test('is refused to clients that do not declare the extension, for known and unknown ids alike', async () => {
    const own = await held()
    const replies = await Promise.all([own, `call_${'0'.repeat(26)}`].map((id) => ask(method, id, { meta: {}, params })))
    for (const reply of replies) expect([reply.status, reply.text]).toEqual([400, replies[0]?.text])
    expect(errorOf(replies[0] as Reply)).toMatchObject({ code: -32021, data: { requiredCapabilities: { extensions: { [TASKS]: {} } } } })
    expect(at.calls.kept.get(own)?.answer.kind).toBe('held')
  })

  test.each([
    ['no task id', undefined, {}, 200, -32602],
    ['a task id that is none', 7, {}, 200, -32602],
    ['no Mcp-Name', `call_${'0'.repeat(26)}`, { name: undefined }, 400, -32020],
    ['another Mcp-Name', `call_${'0'.repeat(26)}`, { name: `call_${'1'.repeat(26)}` }, 400, -32020],
  ])('%s', async (_title, taskId, more, status, code) => {
    const reply = await ask(method, taskId, { params, ...more })
    expect([reply.status, errorOf(reply)?.code]).toEqual([status, code])
  })

  test('is not served in sessions of the 2025 revisions', async () => {
    const id = await held()
    const reply = await send(at, 'POST', await session(at), rpc(method, { taskId: id, ...params }))
    expect([reply.status, errorOf(reply)?.code]).toEqual([200, -32601])
  })
})

test('tasks/update needs `inputResponses`', async () => {
  expect(errorOf(await ask('tasks/update', await held()))).toMatchObject({
    code: -32602,
    message: expect.stringContaining('inputResponses'),
  })
})

describe('who may know of tasks', () => {
  test('server/discover advertises the extension; the handshake of the 2025 revisions no tasks at all', async () => {
    expect(resultOf(await stateless(at, 'server/discover'))).toMatchObject({ capabilities: { extensions: { [TASKS]: {} } } })
    const params = { protocolVersion: '2025-11-25', capabilities: { tasks: {}, extensions: { [TASKS]: {} } } }
    const { capabilities } = resultOf(await send(at, 'POST', COMMON, rpc('initialize', params)))
    expect(capabilities).toEqual({ tools: {}, logging: {} })
  })

  test('in a session tools promise no task support, and a request for one is served as if it were not there', async () => {
    const headers = await session(at)
    const { tools } = resultOf(await send(at, 'POST', headers, rpc('tools/list'))) as { tools: object[] }
    for (const tool of tools) expect(tool).not.toHaveProperty('execution')
    const params = { name: 'erp_pay', arguments: { amount: 2_000 }, task: { ttl: 60_000 }, _meta: DECLARED }
    const reply = await send(at, 'POST', headers, rpc('tools/call', params))
    expect(resultOf(reply)).toMatchObject({ isError: true })
    expect(words(reply)).toMatch(/^NOT EXECUTED yet\. Held as call_/)
    for (const method of ['tasks/list', 'tasks/result'])
      expect(errorOf(await send(at, 'POST', headers, rpc(method, { taskId: 'x' })))?.code).toBe(-32601)
  })

  test.each(['tasks/list', 'tasks/result'])('%s is no method of 2026-07-28', async (method) => {
    const reply = await ask(method, 'x')
    expect([reply.status, errorOf(reply)?.code]).toEqual([404, -32601])
  })
})

test('the official client sends tasks/get and tasks/cancel as this door wants them', async () => {
  const client = new Client(
    { name: 'tried', version: '1.0.0' },
    { capabilities: { extensions: { [TASKS]: {} } }, versionNegotiation: { mode: 'auto' } },
  )
  await client.connect(new StreamableHTTPClientTransport(new URL(at.url), { requestInit: { headers: { authorization: 'Bearer robot' } } }))
  expect(client.getServerCapabilities()?.extensions).toEqual({ [TASKS]: {} })
  // It has no tasks of its own, so it says that the answer is of a type that it does not take.
  await expect(client.callTool({ name: 'erp_pay', arguments: { amount: 2_000 } })).rejects.toMatchObject({ data: { resultType: 'task' } })
  const [id] = at.calls.kept.keys()
  const open = {
    '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value: value as Record<string, unknown> }) },
  } as const
  const of = async (method: string) => await client.request({ method, params: { taskId: id } }, open)
  expect(await of('tasks/get')).toMatchObject({ taskId: id, status: 'working' })
  await of('tasks/cancel')
  expect(await of('tasks/get')).toMatchObject({ status: 'cancelled' })
  await client.close()
})
