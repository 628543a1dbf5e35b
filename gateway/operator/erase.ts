import type { Call } from '../core/call.ts'
import { GatewayError } from '../core/errors.ts'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { ErasedCalls, ErasureAsked, Operator } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { comment, requirePerson, requireRole } from './roles.ts'

/**
 * Destroys the payloads of calls that have ended: those that are named, or a page of those that fit. What happened stays in the record and in its log, with
 * an entry that says who erased and why. Whoever had a part in a call does not erase what it was about. Throws FORBIDDEN, BAD_INPUT, UNAVAILABLE.
 */
export async function erasePayloads(deps: OperatorDeps, by: Operator, asked: ErasureAsked): Promise<ErasedCalls> {
  requirePerson(by, 'erasing payloads')
  requireRole(by, 'erasing payloads', 'security')
  const why = comment(asked.why, 'reason')
  if (why === undefined) throw new GatewayError('BAD_INPUT', 'the reason is missing: say why, without what is to be erased')
  const { calls, next } = await chosen(deps, asked)
  const own = calls.filter((call) => isInvolved(by, call))
  const known = new Set(calls.map(({ id }) => id))
  const named = asked.calls.filter((id) => !known.has(id))
  const others = calls.filter((call) => !call.erased && !own.includes(call)).map(({ id }) => id)
  const { calls: erased, entries, kept } = await deps.erasure.erase(others, by.name, why)
  for (const id of erased) deps.bus.publish({ kind: 'call', id })
  return {
    calls: erased,
    entries,
    kept: [
      ...kept,
      ...own.filter((call) => !call.erased).map(({ id }) => ({ call: id, why: 'you had a part in it: somebody else has to erase it' })),
      ...named.map((call) => ({ call, why: 'there is no such call' })),
    ],
    next,
  }
}

const isInvolved = (by: Operator, { owner, subject, actors }: Call): boolean =>
  owner === by.name || subject === by.name || actors.includes(by.name)

async function chosen(deps: OperatorDeps, asked: ErasureAsked): Promise<{ calls: readonly Call[]; next: CallId | null }> {
  const { calls, filter, after } = asked
  const most = LIMITS.erasedCallsPerBatchMax
  if (calls.length > 0 === (filter !== undefined)) throw new GatewayError('BAD_INPUT', 'name calls, or say which by a filter: one of both')
  if (!filter) {
    if (calls.length > most) throw new GatewayError('BAD_INPUT', `at most ${most} calls are erased at once: name fewer`)
    return { calls: await deps.store.callsOf([...new Set(calls)]), next: null }
  }
  if (Object.keys(filter).length === 0) throw new GatewayError('BAD_INPUT', 'the filter is empty: it would erase every call')
  const { rows, more, lookedTo } = await deps.store.calls(filter, { first: most, ...(after === undefined ? {} : { after }) })
  return { calls: rows, next: lookedTo ?? (more ? (rows.at(-1)?.id ?? null) : null) }
}
