import { ACCOUNT_LOOK, type Account } from '../core/account.ts'
import type { Call, DecisionRecord } from '../core/call.ts'
import { type BusinessObject, objectAsked } from '../core/decision.ts'
import { whyNotBreaking } from '../core/break-glass.ts'
import type { Entry } from '../core/entry.ts'
import { withoutPayload } from '../core/entry-payload.ts'
import { GatewayError } from '../core/errors.ts'
import { ineligibleToEdit } from '../core/hold.ts'
import type { CallId } from '../core/ids.ts'
import type { CallFilter, CallsPage, PageRequest } from '../ports/call-store.ts'
import type { Operator } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { comment, hasRole, isAsked, isReader, mayBreakGlass, requirePerson, requireReader, requireRole } from './roles.ts'

/** Calls newest first. Throws FORBIDDEN for people without a reading role: approvers find theirs below their holds. */
export async function listCalls(deps: OperatorDeps, by: Operator, filter: CallFilter, page: PageRequest<CallId>): Promise<CallsPage> {
  requireReader(by, 'listing calls')
  return deps.store.calls(filter, page)
}

/** One call; undefined where there is none, and where this person may not see it. */
export async function findCall(deps: OperatorDeps, by: Operator, id: CallId): Promise<Call | undefined> {
  const call = await deps.store.call(id)
  if (!call || isReader(by)) return call
  const hold = call.holdId === null ? undefined : await deps.store.hold(call.holdId)
  return hold && (isAsked(by, hold) || mayBreakGlass(deps, by)) ? call : undefined
}

/**
 * Payloads are for security, auditors, and the people who may vote on the call's hold. A look is recorded before it is granted:
 * where the record cannot be written this throws UNAVAILABLE.
 */
export const mayViewPayload = (deps: OperatorDeps, by: Operator, call: Call): Promise<boolean> => mayLook(deps, by, call, 'payload')

async function mayLook(deps: OperatorDeps, by: Operator, call: Call, what: string): Promise<boolean> {
  if (!hasRole(by, 'security', 'auditor') && !(await mayDecide(deps, by, call))) return false
  await deps.recorder.note(call.id, { kind: 'view', by: by.name, what })
  return true
}

/**
 * What the agent told of the call's trace, for those who may see its payload: each look is recorded. Null where it told nothing of it for this subject, and for
 * who may not see it. Throws UNAVAILABLE.
 */
export async function accountOfCall(deps: OperatorDeps, by: Operator, call: Call): Promise<Account | null> {
  const { traceId, agent, subject } = call
  const account = traceId === null ? undefined : await deps.store.account({ traceId, agent, subject })
  return account && (await mayLook(deps, by, call, ACCOUNT_LOOK)) ? account : null
}

/** Who edited the arguments has no vote, and still sees what became of them. */
async function mayDecide(deps: OperatorDeps, by: Operator, call: Call): Promise<boolean> {
  if (hasRole(by, 'local') || call.holdId === null) return false
  const hold = await deps.store.hold(call.holdId)
  if (!hold) return false
  const publishers = await deps.store.publishers(hold.matched)
  if (ineligibleToEdit(hold, call, by, publishers) === null) return true
  return deps.breakGlass !== null && hold.state === 'open' && whyNotBreaking(deps.breakGlass, hold, call, by, publishers) === null
}

/**
 * The entries of a call, oldest first. Arguments and facts are in them only where they are asked for and this person may see them, which
 * is recorded. Throws NOT_FOUND.
 */
export async function trail(deps: OperatorDeps, by: Operator, id: CallId, payloads: boolean): Promise<readonly Entry[]> {
  const call = await findCall(deps, by, id)
  if (!call) throw new GatewayError('NOT_FOUND', `no call \`${id}\``)
  const open = payloads && (await mayViewPayload(deps, by, call))
  const entries = await deps.store.entries(id, 'marked')
  return open ? entries : entries.map((entry) => ({ ...entry, body: withoutPayload(entry.body) }))
}

/** What the agent attached to a call. It is payload: the look has to be granted and recorded before (`mayViewPayload`). Throws NOT_FOUND. */
export async function attachedRecord(deps: OperatorDeps, by: Operator, { id }: Call): Promise<DecisionRecord | undefined> {
  return (await newestDecision(deps, by, id))?.request.asserted.decisionRecord
}

async function newestDecision(deps: OperatorDeps, by: Operator, id: CallId): Promise<DecisionBody | undefined> {
  if (!(await findCall(deps, by, id))) throw new GatewayError('NOT_FOUND', `no call \`${id}\``)
  const decided = (await deps.store.entries(id)).findLast(({ body }) => body.kind === 'decision')
  return decided?.body.kind === 'decision' ? decided.body : undefined
}

type DecisionBody = Extract<Entry['body'], { kind: 'decision' }>

/** What a call is about, as its newest decision was asked. The key of a business object is metadata: it says which, not what. Throws NOT_FOUND. */
export async function objectOf(deps: OperatorDeps, by: Operator, id: CallId): Promise<BusinessObject | null> {
  const decided = await newestDecision(deps, by, id)
  return decided ? objectAsked(decided.decision.evidence) : null
}

/** The newest executed call equal to this one. Whoever may see a held call may know that it was made before. */
export async function equalCall(deps: OperatorDeps, _by: Operator, call: Call): Promise<Pick<Call, 'id' | 'updatedAt'> | undefined> {
  if (call.erased) return undefined
  return deps.store.lastEqual(deps.joinKeyOf(call), call.id)
}

function involved(by: Operator, call: Call): string | null {
  if (call.owner === by.name) return "the agent's owner may not resolve its calls"
  return call.subject === by.name || call.actors.includes(by.name) ? 'the subject or an actor of a call may not resolve it' : null
}

/** Why this person may not say what became of a call in doubt; null where they may. */
export function whyNotResolve(_deps: OperatorDeps, by: Operator, call: Call): string | null {
  if (hasRole(by, 'local', 'auditor') || !hasRole(by, 'operator', 'security')) return 'resolving a call needs an operator or security'
  return involved(by, call)
}

/** Ends a call in doubt by a person's word. Throws NOT_FOUND, CALL_NOT_IN_DOUBT, NOT_ELIGIBLE (the agent's owner), BAD_INPUT (no evidence). */
export async function resolveCall(
  deps: OperatorDeps,
  by: Operator,
  id: CallId,
  effect: 'HAPPENED' | 'DID_NOT_HAPPEN',
  evidence: string,
): Promise<Call> {
  requirePerson(by, 'resolving a call')
  requireRole(by, 'resolving a call', 'operator', 'security')
  const words = comment(evidence, 'evidence')
  if (words === undefined) throw new GatewayError('BAD_INPUT', 'evidence is missing: say how you know what happened')
  const call = await deps.store.call(id)
  if (!call) throw new GatewayError('NOT_FOUND', `no call \`${id}\``)
  const why = involved(by, call)
  if (why !== null) throw new GatewayError('NOT_ELIGIBLE', why)
  if (!(await deps.recorder.resolve(id, by.name, effect, words))) {
    throw new GatewayError('CALL_NOT_IN_DOUBT', `call \`${id}\` is not in doubt`)
  }
  deps.bus.publish({ kind: 'call', id })
  return (await deps.store.call(id)) ?? call
}
