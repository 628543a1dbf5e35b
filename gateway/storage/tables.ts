import type { PolicyTests } from '../ports/policy-source.ts'
import type { ColumnType, Generated, GeneratedAlways, Kysely, Transaction } from 'kysely'
import type { CallError, CallState, Door, Erasing, StoredResult } from '../core/call.ts'
import type { DenyReason } from '../core/decision.ts'
import type { Drift } from '../core/drift.ts'
import type { Playbook } from '../core/playbook.ts'
import type { ArgumentEdit } from '../core/edit.ts'
import type { EntryBody } from '../core/entry.ts'
import type { BreakGlass, BreakGlassState } from '../core/break-glass.ts'
import type { Grant, GrantAmount } from '../core/grant.ts'
import type { Hold, HoldState, Vote } from '../core/hold.ts'
import type { JsonObject } from '../core/json.ts'
import type { NoticeKind } from '../core/notice-kind.ts'
import type { Agent, AgentStatus } from '../core/principal.ts'
import type { DecisionResult } from '../core/rule-figures.ts'
import type { ExceptionStage } from '../ports/call-figures.ts'
import type { PolicyText } from '../ports/decider.ts'
import type { NoticeState } from '../ports/notice-queue.ts'
import type { ActivationSource, PolicyProposal, PolicySetTexts } from '../ports/policy-sets.ts'

/** Read as a value, written as JSON text. Columns are `json`, not `jsonb`: only the former keeps `\u0000` and the text as it was. */
export type Json<T> = ColumnType<T, string, string>

export interface EntryTable {
  process: string
  seq: number
  at_ms: number
  kind: string
  call_id: string | null
  /** Without its payload. */
  body: Json<EntryBody>
  /** Of the payload; null where it has none. */
  commitment: string | null
  /** Null also where the payload was erased. */
  sealed: string | null
}

/** What is never asked for by column. Only an edit of a held call changes it. */
export interface CallFacts {
  owner: string
  issuer: string
  actors: readonly string[]
  operationVersion: string
  input: JsonObject
  rationale: string | null
  run: string | null
  subject: string | null
  traceId: string | null
  edit?: ArgumentEdit
}

export interface CallTable {
  id: string
  door: Door
  agent: string
  subject: string | null
  connector: string
  operation: string
  run: string | null
  state: CallState
  deny_reason: DenyReason | null
  policies: Json<readonly string[]>
  hold_id: string | null
  intent: string | null
  /** The process that admitted it. */
  process: string
  facts: Json<CallFacts>
  upstream_status: number | null
  upstream_ms: number | null
  error: Json<CallError> | null
  result: Json<StoredResult> | null
  result_kept: 'none' | 'kept' | 'too_large'
  /** Null while its payload is there. */
  erased: ColumnType<Erasing | null, string | null | undefined, string | null>
  delivered: boolean
  created_at_ms: number
  updated_at_ms: number
  join_key: string | null
  /** The join key of edited arguments. */
  edited_key: string | null
  /** The join key while an equal call joins this one. */
  open_key: GeneratedAlways<string | null>
  /** The state but for `executing` and `completed`: what every call passes through stays out of the index. */
  rare_state: GeneratedAlways<CallState | null>
}

/** Where an entry stands. */
export interface AccountPlace {
  process: string
  seq: number
}

/** What an agent told of a trace. `subject` is the subject's JSON text. */
export interface AccountTable {
  trace_id: string
  agent: string
  subject: string
  spans: Generated<number>
  chars: Generated<number>
  entries: ColumnType<readonly AccountPlace[], string | undefined, string>
  /** It was erased, and takes nothing more. */
  closed: Generated<boolean>
  told_ms: number
}

/** An intent without an outcome, and the process that wrote it. */
export interface ExecutionTable {
  call_id: string
  process: string
}

export type HoldFacts = Pick<Hold, 'matched' | 'requires' | 'approvalVersions' | 'nonce'> &
  Partial<Pick<Hold, 'denyThreshold' | 'escalate' | 'edits' | 'excludes' | 'excluded' | 'standing' | 'gives'>>

