import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { LIMITS } from '../limits.ts'
import type { Checkpoint } from '../record/checkpoint.ts'
import { type Hash, rootHash, sameHash } from '../record/merkle.ts'
import { foldTile, hashesOf, subtreesOf, TILE_WIDTH, tilePath, tilesOf } from '../record/tile.ts'
import { tileFile } from './exported-line.ts'
import type { Faults } from './faults.ts'
import type { Removal } from './removal.ts'

const TILES_AT_ONCE = 64

/** The tiles of an export, each read when it is asked for. */
export class ExportedTiles {
  readonly #dir: string
  readonly #size: number
  readonly #faults: Faults
  readonly #read = new LRUCache<string, Promise<readonly Hash[] | null>>({ max: TILES_AT_ONCE })
  readonly #told = new Set<string>()

  constructor(dir: string, size: number, faults: Faults) {
    this.#dir = dir
    this.#size = size
    this.#faults = faults
  }

  /** Null where there is none of the width that the size of the tree calls for, which is a fault, told once. */
  tile(level: number, index: number): Promise<readonly Hash[] | null> {
    const width = Math.min(TILE_WIDTH, Math.floor(this.#size / TILE_WIDTH ** level) - index * TILE_WIDTH)
    const path = tilePath({ level, index, width })
    const known = this.#read.get(path)
    if (known) return known
    const made = this.#load(path, width).catch((error: unknown) => {
      if (!this.#told.has(path))
        this.#faults.add(
          'tile',
          index * TILE_WIDTH ** (level + 1),
          `\`${tileFile(path)}\` ${error instanceof RangeError ? error.message : 'is not there'}`,
        )
      this.#told.add(path)
      return null
    })
    this.#read.set(path, made)
    return made
  }

  /** Root of the first `size` entries. Throws RangeError where tiles are missing. */
  root(size: number): Promise<Hash> {
    return rootHash(
      subtreesOf(async (level, index) => (await this.tile(level, index)) ?? []),
      size,
    )
  }

  async #load(path: string, width: number): Promise<readonly Hash[]> {
    const hashes = hashesOf(await readFile(join(this.#dir, tileFile(path))))
    if (hashes.length !== width) throw new RangeError(`has ${hashes.length} hashes and not ${width}`)
    return hashes
  }
}

/** Every tile is what the one below it comes to, and all of them to the root that is signed. */
export async function checkTiles(tiles: ExportedTiles, { size, root }: Checkpoint, faults: Faults): Promise<void> {
  const before = faults.count
  for (const { level, index, width } of tilesOf(size)) {
    // A size that somebody made up has more tiles than anybody could name.
    if (faults.count - before >= LIMITS.auditFaultsMax) break
    const hashes = await tiles.tile(level, index)
    if (level === 0 || !hashes) continue
    for (let at = 0; at < width; at += 1) {
      const below = await tiles.tile(level - 1, index * TILE_WIDTH + at)
      if (below && !sameHash(foldTile(below), hashes[at] as Hash))
        faults.add(
          'tile',
          (index * TILE_WIDTH + at) * TILE_WIDTH ** level,
          `a hash of \`${tileFile(tilePath({ level, index, width }))}\` is not that of the tile below it`,
        )
    }
  }
  const own = await tiles.root(size).catch(() => undefined)
  if (own && !sameHash(own, root)) faults.add('root', null, 'the tiles do not add up to the root that the checkpoint signs')
  else if (!own && faults.count === before) faults.add('root', null, 'the tiles do not reach up to a root')
}

/** The tree of an older checkpoint is the beginning of this one. */
export async function checkConsistency(tiles: ExportedTiles, older: Checkpoint, newer: Checkpoint, faults: Faults): Promise<void> {
  if (older.size > newer.size) {
    faults.add('consistency', newer.size, `the older checkpoint has ${older.size} entries and this one ${newer.size}: the log was cut off`)
    return
  }
  const root = await tiles.root(older.size).catch(() => undefined)
  if (!root || !sameHash(root, older.root))
    faults.add(
      'consistency',
      null,
      `the first ${older.size} entries are not those that the older checkpoint signs: the log was written anew`,
    )
}

/** The log that an entry says something was removed of is this one. */
export async function checkRemoval(
  tiles: ExportedTiles,
  { index, floor, checkpoint: { size, root } }: Removal,
  newer: Checkpoint,
  faults: Faults,
): Promise<void> {
  const own = floor <= size && size <= Math.min(index, newer.size) ? await tiles.root(size).catch(() => undefined) : undefined
  if (!own || Buffer.from(own).toString('base64') !== root)
    faults.add('consistency', index, `the removal of the entries before ${floor} was announced in another log, or not after them`)
}
