import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JsonObject } from '../core/json.ts'
import { CALL_STATES } from '../core/call.ts'
import { type Ask, McpClient, openDoor } from './doors.ts'
import { type Bed, startBed } from './harness.ts'
import { type Heard, heardHttp } from './heard.ts'
import { httpForms } from './http-form.ts'
import { type Fields, fields, jsonOf, type Reply, send } from './send.ts'

let bed: Bed
let call: (ask: Ask) => Promise<Heard>

beforeAll(async () => {
  // The bank change expires at once, so that expiry can be seen.
  bed = await startBed({ edits: { 'approvals.yaml': (text) => text.replace('expires: 24h', 'expires: 1s') } })
  const door = openDoor('http', bed, httpForms(bed.configFile, bed.environment))
  call = (ask) => door.call(ask)
})
afterAll(() => bed?.close())

const CLERK = { agent: 'invoice-clerk' }
const TRIAGE = { agent: 'support-triage' }
const payment = (amount: number, reference: string): Ask => ({
  ...CLERK,
  operation: 'erp.releasePayment',
  input: { vendorId: 'V-1001', amount, currency: 'EUR', reference },
})
const EXPORT: Ask = { agent: 'onboarding-coordinator', operation: 'crm.exportContacts', input: { segment: 'energy' } }

async function at(who: Pick<Ask, 'agent' | 'subject'>, method: string, path: string, headers: Fields = {}): Promise<Reply> {
  const authorization = `Bearer ${await bed.agentToken(who.agent, who.subject)}`
  return await send(bed.url, { method, path: `/v1/calls/${path}`, headers: { authorization, ...headers } as Record<string, string> })
}

async function held(ask: Ask): Promise<string> {
  const { code, callId } = await call(ask)
  if (code !== 'HELD' || callId === undefined) throw new Error(`not held: ${code}`)
  return callId
}

async function vote(person: string, callId: string, verdict: 'approve' | 'reject'): Promise<void> {
  const { call: found } = await bed.people(person, 'query ($id: ID!) { call(id: $id) { hold { id } } }', { id: callId })
  const { id } = fields(fields(found).hold)
  await bed.people(person, `mutation ($id: ID!) { ${verdict}Hold(id: $id, comment: "not this one") { state } }`, { id })
}

const stateOf = (reply: Reply): unknown => fields(jsonOf(reply)).state

