import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Writable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { check } from '../cli/check.ts'
import { createOutput } from '../cli/output.ts'
import { layMeridian } from './fixture-meridian.ts'
import { type Bed, startBed } from './harness.ts'
import { fields } from './send.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-authoring-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Ran {
  code: number
  stdout: string
  stderr: string
}

/** The command line as a user runs it, in the folder of the organisation. */
const gatehouse = (...args: string[]): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(process.execPath, [join(ROOT, 'bin/gatehouse.mjs'), ...args], { cwd: folder, env: {} }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stdout, stderr }),
    )
  })

const CONFIG = ['--config', 'gatehouse.yaml']
const replaced = (from: string, to: string) => (text: string) => {
  expect(text).toContain(from)
  return text.replace(from, to)
}

describe('rules for systems that nobody has seen before', () => {
  test('are in order as they are written', async () => {
    layMeridian(folder)
    expect(await gatehouse('check', '--strict', ...CONFIG)).toEqual({
      code: 0,
      stdout: '3 connectors, 9 operations, 13 policies, 4 agents; 18 policy tests passed, 0 failed\n',
      stderr: '',
    })
  })

  test('are covered by their tests', async () => {
    layMeridian(folder)
    expect(await gatehouse('policy', 'test', '--min-coverage', '100', ...CONFIG)).toEqual({
      code: 0,
      stdout: '18 policy tests passed, 0 failed; 13 of 13 policies decided a test (100 %)\n',
      stderr: '',
    })
  })

  const W = (place: string, rest: string): string => `policies/${place}: warning: ${rest}`
  const E = (place: string, rest: string): string => `policies/${place}: error: ${rest}`
  test.each<[string, string, string, string, number, string]>([
    [
      'a misspelt argument',
      'bank.cedar',
      'context.input.currency',
      'context.input.curency',
      1,
      E(
        'bank.cedar:16:8',
        'policy `bank-no-francs`: there is no attribute `input.curency` in the context of Bank::Action::"transfer": did you mean `currency`? [invalid]',
      ),
    ],
    [
      'a decimal compared as a number',
      'shop.cedar',
      'context.input.amount.lessThan(decimal("500.0"))',
      'context.input.amount < 500',
      1,
      E(
        'shop.cedar:11:46',
        'policy `shop-refunds`: expected Long but saw decimal: a `number` is a decimal, which has methods instead of operators: `.lessThan(decimal("1000.0"))`, `.greaterThan(...)` [invalid]',
      ),
    ],
    [
      'an unknown approval',
      'bank.cedar',
      '@hold("treasury")',
      '@hold("tresury")',
      1,
      E('bank.cedar:8:1', 'there is no approval `tresury`: did you mean `treasury`? [invalid]'),
    ],
    [
      'an unknown annotation',
      'bank.cedar',
      '@advice(',
      '@advise(',
      1,
      E('bank.cedar:13:1', 'unknown annotation `@advise`: did you mean `@advice`? [invalid]'),
    ],
    [
      'a word that the bank does not know',
      'bank.cedar',
      '== "CHF"',
      '== "FRANCS"',
      1,
      W(
        'bank.cedar:16:8',
        '`bank-no-francs`: `context.input.currency == "FRANCS"` is never true, as `bank.transfer` takes `EUR`, `USD`, `CHF`: correct it, or remove it [constant-condition]',
      ),
    ],
    [
      'a role of nobody',
      'airline.cedar',
      'Role::"desk", action == Airline::Action::"getBooking"',
      'Role::"dest", action == Airline::Action::"getBooking"',
      1,
      W('airline.cedar:3:22', '`airline-desk-reads`: no agent has the role `dest`: did you mean `desk`? [unknown-name]'),
    ],
    [
      'a discount beyond what the shop takes',
      'shop.cedar',
      'context.input.discountPercent <= 30',
      'context.input.discountPercent > 90',
      1,
      W(
        'shop.cedar:7:8',
        '`shop-pricing`: `context.input.discountPercent > 90` is never true, as `shop.setPrice` takes at least 0 and at most 90: correct it, or remove it [constant-condition]',
      ),
    ],
    [
      'conditions that contradict each other',
      'airline.cedar',
      'when { context.input.fareDifference.lessThanOrEqual(decimal("200.0")) }',
      'when { context.input.fareDifference.lessThanOrEqual(decimal("200.0")) && context.input.fareDifference.greaterThan(decimal("200.0")) }',
      1,
      E(
        'airline.cedar:7:8',
        '`airline-desk-rebooks`: the policy never matches: `context.input.fareDifference.lessThanOrEqual(decimal("200.0"))` and `context.input.fareDifference.greaterThan(decimal("200.0"))` never hold together: correct it, or remove it [never-matches]',
      ),
    ],
    [
      'a hold that a forbid makes useless',
      'bank.cedar',
      'when { context.input.currency == "CHF" }',
      'when { context.input.amount.greaterThan(decimal("9000.0")) }',
      1,
      W(
        'bank.cedar:8:1',
        '`bank-large-transfers`: it never holds a call, as `bank-no-francs` (policies/bank.cedar:13:1) forbids all of them: narrow that one, or remove this one [covered]',
      ),
    ],
    [
      'an operation that nothing permits',
      'shop.cedar',
      'action == Shop::Action::"setPrice"',
      'action == Shop::Action::"getOrder"',
      1,
      'policies/shop.cedar:7:8: error: policy `shop-pricing`: there is no attribute `input.discountPercent` in the context of Shop::Action::"getOrder": there is `order` [invalid]',
    ],
    [
      'a rule that matches nobody',
      'org.cedar',
      'principal.autonomy < 2',
      'principal.autonomy < 0',
      1,
      W(
        'org.cedar:3:8',
        '`org-irreversible-needs-autonomy`: the policy matches nobody: `principal.autonomy < 0` is true of no agent and no person there is: correct it, or remove it [never-matches]',
      ),
    ],
  ])('%s is told', async (_title, file, from, to, code, line) => {
    const printed: string[] = []
    const stream = new Writable({
      write(chunk, _encoding, done) {
        printed.push(String(chunk))
        done()
      },
    })
    const config = layMeridian(folder, { [`policies/${file}`]: replaced(from, to) })
    const exit = await check(createOutput(false, stream, stream), config, {}, false)
    expect(printed.join('').replaceAll(`${folder}/`, '').split('\n')).toContain(line)
    expect(exit).toBe(code)
  })

  test('warnings fail a strict check alone, and stand in its JSON', async () => {
    layMeridian(folder, {
      'approvals.yaml': (text) => `${text}board:\n  requires: [{ group: treasury, count: 1 }]\n  expires: 1h\n  on_approval: execute\n`,
    })
    const message = 'no policy asks for the approval `board`: name it in a `@hold`, or remove it'
    expect(await gatehouse('check', ...CONFIG)).toMatchObject({
      code: 0,
      stderr: `approvals.yaml:9:1: warning: ${message} [unused-approval]\n`,
    })
    const { code, stdout, stderr } = await gatehouse('check', '--strict', '--json', ...CONFIG)
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    expect(JSON.parse(stdout)).toMatchObject({
      tests: { passed: 18, failed: [] },
      findings: [{ place: 'approvals.yaml:9:1', severity: 'error', rule: 'unused-approval', policy: null, message }],
    })
  })

  test('a test that fails and one that is malformed say where', async () => {
    layMeridian(folder, {
      'policies/tests/shop.json': replaced('"a discount"', '"a discount", "desicion": "allow"'),
      'policies/tests/bank.json': replaced('"10000.01"', '"9999.0"'),
    })
    expect(await gatehouse('policy', 'test', ...CONFIG)).toMatchObject({
      code: 1,
      stderr:
        "policies/tests/bank.json: a cent more is the treasury's: expected hold, got permit by `bank-tellers-transfer`\n" +
        'policies/tests/shop.json: a discount: unknown key `desicion`: use name, request, entities, decision, reason, num_errors\n',
    })
  })

  test('what the tests leave out is listed, and fails where more is asked for', async () => {
    layMeridian(folder, { 'policies/tests/airline.json': () => '[]' })
    const { code, stdout } = await gatehouse('policy', 'test', '--coverage', '--min-coverage', '70', ...CONFIG)
    expect(code).toBe(1)
    expect(stdout).toMatch(/^POLICY +DECIDED +NEAR +PLACE\nairline-desk-reads +0 +0 +policies\/airline\.cedar:2\n/)
    expect(stdout).toContain('13 policy tests passed, 0 failed; 9 of 13 policies decided a test (69 %)\n')
    expect(stdout).toContain('policies/airline.cedar:2: `airline-desk-reads` neither decided a test nor came near it\n')
    expect(stdout).toContain('coverage is 69 %, 70 % is asked for: add tests that the policies without one decide\n')
  })

  test('a draft beside the configured policies', async () => {
    const draft = join(folder, 'draft')
    layMeridian(draft, { 'policies/shop.cedar': replaced('<= 30', '<= 40') })
    layMeridian(folder)
    const { code, stderr } = await gatehouse('policy', 'test', '--policies', 'draft/policies', ...CONFIG)
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'draft/policies/tests/shop.json: too large a discount: expected deny, got permit by `shop-pricing`\n',
    })
  })

  test.each([
    ['a percentage of more than all', ['policy', 'test', '--min-coverage', '101']],
    ['a call without its id', ['policy', 'explain']],
  ])('usage: %s', async (_title, args) => {
    expect((await gatehouse(...args)).code).toBe(2)
  })
})

