import { request } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { CallId } from '../../core/ids.ts'
import { LIMITS } from '../../limits.ts'
import { BLOCKS, OPERATIONS } from './fixture-calls.ts'
import { call, COMMON, META, openDoor, rpc, send, session, words } from './fixture-door.ts'
import type { DoorUnderTest, Reply } from './fixture-door.ts'

let at: DoorUnderTest
let held: Promise<CallId>
const start = async (options: Parameters<typeof openDoor>[0]) => {
  at = await openDoor(options)
  held = new Promise((resolve) => {
    at.calls.onHeld = resolve
  })
}
beforeEach(() => start({ holdWaitMs: 20_000 }))
afterEach(() => at.close())

const pay = { name: 'erp_pay', arguments: { amount: 2_000 } }
const cancelled = (requestId: unknown) => JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } })
const resultOf = (reply: Reply) => reply.messages.at(-1)?.result

describe('a held call waits for people', () => {
  test('and gives the result once they approve, as JSON without a progress token', async () => {
    const waiting = call(at, 'erp_pay', { amount: 2_000 })
    at.calls.approve(await held)
    const reply = await waiting
    expect(reply.headers['content-type']).toBe('application/json')
    expect(resultOf(reply)).toMatchObject({ structuredContent: { paid: true } })
  })

  test.each(['token', 7, ''])('with progress under the token %o, strictly increasing, as an event stream', async (progressToken) => {
    const waiting = call(at, 'erp_pay', { amount: 2_000 }, { meta: { progressToken } })
    const id = await held
    let ticks = 0
    const notify = at.calls.asked[0]?.onWaiting
    for (; ticks < 3; ticks++) notify?.(id)
    at.calls.approve(id)
    const reply = await waiting
    expect(reply.headers).toMatchObject({ 'content-type': 'text/event-stream', 'gatehouse-call': id, 'x-accel-buffering': 'no' })
    expect(reply.headers.traceparent).toMatch(/^00-/)
    const progress = reply.messages.slice(0, -1)
    expect(progress.length).toBeGreaterThanOrEqual(3)
    progress.forEach(({ method, params }, i) => {
      expect([method, params?.progressToken, params?.progress]).toEqual(['notifications/progress', progressToken, i + 1])
      expect(params?.message).toContain(id)
    })
    expect(resultOf(reply)).toMatchObject({ structuredContent: { paid: true }, _meta: { 'gatehouse/callId': id } })
    await expect.poll(() => at.calls.deliveredIds).toEqual([id])
  })

  test('then with what the system says of its progress, as numbers that only grow, so many and no more', async () => {
    const running = call(at, 'erp_slow', {}, { meta: { progressToken: 't' } })
    await expect.poll(() => at.calls.asked).toHaveLength(1)
    const { onWaiting, onProgress } = at.calls.asked[0] ?? {}
    onWaiting?.('call_0' as CallId)
    for (const progress of [0, 50, 50, 40, Number.NaN, 100]) onProgress?.(progress, 100)
    for (let progress = 101; progress < 3_000; progress++) onProgress?.(progress, undefined)
    at.calls.finishSlow()
    const told = (await running).messages.slice(0, -1).map(({ params }) => params ?? {})
    expect(told.slice(1, 4)).toEqual([
      { progressToken: 't', progress: 51, total: 101 },
      { progressToken: 't', progress: 101, total: 101 },
      { progressToken: 't', progress: 102 },
    ])
    expect(told).toHaveLength(LIMITS.mcpProgressPerCallMax)
  })

  test.each([
    ['content blocks where the operation answers with those', 'files_blocks', false],
    ['a value where it does not', 'erp_blocks', true],
  ])('and gatehouse_call_wait hands over %s', async (_title, name, structured) => {
    const waiting = call(at, 'erp_pay', { amount: 2_000 })
    const id = await held
    at.calls.approve(
      id,
      BLOCKS,
      OPERATIONS.find(({ jointName }) => jointName === name),
    )
    await waiting
    const told = resultOf(await call(at, 'gatehouse_call_wait', { id })) ?? {}
    expect(told).toMatchObject({ content: structured ? [{ type: 'text' }] : [{ type: 'text', text: 'a' }, { type: 'image' }, {}, {}] })
    expect('structuredContent' in told).toBe(structured)
  })

  test('without event streams in accept there is no progress, only the answer', async () => {
    const waiting = call(at, 'erp_pay', { amount: 2_000 }, { meta: { progressToken: 1 }, headers: { accept: 'application/json' } })
    const id = await held
    at.calls.asked[0]?.onWaiting?.(id)
    at.calls.approve(id)
    expect((await waiting).messages).toHaveLength(1)
  })

  test('and is told as held when the time is over, in the stream too', async () => {
    await at.close()
    await start({ holdWaitMs: 30 })
    for (const meta of [{}, { progressToken: 1 }]) {
      const reply = await call(at, 'erp_pay', { amount: 2_000 }, { meta })
      expect(words(reply)).toMatch(/^NOT EXECUTED yet\. Held as call_/)
      expect(resultOf(reply)).toMatchObject({ isError: true })
    }
    expect(at.calls.deliveredIds).toEqual([])
  })
})

