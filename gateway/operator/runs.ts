import { GatewayError } from '../core/errors.ts'
import type { RunId } from '../core/ids.ts'
import type { Operator } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { requirePerson, requireRole } from './roles.ts'

/**
 * Starts a run whose labels begin with none, for one agent and subject: what either of them read before does not stick to it. Only a person does, never an
 * agent. Throws FORBIDDEN, NOT_FOUND, BAD_INPUT, UNAVAILABLE.
 */
export async function startRun(deps: OperatorDeps, by: Operator, agent: string, subject: string | undefined): Promise<RunId> {
  requireRole(by, 'starting a run', 'operator', 'security')
  requirePerson(by, 'starting a run')
  if (!deps.registry.agent(agent)) throw new GatewayError('NOT_FOUND', `no agent \`${agent}\``)
  if (subject !== undefined && !/^[!-~]{1,128}$/.test(subject))
    throw new GatewayError('BAD_INPUT', 'a subject is 1 to 128 printable characters without spaces')
  const run = deps.newRunId()
  await deps.recorder.startRun({ run, agent, subject: subject ?? null, by: by.name })
  return run
}