export interface HoldTable {
  id: string
  call_id: string
  agent: string
  state: HoldState
  groups: string[]
  on_approval: Hold['onApproval']
  digest: string
  /** What never changes in it and is never asked for by column. Holds from before a term existed lack it. */
  facts: Json<HoldFacts>
  /** How many steps of its escalation have happened. */
  escalated: Generated<number>
  /** When the next one is due; null after the last. */
  escalates_at_ms: number | null
  /** When its voters are told that it is about to expire; null once they were. */
  warns_at_ms: number | null
  expires_at_ms: number
  created_at_ms: number
  decided_at_ms: number | null
}

export interface VoteTable {
  hold_id: string
  voter: string
  verdict: Vote['verdict']
  comment: Json<string | null>
  at_ms: number
  /** When the voter last looked at the arguments; null where they did not. */
  looked_at_ms: number | null
  /** Votes that were given with it, itself included. */
  among: Generated<number>
}

export interface RuleDecisionTable {
  policy_id: string
  hold_id: string
  agent: string
  result: DecisionResult
  opened_at_ms: number
  decided_at_ms: number
  votes: number
  quick: number
  unseen: number
}

export interface StandingGrantTable {
  id: string
  hold_id: string
  agent: string
  /** The subject's JSON text: one to one, `null` for none. */
  subject: string
  operation: string
  /** What never changes in it and is never asked for by column. */
  facts: Json<Omit<Grant, 'id' | 'holdId' | 'agent' | 'operation' | 'until' | 'maxUses'>>
  until_ms: number
  max_uses: number
  used: Generated<number>
  spent: Json<Readonly<Record<string, string>>>
  /** Neither a use nor a total is left. */
  used_up: Generated<boolean>
  ended: 'revoked' | 'dead' | null
  ended_at_ms: number | null
  ended_by: string | null
  why: Json<string | null>
}

/** The one grant that a call uses, while its use counts. */
export interface GrantUseTable {
  call_id: string
  grant_id: string
  amounts: Json<readonly GrantAmount[]>
}

export interface BreakGlassTable {
  id: string
  hold_id: string
  by: string
  facts: Json<Pick<BreakGlass, 'callId' | 'reason' | 'until' | 'review'>>
  state: BreakGlassState
  due_ms: number
  created_at_ms: number
  reviewer: string | null
}

export interface IdempotencyKeyTable {
  scope: string
  call_id: string
  arguments_digest: string
  expires_at_ms: number
}

export interface AgentTable {
  name: string
  attributes: Json<Omit<Agent, 'name' | 'status' | 'epoch'>>
  status: AgentStatus
  /** Who set the status: `configuration`, or an operator, whose word configuration does not overrule. */
  status_by: string
  seeded: boolean
  epoch: number
  /** Value of the change counter at the last change, so that others read only what is new. */
  change: number
  registered_by: string
  /** Public keys that it was registered with; null where it has none, or configuration knows them. */
  keys: Json<readonly JsonObject[]> | null
}

/** One change of an agent, as its entry tells it. */
export interface AgentHistoryTable {
  agent: string
  epoch: number
  at_ms: number
  by: string
  /** Afterwards; null where an entry of before did not say. */
  status: AgentStatus | null
  change: Json<string>
  why: Json<string | null>
}

export interface AgentChangeTable {
  counter: number
}

/** What a system says of itself that nobody has reviewed. */
export interface ConnectorDriftTable {
  connector: string
  subject: string
  operation: string | null
  change: Drift['change']
  reviewed_version: string | null
  seen_version: string | null
  reviewed: Json<string | null>
  seen: Json<string | null>
  since_ms: number
}

export interface PlaybookTable {
  name: string
  version: string
  digest: string
  body: Json<Omit<Playbook, 'name' | 'version' | 'digest'>>
  since_ms: number
}

export interface ProcessTable {
  id: string
  /** Grows when the process lost a connection: what was sent over the old one is refused from then on. */
  session: number
  started_ms: number
  heartbeat_ms: number
  lapsed_at_ms: number | null
}

export interface CredentialTable {
  connector: string
  name: string
  version: number
  kind: string
  sealed: string
  set_at_ms: number
}

export interface GatewayStateTable {
  policy_set: string | null
  files_digest: string | null
  holds_reviewed: string | null
}

export interface PolicySetTable {
  hash: string
  texts: Json<PolicySetTexts>
  policies: Json<readonly PolicyText[]>
  stored_ms: number
}

/** Sets that were last in force before there was this table have none. */
export interface PolicySetWholeTable {
  hash: string
  whole: string
}

