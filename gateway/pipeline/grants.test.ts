import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import { type ArgumentConstraint, constraintsOn, type Grant } from '../core/grant.ts'
import type { ApprovalDefinition } from '../core/hold.ts'
import { type CallId, type GrantId, newGrantId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import type { Person } from '../core/principal.ts'
import type { Asked } from '../ports/calls.ts'
import type { Decider } from '../ports/decider.ts'
import { reviewGrants } from './grant-review.ts'
import { proposeStanding } from './standing.ts'
import { release } from './resume.ts'
import { openTestLine, SHOP, type TestLine } from './test-line.ts'

/** Amounts above 100 are held, those of a suspicious note as well by another rule, and 666 is forbidden. */
const POLICIES = `${SHOP.policies}
@id("note") @hold("lead") forbid (principal, action == Shop::Action::"pay", resource)
when { context.input has note && context.input.note == "hurry" };
@id("bare") forbid (principal, action == Shop::Action::"pay", resource)
when { context.input has note && context.input.note == "never" };
@id("look") @hold("lead") forbid (principal, action == Shop::Action::"getThing", resource) when { context.input.id == "safe" };
`
const STANDING = { maxUses: 20, totals: [{ of: '/amount', most: '5000.0' }], lifeMs: 86_400_000, pinned: [] }

let line: TestLine
beforeAll(async () => {
  line = await openTestLine({}, { ...SHOP, policies: POLICIES, lead: { standing: STANDING } })
})
afterAll(() => line?.close())
// Every test begins with no live grant.
beforeEach(async () => {
  for (const { id } of (await line.parts.grants.grants({ state: 'live' }, { first: 100 })).rows)
    await line.parts.grants.end(id, 'test', 'over')
})

const never = new AbortController().signal
let turn = 0

interface Giving {
  loosened?: readonly ArgumentConstraint[]
  givers?: readonly string[]
  subject?: string
  more?: Partial<Grant>
  input?: JsonObject
  operation?: string
}

/** Lea approves a held call and gives a grant with it: `note` may be anything but what the terms say. */
async function given({ loosened, subject, more = {}, input, operation = 'pay' }: Giving = {}): Promise<GrantId> {
  const held = input ?? { amount: 500, note: `given ${++turn}` }
  const answer = await line.calls.call(line.principal('clerk', subject), line.asked(operation, held))
  if (answer.kind !== 'held') throw new Error(`not held: ${answer.kind}`)
  const call = await line.parts.store.call(answer.callId)
  const hold = call?.holdId ? await line.parts.store.hold(call.holdId) : undefined
  if (!call || !hold) throw new Error('no hold')
  const noteIsFree: ArgumentConstraint = { pointer: '/note', allows: { kind: 'any' } }
  const upTo: ArgumentConstraint = { pointer: '/amount', allows: { kind: 'at_most', most: '900' } }
  const id = newGrantId(Date.now(), crypto.getRandomValues(new Uint8Array(16)))
  const grant: Grant = {
    ...{
      id,
      holdId: hold.id,
      callId: call.id,
      agent: call.agent,
      owner: call.owner,
      subject: call.subject,
      operation: call.operation,
      by: 'lea',
    },
    ...{ operationVersion: call.operationVersion, matched: hold.matched, approvalVersions: hold.approvalVersions, requires: hold.requires },
    ...{ givers: ['lea'], createdAt: line.parts.clock.now(), maxUses: 5, totals: operation === 'pay' ? STANDING.totals : [] },
    ...{ until: instant(Date.now() + 60_000), arguments: constraintsOn(held, loosened ?? [upTo, noteIsFree]) },
    ...more,
  }
  const vote = { holdId: hold.id, voter: 'lea', verdict: 'approve', comment: null, at: line.parts.clock.now() } as const
  const change = { hold: hold.id, callId: call.id, to: 'approved', callState: 'approved', by: 'lea', digest: hold.digest, vote } as const
  expect(await line.parts.recorder.changeHold({ ...change, opens: grant })).toBe(true)
  await release(line.parts, hold.id, null, never)
  return id
}

const pay = (amount: number, note = `free ${++turn}`, more: Partial<Asked> = {}) => line.ask('pay', { amount, note }, more)
const used = async (id: GrantId) => (await line.parts.grants.grant(id))?.used
const executed = (note: string) => line.reached.filter((request) => request.includes(JSON.stringify(note))).length

describe('a call that policy holds', () => {
  test('goes on under a live grant at once; the decision stays a hold, and the record says which grant let it pass', async () => {
    const id = await given()
    const answer = await pay(700, 'under a grant')
    expect(answer.kind).toBe('result')
    expect(executed('under a grant')).toBe(1)
    const call = answer.callId as CallId
    const bodies = (await line.parts.store.entries(call)).map(({ body }) => body)
    expect(bodies.map(({ kind }) => kind)).toEqual(['decision', 'grant.used', 'intent', 'outcome'])
    expect(bodies[0]).toMatchObject({ decision: { verdict: { effect: 'hold', policies: ['lead'] } } })
    expect(bodies[1]).toEqual({ kind: 'grant.used', grant: id, use: 1, amounts: [{ of: '/amount', amount: '700.0' }] })
    expect(await used(id)).toBe(1)
  })

  test('the same decision without the grant, by every door', async () => {
    const id = await given()
    const doors = ['http', 'graphql', 'mcp'] as const
    for (const door of doors) expect((await pay(150, `door ${door}`, { door })).kind).toBe('result')
    expect(await used(id)).toBe(3)
    await line.parts.grants.end(id, 'liz', 'enough')
    for (const door of doors) expect((await pay(150, `closed ${door}`, { door })).kind).toBe('held')
    expect(await used(id)).toBe(3)
  })

  test.each<[string, number, string, 'held' | 'denied']>([
    ['an amount beyond the constraint', 901, 'more', 'held'],
    ['a rule that the grant says nothing of', 500, 'hurry', 'held'],
    ['a rule that forbids', 666, 'forbidden', 'denied'],
    ['another rule that forbids', 500, 'never', 'denied'],
  ])('is not let through: %s', async (_what, amount, note, expected) => {
    const id = await given()
    expect((await pay(amount, note)).kind).toBe(expected)
    expect([await used(id), executed(note)]).toEqual([0, 0])
  })

  test('an argument that was absent must be absent', async () => {
    await given({ input: { amount: 510 }, loosened: [] })
    expect((await line.ask('pay', { amount: 510, note: '' })).kind).toBe('held')
    expect((await line.ask('pay', { amount: 510 })).kind).toBe('result')
  })

  test('each subject is its own, and nobody is one', async () => {
    const id = await given({ subject: 'zoe' })
    const as = (subject?: string) =>
      line.calls.call(line.principal('clerk', subject), line.asked('pay', { amount: 500, note: `of ${subject}` }))
    expect([(await as()).kind, (await as('zo')).kind, (await as('lea')).kind, (await as('zoe')).kind]).toEqual([
      'held',
      'held',
      'held',
      'result',
    ])
    expect(await used(id)).toBe(1)
  })

  test('another agent asks', async () => {
    await given()
    const answer = await line.calls.call(line.principal('other'), line.asked('pay', { amount: 500, note: 'other' }))
    expect(answer.kind).toBe('held')
  })

  test('a read goes on as well, and equal reads do not join each other', async () => {
    const id = await given({ operation: 'getThing', input: { id: 'safe' }, loosened: [] })
    const both = [await line.ask('getThing', { id: 'safe' }), await line.ask('getThing', { id: 'safe' })]
    expect(both.map(({ kind }) => kind)).toEqual(['result', 'result'])
    expect(await used(id)).toBe(2)
  })

  test('fifty at once use five of five', async () => {
    const id = await given()
    const all = await Promise.all(Array.from({ length: 50 }, (_, n) => pay(101 + n, `burst ${n}`)))
    expect(all.filter(({ kind }) => kind === 'result')).toHaveLength(5)
    expect(all.filter(({ kind }) => kind === 'held')).toHaveLength(45)
    expect(await used(id)).toBe(5)
    expect((await line.parts.grants.grants({ state: 'used_up' }, { first: 1 })).rows[0]?.id).toBe(id)
  })

  test('what the system refuses is given back, what may have happened is not', async () => {
    const id = await given()
    line.meets.push((_req, res) => res.writeHead(409).end('{}'))
    expect(await pay(500, 'refused')).toMatchObject({ kind: 'failed', inDoubt: false })
    expect(await used(id)).toBe(0)
    line.meets.push((_req, res) => res.writeHead(500).end('{}'))
    expect(await pay(500, 'broken')).toMatchObject({ kind: 'failed', inDoubt: true })
    expect(await used(id)).toBe(1)
  })

  test('a turn behind another field goes on, or is given back', async () => {
    const id = await given()
    const later = async (note: string) => line.calls.admit(line.principal(), line.asked('pay', { amount: 200, note }, { door: 'graphql' }))
    const [first, second, third] = [await later('turn one'), await later('turn two'), await later('turn three')]
    expect(await used(id)).toBe(3)
    expect((await first.run()).kind).toBe('result')
    await second.abandon()
    expect(await used(id)).toBe(2)
    await line.parts.grants.end(id, 'liz', 'now')
    expect(await third.run()).toMatchObject({ kind: 'ended', code: 'CANCELLED' })
    expect([await used(id), executed('turn three')]).toEqual([1, 0])
  })
})

describe('what a grant rests on', () => {
  type Change = Partial<TestLine['parts']>
  const people = (change: (person: Person) => Person | undefined): Change => ({
    registry: { ...bound(line.parts.registry), person: (name) => ((person) => person && change(person))(line.parts.registry.person(name)) },
  })
  const lead = (more: Partial<ApprovalDefinition>): Change => {
    const approvals = new Map(line.parts.approvals)
    const before = approvals.get('lead')
    if (before) approvals.set('lead', { ...before, ...more })
    return { approvals }
  }
  const owned = (owner: string): Change => ({
    registry: { ...bound(line.parts.registry), agent: (name) => ofOwner(line.parts.registry.agent(name), owner) },
  })

  test.each<[string, () => Change, RegExp]>([
    ['another approval of that name', () => lead({ version: 'x' }), /approval `lead` changed/],
    ['an approval that gives none any more', () => lead({ standing: null, version: 'y' }), /approval `lead` changed/],
    [
      'no such approval',
      () => ({ approvals: new Map([...line.parts.approvals].filter(([name]) => name !== 'lead')) }),
      /approval `lead` changed/,
    ],
    ['a giver who left the group', () => people((person) => ({ ...person, groups: [] })), /`lea`, who gave it/],
    ['a giver who left', () => people(() => undefined), /`lea`, who gave it/],
    ['a giver who became an auditor', () => people((person) => ({ ...person, roles: ['auditor'] })), /`lea`, who gave it/],
    ['a giver who owns the agent now', () => owned('lea'), /another owner, `lea`/],
    ['an agent that somebody else answers for', () => owned('zoe'), /another owner, `zoe`/],
    ['another text of the policy', () => ({ decider: withText(line.parts.decider) }), /policy `lead` changed/],
    ['another version of the operation', () => ({ catalogue: anotherVersion(line.parts.catalogue) }), /operation `shop.pay` changed/],
  ])('%s: it lets nothing pass, and is marked dead', async (_what, change, why) => {
    const id = await given()
    const changed = change()
    const variant = line.variant(changed)
    const parts = { ...line.parts, ...changed }
    const operation = parts.catalogue.operations.get(line.asked('pay', {}).operation.id) ?? line.asked('pay', {}).operation
    const { owner } = parts.registry.agent('clerk') ?? { owner: 'paul' }
    const principal = line.principal()
    const asked = { ...line.asked('pay', { amount: 500, note: `changed ${++turn}` }), operation }
    const answer = await variant.call({ ...principal, agent: { ...principal.agent, owner } }, asked)
    expect(['held', 'refused', 'denied']).toContain(answer.kind)
    expect(await used(id)).toBe(0)
    expect(await reviewGrants(line.parts, line.parts.decider.policySet, never)).toBe(true)
    expect((await line.parts.grants.grant(id))?.ended).toBeNull()
    expect(await reviewGrants(parts, parts.decider.policySet, never)).toBe(true)
    const found = await line.parts.grants.grant(id)
    expect(found).toMatchObject({ ended: 'dead', endedBy: null })
    expect(found?.why).toMatch(why)
    expect((await line.kinds(found?.callId as CallId)).at(-1)).toBe('grant.died')
  })

  test.each<[string, (name: string) => ReturnType<typeof line.parts.registry.agent>]>([
    ['nobody knows any more', () => undefined],
    [
      'is retired',
      (name) => {
        const agent = line.parts.registry.agent(name)
        return agent && { ...agent, status: 'retired' }
      },
    ],
  ])('an agent that %s: its grants are marked dead', async (_what, agent) => {
    const id = await given()
    const parts = { ...line.parts, registry: { ...bound(line.parts.registry), agent } }
    expect(await reviewGrants(parts, parts.decider.policySet, never)).toBe(true)
    expect(await line.parts.grants.grant(id)).toMatchObject({ ended: 'dead', why: 'its agent is gone' })
  })

  test('people whom the facts of the very call exclude gave nothing for it', async () => {
    const id = await given()
    const variant = line.variant(lead({ excludes: ['/input/note'] }))
    const ask = (note: string) => variant.call(line.principal(), line.asked('pay', { amount: 300, note }))
    expect((await ask('Lea')).kind).toBe('held')
    expect((await ask('zoe')).kind).toBe('result')
    expect(await used(id)).toBe(1)
  })

  test('a suspended agent passes under nothing; reinstated it goes on where it was', async () => {
    const id = await given()
    const principal = line.principal()
    await line.parts.registry.setStatus('clerk', 'suspended', 'aisha')
    const answer = await line.calls.call(principal, line.asked('pay', { amount: 500, note: 'suspended' }))
    expect(answer).toMatchObject({ kind: 'refused', code: 'UNAUTHENTICATED' })
    await line.parts.registry.setStatus('clerk', 'active', 'aisha')
    expect([await used(id), executed('suspended')]).toEqual([0, 0])
    expect(await reviewGrants(line.parts, line.parts.decider.policySet, never)).toBe(true)
    const again = await line.calls.call(line.principal(), line.asked('pay', { amount: 500, note: 'reinstated' }))
    expect([again.kind, await used(id)]).toEqual(['result', 1])
  })
})

test('a proposed grant is part of what people vote on: other digest, no votes, the same deadline; what it says is what was approved', async () => {
  const answer = await pay(600, 'proposal')
  const call = await line.parts.store.call(answer.callId as CallId)
  const before = call?.holdId ? await line.parts.store.hold(call.holdId) : undefined
  if (!call || !before) throw new Error('not held')
  const gives = {
    arguments: constraintsOn(call.input, []),
    maxUses: 2,
    totals: STANDING.totals,
    until: instant(Date.now() + 9_000),
    by: 'lea',
  }
  const replaced = await proposeStanding(line.parts, call, before, { gives, by: 'lea', comment: null })
  if (!replaced) throw new Error('not replaced')
  expect(await proposeStanding(line.parts, call, before, { gives, by: 'liz', comment: null })).toBeUndefined()
  const now = await line.parts.store.hold(replaced.id)
  expect(now).toEqual(replaced)
  expect(now).toMatchObject({ gives, expiresAt: before.expiresAt, createdAt: before.createdAt, state: 'open' })
  expect(now?.digest).not.toBe(before.digest)
  expect((await line.parts.store.hold(before.id))?.state).toBe('superseded')
  // The release checks the digest with the terms in it: others would be other terms.
  await line.approve(call.id)
  expect((await release(line.parts, replaced.id, null, never))?.kind).toBe('result')
})

const ofOwner = <T extends object>(agent: T | undefined, owner: string): (T & { owner: string }) | undefined => agent && { ...agent, owner }

/** Its methods, so that they can be spread. */
const bound = (registry: TestLine['parts']['registry']): TestLine['parts']['registry'] => ({
  agent: (name) => registry.agent(name),
  agents: () => registry.agents(),
  person: (name) => registry.person(name),
  people: () => registry.people(),
  members: (group) => registry.members(group),
  refresh: () => registry.refresh(),
  setStatus: (...args) => registry.setStatus(...args),
  registration: (...args) => registry.registration(...args),
  history: (...args) => registry.history(...args),
  lastCalls: (...args) => registry.lastCalls(...args),
  register: (...args) => registry.register(...args),
})

/** The same policies, where those of a hold have another text. */
const withText = (decider: Decider): Decider => ({
  policySet: decider.policySet,
  readsLabels: decider.readsLabels,
  decide(question) {
    const decision = decider.decide(question)
    const { verdict } = decision
    if (verdict.effect !== 'hold') return decision
    return { ...decision, verdict: { ...verdict, holds: verdict.holds.map((hold) => ({ ...hold, policyHash: 'f'.repeat(64) })) } }
  },
  wholeText: () => decider.wholeText(),
  visible: (...args) => decider.visible(...args),
  needs: (operation) => decider.needs(operation),
  couldAllow: (question) => decider.couldAllow(question),
  readableClasses: (...args) => decider.readableClasses(...args),
  policies: () => decider.policies().map((policy) => ({ ...policy, hash: 'f'.repeat(64) })),
  explain: (question) => decider.explain(question),
  nearMisses: (...args) => decider.nearMisses(...args),
})

const anotherVersion = (catalogue: TestLine['parts']['catalogue']): TestLine['parts']['catalogue'] => ({
  ...catalogue,
  operations: new Map([...catalogue.operations].map(([id, operation]) => [id, { ...operation, version: 'e'.repeat(64) }])),
})
