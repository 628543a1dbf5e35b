// Builds `dist/` when the sources differ from what it was built from. The stamp is a digest of contents, so a fresh clone, a branch switch
// or a touched file decide right.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const FOLDERS = ['gateway', 'connectors', 'schema', 'policies', 'examples', 'bench']

function filesBelow(folders, pattern) {
  return folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && pattern.test(entry.name) && !/\.(test|conformance)\.ts$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function stampOf(files) {
  const digest = createHash('sha256')
  for (const file of [...files, join(root, 'package-lock.json')]) {
    digest.update(file.slice(root.length)).update('\0').update(readFileSync(file)).update('\0')
  }
  return digest.digest('hex')
}

const gatewayStamp = () => stampOf([...filesBelow(FOLDERS, /\.tsx?$/), join(root, 'tsconfig.json'), join(root, 'tsconfig.build.json')])
const dashboardStamp = () => stampOf([...filesBelow(['dashboard'], /./), join(root, 'tools', 'build-dashboard.mjs')])

/** What was bundled once is taken over: most changes are not to the dashboard. False where it could not be built. */
function placeDashboard(fresh, stamp) {
  const kept = join(root, 'dist', 'dashboard')
  const place = join(fresh, 'dashboard')
  const stampFile = join(kept, '.stamp')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) {
    cpSync(kept, place, { recursive: true })
    return true
  }
  const env = { ...process.env, NODE_ENV: 'production' }
  const done = spawnSync(process.execPath, [join(root, 'tools', 'build-dashboard.mjs'), place], { stdio: ['ignore', 2, 2], env })
  if (done.status === 0) writeFileSync(join(place, '.stamp'), stamp)
  return done.status === 0
}

/** True once `dist/` stands for today's sources. */
export async function build() {
  const forDashboard = dashboardStamp()
  const stamp = `${gatewayStamp()} ${forDashboard}`
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
  if (done.status !== 0 || !placeDashboard(fresh, forDashboard)) {
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
