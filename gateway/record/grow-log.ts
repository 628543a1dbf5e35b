import type { GrowLog } from '../ports/log.ts'
import { signCheckpoint } from './checkpoint.ts'
import { leafOf } from './leaf.ts'
import { type Hash, leafHash, rootHash } from './merkle.ts'
import type { NoteSigner } from './signed-note.ts'
import { foldTile, subtreesOf, TILE_WIDTH } from './tile.ts'

/** Grows the log of this origin: hashes the leaves, closes the tiles that became full, and signs the checkpoint of the new size. */
export const growLog =
  (origin: string, signers: readonly NoteSigner[]): GrowLog =>
  async (edge, entries) => {
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
    const root = await rootHash(
      subtreesOf((level) => Promise.resolve(levels[level] ?? [])),
      size,
    )
    return { leaves, full, size, checkpoint: signCheckpoint({ origin, size, root }, signers) }
  }
