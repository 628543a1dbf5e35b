import { callStoreOn } from '../gateway/storage/call-store.ts'
import { openDatabase } from '../gateway/storage/database.ts'
import { freshPglite, freshPostgres, type TestDatabase } from '../gateway/storage/test-databases.ts'
import { fillWithCalls } from '../gateway/storage/test-many-calls.ts'
import { instant } from '../gateway/core/clock.ts'
import type { CallId } from '../gateway/core/ids.ts'
import type { CallFilter, CallStore } from '../gateway/ports/call-store.ts'
import { percentile } from './statistics.ts'

const PAGE = 50
const RUNS = 7

/** What is asked, from what fits often to what fits never. */
function questions(nowMs: number): readonly (readonly [string, CallFilter])[] {
  const hour = { since: instant(nowMs - 3_600_000) }
  const longAgo = { since: instant(nowMs - 60 * 86_400_000), until: instant(nowMs - 3 * 86_400_000) }
  return [
    ['nothing', {}],
    ['agent, often', { agent: 'agent-0' }],
    ['agent, rarely', { agent: 'agent-39' }],
    ['subject', { subject: 'person-150' }],
    ['owner', { owner: 'owner-3' }],
    ['connector', { connector: 'erp' }],
    ['operation', { operation: 'hr.getThing11' }],
    ['decision: permit', { decision: 'permit' }],
    ['decision: deny', { decision: 'deny' }],
    ['why denied', { denyReason: 'no_permit' }],
    ['state: completed', { state: ['completed'] }],
    ['state: in doubt', { state: ['in_doubt'] }],
    ['three states', { state: ['failed', 'rejected', 'in_doubt'] }],
    ['policy', { policy: 'policy-11' }],
    ['business object', { object: 'V-14999' }],
    ['label that nobody has', { label: 'pii' }],
    ['door', { door: 'mcp' }],
    ['the last hour', hour],
    ['a month, long ago', longAgo],
    ['text: a word', { text: 'overdue' }],
    ['text: three words', { text: 'release agent-3 invoice' }],
    ['text: many meanings', { text: 'agent-1' }],
    ['agent, operation, failed', { agent: 'agent-3', operation: 'crm.getThing5', state: ['failed'] }],
    ['agent and object', { agent: 'agent-39', object: 'V-10003' }],
    ['owner, policy, long ago', { owner: 'owner-7', policy: 'policy-9', ...longAgo }],
    ['two that never meet', { operation: 'erp.releaseThing0', connector: 'crm' }],
    ['much that never fits', { state: ['completed'], denyReason: 'forbidden', door: 'http' }],
    ['a run that nobody named, a door', { door: 'graphql', agent: 'agent-0' }],
  ]
}

async function measure(store: CallStore, filter: CallFilter): Promise<{ first: readonly number[]; rows: number; looked: boolean }> {
  const first: number[] = []
  let rows = 0
  let looked = false
  let after: CallId | undefined
  for (let run = 0; run < RUNS; run++) {
    const startedMs = performance.now()
    const page = await store.calls(filter, { first: PAGE, ...(after === undefined ? {} : { after }) })
    // Connections learn the catalogue with their first question.
    if (run > 0) first.push(performance.now() - startedMs)
    rows = Math.max(rows, page.rows.length)
    looked ||= page.lookedTo !== undefined
    after = page.lookedTo ?? (page.more ? page.rows.at(-1)?.id : undefined)
  }
  return { first, rows, looked }
}

async function run(test: TestDatabase, calls: number): Promise<void> {
  const database = await openDatabase(test.options)
  const nowMs = Date.now()
  try {
    await fillWithCalls(database.db, calls, nowMs)
    const store = callStoreOn({ db: database.db, sealer: test.options.sealer })
    console.log(`\n${test.kind}, ${calls.toLocaleString('en')} calls, pages of ${PAGE} one after another (ms)\n`)
    console.log('| question | median | slowest | rows | short pages |\n|---|--:|--:|--:|---|')
    for (const [name, filter] of questions(nowMs)) {
      const { first, rows, looked } = await measure(store, filter)
      const [median, most] = [percentile(first, 50), Math.max(...first)].map((ms) => ms.toFixed(1))
      console.log(`| ${name} | ${median} | ${most} | ${rows} | ${looked ? 'yes' : ''} |`)
    }
  } finally {
    await database.close()
    await test.drop()
  }
}

const [kind = 'pglite', calls = '200000'] = process.argv.slice(2)
const database = kind === 'postgres' ? await freshPostgres('call queries') : freshPglite()
if (database) await run(database, Number(calls))
