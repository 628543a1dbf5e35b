import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ask, DOORS, McpClient, messageOf } from './doors.ts'
import type { Heard } from './heard.ts'
import { CLAIMED, type ClientName, FOREVER, HeldScene, PROBER, sent, SOON_OVER, stateOf } from './held-scene.ts'
import { fields, items, jsonOf, send } from './send.ts'

/**
 * What an agent meets that makes a held call, clause by clause, at every door. Elsewhere: who may ask, and every end in the words of the call status
 * (`call-status.test.ts`), masking at hand-over (`masking.test.ts`), edits (`edit-hold.test.ts`), waits that end early (`surfaces/mcp/waiting.test.ts`),
 * policies that change under a hold (`policy-changes.test.ts`), and attacks (`hold-attacks.test.ts`).
 */
const NAMES = [...DOORS, 'tasks'] as const

let scene: HeldScene
beforeAll(async () => {
  scene = await HeldScene.open({ soon: '1s' })
})
afterAll(() => scene?.bed.close())

/** Asks until the hand-over of an answer is in the record, which happens a moment after it: then an equal call is a new one. */
async function repeatedUntilNew(name: ClientName, ask: Ask, callId: string): Promise<Heard> {
  let heard: Heard | undefined
  await expect
    .poll(async () => {
      heard = await scene.clients[name].call(ask)
      return heard.callId
    }, FOREVER)
    .not.toBe(callId)
  if (!heard) throw new Error('nothing was heard')
  return heard
}

describe('how each door says that a call is held', () => {
  test('GraphQL: a null field, and extensions with exactly what is needed to go on; other fields are answered', async () => {
    const { input } = scene.fresh()
    const query = `mutation { one: probe_writeThing(name: "${input.name}", flag: true) two: probe_writeThing(name: "${input.name}") }`
    const headers = { ...(await scene.bearer()), 'content-type': 'application/json' }
    const reply = await send(scene.bed.url, { method: 'POST', path: '/graphql', headers, body: JSON.stringify({ query }) })
    const { data, errors, extensions } = fields(jsonOf(reply))
    const [error] = items(errors).map(fields)
    const { callId, expiresAt, ...rest } = fields(error?.extensions)
    expect(fields(data)).toEqual({ one: null, two: expect.objectContaining({ method: 'POST' }) })
    expect([items(errors).length, error?.path]).toEqual([1, ['one']])
    expect(rest).toEqual({ code: 'HELD', statusUrl: `${scene.bed.url}/v1/calls/${callId}` })
    expect(Date.parse(String(expiresAt))).toBeGreaterThan(Date.now())
    expect(fields(fields(fields(extensions).gatehouse).calls).one).toBe(callId)
    expect(reply.headers['gatehouse-call']?.split(', ')[0]).toBe(callId)
  })

  test('HTTP: 202 with Location and Retry-After, which lead to the status', async () => {
    const { reply, callId } = await scene.clients.http.call(scene.fresh())
    expect([reply.status, reply.headers.location, reply.headers['gatehouse-call']]).toEqual([202, `/v1/calls/${callId}`, callId])
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0)
    expect(fields(jsonOf(reply))).toMatchObject({ code: 'HELD', callId, statusUrl: `/v1/calls/${callId}` })
    const followed = await send(scene.bed.url, { path: String(reply.headers.location), headers: await scene.bearer() })
    expect([followed.status, stateOf(followed), followed.headers['retry-after']]).toEqual([202, 'held', '2'])
  })

  test.each(['mcp', 'mcp-2025'] as const)(
    '%s: an error result without structured content, whose sentence says what to do; asked again, the same',
    async (name) => {
      const ask = scene.fresh()
      const { reply, callId } = await scene.clients[name].call(ask)
      const { isError, structuredContent, content } = fields(fields(messageOf(reply)).result)
      const said = String(fields(items(content)[0]).text)
      expect([isError, structuredContent, items(content).length]).toEqual([true, undefined, 1])
      expect(said).toContain(`NOT EXECUTED yet. Held as ${callId}. Call gatehouse_call_wait with {"id": "${callId}"}`)
      const waited = await new McpClient(name, scene.bed).rpc(ask, 'tools/call', {
        name: 'gatehouse_call_wait',
        arguments: { id: callId, waitSeconds: 0 },
      })
      expect(fields(items(fields(fields(messageOf(waited)).result).content)[0]).text).toBe(said)
    },
  )

  test('tasks: a working task at once, until the hold expires', async () => {
    const { reply, callId } = await scene.clients.tasks.call(scene.fresh())
    const { taskId, status: working, ttlMs, createdAt, lastUpdatedAt } = fields(fields(messageOf(reply)).result)
    expect([taskId, working, reply.headers['gatehouse-call']]).toEqual([callId, 'working', callId])
    const { expiresAt } = fields(jsonOf(await scene.status(callId ?? '')))
    expect(Number(ttlMs)).toBeGreaterThanOrEqual(Date.parse(String(expiresAt)) - Date.parse(String(createdAt)))
    expect(Date.parse(String(lastUpdatedAt))).toBeGreaterThanOrEqual(Date.parse(String(createdAt)))
  })
})

