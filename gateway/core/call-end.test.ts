import { describe, expect, test } from 'vitest'
import type { Outcome } from './call.ts'
import { standingOf } from './call-end.ts'
import type { EntryBody } from './entry.ts'
import type { GrantId, HoldId, IntentId } from './ids.ts'

const outcome = (kind: Outcome['kind'], upstreamStatus: number | null): EntryBody => ({
  kind: 'outcome',
  intent: 'intent_1' as IntentId,
  outcome: { kind, upstreamStatus, error: null, resultDigest: null, resultBytes: 0, upstreamMs: 1 },
})
const lapsed: EntryBody = { kind: 'lapsed', process: 'p1' }
const resolved = (effect: 'HAPPENED' | 'DID_NOT_HAPPEN'): EntryBody => ({ kind: 'resolved', by: 'olga', effect, evidence: 'looked' })
const edited: EntryBody = { kind: 'hold.edited', hold: 'hold_1' as HoldId, by: 'maria', comment: null, changes: [] }
const granted: EntryBody = { kind: 'grant.used', grant: 'grant_1' as GrantId, use: 1, amounts: [] }

describe('where a call stands', () => {
  test.each([
    ['nothing yet', [], null],
    ['done', [outcome('completed', 200)], 'completed'],
    ['refused by the system', [outcome('failed', 404)], 'failed:refused'],
    ['a system that failed', [outcome('failed', 502)], 'failed:status'],
    ['a system that did not answer', [outcome('failed', null)], 'failed:unreached'],
    ['never sent', [outcome('not_sent', null)], 'failed:not_sent'],
    ['its process is gone', [lapsed], 'in_doubt'],
    ['its process was not gone after all', [lapsed, outcome('completed', 200)], 'completed'],
    ['somebody looked', [outcome('in_doubt', 503), resolved('HAPPENED')], 'completed'],
    ['somebody looked, and nothing had happened', [lapsed, resolved('DID_NOT_HAPPEN')], 'failed:resolved'],
    ['an outcome after somebody looked', [lapsed, resolved('DID_NOT_HAPPEN'), outcome('completed', 200)], 'failed:resolved'],
  ])('%s, in any order', (_title, bodies, end) => {
    expect(standingOf(bodies)).toEqual({ end, edited: false, granted: false })
    expect(standingOf(bodies.toReversed())).toEqual({ end, edited: false, granted: false })
  })

  test('edits and grants are told beside it', () => {
    expect(standingOf([edited, edited, outcome('completed', 200)])).toEqual({ end: 'completed', edited: true, granted: false })
    expect(standingOf([granted, outcome('failed', 409)])).toEqual({ end: 'failed:refused', edited: false, granted: true })
  })
})
