import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CallId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import type { Answer } from '../ports/calls.ts'
import { dryDecision } from './dry-decision.ts'
import { factsWorld } from './fixture-facts-world.ts'
import { release } from './resume.ts'
import { openTestLine, type TestLine } from './test-line.ts'

let line: TestLine
beforeAll(async () => {
  line = await openTestLine({}, factsWorld)
})
afterAll(() => line?.close())

/** A payment that no other equals. */
const of = (amount: number): JsonObject => ({ amount, note: randomBytes(6).toString('hex') })

const asking = (agent: string) => (operation: string, input: JsonObject) =>
  line.calls.call(line.principal(agent), line.asked(operation, input))

function idOf(answer: Answer): CallId {
  if (answer.callId === undefined) throw new Error(`no call: ${answer.kind}`)
  return answer.callId
}
const decisionsOf = async (id: CallId) =>
  (await line.parts.store.entries(id)).flatMap(({ body }) => (body.kind === 'decision' ? [body.decision] : []))
const answers = (status: number) => (_req: unknown, res: Parameters<TestLine['meets'][number]>[1]) => void res.writeHead(status).end('{}')
const effects = (path: string) => line.reached.filter((request) => request.startsWith(`POST ${path}`)).length

describe('a cap on what an agent pays', () => {
  const ask = asking('clerk')

  test('of 50 payments at once two are executed, and each denial says why', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => ask('pay', of(2_000))))
    expect(all.filter(({ kind }) => kind === 'result')).toHaveLength(2)
    const denied = all.filter(({ kind }) => kind === 'denied')
    expect(denied).toHaveLength(48)
    expect(denied[0]).toMatchObject({ reason: 'forbidden', advice: 'At most 5,000 an hour.' })
    expect(effects('/payments')).toBe(2)
    const [permit] = all.filter(({ kind }) => kind === 'result')
    const entries = await line.parts.store.entries(idOf(permit as Answer))
    expect(entries.map(({ body }) => body.kind)).toEqual(['decision', 'intent', 'outcome'])
    expect(entries[1]?.body).toMatchObject({ reserves: [{ amount: '2000.0' }] })
    const [decision] = await decisionsOf(idOf(denied[0] as Answer))
    expect(decision?.evidence.request).toMatchObject({ context: { history: { paid1h: '6000.0' } } })
  })

  test('what the system refuses is given back; what is in doubt stays', async () => {
    line.meets.push(answers(422))
    expect(await ask('pay', of(1_000))).toMatchObject({ kind: 'failed', inDoubt: false })
    line.meets.push(answers(500))
    expect(await ask('pay', of(999))).toMatchObject({ kind: 'failed', inDoubt: true })
    expect(await ask('pay', of(1.01))).toMatchObject({ kind: 'denied' })
    expect(await ask('pay', of(1))).toMatchObject({ kind: 'result' })
  })

  test('a repeat is answered by its first call, not refused by what that one reserved', async () => {
    const other = asking('other')
    const input = of(4_000)
    const first = await other('pay', input)
    expect(await other('pay', input)).toMatchObject({ kind: 'result', callId: idOf(first), replayed: true })
    expect(await other('pay', of(4_000))).toMatchObject({ kind: 'denied' })
  })

  test('an operation that is counted without looking at the count is counted as well', async () => {
    const other = asking('other')
    expect(await other('pay', of(500))).toMatchObject({ kind: 'result' })
    expect(await other('refund', of(500))).toMatchObject({ kind: 'result' })
    expect(await other('pay', of(0.0001))).toMatchObject({ kind: 'denied', reason: 'forbidden' })
  })

  test.each<[string, JsonObject]>([
    ['no amount', {}],
    ['a negative amount', { amount: -1 }],
    ['five places', { amount: 0.00001 }],
    ['more than a decimal holds', { amount: 1e15 }],
  ])('what cannot be counted does not happen: %s', async (_title, input) => {
    const before = effects('/refunds')
    const answer = await asking('clerk')('refund', input)
    expect(answer).toMatchObject({ kind: 'denied', reason: 'policy_error', advice: expect.stringContaining('/amount') })
    expect(effects('/refunds')).toBe(before)
  })
})

