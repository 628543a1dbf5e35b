import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshPostgres } from '../storage/test-databases.ts'
import { type Bed, startBed } from './harness.ts'
import { Replica } from './replica.ts'
import { type Fields, fields, items, jsonOf, type Reply } from './send.ts'

const SECURITY = '- { name: sana, groups: [finance, finance-managers], roles: [security], region: eu }\n'
const FOREVER = { timeout: 60_000, interval: 20 }

const postgres = await freshPostgres('policies of two gateways')
const databaseUrl = postgres?.options.databaseUrl ?? ''

const STATUS = '{ policyStatus { active decidesOn behind } }'
const REVIEW = 'mutation ($id: ID!) { reviewPolicyProposal(id: $id, verdict: APPROVE) { boundAfterMs proposal { state } } }'
const PROPOSE = `mutation ($files: [PolicyFileInput!]!, $facts: String) { proposePolicies(files: $files, facts: $facts, note: "because") { id policySet } }`

describe.skipIf(postgres === undefined)('two gateways over one record', () => {
  let bed: Bed
  let other: Replica
  let database: pg.Client
  beforeAll(async () => {
    bed = await startBed({ environment: { DATABASE_URL: databaseUrl }, edits: { 'people.yaml': (text) => text + SECURITY } })
    other = new Replica(bed)
    await other.start()
    database = new pg.Client({ connectionString: databaseUrl })
    await database.connect()
  }, 120_000)
  afterAll(async () => {
    await database?.end()
    await other?.close()
    await bed?.close()
    await postgres?.drop()
  }, 60_000)

  /** Proposes one more rule about payments; all others stay. */
  async function propose(rule: string): Promise<{ id: string; policySet: string }> {
    const { policyStatus } = await bed.people('aisha', STATUS)
    const set = await bed.people('aisha', 'query ($hash: ID!) { policySet(hash: $hash) { facts files { path text } } }', {
      hash: String(fields(policyStatus).active),
    })
    const files = items(fields(set.policySet).files)
      .map(fields)
      .filter(({ path }) => !String(path).startsWith('library/'))
      .map(({ path, text }) => {
        const name = String(path).split('/').at(-1) ?? ''
        return { name, text: name === 'erp.cedar' ? `${String(text)}\n${rule}` : String(text) }
      })
    const { proposePolicies } = await bed.people('aisha', PROPOSE, { files, facts: fields(set.policySet).facts })
    const { id, policySet } = fields(proposePolicies)
    return { id: String(id), policySet: String(policySet) }
  }

  const forbid = (id: string, amount: string): string =>
    `@id("${id}") @advice("${id}") forbid (principal, action == Erp::Action::"releasePayment", resource) when { context.input.amount == decimal("${amount}") };`

  const adviceOf = (reply: Reply): unknown => fields(jsonOf(reply)).advice
  const stateOf = async (id: string): Promise<string> =>
    String((await database.query('select state from policy_proposal where id = $1', [id])).rows[0]?.state)

  test('what is published on one binds on the other from the moment of the answer', async () => {
    expect((await other.pay(31)).status).toBe(201)
    const { id } = await propose(forbid('erp-not-31', '31.0'))
    let published = false
    let done = false
    const late: unknown[] = []
    const agents = [1, 2, 3].map(async () => {
      while (!done) {
        const began = published
        const reply = await other.pay(31)
        expect([201, 403]).toContain(reply.status)
        if (began) late.push(adviceOf(reply))
      }
    })
    const { reviewPolicyProposal } = await bed.people('sana', REVIEW, { id })
    published = true
    expect(fields(reviewPolicyProposal).boundAfterMs).toEqual(expect.any(Number))
    await expect.poll(() => late.length, FOREVER).toBeGreaterThan(8)
    done = true
    await Promise.all(agents)
    expect(new Set(late)).toEqual(new Set(['erp-not-31']))
    const { policyStatus } = await other.people('aisha', STATUS)
    expect(policyStatus).toMatchObject({ behind: null, decidesOn: fields(policyStatus).active })
    // The set outlives its publisher's files: a replica that starts later decides on it, too.
    await other.kill()
    await other.start()
    expect(adviceOf(await other.pay(31))).toBe('erp-not-31')
  }, 180_000)

  test('kill -9 before the activation leaves the proposal open; kill -9 right after it leaves the set active, and holds follow', async () => {
    const { id, policySet } = await propose(forbid('erp-not-32', '3200.0'))
    const held = await other.pay(3_200)
    expect(held.status).toBe(202)
    // The activation waits behind this lock, so the process dies in the middle of it.
    await database.query('begin')
    await database.query('select 1 from gateway_state for update')
    const review = other.people('sana', REVIEW, { id }).catch(() => 'died')
    const waiting =
      "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%gateway_state%'"
    const watcher = new pg.Client({ connectionString: databaseUrl })
    await watcher.connect()
    await expect.poll(async () => (await watcher.query(waiting)).rowCount, FOREVER).toBeGreaterThan(0)
    await other.kill()
    expect(await review).toBe('died')
    await database.query('rollback')
    await watcher.end()
    await other.start()
    expect(await stateOf(id)).toBe('open')
    expect((await database.query('select 1 from gateway_state where policy_set = $1', [policySet])).rowCount).toBe(0)

    const again = other.people('sana', REVIEW, { id }).catch(() => 'died')
    await expect.poll(() => stateOf(id), FOREVER).toBe('active')
    await other.kill()
    await again
    await other.start()
    expect(fields((await other.people('aisha', STATUS)).policyStatus)).toMatchObject({ active: policySet, decidesOn: policySet })
    const callId = fields(jsonOf(held)).callId
    const call = async (): Promise<Fields> =>
      fields((await bed.people('aisha', 'query ($id: ID!) { call(id: $id) { state hold { state } } }', { id: callId })).call)
    await expect.poll(async () => (await call()).state, FOREVER).toBe('denied')
    const { policySets } = await bed.people('aisha', '{ policySets(first: 10) { edges { node { policySet by reviewer proposal } } } }')
    const activations = items(fields(policySets).edges).map((edge) => fields(fields(edge).node))
    expect(activations.filter((each) => each.proposal === id)).toEqual([{ policySet, by: 'aisha', reviewer: 'sana', proposal: id }])
  }, 180_000)
})