export interface PolicyProposalTable {
  id: string
  change: PolicyProposal['change']
  state: PolicyProposal['state']
  policy_set: string
  base: string
  by: string
  facts: Json<Pick<PolicyProposal, 'note' | 'remarks'>>
  /** Null for proposals from before tests were kept, and for roll-backs. */
  tests: Json<readonly PolicyTests[] | null> | null
  reviewer: string | null
  comment: Json<string | null>
  proposed_ms: number
  decided_ms: number | null
}

export interface PolicyActivationTable {
  seq: GeneratedAlways<number>
  policy_set: string
  base: string | null
  source: ActivationSource
  roll_back: boolean
  by: string
  reviewer: string | null
  why: Json<string | null>
  proposal: string | null
  at_ms: number
}

/** Who proposed a policy's text that became active. */
export interface PolicyPublisherTable {
  policy_id: string
  policy_hash: string
  person: string
}

/** What is locked for a key, and its streak. */
export interface CounterTable {
  id: Generated<number>
  key: string
  streak: Generated<number>
  streak_series: string | null
}

/** What one call counts for under one key. */
export interface CounterEventTable {
  counter: number
  call_id: string
  at_ms: number
  /** Decimal text. */
  amount: string | null
  /** Taken from the record later, when the call had not ended well yet: looked at again once it ended. */
  filled_in: Generated<boolean>
}

/** Events of a minute, an hour or a day together. One without events does not exist. */
export interface CounterBucketTable {
  counter: number
  width_ms: number
  start_ms: number
  calls: number
  total: string
}

export interface CounterSeriesTable {
  series: string
  from_ms: number
  /** Null while every intent reserves in the series. */
  until_ms: number | null
}

export interface LabelTable {
  agent: string
  /** The subject's JSON text: one to one, `null` for none. */
  subject: string
  /** A minted run, or empty for agent and subject whatever run is named. */
  run: string
  label: string
  last_at_ms: number
}

export interface MintedRunTable {
  id: string
  agent: string
  subject: string
  started_by: string
  started_ms: number
}

/** A reader of the whole record. Whose lease it is reads on; another process may take it after `until_ms`, by the database's clock. */
export interface FollowerTable {
  name: string
  owner: string | null
  until_ms: Generated<number>
}

/** The last entry of a process that a follower has taken. `ended`: the process is gone, and no entry of it is left. */
export interface FollowerPositionTable {
  follower: string
  process: string
  seq: number
  ended: Generated<boolean>
}

/** A value that calls are found by. */
export interface SearchValueTable {
  id: Generated<number>
  facet: SearchFacet
  value: string
}

/** What a text search finds a value by. */
export interface SearchWordTable {
  word: string
  value: number
}

/** A call that has a value which no column of it has. */
export interface SearchHitTable {
  value: number
  call_id: string
}

/** `owner` stands for the JSON text of owner and agent, `word` for a word of what an agent said, `set` for a policy set whose reasons are known. */
export type SearchFacet = 'agent' | 'subject' | 'operation' | 'owner' | 'policy' | 'object' | 'voter' | 'label' | 'word' | 'set'
/** Of the hour or the day (`width_ms`) that began at `at_ms`. */
interface FigureBucket {
  width_ms: number
  at_ms: number
}

/** 0: of all calls, 1: of an agent, 2: of an operation, 3: of an agent and an operation. */
export type FigureLevel = 0 | 1 | 2 | 3

/** How many of the calls that were made in it. */
export interface CallFigureTable extends FigureBucket {
  level: FigureLevel
  agent: string
  connector: string
  operation: string
  calls: number
  permitted: number
  held: number
  denied: number
  completed: number
  failed: number
  in_doubt: number
  rejected: number
  expired: number
  cancelled: number
  edited: number
  granted: number
}

export interface CallDurationTable extends FigureBucket {
  level: FigureLevel
  agent: string
  connector: string
  operation: string
  measure: 'upstream' | 'hold'
  bucket: number
  count: number
}

export interface CallExceptionTable extends FigureBucket {
  /** Empty for requests that never became a call. */
  connector: string
  stage: ExceptionStage
  reason: string
  count: number
}

