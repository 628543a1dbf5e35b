import type { EntryBody } from '../core/entry.ts'
import { LIMITS } from '../limits.ts'
import type { Faults } from './faults.ts'

type Change = Extract<EntryBody, { kind: 'policy.activated' | 'policy.rolled_back' }>

/**
 * Whether every policy set that something was executed under was put in force by an entry of the log, and what needed a review had one by somebody else.
 * Judged when all of a whole log was read, since between processes it has no order: when a set was in force it does not tell.
 */
export class RulesCheck {
  readonly #faults: Faults
  /** The first intent under each set, by index. */
  readonly #used = new Map<string, number>()
  readonly #changes: { index: number; change: Change }[] = []
  readonly #proposedBy = new Map<string, string>()
  /** The set that was approved, by proposal. */
  readonly #approved = new Map<string, string>()
  #isFull = false

  constructor(faults: Faults) {
    this.#faults = faults
  }

  add(index: number, body: EntryBody): void {
    if (body.kind === 'intent' && !this.#used.has(body.policySet) && this.#hasRoom(this.#used.size, index))
      this.#used.set(body.policySet, index)
    if (body.kind === 'policy.proposed' && this.#hasRoom(this.#proposedBy.size, index)) this.#proposedBy.set(body.proposal, body.by)
    if (body.kind === 'policy.reviewed' && body.verdict === 'approve') this.#reviewed(index, body)
    if ((body.kind === 'policy.activated' || body.kind === 'policy.rolled_back') && this.#hasRoom(this.#changes.length, index))
      this.#changes.push({ index, change: body })
  }

  finish(): void {
    if (this.#isFull) return
    const inForce = new Set(this.#changes.map(({ change }) => change.policySet))
    for (const [policySet, index] of this.#used) {
      if (!inForce.has(policySet))
        this.#faults.add(
          'policy-set',
          index,
          `it was executed under policy set \`${policySet}\`, and no entry of the log says that it was put in force`,
        )
    }
    for (const { index, change } of this.#changes) this.#judge(index, change)
  }

  #hasRoom(count: number, index: number): boolean {
    if (count < LIMITS.auditPolicyChangesMax) return true
    if (!this.#isFull)
      this.#faults.add('policy-set', index, `more than ${LIMITS.auditPolicyChangesMax} changes of policies: none of them is checked`)
    this.#isFull = true
    return false
  }

  #reviewed(index: number, { proposal, policySet, by }: Extract<EntryBody, { kind: 'policy.reviewed' }>): void {
    if (this.#proposedBy.get(proposal) === by)
      this.#faults.add('policy-set', index, `\`${by}\` approved policies that they proposed themselves`)
    if (this.#hasRoom(this.#approved.size, index)) this.#approved.set(proposal, policySet)
  }

  #judge(index: number, change: Change): void {
    const { proposal, policySet } = change
    const wantsReview = change.kind === 'policy.activated' ? change.source === 'review' : !change.emergency && proposal !== null
    if (!wantsReview) return
    if (proposal === null || !this.#proposedBy.has(proposal))
      this.#faults.add('policy-set', index, `policy set \`${policySet}\` was put in force by a review, and no entry says who proposed it`)
    else if (this.#approved.get(proposal) !== policySet)
      this.#faults.add('policy-set', index, `policy set \`${policySet}\` was put in force by a review, and nobody approved it`)
  }
}
