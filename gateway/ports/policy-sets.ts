import type { Instant } from '../core/clock.ts'
import type { ProposalId } from '../core/ids.ts'
import type { PolicyText } from './decider.ts'
import type { CountedSeries } from './recorder.ts'
import type { FactsFile, PolicyFile, PolicyTests } from './policy-source.ts'

/** The texts of a policy set: all that a decider is compiled from but operations, approvals and people. */
export interface PolicySetTexts {
  files: readonly PolicyFile[]
  facts: FactsFile | null
}

/** A set as stored under its hash (`Decider.policySet`). It never changes and is never removed, so a recorded decision can always be read again. */
export interface StoredPolicySet extends PolicySetTexts {
  hash: string
  policies: readonly PolicyText[]
  storedAt: Instant
}

/** Which set binds, on every replica. */
export interface ActivePolicySet {
  /** Null before the first start. */
  policySet: string | null
  /** Digest of the policy files that were last taken over: what they are compared with to see whether somebody edited them. */
  filesDigest: string | null
  /** The active set, once open holds were looked through for it; null before. */
  holdsReviewed: string | null
}

/** The set that binds, and what the record says of it. */
export interface RecordedPolicySet {
  policySet: string | null
  /** What the newest entries about activations name, newest first: of one moment with the set itself. */
  named: readonly { policySet: string; at: Instant }[]
  /** Old entries were removed under retention: there may be none about it. */
  removed: boolean
}

/** `files`: edited files. `connectors`: the same texts against changed operations. `review`: approved. `emergency`: rolled back without review. */
export type ActivationSource = 'files' | 'connectors' | 'review' | 'emergency'

/** One line of the history. */
export interface PolicyActivation {
  /** Grows by time; the cursor of a page. */
  seq: number
  policySet: string
  base: string | null
  source: ActivationSource
  rollBack: boolean
  /** Who proposed it, or rolled it back; `gatehouse` for files and connectors. */
  by: string
  reviewer: string | null
  why: string | null
  proposal: ProposalId | null
  at: Instant
}

export type NewActivation = Omit<PolicyActivation, 'seq' | 'at'> & {
  /** Null leaves what stands. */
  filesDigest: string | null
  /** All that the set counts: a history fact of another series has no value from here on. */
  series: readonly CountedSeries[]
}

/** `stale`: another set than `base` is active. `decided`: the proposal is no longer open. Nothing was written then. */
export type ActivationResult =
  | { kind: 'activated'; at: Instant }
  | { kind: 'same' }
  | { kind: 'stale'; active: string | null }
  | { kind: 'decided' }

export const PROPOSAL_STATES = ['open', 'active', 'rejected'] as const
/** `active`: it was approved and became the active set then. */
export type ProposalState = (typeof PROPOSAL_STATES)[number]

export interface PolicyProposal {
  id: ProposalId
  change: 'publish' | 'roll-back'
  state: ProposalState
  policySet: string
  base: string
  by: string
  note: string
  /** What the checks remarked on, a sentence each; nothing that refuses. */
  remarks: readonly string[]
  reviewer: string | null
  comment: string | null
  proposedAt: Instant
  decidedAt: Instant | null
}

export type NewProposal = Pick<PolicyProposal, 'id' | 'change' | 'policySet' | 'base' | 'by' | 'note' | 'remarks'> & {
  /** Kept beside it; null where it came with none of its own. */
  tests: readonly PolicyTests[] | null
}

/**
 * Policy sets, their proposals and which of them is active. Every change is one transaction with its entry and resolves after COMMIT. Throws
 * UNAVAILABLE.
 */
export interface PolicySets {
  active(): Promise<ActivePolicySet>
  recorded(): Promise<RecordedPolicySet>
  /** Hashes of the texts of a set's policies by their ids, as the newest entry has them that made it active; undefined where none did. */
  activatedTexts(hash: string): Promise<Readonly<Record<string, string>> | undefined>
  /** Keeps a set with the text that it is named after (`Decider.wholeText`), where there is one; nothing happens where both are kept already. */
  keep(set: Omit<StoredPolicySet, 'storedAt'> & { whole: string | null }): Promise<void>
  /** The text whose SHA-256 is this hash; undefined where it is not kept: it was not, once. */
  whole(hash: string): Promise<string | undefined>
  set(hash: string): Promise<StoredPolicySet | undefined>
  /** A policy as it stood in this set; undefined where set or policy are not known. */
  text(hash: string, policyId: string): Promise<PolicyText | undefined>
  /** Newest first; `before` is the `seq` to go on from. */
  history(first: number, before?: number): Promise<readonly PolicyActivation[]>
  /** The newest activation of a set; undefined where it never was active. */
  activation(hash: string): Promise<PolicyActivation | undefined>
  propose(proposal: NewProposal): Promise<PolicyProposal>
  proposal(id: ProposalId): Promise<PolicyProposal | undefined>
  /** Newest first; `after` is the id to go on from. */
  proposals(state: ProposalState | undefined, first: number, after?: ProposalId): Promise<readonly PolicyProposal[]>
  /** The tests that a proposal came with; undefined where none are kept. */
  proposalTests(id: ProposalId): Promise<readonly PolicyTests[] | undefined>
  /** The tests of the newest proposal by which this set became active; undefined where it came from files, or none are kept. */
  setTests(hash: string): Promise<readonly PolicyTests[] | undefined>
  /** Ends an open proposal. False where somebody was faster. */
  reject(id: ProposalId, by: string, comment: string | null): Promise<boolean>
  /**
   * Makes a kept set the one that intents must have been decided on, at every replica, from the moment of COMMIT. `base` must be active still, but for
   * `files` and `connectors`, which come over whatever is. A proposal that it names must be open and becomes `active`; its proposer is kept as the
   * publisher of every policy that `base` does not have with the same text. What the set's series would have counted in the past is filled in before, so
   * that they answer at once: that may take long (see `Storage.prepareCounters`, which may be run before).
   */
  activate(activation: NewActivation): Promise<ActivationResult>
  /** Takes up counting under the set that is active already: what `activate` does for the series of a new one. Nothing happens where it is active no more. */
  count(policySet: string, series: readonly CountedSeries[]): Promise<void>
  /** Notes that the files are as they are, where they changed nothing. */
  tookFiles(filesDigest: string): Promise<void>
  /** Notes that all open holds were looked through under this set, where it is still active. */
  reviewedHolds(policySet: string): Promise<void>
}
