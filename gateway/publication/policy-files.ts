import { createHash } from 'node:crypto'
import { type FSWatcher, readdirSync, readFileSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type Fault, GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { Log } from '../ports/telemetry.ts'

export interface PolicyFilesOptions {
  folders: readonly string[]
  /** Takes over what the folders hold now. Throws CONFIG_INVALID with every fault: then nothing was taken over. */
  take(): Promise<void>
  /** Told of faulty files, once for each edit. Must not throw. */
  onFaults(error: GatewayError): void
  log: Log
}

/**
 * Policy folders that are watched. An edit is taken over once two reads in a row find the same bytes, so files that an editor writes in parts or
 * replaces one after the other become one change. Where the system tells of no edits (network shares), looking every `LIMITS.policyFilesPollMs` does.
 */
export class PolicyFiles {
  readonly #options: PolicyFilesOptions
  readonly #watchers: FSWatcher[] = []
  readonly #closing = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #stamps: string
  #digest: string | undefined
  #taking: Promise<void> | undefined
  #again = false
  #faults: readonly Fault[] = []

  constructor(options: PolicyFilesOptions) {
    this.#options = options
    this.#stamps = stampsOf(options.folders)
  }

  /** Of the last edit, where it was faulty. */
  get faults(): readonly Fault[] {
    return this.#faults
  }

  /** What was edited since the start is taken over at once. */
  start(): void {
    for (const folder of this.#options.folders) this.#watch(folder)
    this.#timer = setInterval(() => this.#look(), LIMITS.policyFilesPollMs).unref()
    void this.reload()
  }

  /** Takes over what the files hold now, whether or not somebody told of an edit. Resolves when that is done; faults are reported, not thrown. */
  reload(): Promise<void> {
    this.#digest = undefined
    return this.#stir()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    clearInterval(this.#timer)
    for (const watcher of this.#watchers) watcher.close()
    await this.#taking
  }

  #watch(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => void this.#stir())
      watcher.on('error', (error) => this.#options.log.warn({ folder, error }, 'edits of policy files are seen a little later'))
      this.#watchers.push(watcher)
    } catch (error) {
      this.#options.log.warn({ folder, error }, 'edits of policy files are seen a little later')
    }
  }

  #look(): void {
    const stamps = stampsOf(this.#options.folders)
    if (stamps === this.#stamps && this.#digest !== undefined) return
    this.#stamps = stamps
    void this.#stir()
  }

  #stir(): Promise<void> {
    this.#again = true
    this.#taking ??= (async () => {
      while (this.#again && !this.#closing.signal.aborted) {
        this.#again = false
        await this.#takeOver()
      }
    })().finally(() => {
      this.#taking = undefined
    })
    return this.#taking
  }

  async #takeOver(): Promise<void> {
    const { take, onFaults, log } = this.#options
    const digest = await this.#settled()
    if (digest === undefined || digest === this.#digest) return
    this.#digest = digest
    try {
      await take()
      this.#faults = []
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'CONFIG_INVALID') {
        this.#faults = error.faults.length > 0 ? error.faults : [{ pointer: '', message: error.message }]
        onFaults(error)
        return
      }
      // Not known to be taken over: looked at again at the next round.
      this.#digest = undefined
      log.warn({ error }, 'edited policy files could not be taken over yet')
    }
  }

  /** The digest of all bytes once it is the same twice in a row; undefined when closed meanwhile. */
  async #settled(): Promise<string | undefined> {
    for (let last = digestOf(this.#options.folders); ; ) {
      await wait(LIMITS.policyFilesSettleMs, undefined, { signal: this.#closing.signal, ref: false }).catch(() => undefined)
      if (this.#closing.signal.aborted) return undefined
      const digest = digestOf(this.#options.folders)
      if (digest === last) return digest
      last = digest
    }
  }
}

const isPolicy = (name: string): boolean => name.endsWith('.cedar') || name === 'facts.yaml'

function policyFilesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter(isPolicy)
      .sort()
      .map((name) => join(folder, name))
  } catch {
    return []
  }
}

/** A file that is just being replaced is as good as absent; its folder is looked at again. */
function orAbsent(read: () => string | Buffer): string | Buffer {
  try {
    return read()
  } catch {
    return 'absent'
  }
}

/** Changes whenever a file may have been edited, without reading it. */
const stampsOf = (folders: readonly string[]): string =>
  folders
    .flatMap(policyFilesIn)
    .map((path) => {
      const stamp = orAbsent(() => {
        const { mtimeMs, size, ino } = statSync(path)
        return `${mtimeMs} ${size} ${ino}`
      })
      return `${path} ${String(stamp)}`
    })
    .join('\n')

function digestOf(folders: readonly string[]): string {
  const hash = createHash('sha256')
  for (const path of folders.flatMap(policyFilesIn)) {
    const bytes = orAbsent(() => (statSync(path).size > LIMITS.policiesBytesMax ? 'too large' : readFileSync(path)))
    hash.update(`${path}\n${bytes.length}\n`).update(bytes)
  }
  return hash.digest('hex')
}
