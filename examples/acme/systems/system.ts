import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { timingSafeEqual, createHash } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import type { DatabaseSync } from 'node:sqlite'
import { diagnostics } from './diagnostics.ts'
import type { SystemDocument } from './document.ts'
import { type Fault, Faults } from './faults.ts'
import { Journal } from './journal.ts'
import { Problem } from './problem.ts'
import { readBytes, readInput, route } from './reading.ts'
import type { Handler, Reply } from './reply.ts'

export interface SystemDefinition {
  name: string
  document: SystemDocument
  db: DatabaseSync
  /** Header that carries the credential, lower case, and its one right value. */
  credential: { header: string; value: string; challenge: string }
  /** One per operation of the document, but for the diagnostics. */
  handlers: Readonly<Record<string, Handler>>
}

export interface SystemOptions {
  /** 0 takes a free port. */
  port: number
  /** Opens `/_journal` and `/_faults`; without it they do not exist. */
  adminKey?: string | undefined
  /** Requests a second beyond which it answers 429; 500 where absent. */
  floodPerSecond?: number | undefined
  /** Told of every unexpected fault behind a 500. */
  onFault?: ((error: unknown) => void) | undefined
}

/** A running system, as tests and the example's start hold it. */
export interface RunningSystem {
  name: string
  url: string
  journal: Journal
  faults: Faults
  /** Direct access for tests: what is really in the system's database. */
  db: DatabaseSync
  /** Cuts open connections and closes the database. Calling it twice is harmless. */
  close(): Promise<void>
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
const sameSecret = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Counts requests in whole seconds. */
function floodGate(perSecond: number): () => boolean {
  let second = 0
  let count = 0
  return () => {
    const now = Math.floor(Date.now() / 1000)
    if (now !== second) [second, count] = [now, 0]
    return ++count > perSecond
  }
}

function send(response: ServerResponse, reply: Reply): void {
  const text = typeof reply.body === 'string'
  const bytes = reply.body === undefined ? '' : text ? (reply.body as string) : JSON.stringify(reply.body)
  const type = reply.status >= 400 ? 'application/problem+json' : text ? 'text/plain; charset=utf-8' : 'application/json'
  response.writeHead(reply.status, { ...(reply.body === undefined ? {} : { 'content-type': type }), ...reply.headers })
  response.end(bytes)
}

function refusal(error: unknown): Reply {
  if (error instanceof Problem)
    return { status: error.status, body: { code: error.code, message: error.message, details: error.details }, headers: error.headers }
  return { status: 500, body: { code: 'internal', message: 'internal error', details: [] } }
}

class System {
  readonly #definition: SystemDefinition
  readonly #adminKey: string | undefined
  readonly #flooded: () => boolean
  readonly #onFault: (error: unknown) => void
  readonly journal: Journal
  readonly faults = new Faults()

  constructor(definition: SystemDefinition, options: SystemOptions) {
    this.#definition = definition
    this.#adminKey = options.adminKey
    this.#flooded = floodGate(options.floodPerSecond ?? 500)
    this.#onFault = options.onFault ?? (() => undefined)
    this.journal = new Journal(definition.db)
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = request.url ?? '/'
    const [path = '/', search = ''] = target.split('?', 2)
    if (path.startsWith('/_')) return this.#administer(path, search, request, response)
    const body = await readBytes(request).catch((error: unknown) => error)
    const found = route(this.#definition.document.operations, request.method ?? 'GET', path)
    const credential = this.#credential(request)
    const seq = this.journal.add({
      at: new Date().toISOString(),
      method: request.method ?? 'GET',
      path: target,
      headers: this.#redacted(request),
      credential,
      body: Buffer.isBuffer(body) && body.length > 0 ? body.toString('utf8') : null,
      operation: found.operation?.name ?? null,
    })
    const reply = await this.#work({ request, search, body, found, credential }).catch((error: unknown) => {
      if (!(error instanceof Problem)) this.#onFault(error)
      return refusal(error)
    })
    if (reply === 'cut') return void request.socket.destroy()
    this.journal.answered(seq, reply.status)
    send(response, reply)
  }

