import { GatewayError } from '../core/errors.ts'
import { openCheckpoint } from './checkpoint.ts'
import { type Hash, HASH_BYTES, verifyInclusion } from './merkle.ts'
import type { NoteVerifier } from './signed-note.ts'

/** That an entry is in a log, for who has the log's key and nothing else (C2SP tlog-proof). */
export interface TlogProof {
  /** Of the entry, from 0. */
  index: number
  /** From the leaf's sibling up. */
  path: readonly Hash[]
  /** A signed checkpoint, verbatim. */
  checkpoint: string
}

const HEADER = 'c2sp.org/tlog-proof@v1'
/** A tree of 2^53 entries is not higher. */
const PATH_MAX = 53

export const formatProof = ({ index, path, checkpoint }: TlogProof): string =>
  [HEADER, `index ${index}`, ...path.map((hash) => Buffer.from(hash).toString('base64')), '', checkpoint].join('\n')

/** Reads a proof; opaque extra data is passed over. Throws BAD_INPUT. */
export function parseProof(text: string): TlogProof {
  const end = text.indexOf('\n\n')
  const [header, ...lines] = text.slice(0, Math.max(end, 0)).split('\n')
  if (lines[0]?.startsWith('extra ')) lines.shift()
  const [, index] = /^index (0|[1-9]\d*)$/.exec(lines.shift() ?? '') ?? []
  const path = lines.map((line) => Buffer.from(line, 'base64'))
  const isPath = path.length <= PATH_MAX && path.every((hash, at) => hash.length === HASH_BYTES && hash.toString('base64') === lines[at])
  if (end < 0 || header !== HEADER || index === undefined || !Number.isSafeInteger(Number(index)) || !isPath)
    throw new GatewayError('BAD_INPUT', `this is no proof in the format ${HEADER}`)
  return { index: Number(index), path, checkpoint: text.slice(end + 2) }
}

/** The checkpoint under which the entry with this leaf hash was logged. Throws BAD_INPUT where the proof does not show that. */
export function verifyProof(text: string, leaf: Hash, known: readonly NoteVerifier[], origin: string) {
  const { index, path, checkpoint } = parseProof(text)
  const opened = openCheckpoint(checkpoint, known, origin)
  if (!verifyInclusion(index, opened.size, leaf, path, opened.root))
    throw new GatewayError('BAD_INPUT', `the entry is not at index ${index} of the tree that this proof's checkpoint signs`)
  return { index, ...opened }
}
