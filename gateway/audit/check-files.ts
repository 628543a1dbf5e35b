import { lstat, opendir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import { parseTilePath, TILE_WIDTH } from '../record/tile.ts'
import { HASH_BYTES } from '../record/merkle.ts'
import { ABOUT, CHECKPOINT, ENTRIES, SETS, VKEY } from './exported-line.ts'

/** Files in the folder that are none of an export, and that nothing was read from. */
export interface OtherFiles {
  count: number
  /** Relative to the folder, at most `LIMITS.auditFaultsMax`. */
  names: string[]
}

const TILE_BYTES = TILE_WIDTH * HASH_BYTES

/** How long a file of this name may be; undefined for one that no export has. Paths have `/` between their parts. */
function bytesMaxOf(path: string): number | undefined {
  if (path === ENTRIES) return Number.POSITIVE_INFINITY
  if (path === CHECKPOINT || path === VKEY || path === ABOUT) return LIMITS.auditSmallFileBytesMax
  if (path.startsWith(`${SETS}/`)) return /^[0-9a-f]{64}\.json$/.test(path.slice(SETS.length + 1)) ? LIMITS.auditSetBytesMax : undefined
  const tile = path.startsWith('tiles/') ? parseTilePath(path.replace(/^tiles\//, 'tile/')) : undefined
  return tile && tile.level !== 'entries' ? TILE_BYTES : undefined
}

/**
 * Looks at what is in the folder before any of it is read. Throws BAD_INPUT at a link, a pipe, a device or a file that is too long for its name: reading on
 * would leave the folder, wait or never end.
 */
export async function checkFiles(dir: string): Promise<OtherFiles> {
  const others: OtherFiles = { count: 0, names: [] }
  const folders = [dir]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop())
    for await (const { name } of await opendir(folder)) {
      const file = join(folder, name)
      const path = relative(dir, file).split(sep).join('/')
      if (await isFolder(file, path)) folders.push(file)
      else if (bytesMaxOf(path) === undefined) {
        others.count += 1
        if (others.names.length < LIMITS.auditFaultsMax) others.names.push(path)
      }
    }
  return others
}

async function isFolder(file: string, path: string): Promise<boolean> {
  const found = await lstat(file)
  const bytesMax = bytesMaxOf(path) ?? Number.POSITIVE_INFINITY
  if (found.isDirectory() && path.split('/').length > LIMITS.auditFolderDepthMax)
    throw refused(path, 'lies deeper than anything of an export')
  if (!found.isDirectory() && !found.isFile()) throw refused(path, 'is no file but a link, a pipe or a device')
  if (found.isFile() && found.size > bytesMax) throw refused(path, `has ${found.size} bytes, and may have ${bytesMax}`)
  return found.isDirectory()
}

const refused = (path: string, why: string): GatewayError => new GatewayError('BAD_INPUT', `the export is not read: \`${path}\` ${why}`)