describe('who may ask', () => {
  const FORMS = [
    ['GET', ''],
    ['GET', '/response'],
    ['POST', '/claim'],
    ['POST', '/cancel'],
  ] as const
  let own: string
  let forSubject: string
  beforeAll(async () => {
    own = await held(payment(1001, 'idor'))
    forSubject = await held({ ...payment(1001, 'idor'), subject: 'maria' })
  })

  test.each(FORMS)(
    '%s %s: another agent, another subject, or no subject finds nothing, as where there is nothing',
    async (method, rest) => {
      const nothing = `call_${'0'.repeat(26)}`
      const strangers = [
        [TRIAGE, own],
        [{ ...CLERK, subject: 'maria' }, own],
        [CLERK, forSubject],
        [{ ...CLERK, subject: 'raj' }, forSubject],
        [CLERK, nothing],
      ] as const
      const replies = await Promise.all(strangers.map(([who, id]) => at(who, method, `${id}${rest}`)))
      for (const reply of replies) {
        expect(reply.status).toBe(404)
        expect(reply.text).toBe(replies[0]?.text)
        expect(Object.keys(reply.headers).sort()).toEqual(Object.keys(replies[0]?.headers ?? {}).sort())
      }
    },
  )

  test('the same at the other doors', async () => {
    const mcp = new McpClient('mcp', bed)
    for (const tool of ['gatehouse_call_wait', 'gatehouse_call_cancel']) {
      const { code } = await mcp.tool(TRIAGE, tool, { id: own })
      expect(code).toBe('NOT_FOUND')
    }
    const query = `{ call(id: "${own}") { state } }`
    const headers = { authorization: `Bearer ${await bed.agentToken('support-triage')}`, 'content-type': 'application/json' }
    const reply = await send(bed.url, { method: 'POST', path: '/graphql', headers, body: JSON.stringify({ query }) })
    expect([reply.text.includes('NOT_FOUND'), reply.text.includes('held')]).toEqual([true, false])
  })

  test('nothing of that touched the calls', async () => {
    expect(stateOf(await at(CLERK, 'GET', own))).toBe('held')
    expect(stateOf(await at({ ...CLERK, subject: 'maria' }, 'GET', forSubject))).toBe('held')
  })

  test.each([
    ['an id that is none', 'GET', 'call_1', 400],
    ['an id of another kind', 'GET', `hold_${'0'.repeat(26)}`, 400],
    ['an id in other letters', 'GET', `call_${'A'.repeat(26)}`, 400],
    ['an id with a path behind it', 'GET', `call_${'0'.repeat(26)}/response/x`, 404],
    ['no id', 'GET', '', 400],
    ['a verb that is none', 'GET', `call_${'0'.repeat(26)}/approve`, 404],
    ['GET where something would happen: claim', 'GET', `call_${'0'.repeat(26)}/claim`, 405],
    ['GET where something would happen: cancel', 'GET', `call_${'0'.repeat(26)}/cancel`, 405],
    ['POST where something is read', 'POST', `call_${'0'.repeat(26)}/response`, 405],
    ['another method', 'DELETE', `call_${'0'.repeat(26)}`, 405],
    ['a wait that is no number', 'GET', `call_${'0'.repeat(26)}?wait=soon`, 400],
    ['a negative wait', 'GET', `call_${'0'.repeat(26)}?wait=-1`, 400],
  ] as const)('%s', async (_title, method, path, status) => {
    const reply = await at(CLERK, method, path)
    expect([reply.status, reply.headers['content-type']]).toEqual([status, 'application/problem+json; charset=utf-8'])
    if (status === 405) expect(reply.headers.allow).toBe(path.endsWith('claim') || path.endsWith('cancel') ? 'POST' : 'GET')
  })

  test('no token', async () => {
    const reply = await send(bed.url, { path: `/v1/calls/${own}` })
    expect([reply.status, reply.headers['www-authenticate']?.startsWith('Bearer resource_metadata=')]).toEqual([401, true])
  })
})

/** Words of states, without the place where they may stand. */
function stateWordsBeside(reply: Reply): string[] {
  const { state: _state, operation: _operation, id: _id, result: _result, ...rest } = fields(jsonOf(reply))
  return CALL_STATES.filter((word) => new RegExp(`\\b${word}\\b`).test(JSON.stringify(rest)))
}

