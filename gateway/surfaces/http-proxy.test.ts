import { once } from 'node:events'
import { get, type IncomingMessage, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { CallId } from '../core/ids.ts'
import { openTestLine, type TestLine } from '../pipeline/test-line.ts'
import { createStatusDoor } from './call-status.ts'
import { createHttpDoor } from './http-proxy.ts'
import { createHttpServer, type HttpServer } from './server.ts'

let line: TestLine
let server: HttpServer
let port: number
let turn = 0

beforeAll(async () => {
  line = await openTestLine()
  const verifier = {
    verify: () =>
      Promise.resolve({ issuer: 'test', agent: 'clerk', actors: ['clerk'], expiresAtMs: Date.now() + 60_000, audience: 'agents' as const }),
  }
  const calls = line.variant({ verifier })
  const { log } = line.parts.telemetry
  server = createHttpServer(log)
  port = await server.listen(0, '127.0.0.1')
  server.serve({
    '/proxy/': createHttpDoor({ calls, baseUrl: 'http://gateway.example', log }).handle,
    '/v1/calls/': createStatusDoor({ calls, baseUrl: 'http://gateway.example', log }).handle,
  })
})
afterAll(async () => {
  await server?.close()
  await line?.close()
})
afterEach(() => {
  line.meets.length = 0
})

const headers = { authorization: 'Bearer x', 'content-type': 'application/json', connection: 'close' }

async function ask(
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; id: CallId; headers: IncomingMessage['headers']; text: string }> {
  const sent = httpRequest({ port, host: '127.0.0.1', method, path, headers })
  sent.end(body === undefined ? undefined : JSON.stringify(body))
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of answer.setEncoding('utf8')) text += String(chunk)
  return { status: answer.statusCode ?? 0, id: String(answer.headers['gatehouse-call']) as CallId, headers: answer.headers, text }
}

const pay = (amount: number) => ask('POST', '/proxy/shop/payments', { amount, note: `p${turn}` })

describe('an equal write after an answer that was handed over is a new call', () => {
  test.each<[string, TestLine['meets'][number], number]>([
    ['done', (_req, res) => void res.writeHead(201).end('{}'), 201],
    ['refused by the system', (_req, res) => void res.writeHead(422).end('{}'), 422],
    ['refused by the system without words', (_req, res) => void res.writeHead(401).end(), 502],
    ['withheld', (_req, res) => void res.writeHead(200).end(Buffer.alloc(9_000_000)), 502],
  ])('%s', async (_title, meet, status) => {
    turn++
    line.meets.push(meet)
    const first = await pay(1)
    expect(first.status).toBe(status)
    const next = await line.told(
      () => pay(1),
      (answer) => answer.id !== first.id,
    )
    expect(next.status).toBe(200)
  })

  test('not after one in doubt', async () => {
    turn++
    line.meets.push((_req, res) => void res.writeHead(503).end())
    const first = await pay(1)
    const again = await pay(1)
    expect([first.status, again.status, again.id === first.id, JSON.parse(again.text).inDoubt]).toEqual([502, 502, true, true])
  })

  test('and the status door hands an end over as well', async () => {
    turn++
    const held = await pay(200)
    expect([held.status, held.headers.location]).toEqual([202, `/v1/calls/${held.id}`])
    await line.approve(held.id)
    line.meets.push((_req, res) => void res.writeHead(401).end())
    line.releaser.afterApproval(held.id)
    await line.ended(held.id)
    const joined = await ask('GET', `/v1/calls/${held.id}`)
    expect([joined.status, JSON.parse(joined.text).state]).toEqual([200, 'failed'])
    await line.told(
      () => pay(200),
      (answer) => answer.id !== held.id,
    )
  })
})

describe('a body on its way', () => {
  const drip: TestLine['meets'][number] = (_req, res) => {
    res.writeHead(200, { 'content-type': 'text/plain' })
    res.write('first')
  }

  test('that breaks off ends the connection, and is an outcome, not a refusal', async () => {
    turn++
    line.meets.push((req, res) => {
      drip(req, res, '')
      setImmediate(() => res.destroy())
    })
    const refused = await line.refusals()
    const sent = get({ port, host: '127.0.0.1', path: `/proxy/shop/things/t${turn}`, headers })
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    answer.on('error', () => undefined)
    answer.resume()
    await new Promise((resolve) => answer.once('close', resolve))
    expect([answer.statusCode, answer.complete]).toEqual([200, false])
    const id = String(answer.headers['gatehouse-call']) as CallId
    await line.ended(id)
    expect(await line.kinds(id)).toEqual(['decision', 'intent', 'outcome'])
    expect(await line.refusals()).toEqual(refused)
  })

  test('whose reader leaves ends upstream too, and has its outcome', async () => {
    turn++
    const { promise: gone, resolve } = Promise.withResolvers<void>()
    line.meets.push((req, res) => {
      res.once('close', resolve)
      drip(req, res, '')
    })
    const sent = get({ port, host: '127.0.0.1', path: `/proxy/shop/things/t${turn}`, headers })
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    sent.on('error', () => undefined)
    answer.on('error', () => undefined)
    sent.destroy()
    await gone
    const id = String(answer.headers['gatehouse-call']) as CallId
    await line.ended(id)
    expect(await line.state(id)).toBe('failed')
  })

  test('reaches a client of HTTP/1.0, whole', async () => {
    line.meets.push((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/plain' })
      res.write('first ')
      setImmediate(() => res.end('last'))
    })
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    socket.write(`GET /proxy/shop/things/old HTTP/1.0\r\nauthorization: Bearer x\r\n\r\n`)
    await once(socket, 'close')
    expect([text.split('\r\n')[0], text.endsWith('first last'), /transfer-encoding/i.test(text)]).toEqual(['HTTP/1.1 200 OK', true, false])
  })
})

describe('answers without a body', () => {
  test.each([204, 205])('%i', async (status) => {
    line.meets.push((_req, res) => void res.writeHead(status).end())
    const answer = await ask('GET', '/proxy/shop/things/none')
    expect([answer.status, answer.text]).toEqual([status, ''])
  })
  test.each([301, 304])('%i is no answer for an agent', async (status) => {
    line.meets.push((_req, res) => void res.writeHead(status, { location: 'http://elsewhere.example' }).end())
    const answer = await ask('GET', '/proxy/shop/things/none')
    expect([answer.status, answer.headers.location, JSON.parse(answer.text).code]).toEqual([502, undefined, 'UPSTREAM'])
  })
})

describe('what is not there', () => {
  test.each([
    ['an operation that is not permitted', 'DELETE', '/proxy/shop/things/1'],
    ['one that is not permitted, with a body that is no good', 'POST', '/proxy/shop/hidden'],
    ['a method that the path does not have', 'PATCH', '/proxy/shop/things/1'],
    ['a path that the system does not have', 'GET', '/proxy/shop/nothing'],
    ['a connector that does not exist', 'GET', '/proxy/mars/things/1'],
    ['no path', 'GET', '/proxy/shop'],
  ])('%s', async (_title, method, path) => {
    const answer = await ask(method, path, method === 'POST' ? { undeclared: 1 } : undefined)
    expect([answer.status, JSON.parse(answer.text).detail]).toEqual([404, 'no such operation'])
  })
})
