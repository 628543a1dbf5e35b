import type { Call } from '../core/call.ts'
import type { Decision } from '../core/decision.ts'
import { callRequest } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'
import { type Hold, ineligibility, satisfied } from '../core/hold.ts'
import type { CallId, HoldId } from '../core/ids.ts'
import type { Principal } from '../core/principal.ts'
import { LIMITS } from '../limits.ts'
import type { Answer } from '../ports/calls.ts'
import type { HoldChange, Release } from '../ports/recorder.ts'
import { decide, permitOf, type Subject } from './decide.ts'
import { execute } from './execute.ts'
import { bindingDigest, openHold } from './hold.ts'
import { guardsOf, recordIntent } from './record.ts'
import type { Parts } from './stages.ts'

const STALE_TRIES_MAX = 3

/**
 * Takes an approved call down the same line again: policy decides on today's rules, the digest must match, the approvers must still be eligible, and the
 * approval is consumed in the transaction that writes the intent. Null where there is nothing (left) to release: of two releases at once one gets it.
 */
export async function release(parts: Parts, holdId: HoldId, claimant: Principal | null, signal: AbortSignal): Promise<Answer | null> {
  for (let tries = 0; tries < STALE_TRIES_MAX; tries++) {
    const hold = await parts.store.hold(holdId)
    const call = hold && (await parts.store.call(hold.callId))
    if (!hold || !call || hold.state !== 'approved') return null
    if (hold.onApproval === 'claim' && !claimant) return null
    const step = await attempt(parts, call, hold, claimant, signal)
    if (step !== 'stale') return step
    await Promise.all([parts.registry.refresh(), parts.refreshPolicies()])
  }
  return null
}

async function attempt(
  parts: Parts,
  call: Call,
  hold: Hold,
  claimant: Principal | null,
  signal: AbortSignal,
): Promise<Answer | null | 'stale'> {
  const subject = subjectOf(parts, call, claimant)
  if (typeof subject === 'string') return await end(parts, call, hold, { to: 'cancelled', callState: 'cancelled', why: subject })
  const span = parts.telemetry.startCall(
    { 'gatehouse.call': call.id, 'gatehouse.operation': call.operation, 'gatehouse.release': true },
    // The span of the request is long over; what follows the approval belongs to its trace.
    call.traceId === null ? undefined : `00-${call.traceId}-${parts.nonce().slice(0, 16)}-01`,
  )
  try {
    const decision = decide(parts, subject, span)
    const redecision = { request: callRequest(subject, span.traceId), decision }
    if (decision.verdict.effect === 'deny') {
      return await end(parts, call, hold, { to: 'denied', callState: 'denied', why: 'policy denies the call today', redecision })
    }
    const permit = permitOf(decision, hold.matched)
    const changed = permit ? await whatChanged(parts, hold, call, subject) : 'other rules hold the call today'
    if (!permit || changed) return await supersede(parts, call, hold, subject, decision, changed ?? 'the call changed')
    const { result, intent } = await recordIntent(parts, call.id, {
      guards: guardsOf(subject, decision),
      consumes: { hold: hold.id, digest: hold.digest },
      redecision,
    })
    if (result.kind === 'stale') return 'stale'
    if (result.kind === 'lost') return null
    return await execute(parts, { callId: call.id, subject, span, signal, delivery: 'buffered', keep: true }, intent, permit)
  } finally {
    span.end()
  }
}

/** The call's principal and operation as they are today, or why it can no longer go on. */
function subjectOf(parts: Parts, call: Call, claimant: Principal | null): Subject | string {
  const agent = parts.registry.agent(call.agent)
  if (agent?.status !== 'active') return 'the agent is no longer active'
  const operation = parts.catalogue.operations.get(call.operation)
  if (!operation || operation.version !== call.operationVersion) return 'the operation changed after the call was held'
  const principal: Principal = claimant ?? {
    agent,
    ...(call.subject === null ? {} : { subject: call.subject }),
    actors: call.actors,
    issuer: call.issuer,
    tokenExpiresAtMs: parts.clock.now(),
  }
  const asserted = { ...(call.rationale === null ? {} : { rationale: call.rationale }), ...(call.run === null ? {} : { run: call.run }) }
  return { door: call.door, principal: { ...principal, agent }, operation, input: call.input, asserted }
}

