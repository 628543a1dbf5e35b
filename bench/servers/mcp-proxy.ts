import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { apiKey } from '../organisation.ts'
import { ready } from './answers.ts'

/** `mcp-proxy`'s own command line, unchanged, in front of `mcp-stdio`. */
const [upstreamUrl = ''] = process.argv.slice(2)
const WAITS_MAX = 300

function freePort(): Promise<number> {
  const server = createServer()
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

const port = await freePort()
const behind = fileURLToPath(new URL('./mcp-stdio.js', import.meta.url))
process.argv.splice(
  2,
  process.argv.length,
  '--port',
  String(port),
  '--server',
  'stream',
  '--',
  process.execPath,
  behind,
  upstreamUrl,
  apiKey,
)
await import(new URL('./bin/mcp-proxy.mjs', import.meta.resolve('mcp-proxy')).href)

const url = `http://127.0.0.1:${port}`
for (let waits = 0; ; waits++) {
  const answers = await fetch(`${url}/ping`).then(
    (answer) => answer.ok,
    () => false,
  )
  if (answers) break
  if (waits >= WAITS_MAX) throw new Error('mcp-proxy does not answer')
  await sleep(100)
}
ready(url)
