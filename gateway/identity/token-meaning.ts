import { atPointer, isJsonObject, type JsonObject, type JsonValue } from '../core/json.ts'
import type { VerifiedToken } from '../ports/token-verifier.ts'
import { unauthenticated } from './compact-jws.ts'
import type { IssuerRule } from './issuer-table.ts'

/**
 * Who a proven token speaks for. For agents: the outermost `act.sub` (RFC 8693 4.1), else `client_id`, else `azp`, and `sub` where it differs;
 * for people: `sub` alone. Pointers of the rule come first. Throws UNAUTHENTICATED where a name is missing or the token mixes the two.
 */
export function meaningOf(claims: JsonObject, rule: IssuerRule, expiresAtMs: number): VerifiedToken {
  const jti = text(claims, '/jti', 'jti')
  const common = { issuer: rule.issuer, expiresAtMs, audience: rule.for, ...(jti === undefined ? {} : { jti }) }
  const actors = actorsOf(claims.act)
  const subject = text(claims, rule.claims.subject ?? '/sub', 'subject')
  const client = text(claims, '/client_id', 'client_id') ?? text(claims, '/azp', 'azp')
  if (rule.for === 'people') {
    if (subject === undefined) throw unauthenticated('the token names no person')
    if (actors.length > 0 || subject === client) throw unauthenticated('the token was issued to an agent, not to a person')
    return Object.freeze({ ...common, subject, actors })
  }
  const agent = rule.claims.agent === undefined ? (actors[0] ?? client) : text(claims, rule.claims.agent, 'agent')
  if (agent === undefined) throw unauthenticated('the token names no agent')
  if (actors.length > 0 && subject === undefined) throw unauthenticated('the token names an actor and nobody it acts for')
  return Object.freeze({
    ...common,
    agent,
    ...(subject === undefined || subject === agent ? {} : { subject }),
    actors: Object.freeze(actors[0] === agent ? actors : [agent, ...actors]),
  })
}

/** The text at a pointer; absent where there is nothing. Anything else there is refused. */
function text(claims: JsonObject, pointer: string, what: string): string | undefined {
  const value = atPointer(claims, pointer)
  if (value === undefined || (typeof value === 'string' && value !== '')) return value
  throw unauthenticated(`the ${what} of the token is not a text`)
}

/** The `act` chain, outermost first; as deep as the parser lets a token be. */
function actorsOf(act: JsonValue | undefined): string[] {
  const actors: string[] = []
  for (let at = act; at !== undefined; at = at.act) {
    if (!isJsonObject(at) || typeof at.sub !== 'string' || at.sub === '') throw unauthenticated('the actor chain of the token is malformed')
    actors.push(at.sub)
  }
  return actors
}
