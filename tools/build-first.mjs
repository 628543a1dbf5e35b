import { build } from './build.mjs'

/** Test set-up: tests that start the gateway as a process of its own run what stands in the sources. */
export async function setup() {
  if (!(await build())) throw new Error('the build failed')
}
