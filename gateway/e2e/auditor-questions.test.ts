import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { JsonObject } from '../core/json.ts'
import { ROOT, pageOf } from './docs-blocks.ts'
import { type Door, openDoor } from './doors.ts'
import { type Bed, startBed } from './harness.ts'
import { httpForms } from './http-form.ts'
import { type Fields, fields, items, send } from './send.ts'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyExport } from '../audit/verify-export.ts'
import { exportAudit } from '../cli/audit-export.ts'
import { EVERYTHING, printed } from './exports.ts'

const SECURITY = '- { name: sana, groups: [security], roles: [security], region: eu }\n'
const SHADOW = '@id("org-with-it") @shadow forbid (principal, action in Gatehouse::Action::"write", resource);'
const DECIDED = {
  playbook: 'refund',
  version: '1',
  outcome: 'refund',
  record: { cause: 'late', evidence: ['notice of the carrier'], orderValue: 100, refundedBefore: false },
}
const SOON = { timeout: 20_000, interval: 50 }
const FILES = ['org', 'erp', 'crm', 'docs', 'probe']

let bed: Bed
let http: Door
let since = ''
/** Calls of the scene, by what they are in it. */
const made: Record<string, string> = {}
let run = ''
let turns = 0
let payments = 0

const call = async (
  name: string,
  agent: string,
  operation: string,
  input: JsonObject,
  code: string,
  more: { subject?: string; run?: string; decisionRecord?: JsonObject } = {},
) => {
  const { subject, run: named, decisionRecord } = more
  const says = {
    rationale: `${name}: the quarterly closing waits`,
    ...(named !== undefined && { run: named }),
    ...(decisionRecord && { decisionRecord }),
  }
  const heard = await http.call({ agent, operation, input, says, ...(subject !== undefined && { subject }) })
  expect(heard.code, `${name}: ${heard.reply.text}`).toBe(code)
  made[name] = String(heard.callId)
}

const pay = (name: string, vendorId: string, amount: number, code: string): Promise<void> => {
  payments += 1
  return call(name, 'invoice-clerk', 'erp.releasePayment', { vendorId, amount, currency: 'EUR', reference: `q-${turns++}` }, code)
}

const stateOf = async (name: string): Promise<unknown> =>
  fields((await bed.people('lee', 'query ($id: ID!) { call(id: $id) { state } }', { id: made[name] })).call).state

/** Looks at the hold of a call as its approvers do, and decides. */
async function decide(name: string, by: string, verdict: 'approve' | 'reject', comment: string): Promise<void> {
  const query = 'query ($id: ID!) { call(id: $id) { hold { id input digest } } }'
  const { id } = fields(fields((await bed.people(by, query, { id: made[name] })).call).hold)
  const vote = `mutation ($id: ID!, $comment: String) { ${verdict}Hold(id: $id, comment: $comment) { state } }`
  await bed.people(by, vote, { id, comment })
}

async function giveStanding(name: string, by: string): Promise<void> {
  const query = 'query ($id: ID!) { call(id: $id) { hold { id input digest } } }'
  const { id, digest } = fields(fields((await bed.people(by, query, { id: made[name] })).call).hold)
  const give =
    'mutation ($id: ID!, $digest: String!, $standing: StandingInput!) { giveStanding(id: $id, digest: $digest, standing: $standing) { state } }'
  const loosened = [
    { pointer: '/amount', kind: 'at_most', most: '6000' },
    { pointer: '/reference', kind: 'any' },
  ]
  const until = new Date(Date.now() + 3_600_000).toISOString()
  await bed.people(by, give, { id, digest, standing: { loosened, maxUses: 2, totals: [{ of: '/amount', most: '10000' }], until } })
}

async function breakGlass(name: string, by: string): Promise<void> {
  const query = 'query ($id: ID!) { call(id: $id) { hold { id digest } } }'
  const { id, digest } = fields(fields((await bed.people('lee', query, { id: made[name] })).call).hold)
  const alone = 'mutation ($id: ID!, $digest: String!) { breakGlass(id: $id, digest: $digest, reason: "the plant stands still") { state } }'
  await bed.people(by, alone, { id, digest })
}

