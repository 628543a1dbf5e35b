import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { onTestServer } from '../gateway/storage/test-databases.ts'
import { runBench } from './bench.ts'
import type { DatabaseKind } from './contenders.ts'
import { QUICK } from './measure.ts'
import { moduleOf, summarise } from './profile.ts'
import { markdown, type Report } from './report.ts'
import { median, percentile, spread } from './statistics.ts'

const reachable = await onTestServer('select 1').then(
  () => true,
  (error: unknown) => {
    if (process.env.CI === 'true') throw error
    console.warn('SKIPPED on PostgreSQL: bench: no server at TEST_DATABASE_URL or 127.0.0.1:5432')
    return false
  },
)
const databases: readonly DatabaseKind[] = reachable ? ['postgres', 'pglite'] : ['pglite']
const PEERS = ['direct-read', 'direct-write', 'pass-read', 'pass-write', 'apollo', 'mcp-proxy', 'mcp-proxy-session']
const DOORS = ['read', 'write', 'write-fresh', 'graphql', 'mcp']

describe('the harness, a few calls each', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-test-'))
  let report: Report
  const tiny = { warmUpCalls: 4, rounds: 2, callsPerRound: 8, connections: 4, openCalls: 6, rssCalls: 16, rssSamples: 2, profileCalls: 8 }
  beforeAll(async () => {
    report = await runBench({
      plan: { ...QUICK, ...tiny },
      decisions: {
        size: { connectors: 3, operationsPerConnector: 24, policiesPerConnector: 10, agents: 40 },
        rounds: 2,
        questionsPerRound: 200,
      },
      only: [],
      databases,
      databaseUrl: process.env.TEST_DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres',
      folder,
      apiKey: randomBytes(24).toString('base64url'),
      say: () => {},
    })
  }, 120_000)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('every contender answered every call as it should', () => {
    const ids = [...PEERS, ...databases.flatMap((kind) => DOORS.map((door) => `${kind}-${door}`))]
    expect(report.rows.map(({ id, failures }) => ({ id, failures }))).toEqual(ids.map((id) => ({ id, failures: 0 })))
  })

  test('every row is measured, and every door beside its peer', () => {
    for (const { id, callsPerSecond, callsPerCoreSecond, p50Ms, p99Ms, rssMiB, ofPeer } of report.rows) {
      for (const measured of [callsPerSecond, callsPerCoreSecond, p50Ms, p99Ms, rssMiB]) expect(measured).toBeGreaterThan(0)
      if (PEERS.includes(id)) expect(ofPeer).toBeNull()
      else expect(PEERS).toContain(ofPeer?.peer)
    }
  })

  test('decisions of a large organisation are timed beside Cedar alone, and most are allowed', () => {
    const { decisions } = report
    expect(decisions).toMatchObject({ policies: 30, operations: 72 })
    expect(decisions?.rows).toHaveLength(4)
    for (const { p50Micros, p99Micros } of decisions?.rows ?? []) expect(p99Micros).toBeGreaterThanOrEqual(p50Micros)
    expect(decisions?.effects.permit).toBeGreaterThan(0.3)
    expect(decisions?.effects.deny).toBeGreaterThan(0.05)
    expect(markdown(report)).toContain('30 policies over 3 connectors')
  })

  test('memory and profiles are there, and the text holds all rows and no path', () => {
    expect(report.memory.map(({ database, samples }) => [database, samples.map(({ calls }) => calls)])).toEqual(
      databases.map((kind) => [kind, [8, 16]]),
    )
    expect(report.profiles).toHaveLength(2)
    for (const { profile } of report.profiles) expect(profile.modules.length).toBeGreaterThan(0)
    const text = markdown(report)
    for (const { title } of report.rows) expect(text).toContain(title)
    expect(text).not.toMatch(/\/node_modules\/|file:|\/dist\/|NaN/)
  })
})

test.each([
  [[], 50, Number.NaN],
  [[7], 99, 7],
  [[4, 1, 3, 2], 50, 2],
  [[4, 1, 3, 2], 99, 4],
])('percentile of %j at %d is %d', (values, percent, expected) => {
  expect(percentile(values, percent)).toBe(expected)
})

test('median and spread over rounds', () => {
  expect(median([10, 30, 20])).toBe(20)
  expect(spread([10, 30, 20])).toBe(0.5)
  expect(spread([10])).toBe(0)
})

test.each([
  ['file:///x/y/dist/gateway/storage/writer.js', 'write', 'gateway/storage'],
  ['file:///x/node_modules/@scope/name/lib/a.js', 'f', '@scope/name'],
  ['/x/node_modules/pg/lib/client.js', 'query', 'pg'],
  ['node:internal/streams/writable', 'f', 'node:streams'],
  ['node:net', 'f', 'node:net'],
  ['wasm://wasm/00034eea', 'wasm-function[1]', 'WASM'],
  ['', 'writev', 'system calls on sockets'],
  ['', '(garbage collector)', 'garbage collector'],
  ['/somewhere/else.js', 'f', 'other'],
])('%s %s belongs to %s', (url, name, expected) => {
  expect(moduleOf(url, name)).toBe(expected)
})

test('a summary leaves out what was idle and what profiling itself took', () => {
  const frame = (functionName: string, url: string) => ({ functionName, url, scriptId: '1', lineNumber: 0, columnNumber: 0 })
  const nodes = [
    { id: 1, callFrame: frame('(idle)', '') },
    { id: 2, callFrame: frame('work', 'file:///x/dist/gateway/core/json.js') },
    { id: 3, callFrame: frame('', 'node:net') },
    { id: 4, callFrame: frame('post', 'node:inspector') },
  ]
  const summary = summarise({ nodes, startTime: 0, endTime: 1, samples: [1, 2, 3, 2, 4], timeDeltas: [500, 20, 10, 10, 900] })
  expect(summary.modules).toEqual([
    { name: 'gateway/core', share: 0.75 },
    { name: 'node:net', share: 0.25 },
  ])
  expect(summary.functions.map(({ name }) => name)).toEqual(['work (gateway/core)', '(anonymous) (node:net)'])
})
