import type { Asserted, Call } from '../core/call.ts'
import { unreachable } from '../core/decision.ts'
import { type Fault, GatewayError } from '../core/errors.ts'
import type { CallId } from '../core/ids.ts'
import type { Principal } from '../core/principal.ts'
import { LIMITS } from '../limits.ts'
import type { Admitted, Answer, Asked } from '../ports/calls.ts'
import type { Span } from '../ports/telemetry.ts'
import { answerFrom, holdOf, settle, withEdit } from './answer.ts'
import { recordRefusal } from './authenticate.ts'
import type { Subject } from './subject.ts'
import { execute } from './execute.ts'
import { gather } from './facts.ts'
import type { AgentLimiter } from './limit.ts'
import { guardsOf, recordDecision, type Recorded, recordIntent } from './record.ts'
import { release } from './resume.ts'
import type { Parts } from './stages.ts'
import type { Waiter } from './wait.ts'

const STALE_TRIES_MAX = 3

export interface Line {
  parts: Parts
  limiter: AgentLimiter
  waiter: Waiter
  /** Calls whose kept result is on its way to its agent: only these need a mark once they are handed over. */
  handOvers: Set<CallId>
}

/** Beyond the bound the oldest is forgotten: an equal call then joins its result once more, and that hand-over is marked. */
export function awaitHandOver({ handOvers }: Line, id: CallId): void {
  handOvers.delete(id)
  for (const oldest of handOvers) {
    if (handOvers.size < LIMITS.handOversMax) break
    handOvers.delete(oldest)
  }
  handOvers.add(id)
}

interface Started {
  callId: CallId
  asked: Asked
  span: Span
  /** Frees the agent's place, closes the span, counts: once. */
  finish(outcome: string): void
  /** Set where the answer waited for people or for another call: its time says nothing about the gateway. */
  waited: boolean
}

/**
 * The policy-enforcement point, top to bottom: validate, gather facts, decide, record. Nothing is sent here; `run` of what comes back does that, and only with the
 * intent that the record gave. Never throws: a refusal is something to run as well, and is in the record.
 */
export async function admit(line: Line, principal: Principal, asked: Asked, intent: 'now' | 'later'): Promise<Admitted> {
  const started = start(line, asked)
  try {
    const leave = line.limiter.enter(principal.agent.name)
    const finish = started.finish
    started.finish = (outcome) => {
      leave()
      finish(outcome)
    }
    const asserted = checkAsserted(line, asked)
    line.parts.validators.check(asked.operation.id, asked.input)
    line.parts.onStage('validated')
    const decided = await decideAndRecord(line, principal, { ...asked, asserted }, started, intent)
    const { recorded } = decided
    announce(line, started, recorded.kind === 'joined' ? recorded.callId : started.callId)
    return admitted(line, started, decided)
  } catch (error) {
    const answer = await refuse(line, principal, started, error)
    return { callId: started.callId, run: () => Promise.resolve(answer), abandon: () => Promise.resolve() }
  }
}

/** A door that fails to hear the id stops nothing: what is recorded as permitted has to run. */
function announce({ parts }: Line, { asked, span }: Started, callId: CallId): void {
  try {
    asked.onAdmitted?.(callId, span.traceparent)
  } catch (error) {
    parts.telemetry.log.error({ callId, error }, 'a door could not be told of its call')
  }
}

function start({ parts }: Line, asked: Asked): Started {
  const callId = parts.newCallId()
  const { door, operation } = asked
  const startedMs = performance.now()
  const span = parts.telemetry.startCall(
    { 'gatehouse.call': callId, 'gatehouse.door': door, 'gatehouse.operation': operation.id },
    asked.traceparent,
  )
  let finished = false
  const finish = (outcome: string): void => {
    if (finished) return
    finished = true
    const labels = { door, connector: operation.connector, operation: operation.id, outcome }
    parts.telemetry.count('calls', labels)
    if (!started.waited)
      parts.telemetry.observe('call_seconds', (performance.now() - startedMs) / 1_000, { door, connector: operation.connector })
    span.set({ 'gatehouse.outcome': outcome })
    span.end()
  }
  const started: Started = { callId, asked, span, finish, waited: false }
  return started
}

