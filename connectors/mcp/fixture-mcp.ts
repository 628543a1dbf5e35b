import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isJsonObject, type JsonObject, type JsonValue } from '../../gateway/core/json.ts'
import { createDialer } from '../../gateway/egress/dialer.ts'
import type { Connector, Manifest } from '../../gateway/ports/connector.ts'
import type { Arrived, ConformanceUpstream } from '../connector.conformance.ts'
import { mcpKind } from './kind.ts'

export const ECHO: JsonObject = {
  name: 'echo',
  title: 'Echo',
  description: 'says it again',
  inputSchema: { type: 'object', properties: { text: { type: 'string' }, count: { type: 'integer' } }, required: ['text'] },
  outputSchema: { type: 'object', properties: { echoed: { type: 'object' } } },
}

/** What a test makes the server do. */
export interface McpServerOptions {
  tools?: JsonObject[]
  /** Answers as server-sent events. */
  sse?: boolean
  /** Says log messages in the stream before its answer, which comes once this has resolved; `sse` only. */
  during?: (message: JsonObject, say: (params: JsonObject) => void) => Promise<void>
  /** The result of `tools/call`; default: `echoed` as structured content. */
  result?: (params: JsonObject) => JsonObject
}

export interface McpTestServer extends ConformanceUpstream {
  manifest: Partial<Manifest>
  /** All messages that came, of all connections. */
  messages: JsonObject[]
  /** Tools as the server has them now; changing them is drift. */
  tools: JsonObject[]
  /** Processes or connections so far. */
  starts(): number
}

type Behaviour = Parameters<ConformanceUpstream['behave']>[0]

class Journal {
  readonly arrived: Arrived[] = []
  readonly messages: JsonObject[] = []
  behaviour: Behaviour = 'answer'
  starts = 0
  #arrival = Promise.withResolvers<void>()

  record(message: JsonObject, headers: IncomingMessage['headers'] = {}, raw: string = JSON.stringify(message)): void {
    this.messages.push(message)
    if (message.method !== 'tools/call' || !isJsonObject(message.params)) return
    const meta = isJsonObject(message.params._meta) ? message.params._meta : {}
    const key = headers['x-idempotency'] ?? meta['gatehouse/idempotencyKey']
    this.arrived.push({
      arguments: message.params.arguments as JsonObject,
      traceparent: String(headers.traceparent ?? meta.traceparent),
      idempotencyKey: key === undefined ? undefined : String(key),
      raw: `${JSON.stringify(headers)} ${raw}`,
    })
    this.#arrival.resolve()
    this.#arrival = Promise.withResolvers()
  }

  arrival(): Promise<void> {
    return this.#arrival.promise
  }
}

/** The answer of a 2025 server to one message; undefined for notifications. */
function respond(message: JsonObject, options: McpServerOptions, tools: JsonObject[], behaviour: Behaviour): JsonObject | undefined {
  if (message.id === undefined) return undefined
  const params = isJsonObject(message.params) ? message.params : {}
  const answer = (result: JsonObject): JsonObject => ({ jsonrpc: '2.0', id: message.id ?? null, result })
  const error = (code: number, text: string): JsonObject => ({ jsonrpc: '2.0', id: message.id ?? null, error: { code, message: text } })
  if (message.method === 'initialize')
    return answer({
      protocolVersion: String(params.protocolVersion),
      capabilities: { tools: { listChanged: true } },
      serverInfo: { name: 'test', version: '1' },
    })
  if (message.method === 'tools/list') return answer({ tools })
  if (message.method !== 'tools/call') return error(-32601, 'no such method')
  if (behaviour === 'fail') return error(-32603, 'the tool is broken')
  if (behaviour === 'huge') return answer({ content: [{ type: 'text', text: 'x'.repeat(9_000_000) }] })
  const result = options.result ?? (({ arguments: echoed }) => ({ content: [], structuredContent: { echoed: echoed as JsonValue } }))
  return answer(result(params))
}

