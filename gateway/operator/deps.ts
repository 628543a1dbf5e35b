import type { Asserted, Call, Door } from '../core/call.ts'
import type { Clock } from '../core/clock.ts'
import type { Facts } from '../core/facts.ts'
import type { BreakGlassRule } from '../core/break-glass.ts'
import type { StandingTerms } from '../core/grant.ts'
import type { Hold } from '../core/hold.ts'
import type { BreakGlassId, CallId, GrantId, OperationId, ProposalId, RunId } from '../core/ids.ts'
import type { JsonObject, JsonValue } from '../core/json.ts'
import type { Catalogue, Operation } from '../core/operation.ts'
import type { Principal } from '../core/principal.ts'
import type { Bus } from '../ports/bus.ts'
import type { CallFigures } from '../ports/call-figures.ts'
import type { CallStore } from '../ports/call-store.ts'
import type { Decider, Explanation, NearMiss } from '../ports/decider.ts'
import type { NoticeQueue } from '../ports/notice-queue.ts'
import type { Erasure } from '../ports/erasure.ts'
import type { DriftStore } from '../ports/drift-store.ts'
import type { Grants } from '../ports/grants.ts'
import type { TransparencyLog } from '../ports/log.ts'
import type { PlaybookStore } from '../ports/playbook-store.ts'
import type { PolicySets } from '../ports/policy-sets.ts'
import type { PolicyDrafts } from '../ports/policy-drafts.ts'
import type { PolicyFile, PolicyTests } from '../ports/policy-source.ts'
import type { Publisher } from '../ports/publisher.ts'
import type { Recorder, StreakCounter } from '../ports/recorder.ts'
import type { RecordSearch } from '../ports/record-search.ts'
import type { Registry } from '../ports/registry.ts'
import type { Simulator } from '../ports/simulator.ts'
import type { Log, Telemetry } from '../ports/telemetry.ts'
import type { Vault } from '../ports/vault.ts'

/** Makes development tokens. Only a development issuer has one. */
export interface DevelopmentTokens {
  mintAgent(agent: string, subject: string | undefined): Promise<string>
  mintPerson(name: string): Promise<string>
  /** The whole address of a link that signs this person in once. */
  signInLink(name: string): string
}

/** A call that nobody made. */
export interface DrySubject {
  door: Door
  principal: Principal
  operation: Operation
  input: JsonObject
  asserted: Asserted
}

/** Everything that people's use cases need, wired once by the composition root. */
export interface OperatorDeps {
  store: CallStore
  figures: CallFigures
  search: RecordSearch
  recorder: Recorder
  registry: Registry
  /** Read anew for every question: a new policy set replaces the decider. */
  decider(): Decider
  catalogue(): Catalogue
  policySets: PolicySets
  notices: Pick<NoticeQueue, 'useLink' | 'givenUp'>
  drifts: Pick<DriftStore, 'of' | 'count'>
  playbooks: Pick<PlaybookStore, 'served'>
  transparency: TransparencyLog
  publisher: Publisher
  simulator: Simulator
  drafts: PolicyDrafts
  /** The tests beside the policy files, as they are now. Throws UNAVAILABLE. */
  policyTestFiles(): readonly PolicyTests[]
  /** Rules of the library as they are configured: they belong to every draft, since nobody drafts them. */
  libraryFiles: readonly PolicyFile[]
  /** What detectors find in arguments. Bounded in time. */
  findings(input: JsonObject): readonly string[]
  newProposalId(): ProposalId
  /** The near misses of a recorded decision, under the set that made it; null where that set cannot be asked any more. */
  nearMisses(policySet: string, operation: OperationId, request: JsonObject): Promise<readonly NearMiss[] | null>
  vault: Vault
  /** Null where the issuer is not a development issuer. */
  developmentTokens: DevelopmentTokens | null
  clock: Clock
  bus: Bus
  log: Log
  count: Telemetry['count']
  /** The canonical form of an input that is valid for the operation. Throws BAD_INPUT. */
  prepare(operation: Operation, input: JsonObject): JsonObject
  /**
   * Decides without consequences, on facts as they stand and those that are given. Counters are read only where `readsHistory`: their answers tell what
   * other calls had in them. Throws UNAVAILABLE.
   */
  decideDry(subject: DrySubject, given: Partial<Facts>, readsHistory: boolean): Promise<Explanation>
  /** Counters of clean approvals that the end of this call's hold changes. */
  streaksOf(call: Call): readonly StreakCounter[]
  /** Decides an open hold's call again with other arguments. False where the hold changed meanwhile. Throws HOLD_NOT_OPEN, UNAVAILABLE. */
  editHeld(call: Call, hold: Hold, edit: { input: JsonObject; by: string; comment: string | null }): Promise<boolean>
  grants: Grants
  erasure: Erasure
  /** Null where nobody may approve alone. */
  breakGlass: BreakGlassRule | null
  newGrantId(): GrantId
  newBreakGlassId(): BreakGlassId
  /** Puts a hold with other terms of a grant in the place of an open one; undefined where that changed meanwhile. Throws HOLD_NOT_OPEN, UNAVAILABLE. */
  proposeStanding(
    call: Call,
    hold: Hold,
    proposal: { gives: StandingTerms | null; by: string; comment: string | null },
  ): Promise<Hold | undefined>
  newRunId(): RunId
  /** Keys that an agent may be registered with, public members only, and their thumbprints. Throws BAD_INPUT. */
  readPublicKeys(given: readonly JsonValue[]): Promise<{ keys: readonly JsonObject[]; thumbprints: readonly string[] }>
  /** The key under which equal calls join. */
  joinKeyOf(call: Call): string
  /** Told after an approval is durable, so that a hold with `on_approval: execute` is released. Must not throw. */
  afterApproval(callId: CallId): void
}
