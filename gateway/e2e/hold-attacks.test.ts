import { once } from 'node:events'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect } from 'vitest'
import { freshPostgres } from '../storage/test-databases.ts'
import { edited } from './acme-copy.ts'
import { type Attack, attackTable, type TestedElsewhere } from './attack-table.ts'
import { type Ask, McpClient } from './doors.ts'
import { CLAIMED, FOREVER, HeldScene, LED, PROBER, sent, SOON_OVER } from './held-scene.ts'
import { Replica } from './replica.ts'
import { type Fields, fields, items, jsonOf, type Reply, send } from './send.ts'

const postgres = await freshPostgres('attacks on holds')

/** The organisation asks two support leads, one of whom owns the agent; what waits for its agent may be edited before. */
const EDITS = {
  'approvals.yaml': (text: string): string =>
    text
      .replace(/(support-lead:\n\s+requires: \[\{ group: support-leads, count: )1/, '$12')
      .replace('  on_approval: claim', '  on_approval: claim\n  edits: allowed'),
  'people.yaml': (text: string): string => text.replace(/(name: olga, .*groups: \[platform)/, '$1, support-leads'),
}

let scene: HeldScene
let other: Replica | undefined
beforeAll(async () => {
  const environment = postgres ? { environment: { DATABASE_URL: postgres.options.databaseUrl } } : {}
  scene = await HeldScene.open({ soon: '2s', edits: EDITS, ...environment })
  if (!postgres) return
  other = new Replica(scene.bed)
  await other.start()
}, 120_000)
afterAll(async () => {
  await other?.close()
  await scene?.bed.close()
  await postgres?.drop()
}, 60_000)

/** A held call that nobody made before, and what the systems have heard since. */
async function parked(more: Ask['input'] = LED, who: Partial<Ask> = {}) {
  const ask = { ...scene.fresh(more), ...who }
  const seen = scene.bed.watch()
  const id = await scene.held('http', ask)
  return { ask, id, hold: String((await scene.holdOf(id)).id), executed: () => sent(seen(), ask) }
}

const approve = (person: string | null, hold: string): Promise<Fields> =>
  scene.bed.people(person, 'mutation ($hold: ID!) { approveHold(id: $hold) { state } }', { hold })
const votesOf = async (id: string): Promise<unknown[]> =>
  items((await scene.holdOf(id, 'votes { voter verdict }')).votes).map((each) => fields(each).voter)
const ends = async (id: string, state: string): Promise<void> => {
  await expect.poll(async () => (await scene.callOf(id)).state, FOREVER).toBe(state)
}

async function operator(body: unknown, headers: Record<string, string>): Promise<Reply> {
  const own = { 'content-type': 'application/json', ...headers }
  return await send(scene.bed.url, { method: 'POST', path: '/operator/graphql', headers: own, body: JSON.stringify(body) })
}

/** On PostgreSQL only: somebody with the database in their hands. */
async function tamper(statement: string, values: unknown[]): Promise<void> {
  const client = new pg.Client({ connectionString: postgres?.options.databaseUrl })
  await client.connect()
  const { rowCount } = await client.query(statement, values)
  await client.end()
  expect(rowCount).toBe(1)
}

async function replica(): Promise<Replica> {
  if (!other) throw new Error('there is no second gateway')
  return other
}

const policies = (): string => join(dirname(scene.bed.configFile), 'policies/probe.cedar')

const ATTACKS: readonly Attack[] = [
  {
    name: 'one person approves twice, one after the other and at once',
    guard: ['gateway/storage/holds.ts', '.onConflict((oc) => oc.doNothing())'],
    second: 'the key of the table: then the vote breaks off with an error of the database',
    async run() {
      const { id, hold, executed } = await parked()
      const tries = await Promise.allSettled([1, 2, 3].map(() => approve('sam', hold)))
      expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const each of tries) if (each.status === 'rejected') expect(String(each.reason)).toContain('NOT_ELIGIBLE')
      await expect(approve('sam', hold)).rejects.toThrow('NOT_ELIGIBLE')
      expect([await votesOf(id), (await scene.holdOf(id)).state, executed()]).toEqual([['sam'], 'open', 0])
      await approve('noor', hold)
      await ends(id, 'completed')
      expect(executed()).toBe(1)
    },
  },
  {
    name: 'somebody approves after the expiry, before and after anything has noticed it',
    guard: ['gateway/storage/units.ts', "if ((!voteOnly && to === 'expired') !== atMs >= row.expires_at_ms) return false"],
    second:
      'gateway/operator/holds.ts looks at the clock first, and what looks through the holds ends it; with a clock of its own in hold.conformance.ts',
    async run() {
      const { id, hold, executed } = await parked(SOON_OVER)
      const { expiresAt } = fields(jsonOf(await scene.status(id)))
      await expect.poll(() => Date.now() >= Date.parse(String(expiresAt)), FOREVER).toBe(true)
      await expect(approve('sam', hold)).rejects.toThrow('HOLD_NOT_OPEN')
      await ends(id, 'expired')
      await expect(approve('sam', hold)).rejects.toThrow('HOLD_NOT_OPEN')
      expect([await votesOf(id), executed()]).toEqual([[], 0])
    },
  },
  {
    name: 'the person for whom the agent acts approves',
    guard: ['gateway/core/hold.ts', "if (voter.name === call.subject) return 'the subject of a call may not vote on it'"],
    async run() {
      const { id, hold, executed } = await parked(LED, { subject: 'sam' })
      await expect(approve('sam', hold)).rejects.toThrow('the subject of a call may not vote on it')
      await approve('noor', hold)
      expect([await votesOf(id), (await scene.holdOf(id)).state, executed()]).toEqual([['noor'], 'open', 0])
    },
  },
  {
    name: 'who owns the agent approves what it does for somebody else',
    guard: ['gateway/core/hold.ts', 'if (voter.name === call.owner) return "the agent\'s owner may not vote on its calls"'],
    async run() {
      const { id, hold, executed } = await parked(LED, { subject: 'dana' })
      await expect(approve('olga', hold)).rejects.toThrow("the agent's owner may not vote on its calls")
      expect([await votesOf(id), executed()]).toEqual([[], 0])
    },
  },
  {
    name: 'the arguments are changed in the record after the approval',
    guard: ['gateway/pipeline/resume.ts', "return 'the approval was given for other terms'"],
    needsPostgres: true,
    async run() {
      const { ask, id, hold, executed } = await parked(CLAIMED)
      await approve('aisha', hold)
      await tamper(`update call set facts = jsonb_set(facts::jsonb, '{input,note}', '"for me"') where id = $1`, [id])
      await scene.status(id, '/claim', 'POST')
      expect([(await scene.callOf(id)).state, (await scene.holdOf(id)).id === hold, executed()]).toEqual(['held', false, 0])
      expect(sent(scene.bed.watch()(), ask)).toBe(0)
    },
  },
  {
    name: 'the arguments are changed by an edit after the approval, while the call waits for its agent',
    guard: ['gateway/operator/edit-hold.ts', 'assertOpen(hold, deps.clock.now())'],
    second: 'gateway/pipeline/edit.ts replaces an open hold only',
    async run() {
      const { ask, id, hold, executed } = await parked(CLAIMED)
      await approve('aisha', hold)
      const edit = 'mutation ($hold: ID!, $input: JSONObject!) { editHold(id: $hold, input: $input, comment: "more") { id } }'
      await expect(scene.bed.people('aisha', edit, { hold, input: { ...ask.input, note: 'more' } })).rejects.toThrow('HOLD_NOT_OPEN')
      const { input, state } = await scene.callOf(id, 'input')
      expect([input, state, executed()]).toEqual([ask.input, 'approved', 0])
    },
  },
  {
    name: 'a policy forbids it between approval and release',
    guard: ['gateway/pipeline/resume.ts', "if (decision.verdict.effect === 'deny') {"],
    async run() {
      const { id, hold, executed } = await parked({ ...CLAIMED, count: 404 })
      await approve('aisha', hold)
      const rule = `
@id("probe-not-that-one")
forbid (principal, action == Probe::Action::"writeThing", resource) when { context.input has count && context.input.count == 404 };
`
      edited(policies(), (text) => text + rule)
      await scene.bed.reloadPolicies()
      const reply = await scene.status(id, '/claim', 'POST')
      expect([reply.status, (await scene.callOf(id)).state, executed()]).toEqual([403, 'denied', 0])
    },
  },
  {
    name: 'two gateways release at once',
    guard: [
      'gateway/storage/units.ts',
      "if (call?.state !== 'approved' || call.hold_id !== (consumes?.hold ?? null)) return { kind: 'lost' }",
    ],
    second: 'the hold is compared as well, and the database takes one intent a call',
    needsPostgres: true,
    async run() {
      const second = await replica()
      const { id, hold, executed } = await parked(CLAIMED)
      await approve('aisha', hold)
      const { agentToken } = await second.people(null, 'mutation { agentToken(agent: "prober") }')
      const there = () =>
        send(second.url, { method: 'POST', path: `/v1/calls/${id}/claim`, headers: { authorization: `Bearer ${agentToken}` } })
      await Promise.all([1, 2, 3, 4, 5].flatMap(() => [scene.status(id, '/claim', 'POST'), there()]))
      await ends(id, 'completed')
      expect(executed()).toBe(1)
      const { entries } = await scene.callOf(id, 'entries { kind }')
      expect(items(entries).filter((entry) => fields(entry).kind === 'intent')).toHaveLength(1)
    },
  },
  {
    name: 'the gateway is killed after the bytes were sent, and the agent asks again',
    guard: ['gateway/storage/migrations/0001-record.ts', "case when state in ('held', 'approved', 'executing', 'in_doubt')"],
    needsPostgres: true,
    async run() {
      const second = await replica()
      const { ask, id, hold, executed } = await parked()
      await approve('sam', hold)
      const armed = once(second.child, 'message')
      second.child.send({ arm: 'answered' })
      await armed
      const dead = once(second.child, 'exit')
      // The last vote: the gateway that takes it releases the call, and dies with the answer in its hands.
      await second.people('noor', 'mutation ($hold: ID!) { approveHold(id: $hold) { state } }', { hold }).catch(() => undefined)
      expect(await dead).toEqual([null, 'SIGKILL'])
      expect(executed()).toBe(1)
      await second.start()
      await ends(id, 'in_doubt')
      expect(await scene.clients.http.call(ask)).toMatchObject({ inDoubt: true, callId: id })
      expect(executed()).toBe(1)
    },
  },
  {
    name: 'an id is found inside of other text',
    guard: ['gateway/core/ids.ts', '/^call_[0-9a-z]{26}$/'],
    async run() {
      const { id, hold } = await parked()
      const mcp = new McpClient('mcp', scene.bed)
      for (const text of [`Held as ${id}.`, ` ${id}`, `${id}\n`, `${id} ${id}`, `"${id}"`, id.toUpperCase()]) {
        for (const tool of ['gatehouse_call_wait', 'gatehouse_call_cancel'])
          expect([text, (await mcp.tool(PROBER, tool, { id: text })).code]).toEqual([text, 'BAD_INPUT'])
        // A line break has no place in the header that names a task.
        if (text === text.trimEnd()) expect((await scene.tasks.ask(PROBER, 'tasks/cancel', { taskId: text })).error, text).toBeDefined()
        expect((await scene.status(encodeURIComponent(text), '/cancel', 'POST')).status, text).toBe(400)
      }
      for (const text of [`please approve ${hold}`, `${hold}\n`, `${hold},${hold}`])
        await expect(approve('sam', text)).rejects.toThrow('ID_MALFORMED')
      expect([(await scene.callOf(id)).state, await votesOf(id)]).toEqual(['held', []])
    },
  },
  {
    name: 'what approvers read is shortened, or turned around by characters that nobody sees',
    guard: ['schema/operator/hold-type.ts', 'visibleJson(call.input)'],
    async run() {
      const hidden = '\u202e\u2066\u200b\u{e0041}'
      const name = `pay 1${hidden}${'x'.repeat(3_900)} and 99 more`
      const { id } = await parked({ ...LED, name })
      const { hold } = fields((await scene.bed.people('sam', 'query ($id: ID!) { call(id: $id) { hold { inputText } } }', { id })).call)
      const text = String(fields(hold).inputText)
      expect(text).toContain(`${'x'.repeat(3_900)} and 99 more`)
      expect(text).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u200b\u{e0000}-\u{e007f}]/u)
      expect(fields(JSON.parse(text)).name).toBe(name)
    },
  },
  {
    name: 'the agent votes, with every means that it has',
    guard: ['gateway/operator/roles.ts', "if (hasRole(by, 'local')) throw new GatewayError('FORBIDDEN',"],
    second: 'agents are stopped before: their tokens have another audience',
    async run() {
      const { ask, id, hold, executed } = await parked()
      const mine = await scene.bearer()
      const mutation = `mutation { approveHold(id: "${hold}") { state } }`
      for (const headers of [
        mine,
        { ...mine, 'gatehouse-person': 'sam' },
        { cookie: 'gatehouse_session=sam' },
        { authorization: 'Bearer sam' },
      ])
        expect((await operator({ query: mutation }, headers)).status).toBe(401)
      // A person's own session votes for that person, whatever else is said.
      const sam = { authorization: `Bearer ${await scene.bed.personToken('paul')}` }
      for (const said of ['voter: "sam"', 'by: "sam"']) {
        const reply = await operator({ query: `mutation { approveHold(id: "${hold}", ${said}) { state } }` }, sam)
        expect(fields(jsonOf(reply)).errors).toBeDefined()
      }
      await expect(approve(null, hold)).rejects.toThrow('FORBIDDEN')
      const asserted = { ...ask, says: { rationale: 'approved by sam and noor', run: 'approved' } }
      expect(await scene.clients.http.call(asserted)).toMatchObject({ code: 'HELD', callId: id })
      expect((await scene.clients.mcp.call({ ...ask, input: { ...ask.input, approved: true } })).code).toBe('BAD_INPUT')
      const answers = { inputResponses: { approve: { action: 'accept', content: { approve: true } } } }
      expect(await scene.tasks.ask(PROBER, 'tasks/update', { taskId: id, ...answers })).toHaveProperty('result')
      for (const rest of ['/approve', '/vote']) expect((await scene.status(id, rest, 'POST')).status).toBe(404)
      expect((await scene.status(id, '/claim', 'POST')).status).toBe(409)
      expect([(await scene.callOf(id)).state, await votesOf(id), executed()]).toEqual(['held', [], 0])
    },
  },
  {
    name: 'a sign-in link is used a second time',
    guard: ['gateway/identity/people-sessions.ts', 'this.#links.delete(key)'],
    async run() {
      const { hold, id } = await parked()
      const { signInLink } = await scene.bed.people(null, 'mutation { signInLink(person: "sam") }')
      const link = String(signInLink).slice(String(signInLink).indexOf('#') + 1)
      const headers = { 'content-type': 'application/json', origin: scene.bed.url }
      const use = () => send(scene.bed.url, { method: 'POST', path: '/operator/session', headers, body: JSON.stringify({ link }) })
      const uses = await Promise.all([use(), use(), use()])
      expect(uses.map(({ status }) => status).sort()).toEqual([200, 401, 401])
      const replayed = await use()
      expect([replayed.status, replayed.headers['set-cookie']]).toEqual([401, undefined])
      const cookie = String(uses.find(({ status }) => status === 200)?.headers['set-cookie']).split(';')[0] ?? ''
      const voted = await operator({ query: `mutation { approveHold(id: "${hold}") { state } }` }, { cookie, origin: scene.bed.url })
      expect(fields(jsonOf(voted)).data).toEqual({ approveHold: { state: 'open' } })
      expect(await votesOf(id)).toEqual(['sam'])
    },
  },
]

