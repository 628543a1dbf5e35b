import type { AccountDropped, AccountOf, AccountSpan } from './account.ts'
import type { AgentDoor, Asserted, Door, Outcome } from './call.ts'
import type { Instant } from './clock.ts'
import type { Decision } from './decision.ts'
import type { DriftSummary } from './drift.ts'
import type { ArgumentChange } from './edit.ts'
import type { ErrorCode, Fault } from './errors.ts'
import type { Reservation } from './facts.ts'
import type { BreakGlassVerdict } from './break-glass.ts'
import type { Grant, GrantAmount, StandingTerms } from './grant.ts'
import type { BreakGlassId, CallId, GrantId, HoldId, IntentId, OperationId, ProposalId } from './ids.ts'
import type { JsonObject } from './json.ts'
import type { Operation } from './operation.ts'
import type { AgentAttributes, AgentStatus, Principal } from './principal.ts'
import type { CountedVoter, Hold, HoldState } from './hold.ts'
import type { NoticeKind } from './notice-kind.ts'

/** Who and what a decision is about: the request part of a decision entry. */
export interface CallRequest {
  door: Door
  agent: string
  agentEpoch: number
  owner: string
  subject: string | null
  issuer: string
  actors: readonly string[]
  operation: OperationId
  operationVersion: string
  /** Canonical arguments. */
  input: JsonObject
  asserted: Asserted
  traceId: string | null
}

/** The request part as one value from what is decided about: fresh calls, releases and dry decisions write the same. */
export function callRequest(
  {
    door,
    principal,
    operation,
    input,
    asserted,
  }: { door: Door; principal: Principal; operation: Operation; input: JsonObject; asserted: Asserted },
  traceId: string | null,
): CallRequest {
  return {
    door,
    agent: principal.agent.name,
    agentEpoch: principal.agent.epoch,
    owner: principal.agent.owner,
    subject: principal.subject ?? null,
    issuer: principal.issuer,
    actors: principal.actors,
    operation: operation.id,
    operationVersion: operation.version,
    input,
    asserted,
    traceId,
  }
}

