import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Writable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { acmeConfiguration } from '../../examples/acme/start.ts'
import type { Change } from '../core/decision-change.ts'
import { createOutput } from './output.ts'
import { diffPolicySets } from './policy-diff.ts'

const config = acmeConfiguration()
const current = join(dirname(config), 'policies')
let draft: string

beforeEach(() => {
  draft = mkdtempSync(join(tmpdir(), 'gatehouse-diff-'))
  cpSync(current, draft, { recursive: true })
})
afterEach(() => rmSync(draft, { recursive: true, force: true }))

/** Changes the draft. */
function edit(file: string, from: string, to: string): void {
  const path = join(draft, file)
  const text = readFileSync(path, 'utf8')
  expect(text).toContain(from)
  writeFileSync(path, text.replace(from, to))
}

async function diff(json: boolean, ...failOn: Change[]): Promise<{ exit: number; printed: string }> {
  let printed = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      printed += String(chunk)
      done()
    },
  })
  return {
    exit: await diffPolicySets(
      createOutput(json, stream, stream),
      {},
      { config, before: { folder: current }, after: { folder: draft }, failOn, recorded: undefined },
    ),
    printed,
  }
}

test('a raised threshold, in words', async () => {
  edit('erp.cedar', 'decimal("1000.00")', 'decimal("1500.00")')
  const { exit, printed } = await diff(false)
  expect(exit).toBe(0)
  expect(printed).toContain(
    [
      'NEWLY ALLOWED  erp.releasePayment',
      '  request  agent invoice-clerk, input.amount 1000.01, input.currency "EUR"',
      '  before   held for finance-manager by erp-payment-needs-manager',
      '  after    allowed by erp-clerk-pays',
    ].join('\n'),
  )
  expect(printed).toContain('changed  erp-payment-needs-manager')
  expect(printed).toMatch(
    /1 newly allowed; \d+ requests asked of both sets\n\d+ combinations of tried values .* all of them looked through\n/,
  )
  for (const line of printed.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
})

test('as JSON, refused where it says so', async () => {
  edit('crm.cedar', '["general", "orders"]', '["general", "orders", "legal"]')
  const { exit, printed } = await diff(true, 'newly-allowed')
  expect(exit).toBe(1)
  expect(JSON.parse(printed)).toMatchObject({
    failed: 1,
    complete: true,
    changes: [
      {
        change: 'newly-allowed',
        operations: ['crm.replyTicket'],
        refusedBefore: false,
        example: { agent: { name: 'support-triage' }, input: { queue: 'legal' } },
      },
    ],
  })
  expect((await diff(true, 'newly-held', 'newly-denied')).exit).toBe(0)
})

test('other words for the same', async () => {
  edit('org.cedar', 'principal.autonomy < 1', '!(principal.autonomy >= 1)')
  const { exit, printed } = await diff(false, 'newly-allowed', 'newly-held', 'held-otherwise', 'newly-denied')
  expect(exit).toBe(0)
  expect(printed).toMatch(/no request found that is decided otherwise; \d+ requests asked of both sets/)
})

test('a faulty folder is refused with the place', async () => {
  edit('erp.cedar', 'context.input.amount.', 'context.input.amuont.')
  await expect(diff(false)).rejects.toThrow(/the new policies: faulty policies: .*erp.cedar:\d+:\d+/)
})
