import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GatewayError } from '../core/errors.ts'
import { type Checkpoint, openCheckpoint } from '../record/checkpoint.ts'
import { timedSignature } from '../record/cosignature.ts'
import type { NoteVerifier } from '../record/signed-note.ts'
import { writeDurably } from './durable-file.ts'

/** The checkpoint of a log that a witness cosigned last. */
export interface Kept extends Checkpoint {
  /** With the signatures of the log and of the witness. */
  note: string
  /** Of the cosignature, in seconds since the Unix epoch. */
  seconds: number
}

/** A log's name among the files of a witness and in its addresses (C2SP tlog-witness, "Monitor Retrieval Mechanism"). */
export const originHash = (origin: string): string => createHash('sha256').update(origin).digest('hex')

/** What a witness remembers: one file a log, which is the checkpoint as it was cosigned. */
export class KeptCheckpoints {
  readonly #dir: string
  readonly #own: NoteVerifier
  readonly #kept = new Map<string, Kept>()

  private constructor(dir: string, own: NoteVerifier) {
    this.#dir = dir
    this.#own = own
  }

  /** Reads what is kept of these logs. Throws CONFIG_INVALID where a file is not what this witness wrote: it cannot know any more what it cosigned. */
  static async open(dataDir: string, origins: Iterable<string>, own: NoteVerifier): Promise<KeptCheckpoints> {
    const dir = join(dataDir, 'checkpoints')
    await mkdir(dir, { recursive: true, mode: 0o700 })
    const made = new KeptCheckpoints(dir, own)
    for (const origin of origins) await made.#load(origin)
    return made
  }

  get(origin: string): Kept | undefined {
    return this.#kept.get(origin)
  }

  /** Durable once it resolves. Where it throws, what was kept before is still in force. */
  async put(kept: Kept): Promise<void> {
    await writeDurably(this.#file(kept.origin), kept.note)
    this.#kept.set(kept.origin, kept)
  }

  #file(origin: string): string {
    return join(this.#dir, originHash(origin))
  }

  async #load(origin: string): Promise<void> {
    const file = this.#file(origin)
    const note = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (note === undefined) return
    try {
      const { size, root, signatures } = openCheckpoint(note, [this.#own], origin)
      const timed = timedSignature(signatures[0]?.bytes ?? new Uint8Array())
      if (timed) this.#kept.set(origin, { origin, size, root, note, seconds: timed.seconds })
    } catch (cause) {
      throw new GatewayError(
        'CONFIG_INVALID',
        `\`${file}\` is not the checkpoint of \`${origin}\` that this witness cosigned last: put that back, or begin anew with another key in another directory`,
        { cause },
      )
    }
  }
}
