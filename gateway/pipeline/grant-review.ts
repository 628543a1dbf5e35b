import type { StandingGrant } from '../core/grant.ts'
import { groupsOf } from '../core/hold.ts'
import type { GrantId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { ActivePolicySet } from '../ports/policy-sets.ts'
import type { Parts } from './stages.ts'

/** Looks through the live grants where that has not happened under the active set yet. */
export interface GrantReview {
  /** Returns at once; one look at a time. */
  look(active: Pick<ActivePolicySet, 'policySet'>): void
  /** Starts nothing more; resolves when what is under way has ended. */
  close(): Promise<void>
}

type Looked = Pick<Parts, 'approvals' | 'registry' | 'catalogue' | 'decider' | 'grants' | 'telemetry'>

/**
 * Ends grants whose policies, approvals, operation, agent or givers are not what they were when they were given: at the start, and once another policy set is
 * active. That only says early what every use finds by itself.
 */
export function createGrantReview(parts: Looked): GrantReview {
  const closing = new AbortController()
  let running: Promise<void> | undefined
  let reviewed: string | undefined
  return {
    look({ policySet }) {
      if (running || closing.signal.aborted || policySet === null || policySet === reviewed) return
      running = reviewGrants(parts, policySet, closing.signal)
        .then((whole) => {
          if (whole) reviewed = policySet
        })
        .catch((error: unknown) => parts.telemetry.log.warn({ policySet, error }, 'standing grants could not be looked through yet'))
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

/** One look through all live grants. False where it was not whole: another set came over this one, or it was ended. */
export async function reviewGrants(parts: Looked, policySet: string, signal: AbortSignal): Promise<boolean> {
  let after: GrantId | undefined
  for (let more = true; more; ) {
    const page = await parts.grants.grants({ state: 'live' }, { first: LIMITS.grantsReviewedAtOnceMax, ...(after ? { after } : {}) })
    if (signal.aborted || parts.decider.policySet !== policySet) return false
    const hashes = new Map(parts.decider.policies().map(({ id, hash }) => [id, hash]))
    for (const grant of page.rows) {
      const why = whyDead(parts, hashes, grant)
      if (why !== null) await parts.grants.end(grant.id, null, why)
    }
    after = page.rows.at(-1)?.id
    more = page.more
  }
  return true
}

function whyDead(
  { approvals, registry, catalogue }: Looked,
  hashes: ReadonlyMap<string, string>,
  { matched, approvalVersions, operation, operationVersion, agent, owner, givers, requires }: StandingGrant,
): string | null {
  const changed = matched.find(({ policyId, policyHash }) => hashes.get(policyId) !== policyHash)
  if (changed) return `policy \`${changed.policyId}\` changed`
  const other = Object.keys(approvalVersions).find((name) => approvals.get(name)?.version !== approvalVersions[name])
  if (other !== undefined) return `approval \`${other}\` changed`
  const known = [...catalogue.operations.values()].find(({ id }) => id === operation)
  if (known?.version !== operationVersion) return `operation \`${operation}\` changed`
  const found = registry.agent(agent)
  if (!found || found.status === 'retired') return 'its agent is gone'
  if (found.owner !== owner) return `its agent has another owner, \`${found.owner}\``
  const groups = requires.flatMap(groupsOf)
  const lost = givers.find((name) => {
    const person = registry.person(name)
    return !person || person.roles.includes('auditor') || !person.groups.some((group) => groups.includes(group))
  })
  return lost === undefined ? null : `\`${lost}\`, who gave it, may approve such calls no more`
}
