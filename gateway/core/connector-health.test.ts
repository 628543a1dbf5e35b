import { expect, test } from 'vitest'
import { instant } from './clock.ts'
import { type CallEnd, healthOf } from './connector-health.ts'

const end = (word: string, index: number): CallEnd => {
  const at = instant(1_000 - index)
  const status = Number(word)
  if (word === 'ok') return { state: 'completed', upstreamStatus: 200, code: null, sent: true, at }
  if (word === 'timeout') return { state: 'in_doubt', upstreamStatus: null, code: 'UPSTREAM_TIMEOUT', sent: true, at }
  if (word === 'unsent') return { state: 'failed', upstreamStatus: null, code: 'UPSTREAM', sent: false, at }
  if (word === 'withheld') return { state: 'in_doubt', upstreamStatus: 200, code: 'WITHHELD', sent: true, at }
  return { state: 'failed', upstreamStatus: status, code: 'UPSTREAM', sent: true, at }
}

/** Newest first. Since: how many calls back the present row began. */
test.each([
  ['', 'unknown', null, 0, null, null],
  ['ok ok 503 ok', 'healthy', 1, 0, 0, 2],
  ['ok', 'healthy', 0, 0, 0, null],
  ['404 422 409', 'healthy', 2, 0, 0, null],
  ['503', 'failing', 0, 1, null, 0],
  ['timeout 502 401 ok 503', 'failing', 2, 3, 3, 0],
  ['407', 'failing', 0, 1, null, 0],
  ['302', 'failing', 0, 1, null, 0],
  ['unsent unsent', 'unknown', null, 0, null, null],
  ['unsent ok unsent 503', 'healthy', 1, 0, 1, 3],
  ['unsent 503 unsent 503 ok', 'failing', 3, 2, 4, 1],
  ['withheld timeout', 'healthy', 0, 0, 0, 1],
] as const)('%j', (words, state, since, failuresInARow, success, failure) => {
  const ends = words === '' ? [] : words.split(' ').map(end)
  const at = (index: number | null) => (index === null ? null : ends[index]?.at)
  expect(healthOf(ends)).toEqual({
    state,
    since: at(since),
    failuresInARow,
    lastSuccessAt: at(success),
    lastFailure: failure === null ? null : ends[failure],
    calls: ends.filter(({ sent }) => sent).length,
  })
})
