import { GatewayError } from '../core/errors.ts'
import type { GrowLog, LogEdge } from '../ports/log.ts'
import { type Checkpoint, openCheckpoint, signCheckpoint } from './checkpoint.ts'
import { leafOf } from './leaf.ts'
import { type Hash, leafHash, rootHash, sameHash } from './merkle.ts'
import type { NoteSigner, NoteVerifier } from './signed-note.ts'
import { foldTile, subtreesOf, TILE_WIDTH } from './tile.ts'

/**
 * Grows the log of this origin: hashes the leaves, closes the tiles that became full, and signs the checkpoint of the new size. Nothing is signed upon a tree
 * that is not the one whose checkpoint these keys signed last: who can write to the database cannot have a history of their own signed. `kept` is a
 * checkpoint from outside the database: a smaller log is refused.
 */
export function growLog(origin: string, signers: readonly NoteSigner[], kept: () => Checkpoint | undefined = () => undefined): GrowLog {
  let known: LogEdge | undefined
  return async (edge, entries) => {
    // What this process made itself needs no second look.
    if (!known || !sameEdge(known, edge)) await proveEdge(edge, origin, signers)
    refuseOlder(edge.size, kept())
    const leaves = entries.map((entry) => leafHash(leafOf(entry)))
    const levels: Hash[][] = edge.levels.map((level) => [...level])
    const full: { level: number; index: number; hash: Hash }[] = []
    const size = edge.size + leaves.length
    let added: readonly Hash[] = leaves
    for (let level = 0, count = edge.size; added.length > 0; level += 1, count = Math.floor(count / TILE_WIDTH)) {
      const tile = [...(levels[level] ?? []), ...added]
      const closed: Hash[] = []
      for (; tile.length >= TILE_WIDTH; closed.push(foldTile(tile.splice(0, TILE_WIDTH)))) {}
      levels[level] = tile
      const first = Math.floor(count / TILE_WIDTH)
      for (const [at, hash] of closed.entries()) full.push({ level: level + 1, index: first + at, hash })
      added = closed
    }
    const checkpoint = signCheckpoint({ origin, size, root: await edgeRoot(levels, size) }, signers)
    known = { size, levels, checkpoint }
    return { leaves, full, size, checkpoint }
  }
}

const edgeRoot = (levels: LogEdge['levels'], size: number): Promise<Hash> =>
  rootHash(
    subtreesOf((level) => Promise.resolve(levels[level] ?? [])),
    size,
  )

function sameEdge(a: LogEdge, b: LogEdge): boolean {
  const sameLevel = (level: readonly Hash[], other: readonly Hash[] = []): boolean =>
    level.length === other.length && level.every((hash, at) => sameHash(hash, other[at] ?? new Uint8Array()))
  return (
    a.size === b.size &&
    a.checkpoint === b.checkpoint &&
    a.levels.length === b.levels.length &&
    a.levels.every((level, at) => sameLevel(level, b.levels[at]))
  )
}

const REMEDY = 'nothing is signed upon it until it is put back'

async function proveEdge({ size, levels, checkpoint }: LogEdge, origin: string, keys: readonly NoteVerifier[]): Promise<void> {
  if (size === 0 && checkpoint === null) return
  const signed = openOwn(checkpoint, keys, origin)
  const root = await edgeRoot(levels, size).catch(() => undefined)
  if (signed.size !== size || !root || !sameHash(root, signed.root))
    throw new GatewayError(
      'RECORD_ALTERED',
      `the tree of ${size} entries in the database (\`log_hash\`) is not the one of ${signed.size} entries that this gateway signed: somebody altered it: ${REMEDY}`,
    )
}

/** A checkpoint out of the database, by the gateway's own key. Throws RECORD_ALTERED. */
export function openOwn(note: string | null, keys: readonly NoteVerifier[], origin: string): Checkpoint {
  try {
    return openCheckpoint(note ?? '', keys, origin)
  } catch (cause) {
    const why = cause instanceof GatewayError ? cause.message : 'unreadable'
    const message = `the checkpoint in the database (\`log_state\`) is none of \`${origin}\` by this gateway’s key: ${why}: ${REMEDY}`
    throw new GatewayError('RECORD_ALTERED', message, { cause })
  }
}

/** Throws RECORD_ALTERED where the log is smaller than a checkpoint that was kept of it. */
export function refuseOlder(size: number, kept: Checkpoint | undefined): void {
  if (!kept || size >= kept.size) return
  throw new GatewayError(
    'RECORD_ALTERED',
    `the log in the database has ${size} entries and is older than what this gateway signed at ${kept.size} entries: it was rolled back or replaced: ${REMEDY}`,
  )
}
