import { randomBytes } from 'node:crypto'
import type { Call, Outcome } from '../core/call.ts'
import { type Clock, instant } from '../core/clock.ts'
import type { Decision, Verdict } from '../core/decision.ts'
import { NOBODY_EXCLUDED } from '../core/exclusion.ts'
import { type Hold, PLAIN_TERMS } from '../core/hold.ts'
import { type CallId, type IntentId, newCallId, newHoldId, operationId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import type { Finished, NewCall, Release } from '../ports/recorder.ts'
import type { AgentSeed } from '../ports/registry.ts'

/** A clock that tests set. */
export interface TestClock extends Clock {
  nowMs: number
}

export function testClock(nowMs = 1_790_000_000_000): TestClock {
  return {
    nowMs,
    now() {
      return instant(this.nowMs)
    },
  }
}

/** The time of the machine, where several processes share a database. */
export const realClock: TestClock = {
  get nowMs() {
    return Date.now()
  },
  now: () => instant(Date.now()),
}

export const POLICY_SET = 'a'.repeat(64)

export const seed = (name: string, extra: Partial<AgentSeed> = {}): AgentSeed => ({
  name,
  owner: 'ann',
  team: 'support',
  region: 'eu',
  purpose: 'answers questions',
  roles: ['reader'],
  clearance: [],
  autonomy: 1,
  ...extra,
})

/** What a sample call says where it differs from the usual one. */
export interface Sample {
  agent?: string
  epoch?: number
  policySet?: string
  subject?: string | null
  input?: JsonObject
  key?: { scope: string; digest: string; lifeMs?: number }
  joinKey?: string | null
  openHoldsMax?: number
  run?: string | null
  operation?: string
}

function decisionOf(verdict: Verdict, agent: string, policySet: string): Decision {
  return { verdict, evidence: { policySet, engine: 'test', request: { principal: agent, when: 'now' }, shadow: [] } }
}

function newCall(clock: Clock, sample: Sample, state: Call['state'], verdict: Verdict): NewCall {
  const { agent = 'helper', subject = 'paul', input = { id: '17' }, run = null, operation = 'orders' } = sample
  const now = clock.now()
  const policySet = sample.policySet ?? POLICY_SET
  const request = {
    door: 'http',
    agent,
    agentEpoch: sample.epoch ?? 1,
    owner: 'ann',
    subject,
    issuer: 'https://issuer.example',
    actors: [agent],
    operation: operationId('crm', operation),
    operationVersion: 'f'.repeat(64),
    input,
    asserted: {},
    traceId: null,
  } as const
  const call: Call = {
    id: newCallId(now, randomBytes(16)),
    door: request.door,
    agent,
    owner: request.owner,
    subject,
    issuer: request.issuer,
    actors: request.actors,
    connector: 'crm',
    operation: request.operation,
    operationVersion: request.operationVersion,
    input,
    state,
    denyReason: verdict.effect === 'deny' ? verdict.reason : null,
    policies: verdict.policies,
    rationale: null,
    run,
    traceId: null,
    holdId: null,
    upstreamStatus: null,
    error: null,
    result: null,
    resultKept: 'none',
    delivered: false,
    createdAt: now,
    updatedAt: now,
    upstreamMs: null,
    edit: null,
  }
  const { key } = sample
  return {
    call,
    request,
    decision: decisionOf(verdict, agent, policySet),
    idempotency: key ? { scope: key.scope, argumentsDigest: key.digest, expiresAt: instant(now + (key.lifeMs ?? 86_400_000)) } : null,
    joinKey: sample.joinKey ?? null,
    openHoldsMax: sample.openHoldsMax ?? 100,
    ...(state === 'denied' ? {} : { guards: { agent, agentEpoch: sample.epoch ?? 1, policySet } }),
  }
}

export const intentId = (): IntentId => `intent_${randomBytes(10).toString('hex')}` as IntentId

export const permitted = (clock: Clock, sample: Sample = {}): NewCall & { intent: IntentId } => ({
  ...newCall(clock, sample, 'executing', { effect: 'permit', policies: ['p1'] }),
  intent: intentId(),
})

/** Permitted, and waiting for its turn. */
export const approved = (clock: Clock, sample: Sample = {}): NewCall =>
  newCall(clock, sample, 'approved', { effect: 'permit', policies: ['p1'] })

export const denied = (clock: Clock, sample: Sample = {}): NewCall =>
  newCall(clock, sample, 'denied', { effect: 'deny', policies: ['f1'], reason: 'forbidden' })

export function newHold(clock: Clock, callId: CallId, lifeMs = 3_600_000): Hold {
  const now = clock.now()
  return {
    id: newHoldId(now, randomBytes(16)),
    callId,
    state: 'open',
    matched: [{ policyId: 'h1', policyHash: 'b'.repeat(64), approval: 'finance' }],
    ...PLAIN_TERMS,
    requires: [{ group: 'finance', count: 1 }],
    escalated: 0,
    excluded: NOBODY_EXCLUDED,
    approvalVersions: { finance: 'c'.repeat(64) },
    digest: randomBytes(32).toString('hex'),
    nonce: randomBytes(16).toString('hex'),
    expiresAt: instant(now + lifeMs),
    createdAt: now,
    decidedAt: null,
  }
}

export function held(clock: Clock, sample: Sample & { lifeMs?: number } = {}): NewCall & { hold: Hold } {
  const unit = newCall(clock, sample, 'held', { effect: 'hold', policies: ['h1'], holds: [] })
  const hold = newHold(clock, unit.call.id, sample.lifeMs)
  return { ...unit, call: { ...unit.call, holdId: hold.id }, hold }
}

/** The release of a held call under its first approval, or with `hold: null` the turn of a permitted one. */
export const releaseOf = (unit: NewCall, hold: Hold | null): Release => ({
  callId: unit.call.id,
  intent: intentId(),
  guards: { agent: unit.call.agent, agentEpoch: unit.request.agentEpoch, policySet: unit.decision.evidence.policySet },
  consumes: hold && { hold: hold.id, digest: hold.digest },
  redecision: hold && { request: unit.request, decision: unit.decision },
})

export const outcomeOf = (kind: Outcome['kind'], upstreamStatus: number | null = 200): Outcome => ({
  kind,
  upstreamStatus,
  error: kind === 'completed' ? null : { code: 'UPSTREAM', message: 'the system failed' },
  resultDigest: null,
  resultBytes: 0,
  upstreamMs: 4,
})

export const finished = (callId: CallId, intent: IntentId, kind: Outcome['kind'] = 'completed', body?: string): Finished => ({
  callId,
  intent,
  outcome: outcomeOf(kind),
  result: body === undefined ? null : { status: 200, headers: {}, body, encoding: 'utf8' },
  resultKept: body === undefined ? 'none' : 'kept',
})
