import { expect, test } from 'vitest'
import { instant } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import { createLimiter } from './limit.ts'

const limits = { callsPerMinute: 3, concurrentCalls: 2, openHolds: 1 }

function refusal(work: () => unknown): GatewayError | undefined {
  try {
    work()
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  return undefined
}

test('calls a minute are counted per agent and start anew with the minute', () => {
  let now = 60_000 * 10
  const limiter = createLimiter(limits, { now: () => instant(now) })
  for (let i = 0; i < 3; i++) limiter.enter('clerk')()
  expect(refusal(() => limiter.enter('clerk'))).toMatchObject({ code: 'LIMITED', retryAfterSeconds: 60 })
  expect(refusal(() => limiter.enter('triage'))).toBeUndefined()
  now += 59_500
  expect(refusal(() => limiter.enter('clerk'))).toMatchObject({ retryAfterSeconds: 1 })
  now += 500
  expect(refusal(() => limiter.enter('clerk'))).toBeUndefined()
})

test('calls at once are counted out once, however often their end is told', () => {
  const limiter = createLimiter({ ...limits, callsPerMinute: 100 }, { now: () => instant(0) })
  const first = limiter.enter('clerk')
  limiter.enter('clerk')
  expect(refusal(() => limiter.enter('clerk'))).toMatchObject({ code: 'LIMITED' })
  first()
  first()
  limiter.enter('clerk')
  expect(refusal(() => limiter.enter('clerk'))).toMatchObject({ code: 'LIMITED' })
})

test('a call that was refused does not count as running', () => {
  const limiter = createLimiter({ ...limits, concurrentCalls: 1 }, { now: () => instant(0) })
  const leave = limiter.enter('clerk')
  expect(refusal(() => limiter.enter('clerk'))?.code).toBe('LIMITED')
  leave()
  expect(refusal(() => limiter.enter('clerk'))).toBeUndefined()
})

test('waits have a bound of their own, and are told rather than refused', () => {
  const limiter = createLimiter(limits, { now: () => instant(0) })
  const first = limiter.wait('clerk')
  limiter.wait('clerk')
  expect(limiter.wait('clerk')).toBeNull()
  expect(limiter.wait('triage')).not.toBeNull()
  expect(refusal(() => limiter.enter('clerk'))).toBeUndefined()
  first?.()
  first?.()
  expect(limiter.wait('clerk')).not.toBeNull()
  expect(limiter.wait('clerk')).toBeNull()
})
