import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { CallId } from '../core/ids.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { Answer } from '../ports/calls.ts'
import { awaitHandOver, type Line } from './handle.ts'
import { createReleaser, release } from './resume.ts'
import { gate, openTestLine, type TestLine } from './test-line.ts'
import { createWaiter } from './wait.ts'

let line: TestLine
let turn = 0
beforeAll(async () => {
  line = await openTestLine({ concurrentCalls: 2, openHolds: 1_000 })
})
afterAll(() => line?.close())
beforeEach(() => {
  turn++
  line.meets.length = 0
})

/** Arguments of this test alone. */
const input = (amount = 1) => ({ amount, note: `n${turn}` })

function idOf(answer: Answer): CallId {
  if (answer.callId === undefined) throw new Error(`no call: ${answer.kind}`)
  return answer.callId
}

const reachedNow = () => line.reached.filter((request) => request.includes(`"n${turn}"`)).length

test('a permitted call has its intent before its outcome, and is executed once', async () => {
  const answer = await line.ask('pay', input())
  expect(answer).toMatchObject({ kind: 'result', result: { status: 200, value: { ok: true } } })
  expect(await line.kinds(idOf(answer))).toEqual(['decision', 'intent', 'outcome'])
  expect(reachedNow()).toBe(1)
})

test('a refusal stands in the record under the id that the agent was told', async () => {
  const answer = await line.ask('pay', { ...input(), nope: 1 })
  expect(answer).toMatchObject({ kind: 'refused', code: 'BAD_INPUT' })
  expect(await line.kinds(idOf(answer))).toEqual(['refused'])
  expect(reachedNow()).toBe(0)
})

describe('what became of a request', () => {
  const drop: TestLine['meets'][number] = (req) => void req.socket.destroy()
  const status = (code: number) => (_req: unknown, res: Parameters<TestLine['meets'][number]>[1]) => void res.writeHead(code).end('{}')
  const half = (code: number) => (_req: unknown, res: Parameters<TestLine['meets'][number]>[1]) => {
    res.writeHead(code, { 'content-length': '100' })
    res.write('half', () => res.destroy())
  }

  test.each<[string, string, TestLine['meets'], string, number, number | null]>([
    ['a write whose connection broke', 'pay', [drop], 'in_doubt', 1, null],
    ['a write answered with 500', 'pay', [status(500)], 'in_doubt', 1, 500],
    ['a write answered with 408', 'pay', [status(408)], 'in_doubt', 1, 408],
    ['a write answered with 422', 'pay', [status(422)], 'failed', 1, 422],
    ['a write whose good answer broke off', 'pay', [half(201)], 'in_doubt', 1, 201],
    ['a write whose refusal broke off', 'pay', [half(422)], 'failed', 1, 422],
    ['a write with a key, tried again and done', 'order', [drop, status(201)], 'completed', 2, 201],
    ['a write with a key, tried again and broken again', 'order', [drop, drop], 'in_doubt', 2, null],
    ['a write with a key whose second try is refused', 'order', [drop, status(409)], 'in_doubt', 2, 409],
    ['an idempotent write, tried again and refused', 'putThing', [drop, status(409)], 'failed', 2, 409],
  ])('%s', async (_title, operation, meets, state, tries, upstreamStatus) => {
    line.meets.push(...meets)
    const answer = await line.ask(operation, operation === 'putThing' ? { ...input(), id: '7' } : input())
    const call = await line.parts.store.call(idOf(answer))
    expect([call?.state, reachedNow(), call?.upstreamStatus]).toEqual([state, tries, upstreamStatus])
    if (answer.kind === 'failed') expect(answer.inDoubt).toBe(state === 'in_doubt')
  })

  test('a first try that left and a second one that finds nobody: in doubt', async () => {
    line.meets.push((req) => {
      line.stopListening()
      req.socket.destroy()
    })
    try {
      const answer = await line.ask('order', input())
      expect(answer).toMatchObject({ kind: 'failed', inDoubt: true })
    } finally {
      await line.listenAgain()
    }
  })

  test('a read for a caller who left already is not sent', async () => {
    const gone = AbortSignal.abort()
    const answer = await line.ask('getThing', { id: `n${turn}` }, { signal: gone })
    expect([answer.kind, line.reached.some((request) => request.includes(`/n${turn}`))]).toEqual(['failed', false])
  })

  test('a write goes on when its caller leaves', async () => {
    const leaving = new AbortController()
    line.meets.push((_req, res) => {
      leaving.abort()
      setImmediate(() => res.writeHead(201).end('{}'))
    })
    const answer = await line.ask('pay', input(), { signal: leaving.signal })
    expect(await line.state(idOf(answer))).toBe('completed')
  })
})

