import type { Call } from '../../gateway/core/call.ts'
import type { Entry } from '../../gateway/core/entry.ts'
import type { CallId } from '../../gateway/core/ids.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'

/** What one request has looked at: several fields of one call ask, and record, once. */
interface Looks {
  payloads: Map<CallId, Promise<boolean>>
  trails: Map<string, Promise<readonly Entry[]>>
  calls: Map<CallId, Promise<Call | undefined>>
}

const looks = new WeakMap<OperatorContext, Looks>()

function looksOf(context: OperatorContext): Looks {
  const known = looks.get(context) ?? { payloads: new Map(), trails: new Map(), calls: new Map() }
  looks.set(context, known)
  return known
}

function once<K, V>(map: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  const made = map.get(key) ?? make()
  map.set(key, made)
  return made
}

/** Whether the payload of this call may be shown to who asks. */
export const mayView = (context: OperatorContext, call: Call): Promise<boolean> =>
  once(looksOf(context).payloads, call.id, () => context.cases.mayViewPayload(context.by, call))

/** The call's entries, with or without payloads. */
export const trailOf = (context: OperatorContext, id: CallId, payloads: boolean): Promise<readonly Entry[]> =>
  once(looksOf(context).trails, `${id} ${payloads}`, () => context.cases.trail(context.by, id, payloads))

/** A call by its id, where who asks may see it. */
export const callOf = (context: OperatorContext, id: CallId): Promise<Call | undefined> =>
  once(looksOf(context).calls, id, () => context.cases.call(context.by, id))
