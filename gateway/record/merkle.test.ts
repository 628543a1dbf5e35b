import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  consistencyProof,
  EMPTY_ROOT,
  type Hash,
  inclusionProof,
  leafHash,
  nodeHash,
  rootHash,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts'
import { hashesOf, subtreesOf, TILE_WIDTH, tilesOf } from './tile.ts'

const LEAVES = Array.from({ length: 1_200 }, (_, at) => leafHash(Buffer.from(`entry ${at}`)))

/** MTH straight from its definition (RFC 6962 section 2.1). */
function defined(leaves: readonly Hash[]): Hash {
  if (leaves.length === 0) return createHash('sha256').digest()
  if (leaves.length === 1) return leaves[0] as Hash
  const k = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1)
  return nodeHash(defined(leaves.slice(0, k)), defined(leaves.slice(k)))
}

/** The tiles of the first `size` leaves, made from the leaves alone, as bytes. */
function tiles(size: number): ReadonlyMap<string, Uint8Array> {
  return new Map(
    [...tilesOf(size)].map(({ level, index, width }) => {
      const span = TILE_WIDTH ** level
      const hashes = Array.from({ length: width }, (_, at) => {
        const from = (index * TILE_WIDTH + at) * span
        return defined(LEAVES.slice(from, from + span))
      })
      return [`${level}/${index}`, Buffer.concat(hashes)]
    }),
  )
}

const readerOf = (size: number) => {
  const held = tiles(size)
  return subtreesOf((level, index) => Promise.resolve(hashesOf(held.get(`${level}/${index}`) ?? new Uint8Array())))
}

const sizes = fc.integer({ min: 1, max: LEAVES.length })

test('the root of tiles is the root of the definition', async () => {
  expect(await rootHash(readerOf(0), 0)).toEqual(EMPTY_ROOT)
  for (const size of [1, 2, 3, 255, 256, 257, 511, 512, 513, 1_200])
    expect(Buffer.from(await rootHash(readerOf(size), size)).toString('hex'), String(size)).toBe(
      Buffer.from(defined(LEAVES.slice(0, size))).toString('hex'),
    )
})

test('every entry is proved to be in, at its own place only', async () => {
  await fc.assert(
    fc.asyncProperty(sizes, fc.nat(), fc.nat(), async (size, a, b) => {
      const [index, other] = [a % size, b % size]
      const root = defined(LEAVES.slice(0, size))
      const proof = await inclusionProof(readerOf(size), index, size)
      const leaf = LEAVES[index] as Hash
      expect(verifyInclusion(index, size, leaf, proof, root)).toBe(true)
      if (other !== index) {
        expect(verifyInclusion(other, size, leaf, proof, root)).toBe(false)
        expect(verifyInclusion(index, size, LEAVES[other] as Hash, proof, root)).toBe(false)
      }
    }),
    { numRuns: 60 },
  )
})

test('every tree is proved to begin with each before it, and with no other', async () => {
  await fc.assert(
    fc.asyncProperty(sizes, sizes, async (a, b) => {
      const [older, newer] = [Math.min(a, b), Math.max(a, b)]
      const proof = await consistencyProof(readerOf(newer), older, newer)
      const [before, after] = [defined(LEAVES.slice(0, older)), defined(LEAVES.slice(0, newer))]
      const forged = defined([leafHash(Buffer.from('forged')), ...LEAVES.slice(1, older)])
      expect(verifyConsistency(older, newer, before, after, proof)).toBe(true)
      expect(verifyConsistency(older, newer, forged, after, proof)).toBe(false)
      expect(verifyConsistency(older, newer, before, forged, proof)).toBe(false)
    }),
    { numRuns: 60 },
  )
})