  async #work(at: {
    request: IncomingMessage
    search: string
    body: unknown
    found: ReturnType<typeof route>
    credential: string
  }): Promise<Reply | 'cut'> {
    const { challenge } = this.#definition.credential
    if (at.credential !== 'right')
      throw new Problem(401, 'unauthenticated', 'credentials are missing or wrong', [], { 'www-authenticate': challenge })
    if (this.#flooded()) throw new Problem(429, 'too_many_requests', 'too many requests', [], { 'retry-after': '1' })
    if (!at.found.operation) {
      if (at.found.allow.length === 0) throw new Problem(404, 'no_such_path', 'no such path')
      throw new Problem(405, 'method_not_allowed', 'this path has other methods', [], { allow: at.found.allow.join(', ') })
    }
    if (!Buffer.isBuffer(at.body)) throw at.body
    const { operation, path } = at.found
    const fault = this.faults.take(operation.name)
    if (fault?.delayMs) await pause(fault.delayMs)
    if (fault?.cut === 'before') return 'cut'
    if (fault?.status) throw new Problem(fault.status, 'simulated', 'simulated fault')
    const input = readInput(operation, at.request, new URLSearchParams(at.search), path, at.body.toString('utf8'))
    const handler = this.#definition.handlers[operation.name]
    const reply = handler ? handler(input) : await diagnostics(this.#definition.name, input, at.request)
    return fault?.cut === 'after' ? 'cut' : reply
  }

  #credential(request: IncomingMessage): 'right' | 'wrong' | 'absent' {
    const sent = request.headers[this.#definition.credential.header]
    if (typeof sent !== 'string') return 'absent'
    return sameSecret(sent, this.#definition.credential.value) ? 'right' : 'wrong'
  }

  #redacted(request: IncomingMessage): Record<string, string> {
    const secret = this.#definition.credential.header
    return Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, name === secret ? '[credential]' : String(value)]),
    )
  }

  async #administer(path: string, search: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const key = request.headers['x-admin-key']
    if (!this.#adminKey || typeof key !== 'string' || !sameSecret(key, this.#adminKey))
      return send(response, refusal(new Problem(404, 'no_such_path', 'no such path')))
    if (path === '/_journal' && request.method === 'GET') {
      const query = new URLSearchParams(search)
      const operation = query.get('operation')
      const entries = this.journal.entries({ afterSeq: Number(query.get('after') ?? 0), ...(operation ? { operation } : {}) })
      return send(response, { status: 200, body: { entries } })
    }
    if (path === '/_faults' && request.method === 'POST') {
      this.faults.add(JSON.parse((await readBytes(request)).toString('utf8')) as Fault)
      return send(response, { status: 204 })
    }
    send(response, refusal(new Problem(404, 'no_such_path', 'no such path')))
  }
}

function assertServed(definition: SystemDefinition): void {
  const missing = definition.document.operations
    .map((operation) => operation.name)
    .filter((name) => !definition.handlers[name] && name !== 'diagnostics' && name !== 'runDiagnostics')
  if (missing.length > 0) throw new TypeError(`${definition.name} documents operations that it does not serve: ${missing.join(', ')}`)
}

/** Serves a documented system on loopback. Throws TypeError where the document names an operation without a handler. */
export async function startSystem(definition: SystemDefinition, options: SystemOptions): Promise<RunningSystem> {
  assertServed(definition)
  const system = new System(definition, options)
  const server = createServer((request, response) => {
    system.answer(request, response).catch(() => request.socket.destroy())
  })
  // Longer than clients keep idle connections, so that no request meets a closing one.
  server.keepAliveTimeout = 65_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, '127.0.0.1', resolve)
  })
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= new Promise((resolve) => {
      server.close(() => {
        definition.db.close()
        resolve()
      })
      server.closeAllConnections()
    })
    return closing
  }
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { name: definition.name, url, journal: system.journal, faults: system.faults, db: definition.db, close }
}
