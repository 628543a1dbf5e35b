import { createHash } from 'node:crypto'

/** SHA-256, 32 bytes. */
export type Hash = Uint8Array

export const HASH_BYTES = 32

const sha256 = (...parts: readonly Uint8Array[]): Hash => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

/** MTH of one entry: SHA-256(0x00 || entry) (RFC 6962 section 2.1). */
export const leafHash = (entry: Uint8Array): Hash => sha256(LEAF, entry)

/** SHA-256(0x01 || left || right) (RFC 6962 section 2.1). */
export const nodeHash = (left: Hash, right: Hash): Hash => sha256(NODE, left, right)

/** MTH of no entries: SHA-256 of nothing (RFC 6962 section 2.1). */
export const EMPTY_ROOT: Hash = sha256()

/** MTH of the entries from `index * 2^height` on, `2^height` of them: a complete subtree, all of it below the size that was asked about. */
export type SubtreeReader = (height: number, index: number) => Promise<Hash>

/** The largest power of two below `n`, which is at least 2. */
function split(n: number): number {
  let width = 1
  while (width * 2 < n) width *= 2
  return width
}

const heightOf = (width: number): number | undefined => {
  const height = Math.round(Math.log2(width))
  return 2 ** height === width ? height : undefined
}

/** MTH(D[from:to]). `from` is where the tree itself splits, so whatever is a power of two wide is complete. */
async function rangeHash(read: SubtreeReader, from: number, to: number): Promise<Hash> {
  const height = heightOf(to - from)
  if (height !== undefined) return read(height, from / (to - from))
  const middle = from + split(to - from)
  return nodeHash(await rangeHash(read, from, middle), await rangeHash(read, middle, to))
}

/** Root of the first `size` entries. */
export const rootHash = (read: SubtreeReader, size: number): Promise<Hash> =>
  size === 0 ? Promise.resolve(EMPTY_ROOT) : rangeHash(read, 0, size)

/** PATH(index, D[size]), from the leaf's sibling up (RFC 6962 section 2.1.1). `index` is below `size`. */
export async function inclusionProof(read: SubtreeReader, index: number, size: number): Promise<Hash[]> {
  const siblings: [number, number][] = []
  let [from, to] = [0, size]
  while (to - from > 1) {
    const middle = from + split(to - from)
    siblings.push(index < middle ? [middle, to] : [from, middle])
    if (index < middle) to = middle
    else from = middle
  }
  return Promise.all(siblings.reverse().map(([a, b]) => rangeHash(read, a, b)))
}

/** PROOF(older, D[newer]) (RFC 6962 section 2.1.2); empty where the sizes are equal or nothing was in the older tree. */
export async function consistencyProof(read: SubtreeReader, older: number, newer: number): Promise<Hash[]> {
  if (older === 0 || older === newer) return []
  const ranges: [number, number][] = []
  let [from, to] = [0, newer]
  while (to !== older) {
    const middle = from + split(to - from)
    ranges.push(older <= middle ? [middle, to] : [from, middle])
    if (older <= middle) to = middle
    else from = middle
  }
  // Where the older tree is a subtree as it stands, its root is known to who asks.
  if (from !== 0) ranges.push([from, to])
  return Promise.all(ranges.reverse().map(([a, b]) => rangeHash(read, a, b)))
}

const isSize = (n: number): boolean => Number.isSafeInteger(n) && n >= 0
const half = (n: number): number => Math.floor(n / 2)
const isOdd = (n: number): boolean => n % 2 === 1
export const sameHash = (a: Hash, b: Hash): boolean => Buffer.compare(a, b) === 0

/** Whether an entry with this leaf hash stands at `index` in the tree of `size` entries with this root (RFC 9162 section 2.1.3.2). */
export function verifyInclusion(index: number, size: number, leaf: Hash, proof: readonly Hash[], root: Hash): boolean {
  if (!isSize(index) || !isSize(size) || index >= size || !areHashes([leaf, root, ...proof])) return false
  let [at, last] = [index, size - 1]
  let hash = leaf
  for (const sibling of proof) {
    if (last === 0) return false
    if (isOdd(at) || at === last) {
      hash = nodeHash(sibling, hash)
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)]
    } else hash = nodeHash(hash, sibling)
    ;[at, last] = [half(at), half(last)]
  }
  return last === 0 && sameHash(hash, root)
}

/** The entries from `start` to before `end`, where they are a node of some tree: `start` is a multiple of the power of two that holds them. */
export interface Subtree {
  start: number
  end: number
}

function isSubtree({ start, end }: Subtree): boolean {
  if (!isSize(start) || !isSize(end) || start >= end) return false
  const width = end - start
  return start % (heightOf(width) === undefined ? 2 * split(width) : width) === 0
}

/** The same within a subtree: `index` counts from the tree's first entry (draft-ietf-plants-merkle-tree-certs section 4.3). */
export const verifySubtreeInclusion = (index: number, subtree: Subtree, leaf: Hash, proof: readonly Hash[], root: Hash): boolean =>
  isSubtree(subtree) && verifyInclusion(index - subtree.start, subtree.end - subtree.start, leaf, proof, root)

/**
 * Whether the tree of `newer` entries begins with the tree of `older` ones (RFC 9162 section 2.1.4.2). Every tree begins with the empty one, which needs
 * no proof and is refused here: it would say nothing of either root.
 */
export const verifyConsistency = (older: number, newer: number, olderRoot: Hash, newerRoot: Hash, proof: readonly Hash[]): boolean =>
  older > 0 && verifySubtreeConsistency({ start: 0, end: older }, newer, olderRoot, newerRoot, proof)

/** Whether a subtree is part of the tree of `size` entries (draft-ietf-plants-merkle-tree-certs section 4.4). An empty one is part of every tree. */
export function verifySubtreeConsistency(subtree: Subtree, size: number, subtreeRoot: Hash, root: Hash, proof: readonly Hash[]): boolean {
  if (!isSize(size) || !isSize(subtree.start) || subtree.end > size || !areHashes(proof)) return false
  if (subtree.start === subtree.end) return proof.length === 0 && sameHash(subtreeRoot, EMPTY_ROOT)
  if (!isSubtree(subtree)) return false
  let [from, to, last] = [subtree.start, subtree.end - 1, size - 1]
  const isAtEdge = to === last
  const up = (): void => {
    ;[from, to, last] = [half(from), half(to), half(last)]
  }
  while (from !== to && (isAtEdge || isOdd(to))) up()
  const [first, ...rest] = from === to ? [subtreeRoot, ...proof] : proof
  if (!first || (rest.length > 0 && first.length !== HASH_BYTES)) return false
  let [inner, outer] = [first, first]
  for (const hash of rest) {
    if (last === 0) return false
    if (isOdd(to) || to === last) {
      if (from < to) inner = nodeHash(hash, inner)
      outer = nodeHash(hash, outer)
      while (!isOdd(to) && to !== 0) up()
    } else outer = nodeHash(outer, hash)
    up()
  }
  return last === 0 && sameHash(inner, subtreeRoot) && sameHash(outer, root)
}

const areHashes = (hashes: readonly Hash[]): boolean => hashes.every((hash) => hash.length === HASH_BYTES)
