import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ready } from './answers.ts'

/** A receiver of webhooks that reads all and takes all. */
const server = createServer((req, res) => {
  req.on('end', () => res.writeHead(204).end()).resume()
})
server.keepAliveTimeout = 120_000
server.listen(0, '127.0.0.1', () => {
  ready(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`)
})
