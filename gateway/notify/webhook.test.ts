import { afterEach, describe, expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import { visibleJson } from '../core/visible-text.ts'
import { createDialer, type DialerOptions } from '../egress/dialer.ts'
import { LIMITS } from '../limits.ts'
import { message } from './fixture-message.ts'
import { nextAttemptAt, whyNoMore } from './retry.ts'
import { type HookReceiver, receiveHooks } from './test-receivers.ts'
import { retryAfterMs } from './signed-post.ts'
import { webhookChannel } from './webhook.ts'
import { signedHeaders } from './webhook-signature.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const receivers: HookReceiver[] = []
afterEach(async () => {
  await Promise.all(receivers.splice(0).map((receiver) => receiver.close()))
})
async function receive(): Promise<HookReceiver> {
  const receiver = await receiveHooks(SECRET)
  receivers.push(receiver)
  return receiver
}
const channel = (url: string, egress: readonly string[] = ['127.0.0.1'], options: Partial<DialerOptions> = {}) =>
  webhookChannel({ name: 'ops', url, secret: SECRET, arguments: 'include' }, egress, createDialer({ development: false, ...options }))

test('signatures are those of Standard Webhooks', () => {
  // The example of the specification's reference libraries.
  const headers = signedHeaders(SECRET, 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330_000, '{"test": 2432232314}')
  expect(headers).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
})

describe('a webhook', () => {
  test('is signed, says the same id at every attempt, and carries complete arguments', async () => {
    const receiver = await receive()
    const input = { note: `${'x'.repeat(100_000)}\u202e`, amount: 1 }
    const sent = channel(receiver.url)
    for (const now of [1_000, 900_000]) expect(await sent.send(message({ now: instant(now) }, input))).toEqual({ kind: 'taken' })
    await sent.close()
    expect(receiver.hooks.map(({ id, verified }) => [id, verified])).toEqual([
      ['notice_0123456789abcdef', true],
      ['notice_0123456789abcdef', true],
    ])
    const { type, timestamp, data } = receiver.hooks[0]?.body ?? {}
    expect([type, timestamp]).toEqual(['hold.opened', '2026-11-23T12:00:00.000Z'])
    expect(data).toMatchObject({
      recipient: 'maria',
      asked: true,
      hold: { id: 'hold_00000001', state: 'open', expiresAt: '2026-11-23T16:00:00.000Z' },
      call: { agent: 'invoice-clerk', subject: 'sam', operation: 'erp.createPayment' },
      rationale: { text: 'the invoice is due', verified: false },
      link: 'https://gatehouse.example/notice#secret',
    })
    expect(data?.arguments).toBe(visibleJson(input))
  })

  test.each([
    [200, { kind: 'taken' }],
    [299, { kind: 'taken' }],
    [302, { kind: 'later', why: 'the receiver answered 302' }],
    [400, { kind: 'later', why: 'the receiver answered 400' }],
    [410, { kind: 'refused', why: 'the receiver answered 410: it wants no more' }],
    [503, { kind: 'later', why: 'the receiver answered 503', afterMs: 120_000 }],
  ] as const)('answered with %s', async (status, expected) => {
    const receiver = await receive()
    receiver.answer = (_request, response) =>
      void response.writeHead(status, status === 503 ? { 'retry-after': '120' } : { location: 'http://169.254.169.254/' }).end('so be it')
    const sent = channel(receiver.url)
    expect(await sent.send(message())).toEqual(expected)
    expect(receiver.hooks).toHaveLength(1)
    await sent.close()
  })

  test('an answer without an end is left where it is too long', async () => {
    const receiver = await receive()
    receiver.answer = (_request, response) => {
      response.writeHead(200)
      const more = (): void => void (response.destroyed || response.write('x'.repeat(65_536), () => setImmediate(more)))
      more()
    }
    const sent = channel(receiver.url)
    expect(await sent.send(message())).toEqual({ kind: 'taken' })
    await sent.close()
  })

  test.each([
    ['a private address that is not named', 'https://127.0.0.1:1/', [], '127.0.0.1'],
    ['a name that leads to a private address', 'https://hooks.test/', [], '10.0.0.7'],
    ['a name that leads to loopback', 'https://hooks.test/', [], '::1'],
    ['a mapped address', 'https://hooks.test/', [], '::ffff:10.0.0.1'],
    ['the metadata service by a named host', 'https://hooks.test/', ['hooks.test'], '169.254.169.254'],
    ['plain http to a public address', 'http://hooks.test/', [], '93.184.215.14'],
    ['another spelling of loopback', 'https://2130706433/', [], '127.0.0.1'],
  ] as const)('%s is refused before anything is sent', async (_title, url, egress, address) => {
    const sent = channel(url, egress, { resolve: async () => [{ address, family: address.includes(':') ? 6 : 4 }] })
    expect(await sent.send(message())).toMatchObject({ kind: 'later', why: expect.stringContaining('refused') })
    await sent.close()
  })
})

describe('when to try again', () => {
  const at = instant(1_000_000)
  test.each([
    ['soon after the first failure', 1, undefined, LIMITS.noticeRetryMsMin],
    ['twice as late after the second', 2, undefined, 2 * LIMITS.noticeRetryMsMin],
    ['never later than the bound', 30, undefined, LIMITS.noticeRetryMsMax],
    ['when the receiver asks', 1, 60_000, 60_000],
    ['not sooner than by itself, whatever the receiver asks', 3, 1, 4 * LIMITS.noticeRetryMsMin],
    ['not when the receiver asks for a year', 1, 31_536_000_000, LIMITS.noticeRetryMsMax],
  ])('%s', (_title, attempt, asked, ms) => {
    expect(nextAttemptAt(at, attempt, 0.5, asked) - at).toBe(ms)
    expect(nextAttemptAt(at, attempt, 0, asked) - at).toBe(ms * 0.8)
    expect(nextAttemptAt(at, attempt, 0.999, asked) - at).toBeLessThanOrEqual(ms * 1.2)
  })

  test.each([
    ['attempts are left', 9, 0, null],
    ['the last attempt failed', 10, 0, '10 attempts failed'],
    ['a day is over', 2, 24 * 3_600_000, 'it could not be sent for a day'],
  ])('%s', (_title, attempt, ageMs, why) => expect(whyNoMore(at, { attempt, createdAt: instant(at - ageMs) })).toBe(why))

  test.each([
    ['120', 120_000],
    ['Mon, 23 Nov 2026 12:00:00 GMT', 60_000],
    ['Mon, 23 Nov 2026 11:00:00 GMT', 0],
    ['-5', undefined],
    ['soon', undefined],
    [undefined, undefined],
  ])('Retry-After %s', (header, ms) => expect(retryAfterMs(header, Date.UTC(2026, 10, 23, 11, 59))).toBe(ms))
})