async function changePolicies(): Promise<void> {
  const folder = join(bed.configFile, '../policies')
  const files = FILES.map((name) => {
    const text = readFileSync(join(folder, `${name}.cedar`), 'utf8')
    return { name: `${name}.cedar`, text: name === 'org' ? `${text}\n${SHADOW}\n` : text }
  })
  const facts = readFileSync(join(folder, 'facts.yaml'), 'utf8')
  const propose =
    'mutation ($files: [PolicyFileInput!]!, $facts: String) { proposePolicies(files: $files, facts: $facts, note: "watch writes") { id } }'
  const { id } = fields((await bed.people('sana', propose, { files, facts })).proposePolicies)
  await bed.people('aisha', 'mutation ($id: ID!) { reviewPolicyProposal(id: $id, verdict: APPROVE, comment: "read") { boundAfterMs } }', {
    id,
  })
}

/** A day at Acme, of which every test below knows what was done, by whom, and in which order. */
async function scene(): Promise<void> {
  since = new Date().toISOString()
  await pay('small', 'V-1001', 12, 'OK')
  await pay('paid', 'V-1002', 7_000, 'HELD')
  await decide('paid', 'maria', 'approve', 'matches the order')
  await pay('turned', 'V-1003', 8_000, 'HELD')
  await decide('turned', 'raj', 'reject', 'no such order')
  await pay('refused', 'V-1004', 60_000, 'DENIED')
  await pay('again', 'V-1004', 6_100, 'HELD')
  await changePolicies()
  await pay('giving', 'V-1005', 5_500, 'HELD')
  await giveStanding('giving', 'maria')
  await vi.waitFor(async () => expect(await stateOf('giving')).toBe('completed'), SOON)
  await pay('granted', 'V-1005', 4_000, 'OK')
  await pay('emergency', 'V-1006', 9_000, 'HELD')
  await breakGlass('emergency', 'yuki')
  await vi.waitFor(async () => expect(await stateOf('emergency')).toBe('completed'), SOON)
  run = String((await bed.people('olga', 'mutation { startRun(agent: "support-triage", subject: "sam") }')).startRun)
  await call('read', 'support-triage', 'crm.listTickets', {}, 'OK', { subject: 'sam', run })
  await call(
    'refund',
    'support-triage',
    'crm.refundTicket',
    { ticketId: 'T-20042', amount: 20, currency: 'EUR', reason: 'damaged' },
    'HELD',
    { subject: 'sam', run, decisionRecord: DECIDED },
  )
  await call('masked', 'onboarding-coordinator', 'crm.searchCustomers', {}, 'OK')
  bed.probe.faults.push('slow')
  await call('doubtful', 'prober', 'probe.writeInVain', {}, 'UPSTREAM_TIMEOUT')
  const resolve = 'mutation ($id: ID!) { resolveCall(id: $id, effect: DID_NOT_HAPPEN, evidence: "asked the system") { state } }'
  await bed.people('aisha', resolve, { id: made.doubtful })
  await bed.people('olga', 'mutation { suspendAgent(name: "shop-floor-watcher", reason: "odd readings") { agent { status } } }')
  await send(bed.url, {
    method: 'POST',
    path: '/graphql',
    headers: { authorization: 'Bearer nobody', 'content-type': 'application/json' },
    body: '{}',
  })
  await vi.waitFor(async () => expect(await stateOf('paid')).toBe('completed'), SOON)
}

/** The questions of the guide, by the names of their queries. */
const QUESTIONS = new Map(
  pageOf('docs/guides/auditing.md')
    .blocks.filter(({ language }) => language === 'graphql')
    .map(({ text }) => [/query (\w+)/.exec(text)?.[1] ?? '', text]),
)
const asked = new Set<string>()

const asLee = (name: string, variables: Fields = {}): Promise<Fields> => {
  asked.add(name)
  return bed.people('lee', QUESTIONS.get(name) ?? `the guide has no ${name}`, variables)
}
const nodes = (connection: unknown): Fields[] => items(fields(connection).edges).map((edge) => fields(fields(edge).node))
const ids = (connection: unknown): unknown[] => nodes(connection).map(({ id }) => id)
const bodies = (connection: unknown): Fields[] => nodes(connection).map(({ body }) => fields(body))
const these = (...names: string[]): (string | undefined)[] => names.map((name) => made[name])
const votesOf = (node: Fields | undefined): Fields[] => items(fields(node?.hold).votes).map(fields)

