// Builds `dist/` when the sources differ from what it was built from. The stamp is a digest of contents, so a fresh clone, a branch switch
// or a touched file decide right.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const FOLDERS = ['gateway', 'connectors', 'schema', 'policies', 'examples', 'bench']

function sources() {
  return FOLDERS.filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !/\.(test|conformance)\.ts$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function stampOf() {
  const digest = createHash('sha256')
  for (const file of [...sources(), join(root, 'tsconfig.json'), join(root, 'tsconfig.build.json'), join(root, 'package-lock.json')]) {
    digest.update(file.slice(root.length)).update('\0').update(readFileSync(file)).update('\0')
  }
  return digest.digest('hex')
}

/** True once `dist/` stands for today's sources. */
export async function build() {
  const stamp = stampOf()
  const stampFile = join(root, 'dist', '.stamp')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return true
  // Built beside and swapped in whole, so a process that runs on the old one or a second build never meets half of it.
  const fresh = join(root, `dist.${process.pid}.new`)
  const old = join(root, `dist.${process.pid}.old`)
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
  // Types are checked by `npm test`; a start only has to be quick.
  const done = spawnSync(process.execPath, [compiler, '--noCheck', '-p', join(root, 'tsconfig.build.json'), '--outDir', fresh], {
    stdio: ['ignore', 2, 2],
  })
  if (done.status !== 0) {
    rmSync(fresh, { recursive: true, force: true })
    return false
  }
  writeFileSync(join(fresh, '.stamp'), stamp)
  try {
    if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old)
    renameSync(fresh, join(root, 'dist'))
  } catch (error) {
    // Another build was faster: its result is as good as ours if it was made from the same sources.
    rmSync(fresh, { recursive: true, force: true })
    if (!existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp) throw error
  }
  rmSync(old, { recursive: true, force: true })
  return true
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { requireNode } = await import('./node-version.mjs')
  requireNode()
  process.exit((await build()) ? 0 : 1)
}