/** The body of an entry, by kind. Everything an auditor needs, nothing secret. */
export type EntryBody =
  /** `reserves`: what a permitted call that waits for its turn added to counters. */
  | { kind: 'decision'; request: CallRequest; decision: Decision; release: HoldId | null; reserves?: readonly Reservation[] }
  /** `reserves`: what the call added to counters with it. */
  | { kind: 'intent'; intent: IntentId; agentEpoch: number; policySet: string; consumes: HoldId | null; reserves?: readonly Reservation[] }
  | { kind: 'outcome'; intent: IntentId; outcome: Outcome }
  /** Labels that the call's result brought to agent and subject. */
  | { kind: 'labelled'; agent: string; subject: string | null; run: string | null; labels: readonly string[] }
  | { kind: 'run.started'; run: string; agent: string; subject: string | null; by: string }
  | { kind: 'hold.opened'; hold: Hold }
  /** `counted`: whose votes approved or rejected it, with those groups that it asks and the voter was in then; absent in entries of before. */
  | {
      kind: 'hold.changed'
      hold: HoldId
      from: HoldState
      to: HoldState
      by: string
      why?: string
      counted?: readonly CountedVoter[]
    }
  /** A step of the hold's escalation, from 1: members of `to` may fill the seats of `seats` from here on. */
  | { kind: 'hold.escalated'; hold: HoldId; step: number; to: string | null; seats: readonly string[]; notify: readonly string[] }
  /** Nobody has decided, and what is left of its life is short (`core/notice.ts`). Once a hold. */
  | { kind: 'hold.expiring'; hold: HoldId; expiresAt: Instant }
  /** Other arguments took the place of those in the decision before it; the next decision has them whole. */
  | { kind: 'hold.edited'; hold: HoldId; by: string; comment: string | null; changes: readonly ArgumentChange[] }
  /**
   * `among`: so many votes were given together, this one included; absent for one alone. `groups`: those that the hold asks and the voter was in; absent in
   * entries of before.
   */
  | {
      kind: 'vote'
      hold: HoldId
      voter: string
      verdict: 'approve' | 'reject'
      comment: string | null
      digest: string
      among?: number
      groups?: readonly string[]
    }
  /** Another hold took the place of `replaces`: with its approval comes what `gives` says, or nothing beside the one call any more. */
  | { kind: 'grant.proposed'; hold: HoldId; replaces: HoldId; by: string; comment: string | null; gives: StandingTerms | null }
  | { kind: 'grant.opened'; grant: Grant }
  /** The call was held by policy, and goes on under this grant. Where the call comes to nothing it is given back, as what counters count. */
  | { kind: 'grant.used'; grant: GrantId; use: number; amounts: readonly GrantAmount[] }
  | { kind: 'grant.revoked'; grant: GrantId; by: string; why: string }
  /** What it rested on is gone. */
  | { kind: 'grant.died'; grant: GrantId; why: string }
  /** One person approved the hold in the place of all whom it asked. `until`: when that approval ends. */
  | { kind: 'grant.break_glass'; id: BreakGlassId; hold: HoldId; by: string; reason: string; until: Instant; reviewDue: Instant }
  /** Nobody reviewed it in time: from here on nobody breaks the glass until somebody does. */
  | { kind: 'grant.review_lapsed'; id: BreakGlassId; by: string }
  | { kind: 'grant.reviewed'; id: BreakGlassId; by: string; verdict: BreakGlassVerdict; comment: string }
  /** A call that was permitted and ends without an intent. */
  | { kind: 'cancelled'; by: string; why: string }
  /** The process that wrote the call's intent is gone: the call is in doubt from here on. */
  | { kind: 'lapsed'; process: string }
  | { kind: 'resolved'; by: string; effect: 'HAPPENED' | 'DID_NOT_HAPPEN'; evidence: string }
  | {
      kind: 'refused'
      door: AgentDoor | 'operator' | 'oauth'
      agent: string | null
      asked: string | null
      code: ErrorCode
      message: string
      faults: readonly Fault[]
    }
  /** A channel took it. Neither content nor address; `attempt` counts from 1. */
  | { kind: 'notice.sent'; notice: NoticeKind; person: string; channel: string; hold: HoldId | null; attempt: number }
  | { kind: 'notice.given_up'; notice: NoticeKind; person: string; channel: string; hold: HoldId | null; attempt: number; why: string }
  /** `status`, `why`: afterwards, and what the person said; entries from before there was a life cycle say both in `change`. */
  | {
      kind: 'agent.changed'
      agent: string
      by: string
      change: string
      epoch: number
      status?: AgentStatus
      why?: string
      /** Of an agent that was registered or whose attributes changed. */
      attributes?: AgentAttributes
      /** Thumbprints of the public keys that it was registered with. */
      keys?: readonly string[]
    }
  | { kind: 'agent.token'; agent: string; by: string; subject: string | null }
  | { kind: 'person.token'; person: string; by: string }
  | { kind: 'person.link'; person: string; by: string }
  | { kind: 'person.session'; person: string; change: 'signed_in' | 'signed_out' }
  | { kind: 'credential.set'; connector: string; credential: string; version: number; by: string }
  /** A system describes itself otherwise than people reviewed it: changed and missing operations are refused from here on. */
  | { kind: 'connector.drift_found'; connector: string; drift: readonly DriftSummary[] }
  /** The reviewed description was imported anew. */
  | { kind: 'connector.drift_reviewed'; connector: string; subjects: readonly string[] }
  /** The system describes itself as it was reviewed again. */
  | { kind: 'connector.drift_gone'; connector: string; subjects: readonly string[] }
  /**
   * What an agent told of a trace in one request: its own account, unverified. It joins the calls with the same trace id, agent and subject, before and
   * after it. `count`: of `told`, which is payload.
   */
  | ({ kind: 'account'; count: number; dropped: AccountDropped; masked: readonly string[]; told: readonly AccountSpan[] } & AccountOf)
  /** Agents may fetch this version from here on. Digests as in `core/playbook.ts`. */
  | { kind: 'playbook.served'; playbook: string; version: string; digest: string; schema: string }
  | { kind: 'explained'; by: string; request: CallRequest; decision: Decision }
  | { kind: 'view'; by: string; what: string }
  /** The payloads of these calls were destroyed, with the keys and salts of so many entries. Says nothing of what they were. */
  | { kind: 'erased'; calls: readonly CallId[]; by: string; why: string; entries: number }
  /**
   * The log begins at `floor` from here on: so many entries before it, the newest of that time, go under retention. `processes`: the last entry that goes of
   * each process that has others or may write some. `lastCall`: calls of later ids have lost nothing. `checkpoint`: of the log as it was before.
   */
  | {
      kind: 'log.pruned'
      floor: number
      entries: number
      newest: Instant | null
      lastCall: CallId | null
      processes: readonly { process: string; seq: number }[]
      checkpoint: { size: number; root: string }
      by: string
      why: string
    }
  /** The database was put back to an older state: of the log `from` only `to` is left, null where nothing is. Who keeps a checkpoint of between will see it. */
  | {
      kind: 'log.restored'
      from: { size: number; root: string }
      to: { size: number; root: string } | null
      by: string
      why: string
    }
  | {
      kind: 'policy.proposed'
      proposal: ProposalId
      /** `roll-back`: the set was active before. */
      change: 'publish' | 'roll-back'
      policySet: string
      /** The set that was active when it was proposed, and has to be when it is approved. */
      base: string
      by: string
      note: string
    }
  | {
      kind: 'policy.reviewed'
      proposal: ProposalId
      policySet: string
      by: string
      verdict: 'approve' | 'reject'
      comment: string | null
    }
  /** From here on intents bind to this set. `policies`: id to SHA-256 hex of the text. */
  | {
      kind: 'policy.activated'
      policySet: string
      base: string | null
      /** `connectors`: the same texts, typed against operations that changed. */
      source: 'files' | 'connectors' | 'review'
      by: string
      proposal: ProposalId | null
      why: string | null
      policies: Readonly<Record<string, string>>
    }
  | {
      kind: 'policy.rolled_back'
      policySet: string
      base: string
      by: string
      why: string
      proposal: ProposalId | null
      /** Without a review. */
      emergency: boolean
    }
  /** A change that was not taken. `policySet` is null where the texts never became a set. */
  | {
      kind: 'policy.refused'
      change: 'publish' | 'roll-back' | 'review' | 'files'
      by: string
      policySet: string | null
      base: string | null
      code: ErrorCode
      message: string
      faults: readonly Fault[]
    }

export type EntryKind = EntryBody['kind']

/** An entry as stored: `seq` is dense for each process, from 1. */
export interface Entry {
  process: string
  seq: number
  at: Instant
  callId: CallId | null
  body: EntryBody
  /** SHA-256 hex over salt and payload, as the log holds it; null where the entry has none. */
  commitment: string | null
  /** The payload was erased: `body` has blanks in its place. */
  erased?: boolean
  /** The payload does not open, since somebody altered it in the database: `body` has blanks in its place. */
  unreadable?: boolean
}
