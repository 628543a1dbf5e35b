import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { LIMITS } from '../../limits.ts'
import { BLOCKS, operation, OPERATIONS } from './fixture-calls.ts'
import { call, COMMON, META, openDoor, rpc, send, session, stateless, words } from './fixture-door.ts'
import type { DoorUnderTest, Reply } from './fixture-door.ts'

let at: DoorUnderTest
beforeAll(async () => {
  at = await openDoor()
})
afterAll(() => at.close())
beforeEach(() => {
  at.calls.operations = OPERATIONS
  at.calls.viewKey = 'view'
  at.calls.refused.length = 0
  at.calls.asked.length = 0
  at.calls.deliveredIds.length = 0
})

const resultOf = (reply: Reply) => reply.messages.at(-1)?.result ?? {}
const idOf = (reply: Reply) => String(reply.headers['gatehouse-call'])

describe('tools/list', () => {
  test('every operation of the view is a tool, by name, with hints from the manifest, our own two last', async () => {
    const { tools, ...rest } = resultOf(await stateless(at, 'tools/list')) as { tools: Record<string, unknown>[] }
    expect(tools.map(({ name }) => name)).toEqual([
      ...OPERATIONS.map((o) => o.jointName).sort(),
      'gatehouse_call_wait',
      'gatehouse_call_cancel',
    ])
    const byName = new Map(tools.map((tool) => [tool.name, tool]))
    expect(byName.get('erp_getVendor')).toEqual({
      name: 'erp_getVendor',
      title: 'Get a vendor',
      description: 'About getVendor.\n\nReads only.',
      inputSchema: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
      outputSchema: {
        type: 'object',
        properties: {
          id: { type: ['string', 'null'] },
          name: { type: ['string', 'null'] },
          balance: { type: ['number', 'string', 'null'] },
        },
      },
      annotations: { title: 'Get a vendor', readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
    })
    expect(byName.get('erp_listVendors')).not.toHaveProperty('outputSchema')
    expect(byName.get('erp_pay')).toMatchObject({
      description: 'About pay.\n\nChanges data; cannot be undone.',
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false },
    })
    expect(byName.get('erp_slow')).toMatchObject({ annotations: { destructiveHint: false, idempotentHint: true } })
    expect(rest).toEqual({
      resultType: 'complete',
      ttlMs: LIMITS.mcpToolsFreshMs,
      cacheScope: 'private',
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'gatehouse', title: 'Gatehouse', version: '9.9.9' } },
    })
  })

  test('the 2025 revisions get the same tools without the members of the later one', async () => {
    const reply = await send(at, 'POST', await session(at), rpc('tools/list'))
    expect(Object.keys(resultOf(reply))).toEqual(['tools'])
    expect((resultOf(reply).tools as unknown[]).length).toBe(OPERATIONS.length + 2)
  })

  test('a view key stands for its list; another key is another list', async () => {
    at.calls.viewKey = 'few'
    at.calls.operations = OPERATIONS.slice(0, 1)
    expect((resultOf(await stateless(at, 'tools/list')).tools as unknown[]).length).toBe(3)
    at.calls.operations = OPERATIONS
    expect((resultOf(await stateless(at, 'tools/list')).tools as unknown[]).length).toBe(3)
    at.calls.viewKey = 'view'
    expect((resultOf(await stateless(at, 'tools/list')).tools as unknown[]).length).toBe(OPERATIONS.length + 2)
  })

  test('what an agent may use fits on page one; beyond the limit there is a cursor and a warning', async () => {
    at.calls.viewKey = 'many'
    at.calls.operations = Array.from({ length: LIMITS.mcpToolsPerPageMax + 5 }, (_, i) => operation(`op${String(i).padStart(5, '0')}`))
    const first = resultOf(await stateless(at, 'tools/list'))
    expect((first.tools as unknown[]).length).toBe(LIMITS.mcpToolsPerPageMax)
    const second = resultOf(await stateless(at, 'tools/list', { cursor: first.nextCursor }))
    expect((second.tools as { name: string }[]).map(({ name }) => name)).toEqual([
      ...[0, 1, 2, 3, 4].map((i) => `erp_op0${LIMITS.mcpToolsPerPageMax + i}`),
      'gatehouse_call_wait',
      'gatehouse_call_cancel',
    ])
    expect(second).not.toHaveProperty('nextCursor')
    expect(at.logged.filter(({ level }) => level === 'warn')).toHaveLength(1)
    at.calls.viewKey = 'view'
    at.calls.operations = OPERATIONS
    for (const cursor of [first.nextCursor, 'x', 7, null])
      expect((await stateless(at, 'tools/list', { cursor })).messages[0]?.error?.code).toBe(-32602)
  })
})

