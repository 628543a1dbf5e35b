import type { Call, CallError } from '../core/call.ts'
import { unreachable } from '../core/decision.ts'
import { editedOf } from '../core/edit.ts'
import type { Hold } from '../core/hold.ts'
import type { CallId } from '../core/ids.ts'
import type { Principal } from '../core/principal.ts'
import { passesThrough } from '../core/outcome.ts'
import { LIMITS } from '../limits.ts'
import type { Answer, CallResult, CallStatus } from '../ports/calls.ts'
import { classesFor } from './classes.ts'
import { fromStored } from './filter.ts'
import { heldBack, stick } from './labels.ts'
import { isShown, resultOfShown, show } from './show.ts'
import type { Parts } from './stages.ts'
import { isFinal, type Waiter } from './wait.ts'

/** Why a call ends whose hold the policies gave up: in the record, and to its agent. */
export const NO_LONGER_HELD = 'the policies changed and ask nobody about this call any more'
const SEND_AGAIN = 'send it again, under another idempotency key if it had one'

const UNKNOWN = 'the gateway stopped before the outcome was known'

/**
 * The kept answer as this caller may read it by today's policies, WITHHELD where it cannot be told what of it that is, undefined where none is kept. It was
 * kept as its first reader might have read it, so it can only become less.
 */
export function keptFor(parts: Parts, reader: Principal, { operation: id, result }: Call): CallResult | CallError | undefined {
  if (!result) return undefined
  const operation = parts.catalogue.operations.get(id)
  if (!operation) return { code: 'WITHHELD', message: 'the operation is not configured any more, so nobody can tell what its answer holds' }
  const shown = show(operation, classesFor(parts, reader, operation).refused, fromStored(result))
  return isShown(shown) ? resultOfShown(shown) : shown
}

const isResult = (kept: CallResult | CallError | undefined): kept is CallResult => kept !== undefined && 'body' in kept

/**
 * Tells a call's answer from the record alone: the same words as when it was fresh. What its result brings sticks to the reader first, in the call's own run
 * and in the one that asks for it now.
 */
export async function answerFrom(parts: Parts, call: Call, reader: Principal, run: string | null, traceparent: string): Promise<Answer> {
  const answer = await toldOf(parts, call, reader, traceparent)
  const result = answer.kind === 'result' || answer.kind === 'failed' ? answer.result : undefined
  return withEdit(!result || (await stuck(parts, call, reader, run, result)) ? answer : heldBack(call.id, traceparent), call)
}

/** Whether a kept result may be handed over: what it brings has stuck to its reader. */
export async function stuck(
  parts: Parts,
  call: Call,
  principal: Principal,
  run: string | null,
  { headers, body }: CallResult,
): Promise<boolean> {
  const operation = parts.catalogue.operations.get(call.operation)
  if (!operation || body.kind !== 'bytes') return false
  return await stick(parts, { callId: call.id, principal, operation, runs: [call.run, run] }, { headers, bytes: body.bytes })
}

/** An answer with what people changed in the call's arguments. */
export function withEdit<T extends Answer | CallStatus>(answer: T, call: Call): T {
  const edited = editedOf(call)
  return edited ? { ...answer, edited } : answer
}

async function toldOf(parts: Parts, call: Call, reader: Principal, traceparent: string): Promise<Answer> {
  const { id: callId } = call
  switch (call.state) {
    case 'held':
      return { kind: 'held', callId, traceparent, expiresAt: (await holdOf(parts, call))?.expiresAt ?? call.createdAt }
    case 'approved':
    case 'executing':
      return { kind: 'running', callId, traceparent }
    case 'completed':
      return completed(call, keptFor(parts, reader, call), traceparent)
    case 'failed':
    case 'in_doubt': {
      const kept = keptFor(parts, reader, call)
      return {
        kind: 'failed',
        callId,
        traceparent,
        code: call.error?.code ?? 'UPSTREAM',
        message: call.error?.message ?? (call.state === 'failed' ? 'a person found that the call had no effect' : UNKNOWN),
        inDoubt: call.state === 'in_doubt',
        ...(call.upstreamStatus === null ? {} : { upstreamStatus: call.upstreamStatus }),
        ...(isResult(kept) && passesThrough(kept.status) ? { result: kept } : {}),
      }
    }
    case 'denied': {
      const advice = await adviceOf(parts, call)
      return { kind: 'denied', callId, traceparent, reason: call.denyReason ?? 'forbidden', ...(advice ? { advice } : {}) }
    }
    case 'rejected':
      return await rejected(parts, call, traceparent)
    case 'expired':
      return { kind: 'ended', callId, traceparent, code: 'EXPIRED', message: 'nobody approved the call in time' }
    case 'cancelled':
      return { kind: 'ended', callId, traceparent, code: 'CANCELLED', message: await whyCancelled(parts, call) }
    default:
      return unreachable(call.state)
  }
}

