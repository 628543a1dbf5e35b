import type { Account, AccountOf } from '../core/account.ts'
import type { Call, CallState, Door } from '../core/call.ts'
import type { Instant } from '../core/clock.ts'
import type { DenyReason, Verdict } from '../core/decision.ts'
import type { CallEnd } from '../core/connector-health.ts'
import type { Entry } from '../core/entry.ts'
import type { Hold, HoldState, Vote } from '../core/hold.ts'
import type { CallId, HoldId } from '../core/ids.ts'
import type { RuleDecision, TimedVote } from '../core/rule-figures.ts'
import type { CounterAnswer, CounterQuestion } from './recorder.ts'

/** All that is given must fit. What follows the log is found about a second after it was recorded. */
export interface CallFilter {
  agent?: string
  subject?: string
  /** Who answered for the agent when it called. */
  owner?: string
  connector?: string
  operation?: string
  state?: readonly CallState[]
  /** What policy said of the call at first. */
  decision?: Verdict['effect']
  denyReason?: DenyReason
  door?: Door
  since?: Instant
  until?: Instant
  run?: string
  /** Determined one of its decisions. Follows the log, as all below. */
  policy?: string
  /** Voted on one of its holds. */
  approver?: string
  /** Its result brought this label, or made it last longer. */
  label?: string
  /** The business object: `Type:key`, or its key alone. */
  object?: string
  /**
   * Words, each the beginning of one in operation, agent, subject, business key, policy ids and their reasons, or what the agent said; never in arguments
   * or results.
   */
  text?: string
}

/** Keyset position: ids sort by time, so the id is the cursor. */
export interface PageRequest<Id extends string> {
  first: number
  after?: Id
}

export interface Page<T> {
  rows: readonly T[]
  more: boolean
}

export interface CallsPage extends Page<Call> {
  /** How far was looked, where the page is short since too few of the calls fit: the next page begins after it. */
  lookedTo?: CallId
}

export interface HoldFilter {
  state?: readonly HoldState[]
  agent?: string
  /** Holds that ask for one of these groups. */
  groups?: readonly string[]
  ids?: readonly HoldId[]
  /** Holds on which this person has not voted. */
  unvotedBy?: string
  orderBy: 'NEWEST' | 'EXPIRES'
}

/** Somebody published a policy with this text. */
export interface Publication {
  policyId: string
  policyHash: string
  person: string
}

/** Reads of the projections. Bounded pages, newest first unless asked otherwise. Throws UNAVAILABLE when the database is away. */
export interface CallStore {
  call(id: CallId): Promise<Call | undefined>
  /**
   * Looks at `LIMITS.callScanRowsMax` calls at most: what fits rarely comes in short pages that say how far they looked. Throws BAD_INPUT for a text that
   * too many values begin with.
   */
  calls(filter: CallFilter, page: PageRequest<CallId>): Promise<CallsPage>
  /** Those of these calls that exist, at most `LIMITS.pageRowsMax`, in no order. */
  callsOf(ids: readonly CallId[]): Promise<readonly Call[]>
  /** Newest executed call equal to this join key, for the hold card. */
  lastEqual(joinKey: string, before: CallId): Promise<Pick<Call, 'id' | 'updatedAt'> | undefined>
  hold(id: HoldId): Promise<Hold | undefined>
  holds(filter: HoldFilter, page: PageRequest<HoldId>): Promise<Page<Hold>>
  votes(id: HoldId): Promise<readonly Vote[]>
  /** Those on any of these holds, at most `LIMITS.pageRowsMax` of them, in the order they came. */
  votesOn(ids: readonly HoldId[]): Promise<readonly Vote[]>
  /** When this person last looked at the arguments of a call, at or after `since`. */
  lookedAt(callId: CallId, person: string, since: Instant): Promise<Instant | undefined>
  /** What became of the newest holds by a policy (of one agent where one is named), decided at or after `since`; at most `first`. */
  ruleDecisions(policyId: string, agent: string | undefined, since: Instant, first: number): Promise<readonly RuleDecision[]>
  /** The newest votes at or after `since`, at most `first`. */
  timedVotes(since: Instant, first: number): Promise<readonly TimedVote[]>
  /** Who published one of these policies with this text, sorted: they vote on no hold by it (semantics section 3). */
  publishers(policies: readonly { policyId: string; policyHash: string }[]): Promise<readonly string[]>
  /** The same for several holds at once: who published which. */
  publications(policies: readonly { policyId: string; policyHash: string }[]): Promise<readonly Publication[]>
  /** Throws UNAVAILABLE where a payload does not open; with `marked`, such an entry comes without it and says so. */
  entries(callId: CallId, unreadable?: 'marked'): Promise<readonly Entry[]>
  /** What this agent told of this trace for this subject, and nobody else; undefined where it told nothing. */
  account(of: AccountOf): Promise<Account | undefined>
  /** Entries of all kinds for one process or all, in order; at most `LIMITS.pageRowsMax`. */
  entriesAfter(position: { at: Instant; process: string; seq: number } | null, first: number): Promise<readonly Entry[]>
  /** Decision entries at or after `since` and before a position, newest first; at most `LIMITS.pageRowsMax`. */
  decisionsBefore(since: Instant, position: { at: Instant; process: string; seq: number } | null, first: number): Promise<readonly Entry[]>
  /** Open holds past `now`, oldest first, bounded. */
  expiredHolds(now: Instant, first: number): Promise<readonly Hold[]>
  /**
   * Labels that stuck to agent and subject at or after `since`, sorted. Where the run was minted for exactly these two: its own, and what they have read
   * since it started in no minted run. An unknown or foreign run is no run.
   */
  labels(agent: string, subject: string | null, run: string | null, since: Instant): Promise<{ labels: readonly string[]; minted: boolean }>
  /** Counters as they stand, for explanations: nothing is locked, so a decision never rests on it. By the fact's name. */
  counters(questions: readonly CounterQuestion[], now: Instant): Promise<ReadonlyMap<string, CounterAnswer>>
  /** How the newest calls of a connector ended, newest first: those that were executed of its last `LIMITS.healthCallsMax`. */
  ends(connector: string): Promise<readonly CallEnd[]>
  /** Approved `execute` holds not yet consumed, oldest first, bounded: what a restart has to go on with. */
  releasable(first: number): Promise<readonly Hold[]>
}