/** Something that one person is to be told over one channel. */
export interface NoticeTable {
  /** The entry that it tells of. */
  process: string
  seq: number
  recipient: string
  channel: string
  id: string
  kind: NoticeKind
  /** The recipient may vote; else they are only told. */
  asked: boolean
  call_id: string | null
  hold_id: string | null
  state: Generated<NoticeState>
  /** How many times it was taken up to be sent. */
  attempts: Generated<number>
  /** The next attempt; while somebody sends it, when others may take it over. */
  due_at_ms: number
  created_at_ms: number
  ended_at_ms: number | null
  why: string | null
}

export interface NoticeLinkTable {
  /** SHA-256 of the secret in the link. */
  digest: string
  person: string
  hold_id: string
  expires_at_ms: number
  used_at_ms: number | null
}

/** The log's tree: leaves at level 0, above that hashes of full tiles. */
export interface LogHashTable {
  level: number
  index: number
  /** Base64. */
  hash: string
}

export interface LogLeafTable {
  index: number
  process: string
  seq: number
}

export interface LogStateTable {
  size: number
  checkpoint: string | null
  at_ms: number | null
}

/** How far the beginning of the log was removed: `removed` <= `floor` <= `announced`. */
export interface LogFloorTable {
  removed: number
  floor: number
  announced: number
  /** Of the entry that says so of `floor`. */
  entry_index: number | null
  last_call: string | null
  newest_ms: number | null
  held_by: string | null
  vacuumed: Generated<number>
}

/** The last entry below what was announced, of a process that has any. */
export interface LogFloorProcessTable {
  process: string
  seq: number
}

/** Leaf hashes of a tile whose entries were removed. */
export interface LogTileTable {
  index: number
  hashes: Uint8Array
}

export interface LogPublishedTable {
  one: Generated<boolean>
  size: Generated<number>
  checkpoint: string | null
  at_ms: number | null
  owner: string | null
  until_ms: Generated<number>
}

export interface LogCosignatureTable {
  witness: string
  size: number
  line: string
  at_ms: number
}

/** How far retention has come. */
export interface RetentionSweepTable {
  what: 'payloads' | 'results' | 'entries'
  at_ms: Generated<number>
  process: Generated<string>
  seq: Generated<number>
  call_id: Generated<string>
}

/** A call that retention passed while it was still needed. */
export interface RetentionLeftTable {
  what: 'payloads' | 'results'
  call_id: string
  tried_ms: number
}

export interface Tables {
  entry: EntryTable
  log_hash: LogHashTable
  log_leaf: LogLeafTable
  log_state: LogStateTable
  log_floor: LogFloorTable
  log_floor_process: LogFloorProcessTable
  log_tile: LogTileTable
  log_published: LogPublishedTable
  log_cosignature: LogCosignatureTable
  retention_sweep: RetentionSweepTable
  retention_left: RetentionLeftTable
  call: CallTable
  account: AccountTable
  execution: ExecutionTable
  hold: HoldTable
  vote: VoteTable
  rule_decision: RuleDecisionTable
  standing_grant: StandingGrantTable
  grant_use: GrantUseTable
  break_glass: BreakGlassTable
  idempotency_key: IdempotencyKeyTable
  agent: AgentTable
  agent_change: AgentChangeTable
  agent_history: AgentHistoryTable
  connector_drift: ConnectorDriftTable
  playbook: PlaybookTable
  process: ProcessTable
  credential: CredentialTable
  gateway_state: GatewayStateTable
  policy_set: PolicySetTable
  policy_set_whole: PolicySetWholeTable
  policy_proposal: PolicyProposalTable
  policy_activation: PolicyActivationTable
  policy_publisher: PolicyPublisherTable
  counter: CounterTable
  counter_event: CounterEventTable
  counter_bucket: CounterBucketTable
  counter_series: CounterSeriesTable
  label: LabelTable
  minted_run: MintedRunTable
  follower: FollowerTable
  follower_position: FollowerPositionTable
  search_value: SearchValueTable
  search_word: SearchWordTable
  search_hit: SearchHitTable
  call_figure: CallFigureTable
  call_duration: CallDurationTable
  call_exception: CallExceptionTable
  notice: NoticeTable
  notice_link: NoticeLinkTable
}

export type Db = Kysely<Tables>
export type Tx = Transaction<Tables>

/**
 * PostgreSQL text holds no NUL. A column that copies what an agent wrote shows U+FFFD in its place; the entry keeps the original.
 */
export const withoutNul = (text: string): string => (text.includes('\0') ? text.replaceAll('\0', '\ufffd') : text)
