import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { CallId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import type { Answer } from '../ports/calls.ts'
import { factsWorld } from './fixture-facts-world.ts'
import { release } from './resume.ts'
import { gate, openTestLine, type TestLine } from './test-line.ts'

let line: TestLine
beforeAll(async () => {
  line = await openTestLine({}, factsWorld)
})
afterAll(() => line?.close())
beforeEach(() => {
  line.meets.length = 0
  line.reached.length = 0
})

const transfer = (amount = 5, agent = 'clerk'): Promise<Answer> => {
  const input = { vendorId: 'V 7', amount, note: randomBytes(6).toString('hex') }
  return line.calls.call(line.principal(agent), line.asked('transfer', input))
}
type Meet = TestLine['meets'][number]
const json =
  (body: JsonObject | string, status = 200, type = 'application/json'): Meet =>
  (_req, res) =>
    void res.writeHead(status, { 'content-type': type }).end(typeof body === 'string' ? body : JSON.stringify(body))
const vendor = { iban: 'DE89', createdBy: 'maria', rating: 4.5 }

function idOf(answer: Answer): CallId {
  if (answer.callId === undefined) throw new Error(`no call: ${answer.kind}`)
  return answer.callId
}
const decisionsOf = async (id: CallId) =>
  (await line.parts.store.entries(id)).flatMap(({ body }) => (body.kind === 'decision' ? [body.decision] : []))
const writes = () => line.reached.filter((request) => request.startsWith('POST')).length

async function releaseNow(id: CallId): Promise<Answer | null> {
  await line.approve(id)
  const call = await line.parts.store.call(id)
  return call?.holdId ? await release(line.parts, call.holdId, null, new AbortController().signal) : null
}

test('a lookup comes before the decision, and its fields and digest stand in it', async () => {
  line.meets.push(json(vendor))
  const answer = await transfer()
  expect(answer.kind).toBe('result')
  expect(line.reached[0]).toBe('GET /vendors/V%207')
  const [decision] = await decisionsOf(idOf(answer))
  expect(decision?.evidence.lookups).toEqual([
    {
      fact: 'vendor',
      operation: 'shop.getVendor',
      fields: { iban: 'DE89', createdBy: 'maria' },
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      error: null,
    },
  ])
})

test('what it says decides', async () => {
  line.meets.push(json({ ...vendor, iban: 'XX1' }))
  expect(await transfer()).toMatchObject({ kind: 'denied', reason: 'forbidden' })
  line.meets.push(json({ ...vendor, createdBy: 'nobody' }))
  expect(await transfer()).toMatchObject({ kind: 'denied', reason: 'no_permit' })
  expect(writes()).toBe(0)
})

const never: Meet = () => undefined
const drop: Meet = (req) => void req.socket.destroy()
const endless: Meet = (_req, res: ServerResponse) => {
  res.writeHead(200, { 'content-type': 'application/json' }).write('{"iban":"')
  res.end('x'.repeat(LIMITS.lookupAnswerBytesMax))
}
const UNREAD = 'What is to be known of the object could not be read: see that it exists, or try again later.'
test.each<[string, Meet, RegExp]>([
  ['a system that fails', json('{}', 500), /status 500/],
  ['an object that is not there', json('{"title":"not found"}', 404), /status 404/],
  ['a redirect', json('{}', 302), /status 302/],
  ['no answer in time', never, /no answer within 1000 ms/],
  ['a connection that breaks', drop, /./],
  ['an answer that is too large', endless, /larger than/],
  ['no JSON', json('<html/>', 200, 'text/html'), /no JSON object/],
  ['JSON that says it is text', json(vendor, 200, 'text/plain'), /no JSON object/],
  ['broken JSON', json('{"iban":'), /no JSON object/],
  ['an answer without body', json('', 204), /no JSON object/],
  ['null', json('null'), /no JSON object/],
  ['none of the fields', json({ rating: 1 }), /none of the fields/],
  ['fields that are null', json('{"iban":null,"createdBy":null}'), /none of the fields/],
  ['a field of another type', json({ ...vendor, createdBy: ['maria'] }), /createdBy/],
])('%s: denied, and nothing is written', async (title, meet, why) => {
  line.meets.push(meet)
  const answer = await transfer()
  expect(answer).toMatchObject({ kind: 'denied', reason: 'policy_error', ...(title.startsWith('a field') ? {} : { advice: UNREAD }) })
  const [decision] = await decisionsOf(idOf(answer))
  if (decision?.verdict.effect !== 'deny') throw new Error('it is not denied')
  expect(decision.verdict.errors?.join('; ')).toMatch(why)
  expect(JSON.stringify(answer)).not.toMatch(/html|maria|DE89/)
  expect([writes(), line.reached.length]).toEqual([0, 1])
})

test('no lookup is made where no permit could allow the call, and that is the reason', async () => {
  expect(await transfer(5, 'other')).toMatchObject({ kind: 'denied', reason: 'no_permit' })
  expect(line.reached).toEqual([])
})

test('arguments that name no object look nothing up', async () => {
  const answer = await line.ask('transfer', { amount: 5 })
  expect(answer).toMatchObject({ kind: 'denied', reason: 'policy_error' })
  expect(line.reached).toEqual([])
})

test('an agent has so many lookups under way, and the next ones wait for them', async () => {
  const { promise: opened, resolve: open } = gate()
  const full = gate()
  let under = 0
  for (let i = 0; i < LIMITS.lookupsConcurrentPerAgentMax; i++)
    line.meets.push((req, res, body) => {
      if (++under === LIMITS.lookupsConcurrentPerAgentMax) full.resolve()
      void opened.then(() => json(vendor)(req, res, body))
    })
  const asked = Array.from({ length: LIMITS.lookupsConcurrentPerAgentMax + 2 }, () => transfer())
  await full.promise
  expect(line.reached).toHaveLength(LIMITS.lookupsConcurrentPerAgentMax)
  const late: Meet = (req, res, body) => (req.method === 'GET' ? json(vendor) : json('{"ok":true}'))(req, res, body)
  line.meets.push(...asked.map(() => late), late, late)
  open()
  expect((await Promise.all(asked)).map(({ kind }) => kind)).toEqual(asked.map(() => 'result'))
})

describe('a held call', () => {
  test('is released where the object is as the approvers saw it', async () => {
    line.meets.push(json(vendor), json({ ...vendor, rating: 1 }))
    const held = await transfer(200)
    expect(held.kind).toBe('held')
    expect(await releaseNow(idOf(held))).toMatchObject({ kind: 'result' })
    expect(line.reached.map((request) => request.slice(0, 4))).toEqual(['GET ', 'GET ', 'POST'])
  })

  test('is replaced where the object changed, saying in which fields, and executes once people approve again', async () => {
    line.meets.push(json(vendor), json({ ...vendor, iban: 'DE99' }))
    const held = await transfer(200)
    const id = idOf(held)
    const before = (await line.parts.store.call(id))?.holdId
    expect(await releaseNow(id)).toBeNull()
    expect([await line.state(id), writes()]).toEqual(['held', 0])
    const changes = (await line.parts.store.entries(id)).flatMap(({ body }) => (body.kind === 'hold.changed' ? [body] : []))
    expect(changes.at(-1)).toMatchObject({ hold: before, to: 'superseded', why: 'facts_changed: lookup `vendor` changed in `iban`' })
    expect(JSON.stringify(changes)).not.toMatch(/DE99|DE89/)
    line.meets.push(json({ ...vendor, iban: 'DE99' }))
    expect(await releaseNow(id)).toMatchObject({ kind: 'result' })
    expect(writes()).toBe(1)
  })

  test('keeps those out whom the object names, at the vote and at the release', async () => {
    const lead = line.parts.approvals.get('lead')
    if (!lead) throw new Error('no approval')
    const approvals = new Map([['lead', { ...lead, excludes: ['/lookup/vendor/createdBy'] }]])
    const strict = { ...line.parts, approvals }
    const asked = line.asked('transfer', { vendorId: 'V1', amount: 201 })
    line.meets.push(json({ ...vendor, createdBy: 'Lea' }), json({ ...vendor, createdBy: 'Lea' }))
    const held = await line.variant({ approvals }).call(line.principal(), asked)
    const { holdId } = (await line.parts.store.call(idOf(held))) ?? {}
    const hold = holdId ? await line.parts.store.hold(holdId) : undefined
    if (!hold) throw new Error('not held')
    expect(hold).toMatchObject({ excludes: ['/lookup/vendor/createdBy'], excluded: { people: ['Lea'], unknown: [] } })
    // A vote that got past every check is worth nothing at the release.
    await line.approve(idOf(held))
    expect(await release(strict, hold.id, null, new AbortController().signal)).toBeNull()
    expect([await line.state(idOf(held)), writes()]).toEqual(['held', 0])
    const changes = (await line.parts.store.entries(idOf(held))).flatMap(({ body }) => (body.kind === 'hold.changed' ? [body] : []))
    expect(changes.at(-1)).toMatchObject({ to: 'superseded', why: 'an approver is no longer eligible' })
  })

  test('ends where the object cannot be read any more', async () => {
    line.meets.push(json(vendor), json('{}', 503))
    const held = await transfer(200)
    expect(await releaseNow(idOf(held))).toBeNull()
    expect([await line.state(idOf(held)), writes()]).toEqual(['denied', 0])
  })
})
