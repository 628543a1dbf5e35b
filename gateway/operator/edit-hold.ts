import type { Call } from '../core/call.ts'
import { GatewayError } from '../core/errors.ts'
import { type Hold, ineligibility, ineligibleToEdit, satisfied } from '../core/hold.ts'
import type { HoldId } from '../core/ids.ts'
import { canonicalJson, type JsonObject } from '../core/json.ts'
import { LIMITS } from '../limits.ts'
import type { Operator } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { assertOpen, findHold, noHold } from './holds.ts'
import { comment, requirePerson } from './roles.ts'

/**
 * Puts other arguments in the place of those that are held. Policy decides again; answers with the hold that the call has then: a new one without votes, in
 * which the editor has none, or the old one where policy denies. Throws HOLD_NOT_OPEN, NOT_ELIGIBLE, NOT_FOUND, BAD_INPUT, LIMITED.
 */
export async function editHold(deps: OperatorDeps, by: Operator, id: HoldId, input: JsonObject, words: string | undefined): Promise<Hold> {
  requirePerson(by, 'editing')
  const hold = await findHold(deps, by, id)
  const call = hold && (await deps.store.call(hold.callId))
  const person = deps.registry.person(by.name)
  if (!hold || !call || !person) throw noHold(id)
  const publishers = await deps.store.publishers(hold.matched)
  const why = ineligibleToEdit(hold, call, person, publishers)
  if (why !== null) throw new GatewayError('NOT_ELIGIBLE', why)
  if (hold.edits !== 'allowed')
    throw new GatewayError('NOT_ELIGIBLE', 'the approval of this hold allows no edits: reject it and say what is wrong')
  assertOpen(hold, deps.clock.now())
  checkSomebodyIsLeft(deps, hold, call, by.name, publishers)
  const said = comment(words, 'comment') ?? null
  const edited = prepared(deps, call, input)
  if (!(await deps.editHeld(call, hold, { input: edited, by: by.name, comment: said }))) {
    assertOpen((await deps.store.hold(id)) ?? hold, deps.clock.now())
    throw new GatewayError('HOLD_NOT_OPEN', `hold \`${id}\` changed while it was edited: look at it again`)
  }
  deps.bus.publish({ kind: 'call', id: call.id })
  const now = await deps.store.call(call.id)
  return (now?.holdId ? await deps.store.hold(now.holdId) : undefined) ?? hold
}

/** The canonical arguments. Throws BAD_INPUT where they are invalid or the same, HOLD_NOT_OPEN where the operation is gone, LIMITED. */
function prepared(deps: OperatorDeps, call: Call, input: JsonObject): JsonObject {
  const operation = deps.catalogue().operations.get(call.operation)
  if (!operation) throw new GatewayError('HOLD_NOT_OPEN', 'the operation changed after the call was held')
  if ((call.edit?.count ?? 0) >= LIMITS.editsPerCallMax)
    throw new GatewayError('LIMITED', `the call was edited ${LIMITS.editsPerCallMax} times: reject it and say what is wrong`)
  const edited = deps.prepare(operation, input)
  if (canonicalJson(edited) === canonicalJson(call.input))
    throw new GatewayError('BAD_INPUT', 'these are the arguments as they stand: change something')
  return edited
}

/** An edit that nobody could approve any more would only be a slow refusal. */
function checkSomebodyIsLeft(deps: OperatorDeps, hold: Hold, call: Call, editor: string, publishers: readonly string[]): void {
  const after = { ...call, edit: { editors: [...(call.edit?.editors ?? []), editor] } }
  const left = deps.registry
    .people()
    .filter((person) => !person.roles.includes('auditor') && ineligibility(hold, after, person, publishers) === null)
  if (satisfied(hold.requires, left)) return
  throw new GatewayError(
    'NOT_ELIGIBLE',
    'who edits has no vote, and without you too few are left to approve: reject it and say what is wrong',
  )
}
