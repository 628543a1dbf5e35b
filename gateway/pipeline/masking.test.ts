import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { CallId } from '../core/ids.ts'
import { operationId } from '../core/ids.ts'
import type { LogMessage } from '../core/log-message.ts'
import type { Operation } from '../core/operation.ts'
import { CLASSES_KEYWORD } from '../core/output-shape.ts'
import type { Answer, Asked, CallResult } from '../ports/calls.ts'
import type { Connector } from '../ports/connector.ts'
import type { Decider } from '../ports/decider.ts'
import { openTestLine, type TestLine } from './test-line.ts'

const CANARY = 'ann@canary.example'
const BODY = { id: 't1', email: CANARY, items: [{ sku: 's', phone: CANARY }], extra: { email: CANARY } }
const MASKED = { id: 't1', email: null, items: [{ sku: 's', phone: null }] }
const POINTERS = ['/email', '/items/*/phone']

const pii = { type: 'string', [CLASSES_KEYWORD]: ['pii'] }
const OUTPUT = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    email: pii,
    items: { type: 'array', items: { type: 'object', properties: { sku: { type: 'string' }, phone: pii } } },
  },
}
const DATA_CLASSES = { '/email': ['pii'], '/items/*/phone': ['pii'] }

let line: TestLine
let operations: Map<ReturnType<typeof operationId>, Operation>
/** What this agent may read, by today's policies. */
let readable: string[] = []
let calls: ReturnType<TestLine['variant']>
let parts: Pick<TestLine['parts'], 'decider' | 'catalogue' | 'connectors'>

beforeAll(async () => {
  line = await openTestLine()
  operations = new Map(
    [...line.parts.catalogue.operations].map(([id, o]) => [id, { ...o, outputSchema: OUTPUT, dataClasses: DATA_CLASSES }]),
  )
  // Everything of the real engine but its word on classes.
  const decider = new Proxy(line.parts.decider, {
    get(engine, key: keyof Decider) {
      if (key === 'readableClasses') return () => new Set(readable)
      const member = engine[key]
      return typeof member === 'function' ? member.bind(engine) : member
    },
  })
  parts = { decider, catalogue: { ...line.parts.catalogue, operations }, connectors: answering((shop) => shop.execute.bind(shop)) }
  calls = line.variant(parts)
})
beforeEach(() => {
  readable = []
})
afterAll(() => line.close())

/** The line's connector with another way to execute; it is asked about the operations as it knows them. */
function answering(execute: (shop: Connector) => Connector['execute']): ReadonlyMap<string, Connector> {
  const shop = line.parts.connectors.get('shop')
  if (!shop) throw new Error('no connector')
  const { name, kind, region, operations: known } = shop
  const run = execute(shop)
  return new Map([
    [
      'shop',
      {
        ...{ name, kind, region, operations: known },
        match: () => ({ operation: null, allow: [] }),
        close: () => Promise.resolve(),
        execute: (operation, ...rest) => run(known.find(({ id }) => id === operation.id) ?? operation, ...rest),
      },
    ],
  ])
}

const answers = (status: number, body: string | object, headers: Record<string, string> = {}) => {
  const meet = (_req: IncomingMessage, res: ServerResponse) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text)
  }
  line.meets.push(meet)
}

function ask(name: string, more: Partial<Asked> = {}, agent = 'clerk'): Promise<Answer> {
  const operation = operations.get(operationId('shop', name))
  const input = name === 'getThing' ? { id: 't1' } : { amount: amount++ }
  return calls.call(line.principal(agent), line.asked(name, input, { ...(operation ? { operation } : {}), ...more }))
}
let amount = 1

async function read({ body, headers, masked, value, status }: CallResult) {
  let text = ''
  if (body.kind === 'bytes') text = Buffer.from(body.bytes).toString()
  else for await (const chunk of body.chunks) text += Buffer.from(chunk).toString()
  return { status, text, headers, masked, value }
}

const resultIn = (answer: Answer): CallResult => {
  if ((answer.kind === 'result' || answer.kind === 'failed') && answer.result) return answer.result
  throw new Error(`no result: ${JSON.stringify(answer)}`)
}

const outcomeOf = async (id: CallId | undefined) =>
  (id ? await line.parts.store.entries(id) : []).flatMap(({ body }) => (body.kind === 'outcome' ? [body.outcome] : []))[0]

const never = new AbortController().signal

