import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { type Environment, readEnvironment } from './environment.ts'
import { Faults } from './faults.ts'
import { readYaml } from './yaml-file.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-environment-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function read(text: string, environment: Environment): { value: unknown; faults: string[] } {
  const file = join(folder, 'x.yaml')
  writeFileSync(file, text)
  const faults = new Faults()
  const value = readYaml(file, z.unknown(), environment, file, faults)?.value
  try {
    faults.refuse()
    return { value, faults: [] }
  } catch (error) {
    return {
      value,
      faults: String((error as Error).message)
        .split('\n')
        .slice(1),
    }
  }
}

test('is a copy: what changes afterwards is not seen, and nothing is changed through it', () => {
  const before = readEnvironment()
  process.env.GATEHOUSE_TEST_LATER = 'x'
  try {
    expect([before.GATEHOUSE_TEST_LATER, readEnvironment().GATEHOUSE_TEST_LATER]).toEqual([undefined, 'x'])
  } finally {
    delete process.env.GATEHOUSE_TEST_LATER
  }
})

test.each<[string, string, Environment, unknown]>([
  ['a value', `a: \${NAME}`, { NAME: 'x' }, { a: 'x' }],
  ['a default', `a: \${NAME:-y}`, {}, { a: 'y' }],
  ['an empty value counts as none', `a: \${NAME:-y}`, { NAME: '' }, { a: 'y' }],
  ['an empty default', `a: "\${NAME:-}"`, {}, { a: '' }],
  ['within text, twice', `a: http://\${HOST}:\${PORT:-1}/x`, { HOST: 'h' }, { a: 'http://h:1/x' }],
  ['in lists and maps', `a: [{b: "\${NAME}"}]`, { NAME: 'x' }, { a: [{ b: 'x' }] }],
  ['a value is no YAML', `a: \${NAME}`, { NAME: '{b: 1}' }, { a: '{b: 1}' }],
  ['a value is not filled in again', `a: \${NAME}`, { NAME: `\${OTHER}`, OTHER: 'x' }, { a: `\${OTHER}` }],
  ['numbers stay numbers, keys stay keys', `a: 1\n"\${NAME}": 2`, { NAME: 'x' }, { a: 1, [`\${NAME}`]: 2 }],
  ['what is no name stays', `a: \${1X} $NAME \${}`, { NAME: 'x' }, { a: `\${1X} $NAME \${}` }],
])('%s', (_title, text, environment, expected) => {
  expect(read(text, environment)).toEqual({ value: expected, faults: [] })
})

test('a name that is not set and has no default is a fault at its place, each once', () => {
  const { faults } = read(`a: x\nb: \${ONE}\nc: ["\${TWO}"]`, {})
  expect(faults.map((fault) => /x\.yaml:(\d+):\d+: the environment variable `(\w+)`/.exec(fault)?.slice(1))).toEqual([
    ['2', 'ONE'],
    ['3', 'TWO'],
  ])
})