describe('a held payment', () => {
  const ask = asking('clerk')

  test('reserves when it is released, and the one that no longer fits ends denied', async () => {
    const held = await Promise.all([1, 2, 3].map(() => ask('payLarge', of(2_000))))
    expect(held.map(({ kind }) => kind)).toEqual(['held', 'held', 'held'])
    const ids = held.map(idOf)
    for (const id of ids) await line.approve(id)
    await Promise.all(
      ids.map(async (id) => {
        const call = await line.parts.store.call(id)
        return call?.holdId ? await release(line.parts, call.holdId, null, new AbortController().signal) : null
      }),
    )
    const states = await Promise.all(ids.map((id) => line.state(id)))
    expect(states.sort()).toEqual(['completed', 'completed', 'denied'])
    expect(effects('/large-payments')).toBe(2)
    expect(await ask('payLarge', of(2_000))).toMatchObject({ kind: 'denied' })
    expect(await ask('payLarge', of(1_000))).toMatchObject({ kind: 'held' })
  })
})

test('several payments of one document reserve when they are decided; one whose turn never comes gives back', async () => {
  const admit = (amount: number) => line.calls.admit(line.principal('third'), line.asked('pay', of(amount)))
  const [first, second, third] = [await admit(2_000), await admit(3_000), await admit(1)]
  expect(await third.run()).toMatchObject({ kind: 'denied', reason: 'forbidden' })
  await second.abandon()
  const fourth = await admit(2_500)
  expect([await first.run(), await fourth.run()]).toMatchObject([{ kind: 'result' }, { kind: 'result' }])
  expect(await asking('third')('pay', of(501))).toMatchObject({ kind: 'denied' })
})

describe('a dry decision', () => {
  const subject = (operation: string, input: JsonObject) => {
    const { door, operation: of, asserted } = line.asked(operation, input)
    return { door, operation: of, input, asserted, principal: line.principal('clerk') }
  }

  test('reads counters, reserves nothing, and reaches no system', async () => {
    const before = line.reached.length
    for (let i = 0; i < 3; i++) {
      const { decision } = await dryDecision(line.parts, subject('pay', of(1)), {}, true)
      expect(decision.verdict.effect).toBe('deny')
      expect(decision.evidence.request).toMatchObject({ context: { history: { paid1h: '5001.0' } } })
    }
    expect(line.reached.length).toBe(before)
  })

  test('where no permit could apply, that is said and not what is missing', async () => {
    const { decision, reason } = await dryDecision(
      line.parts,
      { ...subject('transfer', { vendorId: 'v' }), principal: line.principal('other') },
      {},
      true,
    )
    expect([decision.verdict, reason]).toEqual([{ effect: 'deny', policies: [], reason: 'no_permit' }, 'no_permit'])
  })

  test('what is given stands for what would be gathered', async () => {
    const { decision } = await dryDecision(line.parts, subject('pay', of(1)), { history: { paid1h: '1.0' } }, false)
    expect(decision.verdict.effect).toBe('permit')
  })

  test.each<[string, JsonObject, boolean, RegExp]>([
    ['pay', of(1), false, /history `paid1h` is not read for this role/],
    ['transfer', { vendorId: 'v' }, true, /lookup `vendor` was not made/],
  ])('what is missing is said: %s', async (operation, input, readsHistory, why) => {
    const { decision } = await dryDecision(line.parts, subject(operation, input), {}, readsHistory)
    if (decision.verdict.effect !== 'deny') throw new Error('it is not denied')
    expect(decision.verdict.reason).toBe('policy_error')
    expect(decision.verdict.errors?.join()).toMatch(why)
  })
})
