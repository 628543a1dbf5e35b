#!/usr/bin/env node
import { existsSync } from 'node:fs'
import module from 'node:module'
import { requireNode } from '../tools/node-version.mjs'

requireNode()
// A checkout builds what changed; an installed package comes built.
if (existsSync(new URL('../tsconfig.json', import.meta.url))) {
  const { build } = await import('../tools/build.mjs')
  if (!(await build())) process.exit(1)
}
module.enableCompileCache()
await import('../dist/gateway/cli/main.js')