describe('a permitted call', () => {
  test('text and structured content each carry the whole answer; the call is named everywhere and delivered', async () => {
    const reply = await call(at, 'erp_getVendor', { id: 'v1' })
    const value = { id: 'v1', name: 'Other', balance: null }
    expect(resultOf(reply)).toEqual({
      resultType: 'complete',
      content: [{ type: 'text', text: JSON.stringify(value) }],
      structuredContent: value,
      _meta: {
        'io.modelcontextprotocol/serverInfo': { name: 'gatehouse', title: 'Gatehouse', version: '9.9.9' },
        'gatehouse/callId': idOf(reply),
        traceparent: reply.headers.traceparent,
      },
    })
    expect(reply.headers.traceparent).toMatch(/^00-/)
    await expect.poll(() => at.calls.deliveredIds).toEqual([idOf(reply)])
  })

  test.each([
    ['an array is wrapped', 'erp_listVendors', [{ id: 'v1', name: 'Acme' }], '[{"id":"v1","name":"Acme"}]'],
    ['text stays text', 'erp_text', 'plain words', 'plain words'],
    ['an empty answer says so', 'erp_empty', null, "Done; the system's answer is empty (status 204)."],
  ])('%s', async (_title, name, value, text) => {
    expect(resultOf(await call(at, name, {}))).toMatchObject({
      content: [{ type: 'text', text }],
      structuredContent: { result: value },
    })
  })

  test('a picture is a picture', async () => {
    const { content, structuredContent } = resultOf(await call(at, 'erp_picture'))
    expect(content).toEqual([{ type: 'image', mimeType: 'image/png', data: 'iVBOR/8=' }])
    expect(structuredContent).toBeUndefined()
  })

  test('content blocks of an MCP connector go on as what they are, without _meta; the same of another kind is a value', async () => {
    const native = resultOf(await call(at, 'files_blocks'))
    expect(native).not.toHaveProperty('structuredContent')
    expect(native.content).toEqual([
      { type: 'text', text: 'a' },
      { type: 'image', data: 'AA==', mimeType: 'image/png' },
      { type: 'resource', resource: { uri: 'file:///a', mimeType: 'text/plain', text: 'b' } },
      { type: 'resource_link', uri: 'file:///b', name: 'b', title: 'B' },
    ])
    expect(resultOf(await call(at, 'erp_blocks'))).toMatchObject({ structuredContent: BLOCKS })
  })

  test('an answer that its published schema would make clients refuse is a sentence that says EXECUTED', async () => {
    const reply = await call(at, 'erp_oddVendor')
    expect(resultOf(reply)).toMatchObject({ isError: true })
    expect(resultOf(reply)).not.toHaveProperty('structuredContent')
    expect(words(reply)).toMatch(/^EXECUTED\. .*\{"id":7,"name":"Acme"\}$/)
  })

  test('an oversized answer is withheld, and says so', async () => {
    const reply = await call(at, 'erp_big')
    expect(words(reply)).toMatch(/^EXECUTED, but its answer is withheld \(WITHHELD\)/)
    expect(reply.text.length).toBeLessThan(2_000)
  })

  test('what the agent asserts comes from _meta, else from headers', async () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    const decisionRecord = { playbook: 'pay', version: '3', outcome: 'release' }
    const meta = {
      'gatehouse/rationale': 'why',
      'gatehouse/run': 'r1',
      'gatehouse/idempotencyKey': 'k1',
      'gatehouse/decisionRecord': decisionRecord,
      traceparent,
    }
    const headers = {
      'gatehouse-decision-record': JSON.stringify({ ...decisionRecord, outcome: 'h' }),
      'gatehouse-rationale': 'h',
      'gatehouse-run': 'h',
      'idempotency-key': 'h',
      traceparent: traceparent.replaceAll('a', 'c'),
    }
    await call(at, 'erp_text', {}, { meta, headers })
    await call(at, 'erp_text', {}, { headers })
    await call(at, 'erp_text', {}, { headers: { traceparent: 'garbage' } })
    expect(at.calls.asked.map(({ asserted, idempotencyKey, traceparent: t }) => ({ asserted, idempotencyKey, t }))).toEqual([
      { asserted: { rationale: 'why', run: 'r1', decisionRecord }, idempotencyKey: 'k1', t: traceparent },
      {
        asserted: { rationale: 'h', run: 'h', decisionRecord: { ...decisionRecord, outcome: 'h' } },
        idempotencyKey: 'h',
        t: headers.traceparent,
      },
      { asserted: {}, idempotencyKey: undefined, t: undefined },
    ])
    expect(at.calls.asked[0]).toMatchObject({ door: 'mcp', delivery: 'buffered', waitMs: 60 })
  })

  test('missing arguments are an empty object', async () => {
    await call(at, 'erp_text')
    expect(at.calls.asked[0]?.input).toEqual({})
  })
})

