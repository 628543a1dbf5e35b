import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A Redis server of one test alone, on loopback. */
export interface TestRedis {
  url: string
  /** Starts it (again) on its port. Resolves once it takes connections. */
  start(): Promise<void>
  /** `kill -9`. */
  kill(): Promise<void>
  /** Has it hang: connections stay, and nothing is answered. */
  freeze(): void
  thaw(): void
  /** Ends and removes it. */
  drop(): Promise<void>
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/**
 * A Redis server that is not started yet. Undefined, with a warning that names the suite, where `redis-server` is not installed; under `CI=true` that
 * is an error instead.
 */
export async function freshRedis(suite: string, ...settings: string[]): Promise<TestRedis | undefined> {
  const probe = spawn('redis-server', ['--version'], { stdio: 'ignore' })
  const installed = await Promise.race([once(probe, 'exit').then(() => true), once(probe, 'error').then(() => false)]).catch(() => false)
  if (!installed) {
    if (process.env.CI === 'true') throw new Error('`redis-server` is not installed')
    console.warn(`SKIPPED on Redis: ${suite}: \`redis-server\` is not installed`)
    return undefined
  }
  const port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), 'gatehouse-redis-'))
  let server: ChildProcess | undefined
  const kill = async (): Promise<void> => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    const exit = once(server, 'exit')
    server.kill('SIGKILL')
    await exit
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    async start() {
      const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no', ...settings]
      const started = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
      server = started
      let said = ''
      await new Promise<void>((resolve, reject) => {
        started.once('exit', () => reject(new Error(`redis-server ended: ${said}`)))
        started.stdout.on('data', (chunk: Buffer) => {
          said = (said + chunk.toString()).slice(-10_000)
          if (said.includes('Ready to accept connections')) resolve()
        })
      })
    },
    kill,
    freeze: () => void server?.kill('SIGSTOP'),
    thaw: () => void server?.kill('SIGCONT'),
    async drop() {
      await kill()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
