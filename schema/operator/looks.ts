import type { Call } from '../../gateway/core/call.ts'
import type { Instant } from '../../gateway/core/clock.ts'
import type { Entry } from '../../gateway/core/entry.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import type { CallId } from '../../gateway/core/ids.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'

/** What one request has looked at: several fields of one call ask, and record, once. */
interface Looks {
  loads: number
  payloads: Map<CallId, Promise<boolean>>
  trails: Map<string, Promise<readonly Entry[]>>
  calls: Map<CallId, Promise<Call | undefined>>
  lastCalls: LastCalls | null
}

/** Agents whose newest calls are asked for in one turn, with one statement for every `LIMITS.pageRowsMax` of them. */
interface LastCalls {
  names: string[]
  found: Promise<readonly ReadonlyMap<string, Instant>[]>
}

const looks = new WeakMap<OperatorContext, Looks>()

function looksOf(context: OperatorContext): Looks {
  const known = looks.get(context) ?? { loads: 0, payloads: new Map(), trails: new Map(), calls: new Map(), lastCalls: null }
  looks.set(context, known)
  return known
}

/**
 * Counts objects that a request loads. Throws BAD_INPUT beyond `LIMITS.operatorLoadsPerRequestMax`: lists of lists multiply, and every load
 * is a statement that calls of agents wait behind.
 */
export function spend(context: OperatorContext, loads: number): void {
  const known = looksOf(context)
  known.loads += loads
  if (known.loads > LIMITS.operatorLoadsPerRequestMax) {
    throw new GatewayError('BAD_INPUT', `the query loads more than ${LIMITS.operatorLoadsPerRequestMax} objects: ask for fewer at a time`)
  }
}

function once<K, V>(context: OperatorContext, map: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  const known = map.get(key)
  if (known) return known
  spend(context, 1)
  const made = make()
  map.set(key, made)
  return made
}

/** Whether the payload of this call may be shown to who asks. */
export const mayView = (context: OperatorContext, call: Call): Promise<boolean> =>
  once(context, looksOf(context).payloads, call.id, () => context.cases.mayViewPayload(context.by, call))

/** The call's entries, with or without payloads. */
export const trailOf = (context: OperatorContext, id: CallId, payloads: boolean): Promise<readonly Entry[]> =>
  once(context, looksOf(context).trails, `${id} ${payloads}`, () => context.cases.trail(context.by, id, payloads))

/** A call by its id, where who asks may see it. */
export const callOf = (context: OperatorContext, id: CallId): Promise<Call | undefined> =>
  once(context, looksOf(context).calls, id, () => context.cases.call(context.by, id))

/** When an agent made its newest call. Agents of one list are looked up together. */
export async function lastCallOf(context: OperatorContext, agent: string): Promise<Instant | undefined> {
  const known = looksOf(context)
  const turn = known.lastCalls ?? lookUpTogether(context, known)
  known.lastCalls = turn
  turn.names.push(agent)
  return (await turn.found).find((page) => page.has(agent))?.get(agent)
}

function lookUpTogether(context: OperatorContext, known: Looks): LastCalls {
  const names: string[] = []
  const found = new Promise<void>((resolve) => setImmediate(resolve)).then(async () => {
    known.lastCalls = null
    const pages: ReadonlyMap<string, Instant>[] = []
    for (let at = 0; at < names.length; at += LIMITS.pageRowsMax) {
      spend(context, 1)
      pages.push(await context.cases.lastCalls(context.by, names.slice(at, at + LIMITS.pageRowsMax)))
    }
    return pages
  })
  return { names, found }
}
