import { chmodSync, linkSync, mkdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GatewayError } from '../core/errors.ts'

const FILE = 'gatehouse.lock'

const has = (error: unknown, code: string): boolean => error instanceof Error && 'code' in error && error.code === code

/** What tells a process from a later one with the same pid; null where the system does not say (then the pid alone decides). */
function startIdentity(pid: number): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    // Field 22 of proc(5) stat, counted after the command name, which may hold spaces and parentheses.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return started === undefined ? null : `${boot}:${started}`
  } catch {
    return null
  }
}

function alive(pid: number, identity: string | null): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    if (!has(error, 'EPERM')) return false
  }
  const now = startIdentity(pid)
  return identity === null || now === null || identity === now
}

function readLock(file: string): { text: string; pid: number; identity: string | null } | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (has(error, 'ENOENT')) return undefined
    throw error
  }
  const found = /^([1-9][0-9]{0,9}) (\S+)\n$/.exec(text)
  if (!found)
    throw new GatewayError(
      'DATA_LOCKED',
      `the lock file \`${file}\` cannot be read: make sure that no gateway uses this directory, then delete it`,
    )
  return { text, pid: Number(found[1]), identity: found[2] === '-' ? null : (found[2] ?? null) }
}

/** Moves a dead process's lock away; another starter that was faster gets its lock back. */
function takeOver(file: string, stale: string): void {
  const aside = `${file}.${process.pid}.stale`
  try {
    renameSync(file, aside)
  } catch (error) {
    if (has(error, 'ENOENT')) return
    throw error
  }
  if (readFileSync(aside, 'utf8') !== stale) linkSync(aside, file)
  unlinkSync(aside)
}

/**
 * Makes the data directory (mode 0700) and takes its lock, so that one process uses it. A lock of a dead process is taken over. Returns the
 * function that gives it back. Throws DATA_LOCKED naming the directory, the pid and the remedy where a live process (also this one) has it.
 */
export function lockDataDirectory(dataDir: string, remedy = 'stop that gateway, choose another directory, or use PostgreSQL'): () => void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  chmodSync(dataDir, 0o700)
  const file = join(dataDir, FILE)
  const mine = `${process.pid} ${startIdentity(process.pid) ?? '-'}\n`
  const draft = `${file}.${process.pid}`
  // Written aside and linked: whoever reads the lock reads all of it.
  writeFileSync(draft, mine, { mode: 0o600 })
  try {
    for (let tries = 0; tries < 10; tries++) {
      try {
        linkSync(draft, file)
        return () => {
          if (readLock(file)?.text === mine) unlinkSync(file)
        }
      } catch (error) {
        if (!has(error, 'EEXIST')) throw error
      }
      const lock = readLock(file)
      if (lock === undefined) continue
      if (alive(lock.pid, lock.identity)) {
        throw new GatewayError('DATA_LOCKED', `the data directory \`${dataDir}\` is used by process ${lock.pid}: ${remedy}`)
      }
      takeOver(file, lock.text)
    }
    throw new GatewayError('DATA_LOCKED', `the data directory \`${dataDir}\` is being taken by several processes at once: start one`)
  } finally {
    unlinkSync(draft)
  }
}
