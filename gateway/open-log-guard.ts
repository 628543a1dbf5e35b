import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { GatewayError } from './core/errors.ts'
import type { LogStore } from './ports/log.ts'
import type { Recorder } from './ports/recorder.ts'
import type { Checkpoint } from './record/checkpoint.ts'
import { type KeptCheckpoint, LogGuard } from './record/log-guard.ts'
import type { NoteVerifier } from './record/signed-note.ts'
import type { RunningTelemetry } from './telemetry/telemetry.ts'
import { writeDurably } from './witness/durable-file.ts'

export interface LogGuardDeps {
  store: LogStore
  signer: NoteVerifier
  dataDir: string
  /** Why the database may be older than what was signed; null where it may not. */
  restored: string | null
  recorder: Pick<Recorder, 'note'>
  telemetry: Pick<RunningTelemetry, 'log' | 'count' | 'gauge'>
}

/**
 * Looks once whether the log in the database goes on from what this gateway signed, then from time to time. Throws RECORD_ALTERED where it does not,
 * UNAVAILABLE.
 */
export async function openLogGuard({ store, signer, dataDir, restored, recorder, telemetry }: LogGuardDeps): Promise<LogGuard> {
  const { log } = telemetry
  const guard = new LogGuard({
    ...{ store, key: signer, kept: keptIn(dataDir), log },
    onAltered: () => telemetry.count('record_altered', { what: 'entry' }),
  })
  telemetry.gauge('log_broken', () => Number(guard.broken !== undefined))
  if (restored !== null) {
    const tell = (from: Checkpoint, to: Checkpoint | undefined): Promise<void> =>
      recorder.note(null, { kind: 'log.restored', from: said(from), to: to ? said(to) : null, by: 'local', why: restored })
    if (!(await guard.acceptOlder(tell)))
      log.warn({}, '`--restored` was given, but the database is not older than what was signed of its log')
  }
  await guard.compare().catch((error: unknown) => {
    if (!(error instanceof GatewayError) || error.code !== 'RECORD_ALTERED') throw error
    const remedy = 'put the database back as it was; or, where it was restored from a backup, start once with `--restored WHY`'
    throw new GatewayError('RECORD_ALTERED', `${error.message}: ${remedy}`, { cause: error })
  })
  guard.start()
  return guard
}

const said = ({ size, root }: Checkpoint): { size: number; root: string } => ({ size, root: Buffer.from(root).toString('base64') })

/** Beside the vault key: whoever replaces the database does not replace this. */
function keptIn(dataDir: string): KeptCheckpoint {
  const file = join(dataDir, 'log.checkpoint')
  return {
    read: () =>
      readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      }),
    write: (note) => writeDurably(file, note),
    putAside: (size) => rename(file, `${file}.${size}`),
  }
}