describe('a call that did not succeed is an error result with whole sentences, and never has structured content', () => {
  test.each([
    ['erp_pay', { amount: 60_000 }, /^NOT EXECUTED: denied \(forbidden\)\. Split nothing; ask finance\. Call id: call_\w{26}\.$/],
    ['erp_noPermit', {}, /^NOT EXECUTED: denied \(no_permit\)\. Do not repeat it unchanged/],
    ['erp_pay', { amount: 2_000 }, /^NOT EXECUTED yet\. Held as (call_\w{26})\. Call gatehouse_call_wait with \{"id": "\1"\} /],
    ['erp_pay', {}, /^NOT EXECUTED: bad input \(BAD_INPUT\)\. .*\n- \/amount: is missing$/],
    ['erp_pay', [], /^NOT EXECUTED: bad input \(BAD_INPUT\)\. .*\n- \(arguments\): the arguments are not an object$/],
    ['erp_pay', null, /^NOT EXECUTED: bad input/],
    ['erp_limited', {}, /^NOT EXECUTED: too many calls a minute \(LIMITED\)\. Try again in 7 seconds\.$/],
    ['erp_refused', {}, /^FAILED \(UPSTREAM, status 422\): .*\nThe system answered: \{"error":"no such vendor"\}$/],
    ['erp_doubtful', {}, /^IN DOUBT \(UPSTREAM_TIMEOUT\): no answer within 30 s\. It may have been executed\. Do not retry it/],
    ['erp_withheld', {}, /^EXECUTED, but its answer is withheld \(WITHHELD\)\./],
    ['erp_notKept', {}, /^EXECUTED before \(RESULT_NOT_KEPT\)\./],
    ['erp_throws', {}, /^FAILED, and it is not known whether it was executed: internal error \(INTERNAL\)/],
  ])('%s %o', async (name, args, expected) => {
    for (const reply of [
      await call(at, name, args),
      await send(at, 'POST', await session(at), rpc('tools/call', { name, arguments: args })),
    ]) {
      expect(reply.status).toBe(200)
      expect(resultOf(reply)).toMatchObject({ isError: true })
      expect(resultOf(reply)).not.toHaveProperty('structuredContent')
      expect(words(reply)).toMatch(expected)
      expect(reply.text).not.toContain('inner detail')
    }
  })

  test('unknown and invisible tools get the same words, and are in the record', async () => {
    const replies = [await call(at, 'erp_secret'), await call(at, 'erp_nothing'), await call(at, '__proto__'), await call(at, '')]
    expect(replies.map(({ messages }) => messages[0]?.error)).toEqual(
      ['erp_secret', 'erp_nothing', '__proto__', ''].map((name) => ({ code: -32602, message: `unknown tool \`${name}\`` })),
    )
    expect(at.calls.refused.map(({ agent, asked, code }) => [agent, asked, code])).toEqual(
      ['erp_secret', 'erp_nothing', '__proto__', ''].map((name) => ['robot', name, 'NOT_FOUND']),
    )
    expect(at.calls.asked).toHaveLength(0)
  })

  test('control characters of a name reach neither message nor record', async () => {
    const reply = await call(
      at,
      `a\u0000b${'c'.repeat(200)}`,
      {},
      { headers: { 'mcp-name': `=?base64?${Buffer.from(`a\u0000b${'c'.repeat(200)}`).toString('base64')}?=` } },
    )
    expect(reply.messages[0]?.error?.message).toBe(`unknown tool \`a\ufffdb${'c'.repeat(125)}...\``)
    expect(at.calls.refused[0]?.asked).toBe(`a\ufffdb${'c'.repeat(125)}...`)
  })

  test.each([
    [{ 'gatehouse/rationale': 7 }, '/_meta/gatehouse~1rationale'],
    [{ 'gatehouse/run': 'x'.repeat(LIMITS.runCharsMax + 1) }, '/_meta/gatehouse~1run'],
    [{ 'gatehouse/idempotencyKey': '' }, '/_meta/gatehouse~1idempotencyKey'],
    [{ 'gatehouse/decisionRecord': '{}' }, '/_meta/gatehouse~1decisionRecord'],
    [{ 'gatehouse/decisionRecord': { playbook: 'p', version: '1' } }, '/_meta/gatehouse~1decisionRecord'],
  ])('assertions that are none: %o', async (meta, pointer) => {
    expect(words(await call(at, 'erp_text', {}, { meta }))).toContain(`- ${pointer}: `)
    expect(at.calls.asked).toHaveLength(0)
    expect(at.calls.refused).toMatchObject([{ asked: 'erp_text', code: 'BAD_INPUT', faults: 1 }])
  })

  test('an error is not handed over as delivered unless the call ended', async () => {
    await call(at, 'erp_pay', { amount: 2_000 })
    await call(at, 'erp_limited')
    await call(at, 'erp_throws')
    const ended = await call(at, 'erp_refused')
    await expect.poll(() => at.calls.deliveredIds).toEqual([idOf(ended)])
  })
})

