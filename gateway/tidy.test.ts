import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { ERRORS } from './core/errors.ts'
import { LIMITS } from './limits.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter(Boolean)
const sources = tracked.filter((file) => /\.tsx?$/.test(file))
const text = new Map(sources.map((file) => [file, readFileSync(join(root, file), 'utf8')]))
const production = [...text].filter(([file]) => !/\.(test|conformance)\.ts$/.test(file) && !file.includes('/e2e/'))

/** Function length, `any`, `process.env` and default exports are held by the linter (biome.json), which runs before the tests. */
describe('the tree is tidy', () => {
  test('no folder is named after nothing', () => {
    expect(tracked.filter((file) => /(^|\/)(utils?|helpers?|shared|common|misc)\//.test(file))).toEqual([])
  })

  test('files are named in kebab-case', () => {
    expect(sources.filter((file) => !/^[a-z0-9-]+(\.[a-z0-9-]+)*\.tsx?$/.test(file.split('/').at(-1) ?? ''))).toEqual([])
  })

  test('nothing silences the compiler or the linter', () => {
    const silenced = new RegExp(
      ['@ts-' + '(ignore|expect-error|nocheck)', 'biome-' + 'ignore', '\\b(test|it|describe)\\.(only|todo)\\b'].join('|'),
    )
    expect([...text].filter(([, source]) => silenced.test(source)).map(([file]) => file)).toEqual([])
  })

  test('nothing is left open', () => {
    const open = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`)
    expect([...text].filter(([, source]) => open.test(source)).map(([file]) => file)).toEqual([])
  })

  test.each(Object.keys(LIMITS))('the limit %s bounds something', (name) => {
    expect(production.some(([file, source]) => file !== 'gateway/limits.ts' && source.includes(`LIMITS.${name}`))).toBe(true)
  })

  test.each(Object.keys(ERRORS))('the code %s is thrown or told somewhere', (code) => {
    expect(production.some(([file, source]) => file !== 'gateway/core/errors.ts' && source.includes(`'${code}'`))).toBe(true)
  })

  test('the reference documents every code', () => {
    const reference = readFileSync(join(root, 'docs/reference/errors.md'), 'utf8')
    expect(Object.keys(ERRORS).filter((code) => !reference.includes(`\`${code}\``))).toEqual([])
  })

  test('the lock file names no registry and no package needs an install script', () => {
    const lock: unknown = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
    expect(JSON.stringify(lock)).not.toMatch(/"resolved"/)
    expect(readFileSync(join(root, '.npmrc'), 'utf8')).toContain('ignore-scripts=true')
  })
})
