import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Go with `golang.org/x/mod` as the distribution has it: nothing is fetched. Where it must be there, its absence is a failure. */
export const HAS_GO = spawnSync('go', ['version']).status === 0 || process.env.CI === 'true'
if (!HAS_GO) process.stderr.write('SKIPPED: nothing is verified by Go, which is not installed (golang-go golang-golang-x-mod-dev)\n')

/** Builds a program of `foreign/` into a folder and returns its file. */
export function buildGo(name: string, folder: string): string {
  const program = join(folder, name)
  const env = { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOCACHE: join(folder, 'go-cache'), GOFLAGS: '' }
  execFileSync('go', ['build', '-o', program, fileURLToPath(new URL(`./foreign/${name}.go`, import.meta.url))], { env })
  return program
}
