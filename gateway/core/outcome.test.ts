import { describe, expect, test } from 'vitest'
import type { Idempotency } from './operation.ts'
import { judgeBreak, judgeStatus, passesThrough, repeatable } from './outcome.ts'

const read = { mode: 'read' as const, idempotency: { kind: 'none' } as Idempotency }
const write = { mode: 'write' as const, idempotency: { kind: 'none' } as Idempotency }
const put = { mode: 'write' as const, idempotency: { kind: 'idempotent' } as Idempotency }
const keyed = { mode: 'write' as const, idempotency: { kind: 'key-header', header: 'Idempotency-Key' } as Idempotency }

describe('what a status means', () => {
  test.each([
    [200, 'completed', 'completed', 'completed'],
    [204, 'completed', 'completed', 'completed'],
    [303, 'failed', 'in_doubt', 'failed'],
    [400, 'failed', 'failed', 'failed'],
    [401, 'failed', 'failed', 'failed'],
    [408, 'failed', 'in_doubt', 'failed'],
    [409, 'failed', 'failed', 'failed'],
    [425, 'failed', 'in_doubt', 'failed'],
    [500, 'failed', 'in_doubt', 'failed'],
    [503, 'failed', 'in_doubt', 'failed'],
  ])('%d: read %s, write %s, idempotent write %s', (status, forRead, forWrite, forPut) => {
    expect(judgeStatus(read, status).kind).toBe(forRead)
    expect(judgeStatus(write, status).kind).toBe(forWrite)
    expect(judgeStatus(put, status).kind).toBe(forPut)
  })
  test('408 is a time-out', () => expect(judgeStatus(write, 408).error?.code).toBe('UPSTREAM_TIMEOUT'))
})

test.each([
  ['nothing left', write, false, 'failed'],
  ['a write whose answer is lost', write, true, 'in_doubt'],
  ['a write with a key, after its one more try', keyed, true, 'in_doubt'],
  ['an idempotent write', put, true, 'failed'],
  ['a read', read, true, 'failed'],
])('a broken exchange: %s', (_title, operation, sent, kind) => {
  expect(judgeBreak(operation, { kind: 'broken', sent, message: 'm' }).kind).toBe(kind)
})

test('what the gateway refuses to send says nothing of the system', () => {
  const judged = judgeBreak(write, { kind: 'refused', sent: false, message: 'm' })
  expect(judged).toEqual({ kind: 'not_sent', error: { code: 'UPSTREAM', message: 'm', sent: false } })
})

test('only what can have no second effect is sent again', () => {
  expect([read, write, put, keyed].map(repeatable)).toEqual([true, false, true, true])
})

test.each([
  [200, true],
  [404, true],
  [422, true],
  [401, false],
  [407, false],
  [302, false],
  [500, false],
])('an agent may read a %d as it is: %s', (status, passes) => expect(passesThrough(status)).toBe(passes))
