import { GatewayError } from '../core/errors.ts'
import { type Hash, HASH_BYTES } from './merkle.ts'
import { type KnownSignature, type NoteSigner, type NoteVerifier, openNote, signNote } from './signed-note.ts'

/** What a log says of itself at one size (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** The log's name. */
  origin: string
  /** Entries. */
  size: number
  root: Hash
}

/** The text that is signed: three lines, no extension. */
export const checkpointText = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`

export const signCheckpoint = (checkpoint: Checkpoint, signers: readonly NoteSigner[]): string =>
  signNote(checkpointText(checkpoint), signers)

/** Reads a checkpoint's text. Extension lines are passed over. Throws BAD_INPUT. */
export function parseCheckpointText(text: string): Checkpoint {
  const [origin = '', size = '', encoded = '', ...rest] = text.split('\n')
  const root = Buffer.from(encoded, 'base64')
  const isSize = /^(0|[1-9]\d*)$/.test(size) && Number.isSafeInteger(Number(size))
  const isRoot = root.length === HASH_BYTES && root.toString('base64') === encoded
  // The text ends in a newline; lines between are extensions, and none of them is empty.
  const isEnded = rest.at(-1) === '' && rest.slice(0, -1).every((line) => line !== '')
  if (origin === '' || !isSize || !isRoot || !isEnded)
    throw new GatewayError('BAD_INPUT', 'this is no checkpoint: its text is not origin, size and root, each on a line')
  return { origin, size: Number(size), root }
}

/** A checkpoint that a trusted key signed. `origin`: whose it must be. Throws BAD_INPUT. */
export function openCheckpoint(
  note: string,
  known: readonly NoteVerifier[],
  origin: string,
): Checkpoint & { text: string; signatures: readonly KnownSignature[] } {
  const { text, signatures } = openNote(note, known)
  const checkpoint = parseCheckpointText(text)
  if (checkpoint.origin !== origin)
    throw new GatewayError('BAD_INPUT', `this is a checkpoint of \`${checkpoint.origin}\`, not of \`${origin}\``)
  return { ...checkpoint, text, signatures }
}