/** Each clause runs at each door: what is asked there, and what is heard there in the end. */
const CLAUSES: readonly [string, (name: ClientName) => Promise<void>][] = [
  [
    'nothing is executed while it is held; approved, it is executed once, and its agent hears the result',
    async (name) => {
      const [ask, seen] = [scene.fresh(), scene.bed.watch()]
      const id = await scene.held(name, ask)
      expect([stateOf(await scene.status(id)), seen().length]).toEqual(['held', 0])
      await scene.vote(id)
      expect(await scene.clients[name].after(ask, id)).toMatchObject({ code: 'OK', callId: id })
      expect(sent(seen(), ask)).toBe(1)
    },
  ],
  [
    'an agent that waits already hears of the approval',
    async (name) => {
      const ask = scene.fresh()
      const id = await scene.held(name, ask)
      const waiting = scene.clients[name].after(ask, id)
      await scene.vote(id)
      expect(await waiting).toMatchObject({ code: 'OK', callId: id })
    },
  ],
  [
    'an equal call while it is held is the same call, whichever door it comes by',
    async (name) => {
      const ask = scene.fresh()
      const id = await scene.held(name, ask)
      for (const other of NAMES) expect([other, await scene.held(other, ask)]).toEqual([other, id])
    },
  ],
  [
    'an equal call after the end gets its result where nobody did, and is then a new one, whose card names the one before',
    async (name) => {
      const [ask, seen] = [scene.fresh(), scene.bed.watch()]
      const id = await scene.held(name, ask)
      await scene.vote(id)
      await expect.poll(() => sent(seen(), ask), FOREVER).toBe(1)
      // Only the record is asked, so that nothing is handed over.
      await expect
        .poll(async () => fields((await scene.bed.people('lee', `{ call(id: "${id}") { state } }`)).call).state, FOREVER)
        .toBe('completed')
      expect(await scene.clients[name].call(ask)).toMatchObject({ code: 'OK', callId: id })
      const next = await repeatedUntilNew(name, ask, id)
      expect(next.code).toBe('HELD')
      expect(fields((await scene.holdOf(next.callId ?? '', 'equalCall { id at }')).equalCall)).toEqual({ id, at: expect.any(String) })
      expect(sent(seen(), ask)).toBe(1)
    },
  ],
  [
    'a key: the same arguments join while it is held and get the stored answer ever after; other arguments are refused',
    async (name) => {
      const [ask, seen] = [scene.fresh({ flag: true }, { idempotencyKey: `key-${scene.next()}` }), scene.bed.watch()]
      const id = await scene.held(name, ask)
      expect(await scene.held(name, ask)).toBe(id)
      const other = { ...ask, input: { ...ask.input, note: 'other' } }
      expect((await scene.clients[name].call(other)).code).toBe('KEY_REUSED')
      await scene.vote(id)
      const first = await scene.clients[name].after(ask, id)
      expect(first.code).toBe('OK')
      for (let i = 0; i < 3; i++) expect(await scene.clients[name].call(ask)).toMatchObject({ code: 'OK', callId: id })
      expect((await scene.clients[name].call(other)).code).toBe('KEY_REUSED')
      expect(sent(seen(), ask)).toBe(1)
    },
  ],
  [
    'a key of a held call that people refuse is answered by that refusal',
    async (name) => {
      const ask = scene.fresh({ flag: true }, { idempotencyKey: `key-${scene.next()}` })
      const id = await scene.held(name, ask)
      await scene.vote(id, 'reject')
      expect(await scene.clients[name].after(ask, id)).toMatchObject({ code: 'DENIED', reason: 'rejected', callId: id })
      expect(await scene.clients[name].call(ask)).toMatchObject({ code: 'DENIED', reason: 'rejected', callId: id })
    },
  ],
  [
    'denied and malformed calls use no key up',
    async (name) => {
      const says = { idempotencyKey: `key-${scene.next()}` }
      expect((await scene.clients[name].call(scene.fresh({ ratio: 101 }, says))).code).toBe('DENIED')
      expect((await scene.clients[name].call(scene.fresh({ code: 'no code' }, says))).code).toBe('BAD_INPUT')
      await scene.held(name, scene.fresh({ flag: true }, says))
    },
  ],
  [
    'without a key a refused call is over: the same arguments are a new call',
    async (name) => {
      const ask = scene.fresh()
      const id = await scene.held(name, ask)
      await scene.vote(id, 'reject')
      expect(await scene.clients[name].after(ask, id)).toMatchObject({ code: 'DENIED', reason: 'rejected' })
      expect(await scene.held(name, ask)).not.toBe(id)
    },
  ],
  [
    'nobody decides: it expires, unexecuted',
    async (name) => {
      const [ask, seen] = [scene.fresh(SOON_OVER), scene.bed.watch()]
      const id = await scene.held(name, ask)
      expect(await scene.clients[name].after(ask, id)).toMatchObject({ code: 'EXPIRED', callId: id })
      expect(sent(seen(), ask)).toBe(0)
    },
  ],
  [
    'an approval that only opens the door: executed when its agent comes by this door, once, and by no status request',
    async (name) => {
      const [ask, seen] = [scene.fresh(CLAIMED), scene.bed.watch()]
      const id = await scene.held(name, ask)
      await scene.vote(id, 'approve', 'aisha')
      for (const rest of ['', '?wait=1', '/response']) expect((await scene.status(id, rest)).status).toBe(202)
      expect([stateOf(await scene.status(id)), sent(seen(), ask)]).toEqual(['approved', 0])
      expect(await scene.clients[name].after(ask, id)).toMatchObject({ code: 'OK', callId: id })
      expect(sent(seen(), ask)).toBe(1)
    },
  ],
  [
    'an approval that only opens the door: repeating the call claims it, too',
    async (name) => {
      const [ask, seen] = [scene.fresh(CLAIMED), scene.bed.watch()]
      const id = await scene.held(name, ask)
      await scene.vote(id, 'approve', 'aisha')
      expect(await scene.clients[name].call(ask)).toMatchObject({ code: 'OK', callId: id })
      expect(sent(seen(), ask)).toBe(1)
    },
  ],
  [
    'its agent gives it up: nobody can approve it, nothing is executed, and the same arguments are a new call',
    async (name) => {
      const [ask, seen] = [scene.fresh(), scene.bed.watch()]
      const id = await scene.held(name, ask)
      const { id: hold } = await scene.holdOf(id)
      await CANCELS[name](id)
      expect(await scene.clients[name].after(ask, id)).toMatchObject({ code: 'CANCELLED', callId: id })
      await expect(scene.bed.people('sam', `mutation { approveHold(id: "${hold}") { state } }`)).rejects.toThrow('HOLD_NOT_OPEN')
      expect(await scene.held(name, ask)).not.toBe(id)
      expect(sent(seen(), ask)).toBe(0)
    },
  ],
  [
    'executed in doubt: said so, joined by equal calls, and never executed again',
    async (name) => {
      const [ask, seen] = [scene.fresh(), scene.bed.watch()]
      const id = await scene.held(name, ask)
      scene.bed.probe.faults.push({ status: 500 })
      await scene.vote(id)
      expect(await scene.clients[name].after(ask, id)).toMatchObject({ inDoubt: true, callId: id })
      expect(await scene.clients[name].call(ask)).toMatchObject({ inDoubt: true, callId: id })
      expect(sent(seen(), ask)).toBe(1)
    },
  ],
  [
    'a result that is too large to keep: said so, also to the key, and never executed again',
    async (name) => {
      const ask = scene.fresh({ flag: true, extra: { padding: 'x'.repeat(300_000) } }, { idempotencyKey: `key-${scene.next()}` })
      const seen = scene.bed.watch()
      const id = await scene.held(name, ask)
      await scene.vote(id)
      await expect.poll(async () => stateOf(await scene.status(id)), FOREVER).toBe('completed')
      expect((await scene.clients[name].call(ask)).code).toBe('RESULT_NOT_KEPT')
      expect((await scene.clients[name].call(ask)).code).toBe('RESULT_NOT_KEPT')
      expect(sent(seen(), ask)).toBe(1)
    },
  ],
]

