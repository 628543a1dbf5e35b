import type { Asserted, Call } from '../core/call.ts'
import { whyNotBreaking } from '../core/break-glass.ts'
import { instant } from '../core/clock.ts'
import type { Decision } from '../core/decision.ts'
import { callRequest, type Entry, type EntryBody } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'
import { type Concerned, type Hold, ineligibility, satisfied } from '../core/hold.ts'
import type { CallId, HoldId, IntentId } from '../core/ids.ts'
import type { Principal } from '../core/principal.ts'
import { LIMITS } from '../limits.ts'
import type { Answer } from '../ports/calls.ts'
import type { DecidedUnit, HoldChange, Release, ReleaseResult, StreakCounter } from '../ports/recorder.ts'
import type { Span } from '../ports/telemetry.ts'
import { type Counted, decide, type Permit, permitOf } from './decide.ts'
import type { Subject } from './subject.ts'
import { execute } from './execute.ts'
import { changedFacts, gather, type Gathered } from './facts.ts'
import { streakCounters } from './history.ts'
import { bindingDigest, openHold } from './hold.ts'
import { guardsOf, intentOf } from './record.ts'
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
  const last = lastDecision(await parts.store.entries(call.id))
  const subject = subjectOf(parts, call, last?.request.asserted ?? {}, claimant)
  if (typeof subject === 'string') {
    await parts.recorder.changeHold(endOf(call, hold, { to: 'cancelled', callState: 'cancelled', why: subject }))
    return null
  }
  const span = parts.telemetry.startCall(
    { 'gatehouse.call': call.id, 'gatehouse.operation': call.operation, 'gatehouse.release': true },
    // The span of the request is long over; what follows the approval belongs to its trace.
    call.traceId === null ? undefined : `00-${call.traceId}-${parts.nonce().slice(0, 16)}-01`,
  )
  try {
    const gathered = await gather(parts, subject, call.id, span)
    const changed = changedFacts(last?.decision.evidence.lookups ?? [], gathered.lookups)
    const approved = await stillApproved(parts, call, hold, subject)
    const releasing = { call, hold, subject, gathered, span, approved, changedFacts: changed }
    const released = await write(parts, releasing)
    if (!released || released === 'stale') return released
    parts.onStage('recorded')
    const { intent, permit, reserved } = released
    return await execute(parts, { callId: call.id, subject, span, signal, delivery: 'buffered', reserved, keep: true }, intent, permit)
  } finally {
    span.end()
  }
}

/** An approved call on its way: all that deciding it again looks at. */
interface Releasing {
  call: Call
  hold: Hold
  subject: Subject
  gathered: Gathered
  span: Span
  /** Whether those who approved may still do so and are enough. */
  approved: boolean
  /** Which lookups answer otherwise than when the hold was opened, in words. */
  changedFacts: string | null
}

interface Released {
  intent: IntentId
  permit: Permit
  reserved: boolean
}

/** Decides again and writes what follows: the intent, or the end of the hold. Null where there is nothing to execute. */
async function write(parts: Parts, releasing: Releasing): Promise<Released | null | 'stale'> {
  const { call, subject, gathered } = releasing
  const { history } = gathered
  if (!history) {
    const unit = unitOf(parts, releasing)
    if (unit.kind === 'release') return released(releasing, unit.unit, await parts.recorder.release(unit.unit))
    await parts.recorder.changeHold(unit.unit)
    return null
  }
  const done = await parts.recorder.decide({
    callId: call.id,
    agent: subject.principal.agent.name,
    counters: history.counters,
    reserves: history.reserves.map(({ key }) => key),
    repeats: null,
    decide: (answers, nowMs) => unitOf(parts, releasing, { answers, now: instant(nowMs) }),
  })
  return done.kind === 'released' ? released(releasing, done.unit, done.result) : null
}

function released({ hold }: Releasing, { intent, redecision, reserves }: Release, result: ReleaseResult): Released | null | 'stale' {
  if (result.kind === 'stale') return 'stale'
  const permit = redecision ? permitOf(redecision.decision, hold.matched) : undefined
  return result.kind === 'recorded' && permit ? { intent, permit, reserved: reserves !== undefined } : null
}

type ReleaseUnit = Extract<DecidedUnit, { kind: 'release' | 'changeHold' }>

function unitOf(parts: Parts, releasing: Releasing, counted?: Counted): ReleaseUnit {
  const { call, hold, subject, gathered, span } = releasing
  const decision = decide(parts, subject, gathered, span, counted)
  const redecision = { request: callRequest(subject, span.traceId), decision }
  if (decision.verdict.effect === 'deny') {
    const why = 'policy denies the call today'
    return { kind: 'changeHold', unit: endOf(call, hold, { to: 'denied', callState: 'denied', why, redecision }) }
  }
  const changed = permitOf(decision, hold.matched) ? whatChanged(parts, releasing) : 'other rules hold the call today'
  if (changed !== null) return { kind: 'changeHold', unit: superseding(parts, releasing, decision, changed) }
  const reserves = gathered.history?.reserves ?? []
  return {
    kind: 'release',
    unit: {
      callId: call.id,
      intent: intentOf(call.id),
      guards: guardsOf(subject, decision),
      consumes: { hold: hold.id, digest: hold.digest },
      redecision,
      ...(reserves.length > 0 ? { reserves } : {}),
    },
  }
}

