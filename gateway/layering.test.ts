import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const CORE = ['gateway/core']
const INNER = ['gateway/core', 'gateway/ports', 'gateway/limits.ts']

/** What a folder may import of ours, besides itself. Longest prefix wins. Composition roots (`gateway/*.ts`, the command line, examples) may import all. */
const MAY_IMPORT: Readonly<Record<string, readonly string[] | 'all'>> = {
  'gateway/core': [],
  'gateway/limits.ts': [],
  'gateway/ports': CORE,
  'gateway/pipeline': INNER,
  // A sample is drawn in one place, for people and for exports.
  'gateway/operator': [...INNER, 'gateway/record/drawn-places.ts'],
  'gateway/publication': INNER,
  'gateway/identity': INNER,
  'gateway/credentials': INNER,
  'gateway/egress': INNER,
  'gateway/notify': INNER,
  // Webhooks are signed and judged in one place.
  'gateway/sinks': [...INNER, 'gateway/notify/signed-post.ts'],
  'gateway/record': INNER,
  // What verifies needs neither database nor network; see below.
  'gateway/audit': [...INNER, 'gateway/record', 'policies/engine'],
  // Both ends of C2SP tlog-witness.
  'gateway/witness': [...INNER, 'gateway/record'],
  'gateway/storage': INNER,
  'gateway/bus': INNER,
  'gateway/telemetry': INNER,
  'gateway/detectors': INNER,
  'gateway/surfaces': INNER,
  // Keys of witnesses are read in one place.
  'gateway/config': [...INNER, 'gateway/record/signed-note.ts'],
  connectors: INNER,
  schema: INNER,
  policies: INNER,
  // The dashboard speaks operator GraphQL only: what it knows of the gateway is generated from the schema.
  dashboard: [],
  'gateway/cli': 'all',
  gateway: 'all',
  examples: 'all',
  bench: 'all',
}

/** Packages with one home. */
const HOME: Readonly<Record<string, string>> = {
  kysely: 'gateway/storage',
  pg: 'gateway/storage',
  redis: 'gateway/bus',
  nodemailer: 'gateway/notify',
  '@electric-sql/pglite': 'gateway/storage',
  jose: 'gateway/identity',
  undici: 'gateway/egress',
  '@apollo/server': 'gateway/surfaces',
  '@bufbuild/protobuf': 'gateway/surfaces/otlp',
  'type-graphql': 'schema',
  '@cedar-policy/cedar-wasm': 'policies/engine',
  '@opentelemetry/sdk-trace': 'gateway/telemetry',
  pino: 'gateway/telemetry',
  'prom-client': 'gateway/telemetry',
  ajv: 'gateway/pipeline',
  commander: 'gateway/cli',
  '@modelcontextprotocol/client': 'connectors/mcp',
  react: 'dashboard',
  'react-dom': 'dashboard',
  'gql.tada': 'dashboard',
  '@tanstack/react-query': 'dashboard',
  '@tanstack/react-router': 'dashboard',
  uplot: 'dashboard',
}

interface Import {
  from: string
  to: string
  line: number
}

const isTest = (file: string): boolean =>
  /\.(test|conformance)\.ts$/.test(file) || file.startsWith('gateway/e2e/') || /(^|\/)(test-|fixture-)/.test(file)

function files(): string[] {
  return ['gateway', 'connectors', 'schema', 'policies', 'examples', 'bench', 'dashboard'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
      .map((entry) => relative(root, join(entry.parentPath, entry.name))),
  )
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(/^(?:import|export)\s[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\(\s*'([^']+)'/gm)].map((match) => {
    const raw = match[1] ?? match[2] ?? match[3] ?? ''
    const to = raw.startsWith('.') ? relative(root, resolve(root, dirname(file), raw)) : raw
    return { from: file, to, line: text.slice(0, match.index).split('\n').length }
  })
}

const longest = (file: string, prefixes: readonly string[]): string | undefined =>
  prefixes.filter((prefix) => file === prefix || file.startsWith(`${prefix}/`)).sort((a, b) => b.length - a.length)[0]

const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

const all = files()
const production = all.filter((file) => !isTest(file))
const imports = production.flatMap(importsOf)
const ours = new Set(all)
const where = ({ from, line, to }: Import): string => `${from}:${line} imports ${to}`

describe('the drawing of the house', () => {
  test('there is something to look at', () => expect(imports.length).toBeGreaterThan(300))

  test('every import of ours resolves to a file', () => {
    expect(
      imports
        .filter(({ to }) => /^(gateway|connectors|schema|policies|examples|bench|dashboard)\/.*\.tsx?$/.test(to) && !ours.has(to))
        .map(where),
    ).toEqual([])
  })

  test('arrows point inward', () => {
    const wrong = imports.filter(({ from, to }) => {
      if (!ours.has(to)) return false
      const mine = longest(from, Object.keys(MAY_IMPORT))
      const allowed = mine === undefined ? [] : MAY_IMPORT[mine]
      if (mine === undefined || allowed === undefined) return true
      return allowed !== 'all' && longest(to, [mine, ...allowed]) === undefined
    })
    expect(wrong.map(where)).toEqual([])
  })

  test('the core knows no package and nothing of Node', () => {
    expect(imports.filter(({ from, to }) => from.startsWith('gateway/core/') && !ours.has(to)).map(where)).toEqual([])
  })

  test.each(Object.entries(HOME))('%s lives in %s', (name, home) => {
    const strays = imports.filter(
      ({ from, to }) =>
        !from.startsWith('bench/') && !from.startsWith('examples/') && packageOf(to) === name && longest(from, [home]) === undefined,
    )
    expect(strays.map(where)).toEqual([])
  })

  test('what verifies an export reaches neither database nor network', () => {
    const reached = new Set(['gateway/audit/verify-export.ts'])
    for (const file of reached) for (const { from, to } of imports) if (from === file) reached.add(to)
    const packages = [...reached].filter((name) => !ours.has(name))
    const harmless = ['node:crypto', 'node:fs', 'node:fs/promises', 'node:module', 'node:os', 'node:path', 'node:url', 'lru-cache', 'yaml']
    expect(packages.filter((name) => !harmless.includes(name))).toEqual(['@cedar-policy/cedar-wasm/nodejs'])
  })

  test('no test code in production', () => {
    expect(imports.filter(({ to }) => ours.has(to) && isTest(to)).map(where)).toEqual([])
  })

  test('there are no cycles', () => {
    const edges = new Map<string, string[]>()
    for (const { from, to } of imports) if (ours.has(to)) edges.set(from, [...(edges.get(from) ?? []), to])
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
        return
      }
      if (done.has(file)) return
      for (const next of edges.get(file) ?? []) visit(next, [...path, file])
      done.add(file)
    }
    for (const file of edges.keys()) visit(file, [])
    expect(cycles).toEqual([])
  })
})