/** A 2025 MCP server over Streamable HTTP on loopback. */
export async function httpServer(options: McpServerOptions = {}): Promise<McpTestServer> {
  const journal = new Journal()
  const tools = options.tools ?? [ECHO]
  const handle = (request: IncomingMessage, response: ServerResponse, body: string): void => {
    const message = JSON.parse(body) as JsonObject
    journal.record(message, request.headers, body)
    const called = message.method === 'tools/call'
    if (called && journal.behaviour === 'silence') return
    if (called && journal.behaviour === 'reset') {
      request.socket.resetAndDestroy()
      return
    }
    const answer = respond(message, options, tools, journal.behaviour)
    if (!answer) response.writeHead(202).end()
    else if (options.sse) void stream(response, message, answer, options)
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  }
  const server = createHttpServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => (request.method === 'POST' ? handle(request, response, body) : response.writeHead(405).end()))
  }).on('connection', () => journal.starts++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return upstreamOf(journal, tools, stop, { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp` })
}

async function stream(response: ServerResponse, message: JsonObject, answer: JsonObject, { during }: McpServerOptions): Promise<void> {
  const write = (said: JsonObject): unknown => response.write(`event: message\ndata: ${JSON.stringify(said)}\n\n`)
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  await during?.(message, (params) => write({ jsonrpc: '2.0', method: 'notifications/message', params }))
  write(answer)
  response.end()
}

/** The other end of a process: it hands every message to the test over a socket and writes what the test says, so that nothing is left to chance. */
const PROCESS = `
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
const control = connect(Number(process.argv[2]), '127.0.0.1')
control.on('error', () => process.exit(0)).on('close', () => process.exit(0))
control.write(JSON.stringify({ started: { env: process.env, cwd: process.cwd(), args: process.argv.slice(3), pid: process.pid } }) + '\\n')
createInterface({ input: control }).on('line', (line) => {
  if (line === 'exit') process.exit(1)
  process.stdout.write(line + '\\n')
})
createInterface({ input: process.stdin }).on('line', (line) => control.write(line + '\\n')).on('close', () => process.exit(0))
`

export interface ProcessServer extends McpTestServer {
  /** What the processes saw of their surroundings, by start. */
  started: { env: Record<string, string>; cwd: string; args: string[]; pid: number }[]
  /** Sends a line to the gateway, as the process. */
  say(message: JsonValue): void
  folder: string
}

/** A 2025 MCP server as a process. Its manifest is in a folder of its own. */
export async function processServer(options: McpServerOptions = {}, args: readonly string[] = []): Promise<ProcessServer> {
  const journal = new Journal()
  const tools = options.tools ?? [ECHO]
  const folder = await mkdtemp(join(tmpdir(), 'mcp-fixture-'))
  await writeFile(join(folder, 'server.mjs'), PROCESS)
  const started: ProcessServer['started'] = []
  let say: ProcessServer['say'] = () => undefined
  const control = createServer((socket) => {
    journal.starts++
    socket.on('error', () => undefined)
    say = (message) => socket.write(`${JSON.stringify(message)}\n`)
    let rest = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const message = JSON.parse(line) as JsonObject
        if (message.started !== undefined) {
          started.push(message.started as never)
          continue
        }
        journal.record(message)
        const called = message.method === 'tools/call'
        if (called && journal.behaviour === 'silence') continue
        const answer = called && journal.behaviour === 'reset' ? 'exit' : respond(message, options, tools, journal.behaviour)
        if (answer !== undefined) socket.write(`${typeof answer === 'string' ? answer : JSON.stringify(answer)}\n`)
      }
    })
  })
  await new Promise<void>((resolve) => control.listen(0, '127.0.0.1', resolve))
  const stop = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true })
    await new Promise((resolve) => control.close(resolve))
  }
  const port = (control.address() as AddressInfo).port
  const manifest = { file: join(folder, 'shop.yaml'), stdio: { command: 'node', args: ['./server.mjs', String(port), ...args] } }
  return { ...upstreamOf(journal, tools, stop, manifest), started, say: (message) => say(message), folder }
}

function upstreamOf(journal: Journal, tools: JsonObject[], stop: () => Promise<void>, manifest: Partial<Manifest>): McpTestServer {
  return {
    arrived: journal.arrived,
    messages: journal.messages,
    tools,
    manifest,
    stop,
    behave: (how) => {
      journal.behaviour = how
    },
    touched: () => journal.starts,
    starts: () => journal.starts,
    arrival: () => journal.arrival(),
  }
}

/** A manifest over a lock file with these tools. */
export function mcpManifest(
  upstream: McpTestServer,
  more: Partial<Manifest> = {},
  tools: readonly JsonObject[] = upstream.tools,
): Manifest {
  return {
    connector: 'shop',
    kind: 'mcp',
    file: 'connectors/shop.yaml',
    source: { path: 'connectors/shop.lock.json', text: JSON.stringify({ kind: 'mcp', server: { name: 'test', version: '1' }, tools }) },
    region: 'eu',
    egress: ['127.0.0.1'],
    operations: { overrides: {} },
    ...upstream.manifest,
    ...more,
  }
}

export const loadMcp = (manifest: Manifest): Connector =>
  mcpKind.load(manifest, createDialer({ development: false }).open({ hosts: ['127.0.0.1'], privateHosts: ['127.0.0.1'] }))
