import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Writable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { diffPolicySets } from '../cli/policy-diff.ts'
import { findGateway } from '../cli/control-plane.ts'
import { createOutput, type ExitCode, type Output } from '../cli/output.ts'
import { simulatePolicyFolder } from '../cli/policy-simulate.ts'
import type { Change } from '../core/decision-change.ts'
import { type Ask, DOORS, openDoor } from './doors.ts'
import { type Bed, startBed } from './harness.ts'
import { httpForms } from './http-form.ts'

let bed: Bed
let pay: (amount: number) => Promise<string>
let current: string
let draft: string
const ids: string[] = []

const payment = (amount: number): Ask => ({
  agent: 'invoice-clerk',
  operation: 'erp.releasePayment',
  input: { vendorId: 'V-1001', amount, currency: 'EUR', reference: `R-${amount}` },
})

beforeAll(async () => {
  bed = await startBed()
  const forms = httpForms(bed.configFile, bed.environment)
  const [door] = DOORS.map((name) => openDoor(name, bed, forms))
  pay = async (amount) => (await door?.call(payment(amount)))?.callId ?? ''
  for (const amount of [1_200, 1_400, 60_000]) ids.push(await pay(amount))
  current = join(dirname(bed.configFile), 'policies')
  draft = mkdtempSync(join(tmpdir(), 'gatehouse-draft-'))
  cpSync(current, draft, { recursive: true })
  const file = join(draft, 'erp.cedar')
  writeFileSync(file, readFileSync(file, 'utf8').replace('decimal("1000.00")', 'decimal("1300.00")'))
})
afterAll(async () => {
  rmSync(draft, { recursive: true, force: true })
  await bed?.close()
})

async function printed(json: boolean, work: (output: Output) => Promise<ExitCode>): Promise<{ exit: ExitCode; text: string }> {
  let text = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk)
      done()
    },
  })
  return { exit: await work(createOutput(json, stream, stream)), text }
}

const simulate = (json: boolean, failOn: readonly Change[] = []) =>
  printed(json, (output) =>
    simulatePolicyFolder(output, findGateway({ data: bed.dataDir }), { policies: draft, sinceMs: 3_600_000, first: undefined, failOn }),
  )

test('a raised threshold over the calls of the last hour, as a table', async () => {
  const { exit, text } = await simulate(false)
  expect(exit).toBe(0)
  expect(text.split('\n').slice(0, 2)).toEqual([
    'OPERATION           CALLS  SAME  ALLOWED  HELD  OTHERWISE  DENIED  UNDECIDED',
    'erp.releasePayment  3      2     1        0     0          0       0',
  ])
  expect(text).toContain(
    [
      'NEWLY ALLOWED  erp.releasePayment, 1 call',
      '  before   held for finance-manager by erp-payment-needs-manager',
      '  after    allowed by erp-clerk-pays',
      `  such as  ${ids[0]}`,
    ].join('\n'),
  )
  expect(text).toMatch(/3 recorded calls since .* decided again$/m)
})

test('as JSON, refused where it says so', async () => {
  const { exit, text } = await simulate(true, ['newly-allowed'])
  expect(exit).toBe(1)
  expect(JSON.parse(text)).toMatchObject({ calls: 3, stopped: null, failed: 1, operations: [{ operation: 'erp.releasePayment', same: 2 }] })
  expect(text).not.toContain('V-1001')
})

test('a difference between two folders, by requests and by recorded calls', async () => {
  const recorded = { sinceMs: 3_600_000, address: findGateway({ data: bed.dataDir }) }
  const options = { config: bed.configFile, before: { folder: current }, after: { folder: draft }, failOn: [], recorded }
  const { text } = await printed(false, (output) => diffPolicySets(output, bed.environment, options))
  const [requests, calls] = text.split('RECORDED CALLS')
  expect(requests).toContain('input.amount 1000.01')
  expect(calls).toContain(`such as  ${ids[0]}`)
})

test('a folder against the set in force', async () => {
  const address = findGateway({ data: bed.dataDir })
  const options = { config: bed.configFile, failOn: [], recorded: { sinceMs: 3_600_000, address } }
  const sides = { before: { set: 'active', address }, after: { folder: draft } }
  const { text } = await printed(false, (output) => diffPolicySets(output, bed.environment, { ...options, ...sides }))
  expect(text).toContain('changed  erp-payment-needs-manager')
  expect(text.split('RECORDED CALLS')[1]).toContain(`such as  ${ids[0]}`)
})

test('a faulty draft is refused with its place, and decides nothing', async () => {
  const broken = mkdtempSync(join(tmpdir(), 'gatehouse-draft-'))
  try {
    writeFileSync(join(broken, 'erp.cedar'), '@id("x") permit (principal, action == Erp::Action::"releasePaymnt", resource);')
    const options = { policies: broken, sinceMs: 3_600_000, first: undefined, failOn: [] }
    const work = printed(false, (output) => simulatePolicyFolder(output, findGateway({ data: bed.dataDir }), options))
    await expect(work).rejects.toThrow(/the draft is refused: .*erp\.cedar:1:/)
  } finally {
    rmSync(broken, { recursive: true, force: true })
  }
})

test('history that was gathered then is taken, and what was not is not guessed', async () => {
  const cap = (amount: string): string =>
    `@id("cap") forbid(principal, action == Erp::Action::"releasePayment", resource) when { context.history.paidToday.greaterThan(decimal("${amount}")) };`
  const fact = '  paidToday: { sum: /amount, of: [erp.releasePayment], window: 24h }\n'
  const lay = (folder: string, amount: string): void => {
    const file = join(folder, 'erp.cedar')
    const [text = ''] = readFileSync(file, 'utf8').split('@id("cap")')
    writeFileSync(file, `${text}${cap(amount)}\n`)
    const declared = join(folder, 'facts.yaml')
    writeFileSync(declared, readFileSync(declared, 'utf8').replace(fact, '').replace('history:\n', `history:\n${fact}`))
  }
  lay(current, '5000.0')
  await bed.reloadPolicies()
  const paid = await pay(600)
  lay(draft, '500.0')
  const { text } = await simulate(true)
  expect(JSON.parse(text)).toMatchObject({
    calls: 4,
    operations: [
      { same: 0, undecided: 3, changes: [{ change: 'newly-denied', after: { effect: 'deny', policies: ['cap'] }, examples: [paid] }] },
    ],
    undecided: [{ why: '`history.paidToday` was not gathered then', calls: 3 }],
  })
})
