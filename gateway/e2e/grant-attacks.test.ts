import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JsonObject } from '../core/json.ts'
import { freshPostgres } from '../storage/test-databases.ts'
import { type Attack, attackTable, type TestedElsewhere } from './attack-table.ts'
import { type Ask, DOORS } from './doors.ts'
import { FOREVER, HeldScene, PROBER, sent } from './held-scene.ts'
import { Replica } from './replica.ts'
import { type Fields, fields, items, type Reply, send } from './send.ts'

const postgres = await freshPostgres('attacks on grants')

const STANDING = '  standing: { max_uses: 50, max_total: { of: /count, value: "1000" }, until: 1d, pinned: [/flag] }\n'
const EDITS = {
  'approvals.yaml': (text: string): string => text.replace(/(support-lead:\n.*\n.*\n {2}on_approval: execute\n)/, `$1${STANDING}`),
}

let scene: HeldScene
let other: Replica | undefined
beforeAll(async () => {
  const environment = postgres ? { environment: { DATABASE_URL: postgres.options.databaseUrl } } : {}
  scene = await HeldScene.open({ soon: '1h', edits: EDITS, ...environment })
  if (!postgres) return
  other = new Replica(scene.bed)
  await other.start()
}, 120_000)
afterAll(async () => {
  await other?.close()
  await scene?.bed.close()
  await postgres?.drop()
}, 60_000)

interface Given {
  id: string
  /** A call of its kind; each grant has a note of its own, so that no other lets it pass. */
  ask(more?: JsonObject, who?: Partial<Ask>): Ask
}

const GIVE = `mutation ($id: ID!, $digest: String!, $standing: StandingInput!) {
  giveStanding(id: $id, digest: $digest, standing: $standing) { id state digest standing { maxUses } }
}`
const LOOSENED = [
  { pointer: '/name', kind: 'any' },
  { pointer: '/count', kind: 'at_most', most: '10' },
  { pointer: '/ratio', kind: 'any' },
]
const terms = (more: JsonObject = {}): JsonObject => ({
  ...{ loosened: LOOSENED, maxUses: 50, totals: [{ of: '/count', most: '1000' }] },
  ...{ until: new Date(Date.now() + 3_600_000).toISOString(), ...more },
})

/** A held call, as somebody who may decide is shown it. */
async function shown(input: JsonObject, who: Partial<Ask> = {}): Promise<{ call: string; id: string; digest: string }> {
  const call = await scene.held('http', { ...scene.fresh(input), ...who })
  const { id, digest } = await scene.holdOf(call, 'digest')
  return { call, id: String(id), digest: String(digest) }
}

/** Sam approves a held call and gives a grant with it. */
async function given(more: JsonObject = {}, who: Partial<Ask> = {}): Promise<Given> {
  const input = { flag: true, count: 1, ratio: 1, note: `given-${scene.next()}` }
  const { call, id, digest } = await shown(input, who)
  await scene.bed.people('sam', GIVE, { id, digest, standing: terms(more) })
  await expect.poll(async () => (await scene.callOf(call)).state, FOREVER).toBe('completed')
  const { grant } = await scene.holdOf(call, 'grant { id }')
  return { id: String(fields(grant).id), ask: (change = {}, by = {}) => ({ ...scene.fresh({ ...input, ...change }), ...who, ...by }) }
}

async function grantOf(id: string): Promise<Fields> {
  const { grant } = await scene.bed.people('lee', 'query ($id: ID!) { grant(id: $id) { state used why totals { spent } } }', { id })
  return fields(grant)
}

/** What every door says to such a call, and how often the system was asked. */
async function atEveryDoor(ask: () => Ask): Promise<string[]> {
  const said: string[] = []
  for (const door of DOORS) {
    const seen = scene.bed.watch()
    const call = ask()
    const { code, callId = '' } = await scene.clients[door].call(call)
    const { grant, decision } = await scene.callOf(callId, 'grant { id } decision { outcome }')
    said.push(`${code} ${String(fields(decision).outcome)} ${grant === null ? 'asked' : 'granted'} ${sent(seen(), call)}`)
  }
  return [...new Set(said)]
}

async function postAt(url: string, token: string, { input }: Ask): Promise<Reply> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  return await send(url, { method: 'POST', path: '/proxy/probe/things', headers, body: JSON.stringify(input) })
}

async function replica(): Promise<{ second: Replica; token: string }> {
  if (!other) throw new Error('there is no second gateway')
  const { agentToken } = await other.people(null, 'mutation { agentToken(agent: "prober") }')
  return { second: other, token: String(agentToken) }
}

const PASSES = ['OK hold granted 1']
const HELD = ['HELD hold asked 0']

