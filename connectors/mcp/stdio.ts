import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JSONRPCMessage, ReadBuffer, serializeMessage, type Transport } from '@modelcontextprotocol/client'
import { LIMITS } from '../../gateway/limits.ts'
import { UpstreamError } from '../../gateway/ports/connector.ts'

const EXIT_WAIT_MS_MAX = 1_000
const running = new Set<ChildProcessWithoutNullStreams>()
process.on('exit', () => {
  for (const child of running) kill(child, 'SIGKILL')
})

/**
 * An MCP server as a child process over stdio. It starts with an empty environment in an empty folder of its own, both gone with it. When the gateway
 * ends, its children are killed; when the gateway is killed, they see the end of their input.
 */
export class StdioServer implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: <T extends JSONRPCMessage>(message: T) => void
  readonly #command: string
  readonly #args: readonly string[]
  readonly #buffer = new ReadBuffer({ maxBufferSize: LIMITS.filteredBodyBytesMax })
  #child: ChildProcessWithoutNullStreams | null = null
  #folder: string | null = null
  #closed: Promise<void> | null = null
  /** Why it was ended from here. */
  fault: UpstreamError | null = null

  constructor(command: string, args: readonly string[]) {
    this.#command = command
    this.#args = args
  }

  async start(): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), 'gatehouse-mcp-'))
    const child = spawn(this.#command, [...this.#args], {
      cwd: this.#folder,
      env: {},
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
      windowsHide: true,
    })
    this.#child = child
    running.add(child)
    // What a server writes there is its own business, but a full pipe would stop it.
    child.stderr.resume()
    child.stdin.on('error', (error) => this.onerror?.(error))
    child.stdout.on('data', (chunk: Buffer) => this.#read(chunk))
    child.once('exit', () => void this.#gone())
    try {
      await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
    } catch (error) {
      await this.#gone()
      throw error
    }
  }

  /** Resolves once the bytes are with the system. */
  send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#child?.stdin
    if (!stdin?.writable) return Promise.reject(new UpstreamError('unreachable', 'the process of the connector has ended', false))
    return new Promise((resolve, reject) => {
      stdin.write(serializeMessage(message), (error) => {
        if (error) reject(new UpstreamError('broken', 'the process of the connector ended', true, error))
        else resolve()
      })
    })
  }

  async close(): Promise<void> {
    const child = this.#child
    if (child && child.exitCode === null && child.signalCode === null) {
      const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
      child.stdin.end()
      if (!(await within(exited))) kill(child, 'SIGTERM')
      if (!(await within(exited))) kill(child, 'SIGKILL')
      await exited
    }
    await this.#gone()
  }

  #read(chunk: Buffer): void {
    try {
      this.#buffer.append(chunk)
    } catch (error) {
      this.fault ??= new UpstreamError('too_large', 'the process of the connector answered with more than the limit', true, error)
      if (this.#child) kill(this.#child, 'SIGKILL')
      return
    }
    for (;;) {
      try {
        const message = this.#buffer.readMessage()
        if (message === null) return
        this.onmessage?.(message)
      } catch (error) {
        // One line that is no message does not end the others; what it was to answer ends by its time-out.
        this.onerror?.(error instanceof Error ? error : new Error('malformed message'))
      }
    }
  }

  /** Runs once, whoever ended it. What the process started goes too. */
  #gone(): Promise<void> {
    this.#closed ??= (async () => {
      if (this.#child) {
        running.delete(this.#child)
        kill(this.#child, 'SIGKILL')
      }
      this.#buffer.clear()
      this.onclose?.()
      if (this.#folder !== null) await rm(this.#folder, { recursive: true, force: true })
    })()
    return this.#closed
  }
}

/** Signals the process and all in its group. */
function kill(child: ChildProcessWithoutNullStreams, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    if (process.platform === 'win32') child.kill(signal)
    else process.kill(-child.pid, signal)
  } catch {
    // It is gone already.
  }
}

async function within(exited: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), EXIT_WAIT_MS_MAX)
  })
  try {
    return await Promise.race([exited.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