/** The call's principal and operation as they are today, or why it can no longer go on. */
export function subjectOf(
  parts: Pick<Parts, 'registry' | 'catalogue' | 'clock'>,
  call: Call,
  asserted: Asserted,
  claimant: Principal | null,
): Subject | string {
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
  return { door: call.door, principal: { ...principal, agent }, operation, input: call.input, asserted }
}

/** The decision that opened the hold: the last one before this release. */
export const lastDecision = (entries: readonly Entry[]): Extract<EntryBody, { kind: 'decision' }> | undefined =>
  entries.flatMap(({ body }) => (body.kind === 'decision' ? [body] : [])).at(-1)

/** Eligibility is judged again, with today's groups and owner. */
async function stillApproved(parts: Parts, call: Call, hold: Hold, { principal: { agent, actors } }: Subject): Promise<boolean> {
  const [votes, publishers] = await Promise.all([parts.store.votes(hold.id), parts.store.publishers(hold.matched)])
  const terms = { ...call, owner: agent.owner, actors: [...call.actors, ...actors] }
  const voters = votes
    .filter((vote) => vote.verdict === 'approve')
    .flatMap((vote) => parts.registry.person(vote.voter) ?? [])
    .filter((person) => ineligibility(hold, terms, person, publishers) === null)
  return satisfied(hold.requires, voters) || (await stillBroken(parts, terms, hold, publishers))
}

/** Whether one person approved the hold in an emergency, and could do so today. */
async function stillBroken(
  { grants, registry, breakGlass }: Parts,
  terms: Concerned,
  hold: Hold,
  publishers: readonly string[],
): Promise<boolean> {
  const broken = breakGlass && (await grants.brokenFor(hold.id))
  const person = broken && registry.person(broken.by)
  return person ? whyNotBreaking(breakGlass, hold, terms, person, publishers) === null : false
}

/** Why the approval no longer covers this call, or null. */
function whatChanged(parts: Parts, { hold, subject, gathered, approved, changedFacts }: Releasing): string | null {
  if (changedFacts !== null) return changedFacts
  const today = Object.fromEntries(Object.keys(hold.approvalVersions).map((name) => [name, parts.approvals.get(name)?.version ?? 'gone']))
  if (bindingDigest(parts.organisation, subject, gathered.lookups, hold, today) !== hold.digest)
    return 'the approval was given for other terms'
  return approved ? null : 'an approver is no longer eligible'
}

/** Another hold in its place; where nobody could be asked, a denial. */
export function superseding(
  parts: Parts,
  { call, hold, subject }: Pick<Releasing, 'call' | 'hold' | 'subject'>,
  decision: Decision,
  why: string,
): HoldChange {
  const matched = decision.verdict.effect === 'hold' ? decision.verdict.holds : hold.matched
  const redecision = { request: callRequest(subject, call.traceId), decision }
  try {
    const replacement = openHold(parts, call.id, subject, matched, decision.evidence.lookups)
    return endOf(call, hold, { to: 'superseded', callState: 'held', why, replacement, redecision })
  } catch (error) {
    // Nobody could be asked: a lost approval ends in a denial.
    if (!(error instanceof GatewayError) || error.code !== 'DENIED') throw error
    return endOf(call, hold, { to: 'denied', callState: 'denied', why: error.message, redecision })
  }
}

/** How a hold ends, or what replaces it. */
type Ending = Pick<HoldChange, 'to' | 'callState'> & { why: string; replacement?: Hold; redecision?: Release['redecision'] }

export const endOf = (call: Call, hold: Hold, ending: Ending): HoldChange => ({ hold: hold.id, callId: call.id, by: 'gateway', ...ending })

/** Counters of clean approvals that the end of a call's hold changes, by today's policies. */
export const streaksOf = (parts: Pick<Parts, 'decider' | 'organisation' | 'factKey'>, call: Call): readonly StreakCounter[] =>
  streakCounters(parts, { ...call, operation: { id: call.operation } }, parts.decider.needs(call.operation))

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
      const call = await parts.store.call(hold.callId)
      // Silence is no clean approval.
      const counters = call ? streaksOf(parts, call) : []
      await parts.recorder.changeHold({
        hold: hold.id,
        callId: hold.callId,
        to: 'expired',
        callState: 'expired',
        by: 'gateway',
        why: 'nobody approved in time',
        ...(counters.length > 0 ? { streaks: { counters, to: 'none' } } : {}),
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
