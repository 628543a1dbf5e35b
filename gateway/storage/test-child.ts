import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import type { TestDatabase } from './test-databases.ts'

/** A gateway process of its own on a test database: it waits for a line before it begins, and tells what it does. */
export interface TestChild {
  child: ChildProcess
  lines: string[]
  /** Resolves when the process has said this, `times` times. */
  said(what: string, times?: number): Promise<void>
  go(): void
  /** Kills it as an outage would, and resolves when it is gone. */
  kill(): Promise<void>
}

/** Starts a script of this folder; it is killed at the end of the test. */
export function startChild(script: string, mode: string, agent: string, { options }: TestDatabase): TestChild {
  const args = [fileURLToPath(new URL(script, import.meta.url)), mode, agent, options.databaseUrl ?? '', options.dataDir]
  const child = spawn(process.execPath, ['--no-warnings', '--experimental-transform-types', ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  const waiting = new Set<() => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    for (const look of waiting) look()
  })
  const ended = once(child, 'close').then(() => {
    throw new Error(`the process ended early, after ${lines.slice(-3).join(', ')}`)
  })
  ended.catch(() => undefined)
  return {
    child,
    lines,
    said: (what, times = 1) =>
      Promise.race([
        ended,
        new Promise<void>((resolve) => {
          const look = (): void => {
            if (lines.filter((line) => line.startsWith(what)).length >= times) resolve()
          }
          waiting.add(look)
          look()
        }),
      ]),
    go: () => void child.stdin?.write('go\n'),
    async kill() {
      child.kill('SIGKILL')
      await (child.exitCode ?? child.signalCode ?? once(child, 'exit'))
    },
  }
}
