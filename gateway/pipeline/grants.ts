import type { Decision, MatchedHold } from '../core/decision.ts'
import { excludedBy } from '../core/exclusion.ts'
import { amountsLeft, type GrantQuestion, meets, type UsableGrant, whyNotCovered } from '../core/grant.ts'
import { ineligibility } from '../core/hold.ts'
import type { GrantUse } from '../ports/recorder.ts'
import type { Parts } from './stages.ts'
import type { Subject } from './subject.ts'

type Looked = Pick<Parts, 'approvals' | 'registry'>

/** Whose grants a call may use; undefined where no approval of this gateway gives any. */
export function grantQuestionOf(parts: Pick<Parts, 'standing'>, { principal, operation }: Subject): GrantQuestion | undefined {
  return parts.standing ? { agent: principal.agent.name, subject: principal.subject ?? null, operation: operation.id } : undefined
}

/** Whether every approval that holds a call may have given a grant. */
export const mayBeGranted = ({ approvals }: Pick<Looked, 'approvals'>, { verdict }: Decision): boolean =>
  verdict.effect === 'hold' && verdict.holds.length > 0 && verdict.holds.every(({ approval }) => approvals.get(approval)?.standing)

/**
 * The use of the first grant that lets a held call pass: one grant answers all of its holds, by the same policies' texts and approvals as when it was given,
 * and everybody who gave it could approve this very call today. Null where there is none, and for what policy does not hold. Pure.
 */
export function grantFor(
  parts: Looked,
  subject: Subject,
  decision: Decision,
  grants: readonly UsableGrant[],
  nowMs: number,
): GrantUse | null {
  const { verdict } = decision
  if (verdict.effect !== 'hold' || !mayBeGranted(parts, decision)) return null
  for (const grant of grants) {
    const amounts = covers(parts, subject, decision, verdict.holds, grant, nowMs) ? amountsLeft(grant, subject.input) : null
    if (amounts) return { grant: grant.id, use: grant.used + 1, amounts, covers: grant.matched }
  }
  return null
}

function covers(
  { approvals, registry }: Looked,
  { principal, operation, input }: Subject,
  { evidence }: Decision,
  holds: readonly MatchedHold[],
  grant: UsableGrant,
  nowMs: number,
): boolean {
  const { agent, subject = null, actors } = principal
  const call = { agent: agent.name, owner: agent.owner, subject, operation: operation.id, operationVersion: operation.version }
  if (whyNotCovered(grant, call, holds, (name) => approvals.get(name)?.version, nowMs) !== null) return false
  if (!meets(grant.arguments, input)) return false
  const pointers = holds.flatMap(({ approval }) => approvals.get(approval)?.excludes ?? [])
  const excluded = excludedBy([...new Set(pointers)], input, evidence.lookups ?? [])
  return grant.givers.every((name) => {
    const giver = registry.person(name)
    if (!giver || giver.roles.includes('auditor')) return false
    return ineligibility({ requires: grant.requires, excluded }, { subject, owner: agent.owner, actors }, giver, grant.publishers) === null
  })
}
