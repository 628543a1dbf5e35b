import type { Instant } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { CallId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Operator } from '../ports/operator.ts'
import { findCall } from './calls.ts'
import type { OperatorDeps } from './deps.ts'
import { listHolds } from './holds.ts'

/** One waiting moment at most: whoever reads slowly learns of many changes at once. */
class Moments implements AsyncIterableIterator<Instant> {
  #due: Instant | undefined
  #waiting: ((result: IteratorResult<Instant>) => void) | undefined
  #ended = false
  readonly #end: () => void

  constructor(end: () => void) {
    this.#end = end
  }

  tell(at: Instant): void {
    if (this.#ended) return
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting) waiting({ done: false, value: at })
    else this.#due = at
  }

  next(): Promise<IteratorResult<Instant>> {
    const due = this.#due
    this.#due = undefined
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    if (due !== undefined) return Promise.resolve({ done: false, value: due })
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }

  return(): Promise<IteratorResult<Instant>> {
    if (!this.#ended) {
      this.#ended = true
      this.#end()
      this.#waiting?.({ done: true, value: undefined })
    }
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}

/** What is looked at, as a text that differs when it changed; `calls` are those whose signals mean a change by themselves. */
interface Sight {
  text: string
  calls: ReadonlySet<CallId>
}

/**
 * Tells when what `look` sees changed. It looks at once after a signal about a call, though never more often than `LIMITS.inboxLookMsMin`, and each
 * `LIMITS.inboxLookMsMax` without one: signals may be lost.
 */
function watch(deps: OperatorDeps, look: () => Promise<Sight>): Moments {
  let seen: Sight | undefined
  let looking = false
  let again = false
  let changed = true
  let lastAt = 0
  let timer: NodeJS.Timeout | undefined
  let ended = false

  const wake = (inMs: number): void => {
    clearTimeout(timer)
    if (!ended) timer = setTimeout(() => void turn(), inMs).unref()
  }
  const turn = async (): Promise<void> => {
    looking = true
    again = false
    lastAt = deps.clock.now()
    try {
      const sight = await look()
      if (changed || sight.text !== seen?.text) moments.tell(deps.clock.now())
      changed = false
      seen = sight
    } catch (error) {
      deps.log.warn({ error }, 'what changed for a person could not be read')
    }
    looking = false
    wake(again ? LIMITS.inboxLookMsMin : LIMITS.inboxLookMsMax)
  }
  const unsubscribe = deps.bus.subscribe((signal) => {
    if (signal.kind !== 'call') return
    if (seen?.calls.has(signal.id)) changed = true
    again = true
    if (!looking) wake(Math.max(0, lastAt + LIMITS.inboxLookMsMin - deps.clock.now()))
  })
  const moments = new Moments(() => {
    ended = true
    clearTimeout(timer)
    unsubscribe()
  })
  wake(0)
  return moments
}

/** When the open holds that this person may see changed. */
export function inboxChanges(deps: OperatorDeps, by: Operator): AsyncIterableIterator<Instant> {
  return watch(deps, async () => {
    const filter = { state: ['open'], orderBy: 'EXPIRES' } as const
    const { rows } = await listHolds(deps, by, filter, { first: LIMITS.inboxHoldsWatchedMax })
    return { text: rows.map(({ id, digest }) => `${id} ${digest}`).join(), calls: new Set(rows.map(({ callId }) => callId)) }
  })
}

/** When this call changed. Throws NOT_FOUND. */
export async function callChanges(deps: OperatorDeps, by: Operator, id: CallId): Promise<AsyncIterableIterator<Instant>> {
  if (!(await findCall(deps, by, id))) throw new GatewayError('NOT_FOUND', `no call \`${id}\``)
  const calls: ReadonlySet<CallId> = new Set([id])
  return watch(deps, async () => {
    const call = await findCall(deps, by, id)
    return { text: call ? `${call.state} ${call.updatedAt}` : '', calls }
  })
}
