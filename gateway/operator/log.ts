import { GatewayError } from '../core/errors.ts'
import type { CallId } from '../core/ids.ts'
import type { ExportedEntry, LogFloor, CosignedCheckpoint, LoggedEntry, LogRange } from '../ports/log.ts'
import type { Operator } from '../ports/operator.ts'
import { findCall } from './calls.ts'
import type { OperatorDeps } from './deps.ts'
import { LIMITS } from '../limits.ts'
import { requireReader, requireRole } from './roles.ts'

/** The newest checkpoint that is published, and the key to verify it with; null before the first entry is in the log. Throws FORBIDDEN, UNAVAILABLE. */
export async function logCheckpoint(
  deps: OperatorDeps,
  by: Operator,
): Promise<(CosignedCheckpoint & { origin: string; vkey: string }) | null> {
  requireReader(by, 'reading the log')
  const { origin, vkey } = deps.transparency
  const checkpoint = await deps.transparency.checkpoint()
  return checkpoint ? { ...checkpoint, origin, vkey } : null
}

/** Where the log begins that was not removed under retention. Throws FORBIDDEN, UNAVAILABLE. */
export async function logFloor(deps: OperatorDeps, by: Operator): Promise<LogFloor> {
  requireReader(by, 'reading the log')
  return await deps.transparency.floor()
}

/** What is in the log of a call's entries, with proofs. Throws NOT_FOUND, UNAVAILABLE. */
export async function callProofs(deps: OperatorDeps, by: Operator, id: CallId): Promise<readonly LoggedEntry[]> {
  if (!(await findCall(deps, by, id))) throw new GatewayError('NOT_FOUND', `no call \`${id}\``)
  return deps.transparency.proofs(id)
}

/**
 * A page of the log for an export (`TransparencyLog.page`). A look at payloads is recorded, with its range, before it is granted: where the record cannot be
 * written this throws UNAVAILABLE. Throws FORBIDDEN for all but security and auditors, BAD_INPUT.
 */
export async function logPage(
  deps: OperatorDeps,
  by: Operator,
  range: LogRange,
  first: number,
  payloads: boolean,
): Promise<readonly ExportedEntry[]> {
  requireRole(by, 'exporting the log', 'security', 'auditor')
  const { from, calls, places } = range
  if (!Number.isSafeInteger(from) || from < 0) throw new GatewayError('BAD_INPUT', '`from` is no index of the log')
  if (!Number.isSafeInteger(first) || first < 1 || first > LIMITS.pageRowsMax)
    throw new GatewayError('BAD_INPUT', `\`first\` is not between 1 and ${LIMITS.pageRowsMax}`)
  if (calls && (calls.length === 0 || calls.length > LIMITS.exportCallsMax))
    throw new GatewayError('BAD_INPUT', `name between 1 and ${LIMITS.exportCallsMax} calls at a time`)
  if (places && (places.length === 0 || places.length > LIMITS.pageRowsMax))
    throw new GatewayError('BAD_INPUT', `name between 1 and ${LIMITS.pageRowsMax} places at a time`)
  const page = await deps.transparency.page(range, first, payloads)
  const seen = page.filter(({ payload }) => payload !== null).map(({ index }) => index)
  if (seen.length > 0)
    await deps.recorder.note(null, {
      kind: 'view',
      by: by.name,
      what: `${seen.length} payloads of the log, from index ${seen[0]} to ${seen.at(-1)}`,
    })
  return page
}

/** The text that a policy set is named after; null where it is not kept. Throws FORBIDDEN, UNAVAILABLE. */
export async function wholePolicySet(deps: OperatorDeps, by: Operator, hash: string): Promise<string | null> {
  requireReader(by, 'looking at a policy set')
  return (await deps.policySets.whole(hash)) ?? null
}