describe('streams', () => {
  const chunked: TestLine['meets'][number] = (_req, res) => {
    res.writeHead(200, { 'content-type': 'text/plain' })
    res.write('first')
  }
  async function open(more: TestLine['meets'][number] = chunked) {
    line.meets.push(more)
    const leaving = new AbortController()
    const answer = await line.ask('getThing', { id: `s${turn}` }, { delivery: 'stream', signal: leaving.signal })
    if (answer.kind !== 'result' || answer.result.body.kind !== 'stream') throw new Error(`no stream: ${answer.kind}`)
    return { answer, chunks: answer.result.body.chunks[Symbol.asyncIterator](), leave: () => leaving.abort() }
  }

  test('a body on its way counts as a call that runs', async () => {
    const first = await open()
    const second = await open()
    expect(await line.ask('getThing', { id: 'more' })).toMatchObject({ kind: 'refused', code: 'LIMITED' })
    await first.chunks.return?.()
    expect(await line.ask('getThing', { id: 'more' })).toMatchObject({ kind: 'result' })
    second.leave()
    await line.ended(second.answer.callId)
    expect(await line.state(second.answer.callId)).toBe('failed')
    expect(await line.ask('getThing', { id: 'more' })).toMatchObject({ kind: 'result' })
  })

  test('one that breaks in the middle never looks whole', async () => {
    const { answer, chunks } = await open((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/plain' })
      res.write('first', () => setImmediate(() => res.destroy()))
    })
    await expect(chunks.next()).resolves.toMatchObject({ done: false })
    await expect(chunks.next()).rejects.toThrow(/broke/)
    expect(await line.kinds(answer.callId)).toEqual(['decision', 'intent', 'outcome'])
    expect(await line.state(answer.callId)).toBe('failed')
  })
})

describe('joining', () => {
  test('an equal write joins one whose end nobody heard; after it was handed over it is a new call', async () => {
    line.meets.push(
      (_req, res) => void res.writeHead(503).end('{}'),
      (_req, res) => void res.writeHead(404).end('{}'),
    )
    const refused = await line.ask('pay', { ...input(), amount: 2 })
    expect(await line.ask('pay', { ...input(), amount: 2 })).toMatchObject({ callId: refused.callId, inDoubt: true })
    const failed = await line.ask('pay', { ...input(), amount: 3 })
    expect(await line.ask('pay', { ...input(), amount: 3 })).toMatchObject({ kind: 'failed', callId: failed.callId })
    line.calls.delivered(idOf(failed))
    expect(await line.ask('pay', { ...input(), amount: 3 })).toMatchObject({ kind: 'result' })
    expect(reachedNow()).toBe(3)
  })

  test('a key that is used up is answered by its first call, also where policy denies by now', async () => {
    const idempotencyKey = `key-${turn}`
    const first = await line.ask('pay', input(), { idempotencyKey })
    const denying = line.variant({
      decider: {
        ...line.parts.decider,
        policySet: line.parts.decider.policySet,
        needs: (operation) => line.parts.decider.needs(operation),
        decide: (question) => line.parts.decider.decide({ ...question, operation: { ...question.operation, version: 'other' } }),
      },
    })
    const again = await denying.call(line.principal(), line.asked('pay', input(), { idempotencyKey }))
    expect(again).toMatchObject({ kind: 'result', callId: first.callId, replayed: true })
    const other = await denying.call(line.principal(), line.asked('pay', input(5), { idempotencyKey }))
    expect(other).toMatchObject({ kind: 'refused', code: 'KEY_REUSED' })
    const fresh = await denying.call(line.principal(), line.asked('pay', input(), { idempotencyKey: `${idempotencyKey}-2` }))
    expect(fresh).toMatchObject({ kind: 'denied' })
    expect(await line.ask('pay', { ...input(), amount: 9 }, { idempotencyKey: `${idempotencyKey}-2` })).toMatchObject({ kind: 'result' })
    denying.close()
  })

  test('another agent, another subject and another key join nothing', async () => {
    const asked = line.asked('pay', input(), { idempotencyKey: `key-${turn}` })
    const ids = new Set<string>()
    for (const principal of [line.principal(), line.principal('other'), line.principal('clerk', 'lea'), line.principal('clerk', 'liz')])
      ids.add(idOf(await line.calls.call(principal, asked)))
    expect([ids.size, reachedNow()]).toEqual([4, 4])
  })

  test('hand-overs that never come do not use up the room for those that do', () => {
    const under: Pick<Line, 'handOvers'> = { handOvers: new Set() }
    for (let i = 0; i < LIMITS.handOversMax + 5; i++) awaitHandOver(under as Line, `call_${i}` as CallId)
    expect([
      under.handOvers.size,
      under.handOvers.has('call_4' as CallId),
      under.handOvers.has(`call_${LIMITS.handOversMax + 4}` as CallId),
    ]).toEqual([LIMITS.handOversMax, false, true])
  })
})

