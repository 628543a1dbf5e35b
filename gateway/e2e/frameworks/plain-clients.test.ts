import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshPostgres, type TestDatabase } from '../../storage/test-databases.ts'
import { type Bed, openBed } from './bed.ts'

let bed: Bed
let database: TestDatabase | undefined
let authorization: string
beforeAll(async () => {
  database = await freshPostgres('plain clients')
  bed = await openBed({ databaseUrl: database?.options.databaseUrl })
  authorization = `Bearer ${await bed.token('invoice-clerk')}`
})
afterAll(async () => {
  await bed?.close()
  await database?.drop()
})

const PAY = 'erp.releasePayment'
const CALL_ID = /^call_[0-9a-z]{26}$/

describe('an agent with fetch alone', () => {
  const pay = (amount: number, reference: string): Promise<Response> =>
    fetch(`${bed.url}/proxy/erp/payments`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ vendorId: 'V-1001', amount, currency: 'EUR', reference }),
    })
  const ask = (path: string, method = 'GET'): Promise<Response> => fetch(new URL(path, bed.url), { method, headers: { authorization } })
  const located = (response: Response): string => response.headers.get('location') ?? ''

  /** Follows `Location` as an HTTP client does, until the answer is no longer 202. */
  async function follow(response: Response): Promise<Response> {
    const location = located(response)
    let next = response
    for (let asked = 0; next.status === 202 && asked < 10; asked++) next = await ask(`${location}?wait=10`)
    return next
  }

  test('gets what policy permits, as the system answered it', async () => {
    const read = await ask('/proxy/erp/vendors/V-1001')
    expect([read.status, await read.json()]).toEqual([200, expect.objectContaining({ id: 'V-1001' })])
    const paid = await pay(240, 'fetch small')
    expect([paid.status, await paid.json()]).toEqual([201, expect.objectContaining({ amount: 240, reference: 'fetch small' })])
    expect(paid.headers.get('gatehouse-call')).toMatch(CALL_ID)
    expect(bed.sent('releasePayment', 'fetch small')).toBe(1)
  })

  test('is told of a denial as a problem', async () => {
    const denied = await pay(50_001, 'fetch denied')
    expect([denied.status, denied.headers.get('content-type'), await denied.json()]).toEqual([
      403,
      expect.stringContaining('application/problem+json'),
      expect.objectContaining({ code: 'DENIED', reason: 'forbidden', advice: expect.stringContaining('made by people only') }),
    ])
    expect(bed.sent('releasePayment', 'fetch denied')).toBe(0)
  })

  test('follows the location of a held call to its result', async () => {
    const held = await pay(2_400, 'fetch held')
    expect([held.status, held.headers.get('retry-after'), located(held)]).toEqual([
      202,
      expect.stringMatching(/^\d+$/),
      expect.stringMatching(/\/v1\/calls\/call_[0-9a-z]{26}$/),
    ])
    const [ended] = await Promise.all([follow(held), bed.approve(PAY, 'fetch held')])
    expect([ended.status, await ended.json()]).toEqual([
      200,
      expect.objectContaining({
        state: 'completed',
        upstream: { status: 201 },
        result: expect.objectContaining({ reference: 'fetch held' }),
      }),
    ])
    const replayed = await ask(`${located(held)}/response`)
    expect([replayed.status, await replayed.json()]).toEqual([201, expect.objectContaining({ reference: 'fetch held' })])
    expect(bed.sent('releasePayment', 'fetch held')).toBe(1)
  })

  test('joins its held call by repeating it', async () => {
    const held = await pay(2_400, 'fetch repeated')
    const again = await pay(2_400, 'fetch repeated')
    expect([again.status, located(again)]).toEqual([202, located(held)])
    await bed.approve(PAY, 'fetch repeated')
    const result = await pay(2_400, 'fetch repeated')
    expect([result.status, result.headers.get('gatehouse-call'), await result.json()]).toEqual([
      201,
      held.headers.get('gatehouse-call'),
      expect.objectContaining({ reference: 'fetch repeated' }),
    ])
    expect([bed.sent('releasePayment', 'fetch repeated'), await bed.holds(PAY, 'fetch repeated')]).toEqual([1, 1])
  })
})

describe('a GraphQL client with fetch alone', () => {
  interface Answer {
    data?: Record<string, unknown> | null
    errors?: { extensions: Record<string, unknown> }[]
  }
  const send = async (query: string, variables: Record<string, unknown>, headers: Record<string, string> = {}): Promise<Answer> => {
    const response = await fetch(`${bed.url}/graphql`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query, variables }),
    })
    return (await response.json()) as Answer
  }
  const PAYMENT = `mutation ($amount: Float!, $reference: String!) {
    erp_releasePayment(vendorId: "V-1001", amount: $amount, currency: "EUR", reference: $reference) { id reference }
  }`
  const pay = (amount: number, reference: string, headers?: Record<string, string>): Promise<Answer> =>
    send(PAYMENT, { amount, reference }, headers)
  const paid = (reference: string) => ({ data: { erp_releasePayment: { id: expect.stringMatching(/^PAY-/), reference } } })

  test('gets what policy permits', async () => {
    expect(await send('query ($id: String!) { erp_getVendor(vendorId: $id) { id } }', { id: 'V-1001' })).toMatchObject({
      data: { erp_getVendor: { id: 'V-1001' } },
    })
    expect(await pay(240, 'graphql small')).toMatchObject(paid('graphql small'))
  })

  test('is told of a denial as an error of the field', async () => {
    expect(await pay(50_001, 'graphql denied')).toMatchObject({
      data: { erp_releasePayment: null },
      errors: [{ extensions: { code: 'DENIED', reason: 'forbidden', advice: expect.stringContaining('made by people only') } }],
    })
    expect(bed.sent('releasePayment', 'graphql denied')).toBe(0)
  })

  test('gets the result of a held call that is approved while it waits', async () => {
    const [answer] = await Promise.all([pay(2_400, 'graphql awaited', { prefer: 'wait=25' }), bed.approve(PAY, 'graphql awaited')])
    expect(answer).toMatchObject(paid('graphql awaited'))
    expect(bed.sent('releasePayment', 'graphql awaited')).toBe(1)
  })

  test('asks after a held call by its id', async () => {
    const held = await pay(2_400, 'graphql polled')
    expect(held).toMatchObject({
      data: { erp_releasePayment: null },
      errors: [{ extensions: { code: 'HELD', callId: expect.stringMatching(CALL_ID), statusUrl: expect.stringContaining('/v1/calls/') } }],
    })
    await bed.approve(PAY, 'graphql polled')
    const id = held.errors?.[0]?.extensions.callId
    const call = await send('query ($id: ID!) { call(id: $id, waitSeconds: 20) { state result } }', { id })
    expect(call).toMatchObject({ data: { call: { state: 'completed', result: { reference: 'graphql polled' } } } })
    expect(bed.sent('releasePayment', 'graphql polled')).toBe(1)
  })

  test('joins its held call by repeating it', async () => {
    const held = await pay(2_400, 'graphql repeated', { prefer: 'wait=0' })
    expect(held.errors?.[0]?.extensions.code).toBe('HELD')
    await bed.approve(PAY, 'graphql repeated')
    expect(await pay(2_400, 'graphql repeated', { prefer: 'wait=25' })).toMatchObject(paid('graphql repeated'))
    expect([bed.sent('releasePayment', 'graphql repeated'), await bed.holds(PAY, 'graphql repeated')]).toEqual([1, 1])
  })
})
