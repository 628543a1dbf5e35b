import type { EntryBody } from '../core/entry.ts'
import type { Excluded } from '../core/exclusion.ts'
import type { Verdict } from '../core/decision.ts'
import type { CountedVoter, HoldState, Requirement } from '../core/hold.ts'
import { LIMITS } from '../limits.ts'

/** An entry with its place, as far as calls are concerned. */
export interface PlacedEntry extends Place {
  body: EntryBody
}

/** Where an entry stands, and when its process wrote it. */
export interface Place {
  index: number
  process: string
  seq: number
  at: number
}

/** What an entry says about the life of its call, without what is not needed to judge that. */
export type CallFact = Place &
  (
    | DecisionFact
    | { is: 'grant.used' }
    | GrantFact
    | { is: 'intent'; intent: string; consumes: string | null; agentEpoch: number; policySet: string }
    | { is: 'outcome'; intent: string }
    | { is: 'resolved' }
    | { is: 'cancelled' }
    | HoldFact
    | { is: 'vote'; hold: string; voter: string; approves: boolean; digest: string; groups: readonly string[] | null }
    | { is: 'hold.changed'; hold: string; from: HoldState; to: HoldState; counted: readonly CountedVoter[] | null }
    | { is: 'hold.escalated'; hold: string; to: string | null; seats: readonly string[] }
    | { is: 'hold.edited'; hold: string; by: string }
    | { is: 'grant.break_glass'; id: string; hold: string; by: string; until: number }
    | { is: 'grant.reviewed'; id: string; by: string }
    /** A long entry without its payload: what it says is not known. */
    | { is: 'unreadable' }
    /** Marked as erased. */
    | { is: 'bare' }
    /** That the call was erased. */
    | { is: 'erased'; by: string }
    /** It was decided, executed and ended as most are, and nothing is wrong with it: stands in the place of the facts of that. */
    | { is: 'ended'; involved: readonly string[] }
  )

export interface DecisionFact {
  is: 'decision'
  effect: Verdict['effect']
  release: string | null
  policySet: string
  door: string
  agent: string
  agentEpoch: number
  operation: string
  operationVersion: string
  subject: string | null
  owner: string
  actors: readonly string[]
}

export interface GrantFact {
  is: 'grant.opened'
  grant: string
  hold: string
  call: string
  agent: string
  subject: string | null
  operation: string
  operationVersion: string
  givers: readonly string[]
}

export interface HoldFact {
  is: 'hold.opened'
  expiresAt: number
  hold: string
  digest: string
  requires: readonly Requirement[]
  denyThreshold: number
  excluded: Excluded | null
}

type Said = CallFact extends infer Fact ? (Fact extends CallFact ? Omit<Fact, keyof Place> : never) : never

/** Undefined where an entry says nothing about the life of a call. `complete`: its payload is in it. */
export function factOf({ body, ...place }: PlacedEntry, complete: boolean): CallFact | undefined {
  const said = saidBy(body, complete)
  return said && ({ ...place, ...said } as CallFact)
}

function saidBy(body: EntryBody, complete: boolean): Said | undefined {
  switch (body.kind) {
    case 'decision':
      return saidOfDecision(body)
    case 'intent': {
      const { intent, consumes, agentEpoch, policySet } = body
      return { is: 'intent', intent, consumes, agentEpoch, policySet }
    }
    case 'outcome':
      return { is: 'outcome', intent: body.intent }
    case 'resolved':
    case 'cancelled':
    case 'grant.used':
      return { is: body.kind }
    case 'grant.opened': {
      const { id, holdId, callId, agent, subject, operation, operationVersion, givers } = body.grant
      return { is: body.kind, grant: id, hold: holdId, call: callId, agent, subject, operation, operationVersion, givers }
    }
    default:
      return saidOfHold(body, complete)
  }
}

function saidOfDecision({ request, decision, release }: Extract<EntryBody, { kind: 'decision' }>): Said {
  const { door, agent, agentEpoch, operation, operationVersion, subject, owner, actors } = request
  const { verdict, evidence } = decision
  const said = { door, agent, agentEpoch, operation, operationVersion, subject, owner, actors }
  return { is: 'decision', effect: verdict.effect, release, policySet: evidence.policySet, ...said }
}

function saidOfHold(body: EntryBody, complete: boolean): Said | undefined {
  switch (body.kind) {
    case 'hold.opened': {
      const { id, digest, requires, denyThreshold = 1, excluded, expiresAt } = body.hold
      return { is: 'hold.opened', hold: id, expiresAt, digest, requires, denyThreshold, excluded: complete ? (excluded ?? null) : null }
    }
    case 'hold.changed':
      return { is: 'hold.changed', hold: body.hold, from: body.from, to: body.to, counted: body.counted ?? null }
    case 'hold.escalated':
      return { is: 'hold.escalated', hold: body.hold, to: body.to, seats: body.seats }
    case 'hold.edited':
      return { is: body.kind, hold: body.hold, by: body.by }
    case 'grant.break_glass':
      return { is: body.kind, id: body.id, hold: body.hold, by: body.by, until: body.until }
    case 'grant.reviewed':
      return { is: body.kind, id: body.id, by: body.by }
    case 'vote': {
      const { hold, voter, verdict, digest, groups = null } = body
      return { is: 'vote', hold, voter, approves: verdict === 'approve', digest, groups }
    }
    default:
      return undefined
  }
}

/** Who may not erase a call: its owner, its subject and whoever acted. */
export const involvedIn = (facts: readonly CallFact[]): readonly string[] =>
  facts.flatMap((fact) => {
    if (fact.is === 'ended') return fact.involved
    if (fact.is !== 'decision' || fact.release !== null) return []
    return [fact.owner, ...(fact.subject === null ? [] : [fact.subject]), ...fact.actors]
  })

export type Fact<I extends CallFact['is']> = Extract<CallFact, { is: I }>

export const factsThat = <I extends CallFact['is']>(facts: readonly CallFact[], is: I): Fact<I>[] =>
  facts.filter((fact): fact is Fact<I> => fact.is === is)

/** What is wrong at an entry. */
export type Found = [index: number, why: string]

/** So much may clocks of processes differ, and a unit wait after its time was taken. */
const APART_MS = LIMITS.clockSkewMsMax + LIMITS.recordWaitMsMax

/** Whether one was surely written before the other. Of one process their order says so; between processes only times that lie further apart than clocks may. */
export const surelyBefore = (one: Place, other: Place): boolean =>
  one.process === other.process ? one.seq < other.seq : one.at + APART_MS < other.at
