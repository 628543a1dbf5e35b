import { type Hash, HASH_BYTES, nodeHash, type SubtreeReader } from './merkle.ts'

/** Hashes in a full tile, and how many tiles of a level one of the next covers (C2SP tlog-tiles). */
export const TILE_WIDTH = 256

const TILE_HEIGHT = 8

/** A sequence of hashes at one level of the tree, `width` of them: below `TILE_WIDTH` at the right edge only. */
export interface TileAddress {
  level: number
  index: number
  width: number
}

/** `x001/x234/067`: three digits an element, an `x` before all but the last (C2SP tlog-tiles, "Merkle Tree"). */
function indexPath(index: number): string {
  const digits = String(index)
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0')
  return (padded.match(/.{3}/g) ?? []).map((part, at, all) => (at < all.length - 1 ? `x${part}` : part)).join('/')
}

const suffix = (width: number): string => (width === TILE_WIDTH ? '' : `.p/${width}`)

/** Below the log's prefix. */
export const tilePath = ({ level, index, width }: TileAddress): string => `tile/${level}/${indexPath(index)}${suffix(width)}`

export const bundlePath = (index: number, width: number): string => `tile/entries/${indexPath(index)}${suffix(width)}`

const PATH = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/

/** What a path below the prefix asks for; undefined where no tile has that path. */
export function parseTilePath(path: string): TileAddress | { level: 'entries'; index: number; width: number } | undefined {
  const [, kind, elements, partial] = PATH.exec(path) ?? []
  if (kind === undefined || elements === undefined) return undefined
  const level = kind === 'entries' ? kind : Number(kind)
  const index = Number(elements.replaceAll(/[x/]/g, ''))
  const width = partial === undefined ? TILE_WIDTH : Number(partial)
  const canonical = Number.isSafeInteger(index) && indexPath(index) === elements
  if (!canonical || (partial !== undefined && width >= TILE_WIDTH) || (level !== 'entries' && level > 63)) return undefined
  return { level, index, width } as TileAddress
}

/** The tiles of a tree of this size, by level; those with `from` entries before it are left out where they were full then. */
export function* tilesOf(size: number, from = 0): Generator<TileAddress> {
  for (let level = 0, span = 1; Math.floor(size / span) > 0; level += 1, span *= TILE_WIDTH) {
    const hashes = Math.floor(size / span)
    const first = Math.floor(Math.floor(from / span) / TILE_WIDTH)
    for (let index = first; index * TILE_WIDTH < hashes; index += 1)
      yield { level, index, width: Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH) }
  }
}

/** The hashes of a tile's bytes, in order. Throws where that is not whole. */
export function hashesOf(bytes: Uint8Array): Hash[] {
  if (bytes.length === 0 || bytes.length % HASH_BYTES !== 0) throw new RangeError(`a tile of ${bytes.length} bytes holds no whole hashes`)
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, at) => bytes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES))
}

/** The root over hashes of complete subtrees, a power of two of them: of a full tile, its hash in the level above. */
export function foldTile(hashes: readonly Hash[]): Hash {
  let level = hashes
  while (level.length > 1) {
    const above: Hash[] = []
    for (let at = 0; at + 1 < level.length; at += 2) above.push(nodeHash(level[at] as Hash, level[at + 1] as Hash))
    level = above
  }
  return level[0] as Hash
}

/** Reads complete subtrees out of the tiles of a tree. `tile` answers with at least the hashes that the tree's size calls for. */
export const subtreesOf =
  (tile: (level: number, index: number) => Promise<readonly Hash[]>): SubtreeReader =>
  async (height, index) => {
    const level = Math.floor(height / TILE_HEIGHT)
    const width = 2 ** (height % TILE_HEIGHT)
    const first = index * width
    const hashes = await tile(level, Math.floor(first / TILE_WIDTH))
    const from = first % TILE_WIDTH
    if (hashes.length < from + width)
      throw new RangeError(`tile ${level}/${Math.floor(first / TILE_WIDTH)} has only ${hashes.length} hashes`)
    return foldTile(hashes.slice(from, from + width))
  }
