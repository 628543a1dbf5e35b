import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockDataDirectory } from './data-lock.ts'

let parent: string
let dir: string
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'gatehouse-test-'))
  dir = join(parent, 'data')
})
afterEach(() => rmSync(parent, { recursive: true, force: true }))

const file = (): string => join(dir, 'gatehouse.lock')

test('makes the directory for its owner alone, and gives the lock back', () => {
  const unlock = lockDataDirectory(dir)
  expect(statSync(dir).mode & 0o777).toBe(0o700)
  expect(statSync(file()).mode & 0o777).toBe(0o600)
  unlock()
  expect(existsSync(file())).toBe(false)
  lockDataDirectory(dir)()
})

test('a second taker is told the directory, the process and what to do', () => {
  const unlock = lockDataDirectory(dir)
  expect(() => lockDataDirectory(dir)).toThrow(
    expect.objectContaining({ code: 'DATA_LOCKED', message: expect.stringMatching(`\`${dir}\` is used by process ${process.pid}: stop`) }),
  )
  unlock()
})

test('the lock of a dead process is taken over', () => {
  const dead = spawnSync(process.execPath, ['-e', '']).pid
  lockDataDirectory(dir)()
  writeFileSync(file(), `${dead} -\n`)
  const unlock = lockDataDirectory(dir)
  expect(readFileSync(file(), 'utf8')).toMatch(new RegExp(`^${process.pid} `))
  unlock()
})

test.runIf(process.platform === 'linux')('a later process with the pid of the dead one does not keep its lock', () => {
  lockDataDirectory(dir)()
  writeFileSync(file(), `${process.pid} another-boot:1\n`)
  lockDataDirectory(dir)()
})

test('a lock that cannot be read is left to people', () => {
  lockDataDirectory(dir)()
  writeFileSync(file(), '')
  expect(() => lockDataDirectory(dir)).toThrow(
    expect.objectContaining({ code: 'DATA_LOCKED', message: expect.stringContaining('delete it') }),
  )
})
