import { NO_FACTS } from '../core/facts.ts'
import { randomBytes } from 'node:crypto'
import type { Call } from '../core/call.ts'
import { type Instant, instant } from '../core/clock.ts'
import type { Verdict } from '../core/decision.ts'
import type { CallRequest } from '../core/entry.ts'
import { type Excluded, NOBODY_EXCLUDED } from '../core/exclusion.ts'
import { combineApprovals, type Hold, PLAIN_TERMS, type Requirement } from '../core/hold.ts'
import { type CallId, type HoldId, type IntentId, newCallId, newHoldId, operationId } from '../core/ids.ts'
import { canonicalJson, type JsonObject } from '../core/json.ts'
import type { Agent } from '../core/principal.ts'
import type { Decider } from '../ports/decider.ts'
import type { NewCall } from '../ports/recorder.ts'
import type { Registry } from '../ports/registry.ts'
import { catalogue, FINANCE, sha256 } from './fixture-organisation.ts'

/** For tests of the control plane: calls as the pipeline writes them. Nothing of the product imports it. */
export interface Ask {
  amount?: number
  subject?: string
  actors?: readonly string[]
  requires?: readonly Requirement[]
  expiresMs?: number
  onApproval?: Hold['onApproval']
  denyThreshold?: number
  edits?: Hold['edits']
  excluded?: Excluded
  agent?: string
  standing?: Hold['standing']
}

export const joinKey = (name: string, subject: string | null, of: string, input: JsonObject): string =>
  sha256(canonicalJson([name, subject, of, input]))

/** A payment, decided by policy, with its hold or its intent. */
export function newCall(decider: Decider, registry: Registry, now: Instant, how: Ask): { unit: NewCall; holdId: HoldId; intent: IntentId } {
  const agent = registry.agent(how.agent ?? 'clerk')
  const operation = catalogue.operations.get(operationId('erp', 'releasePayment'))
  if (!agent || !operation) throw new Error('the fixture lacks its agent or operation')
  const request = requestOf(agent, operation.version, how)
  const principal = { agent, actors: request.actors, issuer: 'test', tokenExpiresAtMs: now + 60_000 }
  const decision = decider.decide({
    operation,
    principal: how.subject === undefined ? principal : { ...principal, subject: how.subject },
    input: request.input,
    now,
    door: 'mcp',
    resourceKey: 'v-7',
    facts: NO_FACTS,
  })
  const { verdict } = decision
  const id = newCallId(now, randomBytes(16))
  const holdId = newHoldId(now, randomBytes(16))
  const intent = sha256(id) as IntentId
  const hold = verdict.effect === 'hold' ? holdOf(id, holdId, verdict, now, how) : undefined
  const permitted = verdict.effect === 'permit'
  const unit: NewCall = {
    call: callOf(id, request, verdict, hold, now),
    request,
    decision,
    ...(hold ? { hold } : {}),
    ...(permitted ? { intent, guards: { agent: agent.name, agentEpoch: agent.epoch, policySet: decider.policySet } } : {}),
    idempotency: null,
    joinKey: joinKey(agent.name, request.subject, operation.id, request.input),
    openHoldsMax: 1_000,
  }
  return { unit, holdId, intent }
}

function requestOf(agent: Agent, operationVersion: string, { amount = 5_000, subject, actors }: Ask): CallRequest {
  return {
    door: 'mcp',
    agent: agent.name,
    agentEpoch: agent.epoch,
    owner: agent.owner,
    subject: subject ?? null,
    issuer: 'test',
    actors: actors ?? [agent.name],
    operation: operationId('erp', 'releasePayment'),
    operationVersion,
    input: { vendorId: 'v-7', amount },
    asserted: { rationale: 'the invoice is due' },
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  }
}

function holdOf(callId: CallId, id: HoldId, verdict: Extract<Verdict, { effect: 'hold' }>, now: Instant, how: Ask): Hold {
  const {
    requires = FINANCE,
    expiresMs = 60_000,
    excluded = NOBODY_EXCLUDED,
    onApproval = 'execute',
    denyThreshold = 1,
    edits = 'allowed',
    standing = null,
  } = how
  const asked = { ...PLAIN_TERMS, name: 'finance', requires, expiresMs, onApproval, denyThreshold, edits, standing, version: 'v1' }
  const { expiresMs: lifeMs, ...terms } = combineApprovals([asked])
  return {
    id,
    callId,
    state: 'open',
    matched: verdict.holds,
    ...terms,
    escalated: 0,
    excluded,
    approvalVersions: { finance: 'v1' },
    digest: sha256(`${callId} digest`),
    nonce: 'n',
    expiresAt: instant(now + lifeMs),
    createdAt: now,
    decidedAt: null,
  }
}

const STATES = { permit: 'executing', hold: 'held', deny: 'denied' } as const

function callOf(id: CallId, request: CallRequest, verdict: Verdict, hold: Hold | undefined, now: Instant): Call {
  return {
    ...request,
    id,
    connector: 'erp',
    state: STATES[verdict.effect],
    denyReason: verdict.effect === 'deny' ? verdict.reason : null,
    policies: verdict.policies,
    rationale: request.asserted.rationale ?? null,
    run: 'run-1',
    holdId: hold?.id ?? null,
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
}
