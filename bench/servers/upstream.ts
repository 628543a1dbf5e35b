import { openSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { apiKey } from '../organisation.ts'
import { ready } from './answers.ts'

/** The system behind everything that is measured: small JSON answers, and nobody in without the key. With a file it keeps a journal of what it was asked to do. */
const [journalFile] = process.argv.slice(2)
const journal = journalFile === undefined ? undefined : openSync(journalFile, 'a')
/** Before the answer, so that an effect that somebody may have seen is in it. */
const note = (method: string, key: string): void => {
  if (journal !== undefined) writeSync(journal, `${method} ${key}\n`)
}
const server = createServer((req, res) => {
  const respond = (status: number, value: unknown): void => {
    const body = JSON.stringify(value)
    res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
  }
  if (req.headers['x-api-key'] !== apiKey) return respond(401, { detail: 'no key' })
  const [path = ''] = (req.url ?? '').split('?')
  if (req.method === 'GET') {
    const id = path.slice(path.lastIndexOf('/') + 1)
    note('GET', id)
    return respond(200, customer(id))
  }
  let body = ''
  req.setEncoding('utf8')
  req.on('data', (chunk: string) => {
    body += chunk
  })
  req.on('end', () => {
    const { reference } = JSON.parse(body) as { reference: string }
    note('POST', reference)
    respond(201, { orderId: `o-${reference}`, state: 'accepted', reference })
  })
})

const customer = (id: string) => ({
  customerId: id,
  name: 'Blue Harbour Trading',
  region: 'eu',
  balance: 1824.5,
  tags: ['wholesale', 'net-30'],
  orders: [
    { orderId: 'o-1', amount: 120.25, state: 'shipped' },
    { orderId: 'o-2', amount: 80, state: 'open' },
  ],
})

server.keepAliveTimeout = 120_000
server.listen(0, '127.0.0.1', () => {
  ready(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