describe('an answer is given in time', () => {
  test('a call that still runs is named, goes on, and is not told as delivered', async () => {
    await at.close()
    await start({ answerMsMax: 30 })
    const reply = await call(at, 'erp_slow')
    const id = String(reply.headers['gatehouse-call'])
    expect(words(reply)).toMatch(
      new RegExp(`^Approved and running; result not known yet\\. Call gatehouse_call_wait with \\{"id": "${id}"\\}`),
    )
    expect(words(reply)).not.toContain('NOT EXECUTED')
    at.calls.finishSlow()
    expect(at.calls.signals[0]?.aborted).toBe(false)
    expect(at.calls.deliveredIds).toEqual([])
  })

  test('the tools of the gateway too', async () => {
    await at.close()
    await start({ answerMsMax: 30, holdWaitMs: 0 })
    const id = String((await call(at, 'erp_pay', { amount: 2_000 })).headers['gatehouse-call'])
    expect(words(await call(at, 'gatehouse_call_wait', { id, waitSeconds: 45 }))).toContain('result not known yet')
  })
})

describe('leaving ends the wait, never the hold', () => {
  const holds = (id: CallId) => at.calls.kept.get(id)?.answer.kind

  test('notifications/cancelled of the same session: the request ends without an answer', async () => {
    const headers = await session(at)
    const waiting = send(at, 'POST', headers, rpc('tools/call', pay, 'req'))
    const id = await held
    expect((await send(at, 'POST', headers, cancelled('req'))).status).toBe(202)
    expect(await waiting).toMatchObject({ status: 202, text: '' })
    expect(at.calls.signals[0]?.aborted).toBe(true)
    expect(holds(id)).toBe('held')
    at.calls.approve(id)
    const later = await send(at, 'POST', headers, rpc('tools/call', { name: 'gatehouse_call_wait', arguments: { id } }))
    expect(resultOf(later)).toMatchObject({ structuredContent: { paid: true } })
  })

  test('in an event stream it ends the stream', async () => {
    const headers = await session(at)
    const waiting = send(at, 'POST', headers, rpc('tools/call', { ...pay, _meta: { progressToken: 1 } }, 5))
    at.calls.asked[0]?.onWaiting?.(await held)
    await send(at, 'POST', headers, cancelled(5))
    expect((await waiting).messages.every(({ method }) => method === 'notifications/progress')).toBe(true)
  })

  test.each([
    ['another session of the same agent', async () => session(at), 'req'],
    ['a session of another agent', async () => session(at, { authorization: 'Bearer other' }), 'req'],
    ['another id', async (own: Record<string, string>) => own, 'other'],
    ['the same digits as a number', async (own: Record<string, string>) => own, 7],
    ['no id', async (own: Record<string, string>) => own, null],
  ])('cancelling from %s changes nothing', async (_title, from, requestId) => {
    const own = await session(at)
    const requested = requestId === 7 ? '7' : 'req'
    const waiting = send(at, 'POST', own, rpc('tools/call', pay, requested))
    const id = await held
    expect((await send(at, 'POST', await from(own), cancelled(requestId))).status).toBe(202)
    expect(at.calls.signals[0]?.aborted).toBe(false)
    at.calls.approve(id)
    expect(resultOf(await waiting)).toMatchObject({ structuredContent: { paid: true } })
  })

  test('without sessions a cancel notification names no one: ids of parallel clients are alike', async () => {
    const waiting = call(at, 'erp_pay', { amount: 2_000 })
    const id = await held
    const text = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1, _meta: META } })
    expect((await send(at, 'POST', { ...COMMON, 'mcp-protocol-version': '2026-07-28' }, text)).status).toBe(202)
    expect(at.calls.signals[0]?.aborted).toBe(false)
    at.calls.approve(id)
    expect(resultOf(await waiting)).toMatchObject({ structuredContent: { paid: true } })
  })

  test('two requests under one id are both cancelled, and others live on', async () => {
    const headers = await session(at)
    const both = [1, 2].map(() => send(at, 'POST', headers, rpc('tools/call', pay, 'twice')))
    const third = send(at, 'POST', headers, rpc('tools/call', pay, 'once'))
    await expect.poll(() => at.calls.kept.size).toBe(3)
    await send(at, 'POST', headers, cancelled('twice'))
    expect((await Promise.all(both)).map(({ status }) => status)).toEqual([202, 202])
    for (const id of at.calls.kept.keys()) at.calls.approve(id)
    expect(resultOf(await third)).toMatchObject({ structuredContent: { paid: true } })
  })

  test.each([{}, { progressToken: 1 }])('a client that disconnects: %o', async (meta) => {
    const leaving = new AbortController()
    const waiting = call(at, 'erp_pay', { amount: 2_000 }, { meta, signal: leaving.signal }).catch(() => 'left')
    const id = await held
    leaving.abort()
    expect(await waiting).toBe('left')
    await expect.poll(() => at.calls.signals[0]?.aborted).toBe(true)
    expect(holds(id)).toBe('held')
    expect(at.calls.deliveredIds).toEqual([])
  })

  test('a result that found nobody is not delivered', async () => {
    const body = rpc('tools/call', { name: 'erp_slow', _meta: META })
    const names = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'erp_slow' }
    const req = request({ port: at.port, host: '127.0.0.1', path: '/mcp', method: 'POST', headers: { ...COMMON, ...names } })
    req.on('error', () => {})
    req.end(body)
    await expect.poll(() => at.calls.asked.length).toBe(1)
    req.destroy()
    await expect.poll(() => at.calls.signals[0]?.aborted).toBe(true)
    at.calls.finishSlow()
    const next = await call(at, 'erp_text')
    await expect.poll(() => at.calls.deliveredIds).toEqual([next.headers['gatehouse-call']])
  })

  test('closing the door answers held calls as held', async () => {
    const waiting = call(at, 'erp_pay', { amount: 2_000 })
    const id = await held
    await at.door.close()
    expect(words(await waiting)).toMatch(/^NOT EXECUTED yet\. Held as call_/)
    expect(holds(id)).toBe('held')
    expect(await call(at, 'erp_text')).toMatchObject({ status: 503, headers: { 'retry-after': '5' } })
  })

  test('closing the door lets what executes go on to its answer', async () => {
    const running = call(at, 'erp_slow')
    await expect.poll(() => at.calls.asked.length).toBe(1)
    await at.door.close()
    expect(at.calls.signals[0]?.aborted).toBe(false)
    at.calls.finishSlow()
    expect(resultOf(await running)).toMatchObject({ structuredContent: { slow: true } })
  })
})
