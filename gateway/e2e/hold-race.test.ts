import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshRedis } from '../bus/test-redis.ts'
import { freshPostgres } from '../storage/test-databases.ts'
import { type Bed, startBed } from './harness.ts'
import { Replica } from './replica.ts'
import { type Fields, fields, items, jsonOf, type Reply, send } from './send.ts'

const postgres = await freshPostgres('a race of twenty approvers on two gateways')
const redis = await freshRedis('a race of twenty approvers on two gateways')

const HOLDS = 16
const GROUPS = { 'race-a': 3, 'race-b': 2 } as const
/** Twenty people who may approve: twelve of the one group, eight of the other. */
const PEOPLE = Array.from({ length: 20 }, (_, index) => ({ name: `voter-${index}`, group: index < 12 ? 'race-a' : 'race-b' }) as const)
const groupOf = new Map<unknown, keyof typeof GROUPS>(PEOPLE.map(({ name, group }) => [name, group]))
/** So many votes have been answered by the second gateway when it dies. */
const ANSWERED_BEFORE_DEATH = 40
/** Every other agent gives its call up when so many votes are in, in turn. */
const VOTES_BEFORE_CANCEL = [0, 1, 0, 3]

const EDITS = {
  'people.yaml': (text: string) => text + PEOPLE.map(({ name, group }) => `- { name: ${name}, groups: [${group}], region: eu }\n`).join(''),
  'approvals.yaml': (text: string) =>
    `${text}\nrace:\n  requires: [${Object.entries(GROUPS)
      .map(([group, count]) => `{ group: ${group}, count: ${count} }`)
      .join(', ')}]\n  expires: 4h\n`,
  'policies/probe.cedar': (text: string) =>
    `${text}\n@id("probe-race") @hold("race")\nforbid (principal, action == Probe::Action::"writeThing", resource) when { context.input has flag && context.input.flag };\n`,
}

/** One of the two gateways, as its clients know it. The second one dies and comes back at another address. */
interface Gate {
  /** Resolves while it is there, or once it is back. */
  up(): Promise<unknown>
  url(): string
  agent(): Promise<string>
  person(name: string): Promise<string>
}

/** What a voter heard. `counted`: the vote was answered with the hold. */
type Heard = 'counted' | 'voted already' | 'over'

interface Held {
  name: string
  key: string
  callId: string
  holdId: string
}

