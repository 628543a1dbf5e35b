import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from '@modelcontextprotocol/client'
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CallId } from '../../core/ids.ts'
import { OPERATIONS } from './fixture-calls.ts'
import { openDoor } from './fixture-door.ts'
import type { DoorUnderTest } from './fixture-door.ts'

let at: DoorUnderTest
beforeAll(async () => {
  at = await openDoor({ holdWaitMs: 20_000 })
})
afterAll(() => at.close())

interface Result {
  [member: string]: unknown
  structuredContent?: unknown
}

interface Tried {
  tools(): Promise<{ name: string }[]>
  call(name: string, args: Record<string, unknown>, options?: { onprogress?: () => void; signal?: AbortSignal }): Promise<Result>
  protocol(): string | undefined
  close(): Promise<void>
}

const init = (token = 'robot') => ({ requestInit: { headers: { authorization: `Bearer ${token}` } } })
const info = { name: 'tried', version: '1.0.0' }

async function client2(mode: 'legacy' | 'auto' | { pin: string }): Promise<Tried> {
  const client = new Client2(info, { versionNegotiation: { mode } })
  await client.connect(new Transport2(new URL(at.url), init()))
  return {
    tools: async () => (await client.listTools()).tools,
    call: (name, args, options) => client.callTool({ name, arguments: args }, options),
    protocol: () => client.getNegotiatedProtocolVersion(),
    close: () => client.close(),
  }
}

async function client1(): Promise<Tried> {
  const client = new Client1(info)
  const transport = new Transport1(new URL(at.url), init())
  // The declared types of this version do not satisfy exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<typeof client.connect>[0])
  return {
    tools: async () => (await client.listTools()).tools,
    call: async (name, args, options): Promise<Result> => await client.callTool({ name, arguments: args }, CallToolResultSchema, options),
    protocol: () => transport.protocolVersion,
    close: async () => {
      await transport.terminateSession()
      await client.close()
    },
  }
}

describe.each([
  ['client 2.4, stateless', () => client2({ pin: '2026-07-28' }), '2026-07-28'],
  ['client 2.4, by itself', () => client2('auto'), '2026-07-28'],
  ['client 2.4, session', () => client2('legacy'), '2025-11-25'],
  ['sdk 1.32, session', client1, '2025-11-25'],
] as const)('the official %s', (_title, open, version) => {
  let client: Tried
  beforeAll(async () => {
    client = await open()
  })
  afterAll(() => client.close())

  test('negotiates and lists every tool', async () => {
    expect(client.protocol()).toBe(version)
    expect((await client.tools()).map(({ name }) => name)).toHaveLength(OPERATIONS.length + 2)
  })

  test('accepts results against the published schemas, and wrapped ones', async () => {
    await client.tools()
    expect(await client.call('erp_getVendor', { id: 'v1' })).toMatchObject({
      structuredContent: { id: 'v1', name: 'Other', balance: null },
    })
    expect(await client.call('erp_listVendors', {})).toMatchObject({ structuredContent: { result: [{ id: 'v1' }] } })
    expect(await client.call('erp_oddVendor', {})).toMatchObject({
      isError: true,
      content: [{ text: expect.stringMatching(/^EXECUTED\./) }],
    })
    expect(await client.call('erp_picture', {})).toMatchObject({ content: [{ type: 'image', mimeType: 'image/png' }] })
  })

  test('is told of a denial as a result, of an unknown tool as an error', async () => {
    const denied = await client.call('erp_pay', { amount: 60_000 })
    expect(denied).toMatchObject({ isError: true, content: [{ text: expect.stringMatching(/^NOT EXECUTED: denied \(forbidden\)\./) }] })
    expect(denied.structuredContent).toBeUndefined()
    await expect(client.call('erp_secret', {})).rejects.toThrow('unknown tool `erp_secret`')
  })

  test('sees progress of a held call, and its result after approval', async () => {
    const held = new Promise<CallId>((resolve) => {
      at.calls.onHeld = resolve
    })
    let ticks = 0
    const seen = new Promise<void>((resolve) => {
      void client
        .call('erp_pay', { amount: 2_000 }, { onprogress: () => (ticks++ === 1 ? resolve() : undefined) })
        .then((result) => results.push(result))
    })
    const results: Result[] = []
    const id = await held
    await seen
    at.calls.approve(id, { paid: 2_000 })
    await expect.poll(() => results).toMatchObject([{ structuredContent: { paid: 2_000 } }])
  })

  test('gives up waiting; the hold stays, and gatehouse_call_wait gives the result', async () => {
    const held = new Promise<CallId>((resolve) => {
      at.calls.onHeld = resolve
    })
    const leaving = new AbortController()
    const waiting = client.call('erp_pay', { amount: 3_000 }, { signal: leaving.signal })
    const gone = expect(waiting).rejects.toThrow()
    const id = await held
    const { signal } = at.calls.asked.at(-1) ?? {}
    leaving.abort('enough')
    await gone
    await expect.poll(() => signal?.aborted).toBe(true)
    expect(at.calls.kept.get(id)?.answer.kind).toBe('held')
    at.calls.approve(id, { paid: 3_000 })
    expect(await client.call('gatehouse_call_wait', { id })).toMatchObject({ structuredContent: { paid: 3_000 } })
  })
})

test('a client without a valid token is told where to get one', async () => {
  const client = new Client2(info, { versionNegotiation: { mode: 'auto' } })
  await expect(client.connect(new Transport2(new URL(at.url), init('nobody')))).rejects.toThrow(/401|Unauthorized/)
})
