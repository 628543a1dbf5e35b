import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Call } from '../core/call.ts'
import { ineligibility } from '../core/hold.ts'
import { type CallId, type HoldId, operationId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import { editHeld } from './edit.ts'
import { factsWorld } from './fixture-facts-world.ts'
import { joinKeyOfCall } from './hold.ts'
import { release, streaksOf } from './resume.ts'
import { openTestLine, type TestLine } from './test-line.ts'

let line: TestLine
beforeAll(async () => {
  line = await openTestLine()
})
afterAll(() => line?.close())

let turn = 0
const never = new AbortController().signal

async function heldAt(amount: number) {
  const input = { amount, note: `edit ${++turn}` }
  const answer = await line.ask('pay', input)
  if (answer.kind !== 'held') throw new Error(`not held: ${answer.kind}`)
  return { id: answer.callId, input }
}

async function now(id: CallId) {
  const call = await line.parts.store.call(id)
  const hold = call?.holdId ? await line.parts.store.hold(call.holdId) : undefined
  if (!call || !hold) throw new Error('no hold')
  return { call, hold }
}

async function edit(id: CallId, input: JsonObject, by = 'liz'): Promise<boolean> {
  const { call, hold } = await now(id)
  return editHeld(line.parts, call, hold, { input, by, comment: 'less will do' })
}

const releaseNow = (hold: HoldId) => release(line.parts, hold, null, never)
const reached = (input: JsonObject) => line.reached.filter((request) => request.endsWith(JSON.stringify(input))).length

test('an edited call has another digest and no votes; what is approved then is what executes, once, and its agent is told', async () => {
  const { id, input } = await heldAt(500)
  const before = await now(id)
  const vote = { holdId: before.hold.id, voter: 'lea', verdict: 'approve', comment: null, at: line.parts.clock.now() } as const
  const cast = {
    hold: before.hold.id,
    callId: id,
    to: 'approved',
    callState: 'approved',
    by: 'lea',
    digest: before.hold.digest,
    vote,
  } as const
  await line.parts.recorder.changeHold({ ...cast, voteOnly: true, callState: 'held' })
  const less = { ...input, amount: 300 }
  expect(await edit(id, less)).toBe(true)
  const { call, hold } = await now(id)
  expect(call).toMatchObject({ state: 'held', input: less, edit: { original: input, editors: ['liz'], by: 'liz', count: 1 } })
  expect(hold.id).not.toBe(before.hold.id)
  expect(hold.digest).not.toBe(before.hold.digest)
  expect(await line.parts.store.votes(hold.id)).toEqual([])
  expect((await line.parts.store.hold(before.hold.id))?.state).toBe('superseded')
  // What was voted on is no more.
  expect(await line.parts.recorder.changeHold(cast)).toBe(false)
  expect(ineligibility(hold, call, { name: 'liz', groups: ['leads'] }, [])).toMatch(/who edited the arguments/)
  const edited = { by: 'liz', changes: [{ pointer: '/amount', from: 500, to: 300 }] }
  expect(await line.calls.status(line.principal(), id, 0, never)).toMatchObject({ state: 'held', edited })
  await line.approve(id)
  expect(await releaseNow(hold.id)).toMatchObject({ kind: 'result' })
  expect([reached(input), reached(less)]).toEqual([0, 1])
  expect(await line.calls.status(line.principal(), id, 0, never)).toMatchObject({ state: 'completed', edited })
  // The same call again joins the one that was edited, and hears of it.
  expect(await line.ask('pay', input)).toMatchObject({ kind: 'result', callId: id, edited })
  expect(reached(input)).toBe(0)
})

test('the record has both, and who changed what why', async () => {
  const { id, input } = await heldAt(500)
  await edit(id, { ...input, amount: 400 })
  const bodies = (await line.parts.store.entries(id)).map(({ body }) => body)
  expect(bodies.map(({ kind }) => kind)).toEqual(['decision', 'hold.opened', 'hold.edited', 'decision', 'hold.changed', 'hold.opened'])
  expect(bodies).toMatchObject([
    { request: { input } },
    {},
    { by: 'liz', comment: 'less will do', changes: [{ pointer: '/amount', from: 500, to: 400 }] },
    { request: { input: { ...input, amount: 400 } } },
    { from: 'open', to: 'superseded', by: 'liz', why: 'the arguments were edited' },
    {},
  ])
})

test('edited arguments that policy denies end the call denied', async () => {
  const { id, input } = await heldAt(500)
  expect(await edit(id, { ...input, amount: 666 })).toBe(true)
  expect(await line.state(id)).toBe('denied')
  expect(await line.calls.answer(line.principal(), id, 0, never)).toMatchObject({
    kind: 'denied',
    reason: 'forbidden',
    advice: 'Never that amount.',
    edited: { by: 'liz' },
  })
  expect(reached({ ...input, amount: 666 })).toBe(0)
})

test('what policy would let through unasked still needs the approval that the call was held for', async () => {
  const { id, input } = await heldAt(500)
  const small = { ...input, amount: 5 }
  expect(await edit(id, small)).toBe(true)
  const { hold } = await now(id)
  expect(hold).toMatchObject({ state: 'open', requires: [{ group: 'leads', count: 1 }], matched: [{ policyId: 'lead' }] })
  expect(await releaseNow(hold.id)).toBeNull()
  expect(reached(small)).toBe(0)
  await line.approve(id)
  expect(await releaseNow(hold.id)).toMatchObject({ kind: 'result' })
  expect(reached(small)).toBe(1)
})

test('another rule holds the edited call: its approval is the one that counts', async () => {
  const { id, input } = await heldAt(500)
  await edit(id, { ...input, amount: 2_000 })
  const { hold } = await now(id)
  expect(hold).toMatchObject({ state: 'open', onApproval: 'claim', matched: [{ policyId: 'claim' }] })
  await line.approve(id)
  expect(await releaseNow(hold.id)).toBeNull()
  const claimed = await line.calls.claim(line.principal(), id, never)
  expect(claimed).toMatchObject({ kind: 'result', edited: { changes: [{ pointer: '/amount', from: 500, to: 2_000 }] } })
  expect(reached({ ...input, amount: 2_000 })).toBe(1)
})

test('an edit of an edit is told against what the agent sent, and neither editor votes', async () => {
  const { id, input } = await heldAt(500)
  await edit(id, { ...input, amount: 400 })
  await edit(id, { ...input, amount: 400, note: 'edited' }, 'lea')
  const { call } = await now(id)
  expect(call.edit).toEqual({ original: input, editors: ['liz', 'lea'], by: 'lea', count: 2 })
  expect((await line.calls.status(line.principal(), id, 0, never)).edited?.changes).toEqual([
    { pointer: '/amount', from: 500, to: 400 },
    { pointer: '/note', from: input.note, to: 'edited' },
  ])
})

test('an approved hold is not edited any more, and of two edits at once one wins', async () => {
  const { id, input } = await heldAt(500)
  const { call, hold } = await now(id)
  const both = [300, 200].map((amount) => editHeld(line.parts, call, hold, { input: { ...input, amount }, by: 'liz', comment: null }))
  expect((await Promise.all(both)).sort()).toEqual([false, true])
  const approved = await now(id)
  await line.approve(id)
  const late = { input: { ...input, amount: 7 }, by: 'liz', comment: null }
  expect(await editHeld(line.parts, approved.call, approved.hold, late)).toBe(false)
  expect((await now(id)).hold.state).toBe('approved')
})

test('an edit and the last vote at once: what executes is what was voted on', async () => {
  for (let round = 0; round < 5; round++) {
    const { id, input } = await heldAt(500)
    const { hold } = await now(id)
    const less = { ...input, amount: 300 }
    const [approved, changed] = await Promise.all([
      line.approve(id).then(
        () => true,
        () => false,
      ),
      edit(id, less).catch(() => false),
    ])
    await releaseNow(hold.id)
    if ((await now(id)).hold.id === hold.id) expect([approved, changed, reached(input), reached(less)]).toEqual([true, false, 1, 0])
    else expect([changed, reached(input), reached(less)]).toEqual([true, 0, 0])
  }
})

test('an agent that is no longer active: nothing is edited', async () => {
  const { id, input } = await heldAt(500)
  const { call, hold } = await now(id)
  const gone = { ...line.parts.registry, agent: () => undefined }
  const parts = { ...line.parts, registry: gone }
  const change = { input: { ...input, amount: 300 }, by: 'liz', comment: null }
  await expect(editHeld(parts, call, hold, change)).rejects.toMatchObject({ code: 'HOLD_NOT_OPEN' })
  expect((await now(id)).call.edit).toBeNull()
})

test('what was executed after an edit is found by the arguments that were executed', async () => {
  const { id, input } = await heldAt(500)
  const less = { ...input, amount: 300 }
  await edit(id, less)
  const { call, hold } = await now(id)
  await line.approve(id)
  await releaseNow(hold.id)
  const later = `${id.slice(0, -1)}~` as CallId
  const lastEqual = (of: JsonObject) => line.parts.store.lastEqual(joinKeyOfCall({ ...call, input: of }), later)
  expect(await lastEqual(less)).toMatchObject({ id })
  expect(await lastEqual(input)).toBeUndefined()
})

describe('facts', () => {
  let world: TestLine
  beforeAll(async () => {
    const policies = `${factsWorld.policies}
@id("clean") forbid (principal, action == Shop::Action::"payLarge", resource) when { context.history.clean > 100 };`
    const facts = factsWorld.facts.replace('lookups:', '  clean: { streak: approved-unedited, of: [shop.payLarge] }\nlookups:')
    world = await openTestLine({}, { ...factsWorld, policies, facts })
  })
  afterAll(() => world?.close())

  test('are gathered for the edited arguments, counters are read and not reserved, and the streak of clean approvals ends', async () => {
    const cleanNow = async () => {
      const { history } = world.parts.decider.needs(operation)
      const fact = history.find(({ name }) => name === 'clean')
      const [counter] = streaksOf(world.parts, (await world.parts.store.call(first)) as Call)
      if (!fact || !counter) throw new Error('no streak')
      const question = { fact: 'clean', kind: 'streak' as const, series: counter.series, keys: [counter.key], windowMs: 0 }
      return (await world.parts.store.counters([question], world.parts.clock.now())).get('clean')
    }
    const operation = operationId('shop', 'payLarge')
    const asked = await world.ask('payLarge', { amount: 10, note: 'first' })
    const first = asked.callId as CallId
    const call = (await world.parts.store.call(first)) as Call
    const hold = await world.parts.store.hold(call.holdId as HoldId)
    if (!hold) throw new Error('not held')
    const counters = streaksOf(world.parts, call)
    const longer = {
      hold: hold.id,
      callId: first,
      to: 'approved',
      callState: 'approved',
      by: 'lea',
      streaks: { counters, to: 'one_more' },
    } as const
    await world.parts.recorder.changeHold(longer)
    expect(await cleanNow()).toEqual({ kind: 'value', value: 1 })
    const second = await world.ask('payLarge', { amount: 20, note: 'second' })
    const held = (await world.parts.store.call(second.callId as CallId)) as Call
    const open = await world.parts.store.hold(held.holdId as HoldId)
    if (!open) throw new Error('not held')
    const change = { input: { amount: 6_000, note: 'second' }, by: 'liz', comment: null }
    // Beyond the cap of an hour, which only the edited amount is.
    expect(await editHeld(world.parts, held, open, change)).toBe(true)
    expect(await world.state(held.id)).toBe('denied')
    expect(await cleanNow()).toEqual({ kind: 'value', value: 0 })
  })
})