describe('what it says', () => {
  test('held, and where to look and when', async () => {
    const answer = await call(payment(1002, 'held'))
    const { headers } = answer.reply
    expect([answer.reply.status, headers.location, headers['gatehouse-call']]).toEqual([202, `/v1/calls/${answer.callId}`, answer.callId])
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    const reply = await at(CLERK, 'GET', answer.callId ?? '')
    expect([reply.status, reply.headers['gatehouse-call'], Number(reply.headers['retry-after']) > 0]).toEqual([202, answer.callId, true])
    const { createdAt, expiresAt, ...body } = fields(jsonOf(reply))
    expect(body).toEqual({ id: answer.callId, state: 'held', operation: 'erp.releasePayment' })
    expect(Date.parse(String(expiresAt)) - Date.parse(String(createdAt))).toBeGreaterThan(3_600_000)
  })

  test('completed after approval: result, upstream, response as the system gave it', async () => {
    const id = await held(payment(1003, 'completed'))
    const waiting = at(CLERK, 'GET', `${id}?wait=20`)
    const seen = bed.watch()
    await vote('maria', id, 'approve')
    const reply = await waiting
    expect([reply.status, stateWordsBeside(reply)]).toEqual([200, []])
    expect(fields(jsonOf(reply))).toMatchObject({ id, state: 'completed', upstream: { status: 201 }, result: { amount: 1003 } })
    expect(seen().map(({ path }) => path)).toEqual(['/payments'])
    const response = await at(CLERK, 'GET', `${id}/response`)
    expect([response.status, response.headers['content-type'], response.headers['gatehouse-call']]).toEqual([201, 'application/json', id])
    expect(jsonOf(response)).toEqual(fields(jsonOf(reply)).result)
    for (let i = 0; i < 3; i++) await at(CLERK, 'GET', `${id}/response`)
    expect(seen()).toHaveLength(1)
  })

  const ENDS: readonly [string, Ask, (ask: Ask) => Promise<string>, JsonObject, number][] = [
    [
      'denied',
      payment(60_000, 'denied'),
      async (ask) => (await call(ask)).callId ?? '',
      { state: 'denied', error: { code: 'DENIED' } },
      403,
    ],
    [
      'rejected',
      payment(1004, 'rejected'),
      async (ask) => {
        const id = await held(ask)
        await vote('raj', id, 'reject')
        return id
      },
      { state: 'rejected' },
      403,
    ],
    [
      'cancelled',
      payment(1005, 'cancelled'),
      async (ask) => {
        const id = await held(ask)
        const reply = await at(CLERK, 'POST', `${id}/cancel`)
        expect([reply.status, stateOf(reply)]).toEqual([200, 'cancelled'])
        return id
      },
      { state: 'cancelled' },
      409,
    ],
    [
      'expired',
      {
        ...CLERK,
        operation: 'erp.changeVendorBank',
        input: { vendorId: 'V-1001', iban: 'DE02120300000000202051', bic: 'BYLADEM1001', accountHolder: 'Wer' },
      },
      async (ask) => await held(ask),
      { state: 'expired' },
      403,
    ],
    [
      'failed',
      { ...CLERK, operation: 'erp.matchInvoice', input: { invoiceId: 'INV-30001', purchaseOrderId: 'PO-20150' } },
      async (ask) => (await call(ask)).callId ?? '',
      { state: 'failed', upstream: { status: 422 }, error: { code: 'UPSTREAM' } },
      422,
    ],
    [
      'in_doubt',
      { agent: 'prober', operation: 'probe.writeThing', input: { name: 'doubt' } },
      async (ask) => {
        bed.probe.faults.push({ status: 500 })
        return (await call(ask)).callId ?? ''
      },
      { state: 'in_doubt', upstream: { status: 500 }, error: { code: 'UPSTREAM' } },
      502,
    ],
  ]
  test.each(ENDS)('%s', async (_state, ask, make, body, status) => {
    const id = await make(ask)
    const reply = await at(ask, 'GET', `${id}?wait=10`)
    expect([reply.status, stateWordsBeside(reply)]).toEqual([200, []])
    expect(jsonOf(reply)).toMatchObject({ id, operation: ask.operation, ...body })
    expect(reply.headers['retry-after']).toBeUndefined()
    const seen = bed.watch()
    const response = await at(ask, 'GET', `${id}/response`)
    expect([response.status, heardHttp(response).code === 'OK']).toEqual([status, false])
    const cancel = await at(ask, 'POST', `${id}/cancel`)
    const claim = await at(ask, 'POST', `${id}/claim`)
    expect([heardHttp(cancel).code, heardHttp(claim).code]).toEqual(['HOLD_NOT_OPEN', 'CALL_NOT_CLAIMABLE'])
    expect(seen()).toEqual([])
  })
})