describe.skipIf(postgres === undefined || redis === undefined)('twenty approvers, two gateways, one of which dies', () => {
  let bed: Bed
  let other: Replica
  let gates: readonly [Gate, Gate]
  let back: Promise<unknown> = Promise.resolve()
  let died = false
  let answered = 0

  beforeAll(async () => {
    await redis?.start()
    bed = await startBed({ environment: { DATABASE_URL: postgres?.options.databaseUrl, REDIS_URL: redis?.url }, edits: EDITS })
    other = new Replica(bed)
    await other.start()
    gates = [gateOf(bed), gateOfReplica(other)]
    for (const gate of gates) await gate.agent()
  }, 120_000)
  afterAll(async () => {
    await other?.close()
    await bed?.close()
    await redis?.drop()
    await postgres?.drop()
  }, 60_000)

  const gateOf = ({ url, agentToken, personToken }: Bed): Gate => ({
    up: () => Promise.resolve(),
    url: () => url,
    agent: () => agentToken('prober'),
    person: (name) => personToken(name),
  })

  function gateOfReplica(replica: Replica): Gate {
    const tokens = new Map<string, Promise<string>>()
    const minted = (query: string): Promise<string> => {
      const key = `${replica.url} ${query}`
      const token = tokens.get(key) ?? replica.people(null, query).then((data) => String(data.token))
      tokens.set(key, token)
      return token
    }
    return {
      up: () => back,
      url: () => replica.url,
      agent: () => minted('mutation { token: agentToken(agent: "prober") }'),
      person: (name) => minted(`mutation { token: userToken(person: "${name}") }`),
    }
  }

  /**
   * Asks until there is an answer: a connection that breaks is the death of a gateway, and then it is asked again once that is back; so it is where the record
   * is away for a moment, as the answer says.
   */
  async function asked(gate: Gate, request: (gate: Gate) => Promise<Reply>): Promise<Reply> {
    for (;;) {
      await gate.up()
      const before = back
      try {
        const reply = await request(gate)
        if (!reply.text.includes('"code":"UNAVAILABLE"')) return reply
      } catch (error) {
        if (!died) throw error
        // Told by the same death: the way back is known before the process is killed.
        if (before === back) await back
      }
    }
  }

  const agentAsks = (gate: Gate, method: string, path: string, body?: string, more: Record<string, string> = {}): Promise<Reply> =>
    asked(gate, async (at) => {
      const headers = { authorization: `Bearer ${await at.agent()}`, 'content-type': 'application/json', ...more }
      return await send(at.url(), { method, path, headers, ...(body === undefined ? {} : { body }) })
    })

  const write = (gate: Gate, { name, key }: Pick<Held, 'name' | 'key'>, wait: number): Promise<Reply> =>
    agentAsks(gate, 'POST', '/proxy/probe/things', JSON.stringify({ name, flag: true }), { 'idempotency-key': key, prefer: `wait=${wait}` })

  async function hold(index: number): Promise<Held> {
    const made = { name: `race-${index}`, key: `race-key-${index}` }
    const callId = String(fields(jsonOf(await write(gates[0], made, 0))).callId)
    const { call } = await bed.people('lee', 'query ($id: ID!) { call(id: $id) { hold { id } } }', { id: callId })
    return { ...made, callId, holdId: String(fields(fields(call).hold).id) }
  }

  async function vote(gate: Gate, person: string, { holdId }: Held): Promise<Heard> {
    const body = JSON.stringify({ query: 'mutation ($id: ID!) { approveHold(id: $id) { state } }', variables: { id: holdId } })
    const reply = await asked(gate, async (at) => {
      const headers = { authorization: `Bearer ${await at.person(person)}`, 'content-type': 'application/json' }
      return await send(at.url(), { method: 'POST', path: '/operator/graphql', headers, body })
    })
    const { errors } = fields(jsonOf(reply))
    const [error] = items(errors).map(fields)
    const code = fields(error?.extensions).code
    if (gate === gates[1] && ++answered === ANSWERED_BEFORE_DEATH) die()
    if (error === undefined && reply.status === 200) return 'counted'
    if (code === 'HOLD_NOT_OPEN') return 'over'
    if (code === 'NOT_ELIGIBLE' && String(error?.message).includes('already')) return 'voted already'
    throw new Error(`a vote met ${reply.status} ${reply.text}`)
  }

  /** `kill -9`, and a start over what is left. */
  function die(): void {
    died = true
    back = other.kill().then(() => other.start())
  }

  /** An agent that waits at the status until the call has ended. */
  async function waits(gate: Gate, { callId }: Held): Promise<Fields> {
    for (;;) {
      const reply = await agentAsks(gate, 'GET', `/v1/calls/${callId}?wait=20`)
      if (reply.status === 200) return fields(jsonOf(reply))
    }
  }

  /** A framework that repeats its call, with its key, until it is answered. */
  async function repeats(gate: Gate, held: Held): Promise<Reply> {
    for (;;) {
      const reply = await write(gate, held, 5)
      if (reply.status !== 202) return reply
    }
  }

  test('every held call is executed once or not at all, every vote counts once, and everybody is told the same', async () => {
    const held = await Promise.all(Array.from({ length: HOLDS }, (_, index) => hold(index)))
    const seen = bed.watch()
    const gate = (index: number): Gate => gates[index % 2 === 0 ? 0 : 1]
    const races = held.map(async (one, index) => {
      const almost = Promise.withResolvers<void>()
      const cancels = index % 2 === 1
      const patience = VOTES_BEFORE_CANCEL[((index - 1) / 2) % 4]
      if (patience === 0) almost.resolve()
      let counted = 0
      const heard = PEOPLE.map(async ({ name }, voter) => {
        const answer = await vote(gate(index + voter), name, one)
        if (answer !== 'over') counted += 1
        if (answer === 'over' || counted === patience) almost.resolve()
        return [name, answer] as const
      })
      const cancel = cancels ? almost.promise.then(() => agentAsks(gate(index), 'POST', `/v1/calls/${one.callId}/cancel`)) : undefined
      const [votes, status, repeated] = await Promise.all([
        Promise.all(heard),
        waits(gate(index), one),
        repeats(gate(index + 1), one),
        cancel,
      ])
      return { ...one, cancels, votes, status, repeated }
    })
    const ended = await Promise.all(races)
    expect(died).toBe(true)
    for (const race of ended)
      await tellsOneStory(race, seen().filter(({ body }) => fields(JSON.parse(body ?? '{}')).name === race.name).length)
    // The race was one: some calls were executed.
    expect(ended.filter(({ status }) => status.state === 'completed').length).toBeGreaterThan(0)
    await hasNoGaps()
  }, 180_000)

  interface Ended extends Held {
    cancels: boolean
    votes: readonly (readonly [string, Heard])[]
    status: Fields
    repeated: Reply
  }

  async function tellsOneStory({ callId, name, cancels, votes, status, repeated }: Ended, executed: number): Promise<void> {
    const query = 'query ($id: ID!) { call(id: $id) { state hold { state votes { voter verdict } } entries { kind body } } }'
    const call = fields((await bed.people('lee', query, { id: callId })).call)
    const entries = items(call.entries).map(fields)
    const kinds = entries.map(({ kind }) => String(kind))
    const of = (kind: string): number => kinds.filter((each) => each === kind).length
    const { state } = status
    const about = `${name}: ${kinds.join(' ')}`
    // One end, and the agent heard it twice.
    expect(cancels ? ['completed', 'cancelled', 'in_doubt'] : ['completed', 'in_doubt'], about).toContain(state)
    expect(call.state, about).toBe(state)
    const told = {
      completed: repeated.status === 200,
      cancelled: repeated.text.includes('CANCELLED'),
      in_doubt: fields(jsonOf(repeated)).inDoubt === true,
    }
    expect(told[state as keyof typeof told], `${about}: ${repeated.text}`).toBe(true)
    if (state === 'completed') expect(jsonOf(repeated), about).toEqual(status.result)
    // Executed once or not at all, under one intent.
    expect([executed, of('intent')], about).toEqual(
      state === 'cancelled' ? [0, 0] : [state === 'completed' ? 1 : expect.toBeOneOf([0, 1]), 1],
    )
    // Votes: each person's once, in the order of the record, and none that was answered is missing.
    const cast = items(fields(call.hold).votes).map((each) => fields(each).voter)
    expect(new Set(cast).size, about).toBe(cast.length)
    expect(of('vote'), about).toBe(cast.length)
    for (const [voter, heard] of votes) if (heard !== 'over') expect(cast, `${about}: ${voter} ${heard}`).toContain(voter)
    // The one that filled the last seat approved, and nobody after.
    const recorded = entries.filter(({ kind }) => kind === 'vote').map(({ body }) => fields(body).voter)
    expect([...recorded].sort()).toEqual([...cast].sort())
    if (state !== 'cancelled') expect([fills(recorded), fills(recorded.slice(0, -1))], about).toEqual([true, false])
    expect(of('hold.opened'), about).toBe(1)
    expect(kinds.slice(kinds.indexOf('hold.changed')), about).not.toContain('vote')
  }

  const fills = (voters: readonly unknown[]): boolean =>
    Object.entries(GROUPS).every(([group, count]) => voters.filter((voter) => groupOf.get(voter) === group).length >= count)

  /** Three processes wrote: each counted without a gap, also the one that was killed. */
  async function hasNoGaps(): Promise<void> {
    const client = new pg.Client({ connectionString: postgres?.options.databaseUrl })
    await client.connect()
    try {
      const { rows } = await client.query(
        'select process, count(*)::int as entries, min(seq)::int as first, max(seq)::int as last from entry group by process',
      )
      expect(rows.length).toBeGreaterThanOrEqual(3)
      for (const { process, entries, first, last } of rows) expect([process, last - first + 1]).toEqual([process, entries])
    } finally {
      await client.end()
    }
  }
})