test('a grant lets the same calls pass at every door, and none else; the decision stays a hold', async () => {
  const { id, ask } = await given()
  const cases: readonly [what: string, ask: () => Ask, said: string[]][] = [
    ['the same', () => ask(), PASSES],
    ['the most', () => ask({ count: 10 }), PASSES],
    ['nothing', () => ask({ count: 0 }), PASSES],
    ['more', () => ask({ count: 11 }), HELD],
    ['a negative amount', () => ask({ count: -1 }), HELD],
    ['a longer text', () => ask({ note: `${String(ask().input.note)}0` }), HELD],
    ['no text', () => ask({ note: '' }), HELD],
    ['null', () => ask({ note: null }), HELD],
    ['an argument more', () => ask({ code: 'ABC' }), HELD],
    ['an empty list more', () => ask({ tags: [] }), HELD],
    ['a call that one more rule holds', () => ask({ code: 'CLM' }), HELD],
    ['a call that is forbidden', () => ask({ ratio: 101 }), ['DENIED deny asked 0']],
    ['a call for somebody', () => ask({}, { subject: 'dana' }), HELD],
  ]
  for (const [what, call, said] of cases) expect([what, await atEveryDoor(call)]).toEqual([what, said])
  expect(await grantOf(id)).toMatchObject({ state: 'live', used: 3 * DOORS.length, totals: [{ spent: '44.0' }] })
  await scene.bed.people('aisha', 'mutation ($id: ID!) { revokeGrant(id: $id, why: "enough") { state } }', { id })
  expect(await atEveryDoor(() => ask())).toEqual(HELD)
  // Figures count what passed under it beside what policy said of it.
  const query = 'query ($since: DateTimeISO!) { metrics(range: { since: $since }) { rows { granted completed } } }'
  const since = new Date(Date.now() - 3_600_000).toISOString()
  const figures = async () => fields(fields((await scene.bed.people('aisha', query, { since })).metrics)).rows
  await expect.poll(figures, FOREVER).toEqual([{ granted: 3 * DOORS.length, completed: 3 * DOORS.length + 1 }])
}, 120_000)

