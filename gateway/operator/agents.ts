import { GatewayError } from '../core/errors.ts'
import type { Agent } from '../core/principal.ts'
import type { Operator } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { comment, hasRole, requireReader, requireRole } from './roles.ts'

export function listAgents(deps: OperatorDeps, by: Operator): readonly Agent[] {
  requireReader(by, 'listing agents')
  return deps.registry.agents()
}

export function findAgent(deps: OperatorDeps, by: Operator, name: string): Agent | undefined {
  requireReader(by, 'looking at an agent')
  return deps.registry.agent(name)
}

/**
 * Suspends or reinstates an agent; a repeat changes nothing. Intents carry the agent's epoch and are checked against it at commit, on every
 * replica, so the change binds when it is durable: `effectiveAfterMs` is how long that took. Throws NOT_FOUND, FORBIDDEN.
 */
export async function setAgentStatus(
  deps: OperatorDeps,
  by: Operator,
  name: string,
  status: 'active' | 'suspended',
  why: string | undefined,
): Promise<{ agent: Agent; effectiveAfterMs: number }> {
  const doing = status === 'active' ? 'reinstating an agent' : 'suspending an agent'
  requireRole(by, doing, 'operator', 'security', 'local')
  if (hasRole(by, 'auditor')) throw new GatewayError('FORBIDDEN', `auditors read everything and change nothing: ${doing} is not for them`)
  const reason = comment(why, 'reason')
  const agent = deps.registry.agent(name)
  if (!agent) throw new GatewayError('NOT_FOUND', `no agent \`${name}\``)
  if (agent.status === status) return { agent, effectiveAfterMs: 0 }
  if (agent.status !== 'active' && agent.status !== 'suspended') {
    throw new GatewayError('BAD_INPUT', `agent \`${name}\` is ${agent.status}: only active and suspended agents change here`)
  }
  const began = deps.clock.now()
  const changed = await deps.registry.setStatus(name, status, by.name, reason)
  deps.bus.publish({ kind: 'agents' })
  return { agent: changed, effectiveAfterMs: Math.max(0, deps.clock.now() - began) }
}
