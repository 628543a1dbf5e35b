// Runs a built entry: checks the Node version, builds what changed, then imports `dist/<entry>.js`.
// Usage: node tools/run.mjs <entry> [arguments]
import module from 'node:module'
import { fileURLToPath } from 'node:url'
import { requireNode } from './node-version.mjs'

requireNode()
const { build } = await import('./build.mjs')
const entry = process.argv[2]
if (!entry) {
  console.error('usage: node tools/run.mjs <entry> [arguments]')
  process.exit(2)
}
if (!(await build())) process.exit(1)
// Compiled code is kept, so that a later start spends no time on it.
module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)))
process.argv.splice(1, 2, fileURLToPath(new URL(`../dist/${entry}.js`, import.meta.url)))
await import(`../dist/${entry}.js`)
