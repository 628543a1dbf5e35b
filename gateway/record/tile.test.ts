import { expect, test } from 'vitest'
import { bundlePath, parseTilePath, tilePath, tilesOf } from './tile.ts'

test.each([
  [{ level: 0, index: 0, width: 256 }, 'tile/0/000'],
  [{ level: 0, index: 0, width: 1 }, 'tile/0/000.p/1'],
  [{ level: 1, index: 999, width: 256 }, 'tile/1/999'],
  [{ level: 0, index: 1_000, width: 255 }, 'tile/0/x001/000.p/255'],
  [{ level: 0, index: 1_234_067, width: 256 }, 'tile/0/x001/x234/067'],
] as const)('%o lies at %s', (address, path) => {
  expect(tilePath(address)).toBe(path)
  expect(parseTilePath(path)).toEqual(address)
})

test('entries lie in bundles', () => {
  expect(bundlePath(1_234_067, 12)).toBe('tile/entries/x001/x234/067.p/12')
  expect(parseTilePath('tile/entries/x001/x234/067.p/12')).toEqual({ level: 'entries', index: 1_234_067, width: 12 })
})

test.each([
  'tile/0/0',
  'tile/00/000',
  'tile/64/000',
  'tile/0/001/000',
  'tile/0/x000/001',
  'tile/0/x001/x000',
  'tile/0/000.p/0',
  'tile/0/000.p/256',
  'tile/0/000.p/01',
  'tile/0/000/',
  'tile/-1/000',
  'tile/0/../000',
  'tile/entries/',
  `tile/0/${'x999/'.repeat(6)}999`,
])('%s is no path of a tile', (path) => {
  expect(parseTilePath(path)).toBeUndefined()
})

// The example of C2SP tlog-tiles, "Partial Tiles".
test('a tree of 70,000 entries has 273 full tiles of leaves and a partial one, and so on up', () => {
  const tiles = [...tilesOf(70_000)]
  const at = (level: number) => tiles.filter((tile) => tile.level === level)
  expect(at(0)).toHaveLength(274)
  expect(at(0).at(-1)).toEqual({ level: 0, index: 273, width: 112 })
  expect(at(1)).toEqual([
    { level: 1, index: 0, width: 256 },
    { level: 1, index: 1, width: 17 },
  ])
  expect(at(2)).toEqual([{ level: 2, index: 0, width: 1 }])
  expect(at(3)).toEqual([])
})

test('a tree of 256 entries has a full tile and one hash above it', () => {
  expect([...tilesOf(256)]).toEqual([
    { level: 0, index: 0, width: 256 },
    { level: 1, index: 0, width: 1 },
  ])
})

test('what grew since a size is what has to be written', () => {
  expect([...tilesOf(600, 513)]).toEqual([
    { level: 0, index: 2, width: 88 },
    { level: 1, index: 0, width: 2 },
  ])
})