async function whyCancelled(parts: Parts, call: Call): Promise<string> {
  if (await isNoLongerHeld(parts, call)) return `${NO_LONGER_HELD}: ${SEND_AGAIN}`
  return call.error?.message ?? 'the call was cancelled'
}

const isNoLongerHeld = async (parts: Parts, { id }: Call): Promise<boolean> =>
  (await parts.store.entries(id)).some(({ body }) => body.kind === 'hold.changed' && body.why === NO_LONGER_HELD)

/** What policy advised when it denied the call last. */
async function adviceOf(parts: Parts, { id }: Call): Promise<string | undefined> {
  const decisions = (await parts.store.entries(id)).flatMap(({ body }) => (body.kind === 'decision' ? [body.decision.verdict] : []))
  const last = decisions.at(-1)
  return last?.effect === 'deny' ? last.advice : undefined
}

/** Why a call that was never executed never will be, in words that name no state; undefined for all others. */
export async function refusalIn(parts: Parts, call: Call): Promise<CallError | undefined> {
  switch (call.state) {
    case 'denied': {
      const advice = await adviceOf(parts, call)
      return { code: 'DENIED', message: `policy does not allow it (${call.denyReason ?? 'forbidden'})`, ...(advice ? { advice } : {}) }
    }
    case 'rejected':
      return { code: 'DENIED', message: 'a person refused it' }
    case 'expired':
      return { code: 'EXPIRED', message: 'nobody agreed to it in time' }
    case 'cancelled':
      if (await isNoLongerHeld(parts, call)) return { code: 'CANCELLED', message: NO_LONGER_HELD, advice: SEND_AGAIN }
      return { code: 'CANCELLED', message: 'it was given up before it began' }
    default:
      return undefined
  }
}

export const holdOf = async (parts: Parts, call: Call): Promise<Hold | undefined> =>
  call.holdId ? await parts.store.hold(call.holdId) : undefined

function completed(call: Call, kept: CallResult | CallError | undefined, traceparent: string): Answer {
  const { id: callId, operation } = call
  if (isResult(kept)) return { kind: 'result', callId, traceparent, operation, result: kept, replayed: true }
  if (kept) {
    const upstream = call.upstreamStatus === null ? {} : { upstreamStatus: call.upstreamStatus }
    return { kind: 'failed', callId, traceparent, code: kept.code, message: kept.message, inDoubt: false, ...upstream }
  }
  // Ended by a person who found out that it happened: there is no answer of the system to hand over.
  const message = call.erased
    ? 'the call was executed; its result was erased'
    : call.upstreamStatus === null
      ? 'a person found that the call took effect; its answer is not known'
      : 'the call was executed; its result was not kept'
  return { kind: 'refused', callId, traceparent, code: 'RESULT_NOT_KEPT', message, faults: [] }
}

async function rejected(parts: Parts, call: Call, traceparent: string): Promise<Answer> {
  const votes = call.holdId ? await parts.store.votes(call.holdId) : []
  const comment = votes.find((vote) => vote.verdict === 'reject')?.comment
  return { kind: 'denied', callId: call.id, traceparent, reason: 'rejected', ...(comment ? { comment } : {}) }
}

/**
 * Waits for people for up to `waitMs`, and once they approved for the result, at most until `LIMITS.answerWaitMsMax` in all: clients give up at 60 s.
 * A call that waits for its agent to claim it (`isClaimable`) ends the waiting.
 */
export async function settle(
  waiter: Waiter,
  id: CallId,
  waitMs: number,
  signal: AbortSignal,
  isClaimable: (call: Call) => Promise<boolean>,
  onWaiting?: () => void,
): Promise<Call | undefined> {
  const startedMs = performance.now()
  const call = await waiter.until(id, waitMs, signal, (c) => c.state !== 'held', onWaiting)
  if (!call || call.state === 'held' || isFinal(call) || (await isClaimable(call))) return call
  const leftMs = Math.min(LIMITS.runningWaitMsMax, LIMITS.answerWaitMsMax - (performance.now() - startedMs))
  // A hold that was replaced by another has the call wait for people again, and that only for as long as was asked for.
  const heldAgain = (c: Call): boolean => c.state === 'held' && performance.now() - startedMs >= waitMs
  return await waiter.until(id, Math.max(0, leftMs), signal, (c) => isFinal(c) || heldAgain(c), onWaiting)
}
