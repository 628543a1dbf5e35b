import type { AccountDropped, AccountOf, AccountSpan } from '../core/account.ts'
import type { Call, CallState, Outcome, StoredResult } from '../core/call.ts'
import type { Instant } from '../core/clock.ts'
import type { Decision } from '../core/decision.ts'
import type { ArgumentChange } from '../core/edit.ts'
import type { EntryBody } from '../core/entry.ts'
import type { HistoryKind, Reservation } from '../core/facts.ts'
import type { BreakGlass } from '../core/break-glass.ts'
import type { Grant, GrantAmount, GrantQuestion, StandingTerms, UsableGrant } from '../core/grant.ts'
import type { CountedVoter, Hold, HoldState, Vote } from '../core/hold.ts'
import type { CallId, GrantId, HoldId, IntentId, OperationId, RunId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'

/** What must still hold at commit for an intent to be written. */
export interface Guards {
  agent: string
  agentEpoch: number
  policySet: string
}

export type { Reservation }

/** The counters of one history fact's series, as a policy set that counts it needs them. */
export interface CountedSeries {
  series: string
  kind: HistoryKind
  /** The longest window that any fact asks the series for. */
  windowMs: number
  /** The operations that it counts. */
  operations: readonly OperationId[]
  /** What a call of the past would have reserved in the series' counters, each key once; empty where that cannot be told. Pure and synchronous. */
  eventsOf(call: CountedCall): readonly Reservation[]
}

export type CountedCall = Pick<Call, 'agent' | 'owner' | 'subject' | 'operation' | 'operationVersion' | 'input'>

/** One history fact to read. The keys of `unseen` are one for each distinct value, all others have one. */
export interface CounterQuestion {
  fact: string
  kind: HistoryKind
  /** The fact's series: it answers only from where its counters are complete. */
  series: string
  keys: readonly string[]
  /** Counted are calls at or after the transaction's time less this, to the millisecond; calls of a replica whose clock is ahead count as well. */
  windowMs: number
}

/**
 * `sum`: decimal text without the present call; `count`, `streak`: a number; `unseen`: how many keys have no call in the window; `last`: ms since
 * epoch or null. `unknown` where more than `LIMITS.factRowsPerKeyMax` rows would have to be read, or a counter's past is not complete yet.
 */
export type CounterAnswer = { kind: 'value'; value: string | number | null } | { kind: 'unknown'; why: string }

/** What a decision made inside the transaction comes to. */
export type DecidedUnit = { kind: 'admit'; unit: NewCall } | { kind: 'release'; unit: Release } | { kind: 'changeHold'; unit: HoldChange }

/**
 * A decision that depends on counters: they are locked in the order of their keys (those of `reserves` too), read, and `decide` says in the same
 * transaction what is written. `decide` is pure, synchronous, and may be called again where the transaction is tried again.
 */
export interface Deciding {
  callId: CallId
  agent: string
  counters: readonly CounterQuestion[]
  /** Keys that the yielded unit may reserve in. */
  reserves: readonly string[]
  /**
   * Looked up before anything is read or decided: a repeat is answered by the call that it repeats, whose own reservation must not refuse it. Null
   * where nothing can be repeated, as at a release.
   */
  repeats: Pick<NewCall, 'idempotency' | 'joinKey'> | null
  /** Grants that the yielded unit may use: locked, and told as they stand. */
  grants?: GrantQuestion
  decide(answers: ReadonlyMap<string, CounterAnswer>, nowMs: number, grants: readonly UsableGrant[]): DecidedUnit
}

/** One use of a grant by a call that policy holds. */
export interface GrantUse {
  grant: GrantId
  /** Which use of the grant it is, from 1. */
  use: number
  amounts: readonly GrantAmount[]
  /** The holds that the grant answers. */
  covers: Grant['matched']
}

export type DecidingResult =
  | { kind: 'admitted'; unit: NewCall; result: NewCallResult }
  /** Nothing was decided: the call repeats another one. */
  | { kind: 'repeated'; result: Extract<NewCallResult, { kind: 'joined' | 'key_reused' }> }
  | { kind: 'released'; unit: Release; result: ReleaseResult }
  | { kind: 'applied'; unit: HoldChange; applied: boolean }

/** A new call with its first decision, all in one transaction. */
export interface NewCall {
  /** `state` says what follows: `denied`, `held`, `approved` (permitted, intent later) or `executing` (with `intent`). */
  call: Call
  request: Extract<EntryBody, { kind: 'decision' }>['request']
  decision: Decision
  hold?: Hold
  intent?: IntentId
  guards?: Guards
  /** Scope and digest of the arguments; `null` for calls without a key. Denied calls use no key up. */
  idempotency: { scope: string; argumentsDigest: string; expiresAt: Instant } | null
  /** Equal open calls join: SHA-256 hex over agent, subject, operation version and arguments. Null where nothing joins. */
  joinKey: string | null
  /** Bound on this agent's open holds, checked in the same transaction. */
  openHoldsMax: number
  /** Written with the call where it becomes `executing` or `approved`. */
  reserves?: readonly Reservation[]
  /** The grant under which a held call goes on: among those that were announced and told. Reserved with the call. */
  uses?: GrantUse
}

export type NewCallResult =
  | { kind: 'recorded' }
  /** An open or undelivered equal call exists, or one with the same key and arguments. */
  | { kind: 'joined'; callId: CallId }
  /** Same key, other arguments. */
  | { kind: 'key_reused'; callId: CallId }
  /** The agent's epoch or status, or the active policy set, is no longer the one decided on: nothing was written. */
  | { kind: 'stale'; what: 'agent' | 'policies' }
  | { kind: 'too_many_holds' }

/** A decided call goes on: an approved hold is released, or a permitted field's turn has come. */
export interface Release {
  callId: CallId
  intent: IntentId
  guards: Guards
  /** Present at the release of a hold: the hold becomes `consumed` in the same transaction, or nothing is written. */
  consumes: { hold: HoldId; digest: string } | null
  /** The decision made again; null where the first one still binds (another root field's turn). */
  redecision: { request: Extract<EntryBody, { kind: 'decision' }>['request']; decision: Decision } | null
  reserves?: readonly Reservation[]
  /** The grant that the call used when it was decided: it must not have ended since. */
  grant?: GrantId
}

export type ReleaseResult = { kind: 'recorded' } | { kind: 'stale'; what: 'agent' | 'policies' } | { kind: 'lost' }

/** The end of an executed call. `result` is kept for hand-over where given. */
export interface Finished {
  callId: CallId
  intent: IntentId
  outcome: Outcome
  result: StoredResult | null
  resultKept: Call['resultKept']
  /** The intent reserved in counters or of a grant: where nothing happened, it is given back in the same transaction. */
  reserved?: boolean
}

/** A counter of clean approvals, and its fact's series. */
export interface StreakCounter {
  series: string
  key: string
}

/** A call that ends without an intent, or a hold that changes, in one transaction with its entries. */
export interface HoldChange {
  hold: HoldId
  callId: CallId
  /** Compare-and-set: applied only from a state that `core/hold.ts` allows; `expired` only at or after, the others only before, the expiry. */
  to: HoldState
  callState: CallState
  by: string
  why?: string
  vote?: Vote
  /** Whose votes make this change, where votes do. */
  counted?: readonly CountedVoter[]
  /** How many votes `to` was worked out with, this one not counted: with another number in the record it is a lost race. */
  votesBefore?: number
  /** The vote is bound to this digest; another digest in the row is a lost race. */
  digest?: string
  /** A decision at release that refused or replaced the hold. */
  redecision?: Release['redecision']
  /** Applied only from this state, where others would do. */
  from?: HoldState
  /** Other arguments for the call, `changes` against those that stand, and the join key that a call with them would have. */
  edit?: { input: JsonObject; comment: string | null; changes: readonly ArgumentChange[]; key: string }
  /** The hold that replaces this one (`superseded`). */
  replacement?: Hold
  /** The replacement is the same hold with other terms of a grant beside it, or with none. */
  proposes?: { comment: string | null; gives: StandingTerms | null }
  /** The grant that this approval gives. */
  opens?: Grant
  /** One person approves in the place of all. Not applied while the review of another such approval is overdue. */
  breaks?: BreakGlass
  /** A vote that leaves the hold open: only `vote` and its entry are written. */
  voteOnly?: boolean
  /** Counters of clean approvals: one more for an approval without edits, none from here on after a refusal or an edit. Each counter once. */
  streaks?: { counters: readonly StreakCounter[]; to: 'one_more' | 'none' }
}

/** What an agent carries from a result that is about to be handed to it. */
export interface Sticking {
  callId: CallId
  agent: string
  subject: string | null
  /** The run that the call names. Labels stick to it as well where somebody else minted it for exactly this agent and subject; else it is no run. */
  run: string | null
  labels: readonly string[]
}

/** A run that somebody other than the agent starts: its labels begin with none. */
export interface RunStart {
  run: RunId
  agent: string
  subject: string | null
  by: string
}

/** What an agent tells of a trace in one request, bounded and masked. */
export interface Telling extends AccountOf {
  told: readonly AccountSpan[]
  dropped: AccountDropped
  masked: readonly string[]
}

/** How many spans of `told` were kept, from the first; where that is not all, why. */
export interface TellingResult {
  kept: number
  why?: string
}

/**
 * Writes entries and projections together, group-committed: a promise resolves only after COMMIT. Throws UNAVAILABLE when the record
 * cannot be written (database down, queue full): the caller must not go on. Entries of one process are dense and in order of arrival.
 */
export interface Recorder {
  admit(unit: NewCall): Promise<NewCallResult>
  release(unit: Release): Promise<ReleaseResult>
  /** Decides inside the transaction that writes. */
  decide(unit: Deciding): Promise<DecidingResult>
  finish(unit: Finished): Promise<void>
  /**
   * Labels stick to agent and subject, and to the minted run where the call names one, before a result is handed over. Durable when it resolves. A label
   * stays `LIMITS.labelRefreshMs` longer than its window, and while it is younger than that nothing is written again: a read of something that the agent
   * carries already costs nothing and leaves no entry. Callers need no cache of their own.
   */
  stick(unit: Sticking): Promise<void>
  /** Mints a run for one agent and subject. Durable when it resolves. */
  startRun(unit: RunStart): Promise<void>
  /** Adds to what an agent tells of a trace, as far as there is room in it. Durable when it resolves. */
  tell(unit: Telling): Promise<TellingResult>
  /** False where the compare-and-set lost. */
  changeHold(unit: HoldChange): Promise<boolean>
  /** Ends `approved` calls that got no intent (their turn never came). */
  cancelUnstarted(callId: CallId, why: string): Promise<void>
  /** `in_doubt` to completed or failed by a person. False where the call is not in doubt. */
  resolve(callId: CallId, by: string, effect: 'HAPPENED' | 'DID_NOT_HAPPEN', evidence: string): Promise<boolean>
  /** Entries with no projection of their own (`refused`, `explained`, `view`, ...). */
  note(callId: CallId | null, body: EntryBody): Promise<void>
  /** Marks results as handed over; not awaited by doors, batched with the next commit. */
  delivered(callId: CallId): void
}
