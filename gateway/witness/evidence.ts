import { createHash } from 'node:crypto'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LIMITS } from '../limits.ts'
import { originHash } from './kept-checkpoints.ts'

/** Two notes of a log that were not shown to be of one tree. */
export interface Conflict {
  origin: string
  /** `fork`: two trees of one size, proved by the log's own signatures. `unproven`: the proof that one goes on from the other does not verify. */
  kind: 'fork' | 'unproven'
  /** The checkpoint that was cosigned, and the one that was refused, with what was to show that it goes on from there. */
  cosigned: string
  refused: string
  old: number
  proof: readonly string[]
  /** Text of the refused checkpoint. */
  text: string
  at: string
}

/** What a witness keeps of refusals, for people: a file each, the first of each log and kind. */
export class Evidence {
  readonly #dir: string

  constructor(dataDir: string) {
    this.#dir = join(dataDir, 'evidence')
  }

  /** The file that has it; null where there are too many already. */
  async keep({ origin, kind, text, ...notes }: Conflict): Promise<string | null> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 })
    const prefix = `${kind}-${originHash(origin).slice(0, 16)}-`
    const file = `${prefix}${createHash('sha256').update(text).digest('hex').slice(0, 16)}.json`
    const names = (await readdir(this.#dir)).filter((name) => name.startsWith(prefix))
    if (!names.includes(file)) {
      if (names.length >= LIMITS.witnessEvidenceFilesMax) return null
      await writeFile(join(this.#dir, file), `${JSON.stringify({ origin, kind, ...notes }, null, 2)}\n`, { mode: 0o600, flush: true })
    }
    return join(this.#dir, file)
  }
}