/** What the agent says of itself, as far as it is bounded and in form. Throws BAD_INPUT. */
function checkAsserted({ parts }: Line, { asserted, idempotencyKey }: Asked): Asserted {
  const faults: Fault[] = []
  const bound = (name: string, value: string | undefined, max: number): void => {
    if (value === undefined) return
    if (value.length === 0 || value.length > max) faults.push({ pointer: '', message: `${name} must have 1 to ${max} characters` })
    else if (!value.isWellFormed()) faults.push({ pointer: '', message: `${name} is not well-formed text` })
  }
  bound('the rationale', asserted.rationale, LIMITS.rationaleCharsMax)
  bound('the run', asserted.run, LIMITS.runCharsMax)
  bound('the idempotency key', idempotencyKey, LIMITS.idempotencyKeyCharsMax)
  if (faults.length > 0) throw new GatewayError('BAD_INPUT', faults.map((f) => f.message).join('; '), { faults })
  const { decisionRecord } = asserted
  return decisionRecord ? { ...asserted, decisionRecord: parts.playbooks.check(decisionRecord) } : asserted
}

/** An answer in the words of call states and error codes, for metrics and spans. */
function outcomeOf(answer: Answer): string {
  switch (answer.kind) {
    case 'result':
      return 'completed'
    case 'running':
      return 'executing'
    case 'failed':
      return answer.inDoubt ? 'in_doubt' : 'failed'
    case 'ended':
    case 'refused':
      return answer.code
    default:
      return answer.kind
  }
}

interface Decided {
  subject: Subject
  recorded: Recorded
}

/** Gathers facts, decides and records; all of it again when agent or policies changed in between. Throws UNAUTHENTICATED for an agent that is no longer active. */
async function decideAndRecord(
  { parts }: Line,
  principal: Principal,
  asked: Asked,
  started: Started,
  intent: 'now' | 'later',
): Promise<Decided> {
  let today = principal
  for (let tries = 1; ; tries++) {
    const { door, operation, input, asserted } = asked
    const subject: Subject = { door, principal: today, operation, input, asserted }
    const gathered = await gather(parts, subject, started.callId, started.span)
    const { idempotencyKey: key, responseKey } = asked
    const idempotency = key === undefined ? null : { key, responseKey }
    const recording = { callId: started.callId, subject, traceId: started.span.traceId, idempotency, intent }
    const recorded = await recordDecision(parts, recording, gathered, started.span)
    if (recorded.kind !== 'stale' || tries >= STALE_TRIES_MAX) return { subject, recorded }
    await Promise.all([parts.registry.refresh(), parts.refreshPolicies()])
    const agent = parts.registry.agent(principal.agent.name)
    if (agent?.status !== 'active') throw new GatewayError('UNAUTHENTICATED', `the agent is ${agent?.status ?? 'not registered'}`)
    today = { ...principal, agent }
  }
}

const streams = (answer: Answer): boolean => answer.kind === 'result' && answer.result.body.kind === 'stream'

function admitted(line: Line, started: Started, decided: Decided): Admitted {
  const { span } = started
  const { recorded } = decided
  const callId = recorded.kind === 'joined' ? recorded.callId : started.callId
  return {
    callId,
    async run() {
      let answer: Answer
      try {
        answer = await run(line, started, decided)
      } catch (error) {
        line.parts.telemetry.log.error({ callId, error }, 'a call could not be answered')
        answer = unanswered(callId, span.traceparent, recorded, error)
      }
      started.waited = recorded.kind === 'held' || recorded.kind === 'joined'
      // A body on its way is a call that runs: it ends when its body does.
      if (!streams(answer)) started.finish(outcomeOf(answer))
      return answer
    },
    async abandon() {
      started.finish('cancelled')
      if (recorded.kind === 'permitted' && recorded.intent === null)
        await line.parts.recorder.cancelUnstarted(callId, 'its turn never came')
    },
  }
}

/** What is certain where the answer cannot be had: a held call is held, whatever became of the wait. */
function unanswered(callId: CallId, traceparent: string, recorded: Recorded, error: unknown): Answer {
  if (recorded.kind === 'held') return { kind: 'held', callId, traceparent, expiresAt: recorded.hold.expiresAt }
  const { code, message, faults, retryAfterSeconds } =
    error instanceof GatewayError ? error : new GatewayError('INTERNAL', 'internal error')
  return { kind: 'refused', callId, traceparent, code, message, faults, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) }
}