describe('a fresh answer', () => {
  test.each<[string, string, Partial<Asked>]>([
    ['a read', 'getThing', {}],
    ['a read at a door that streams', 'getThing', { delivery: 'stream' }],
    ['a write', 'pay', {}],
  ])('%s', async (_title, name, more) => {
    // Long enough that it would be streamed.
    answers(
      200,
      { ...BODY, extra: CANARY.repeat(10_000) },
      {
        etag: '"d1"',
        'content-type': `application/json; of=${CANARY}`,
        'content-disposition': `inline; filename="${CANARY}"`,
        expires: '0',
      },
    )
    const answer = await ask(name, more)
    const { text, headers, masked } = await read(resultIn(answer))
    expect([JSON.parse(text), masked]).toEqual([MASKED, POINTERS])
    expect(headers).toEqual({ 'content-type': 'application/json', expires: '0' })
    const outcome = await outcomeOf(answer.callId)
    expect(outcome).toMatchObject({
      kind: 'completed',
      error: null,
      resultBytes: text.length,
      masked: { classes: ['pii'], pointers: POINTERS },
    })
    expect(JSON.stringify([answer, await line.parts.store.call(answer.callId as CallId)])).not.toContain(CANARY)
  })

  test('whoever may read the class gets the answer as it came', async () => {
    readable = ['pii']
    answers(200, BODY, { etag: '"d1"' })
    const answer = await ask('getThing')
    const { text, headers, masked } = await read(resultIn(answer))
    expect([text, headers.etag, masked]).toEqual([JSON.stringify(BODY), '"d1"', undefined])
    expect(await outcomeOf(answer.callId)).not.toHaveProperty('masked')
  })

  test.each([
    ['no JSON by its type', 'text/plain', JSON.stringify(BODY), 'it is not JSON'],
    ['no JSON by its text', 'application/json', CANARY, 'it is not JSON'],
    ['another form', 'application/json', JSON.stringify([BODY]), 'it does not have the declared form at its top'],
  ])('%s is withheld', async (_title, type, body, why) => {
    answers(200, body, { 'content-type': type })
    const answer = await ask('pay', { delivery: 'stream' })
    const message = `the answer has parts that this caller may not read, and they cannot be masked: ${why}`
    expect(answer).toMatchObject({ kind: 'failed', code: 'WITHHELD', message, inDoubt: false, upstreamStatus: 200 })
    expect(answer).not.toHaveProperty('result')
    const id = answer.callId as CallId
    expect(await outcomeOf(id)).toMatchObject({
      kind: 'completed',
      resultDigest: null,
      resultBytes: 0,
      masked: { classes: ['pii'], pointers: [] },
    })
    const status = await calls.status(line.principal(), id, 0, never)
    expect(status).toMatchObject({ state: 'completed', error: { code: 'WITHHELD' } })
    expect(status).not.toHaveProperty('result')
    expect(JSON.stringify(await line.parts.store.call(id))).not.toContain(CANARY)
  })

  test('policies that change while an answer comes bind it', async () => {
    readable = ['pii']
    line.meets.push((_req, res) => {
      res.writeHead(200, { 'content-type': 'application/json' }).write(JSON.stringify(BODY).slice(0, 10), () => {
        readable = []
        res.end(JSON.stringify(BODY).slice(10))
      })
    })
    expect((await read(resultIn(await ask('pay')))).value).toEqual(MASKED)
  })

  test('policies that change once it is masked change nothing in what sticks to its reader', async () => {
    readable = ['pii']
    answers(200, BODY)
    const saved = calls
    const forgets = (stage: string): void => {
      if (stage === 'outcome-recorded') readable = []
    }
    calls = line.variant({ ...parts, onStage: forgets })
    // Nothing sticks to this one yet.
    const answer = await ask('pay', {}, 'other')
    calls = saved
    expect((await read(resultIn(answer))).value).toEqual(BODY)
    const stuck = (await line.parts.store.entries(answer.callId as CallId)).flatMap(({ body }) =>
      body.kind === 'labelled' ? body.labels : [],
    )
    expect(stuck).toEqual(['pii'])
  })

  test('an empty answer has nothing to mask', async () => {
    line.meets.push((_req, res) => void res.writeHead(204).end())
    expect(await read(resultIn(await ask('pay')))).toMatchObject({ status: 204, text: '', masked: undefined })
  })

  test('what the system says when it refuses is replaced, its status stays', async () => {
    answers(422, { detail: `${CANARY} is taken` }, { etag: CANARY, 'retry-after': '3' })
    const answer = await ask('pay')
    const { status, text, headers, masked } = await read(resultIn(answer))
    expect([status, headers, masked]).toEqual([
      422,
      { 'content-type': 'application/problem+json; charset=utf-8', 'retry-after': '3' },
      [''],
    ])
    expect(JSON.parse(text)).toMatchObject({ type: 'urn:gatehouse:problem:UPSTREAM', status: 422, code: 'UPSTREAM', upstreamStatus: 422 })
    expect(await outcomeOf(answer.callId)).toMatchObject({ kind: 'failed', masked: { classes: ['pii'], pointers: [''] } })
    expect(JSON.stringify(await line.parts.store.call(answer.callId as CallId))).not.toContain(CANARY)
  })

  test('what a system that fails said is not kept either', async () => {
    answers(500, { detail: CANARY })
    const answer = await ask('pay')
    expect(answer).toMatchObject({ kind: 'failed', inDoubt: true })
    expect(answer).not.toHaveProperty('result')
    expect(JSON.stringify(await line.parts.store.call(answer.callId as CallId))).not.toContain(CANARY)
  })

  test('what a system says while it works is dropped', async () => {
    const heard: LogMessage[] = []
    const logs = { level: 'debug' as const, tell: (message: LogMessage) => void heard.push(message) }
    const saved = calls
    const connectors = answering(() => (_operation, _input, _lease, { logs: told }) => {
      told?.tell({ level: 'error', data: CANARY })
      return Promise.resolve({ status: 200, headers: {}, body: (async function* () {})() })
    })
    calls = line.variant({ ...parts, connectors })
    await ask('getThing', { logs })
    expect(heard).toEqual([])
    readable = ['pii']
    await ask('getThing', { logs })
    expect(heard).toEqual([{ level: 'error', data: CANARY }])
    calls = saved
  })
})