describe('the tools of the gateway', () => {
  const held = async () => idOf(await call(at, 'erp_pay', { amount: 2_000 }))

  test('wait gives the result once people approved, and again', async () => {
    const id = await held()
    const waiting = call(at, 'gatehouse_call_wait', { id, waitSeconds: 40 })
    at.calls.approve(id as never)
    const reply = await waiting
    expect(resultOf(reply)).toMatchObject({ structuredContent: { paid: true } })
    expect(idOf(reply)).toBe(id)
    expect(resultOf(await call(at, 'gatehouse_call_wait', { id }))).toMatchObject({ structuredContent: { paid: true } })
  })

  test('still held: the same sentence again; running: never NOT EXECUTED', async () => {
    const first = await call(at, 'erp_pay', { amount: 2_000 })
    const again = await call(at, 'gatehouse_call_wait', { id: idOf(first), waitSeconds: 0 })
    expect(words(again)).toBe(words(first))
    const id = idOf(first)
    at.calls.decide(id as never, { kind: 'running', callId: id as never, traceparent: '' })
    const running = words(await call(at, 'gatehouse_call_wait', { id, waitSeconds: 0 }))
    expect(running).toMatch(/^Approved and running; result not known yet\. Call gatehouse_call_wait with \{"id": "call_/)
    expect(running).not.toContain('NOT EXECUTED')
  })

  test('an approved call that waits for its agent is claimed', async () => {
    const id = idOf(await call(at, 'erp_claimed'))
    expect(resultOf(await call(at, 'gatehouse_call_wait', { id }))).toMatchObject({ structuredContent: { claimed: true } })
  })

  test('a rejection and an expiry are told', async () => {
    const rejected = await held()
    at.calls.decide(rejected as never, {
      kind: 'denied',
      callId: rejected as never,
      traceparent: '',
      reason: 'rejected',
      comment: 'too much',
    })
    expect(words(await call(at, 'gatehouse_call_wait', { id: rejected }))).toMatch(
      /^NOT EXECUTED: denied \(rejected by a person: too much\)\. /,
    )
    const expired = await held()
    const message = 'nobody approved the call in time'
    at.calls.decide(expired as never, { kind: 'ended', callId: expired as never, traceparent: '', code: 'EXPIRED', message })
    expect(words(await call(at, 'gatehouse_call_wait', { id: expired }))).toMatch(
      /^NOT EXECUTED: expired \(EXPIRED\)\. Nobody|^NOT EXECUTED: expired/,
    )
  })

  test('cancel ends the hold once', async () => {
    const id = await held()
    expect(resultOf(await call(at, 'gatehouse_call_cancel', { id }))).toMatchObject({ structuredContent: { id, state: 'cancelled' } })
    const again = await call(at, 'gatehouse_call_cancel', { id })
    expect(resultOf(again)).toMatchObject({ isError: true })
    expect(words(again)).toContain('(HOLD_NOT_OPEN). Nothing was cancelled')
    expect(words(await call(at, 'gatehouse_call_wait', { id }))).toMatch(/^NOT EXECUTED: cancelled \(CANCELLED\)/)
  })

  test.each(['Bearer other', 'Bearer robot/carol'])('calls of others are unknown to %s', async (authorization) => {
    const id = await held()
    const none = `call_${'0'.repeat(26)}`
    for (const tool of ['gatehouse_call_wait', 'gatehouse_call_cancel']) {
      const foreign = words(await call(at, tool, { id }, { headers: { authorization } }))
      expect(foreign).toBe(words(await call(at, tool, { id: none }, { headers: { authorization } })).replace(none, id))
      expect(foreign).toContain('(NOT_FOUND)')
    }
    expect(at.calls.kept.get(id as never)?.answer.kind).toBe('held')
    expect(at.calls.refused.map(({ code }) => code)).toEqual(Array(4).fill('NOT_FOUND'))
  })

  test.each([
    [{}, '/id: is missing'],
    [{ id: 7 }, '/id: is not a string'],
    [{ id: 'hold_1' }, '/id: malformed call id'],
    [{ id: `call_${'0'.repeat(26)}`, waitSeconds: 46 }, '/waitSeconds: is not an integer from 0 to 45'],
    [{ id: `call_${'0'.repeat(26)}`, waitSeconds: 0.5 }, '/waitSeconds: is not'],
    [{ id: `call_${'0'.repeat(26)}`, 'wait/s': 1 }, '/wait~1s: is not a parameter'],
    [[], 'the arguments are not an object'],
  ])('bad arguments %o', async (args, expected) => {
    const reply = await call(at, 'gatehouse_call_wait', args)
    expect(resultOf(reply)).toMatchObject({ isError: true })
    expect(words(reply)).toContain(expected)
    expect(at.calls.refused).toHaveLength(1)
  })
})

test('accepting event streams only gets the answer as an event', async () => {
  const reply = await call(at, 'erp_text', {}, { headers: { accept: 'text/event-stream' } })
  expect(reply.headers['content-type']).toBe('text/event-stream')
  expect(words(reply)).toBe('plain words')
  const plain = await send(at, 'POST', { ...COMMON, ...named, accept: undefined }, body)
  expect(plain.headers['content-type']).toBe('application/json')
})
const named = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' }
const body = rpc('tools/list', { _meta: META })
