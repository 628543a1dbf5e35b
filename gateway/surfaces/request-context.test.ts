import { once } from 'node:events'
import { createServer, get, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS } from '../limits.ts'
import { leaving, requestContext } from './request-context.ts'

const read = (headers: IncomingHttpHeaders) => requestContext({ headers } as IncomingMessage)
const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

describe('what an agent says', () => {
  test('nothing', () => expect(read({})).toEqual({ asserted: {}, waitMs: 0 }))

  test('everything, with text beyond ASCII as UTF-8', () => {
    const headers = {
      'gatehouse-rationale': utf8('Rückzahlung für Łódź'),
      'gatehouse-run': 'run-1',
      'idempotency-key': utf8('schlüssel'),
      traceparent: '00-a-b-01',
      prefer: 'wait=7',
    }
    expect(read(headers)).toEqual({
      asserted: { rationale: 'Rückzahlung für Łódź', run: 'run-1' },
      idempotencyKey: 'schlüssel',
      traceparent: '00-a-b-01',
      waitMs: 7_000,
    })
  })

  test('what its playbook decided', () => {
    const decisionRecord = { playbook: 'zahlung', version: '3', outcome: 'prüfen' }
    expect(read({ 'gatehouse-decision-record': utf8(JSON.stringify(decisionRecord)) }).asserted).toEqual({ decisionRecord })
    const longest = { ...decisionRecord, record: { why: 'ü'.repeat(LIMITS.decisionRecordBodyCharsMax - '{"why":""}'.length) } }
    expect(read({ 'gatehouse-decision-record': utf8(JSON.stringify(longest)) }).asserted).toEqual({ decisionRecord: longest })
  })

  const long = 'x'.repeat(LIMITS.decisionRecordCharsMax + 1)
  test.each([
    '',
    'null',
    '[]',
    'x',
    '\xff',
    '{"playbook":"p","version":"1"}',
    '{"playbook":"p","version":1,"outcome":"o"}',
    '{"playbook":"p","version":"","outcome":"o"}',
    `{"playbook":"p","version":"1","outcome":"${long}"}`,
    '{"playbook":"p","version":"1","outcome":"o","more":"x"}',
    '{"playbook":"p","version":"1","outcome":"o","outcome":"o"}',
    '{"playbook":"p","version":"1","outcome":"o","checked":true}',
    '{"playbook":"p","version":"1","outcome":"o","record":null}',
    '{"playbook":"p","version":"1","outcome":"o","record":[1]}',
    '{"playbook":"p","version":"1","outcome":"o","record":{"n":9007199254740993}}',
    '{"playbook":"p","version":"1","outcome":"o","record":{"__proto__":1}}',
    `{"playbook":"p","version":"1","outcome":"o","record":{"why":"${'x'.repeat(LIMITS.decisionRecordBodyCharsMax)}"}}`,
    `{"playbook":"p","version":"1","outcome":"o","record":${'{"a":'.repeat(70)}1${'}'.repeat(70)}}`,
    '{"__proto__":"p","version":"1","outcome":"o"}',
  ])('no decision record: %s', (text) => {
    expect(() => read({ 'gatehouse-decision-record': text })).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
  })

  test.each(['gatehouse-rationale', 'gatehouse-run', 'idempotency-key'])('bytes that are no UTF-8 in %s', (name) => {
    expect(() => read({ [name]: '\xff\xfe' })).toThrow(expect.objectContaining({ code: 'BAD_INPUT' }))
  })

  test('an empty one is said, not absent: the bounds are for the line to judge', () => {
    expect(read({ 'gatehouse-rationale': '' }).asserted).toEqual({ rationale: '' })
  })
})

test.each([
  ['wait=3', 3_000],
  ['WAIT = "3"', 3_000],
  ['respond-async, wait=10', 10_000],
  ['respond-async; wait=10', 10_000],
  ['wait=99999999', LIMITS.preferWaitSecondsMax * 1_000],
  ['wait=0', 0],
  ['wait=-1', 0],
  ['wait=x', 0],
  ['await=9', 0],
  ['', 0],
])('Prefer: %s', (prefer, waitMs) => expect(read({ prefer }).waitMs).toBe(waitMs))

describe('a client that leaves', () => {
  const seen: ServerResponse[] = []
  const server = createServer((_req, res) => void seen.push(res))
  beforeAll(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  async function open() {
    const client = get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
    client.on('error', () => undefined)
    await once(server, 'request')
    const res = seen.pop()
    if (!res) throw new Error('no request')
    return { client, res }
  }

  test('before the answer is out: aborted', async () => {
    const { client, res } = await open()
    const signal = leaving(res)
    expect(signal.aborted).toBe(false)
    client.destroy()
    await once(signal, 'abort')
  })

  test('before anybody looked: aborted from the start', async () => {
    const { client, res } = await open()
    client.destroy()
    await once(res, 'close')
    expect(leaving(res).aborted).toBe(true)
  })

  test('after the answer: not aborted', async () => {
    const { res } = await open()
    const signal = leaving(res)
    const closed = once(res, 'close')
    res.end('done')
    await closed
    expect(signal.aborted).toBe(false)
  })
})
