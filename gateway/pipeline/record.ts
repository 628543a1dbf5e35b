import type { Call, CallState, Outcome, StoredResult } from '../core/call.ts'
import { after } from '../core/clock.ts'
import { type Decision, unreachable } from '../core/decision.ts'
import { callRequest } from '../core/entry.ts'
import type { Hold } from '../core/hold.ts'
import type { CallId, IntentId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Guards, NewCallResult, Release, ReleaseResult } from '../ports/recorder.ts'
import type { Span } from '../ports/telemetry.ts'
import { type Permit, permitOf, type Subject } from './decide.ts'
import type { Run } from './run.ts'
import { argumentsDigest, joinKeyOf, openHold } from './hold.ts'
import type { Parts } from './stages.ts'

export interface Recording {
  callId: CallId
  subject: Subject
  traceId: string
  idempotency: { key: string; responseKey: string | undefined } | null
  /** `now`: the intent commits with the decision. `later`: another field of the document runs first. */
  intent: 'now' | 'later'
}

/** What the record made of a fresh call. */
export type Recorded =
  | { kind: 'permitted'; permit: Permit; intent: IntentId | null }
  | { kind: 'held'; hold: Hold }
  | { kind: 'denied' }
  | Exclude<NewCallResult, { kind: 'recorded' }>

/** Writes decision, and with it the hold or the intent, in one transaction. Throws UNAVAILABLE: then nothing may happen. */
export async function recordDecision(parts: Parts, recording: Recording, decision: Decision): Promise<Recorded> {
  const { callId, subject } = recording
  const { verdict } = decision
  const permit = permitOf(decision)
  const hold = verdict.effect === 'hold' ? openHold(parts, callId, subject, verdict.holds) : undefined
  const intent = permit && recording.intent === 'now' ? intentOf(callId) : undefined
  const result = await parts.recorder.admit({
    call: newCall(parts, recording, decision, hold, stateOf(decision, intent)),
    request: callRequest(subject, recording.traceId),
    decision,
    ...(hold ? { hold } : {}),
    ...(intent ? { intent } : {}),
    ...(verdict.effect === 'deny' ? {} : { guards: guardsOf(subject, decision) }),
    // A denial uses no key up, but one that is used up is answered by its first call: that may have been executed.
    idempotency: idempotencyOf(parts, recording),
    joinKey: joins(subject, decision) ? joinKeyOf(subject) : null,
    openHoldsMax: parts.limits.openHolds,
  })
  if (result.kind !== 'recorded') return result
  parts.onStage('recorded')
  if (hold) return { kind: 'held', hold }
  return permit ? { kind: 'permitted', permit, intent: intent ?? null } : { kind: 'denied' }
}

/** One intent a call: its id is the call's own under another type, given out only here and used only after COMMIT. */
const intentOf = (callId: CallId): IntentId => `intent_${callId.slice('call_'.length)}` as IntentId

/** A write joins an equal one that is under way, and so does whatever is held. A read has no effect that a second one could double. */
const joins = ({ operation }: Subject, { verdict }: Decision): boolean =>
  verdict.effect === 'hold' || (verdict.effect === 'permit' && operation.mode === 'write')

function stateOf({ verdict }: Decision, intent: IntentId | undefined): CallState {
  switch (verdict.effect) {
    case 'deny':
      return 'denied'
    case 'hold':
      return 'held'
    case 'permit':
      return intent ? 'executing' : 'approved'
    default:
      return unreachable(verdict)
  }
}

export const guardsOf = ({ principal }: Subject, { evidence }: Decision): Guards => ({
  agent: principal.agent.name,
  agentEpoch: principal.agent.epoch,
  policySet: evidence.policySet,
})

function idempotencyOf(parts: Parts, { subject, idempotency }: Recording) {
  if (!idempotency) return null
  const { agent } = subject.principal
  const scope = JSON.stringify([agent.name, subject.principal.subject ?? null, idempotency.key, idempotency.responseKey ?? null])
  return {
    scope,
    argumentsDigest: argumentsDigest(subject.operation.id, subject.input),
    expiresAt: after(parts.clock.now(), LIMITS.idempotencyKeyLifeMs),
  }
}

function newCall(
  parts: Parts,
  { callId, subject, traceId }: Recording,
  { verdict }: Decision,
  hold: Hold | undefined,
  state: CallState,
): Call {
  const { principal, operation } = subject
  const now = parts.clock.now()
  return {
    id: callId,
    door: subject.door,
    agent: principal.agent.name,
    owner: principal.agent.owner,
    subject: principal.subject ?? null,
    issuer: principal.issuer,
    actors: principal.actors,
    connector: operation.connector,
    operation: operation.id,
    operationVersion: operation.version,
    input: subject.input,
    state,
    denyReason: verdict.effect === 'deny' ? verdict.reason : null,
    policies: verdict.policies,
    rationale: subject.asserted.rationale ?? null,
    run: subject.asserted.run ?? null,
    traceId,
    holdId: hold?.id ?? null,
    upstreamStatus: null,
    error:
      verdict.effect === 'deny'
        ? { code: 'DENIED', message: `policy does not allow it (${verdict.reason})`, ...(verdict.advice ? { advice: verdict.advice } : {}) }
        : null,
    result: null,
    resultKept: 'none',
    delivered: false,
    createdAt: now,
    updatedAt: now,
    upstreamMs: null,
  }
}

/** Writes the intent of a call that was decided before: an approved hold's, or a later root field's. */
export async function recordIntent(
  parts: Parts,
  callId: CallId,
  release: Omit<Release, 'callId' | 'intent'>,
): Promise<{ result: ReleaseResult; intent: IntentId }> {
  const intent = intentOf(callId)
  const result = await parts.recorder.release({ callId, intent, ...release })
  if (result.kind === 'recorded') parts.onStage('recorded')
  return { result, intent }
}

/**
 * Writes the outcome. False where the record is away: the answer is then withheld and the call counts as in doubt, until the recorder, which never gives
 * an outcome up while the process lives, has written it.
 */
export async function recordOutcome(
  parts: Parts,
  run: Run,
  intent: IntentId,
  outcome: Outcome,
  result: StoredResult | null,
  resultKept: Call['resultKept'],
  span: Span,
): Promise<boolean> {
  const { operation } = run.subject
  span.set({
    'gatehouse.outcome': outcome.kind,
    ...(outcome.upstreamStatus === null ? {} : { 'http.response.status_code': outcome.upstreamStatus }),
  })
  span.end(outcome.error?.code)
  parts.telemetry.observe('upstream_seconds', outcome.upstreamMs / 1_000, { connector: operation.connector })
  parts.onStage('recording-outcome')
  const finished = { callId: run.callId, intent, outcome, result, resultKept }
  try {
    await parts.recorder.finish(finished)
  } catch (error) {
    parts.telemetry.log.error({ callId: run.callId, error }, 'an outcome is not recorded yet')
    return false
  }
  parts.onStage('outcome-recorded')
  return true
}
