import type { Instant } from './clock.ts'
import type { HoldId } from './ids.ts'
import { refusalBound } from './refusal-bound.ts'

export const DECISION_RESULTS = ['approved', 'refused', 'edited', 'expired'] as const
export type DecisionResult = (typeof DECISION_RESULTS)[number]

/** What became of one hold, for one of the policies that it is by. A call whose arguments people edited counts once, as `edited`. */
export interface RuleDecision {
  holdId: HoldId
  agent: string
  result: DecisionResult
  openedAt: Instant
  decidedAt: Instant
  votes: number
  /** Votes that came within `LIMITS.quickVoteMs` of the voter's last look at the arguments. */
  quick: number
  /** Votes of people who had not looked at the arguments. */
  unseen: number
}

/** A vote, and how long its voter had looked; null where they had not. Of votes given together each has its share of the time. */
export interface TimedVote {
  voter: string
  verdict: 'approve' | 'reject'
  lookedMs: number | null
}

export interface RuleFigures {
  /** By people: all but the expired. */
  decided: number
  approved: number
  refused: number
  edited: number
  expired: number
  /** From opened to decided, of those that people decided; null where there are none. */
  medianMs: number | null
  p95Ms: number | null
  votes: number
  quickVotes: number
  unseenVotes: number
  /** The upper bound, with 95 % confidence, of the share that is refused or edited. */
  refusalsAtMost: number
}

export interface VoterFigures {
  voter: string
  approvals: number
  refusals: number
  /** From the look to the vote; null where they never looked. */
  medianMs: number | null
  quickVotes: number
  unseenVotes: number
}

/** The value below which this share of sorted numbers lies: the nearest rank, a value that occurred. */
function quantile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null
}

const ascending = (a: number, b: number): number => a - b
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)

export function ruleFigures(decisions: readonly RuleDecision[]): RuleFigures {
  const count = (result: DecisionResult): number => decisions.filter((decision) => decision.result === result).length
  const byPeople = decisions.filter(({ result }) => result !== 'expired')
  const times = byPeople.map(({ openedAt, decidedAt }) => decidedAt - openedAt).sort(ascending)
  const [refused, edited] = [count('refused'), count('edited')]
  return {
    decided: byPeople.length,
    approved: count('approved'),
    refused,
    edited,
    expired: count('expired'),
    medianMs: quantile(times, 0.5),
    p95Ms: quantile(times, 0.95),
    votes: sum(decisions.map(({ votes }) => votes)),
    quickVotes: sum(decisions.map(({ quick }) => quick)),
    unseenVotes: sum(decisions.map(({ unseen }) => unseen)),
    refusalsAtMost: refusalBound(refused + edited, byPeople.length),
  }
}

/** Figures of each voter, who voted most often first. */
export function voterFigures(votes: readonly TimedVote[], quickMs: number): readonly VoterFigures[] {
  const of = Map.groupBy(votes, ({ voter }) => voter)
  return [...of]
    .sort(([a, ofA], [b, ofB]) => ofB.length - ofA.length || (a < b ? -1 : 1))
    .map(([voter, cast]) => {
      const looked = cast.flatMap(({ lookedMs }) => lookedMs ?? []).sort(ascending)
      return {
        voter,
        approvals: cast.filter(({ verdict }) => verdict === 'approve').length,
        refusals: cast.filter(({ verdict }) => verdict === 'reject').length,
        medianMs: quantile(looked, 0.5),
        quickVotes: looked.filter((ms) => ms < quickMs).length,
        unseenVotes: cast.length - looked.length,
      }
    })
}
