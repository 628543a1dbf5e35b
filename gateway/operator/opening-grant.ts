import type { Call } from '../core/call.ts'
import type { Hold } from '../core/hold.ts'
import type { Person } from '../core/principal.ts'
import type { HoldChange } from '../ports/recorder.ts'
import type { OperatorDeps } from './deps.ts'

/** The grant that begins with this approval, given by everybody who approved and may do so. Nothing where none was proposed, or its time is over. */
export function openingOf(
  deps: Pick<OperatorDeps, 'newGrantId' | 'clock'>,
  hold: Hold,
  call: Call,
  to: 'approved' | 'rejected',
  approvers: readonly Person[],
): Pick<HoldChange, 'opens'> {
  const now = deps.clock.now()
  if (to !== 'approved' || !hold.gives || hold.gives.until <= now) return {}
  const { agent, owner, subject, operation, operationVersion } = call
  const { matched, approvalVersions, requires } = hold
  return {
    opens: {
      ...hold.gives,
      ...{ id: deps.newGrantId(), holdId: hold.id, callId: call.id, agent, owner, subject, operation, operationVersion },
      ...{ matched, approvalVersions, requires, createdAt: now },
      givers: approvers.map(({ name }) => name).sort(),
    },
  }
}
