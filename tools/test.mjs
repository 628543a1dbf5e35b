// `npm test`: build, type check, lint, then every test. Arguments go to vitest, so `npm test -- gateway/core` runs one folder.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { requireNode } from './node-version.mjs'

requireNode()
const { build } = await import('./build.mjs')
const script = (name, path) => fileURLToPath(import.meta.resolve(`${name}/package.json`)).replace(/package\.json$/, path)
const run = (file, args) => spawnSync(process.execPath, [file, ...args], { stdio: 'inherit' }).status ?? 1

if (!(await build())) process.exit(1)
for (const project of ['tsconfig.json', 'dashboard/tsconfig.json']) {
  const types = run(script('typescript', 'bin/tsc'), ['--noEmit', '-p', project])
  if (types !== 0) process.exit(types)
}
const lint = run(script('@biomejs/biome', 'bin/biome'), ['check', '.'])
if (lint !== 0) process.exit(lint)
process.exit(run(script('vitest', 'vitest.mjs'), ['run', ...process.argv.slice(2)]))
