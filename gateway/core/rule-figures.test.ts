import { expect, test } from 'vitest'
import { instant } from './clock.ts'
import type { HoldId } from './ids.ts'
import { type DecisionResult, type RuleDecision, ruleFigures, voterFigures } from './rule-figures.ts'

const decision = (result: DecisionResult, tookMs: number, votes: Partial<RuleDecision> = {}): RuleDecision => ({
  holdId: 'hold_1' as HoldId,
  agent: 'clerk',
  result,
  openedAt: instant(1_000),
  decidedAt: instant(1_000 + tookMs),
  votes: 1,
  quick: 0,
  unseen: 0,
  ...votes,
})

test('of nothing: no time, no rate', () => {
  expect(ruleFigures([])).toMatchObject({ decided: 0, approved: 0, medianMs: null, p95Ms: null, refusalsAtMost: 1 })
})

test('an edit counts against as a refusal does, what expired was decided by nobody, and times are those of people', () => {
  const figures = ruleFigures([
    ...Array.from({ length: 17 }, (_, n) => decision('approved', (n + 1) * 100)),
    decision('refused', 9_000, { quick: 1 }),
    decision('edited', 8_000, { votes: 0 }),
    decision('expired', 100_000, { votes: 1, unseen: 1 }),
  ])
  expect(figures).toMatchObject({ decided: 19, approved: 17, refused: 1, edited: 1, expired: 1, votes: 19, quickVotes: 1, unseenVotes: 1 })
  expect(figures).toMatchObject({ medianMs: 1_000, p95Ms: 9_000 })
  expect(figures.refusalsAtMost).toBeCloseTo(0.2958, 4)
})

test('59 clean approvals: at most 5 %', () => {
  const figures = ruleFigures(Array.from({ length: 59 }, () => decision('approved', 60_000)))
  expect(figures.refusalsAtMost).toBeCloseTo(0.0495, 4)
})

test('of voters: who most often first, quick and unseen votes apart', () => {
  const cast = (voter: string, lookedMs: number | null, verdict: 'approve' | 'reject' = 'approve') => ({ voter, verdict, lookedMs })
  expect(voterFigures([cast('raj', 40_000, 'reject'), cast('maria', 2_999), cast('maria', 3_000), cast('maria', null)], 3_000)).toEqual([
    { voter: 'maria', approvals: 3, refusals: 0, medianMs: 2_999, quickVotes: 1, unseenVotes: 1 },
    { voter: 'raj', approvals: 0, refusals: 1, medianMs: 40_000, quickVotes: 0, unseenVotes: 0 },
  ])
})
