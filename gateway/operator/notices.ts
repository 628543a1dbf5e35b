import { GatewayError } from '../core/errors.ts'
import type { HoldId } from '../core/ids.ts'
import { LIMITS } from '../limits.ts'
import type { Notice } from '../ports/notice-queue.ts'
import type { Operator } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { hasRole, requireReader } from './roles.ts'

/** Uses the link of a notice up and says which hold it opens. It decides nothing. Throws NOT_FOUND, with the same words whatever is wrong with it. */
export async function openNotice(deps: OperatorDeps, by: Operator, secret: string): Promise<HoldId> {
  if (hasRole(by, 'local')) throw new GatewayError('FORBIDDEN', 'the local operator credential is no person: a notice is for one')
  const known = /^[A-Za-z0-9_-]{43}$/.test(secret) ? await deps.notices.useLink(secret, by.name, deps.clock.now()) : undefined
  if (known) return known
  throw new GatewayError('NOT_FOUND', 'this link was used already, is too old, or is for somebody else: the inbox shows what waits for you')
}

/** Notices that reached nobody, newest first, for people who read everything. Throws FORBIDDEN. */
export async function listNoticesGivenUp(deps: OperatorDeps, by: Operator, first: number): Promise<readonly Notice[]> {
  requireReader(by, 'listing notices')
  return deps.notices.givenUp(Math.min(first, LIMITS.pageRowsMax))
}