/** Why the approval no longer covers this call, or undefined. Eligibility is judged again, with today's groups and owner. */
async function whatChanged(parts: Parts, hold: Hold, call: Call, subject: Subject): Promise<string | undefined> {
  const today = Object.fromEntries(Object.keys(hold.approvalVersions).map((name) => [name, parts.approvals.get(name)?.version ?? 'gone']))
  if (bindingDigest(parts.organisation, subject, hold.matched, today, hold.nonce) !== hold.digest)
    return 'the approval was given for other terms'
  const { agent, actors } = subject.principal
  const { owner } = agent
  const votes = await parts.store.votes(hold.id)
  const voters = votes
    .filter((vote) => vote.verdict === 'approve')
    .flatMap((vote) => parts.registry.person(vote.voter) ?? [])
    .filter((person) => ineligibility(hold, { ...call, owner, actors: [...call.actors, ...actors] }, person) === null)
  return satisfied(hold.requires, voters) ? undefined : 'an approver is no longer eligible'
}

async function supersede(parts: Parts, call: Call, hold: Hold, subject: Subject, decision: Decision, why: string): Promise<null> {
  const matched = decision.verdict.effect === 'hold' ? decision.verdict.holds : hold.matched
  const redecision = { request: callRequest(subject, call.traceId), decision }
  let replacement: Hold
  try {
    replacement = openHold(parts, call.id, subject, matched)
  } catch (error) {
    // Nobody could be asked: a lost approval ends in a denial.
    if (!(error instanceof GatewayError) || error.code !== 'DENIED') throw error
    return await end(parts, call, hold, { to: 'denied', callState: 'denied', why: error.message, redecision })
  }
  return await end(parts, call, hold, { to: 'superseded', callState: 'held', why, replacement, redecision })
}

type Ending = Pick<HoldChange, 'to' | 'callState'> & { why: string; replacement?: Hold; redecision?: Release['redecision'] }

async function end(parts: Parts, call: Call, hold: Hold, ending: Ending): Promise<null> {
  await parts.recorder.changeHold({ hold: hold.id, callId: call.id, by: 'gateway', ...ending })
  return null
}

export interface Releaser {
  /** Releases an approved `execute` hold soon; its result waits in the record. */
  afterApproval(callId: CallId): void
  start(): void
  /** Ends the timers, starts nothing more, and waits for what is under way, at most `LIMITS.drainMsMax`. */
  close(): Promise<void>
}

/**
 * Goes on with approved calls whose agent is not here, and ends holds whose time is over. Timers only look into the record, so what a restart interrupted
 * goes on, and two processes that look at once still release once.
 */
export function createReleaser(parts: Parts, releasesMax: number, pollMs: number): Releaser {
  const running = new Map<HoldId, Promise<unknown>>()
  const leaving = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let sweeping: Promise<void> | undefined
  const start = (id: HoldId): void => {
    if (leaving.signal.aborted || running.has(id) || running.size >= releasesMax) return
    const work = release(parts, id, null, leaving.signal)
      .catch((error: unknown) => parts.telemetry.log.error({ holdId: id, error }, 'an approved call could not be released yet'))
      .finally(() => running.delete(id))
    running.set(id, work)
  }
  const sweep = async (): Promise<void> => {
    for (const hold of await parts.store.expiredHolds(parts.clock.now(), releasesMax)) {
      if (leaving.signal.aborted) return
      await parts.recorder.changeHold({
        hold: hold.id,
        callId: hold.callId,
        to: 'expired',
        callState: 'expired',
        by: 'gateway',
        why: 'nobody approved in time',
      })
    }
    for (const hold of await parts.store.releasable(releasesMax)) start(hold.id)
  }
  const tick = (): void => {
    sweeping = sweep()
      .catch((error: unknown) => parts.telemetry.log.warn({ error }, 'holds could not be looked through'))
      .finally(() => {
        if (!leaving.signal.aborted) timer = setTimeout(tick, pollMs).unref()
      })
  }
  return {
    afterApproval(callId) {
      parts.store.call(callId).then(
        (call) => call?.holdId && start(call.holdId),
        (error: unknown) => parts.telemetry.log.warn({ callId, error }, 'an approved call is released a little later'),
      )
    },
    start: tick,
    async close() {
      leaving.abort()
      clearTimeout(timer)
      let tooLong: NodeJS.Timeout | undefined
      const bound = new Promise<void>((resolve) => {
        tooLong = setTimeout(resolve, LIMITS.drainMsMax)
      })
      await Promise.race([Promise.all([sweeping, ...running.values()]), bound])
      clearTimeout(tooLong)
    },
  }
}