describe('a call that waits for its agent', () => {
  test('is claimed once, by its agent, and never by GET', async () => {
    const id = await held(EXPORT)
    const early = await at(EXPORT, 'POST', `${id}/claim`)
    expect(heardHttp(early).code).toBe('CALL_NOT_CLAIMABLE')
    const seen = bed.watch()
    await vote('aisha', id, 'approve')
    for (const path of [`${id}?wait=1`, `${id}/response`]) {
      const reply = await at(EXPORT, 'GET', path)
      expect([path, reply.status]).toEqual([path, 202])
    }
    expect(stateOf(await at(EXPORT, 'GET', id))).toBe('approved')
    expect(seen()).toEqual([])
    const claims = await Promise.all(Array.from({ length: 5 }, () => at(EXPORT, 'POST', `${id}/claim`)))
    expect(seen()).toHaveLength(1)
    const done = claims.filter(({ status }) => status === 200)
    expect(done.length).toBeGreaterThan(0)
    for (const reply of claims) expect([200, 202, 409]).toContain(reply.status)
    const response = await at(EXPORT, 'GET', `${id}/response`)
    expect(response.text).toBe(done[0]?.text)
    expect(heardHttp(await at(EXPORT, 'POST', `${id}/claim`)).code).toBe('CALL_NOT_CLAIMABLE')
    expect(seen()).toHaveLength(1)
  })

  test('may be given up by its agent instead', async () => {
    const id = await held({ ...EXPORT, input: { segment: 'retail' } })
    await vote('aisha', id, 'approve')
    const seen = bed.watch()
    expect(stateOf(await at(EXPORT, 'POST', `${id}/cancel`))).toBe('cancelled')
    expect(heardHttp(await at(EXPORT, 'POST', `${id}/claim`)).code).toBe('CALL_NOT_CLAIMABLE')
    expect(seen()).toEqual([])
  })
})

describe('joining', () => {
  const write = (name: string, says: Ask['says'] = {}): Ask => ({ agent: 'prober', operation: 'probe.writeThing', input: { name }, says })

  test('equal writes at the same time are one', async () => {
    const seen = bed.watch()
    const answers = await Promise.all(Array.from({ length: 8 }, () => call(write('at once'))))
    const ids = new Set(answers.map(({ callId }) => callId))
    expect(answers.map(({ code }) => code)).toEqual(Array.from({ length: 8 }, () => 'OK'))
    expect(seen()).toHaveLength(ids.size)
    expect(ids.size).toBeLessThan(8)
  })

  test('equal calls for another subject, of another agent, or with other arguments are others', async () => {
    const ids = await Promise.all([
      held(payment(1100, 'join')),
      held({ ...payment(1100, 'join'), subject: 'maria' }),
      held({ ...payment(1100, 'join'), subject: 'raj' }),
      held(payment(1100, 'join ')),
    ])
    expect(new Set(ids).size, ids.join()).toBe(4)
  })

  test('a key belongs to its agent and subject', async () => {
    const key = { idempotencyKey: 'the same key' }
    const seen = bed.watch()
    const one = await call(write('keyed', key))
    const two = await call({ agent: 'prober', subject: 'sam', operation: 'probe.writeThing', input: { name: 'keyed' }, says: key })
    const three = await call({ ...TRIAGE, operation: 'crm.addContactNote', input: { contactId: 'K-40001', text: 'keyed' }, says: key })
    expect([one.code, two.code, three.code]).toEqual(['OK', 'OK', 'OK'])
    expect(seen()).toHaveLength(3)
  })

  test('a result whose hand-over broke off is handed over to the next equal call', async () => {
    bed.probe.faults.push('held back')
    const seen = bed.watch()
    const leaving = new AbortController()
    const first = fetch(`${bed.url}/proxy/probe/things`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await bed.agentToken('prober')}`, 'content-type': 'application/json' },
      body: '{"name":"left"}',
      signal: leaving.signal,
    }).catch((error: unknown) => error)
    await bed.probe.arrived('/things', '{"name":"left"}')
    leaving.abort()
    await first
    bed.probe.release()
    const second = await call(write('left'))
    expect([second.code, seen().length]).toEqual(['OK', 1])
    const third = await call(write('left'))
    expect([third.code, seen().length, third.callId === second.callId]).toEqual(['OK', 2, false])
  })
})
