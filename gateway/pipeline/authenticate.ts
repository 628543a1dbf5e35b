import type { AgentDoor } from '../core/call.ts'
import { GatewayError } from '../core/errors.ts'
import type { CallId } from '../core/ids.ts'
import type { Principal } from '../core/principal.ts'
import type { Parts } from './stages.ts'

/**
 * Bearer token to principal (RFC 6750 2.1: header only). The registry has the last word: an agent that is unknown or not active is refused
 * however valid its token is. Throws UNAUTHENTICATED after recording `refused`; a failed credential never falls back to anything.
 */
export async function authenticate(parts: Parts, authorization: string | undefined, door: AgentDoor): Promise<Principal> {
  try {
    const principal = await identify(parts, authorization)
    parts.onStage('authenticated')
    return principal
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    await recordRefusal(parts, door, null, null, error)
    throw error
  }
}

async function identify(parts: Parts, authorization: string | undefined): Promise<Principal> {
  if (authorization === undefined) throw new GatewayError('UNAUTHENTICATED', 'no token: send `Authorization: Bearer <access token>`')
  const token = /^Bearer +([^\s]+)$/i.exec(authorization)?.[1]
  if (!token) throw new GatewayError('UNAUTHENTICATED', 'the authorization header is not `Bearer <access token>`')
  const verified = await parts.verifier.verify(token, 'agents')
  if (!verified.agent) throw new GatewayError('UNAUTHENTICATED', 'the token names no agent')
  const agent = parts.registry.agent(verified.agent)
  if (!agent) throw new GatewayError('UNAUTHENTICATED', 'the agent of this token is not registered')
  if (agent.status !== 'active') throw new GatewayError('UNAUTHENTICATED', `the agent is ${agent.status}`)
  return {
    agent,
    ...(verified.subject === undefined ? {} : { subject: verified.subject }),
    actors: verified.actors,
    issuer: verified.issuer,
    tokenExpiresAtMs: verified.expiresAtMs,
  }
}

/**
 * Writes a `refused` entry, under the id that the agent was told where it was told one. A record that is away does not turn a refusal into something else, so that
 * failure only goes to the log; and nobody who is refused since the record is away waits for it a second time, nor is there a line for each of them.
 */
export async function recordRefusal(
  parts: Parts,
  door: AgentDoor,
  principal: Principal | null,
  asked: string | null,
  error: Pick<GatewayError, 'code' | 'message' | 'faults'>,
  callId: CallId | null = null,
): Promise<void> {
  parts.telemetry.count('refused', { door, code: error.code })
  const noted = parts.recorder
    .note(callId, {
      kind: 'refused',
      door,
      agent: principal?.agent.name ?? null,
      asked: asked === null ? null : asked.slice(0, 256),
      code: error.code,
      message: error.message,
      faults: error.faults.slice(0, 20),
    })
    .catch((failure: unknown) => {
      if (error.code !== 'UNAVAILABLE')
        parts.telemetry.log.error({ error: failure, code: error.code, door }, 'a refusal could not be recorded')
    })
  if (error.code !== 'UNAVAILABLE') await noted
}