beforeAll(async () => {
  bed = await startBed({ edits: { 'people.yaml': (text) => text + SECURITY } })
  http = openDoor('http', bed, httpForms(bed.configFile, bed.environment))
  await scene()
  // What follows the record knows of it about a second later.
  await vi.waitFor(async () => {
    const { small, last } = await bed.people(
      'lee',
      `{ small: calls(filter: { text: "closing", agent: "prober" }) { edges { node { id } } }
      last: calls(filter: { label: "untrusted" }) { edges { node { id } } } }`,
    )
    expect([ids(small), ids(last)]).toEqual([these('doubtful'), these('read')])
  }, SOON)
  await vi.waitFor(async () => {
    const { call: found } = await bed.people('lee', 'query ($id: ID!) { call(id: $id) { entries { seq } logged { proof } } }', {
      id: made.doubtful,
    })
    expect(items(fields(found).logged).length).toBe(items(fields(found).entries).length)
  }, SOON)
}, 120_000)
afterAll(() => bed?.close())

describe('an auditor asks', () => {
  test('who approved payments above 5,000, and had a part in them', async () => {
    const large = nodes((await asLee('WhoApproved', { since })).calls).filter(({ input }) => Number(fields(input).amount) > 5_000)
    expect(large.map(({ id }) => id)).toEqual(these('emergency', 'giving', 'paid'))
    const approvers = large.map((node) => [...votesOf(node).map(({ voter }) => voter), fields(fields(node.hold).brokenGlass ?? {}).by])
    expect(approvers).toEqual([['yuki'], ['maria', undefined], ['maria', undefined]])
    for (const [at, node] of large.entries()) {
      expect(approvers[at]).not.toContain(node.owner)
      expect(node.subject).toBeNull()
    }
  })

  test('which denied calls were tried again with other arguments', async () => {
    const tried = nodes((await asLee('TriedAgain', { agent: 'invoice-clerk', object: 'V-1004' })).calls)
    expect(tried.map(({ id, state, input }) => [id, state, fields(input).amount])).toEqual([
      [made.again, 'held', 6_100],
      [made.refused, 'denied', 60_000],
    ])
  })

  test('which policies changed while holds were open, and who reviewed them', async () => {
    const told = nodes((await asLee('ChangedUnderHolds', { since })).entries).toReversed()
    const changes = told
      .filter(({ kind }) => String(kind).startsWith('policy.'))
      .map(({ kind, body }) => [kind, fields(body).by, fields(body).verdict])
    expect(changes).toHaveLength(3)
    expect(changes).toEqual(
      expect.arrayContaining([
        ['policy.proposed', 'sana', undefined],
        ['policy.reviewed', 'aisha', 'approve'],
        ['policy.activated', expect.any(String), undefined],
      ]),
    )
    const before = told.slice(
      0,
      told.findIndex(({ kind }) => kind === 'policy.activated'),
    )
    const over = new Set(before.filter(({ kind }) => kind === 'hold.changed').map(({ callId }) => callId))
    const under = before.filter(({ kind, callId }) => kind === 'hold.opened' && !over.has(callId)).map(({ callId }) => callId)
    expect(under).toEqual(these('again'))
  })

  test('who looked at the arguments of a call, and what a person looked at', async () => {
    const before = nodes((await asLee('WhoLooked', { call: made.turned })).views)
    expect(before.map(({ by, what }) => [by, what])).toEqual([['raj', 'payload']])
    await bed.people('lee', 'query ($id: ID!) { call(id: $id) { input } }', { id: made.turned })
    expect(nodes((await asLee('WhoLooked', { call: made.turned })).views).map(({ by }) => by)).toEqual(['lee', 'raj'])
    const looks = nodes((await asLee('LookedAt', { person: 'maria' })).views).map(({ callId }) => callId)
    expect([...new Set(looks)]).toEqual(these('giving', 'paid'))
  })

  test('which calls ran under a standing grant', async () => {
    const { entries, grants } = await asLee('UnderGrants', { since })
    expect(nodes(entries).map(({ callId }) => callId)).toEqual(these('granted'))
    expect(nodes(grants)).toMatchObject([{ agent: 'invoice-clerk', operation: 'erp.releasePayment', givers: ['maria'], state: 'live' }])
  })

  test('what an agent had read before it asked', async () => {
    const { call: refund } = await bed.people('lee', 'query ($id: ID!) { call(id: $id) { createdAt } }', { id: made.refund })
    const { calls } = await asLee('ReadBefore', { agent: 'support-triage', until: fields(refund).createdAt })
    expect(nodes(calls)).toMatchObject([{ id: made.read, operation: 'crm.listTickets' }])
  })

  test('what happened to a call, by which rules, with proof', async () => {
    const { trail } = await asLee('Everything', { call: made.paid })
    const { call: about, decisions, holds, views, logged } = fields(trail)
    expect(about).toMatchObject({
      agent: 'invoice-clerk',
      owner: 'paul',
      subject: null,
      state: 'completed',
      outcome: { kind: 'completed' },
    })
    const [first, release] = items(decisions).map(fields)
    expect(first).toMatchObject({ outcome: 'hold', release: null, facts: expect.objectContaining({}) })
    expect(release?.release).not.toBeNull()
    const file = readFileSync(join(ROOT, 'examples/acme/policies/erp.cedar'), 'utf8')
    const reasons = items(first?.reasons).map(fields)
    expect(reasons.map(({ policyId }) => policyId)).toContain('erp-payment-needs-manager')
    for (const { text } of reasons) expect(file).toContain(String(text).trim())
    expect(holds).toMatchObject([{ state: 'consumed', votes: [{ voter: 'maria', verdict: 'approve', comment: 'matches the order' }] }])
    expect(items(views).map((view) => fields(view).by)).toContain('maria')
    expect(items(logged).every((entry) => typeof fields(entry).proof === 'string')).toBe(true)
    expect((await bed.people('lee', 'query ($id: ID!) { trail(call: $id) { views { by } } }', { id: made.paid })).trail).toMatchObject({
      views: expect.arrayContaining([{ by: 'lee' }]),
    })
  })

  test('whether all of a call is in the log', async () => {
    const { checkpoint, call: found } = await asLee('Logged', { call: made.small })
    const places = (of: unknown) => items(of).map((one) => `${String(fields(one).process)} ${String(fields(one).seq)}`)
    expect(places(fields(found).logged)).toEqual(places(fields(found).entries))
    const kinds = items(fields(found).entries).map((entry) => fields(entry).kind)
    expect(kinds).toEqual(expect.arrayContaining(['decision', 'intent', 'outcome']))
    for (const entry of items(fields(found).logged)) expect(Number(fields(entry).index)).toBeLessThan(Number(fields(checkpoint).size))
  })

  test('who started a run, what it carries, and its calls', async () => {
    const { run: found } = await asLee('OfRun', { run })
    expect(found).toMatchObject({ startedBy: 'olga', agent: 'support-triage', subject: 'sam', labels: [{ label: 'untrusted' }] })
    expect(ids(fields(found).calls)).toEqual(these('refund', 'read'))
    expect(await asLee('OfRun', { run: 'run_of_nobody' })).toEqual({ run: null })
  })

  test('which calls a policy denied, in which words', async () => {
    const denied = nodes((await asLee('DeniedBy', { policy: 'erp-payment-ceiling' })).calls)
    expect(denied.map(({ id }) => id)).toEqual(these('refused'))
    const reasons = items(fields(denied[0]?.decision).reasons)
    const text = expect.stringContaining('context.input.amount.greaterThan(decimal("50000.00"))')
    expect(reasons).toContainEqual(expect.objectContaining({ policyId: 'erp-payment-ceiling', text }))
  })

  test('what a person decided', async () => {
    const decided = nodes((await asLee('VotesOf', { person: 'raj' })).calls)
    expect(decided.map(({ id, state }) => [id, state])).toEqual([[made.turned, 'rejected']])
    expect(votesOf(decided[0])).toEqual([{ voter: 'raj', verdict: 'reject', comment: 'no such order' }])
    expect(nodes((await asLee('VotesOf', { person: 'yuki' })).calls)).toMatchObject([
      { id: made.emergency, hold: { votes: [], brokenGlass: { by: 'yuki', reason: 'the plant stands still' } } },
    ])
    const given = nodes((await asLee('VotesOf', { person: 'maria' })).calls)
    expect(given.map(({ id }) => id)).toEqual(these('granted', 'giving', 'paid'))
    expect(given[0]).toMatchObject({ grant: { givers: ['maria'] } })
  })

  test('which calls were in doubt, and who ended that', async () => {
    const { entries, calls } = await asLee('InDoubt', { since })
    expect(nodes(entries).map(({ callId, body }) => [callId, fields(body).by, fields(body).effect])).toEqual([
      [made.doubtful, 'aisha', 'DID_NOT_HAPPEN'],
    ])
    expect(nodes(calls)).toEqual([])
  })

  test('where personal data was kept back', async () => {
    const [masked] = nodes((await asLee('Masked', { agent: 'onboarding-coordinator' })).calls)
    expect(masked?.id).toBe(made.masked)
    expect(fields(masked?.outcome).maskedClasses).toContain('pii')
    expect(items(fields(masked?.outcome).masked)).toContain('/items/*/email')
  })

  test('who changed agents, what was refused, and what a person did', async () => {
    const changed = bodies((await asLee('AgentsChanged', { since })).entries)
    expect(changed).toMatchObject([{ agent: 'shop-floor-watcher', by: 'olga', status: 'suspended', why: 'odd readings' }])
    const refused = bodies((await asLee('Refused', { since })).entries)
    expect(refused).toMatchObject([{ door: 'graphql', agent: null, code: 'UNAUTHENTICATED' }])
    const done = nodes((await asLee('DoneBy', { person: 'olga', since })).entries).map(({ kind }) => kind)
    expect(done.filter((kind) => kind !== 'person.token')).toEqual(['agent.changed', 'run.started'])
  })

  test('for whom tokens were made that carry no person', async () => {
    const made = nodes((await asLee('TokensMade', { since })).entries)
    const [first] = made.toReversed().map(({ kind, body }) => [kind, fields(body).person, fields(body).by])
    expect(first).toEqual(['person.token', 'maria', 'local'])
    expect(new Set(made.map(({ kind }) => kind))).toEqual(new Set(['person.token', 'vote', 'grant.break_glass']))
  })

  test('what was done about a vendor, and what agents said', async () => {
    expect(ids((await asLee('About', { object: 'V-1005' })).calls)).toEqual(these('granted', 'giving'))
    expect(ids((await asLee('Said', { text: 'quarterly refund' })).calls)).toEqual(these('refund'))
    expect(ids((await asLee('Said', { text: 'damaged' })).calls)).toEqual([])
  })

  test('why an agent did it, and by which playbook', async () => {
    const why = fields((await asLee('Why', { call: made.refund })).call)
    const { playbook } = await asLee('Playbook', { name: 'refund', version: '1' })
    expect(playbook).toMatchObject({ outcomes: ['refund', 'refuse', 'ask', 'hand-over'], since: expect.any(String) })
    expect(why).toMatchObject({
      rationale: expect.stringMatching(/^refund: /),
      decisionRecord: { ...DECIDED, checked: true, schema: fields(playbook).schema },
    })
  })

  test('what was done in whose name', async () => {
    const { named, owned } = await asLee('InWhoseName', { subject: 'sam', owner: 'kofi' })
    expect(ids(named)).toEqual(these('refund', 'read'))
    expect(ids(owned)).toEqual(these('masked'))
  })

  test('figures, which add up to the calls', async () => {
    const { metrics, calls } = await asLee('Numbers', { since })
    const [total] = items(fields(metrics).rows).map(fields)
    expect(ids(calls)).toHaveLength(Object.keys(made).length)
    expect(total).toMatchObject({ calls: Object.keys(made).length, denied: 1, granted: 1 })
  })

  test('for a sample, which is drawn again from the same log', async () => {
    const sample = async (variables: Fields) => fields((await asLee('Drawn', variables)).sample)
    const first = await sample({ seed: 'a lottery’s numbers' })
    expect(items(first.calls)).toHaveLength(5)
    await bed.people('lee', 'query ($id: ID!) { call(id: $id) { input } }', { id: made.small })
    await vi.waitFor(async () => expect((await sample({ seed: 'x' })).size).toBeGreaterThan(Number(first.size)), SOON)
    expect(await sample({ seed: 'a lottery’s numbers', size: first.size })).toEqual(first)
    const all =
      'query ($seed: String!) { sample(first: 500, seed: $seed, filter: { operation: "erp.releasePayment" }) { drawn complete calls { id } } }'
    const { drawn, complete, calls } = fields((await bed.people('lee', all, { seed: 'x' })).sample)
    expect([drawn, complete, items(calls).length]).toEqual([Object.keys(made).length, true, payments])
    await expect(sample({ seed: 'x', size: 1_000_000 })).rejects.toThrow(/BAD_INPUT: `size`/)
    await expect(sample({ seed: '' })).rejects.toThrow(/BAD_INPUT: `seed`/)
  })

  test('page by page, while the record grows', async () => {
    const query = `query ($after: String) { entries(filter: { kinds: ["view", "vote", "policy.*"], since: "${since}" }, first: 3, after: $after) {
      edges { cursor node { process seq } } pageInfo { hasNextPage endCursor } } }`
    const whole = nodes((await bed.people('lee', query.replace('first: 3', 'first: 500'))).entries)
    const found: Fields[] = []
    for (let after: unknown = null; ; ) {
      const { entries } = await bed.people('lee', query, { after })
      found.push(...nodes(entries))
      await bed.people('lee', 'query ($id: ID!) { call(id: $id) { input } }', { id: made.small })
      const { hasNextPage, endCursor } = fields(fields(entries).pageInfo)
      if (hasNextPage !== true) break
      after = endCursor
    }
    expect(whole.length).toBeGreaterThan(6)
    expect(found).toEqual(whole)
    for (const after of [
      '',
      'x',
      Buffer.from(`1 p 1'; drop table entry`).toString('base64url'),
      Buffer.from('01 p 1').toString('base64url'),
    ])
      await expect(bed.people('lee', query, { after })).rejects.toThrow(/BAD_INPUT: `after` is not a cursor/)
    await expect(bed.people('lee', '{ entries(filter: { kinds: ["views"] }) { edges { cursor } } }')).rejects.toThrow(
      /BAD_INPUT: no entry is of the kind `views`/,
    )
  })

  test('what the agent says happened before, where it told nothing', async () => {
    const { trail } = await asLee('Account', { call: made.paid })
    expect(fields(trail).account).toBeNull()
  })

  test('where does the log begin', async () => {
    expect(await asLee('WhereItBegins')).toEqual({ logFloor: { index: 0, heldBy: null, removal: null } })
  })

  test('and the guide has no other questions than those, at least twenty', () => {
    expect([...QUESTIONS.keys()].sort()).toEqual([...asked].sort())
    expect(asked.size).toBeGreaterThanOrEqual(20)
  })
})

