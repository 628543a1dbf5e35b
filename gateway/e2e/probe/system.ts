import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { leakTo } from './leak.ts'
import { personTo } from './person.ts'

/** One request that reached the probe, as it came. */
export interface ProbeEntry {
  method: string
  path: string
  headers: Record<string, string>
  body: string | null
}

/** What the next request meets instead of an answer. */
export type ProbeFault =
  | { status: number; headers?: Record<string, string> }
  | 'slow'
  | 'held back'
  | 'torn'
  | 'reset'
  | 'reset after a part'
  | 'not JSON'
  | 'huge'

export interface Probe {
  url: string
  journal: ProbeEntry[]
  /** Met in order, one a request. */
  faults: ProbeFault[]
  /** Resolves once a request with this path and body has come. */
  arrived(path: string, body: string): Promise<void>
  /** Lets go of what was `held back`; what is `torn` breaks off after its first bytes. */
  release(): void
  close(): Promise<void>
}

/** Larger than any buffered answer may be. */
const HUGE_BYTES = 9 * 1_048_576

/**
 * A system on loopback that writes down what reaches it, answers with it, fails as told, gives its caller's headers away below `/leaks`, and personal data
 * below `/people`.
 */
export async function startProbe(): Promise<Probe> {
  const journal: ProbeEntry[] = []
  const faults: ProbeFault[] = []
  const news = new EventEmitter()
  const server = createServer((req, res) => {
    answer(req, res, { journal, faults, news }).catch(() => res.destroy())
  })
  server.keepAliveTimeout = 65_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    journal,
    faults,
    async arrived(path, body) {
      while (!journal.some((entry) => entry.path === path && entry.body === body)) await once(news, 'arrived')
    },
    release: () => void news.emit('release'),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface Inside extends Pick<Probe, 'journal' | 'faults'> {
  news: EventEmitter
}

async function answer(req: IncomingMessage, res: ServerResponse, { journal, faults, news }: Inside): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of req as AsyncIterable<Buffer>) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString('utf8')
  const entry = { method: req.method ?? '', path: req.url ?? '', headers: plain(req.headers), body: text === '' ? null : text }
  const fault = faults.shift()
  const held = fault === 'held back' || fault === 'torn' ? once(news, 'release') : undefined
  journal.push(entry)
  news.emit('arrived')
  if (fault === 'torn') res.writeHead(200, { 'content-type': 'application/json' }).write('{"part":')
  await held
  if (fault === 'torn') {
    req.socket.resetAndDestroy()
    return
  }
  if (fault !== undefined && fault !== 'held back') return fail(fault, req, res)
  if (entry.path.startsWith('/leaks')) return leakTo(req, res, text)
  if (entry.path.startsWith('/people')) return personTo(req, res, text)
  json(res, 200, { method: entry.method, path: entry.path, body: entry.body })
}

const plain = (headers: IncomingHttpHeaders): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))

function json(res: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  res.writeHead(status, { 'content-type': 'application/json', ...headers })
  res.end(JSON.stringify(body))
}

function fail(fault: Exclude<ProbeFault, 'held back' | 'torn'>, req: IncomingMessage, res: ServerResponse): void {
  const { socket } = req
  if (fault === 'slow') socket.once('close', () => res.destroy())
  else if (fault === 'reset') socket.resetAndDestroy()
  else if (fault === 'reset after a part') {
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
    res.write('{"part":', () => socket.resetAndDestroy())
  } else if (fault === 'not JSON') {
    res.writeHead(200, { 'content-type': 'application/json' })
    res.end('{"half":')
  } else if (fault === 'huge') json(res, 200, { padding: 'x'.repeat(HUGE_BYTES) })
  else json(res, fault.status, { code: 'simulated', status: fault.status }, fault.headers)
}
