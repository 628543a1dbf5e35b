// Builds the dashboard into a folder (`node tools/build-dashboard.mjs FOLDER`, by itself, so that no one's NODE_ENV gets into it): bundled, with digests in the names, and compressed beside each file, so that serving costs nothing.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { build } from 'vite'

const root = fileURLToPath(new URL('../dashboard/src', import.meta.url))

/** Browsers that know `light-dark()` and `color-mix()`. */
const TARGET = ['chrome125', 'firefox128', 'safari17.5']

async function buildDashboard(outDir) {
  await build({
    configFile: false,
    root,
    publicDir: 'public',
    logLevel: 'warn',
    build: {
      outDir,
      emptyOutDir: true,
      target: TARGET,
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0,
      reportCompressedSize: false,
      // Libraries mark parts for servers that render; here there is none.
      rolldownOptions: { onwarn: (warning, warn) => warning.code !== 'MODULE_LEVEL_DIRECTIVE' && warn(warning) },
    },
  })
  const files = readdirSync(outDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  await Promise.all(files.map((entry) => compress(join(entry.parentPath, entry.name))))
}

async function compress(path) {
  const plain = readFileSync(path)
  const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 10, [constants.BROTLI_PARAM_SIZE_HINT]: plain.byteLength } }
  const [br, gz] = await Promise.all([promisify(brotliCompress)(plain, brotli), promisify(gzip)(plain, { level: 9 })])
  writeFileSync(`${path}.br`, br)
  writeFileSync(`${path}.gz`, gz)
}

const folder = process.argv[2]
if (folder === undefined) throw new Error('usage: node tools/build-dashboard.mjs FOLDER')
await buildDashboard(folder)
