import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { EntryBody } from '../core/entry.ts'
import { type CallTally, CallCheck } from './check-calls.ts'
import { type AuditFault, Faults } from './faults.ts'
import { GatheredFacts } from './gathered-facts.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-test-'))
  vi.stubEnv('TMPDIR', folder)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

const request = { agent: 'clerk', agentEpoch: 1, subject: null, owner: 'olga', actors: ['clerk'] }
const evidence = { policySet: 'set' }
/** As the check reads them: of each kind what it looks at. */
const BODIES: Readonly<Record<string, unknown>> = {
  permit: { kind: 'decision', request, decision: { verdict: { effect: 'permit' }, evidence }, release: null },
  deny: { kind: 'decision', request, decision: { verdict: { effect: 'deny' }, evidence }, release: null },
  intent: { kind: 'intent', intent: 'int_1', consumes: null, agentEpoch: 1, policySet: 'set' },
  outcome: { kind: 'outcome', intent: 'int_1', outcome: { kind: 'completed' } },
  resolved: { kind: 'resolved' },
  vote: { kind: 'vote', hold: 'hold_1', voter: 'sam', verdict: 'approve', digest: 'd' },
}
type Step = [call: string, kind: string]

async function checked(
  steps: readonly Step[],
  max?: number,
): Promise<{ tally: CallTally | null; faults: AuditFault[]; written: string[] }> {
  const faults = new Faults()
  const check = new CallCheck(faults, 'whole', new GatheredFacts(max))
  for (const [index, [call, kind]] of steps.entries())
    await check.add(
      call,
      { index, process: 'p', seq: index + 1, at: 0, body: BODIES[kind] as EntryBody },
      { complete: true, readable: true },
    )
  const written = readdirSync(folder)
  const { calls } = await check.finish()
  await check.close()
  return { tally: calls, faults: faults.listed(), written }
}

const plain = (call: string): Step[] => ['permit', 'intent', 'outcome'].map((kind) => [call, kind])
const many = (count: number): Step[] => Array.from({ length: count }, (_, i) => plain(`call_${i}`)).flat()

test('a call that goes on long after it ended is found, in memory and in files', async () => {
  for (const max of [undefined, 10]) {
    const { tally, faults, written } = await checked([...many(200), ['call_3', 'intent'], ...plain('call_5')], max)
    expect(tally?.calls).toBe(200)
    expect(faults.map(({ index, why }) => [index, why])).toEqual([
      [600, 'call `call_3`: it had its outcome before, and goes on with `intent`'],
      ...(max === undefined
        ? ['decision', 'intent', 'outcome'].map((kind, at) => [
            601 + at,
            `call \`call_5\`: it had its outcome before, and goes on with \`${kind}\``,
          ])
        : [[603, 'call `call_5`: it was decided, executed and ended a second time']]),
    ])
    expect(written.length).toBe(max === undefined ? 0 : 1)
    expect(readdirSync(folder)).toEqual([])
  }
})

test('how much is kept in memory changes nothing of what is found', async () => {
  const step = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom(...Object.keys(BODIES)))
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 12 }), async (steps, max) => {
      const [inMemory, inFiles] = [await checked(steps), await checked(steps, max)]
      const calls = (faults: readonly AuditFault[]) => [...new Set(faults.map(({ why }) => why.slice(0, 8)))].sort()
      expect(calls(inFiles.faults)).toEqual(calls(inMemory.faults))
      expect(inFiles.tally?.calls).toBe(inMemory.tally?.calls)
    }),
    { numRuns: 100 },
  )
})

test('a call of more entries than any has is a fault, and is judged by the first of them', async () => {
  const { faults } = await checked([...plain('a').slice(0, 2), ...Array.from({ length: 12_000 }, (): Step => ['a', 'vote'])], 5_000)
  expect(faults[0]?.why).toMatch(/more than 10000 entries/)
})

test.each<[string, (string | number)[], [number | null, RegExp][]]>([
  ['of which the log says so', ['bare', 'bare', 2], []],
  ['before which alone the log says so', [1, 'bare'], [[1, /no entry of the log after it/]]],
  ['more than the log says', ['bare', 'bare', 'bare', 2], [[null, /^3 entries are marked as erased, and the log says that 2 lost/]]],
])('lines of no call that are marked as erased: %s', async (_title, lines, found) => {
  const faults = new Faults()
  const check = new CallCheck(faults, 'whole', new GatheredFacts())
  for (const [index, line] of lines.entries()) {
    const place = { index, process: 'p', seq: index + 1, at: 0 }
    const body: EntryBody = { kind: 'erased', calls: [], by: 'gatehouse', why: 'retention', entries: Number(line) }
    if (line === 'bare') await check.bare(null, place)
    else await check.add(null, { ...place, body }, { complete: true, readable: true })
  }
  await check.finish()
  await check.close()
  expect(faults.listed().map(({ index, why }) => [index, why])).toEqual(found.map(([index, why]) => [index, expect.stringMatching(why)]))
})