const ATTACKS: readonly Attack[] = [
  {
    name: 'amounts and uses that are no bound: zero, negative, not a number, infinite, empty',
    guard: ['gateway/core/grant.ts', "if (allows.kind === 'one_of' && allows.values.length === 0)"],
    async run() {
      const { call, id, digest } = await shown({ flag: true, count: 1 })
      const name = { pointer: '/name', kind: 'one_of', values: [] }
      const faulty: JsonObject[] = [
        ...['0', '-1', 'NaN', 'Infinity', '1e3', '', '0x10', '1000.00001', '1001'].map((most) => ({ totals: [{ of: '/count', most }] })),
        ...['0', '-5', 'NaN', '1e3', ''].map((most) => ({ loosened: [{ pointer: '/count', kind: 'at_most', most }] })),
        ...[0, -1, 51].map((maxUses) => ({ maxUses })),
        { loosened: [name] },
        { loosened: [{ pointer: '', kind: 'any' }] },
        { loosened: [{ pointer: '/flag', kind: 'any' }] },
        { loosened: [{ pointer: '/name/', kind: 'any' }] },
        { totals: [] },
        { until: new Date(Date.now() - 1).toISOString() },
        { until: new Date(Date.now() + 2 * 86_400_000).toISOString() },
      ]
      for (const more of faulty)
        await expect(
          scene.bed.people('sam', GIVE, { id, digest, standing: terms({ loosened: [], ...more }) }),
          JSON.stringify(more),
        ).rejects.toThrow('BAD_INPUT')
      const { hold, entries } = await scene.callOf(call, 'hold { id state } entries { kind }')
      expect(hold).toEqual({ id, state: 'open' })
      expect(items(entries).map((entry) => fields(entry).kind)).toEqual(['decision', 'hold.opened'])
    },
  },
  {
    name: 'a grant rides on an approval of something else: the digest that was shown is another one',
    guard: ['gateway/operator/holds.ts', 'if (shown && shown.digest !== hold.digest)'],
    second: 'the transaction compares the digest as well, and then says nothing of why',
    async run() {
      const { call, id, digest } = await shown({ flag: true, count: 1 })
      const standing = terms({ loosened: [] })
      await expect(
        scene.bed.people('sam', GIVE, { id, digest: digest.replace(/^./, (c) => (c === '0' ? '1' : '0')), standing }),
      ).rejects.toThrow('HOLD_NOT_OPEN')
      expect(await scene.holdOf(call, 'standing { maxUses }')).toEqual({ id, state: 'open', standing: null })
    },
  },
  {
    name: 'the agent gives itself a grant, or breaks the glass',
    guard: ['gateway/operator/roles.ts', "if (hasRole(by, 'local')) throw new GatewayError('FORBIDDEN',"],
    second: 'agents are stopped before: their tokens have another audience',
    async run() {
      const { call, id, digest } = await shown({ flag: true, count: 1 })
      const variables = { id, digest, standing: terms({ loosened: [] }) }
      const own = { 'content-type': 'application/json', ...(await scene.bearer()) }
      const body = JSON.stringify({ query: GIVE, variables })
      expect((await send(scene.bed.url, { method: 'POST', path: '/operator/graphql', headers: own, body })).status).toBe(401)
      await expect(scene.bed.people(null, GIVE, variables)).rejects.toThrow('FORBIDDEN')
      const glass = `mutation ($id: ID!, $digest: String!) { breakGlass(id: $id, digest: $digest, reason: "nobody of support answers the telephone") { id } }`
      await expect(scene.bed.people(null, glass, { id, digest })).rejects.toThrow('FORBIDDEN')
      for (const person of ['lee', 'maria', 'olga']) await expect(scene.bed.people(person, glass, { id, digest })).rejects.toThrow()
      expect(await scene.holdOf(call)).toEqual({ id, state: 'open' })
    },
  },
  {
    name: 'a grant that was revoked at one gateway is used at another',
    guard: ['gateway/core/grant.ts', "if (state !== 'live') return "],
    second: 'what has ended is not looked up',
    needsPostgres: true,
    async run() {
      const { second, token } = await replica()
      const { id, ask } = await given()
      expect((await postAt(second.url, token, ask())).status).toBe(200)
      await scene.bed.people('aisha', 'mutation ($id: ID!) { revokeGrant(id: $id, why: "enough") { state } }', { id })
      const call = ask()
      const seen = scene.bed.watch()
      expect([(await postAt(second.url, token, call)).status, sent(seen(), call)]).toEqual([202, 0])
    },
  },
  {
    name: 'fifty calls at once at two gateways under a grant of five uses',
    guard: ['gateway/core/grant.ts', 'return isUsedUp(grant) ? '],
    second: 'whoever reserves looks again, and the database counts no further',
    needsPostgres: true,
    async run() {
      const { second, token } = await replica()
      const { id, ask } = await given({ maxUses: 5 })
      const asks = Array.from({ length: 50 }, () => ask())
      const seen = scene.bed.watch()
      const mine = await scene.bed.agentToken(PROBER.agent)
      const replies = await Promise.all(
        asks.map((each, n) => (n % 2 === 0 ? postAt(scene.bed.url, mine, each) : postAt(second.url, token, each))),
      )
      const reached = seen()
      expect(asks.reduce((sum, each) => sum + sent(reached, each), 0)).toBe(5)
      expect(replies.filter(({ status }) => status === 200)).toHaveLength(5)
      // Whatever else was said, nothing else ran: held, or more at once than one agent may have.
      for (const { status } of replies) expect([200, 202, 429]).toContain(status)
      expect(await grantOf(id)).toMatchObject({ state: 'used_up', used: 5, totals: [{ spent: '5.0' }] })
    },
  },
  {
    name: 'kill -9 between the reservation and the call, and after its bytes were sent: the use is kept, and not had twice',
    guard: ['gateway/storage/batch-statement.ts', "reserved === true && stateAfter(outcome.kind) === 'failed'"],
    second: 'a process that is gone says nothing of its calls: they are in doubt',
    needsPostgres: true,
    async run() {
      for (const [border, times] of [
        ['recorded', 0],
        ['answered', 1],
      ] as const) {
        const { second, token } = await replica()
        const { id, ask } = await given({ maxUses: 2 })
        const call = ask()
        const seen = scene.bed.watch()
        const armed = once(second.child, 'message')
        second.child.send({ arm: border })
        await armed
        const dead = once(second.child, 'exit')
        await postAt(second.url, token, call).catch(() => undefined)
        expect(await dead).toEqual([null, 'SIGKILL'])
        expect([border, sent(seen(), call), (await grantOf(id)).used]).toEqual([border, times, 1])
        await second.start()
        const again = await scene.clients.http.call(ask())
        expect([again.code, (await grantOf(id)).used]).toEqual(['OK', 2])
        expect((await scene.clients.http.call(ask())).code).toBe('HELD')
      }
    },
  },
]

/** Attacks on grants whose tests stand elsewhere, by the words of their titles. */
const ELSEWHERE: readonly TestedElsewhere[] = [
  ['values that are nearly the same', 'gateway/core/grant.test.ts', 'its members in another order'],
  ['amounts that policy cannot hold', 'gateway/core/grant.test.ts', 'an amount too fine'],
  [
    'another text of the policy, approval, operation, owner, giver',
    'gateway/pipeline/grants.test.ts',
    'it lets nothing pass, and is marked dead',
  ],
  [
    'people whom the facts exclude today',
    'gateway/pipeline/grants.test.ts',
    'people whom the facts of the very call exclude gave nothing for it',
  ],
  ['a suspended agent', 'gateway/pipeline/grants.test.ts', 'a suspended agent passes under nothing'],
  ['a second voter adds a grant to the first vote', 'gateway/operator/grants.test.ts', 'rides on nobody else'],
  ['a grant among several holds at once', 'gateway/operator/grants.test.ts', 'is looked at alone: not among several'],
  ['broken by who may not, or without a reason', 'gateway/operator/grants.test.ts', 'where it is not known whom they exclude'],
  ['broken while a review is overdue, reviewed by who did it', 'gateway/operator/grants.test.ts', 'never by who did it'],
  ['more uses than there are, on two gateways', 'gateway/storage/grant-replicas.test.ts', 'pass exactly as often as it says'],
  ['kill -9 of both gateways while they work', 'gateway/storage/grant-replicas.test.ts', 'no use lost, none counted twice'],
]

attackTable('attacks on grants', ATTACKS, ELSEWHERE, postgres !== undefined)
