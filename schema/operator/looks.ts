import type { Account } from '../../gateway/core/account.ts'
import type { Call } from '../../gateway/core/call.ts'
import type { Instant } from '../../gateway/core/clock.ts'
import type { Entry } from '../../gateway/core/entry.ts'
import { GatewayError } from '../../gateway/core/errors.ts'
import type { Hold, Vote } from '../../gateway/core/hold.ts'
import type { CallId, HoldId } from '../../gateway/core/ids.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'

/** What one request has looked at: several fields of one call ask, and record, once. */
interface Looks {
  loads: number
  payloads: Map<CallId, Promise<boolean>>
  accounts: Map<CallId, Promise<Account | null>>
  trails: Map<string, Promise<readonly Entry[]>>
  calls: Map<CallId, Promise<Call | undefined>>
  lastCalls: Together<string, string, Instant>
  callsOfHolds: Together<Hold, HoldId, Call>
  votes: Together<Hold, HoldId, readonly Vote[]>
  ineligible: Together<Held, HoldId, string | null>
}

interface Held {
  hold: Hold
  call: Call
}

const looks = new WeakMap<OperatorContext, Looks>()

function looksOf(context: OperatorContext): Looks {
  const known = looks.get(context) ?? freshLooks(context)
  looks.set(context, known)
  return known
}

function freshLooks(context: OperatorContext): Looks {
  const { by, cases } = context
  const idOf = ({ id }: Hold): HoldId => id
  return {
    loads: 0,
    payloads: new Map(),
    accounts: new Map(),
    trails: new Map(),
    calls: new Map(),
    lastCalls: new Together(
      (agent) => agent,
      (agents) => {
        spend(context, 1)
        return cases.lastCalls(by, agents)
      },
    ),
    callsOfHolds: new Together(idOf, (holds) => cases.callsOfHolds(by, holds)),
    votes: new Together(idOf, (holds) => cases.votes(by, holds)),
    ineligible: new Together(
      ({ hold }) => hold.id,
      (held) => cases.whyIneligible(by, held),
    ),
  }
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

function once<K, V>(context: OperatorContext, map: Map<K, Promise<V>>, key: K, make: () => Promise<V>, cost = 1): Promise<V> {
  const known = map.get(key)
  if (known) return known
  spend(context, cost)
  const made = make()
  map.set(key, made)
  return made
}

/** Whether the payload of this call may be shown to who asks. */
export const mayView = (context: OperatorContext, call: Call): Promise<boolean> =>
  once(context, looksOf(context).payloads, call.id, () => context.cases.mayViewPayload(context.by, call))

/** An account is put together from many entries. */
const ACCOUNT_COST = 50

/** What the agent told of the call's trace, where who asks may see it. */
export const accountSeen = (context: OperatorContext, call: Call): Promise<Account | null> =>
  once(context, looksOf(context).accounts, call.id, () => context.cases.accountOfCall(context.by, call), ACCOUNT_COST)

/** The call's entries, with or without payloads. */
export const trailOf = (context: OperatorContext, id: CallId, payloads: boolean): Promise<readonly Entry[]> =>
  once(context, looksOf(context).trails, `${id} ${payloads}`, () => context.cases.trail(context.by, id, payloads))

/** A call by its id, where who asks may see it. */
export const callOf = (context: OperatorContext, id: CallId): Promise<Call | undefined> =>
  once(context, looksOf(context).calls, id, () => context.cases.call(context.by, id))

/** When an agent made its newest call. */
export const lastCallOf = (context: OperatorContext, agent: string): Promise<Instant | undefined> => looksOf(context).lastCalls.of(agent)

/** A hold's call, where who asks may see it. */
export const callOfHold = (context: OperatorContext, hold: Hold): Promise<Call | undefined> =>
  once(context, looksOf(context).calls, hold.callId, () => looksOf(context).callsOfHolds.of(hold))

/** A hold's votes as they stand. */
export const votesOn = async (context: OperatorContext, hold: Hold): Promise<readonly Vote[]> =>
  (await looksOf(context).votes.of(hold)) ?? []

/** Why who asks may not vote on a hold. */
export const whyIneligible = async (context: OperatorContext, hold: Hold, call: Call): Promise<string | null> =>
  (await looksOf(context).ineligible.of({ hold, call })) ?? null

/** What fields of a list ask for in one turn is read together, with one statement for every `LIMITS.pageRowsMax` of it. */
class Together<Asked, Key, Found> {
  readonly #keyOf: (asked: Asked) => Key
  readonly #read: (asked: readonly Asked[]) => Promise<ReadonlyMap<Key, Found>>
  #turn: { asked: Map<Key, Asked>; found: Promise<readonly ReadonlyMap<Key, Found>[]> } | null = null

  constructor(keyOf: (asked: Asked) => Key, read: (asked: readonly Asked[]) => Promise<ReadonlyMap<Key, Found>>) {
    this.#keyOf = keyOf
    this.#read = read
  }

  async of(one: Asked): Promise<Found | undefined> {
    this.#turn ??= this.#begin()
    const { asked, found } = this.#turn
    const key = this.#keyOf(one)
    asked.set(key, one)
    return (await found).find((page) => page.has(key))?.get(key)
  }

  #begin() {
    const asked = new Map<Key, Asked>()
    const found = new Promise<void>((resolve) => setImmediate(resolve)).then(async () => {
      this.#turn = null
      const all = [...asked.values()]
      const pages: ReadonlyMap<Key, Found>[] = []
      for (let at = 0; at < all.length; at += LIMITS.pageRowsMax) pages.push(await this.#read(all.slice(at, at + LIMITS.pageRowsMax)))
      return pages
    })
    return { asked, found }
  }
}
