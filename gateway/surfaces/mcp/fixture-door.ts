import { createServer, request } from 'node:http'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../../core/clock.ts'
import { instant } from '../../core/clock.ts'
import { Playbooks } from '../../core/playbook.ts'
import type { Log } from '../../ports/telemetry.ts'
import { createMcpDoor } from './door.ts'
import type { McpDoor } from './door.ts'
import { FixtureCalls } from './fixture-calls.ts'

/** For tests: the door on a real HTTP server, with a clock that the test turns. */
export interface DoorUnderTest {
  calls: FixtureCalls
  door: McpDoor
  server: Server
  url: string
  port: number
  clock: Clock & { at: number }
  logged: { level: string; message: string }[]
  close(): Promise<void>
}

export async function openDoor({
  calls = new FixtureCalls(),
  playbooks = new Playbooks([]),
  ...options
}: {
  calls?: FixtureCalls
  playbooks?: Playbooks
  holdWaitMs?: number
  answerMsMax?: number
} = {}): Promise<DoorUnderTest> {
  const logged: DoorUnderTest['logged'] = []
  const at =
    (level: string): Log['info'] =>
    (_fields, message) =>
      void logged.push({ level, message })
  const clock = { at: 1_000_000, now: () => instant(clock.at) }
  const server = createServer((req, res) => {
    const { handle } = door
    void handle(req, res)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const door = createMcpDoor({
    calls,
    playbooks,
    baseUrl: 'http://gate.example',
    allowedHosts: ['127.0.0.1', 'localhost:1'],
    allowedOrigins: ['https://app.example', `http://127.0.0.1:${port}`],
    log: { info: at('info'), warn: at('warn'), error: at('error') },
    clock,
    version: '9.9.9',
    holdWaitMs: 60,
    ...options,
  })
  return {
    calls,
    door,
    server,
    url: `http://127.0.0.1:${port}/mcp`,
    port,
    clock,
    logged,
    close: async () => {
      await door.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface Reply {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** Messages of an event stream, or the one JSON body. */
  messages: Message[]
}

export interface Message {
  id?: unknown
  method?: string
  params?: Record<string, unknown>
  result?: Record<string, unknown>
  error?: { code: number; message: string; data?: Record<string, unknown> }
}

export const COMMON = { authorization: 'Bearer robot', accept: 'application/json, text/event-stream', 'content-type': 'application/json' }

export const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }

/** Sends one raw request. `body` is sent as it is. */
export function send(
  { port }: { port: number },
  method: string,
  headers: Record<string, string | undefined>,
  body?: string | Uint8Array,
  signal?: AbortSignal,
): Promise<Reply> {
  const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)) as Record<string, string>
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path: '/mcp', method, headers: given, ...(signal && { signal }) }, (res) => {
      let text = ''
      res.setEncoding('utf8')
      res.on('data', (chunk: string) => {
        text += chunk
      })
      res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, text, messages: messagesOf(res.headers, text) }))
      res.on('error', reject)
    })
    req.on('error', reject)
    req.end(body)
  })
}

function messagesOf(headers: IncomingHttpHeaders, text: string): Message[] {
  if (headers['content-type']?.startsWith('text/event-stream'))
    return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data ?? 'null') as Message)
  return headers['content-type']?.startsWith('application/json') ? [JSON.parse(text) as Message] : []
}

/** A request of revision 2026-07-28 with all that it needs; `headers` and `meta` change it. */
export function stateless(
  at: { port: number },
  method: string,
  params: Record<string, unknown> = {},
  { headers = {}, meta = {}, signal }: { headers?: Record<string, string | undefined>; meta?: object; signal?: AbortSignal } = {},
): Promise<Reply> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: { ...META, ...meta } } })
  const named = typeof params.name === 'string' ? { 'mcp-name': params.name } : {}
  return send(at, 'POST', { ...COMMON, 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...named, ...headers }, body, signal)
}

export const call = (at: { port: number }, name: string, args?: unknown, more: Parameters<typeof stateless>[3] = {}): Promise<Reply> =>
  stateless(at, 'tools/call', { name, ...(args !== undefined && { arguments: args }) }, more)

/** Opens a session of the 2025 revisions and gives its headers. */
export async function session(
  at: { port: number },
  more: Record<string, string> = {},
  version = '2025-11-25',
): Promise<Record<string, string>> {
  const params = { protocolVersion: version, capabilities: {}, clientInfo: { name: 't', version: '1' } }
  const reply = await send(at, 'POST', { ...COMMON, ...more }, JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params }))
  const id = reply.headers['mcp-session-id']
  if (typeof id !== 'string') throw new Error(`no session: ${reply.status} ${reply.text}`)
  return { ...COMMON, ...more, 'mcp-session-id': id, 'mcp-protocol-version': version }
}

export const rpc = (method: string, params: object = {}, id: unknown = 1): string => JSON.stringify({ jsonrpc: '2.0', id, method, params })

/** The words of a tool result. */
export const words = (reply: Reply): string => {
  const content = reply.messages.at(-1)?.result?.content as { text?: string }[] | undefined
  return (content ?? []).map(({ text }) => text ?? '').join('\n')
}
