import type { Account } from '../core/account.ts'
import type { LifeStep } from '../core/agent-life.ts'
import type { ConnectorHealth } from '../core/connector-health.ts'
import type { Call, DecisionRecord } from '../core/call.ts'
import type { Instant } from '../core/clock.ts'
import type { BusinessObject, Decision } from '../core/decision.ts'
import type { FoundDrift } from '../core/drift.ts'
import type { Entry } from '../core/entry.ts'
import type { ErrorCode, Fault, GatewayError } from '../core/errors.ts'
import type { BreakGlass, BreakGlassState, BreakGlassVerdict } from '../core/break-glass.ts'
import type { ArgumentConstraint, GrantTotal, StandingGrant } from '../core/grant.ts'
import type { Hold, Vote } from '../core/hold.ts'
import type { BreakGlassId, CallId, GrantId, HoldId, ProposalId, RunId } from '../core/ids.ts'
import type { JsonObject, JsonValue } from '../core/json.ts'
import type { ConnectorInfo, Operation } from '../core/operation.ts'
import type { Agent, AgentAttributes, PersonRole } from '../core/principal.ts'
import type { RuleFigures, VoterFigures } from '../core/rule-figures.ts'
import type { ExceptionRow, FigureFilter, FigureGroup, FigureRange, FigureRow } from './call-figures.ts'
import type { CallFilter, CallsPage, HoldFilter, Page, PageRequest } from './call-store.ts'
import type { Erased } from './erasure.ts'
import type { ExportedEntry, LogFloor, CosignedCheckpoint, LoggedEntry, LogRange } from './log.ts'
import type { NearMiss, PolicyText } from './decider.ts'
import type { Notice } from './notice-queue.ts'
import type { GrantFilter } from './grants.ts'
import type { Simulation } from './simulator.ts'
import type { ServedPlaybook } from './playbook-store.ts'
import type { PolicyActivation, PolicyProposal, ProposalState, StoredPolicySet } from './policy-sets.ts'
import type { EntriesPage, EntryFilter, EntryPlace, MintedRun } from './record-search.ts'
import type { AgentEvent } from './registry.ts'
import type { Inspected, PolicyDiff } from './policy-drafts.ts'
import type { PolicyTests } from './policy-source.ts'
import type { PublicationStatus } from './publisher.ts'

/** An authenticated person at the control plane. `local` is the command line's credential: it reads, registers, suspends, mints; it never votes. */
export interface Operator {
  name: string
  groups: readonly string[]
  roles: readonly (PersonRole | 'local')[]
}

/** What a person asks to come with an approval: every argument stays as it is but for those that are loosened. */
export interface StandingAsked {
  loosened: readonly ArgumentConstraint[]
  maxUses: number
  totals: readonly GrantTotal[]
  until: Instant
}

export interface Explained {
  decision: Decision
  policies: readonly PolicyText[]
  nearMisses: readonly NearMiss[]
}

/** Texts to try out: `org.cedar`, `<connector>.cedar`, and the text of `facts.yaml`. */
export interface DraftTexts {
  files: readonly { name: string; text: string }[]
  facts: string | null
}

export interface SimulationRequest {
  draft: DraftTexts
  /** Compared with the draft; undefined for what was decided then. */
  against: DraftTexts | undefined
  since: Instant
  /** Calls to decide again; undefined for as many as there may be. */
  first: number | undefined
}

/** Texts that somebody proposes. They stand in place of all texts of the set that they are built upon, but for rules of the library: those are configured. */
export interface PolicyDraft {
  /** `org.cedar`, `<connector>.cedar`. */
  files: readonly { name: string; text: string }[]
  /** Text of `facts.yaml`. */
  facts: string | null
  /** Run before the proposal is taken; a failed one refuses it. */
  tests: readonly PolicyTests[]
  /** Why, for the reviewer. */
  note: string
  /** The set that it was built upon; undefined for the one that is active now. */
  base: string | undefined
}

/** Calls by their ids, or a page of those that fit after one; `why` stays in the record. */
export interface ErasureAsked {
  calls: readonly CallId[]
  filter: Pick<CallFilter, 'subject' | 'object' | 'until'> | undefined
  after: CallId | undefined
  why: string
}

