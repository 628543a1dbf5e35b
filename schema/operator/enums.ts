import { registerEnumType } from 'type-graphql'
import { ACCOUNT_SPAN_KINDS, ACCOUNT_SPAN_STATUSES, type AccountMessage, type AccountSpan } from '../../gateway/core/account.ts'
import { CALL_STATES, type CallState, type Door, type OutcomeKind } from '../../gateway/core/call.ts'
import type { DenyReason, Verdict } from '../../gateway/core/decision.ts'
import { CHANGES, type Change, CLASS_CHANGES, type ClassChange } from '../../gateway/core/decision-change.ts'
import type { ConnectorHealth } from '../../gateway/core/connector-health.ts'
import type { Drift } from '../../gateway/core/drift.ts'
import { BREAK_GLASS_STATES, type BreakGlassState, type BreakGlassVerdict } from '../../gateway/core/break-glass.ts'
import { type Constraint, GRANT_STATES, type GrantState } from '../../gateway/core/grant.ts'
import { HOLD_STATES, type HoldState } from '../../gateway/core/hold.ts'
import type { Mode, Reversibility } from '../../gateway/core/operation.ts'
import type { AgentStatus } from '../../gateway/core/principal.ts'
import type { Finding } from '../../gateway/ports/policy-drafts.ts'
import { EXCEPTION_STAGES, type ExceptionStage, type FigureGroup } from '../../gateway/ports/call-figures.ts'
import { type ActivationSource, PROPOSAL_STATES, type PolicyProposal, type ProposalState } from '../../gateway/ports/policy-sets.ts'

/** A GraphQL enum whose names are the words of the record, so that one thing has one word everywhere. */
function words<T extends string>(name: string, description: string, values: readonly T[], as: (word: T) => string = (word) => word) {
  const members = Object.fromEntries(values.map((word) => [as(word), word])) as Record<string, T>
  registerEnumType(members, { name, description })
  return members
}

const underscored = (word: string): string => word.replaceAll('-', '_')

export const CallStateEnum = words<CallState>('CallState', 'State of a call.', CALL_STATES)
export const HoldStateEnum = words<HoldState>('HoldState', 'State of a hold.', HOLD_STATES)
export const DoorEnum = words<Door>('Door', 'The door a call came through.', ['graphql', 'mcp', 'http'])
export const EffectEnum = words<Verdict['effect']>('DecisionOutcome', 'What policy says.', ['permit', 'hold', 'deny'])
export const DenyReasonEnum = words<DenyReason>('DenyReason', 'Why policy denied.', ['no_permit', 'forbidden', 'policy_error'])
export const ChangeEnum = words<Change>('DecisionChange', 'How another policy set decides.', CHANGES, underscored)
export const ClassChangeEnum = words<ClassChange>('ClassChange', 'What happens to a data class in answers.', CLASS_CHANGES, underscored)
export const FindingSeverityEnum = words<Finding['severity']>(
  'FindingSeverity',
  'An `error` is a control that cannot work, whoever is registered tomorrow.',
  ['error', 'warning'],
)
export const OutcomeKindEnum = words<OutcomeKind>('OutcomeKind', 'How an execution ended.', ['completed', 'failed', 'in_doubt', 'not_sent'])
export const AccountSpanKindEnum = words<AccountSpan['kind']>('AccountSpanKind', 'Kind of a span (OpenTelemetry).', ACCOUNT_SPAN_KINDS)
export const AccountSpanStatusEnum = words<AccountSpan['status']>(
  'AccountSpanStatus',
  'How a span ended, as the agent says.',
  ACCOUNT_SPAN_STATUSES,
)
export const AccountSideEnum = words<AccountMessage['side']>('AccountSide', 'What a model was given, or what it answered.', [
  'input',
  'output',
])
export const ModeEnum = words<Mode>('Mode', 'Whether an operation reads or writes.', ['read', 'write'])
export const ReversibilityEnum = words<Reversibility>(
  'Reversibility',
  'Whether the effect of an operation can be undone.',
  ['read-only', 'reversible', 'externally-reversible', 'irreversible'],
  underscored,
)
export const AgentStatusEnum = words<AgentStatus>('AgentStatus', 'Only active agents pass a door.', [
  'proposed',
  'active',
  'suspended',
  'retired',
])
export const VerdictEnum = words('VoteVerdict', 'A vote.', ['approve', 'reject'])
export const HoldOrderEnum = words('HoldOrder', 'NEWEST first, or what EXPIRES soonest first.', ['NEWEST', 'EXPIRES'])
export const EffectWordEnum = words('CallEffect', 'What a person found out about a call in doubt.', ['HAPPENED', 'DID_NOT_HAPPEN'])
export const ProposalStateEnum = words<ProposalState>(
  'PolicyProposalState',
  'State of a proposal; `active` is one that was approved, and became the active set then.',
  PROPOSAL_STATES,
)
export const PolicyChangeEnum = words<PolicyProposal['change']>(
  'PolicyChange',
  'New texts, or a set that was active before.',
  ['publish', 'roll-back'],
  underscored,
)
export const ActivationSourceEnum = words<ActivationSource>(
  'PolicyActivationSource',
  'How a set became active: edited `files`; changed `connectors`, the same texts; a `review`; an `emergency`, without review.',
  ['files', 'connectors', 'review', 'emergency'],
)
export const PolicyVerdictEnum = words('PolicyVerdict', 'What a reviewer says of a proposal.', ['APPROVE', 'REJECT'])
export const MetricsGroupEnum = words<FigureGroup>('MetricsGroup', 'What the rows of figures are.', [
  'TOTAL',
  'HOUR',
  'DAY',
  'AGENT',
  'CONNECTOR',
  'OPERATION',
])
export const ExceptionStageEnum = words<ExceptionStage>(
  'ExceptionStage',
  'Where it ended: at the door, by policy, by people, by time, at the system, or nobody knows.',
  EXCEPTION_STAGES,
)
export const HealthEnum = words<ConnectorHealth['state']>(
  'ConnectorHealthState',
  'Whether the system answered the last call; `unknown` where none of the last calls reached it.',
  ['healthy', 'failing', 'unknown'],
)
export const DriftChangeEnum = words<Drift['change']>('DriftChange', 'How a system describes itself otherwise than it was reviewed.', [
  'changed',
  'missing',
  'new',
])
export const GrantStateEnum = words<GrantState>(
  'GrantState',
  'State of a standing grant: `revoked` by a person, `dead` since a policy, an approval, the operation or a giver changed.',
  GRANT_STATES,
)
export const ConstraintKindEnum = words<Constraint['kind']>(
  'ConstraintKind',
  '`any` value and none at all pass; the others need the argument: `exactly` one value, `one_of` some, or a number from zero to `at_most`.',
  ['exactly', 'one_of', 'at_most', 'any'],
)
export const BreakGlassStateEnum = words<BreakGlassState>(
  'BreakGlassState',
  'Whether its review is `due`, was not made in time (`lapsed`), or was made.',
  BREAK_GLASS_STATES,
)
export const BreakGlassVerdictEnum = words<BreakGlassVerdict>('BreakGlassVerdict', 'What a reviewer says.', ['justified', 'unjustified'])