describe('what a question may cost', () => {
  const refused = async (query: string) =>
    await expect(bed.people('lee', query)).rejects.toThrow(/BAD_INPUT: the query loads more than 5000 objects/)

  test('aliases count one by one', async () => {
    const pages = (count: number) =>
      `{ ${Array.from({ length: count }, (_, i) => `a${i}: entries(first: 500) { edges { node { seq } } }`).join(' ')} }`
    expect(Object.keys(await bed.people('lee', pages(10)))).toHaveLength(10)
    await refused(pages(11))
  })

  test('lists in lists multiply', async () => {
    const filter = `filter: { run: "${run}" }`
    await refused(
      `{ calls(first: 500) { edges { node { object { key } } } } ${Array.from({ length: 9 }, (_, i) => `c${i}: calls(first: 500, ${filter}) { edges { node { id } } }`).join(' ')} }`,
    )
  })

  test('a run’s calls, samples and proofs count as well', async () => {
    const runs = Array.from({ length: 11 }, (_, i) => `r${i}: run(id: "${run}") { calls(first: 500) { edges { node { id } } } }`)
    await refused(`{ ${runs.join(' ')} }`)
    const samples = Array.from({ length: 10 }, (_, i) => `s${i}: sample(first: 500, seed: "s") { size }`)
    await refused(`{ ${samples.join(' ')} }`)
  })
})

test('and an export of all of that verifies: every grant, emergency approval and change of policies is one that can have been', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-questions-'))
  try {
    const out = join(folder, 'whole')
    await printed(async (output) => exportAudit(output, { url: bed.url, token: await bed.personToken('lee') }, { ...EVERYTHING, out }))
    const { faults, calls } = await verifyExport(out, { vkey: readFileSync(join(out, 'log.vkey'), 'utf8'), since: null })
    expect(faults).toEqual([])
    expect(calls?.calls).toBeGreaterThan(10)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