describe('why a recorded call was decided as it was', () => {
  let bed: Bed
  let callId: string
  let forbidden: string
  beforeAll(async () => {
    bed = await startBed()
    const called = async (path: string, body: object): Promise<string> => {
      const headers = { authorization: `Bearer ${await bed.agentToken('support-triage')}`, 'content-type': 'application/json' }
      const response = await fetch(`${bed.url}/proxy/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
      expect(response.status).toBe(403)
      return response.headers.get('gatehouse-call') ?? ''
    }
    callId = await called('docs/read_text_file', { path: 'contracts/secret-plan.txt' })
    forbidden = await called('docs/read_text_file', { path: 'hand-books/../contracts/plan.txt' })
  })
  afterAll(() => bed.close())

  const explained = async (person: string, ...args: string[]): Promise<Ran> =>
    await gatehouse('--url', bed.url, '--token', await bed.personToken(person), 'policy', 'explain', ...args)

  test('an operator reads which permits were near, and nothing of the arguments', async () => {
    const { code, stdout, stderr } = await explained('olga', callId)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(
      new RegExp(`^call ${callId}: docs\\.read_text_file by support-triage at http, now denied\ndecided .*: deny \\(no_permit\\)\n`),
    )
    expect(stdout).toContain('not by docs-handbooks-for-all (')
    expect(stdout).toContain('  - `context.input.path == "hand-books" || context.input.path like "hand-books/*"` is not true\n')
    expect(stdout).not.toContain('secret-plan')
  })

  test('the policies that forbade, with their words', async () => {
    const { stdout } = await explained('olga', forbidden)
    expect(stdout).toContain('decided ')
    expect(stdout).toContain(': deny (forbidden)\n')
    expect(stdout).toContain('the agent was told: Name the file by its plain path, without `..`.')
    expect(stdout).toMatch(
      /\nby docs-no-way-around \(.*docs\.cedar:\d+\)\n {2}A path with `\.\.` or a backslash is read in two ways\.\n {4}@id\("docs-no-way-around"\)\n/,
    )
    expect(stdout).not.toContain('not by')
  })

  test('payloads are for security, where they are asked for', async () => {
    expect((await explained('aisha', callId)).stdout).not.toContain('secret-plan')
    expect((await explained('aisha', callId, '--payloads')).stdout).toContain('      context.input.path: "contracts/secret-plan.txt"\n')
    expect((await explained('olga', callId, '--payloads')).stdout).not.toContain('secret-plan')
  })

  test('as JSON', async () => {
    const { stdout } = await explained('lee', '--json', callId)
    const { id, decision } = JSON.parse(stdout)
    expect({ id, decision }).toMatchObject({ id: callId, decision: { outcome: 'deny', denyReason: 'no_permit' } })
    expect(decision.nearMisses.map(({ policyId }: { policyId: string }) => policyId)).toEqual([
      'docs-contracts-for-finance-and-sales',
      'docs-handbooks-for-all',
      'org-auditors-read',
    ])
  })

  test('by the policies of that day, also when they have changed since', async () => {
    const decidesOn = async (): Promise<unknown> =>
      fields((await bed.people('aisha', '{ policyStatus { decidesOn } }')).policyStatus).decidesOn
    const before = await decidesOn()
    const path = join(dirname(bed.configFile), 'policies/docs.cedar')
    const text = readFileSync(path, 'utf8')
    writeFileSync(path, text.replaceAll('hand-books', 'manuals').replace('@advice("Name the file', '@advice("Call the file'))
    await expect.poll(decidesOn, { timeout: 30_000, interval: 20 }).not.toBe(before)
    const { stdout } = await explained('aisha', callId)
    expect(stdout).toContain('  - `context.input.path == "hand-books" || context.input.path like "hand-books/*"` is not true\n')
    expect(stdout).not.toContain('manuals')
    expect((await explained('olga', forbidden)).stdout).toContain('@advice("Name the file')
  })

  test('a call that is not there', async () => {
    expect(await explained('olga', 'call_00000000000000000000000000')).toMatchObject({ code: 1, stdout: '' })
  })
})