/** How each door gives a call up; GraphQL has no way of its own. */
const statusCancel = async (id: string): Promise<void> => expect(stateOf(await scene.status(id, '/cancel', 'POST'))).toBe('cancelled')
const toolCancel = (era: 'mcp' | 'mcp-2025') => async (id: string) =>
  expect((await new McpClient(era, scene.bed).tool(PROBER, 'gatehouse_call_cancel', { id })).value).toEqual({ id, state: 'cancelled' })
const CANCELS: Readonly<Record<ClientName, (id: string) => Promise<void>>> = {
  graphql: statusCancel,
  http: statusCancel,
  mcp: toolCancel('mcp'),
  'mcp-2025': toolCancel('mcp-2025'),
  tasks: async (id) =>
    expect(await scene.tasks.ask(PROBER, 'tasks/cancel', { taskId: id })).toMatchObject({ result: { resultType: 'complete' } }),
}

describe.each(CLAUSES)('%s', (_clause, run) => {
  test.each(NAMES)('%s', async (name) => {
    await run(name)
  })
})

describe('Prefer: wait', () => {
  const FORMS: readonly [string, (ask: Ask) => { path: string; body: string }][] = [
    [
      'graphql',
      ({ input }) => ({
        path: '/graphql',
        body: JSON.stringify({ query: `mutation { probe_writeThing(name: "${input.name}", flag: true) }` }),
      }),
    ],
    ['proxy', ({ input }) => ({ path: '/proxy/probe/things', body: JSON.stringify(input) })],
  ]
  test.each(FORMS)('%s: the answer waits for people, and is the result', async (_name, form) => {
    const ask = scene.fresh()
    // Held first, so that it is known by its id; the one that waits joins it.
    const id = await scene.held('http', ask)
    const headers = { ...(await scene.bearer()), 'content-type': 'application/json', prefer: 'wait=20' }
    const waiting = send(scene.bed.url, { method: 'POST', headers, ...form(ask) })
    await scene.vote(id)
    const reply = await waiting
    expect([reply.status, reply.headers['gatehouse-call'], reply.text.includes('"method":"POST"')]).toEqual([200, id, true])
  })

  test('a client that leaves while it waits leaves the hold as it is', async () => {
    const ask = scene.fresh()
    const id = await scene.held('http', ask)
    const leaving = new AbortController()
    const headers = { ...(await scene.bearer()), 'content-type': 'application/json', prefer: 'wait=20' }
    const waiting = fetch(`${scene.bed.url}/proxy/probe/things`, {
      method: 'POST',
      headers,
      body: JSON.stringify(ask.input),
      signal: leaving.signal,
    })
    const gone = expect(waiting).rejects.toThrow()
    const waiters = async (): Promise<string> => (await send(scene.bed.url, { path: '/metrics' })).text
    await expect.poll(waiters, FOREVER).toMatch(/^gatehouse_waiters 1$/m)
    leaving.abort()
    await gone
    await expect.poll(waiters, FOREVER).toMatch(/^gatehouse_waiters 0$/m)
    expect(stateOf(await scene.status(id))).toBe('held')
    await scene.vote(id)
    expect((await scene.clients.http.after(ask, id)).code).toBe('OK')
  })
})

