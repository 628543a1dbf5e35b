import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'undici'
import { apiKey } from '../organisation.ts'
import { ready } from './answers.ts'

/** The bar: a proxy that governs nothing, records nothing and adds the key. What is cheaper than this is not a proxy in Node. */
const pool = new Pool(process.argv[2] ?? '', { connections: 128 })

async function pass(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { host: _host, connection: _connection, 'keep-alive': _keepAlive, ...headers } = req.headers
  const {
    statusCode,
    headers: answered,
    body,
  } = await pool.request({
    method: req.method as 'GET',
    path: req.url ?? '/',
    headers: { ...headers, 'x-api-key': apiKey },
    body: req.method === 'GET' ? null : req,
  })
  const { connection: _c, 'keep-alive': _k, ...passed } = answered
  res.writeHead(statusCode, passed)
  body.pipe(res)
}

const server = createServer((req, res) => {
  pass(req, res).catch(() => res.destroy())
})
server.keepAliveTimeout = 120_000
server.listen(0, '127.0.0.1', () => {
  ready(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
