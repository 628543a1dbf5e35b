import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, fromJsonSchema, McpServer } from '@modelcontextprotocol/server'
import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../gateway/core/json.ts'
import type { LogLevel, LogMessage } from '../../gateway/core/log-message.ts'
import type { Connector } from '../../gateway/ports/connector.ts'
import { ECHO, httpServer, loadMcp, mcpManifest, type McpServerOptions, processServer } from './fixture-mcp.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** Calls `echo` to its end; what was told on the way, and later. */
async function call(connector: Connector, text: string, level: LogLevel | null = 'debug'): Promise<LogMessage[]> {
  const told: LogMessage[] = []
  const [operation] = connector.operations
  if (!operation) throw new Error('no operation')
  const { status } = await connector.execute(operation, { text }, null, {
    signal: AbortSignal.timeout(20_000),
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    idempotencyKey: 'k',
    ...(level && { logs: { level, tell: (message: LogMessage) => void told.push(message) } }),
  })
  expect(status).toBe(200)
  return told
}

async function overHttp(options: McpServerOptions): Promise<Connector> {
  const server = await httpServer({ sse: true, ...options })
  const connector = loadMcp(mcpManifest(server))
  closers.push(server.stop, () => connector.close())
  return connector
}

const textOf = ({ params }: JsonObject): string => String(((params as JsonObject).arguments as JsonObject).text)

test('a message reaches the call in whose stream it comes, and no other on the same connection', async () => {
  const says = new Map<string, (params: JsonObject) => void>()
  const both = Promise.withResolvers<void>()
  const connector = await overHttp({
    async during(message, say) {
      if (message.method !== 'tools/call') return
      says.set(textOf(message), say)
      if (says.size < 2) return await both.promise
      // Both calls are under way: their streams say things in turn.
      for (const turn of [1, 2, 3]) for (const [whose, tell] of says) tell({ level: 'info', data: `${whose}${turn}` })
      both.resolve()
    },
  })
  const [a, b] = await Promise.all([call(connector, 'a'), call(connector, 'b')])
  expect(a.map(({ data }) => data)).toEqual(['a1', 'a2', 'a3'])
  expect(b.map(({ data }) => data)).toEqual(['b1', 'b2', 'b3'])
})

test('level, logger and any data are handed on; `_meta`, unknown members and what is no message are not', async () => {
  const connector = await overHttp({
    async during({ method }, say) {
      if (method !== 'tools/call') return
      say({ level: 'error', logger: 'db', data: { rows: [1, null, { deep: true }] }, _meta: { hidden: 1 }, more: 2 })
      say({ level: 'loud', data: 'no such level' })
      say({ level: 'debug', data: 'last' })
    },
  })
  expect(await call(connector, 'x')).toEqual([
    { level: 'error', logger: 'db', data: { rows: [1, null, { deep: true }] } },
    { level: 'debug', data: 'last' },
  ])
})

test('what is said while the tools are listed is nobody’s', async () => {
  const heard: unknown[] = []
  const connector = await overHttp({
    async during({ method }, say) {
      heard.push(method)
      say({ level: 'info', data: String(method) })
    },
  })
  expect(await call(connector, 'x')).toEqual([{ level: 'info', data: 'tools/call' }])
  expect(heard).toContain('tools/list')
})

test('a process names no call: what it says is dropped', async () => {
  const server = await processServer({
    result: () => {
      server.say({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'emergency', data: 'whose?' } })
      return { content: [], structuredContent: { echoed: {} } }
    },
  })
  const connector = loadMcp(mcpManifest(server))
  closers.push(server.stop, () => connector.close())
  expect(await call(connector, 'x')).toEqual([])
})

describe('a server of the 2026 revision', () => {
  async function modern(): Promise<Connector> {
    const handler = createMcpHandler(() => {
      const server = new McpServer({ name: 'modern', version: '1' }, { capabilities: { logging: {} } })
      const inputSchema = fromJsonSchema<{ text: string }>(ECHO.inputSchema as JsonObject)
      server.registerTool('echo', { description: 'says it again', inputSchema }, async ({ text }, context) => {
        for (const level of ['debug', 'info', 'error'] as const) await context.mcpReq.log(level, text)
        return { content: [] }
      })
      return server
    })
    const node = toNodeHandler(handler)
    const http = createServer((request, response) => void node(request as Parameters<typeof node>[0], response))
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    const baseUrl = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`
    const { inputSchema, description } = ECHO
    const upstream = await httpServer()
    const tools = [{ name: 'echo', description: description ?? null, inputSchema: inputSchema ?? null }]
    const connector = loadMcp(mcpManifest(upstream, { baseUrl }, tools))
    closers.push(
      upstream.stop,
      () => new Promise((resolve) => http.close(resolve)),
      () => connector.close(),
    )
    return connector
  }

  test.each<[LogLevel | null, LogLevel[]]>([
    ['debug', ['debug', 'info', 'error']],
    ['warning', ['error']],
    [null, []],
  ])('is asked for %s by the call itself', async (level, levels) => {
    const connector = await modern()
    expect((await call(connector, 'x', level)).map((message) => message.level)).toEqual(levels)
  })
})
