import { GatewayError } from '../core/errors.ts'
import type { Operator } from '../ports/operator.ts'
import type { DevelopmentTokens, OperatorDeps } from './deps.ts'
import { requireRole } from './roles.ts'

/** A person of this gateway may never make another's token: only the local credential does, and only a development issuer answers it. */
function minter(deps: OperatorDeps, by: Operator): DevelopmentTokens {
  requireRole(by, 'making a development token', 'local')
  if (deps.developmentTokens) return deps.developmentTokens
  throw new GatewayError(
    'FORBIDDEN',
    'the issuer is not a development issuer: set `development: true` on the built-in issuer to have tokens made',
  )
}

/**
 * An access token of a registered agent, in whatever status: a suspended agent's token is refused at every door. Recorded before it is made.
 * Throws FORBIDDEN, NOT_FOUND, BAD_INPUT.
 */
export async function mintAgentToken(deps: OperatorDeps, by: Operator, agent: string, subject: string | undefined): Promise<string> {
  const tokens = minter(deps, by)
  if (!deps.registry.agent(agent)) throw new GatewayError('NOT_FOUND', `no agent \`${agent}\``)
  if (subject !== undefined && !/^[!-~]{1,128}$/.test(subject)) {
    throw new GatewayError('BAD_INPUT', 'a subject is 1 to 128 printable characters without spaces')
  }
  await deps.recorder.note(null, { kind: 'agent.token', agent, by: by.name, subject: subject ?? null })
  return tokens.mintAgent(agent, subject)
}

/** An access token of a person for the control plane. Recorded before it is made. Throws FORBIDDEN, NOT_FOUND. */
export async function mintPersonToken(deps: OperatorDeps, by: Operator, person: string): Promise<string> {
  const tokens = minter(deps, by)
  if (!deps.registry.person(person)) throw new GatewayError('NOT_FOUND', `no person \`${person}\``)
  await deps.recorder.note(null, { kind: 'person.token', person, by: by.name })
  return tokens.mintPerson(person)
}

/**
 * The secret of a link that signs a person in once, in a browser, within `LIMITS.signInLinkLifeMs`. Recorded before it is made. Throws FORBIDDEN,
 * NOT_FOUND.
 */
export async function mintSignInLink(deps: OperatorDeps, by: Operator, person: string): Promise<string> {
  const tokens = minter(deps, by)
  if (!deps.registry.person(person)) throw new GatewayError('NOT_FOUND', `no person \`${person}\``)
  await deps.recorder.note(null, { kind: 'person.link', person, by: by.name })
  return tokens.signInLink(person)
}