/** What was erased. `next` is what to go on after, null where no call is left that fits. */
export interface ErasedCalls extends Erased {
  next: CallId | null
}

/** What a check says of a draft: every fault, or where there is none how its tests end and what is remarkable about it. */
export interface PolicyCheck {
  faults: readonly Fault[]
  inspected: Inspected | null
}

/** `doubtful`: changes whose example may be refused before any decision, since no valid arguments like it could be made up. */
export interface PolicyDifference extends PolicyDiff {
  doubtful: ReadonlySet<PolicyDiff['changes'][number]>
}

/** `boundAfterMs` is null where nothing became active. */
export interface PolicyReview {
  proposal: PolicyProposal
  boundAfterMs: number | null
}

/** The proposal to review, or how long it took until an emergency's set bound. */
export interface RolledBack {
  proposal: PolicyProposal | null
  boundAfterMs: number | null
}

/** An agent to register. `keys`: public keys as JWKs; it needs none where another issuer makes its tokens. */
export interface AgentProposal extends AgentAttributes {
  name: string
  keys: readonly JsonValue[]
}

/** `effectiveAfterMs`: until every intent of older epochs was refused. */
export interface AgentChange {
  agent: Agent
  effectiveAfterMs: number
  /** Calls that waited for people and were cancelled with it. */
  cancelledHolds: number
}

/** Who fills which seats of a hold, in the order of its requirements, and how many refused. */
export interface HoldProgress {
  seats: readonly { group: string; count: number; filledBy: readonly string[] }[]
  refusals: number
}

/** A vote on one of several holds, bound to what was shown. */
export interface HoldVote {
  id: HoldId
  digest: string
}

/** What became of one vote among several: the hold as it is now, or why there is no vote. */
export type HoldVoteResult = { id: HoldId; hold: Hold; error?: never } | { id: HoldId; hold?: never; error: GatewayError }

/** Figures of a policy's holds, decided within `days`. `cut`: there are more, the newest are counted. */
export interface FiguresOfRule extends RuleFigures {
  policyId: string
  /** Null for those of all agents. */
  agent: string | null
  days: number
  cut: boolean
}

/** `until` is now where it is not given. */
export interface MetricsRange {
  since: Instant
  until?: Instant
}

/** Figures of a range of whole hours, without the hour that begins at `until`. */
export interface CallMetrics extends FigureRange {
  /** What was recorded before is counted. */
  completeUpTo: Instant
  /** Hours and days in their order; others with the most calls first. */
  rows: readonly FigureRow[]
  more: boolean
}

/** `minted` is null where a call names the run and nobody started it: labels stick to agent and subject then. */
export interface RecordedRun {
  id: string
  minted: MintedRun | null
}

export interface SampleAsked {
  first: number
  seed: string
  /** Of the log that is drawn from: its newest entries are left out. All of it where it is not given. */
  size?: number
  filter: CallFilter
}

export interface CallSample {
  /** In the order they were drawn in. */
  calls: readonly Call[]
  /** Of the log that was drawn from. */
  size: number
  /** Where that began: what is before was removed. */
  floor: number
  /** Calls that were drawn, whether they fit or not. */
  drawn: number
  /** Every call was drawn: there are no others that fit. */
  complete: boolean
}

/**
 * People's use cases. Every method checks the operator's role and throws FORBIDDEN; reads of payloads (`input`, results) are for eligible approvers,
 * security and auditors and leave a `view` entry; operators see metadata.
 */
