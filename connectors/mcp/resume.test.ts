import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { JsonObject } from '../../gateway/core/json.ts'
import { LIMITS } from '../../gateway/limits.ts'
import { type Connector, UpstreamError } from '../../gateway/ports/connector.ts'
import { ECHO, httpServer, loadMcp, mcpManifest } from './fixture-mcp.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

type Meet = (req: IncomingMessage, res: ServerResponse, answer: string) => void

const EVENTS = { 'content-type': 'text/event-stream' }
/** The stream of the answer ends before the answer: it has an id to resume by. */
const closes: Meet = (_req, res) => void res.writeHead(200, EVENTS).end('id: e1\nretry: 1\ndata: \n\n')
const answers: Meet = (_req, res, answer) => void res.writeHead(200, EVENTS).end(`id: e2\ndata: ${answer}\n\n`)
const status =
  (code: number): Meet =>
  (_req, res) =>
    void res.writeHead(code).end()
const drops: Meet = (req) => void req.socket.destroy()

/** A server that meets its tools/call and what follows it as told; everything else it answers. */
async function meeting(meets: Meet[]): Promise<{ connector: Connector; reached: string[] }> {
  const inner = await httpServer()
  const reached: string[] = []
  let answer = ''
  const server = createServer((req, res) => {
    let body = ''
    req.setEncoding('utf8').on('data', (chunk) => {
      body += chunk
    })
    req.on('end', async () => {
      const message = body === '' ? {} : (JSON.parse(body) as JsonObject)
      if (req.method === 'GET' && req.headers['last-event-id'] === undefined) return void res.writeHead(405).end()
      if (req.method === 'POST' && message.method !== 'tools/call') {
        const reply = await fetch(String(inner.manifest.baseUrl), { method: 'POST', body })
        return void res.writeHead(reply.status, { 'content-type': 'application/json' }).end(await reply.text())
      }
      reached.push(`${req.method} ${req.headers['last-event-id'] ?? ''} ${req.headers['x-key'] ?? ''}`.trim())
      if (message.id !== undefined)
        answer = JSON.stringify({ jsonrpc: '2.0', id: message.id, result: { content: [], structuredContent: {} } })
      const meet = meets.length > 1 ? meets.shift() : meets[0]
      meet?.(req, res, answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const connector = loadMcp(
    mcpManifest(inner, { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, egress: ['127.0.0.1'] }, [ECHO]),
  )
  const stop = (): void => {
    server.close()
    server.closeAllConnections()
  }
  closers.push(inner.stop, stop, () => connector.close())
  return { connector, reached }
}

const lease = { credential: 'key', version: 1, headers: () => ({ 'x-key': 'k' }), query: () => ({}), needles: [] }

function call({ operations: [operation], ...connector }: Connector, execute: Connector['execute'], signal: AbortSignal): Promise<unknown> {
  if (!operation) throw new Error(`no operation of ${connector.name}`)
  const context = { signal, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, idempotencyKey: 'k' }
  return execute(operation, { text: 'x' }, lease, context).then(
    (answer) => answer.status,
    (error: unknown) => (error instanceof UpstreamError ? [error.kind, error.sent] : error),
  )
}
const run = (connector: Connector, signal: AbortSignal = AbortSignal.timeout(20_000)): Promise<unknown> =>
  call(connector, connector.execute.bind(connector), signal)

test.each<[string, Meet[], unknown, string[]]>([
  ['once', [closes, answers], 200, ['POST  k', 'GET e1 k']],
  ['again and again', [closes, closes, closes, answers], 200, ['POST  k', 'GET e1 k', 'GET e1 k', 'GET e1 k']],
  ['after a failure on the way', [closes, status(503), drops, answers], 200, ['POST  k', 'GET e1 k', 'GET e1 k', 'GET e1 k']],
  ['in vain where the server has no such stream', [closes, status(405)], ['broken', true], ['POST  k', 'GET e1 k']],
])('a stream that the server closes is resumed %s, and the call is sent once', async (_title, meets, outcome, expected) => {
  const { connector, reached } = await meeting(meets)
  expect(await run(connector)).toEqual(outcome)
  expect(reached).toEqual(expected)
})

test('not for ever: the call was sent, whatever became of the stream', async () => {
  const { connector, reached } = await meeting([closes, drops])
  expect(await run(connector)).toEqual(['broken', true])
  expect(reached.slice(1)).toEqual(Array.from({ length: LIMITS.mcpResumesInVainMax }, () => 'GET e1 k'))
})

test('a call that is over resumes nothing', async () => {
  const over = new AbortController()
  const { connector, reached } = await meeting([
    closes,
    (_req, res) => {
      res.writeHead(200, EVENTS).write('id: e2\ndata: \n\n')
      over.abort()
    },
    closes,
    answers,
  ])
  expect(await run(connector, over.signal)).toEqual(['broken', true])
  // Another call is resumed later than the first one would have been.
  expect(await run(connector)).toBe(200)
  expect(reached).toEqual(['POST  k', 'GET e1 k', 'POST  k', 'GET e1 k'])
})
