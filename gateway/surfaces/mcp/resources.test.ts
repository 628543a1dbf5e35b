import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from '@modelcontextprotocol/client'
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Playbook, Playbooks } from '../../core/playbook.ts'
import { type DoorUnderTest, openDoor, rpc, send, session, stateless } from './fixture-door.ts'

const book = (version: string): Playbook => ({
  name: 'refund',
  version,
  title: 'Refunds',
  procedure: '1. Look.',
  outcomes: ['refund'],
  record: { type: 'object' },
  digest: 'd'.repeat(64),
  schema: 'e'.repeat(64),
})
const URIS = ['gatehouse://playbooks/refund/2', 'gatehouse://playbooks/refund/1']

let at: DoorUnderTest
let without: DoorUnderTest
beforeAll(async () => {
  ;[at, without] = await Promise.all([openDoor({ playbooks: new Playbooks([book('1'), book('2')]) }), openDoor()])
})
afterAll(() => Promise.all([at.close(), without.close()]))

const init = { requestInit: { headers: { authorization: 'Bearer robot' } } }
const info = { name: 'tried', version: '1.0.0' }

interface Reader {
  declared(): unknown
  uris(): Promise<string[]>
  templates(): Promise<unknown[]>
  read(uri: string): Promise<readonly object[]>
  close(): Promise<void>
}

async function client2(url: string, mode: 'legacy' | { pin: string }): Promise<Reader> {
  const client = new Client2(info, { versionNegotiation: { mode } })
  await client.connect(new Transport2(new URL(url), init))
  return {
    declared: () => client.getServerCapabilities()?.resources,
    uris: async () => (await client.listResources()).resources.map(({ uri }) => uri),
    templates: async () => (await client.listResourceTemplates()).resourceTemplates,
    read: async (uri) => (await client.readResource({ uri })).contents,
    close: () => client.close(),
  }
}

async function client1(url: string): Promise<Reader> {
  const client = new Client1(info)
  const transport = new Transport1(new URL(url), init)
  // The declared types of this version do not satisfy exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<typeof client.connect>[0])
  return {
    declared: () => client.getServerCapabilities()?.resources,
    uris: async () => (await client.listResources()).resources.map(({ uri }) => uri),
    templates: async () => (await client.listResourceTemplates()).resourceTemplates,
    read: async (uri) => (await client.readResource({ uri })).contents,
    close: () => client.close(),
  }
}

describe.each([
  ['client 2.4, stateless', (url: string) => client2(url, { pin: '2026-07-28' })],
  ['client 2.4, session', (url: string) => client2(url, 'legacy')],
  ['sdk 1.32, session', client1],
] as const)('the official %s', (_title, open) => {
  test('lists and reads playbooks', async () => {
    const client = await open(at.url)
    expect(client.declared()).toEqual({})
    expect(await client.uris()).toEqual(URIS)
    expect(await client.templates()).toEqual([])
    const [content] = await client.read(URIS[1] ?? '')
    expect(content).toMatchObject({ uri: URIS[1], mimeType: 'application/json' })
    expect(JSON.parse((content as { text: string }).text)).toEqual(book('1'))
    await expect(client.read('gatehouse://playbooks/refund/3')).rejects.toThrow(/refund\/3/)
    await client.close()
  })

  test('is told of no resources where there are no playbooks', async () => {
    const client = await open(without.url)
    expect(client.declared()).toBeUndefined()
    await client.close()
  })
})

describe('what is asked wrongly', () => {
  const STRANGERS = [
    'gatehouse://playbooks/refund/3',
    'gatehouse://playbooks/refund',
    'gatehouse://playbooks/refund/1/x',
    'file:///etc/passwd',
    '',
  ]
  test.each(STRANGERS)('no such resource: %s', async (uri) => {
    at.calls.refused.length = 0
    const headers = await session(at)
    const replies = [
      await send(at, 'POST', headers, rpc('resources/read', { uri })),
      await stateless(at, 'resources/read', { uri }, { headers: { 'mcp-name': uri } }),
    ]
    expect(replies.map(({ status, messages: [message] }) => [status, message?.error?.code, message?.error?.data])).toEqual([
      [200, -32002, { uri }],
      [200, -32602, { uri }],
    ])
    expect(at.calls.refused.map(({ asked, code }) => [asked, code])).toEqual(Array(2).fill(['resources/read', 'NOT_FOUND']))
  })

  test('a cursor that nobody gave, and no address at all', async () => {
    const replies = [await stateless(at, 'resources/list', { cursor: 'x' }), await stateless(at, 'resources/read', {})]
    expect(replies.map(({ messages: [message] }) => message?.error?.code)).toEqual([-32602, -32602])
  })

  test('without playbooks there is no such method', async () => {
    const replies = await Promise.all(
      ['resources/list', 'resources/read', 'resources/templates/list'].map((m) =>
        stateless(without, m, { uri: 'x' }, { headers: { 'mcp-name': 'x' } }),
      ),
    )
    expect(replies.map(({ status, messages: [message] }) => [status, message?.error?.code])).toEqual(Array(3).fill([404, -32601]))
  })
})
