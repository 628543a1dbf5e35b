import { GatewayError } from '../core/errors.ts'
import type { CallId } from '../core/ids.ts'
import type { LoggedCheckpoint, LoggedEntry } from '../ports/log.ts'
import type { Operator } from '../ports/operator.ts'
import { findCall } from './calls.ts'
import type { OperatorDeps } from './deps.ts'
import { requireReader } from './roles.ts'

/** The newest checkpoint and the key to verify it with; null before the first entry is in the log. Throws FORBIDDEN, UNAVAILABLE. */
export async function logCheckpoint(
  deps: OperatorDeps,
  by: Operator,
): Promise<(LoggedCheckpoint & { origin: string; vkey: string }) | null> {
  requireReader(by, 'reading the log')
  const { origin, vkey } = deps.transparency
  const checkpoint = await deps.transparency.checkpoint()
  return checkpoint ? { ...checkpoint, origin, vkey } : null
}

/** What is in the log of a call's entries, with proofs. Throws NOT_FOUND, UNAVAILABLE. */
export async function callProofs(deps: OperatorDeps, by: Operator, id: CallId): Promise<readonly LoggedEntry[]> {
  if (!(await findCall(deps, by, id))) throw new GatewayError('NOT_FOUND', `no call \`${id}\``)
  return deps.transparency.proofs(id)
}