export interface OperatorUseCases {
  calls(by: Operator, filter: CallFilter, page: PageRequest<CallId>): Promise<CallsPage>
  call(by: Operator, id: CallId): Promise<Call | undefined>
  /** Whether `input` and results of this call may be shown; records the look before it answers true. */
  mayViewPayload(by: Operator, call: Call): Promise<boolean>
  /** What the agent attached to a call, as its newest decision has it. Payload: only after `mayViewPayload` granted it. Throws NOT_FOUND. */
  attachedRecord(by: Operator, call: Call): Promise<DecisionRecord | undefined>
  /** What the agent told of the call's trace; null where it told nothing, and where this person may not see payloads. The look is recorded first. */
  accountOfCall(by: Operator, call: Call): Promise<Account | null>
  /** The entries of a call, oldest first; with arguments and facts only where asked for and `mayViewPayload` grants it. Throws NOT_FOUND. */
  trail(by: Operator, id: CallId, payloads: boolean): Promise<readonly Entry[]>
  /**
   * Which permits almost allowed a call that was denied for want of one, under the set that decided. Null where it was decided otherwise, and where that
   * set cannot be asked any more; values of arguments and facts only where asked for and `mayViewPayload` grants it. Throws NOT_FOUND.
   */
  nearMisses(by: Operator, id: CallId, payloads: boolean): Promise<readonly NearMiss[] | null>
  holds(by: Operator, filter: HoldFilter, page: PageRequest<HoldId>): Promise<Page<Hold>>
  hold(by: Operator, id: HoldId): Promise<Hold | undefined>
  /** Votes on holds that were listed, at most `LIMITS.pageRowsMax` of them, by hold; nothing for holds without votes. Throws NOT_FOUND. */
  votes(by: Operator, holds: readonly Hold[]): Promise<ReadonlyMap<HoldId, readonly Vote[]>>
  /** The calls of holds that were listed, at most `LIMITS.pageRowsMax` of them, by hold. Throws NOT_FOUND. */
  callsOfHolds(by: Operator, holds: readonly Hold[]): Promise<ReadonlyMap<HoldId, Call>>
  /** By today's groups. Throws NOT_FOUND. */
  holdProgress(by: Operator, hold: Hold): Promise<HoldProgress>
  /** Calls of the same agent and subject just before a held one, newest first, at most `LIMITS.callsBeforeMax`. Throws NOT_FOUND. */
  callsBefore(by: Operator, hold: Hold): Promise<readonly Call[]>
  /** Why this person may not vote on each of these holds; null where they may, as far as it is open. */
  whyIneligible(by: Operator, held: readonly { hold: Hold; call: Call }[]): Promise<ReadonlyMap<HoldId, string | null>>
  /** The newest executed call equal to this one, made before it: what the hold card says beside the arguments. */
  equalCall(by: Operator, call: Call): Promise<Pick<Call, 'id' | 'updatedAt'> | undefined>
  /** What a call is about, as its newest decision was asked; null where its operation declares no business key. Throws NOT_FOUND. */
  objectOf(by: Operator, id: CallId): Promise<BusinessObject | null>
  /**
   * A policy as it stood in a set, today's where none is named, for every signed-in person: policies are no secret to people, and those who decide need
   * their words.
   */
  policyText(by: Operator, id: string, policySet?: string): Promise<PolicyText | undefined>
  /** Throws HOLD_NOT_OPEN, NOT_ELIGIBLE, NOT_FOUND. */
  approveHold(by: Operator, id: HoldId, comment: string | undefined, shown?: { digest: string }): Promise<Hold>
  rejectHold(by: Operator, id: HoldId, comment: string | undefined, shown?: { digest: string }): Promise<Hold>
  /** One after another; what became of each, in order. Approves only what this person has looked at. Throws BAD_INPUT, FORBIDDEN. */
  approveHolds(by: Operator, votes: readonly HoldVote[], comment: string | undefined): Promise<readonly HoldVoteResult[]>
  rejectHolds(by: Operator, votes: readonly HoldVote[], comment: string | undefined): Promise<readonly HoldVoteResult[]>
  /** Other open holds of the same agent for the same person, operation and policies that this person may vote on. Throws NOT_FOUND. */
  similarHolds(by: Operator, hold: Hold): Promise<readonly Hold[]>
  /** How people decided by a policy, of one agent or all. Throws FORBIDDEN, BAD_INPUT. */
  holdFigures(by: Operator, policyId: string, agent: string | undefined, days: number): Promise<FiguresOfRule>
  /** The same for the policies of a hold. Throws NOT_FOUND. */
  figuresOfHold(by: Operator, hold: Hold): Promise<readonly FiguresOfRule[]>
  /** For security and auditors: who decides how much and how fast. Throws FORBIDDEN, BAD_INPUT. */
  figuresOfVoters(by: Operator, days: number): Promise<readonly VoterFigures[]>
  /** Answers with the hold that the call has then. Throws HOLD_NOT_OPEN, NOT_ELIGIBLE, NOT_FOUND, BAD_INPUT, LIMITED. */
  editHold(by: Operator, id: HoldId, input: JsonObject, comment: string | undefined): Promise<Hold>
  /** Uses the link of a notice up: the hold that it opens for this person, once. Throws NOT_FOUND, FORBIDDEN (no person). */
  openNotice(by: Operator, secret: string): Promise<HoldId>
  /** Notices that reached nobody, newest first, at most `LIMITS.pageRowsMax`. */
  noticesGivenUp(by: Operator, first: number): Promise<readonly Notice[]>
  /** Throws CALL_NOT_IN_DOUBT, NOT_ELIGIBLE (the agent's owner). */
  resolveCall(by: Operator, id: CallId, effect: 'HAPPENED' | 'DID_NOT_HAPPEN', evidence: string): Promise<Call>
  /** Why this person may not resolve this call, as far as it is in doubt; null where they may. */
  whyNotResolve(by: Operator, call: Call): string | null
  agents(by: Operator): readonly Agent[]
  agent(by: Operator, name: string): Agent | undefined
  registrant(by: Operator, agent: string): string | null
  /** Changes of an agent, newest first. */
  agentHistory(by: Operator, agent: string, first: number): Promise<readonly AgentEvent[]>
  /** When these agents made their newest call; who never did is missing. */
  lastCalls(by: Operator, agents: readonly string[]): Promise<ReadonlyMap<string, Instant>>
  /** The operations that today's policies may ever allow an agent that acts for itself. Throws NOT_FOUND. */
  agentPermissions(by: Operator, agent: string): readonly Operation[]
  /** Proposed until somebody else activates it. Throws BAD_INPUT with every fault, NAME_TAKEN, LIMITED. */
  registerAgent(by: Operator, proposal: AgentProposal): Promise<Agent>
  /** Throws NOT_FOUND, NOT_ELIGIBLE, BAD_INPUT where the agent's status has no such step. */
  setAgentStatus(by: Operator, name: string, step: LifeStep, why: string | undefined): Promise<AgentChange>
  connectors(by: Operator): readonly ConnectorInfo[]
  connector(by: Operator, name: string): ConnectorInfo | undefined
  /** By its newest calls, on every replica. */
  connectorHealth(by: Operator, connector: string): Promise<ConnectorHealth>
  /** How many parts of what its system says of itself nobody has reviewed. */
  driftCount(by: Operator, connector: string): Promise<number>
  /** What its system says of itself that nobody has reviewed; on every replica and after a restart. */
  connectorDrift(by: Operator, connector: string): Promise<readonly FoundDrift[]>
  /** A version of a playbook that was ever served, for every signed-in person. */
  playbook(by: Operator, name: string, version: string): Promise<ServedPlaybook | undefined>
  operations(by: Operator, connector: string | undefined): readonly Operation[]
  /** The operation of a call, for everyone who may see the call; undefined where it has another version now. */
  operationOf(by: Operator, call: Call): Operation | undefined
  policies(by: Operator): readonly PolicyText[]
  /** A dry decision, recorded as such: on facts as they stand, and those given by name (`history`, `lookup`, `labels`, `findings`). Throws NOT_FOUND, BAD_INPUT. */
  explain(
    by: Operator,
    agent: string,
    operation: string,
    input: JsonObject,
    subject: string | undefined,
    facts?: JsonObject,
  ): Promise<Explained>
  /** Mints a run whose labels begin with none, for agent and subject. Throws FORBIDDEN, NOT_FOUND, BAD_INPUT. */
  startRun(by: Operator, agent: string, subject: string | undefined): Promise<RunId>
  /** Development tokens: an agent's access token, or a person's, each an entry. Throws FORBIDDEN where the issuer is not a development issuer. */
  mintAgentToken(by: Operator, agent: string, subject: string | undefined): Promise<string>
  mintPersonToken(by: Operator, person: string): Promise<string>
  /** The address that signs this person in once. Throws FORBIDDEN where the issuer is not a development issuer, NOT_FOUND. */
  mintSignInLink(by: Operator, person: string): Promise<string>
  /**
   * When the open holds that this person may see changed: the first one at once, then one for each change, several at one moment as one. A change on
   * another replica shows within `LIMITS.inboxLookMsMax`. Ending the iterator ends the watch.
   */
  inboxChanges(by: Operator): AsyncIterableIterator<Instant>
  /** When this call changed, in the same way. Throws NOT_FOUND where the person may not see it. */
  callChanges(by: Operator, id: CallId): Promise<AsyncIterableIterator<Instant>>
  publicationStatus(by: Operator): Promise<PublicationStatus>
  /** Which sets were active, newest first; `before` is the `seq` to go on from. */
  policySets(by: Operator, first: number, before: number | undefined): Promise<readonly PolicyActivation[]>
  policySet(by: Operator, hash: string): Promise<StoredPolicySet | undefined>
  policyProposals(by: Operator, state: ProposalState | undefined, page: PageRequest<ProposalId>): Promise<Page<PolicyProposal>>
  policyProposal(by: Operator, id: ProposalId): Promise<PolicyProposal | undefined>
  /** Nothing binds until somebody else approves. Throws BAD_INPUT with every fault, POLICIES_CHANGED, LIMITED. */
  proposePolicies(by: Operator, draft: PolicyDraft): Promise<PolicyProposal>
  /** Throws NOT_ELIGIBLE for one's own, PROPOSAL_NOT_OPEN, POLICIES_CHANGED, NOT_FOUND. */
  reviewPolicyProposal(by: Operator, id: ProposalId, verdict: 'approve' | 'reject', comment: string | undefined): Promise<PolicyReview>
  /** Throws NOT_FOUND for a set that never was active, POLICIES_CHANGED, BAD_INPUT. */
  rollBackPolicies(by: Operator, policySet: string, why: string, emergency: boolean): Promise<RolledBack>
  /**
   * What a draft would have said to recorded calls, newest first; nothing of it binds or is kept. Names and counts alone: neither arguments nor facts.
   * Throws BAD_INPUT with every fault of the texts, FORBIDDEN, LIMITED, UNAVAILABLE.
   */
  simulatePolicies(by: Operator, asked: SimulationRequest): Promise<Simulation>
  /** All that `check` says of a draft; nothing of it binds or is kept. Throws FORBIDDEN, LIMITED, UNAVAILABLE. */
  checkPolicies(by: Operator, draft: DraftTexts, tests: readonly PolicyTests[]): Promise<PolicyCheck>
  /**
   * Requests that a draft decides otherwise than other texts, or than the active set where `against` is undefined; nothing of it binds or is kept. Throws
   * BAD_INPUT with every fault of the texts, FORBIDDEN, LIMITED, UNAVAILABLE.
   */
  diffPolicies(by: Operator, draft: DraftTexts, against: DraftTexts | undefined): Promise<PolicyDifference>
  /** The tests that the active set was published with, or those of the policy files where it came from files. */
  policyTests(by: Operator): Promise<readonly PolicyTests[]>
  /** The tests that a proposal came with; undefined where none are kept. */
  proposalTests(by: Operator, id: ProposalId): Promise<readonly PolicyTests[] | undefined>
  /** Figures of the calls that were made in a range, widened to whole hours. Throws BAD_INPUT. */
  callMetrics(by: Operator, range: MetricsRange, groupBy: FigureGroup, filter: FigureFilter, first: number): Promise<CallMetrics>
  /** Where calls of a range ended badly, the most frequent first. Throws BAD_INPUT. */
  exceptions(by: Operator, range: MetricsRange, first: number): Promise<readonly ExceptionRow[]>
  /** All for reading roles, for everyone else those that they gave or could give. */
  grants(by: Operator, filter: GrantFilter, page: PageRequest<GrantId>): Promise<Page<StandingGrant>>
  /** Undefined for who neither reads all nor could give it. */
  grant(by: Operator, id: GrantId): Promise<StandingGrant | undefined>
  /** The grant under which a call went on. */
  grantOfCall(by: Operator, call: Call): Promise<StandingGrant | undefined>
  /** The grant that a hold's approval gave. */
  grantGiven(by: Operator, hold: Hold): Promise<StandingGrant | undefined>
  /** Approves together with a standing grant: another hold takes the place of this one, votes before are void. Throws BAD_INPUT with every fault, LIMITED. */
  giveStanding(by: Operator, id: HoldId, digest: string, asked: StandingAsked, comment: string | undefined): Promise<Hold>
  /** Takes a proposed grant out of an open hold: votes before are void. */
  withdrawStanding(by: Operator, id: HoldId, digest: string, comment: string | undefined): Promise<Hold>
  /** Throws FORBIDDEN, NOT_FOUND, BAD_INPUT (no reason), GRANT_ENDED. */
  revokeGrant(by: Operator, id: GrantId, why: string): Promise<StandingGrant>
  /** Holds that one person approved alone. Throws FORBIDDEN without a reading role. */
  brokenGlass(by: Operator, state: BreakGlassState | undefined, page: PageRequest<BreakGlassId>): Promise<Page<BreakGlass>>
  brokenFor(by: Operator, hold: Hold): Promise<BreakGlass | undefined>
  /** Null where this person may approve the hold alone, as far as it is open. */
  whyNotBreakGlass(by: Operator, hold: Hold): Promise<string | null>
  whyNotReview(by: Operator, use: BreakGlass): string | null
  /** Throws NOT_ELIGIBLE, BAD_INPUT (no reason), HOLD_NOT_OPEN, NOT_FOUND. */
  breakGlass(by: Operator, id: HoldId, digest: string, reason: string): Promise<Hold>
  /** Throws NOT_ELIGIBLE, FORBIDDEN, NOT_FOUND, BAD_INPUT, GRANT_ENDED. */
  reviewBreakGlass(by: Operator, id: BreakGlassId, verdict: BreakGlassVerdict, comment: string): Promise<BreakGlass>
  /** Entries without payloads, newest first, for security and auditors. Throws FORBIDDEN. */
  entries(by: Operator, filter: EntryFilter, page: { first: number; after?: EntryPlace }): Promise<EntriesPage>
  /** Who looked at payloads, newest first, for security and auditors; of a call, of a person, or of both. Throws FORBIDDEN. */
  views(
    by: Operator,
    of: Pick<EntryFilter, 'call' | 'by' | 'since' | 'until'>,
    page: { first: number; after?: EntryPlace },
  ): Promise<EntriesPage>
  /** A run that a person started, or that calls name; undefined where neither is so. Throws FORBIDDEN. */
  run(by: Operator, id: string): Promise<RecordedRun | undefined>
  /** Calls drawn by lot: equal seeds and sizes of the log draw equal calls. Throws FORBIDDEN, BAD_INPUT. */
  sample(by: Operator, asked: SampleAsked): Promise<CallSample>
  /** The newest checkpoint of the log, and whose key to verify it with; null before its first entry. Throws FORBIDDEN, UNAVAILABLE. */
  checkpoint(by: Operator): Promise<(CosignedCheckpoint & { origin: string; vkey: string }) | null>
  /** Where the log begins that was not removed under retention. Throws FORBIDDEN, UNAVAILABLE. */
  logFloor(by: Operator): Promise<LogFloor>
  /** What is in the log of a call's entries. Throws NOT_FOUND, UNAVAILABLE. */
  callProofs(by: Operator, id: CallId): Promise<readonly LoggedEntry[]>
  erasePayloads(by: Operator, asked: ErasureAsked): Promise<ErasedCalls>
  /** Entries of the log for security and auditors; a look at payloads is recorded first. Throws FORBIDDEN, BAD_INPUT, UNAVAILABLE. */
  logPage(by: Operator, range: LogRange, first: number, payloads: boolean): Promise<readonly ExportedEntry[]>
  /** The text whose SHA-256 names a policy set; null where it is not kept. Throws FORBIDDEN, UNAVAILABLE. */
  wholePolicySet(by: Operator, hash: string): Promise<string | null>
  /** Records a request that was refused before anybody was known. Never throws: a record that is away does not turn a refusal into something else. */
  refused(error: { code: ErrorCode; message: string }): Promise<void>
  setCredential(by: Operator, connector: string, credential: string, value: JsonObject): Promise<{ version: number }>
}

/** What the operator schema resolves against: who asks, and what people can do. One object a request. */
export interface OperatorContext {
  by: Operator
  cases: OperatorUseCases
}