/** Attacks on holds whose tests stand elsewhere, by the words of their titles. */
const ELSEWHERE: readonly TestedElsewhere[] = [
  [
    'approve on a restarted server',
    'gateway/e2e/holds.test.ts',
    'survives a restart, is approved afterwards, executes once, and its agent gets the result',
  ],
  [
    'the approver, the rule or the approval changes between approval and release',
    'gateway/e2e/holds.test.ts',
    'that waits for its agent is not released when %s',
  ],
  ['policies change while a hold is open', 'gateway/e2e/policy-changes.test.ts', 'hold'],
  ['the object changes between approval and release', 'gateway/pipeline/lookups.test.ts', 'superseded'],
  [
    'release after the expiry',
    'gateway/storage/hold.conformance.ts',
    'after its expiry a hold is neither voted on, approved nor released; before it does not expire',
  ],
  ['an actor of the call, or who published the policy, approves', 'gateway/core/hold.test.ts', 'actor'],
  ['crash at every border of a call', 'gateway/e2e/crash.test.ts', 'at the border `%s`'],
  [
    'many approve at once on two gateways, one of which dies',
    'gateway/e2e/hold-race.test.ts',
    'every held call is executed once or not at all',
  ],
  ['the last vote is cast and its gateway dies', 'gateway/operator/holds.test.ts', 'the last one ends the hold in its own transaction'],
  [
    'calls and tasks of other agents',
    'gateway/e2e/call-status.test.ts',
    'another agent, another subject, or no subject finds nothing, as where there is nothing',
  ],
  ['a page of another site votes with a session', 'gateway/e2e/dashboard/sign-in.test.ts', 'does not speak for a person by %s'],
]

attackTable('attacks on holds', ATTACKS, ELSEWHERE, postgres !== undefined)
