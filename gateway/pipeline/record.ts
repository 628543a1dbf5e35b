import type { Call, CallState, Outcome, StoredResult } from '../core/call.ts'
import { after, instant } from '../core/clock.ts'
import type { Decision, Verdict } from '../core/decision.ts'
import { callRequest } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'
import type { Hold } from '../core/hold.ts'
import type { CallId, GrantId, IntentId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { GrantUse, Guards, NewCall, NewCallResult, Reservation } from '../ports/recorder.ts'
import type { Span } from '../ports/telemetry.ts'
import { type Counted, decide, type Permit, permitOf } from './decide.ts'
import type { Subject } from './subject.ts'
import type { Gathered } from './facts.ts'
import type { Run } from './run.ts'
import { grantFor, grantQuestionOf, mayBeGranted } from './grants.ts'
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
  | { kind: 'permitted'; permit: Permit; intent: IntentId | null; reserved: boolean; grant: GrantId | null }
  | { kind: 'held'; hold: Hold }
  | { kind: 'denied'; verdict: Extract<Verdict, { effect: 'deny' }> }
  | Exclude<NewCallResult, { kind: 'recorded' }>

/**
 * Decides and writes the decision, and with it the hold or the intent, in one transaction; where counters or grants take part they are read and reserved in
 * it too.
 * Throws UNAVAILABLE: then nothing may happen.
 */
export async function recordDecision(parts: Parts, recording: Recording, gathered: Gathered, span: Span): Promise<Recorded> {
  const { callId, subject } = recording
  const { history } = gathered
  const decideWith = (counted?: Counted): Decision => decide(parts, subject, gathered, span, counted)
  const early = history ? undefined : decideWith()
  const grants = early && !mayBeGranted(parts, early) ? undefined : grantQuestionOf(parts, subject)
  if (early && !grants) {
    const unit = newAdmission(parts, recording, early, [], null)
    return recordedAs(parts, unit, await parts.recorder.admit(unit))
  }
  const done = await parts.recorder.decide({
    callId,
    agent: subject.principal.agent.name,
    counters: history?.counters ?? [],
    reserves: history?.reserves.map(({ key }) => key) ?? [],
    ...(grants ? { grants } : {}),
    repeats: { idempotency: idempotencyOf(parts, recording), joinKey: subject.operation.mode === 'write' ? joinKeyOf(subject) : null },
    decide(answers, nowMs, usable) {
      const decision = early ?? decideWith({ answers, now: instant(nowMs) })
      const use = grantFor(parts, subject, decision, usable, nowMs)
      return { kind: 'admit', unit: newAdmission(parts, recording, decision, history?.reserves ?? [], use) }
    },
  })
  if (done.kind === 'repeated') return done.result
  if (done.kind !== 'admitted') throw new GatewayError('INTERNAL', 'the record gave an answer of another kind', { cause: done.kind })
  return recordedAs(parts, done.unit, done.result)
}

function newAdmission(
  parts: Parts,
  recording: Recording,
  decision: Decision,
  reserves: readonly Reservation[],
  uses: GrantUse | null,
): NewCall {
  const { callId, subject } = recording
  const { verdict, evidence } = decision
  const goesOn = verdict.effect === 'permit' || uses !== null
  const hold = verdict.effect === 'hold' && !goesOn ? openHold(parts, callId, subject, verdict.holds, evidence.lookups) : undefined
  const intent = goesOn && recording.intent === 'now' ? intentOf(callId) : undefined
  return {
    call: newCall(parts, recording, decision, hold, stateOf(decision, hold, intent)),
    request: callRequest(subject, recording.traceId),
    decision,
    ...(hold ? { hold } : {}),
    ...(intent ? { intent } : {}),
    ...(verdict.effect === 'deny' ? {} : { guards: guardsOf(subject, decision) }),
    // A denial uses no key up, but one that is used up is answered by its first call: that may have been executed.
    idempotency: idempotencyOf(parts, recording),
    joinKey: joins(subject, decision, goesOn) ? joinKeyOf(subject) : null,
    openHoldsMax: parts.limits.openHolds,
    ...(goesOn && reserves.length > 0 ? { reserves } : {}),
    ...(uses ? { uses } : {}),
  }
}

function recordedAs(parts: Parts, { decision, hold, intent, reserves, uses }: NewCall, result: NewCallResult): Recorded {
  if (result.kind !== 'recorded') return result
  parts.onStage('recorded')
  if (hold) return { kind: 'held', hold }
  const permit = permitOf(decision, uses?.covers)
  const reserved = reserves !== undefined || uses !== undefined
  if (permit) return { kind: 'permitted', permit, intent: intent ?? null, reserved, grant: uses?.grant ?? null }
  if (decision.verdict.effect === 'deny') return { kind: 'denied', verdict: decision.verdict }
  throw new GatewayError('INTERNAL', 'internal error')
}

/** One intent a call: its id is the call's own under another type, given out only here and used only after COMMIT. */
export const intentOf = (callId: CallId): IntentId => `intent_${callId.slice('call_'.length)}` as IntentId

/** A write joins an equal one that is under way, and so does whatever is held. A read has no effect that a second one could double. */
const joins = ({ operation }: Subject, { verdict }: Decision, goesOn: boolean): boolean =>
  goesOn ? operation.mode === 'write' : verdict.effect === 'hold'

function stateOf({ verdict }: Decision, hold: Hold | undefined, intent: IntentId | undefined): CallState {
  if (verdict.effect === 'deny') return 'denied'
  if (hold) return 'held'
  return intent ? 'executing' : 'approved'
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
    edit: null,
  }
}

/** Writes the intent of a permitted call whose turn behind other root fields has come. What it reserved was reserved when it was decided. */
export async function recordIntent(parts: Parts, callId: CallId, guards: Guards, grant: GrantId | null): Promise<IntentId | null> {
  const intent = intentOf(callId)
  const result = await parts.recorder.release({ callId, intent, guards, consumes: null, redecision: null, ...(grant ? { grant } : {}) })
  if (result.kind !== 'recorded') return null
  parts.onStage('recorded')
  return intent
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
  const reserved = run.reserved ? { reserved: true } : {}
  const finished = { callId: run.callId, intent, outcome, result, resultKept, ...reserved }
  try {
    await parts.recorder.finish(finished)
  } catch (error) {
    parts.telemetry.log.error({ callId: run.callId, error }, 'an outcome is not recorded yet')
    return false
  }
  parts.onStage('outcome-recorded')
  return true
}
