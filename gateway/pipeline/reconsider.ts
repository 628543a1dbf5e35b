import type { Call } from '../core/call.ts'
import type { Decision, MatchedHold } from '../core/decision.ts'
import { callRequest } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'
import type { Hold } from '../core/hold.ts'
import type { HoldId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { ActivePolicySet, PolicySets, StoredPolicySet } from '../ports/policy-sets.ts'
import type { HoldChange } from '../ports/recorder.ts'
import { NO_LONGER_HELD } from './answer.ts'
import { decide } from './decide.ts'
import { gather } from './facts.ts'
import { endOf, lastDecision, subjectOf, superseding } from './resume.ts'
import type { Parts } from './stages.ts'

export interface HoldReview {
  /** Looks through the open holds where that has not happened under the active set yet. Returns at once; one look at a time. */
  look(active: ActivePolicySet): void
  /** Starts nothing more; resolves when what is under way has ended. */
  close(): Promise<void>
}

/**
 * Has open holds follow the policies: once another set is active, every open hold whose policies changed is decided again, by the line's own code. A denial
 * ends it denied; other holds replace it, and its votes are void; where policy asks nobody any more it ends cancelled, for its agent to send the call again.
 * The record keeps for which set that was done, so a restart goes on with it, and two processes that do it at once change each hold once.
 */
export function createHoldReview(parts: Parts, sets: Pick<PolicySets, 'set' | 'reviewedHolds'>): HoldReview {
  const closing = new AbortController()
  let running: Promise<void> | undefined
  return {
    look({ policySet, holdsReviewed }) {
      if (running || closing.signal.aborted || policySet === null || policySet === holdsReviewed) return
      running = review(parts, sets, policySet, closing.signal)
        .catch((error: unknown) => parts.telemetry.log.warn({ policySet, error }, 'open holds could not be looked through yet'))
        .finally(() => {
          running = undefined
        })
    },
    async close() {
      closing.abort()
      await running
    },
  }
}

async function review(
  parts: Parts,
  sets: Pick<PolicySets, 'set' | 'reviewedHolds'>,
  policySet: string,
  signal: AbortSignal,
): Promise<void> {
  const changes = new Changes(sets, policySet)
  let after: HoldId | undefined
  for (let more = true; more; ) {
    const page = await parts.store.holds(
      { state: ['open'], orderBy: 'NEWEST' },
      { first: LIMITS.holdsReviewedAtOnceMax, ...(after ? { after } : {}) },
    )
    // Another set came over this one: its own look begins with the first hold again.
    if (signal.aborted || parts.decider.policySet !== policySet) return
    await Promise.all(page.rows.map((hold) => reconsiderOrSay(parts, changes, hold)))
    after = page.rows.at(-1)?.id
    more = page.more
  }
  await sets.reviewedHolds(policySet)
}

/** A hold that cannot be looked at keeps none of the others waiting: it is decided again at its release in any case. */
async function reconsiderOrSay(parts: Parts, changes: Changes, hold: Hold): Promise<void> {
  try {
    await reconsider(parts, changes, hold)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'UNAVAILABLE') throw error
    parts.telemetry.log.error({ holdId: hold.id, error }, 'an open hold could not be decided again')
  }
}

async function reconsider(parts: Parts, changes: Changes, hold: Hold): Promise<void> {
  const call = await parts.store.call(hold.callId)
  const last = call && lastDecision(await parts.store.entries(call.id))
  if (!call || !last || !(await changes.touch(call, last.decision))) return
  const subject = subjectOf(parts, call, last.request.asserted, null)
  // Not for want of a policy: what became of agent or operation is judged when the call goes on.
  if (typeof subject === 'string') return
  const span = parts.telemetry.startCall({ 'gatehouse.call': call.id, 'gatehouse.operation': call.operation }, undefined)
  try {
    const gathered = await gather(parts, subject, call.id, span)
    const now = parts.clock.now()
    const counted = gathered.history && { answers: await parts.store.counters(gathered.history.counters, now), now }
    const decision = decide(parts, subject, gathered, span, counted ?? undefined)
    const change = changeOf(decision, hold, call, () =>
      superseding(parts, { call, hold, subject }, decision, 'the policies changed: other rules hold the call'),
    )
    if (!change) return
    const redecision = { request: callRequest(subject, call.traceId), decision }
    await parts.recorder.changeHold({ ...change, redecision })
  } finally {
    span.end()
  }
}

/** What becomes of the hold; undefined where it stays as it is. */
function changeOf({ verdict }: Decision, hold: Hold, call: Call, supersede: () => HoldChange): HoldChange | undefined {
  switch (verdict.effect) {
    case 'deny':
      return endOf(call, hold, { to: 'denied', callState: 'denied', why: 'the policies changed and deny the call' })
    case 'permit':
      return endOf(call, hold, { to: 'cancelled', callState: 'cancelled', why: NO_LONGER_HELD })
    default:
      return sameHolds(verdict.holds, hold.matched) ? undefined : supersede()
  }
}

const namesOf = (holds: readonly MatchedHold[]): string =>
  holds
    .map(({ policyId, policyHash }) => `${policyId} ${policyHash}`)
    .sort()
    .join('\n')

const sameHolds = (a: readonly MatchedHold[], b: readonly MatchedHold[]): boolean => namesOf(a) === namesOf(b)

/** What two sets say about one connector's operations, compared by their texts. */
class Changes {
  readonly #known = new Map<string, Promise<string | undefined>>()

  constructor(
    readonly sets: Pick<PolicySets, 'set'>,
    readonly policySet: string,
  ) {}

  /** Whether the policies that can apply to this call are others than those that it was decided on; true where nobody can tell. */
  async touch({ connector }: Call, { evidence }: Decision): Promise<boolean> {
    if (evidence.policySet === this.policySet) return false
    const [before, now] = await Promise.all([this.#said(evidence.policySet, connector), this.#said(this.policySet, connector)])
    return before === undefined || before !== now
  }

  #said(policySet: string, connector: string): Promise<string | undefined> {
    const key = `${policySet} ${connector}`
    const known = this.#known.get(key)
    if (known) return known
    const said = this.sets.set(policySet).then((set) => set && saidOf(set, connector))
    this.#known.set(key, said)
    return said
  }
}

function saidOf({ files, facts }: StoredPolicySet, connector: string): string {
  const own = files.filter((file) => file.connector === null || file.connector === connector)
  return JSON.stringify([own.map(({ text }) => text).sort(), facts?.text ?? null])
}
