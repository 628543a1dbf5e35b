import { afterEach, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import type { Entry } from '../core/entry.ts'
import { createDialer } from '../egress/dialer.ts'
import { LIMITS } from '../limits.ts'
import { type HookReceiver, receiveHooks } from '../notify/test-receivers.ts'
import { type Sink, SinkRefused } from '../ports/sink.ts'
import { webhookSink } from './webhook-sink.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const NEVER = new AbortController().signal
const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})
async function receive(): Promise<HookReceiver> {
  const receiver = await receiveHooks(SECRET)
  ends.push(() => receiver.close())
  return receiver
}
function sink(url: string, egress: readonly string[] = ['127.0.0.1']): Sink {
  const made = webhookSink({
    ...{ name: 'siem', format: 'entry', dialer: createDialer({ development: false }), clock: { now: () => instant(1_790_000_000_000) } },
    to: { kind: 'webhook', url, secret: SECRET, egress },
    linesOf: () => Promise.resolve(({ seq, body }) => JSON.stringify({ seq, body })),
  })
  ends.push(() => made.close())
  return made
}
const entries = (from: number, count: number, what = 'a call'): Entry[] =>
  Array.from({ length: count }, (_, i) => ({
    ...{ process: 'proc', seq: from + i, at: instant(1), callId: null, body: { kind: 'view', by: 'lee', what }, commitment: null },
  }))

describe('a webhook sink', () => {
  test('posts a signed batch whose id says which entries it carries, the same at every attempt', async () => {
    const receiver = await receive()
    const to = sink(receiver.url)
    for (let i = 0; i < 2; i++) expect(await to.carry(entries(7, 3), NEVER)).toBe(3)
    expect(receiver.hooks.map(({ id, verified }) => [id, verified])).toEqual([
      ['siem.proc.7-9', true],
      ['siem.proc.7-9', true],
    ])
    expect(receiver.hooks[0]?.body).toMatchObject({
      type: 'record.entry',
      timestamp: '2026-09-21T14:13:20.000Z',
      data: [{ seq: 7 }, { seq: 8 }, { seq: 9 }],
    })
  })

  test('posts no more at once than is allowed', async () => {
    const receiver = await receive()
    expect(await sink(receiver.url).carry(entries(1, 9, 'x'.repeat(LIMITS.sinkBatchBytesMax / 3)), NEVER)).toBe(2)
    expect(receiver.hooks.map(({ id }) => id)).toEqual(['siem.proc.1-2'])
  })

  test.each([
    [301, false],
    [400, true],
    [401, true],
    [404, true],
    [408, false],
    [410, true],
    [413, true],
    [425, false],
    [429, false],
    [500, false],
    [503, false],
  ])('answered with %i: for good is %s', async (status, forGood) => {
    const receiver = await receive()
    receiver.answer = (_request, response) => void response.writeHead(status, { location: 'http://169.254.169.254/' }).end()
    const failure = await sink(receiver.url)
      .carry(entries(1, 1), NEVER)
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({ message: `the receiver answered ${status}` })
    expect(failure instanceof SinkRefused).toBe(forGood)
    expect(receiver.hooks).toHaveLength(1)
  })

  test('is ended in the midst of it', async () => {
    const receiver = await receive()
    const closing = new AbortController()
    receiver.answer = () => closing.abort()
    await expect(sink(receiver.url).carry(entries(1, 1), closing.signal)).rejects.toThrow()
  })

  test('reaches no private address that is not named', async () => {
    const receiver = await receive()
    await expect(sink(receiver.url, []).carry(entries(1, 1), NEVER)).rejects.toThrow(/refused/)
    expect(receiver.hooks).toEqual([])
  })
})
