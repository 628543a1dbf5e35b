import { expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import { ERRORS, GatewayError } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'
import { newCallId } from '../core/ids.ts'
import type { Answer } from '../ports/calls.ts'
import { refusalOf } from './answer.ts'
import { bearerChallenge, toProblem } from './error-response.ts'

const callId = newCallId(1, new Uint8Array(16))

test.each(Object.keys(ERRORS) as ErrorCode[])('%s gets its own status and code', (code) => {
  const problem = toProblem(new GatewayError(code, 'a message', { cause: new Error('private') }), { callId })
  expect(problem.status).toBe(ERRORS[code].http)
  expect(JSON.parse(problem.body)).toEqual({
    type: `urn:gatehouse:problem:${code}`,
    title: ERRORS[code].says,
    status: ERRORS[code].http,
    detail: 'a message',
    code,
    callId,
  })
})

test.each([new Error('connect ECONNREFUSED 10.0.0.1'), new TypeError('secret'), 'text', null, { code: 'DENIED', message: 'forged' }])(
  'the unknown becomes nothing: %s',
  (error) => {
    const { status, body } = toProblem(error)
    expect([status, JSON.parse(body)]).toMatchObject([500, { code: 'INTERNAL', detail: 'internal error' }])
    expect(body).not.toMatch(/secret|ECONN|forged/)
  },
)

test('faults, retry and challenge', () => {
  const limited = toProblem(new GatewayError('LIMITED', 'slow down', { retryAfterSeconds: 1.2 }))
  expect(limited.headers['retry-after']).toBe('2')
  const bad = toProblem(new GatewayError('BAD_INPUT', 'bad', { faults: [{ pointer: '/a', message: 'is missing' }] }))
  expect(JSON.parse(bad.body).errors).toEqual([{ pointer: '/a', detail: 'is missing' }])
  const challenge = bearerChallenge('http://127.0.0.1:4000', '/mcp', true)
  expect(challenge).toBe('Bearer resource_metadata="http://127.0.0.1:4000/.well-known/oauth-protected-resource/mcp", error="invalid_token"')
  expect(bearerChallenge('http://x', '', false)).not.toContain('error')
  expect(toProblem(new GatewayError('UNAUTHENTICATED', 'no token'), { challenge }).headers['www-authenticate']).toBe(challenge)
  expect(toProblem(new GatewayError('DENIED', 'no'), { challenge }).headers['www-authenticate']).toBeUndefined()
})

const common = { callId, traceparent: '00-1-1-01' }
test.each([
  [
    { kind: 'denied', ...common, reason: 'forbidden', advice: 'ask' },
    { code: 'DENIED', reason: 'forbidden', advice: 'ask', notExecuted: true },
  ],
  [
    { kind: 'denied', ...common, reason: 'rejected', comment: 'too much' },
    { code: 'DENIED', message: 'denied (rejected by a person: too much)' },
  ],
  [
    { kind: 'held', ...common, expiresAt: instant(0) },
    { code: 'HELD', expiresAt: '1970-01-01T00:00:00.000Z', statusUrl: `http://g/v1/calls/${callId}` },
  ],
  [
    { kind: 'running', ...common },
    { code: 'RUNNING', notExecuted: false },
  ],
  [
    { kind: 'failed', ...common, code: 'UPSTREAM', message: 'm', inDoubt: true, upstreamStatus: 500 },
    { code: 'UPSTREAM', inDoubt: true, upstreamStatus: 500 },
  ],
  [
    { kind: 'ended', ...common, code: 'EXPIRED', message: 'm' },
    { code: 'EXPIRED', notExecuted: true },
  ],
  [
    { kind: 'refused', traceparent: '', code: 'LIMITED', message: 'm', faults: [], retryAfterSeconds: 3 },
    { code: 'LIMITED', retryAfterSeconds: 3 },
  ],
] as const satisfies readonly (readonly [Answer, object])[])('words for %o', (answer, expected) => {
  expect(refusalOf(answer, 'http://g')).toMatchObject(expected)
})
