import { type BreakGlass, type BreakGlassRule, type BreakGlassState, type BreakGlassVerdict, whyNotBreaking } from '../core/break-glass.ts'
import { after, instant } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { Hold } from '../core/hold.ts'
import type { BreakGlassId, HoldId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Page, PageRequest } from '../ports/call-store.ts'
import type { Operator } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { assertOpen, findHold, noHold } from './holds.ts'
import { comment, hasRole, requirePerson, requireReader, requireRole } from './roles.ts'

/** Approvals of one person, newest first. Throws FORBIDDEN without a reading role. */
export function listBrokenGlass(
  deps: OperatorDeps,
  by: Operator,
  state: BreakGlassState | undefined,
  page: PageRequest<BreakGlassId>,
): Promise<Page<BreakGlass>> {
  requireReader(by, 'listing emergency approvals')
  return deps.grants.brokenGlasses(state, page)
}

/** Who approved a hold alone; undefined where nobody did. Whoever may see the hold may know. */
export const brokenFor = (deps: OperatorDeps, _by: Operator, hold: Hold): Promise<BreakGlass | undefined> => deps.grants.brokenFor(hold.id)

/** Why this person may not break the glass for a hold; null where they may, as far as it is open. */
export async function whyNotBreakGlass(deps: OperatorDeps, by: Operator, hold: Hold): Promise<string | null> {
  const { breakGlass: rule } = deps
  if (!rule) return 'nobody may approve alone here: `breakGlass` is not configured'
  if (by.roles.includes('local') || by.roles.includes('auditor')) return 'neither auditors nor the local credential approve anything'
  const call = await deps.store.call(hold.callId)
  const person = deps.registry.person(by.name)
  if (!call || !person) throw noHold(hold.id)
  const why = whyNotBreaking(rule, hold, call, person, await deps.store.publishers(hold.matched))
  if (why !== null) return why
  const overdue = await deps.grants.overdueReview(deps.clock.now())
  return overdue ? `the review of what \`${overdue.by}\` approved alone is overdue (\`${overdue.id}\`): it comes first` : null
}

/**
 * Approves one open hold in the place of all whom it asks. What policy forbids stays forbidden: it decides again when the call goes on. Nothing else passes
 * because of it, a grant proposed with the hold neither. Throws NOT_ELIGIBLE, BAD_INPUT (a reason that says too little), HOLD_NOT_OPEN, NOT_FOUND.
 */
export async function breakGlass(deps: OperatorDeps, by: Operator, id: HoldId, digest: string, words: string): Promise<Hold> {
  requirePerson(by, 'breaking the glass')
  const hold = await findHold(deps, by, id)
  if (!hold) throw noHold(id)
  const why = await whyNotBreakGlass(deps, by, hold)
  const { breakGlass: rule } = deps
  if (why !== null || !rule) throw new GatewayError('NOT_ELIGIBLE', why ?? 'nobody may approve alone here')
  const reason = comment(words, 'reason') ?? ''
  if (reason.length < LIMITS.breakGlassReasonCharsMin)
    throw new GatewayError(
      'BAD_INPUT',
      `say in at least ${LIMITS.breakGlassReasonCharsMin} characters why this cannot wait for those whom it asks`,
    )
  assertOpen(hold, deps.clock.now())
  if (digest !== hold.digest)
    throw new GatewayError(
      'HOLD_NOT_OPEN',
      `hold \`${id}\` is not what you were shown: its binding digest is another one, look at it again`,
    )
  const breaks = useOf(deps, rule, hold, by.name, reason)
  const change = { hold: id, callId: hold.callId, by: by.name, digest, from: 'open', to: 'approved', callState: 'approved' } as const
  if (!(await deps.recorder.changeHold({ ...change, why: reason, breaks }))) {
    assertOpen((await deps.store.hold(id)) ?? hold, deps.clock.now())
    throw new GatewayError('HOLD_NOT_OPEN', `hold \`${id}\` changed meanwhile, or a review is overdue: look at it again`)
  }
  deps.log.warn({ holdId: id, callId: hold.callId, person: by.name, reviewDue: breaks.reviewDue }, 'one person approved a held call alone')
  deps.bus.publish({ kind: 'call', id: hold.callId })
  const now = (await deps.store.hold(id)) ?? hold
  if (now.onApproval === 'execute') deps.afterApproval(hold.callId)
  return now
}

function useOf(deps: OperatorDeps, rule: BreakGlassRule, hold: Hold, by: string, reason: string): BreakGlass {
  const now = deps.clock.now()
  return {
    ...{ id: deps.newBreakGlassId(), holdId: hold.id, callId: hold.callId, by, reason, createdAt: now, state: 'due', review: null },
    until: instant(Math.min(after(now, rule.lifeMs), hold.expiresAt)),
    reviewDue: after(now, rule.review.withinMs),
  }
}

/** Why this person may not review an emergency approval; null where they may. */
export function whyNotReview(deps: OperatorDeps, by: Operator, use: BreakGlass): string | null {
  const role = deps.breakGlass?.review.by ?? 'security'
  if (hasRole(by, 'local', 'auditor') || !hasRole(by, role))
    return `reviewing an emergency approval needs a person with the role \`${role}\``
  if (use.by === by.name) return 'nobody reviews what they approved alone themselves'
  return use.review ? 'it was reviewed already' : null
}

/** Says whether an emergency approval was right. Never by who gave it. Throws NOT_ELIGIBLE, FORBIDDEN, NOT_FOUND, BAD_INPUT, GRANT_ENDED. */
export async function reviewBreakGlass(
  deps: OperatorDeps,
  by: Operator,
  id: BreakGlassId,
  verdict: BreakGlassVerdict,
  words: string,
): Promise<BreakGlass> {
  requirePerson(by, 'reviewing an emergency approval')
  requireRole(by, 'reviewing an emergency approval', deps.breakGlass?.review.by ?? 'security')
  const use = await deps.grants.brokenGlass(id)
  if (!use) throw new GatewayError('NOT_FOUND', `no emergency approval \`${id}\``)
  if (use.by === by.name) throw new GatewayError('NOT_ELIGIBLE', 'nobody reviews what they approved alone themselves')
  const said = comment(words, 'comment')
  if (said === undefined) throw new GatewayError('BAD_INPUT', 'the comment is missing: say what you looked at')
  if (!(await deps.grants.review(id, verdict, by.name, said))) throw new GatewayError('GRANT_ENDED', `\`${id}\` was reviewed already`)
  return (await deps.grants.brokenGlass(id)) ?? use
}
