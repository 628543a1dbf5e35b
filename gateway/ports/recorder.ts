import type { Call, CallState, Outcome, StoredResult } from '../core/call.ts'
import type { Instant } from '../core/clock.ts'
import type { Decision } from '../core/decision.ts'
import type { EntryBody } from '../core/entry.ts'
import type { Hold, HoldState, Vote } from '../core/hold.ts'
import type { CallId, HoldId, IntentId } from '../core/ids.ts'

/** What must still hold at commit for an intent to be written. */
export interface Guards {
  agent: string
  agentEpoch: number
  policySet: string
}

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
}

export type ReleaseResult = { kind: 'recorded' } | { kind: 'stale'; what: 'agent' | 'policies' } | { kind: 'lost' }

/** The end of an executed call. `result` is kept for hand-over where given. */
export interface Finished {
  callId: CallId
  intent: IntentId
  outcome: Outcome
  result: StoredResult | null
  resultKept: Call['resultKept']
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
  /** The vote is bound to this digest; another digest in the row is a lost race. */
  digest?: string
  /** A decision at release that refused or replaced the hold. */
  redecision?: Release['redecision']
  /** The hold that replaces this one (`superseded`). */
  replacement?: Hold
  /** A vote that leaves the hold open: only `vote` and its entry are written. */
  voteOnly?: boolean
}

/**
 * Writes entries and projections together, group-committed: a promise resolves only after COMMIT. Throws UNAVAILABLE when the record
 * cannot be written (database down, queue full): the caller must not go on. Entries of one process are dense and in order of arrival.
 */
export interface Recorder {
  admit(unit: NewCall): Promise<NewCallResult>
  release(unit: Release): Promise<ReleaseResult>
  finish(unit: Finished): Promise<void>
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