test('while it runs the status says so with 202 and Retry-After, and /response has nothing yet', async () => {
  const [ask, seen] = [scene.fresh(), scene.bed.watch()]
  const id = await scene.held('http', ask)
  scene.bed.probe.faults.push('held back')
  await scene.vote(id)
  await scene.bed.probe.arrived('/things', JSON.stringify(ask.input))
  const running = await scene.status(id)
  expect([running.status, stateOf(running), running.headers['retry-after']]).toEqual([202, 'executing', '2'])
  await expect(scene.status(id, '/cancel', 'POST')).resolves.toMatchObject({ status: 409 })
  scene.bed.probe.release()
  expect((await scene.clients.http.after(ask, id)).code).toBe('OK')
  expect(sent(seen(), ask)).toBe(1)
})

test('reading the status of an ended call hands it over: the same arguments are then a new call', async () => {
  const ask = scene.fresh()
  const id = await scene.held('http', ask)
  await scene.vote(id)
  await expect.poll(async () => (await scene.status(id)).status, FOREVER).toBe(200)
  expect((await repeatedUntilNew('http', ask, id)).code).toBe('HELD')
})

test('what a task hands over is masked by the rules of that moment, as a result of a tool call is', async () => {
  const heard = []
  for (const name of ['tasks', 'mcp'] as const) {
    const input = { form: 'as declared', by: `masked ${name}`, asks: true }
    const ask: Ask = { ...PROBER, operation: 'probe.writePerson', input }
    const id = await scene.held(name, ask)
    await scene.vote(id)
    const { code, masked, value } = await scene.clients[name].after(ask, id)
    heard.push({ code, masked, value })
  }
  expect(heard[0]).toMatchObject({ code: 'OK', masked: ['/links/*', '/name', '/phones/*/number'], value: { name: null } })
  expect(heard[0]).toEqual(heard[1])
})