async function run(line: Line, started: Started, { subject, recorded }: Decided): Promise<Answer> {
  const { callId, span, asked } = started
  const { traceparent } = span
  switch (recorded.kind) {
    case 'denied': {
      const { verdict } = recorded
      return { kind: 'denied', callId, traceparent, reason: verdict.reason, ...(verdict.advice ? { advice: verdict.advice } : {}) }
    }
    case 'held':
      if (asked.waitMs <= 0) return { kind: 'held', callId, traceparent, expiresAt: recorded.hold.expiresAt }
      return await resultOf(line, callId, againFor(subject), asked, traceparent)
    case 'permitted':
      return await runPermitted(line, started, subject, recorded)
    case 'joined':
      return await resultOf(line, recorded.callId, againFor(subject), asked, traceparent)
    case 'key_reused':
      return await told(
        line,
        subject.principal,
        started,
        'KEY_REUSED',
        'the idempotency key was used with other arguments: use a new key for a new call',
      )
    case 'too_many_holds':
      return await told(
        line,
        subject.principal,
        started,
        'LIMITED',
        `the agent may have ${line.parts.limits.openHolds} calls held at once`,
        60,
      )
    case 'stale':
      return await told(
        line,
        subject.principal,
        started,
        'UNAVAILABLE',
        'agent or policies changed while the call was decided: try again',
        1,
      )
    default:
      return unreachable(recorded)
  }
}

async function runPermitted(
  line: Line,
  started: Started,
  subject: Subject,
  recorded: Extract<Recorded, { kind: 'permitted' }>,
): Promise<Answer> {
  const { callId, span, asked } = started
  let intent = recorded.intent
  if (intent === null) {
    intent = await recordIntent(line.parts, callId, guardsOf(subject, recorded.permit), recorded.grant).catch((error: unknown) => {
      // Else it would wait for its turn for ever, and equal calls with it. The recorder writes it once it can.
      void line.parts.recorder.cancelUnstarted(callId, 'the record was away when its turn came').catch(() => undefined)
      throw error
    })
    if (intent === null) {
      await line.parts.recorder.cancelUnstarted(callId, 'agent, policies or its grant changed before its turn came')
      return {
        kind: 'ended',
        callId,
        traceparent: span.traceparent,
        code: 'CANCELLED',
        message: 'agent, policies or its grant changed before its turn came',
      }
    }
  }
  const keep = subject.operation.mode === 'write' || asked.idempotencyKey !== undefined
  if (keep) awaitHandOver(line, callId)
  const { signal, delivery, onProgress, logs } = asked
  const told = { ...(onProgress ? { onProgress } : {}), ...(logs ? { logs } : {}) }
  const run = { callId, subject, span, signal, delivery, keep, reserved: recorded.reserved, streamEnded: started.finish, ...told }
  return await execute(line.parts, run, intent, recorded.permit)
}

const againFor = ({ principal, asserted }: Subject): Asking => ({ reader: principal, run: asserted.run ?? null, claims: true })

/** Who asks for a call that was made before, and in which run. One who asked for it with its arguments `claims` a call that waits for its agent. */
interface Asking {
  reader: Principal
  run: string | null
  claims: boolean
}

/** The answer of a call that is held, runs elsewhere or has ended, as `reader` may read it today. */
export async function resultOf(
  line: Line,
  id: CallId,
  { reader, run, claims }: Asking,
  { waitMs, signal, onWaiting }: Pick<Asked, 'waitMs' | 'signal' | 'onWaiting'>,
  traceparent: string,
): Promise<Answer> {
  const { parts, waiter } = line
  awaitHandOver(line, id)
  const claimable = async (call: Call): Promise<boolean> => call.state === 'approved' && (await holdOf(parts, call))?.onApproval === 'claim'
  const call = await settle(waiter, id, waitMs, signal, claimable, onWaiting && (() => onWaiting(id)))
  if (!call) throw new GatewayError('NOT_FOUND', 'no such call')
  if (claims && call.holdId && (await claimable(call))) {
    const claimed = await release(parts, call.holdId, reader, signal)
    if (claimed) return withEdit(claimed, call)
  }
  const latest = call.state === 'approved' ? ((await parts.store.call(id)) ?? call) : call
  return await answerFrom(parts, latest, reader, run, traceparent)
}

async function told(
  line: Line,
  principal: Principal,
  started: Started,
  code: 'KEY_REUSED' | 'LIMITED' | 'UNAVAILABLE',
  message: string,
  retryAfterSeconds?: number,
): Promise<Answer> {
  return await refuse(
    line,
    principal,
    started,
    new GatewayError(code, message, retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  )
}

async function refuse({ parts }: Line, principal: Principal, started: Started, error: unknown): Promise<Answer> {
  const { callId, asked, span } = started
  if (!(error instanceof GatewayError)) parts.telemetry.log.error({ callId, error }, 'an unexpected fault')
  const known = error instanceof GatewayError ? error : new GatewayError('INTERNAL', 'internal error')
  await recordRefusal(parts, asked.door, principal, asked.operation.id, known, callId)
  started.finish(known.code)
  const { code, message, faults, retryAfterSeconds } = known
  const retry = retryAfterSeconds === undefined ? {} : { retryAfterSeconds }
  return { kind: 'refused', callId, traceparent: span.traceparent, code, message, faults, ...retry }
}
