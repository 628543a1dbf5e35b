import { assertLifeStep, LIFE_STEPS, type LifeStep } from '../core/agent-life.ts'
import type { Instant } from '../core/clock.ts'
import { GatewayError } from '../core/errors.ts'
import type { GrantId } from '../core/ids.ts'
import type { Operation } from '../core/operation.ts'
import type { Agent } from '../core/principal.ts'
import { LIMITS } from '../limits.ts'
import type { AgentChange, Operator } from '../ports/operator.ts'
import type { AgentEvent } from '../ports/registry.ts'
import type { OperatorDeps } from './deps.ts'
import { comment, hasRole, requirePerson, requireReader, requireRole, type Role } from './roles.ts'

export function listAgents(deps: OperatorDeps, by: Operator): readonly Agent[] {
  requireReader(by, 'listing agents')
  return deps.registry.agents()
}

export function findAgent(deps: OperatorDeps, by: Operator, name: string): Agent | undefined {
  requireReader(by, 'looking at an agent')
  return deps.registry.agent(name)
}

/** Who registered an agent; null where it is not known. */
export function registrant(deps: OperatorDeps, by: Operator, name: string): string | null {
  requireReader(by, 'looking at an agent')
  return deps.registry.registration(name)?.by ?? null
}

export async function agentHistory(deps: OperatorDeps, by: Operator, name: string, first: number): Promise<readonly AgentEvent[]> {
  requireReader(by, 'looking at an agent')
  return await deps.registry.history(name, first)
}

export async function lastCalls(deps: OperatorDeps, by: Operator, names: readonly string[]): Promise<ReadonlyMap<string, Instant>> {
  requireReader(by, 'looking at an agent')
  return await deps.registry.lastCalls(names)
}

/** The operations that today's policies may ever allow this agent, for itself; sorted by id. */
export function agentPermissions(deps: OperatorDeps, by: Operator, name: string): readonly Operation[] {
  requireReader(by, 'looking at an agent')
  const agent = deps.registry.agent(name)
  if (!agent) throw new GatewayError('NOT_FOUND', `no agent \`${name}\``)
  const { operations } = deps.catalogue()
  const visible = deps.decider().visible({ agent, actors: [name], issuer: 'register', tokenExpiresAtMs: deps.clock.now() })
  return [...visible].sort().flatMap((id) => operations.get(id) ?? [])
}

/** Who takes which step. To stop is for all who run the gateway, also through its local credential; to let work begins with security. */
const MAY: Readonly<Record<LifeStep, readonly Role[]>> = {
  activate: ['security'],
  suspend: ['operator', 'security', 'local'],
  reinstate: ['operator', 'security', 'local'],
  retire: ['operator', 'security', 'local'],
}

const DOING: Readonly<Record<LifeStep, string>> = {
  activate: 'activating an agent',
  suspend: 'suspending an agent',
  reinstate: 'reinstating an agent',
  retire: 'retiring an agent',
}

/**
 * Takes a step of an agent's life; a repeat changes nothing. Intents carry the agent's epoch and are checked against it at commit, on every
 * replica, so the change binds when it is durable: `effectiveAfterMs` is how long that took. Retiring needs a reason, cancels what waits for people and ends its grants.
 * Throws NOT_FOUND, FORBIDDEN, NOT_ELIGIBLE, BAD_INPUT.
 */
export async function setAgentStatus(
  deps: OperatorDeps,
  by: Operator,
  name: string,
  step: LifeStep,
  why: string | undefined,
): Promise<AgentChange> {
  requireRole(by, DOING[step], ...MAY[step])
  if (hasRole(by, 'auditor'))
    throw new GatewayError('FORBIDDEN', `auditors read everything and change nothing: ${DOING[step]} is not for them`)
  const reason = comment(why, 'reason')
  if (step === 'retire' && reason === undefined)
    throw new GatewayError('BAD_INPUT', 'retiring an agent is final: say why, the record keeps it', {
      faults: [{ pointer: '/reason', message: 'is missing' }],
    })
  const agent = deps.registry.agent(name)
  if (!agent) throw new GatewayError('NOT_FOUND', `no agent \`${name}\``)
  const { from, to } = LIFE_STEPS[step]
  if (agent.status !== to) assertLifeStep(agent, step)
  if (step === 'activate') requireSomebodyElse(deps, by, agent)
  const began = deps.clock.now()
  const changed = agent.status === to ? agent : await deps.registry.setStatus(name, to, by.name, reason, from)
  const effectiveAfterMs = changed === agent ? 0 : Math.max(0, deps.clock.now() - began)
  // Somebody else took another step meanwhile.
  if (changed.status !== to) assertLifeStep(changed, step)
  const cancelledHolds = to === 'retired' ? await cancelHolds(deps, by, name) : 0
  if (to === 'retired') await endGrants(deps, name)
  return { agent: changed, effectiveAfterMs, cancelledHolds }
}

/** An agent begins to work on the word of two people: who proposed it or answers for it does not let it in. Throws FORBIDDEN, NOT_ELIGIBLE. */
function requireSomebodyElse(deps: OperatorDeps, by: Operator, { name, owner }: Agent): void {
  requirePerson(by, DOING.activate)
  if (by.name === owner) throw new GatewayError('NOT_ELIGIBLE', `you answer for agent \`${name}\`: somebody else has to activate it`)
  if (by.name === deps.registry.registration(name)?.by)
    throw new GatewayError('NOT_ELIGIBLE', `you registered agent \`${name}\`: somebody else has to activate it`)
}

/** Cancels what an agent has waiting, approved or not, page by page. What a crash leaves is cancelled by a repeat, and never runs: its agent is retired. */
async function cancelHolds(deps: OperatorDeps, by: Operator, agent: string): Promise<number> {
  let cancelled = 0
  for (;;) {
    const { rows } = await deps.store.holds({ agent, state: ['open', 'approved'], orderBy: 'NEWEST' }, { first: LIMITS.pageRowsMax })
    let ended = 0
    for (const { id, callId } of rows) {
      const change = { hold: id, callId, to: 'cancelled', callState: 'cancelled', by: by.name, why: 'its agent is retired' } as const
      if (await deps.recorder.changeHold(change)) ended += 1
      deps.bus.publish({ kind: 'call', id: callId })
    }
    cancelled += ended
    // One that could not be cancelled has ended otherwise, or its time is over and it is about to.
    if (rows.length < LIMITS.pageRowsMax || ended === 0) return cancelled
  }
}

/** Marks its live grants dead: nobody wonders what they are still good for. Nothing passes under them anyway. */
async function endGrants(deps: OperatorDeps, agent: string): Promise<void> {
  let after: GrantId | undefined
  for (let more = true; more; ) {
    const page = await deps.grants.grants({ state: 'live', agent }, { first: LIMITS.grantsReviewedAtOnceMax, ...(after ? { after } : {}) })
    for (const { id } of page.rows) await deps.grants.end(id, null, 'its agent is retired')
    after = page.rows.at(-1)?.id
    more = page.more
  }
}
