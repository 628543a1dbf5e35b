import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LIMITS } from '../limits.ts'
import type { Log } from '../ports/telemetry.ts'
import { createHttpServer, type Handler, type HttpServer } from './server.ts'

let server: HttpServer
let port: number
let errors: string[]
const log: Log = { info: () => undefined, warn: () => undefined, error: (_fields, message) => void errors.push(message) }
const says =
  (text: string): Handler =>
  async (_req, res) =>
    void res.end(text)

beforeEach(async () => {
  errors = []
  server = createHttpServer(log)
  port = await server.listen(0, '127.0.0.1')
})
afterEach(() => server.close())

/** Sends bytes as they are, and more of them once `later` says so (`sent`: the server can read them); reads until the connection ends. */
async function raw(text: string, later?: Promise<string>, sent?: () => void): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    answer += chunk
  })
  socket.on('error', () => undefined)
  socket.write(text, 'latin1')
  // What was handed to the kernel is there after the next poll of the loop, which stands between two immediates.
  void later?.then((more) => socket.write(more, 'latin1', () => setImmediate(() => setImmediate(() => sent?.()))))
  await once(socket, 'close')
  return answer
}

const request = (target: string, more = ''): Promise<string> => raw(`GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${more}\r\n`)
const statusOf = (answer: string): number => Number(answer.split(' ')[1])
const bodyOf = (answer: string): string => answer.split('\r\n\r\n')[1] ?? ''

describe('routes', () => {
  beforeEach(() => server.serve({ '/': says('home'), '/one': says('one'), '/below/': says('below') }))
  test.each([
    ['the root', '/', 200, 'home'],
    ['a path', '/one', 200, 'one'],
    ['a query is no part of it', '/one?/below/', 200, 'one'],
    ['everything below a prefix', '/below/a/b', 200, 'below'],
    ['the root is no prefix', '/two', 404, undefined],
    ['a prefix without its slash', '/below', 404, undefined],
    ['nothing is decoded', '/on%65', 404, undefined],
    ['dot segments are not folded', '/one/../below/x', 404, undefined],
    ['an absolute form', 'http://127.0.0.1/one', 404, undefined],
    ['an asterisk', '*', 404, undefined],
  ])('%s', async (_title, target, status, body) => {
    const answer = await request(target, 'x-forwarded-host: /one\r\nx-original-url: /one\r\n')
    expect(statusOf(answer)).toBe(status)
    if (body === undefined) expect(answer).toContain('application/problem+json')
    else expect(bodyOf(answer)).toContain(body)
    expect(answer.toLowerCase()).toContain('x-content-type-options: nosniff')
  })
})

describe('faults', () => {
  test('before the routes are there', async () => {
    const answer = await request('/one')
    expect([statusOf(answer), answer.toLowerCase().includes('retry-after: 1')]).toEqual([503, true])
  })

  test('a handler that rejects is INTERNAL and tells nothing', async () => {
    server.serve({ '/one': async () => Promise.reject(new Error('the inside')) })
    const answer = await request('/one')
    expect([statusOf(answer), answer.includes('inside'), errors.length]).toEqual([500, false, 1])
  })

  test('one that rejects in the middle of its answer ends the connection', async () => {
    server.serve({
      '/one': async (_req, res) => {
        res.writeHead(200, { 'content-length': '10' }).write('half')
        throw new Error('the inside')
      },
    })
    const answer = await request('/one')
    expect([statusOf(answer), answer.includes('inside'), bodyOf(answer).length < 10]).toEqual([200, false, true])
  })

  test.each([
    ['headers beyond the limit', `GET / HTTP/1.1\r\nx: ${'y'.repeat(LIMITS.requestHeaderBytesMax)}\r\n\r\n`, 431],
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['a header without a name', 'GET / HTTP/1.1\r\n: x\r\n\r\n', 400],
    ['two lengths', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab', 400],
    ['length and chunks', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 400],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ])('%s', async (_title, text, status) => {
    server.serve({ '/': says('home') })
    expect(statusOf(await raw(text))).toBe(status)
  })

  test('a port that is taken is a fault of the configuration', async () => {
    await expect(createHttpServer(log).listen(port, '127.0.0.1')).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })
})

describe('the end', () => {
  test('what runs is answered, its connection is not waited for, and what comes later is refused', async () => {
    const { promise: asked, resolve: arrived } = Promise.withResolvers<void>()
    const { promise: go, resolve: answer } = Promise.withResolvers<void>()
    server.serve({
      '/slow': async (_req, res) => {
        arrived()
        await go
        res.end('done')
      },
    })
    const agent = new Agent({ keepAlive: true })
    const replied = once(get({ port, host: '127.0.0.1', path: '/slow', agent }), 'response') as Promise<[IncomingMessage]>
    await asked
    server.stop()
    server.stop()
    answer()
    const [reply] = await replied
    expect(reply.statusCode).toBe(200)
    reply.resume()
    await server.close()
    agent.destroy()
    await expect(once(get({ port, host: '127.0.0.1', path: '/slow' }), 'response')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('a request on an open connection is told to come again', async () => {
    const { promise: asked, resolve: arrived } = Promise.withResolvers<void>()
    const { promise: go, resolve: answer } = Promise.withResolvers<void>()
    server.serve({
      '/slow': async (_req, res) => {
        arrived()
        await go
        res.end('done')
      },
    })
    const line = 'GET /slow HTTP/1.1\r\nhost: x\r\n\r\n'
    const both = raw(
      line,
      asked.then(() => {
        server.stop()
        return line
      }),
      answer,
    )
    const [first = '', second = ''] = (await both).split(/(?=HTTP\/1\.1 )/)
    expect([statusOf(first), statusOf(second)]).toEqual([200, 503])
  })
})
