import type { EntryBody } from '../core/entry.ts'
import type { Excluded } from '../core/exclusion.ts'
import type { CountedVoter, Requirement } from '../core/hold.ts'

/** An entry with its place, as far as calls are concerned. */
export interface PlacedEntry {
  index: number
  process: string
  seq: number
  body: EntryBody
}

/** What an entry says about the life of its call, without what is not needed to judge that. */
export type CallFact = { index: number; process: string; seq: number } & (
  | { is: 'decision'; permits: boolean; subject: string | null; owner: string; actors: readonly string[] }
  | { is: 'grant.used' }
  | { is: 'intent'; intent: string; consumes: string | null }
  | { is: 'outcome'; intent: string }
  | { is: 'resolved' }
  | HoldFact
  | { is: 'vote'; hold: string; voter: string; approves: boolean; digest: string; groups: readonly string[] | null }
  | { is: 'hold.changed'; hold: string; to: string; counted: readonly CountedVoter[] | null }
  | { is: 'hold.escalated'; hold: string; to: string | null; seats: readonly string[] }
  | { is: 'hold.edited'; hold: string; by: string }
  | { is: 'grant.break_glass'; hold: string; by: string }
  /** A long entry without its payload: what it says is not known. */
  | { is: 'unreadable' }
  /** Marked as erased. */
  | { is: 'bare' }
  /** That the call was erased. */
  | { is: 'erased' }
  /** It was decided, executed and ended as most are, and nothing is wrong with it: stands in the place of the facts of that. */
  | { is: 'ended' }
)

export interface HoldFact {
  is: 'hold.opened'
  hold: string
  digest: string
  requires: readonly Requirement[]
  denyThreshold: number
  excluded: Excluded | null
}

type Said = CallFact extends infer Fact ? (Fact extends CallFact ? Omit<Fact, 'index' | 'process' | 'seq'> : never) : never

/** Undefined where an entry says nothing about the life of a call. `complete`: its payload is in it. */
export function factOf({ index, process, seq, body }: PlacedEntry, complete: boolean): CallFact | undefined {
  const said = saidBy(body, complete)
  return said && ({ index, process, seq, ...said } as CallFact)
}

function saidBy(body: EntryBody, complete: boolean): Said | undefined {
  switch (body.kind) {
    case 'decision': {
      const { subject, owner, actors } = body.request
      return { is: 'decision', permits: body.decision.verdict.effect === 'permit', subject, owner, actors }
    }
    case 'intent':
      return { is: 'intent', intent: body.intent, consumes: body.consumes }
    case 'outcome':
      return { is: 'outcome', intent: body.intent }
    case 'grant.used':
    case 'resolved':
      return { is: body.kind }
    default:
      return saidOfHold(body, complete)
  }
}

function saidOfHold(body: EntryBody, complete: boolean): Said | undefined {
  switch (body.kind) {
    case 'hold.opened': {
      const { id, digest, requires, denyThreshold = 1, excluded } = body.hold
      return { is: 'hold.opened', hold: id, digest, requires, denyThreshold, excluded: complete ? (excluded ?? null) : null }
    }
    case 'hold.changed':
      return { is: 'hold.changed', hold: body.hold, to: body.to, counted: body.counted ?? null }
    case 'hold.escalated':
      return { is: 'hold.escalated', hold: body.hold, to: body.to, seats: body.seats }
    case 'hold.edited':
    case 'grant.break_glass':
      return { is: body.kind, hold: body.hold, by: body.by }
    case 'vote': {
      const { hold, voter, verdict, digest, groups = null } = body
      return { is: 'vote', hold, voter, approves: verdict === 'approve', digest, groups }
    }
    default:
      return undefined
  }
}
