import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Leaf, readLeaf } from '../audit/exported-entry.ts'
import { type ExportedLine, lineText, tileFile } from '../audit/exported-line.ts'
import { canonicalJson } from '../core/json.ts'
import { signCheckpoint } from '../record/checkpoint.ts'
import { leafHash, rootHash } from '../record/merkle.ts'
import { noteSigner } from '../record/signed-note.ts'
import { foldTile, subtreesOf, TILE_WIDTH, tilePath, tilesOf } from '../record/tile.ts'
import { linesIn } from './exports.ts'

const ORIGIN = 'gatehouse/acme'

/** Somebody who has a key of the log. */
export const FORGER = noteSigner(ORIGIN, randomBytes(32))

export type Written = Leaf & { line: ExportedLine }

/** Writes an export anew, changed: its hashes, tiles and signature are right. `dense`: sequences are numbered again. */
export async function forgedLog(from: string, dir: string, change: (entries: Written[]) => Written[], dense = true): Promise<string> {
  const entries = change(linesIn(from).map((line) => ({ ...(readLeaf(line.leaf) as Leaf), line })))
  const seqs = new Map<string, number>()
  const lines = entries.map(({ line, ...leaf }, index): ExportedLine => {
    const seq = (seqs.get(leaf.process) ?? 0) + 1
    seqs.set(leaf.process, seq)
    return { ...line, index, leaf: canonicalJson(JSON.parse(JSON.stringify(dense ? { ...leaf, seq } : leaf))) }
  })
  return await writtenAnew(from, dir, lines)
}

/** Writes an export anew with these lines, whatever their leaves say. */
export async function writtenAnew(from: string, dir: string, lines: readonly ExportedLine[]): Promise<string> {
  rmSync(dir, { recursive: true, force: true })
  cpSync(from, dir, { recursive: true })
  rmSync(join(dir, 'tiles'), { recursive: true })
  const levels = levelsOf(lines.map(({ leaf }) => leafHash(Buffer.from(leaf))))
  for (const address of tilesOf(lines.length)) {
    const file = join(dir, tileFile(tilePath(address)))
    mkdirSync(dirname(file), { recursive: true })
    const at = address.index * TILE_WIDTH
    writeFileSync(file, Buffer.concat(levels[address.level]?.slice(at, at + address.width) ?? []))
  }
  const read = subtreesOf(async (at, index) => levels[at]?.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH) ?? [])
  const checkpoint = { origin: ORIGIN, size: lines.length, root: await rootHash(read, lines.length) }
  writeFileSync(join(dir, 'checkpoint'), signCheckpoint(checkpoint, [FORGER]))
  writeFileSync(join(dir, 'log.vkey'), `${FORGER.vkey}\n`)
  writeFileSync(join(dir, 'entries.ndjson'), `${lines.map(lineText).join('\n')}\n`)
  return dir
}

function levelsOf(leaves: Uint8Array[]): Uint8Array[][] {
  const levels = [leaves]
  for (let level = leaves; level.length >= TILE_WIDTH; ) {
    const full = Math.floor(level.length / TILE_WIDTH)
    level = Array.from({ length: full }, (_, at) => foldTile(level.slice(at * TILE_WIDTH, (at + 1) * TILE_WIDTH)))
    levels.push(level)
  }
  return levels
}
