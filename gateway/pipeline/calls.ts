import { type Call, type CallError, FINAL_STATES } from '../core/call.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../limits.ts'
import type { CallId } from '../core/ids.ts'
import type { Principal } from '../core/principal.ts'
import type { Calls, CallStatus } from '../ports/calls.ts'
import { holdOf, keptFor, refusalIn, stuck, withEdit } from './answer.ts'
import { authenticate, recordRefusal } from './authenticate.ts'
import { admit, awaitHandOver, type Line, resultOf } from './handle.ts'
import { HELD_BACK } from './labels.ts'
import { createLimiter } from './limit.ts'
import { createResolver } from './resolve.ts'
import { release } from './resume.ts'
import type { Parts } from './stages.ts'
import { createWaiter, isFinal } from './wait.ts'

/** The pipeline as the doors see it. `close` ends its waiting; calls under way go on. */
export function createCalls(parts: Parts): Calls & { waiters(): number; close(): void } {
  const waiter = createWaiter(parts.store, parts.bus)
  const line: Line = { parts, waiter, limiter: createLimiter(parts.limits, parts.clock), handOvers: new Set() }
  const resolver = createResolver(parts)
  const traceparent = (): string => parts.telemetry.startCall({}, undefined).traceparent
  return {
    authenticate: (authorization, door) => authenticate(parts, authorization, door),
    catalogue: () => parts.catalogue,
    view: (principal) => resolver.view(principal),
    find: (principal, jointName) => resolver.find(principal, jointName),
    match: (principal, connector, request) => resolver.match(principal, connector, request),
    admit: (principal, asked) => admit(line, principal, asked, 'later'),
    async call(principal, asked) {
      return await (await admit(line, principal, asked, 'now')).run()
    },
    refuse: (door, principal, asked, { code, message, faults }) =>
      recordRefusal(parts, door, principal, asked, { code, message, faults: faults ?? [] }),
    async status(principal, id, waitMs, signal) {
      await own(parts, principal, id)
      const call = await waiting(line, principal, signal, (until) => waiter.until(id, waitMs, until, isFinal))
      if (!call) throw new GatewayError('NOT_FOUND', 'no such call')
      if (isFinal(call)) awaitHandOver(line, id)
      return await statusOf(parts, call, principal)
    },
    async outline(principal, id) {
      const call = await own(parts, principal, id)
      const { operation, createdAt, updatedAt } = call
      const hold = call.state === 'held' || call.state === 'approved' ? await holdOf(parts, call) : undefined
      return { operation, createdAt, updatedAt, ...(hold ? { expiresAt: hold.expiresAt } : {}) }
    },
    async answer(principal, id, waitMs, signal, onWaiting) {
      await own(parts, principal, id)
      const told = onWaiting ? { onWaiting } : {}
      return await waiting(line, principal, signal, (until) =>
        resultOf(line, id, { reader: principal, run: null, claims: false }, { waitMs, signal: until, ...told }, traceparent()),
      )
    },
    async claim(principal, id, signal) {
      const call = await own(parts, principal, id)
      const hold = await holdOf(parts, call)
      if (!hold || call.state !== 'approved' || hold.onApproval !== 'claim')
        throw new GatewayError('CALL_NOT_CLAIMABLE', `call \`${id}\` is ${call.state} and cannot be claimed`)
      awaitHandOver(line, id)
      const claimed = await release(parts, hold.id, principal, signal)
      if (claimed) return withEdit(claimed, call)
      return await resultOf(line, id, { reader: principal, run: null, claims: false }, { waitMs: 0, signal }, traceparent())
    },
    cancel: (principal, id) => cancel(parts, principal, id),
    delivered: (id) => {
      if (line.handOvers.delete(id)) parts.recorder.delivered(id)
    },
    waiters: () => waiter.count(),
    close: () => waiter.close(),
  }
}

/** Waits within the agent's bound; beyond it `work` gets a signal that has aborted, and so waits for nothing. */
async function waiting<T>(
  { limiter }: Line,
  { agent }: Principal,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const leave = limiter.wait(agent.name)
  try {
    return await work(leave ? signal : AbortSignal.abort())
  } finally {
    leave?.()
  }
}

/** Ends the hold that the call has now; looks again where another took its place in between. Throws NOT_FOUND, HOLD_NOT_OPEN. */
async function cancel(parts: Parts, principal: Principal, id: CallId): Promise<void> {
  const by = principal.agent.name
  let tried: string | null = null
  for (;;) {
    const call = await own(parts, principal, id)
    const { holdId } = call
    if (holdId === null || holdId === tried)
      throw new GatewayError('HOLD_NOT_OPEN', `call \`${id}\` is ${call.state} and cannot be cancelled`)
    const change = { hold: holdId, callId: id, to: 'cancelled', callState: 'cancelled', by, why: 'cancelled by its agent' } as const
    if (await parts.recorder.changeHold(change)) return
    tried = holdId
  }
}

/** The call, if this agent made it for this subject: to anyone else it does not exist. */
async function own(parts: Parts, principal: Principal, id: CallId): Promise<Call> {
  const call = await parts.store.call(id)
  if (!call || call.agent !== principal.agent.name || call.subject !== (principal.subject ?? null))
    throw new GatewayError('NOT_FOUND', 'no such call')
  return call
}

/** What an agent is told of an error. */
const toldOf = ({ code, message, advice }: CallError): CallError => ({ code, message, ...(advice === undefined ? {} : { advice }) })

async function statusOf(parts: Parts, call: Call, reader: Principal): Promise<CallStatus> {
  const hold = FINAL_STATES.has(call.state) ? undefined : await holdOf(parts, call)
  const kept = keptFor(parts, reader, call)
  const result = kept && 'body' in kept ? kept : undefined
  if (result && !(await stuck(parts, call, reader, null, result)))
    throw new GatewayError('UNAVAILABLE', HELD_BACK, { retryAfterSeconds: LIMITS.outageRetryMs / 1_000 })
  const error = call.error ?? (kept && 'code' in kept ? kept : await refusalIn(parts, call))
  const status: CallStatus = {
    id: call.id,
    state: call.state,
    operation: call.operation,
    createdAt: call.createdAt,
    ...(hold ? { expiresAt: hold.expiresAt } : {}),
    ...(result ? { result: result.value, ...(result.masked ? { masked: result.masked } : {}) } : {}),
    ...(error ? { error: toldOf(error) } : {}),
    ...(call.upstreamStatus === null ? {} : { upstream: { status: call.upstreamStatus } }),
  }
  return withEdit(status, call)
}
