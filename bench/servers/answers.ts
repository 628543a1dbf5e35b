import { Session } from 'node:inspector/promises'
import { type ProfileSummary, summarise } from '../profile.ts'

/** What the harness may ask of a process under test, and what comes back. */
export interface Usage {
  /** User and system time since the process began, milliseconds. */
  cpuMs: number
  rssMiB: number
}

export type Ask = { ask: 'usage' } | { ask: 'profile-start' } | { ask: 'profile-stop' }

const MICROS_PER_SAMPLE = 200

// Loading this module is enough: it answers the harness over the IPC channel.
let session: Session | undefined

async function answer({ ask }: Ask): Promise<Usage | ProfileSummary | null> {
  if (ask === 'usage') {
    const { user, system } = process.cpuUsage()
    return { cpuMs: (user + system) / 1_000, rssMiB: process.memoryUsage.rss() / 1_048_576 }
  }
  if (ask === 'profile-start') {
    session = new Session()
    session.connect()
    await session.post('Profiler.enable')
    await session.post('Profiler.setSamplingInterval', { interval: MICROS_PER_SAMPLE })
    await session.post('Profiler.start')
    return null
  }
  if (!session) throw new Error('no profile was started')
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  return summarise(profile)
}

process.on('message', (message: Ask) => {
  answer(message).then(
    (value) => process.send?.({ value }),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})

/** Says where this process listens. Calls `close` once the harness lets go. */
export function ready(url: string, more: Record<string, string> = {}, close: () => Promise<unknown> = () => Promise.resolve()): void {
  process.on('disconnect', () => void close().finally(() => process.exit(0)))
  process.send?.({ value: { url, ...more } })
}
