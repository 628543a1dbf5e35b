import { type Fault, GatewayError } from '../core/errors.ts'
import type { Agent } from '../core/principal.ts'
import { LIMITS } from '../limits.ts'
import type { AgentProposal, Operator } from '../ports/operator.ts'
import type { OperatorDeps } from './deps.ts'
import { hasRole, requireRole } from './roles.ts'

const NAME = /^[a-z][a-z0-9-]{0,62}$/
const WORD = /^[^\p{C}\s]{1,63}$/u
const LINE = /^[^\p{C}]{1,200}$/u

/**
 * Registers an agent as proposed: it passes no door until somebody else activates it. Only public keys are taken, and never given back. Throws FORBIDDEN,
 * BAD_INPUT with every fault, NAME_TAKEN, LIMITED.
 */
export async function registerAgent(deps: OperatorDeps, by: Operator, proposal: AgentProposal): Promise<Agent> {
  requireRole(by, 'registering an agent', 'operator', 'security', 'local')
  if (hasRole(by, 'auditor'))
    throw new GatewayError('FORBIDDEN', 'auditors read everything and change nothing: registering an agent is not for them')
  const { keys: given, ...rest } = proposal
  const seed = { ...rest, purpose: rest.purpose.trim().toWellFormed() }
  const faults = faultsOf(deps, seed, given.length)
  if (faults.length > 0) {
    const listed = faults.map(({ pointer, message }) => `\`${pointer}\` ${message}`).join('; ')
    throw new GatewayError('BAD_INPUT', `the agent cannot be registered: ${listed}`, { faults })
  }
  if (deps.registry.agents().length >= LIMITS.agentsTrackedMax)
    throw new GatewayError('LIMITED', `more than ${LIMITS.agentsTrackedMax} agents are registered`)
  const { keys, thumbprints } = await deps.readPublicKeys(given)
  return await deps.registry.register(seed, { by: by.name, keys }, thumbprints)
}

function faultsOf(deps: OperatorDeps, seed: Omit<AgentProposal, 'keys'>, keys: number): readonly Fault[] {
  const { name, owner, team, region, purpose, roles, clearance, autonomy } = seed
  const faults: Fault[] = []
  const need = (fits: boolean, pointer: string, message: string): void => void (fits || faults.push({ pointer, message }))
  need(NAME.test(name), '/name', 'is lower-case letters, digits and dashes, starting with a letter, at most 63')
  need(deps.registry.person(owner) !== undefined, '/owner', 'is nobody of this organisation: name the person who answers for the agent')
  need(LINE.test(team), '/team', 'is one line of at most 200 characters')
  need(WORD.test(region), '/region', 'is one word of at most 63 characters')
  need(purpose !== '', '/purpose', 'is missing: say in a sentence what the agent is for')
  need(purpose.length <= LIMITS.commentCharsMax, '/purpose', `is longer than ${LIMITS.commentCharsMax} characters`)
  need(Number.isInteger(autonomy) && autonomy >= 0 && autonomy <= 5, '/autonomy', 'is a whole number from 0 to 5')
  for (const [pointer, words] of Object.entries({ '/roles': roles, '/clearance': clearance })) {
    need(words.length <= LIMITS.agentWordsMax, pointer, `has more than ${LIMITS.agentWordsMax} words`)
    need(
      new Set(words).size === words.length && words.every((word) => WORD.test(word)),
      pointer,
      'are different words of at most 63 characters',
    )
  }
  need(keys <= LIMITS.agentKeysMax, '/keys', `are more than ${LIMITS.agentKeysMax}`)
  return faults
}
