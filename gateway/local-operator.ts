import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { publishAddress } from './config/address-file.ts'
import { GatewayError } from './core/errors.ts'
import type { Person } from './core/principal.ts'
import type { Operator } from './ports/operator.ts'
import type { Registry } from './ports/registry.ts'
import type { TokenVerifier } from './ports/token-verifier.ts'

const PREFIX = 'ghl_'

/** The command line's credential: made anew at each start, readable by the user who runs the gateway and by nobody else. It never votes. */
export class LocalOperator {
  readonly #token = `${PREFIX}${randomBytes(32).toString('base64url')}`
  readonly #digest = createHash('sha256').update(this.#token).digest()

  /** Writes address and credential into the data directory (mode 0600). The returned function takes them away again. */
  publish(dataDir: string, url: string): () => void {
    return publishAddress(dataDir, { url, token: this.#token })
  }

  /** True for the credential, in constant time. */
  is(token: string): boolean {
    return timingSafeEqual(createHash('sha256').update(token).digest(), this.#digest)
  }
}

/**
 * Who stands behind an `Authorization` header at the control plane: a person of the configuration, or the local operator. Agents' tokens have another
 * audience and are refused. Throws UNAUTHENTICATED.
 */
export async function authenticateOperator(
  { verifier, registry, local }: { verifier: TokenVerifier; registry: Registry; local: LocalOperator },
  authorization: string | undefined,
): Promise<Operator> {
  if (authorization === undefined) throw new GatewayError('UNAUTHENTICATED', 'no token: send `Authorization: Bearer <token>`')
  const token = /^Bearer +([^\s]+)$/i.exec(authorization)?.[1]
  if (!token) throw new GatewayError('UNAUTHENTICATED', 'the authorization header is not `Bearer <token>`')
  if (token.startsWith(PREFIX)) {
    if (!local.is(token)) throw new GatewayError('UNAUTHENTICATED', 'the local credential is not the one of this start')
    return { name: 'local', groups: [], roles: ['local'] }
  }
  const { subject } = await verifier.verify(token, 'people')
  const person = subject === undefined ? undefined : registry.person(subject)
  if (!person) throw new GatewayError('UNAUTHENTICATED', 'the person of this token is not known here')
  return operatorOf(person)
}

/** A person of the configuration as they ask at the control plane. */
export const operatorOf = ({ name, groups, roles }: Person): Operator => ({ name, groups, roles })