describe('a kept answer', () => {
  const pay = async () => {
    answers(200, BODY)
    return (await ask('pay')).callId as CallId
  }
  const again = async (id: CallId) => {
    const status = await calls.status(line.principal(), id, 0, never)
    const { value, masked } = await read(resultIn(await calls.answer(line.principal(), id, 0, never)))
    expect([status.result, status.masked]).toEqual([value, masked])
    return [value, masked]
  }

  test('is masked when it is kept, and stays so', async () => {
    const id = await pay()
    expect((await line.parts.store.call(id))?.result?.body).toBe(JSON.stringify(MASKED))
    readable = ['pii']
    expect(await again(id)).toEqual([MASKED, POINTERS])
  })

  test('is masked again by the policies of today', async () => {
    readable = ['pii']
    const id = await pay()
    expect(await again(id)).toEqual([BODY, undefined])
    readable = []
    expect(await again(id)).toEqual([MASKED, POINTERS])
  })

  test('that has no place for its mask today is withheld', async () => {
    readable = ['pii']
    answers(200, 'plain', { 'content-type': 'text/plain' })
    const id = (await ask('pay')).callId as CallId
    expect(await again(id)).toEqual(['plain', undefined])
    readable = []
    expect(await calls.answer(line.principal(), id, 0, never)).toMatchObject({ kind: 'failed', code: 'WITHHELD', upstreamStatus: 200 })
    const status = await calls.status(line.principal(), id, 0, never)
    expect([status.result, status.error?.code]).toEqual([undefined, 'WITHHELD'])
  })

  test('of an operation that is gone is withheld', async () => {
    readable = ['pii']
    const id = await pay()
    const gone = line.variant({ ...parts, catalogue: { ...line.parts.catalogue, operations: new Map() } })
    expect(await gone.answer(line.principal(), id, 0, never)).toMatchObject({ kind: 'failed', code: 'WITHHELD' })
    expect((await gone.status(line.principal(), id, 0, never)).error?.code).toBe('WITHHELD')
    answers(409, { detail: CANARY })
    const failed = (await ask('pay')).callId as CallId
    expect(await gone.status(line.principal(), failed, 0, never)).toMatchObject({ state: 'failed', error: { code: 'UPSTREAM' } })
  })

  test('of a call that joins another is masked for whoever joins', async () => {
    readable = ['pii']
    answers(200, BODY)
    const key = { idempotencyKey: 'k1' }
    const first = await ask('pay', key)
    amount--
    readable = []
    const second = await ask('pay', key)
    expect([second.callId, (await read(resultIn(second))).value]).toEqual([first.callId, MASKED])
  })
})
