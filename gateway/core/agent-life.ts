import { GatewayError } from './errors.ts'
import type { Agent, AgentStatus } from './principal.ts'

/** The steps of an agent's life. Nothing leads out of `retired`: whoever held the name once holds it in the record for ever. */
export const LIFE_STEPS = {
  activate: { from: ['proposed'], to: 'active' },
  suspend: { from: ['active'], to: 'suspended' },
  reinstate: { from: ['suspended'], to: 'active' },
  retire: { from: ['proposed', 'active', 'suspended'], to: 'retired' },
} as const satisfies Record<string, { from: readonly AgentStatus[]; to: AgentStatus }>

export type LifeStep = keyof typeof LIFE_STEPS

/** Throws BAD_INPUT where an agent of this status cannot take this step. */
export function assertLifeStep({ name, status }: Pick<Agent, 'name' | 'status'>, step: LifeStep): void {
  const from: readonly AgentStatus[] = LIFE_STEPS[step].from
  if (from.includes(status)) return
  const rest = status === 'retired' ? ', for good: register another under a new name' : ''
  throw new GatewayError('BAD_INPUT', `agent \`${name}\` is ${status}${rest}: to ${step} it, it would have to be ${from.join(' or ')}`)
}
