import { createServer, request, Agent } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIMITS } from '../limits.ts'
import { sendProblem, toProblem } from './error-response.ts'
import { readBody } from './request-body.ts'

const server = createServer((req, res) => {
  readBody(req, 1000).then(
    (bytes) => res.end(String(bytes.byteLength)),
    (error: unknown) => sendProblem(res, toProblem(error)),
  )
})
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
let port = 0
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(() => {
  agent.destroy()
  server.close()
})

function post(
  body: Uint8Array,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string; reused: boolean; connection: string | undefined }> {
  return new Promise((resolve, reject) => {
    const req = request({ port, host: '127.0.0.1', method: 'POST', agent, headers }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      res.on('end', () => resolve({ status: res.statusCode ?? 0, text, reused: req.reusedSocket, connection: res.headers.connection }))
    })
    req.on('error', reject)
    req.end(body)
  })
}

test.each([
  ['empty', 0, {}, 200],
  ['at the cap', 1000, {}, 200],
  ['at the cap, chunked', 1000, { 'transfer-encoding': 'chunked' }, 200],
  ['one over, announced', 1001, {}, 413],
  ['one over, chunked', 1001, { 'transfer-encoding': 'chunked' }, 413],
  ['10 MB, chunked', 10_000_000, { 'transfer-encoding': 'chunked' }, 413],
] as const)('%s', async (_title, size, headers, status) => {
  const answer = await post(Buffer.alloc(size, 'a'), headers)
  expect(answer.status).toBe(status)
  expect(status === 200 ? answer.text : JSON.parse(answer.text).code).toBe(status === 200 ? String(size) : 'BODY_TOO_LARGE')
})

test('the connection lives on after a refused body', async () => {
  await post(Buffer.alloc(5_000_000))
  const next = await post(Buffer.from('ok'))
  expect(next).toMatchObject({ status: 200, text: '2', reused: true })
})

test('a compressed body is refused, unread by any judge', async () => {
  expect(await post(gzipSync('{}'), { 'content-encoding': 'gzip' })).toMatchObject({ status: 415 })
  expect(await post(Buffer.from('{}'), { 'content-encoding': 'identity' })).toMatchObject({ status: 200 })
})

test('a body past the discard bound closes the connection before it is sent', async () => {
  const socket = connect(port, '127.0.0.1')
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${LIMITS.discardedBodyBytesMax + 1}\r\n\r\nabc`)
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk) => {
    text += String(chunk)
  })
  await new Promise((resolve) => socket.on('close', resolve))
  expect(text).toMatch(/^HTTP\/1\.1 413 /)
  expect(text.toLowerCase()).toContain('connection: close')
})