describe('holds', () => {
  const held = async (amount: number) => idOf(await line.ask('pay', input(amount)))

  test('claiming hands over an answer that is too large to keep', async () => {
    const id = await held(2_000)
    await line.approve(id)
    const large = JSON.stringify({ text: 'x'.repeat(LIMITS.storedResultBytesMax) })
    line.meets.push((_req, res) => void res.writeHead(200, { 'content-type': 'application/json' }).end(large))
    const answer = await line.calls.claim(line.principal(), id, new AbortController().signal)
    expect(answer).toMatchObject({ kind: 'result', result: { status: 200 } })
    expect(await line.calls.answer(line.principal(), id, 0, new AbortController().signal)).toMatchObject({ code: 'RESULT_NOT_KEPT' })
  })

  test('two claims at once execute once', async () => {
    const id = await held(2_000)
    await line.approve(id)
    const claims = await Promise.allSettled([1, 2, 3].map(() => line.calls.claim(line.principal(), id, new AbortController().signal)))
    expect(claims.some((claim) => claim.status === 'fulfilled' && claim.value.kind === 'result')).toBe(true)
    expect(reachedNow()).toBe(1)
  })

  test('two releases and a cancel at once: executed once or cancelled, never both', async () => {
    const id = await held(200)
    await line.approve(id)
    const { holdId } = (await line.parts.store.call(id)) ?? {}
    if (!holdId) throw new Error('no hold')
    const signal = new AbortController().signal
    await Promise.allSettled([
      release(line.parts, holdId, null, signal),
      line.calls.cancel(line.principal(), id),
      release(line.parts, holdId, null, signal),
    ])
    const state = await line.state(id)
    expect([state, reachedNow()]).toEqual(state === 'cancelled' ? ['cancelled', 0] : ['completed', 1])
  })

  test('asking after a call never claims it; others do not find it', async () => {
    const id = await held(2_000)
    await line.approve(id)
    const signal = new AbortController().signal
    expect(await line.calls.answer(line.principal(), id, 0, signal)).toMatchObject({ kind: 'running' })
    for (const stranger of [line.principal('other'), line.principal('clerk', 'lea')]) {
      await expect(line.calls.status(stranger, id, 0, signal)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(line.calls.claim(stranger, id, signal)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(line.calls.cancel(stranger, id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }
    expect(reachedNow()).toBe(0)
    expect(await line.ask('pay', input(2_000))).toMatchObject({ kind: 'result', callId: id })
  })

  test('an approver who may no longer vote: the hold is replaced, and its waiter hears of it when its time is over', async () => {
    const id = await held(200)
    await line.approve(id)
    const parts = {
      ...line.parts,
      registry: { ...line.parts.registry, agent: line.parts.registry.agent, refresh: () => Promise.resolve(), person: () => undefined },
    }
    const before = (await line.parts.store.call(id))?.holdId
    if (!before) throw new Error('no hold')
    const waiting = line.calls.answer(line.principal(), id, 50, new AbortController().signal)
    expect(await release(parts, before, null, new AbortController().signal)).toBeNull()
    const call = await line.parts.store.call(id)
    expect([call?.state, call?.holdId === before]).toEqual(['held', false])
    expect(await waiting).toMatchObject({ kind: 'held', callId: id })
    await line.calls.cancel(line.principal(), id)
    expect(await line.state(id)).toBe('cancelled')
  })

  test('an approval that is no longer defined ends in a denial', async () => {
    const id = await held(200)
    await line.approve(id)
    const { holdId } = (await line.parts.store.call(id)) ?? {}
    if (!holdId) throw new Error('no hold')
    await release({ ...line.parts, approvals: new Map() }, holdId, null, new AbortController().signal)
    expect([await line.state(id), reachedNow()]).toEqual(['denied', 0])
  })

  test('a closed releaser starts nothing', async () => {
    const id = await held(200)
    const releaser = createReleaser(line.parts, 1, 5)
    releaser.start()
    await releaser.close()
    await line.approve(id)
    releaser.afterApproval(id)
    for (let i = 0; i < 10; i++) await line.parts.store.call(id)
    expect([await line.state(id), reachedNow()]).toEqual(['approved', 0])
    await line.calls.cancel(line.principal(), id)
  })

  test('a hold that cannot be waited for is told as held', async () => {
    const away = line.variant({
      store: { ...line.parts.store, call: () => Promise.reject(new GatewayError('UNAVAILABLE', 'the database is away')) },
    })
    const answer = await away.call(line.principal(), line.asked('pay', input(200), { waitMs: 1_000 }))
    expect(answer.kind).toBe('held')
    expect(await line.state(idOf(answer))).toBe('held')
    away.close()
  })
})

describe('a record that fails', () => {
  test('at the turn of a permitted call: nothing is sent, and nobody joins a call that never runs', async () => {
    const { recorder } = line.parts
    const broken = line.variant({
      recorder: { ...recorder, release: () => Promise.reject(new GatewayError('UNAVAILABLE', 'the record is away')) },
    })
    const admitted = await broken.admit(line.principal(), line.asked('pay', input()))
    expect(await admitted.run()).toMatchObject({ kind: 'refused', code: 'UNAVAILABLE' })
    if (admitted.callId === undefined) throw new Error('no call')
    await line.ended(admitted.callId)
    expect([await line.state(admitted.callId), reachedNow()]).toEqual(['cancelled', 0])
    expect(await line.ask('pay', input())).toMatchObject({ kind: 'result' })
    broken.close()
  })

  test('at the decision: nothing is sent', async () => {
    const broken = line.variant({
      recorder: { ...line.parts.recorder, admit: () => Promise.reject(new GatewayError('UNAVAILABLE', 'the record is away')) },
    })
    const answer = await broken.call(line.principal(), line.asked('pay', input()))
    expect([answer.kind, reachedNow()]).toEqual(['refused', 0])
    broken.close()
  })

  test('a refusal does not wait for its own entry, and says when to try again', async () => {
    const error = new GatewayError('UNAVAILABLE', 'the record is away', { retryAfterSeconds: 2 })
    const never = new Promise<never>(() => undefined)
    const broken = line.variant({ recorder: { ...line.parts.recorder, admit: () => Promise.reject(error), note: () => never } })
    expect(await broken.call(line.principal(), line.asked('pay', input()))).toMatchObject({ kind: 'refused', retryAfterSeconds: 2 })
    broken.close()
  })

  test('at the outcome of what was never sent: that is what its agent is told', async () => {
    const broken = line.variant({
      recorder: { ...line.parts.recorder, finish: () => Promise.reject(new GatewayError('UNAVAILABLE', 'the record is away')) },
      credentials: new Map([['shop', 'a-credential-that-is-not-there']]),
    })
    const answer = await broken.call(line.principal(), line.asked('pay', input()))
    expect(answer).toMatchObject({ kind: 'failed', code: 'UNAVAILABLE', inDoubt: false })
    expect(reachedNow()).toBe(0)
    broken.close()
  })

  test('at the outcome: the answer is withheld and in doubt', async () => {
    const broken = line.variant({
      recorder: { ...line.parts.recorder, finish: () => Promise.reject(new GatewayError('UNAVAILABLE', 'the record is away')) },
    })
    const answer = await broken.call(line.principal(), line.asked('pay', input()))
    expect(answer).toMatchObject({ kind: 'failed', code: 'UNAVAILABLE', inDoubt: true })
    broken.close()
  })
})

test('a door that throws when it is told of its call stops nothing', async () => {
  const answer = await line.ask('pay', input(), {
    onAdmitted: () => {
      throw new Error('the door')
    },
  })
  expect(answer.kind).toBe('result')
})

test('places of an agent are free again after every kind of end', async () => {
  for (const amount of [1, 666, 200]) await line.ask('pay', input(amount))
  await line.ask('pay', { ...input(), amount: 'x' })
  const admitted = await line.calls.admit(line.principal(), line.asked('pay', { ...input(), amount: 4 }))
  await admitted.abandon()
  const { promise, resolve } = gate()
  line.meets.push((_req, res) => void promise.then(() => res.writeHead(200).end('{}')))
  const running = line.ask('pay', { ...input(), amount: 5 })
  expect((await line.ask('pay', { ...input(), amount: 6 })).kind).toBe('result')
  resolve()
  expect((await running).kind).toBe('result')
})

describe('waiting', () => {
  test('an agent with as many waits as calls is told at once how things stand', async () => {
    const id = idOf(await line.ask('pay', input(200)))
    const leaving = new AbortController()
    const waits = [1, 2].map(() => line.calls.status(line.principal(), id, 60_000, leaving.signal))
    await expect.poll(() => line.calls.waiters()).toBe(2)
    expect(await line.calls.answer(line.principal(), id, 60_000, new AbortController().signal)).toMatchObject({ kind: 'held' })
    leaving.abort()
    expect((await Promise.all(waits)).map(({ state }) => state)).toEqual(['held', 'held'])
  })

  test('ends when the waiter is closed, and beyond the bound nobody waits', async () => {
    const id = idOf(await line.ask('pay', input(200)))
    const waiter = createWaiter(line.parts.store, line.parts.bus)
    const waiting = waiter.until(id, 60_000, new AbortController().signal, () => false)
    await expect.poll(() => waiter.count()).toBe(1)
    waiter.close()
    expect((await waiting)?.state).toBe('held')
    expect((await waiter.until(id, 60_000, new AbortController().signal, () => false))?.state).toBe('held')
    expect(waiter.count()).toBe(0)
  })
})
